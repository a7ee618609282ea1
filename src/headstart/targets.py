"""What should be said at a row: a function of the view (and of a teacher), evaluated at chosen rows only."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from .tokens import View

Target = Callable[[View, Tensor, Any], Tensor]  # view, rows [K], scene -> [K, ...]


def raw(view: View, rows: Int[Tensor, "K"], scene: Any) -> Tensor:
    """The payload itself."""
    return view.clean.values[rows]


def normalised(view: View, rows: Int[Tensor, "K"], scene: Any) -> Float[Tensor, "K D"]:
    """The payload with each row brought to mean 0 and variance 1 (MAE, section 4.1: "normalized pixels")."""
    x = view.clean.values[rows]
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()
