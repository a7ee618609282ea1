"""SatMAE++: a coarse scene is restored from a quarter of its rows, and the restored scene must also grow into the true finer
ones (Noman et al., "Rethinking Transformers Pre-training for Multi-Spectral Satellite Imagery", 2024).

Hides: 75 % of the rows of the scene at a quarter of its resolution, each band and place by itself.
Predicts: the hidden rows; and, from the whole restored scene, the scene at twice and four times the resolution.
Use when: you have satellite scenes or other pictures in many bands whose fine detail counts, and larger ones than the
encoder could read whole. What is read (data.side) is the finest scale, so the encoder sees a sixteenth of its rows in
training. Not for small pictures: at 32 pixels a side hardly anything is left a quarter as fine.
Mechanism: several scales of targets at no cost for the encoder, by a few convolutions on the prediction.
Differs from the paper in: a row is a patch of one band with its wavelength as a coordinate (paper: three fixed groups of
ten Sentinel-2 bands, each with its own way in and out), so that any set of bands will do, and bands grow one by one by
the same convolutions, at least 16 wide (paper: all together, 40 wide); coarse rows keep their place in the full scene, so
that the encoder can read full scenes later; no random crops; a warm-up of 10 % of training (paper: 20 of 50 epochs).
RGB pictures grow to both scales, too (paper: only twice; scales=1).
Command: headstart pretrain scenes/ recipe=satmae_pp
Expected: held-out parts of photographs at four times the resolution with less than 0.7 of the mean colour's error, and hidden
rows with less than half of the mean row's: `python -m evidence run satmae-pp`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment import Looks
from ..corrupt import Fill, Make, clean, corrupt, drop, keep, random
from ..errors import Mistake
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder, put_back
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..terms import Term
from ..tokenizers.grid import alike, grids, uncut
from ..tokens import Tokens, View
from ..tree import replace

FLAT = ("image", "multispectral")


def pyramid_of(data: Data, scales: int) -> tuple[tuple[str, ...], int]:
    """The names of the views, the coarsest first ("x", "2x", "4x"), and the side of a patch; a Mistake for what is no picture."""
    tokenizer: Any = data.only
    if tokenizer.kind not in FLAT:
        raise Mistake(
            f"satmae_pp lets flat pictures grow finer, and {tokenizer.kind} samples are none: "
            f"give it {' or '.join(FLAT)} data, or take mae"
        )
    if scales < 1:
        raise Mistake(f"scales={scales}: the scene grows to twice its sides at least once")
    return ("x", *(f"{2**i}x" for i in range(1, scales + 1))), tokenizer.patch


def pyramid(names: tuple[str, ...], look: Looks, rng: Rng) -> dict[str, list[Any]]:
    """Every sample as it is under the last name, and half as fine under each name before."""
    factors = [2**i for i in reversed(range(len(names)))]
    return {n: [look.coarser(f) if f > 1 else look.whole] for n, f in zip(names, factors, strict=True)}


def spread(factor: int, make: Make) -> Make:
    """The view that `make` gives, its rows told where they lie in a scene of `factor` times their number along a side."""

    def wide(tokens: Tokens, rng: Rng) -> View:
        where = tokens.coords[:, -2:] * factor + (factor - 1) / 2
        return make(replace(tokens, coords=torch.cat([tokens.coords[:, :-2], where], 1)), rng)

    return wide


class restored(Term):
    """`share` times the error of the hidden rows, and the rest for every pixel of the scene grown to each finer scale (L1)."""

    def __init__(
        self, head: decoder, grow: Callable[[Tensor], list[Tensor]], patch: int, names: tuple[str, ...], share: float
    ) -> None:
        super().__init__()
        self.head, self.grow, self.patch, self.names, self.share = head, grow, (patch, patch), names, share
        self.reads, self.hides = names[:1], names[0]

    def forward(self, scene: Scene) -> Tensor:
        view, prediction = scene.views[self.names[0]], self.whole(scene)
        rows = view.hidden.index
        return self.share * mse(prediction[rows], view.clean.values[rows]).mean() + (1 - self.share) * self.far(
            scene, prediction
        )

    def predicted(self, scene: Scene) -> Float[Tensor, "K P"]:
        """What the decoder says at hidden rows."""
        return self.whole(scene)[scene.views[self.names[0]].hidden.index]

    def whole(self, scene: Scene) -> Float[Tensor, "T P"]:
        """What the decoder says at every row, hidden or not."""
        view, head = scene.views[self.names[0]], cast(decoder, self.head)
        x = view.clean.with_values(put_back(head.enter(scene.student.z[self.names[0]].values), head.mask, view))
        for block in head.blocks:
            x = block(x)
        return head.out(head.norm(x.values)).float()

    def far(self, scene: Scene, prediction: Float[Tensor, "T P"]) -> Float[Tensor, ""]:
        """The mean over scales of the mean absolute error over pixels."""
        total, count = prediction.new_zeros(len(self.names) - 1), prediction.new_zeros(len(self.names) - 1)
        for small, *larger in self.scenes(scene, prediction):
            for i, (grown, true) in enumerate(zip(self.grow(small), larger, strict=True)):
                h, w = (min(a, b) for a, b in zip(grown.shape[2:], true.shape[2:], strict=True))  # full patches differ
                total[i] = total[i] + (grown[..., :h, :w] - true[..., :h, :w]).abs().sum()
                count[i] = count[i] + true[..., :h, :w].numel()
        return (total / count.clamp(min=1)).mean()

    def scenes(self, scene: Scene, prediction: Float[Tensor, "T P"]) -> list[list[Tensor]]:
        """For all scenes (bands of scenes) of one size: [the restored one, the true ones at finer scales], each [n, C, h, w]."""
        tokens = [scene.batch.tokens[name] for name in self.names]
        found = [grids(each, 2) for each in tokens]
        values = [prediction, *(each.values for each in tokens[1:])]
        groups = alike(zip(*(each.counts for each in found), strict=True))
        return [
            [
                uncut(x[g.of(members).flatten()], g.counts[members[0]], self.patch)
                for x, g in zip(values, found, strict=True)
            ]
            for members in groups
        ]


class finer(nn.Module):
    """[n, C, h, w] -> the same at twice the sides, four times, ...: the released UpsampleBlocks, one for each scale."""

    def __init__(self, channels: int, scales: int) -> None:
        super().__init__()
        width = max(16, 4 * channels)  # of one band four would be too few to tell textures apart
        self.enter, self.norm = nn.Conv2d(channels, width, 1), over_channels(width)
        self.ups = nn.ModuleList(doubled(width, channels) for _ in range(scales))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "n C h w"]) -> list[Tensor]:
        x, out = self.norm(F.gelu(self.enter(x.float()))), []
        for up in self.ups:
            x, prediction = up(x)
            out.append(prediction)
        return out


class doubled(nn.Module):
    """Twice the sides: a transposed convolution, a residual pair of convolutions, and what the picture is at this scale."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.up, self.norm1 = nn.ConvTranspose2d(width, width, 4, 2, 1), over_channels(width)
        self.one, self.two = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.norm2, self.out = over_channels(width), nn.Conv2d(width, channels, 3, 1, 1)

    def forward(self, x: Float[Tensor, "n D h w"]) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu(self.norm1(self.up(x)))
        x = self.norm2(x + 0.5 * self.two(F.relu(self.one(x))))
        return x, self.out(x)


class over_channels(nn.LayerNorm):
    """LayerNorm over the channels of [n, D, h, w] at every pixel."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


SMALL = {"depth": 2, "optim.lr": 4e-3, "data.batch": 16}  # of its check on made-up data: docs/log.md, 2026-11-26
IDEAS = {
    "finer scales grow from it": {"share": 1.0},
    "hidden rows are restored": {"share": 0.0},
    "hidden rows are not seen": {"fill": keep},
}


def satmae_pp(
    data: Data,
    size: str | Model = "L",
    ratio: float = 0.75,
    depth: int = 8,
    scales: int = 2,
    share: float = 0.6,
    fill: Fill = drop,
) -> Recipe:
    """Restore a scene 2 ** `scales` times coarser from 1 - `ratio` of its rows (`share` of the loss), and let it grow back."""
    names, patch = pyramid_of(data, scales)
    data = data.with_views(partial(pyramid, names))
    enc = encoder(data.tokenizers, size)
    grow = finer(data.dim // patch**2, scales)
    restore = restored(decoder(enc.width, data.dim, depth), grow, patch, names, share)
    views: dict[str, Make] = {names[0]: spread(2**scales, corrupt(random, ratio, fill))}
    task = Objective(enc, views=views | dict.fromkeys(names[1:], clean), terms={"restore": restore})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-4), weight_decay=0.05), steps=data.epochs(50))
