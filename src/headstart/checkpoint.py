"""State on disk: complete or absent, never half; tensors in safetensors, facts in JSON, nothing pickled."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .errors import Mistake
from .forms import Json
from .nn.encoder import Encoder
from .nn.parts import load_once, once
from .nn.released import card_of, load_encoder

__all__ = [
    "KEEP",
    "complete",
    "load_encoder",
    "restore",
    "save",
    "save_encoder",
    "write_bytes",
    "write_json",
    "write_tensors",
    "write_text",
]

KEEP = 2  # checkpoints left on disk


def write_json(path: Path, value: object) -> None:
    """Write to a temporary name, flush to disk, rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(fd, "w") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(name, 0o644)
    os.replace(name, path)


def write_text(path: Path, text: str) -> None:
    """Likewise for text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Likewise for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    _sync(part)
    os.replace(part, path)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Likewise for tensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part)
    _sync(part)
    os.replace(part, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def save(folder: Path, step: int, objective: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    """A checkpoint `folder/step-<n>`: everything the objective and its optimizer remember. Older ones go."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{step:08d}"
    if final.exists():
        return final
    part = Path(tempfile.mkdtemp(dir=folder, prefix=".part-"))
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
    os.replace(part, final)
    _sync(folder)
    for old in complete(folder)[:-KEEP]:
        shutil.rmtree(old)
    for left in folder.glob(".part-*"):
        shutil.rmtree(left)
    return final


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
    device = next(objective.parameters()).device
    kept = load_file(path / "objective.safetensors", device=str(device))
    load_once(objective, kept, path)
    moments: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(path / "optimizer.safetensors").items():
        name, _, what = key.rpartition("/")
        moments.setdefault(name, {})[what] = value
    for name, p in objective.named_parameters():  # all that optimizers remember is tensors, by parameter
        if name in moments:
            optimizer.state[p] = {k: v.to(p.device) for k, v in moments[name].items()}
    return facts


def save_encoder(folder: Path, encoder: Encoder, facts: Json) -> None:
    """`encoder.safetensors` and `encoder.json`: the one thing to share. Weights first, so that the JSON implies them."""
    write_tensors(folder / "encoder.safetensors", once(encoder.state_dict()))
    write_json(folder / "encoder.json", card_of(encoder) | facts)
