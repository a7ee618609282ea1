"""Which method? Some that suit the kind are begun; the worse ones are left, again and again; the best goes on from where it is
(successive halving, Jamieson & Talwalkar 2016). What stays to the end is the default, which was measured with longer runs, and
its best rival, which has to be ahead of it beyond chance: early marks are close together and foretell little.

They are judged by labels that judge nothing else: the bank, half of it by the other half. Raw input and the random encoder take
part, and where they are ahead it is said at once.
"""

import math
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from .. import checkpoint, dist
from ..forms import Json
from ..log import Log, rows, span
from ..nn.encoder import Encoder, set_dtype
from ..planning.plan import Plan, build
from ..probes import Figure, gain
from ..recipe import RANDOM, Method, Run
from ..reporting.tried import ROUNDS
from ..scoring.features import encode, raw
from ..scoring.labelled import Labelled, Vectors
from ..scoring.score import chosen_by, mark, reads, within_bank
from ..shelf.find import candidates
from ..tokens import Tokenizer
from ..train import train
from ..training import device_of, dtype_of
from .material import Material

SHARE = 0.1  # of the training time is for choosing
SHORTEST = 90.0  # seconds of training below which a method is not looked for
LEAST = 100  # steps of a method before it is judged
RAW = "raw input"


@dataclass(frozen=True)
class Entry:
    """A method that takes part. until: after how many steps it is judged, round by round."""

    method: Method
    plan: Plan
    until: tuple[int, ...]


def why_not(plan: Plan, material: Material, own: Collection[str]) -> str:
    """Why no other method than the default is tried, in words; "" where some are. own: words of the default's own."""
    if own:
        return f"{', '.join(own)} {'is a word' if len(own) == 1 else 'are words'} of its own"
    if len(candidates(material.everything.kind)) == 1:
        return "nothing else suits"
    if dist.world() > 1:
        return "others are tried on one device only"
    if plan.seconds < SHORTEST:
        return f"others are tried where training takes {SHORTEST / 60:g} minutes or more"
    if material.probe is None:
        return "there are no labels to choose by"
    if within_bank(material.probe) is None:
        return "there are no labels to spare: all of them judge"
    return ""


def trial(material: Material) -> str:
    """What will be tried, in words."""
    names = ", ".join(candidates(material.everything.kind))
    return f"a tenth of the time is for choosing: {names} are begun; the first goes on unless another is clearly ahead (recipe=)"


def entries(plans: Sequence[tuple[Method, Plan]], steps: bool) -> list[Entry]:
    """Methods, the default first, each with the steps that leave time for trying them; without those that could not take enough
    steps to be judged, and none where the default could not. steps: their number is the user's, whatever they take."""
    seconds = plans[0][1].seconds
    count = math.ceil(math.log2(len(plans))) if len(plans) > 1 else 0
    alive, shares = len(plans), []
    for _ in range(count):
        shares.append(SHARE * seconds / count / alive)
        alive = math.ceil(alive / 2)
    made: list[Entry] = []
    fast: list[tuple[Method, Plan]] = []
    for method, plan in plans:
        per_step = plan.seconds / plan.steps
        total = plan.steps if steps else max(1, int((seconds * (1 - SHARE) + sum(shares)) / per_step))
        at = np.cumsum(shares) / (seconds / plan.steps if steps else per_step)
        if shares and at[0] < LEAST:
            continue
        fast.append((method, plan))
        took = total * per_step
        ends = replace(plan, steps=total, seconds=took, budget=took if plan.budget else 0.0, most=max(plan.most, total))
        made.append(Entry(method, ends, tuple(int(n + 1e-6) for n in at)))
    if plans[0] not in fast:
        return []
    return made if len(fast) == len(plans) else entries(fast, steps)  # fewer share the time, in fewer rounds


def bakeoff(some: Sequence[Entry], material: Material, folder: Path, run: Run, log: Log) -> Entry | None:
    """The winner: the first, or what is ahead of it beyond chance; `promote` puts what it has learnt where a run's own
    checkpoints lie. None: someone asked to stop."""
    assert material.probe is not None  # `why_not` has looked
    data = within_bank(material.probe)
    assert data is not None
    place, alive = folder / ROUNDS.parent, list(some)
    for entry in some:  # of an attempt that was stopped
        shutil.rmtree(place / entry.plan.recipe, ignore_errors=True)
    names = ", ".join(entry.plan.recipe for entry in some)
    log.say(
        f"bake-off  {names} are begun; the first goes on unless another is ahead of it beyond chance (recipe=NAME takes one)"
    )
    beside = _beside(some[0], material, data, run)
    said = ", ".join(f"{name} {mark(figures):.3f}" for name, figures in beside.items())
    judges = f"{len(data.query_at):,} judges that judge nothing else"
    log.say(f"bake-off  without training: {said} (mean of kNN and linear probe, {judges})")
    told: list[Json] = []
    found: dict[str, list[Figure]] = {}
    for number in range(len(some[0].until)):
        for entry in alive:
            figures = _tried(entry, number, place / entry.plan.recipe, material, data, run, log)
            if figures is None:
                return None
            found[entry.plan.recipe] = figures
        marks = {entry.plan.recipe: mark(found[entry.plan.recipe]) for entry in alive}
        took = {entry.plan.recipe: entry.until[number] for entry in alive}
        told.append({"marks": marks, "steps": took})
        log.say("bake-off  " + ", ".join(f"{name} {marks[name]:.3f} after {n:,} steps" for name, n in took.items()))
        usual, *others = alive
        others.sort(key=lambda entry: -marks[entry.plan.recipe])
        alive = [usual, *others[: max(1, math.ceil(len(alive) / 2) - 1)]]
    usual, rival = alive
    best = rival if _ahead(found[rival.plan.recipe], found[usual.plan.recipe]) else usual
    name = best.plan.recipe
    if best is usual and marks[rival.plan.recipe] > marks[name]:
        log.say(
            f"bake-off  {rival.plan.recipe} is not ahead of {name} beyond chance: {name} goes on, as longer runs chose it"
        )
    ahead = [who for who, each in beside.items() if _ahead(each, found[name])]
    if ahead:
        log.say(f"bake-off  {_behind(name, ahead, best)}")
    without = {who: mark(each) for who, each in beside.items()}
    checkpoint.write_json(folder / ROUNDS, {"winner": name, "without training": without, "rounds": told})
    return best


def promote(folder: Path, name: str, log: Log) -> bool:
    """Put what the winner of a bake-off has learnt, and its log, where a run's own lie, and clear what was tried; whether there
    was anything to put."""
    place = folder / ROUNDS.parent
    found = (place / name / "checkpoints").exists()
    if found:
        for event in ("step", "skipped"):
            for row in rows(place / name / "log.jsonl", event):
                log.write(**row)
        (place / name / "checkpoints").replace(folder / "checkpoints")
    for each in place.iterdir() if place.exists() else ():
        if each.is_dir():
            shutil.rmtree(each)
    return found


def _behind(name: str, ahead: list[str], best: Entry) -> str:
    more = span(best.plan.seconds * (1 - best.until[-1] / best.plan.steps))
    return (
        f"{' and '.join(ahead)} {'are' if len(ahead) > 1 else 'is'} ahead of {name} so far: it has {more} to catch up; if it "
        "does not, more unlabelled samples, a longer run (run.minutes=) or another method (recipe=) are what is left"
    )


def _ahead(one: Sequence[Figure], other: Sequence[Figure]) -> bool:
    """Better on the whole, and in one figure beyond chance, judge by judge."""
    return mark(one) > mark(other) and any(gain(a, b).clear > 0 for a, b in zip(one, other, strict=True))


def _beside(entry: Entry, material: Material, data: Labelled, run: Run) -> dict[str, list[Figure]]:
    """What raw input and the encoder before training are worth."""
    recipe = build(entry.plan, entry.method, material.training)
    return {
        RAW: chosen_by(data, partial(raw, recipe.data.only)),
        RANDOM: chosen_by(data, _vectors(recipe.objective.to(device_of(run)).encoder, recipe.data.only, run)),
    }


def _tried(
    entry: Entry, number: int, place: Path, material: Material, data: Labelled, run: Run, log: Log
) -> list[Figure] | None:
    """What a method is worth at the end of this round; None where it was interrupted."""
    recipe = build(entry.plan, entry.method, material.training)
    own = Log(place / "log.jsonl", quiet=log.quiet)
    until = entry.until[number]
    if train(recipe, run, place, own, until=until).step < until:
        return None
    return chosen_by(data, _vectors(recipe.objective.encoder, recipe.data.only, run))


def _vectors(encoder: Encoder, tokenizer: Tokenizer, run: Run) -> Vectors:
    set_dtype(encoder, dtype_of(run, device_of(run)))
    read = reads(encoder)[0]
    return lambda source, at: encode(encoder, tokenizer, source, at, (read,))[read]
