"""The folder of a run: what is written down before the first step, and what a later command reads there."""

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .. import __version__, checkpoint
from ..damage import reading, record
from ..data.source import DataError
from ..errors import Mistake, shown
from ..forms import Json
from ..home import expanded
from ..log import Log
from ..planning.plan import Plan
from ..reading import reader_of
from ..recipe import Input, Method, Run
from ..shelf.copies import COPY, keep, kept
from ..shelf.outside import foreign
from ..training import device_of
from ..words import WordError
from .hold import BEGUN, claimed, spare

LENGTH = "run.minutes"  # the word that says how long a run is, and nothing else of it
ARRAY = "array"  # what stands for data that came without a path; the snippet then needs a name of the user's


def title(where: object) -> str:
    """What stands for the data in run.json: an absolute path, the name of a set, or "array"."""
    if not isinstance(where, str | Path):
        return ARRAY
    return str(expanded(where).resolve()) if expanded(where).exists() else str(where)


def facts(folder: Path) -> Json:
    """What is in run.json; DataError where there is none."""
    if not (folder / "run.json").exists():
        raise DataError(f"{folder} is not the folder of a run: there is no run.json in it")
    found = record(folder / "run.json", "plan", "words", "fingerprint")
    with reading(folder / "run.json"):
        plan = Plan(**found["plan"])
        Run(**plan.run), Input(**plan.input), reader_of(plan.tokenizer), dict(found["words"])
    return found


def method_of(folder: Path, plan: Plan, log: Log, trust: bool) -> Method:
    """The recipe of the run in `folder`, as it was when the run began.

    trust: code from outside headstart, which a stranger's run may name, is run; else it is a Mistake that says where to read it.
    """
    if foreign(plan.recipe) and not trust:
        raise Mistake(
            f"the method of {shown(str(folder))} is {shown(plan.recipe)}, code from outside headstart, which is not run unasked: "
            f"read this run's copy of it, {shown(str(folder / COPY))}, and if you trust it say trust=true (in Python trust=True)"
        )
    method, said = kept(plan.recipe, folder)
    if said:
        log.say(f"recipe    {said}")
    return method


def begun(folder: Path, where: str, asked: Mapping[str, Any]) -> Json | None:
    """The run.json of the run that this command goes on with, if it was begun; an error if the folder holds another one.

    asked: the words of the command, its recipe spelled out. Where they ask for the same run, longer, it is that of the longer
    one, with the lengths (steps) of those before as "lengths"; `extend` writes it down.
    """
    if not (folder / "run.json").exists():
        spare(folder, "run")
        return None
    there = facts(folder)
    now, before = plain(asked), dict(there["words"])
    if str(before.get("recipe")).startswith(f"{now.get('recipe')}:"):  # the function was left out, and its file is gone
        before["recipe"] = now["recipe"]
    if there["plan"]["where"] == where and before != now and LENGTH in now and _but_length(before) == _but_length(now):
        return _longer(there, now, folder)
    if there["plan"]["where"] != where or before != now:
        command = " ".join([there["plan"]["where"], *(f"{k}={v}" for k, v in there["words"].items())])
        raise WordError(
            f"{folder} holds another run (headstart pretrain {command}): "
            "give this one its own folder with run.out=, or delete that one; more of that one comes with a larger run.minutes="
        )
    return there


def _but_length(words: Mapping[str, Any]) -> Json:
    return {name: value for name, value in words.items() if name != LENGTH}


def _longer(there: Json, now: Json, folder: Path) -> Json:
    """The same run with as many steps as its pace makes of the minutes; WordError if they are not more."""
    plan = dict(there["plan"])
    before, wanted = plan["steps"], float(now.get(LENGTH) or 0)
    minutes = (plan.get("budget") or plan["seconds"]) / 60
    steps = round(before * wanted / max(minutes, 1e-9))
    if steps <= before:
        raise WordError(
            f"{folder} holds this run with {before:,} steps, about {minutes:.2g} minutes, and {LENGTH}={wanted:g} is no more "
            "than that: ask for more to go on with it, or give another run its own folder with run.out="
        )
    plan |= {"steps": steps, "seconds": plan["seconds"] * steps / before, "run": plan["run"] | {"minutes": now[LENGTH]}}
    plan |= {"budget": wanted * 60 if plan.get("budget") else 0.0, "most": max(steps, plan.get("most", 0))}
    return there | {"plan": plan, "words": now, "lengths": [*there.get("lengths", []), before], "longer": True}


def extend(folder: Path, longer: Json) -> str:
    """Write down that a run goes on for longer, and say what that means; what it was worth stays as probe-<steps>.json."""
    if (folder / "probe.json").exists():
        (folder / "probe.json").replace(folder / f"probe-{longer['lengths'][-1]}.json")
    checkpoint.write_json(folder / "run.json", {name: value for name, value in longer.items() if name != "longer"})
    before, steps = longer["lengths"][-1], longer["plan"]["steps"]
    return (
        f"this run was to take {before:,} steps, and goes on to {steps:,}: its schedules (learning rate, decays) are from "
        f"now on those of a run of {steps:,}"
    )


def plain(words: Mapping[str, Any]) -> Json:
    """Words as JSON gives them back; where the run lies is not what it is."""
    said: Json = json.loads(json.dumps({k: v for k, v in words.items() if k != "run.out"}, default=str))
    return said


def begin(folder: Path, plan: Plan, method: Method, asked: Mapping[str, Any], data: str) -> None:
    """Write down what will be done, before it is. data: the fingerprint of the samples."""
    claimed(folder)
    keep(method, folder)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "headstart": __version__,
        "commit": _commit(),
    }
    machine = {
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": str(device_of(Run(**plan.run))),
    }
    said = {"plan": asdict(plan), "words": plain(asked), "fingerprint": data, **versions, **machine}
    checkpoint.write_json(folder / "run.json", said)
    (folder / BEGUN).unlink()


def _commit() -> str:
    """The commit of headstart's own checkout, "" where it was installed otherwise."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
