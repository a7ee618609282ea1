"""`headstart again`: the first steps of a run once more, compared to the last bit."""

import dataclasses
import tempfile
from pathlib import Path

from ..data.open import open_source
from ..data.source import DataError
from ..log import Log, rows
from ..planning.plan import Plan, build
from ..reading import reader_of
from ..recipe import Input, Run
from ..running.folder import ARRAY, facts, method_of
from ..running.material import gather
from ..train import EXACT, train


class NotReproduced(RuntimeError):
    """A run taken again went another way."""


def again(
    folder: str | Path, where: object = None, log: Log | None = None, trust: bool = False
) -> list[tuple[float, float]]:
    """(loss then, loss now) of the first ten steps of the run in `folder`; raises NotReproduced if a bit differs.

    where: the data, if it has moved or was an array. trust: a method from outside headstart, which the run names, may be run.
    """
    folder, log = Path(folder), log or Log()
    said = facts(folder)
    plan = Plan(**said["plan"])
    first = [*said.get("lengths", []), plan.steps][
        0
    ]  # of a run that went on for longer: schedules were those of its beginning
    plan = dataclasses.replace(plan, steps=first)
    run, method = Run(**plan.run), method_of(folder, plan, log, trust)
    then = {row["step"]: row["loss"] for row in rows(folder / "log.jsonl", "step") if row["step"] < min(EXACT, first)}
    if not then:
        raise DataError(f"{folder} has not taken a step yet: there is nothing to repeat")
    if where is None and plan.where == ARRAY:
        raise DataError("this run was given an array, which only Python has: headstart.again(folder, array)")
    data = plan.where if where is None else where
    given = Input(**plan.input)
    source = open_source(data, given.kind, given.label, given.group)
    material = gather(data, source, reader_of(plan.tokenizer), given, run, Log(quiet=True))
    with tempfile.TemporaryDirectory() as place:
        notes = Log(Path(place) / "log.jsonl", quiet=True)
        train(build(plan, method, material.training), run, log=notes, until=max(then) + 1)
        now = {row["step"]: row["loss"] for row in notes.rows("step")}
    pairs = [(old, now.get(step, float("nan"))) for step, old in then.items()]
    for step, (old, new) in zip(then, pairs, strict=True):
        log.say(f"step {step}  then {old!r}  now {new!r}  {'equal' if old == new else 'DIFFERENT'}")
    if any(old != new for old, new in pairs):
        raise NotReproduced("not reproduced: data, versions, threads or machine are not those written in run.json")
    return pairs
