"""How parameters move: a frozen description, built into PyTorch's own optimizer when training starts.

One file for each: `muon.py` has `Muon`, a recipe passes `Muon(...)`, and its name on the command line is `optim=muon`.
"""

import pkgutil
from importlib import import_module

from ..errors import Mistake
from ._protocol import Kind, Optim, set_rates
from .adamw import AdamW
from .lars import LARS
from .muon import Muon
from .sam import SAM

__all__ = ["LARS", "SAM", "AdamW", "Kind", "Muon", "Optim", "find", "names", "set_rates", "wraps"]


def names() -> list[str]:
    """The optimizers there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def find(name: str) -> Kind:
    """The class of an optimizer by the name of its file, in letters of any size."""
    name = name.lower()
    if name not in names():
        raise Mistake(f"optim={name}: the optimizers are {', '.join(names())}")
    module = import_module(f".{name}", __name__)
    found: Kind = next(value for key, value in vars(module).items() if key.lower() == name)
    return found


def wraps(name: str) -> bool:
    """Whether what was measured for a recipe's own optimizer holds for this one, as it has that one inside, or is it ("")."""
    return not name or "base" in vars(find(name)())
