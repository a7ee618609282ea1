"""Run checks, each in a process of its own with one thread, and write down what they say."""

import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from . import ledger
from .claim import Claim

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Measured = tuple[Claim | str, float]  # what it says or why it could not, and seconds


def measured(path: Path) -> Measured:
    """What the check in this file says, here and now; or in one line what went wrong."""
    began = time.monotonic()
    try:
        spec = importlib.util.spec_from_file_location(f"evidence.{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        began = time.monotonic()
        claim = module.check()
    except (Exception, SystemExit) as error:
        mine = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f" (line {mine[-1]} of {path.name})" if mine else ""
        return f"{type(error).__name__}: {' '.join(str(error).split())}{place}", time.monotonic() - began
    if not isinstance(claim, Claim):
        return f"check() gives {type(claim).__name__}, not a Claim", time.monotonic() - began
    return claim, time.monotonic() - began


def apart(path: Path) -> Measured:
    """The same in a process of its own with one thread, so that checks know nothing of each other."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measured, path).result()
        except BrokenProcessPool:
            return "its process died, perhaps for want of memory", 0.0


def hashed(slug: str) -> tuple[str, str, Measured]:
    """(slug, hash, what is measured): the hash is taken first, so that an edit meanwhile makes the row stale."""
    return slug, ledger.hash_of(slug), apart(ledger.check_of(slug))


def run(slugs: Sequence[str], jobs: int) -> int:
    """Measure, print and write down; how many claims do not hold or raised."""
    bad, raised, pool = 0, 0, ThreadPoolExecutor(jobs)
    try:
        for done in as_completed([pool.submit(hashed, slug) for slug in slugs]):
            slug, code, (claim, seconds) = done.result()
            if isinstance(claim, str):
                raised += 1
                print(f"{slug}: raised {claim}", flush=True)
                continue
            bad += not claim.holds
            ledger.write(slug, ledger.row_of(claim, seconds, code))
            print("\n".join(lines(slug, claim, seconds)), flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    also = f", {raised} raised" if raised else ""
    print(f"{len(slugs) - bad - raised} of {len(slugs)} claims hold{also}")
    return bad + raised


def lines(slug: str, claim: Claim, seconds: float) -> list[str]:
    """What is printed about a claim."""
    out = [f"{slug}: {'holds' if claim.holds else 'DOES NOT HOLD'}, {seconds:.0f} s"]
    out += [f"  {'ok' if figure.holds else 'NO'}  {figure}" for figure in claim.figures]
    return out if claim.telling else [*out, "  ??  no baseline breaks its bound: would this hold without the idea?"]
