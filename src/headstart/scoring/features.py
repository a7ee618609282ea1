"""Samples as vectors: by an encoder and a way to read it, row by row, or as they are (the baseline nobody may skip)."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from ..data.feeding.loader import in_order, rows
from ..data.source import Source
from ..dist import divided
from ..nn.encoder import Encoder, returned
from ..nn.heads import rows_of
from ..nn.readouts import READOUTS
from ..tokens import Tokenizer, Tokens
from ..tree import to

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

    def some(start: int, end: int) -> dict[str, np.ndarray]:
        return _read(encoder, tokenizer, source, indices[start:end], reads, batch, progress)

    parts = divided(len(indices), some)
    return {name: np.concatenate([part[name] for part in parts]) for name in reads}


def _read(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    indices: Indices,
    reads: Sequence[str],
    batch: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, np.ndarray]:
    """`encode`, by this process."""
    out: dict[str, list[np.ndarray]] = {name: [] for name in reads}
    at = {name: READOUTS[name].depths(encoder) for name in reads}
    depths = tuple(sorted({depth for some in at.values() for depth in some}))
    done = 0
    for order, found in _encoded(encoder, tokenizer, source, indices, batch, depths):
        after = dict(zip((*depths, None), found, strict=True))
        for name in reads:
            z = READOUTS[name]([after[depth] for depth in (*at[name], None)])
            out[name].append(z.float().cpu().numpy()[np.argsort(order)])
        done += len(order)
        if progress:
            progress(done, len(indices))
    return {name: np.concatenate(parts) for name, parts in out.items()}


def encode_rows(
    encoder: Encoder, tokenizer: Tokenizer, source: Source, indices: Indices, batch: int = 256
) -> list[np.ndarray]:
    """[T, D] for each sample: its content rows, encoded, in fp32."""

    def some(start: int, end: int) -> list[np.ndarray]:
        out: list[np.ndarray] = []
        for order, (z,) in _encoded(encoder, tokenizer, source, indices[start:end], batch):
            each = rows_of(z).float().cpu().split(list(z.content))
            out += [each[place].numpy() for place in np.argsort(order)]
        return out

    return [z for part in divided(len(indices), some) for z in part]


def _encoded(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    indices: Indices,
    batch: int,
    depths: tuple[int, ...] = (),
) -> Iterator[tuple[np.ndarray, list[Tokens]]]:
    """(which of the batch's samples comes first, the batch encoded: after so many blocks, and at the end), batch by batch, as
    an encoder that does not train."""
    device, kind = next(encoder.parameters()).device, next(iter(encoder.tokenizers))
    was = encoder.training
    encoder.eval()
    try:
        for start in range(0, len(indices), batch):
            order, samples = in_order(source, indices[start : start + batch], tokenizer)
            tokens = to(rows(samples, tokenizer, kind, encoder.shape.slots, device), device)
            with torch.no_grad():
                found = encoder.through(encoder.embed(tokens), None, depths)
            yield order, [returned(tokens, z) for z in found]
    finally:
        encoder.train(was)


def raw(tokenizer: Tokenizer, source: Source, indices: Indices) -> np.ndarray:
    """Samples as plain vectors [n, F], as their tokenizer has them without learning."""
    return np.concatenate(
        divided(len(indices), lambda a, b: np.stack([tokenizer.raw(source[int(i)]) for i in indices[a:b]]))
    )


def raw_rows(tokenizer: Tokenizer, source: Source, indices: Indices) -> list[np.ndarray]:
    """[T, F] for each sample: the payload of its rows; of ids, which one it is."""
    payloads = (tokenizer(source[int(i)]).values for i in indices)
    return [
        (x if x.is_floating_point() else torch.nn.functional.one_hot(x, tokenizer.dim).float()).numpy()
        for x in payloads
    ]
