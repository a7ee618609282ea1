"""A mixture of experts: of several MLPs each row is sent to one, and a loss beside the task keeps all of them at work (Fedus et
al., "Switch Transformers", 2022, section 2.2). No row is dropped: an expert takes as many as come."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..tokens import Tokens
from .linear import Linear
from .transformer import Attention, Keys, layer_norm


class ExpertBlock(nn.Module):
    """x + attention(norm(x)), then x + chance of the chosen expert * that expert(norm(x)).

    balance: the weight of the loss that travels as the aside "balance". Which expert a row goes to decides the host, so a device
    is waited for once a block.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        ratio: float = 4.0,
        causal: bool = False,
        experts: int = 4,
        balance: float = 0.01,
    ) -> None:
        super().__init__()
        hidden = int(ratio * width)
        self.norm1, self.attention = layer_norm(width), Attention(width, heads, causal)
        self.norm2, self.router = layer_norm(width), Linear(width, experts, bias=False)
        self.up, self.down = (
            nn.Parameter(torch.empty(experts, hidden, width)),
            nn.Parameter(torch.empty(experts, width, hidden)),
        )
        self.up_bias, self.down_bias = (
            nn.Parameter(torch.zeros(experts, hidden)),
            nn.Parameter(torch.zeros(experts, width)),
        )
        self.balance = balance
        for stack in (self.up, self.down):
            for matrix in stack:
                nn.init.xavier_uniform_(matrix)

    def forward(self, x: Tokens, keys: Keys | None = None) -> Tokens:
        y = x.values + self.attention(x.with_values(self.norm1(x.values)), keys)
        rows = self.norm2(y)
        chances = self.router(rows).float().softmax(-1)
        chance, chosen = chances.max(-1)
        out = y + chance[:, None].to(y.dtype) * self.expert(rows, chosen)
        return x.with_values(out).with_aside("balance", self.balance * uneven(chances, chosen))

    def expert(self, rows: Float[Tensor, "T D"], chosen: Tensor) -> Float[Tensor, "T D"]:
        """What each row's expert makes of it."""
        order = chosen.argsort(stable=True)
        counts = chosen.bincount(minlength=len(self.up)).tolist()
        made = []
        for i, part in enumerate(rows[order].split(counts)):
            up, down, first, last = (w[i].to(rows.dtype) for w in (self.up, self.down, self.up_bias, self.down_bias))
            made.append(F.linear(F.gelu(F.linear(part, up, first)), down, last))
        return torch.cat(made)[order.argsort()]


def uneven(chances: Float[Tensor, "T E"], chosen: Tensor) -> Float[Tensor, ""]:
    """experts * sum over experts of (share of the rows sent to it) * (mean chance of it), over the rows of all ranks: 1 where all
    get as many (equations 4 to 6)."""
    experts = chances.shape[1]
    sent = F.one_hot(chosen, experts).float().sum(0)
    sent, hoped = (dist.gather(each[None]).sum(0) for each in (sent, chances.sum(0)))
    rows = sent.sum().clamp(min=1)
    return experts * (sent / rows * hoped / rows).sum()
