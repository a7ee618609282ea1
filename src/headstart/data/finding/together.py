"""What the user says hangs together, of any source that was opened without it."""

from pathlib import Path

from ...home import expanded
from ..groups import AUTO, FOLDERS, NONE, ByColumn, Grouped, Groups, hold, of_folders
from ..source import DataError, Source
from . import elsewhere, sidecar


def hold_together(source: Source, where: object, asked: str) -> Source:
    """The same samples, of which those hang together that `asked` says: the column of a table, "folders", or "none"."""
    if asked == AUTO:
        return source
    if isinstance(source, ByColumn) and asked != FOLDERS:
        source.hold_together(asked)
        return source
    if asked == FOLDERS:
        return _held(source, of_folders([source.name(i) for i in range(len(source))]))
    if asked == NONE:
        return _held(source, Groups())
    path = expanded(where) if isinstance(where, str | Path) else None
    if path is None or not path.is_file() or not path.name.lower().endswith(sidecar.SUFFIXES):
        raise DataError(
            f"data.group={asked} names a column, and {source.describe()} has none: give a table that names the samples, such as "
            "groups.csv:patient"
        )
    return in_file(source, path, asked)


def in_file(source: Source, path: Path, column: str | None) -> Source:
    """The same samples, of which those hang together that a column of a file says."""
    return _held(source, elsewhere.groups_of(source, path, column))


def _held(source: Source, found: Groups) -> Source:
    if not isinstance(source, Grouped):
        raise DataError(f"{source.describe()} cannot be told what hangs together: leave data.group out")
    hold(source, found)
    return source
