"""What tests of tables share: the text of one, the table that is read from it, and what its line of names should be."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headstart.data.open import open_source
from headstart.data.source import Source

R = random.Random(0)


def opened(
    folder: Path, text: str, name: str = "some.csv", encoding: str = "utf-8", kind: str | None = "table"
) -> Source:
    """The source that a file of this text makes."""
    (folder / name).write_bytes(text.encode(encoding))
    return open_source(folder / name, kind)


def lines(*head: str, row: Callable[[int], str], n: int = 12) -> str:
    """These lines, and below them n rows."""
    return "".join(f"{line}\n" for line in [*head, *map(row, range(n))])


def decimals(count: int, mark: str = ".", separator: str = ",") -> str:
    """Cells of numbers between 0 and 1."""
    return separator.join(f"{R.random():.4f}".replace(".", mark) for _ in range(count))


def has_names(table: Any, names: Sequence[str], first: list[object] | None, n: int) -> None:
    """The columns are called so, the first row holds these cells (None: any), and there are n rows."""
    assert list(table.names) == list(names) and len(table) == n
    assert first is None or list(table.row(0).values()) == first
