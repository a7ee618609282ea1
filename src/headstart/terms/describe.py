"""Say what is known without learning: PASE's workers, MaskFeat, MolBERT, of samples as wholes."""

import torch
from torch import Tensor, nn

from ..descriptors import Descriptors
from ..losses import mse
from ..nn.heads import Read, mean_std
from ..scene import Scene
from .term import Term


class describe(Term):
    """The head says the descriptors of the whole sample from what a view shows of it.

    head: [S, E] -> [S, known.width]. read: how rows become one vector of E. Every crop of a sample is asked for the same.
    """

    by_row = False

    def __init__(self, known: Descriptors, head: nn.Module, view: str = "x", read: Read = mean_std) -> None:
        super().__init__()
        self.known, self.head, self.view, self.read, self.reads = known, head, view, read, (view,)

    def look_up(self, index: Tensor) -> None:
        self.known.of(index.cpu().numpy())

    def forward(self, scene: Scene) -> Tensor:
        said = self.head(self.read(scene.student.z[self.view]).float())
        known = torch.from_numpy(self.known.of(scene.batch.index.cpu().numpy())).to(said.device)
        return mse(said, known.repeat(len(said) // len(known), 1)).mean()
