"""M3AE: hidden words are told from the picture, hidden pixels with the help of the caption, and whether both belong together.

Pictures of two coloured shapes, captions of two letters for each. What is measured with the right other part is measured again
with another sample's; the ablation is the same model with its parts encoded apart, where neither can help the other.
"""

import numpy as np
import torch

from headstart.corrupt import Make, clean
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Rng, Step
from headstart.tokenizers import ImageTokenizer, TextTokenizer
from headstart.tokens import Tokens, View

from .claim import Claim, Figure
from .lab import Model, fit, recipe

HELD, STEP = 256, Step(0, 1, seed=5)
SHAPES = np.array(
    [
        [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]],
        [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]],
        [[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]],
    ]
)
COLOURS = np.array([[230, 40, 40], [40, 230, 40], [40, 40, 230], [230, 230, 40]])


def check() -> Claim:
    data, held = pairs(2000, 0), pairs(HELD, 1)
    objective = fit(recipe("m3ae_medical", data, size=Model(64, 4, 4), depth=2), 250, lr=2e-3)
    own, others = (told(objective, held, whole) for whole in (clean, another))
    objective.together = {}
    alone, alone_others = (told(objective, held, whole) for whole in (clean, another))
    apart = "the parts encoded apart"
    return Claim(
        (
            Figure("hidden letters told from the right picture less from another's [points]", 100 * (own[0] - others[0]),
                   above=15, baseline=100 * (alone[0] - alone_others[0]), said=apart),
            Figure("error of hidden patches with the right caption over with another's", own[1] / others[1], below=0.95,
                   baseline=alone[1] / alone_others[1], said=apart),
            Figure("accuracy of whether they belong together", own[2], above=0.8, baseline=alone[2], said=apart),
        )
    )  # fmt: skip


def pairs(count: int, seed: int) -> Data:
    r = np.random.default_rng(seed)
    colour, shape = r.integers(0, 4, (2, count, 2))
    cells = SHAPES[shape][..., None] * COLOURS[colour][:, :, None, None] + 20  # [n, 2, 4, 4, 3]
    pictures = np.concatenate([cells[:, 0], cells[:, 1]], 2).transpose(0, 3, 1, 2).clip(0, 255).astype(np.uint8)
    letters = [
        ["".join("RGBY"[c] + "oxzn"[s] for c, s in zip(*each, strict=True))] for each in zip(colour, shape, strict=True)
    ]
    samples = [{"image": picture, "text": text} for picture, (text,) in zip(pictures, letters, strict=True)]
    return Data(ListSource(samples, "pair"), {"image": ImageTokenizer(2, 3), "text": TextTokenizer(4)}, batch=64)


@torch.no_grad()
def told(objective: Objective, data: Data, whole: Make = clean) -> tuple[float, float, float]:
    """(accuracy at hidden letters, error at hidden patches, accuracy of the match); `whole` makes what is shown in full."""
    objective.views |= {"shown": ("image", whole), "told": ("text", whole)}
    scene = objective.scene(collate(data, np.arange(HELD), STEP, objective.slots), STEP)
    blanks, match = scene.views["blanks"], objective.terms["match"]
    said = objective.terms["words"].head(scene.student.z["blanks"], blanks).argmax(1)
    words = float((said == blanks.clean.values[blanks.hidden.index]).float().mean())
    belongs = match.head(match.read(scene.student.z["other"])).argmax(1) == scene.views["other"].label
    return words, float(objective.terms["pixels"](scene)), float(belongs.float().mean())


def another(tokens: Tokens, rng: Rng) -> View:
    """The rows of the sample before; all have equally many."""
    each = tokens.values.unflatten(0, (tokens.layout.segments, -1))
    return clean(tokens.with_values(each.roll(1, 0).flatten(0, 1)), rng)
