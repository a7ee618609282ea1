"""Whether all that a finished run or fine-tuning leaves behind is still in its folder."""

import json
from pathlib import Path

from . import checkpoint
from .data.source import DataError

ENCODER = ("encoder.json", "encoder.safetensors")
RUN, TUNED = "probe.json", "figures.json"  # what each writes last


def missing(folder: Path) -> list[str]:
    """The files that are gone from the folder of what is finished; none of what is not."""
    if (folder / TUNED).exists():
        names = [*ENCODER, "head.safetensors"]
    elif (folder / RUN).exists():
        said = json.loads((folder / "run.json").read_text()) if (folder / "run.json").exists() else {}
        parts = said.get("plan", {}).get("tokenizer", {}).get("parts", ())
        names = [f"{part}/{name}" for part in parts for name in ENCODER] or list(ENCODER)
        names += ["health.json"]
    else:
        names = []
    return [name for name in names if not (folder / name).exists()]


def again(folder: Path) -> bool:
    """Whether the end of a run can be made anew: its last checkpoint is there."""
    return (folder / "run.json").exists() and bool(checkpoint.complete(folder / "checkpoints"))


def incomplete(folder: Path, names: list[str]) -> DataError:
    """What is gone, and what to do."""
    gone = f"{folder} is finished, but {' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing there: "
    if again(folder):
        return DataError(f"{gone}headstart pretrain with the same words makes the end anew, from the last checkpoint")
    return DataError(f"{gone}no checkpoint is left to make them from, so delete the folder and train anew")
