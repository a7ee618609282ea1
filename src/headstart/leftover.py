"""Whether all that a finished run or fine-tuning leaves behind is still in its folder."""

from contextlib import nullcontext
from pathlib import Path

from safetensors import safe_open

from . import checkpoint
from .damage import Damaged, reading, record, unchanged
from .data.source import DataError

ENCODER = ("encoder.json", "encoder.safetensors")
SAYS = {
    "encoder.json": ("format", "model", "causal", "parts", "tied", "tokenizers", "read", "width", "input"),
    "health.json": ("verdict",),
    "probe.json": ("protocol", "read", "results"),
}
RUN, TUNED = "probe.json", "figures.json"  # what each writes last


def missing(folder: Path) -> list[str]:
    """The files that are gone or damaged in the folder of what is finished; none of what is not."""
    if (folder / TUNED).exists():
        names = [*ENCODER, "head.safetensors"]
    elif (folder / RUN).exists():
        said = record(folder / "run.json", "plan") if (folder / "run.json").exists() else {}
        parts = said.get("plan", {}).get("tokenizer", {}).get("parts", ())
        names = [f"{part}/{name}" for part in parts for name in ENCODER] or list(ENCODER)
        names += ["health.json", RUN]
    else:
        names = []
    return [name for name in names if not _whole(folder / name)]


def _whole(path: Path) -> bool:
    """Whether a file is there, as it was written as far as that can be told."""
    try:
        if path.name == "encoder.safetensors" and (card := path.with_suffix(".json")).exists():
            unchanged(path, record(card).get("sum"))
        if path.suffix == ".json":
            record(path, *SAYS.get(path.name, ()))
        with reading(path), safe_open(path, "pt") if path.suffix == ".safetensors" else nullcontext():
            return path.exists()
    except (Damaged, OSError):
        return False


def again(folder: Path) -> bool:
    """Whether the end of a run can be made anew: its last checkpoint is there."""
    return (folder / "run.json").exists() and bool(checkpoint.complete(folder / "checkpoints"))


def incomplete(folder: Path, names: list[str]) -> DataError:
    """What is gone, and what to do."""
    what = "damaged" if any((folder / name).exists() for name in names) else "missing"
    gone = f"{folder} is finished, but {' and '.join(names)} {'is' if len(names) == 1 else 'are'} {what} there: "
    if again(folder):
        return DataError(f"{gone}headstart pretrain with the same words makes the end anew, from the last checkpoint")
    return DataError(f"{gone}no checkpoint is left to make them from, so delete the folder and train anew")
