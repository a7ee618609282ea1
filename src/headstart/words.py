"""`name=value` words: read, checked against signatures and dataclass fields, never silently ignored."""

import ast
import dataclasses
import difflib
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import Mistake
from .step import warmup_cosine

GROUPS = ("data", "model", "optim", "run")


class WordError(Mistake):
    """A word is not what it should be."""


def parse(
    words: Iterable[str], named: Mapping[str, Any] | None = None, hints: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """["ratio=.6", "optim.lr=1e-4"] -> {"ratio": 0.6, "optim.lr": 1e-4}; `named` holds Python keywords, nested or dotted.

    hints: the annotation of a word, where it is known; what takes text stays as it was typed (run.out=2024_05).
    """
    out: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise WordError(f"{word!r} is not a word: words are name=value, like steps=2000 or run.out=runs/a")
        options = _options((hints or {}).get(name))
        text = str in options and not {int, float, bool} & set(options)
        none = value.lower() == "none" and type(None) in options
        out[name] = value if text and not none else literal(value)
    for name, value in (named or {}).items():
        if isinstance(value, Mapping) and name in GROUPS:
            out |= {f"{name}.{k}": v for k, v in value.items()}
        else:
            out[name] = value
    return out


def literal(text: str) -> Any:
    """A Python literal, else the text itself."""
    if text.lower() in ("true", "false", "none"):
        text = text.capitalize()
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two of a thousand minus signs
        return text


def fit(name: str, value: Any, annotation: Any) -> Any:
    """The value as its annotation wants it, or an error that says what is wanted."""
    options = _options(annotation)
    if annotation is inspect.Parameter.empty or Any in options or (value is None and type(None) in options):
        return value
    if isinstance(value, bool):
        if bool in options:
            return value
    elif (isinstance(value, int) and int in options) or (isinstance(value, str) and str in options):
        return value
    elif isinstance(value, int | float) and float in options:
        return float(value)
    elif isinstance(value, float) and int in options and value.is_integer():
        return int(value)
    elif isinstance(value, os.PathLike) and str in options:
        return os.fspath(value)
    elif isinstance(value, int | float) and str in options:
        return str(value)  # a folder called 2024
    elif any(isinstance(o, type) and isinstance(value, o) for o in map(_origin, options)):
        return value
    plain: dict[object, str] = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    plain[type(None)] = "none"
    wanted = " or ".join(plain.get(o, getattr(o, "__name__", str(o))) for o in options)
    said = name.removeprefix(".")  # of no group
    raise WordError(f"{said}={value}: it takes {wanted}")


def _options(annotation: object) -> tuple[object, ...]:
    """The types that an annotation allows."""
    several = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if several else (annotation,)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _origin(option: Any) -> Any:
    return typing.get_origin(option) or option


def unknown(name: str, names: Iterable[str]) -> WordError:
    """An error that lists the nearest valid names first."""
    every = list(names)
    near = difflib.get_close_matches(name, every, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return WordError(f"there is no word {name!r} here; {hint}the words are: {', '.join(every)}")


def arguments(function: Callable[..., Any], skip: tuple[str, ...] = ("data", "size")) -> dict[str, inspect.Parameter]:
    """What a recipe can be told, beyond its data and the size of its encoder.

    A part (a function, a class: anything whose default no word can spell) is passed from Python alone, and is none of them.
    """
    known = {n: p for n, p in inspect.signature(function).parameters.items() if n not in skip and not part(p)}
    return {n: p.replace(annotation=_evaluated(p.annotation, function)) for n, p in known.items()}


def part(parameter: inspect.Parameter) -> bool:
    """Its default is no plain value, so it stands for a part of the method and not for a word."""
    default = parameter.default
    return default is not parameter.empty and not isinstance(default, int | float | str | type(None))  # bool is an int


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation, also where `from __future__ import annotations` left its text; one that cannot be read asks nothing."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(getattr(inspect.unwrap(function), "__globals__", {})))
    except Exception:  # such as a name that is imported for type checkers alone
        return inspect.Parameter.empty


def annotations(**records: type) -> dict[str, object]:
    """The annotations of the words of frozen dataclasses, by group: {"run.out": str, ...}."""
    return {
        f"{g}.{name}": hint for g, record in records.items() for name, hint in typing.get_type_hints(record).items()
    }


def settings(record: Any) -> dict[str, Any]:
    """The words of a frozen dataclass and what they stand at; those of what it wraps as `base` among them."""
    own = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    base = own.pop("base", None)
    return own if base is None else {**own, **settings(base)}


def changed(record: Any, changes: Mapping[str, Any], group: str) -> Any:
    """A frozen dataclass with some fields changed. A number given for a schedule becomes its peak; words that a record does not
    have go to the one that it wraps as `base`."""
    hints = typing.get_type_hints(type(record))
    own = {f.name for f in dataclasses.fields(record)} - {"base"}
    names = list(settings(record))
    new: dict[str, Any] = {}
    passed: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in names:
            raise unknown(f"{group}.{name}", [f"{group}.{n}" for n in names])
        if name not in own:
            passed[name] = value
            continue
        old = getattr(record, name)
        if isinstance(old, warmup_cosine) and _number(value):
            value = dataclasses.replace(old, peak=float(value))
        elif callable(old) and _number(value):
            value = float(value)
        else:
            value = fit(f"{group}.{name}", value, hints[name])
        new[name] = value
    if passed:
        new["base"] = changed(record.base, passed, group)
    return dataclasses.replace(record, **new)
