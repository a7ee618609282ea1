"""What a run says: one JSON line per event for programs, one live line for people."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from .damage import records
from .errors import shown, so_many
from .forms import Json
from .writing import NotWritten

Listener = Callable[[str, Json], None]  # (event, values) of every row, once it is written
NEEDS = {
    "step": ("step", "loss"),
    "probe": ("step", "rank"),
    "look": ("step", "samples", "rank", "spread", "width", "moved", "encoder", "teacher"),
    "took": ("seconds",),
    **dict.fromkeys(("heal", "resume", "skipped"), ("step",)),
}  # of rows of a kind, by who reads them


class Log:
    """`log.jsonl` and the terminal. Rows are appended whole.

    The live line is redrawn in place on a terminal, and printed every `pause` seconds elsewhere.
    """

    def __init__(
        self, path: Path | None = None, quiet: bool = False, pause: float = 10.0, to: TextIO | None = None
    ) -> None:
        self.path, self.pause, self.to = path, pause, to or sys.stdout
        self.quiet = quiet or self.to is None  # a process may have no standard output at all
        self.listeners: list[Listener] = []
        self._last, self._what, self._open, self._written = 0.0, "", False, 0.0
        self.repair()

    def repair(self) -> None:
        """Cut off what a crash left of a row, and say how many others cannot be read."""
        if self.path is not None and self.path.exists():
            whole = self.path.read_bytes()
            if not whole.endswith(b"\n"):
                os.truncate(self.path, whole.rfind(b"\n") + 1)
            if lost := records(self.path, "event")[1]:
                self.say(f"damaged   {so_many(lost, 'line')} of {self.path} cannot be read, and are left out")

    def write(self, event: str, **values: Any) -> None:
        self._written = time.monotonic()
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a") as file:
                    file.write(json.dumps({"event": event, **values}) + "\n")
            except OSError as error:
                raise NotWritten(self.path, error) from error
        for listener in self.listeners:
            listener(event, values)

    def say(self, text: str = "") -> None:
        """A line that stays."""
        if not self.quiet:
            if self._open:
                self.to.write("\n")
                self._open = False
            print(self._fitting(text), file=self.to, flush=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines that stay, one each: a name in them that would break them, or move the cursor, is written out."""
        self.say("\n".join(map(shown, lines)))

    def _fitting(self, text: str) -> str:
        """The text as the stream takes it: names in it may have bytes and signs that its encoding lacks."""
        encoding = self.to.encoding or "utf-8"
        return shown(text, keep="\n\t").encode(encoding, "backslashreplace").decode(encoding)

    @property
    def due(self) -> bool:
        """A second has gone by since a row was written: time for the next."""
        return time.monotonic() - self._written > 1

    def live(self, text: str) -> None:
        """The line that is redrawn."""
        now, what = time.monotonic(), text.partition(" ")[0]
        if self.quiet or (what == self._what and now - self._last < (0.2 if self.to.isatty() else self.pause)):
            return
        self._last, self._what = now, what
        if self.to.isatty():
            self.to.write(f"\r\x1b[K{self._fitting(text)}")
            self.to.flush()
            self._open = True
        else:
            print(self._fitting(text), file=self.to, flush=True)

    def progress(self, what: str) -> Callable[[int, int], None]:
        """A live line that counts, for readers that report (done, total)."""
        began: list[float] = []

        def note(done: int, total: int) -> None:
            began.append(time.monotonic())
            took = max(began[-1] - began[0], 1e-9)
            if 0 < done < total and took > 0.5:
                self.live(f"{what} {done:,}/{total:,}  {span(took / done * (total - done))} left")
            del began[1:]

        return note

    def rows(self, event: str) -> Iterator[Json]:
        """Earlier rows of one kind."""
        if self.path is not None:
            yield from rows(self.path, event)

    def latest(self, event: str) -> list[Json]:
        """Earlier rows of one kind that count."""
        return [] if self.path is None else latest(self.path, event)


def latest(path: Path, event: str) -> list[Json]:
    """Rows of one kind by step: of a step that was taken again the last, and none of what a run went back from to heal."""
    by_step: dict[int, Json] = {}
    for row in rows(path, event, "heal"):
        if row["event"] == event:
            by_step[row["step"]] = row
        else:  # a look at a step is one before it is taken
            end = row["step"] + (event != "step")
            by_step = {step: each for step, each in by_step.items() if step < end}
    return [by_step[step] for step in sorted(by_step)]


def rows(path: Path, *events: str) -> Iterator[Json]:
    """The whole rows of some kinds in a log, of all kinds where none is named; a run may be writing to it meanwhile."""
    for row in records(path, "event")[0]:
        if (not events or row["event"] in events) and row.keys() >= set(NEEDS.get(row["event"], ())):
            yield row


def span(seconds: float) -> str:
    """A duration for people: 45 s, 3 min 20 s, 2 h 05 min."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    return f"{s // 60} min {s % 60:02d} s" if s < 3600 else f"{s // 3600} h {s % 3600 // 60:02d} min"
