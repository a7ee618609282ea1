"""Weights & Biases, offline: what lies in RUN/wandb goes out when its owner says `wandb sync`, and not before."""

import hashlib
import os
from pathlib import Path

from ..extras import need
from . import Sink


class _Run:
    def __init__(self, folder: Path, name: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # which would open the network
        wandb = need("wandb", "wandb", "run.log=wandb")
        own = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[
            :16
        ]  # so that a run that goes on is the same one
        settings = wandb.Settings(console="off", silent=True)
        self.run = wandb.init(
            project="headstart", name=name, id=own, dir=str(folder), mode="offline", resume="allow", settings=settings
        )
        self.run.define_metric("*", step_metric="step")

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self.run.log({"step": step, **values})

    def close(self) -> None:
        self.run.finish()


def sink(folder: Path, name: str) -> Sink:
    """An offline run in `folder/wandb`, whose id is that of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return _Run(folder, name)
