"""How far apart two things are. Functions where nothing is remembered; modules with buffers where something is.

Row losses return one number per row; the term averages them. Everything is computed in fp32.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from . import dist
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
        scale = self.log_scale.exp()
        if not len(a):
            return scale * a.sum() * b.sum()  # no sample of this batch has both parts
        mine = torch.arange(len(a), device=a.device) + dist.before(len(a))
        rows = F.cross_entropy(scale * a @ dist.gather(b).T, mine)
        columns = F.cross_entropy(scale * b @ dist.gather(a).T, mine)
        return (rows + columns) / 2

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        self.log_scale.clamp_(0, math.log(100))


class CenteredCE(nn.Module):
    """Cross-entropy from a centred, sharpened teacher to a student, both over `codes` prototypes (DINO, section 3.1).

    The centre is a running mean of the teacher's outputs: a buffer, moved once a step after all crops were seen.
    """

    center: Tensor

    def __init__(
        self, codes: int, student_temp: float = 0.1, teacher_temp: Schedule = 0.04, momentum: float = 0.9
    ) -> None:
        super().__init__()
        self.student_temp, self.teacher_temp, self.momentum = student_temp, teacher_temp, momentum
        self.register_buffer("center", torch.zeros(codes))
        self._mean: Tensor | None = None

    def forward(
        self, student: Float[Tensor, "n B K"], teacher: Float[Tensor, "m B K"], step: Step
    ) -> Float[Tensor, ""]:
        """The mean over pairs of different crops; the first m of the student's n crops are the teacher's."""
        n, m = len(student), len(teacher)
        goal = ((teacher - self.center) / at(self.teacher_temp, step)).softmax(-1)
        said = (student / self.student_temp).log_softmax(-1)
        total = -torch.einsum("mbk,nbk->mn", goal, said) / student.shape[1]
        other = ~torch.eye(m, n, dtype=torch.bool, device=total.device)
        if self.training:
            self._mean = dist.mean(teacher.detach().flatten(0, 1).mean(0))
        return total[other].mean()

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._mean is not None:
            self.center.lerp_(self._mean, 1 - self.momentum)
            self._mean = None
