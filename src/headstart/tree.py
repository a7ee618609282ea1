"""Frozen records that move, map and rebuild like one tensor."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, dataclass_transform

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node, tree_map_only

__all__ = ["map", "replace", "static", "to", "tree", "tuples"]

T = TypeVar("T")


def static(**options: Any) -> Any:
    """A field that is a fact about the record, not part of its tensors: it is never moved or mapped."""
    return field(metadata={"static": True}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(field, static))
def tree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass whose fields torch sees as a pytree (DDP, compile and `to` walk into it)."""
    cls = dataclass(frozen=True)(cls)  # type: ignore[assignment]
    moving = tuple(f.name for f in fields(cls) if not f.metadata.get("static"))  # type: ignore[arg-type]
    fixed = tuple(f.name for f in fields(cls) if f.metadata.get("static"))  # type: ignore[arg-type]

    def flatten(record: T) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(record, name) for name in moving], tuple(getattr(record, name) for name in fixed)

    def unflatten(values: Any, facts: tuple[Any, ...]) -> T:
        record = object.__new__(cls)  # past __init__: while torch rebuilds, a leaf may be any object
        for name, value in [*zip(moving, values, strict=True), *zip(fixed, facts, strict=True)]:
            object.__setattr__(record, name, value)
        return record

    register_pytree_node(cls, flatten, unflatten, serialized_type_name=f"{cls.__module__}.{cls.__qualname__}")
    return cls


def map(change: Callable[[Tensor], Tensor], record: T) -> T:
    """The same record with `change` applied to every tensor in it."""
    return tree_map_only(Tensor, change, record)


def to(record: T, device: torch.device | str) -> T:
    """The same record on `device`; copies from pinned memory do not wait."""
    return map(lambda tensor: tensor.to(device, non_blocking=True), record)


def tuples(value: Any) -> Any:
    """Lists, however deep, as tuples: JSON has only the former, frozen records only the latter."""
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value
