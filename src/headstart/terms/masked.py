"""Say what was hidden: GMML, MAE, SimMIM, BEiT, data2vec, JEPA differ in head, target and loss."""

from collections.abc import Callable

from torch import Tensor, nn

from ..losses import mse
from ..scene import Scene
from ..targets import Target, Taught, normalised, raw, unnormalised
from .term import Term, average, row_losses


class masked(Term):
    """The head predicts the target at the hidden rows of one view; the row losses are averaged by the view's weights.

    head: (encoded Tokens, View) -> [K, ...] at the K hidden rows; with a `context`, (encoded Tokens, View, encoded context).
    target: `raw`, `normalised`, ..., or `Taught`, what a teacher says. loss: for rows of numbers; ids are met by cross-entropy.
    context: another view of the same samples, which the head may look at.
    """

    def __init__(
        self,
        head: nn.Module,
        target: Target = raw,
        loss: Callable[[Tensor, Tensor], Tensor] = mse,
        view: str = "x",
        context: str | None = None,
    ) -> None:
        super().__init__()
        self.head, self.target, self.loss, self.view, self.context = head, target, loss, view, context
        self.reads = (view,) if context is None else (view, context)
        self.hides = view
        self.restores = view if target in (raw, normalised) else None
        self.reads_teacher = (view,) if isinstance(target, Taught) else ()

    def led(self) -> nn.Module | None:
        """The teacher has a head only where its target is what that head says."""
        return self.head if isinstance(self.target, Taught) and self.target.through_head else None

    def restored(self, scene: Scene) -> Tensor:
        """The payload as the head says it; of ids the likeliest."""
        view = scene.views[self.view]
        prediction, there = self.predicted(scene).float(), view.clean.values[view.hidden.index]
        if not there.is_floating_point():
            return prediction.argmax(-1)
        return unnormalised(prediction, there) if self.target is normalised else prediction

    def forward(self, scene: Scene) -> Tensor:
        view, rows = scene.views[self.view], scene.views[self.view].hidden.index
        losses = row_losses(self.loss, self.predicted(scene), self.target(view, rows, scene))
        return average(losses, None if view.weight is None else view.weight[rows])

    def predicted(self, scene: Scene) -> Tensor:
        """What the head says."""
        z = scene.student.z
        return self.head(z[self.view], scene.views[self.view], *([] if self.context is None else [z[self.context]]))
