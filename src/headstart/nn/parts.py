"""Parts of networks by name: what an encoder is made of is written down as words, and made again from them.

`spelled` writes a part as Python would, with importable names: "headstart.nn.transformer.Transformer(block=my.blocks.Wide)".
A call stands for a part with some arguments given; a name alone for the part itself. `part_of` reads it. Reading imports what is
named, so what comes from a file is looked at first (`foreign`).
"""

import ast
import importlib
import math
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ..errors import Mistake

OWN = f"{__package__}."  # where this package's own parts lie


def spelled(part: Callable[..., Any]) -> str:
    """A class, a function or a `partial` of one, as words; a Mistake for what cannot be found again by its name."""
    if not isinstance(part, partial):
        return _name(part)
    if part.args:
        raise Mistake(f"{_name(part.func)} is given {part.args} without names: name every argument of a part")
    return call(_name(part.func), part.keywords)


def call(name: str, arguments: Mapping[str, Any]) -> str:
    """A part of this name with these arguments given: numbers, words, tuples of them, other parts."""
    return f"{name}({', '.join(f'{key}={_said(value)}' for key, value in arguments.items())})"


def _said(value: Any) -> str:
    if callable(value):
        return spelled(value)
    if isinstance(value, tuple | list):
        return f"({''.join(f'{_said(item)}, ' for item in value)})"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Mistake(f"an argument of a part is a finite number, not {value}")
        return repr(float(value))  # numpy's floats are floats, and write themselves otherwise
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    raise Mistake(f"an argument of a part is a number, a word, a part or several of these, not {type(value).__name__}")


def _name(part: Any) -> str:
    module, name = getattr(part, "__module__", ""), getattr(part, "__qualname__", "")
    if not name or getattr(sys.modules.get(module), name, None) is not part:
        raise Mistake(
            f"{name or part} cannot be found again by its name when the encoder is loaded: "
            "define it at the top of a module, as a class or a function"
        )
    return f"{module}.{name}"


@lru_cache(maxsize=64)
def part_of(text: str) -> Callable[..., Any]:
    """The part that is written there; a Mistake that says what is wrong with it."""
    return _part(_parsed(text), text)


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise Mistake(f"{text!r} is no part: write package.module.Name or package.module.Name(argument=1)") from error


def _part(node: ast.expr, text: str) -> Callable[..., Any]:
    if isinstance(node, ast.Call) and not node.args:
        if any(word.arg is None for word in node.keywords):
            raise Mistake(f"{text!r} is no part: name every argument")
        given = {str(word.arg): _value(word.value, text) for word in node.keywords}
        return partial(_part(node.func, text), **given)
    if isinstance(node, ast.Attribute):
        return _found(ast.unparse(node))
    raise Mistake(f"{text!r} is no part: write package.module.Name or package.module.Name(argument=1)")


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Attribute | ast.Call):
        return _part(node, text)
    if isinstance(node, ast.Tuple):
        return tuple(_value(item, text) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise Mistake(f"{ast.unparse(node)} in {text!r} is no number, word or part") from error


def _found(dotted: str) -> Callable[..., Any]:
    home, _, name = dotted.rpartition(".")
    try:
        part = getattr(importlib.import_module(home), name)
    except (ImportError, AttributeError) as error:
        raise Mistake(f"the part {dotted} is not here ({error}): install or import what it comes from") from error
    if not callable(part):
        raise Mistake(f"{dotted} is a {type(part).__name__}, not a class or a function: it makes no part")
    return part


def foreign(text: str) -> list[str]:
    """The names in a part that are neither parts of this package nor classes of modules that somebody imported already: code that
    would be run."""
    return [name for name in _names(text) if not name.startswith(OWN) and not _imported(name)]


def outside(text: str) -> bool:
    """A part is not only of this package: a process that has not imported the rest must be told to trust it."""
    return any(not name.startswith(OWN) for name in _names(text))


def _names(text: str) -> list[str]:
    names = {ast.unparse(node) for node in ast.walk(_parsed(text)) if isinstance(node, ast.Attribute)}
    return sorted(name for name in names if not any(other.startswith(f"{name}.") for other in names))


def _imported(dotted: str) -> bool:
    home, _, name = dotted.rpartition(".")
    there = getattr(sys.modules.get(home), name, None)
    return isinstance(there, type) and issubclass(there, nn.Module)


# parts that stand in the place of others


@runtime_checkable
class Replacement(Protocol):
    """A part that may stand in the place of a plain one: a low-rank, pruned or quantised map."""

    def arguments(self) -> dict[str, Any]:
        """What `of` takes besides the plain part: numbers, words, tuples of them."""
        ...

    @classmethod
    def of(cls, plain: Any, **arguments: Any) -> nn.Module:
        """Such a part, made from the plain one that it replaces."""
        ...


def replaced(network: nn.Module, plain: nn.Module) -> dict[str, str]:
    """Where `network` has another part than `plain`, and which, as words; a Mistake for one that cannot say how it is made.

    Such a part is a `Replacement`.
    """
    if type(network) is type(plain) and _shapes(network) == _shapes(plain) and _facts(network) == _facts(plain):
        mine, theirs = (  # not named_children: it leaves out what is there twice
            {name: part for name, part in net._modules.items() if part is not None} for net in (network, plain)
        )
        if mine.keys() == theirs.keys():
            below = {name: replaced(part, theirs[name]) for name, part in mine.items()}
            return {_dotted(name, path): text for name, found in below.items() for path, text in found.items()}
    if not isinstance(network, Replacement):
        other = "another " if type(network) is type(plain) else ""
        raise Mistake(
            f"{other}{type(network).__name__} stands in the place of {type(plain).__name__} and cannot say how it is made: "
            "give it `arguments()` and a class method `of(plain, **arguments)`, or make the whole trunk of such parts"
        )
    return {"": call(_name(type(network)), network.arguments())}


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return {name: tuple(tensor.shape) for name, tensor in own}


NO_FACTS = ("training", "forward", "only")  # how it is used just now: `recompute` wraps methods


def _facts(module: nn.Module) -> dict[str, Any]:
    """The plain values and functions that a module was made with, as far as it keeps them: heads, eps, a turn."""
    own = {k: v for k, v in vars(module).items() if not k.startswith("_") and k not in NO_FACTS}
    return {
        name: (value.func, value.args, value.keywords) if isinstance(value, partial) else value
        for name, value in own.items()
        if value is None or isinstance(value, bool | int | float | str | tuple | partial | FunctionType | type)
    }


def _dotted(name: str, path: str) -> str:
    return f"{name}.{path}" if path else name


def put(network: nn.Module, parts: Mapping[str, str]) -> None:
    """Let these parts stand where they belong: what `replaced` found, made anew."""
    for path, text in parts.items():
        made = part_of(text)
        kind, given = (made.func, made.keywords) if isinstance(made, partial) else (made, {})
        home, _, name = path.rpartition(".")
        try:
            network.get_submodule(home).register_module(name, kind.of(network.get_submodule(path), **given))  # type: ignore[attr-defined]
        except AttributeError as error:
            raise Mistake(f"the part {text} does not fit at {path}: {error}") from error


def tied(network: nn.Module) -> dict[str, str]:
    """Tensors that are known by a second name: {second name: first}."""
    first: dict[int, str] = {}
    found = {}
    for name, tensor in _tensors(network):
        known = first.setdefault(id(tensor), name)
        if known != name:
            found[name] = known
    return found


def tie(network: nn.Module, names: Mapping[str, str]) -> None:
    """Let tensors be known by a second name, as `tied` found them."""
    tensors = dict(_tensors(network))
    for second, first in names.items():
        home, _, own = second.rpartition(".")
        if first not in tensors or second not in tensors:
            raise Mistake(f"{second} is said to be the same as {first}, and this network lacks one of the two")
        setattr(network.get_submodule(home), own, tensors[first])


def _tensors(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]


def once(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor under its first name: what is shared has several, and a file holds it once."""
    seen: set[tuple[int, tuple[int, ...]]] = set()
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tuple(tensor.shape))
        if place not in seen or not tensor.numel():
            out[name] = tensor
        seen.add(place)
    return out


def load_once(network: nn.Module, state: dict[str, Tensor], where: Any) -> None:
    """Put back what `once` kept, bit for bit; a Mistake if it is another network's."""
    again = network.state_dict().keys() - once(network.state_dict()).keys()  # other names of what is kept
    missing, unexpected = network.load_state_dict(state, strict=False)
    if set(missing) - again or unexpected:
        wrong = sorted({*missing, *unexpected} - again)[:3]
        raise Mistake(f"{where} was written by another recipe or for another network than this one: {wrong}")
