"""Rows as codes: by a frozen random projection, or by a codebook that follows the rows.

Codes have unit length; a row has the code at the smallest angle. Everything is a buffer, in fp32.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..step import Step


class RandomCodes(nn.Module):
    """The code of a row by `seed` alone: a random projection, and the nearest of random directions (BEST-RQ, Chiu et al. 2022).

    Rows that are near each other mostly share a code, and nothing has to be learnt. An id is projected as the unit vector it is.
    """

    projection: Float[Tensor, "D W"]
    book: Float[Tensor, "N W"]

    def __init__(self, dim: int, codes: int, width: int = 256, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        projection, book = (torch.randn(n, width, generator=g, device="cpu") for n in (dim, codes))
        self.register_buffer("projection", projection / dim**0.5)
        self.register_buffer("book", F.normalize(book, dim=-1))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Int[Tensor, "K"]:
        """[K, D] numbers, or [K] ids below D."""
        y = x.float() @ self.projection if x.is_floating_point() else self.projection[x]
        return (y @ self.book.T).argmax(-1)


class Codebook(nn.Module):
    """Codes that follow the rows which chose them, by exponential means (VQ-VAE, van den Oord et al. 2017, appendix A.1; on a
    sphere: BEiT v2, Peng et al. 2022). A code that nobody chose stays where it is."""

    book: Float[Tensor, "N W"]

    def __init__(self, codes: int, width: int, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("book", F.normalize(torch.randn(codes, width), dim=-1))
        self._sums: Tensor | None = None

    def ids(self, z: Float[Tensor, "K W"]) -> Int[Tensor, "K"]:
        """The nearest code of each row of unit length."""
        return (z @ self.book.T).argmax(-1)

    def forward(self, z: Float[Tensor, "K W"]) -> Float[Tensor, "K W"]:
        """The nearest code of each row of unit length, in its place; the gradient passes as if nothing had been rounded."""
        ids = self.ids(z)
        if self.training:
            self._sums = self._summed(z.detach(), ids)
        return z + (self.book[ids] - z).detach()

    @torch.no_grad()
    def begin(self, z: Float[Tensor, "K W"], draw: Float[Tensor, "K"], turns: int = 10) -> None:
        """Codes from these rows by k-means, begun at those of lowest `draw`; codes beyond their number stay as they are."""
        z, draw = dist.gather(z), dist.gather(draw)
        some = z[draw.argsort()[: len(self.book)]]
        self.book[: len(some)] = some
        with dist.alone():  # every rank has all rows
            for _ in range(turns):
                self._move(self._summed(z, self.ids(z)), 0.0)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._sums is not None:
            self._move(self._sums, self.momentum)
            self._sums = None

    def _summed(self, z: Float[Tensor, "K W"], ids: Int[Tensor, "K"]) -> Float[Tensor, "N W1"]:
        """For each code the sum of the rows that chose it, and last their number; of all ranks, divided by how many these are."""
        counted = torch.cat([z, torch.ones_like(z[:, :1])], 1)
        return dist.mean(torch.zeros(len(self.book), counted.shape[1], device=z.device).index_add(0, ids, counted))

    def _move(self, sums: Float[Tensor, "N W1"], momentum: float) -> None:
        towards = F.normalize(sums[:, :-1], dim=-1)
        moved = F.normalize(momentum * self.book + (1 - momentum) * towards, dim=-1)
        self.book.copy_(torch.where(sums[:, -1:] > 0, moved, self.book))
