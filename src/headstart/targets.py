"""What should be said at a row: a function of the view (and of a teacher), evaluated at chosen rows only."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor, nn

from .errors import Mistake
from .losses import centred
from .scene import Scene
from .step import Schedule
from .tokens import View

Target = Callable[[View, Tensor, Scene], Tensor]  # view, rows [K], scene -> [K, ...]


def raw(view: View, rows: Int[Tensor, "K"], scene: Scene) -> Tensor:
    """The payload itself: numbers, to be met by a regression, or ids, to be met by a cross-entropy."""
    return view.clean.values[rows]


def normalised(view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K D"]:
    """The payload with each row brought to mean 0 and variance 1 (MAE, section 4.1: "normalized pixels")."""
    x = view.clean.values[rows]
    if not x.is_floating_point():
        raise Mistake(f"rows of {view.clean.name!r} are ids and cannot be normalised: use the target raw")
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()


def unnormalised(prediction: Float[Tensor, "K D"], there: Float[Tensor, "K D"]) -> Float[Tensor, "K D"]:
    """What predictions of `normalised` mean where the payload is `there`: each row's own mean and spread are put back, as MAE's
    authors do for their figures, so what comes out shows structure, not brightness."""
    return prediction * (there.var(-1, keepdim=True) + 1e-6).sqrt() + there.mean(-1, keepdim=True)


class Taught(nn.Module):
    """A target that the teacher gives. through_head: it is what the teacher's copy of the term's head says, not its rows."""

    through_head = False

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Taught without a forward: define one that returns the target")


class features(Taught):
    """The rows of the teacher's encoder, which saw everything (data2vec, Baevski et al. 2022; I-JEPA, Assran et al. 2023)."""

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K D"]:
        return scene.taught.z[view.name].values[rows].float()


class codes(Taught):
    """What the teacher's head says at the hidden rows, centred and sharpened: a share for each prototype, [K, codes] (iBOT,
    Zhou et al. 2022, section 3)."""

    through_head = True

    def __init__(self, codes: int, temperature: Schedule = 0.04, momentum: float = 0.9) -> None:
        super().__init__()
        self.shares = centred(codes, temperature, momentum)

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K codes"]:
        return self.shares(scene.taught.heads[scene.term](scene.taught.z[view.name], view), scene.step)
