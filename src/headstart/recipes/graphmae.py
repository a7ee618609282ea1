"""GraphMAE: features of some nodes are hidden, blanked again before a one-block decoder, and rebuilt under an error that
forgets the easy ones (Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", 2022).

Hides: `ratio` of the nodes (atoms), at random: by a learned vector, `swap` of them by another node's features. Edges stay.
Predicts: the features of the hidden nodes, up to their length, from what a decoder of one block finds around them.
Use when: nodes carry features that their surroundings tell of (citations, molecules: there ratio=0.25). On other kinds every row
is a node. Not where nodes have no features: a constant cannot be hidden.
Mechanism: the hidden rows are masked a second time, so the encoder must put what it knows into the rows around them; the error
(1 - cosine) ** `power` lets rows that are nearly right count little.
Differs from the paper in: a plain transformer over nodes and edges, which are told their ends, instead of a graph network, in the
encoder and in the decoder; the learned vector stands for a node's embedding (release: for its features), and the second mask is
learned too (release: 0); each hidden node is swapped by its own draw, with a node of its own graph (release: an exact share, of
the whole data set); of a hidden node's row everything is rebuilt but the number that says it is a node; no edges are dropped. At
least one node of a graph is hidden (release: below 1 / rate nodes, swapping takes all that are hidden).
Command: headstart pretrain graphs/ recipe=graphmae
Expected: nothing of hidden nodes reaches the decoder; rows that are nearly right count less than a tenth; digits, nodes of which
a quarter of the pixels is given, are told from their frozen rows better than before training: `python -m evidence run graphmae`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..corrupt import Fill, hide, keep, mask_token, random
from ..losses import cosine_error
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder, told
from ..nn.transformer import Block
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..targets import raw
from ..terms import masked
from ..tokens import Rows, Tokens, View
from ..tree import replace

SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26

GRAPHS = ("graph", "molecule")  # their rows are nodes, then edges; the first number of a row says which


class sighted(decoder):
    """The decoder with the encoder's rows of hidden nodes left as they are: what takes the second mask out."""

    def features(self, z: Tokens, view: View) -> Float[Tensor, "K dim"]:
        rows = view.clean.with_values(told(self.enter(z.values), view.clean))
        return self.norm(cast(Block, self.blocks[-1]).only(rows, view.hidden))


IDEAS = {
    "features of nodes are hidden": {"fill": keep},
    "some behind another node's features": {"swap": 0.0},
    "masked a second time before the decoder": {"head": sighted},
    "an error that forgets the easy ones": {"power": 1.0},
}


def graphmae(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.5,
    swap: float = 0.05,
    power: float = 3.0,
    fill: Fill = mask_token,
    head: Callable[..., nn.Module] = decoder,
) -> Recipe:
    """Hide `ratio` of the nodes, `swap` of them behind another's features, and rebuild them under (1 - cosine) ** `power`."""
    graph = data.only.kind in GRAPHS
    enc = encoder(data.tokenizers, size, specials=1)
    around = head(enc.width, data.dim - graph, depth=1, dim=enc.width, heads=enc.shape.heads)
    target, which = (properties, nodes) if graph else (raw, content)
    rebuild = masked(target=target, head=around, loss=partial(cosine_error, power=power))
    task = Objective(enc, views={"x": spoiled(ratio, swap, which, fill)}, terms={"rebuild": rebuild})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=2e-4), steps=data.epochs(100))


def content(tokens: Tokens) -> Bool[Tensor, "T"]:
    """Every row with data."""
    return ~tokens.slot


def nodes(tokens: Tokens) -> Bool[Tensor, "T"]:
    """Rows with both ends at one node."""
    return ~tokens.slot & (tokens.coords[:, 0] == tokens.coords[:, 1])


def properties(view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K D"]:
    """The payload of a node but for the number that says that it is one, which would make every guess nearly right."""
    return view.clean.values[rows, 1:]


@dataclass(frozen=True)
class spoiled:
    """A view with `ratio` of the rows `which` hidden: by `fill`, or each by chance `swap` behind another of them.

    The rows `which` must come first in every segment.
    """

    ratio: float
    swap: float
    which: Callable[[Tokens], Bool[Tensor, "T"]]
    fill: Fill = mask_token

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        spans, able = tokens.layout, self.which(tokens)
        held = torch.zeros(spans.segments, dtype=torch.long, device=tokens.device).index_add_(0, spans.seg, able.long())
        counts = tuple(max(1, round(self.ratio * n)) if n else 0 for n in held.tolist())
        hidden = hide(tokens, random(tokens, rng.fold("hide")).masked_fill(~able, torch.inf), counts)
        return View(self._filled(tokens, hidden, held, rng.fold("fill")), tokens, hidden)

    def _filled(self, tokens: Tokens, hidden: Rows, held: Int[Tensor, "S"], rng: Rng) -> Tokens:
        at, spans = hidden.index, tokens.layout
        seg = spans.seg[at]
        drawn = rng.rows(seg, spans.place[at] - spans.slots, 2)
        swapped = drawn[:, 0] < self.swap
        other = spans.cu[:-1].long()[seg] + spans.slots + (drawn[:, 1] * held[seg]).long()
        filled = self.fill(tokens, hidden, rng)
        deep = swapped.view(-1, *[1] * (tokens.values.ndim - 1))  # numbers or ids
        taken = torch.where(deep, tokens.values[other], filled.values[at])
        values, special = tokens.values.index_copy(0, at, taken), filled.special
        if special is not None:
            special = special.index_copy(0, at, special[at].masked_fill(swapped, -1))
        return replace(tokens, values=values, special=special)
