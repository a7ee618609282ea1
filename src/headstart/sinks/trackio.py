"""Trackio, on this machine: `TRACKIO_DIR=RUN/trackio trackio show`."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from ..errors import Mistake
from ..extras import need
from . import Sink

PROJECT = "headstart"
AWAY = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_DATASET_ID", "TRACKIO_BUCKET_ID")


class _Run:
    def __init__(self, folder: Path, name: str) -> None:
        away = [word for word in AWAY if os.environ.get(word)]
        if away:
            raise Mistake(f"run.log=trackio keeps a run on this machine, and {away[0]} would send it away: unset it")
        os.environ["TRACKIO_DIR"] = str(folder.resolve())
        trackio = need("trackio", "trackio", "run.log=trackio")
        if Path(trackio.utils.TRACKIO_DIR) != folder.resolve():
            raise Mistake("trackio is already writing elsewhere in this process: give each run a process of its own")
        with redirect_stdout(StringIO()):  # it explains itself at length
            self.run = trackio.init(
                PROJECT, name=name, resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False
            )

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self.run.log(values, step=step)

    def close(self) -> None:
        with redirect_stdout(StringIO()):
            self.run.finish()


def sink(folder: Path, name: str) -> Sink:
    """A run in `folder/trackio`."""
    return _Run(folder / "trackio", name)
