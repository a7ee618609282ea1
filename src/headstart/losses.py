"""How far apart two things are. Functions where nothing is remembered; modules with buffers where something is.

Row losses return one number per row; the term averages them. Everything is computed in fp32.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from . import dist
from .nn.queue import Queue
from .step import Schedule, Step, at


def mse(x: Float[Tensor, "K D"], target: Float[Tensor, "K D"]) -> Float[Tensor, "K"]:
    """Mean squared error per row."""
    return (x.float() - target.float()).square().mean(-1)


def l1(x: Float[Tensor, "K D"], target: Float[Tensor, "K D"]) -> Float[Tensor, "K"]:
    """Mean absolute error per row."""
    return (x.float() - target.float()).abs().mean(-1)


def cross_entropy(x: Float[Tensor, "K V"], target: Int[Tensor, "K"]) -> Float[Tensor, "K"]:
    """Negative log-likelihood of the true id per row."""
    return F.cross_entropy(x.float(), target, reduction="none")


def soft_cross_entropy(
    x: Float[Tensor, "*n V"], target: Float[Tensor, "*n V"], temperature: float = 1.0
) -> Float[Tensor, "*n"]:
    """Cross-entropy from a distribution over ids to what is said of them, per row."""
    return -(target * (x.float() / temperature).log_softmax(-1)).sum(-1)


def cosine_error(x: Float[Tensor, "*n D"], target: Float[Tensor, "*n D"], power: float = 1.0) -> Float[Tensor, "*n"]:
    """(1 - cosine) ** power per row: easy rows fade out as the power grows (GraphMAE's scaled cosine error, Hou et al. 2022)."""
    return (1 - F.cosine_similarity(x.float(), target.float(), dim=-1)) ** power


def chamfer(x: Float[Tensor, "K P"], target: Float[Tensor, "K Q"], width: int = 3) -> Float[Tensor, "K"]:
    """Squared distance from each point to the nearest of the other set, the mean each way, both ways added (Fan et al. 2017).

    A row is a set of points of `width` numbers each, one after another, in any order.
    """
    a, b = (points.float().unflatten(-1, (-1, width)) for points in (x, target))
    far = (a[:, :, None] - b[:, None]).square().sum(-1)
    return far.amin(2).mean(1) + far.amin(1).mean(1)


class InfoNCE(nn.Module):
    """Each sample of a finds its partner among all of b, and the other way round (CLIP, Radford et al. 2021, figure 3).

    The temperature is learned as log(1/temperature) and never sharper than 1/100 (section 2.5). Negatives are the
    batches of all ranks.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    def forward(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
        a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
        # of a rank's samples few may have both parts, or none: all pairs of all ranks count alike
        scale, count = self.log_scale.exp(), max(1, sum(dist.counts(len(a)))) / dist.world()
        mine = torch.arange(len(a), device=a.device) + dist.before(len(a))
        rows = F.cross_entropy(scale * a @ dist.gather(b).T, mine, reduction="sum") / count
        columns = F.cross_entropy(scale * b @ dist.gather(a).T, mine, reduction="sum") / count
        return (rows + columns) / 2

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        self.log_scale.clamp_(0, math.log(100))


class CrossNCE(nn.Module):
    """Every student crop finds its own sample among a teacher crop of all samples, of all ranks: cross-entropy times
    2 * temperature, summed over pairs of different crops (MoCo v3, Chen et al. 2021, algorithm 1; SiT, Atito et al. 2021)."""

    def __init__(self, temperature: Schedule = 0.2) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self, prediction: Float[Tensor, "n B D"], target: Float[Tensor, "m B D"], step: Step
    ) -> Float[Tensor, ""]:
        """The first m of the student's n crops are the teacher's, and are not compared with themselves."""
        prediction, target = F.normalize(prediction.float(), dim=-1), F.normalize(target.float(), dim=-1)
        mine = torch.arange(prediction.shape[1], device=prediction.device) + dist.before(prediction.shape[1])
        keys, temperature = [dist.gather(crop) for crop in target], at(self.temperature, step)
        pairs = [(x, k) for i, x in enumerate(prediction) for j, k in enumerate(keys) if i != j]
        losses = [F.cross_entropy(x @ k.T / temperature, mine) for x, k in pairs]
        return 2 * temperature * torch.stack(losses).sum()


class QueueNCE(nn.Module):
    """Every student crop finds the teacher's other crops of its own sample among what the teacher said at earlier steps, a queue
    of `size` unit vectors (MoCo, He et al. 2020, algorithm 1). Places of the queue that nothing has come to count as orthogonal.
    """

    def __init__(self, dim: int, size: int = 65_536, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = temperature
        self.queue = Queue(size, dim)

    def forward(
        self, prediction: Float[Tensor, "n B D"], target: Float[Tensor, "m B D"], step: Step
    ) -> Float[Tensor, ""]:
        """The mean over pairs of different crops; the first m of the student's n crops are the teacher's."""
        prediction, target = F.normalize(prediction.float(), dim=-1), F.normalize(target.float(), dim=-1)
        positive = torch.einsum("nbd,mbd->mnb", prediction, target) / self.temperature
        away = (prediction @ self.queue.rows.T / self.temperature).logsumexp(-1)
        other = ~torch.eye(*positive.shape[:2], dtype=torch.bool, device=positive.device)
        self.queue.put(target.flatten(0, 1))
        return (torch.logaddexp(positive, away) - positive)[other].mean()


class centred(nn.Module):
    """What a teacher's head says, [..., codes], as a share for each prototype: less its running mean, and sharpened (DINO, Caron
    et al. 2021, section 3.1). The mean is a buffer, moved once a step after all was said."""

    center: Tensor

    def __init__(self, codes: int, temperature: Schedule = 0.04, momentum: float = 0.9) -> None:
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("center", torch.zeros(codes))
        self._mean: Tensor | None = None

    def forward(self, logits: Float[Tensor, "*n codes"], step: Step) -> Float[Tensor, "*n codes"]:
        if self.training and logits.numel():
            self._mean = dist.mean(logits.detach().flatten(0, -2).mean(0))
        return ((logits - self.center) / at(self.temperature, step)).softmax(-1)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._mean is not None:
            self.center.lerp_(self._mean, 1 - self.momentum)
            self._mean = None


class CenteredCE(nn.Module):
    """Cross-entropy from a centred, sharpened teacher to a student, both over `codes` prototypes (DINO, section 3.1)."""

    def __init__(
        self, codes: int, student_temp: float = 0.1, teacher_temp: Schedule = 0.04, momentum: float = 0.9
    ) -> None:
        super().__init__()
        self.student_temp = student_temp
        self.shares = centred(codes, teacher_temp, momentum)

    def forward(
        self, student: Float[Tensor, "n B K"], teacher: Float[Tensor, "m B K"], step: Step
    ) -> Float[Tensor, ""]:
        """The mean over pairs of different crops; the first m of the student's n crops are the teacher's."""
        n, m = len(student), len(teacher)
        target = self.shares(teacher, step)
        log_shares = (student / self.student_temp).log_softmax(-1)
        total = -torch.einsum("mbk,nbk->mn", target, log_shares) / student.shape[1]
        other = ~torch.eye(m, n, dtype=torch.bool, device=total.device)
        return total[other].mean()
