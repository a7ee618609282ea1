"""`headstart again`: the first steps of a run once more, compared to the last bit."""

import json
from pathlib import Path
from typing import Any

from ..data.source import DataError, open_source
from ..log import Log
from ..plan import Plan, build
from ..recipe import Input, Run
from ..train import EXACT, train
from .material import gather


def again(folder: str | Path, where: Any = None, log: Log | None = None) -> list[tuple[float, float]]:
    """(loss then, loss now) of the first ten steps of the run in `folder`; raises RuntimeError if a bit differs.

    where: the data, if it has moved or was an array.
    """
    folder, log = Path(folder), log or Log()
    if not (folder / "run.json").exists():
        raise DataError(f"{folder} is not the folder of a run: there is no run.json in it")
    plan = Plan(**json.loads((folder / "run.json").read_text())["plan"])
    run = Run(**plan.run)
    rows = Log(folder / "log.jsonl", quiet=True).rows("step")
    then = {row["step"]: row["loss"] for row in rows if row["step"] < EXACT}
    if not then:
        raise DataError(f"{folder} has not taken a step yet: there is nothing to repeat")
    data = plan.where if where is None else where
    material = gather(data, open_source(data), Input(**plan.input), run, Log(quiet=True))
    outcome = train(build(plan, material.training), run, until=max(then) + 1)
    pairs = [(then[step], loss) for step, loss in enumerate(outcome.losses) if step in then]
    for i, (old, new) in enumerate(pairs):
        log.say(f"step {i}  then {old!r}  now {new!r}  {'equal' if old == new else 'DIFFERENT'}")
    if any(old != new for old, new in pairs):
        raise RuntimeError(
            "the run is not reproduced: the data, versions, threads or machine differ from those in run.json"
        )
    return pairs
