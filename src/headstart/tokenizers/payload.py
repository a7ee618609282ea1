"""How a row's payload becomes a vector: numbers through a linear map, ids through a table."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.linear import Linear
from ..nn.transformer import initialise
from ..tokens import Tokens


class Numbers(nn.Module):
    """Rows of `dim` numbers, [T, dim] -> [T, width]."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.map = Linear(dim, width)
        initialise(self)

    def forward(self, tokens: Tokens) -> Float[Tensor, "T width"]:
        return self.map(tokens.values)


class Ids(nn.Module):
    """Rows of one id below `count`, [T] -> [T, width]."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(count, width)
        initialise(self)

    def forward(self, tokens: Tokens) -> Float[Tensor, "T width"]:
        return F.embedding(tokens.values, self.table.weight)
