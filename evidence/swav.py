"""SwAV: on signals of ten modes all prototypes come into use and the modes can be told apart; without balance they collapse.

The ablation replaces the balanced assignment by the plain softmax of the same scores at the same temperature.
"""

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Model
from headstart.recipe import Data
from headstart.recipes.swav import balanced as sinkhorn

from .claim import Claim, Figure
from .lab import data_of, encode, fit, linear, recipe

SIZE = Model(width=32, depth=2, heads=2)
MODES, CODES = 10, 30
SEEN, HELD = 1500, 500


def check() -> Claim:
    waves, modes = ten_modes(SEEN + HELD)
    data = data_of(ArraySource(waves, "series"), patch=6)
    use, told = trained(data, modes)
    flat, guessed = trained(data, modes, balanced=plain)

    scores = torch.rand(512, CODES, generator=torch.Generator().manual_seed(0)) * 2 - 1
    nothing = scores[:0], torch.zeros(0, dtype=torch.bool)
    shares = sinkhorn(scores, *nothing, iterations=50)
    rough = plain(scores, *nothing)
    return Claim(
        (
            Figure(
                "entropy of the use of prototypes on held-out samples, over log K",
                use,
                above=0.9,
                baseline=flat,
                said="plain softmax",
            ),
            Figure("the same with plain softmax for the assignment", flat, below=0.3, baseline=use, said="balanced"),
            Figure("linear probe of ten modes", told, above=0.9, baseline=guessed, said="plain softmax"),
            Figure("a sample's shares less 1", float((shares.sum(1) - 1).abs().max()), below=1e-5),
            Figure(
                "a prototype's share less B / K, over B / K",
                uneven(shares),
                below=0.05,
                baseline=uneven(rough),
                said="plain softmax",
            ),
        )
    )


def ten_modes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy waves of two channels: a mode is a pair of levels and a frequency, and samples of a mode differ in all of them."""
    r = np.random.default_rng(0)
    mode = r.integers(MODES, size=count)
    angle = 2 * np.pi * mode / MODES
    level = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.15 * r.standard_normal((count, 2))
    turns = (3 + mode % 3)[:, None] + 0.3 * r.standard_normal((count, 1))
    wave = np.sin(2 * np.pi * (turns * np.linspace(0, 1, 48) + r.random((count, 1))))
    return level[:, :, None] + 0.3 * wave[:, None] + 0.2 * r.standard_normal((count, 2, 48)), mode


def trained(data: Data, modes: np.ndarray, **parts: object) -> tuple[float, float]:
    """(entropy of the most like prototypes of held-out samples over log K, accuracy of a linear probe) after 300 steps."""
    seen = Data(ArraySource(data.source.values[:SEEN], "series"), data.tokenizers, 64)
    objective = fit(recipe("swav", seen, SIZE, parts=parts, codes=CODES, local=2, queue=256), 300, lr=4e-3)
    z = encode(objective.encoder, data, range(SEEN + HELD))
    agree = objective.terms["agree"]
    with torch.no_grad():
        said = F.normalize(agree.head(torch.from_numpy(z[SEEN:])), dim=1) @ F.normalize(agree.loss.codes, dim=1).T
    share = np.bincount(said.argmax(1).numpy(), minlength=CODES) / HELD
    entropy = -float((share * np.log(share + 1e-12)).sum()) / np.log(CODES)
    return entropy, linear(z[:SEEN], modes[:SEEN], z[SEEN:], modes[SEEN:])


def plain(scores: torch.Tensor, earlier: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """What each sample says for itself."""
    return (scores / 0.05).softmax(1)


def uneven(shares: torch.Tensor) -> float:
    """How far the least and most used prototype are from an equal share."""
    return float((shares.sum(0) * CODES / len(shares) - 1).abs().max())
