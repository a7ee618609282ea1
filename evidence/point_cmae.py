"""Point-CMAE: what is hidden in two masks is described alike by two decoders, row by row, and both restore the shape.

Synthetic clouds of four classes. After 350 steps: the cosine of the two descriptions of one row less that of two rows of a cloud.
Ablation: the released loss, which leads a row to all rows of the other view. And each reconstruction over its value at step ten.
Restoring counts 1 here, not 5: in so few steps agreement must weigh more to show.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.point_cmae import agreement
from headstart.scene import Scene
from headstart.step import Step

from . import lab
from .claim import Claim, Figure

POINTS, CLOUDS = 256, 400
TEST = range(300, 400)


def clouds() -> list[np.ndarray]:
    """[256, 3] points on a ball, a box, a ring or a rod, stretched and turned about the vertical."""
    r = np.random.default_rng(0)
    made = []
    for number in range(CLOUDS):
        x = r.standard_normal((POINTS, 3))
        if number % 4 == 0:
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        elif number % 4 == 1:
            x = r.uniform(-1, 1, x.shape)
            x[np.arange(POINTS), r.integers(3, size=POINTS)] = np.sign(r.standard_normal(POINTS))
        elif number % 4 == 2:
            flat = x[:, :2] / np.linalg.norm(x[:, :2], axis=1, keepdims=True)
            x = np.c_[flat, 0 * flat[:, :1]] + 0.1 * x
        else:
            x = np.c_[0.2 * x[:, :2] / np.linalg.norm(x[:, :2], axis=1, keepdims=True), r.uniform(-1, 1, POINTS)]
        angle = r.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        made.append((x * r.uniform(0.7, 1.3, 3) @ turn).astype(np.float32))
    return made


def described(term: agreement, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """[clouds, rows, dim] of each view, and which rows both hide."""
    views = [scene.views[name] for name in term.reads]
    spans = views[0].clean.layout
    out = []
    for view in views:
        said = term.decoders[view.name].features(scene.student.z[view.name], view)  # type: ignore[operator]
        whole = said.new_zeros(spans.rows, said.shape[1]).index_copy(0, view.hidden.index, said)
        out.append(F.normalize(whole, dim=-1).view(spans.segments, -1, said.shape[1]))
    return out[0], out[1], (views[0].hidden.mask & views[1].hidden.mask).view(spans.segments, -1)


class released(agreement):
    """What the released code does: rows hidden in both views are led to every row of the other view."""

    def forward(self, scene: Scene) -> Tensor:
        a, b, both = described(self, scene)
        content = (~scene.views["a"].clean.slot).view(both.shape)
        pairs = both[:, :, None] & content[:, None]
        return ((1 - a @ b.transpose(1, 2)) * pairs).sum() / pairs.sum()


def told_apart(objective: Objective, given: Data) -> float:
    """Mean cosine of one row in both views, less that of two rows of the cloud, over rows that both views hide."""
    step = Step(0, 1, 1)
    batch = collate(given, np.array(TEST), step, objective.slots)
    with torch.no_grad():
        a, b, both = described(objective.terms["agree"], objective.scene(batch, step))  # type: ignore[arg-type]
    near = a @ b.transpose(1, 2)
    pairs = both[:, :, None] & both[:, None]
    same = torch.eye(both.shape[1], dtype=torch.bool)[None] & pairs
    return float(near[same].mean() - near[pairs & ~same].mean())


def trained(given: Data, term: type[agreement], steps: int = 350) -> Objective:
    made = lab.recipe("point_cmae", given, size=Model(48, 2, 4), depth=1, restore=1.0)
    made.objective.terms["agree"].__class__ = term
    return lab.fit(made, steps, lr=3e-3)


def check() -> Claim:
    given = lab.data_of(ListSource(clouds(), "points"), batch=16, rows=16)
    objective = trained(given, agreement)
    tenth, after = (lab.losses(each, given, TEST, seed=1) for each in (trained(given, agreement, 10), objective))
    apart, release = (told_apart(each, given) for each in (objective, trained(given, released)))
    return Claim((
        Figure("cosine of one row less that of two", apart, above=0.2, baseline=release, said="released: led to all rows"),
        *(Figure(f"distance restored in view {v} over step 10's", after[v] / tenth[v], below=0.5) for v in ("a", "b")),
    ))  # fmt: skip
