"""Self-supervised pre-training of transformers on any unlabelled data."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .home import settle

__version__ = "0.1.0"
settle()  # before any library looks for a home that is not there

if TYPE_CHECKING:
    from .encoded import Pretrained, load
    from .verbs.again import again
    from .verbs.analyse import analyse
    from .verbs.check import check
    from .verbs.compare import compare
    from .verbs.demo import demo
    from .verbs.doctor import doctor
    from .verbs.embed import embed
    from .verbs.finetune import finetune
    from .verbs.map import map
    from .verbs.neighbours import neighbours
    from .verbs.outliers import outliers
    from .verbs.plan import plan
    from .verbs.predict import predict
    from .verbs.pretrain import pretrain
    from .verbs.probe import probe
    from .verbs.report import report
    from .verbs.shards import embed_shards
    from .verbs.show import show
    from .verbs.sniff import sniff

_PUBLIC = {  # name -> module; imported when first used, so that `headstart --help` does not wait for torch
    "Pretrained": "encoded",
    "again": "verbs.again",
    "analyse": "verbs.analyse",
    "check": "verbs.check",
    "compare": "verbs.compare",
    "demo": "verbs.demo",
    "doctor": "verbs.doctor",
    "embed": "verbs.embed",
    "embed_shards": "verbs.shards",
    "finetune": "verbs.finetune",
    "load": "encoded",
    "map": "verbs.map",
    "neighbours": "verbs.neighbours",
    "outliers": "verbs.outliers",
    "plan": "verbs.plan",
    "predict": "verbs.predict",
    "pretrain": "verbs.pretrain",
    "probe": "verbs.probe",
    "report": "verbs.report",
    "show": "verbs.show",
    "sniff": "verbs.sniff",
}
__all__ = [
    "Pretrained",
    "again",
    "analyse",
    "check",
    "compare",
    "demo",
    "doctor",
    "embed",
    "embed_shards",
    "finetune",
    "load",
    "map",
    "neighbours",
    "outliers",
    "plan",
    "predict",
    "pretrain",
    "probe",
    "recipes",
    "report",
    "show",
    "sniff",
]


class _Shelf(ModuleType):
    """The folder of recipes, which is also the verb: `headstart.recipes()` lists what stands in it."""

    def __call__(self, name: str | None = None) -> str:
        from .verbs.recipes import recipes as verb

        return verb(name)


recipes = import_module(".recipes", __name__)
recipes.__class__ = _Shelf


class _Package(ModuleType):
    """`headstart.outliers` is the verb, though there is a file of this name: what is imported does not become an attribute."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _PUBLIC or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"headstart has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
