"""Uni4Eye: one encoder learns from pictures and from scans that do not belong together, by restoring what is hidden and its
edges (Cai et al., "Uni4Eye: Unified 2D and 3D Self-supervised Pre-training via Masked Image Modeling Transformer for
Ophthalmic Image Classification", 2022).

Hides: 75 % of the rows of every sample, whatever its kind.
Predicts: the hidden rows, and the same rows of the sample's gradient map (how much it changes there), by a decoder each.
Use when: you have two or more kinds of gridded data of one field (photographs and volumes, slices and clips) and too few of
each; or one kind in which edges matter. Samples need not be paired. Kinds that have nothing in common only share the cost.
Mechanism: each kind has its own way in and out; the blocks between learn from all; the edges are meant to keep
what is restored from blurring.
Differs from the paper in: a step holds samples of all kinds (paper: one kind at a time), each kind's error counting the
same; the gradient map is the root of the summed squares of Sobel derivatives along every axis (paper: operator not
said), equally weighted; a warm-up of 10 % of training; the learning rate is not
scaled by batch / 256. This is the first paper; Uni4Eye++ (entropy-guided masks, dynamic head) is not in it.
Command: headstart pretrain eyes/ recipe=uni4eye data.kind=image+volume   (a folder that holds both)
Expected: of held-out pictures and scans less than 0.9 of the mean sample's squared error, and of the edges of what is hidden a
correlation above 0.5 with the true ones: `python -m evidence run uni4eye`.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..corrupt import Fill, corrupt, drop, keep, random
from ..errors import Mistake
from ..losses import mse
from ..nn.encoder import Encoder, Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import warmup_cosine
from ..targets import Target, raw
from ..terms import masked
from ..tokenizers.grid import alike, cut, grids, uncut
from ..tokens import Tokenizer, View

AXES = {"image": 2, "multispectral": 2, "video": 3, "volume": 3, "field": 3}
TUBE = 2  # frames in a row of a clip


def patch_of(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The sides of a row's patch; a Mistake for kinds that are no grid."""
    if tokenizer.kind not in AXES:
        raise Mistake(
            f"uni4eye restores edges, which {tokenizer.kind} samples do not have: it takes {', '.join(AXES)}; mae takes any"
        )
    kind: Any = tokenizer
    return (TUBE, kind.patch, kind.patch) if kind.kind == "video" else (kind.patch,) * AXES[kind.kind]


def apart(width: int, kinds: dict[str, Tokenizer], depth: int) -> dict[str, decoder]:
    """A decoder for each kind."""
    return {name: decoder(width, tokenizer.dim, depth) for name, tokenizer in kinds.items()}


def branch(width: int, kinds: dict[str, Tokenizer], depth: int) -> dict[str, decoder]:
    """A decoder for each kind: all but the last linear map is one and the same."""
    heads = apart(width, kinds, depth)
    first = next(iter(heads.values()))
    for head in heads.values():
        head.enter, head.mask, head.blocks, head.norm = first.enter, first.mask, first.blocks, first.norm
    return heads


def edges(patch: tuple[int, ...]) -> Target:
    """The gradient map of whole samples, put together from their rows: no edge is lost between two patches."""

    def target(view: View, rows: Tensor, scene: Scene) -> Float[Tensor, "K P"]:
        values, found = view.clean.values, grids(view.clean, len(patch))
        out = torch.zeros_like(values)
        for members in alike(found.counts):
            index = found.of(members).flatten()
            out[index] = cut(gradient(uncut(values[index], found.counts[members[0]], patch)), patch)
        return out[rows]

    return target


def gradient(x: Float[Tensor, "n C ..."]) -> Float[Tensor, "n C ..."]:
    """How much each channel changes at every point: Sobel's derivative along every axis, 1 where the slope is 1 per pixel."""
    axes = range(2, x.ndim)
    total = torch.zeros_like(x)
    for along in axes:
        change = x
        for axis in axes:
            before, here, after = _beside(change, axis)
            change = (after - before) / 2 if axis == along else (before + 2 * here + after) / 4
        total = total + change.square()
    return total.sqrt()


def _beside(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """The values one before, here, and one after; at the ends, what is there itself."""
    n = x.shape[axis]
    last = x.narrow(axis, n - 1, 1)
    return (
        torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)], axis),
        x,
        torch.cat([x.narrow(axis, 1, n - 1), last], axis),
    )


def one(encoder: Encoder, kinds: Iterable[str]) -> Encoder:
    """The same for all."""
    return encoder


def each(encoder: Encoder, kinds: Iterable[str]) -> dict[str, Encoder]:
    """A copy for every kind but the first."""
    return {kind: deepcopy(encoder) if number else encoder for number, kind in enumerate(kinds)}


SMALL = {"depth": 1, "optim.lr": 4e-3, "data.batch": 32}  # of its check on made-up data: docs/log.md, 2026-11-26
IDEAS = {
    "edges are restored, too": {"lines": 0.0},
    "one encoder for all kinds": {"nets": each},
    "one decoder for all kinds": {"heads": apart},
    "hidden rows are not seen": {"fill": keep},
}


def uni4eye(
    data: Data,
    size: str | Model = "L",
    ratio: float = 0.75,
    depth: int = 8,
    lines: float = 1.0,
    nets: Callable[[Encoder, Iterable[str]], Encoder | dict[str, Encoder]] = one,
    heads: Callable[[int, dict[str, Tokenizer], int], dict[str, decoder]] = branch,
    fill: Fill = drop,
) -> Recipe:
    """Drop `ratio` of the rows of every kind; restore them, and edges, which count `lines`, by decoders of `depth` blocks."""
    kinds = data.tokenizers
    patches = {name: patch_of(tokenizer) for name, tokenizer in kinds.items()}
    enc = encoder(kinds, size)
    pixels, drawn = (heads(enc.width, kinds, depth) for _ in range(2))
    terms = {f"pixels_{k}": masked(pixels[k], target=raw, loss=mse, view=k) for k in kinds}
    sharp = {f"edges_{k}": masked(drawn[k], target=edges(patches[k]), loss=mse, view=k) for k in kinds}
    views, weights = dict.fromkeys(kinds, corrupt(random, ratio, fill=fill)), dict.fromkeys(sharp, lines)
    task = Objective(nets(enc, kinds), views=views, terms=terms | sharp, weights=weights)
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05), steps=data.epochs(200))
