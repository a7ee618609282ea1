"""What a comparison has found so far, in a file beside its page, so that the same command goes on where one stopped."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from ..errors import Mistake
from ..forms import Json
from ..probes import Figure
from ..scoring.results import keep_results, kept_results
from .ways import Way

UNFINISHED = ".unfinished.json"


class Unfinished:
    """Figures by way, number of labels and ending of their measure. asked: what must be the same for them to count."""

    def __init__(self, path: Path, asked: Json):
        self.path, self.asked = path, json.loads(json.dumps(asked))
        self.found: dict[str, dict[str, Figure]] = {}
        self.seconds: dict[str, float] = {}
        with suppress(OSError, ValueError, KeyError, TypeError, Mistake):  # damaged, or of another version: anew
            kept = json.loads(path.read_text())
            if kept["asked"] == self.asked:
                self.found, self.seconds = kept_results(path), dict(kept["seconds"])

    def get(self, way: Way, count: int) -> tuple[str, Figure, float] | None:
        """(ending, figure, seconds) of what was found before."""
        of = self.found.get(_key(way, count))
        return None if not of else (*next(iter(of.items())), self.seconds.get(_key(way, count), 0.0))

    def put(self, way: Way, count: int, ending: str, figure: Figure, seconds: float) -> None:
        self.found[_key(way, count)] = {ending: figure}
        self.seconds[_key(way, count)] = seconds
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # without a checksum: killed between the two files, the newer one says all that the older did
        keep_results(self.path, self.found, asked=self.asked, seconds=self.seconds, moves=None)

    def done(self) -> None:
        """The page is written."""
        for path in (self.path, self.path.with_suffix(".safetensors")):
            path.unlink(missing_ok=True)


def _key(way: Way, count: int) -> str:
    return f"{way.how} {way.name} {count}"


def content(path: Path) -> str:
    """Short proof that a file is the same."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
