"""Self-supervised pre-training of transformers on any unlabelled data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .encoded import Pretrained, load
    from .verbs.demo import demo
    from .verbs.doctor import doctor
    from .verbs.embed import embed
    from .verbs.pretrain import again, pretrain
    from .verbs.probe import probe

_PUBLIC = {  # name -> module; imported when first used, so that `headstart --help` does not wait for torch
    "Pretrained": "encoded",
    "again": "verbs.pretrain",
    "demo": "verbs.demo",
    "doctor": "verbs.doctor",
    "embed": "verbs.embed",
    "load": "encoded",
    "pretrain": "verbs.pretrain",
    "probe": "verbs.probe",
}
__all__ = ["Pretrained", "again", "demo", "doctor", "embed", "load", "pretrain", "probe", "recipes"]

import_module(".recipes", __name__)  # the folder first, so that a later import of it does not cover the verb below


def recipes(name: str | None = None) -> Any:
    """What methods there are, or the card of one of them."""
    from .verbs.recipes import recipes as verb

    return verb(name)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"headstart has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
