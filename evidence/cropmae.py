"""CropMAE: a part of a picture is restored from one of its rows and from the picture around it, and places are found again.

Ablation: training on two equal crops (SameViews), where what is hidden is simply at the same place of the other view; the
figure of error is beside a decoder that cannot see the global crop, for which any crop is as good as the true one.
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from headstart.augment import Looks
from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Rng, Step
from headstart.tokens import reserve

from .claim import Claim, Figure
from .lab import data_of, fit, recipe

SIZE = Model(width=64, depth=1, heads=4)
SIDE, PATCH, HELD, STEPS = 32, 4, 200, 300


def check() -> Claim:
    data = data_of(ArraySource(scenes(3000), "image"), batch=20, patch=PATCH, side=SIDE)
    made = recipe("cropmae", data, SIZE, depth=1)
    held = Data(ArraySource(scenes(HELD, seed=1), "image"), data.tokenizers, views=made.data.views)
    before = found_again(made.objective, held)
    trained = fit(made, STEPS, lr=3e-3)
    equal = fit(recipe("cropmae", data, SIZE, depth=1, parts={"two_crops": same_views}), STEPS, lr=3e-3)
    place, same = found_again(trained, held), found_again(equal, held)
    visible = SIDE * SIDE // PATCH**2 - trained.view("b", batch_of(trained, held), Step(0, 1)).hidden.counts[0]
    return Claim(
        (
            Figure(
                "error with the true global crop over that with another picture's",
                error(trained, held) / error(trained, held, other=1),
                below=0.7,
                baseline=1.0,
                said="a decoder that cannot see it",
            ),
            Figure(
                "patches found again in another crop by their nearest feature, beyond training on equal crops",
                place - same,
                above=0.1,
                baseline=0.0,
                said=f"{place:.2f} and {same:.2f}; untrained, where a patch is its colours, {before:.2f}",
            ),
            Figure("rows of 64 that are seen of the local crop", float(visible), above=0.5, below=1.5),
        )
    )


def scenes(count: int, seed: int = 0) -> np.ndarray:
    """Soft clouds of colour."""
    points = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(points, (SIDE, SIDE), mode="bicubic", align_corners=True).numpy()


def same_views(**scales: Any) -> Any:
    def views(look: Looks, rng: Rng) -> dict[str, list[Any]]:
        crop = look.crop(rng.fold("a"), (0.3, 1.0))
        return {"a": [crop], "b": [crop]}

    return views


def batch_of(objective: Objective, data: Data) -> Any:
    return collate(data, np.arange(HELD), Step(0, 1), objective.slots)


@torch.no_grad()
def error(objective: Objective, data: Data, other: int = 0) -> float:
    """The loss; with the global crop of the `other`-th picture after each."""
    scene = objective.scene(batch_of(objective, data), Step(0, 1))
    whole = scene.student.z["a"]
    turned = whole.values.view(HELD, -1, whole.values.shape[1]).roll(other, 0).flatten(0, 1)
    scene.student.z["a"] = whole.with_values(turned)
    return float(objective.terms["restore"](scene))


@torch.no_grad()
def found_again(objective: Objective, data: Data) -> float:
    """Of the patches that two crops of three quarters of a side share, those whose nearest feature is at most a patch off."""
    pictures = torch.from_numpy(np.stack([data.source[i] for i in range(HELD)]))
    size, shift, n = SIDE * 3 // 4, SIDE // 4, SIDE // PATCH
    crops = pictures[..., :size, :size], pictures[..., shift:, shift:]
    one, two = (
        F.normalize(z.values.view(HELD, -1, SIZE.width)[:, 1:], dim=-1)
        for crop in crops
        for z in [objective.encoder(reserve(data.only.many(F.interpolate(crop, (SIDE, SIDE), mode="bilinear")), 1))]
    )
    nearest = torch.einsum("snd,smd->snm", one, two).argmax(2)
    middle = (torch.cartesian_prod(torch.arange(n), torch.arange(n)) + 0.5) * size / n  # in pixels of the picture
    off = (middle[nearest] + shift - middle).abs().amax(-1)[:, middle.amin(1) >= shift]
    return float((off <= size / n + 1e-3).float().mean())
