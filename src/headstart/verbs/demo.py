"""`headstart demo`: the whole way on data that is already here, in about two minutes on a CPU."""

import shutil
import time
from pathlib import Path

from ..log import Log, span
from .pretrain import Finished, pretrain

FOLDER = Path("runs") / "demo"
SETTINGS = {"run.minutes": 1.0, "run.device": "cpu", "size": "XS"}


def demo(*words: str, log: Log | None = None) -> Finished:
    """Pre-train on scikit-learn's scanned digits, each at a random place and size among clutter, and score the result.

    In this form the digits cannot be told apart by comparing pixels. What is embedded is real handwriting; the canvases
    are drawn when asked for, and test digits appear on no other canvas. Nothing is downloaded.
    """
    log, began = log or Log(), time.monotonic()
    log.say(
        "headstart demo: 8,000 unlabelled canvases with a handwritten digit among clutter; which digit, is not told\n"
    )
    if FOLDER.exists() and not any(w.startswith("run.out=") for w in words):
        shutil.rmtree(FOLDER)  # an earlier demo
    told = [f"{k}={v}" for k, v in {"run.out": str(FOLDER), **SETTINGS}.items()]
    finished = pretrain("digits", *told, *words, log=log)
    log.say(f"\npicture   {finished.folder}/restored.png: masked input, reconstruction, original, from top to bottom")
    log.say(f"took      {span(time.monotonic() - began)} in all. Now your own data: headstart pretrain PATH")
    return finished
