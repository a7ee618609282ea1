"""What stands on an encoder that is tuned: each sample read as one vector, brought to mean 0 and variance 1, one linear map."""

from jaxtyping import Float
from torch import Tensor, nn

from ..nn.heads import rows_of
from ..nn.linear import Linear
from ..nn.readouts import READOUTS, Readout
from ..scene import Scene
from ..terms import Term
from ..tokens import every
from .task import Task


class Head(nn.Module):
    """[B, E] -> [B, K] in fp32. The map begins at zero, so that the first steps do not spoil the encoder.

    Features are normalised without gain by the batch in training, by what was seen of late otherwise (MAE's linear probe, He et
    al. 2022, appendix A.1): encoders are read at very different scales.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.line = Linear(width, outputs)
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, x: Float[Tensor, "B E"]) -> Float[Tensor, "B K"]:
        return self.line(self.norm(x.float()))


class Supervised(Term):
    """The head says the target of every sample, or of each of its rows. targets: [n, ...], or [n, T], by the number of a sample
    in the source that is trained on. read: the name of a readout, of samples; depths: those at which it reads this encoder."""

    targets: Tensor
    by_row = False

    def __init__(self, head: Head, task: Task, targets: Tensor, read: str, depths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.head, self.task, self.reads, self.depths = head, task, ("x",), depths
        self.read = Readout(rows_of) if task.rows else READOUTS[read]
        self.register_buffer("targets", targets, persistent=False)

    def forward(self, scene: Scene) -> Tensor:
        z = scene.student.z["x"]
        out = self.head(self.read([*(scene.student.within[depth]["x"] for depth in self.depths), z]))
        if not self.task.rows:
            return self.task.loss(out, self.targets[scene.batch.index]).mean()
        at = every(z).index
        target = self.targets[scene.batch.index[z.layout.seg[at]], z.layout.place[at] - z.layout.slots]
        return self.task.loss(out, target).sum() / (target >= 0).sum().clamp(min=1)
