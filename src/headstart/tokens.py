"""Everything inside is rows: samples of any length lie one after another, without padding.

A sample (of one view) is a *segment*. Its first `slots` rows are reserved for the network's own use (class token,
registers): they carry no data and are never hidden. `Tokens` are rows with coordinates, a `View` is what a student
reads beside what it came from, a `Batch` holds the samples of one step.
"""

from dataclasses import field
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .alignment import Alignment
from .forms import Json, Sample
from .tree import replace, static, tree


@tree
class Layout:
    """Which rows belong to which segment. Made by `layout`, which keeps recent ones, so a uniform batch costs nothing."""

    cu: Int[Tensor, "S1"]  # first row of every segment, and the end; int32 as the varlen kernels want it
    seg: Int[Tensor, "T"]  # the segment of every row
    place: Int[Tensor, "T"]  # the row's place inside its segment
    lengths: tuple[int, ...] = static()  # host side
    slots: int = static(default=0)  # reserved rows at the head of every segment

    @property
    def segments(self) -> int:
        return len(self.lengths)

    @property
    def rows(self) -> int:
        return self.seg.shape[0]

    @property
    def uniform(self) -> bool:
        """All segments are equally long: [T, ...] is also a free [S, N, ...] view."""
        return self.rows == self.max_len * self.segments

    @property
    def max_len(self) -> int:
        return max(self.lengths, default=0)


@lru_cache(maxsize=256)
def layout(lengths: tuple[int, ...], slots: int = 0, device: str | torch.device = "cpu") -> Layout:
    """The layout of segments with these lengths (slots counted in)."""
    counts = torch.tensor(lengths, dtype=torch.int64)
    if len(lengths) and int(counts.min()) < slots:
        raise ValueError(f"a segment of {int(counts.min())} rows cannot hold {slots} reserved rows")
    cu = torch.zeros(len(lengths) + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=cu[1:])
    seg = torch.repeat_interleave(torch.arange(len(lengths)), counts)
    place = torch.arange(len(seg)) - cu[:-1][seg]
    return Layout(cu.to(device, torch.int32), seg.to(device), place.to(device), lengths, slots)


@tree
class Rows:
    """A choice of rows: as a mask, as an index, and as counts that the host knows, so nobody waits for a device."""

    mask: Bool[Tensor, "T"]
    index: Int[Tensor, "K"]
    counts: tuple[int, ...] = static()  # chosen rows in every segment

    def __len__(self) -> int:
        return self.index.shape[0]


def rows_where(mask: Bool[Tensor, "T"], counts: tuple[int, ...]) -> Rows:
    """The rows where `mask` is true; `counts` says how many that are in every segment."""
    index = torch.nonzero_static(mask, size=sum(counts))[:, 0]
    return Rows(mask, index, counts)


@tree
class Pairs:
    """Pairs of rows that have to do with each other: a bond and its atoms, the ends of an edge, neighbours of a grid.

    first, second: numbers of rows among all T; both lie in one segment. sort: what joins them, from 0 to `sorts` - 1.
    """

    first: Int[Tensor, "E"]
    second: Int[Tensor, "E"]
    sort: Int[Tensor, "E"]
    sorts: int = static(default=1)  # on the host, so that nobody waits for a device to learn it

    def moved(self, where: Int[Tensor, "T"]) -> "Pairs":
        """The same pairs once row i has become row `where[i]`; pairs with a row that is gone (-1) are gone."""
        first, second = where[self.first], where[self.second]
        there = (first >= 0) & (second >= 0)
        return Pairs(first[there], second[there], self.sort[there], self.sorts)


@tree
class Tokens:
    """Rows with coordinates.

    values: [T, ...] patches, ids, frames; [T, D] after a network.  coords: [T, C], where a row sits, in the units of
    its tokenizer's axes; C may be 0.  name: of the tokenizer that made the rows.  special: which of its learned
    vectors an encoder puts in place of a row's content (a mask, a mode); -1: none, the content itself.  pairs: inside an
    encoder whose trunk asks for them, rows that have to do with each other.  asides: what a trunk wants added to the loss
    (the load balance of its experts), by name.
    """

    values: Tensor
    coords: Float[Tensor, "T C"]
    layout: Layout
    name: str = static(default="x")
    special: Int[Tensor, "T"] | None = None
    pairs: Pairs | None = None
    asides: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.layout.rows

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def slot(self) -> Bool[Tensor, "T"]:
        """Rows reserved for the network."""
        return self.layout.place < self.layout.slots

    @property
    def content(self) -> tuple[int, ...]:
        """Rows with data in every segment."""
        return tuple(n - self.layout.slots for n in self.layout.lengths)

    def with_values(self, values: Tensor) -> "Tokens":
        """The same rows, saying something else."""
        return replace(self, values=values)

    def with_aside(self, name: str, loss: Float[Tensor, ""]) -> "Tokens":
        """The same rows, and a loss beside what is asked of them; those of one name add up."""
        return replace(self, asides=self.asides | {name: self.asides.get(name, 0) + loss})


@tree
class View:
    """What a student reads, beside the same samples untouched.

    hidden: rows of `clean` whose content was withheld or altered.  placeless: rows of `seen` whose position is withheld.
    keys: rows of `seen` that others may attend to, slots among them (None: all).  level: how much noise a segment has.
    weight: how much each row of `clean` counts in a loss (None: all the same).  label: a free label made from the data.
    """

    seen: Tokens
    clean: Tokens
    hidden: Rows
    placeless: Bool[Tensor, "T"] | None = None
    keys: Rows | None = None
    level: Float[Tensor, "S"] | None = None
    weight: Float[Tensor, "T"] | None = None
    label: Tensor | None = None
    name: str = static(default="x")

    @property
    def dropped(self) -> bool:
        """Hidden rows were taken out instead of filled."""
        return self.seen.layout is not self.clean.layout and len(self.seen) != len(self.clean)

    @property
    def kept(self) -> Rows:
        """Rows of `clean` that stayed as they are, slots included."""
        counts = zip(self.clean.layout.lengths, self.hidden.counts, strict=True)
        return rows_where(~self.hidden.mask, tuple(n - k for n, k in counts))


@tree
class Batch:
    """The samples of one step: a view's name -> its tokens (crop-major where a sample gives several segments).

    Only where the data was asked for them (`Data.with_labels`, `with_groups`, `with_weight`): labels, classes (-1 unknown) or
    quantities (NaN unknown); groups, numbers that samples of one recording share; weight, how much each sample counts.
    """

    tokens: dict[str, Tokens]
    index: Int[Tensor, "B"]  # the number of every sample in its source: chance hangs on it
    size: int = static()  # samples
    labels: Int[Tensor, "B"] | Float[Tensor, "B"] | None = None
    groups: Int[Tensor, "B"] | None = None
    weight: Float[Tensor, "B"] | None = None

    def segment_index(self, name: str) -> Int[Tensor, "S"]:
        """A number for every segment of a view: the sample's, altered by which crop of the sample it is."""
        crops = self.tokens[name].layout.segments // self.size
        return (self.index[None] + 0x632BE5AB * torch.arange(crops, device=self.index.device)[:, None]).flatten()


@runtime_checkable
class Tokenizer(Protocol):
    """One kind of data, as rows. The class method `fit(samples, want)` makes one to measure; `check_tokenizer` is the contract.

    A tokenizer inherits from this, and so need not say what is usual: the second half.
    """

    @property
    def kind(self) -> str: ...  # the name of its file, and of the one in `augment/`
    @property
    def dim(self) -> int: ...  # payload width of a row, or vocabulary size for ids
    @property
    def axes(self) -> tuple[str, ...]: ...  # what the coordinates mean, units included
    @property
    def signal(self) -> bool: ...  # a row is a stretch of a signal (pixels, samples), not features or an id

    def fitted(self, sample: Sample) -> Sample: ...  # a sample in this tokenizer's own form; Unreadable if it is none
    def __call__(self, sample: Sample) -> Tokens: ...  # one fitted sample, no slots, any length
    def embed(self, width: int) -> nn.Module: ...  # Tokens -> [T, width]; owns the parameters
    def decode(self, tokens: Tokens) -> Sample: ...  # the fitted sample again
    def raw(self, sample: Sample) -> np.ndarray: ...  # a fitted sample as a plain vector [F]: what probes compare with
    def state(self) -> Json: ...  # constructor arguments, JSON

    @property
    def stacked(self) -> bool:
        """Fitted samples are arrays, and those of one shape are cut into rows together, by `many`."""
        return False

    @property
    def patch(self) -> int:
        """The sides of an array that is cropped are multiples of it."""
        return 1

    @property
    def area(self) -> int | None:
        """Pixels that pictures are brought to, so that readers need not decode more; None: they stay as they are."""
        return None

    @property
    def pictured(self) -> bool:
        """People may look at what it decodes, as `drawn` shows it."""
        return False

    def many(self, batch: Tensor) -> Tokens:
        """The rows of [B, ...] fitted samples in one go, on any device."""
        raise TypeError(f"{self.kind} samples are not stacked: a tokenizer that says so defines `many`")

    def pairs(self, tokens: Tokens) -> Pairs | None:
        """Rows that have to do with each other, out of packed rows of which some may be missing; None: none are known."""
        return None

    def kept(self, sample: Sample) -> Sample:
        """What `decode` gives back of a fitted sample, where rows cannot say all of it."""
        return sample

    def aligned(self, sample: Sample) -> Alignment | None:
        """Where the rows of a sample, as it was read and before it is fitted, lie on its points; None: rows of this kind have
        no place on a grid."""
        return None

    def drawn(self, sample: Sample) -> Tensor:
        """A decoded sample as a picture, [C, H, W] float."""
        raise TypeError(f"{self.kind} samples are not pictured: a tokenizer that says so defines `drawn`")


def pack(items: list[Tokens], slots: int = 0) -> Tokens:
    """Tokens one after another in one sequence, with `slots` fresh reserved rows at the head of every segment.

    Items must be of one kind and, if slots are asked for, have none yet.
    """
    if len(items) == 1 and not slots:
        return items[0]
    kinds = {t.name for t in items}
    if len(kinds) != 1:
        raise ValueError(
            f"rows of different kinds ({', '.join(sorted(kinds))}) cannot share one tensor: embed them first"
        )
    values = torch.cat([t.values for t in items])
    coords = torch.cat([t.coords for t in items])
    had = items[0].layout.slots
    lengths = tuple(n for t in items for n in t.layout.lengths)
    first = items[0]
    if not slots:
        return Tokens(values, coords, layout(lengths, had, _name(first.device)), first.name)
    if had:
        raise ValueError("these rows have reserved slots already")
    return reserve(Tokens(values, coords, layout(lengths, 0, _name(first.device)), first.name), slots)


def reserve(tokens: Tokens, slots: int) -> Tokens:
    """The same rows with `slots` empty ones at the head of every segment."""
    old = tokens.layout
    new = layout(tuple(n + slots for n in old.lengths), slots, _name(tokens.device))
    if old.uniform and old.segments:
        shape = (old.segments, old.max_len)
        values, coords = (
            torch.cat([x.new_zeros((shape[0], slots, *x.shape[1:])), x.view(*shape, *x.shape[1:])], 1).flatten(0, 1)
            for x in (tokens.values, tokens.coords)
        )
    else:
        at = new.cu[:-1].long()[old.seg] + slots + old.place
        values, coords = (
            x.new_zeros((new.rows, *x.shape[1:])).index_copy_(0, at, x) for x in (tokens.values, tokens.coords)
        )
    return Tokens(values, coords, new, tokens.name)


def split(tokens: Tokens, counts: list[int]) -> list[Tokens]:
    """Undo `pack`: pieces with these numbers of segments."""
    pieces, segment, row = [], 0, 0
    for count in counts:
        lengths = tokens.layout.lengths[segment : segment + count]
        rows = sum(lengths)
        piece = layout(lengths, tokens.layout.slots, _name(tokens.device))
        values, coords = tokens.values[row : row + rows], tokens.coords[row : row + rows]
        pieces.append(Tokens(values, coords, piece, tokens.name))
        segment, row = segment + count, row + rows
    return pieces


def select(tokens: Tokens, rows: Rows) -> Tokens:
    """Only these rows, in their order. Slots must be among them."""
    kept = layout(rows.counts, tokens.layout.slots, _name(tokens.device))
    special = None if tokens.special is None else tokens.special[rows.index]
    return Tokens(tokens.values[rows.index], tokens.coords[rows.index], kept, tokens.name, special)


def content(tokens: Tokens) -> Tokens:
    """The rows with data alone, in segments without slots."""
    at = every(tokens).index
    return Tokens(tokens.values[at], tokens.coords[at], layout(tokens.content, 0, _name(tokens.device)), tokens.name)


def every(tokens: Tokens) -> Rows:
    """All rows with data."""
    return rows_where(~tokens.slot, tokens.content)


def join(parts: list[Tokens]) -> Tokens:
    """Segment by segment the rows of all parts, one after another: samples of several kinds as one sequence, once embedded.

    `unjoin` takes them apart again.
    """
    device = _name(parts[0].device)
    order, lengths = _woven(tuple(p.layout.lengths for p in parts), device)
    together = end_to_end(parts)
    pairs = together.pairs and together.pairs.moved(order.argsort())
    spans = layout(lengths, 0, device)
    return Tokens(together.values[order], together.coords[order], spans, parts[0].name, pairs=pairs)


def end_to_end(parts: list[Tokens]) -> Tokens:
    """The rows of all parts, one part after another, once embedded: what an encoder reads in one go.

    Where parts have coordinates of fewer axes than others, the missing ones are 0.
    """
    if len(parts) == 1:
        return parts[0]
    axes = max(p.coords.shape[1] for p in parts)
    coords = torch.cat([nn.functional.pad(p.coords, (0, axes - p.coords.shape[1])) for p in parts])
    spans = layout(tuple(n for p in parts for n in p.layout.lengths), parts[0].layout.slots, _name(coords.device))
    return Tokens(torch.cat([p.values for p in parts]), coords, spans, parts[0].name, pairs=_all_pairs(parts))


def _all_pairs(parts: list[Tokens]) -> Pairs | None:
    """The pairs of parts that come to lie end to end."""
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    there = [(start, p.pairs) for start, p in zip(starts, parts, strict=False) if p.pairs is not None]
    if not there:
        return None
    first = torch.cat([pairs.first + start for start, pairs in there])
    second = torch.cat([pairs.second + start for start, pairs in there])
    sort = torch.cat([pairs.sort for _, pairs in there])
    return Pairs(first, second, sort, max(pairs.sorts for _, pairs in there))


@lru_cache(maxsize=64)
def _woven(lengths: tuple[tuple[int, ...], ...], device: str) -> tuple[Int[Tensor, "T"], tuple[int, ...]]:
    """(order, lengths): which row of the parts, laid end to end, comes where when they are joined segment by segment."""
    if len({len(each) for each in lengths}) != 1:
        raise ValueError(f"parts of {', '.join(str(len(each)) for each in lengths)} segments cannot be joined")
    seg = torch.cat([torch.repeat_interleave(torch.arange(len(each)), torch.tensor(each)) for each in lengths])
    order = seg.argsort(stable=True)
    return order.to(device), tuple(sum(each) for each in zip(*lengths, strict=True))


def unjoin(values: Float[Tensor, "T D"], parts: list[Tokens]) -> list[Tokens]:
    """The rows of `join` with these values, as the parts they came from."""
    order, _ = _woven(tuple(p.layout.lengths for p in parts), _name(values.device))
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    pieces = values[back].split([len(p) for p in parts])
    return [p.with_values(piece) for p, piece in zip(parts, pieces, strict=True)]


def segment_mean(values: Float[Tensor, "T D"], spans: Layout) -> Float[Tensor, "S D"]:
    """The mean over the content rows of every segment, in fp32."""
    if spans.uniform:
        content = values.view(spans.segments, spans.max_len, -1)[:, spans.slots :].float()
        return content.sum(1) / max(1, content.shape[1])
    content = (spans.place >= spans.slots).to(torch.float32)
    total = torch.zeros(spans.segments, values.shape[-1], device=values.device)
    total = total.index_add(0, spans.seg, values.float() * content[:, None])
    count = (spans.cu.diff() - spans.slots).clamp(min=1)
    return total / count[:, None]


def _name(device: torch.device) -> str:
    return str(device)  # a hashable key for `layout`
