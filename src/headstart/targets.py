"""What should be said at a row: a function of the view (and of a teacher), evaluated at chosen rows only."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from .errors import Mistake
from .tokens import View

Target = Callable[[View, Tensor, Any], Tensor]  # view, rows [K], scene -> [K, ...]


def raw(view: View, rows: Int[Tensor, "K"], scene: Any) -> Tensor:
    """The payload itself: numbers, to be met by a regression, or ids, to be met by a cross-entropy."""
    return view.clean.values[rows]


def normalised(view: View, rows: Int[Tensor, "K"], scene: Any) -> Float[Tensor, "K D"]:
    """The payload with each row brought to mean 0 and variance 1 (MAE, section 4.1: "normalized pixels")."""
    x = view.clean.values[rows]
    if not x.is_floating_point():
        raise Mistake(f"rows of kind '{view.clean.kind}' are ids and cannot be normalised: use the target raw")
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()
