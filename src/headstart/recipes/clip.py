"""CLIP: two encoders put the two halves of a pair at the same place on a sphere (Radford et al., "Learning Transferable
Visual Models From Natural Language Supervision", 2021).

Hides: nothing.
Predicts: which of the batch's other halves belongs to each.
Use when: samples have two parts that tell of the same thing, and one should be found by the other. Large batches help.
Mechanism: within a batch, each half must pick its partner among all others, under a learned temperature.
Differs from the paper in: text is bytes read at their mean (paper: BPE, causal, read at the end token); both towers
have one size; the pairs may be of any two kinds.
Command: headstart pretrain pairs/   (files of equal names, a table with paths, or a tar)
Expected: every half is drawn to its own partner, and what is asked of it hangs on the others of the batch; handwritten digits
are named by captions that were never seen, more than 0.4 of them rightly; `python -m evidence run clip`.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ..corrupt import clean
from ..losses import InfoNCE, cosine_error
from ..nn.encoder import Model, encoder
from ..nn.heads import mean
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms import contrast

SMALL: dict[str, float] = {}  # the paper's batch at any size: the other samples of a batch are what a pair is told from


class strangers(InfoNCE):
    """Every sample is to find the other half of the next one."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a, b.roll(1, 0))


class alone(nn.Module):
    """Halves of a sample are to lie together, wherever the others are."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cosine_error(a, b).mean()


def unlearnt() -> nn.Module:
    """The temperature stays as it begins."""
    return InfoNCE().requires_grad_(False)


IDEAS = {
    "halves of one sample are partners": {"loss": strangers},
    "told from the others of the batch": {"loss": alone},
    "a learned temperature": {"loss": unlearnt},
}


def clip(data: Data, size: str | Model = "B", width: int = 512, loss: Callable[[], nn.Module] = InfoNCE) -> Recipe:
    """Pairs meet in a space of `width` dimensions."""
    a, b, data = *data.pair, data.whole()
    encs = {name: encoder({name: data.tokenizers[name]}, size) for name in (a, b)}
    heads = {name: Linear(enc.width, width, bias=False) for name, enc in encs.items()}
    align = contrast((a, b), read=mean, head=heads, loss=loss())
    task = Objective(encs, views={a: clean, b: clean}, terms={"align": align})
    optim = AdamW(lr=warmup_cosine(5e-4), weight_decay=0.2, betas=(0.9, 0.98))
    return Recipe(task, data, optim, steps=data.epochs(32))
