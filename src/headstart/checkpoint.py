"""State on disk: complete or absent, never half; tensors in safetensors, facts in JSON, nothing pickled."""

import json
import os
import re
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from .errors import Mistake
from .forms import Json
from .nn.encoder import Encoder
from .nn.parts import load_once, once
from .nn.released import card_of, load_encoder, read_tensors
from .writing import PART, NotWritten, sync, whole, write_bytes, write_json, write_text

__all__ = [
    "KEEP",
    "complete",
    "load_encoder",
    "restore",
    "save",
    "save_encoder",
    "weights",
    "write_bytes",
    "write_json",
    "write_tensors",
    "write_text",
]

KEEP = 2  # checkpoints left on disk


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Tensors in a file that is whole or absent."""
    with whole(path) as part:
        try:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part)
        except SafetensorError as error:
            raise _of_the_disk(error) from error


def _of_the_disk(error: SafetensorError) -> OSError:
    """What safetensors says of a file that it could not write, as Python says it."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))


def save(folder: Path, step: int, objective: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    """A checkpoint `folder/step-<n>`: everything the objective and its optimizer remember. Older ones go."""
    final = folder / f"step-{step:08d}"
    if final.exists():
        return final
    part = folder / f"{PART}{final.name}"
    try:
        if part.exists():
            shutil.rmtree(part)  # of a process that was killed here
        part.mkdir(parents=True)
        _fill(part, step, objective, optimizer)
        os.replace(part, final)
        sync(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise NotWritten(final, error) from error
    for old in complete(folder)[:-KEEP]:
        shutil.rmtree(old)
    for left in folder.glob(f"{PART}*"):
        shutil.rmtree(left)
    return final


def _fill(part: Path, step: int, objective: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    write_tensors(part / "objective.safetensors", once(objective.state_dict()))
    names = {id(p): name for name, p in objective.named_parameters()}
    moments = {
        f"{names[id(p)]}/{key}": value
        for p, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }
    write_tensors(part / "optimizer.safetensors", moments)
    write_json(part / "state.json", {"step": step, "optimizer": type(optimizer).__name__})


def complete(folder: Path) -> list[Path]:
    """The checkpoints there are, oldest first."""
    return sorted(p for p in folder.glob("step-*") if (p / "state.json").exists())


def restore(path: Path, objective: nn.Module, optimizer: torch.optim.Optimizer) -> Json:
    """Put a checkpoint back, bit for bit; returns its facts."""
    facts = json.loads((path / "state.json").read_text())
    wrote = facts.get("optimizer", "AdamW")  # what all had before there were others
    if wrote != type(optimizer).__name__:
        raise Mistake(
            f"{path} was written by the optimizer {wrote}, and this is {type(optimizer).__name__}: "
            "go on with the words it was begun with"
        )
    weights(path, objective)
    moments: dict[str, dict[str, Tensor]] = {}
    for key, value in read_tensors(path / "optimizer.safetensors").items():
        name, _, what = key.rpartition("/")
        moments.setdefault(name, {})[what] = value
    for name, p in objective.named_parameters():  # all that optimizers remember is tensors, by parameter
        if name in moments:
            optimizer.state[p] = {k: v.to(p.device) for k, v in moments[name].items()}
    return facts


def weights(path: Path, objective: nn.Module) -> None:
    """Put back what the objective of a checkpoint remembers, and no more."""
    device = next(objective.parameters()).device
    load_once(objective, read_tensors(path / "objective.safetensors", str(device)), path)


def save_encoder(folder: Path, encoder: Encoder, facts: Json) -> None:
    """`encoder.safetensors` and `encoder.json`: the one thing to share. Weights first, so that the JSON implies them."""
    write_tensors(folder / "encoder.safetensors", once(encoder.state_dict()))
    write_json(folder / "encoder.json", card_of(encoder) | facts)
