"""State on disk: complete or absent, never half; tensors in safetensors, facts in JSON, nothing pickled."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .damage import Damaged, reading, record, sum_of, unchanged
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
STATE = ("objective.safetensors", "optimizer.safetensors")


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
    if final.exists() and not wrong(final):
        return final
    part = folder / f"{PART}{final.name}"
    try:
        if part.exists():
            shutil.rmtree(part)  # of a process that was killed here
        part.mkdir(parents=True)
        _fill(part, step, objective, optimizer)
        if final.exists():
            shutil.rmtree(final)  # it is damaged
        os.replace(part, final)
        sync(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise NotWritten(final, error) from error
    for old in _there(folder)[:-KEEP]:
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
    sums = {name: sum_of(part / name) for name in STATE}
    write_json(part / "state.json", {"step": step, "optimizer": type(optimizer).__name__, "sums": sums})


def complete(folder: Path) -> list[Path]:
    """The checkpoints that are whole, oldest first. A Mistake where there are some and none is whole: beginning anew is not what
    was asked for."""
    every = _there(folder)
    found = [path for path in every if not wrong(path)]
    if every and not found:
        raise Mistake(f"no checkpoint in {folder} is whole: delete that folder, and the same command begins anew")
    return found


def passed_over(folder: Path, say: Callable[[str], None]) -> None:
    """Say of checkpoints newer than the one that will be gone on from why they are not."""
    for path in reversed(_there(folder)):
        if not (why := wrong(path)):
            return
        say(f"damaged   {why}: the checkpoint before it is taken")


def _there(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*") if (p / "state.json").exists())


def wrong(path: Path) -> str:
    """What is wrong with a checkpoint, in words; "" if it is as it was written."""
    try:
        facts = record(path / "state.json", "step")
        for name in STATE:
            unchanged(path / name, facts.get("sums", {}).get(name))
            with reading(path / name), safe_open(path / name, "pt"):
                pass
    except (Damaged, OSError) as error:
        return str(error).partition(": ")[0]
    return ""


def restore(path: Path, objective: nn.Module, optimizer: torch.optim.Optimizer) -> Json:
    """Put a checkpoint back, bit for bit; returns its facts."""
    facts = record(path / "state.json", "step")
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
    known = {"sum": sum_of(folder / "encoder.safetensors")}
    write_json(folder / "encoder.json", card_of(encoder) | facts | known)
