"""`headstart report`: the page about a run, written anew from its folder, and from its data where that is at hand."""

from pathlib import Path

from .. import checkpoint
from ..damage import record
from ..data.open import open_source
from ..data.source import DataError, Source
from ..errors import Mistake, Unreadable, shown
from ..leftover import incomplete, missing
from ..log import Log
from ..nn.encoder import set_dtype
from ..planning.plan import Plan, build
from ..reading import reader_of
from ..recipe import Input, Recipe, Run
from ..reporting.page import page
from ..reporting.story import story
from ..running import paired
from ..running.finish import snippet
from ..running.folder import ARRAY, facts, method_of
from ..running.material import fingerprint, gather
from ..running.tuned import FACTS
from ..training import device_of, dtype_of
from ..writing import write_text
from .embed import checked


def report(
    run: str | Path, data: object = None, out: str | Path | None = None, log: Log | None = None, trust: bool = False
) -> Path:
    """Write the page about the finished run in a folder (report.html there, or to `out`), and say where it lies.

    data: where the data of the run lies, if it has moved or was an array. Without it, what looks at samples is left out. trust: a
    method from outside headstart, which the run names, may be run.
    """
    log, folder = log or Log(), Path(run)
    target = checked(out, (".html",)) or folder / "report.html"
    if (folder / FACTS).exists():
        base = record(folder / FACTS, "base")["base"]
        raise DataError(
            f"{folder} is a fine-tuned encoder, whose figures are in its README.md; the page is of the run it comes from: "
            f"headstart report {base}"
        )
    said = facts(folder)
    if not (folder / "probe.json").exists():
        raise DataError(f"the run in {folder} has not ended: start it again, and it goes on and writes its report")
    if gone := missing(folder):
        raise incomplete(folder, gone)
    plan = Plan(**said["plan"])
    recipe, source, left_out = None, None, ""
    try:
        recipe, source, same = _again(folder, plan, data, said["fingerprint"], log, trust)
        if not same:
            left_out = "The data is no longer what the run learnt from: what is drawn here is of the data as it is now."
    except (Mistake, Unreadable, OSError) as error:
        if data is not None:
            raise
        left_out = (
            f"Left out are samples, neighbours and the map, as the data is not at hand ({shown(str(error))}). "
            f"If it has moved: headstart report {folder} data=PATH"
        )
    if left_out:
        log.say(f"note      {left_out}")
    parts = list(plan.tokenizer.get("parts", ()))
    usage = paired.snippet(folder, parts) if parts else snippet(folder, plan.where)
    write_text(target, page(story(folder), recipe, source, usage, left_out))
    log.say(f"wrote     {shown(str(target))}: open it in a browser")
    return target


def _again(folder: Path, plan: Plan, data: object, known: str, log: Log, trust: bool) -> tuple[Recipe, Source, bool]:
    """(the recipe as it was trained, the samples it learnt from, whether the data is what it was)."""
    if data is None and plan.where == ARRAY:
        raise DataError("it was an array, which only Python has: headstart.report(folder, array)")
    where = plan.where if data is None else data
    given, run, method = Input(**plan.input), Run(**plan.run), method_of(folder, plan, log, trust)
    material = gather(
        where,
        open_source(where, given.kind, given.label, given.group),
        reader_of(plan.tokenizer),
        given,
        run,
        Log(quiet=True),
    )
    recipe = build(plan, method, material.training)
    device = device_of(run)
    objective = recipe.objective.to(device)
    set_dtype(objective, dtype_of(run, device))
    checkpoint.passed_over(folder / "checkpoints", log.say)
    saved = checkpoint.complete(folder / "checkpoints")
    if not saved:
        raise DataError(f"{folder} holds no checkpoint")
    checkpoint.weights(saved[-1], objective)
    step = record(saved[-1] / "state.json", "step")["step"]
    log.say(f"found     {material.training.describe()}; the encoder as it was after {step:,} steps")
    return recipe, material.training, fingerprint(material) == known
