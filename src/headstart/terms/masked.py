"""Say what was hidden: GMML, MAE, SimMIM, BEiT, data2vec, JEPA differ in head, target and loss."""

from collections.abc import Callable

from torch import Tensor, nn

from ..losses import mse
from ..targets import Target, raw
from .term import Scene, Term, average, row_losses


class masked(Term):
    """The head predicts the target at the hidden rows of one view; the row losses are averaged by the view's weights.

    loss: for rows of numbers; ids are met by cross-entropy.

    head: (encoded Tokens, View) -> [K, ...] at the K hidden rows.
    """

    def __init__(
        self,
        head: nn.Module,
        target: Target = raw,
        loss: Callable[[Tensor, Tensor], Tensor] = mse,
        view: str = "x",
    ) -> None:
        super().__init__()
        self.head, self.target, self.loss, self.view = head, target, loss, view
        self.reads = (view,)

    def forward(self, scene: Scene) -> Tensor:
        view, rows = scene.views[self.view], scene.views[self.view].hidden.index
        said = self.head(scene.student.z[self.view], view)
        losses = row_losses(self.loss, said, self.target(view, rows, scene))
        return average(losses, None if view.weight is None else view.weight[rows])
