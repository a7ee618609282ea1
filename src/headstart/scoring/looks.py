"""Samples as an encoder has them on the way and from several sides: the mean of their rows after each depth, and of crops."""

from collections.abc import Iterator

import numpy as np
import torch

from ..augment import multicrop
from ..data.feeding.loader import collate, in_order, rows
from ..data.source import Source
from ..errors import Mistake
from ..nn.encoder import Encoder
from ..nn.heads import mean
from ..recipe import Data
from ..step import Step
from ..tokens import Tokenizer, Tokens
from ..tree import to
from .features import Indices

DEPTHS = 9  # that are looked at, at most
LOOKS = 8  # at each sample


def depths(encoder: Encoder) -> tuple[int, ...]:
    """How many blocks rows have been through: 0 (they are only embedded) to all."""
    last = len(encoder.blocks)
    return tuple(np.unique(np.linspace(0, last, min(last + 1, DEPTHS)).round().astype(int)).tolist())


@torch.no_grad()
def by_depth(
    encoder: Encoder, tokenizer: Tokenizer, source: Source, indices: Indices, batch: int = 128
) -> list[np.ndarray]:
    """[n, D] after each of `depths`, in fp32; the last one as the encoder gives it."""
    at = depths(encoder)
    out: list[list[np.ndarray]] = [[] for _ in at]
    device, kind = next(encoder.parameters()).device, next(iter(encoder.tokenizers))
    for start in _still(encoder, len(indices), batch):
        order, samples = in_order(source, indices[start : start + batch], tokenizer)
        x = encoder.embed(to(rows(samples, tokenizer, kind, encoder.shape.slots, device), device))
        for part, z in zip(out, encoder.through(x, None, at[:-1]), strict=True):
            part.append(_read(z)[np.argsort(order)])
    return [np.concatenate(part) for part in out]


@torch.no_grad()
def looked_at(
    encoder: Encoder, tokenizer: Tokenizer, source: Source, indices: Indices, looks: int = LOOKS, batch: int = 32
) -> np.ndarray | None:
    """[n, looks, D]: the same samples under crops as methods of two views take them (40 to 100 % of a sample, altered as its
    kind may be), the same for every encoder; None where a kind has none."""
    kind = next(iter(encoder.tokenizers))
    data = Data(source, {kind: tokenizer}, views=multicrop(big=looks, small=0))
    device, out = next(encoder.parameters()).device, []
    try:
        for start in _still(encoder, len(indices), batch):
            made = collate(data, np.asarray(indices)[start : start + batch], Step(0, 1), encoder.shape.slots, device)
            z = _read(encoder(made.tokens["big"]))
            out.append(z.reshape(looks, made.size, -1).swapaxes(0, 1)[np.argsort(made.index.cpu().numpy())])
    except Mistake:  # this kind is not cropped
        return None
    return np.concatenate(out)


def _read(z: Tokens) -> np.ndarray:
    found: np.ndarray = mean(z).float().cpu().numpy()
    return found


def _still(encoder: Encoder, n: int, batch: int) -> Iterator[int]:
    """Where each batch starts, the encoder not training meanwhile."""
    was = encoder.training
    encoder.eval()
    try:
        yield from range(0, n, batch)
    finally:
        encoder.train(was)
