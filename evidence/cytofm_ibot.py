"""CytoFM (iBOT): hidden rows that must say what the teacher says of them help the class token to tell kinds of cells, and the
outputs stay spread out only with the centre.

Ablations: the same training without the term at hidden rows; and without the centre.
"""

from functools import partial

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.losses import soft_cross_entropy
from headstart.nn.encoder import Model
from headstart.nn.heads import prototypes
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step, cosine

from .claim import Claim, Figure
from .lab import data_of, encode, fit, knn, recipe

SEEN, HELD, SIDE, PATCH, CODES, STEPS = 1024, 1200, 20, 4, 256, 250
SIZE = Model(width=48, depth=2, heads=3)
NARROW = {"prototypes": partial(prototypes, hidden=96, bottleneck=32)}


def check() -> Claim:
    """The record also asks for clusters of rows with NMI above 0.3 to the parts. They do not come within 250 steps: 0.09, and
    0.19 untrained, as fixed positions outweigh content in rows. Twice chance (0.33) is less than the untrained network has."""
    both, whole, loose = trained(), trained(rows=0.0), trained(steps=200, centre=1.0)
    kinds, agreed, spread = judged(both)
    (kinds_alone, agreed_alone, _), lost = judged(whole), judged(loose)[2]
    without = "no term at hidden rows"
    return Claim((
        Figure("kNN accuracy of the class token, 6 kinds", kinds, above=0.53, baseline=kinds_alone, said=without),
        Figure("divergence from the teacher at hidden rows, over log K", agreed, below=0.2, baseline=agreed_alone, said=without),
        Figure("entropy of the teacher over log K", spread, above=0.2, below=0.98, baseline=lost, said="no centre"),
        Figure("the same without the centre", lost, below=0.2, baseline=spread, said="with it"),
    ))  # fmt: skip


def trained(steps: int = STEPS, rows: float = 1.0, centre: float = 0.9) -> Objective:
    data = data_of(ArraySource(cells(SEEN)[0], "image"), batch=32, patch=PATCH)
    made = recipe("cytofm_ibot", data, SIZE, codes=CODES, local=4, parts=NARROW)
    task = made.objective
    task.weights["rows"] = rows
    task.terms["agree"].loss.shares.momentum = task.terms["rows"].target.shares.momentum = centre
    task.teacher.momentum = cosine(0.99, 1.0)  # the release's 0.996 is for hundreds of times as many steps
    return fit(made, steps, lr=2e-3)


@torch.no_grad()
def judged(objective: Objective) -> tuple[float, float, float]:
    """Held out: (kNN accuracy, divergence at hidden rows, entropy of the teacher's word on a sample, both over log K)."""
    pictures, kinds = cells(HELD, seed=1)
    held = Data(ArraySource(pictures, "image"), objective.encoder.tokenizers)
    z, half = encode(objective.encoder, held, range(HELD), "first"), HELD // 2
    views = recipe("cytofm_ibot", held, SIZE, codes=8, local=1, parts=NARROW).data.views
    step = Step(0, 1, 7)
    batch = collate(Data(held.source, held.tokenizers, views=views), np.arange(200), step, objective.slots)
    scene = objective.scene(batch, step)
    view, taught = scene.views["big"], scene.teacher.z["big"]
    goal = shares(scene.teacher.heads["rows"](taught, view), objective.terms["rows"].target.shares.center)
    apart = soft_cross_entropy(scene.student.heads["rows"](scene.student.z["big"], view), goal, temperature=0.1)
    apart = (apart - entropy(goal)).mean()
    said = shares(scene.teacher.heads["agree"](taught.values[taught.slot]), objective.terms["agree"].loss.shares.center)
    scale, told = np.log(CODES), knn(z[:half], kinds[:half], z[half:], kinds[half:])
    return told, float(apart / scale), float(entropy(said).mean() / scale)


def entropy(share: torch.Tensor) -> torch.Tensor:
    return -(share * share.clamp(min=1e-12).log()).sum(-1)


def shares(said: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    return ((said - center) / 0.04).softmax(-1)


def cells(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(pictures [n, 20, 20], kind [n]): a striped round cell with one or two dark nuclei on a light ground, at any brightness.

    The kind is which way the stripes run (2) and whether the nucleus is small, large or double (3).
    """
    r = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    kind = r.integers(6, size=count)
    way, form = (kind // 3)[:, None, None], (kind % 3)[:, None, None]

    def draw(low, high):
        return r.uniform(low, high, (count, 1, 1))

    cy, cx, radius, turn = draw(8, 12), draw(8, 12), draw(7, 9), draw(0, 2 * np.pi)
    part = (np.hypot(y - cy, x - cx) < radius).astype(int)
    apart, size = np.where(form == 2, 3.6, 0.0), np.select([form == 0, form == 1], [2.2, 4.6], 2.8)
    for sign in (-1, 1):
        ny, nx = cy + sign * apart * np.sin(turn), cx + sign * apart * np.cos(turn)
        part = np.where(np.hypot(y - ny, x - nx) < size, 2, part)
    striped = np.sin(2 * np.pi / 4 * np.where(way == 0, y, x) + draw(0, 2 * np.pi))
    picture = np.select([part == 0, part == 1], [0.7, 0.5 * striped], -0.7) + draw(-0.7, 0.7)
    picture = picture + 0.2 * r.standard_normal(picture.shape)
    pictures = (127.5 + 60 * picture).clip(0, 255).astype(np.uint8)
    return pictures, kind
