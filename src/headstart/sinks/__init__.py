"""Who else is told of a run, beside `log.jsonl`, which stays the format: one file for each, named by `run.log=`.

A file here has a function `sink(folder, name)`: it goes on with what the run in `folder` has told it before,
and opens no network.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..damage import record
from ..forms import Json
from ..log import Log, rows
from ..writing import write_json

STATE = "sinks.json"  # {sink: the events that it was told of last, and at which step}
PAUSE = 10.0  # seconds between notes of that: what was told since is told again after a process was killed


@runtime_checkable
class Sink(Protocol):
    """Takes numbers by name, at a step."""

    def numbers(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


@contextmanager
def told(names: Sequence[str], folder: Path, log: Log) -> Iterator[None]:
    """These sinks hear every row of the log meanwhile. What a run logs again after it was interrupted they hear once."""
    with ExitStack() as stack:
        for name in names:
            sink: Sink = import_module(f"{__name__}.{name}").sink(folder, folder.name)
            stack.callback(sink.close)
            hear = _Hears(sink, name, folder)
            stack.callback(hear.keep)
            log.listeners.append(hear)
            stack.callback(log.listeners.remove, hear)
        yield


class _Hears:
    """Passes on what a sink has not been told yet. A run that goes back to heal tells anew what it goes through again."""

    def __init__(self, sink: Sink, name: str, folder: Path) -> None:
        self.sink, self.name, self.path = sink, name, folder / STATE
        self.last: dict[str, int] = self._all().get(name, {})
        self._kept = time.monotonic()
        for row in rows(folder / "log.jsonl"):
            self(row["event"], row)  # what it was not told before, as the process was killed, or it was not named

    def _all(self) -> Json:
        return record(self.path) if self.path.exists() else {}

    def __call__(self, event: str, row: Json) -> None:
        if event == "heal":
            self.last = {each: min(step, row["step"] - 1) for each, step in self.last.items()}
        elif (values := flat(row)) and "step" in row and row["step"] > self.last.get(event, -1):
            self.sink.numbers(row["step"], {f"{event}/{name}": value for name, value in values.items()})
            self.last[event] = row["step"]
            if time.monotonic() - self._kept > PAUSE:
                self.keep()

    def keep(self) -> None:
        self._kept = time.monotonic()
        write_json(self.path, self._all() | {self.name: self.last})


def flat(row: Json, above: str = "") -> dict[str, float]:
    """The numbers of a row by name, those within by path; of a figure its value."""
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= {f"{above}{name}": value["value"]} if "value" in value else flat(value, f"{above}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name not in ("step", "seen", "back"):
            found[f"{above}{name}"] = value
    return found
