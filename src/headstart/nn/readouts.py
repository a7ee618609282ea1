"""How a sample is read off an encoder as one vector: what is taken of its rows, and after which blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..tokens import Tokens
from .encoder import Encoder
from .heads import Read, along, boxes, first, last, mean, mean_std

QUARTERS = 4


@dataclass(frozen=True)
class Readout:
    """read: rows -> one vector for each sample. deep: after the embedding and each quarter of the blocks, side by side, not only
    after the last block (hypercolumns, Hariharan et al. 2015): what training deletes on its way stands in the blocks before."""

    read: Read
    deep: bool = False

    def depths(self, encoder: Encoder) -> tuple[int, ...]:
        """After how many blocks it reads besides the end, as `Encoder.through` takes them."""
        blocks = len(encoder.blocks)
        return tuple(sorted({blocks * i // QUARTERS for i in range(QUARTERS)})) if self.deep else ()

    def __call__(self, after: Sequence[Tokens]) -> Float[Tensor, "S E"]:
        """after: the rows at each of `depths`, and at the end."""
        return torch.cat([self.read(z) for z in after], 1) if self.deep else self.read(after[-1])


def total(z: Tokens) -> Float[Tensor, "S E"]:
    """`mean_std`, and the sum over content rows: how much of everything there is, of molecules and graphs."""
    said = mean_std(z)
    count = torch.tensor(z.content, dtype=said.dtype, device=said.device)[:, None]
    return torch.cat([said, said[:, : z.values.shape[1]] * count], 1)


READOUTS = {f.__name__: Readout(f) for f in (mean_std, boxes, mean, first, last, along, total)}
READOUTS |= {"blocks": Readout(mean_std, deep=True), "blocks_total": Readout(total, deep=True)}
