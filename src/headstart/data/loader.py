"""Samples of a step, read, seen from several sides, turned into rows and packed."""

from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..step import Step
from ..tokens import Batch, Tokenizer, Tokens, pack, reserve
from ..tree import replace, to


def rows(samples: list[Any], tokenizer: Tokenizer, kind: str, slots: int, device: torch.device | str = "cpu") -> Tokens:
    """Packed tokens of samples, in their order; neighbours of one shape go through the tokenizer together."""
    return packed([group.to(device) for group in groups(samples)], tokenizer, kind, slots)


def groups(samples: list[Any]) -> list[Tensor]:
    """[b, ...] for every run of samples of one shape."""
    alike = groupby(map(as_array, samples), key=form)
    return [torch.from_numpy(np.stack(list(same))) for _, same in alike]


def packed(parts: list[Tensor], tokenizer: Tokenizer, kind: str, slots: int) -> Tokens:
    """Packed tokens of groups of samples; neighbouring groups of one shape are joined first."""
    joined = [torch.cat(list(same)) for _, same in groupby(parts, key=lambda part: part.shape[1:])]
    many = getattr(tokenizer, "many", None)
    tokens = [many(part) for part in joined] if many else [tokenizer(sample) for part in joined for sample in part]
    return replace(reserve(pack(tokens), slots), kind=kind)


def collate(data: Any, indices: np.ndarray, step: Step, slots: int, device: torch.device | str = "cpu") -> Batch:
    """The batch of these samples: tokens by view where `data.views` looks several times, else by tokenizer.

    Samples of one shape lie together, whatever the order of `indices`: chance hangs on the sample, not on its place, and
    long runs of one shape are fast.
    """
    samples, indices = [data.source[int(i)] for i in indices], np.asarray(indices, np.int64)
    if len(data.tokenizers) == 1:
        order = by_form(samples)
        samples, indices = [samples[i] for i in order], indices[order]
    keys = torch.from_numpy(indices).to(device)
    if data.views is not None:
        tokens = _views(data, samples, step, slots, keys)
    elif len(data.tokenizers) == 1:
        tokens = {kind: rows(samples, t, kind, slots, device) for kind, t in data.tokenizers.items()}
    else:
        tokens = {kind: rows([s[kind] for s in samples], t, kind, slots, device) for kind, t in data.tokenizers.items()}
    return Batch(to(tokens, device), keys, len(samples))


def _views(data: Any, samples: list[Any], step: Step, slots: int, keys: Tensor) -> dict[str, Tokens]:
    """Crops are made on the device, all samples of one shape together."""
    kind, tokenizer = next(iter(data.tokenizers.items()))
    multiple, longest = getattr(tokenizer, "patch", 1), getattr(tokenizer, "longest", None)
    parts = [group[..., :longest].to(keys.device) for group in groups(samples)]
    if not hasattr(tokenizer, "many"):  # crops of one text are as long as chance has it: no two make an array
        parts = [sample[None] for part in parts for sample in part]
    crops = [
        data.views(part, tokenizer.kind, multiple, step.rng("views", key))
        for part, key in zip(parts, keys.split([len(part) for part in parts]), strict=True)
    ]
    return {
        view: packed([crop[view][i] for i in range(len(crops[0][view])) for crop in crops], tokenizer, kind, slots)
        for view in crops[0]
    }


def by_form(samples: list[Any]) -> list[int]:
    """The order in which samples of one shape lie together, and shapes that give equally many rows side by side."""
    return sorted(range(len(samples)), key=lambda i: (as_array(samples[i]).size, form(as_array(samples[i]))))


def form(sample: np.ndarray) -> tuple[Any, ...]:
    """What samples must share to be one array."""
    return (sample.shape, sample.dtype.str)


def as_array(sample: Any) -> np.ndarray:
    """A sample as numbers: text as its bytes."""
    return np.frombuffer(sample.encode(), np.uint8).copy() if isinstance(sample, str) else np.asarray(sample)
