"""SwAV: each big crop is assigned to prototypes so that all are used alike, and every other crop predicts the assignment
(Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", 2020).

Hides: nothing; crops of a sample show different parts of it.
Predicts: which prototypes another crop of the same sample was assigned to.
Use when: samples fall into groups of about equal frequency and only a few fit into a batch; small crops make many views cheap.
Not when: most samples are of one sort, for the assignment spreads them over all prototypes all the same.
Mechanism: Sinkhorn's iterations make the assignment of a batch (and of a queue of earlier ones) use every prototype equally, so
nothing can collapse, and no teacher and no pairwise comparisons are needed.
Differs from the paper in: an encoder read at the mean of its rows instead of a ResNet; AdamW, not LARS; prototypes are brought to
unit length where they are used, not after each step; a place of the queue counts once it is filled (release: when all are); crops
alter brightness and contrast, not hue, and do not blur. Shares of training stand for the release's epochs of 200.
Command: headstart pretrain fashion-mnist recipe=swav
Expected: looks are led to what other looks were assigned, prototypes are used alike with the help of earlier samples, and of
held-out squares of photographs the loss is below 0.94 of that of saying nothing: `python -m evidence run swav`.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..augment import multicrop
from ..corrupt import clean
from ..nn.encoder import Model, encoder
from ..nn.heads import mean, projector
from ..nn.queue import Queue
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Step, warmup_cosine
from ..terms import contrast

Assign = Callable[..., Tensor]


def others(looks: Float[Tensor, "n ..."], i: int) -> Float[Tensor, "m ..."]:
    """All looks but the i-th: those that its assignment leads."""
    return torch.cat([looks[:i], looks[i + 1 :]])


def itself(looks: Float[Tensor, "n ..."], i: int) -> Float[Tensor, "1 ..."]:
    """The i-th look alone: nothing is swapped."""
    return looks[i : i + 1]


@torch.no_grad()
def balanced(
    scores: Float[Tensor, "B K"],
    earlier: Float[Tensor, "L K"],
    there: Bool[Tensor, "L"],
    temperature: float = 0.05,
    iterations: int = 3,
) -> Float[Tensor, "B K"]:
    """For every sample of this rank a share for each prototype, summing to 1, so that over the samples of all ranks and what was
    said earlier all prototypes get nearly the same (Sinkhorn-Knopp, equation 5; scores are cosines); after no iterations, the
    softmax of its own scores."""
    if not iterations:
        return (scores / temperature).softmax(-1)
    now, before = ((scores - 1) / temperature).exp(), ((earlier - 1) / temperature).exp() * there[:, None]
    for _ in range(iterations):
        use = dist.mean(now.sum(0)) * dist.world() + before.sum(0)
        now, before = now / use, before / use
        now, before = now / now.sum(1, keepdim=True), before / before.sum(1, keepdim=True).clamp(min=1e-30)
    return now


# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 300, "local": 2, "queue": 1024, "optim.lr": 4e-3, "data.batch": 64}
IDEAS = {
    "looks swap their assignments": {"led": itself},
    "prototypes are used alike": {"assign": partial(balanced, iterations=0)},
    "small crops": {"local": 0},
    "earlier samples help to assign": {"queue": 0},
}


def swav(
    data: Data,
    size: str | Model = "S",
    codes: int = 3000,
    local: int = 6,
    queue: int = 3840,
    assign: Assign = balanced,
    led: Callable[[Tensor, int], Tensor] = others,
) -> Recipe:
    """Two big crops and `local` small ones of each sample agree over `codes` prototypes; `queue` earlier samples, 0 where batches
    are large beside the prototypes, help to use them alike."""
    data = data.with_views(multicrop(big=2, small=local, big_scale=(0.14, 1.0), small_scale=(0.05, 0.14)))
    enc = encoder(data.tokenizers, size)
    seen = ("big", "small") if local else ("big",)
    head = projector(enc.width, min(2048, 16 * enc.width), DIM)
    agree = contrast(seen, head=head, read=mean, loss=Swapped(codes, assign, queue, led=led))
    task = Objective(enc, views=dict.fromkeys(seen, clean), terms={"agree": agree})
    optim = AdamW(lr=warmup_cosine(5e-4), weight_decay=0.05)
    return Recipe(task, data, optim, steps=data.epochs(200))


DIM = 128


class Swapped(nn.Module):
    """Each of the first two looks is assigned to prototypes, and all other looks are led to the assignment (section 3.1).

    assign: (scores, scores of the queue, which of these count) -> a share of every sample for each prototype. led: of the looks
    those that the i-th one's assignment leads.
    """

    free: Tensor

    def __init__(
        self,
        codes: int,
        assign: Assign,
        queue: int = 0,
        begin: float = 0.075,
        frozen: float = 0.005,
        led: Callable[[Tensor, int], Tensor] = others,
    ) -> None:
        super().__init__()
        self.assign, self.led = assign, led
        self.frozen = frozen  # the share of training before which prototypes stay as they began
        self.codes = nn.Parameter(torch.randn(codes, DIM))
        self.queues = nn.ModuleList(Queue(queue, DIM, begin) for _ in range(2))
        self.register_buffer("free", torch.zeros(()))

    def forward(self, *looks: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
        z = F.normalize(torch.stack(looks).float(), dim=-1)
        codes = F.normalize(self.codes, dim=-1)
        scores = z @ torch.lerp(codes.detach(), codes, self.free).T
        log_shares = (scores / 0.1).log_softmax(-1)
        losses: list[Tensor] = []
        for i, queue in enumerate(self.queues):
            assert isinstance(queue, Queue)
            target = self.assign(scores[i].detach(), queue.rows @ codes.detach().T, queue.filled)
            losses.append(-(target * self.led(log_shares, i)).sum(-1).mean())
            queue.put(z[i])
        return torch.stack(losses).mean()

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        self.free.fill_(float((step.index + 1) / step.total >= self.frozen))
