"""Which parameters learn, in groups that share a rate: by patterns of names, by depth, and whether they are decayed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from ..errors import Mistake

_BLOCK = re.compile(r"(?P<encoder>.*?)trunk\.blocks\.(?P<depth>\d+)\.")


@dataclass(frozen=True)
class Group:
    """Parameters of one rate. scale: their share of it."""

    scale: float
    decay: bool
    parameters: tuple[nn.Parameter, ...]

    def options(self, share: float = 1.0) -> dict[str, Any]:
        """As PyTorch's optimizers take it; `share` is that of the optimizer among several."""
        return {"params": list(self.parameters), "decay": self.decay, "scale": share * self.scale}


def grouped(
    module: nn.Module, scales: Mapping[str, float], layer_decay: float = 1.0, names: Iterable[str] | None = None
) -> list[Group]:
    """All that learns in `module` (or of it, these names). Matrices are decayed; vectors (biases, norms, class and mask tokens)
    are not.

    scales: pattern of names (`*` stands for anything) -> share of the rate; the first that fits counts, 0 freezes.
    layer_decay: block i of an encoder of n learns at layer_decay ** (n - i) of the rate, what lies before the first block at
    layer_decay ** (n + 1), what lies behind the last in full (fine-tuning of BEiT and MAE). Both multiply. Raises Mistake for
    a pattern that fits no name.
    """
    every = dict(module.named_parameters())
    for pattern in scales:
        if not any(fnmatchcase(name, pattern) for name in every):
            raise Mistake(f"optim.scales: no parameter is called {pattern!r}; their names are like {_some(every)}")
    chosen = None if names is None else set(names)
    sets: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, depth in _by_depth(list(every), layer_decay).items():
        p, share = every[name], _share(name, scales) * depth
        if share <= 0:
            p.requires_grad_(False)
        elif p.requires_grad and (chosen is None or name in chosen):
            sets.setdefault((share, p.ndim >= 2 and min(p.shape) > 1), []).append(p)
    if not sets:
        raise Mistake("nothing is left to learn: every parameter is frozen, or has a scale of 0 in optim.scales")
    # decayed ones first, the full rate first: the order that checkpoints and logs were always written in
    return [Group(share, decay, tuple(sets[share, decay])) for share, decay in sorted(sets, reverse=True, key=_first)]


def _first(key: tuple[float, bool]) -> tuple[bool, float]:
    return key[1], key[0]


def _share(name: str, scales: Mapping[str, float]) -> float:
    return next((float(scale) for pattern, scale in scales.items() if fnmatchcase(name, pattern)), 1.0)


def _by_depth(names: list[str], decay: float) -> dict[str, float]:
    """What each parameter's depth leaves of its rate."""
    found = {name: match for name in names if (match := _BLOCK.match(name))}
    if decay != 1 and not found:
        raise Mistake("optim.layer_decay: there are no blocks of an encoder here to tell depth by; leave it out")
    last: dict[str, int] = {}  # the deepest block of every encoder, by the start of its names
    for match in found.values():
        last[match["encoder"]] = max(last.get(match["encoder"], 0), int(match["depth"]))
    out = {}
    for name in names:
        match = found.get(name)
        encoder = max((e for e in last if name.startswith(e)), key=len, default=None)
        if match is not None:
            out[name] = decay ** (last[match["encoder"]] + 1 - int(match["depth"]))
        elif encoder is not None and not name.startswith(f"{encoder}trunk."):
            out[name] = decay ** (last[encoder] + 2)
        else:
            out[name] = 1.0
    return out


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(dict.fromkeys((every[0], every[len(every) // 2], every[-1])))
