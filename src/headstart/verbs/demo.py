"""`headstart demo`: the whole way on data that is already here, in about two minutes on a CPU."""

import shutil
import time
from pathlib import Path

from ..damage import record
from ..log import Log, span
from .pretrain import Finished, pretrain

FOLDER = Path("runs") / "demo"
SETTINGS = {"recipe": "mae", "steps": 2_800, "run.device": "cpu", "size": "XS", "data.batch": 32}


def demo(*words: str, log: Log | None = None) -> Finished:
    """Pre-train on scikit-learn's scanned digits, each at a random place and size on a larger canvas, and score the result.

    In this form the digits can hardly be told apart by comparing pixels. What is embedded is real handwriting; the canvases
    are drawn when asked for, and test digits appear on no other canvas. Nothing is downloaded.
    """
    log, began = log or Log(), time.monotonic()
    log.say(
        "headstart demo: 8,000 unlabelled canvases, each with a handwritten digit somewhere; which digit, is not told\n"
    )
    if not any(word.startswith("run.out=") for word in words):
        _clear(FOLDER)
    told = [f"{name}={value}" for name, value in {"run.out": FOLDER, **SETTINGS}.items()]
    finished = pretrain("digits", *told, *words, log=log)
    if not finished.outcome.interrupted:
        log.say(
            f"\npicture   {finished.folder}/restored.png: masked input, reconstruction, original, from top to bottom"
        )
        log.say(f"took      {span(time.monotonic() - began)} in all. Now your own data: headstart pretrain PATH")
    return finished


def _clear(folder: Path) -> None:
    """A finished earlier demo makes room for this one; anything else in the folder stays and is reported by `pretrain`."""
    if (folder / "probe.json").exists():
        kept = record(folder / "run.json", "plan")
        if kept["plan"]["where"] == "digits":
            shutil.rmtree(folder)
