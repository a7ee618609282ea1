"""Samples as vectors by the readouts of the package, as they were when the rows of the ledger were measured."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from headstart.data.feeding.loader import in_order, rows
from headstart.data.source import Source
from headstart.nn.encoder import Encoder
from headstart.nn.heads import Read, boxes, first, last, mean, mean_std
from headstart.tokens import Tokenizer, Tokens
from headstart.tree import to

READS: dict[str, Read] = {f.__name__: f for f in (mean_std, boxes, mean, first, last)}
Indices = Sequence[int] | np.ndarray


def encode(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    indices: Indices,
    reads: Sequence[str] = ("mean_std",),
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """[n, D] for each way to read, in fp32."""
    out: dict[str, list[np.ndarray]] = {name: [] for name in reads}
    done = 0
    for order, z in _encoded(encoder, tokenizer, source, indices, batch):
        for name in reads:
            out[name].append(READS[name](z).float().cpu().numpy()[np.argsort(order)])
        done += len(order)
        if progress:
            progress(done, len(indices))
    return {name: np.concatenate(parts) for name, parts in out.items()}


def _encoded(
    encoder: Encoder, tokenizer: Tokenizer, source: Source, indices: Indices, batch: int
) -> Iterator[tuple[np.ndarray, Tokens]]:
    """(which of the batch's samples comes first, the batch encoded), batch by batch, as an encoder that does not train."""
    device, kind = next(encoder.parameters()).device, next(iter(encoder.tokenizers))
    was = encoder.training
    encoder.eval()
    try:
        for start in range(0, len(indices), batch):
            order, samples = in_order(source, indices[start : start + batch], tokenizer)
            tokens = to(rows(samples, tokenizer, kind, encoder.shape.slots, device), device)
            with torch.no_grad():
                z = encoder(tokens)
            yield order, z
    finally:
        encoder.train(was)
