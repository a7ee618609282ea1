"""Samples of a step, seen from several sides, turned into rows and packed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ... import augment
from ...augment.views import Views
from ...errors import Mistake, Unreadable
from ...forms import Sample
from ...step import Rng, Step
from ...tokens import Batch, Tokenizer, Tokens, layout, pack, reserve
from ...tree import replace, to
from ..source import Source
from .asked import behind, groups_of, labels_of

Form: TypeAlias = tuple[int | str | tuple[int, ...], ...]  # what samples must share to be one array, see `form`


@dataclass(frozen=True)
class PairTokenizer:
    """The tokenizers of paired data, for what reads samples: a part that cannot be read is missing, a sample without parts
    cannot be read."""

    parts: dict[str, Tokenizer]
    kind = "pair"
    area: ClassVar[int | None] = None

    def fitted(self, sample: dict[str, Sample]) -> dict[str, Sample]:
        out: dict[str, Sample] = dict.fromkeys(self.parts)
        reasons = []
        for name, tokenizer in self.parts.items():
            try:
                out[name] = None if sample.get(name) is None else tokenizer.fitted(sample[name])
            except Unreadable as error:
                reasons.append(f"{name}: {error.reason}")
        if all(part is None for part in out.values()):
            raise Unreadable("", "; ".join(reasons) or "no part of it is there")
        return out


@runtime_checkable
class Ready(Protocol):
    """A source that keeps its samples as the loader takes them."""

    def made_by(
        self, tokenizer: "Tokenizer | PairTokenizer"
    ) -> bool: ...  # whether the rows that it keeps are this tokenizer's
    def ready(self, index: int, cut: bool = True) -> tuple[Form, Sample]: ...  # as the function `ready`


def rows(
    samples: list[Sample], tokenizer: Tokenizer, kind: str, slots: int, device: torch.device | str = "cpu"
) -> Tokens:
    """Packed tokens of fitted samples (or of their rows, made before), in their order; neighbours of one shape go
    through an array kind's tokenizer together. A missing sample (None) is a segment without rows."""
    if all(_stackable(sample, tokenizer) for sample in samples):
        return packed([group.to(device) for group in groups(samples)], tokenizer, kind, slots)
    made = [sample if isinstance(sample, Tokens) else _made(sample, tokenizer) for sample in samples]
    there = next((tokens for tokens in made if tokens is not None), None)
    if there is None:
        raise Mistake(
            f"no sample of this batch has its part {kind!r}: raise data.batch, or leave out samples without it"
        )
    empty = replace(there, values=there.values[:0], coords=there.coords[:0], layout=layout((0,)))
    together = pack([empty if tokens is None else tokens for tokens in made])
    return replace(reserve(to(together, device), slots), name=kind)


def _made(sample: Sample, tokenizer: Tokenizer) -> Tokens | None:
    return None if sample is None else tokenizer(sample)


def groups(samples: list[Sample]) -> list[Tensor]:
    """[b, ...] for every run of samples of one shape."""
    return [torch.from_numpy(np.stack(list(same))) for _, same in groupby(samples, key=form)]


def packed(parts: list[Tensor], tokenizer: Tokenizer, kind: str, slots: int) -> Tokens:
    """Packed tokens of stacked samples; neighbouring stacks of one shape are joined first."""
    joined = [torch.cat(list(same)) for _, same in groupby(parts, key=lambda part: part.shape[1:])]
    return replace(reserve(pack([tokenizer.many(part) for part in joined]), slots), name=kind)


def only(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    """The one tokenizer."""
    if len(tokenizers) != 1:
        said = ", ".join(tokenizer.kind for tokenizer in tokenizers.values())
        raise Mistake(f"this method takes data of one kind, and here are {said}")
    return next(iter(tokenizers.values()))


@runtime_checkable
class Feed(Protocol):
    """What batches are made from: `Data`, seen from here."""

    @property
    def source(self) -> Source: ...
    @property
    def tokenizers(self) -> dict[str, Tokenizer]: ...
    @property
    def views(self) -> Views | None: ...
    @property
    def weight(self) -> np.ndarray | None: ...
    @property
    def asks(self) -> frozenset[str]: ...


def collate(data: Feed, indices: np.ndarray, step: Step, slots: int, device: torch.device | str = "cpu") -> Batch:
    """The batch of these samples: tokens by view where `data.views` looks several times, else by tokenizer.

    Samples of one shape lie together, whatever the order of `indices`: chance hangs on the sample, not on its place, and
    long runs of one shape are fast.
    """
    indices = np.asarray(indices, np.int64)
    if len(data.tokenizers) == 1:
        kind, tokenizer = next(iter(data.tokenizers.items()))
        order, samples = in_order(data.source, indices, tokenizer, cut=data.views is None)
        parts, indices = {kind: samples}, indices[order]
    else:
        both = PairTokenizer(data.tokenizers)
        source, at = behind(data.source, indices)
        samples = [ready(source, int(i), both)[1] for i in at]
        parts = {kind: [sample[kind] for sample in samples] for kind in data.tokenizers}
    keys = torch.from_numpy(indices).to(device)
    if data.views is not None:
        tokens = _views(data, data.views, parts, step, slots, keys)
    else:
        tokens = {
            kind: _without(data, kind, len(indices), slots, device)
            if all(sample is None for sample in parts[kind])
            else rows(parts[kind], t, kind, slots, device)
            for kind, t in data.tokenizers.items()
        }
    return Batch(to(tokens, device), keys, len(indices), *(_on(device, each) for each in _asked(data, indices)))


def _asked(data: Feed, indices: np.ndarray) -> Iterator[np.ndarray | None]:
    """Labels, groups and weights of these samples, each None unless it was asked for."""
    yield labels_of(data.source, indices) if "labels" in data.asks else None
    yield groups_of(data.source, indices) if "groups" in data.asks else None
    yield None if data.weight is None else data.weight[indices]


def _on(device: torch.device | str, values: np.ndarray | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(np.ascontiguousarray(values)).to(device)


def _without(data: Feed, kind: str, count: int, slots: int, device: torch.device | str) -> Tokens:
    """`count` samples none of which has this part: segments without rows, of the form that another sample's part gives them."""
    both, tokenizer = PairTokenizer(data.tokenizers), data.tokenizers[kind]
    somewhere = np.random.default_rng(0).permutation(len(data.source))  # a part is rarely where the others are
    source, at = behind(data.source, somewhere)
    found = (ready(source, int(i), both)[1][kind] for i in at)
    sample = next((part for part in found if part is not None), None)
    if sample is None:
        raise Mistake(f"no sample has the part {kind!r}: leave it out of the data")
    one = rows([sample], tokenizer, kind, 0, device)
    nothing = layout((0,) * count, 0, str(one.device))
    return reserve(replace(one, values=one.values[:0], coords=one.coords[:0], layout=nothing), slots)


def in_order(
    source: Source, indices: Sequence[int] | np.ndarray, tokenizer: Tokenizer | PairTokenizer, cut: bool = True
) -> tuple[np.ndarray, list[Sample]]:
    """(order, samples): which of the indices comes first, and the samples in that order, as `rows` takes them.

    Samples of one shape lie together, and shapes that give equally many rows side by side.
    """
    source, at = behind(source, np.asarray(indices, np.int64))
    got = [ready(source, int(i), tokenizer, cut) for i in at]
    order = np.array(sorted(range(len(got)), key=lambda i: got[i][0]), np.int64)
    return order, [got[i][1] for i in order]


def ready(source: Source, index: int, tokenizer: Tokenizer | PairTokenizer, cut: bool = True) -> tuple[Form, Sample]:
    """(form, sample) as `rows` takes it: an array, or its rows, which a prepared source makes once and keeps, unless a method
    cuts samples by another tokenizer than they were read with. The form does not hang on which of the two it is. cut: rows will
    do, no array is needed."""
    if isinstance(source, Ready) and source.made_by(tokenizer):
        return source.ready(index, cut)
    sample = source[index]
    made = form_for(sample, tokenizer)
    return form(made), made


def whole(source: Source) -> np.ndarray:
    """The samples of a paired source that have every part."""
    inner, at = behind(source, np.arange(len(source)))
    if inner is not source:
        return np.flatnonzero(np.isin(at, whole(inner)))
    known: np.ndarray | None = getattr(source, "whole", None)  # a prepared source has looked
    if known is not None:
        return known
    there = [
        not isinstance(s, dict) or all(part is not None for part in s.values())
        for s in map(source.__getitem__, range(len(source)))
    ]
    return np.flatnonzero(there)


def form_for(sample: Sample, tokenizer: Tokenizer | PairTokenizer) -> Sample:
    """A fitted sample as an array where its kind is cut in stacks, else its rows; None stays."""
    if isinstance(tokenizer, PairTokenizer):
        return {name: form_for(sample[name], part) for name, part in tokenizer.parts.items()}
    return sample if sample is None or _stackable(sample, tokenizer) else tokenizer(sample)


def _stackable(sample: Sample, tokenizer: Tokenizer) -> bool:
    return isinstance(sample, np.ndarray) and tokenizer.stacked


def _views(
    data: Feed, views: Views, parts: dict[str, list[Sample]], step: Step, slots: int, keys: Tensor
) -> dict[str, Tokens]:
    """Several looks at each sample, made on the device: of arrays before they are rows, all of one shape together; of other
    kinds as a choice of their rows, the whole batch together."""
    (kind, samples), tokenizer = next(iter(parts.items())), only(data.tokenizers)
    way = import_module(f"{augment.__name__}.{tokenizer.kind}")
    if not isinstance(samples[0], np.ndarray):
        batch = rows(samples, tokenizer, kind, 0, keys.device)
        looks = views(Look(way, batch, 1), step.rng("views", keys))
        return {view: replace(reserve(pack(crops), slots), name=kind) for view, crops in looks.items()}
    stacks = [group.to(keys.device) for group in groups(samples)]
    chances = [step.rng("views", key) for key in keys.split([len(stack) for stack in stacks])]
    crops = [views(Look(way, stack, tokenizer.patch), rng) for stack, rng in zip(stacks, chances, strict=True)]
    return {
        view: packed([crop[view][i] for i in range(len(crops[0][view])) for crop in crops], tokenizer, kind, slots)
        for view in crops[0]
    }


@dataclass(frozen=True)
class Look:
    """`augment.Looks` of a stack of arrays, or of packed rows. way: the kind's module in `augment/`."""

    way: ModuleType
    whole: Sample
    multiple: int  # sides of what is made are multiples of it

    def turns(self) -> int:
        return int(self._has("TURNS", "turned exactly"))

    def crop(self, rng: Rng, scale: tuple[float, float], shrink: float = 1.0, of: Sample = None) -> Sample:
        of = self.whole if of is None else of
        if isinstance(of, Tokens):
            return self.way.crop_rows(of, rng, scale, shrink)
        return self.way.crop(of, rng, scale, shrink, self.multiple)

    def turn(self, number: int, of: Sample = None) -> Sample:
        return self._has("turn", "turned exactly")(self.whole if of is None else of, number)

    def coarser(self, factor: int, of: Sample = None) -> Sample:
        return self._has("coarser", "made coarser")(self.whole if of is None else of, factor)

    def _has(self, name: str, what: str) -> Any:
        found = getattr(self.way, name, None)
        if found is None:
            raise Mistake(
                f"{self.way.__name__.rpartition('.')[2]} samples cannot be {what}, which this method asks for"
            )
        return found


def form(sample: Sample) -> Form:
    """What samples must share to be one array; smaller ones sort first."""
    if isinstance(sample, np.ndarray):
        return (sample.size, sample.shape, sample.dtype.str)
    return (len(sample),) if isinstance(sample, Tokens) else ()
