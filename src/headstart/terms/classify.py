"""Name what was done: rotation, degradation, match, replacement differ in the view, the read and the label."""

from collections.abc import Callable

from torch import Tensor, nn

from ..losses import cross_entropy
from ..nn.heads import Read, mean, rows_of
from ..scene import Scene
from ..tokens import View
from .term import Term

Label = Callable[[View, Scene], Tensor]  # [N] true classes, or numbers for a loss of your own


def given(view: View, scene: Scene) -> Tensor:
    """The label that the view was made with."""
    if view.label is None:
        raise ValueError(f"view {view.name!r} has no label: the Make that it comes from must set one")
    return view.label


def which_crop(view: View, scene: Scene) -> Tensor:
    """Which of its sample's looks a segment is: 0, 1, ..."""
    return view.clean.layout.seg.new_tensor(range(view.clean.layout.segments)) // scene.batch.size


class classify(Term):
    """The head names the label of every segment of a view, or of every row (`read=rows_of`).

    read: encoded Tokens -> [N, D]. head: [N, D] -> [N, classes]. label: (View, Scene) -> [N]. loss: one number for each of N.
    """

    def __init__(
        self,
        head: nn.Module,
        label: Label = given,
        view: str = "x",
        read: Read = mean,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    ) -> None:
        super().__init__()
        self.head, self.label, self.view, self.read, self.loss = head, label, view, read, loss
        self.reads, self.by_row = (view,), read is rows_of

    def forward(self, scene: Scene) -> Tensor:
        prediction = self.head(self.read(scene.student.z[self.view]))
        return self.loss(prediction, self.label(scene.views[self.view], scene)).mean()
