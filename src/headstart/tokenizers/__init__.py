"""Each kind of data as rows with coordinates: one file per kind, one contract (`check_tokenizer`)."""

from importlib import import_module
from typing import Any

from ..errors import Mistake
from ..forms import Json
from ..kinds import KINDS
from ..tokens import Tokenizer
from ..tree import tuples


def named(kind: str) -> Any:
    """The tokenizer class of a kind: `PointsTokenizer` in points.py for "points"."""
    if kind not in KINDS:
        raise Mistake(f"there is no kind of data called {kind!r}; the kinds are {', '.join(KINDS)}")
    return getattr(import_module(f".{kind}", __name__), f"{kind.capitalize()}Tokenizer")


def tokenizer_of(state: Json) -> Tokenizer:
    """The tokenizer whose kind and arguments were written down as JSON."""
    return named(state["kind"])(**{k: tuples(v) for k, v in state.items() if k != "kind"})


def __getattr__(name: str) -> Any:
    kind = name.removesuffix("Tokenizer").lower()
    if kind in KINDS and name == f"{kind.capitalize()}Tokenizer":
        return named(kind)
    raise AttributeError(f"headstart.tokenizers has no {name!r}; it has {', '.join(KINDS)}")
