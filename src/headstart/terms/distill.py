"""Agree with a slower self: DINO, iBOT, SwAV differ in crops, head and loss."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..nn.heads import Read, first
from ..scene import Scene, Side
from .term import Term


class distill(Term):
    """Every crop the student reads is led to what the teacher says of the other crops of the same sample.

    student, teacher: names of views; the teacher's must come first among the student's. loss: ([n, B, K], [m, B, K],
    step) -> number, for n student and m teacher crops of B samples. predictor: what the student says beyond the head.
    read: None where the head reads the rows itself, Tokens -> [S, K].
    """

    def __init__(
        self,
        student: tuple[str, ...],
        teacher: tuple[str, ...],
        head: nn.Module,
        loss: Callable[..., Tensor],
        read: Read | None = first,
        predictor: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if student[: len(teacher)] != teacher:
            raise ValueError(f"the student must read the teacher's views {teacher} first, not {student}")
        self.head, self.loss, self.read = head, loss, read
        self.predictor = predictor or nn.Identity()
        self.reads, self.reads_teacher, self.by_row = student, teacher, read is None

    def forward(self, scene: Scene) -> Tensor:
        if scene.teacher is None:
            raise ValueError("distill needs a teacher: give the Objective teacher=Ema(...)")
        prediction = self.predictor(self._project(scene.student, self.reads, scene.batch.size))
        target = self._project(scene.teacher, self.reads_teacher, scene.batch.size)
        return self.loss(prediction, target, scene.step)

    def _project(self, side: Side, views: tuple[str, ...], size: int) -> Tensor:
        head, read = side.heads[self.name], self.read
        if read is None:
            projection = torch.cat([head(side.z[name]) for name in views])
        else:
            projection = head(torch.cat([read(side.z[name]) for name in views]))  # crop-major: [crops * B, D]
        return projection.unflatten(0, (-1, size))
