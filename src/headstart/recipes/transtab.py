"""TransTab: the columns of a row are split into parts, and the parts of one row must find each other (Wang and Sun,
"TransTab: Learning Transferable Tabular Transformers Across Tables", 2022).

Hides: of each look the other parts of the sample.
Predicts: which look among those of all samples comes from the same sample.
Use when: tables of several schemas share an encoder, and what stands in some columns of a row tells of the others. Not when:
columns are independent. Where cells are nearly unique (measurements, not categories) take overlap=0: rows are else matched by the
cells that parts share, and nothing is learnt of the rest.
Mechanism: contiguous parts of a row, in the order of its columns, overlapping by a tenth; a contrast over all parts of all rows.
Differs from the paper in: a cell is one token, placed by a hash of its column's name (paper: the name's word pieces, embedded
and mixed with the value, so that names alike in words are alike; here they are as strange as any two); missing cells say so
(paper: left out); a pre-norm transformer without the gate on its MLP. The similarity is the plain product divided by 10, as in
the release (paper: cosine). Samples that are no table's rows are split in the order of their rows.
Command: headstart pretrain adult.csv recipe=transtab
Expected: with overlap=0 the other half of a held-out row found more than 10 times as often as by chance where columns hang
together, less than twice where they do not; `python -m evidence run transtab`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .. import dist
from ..corrupt import Make, drop
from ..errors import Mistake
from ..nn.encoder import Model, encoder
from ..nn.heads import first
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, warmup_cosine
from ..terms import contrast
from ..tokens import Tokens, View, rows_where

SMALL = {"overlap": 0.0, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26


def transtab(data: Data, size: str | Model = "S", parts: int = 2, overlap: float = 0.1) -> Recipe:
    """`parts` contiguous parts of every row, each with a share `overlap` of its neighbour, find each other."""
    if parts < 2:
        raise Mistake(f"parts={parts}: at least two parts of a row are needed to find each other")
    enc = encoder({"x": data.only}, size)
    views = {f"part {i}": ("x", part(i, parts, overlap)) for i in range(parts)}
    match = contrast(tuple(views), head=Linear(enc.width, 128, bias=False), loss=same_row, read=first)
    task = Objective(enc, views, terms={"match": match})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-4), weight_decay=0.0), steps=data.epochs(50))


def part(number: int, of: int, overlap: float) -> Make:
    """The view of the `number`-th part of every segment's rows, in their order; the rest is dropped."""

    def make(tokens: Tokens, rng: Rng) -> View:
        spans, cuts = tokens.layout, [stretch(n, number, of, overlap) for n in tokens.content]
        begin, end = torch.tensor(cuts, device=tokens.device).view(-1, 2).T[:, spans.seg]
        at = spans.place - spans.slots
        outside = ~tokens.slot & ((at < begin) | (at >= end))
        counts = tuple(n - (b - a) for n, (a, b) in zip(tokens.content, cuts, strict=True))
        hidden = rows_where(outside, counts)
        return View(drop(tokens, hidden, rng), tokens, hidden)

    return make


def stretch(n: int, number: int, of: int, overlap: float) -> tuple[int, int]:
    """Where the `number`-th of `of` nearly equal parts of n rows begins and ends, the first ones longer. A share `overlap` of the
    first part's length is added from the next part's beginning, to the last part from the end of the one before. A part that has
    no row of its own is empty, and its sample left out."""
    cut = [i * (n // of) + min(i, n % of) for i in range(of + 1)]
    begin, end, more = cut[number], cut[number + 1], math.ceil(overlap * cut[1])
    if begin == end:
        return begin, end
    if number + 1 < of:
        return begin, min(end + more, cut[number + 2])
    return max(begin - more, cut[number - 1]), end


def same_row(*looks: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Cross-entropy of each other look of its sample among all looks of all samples of all ranks but itself, by plain products
    over 10 (release: self_supervised_contrastive_loss)."""
    size = len(looks[0])
    total, start = sum(dist.counts(size)), dist.before(size)
    every = torch.cat([dist.gather(look.float()) for look in looks])
    mine = torch.arange(size, device=every.device)
    losses: list[Tensor] = []
    for i, look in enumerate(looks):
        like = look.float() @ every.T / 10
        log_shares = like.scatter(1, (mine + start + i * total)[:, None], -torch.inf).log_softmax(1)
        losses += [-log_shares[mine, mine + start + j * total] for j in range(len(looks)) if j != i]
    return torch.stack(losses).sum() * dist.world() / max(1, len(losses) * total)  # rows of all ranks count alike
