"""Say where: rows that were not told their place name it among the places of their own sample (MP3, DropPos)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..losses import soft_cross_entropy
from ..nn.attention import same_lengths
from ..nn.linear import Linear
from ..nn.position import sincos
from ..nn.transformer import initialise
from ..scene import Scene
from ..step import Schedule, at
from ..targets import Taught
from ..tokens import every
from .term import Term, average


class locate(Term):
    """Every placeless row of a view is scored against the places of all rows of its clean sample, and a softmax over them should
    find its own. A place is the position code of its coordinates under a learned map, so samples of any grid share the answers.

    head: encoded Tokens -> Tokens of `width`. sigma: how far a near miss may lie and still be half right, in units of the
    coordinates; 0: only the right place is. weigh: how much each row counts, asked of a teacher; without it all count the same.
    """

    def __init__(
        self,
        width: int,
        head: nn.Module | None = None,
        sigma: Schedule = 0.0,
        weigh: Taught | None = None,
        view: str = "x",
    ) -> None:
        super().__init__()
        self.head = head or nn.Identity()
        self.width, self.sigma, self.weigh, self.view = width, sigma, weigh, view
        self.places = Linear(width, width, bias=False)
        self.reads = (view,)
        self.reads_teacher = (view,) if weigh else ()
        initialise(self.places)

    def led(self) -> nn.Module | None:
        """The teacher says which rows count, and needs no head for it."""
        return None

    def forward(self, scene: Scene) -> Tensor:
        view = scene.views[self.view]
        if view.placeless is None:
            raise ValueError(
                f"view {view.name!r} tells every row its place: the Make that it comes from must withhold some"
            )
        weight = view.placeless.float()
        if self.weigh is not None:
            weight = weight * self.weigh(view, view.kept.index, scene)
        answers = [(rows, soft_cross_entropy(prediction, target)) for rows, prediction, target in self.answers(scene)]
        if not answers:
            return self.places.weight.sum() * 0
        return average(torch.cat([losses for _, losses in answers]), weight[torch.cat([rows for rows, _ in answers])])

    def answers(self, scene: Scene) -> Iterator[tuple[Tensor, Float[Tensor, "R m"], Float[Tensor, "R m"]]]:
        """(rows of the seen view, what each says of the m places of its sample, what it should say), by lengths of samples."""
        view = scene.views[self.view]
        here, there = every(view.seen).index, every(view.clean).index
        prediction, at_home = self.head(scene.student.z[self.view]).values[here], view.seen.coords[here]
        coords = view.clean.coords[there]
        codes = self.places(sincos(coords, self.width)).to(prediction.dtype)
        sigma = at(self.sigma, scene.step)
        for n, m, rows, columns in same_lengths(view.seen.content, view.clean.content, str(here.device)):
            asked, code = prediction[rows].view(-1, n, self.width), codes[columns].view(-1, m, self.width)
            scores = (asked @ code.transpose(1, 2)).float() * self.width**-0.5
            target = softened(at_home[rows].unflatten(0, (-1, n)), coords[columns].unflatten(0, (-1, m)), sigma)
            yield here[rows], scores.flatten(0, 1), target.flatten(0, 1)


def softened(own: Float[Tensor, "S n C"], places: Float[Tensor, "S m C"], sigma: float) -> Float[Tensor, "S n m"]:
    """The share of the answer that belongs at each place: exp(-distance^2 / sigma^2), every row summing to 1 (DropPos);
    at sigma 0 the row's own place, or equally the places that are the same."""
    far = (own[:, :, None] - places[:, None]).square().sum(-1)
    share = torch.exp(-far / sigma**2) if sigma else (far == 0).float()
    return share / share.sum(-1, keepdim=True)
