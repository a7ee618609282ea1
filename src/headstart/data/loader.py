"""Samples of a step, read, seen from several sides, turned into rows and packed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..step import Step
from ..tokens import Batch, Tokenizer, Tokens, pack, reserve
from ..tree import replace, to


def rows(samples: list[Any] | Tensor, tokenizer: Tokenizer, kind: str, slots: int) -> Tokens:
    """Packed tokens of samples; those of one shape go through the tokenizer together."""
    many = getattr(tokenizer, "many", None)
    stacked = samples if isinstance(samples, Tensor) else _stack(samples)
    if many is not None and stacked is not None:
        return replace(reserve(many(stacked), slots), kind=kind)
    return replace(pack([tokenizer(sample) for sample in samples], slots), kind=kind)


def _stack(samples: list[Any]) -> Tensor | None:
    first = samples[0]
    if isinstance(first, np.ndarray) and all(s.shape == first.shape and s.dtype == first.dtype for s in samples):
        return torch.from_numpy(np.stack(samples))
    return None


def collate(data: Any, indices: np.ndarray, step: Step, slots: int, device: torch.device | str = "cpu") -> Batch:
    """The batch of these samples: tokens by view where `data.views` looks several times, else by tokenizer."""
    samples = [data.source[int(i)] for i in indices]
    keys = torch.from_numpy(np.asarray(indices, np.int64)).to(device)
    if data.views is not None:
        tokens = _views(data, samples, step, slots, keys)
    elif len(data.tokenizers) == 1:
        kind, tokenizer = next(iter(data.tokenizers.items()))
        tokens = {kind: _send(samples, tokenizer, kind, slots, device)}
    else:
        tokens = {k: _send([s[k] for s in samples], t, k, slots, device) for k, t in data.tokenizers.items()}
    return Batch(tokens, keys, len(samples))


def _send(samples: list[Any], tokenizer: Tokenizer, kind: str, slots: int, device: torch.device | str) -> Tokens:
    stacked = _stack(samples)
    return to(rows(stacked.to(device) if stacked is not None else samples, tokenizer, kind, slots), device)


def _views(data: Any, samples: list[Any], step: Step, slots: int, keys: Tensor) -> dict[str, Tokens]:
    """Crops are made on the device: all samples together where they have one shape, else one at a time."""
    (kind, tokenizer), device = next(iter(data.tokenizers.items())), keys.device
    multiple, longest = getattr(tokenizer, "patch", 1), getattr(tokenizer, "longest", None)
    stacked = _stack(samples)
    groups = [stacked] if stacked is not None else [torch.as_tensor(as_array(s)[..., :longest])[None] for s in samples]
    per_group = keys.split([len(g) for g in groups])
    crops = [
        data.views(group.to(device), tokenizer.kind, multiple, step.rng("views", k))
        for group, k in zip(groups, per_group, strict=True)
    ]
    tokens = {}
    for view in crops[0]:
        if stacked is not None:
            every: Any = torch.cat(crops[0][view])
        else:
            every = [c[view][i][0] for i in range(len(crops[0][view])) for c in crops]  # crop-major
        tokens[view] = rows(every, tokenizer, kind, slots)
    return tokens


def as_array(sample: Any) -> np.ndarray:
    """A sample as numbers: text as its bytes."""
    return np.frombuffer(sample.encode(), np.uint8).copy() if isinstance(sample, str) else np.asarray(sample)
