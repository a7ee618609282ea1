"""The folder of a fine-tuned encoder: what is written down before the first step, and what a later command reads there."""

import copy
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..checkpoint import write_json
from ..damage import reading, record
from ..data.feeding.prepare import Prepared
from ..data.finding.likeness import content
from ..forms import Json
from ..nn.encoder import Encoder
from ..nn.parts import once
from ..planning.choosing import MINUTES
from ..planning.timing import time_steps
from ..tasks.asked import FORECASTING, Words
from ..tasks.dividing import Material
from ..tasks.fitting import Setting, Tuned, recipe_of
from ..training import device_of
from ..words import WordError
from .folder import plain
from .hold import spare

FACTS, FIGURES = "tuned.json", "figures.json"
SPARE = 1.2  # times what steps alone take: what is looked at between them comes on top


@dataclass(frozen=True)
class Settled:
    """Everything that decides a fine-tuning, as JSON. lrs: rates that are tried, each for setting.steps."""

    setting: Setting
    lrs: tuple[float, ...]
    run: Json
    seconds: float = 0.0  # predicted; 0 where steps were given


def settle(tuned: Tuned, material: Material, said: Words) -> Settled:
    """Rates and steps: as many as were asked for, or as are sensible and fit into the budget, by timing a few on a copy."""
    asked, run, at = said.asked, said.run, material.at[material.rest]
    lrs, setting = asked.among(tuned.encoder), said.setting(1, tuned.read)
    steps, seconds = asked.wanted(len(at), setting.batch), 0.0
    if asked.steps is None:
        trial = copy.deepcopy(tuned)
        targets = trial.task.targets(material.labels[material.rest])
        per_step = time_steps(recipe_of(trial, material.source, at, targets, setting, lrs[0]), run, 1.0).step * SPARE
        minutes = run.minutes or MINUTES.get(device_of(run).type, 10.0)
        steps = max(1, min(steps, int(60 * minutes / per_step / len(lrs))))
        seconds = steps * per_step * len(lrs)
    return Settled(replace(setting, steps=steps), lrs, asdict(run), seconds)


def scratch(like: Encoder, seed: int) -> Encoder:
    """A random encoder made as this one was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return like.like().to(like.slots.device)


def folder_of(run: Path, where: str, out: str) -> Path:
    """run.out, or runs/tuned-<run>-<data>."""
    stem = Path(where).name.partition(".")[0].replace(":", "-") or "data"
    return Path(out) if out else Path("runs") / f"tuned-{run.resolve().name}-{stem}"


def learnt_from(folder: Path, where: str) -> bool:
    """Whether the encoder in a folder was tuned to labels of this very data. where: as `title` has it."""
    if not (folder / FACTS).exists():
        return False
    facts = record(folder / FACTS, "where")
    return bool(facts["where"] == where and facts.get("words", {}).get("task") != FORECASTING)


def begun(folder: Path, base: Path, where: str, asked: Json, proof: str) -> Settled | None:
    """What the fine-tuning that this command goes on with was settled to; None where nothing was begun. A WordError where the
    folder holds anything else. proof: the fingerprint of data and encoder."""
    if not (folder / FACTS).exists():
        spare(folder, "fine-tuned encoder")
        return None
    facts = record(folder / FACTS, "base", "where", "words", "fingerprint", "settled")
    if facts["base"] != str(base.resolve()) or facts["where"] != where or facts["words"] != plain(asked):
        command = " ".join([facts["base"], facts["where"], *(f"{k}={v}" for k, v in facts["words"].items())])
        raise WordError(
            f"{folder} holds another fine-tuning (headstart finetune {command}): "
            "give this one its own folder with run.out=, or delete that one"
        )
    if facts["fingerprint"] != proof:
        raise WordError(
            f"{folder} was begun with other data or another encoder than {where} and {base} hold now: give this one its own "
            "folder with run.out=, or delete that one"
        )
    with reading(folder / FACTS):
        settled = facts["settled"]
        return Settled(Setting(**settled["setting"]), tuple(settled["lrs"]), settled["run"], settled["seconds"])


def begin(folder: Path, base: Path, where: str, asked: Json, proof: str, settled: Settled) -> None:
    """Write down what will be done, before it is."""
    said = {"base": str(base.resolve()), "where": where, "words": plain(asked), "fingerprint": proof}
    versions = {"headstart": __version__, "torch": torch.__version__}
    write_json(folder / FACTS, {**said, "settled": asdict(settled), **versions})


def fingerprint(source: Prepared, labels: np.ndarray, encoder: torch.nn.Module) -> str:
    """Short proof that data, labels and encoder are the same as before."""
    note = hashlib.sha256(f"{source.kind} {len(source)} {source.classes}".encode(errors="surrogatepass"))
    for i in range(len(source)):
        note.update(source.name(i).encode(errors="surrogatepass"))
    for i in np.unique(np.linspace(0, len(source) - 1, 16).astype(int)):
        note.update(content(source[int(i)]))
    note.update(np.ascontiguousarray(labels).tobytes())
    for name, tensor in sorted(once(encoder.state_dict()).items()):
        note.update(name.encode() + tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return note.hexdigest()[:16]
