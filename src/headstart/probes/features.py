"""Samples as vectors: by an encoder and a way to read it, or as they are (the baseline nobody may skip)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..data.loader import as_array, by_form, rows
from ..data.source import Source
from ..nn.encoder import Encoder
from ..nn.heads import Read, boxes, first, last, mean, mean_std
from ..tokenizers.image import to_float
from ..tokens import Tokenizer
from ..tree import to

READS: dict[str, Read] = {f.__name__: f for f in (mean_std, boxes, mean, first, last)}
RAW_MOST = 3 * 32 * 32  # numbers in a raw vector
RAW_SIDE = 32  # raw pictures of mixed sizes are compared at this size
RAW_LENGTH = 256  # raw series of mixed lengths likewise


@torch.no_grad()
def encode(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    indices: Sequence[int] | np.ndarray,
    reads: Sequence[str] = ("mean_std",),
    kind: str = "x",
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """[n, D] for each way to read, in fp32."""
    device = next(encoder.parameters()).device
    out: dict[str, list[np.ndarray]] = {name: [] for name in reads}
    was = encoder.training
    encoder.eval()
    for start in range(0, len(indices), batch):
        samples = [source[int(i)] for i in indices[start : start + batch]]
        order = by_form(samples)
        z = encoder(to(rows([samples[i] for i in order], tokenizer, kind, encoder.shape.slots, device), device))
        for name in reads:
            out[name].append(READS[name](z).float().cpu().numpy()[np.argsort(order)])
        if progress:
            progress(min(start + batch, len(indices)), len(indices))
    encoder.train(was)
    return {name: np.concatenate(parts) for name, parts in out.items()}


def raw(*parts: tuple[Source, Sequence[int] | np.ndarray]) -> list[np.ndarray]:
    """Samples as plain vectors: pixels, values, or counts of bytes and byte pairs for text.

    One array per (source, indices), all in one form: where any sample differs in size, all are brought to the same.
    """
    kind = parts[0][0].kind
    lists = [[_numbers(source[int(i)], kind) for i in indices] for source, indices in parts]
    if kind == "text":
        return [np.stack([_byte_counts(s) for s in samples]) for samples in lists]
    shapes = {s.shape for samples in lists for s in samples}
    if len(shapes) > 1 or np.prod(next(iter(shapes))) > RAW_MOST:
        lists = [list(_same_size(samples, kind)) for samples in lists]
    return [np.stack([s.ravel() for s in samples]) for samples in lists]


def _numbers(sample: Any, kind: str) -> np.ndarray:
    """Pictures as shares of their range, like the encoder gets them."""
    x = as_array(sample)
    return to_float(torch.as_tensor(x)).numpy() if kind == "image" else x


def _byte_counts(text: np.ndarray) -> np.ndarray:
    pairs = text[:-1].astype(np.int64) * 31 + text[1:]
    counts = np.concatenate([np.bincount(text, minlength=256), np.bincount(pairs % 1024, minlength=1024)])
    return (counts / max(1, len(text))).astype(np.float32)


def _same_size(samples: list[Any], kind: str) -> Iterator[np.ndarray]:
    import torch.nn.functional as F

    for sample in samples:
        x = torch.as_tensor(sample, dtype=torch.float32)[None]
        if kind == "image":
            yield F.interpolate(x, (RAW_SIDE, RAW_SIDE), mode="area")[0].numpy()
        else:
            yield F.interpolate(x, RAW_LENGTH, mode="linear", align_corners=False)[0].numpy()
