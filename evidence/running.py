"""Run checks, each in a process of its own with one thread, and write down what they say."""

import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from headstart.shelf.find import find, ideas

from . import ledger
from .claim import TRAINING, Claim, Figure, over_seeds
from .lab import Trial, Untold

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SEEDS, PILOT = (0, 1, 2), (10, 11, 12)  # what is reported; what bounds are chosen by
Measured = tuple[Claim | str, float]  # what it says or why it could not, and seconds


def loaded(path: Path) -> ModuleType:
    """The check in this file, as a module."""
    spec = importlib.util.spec_from_file_location(f"evidence.{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measured(path: Path, seeds: Sequence[int] = SEEDS, only: Sequence[str] | None = None) -> Measured:
    """What the check in this file says, here and now; or in one line what went wrong.

    only: take out nothing but these; all of the recipe's ideas, and training, if None.
    """
    began = time.monotonic()
    try:
        module = loaded(path)
        began = time.monotonic()
        claim = tried(path.stem, module, seeds, only)
    except (Exception, SystemExit) as error:
        mine = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f" (line {mine[-1]} of {path.name})" if mine else ""
        return f"{type(error).__name__}: {' '.join(str(error).split())}{place}", time.monotonic() - began
    return claim, time.monotonic() - began


Check = Callable[[Trial], Iterable[Figure]]


def tried(name: str, module: ModuleType, seeds: Sequence[int], only: Sequence[str] | None = None) -> Claim:
    """A check asked of the recipe as it is, without each of its ideas, and without training; with each of the seeds.

    Where an idea is out, the method is trained only if the check names that idea in TRAINED.
    """
    torch.set_num_threads(1)
    check, declared = module.check, ideas(find(name))
    trained, not_shown = getattr(module, "TRAINED", ()), getattr(module, "NOT_SHOWN", {})
    out: dict[str, tuple[Mapping[str, Any], bool | None]] = {
        idea: (arguments, True if idea in trained else None) for idea, arguments in declared.items()
    }
    unknown = sorted({*(only or ()), *trained} - {*out, TRAINING})
    if unknown:
        raise ValueError(f"the recipe declares no idea {', '.join(unknown)}: it has {', '.join(out)}")
    out[TRAINING] = ({}, False)
    differs: dict[str, Any] = {}
    whole = [_once(check, Trial(name, seed, differs=differs)) for seed in seeds]
    without = {
        idea: [_once(check, Trial(name, seed, arguments, trains)) for seed in seeds]
        for idea, (arguments, trains) in out.items()
        if only is None or idea in only
    }
    other = tuple(f"{setting}={value}" for setting, value in differs.items())
    return Claim(over_seeds(whole, without), tuple(declared), not_shown, other)


def _once(check: Check, trial: Trial) -> list[Figure]:
    torch.manual_seed(trial.seed)
    figures: list[Figure] = []
    try:
        for figure in check(trial):
            figures.append(figure)
    except Untold:
        pass
    return figures


def apart(path: Path, seeds: Sequence[int] = SEEDS) -> Measured:
    """The same in a process of its own with one thread, so that checks know nothing of each other."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measured, path, seeds).result()
        except BrokenProcessPool:
            return "its process died, perhaps for want of memory", 0.0


def hashed(slug: str, seeds: Sequence[int]) -> tuple[str, str, Measured]:
    """(slug, hash, what is measured): the hash is taken first, so that an edit meanwhile makes the row stale."""
    return slug, ledger.hash_of(slug), apart(ledger.check_of(slug), seeds)


def run(slugs: Sequence[str], jobs: int, pilot: bool = False) -> int:
    """Measure, print and, if this is no pilot, write down; how many claims do not hold or raised."""
    bad, raised, pool = 0, 0, ThreadPoolExecutor(jobs)
    try:
        for done in as_completed([pool.submit(hashed, slug, PILOT if pilot else SEEDS) for slug in slugs]):
            slug, code, (claim, seconds) = done.result()
            if isinstance(claim, str):
                raised += 1
                print(f"{slug}: raised {claim}", flush=True)
                continue
            bad += not claim.holds
            if not pilot:
                ledger.write(slug, ledger.row_of(claim, seconds, code))
            print("\n".join(lines(slug, claim, seconds)), flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    also = f", {raised} raised" if raised else ""
    print(f"{len(slugs) - bad - raised} of {len(slugs)} claims hold{also}")
    return bad + raised


def lines(slug: str, claim: Claim, seconds: float) -> list[str]:
    """What is printed about a claim: every figure with its worst, and with the best without each thing that was taken out."""
    out = [f"{slug}: {claim.verdict}, {seconds:.0f} s"]
    for figure in claim.figures:
        out.append(f"  {'ok' if figure.holds else 'NO'}  {figure.what}: {figure.worst:.3g} ({figure.bound})")
        for name, best in figure.without.items():
            out.append(f"        {'breaks' if name in figure.broken_by else '  .   '}  without {name}: {best:.3g}")
    out += [f"  ??  nothing misses the idea: {idea}" for idea in claim.missed]
    out += [f"  ??  nothing breaks the figure: {what}" for what in claim.idle]
    out += [f"  --  not shown: {idea}, {why}" for idea, why in claim.not_shown.items()]
    return [*out, f"  other settings than ship: {', '.join(claim.other)}"] if claim.other else out
