"""TransTab: the columns of a row are split into parts, and the parts of one row must find each other (Wang and Sun,
"TransTab: Learning Transferable Tabular Transformers Across Tables", 2022).

Hides: of each look the other parts of the sample.
Predicts: which look among those of all samples comes from the same sample.
Use when: tables of several schemas share an encoder, and what stands in some columns of a row tells of the others. Not when:
columns are independent. Where cells are nearly unique (measurements, not categories) take overlap=0: rows are else matched by the
cells that parts share, and nothing is learnt of the rest.
Mechanism: contiguous parts of a row, in the order of its columns, overlapping by a tenth; a contrast over all parts of all rows.
Differs from the paper in: a cell is one token, placed by a hash of its column's name, near to names that are spelt alike (paper:
the name's word pieces, embedded and mixed with the value, so that names of one meaning may become alike); missing cells say so
(paper: left out); a pre-norm transformer without the gate on its MLP. The similarity is the plain product divided by 10, as in
the release (paper: cosine). Samples that are no table's rows are split in the order of their rows.
Command: headstart pretrain adult.csv recipe=transtab
Expected: columns are known by their names, wherever they stand; with overlap=0 each is in one part alone, and the other half of a
held-out row of measurements is found more than 20 times as often as by chance; `python -m evidence run transtab`.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from .. import dist
from ..corrupt import Make, drop
from ..errors import Mistake
from ..losses import cosine_error
from ..nn.encoder import Model, encoder
from ..nn.heads import first
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, warmup_cosine
from ..terms import contrast
from ..tokens import Tokens, View, rows_where
from ..tree import replace

SMALL = {"overlap": 0.0, "optim.lr": 2e-3, "data.batch": 64}  # overlap: parts are matched by the cells that they share


def by_name(tokens: Tokens) -> Tokens:
    """A cell lies where its column's name has its place."""
    return tokens


def by_number(tokens: Tokens) -> Tokens:
    """A cell lies where it stands in its row."""
    return replace(tokens, coords=tokens.layout.place[:, None].float().expand_as(tokens.coords))


def whole(n: int, number: int, of: int, overlap: float) -> tuple[int, int]:
    """Every part is all of the row."""
    return 0, n


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


def next_row(*looks: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """The same, with the other looks of the next sample for its own."""
    return same_row(*(look.roll(i, 0) for i, look in enumerate(looks)))


def no_others(*looks: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Looks of a sample are to lie together, wherever those of the others are."""
    return sum((cosine_error(look, looks[0]).sum() for look in looks[1:]), looks[0].new_zeros(())) / max(
        1, len(looks[0])
    )


IDEAS = {
    "parts of one row are partners": {"loss": next_row},
    "told from the other rows": {"loss": no_others},
    "a row is split into its columns": {"cut": whole},
    "columns are known by their names": {"place": by_number},
}


def transtab(
    data: Data,
    size: str | Model = "S",
    parts: int = 2,
    overlap: float = 0.1,
    cut: Callable[[int, int, int, float], tuple[int, int]] = stretch,
    place: Callable[[Tokens], Tokens] = by_name,
    loss: Callable[..., Tensor] = same_row,
) -> Recipe:
    """`parts` contiguous parts of every row, each with a share `overlap` of its neighbour, find each other."""
    if parts < 2:
        raise Mistake(f"parts={parts}: at least two parts of a row are needed to find each other")
    enc = encoder({"x": data.only}, size)
    views = {f"part {i}": ("x", part(i, parts, overlap, cut, place)) for i in range(parts)}
    match = contrast(tuple(views), head=Linear(enc.width, 128, bias=False), loss=loss, read=first)
    task = Objective(enc, views, terms={"match": match})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-4), weight_decay=0.0), steps=data.epochs(50))


def part(
    number: int,
    of: int,
    overlap: float,
    cut: Callable[[int, int, int, float], tuple[int, int]] = stretch,
    place: Callable[[Tokens], Tokens] = by_name,
) -> Make:
    """The view of the `number`-th part of every segment's rows, in their order; the rest is dropped."""

    def make(tokens: Tokens, rng: Rng) -> View:
        tokens = place(tokens)
        spans, cuts = tokens.layout, [cut(n, number, of, overlap) for n in tokens.content]
        begin, end = torch.tensor(cuts, device=tokens.device).view(-1, 2).T[:, spans.seg]
        at = spans.place - spans.slots
        outside = ~tokens.slot & ((at < begin) | (at >= end))
        counts = tuple(n - (b - a) for n, (a, b) in zip(tokens.content, cuts, strict=True))
        hidden = rows_where(outside, counts)
        return View(drop(tokens, hidden, rng), tokens, hidden)

    return make
