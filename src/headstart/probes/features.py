"""Samples as vectors: by an encoder and a way to read it, or as they are (the baseline nobody may skip)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..data.feeding.loader import in_order, rows
from ..data.source import Source
from ..nn.encoder import Encoder
from ..nn.heads import Read, boxes, first, last, mean, mean_std
from ..tokens import Tokenizer
from ..tree import to

READS: dict[str, Read] = {f.__name__: f for f in (mean_std, boxes, mean, first, last)}


@torch.no_grad()
def encode(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    indices: Sequence[int] | np.ndarray,
    reads: Sequence[str] = ("mean_std",),
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """[n, D] for each way to read, in fp32."""
    device, kind = next(encoder.parameters()).device, next(iter(encoder.tokenizers))
    out: dict[str, list[np.ndarray]] = {name: [] for name in reads}
    was = encoder.training
    encoder.eval()
    for start in range(0, len(indices), batch):
        order, samples = in_order(source, indices[start : start + batch], tokenizer)
        z = encoder(to(rows(samples, tokenizer, kind, encoder.shape.slots, device), device))
        for name in reads:
            out[name].append(READS[name](z).float().cpu().numpy()[np.argsort(order)])
        if progress:
            progress(min(start + batch, len(indices)), len(indices))
    encoder.train(was)
    return {name: np.concatenate(parts) for name, parts in out.items()}


def raw(tokenizer: Tokenizer, *parts: tuple[Source, Sequence[int] | np.ndarray]) -> list[np.ndarray]:
    """Samples as plain vectors [n, F], as their tokenizer has them without learning: one array per (source, indices)."""
    return [np.stack([tokenizer.raw(source[int(i)]) for i in indices]) for source, indices in parts]
