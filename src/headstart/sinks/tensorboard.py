"""TensorBoard: `tensorboard --logdir RUN/tensorboard`."""

from pathlib import Path

from ..extras import need
from . import Sink


class _Board:
    def __init__(self, folder: Path) -> None:
        need("tensorboard", "tensorboard", "run.log=tensorboard")
        self.writer = need("torch.utils.tensorboard", "tensorboard", "run.log=tensorboard").SummaryWriter(str(folder))

    def numbers(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


def sink(folder: Path, name: str) -> Sink:
    """Event files in `folder/tensorboard`; those of a run that goes on lie beside one another, and are read as one."""
    return _Board(folder / "tensorboard")
