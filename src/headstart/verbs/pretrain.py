"""`headstart pretrain`: from a path of unlabelled data to an encoder, with the numbers that say whether it helped."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import checkpoint, dist, health
from ..damage import record
from ..data.masks import beside
from ..data.open import open_source
from ..data.source import Source
from ..encoded import Pretrained, load
from ..errors import shown
from ..leftover import again, incomplete, missing
from ..log import Log, span
from ..nn.encoder import set_dtype
from ..planning.choosing import choose
from ..planning.plan import Plan, build, default_folder
from ..planning.sorting import sort_words
from ..reading import look, reader_of
from ..recipe import Care, Input, Method, Run
from ..running import paired
from ..running.bakeoff import bakeoff, entries, promote, why_not
from ..running.begun_on import gone_on_with, write_down
from ..running.doctor import Moved, Watch, course_of, judge, looking
from ..running.finish import READ, baselines, by_masks, finish, snippet
from ..running.folder import begin, begun, extend, method_of, title
from ..running.healing import History, hopeless, mended
from ..running.hold import claimed, held
from ..running.material import Material, fingerprint, gather
from ..running.processes import together
from ..running.requeue import requeued
from ..running.room import roomy
from ..running.starving import Meter
from ..running.threads import fitting
from ..running.timekeeping import Timekeeper
from ..running.vanished import watched
from ..scoring.results import Results, kept_results, lines, written
from ..scoring.score import watcher
from ..shelf.find import AUTO, candidates, default_recipe, find, spelled
from ..sinks import told
from ..train import Outcome
from ..training import device_of, dtype_of
from ..words import annotations, changed, parse
from ..writing import try_folder


@dataclass
class Finished:
    """What `pretrain` returns. table: figures by row (raw input, random encoder, pre-trained), empty without labels."""

    folder: Path
    results: Results
    verdict: str
    outcome: Outcome

    def load(self) -> Pretrained:
        return load(self.folder)


def pretrain(where: object, /, *words: str, log: Log | None = None, **named: Any) -> Finished:
    """Pre-train an encoder on `where`: a folder of files, an array file, a numpy array, or the name of a set.

    words: "name=value", as on the command line; or the same as keywords: `pretrain("photos/", recipe="gmml", ratio=0.6,
    run={"minutes": 4})`. The same call goes on where an interrupted one stopped; with a larger
    run.minutes it goes on beyond its end. Raises DataError or WordError for a
    user's mistake, TrainingStopped when training cannot go on, LeftAlone when another process of the run has ended.

    A call is one process, whatever run.processes= says: only the command line starts one for each device.
    """
    log = log or Log()
    asked = parse(words, named, annotations(data=Input, run=Run) | annotations(run=Care))
    care: Care = changed(Care(), {k[4:]: v for k, v in asked.items() if k.startswith("run.")}, "run")
    run, asked = care.base, {k: v for k, v in asked.items() if k not in ("run.heal", "run.log", "run.processes")}
    given = changed(Input(), {k[5:]: v for k, v in asked.items() if k.startswith("data.")}, "data")
    if run.out:
        try_folder(Path(run.out))
    source = open_source(where, given.kind, given.label, given.group)
    log.say(f"found     {shown(source.describe())}")
    if asked.get("recipe") == AUTO:
        del asked["recipe"]
    name, here = spelled(str(asked["recipe"])) if "recipe" in asked else AUTO, title(where)
    asked |= {"recipe": name} if "recipe" in asked else {}
    folder = Path(run.out) if run.out else default_folder(here, name)
    dist.start(device_of(run))
    try:
        dist.divides(given.batch or dist.world())
        with ExitStack() as own:
            own.enter_context(together())
            own.enter_context(requeued(log, folder))
            if dist.rank() == 0:
                own.enter_context(held(folder, log))
            kept = dist.agree(begun(folder, here, asked) if dist.rank() == 0 else None)
            if kept:
                plan, run = Plan(**kept["plan"]), Run(**kept["plan"]["run"])
                if again_stops := dist.agree(hopeless(folder, care.heal)):
                    raise health.TrainingStopped(again_stops)
                method = method_of(folder, plan, log, trust=True)  # the words name it, too
                ended = (folder / "probe.json").exists()
                gone = missing(folder) if ended else []
                if ended and not gone and not kept.get("longer"):
                    return _already(folder, plan, source, log)
                if ended and dist.rank() == 0:
                    own.enter_context(held(folder, log, finished=True))
                if gone and not kept.get("longer"):
                    if not again(folder):
                        raise incomplete(folder, gone)
                    log.say(
                        f"finished  already, but without {', '.join(gone)}: its end is made anew from the last checkpoint"
                    )
                material = gather(where, source, reader_of(plan.tokenizer), Input(**plan.input), run, log)
                material = gone_on_with(folder, where, material, kept, log)
                watched(material, run.seed, log.say)
                if kept.get("longer") and dist.rank() == 0:
                    log.say(f"longer    {extend(folder, kept)}")
            else:
                method, found = (
                    find(default_recipe(source.kind, beside(source)) if name == AUTO else name),
                    source.describe(),
                )
                sort_words(asked, method)  # refuses what is misspelled before anything is read
                source, tokenizer, given, why = look(source, given, device_of(run), log.progress("measuring"))
                material = gather(where, source, tokenizer, given, run, log)
                watched(material, run.seed, log.say)

                def planned(method: Method, **more: str) -> Plan:
                    groups = sort_words({**asked, **more}, method)
                    whys = [*why, material.note]
                    made = choose(here, method, material.training, tokenizer, given, groups, run, whys)
                    return dataclasses.replace(made, found=found)

                settled: Plan | None = None
                if dist.rank() == 0:  # one rank times the steps, so that all take the same number
                    settled = planned(method)
                    if name == AUTO:
                        best = _best(method, settled, planned, asked, material, folder, run, log)
                        if best is None:
                            return Finished(folder, {}, "", Outcome(0, settled.steps))
                        method, settled = best
                    claimed(folder)
                    write_down(folder, where, material)
                    begin(folder, settled, method, asked, fingerprint(material))
                plan = dist.agree(settled)
                run = Run(**plan.run)
            return _go(plan, method, material, folder, run, care, log)
    finally:
        dist.stop()


def _best(
    method: Method,
    plan: Plan,
    planned: Callable[..., Plan],
    asked: Mapping[str, object],
    material: Material,
    folder: Path,
    run: Run,
    log: Log,
) -> tuple[Method, Plan] | None:
    """The default method, or the best of those that were begun, with its plan; None where someone asked to stop meanwhile."""
    reason = why_not(plan, material, sort_words(asked, method)[""])
    if not reason:
        others = candidates(material.everything.kind)[1:]
        rest = [(find(name), planned(find(name), recipe=name)) for name in others]
        usual = dataclasses.replace(plan, why=[line for line in plan.why if not line.startswith("recipe ")])
        some = entries([(method, usual), *rest], "steps" in asked)
        reason = "" if len(some) > 1 else "the time is too short for more than one"
    if reason:
        return method, dataclasses.replace(plan, why=[*plan.why, f"no other method is tried first: {reason}"])
    claimed(folder)
    best = bakeoff(some, material, folder, run, log)
    if best is None:
        log.say(f"stopped   while methods were tried in {folder}; the same command begins that anew")
        return None
    names = ", ".join(entry.plan.recipe for entry in some[1:])
    how = (
        f"none of {names} was ahead of it beyond chance"
        if best is some[0]
        else f"the best of {names} and ahead of the default, {some[0].plan.recipe}, beyond chance"
    )
    line = f"recipe {best.plan.recipe}: {how} after a tenth of the time (recipe=, see headstart recipes)"
    return best.method, dataclasses.replace(best.plan, why=[line, *best.plan.why])


def _go(plan: Plan, method: Method, material: Material, folder: Path, run: Run, care: Care, log: Log) -> Finished:
    """Train what was planned, and finish it unless it was interrupted."""
    first = dist.rank() == 0
    log.path, log.quiet = folder / "log.jsonl" if first else None, log.quiet or not first
    log.repair()
    for reason in plan.why:
        log.say(f"plan      {reason}")
    device = device_of(run)
    needs = (
        f"about {span(plan.seconds)} and {plan.memory / 2**30:.1f} GiB on {device} in {str(dtype_of(run, device))[6:]}"
    )
    log.say(
        f"plan      training takes {needs}, reading and scoring come on top; the run is kept in {shown(str(folder))}"
    )
    begun_elsewhere = first and promote(folder, plan.recipe, log)
    recipe = build(plan, method, material.training)
    dist.divides(recipe.data.batch)
    objective, pairs = recipe.objective.to(device), len(recipe.data.tokenizers) > 1
    set_dtype(objective, dtype_of(run, device))  # what is compared is computed alike
    results: Results = {}
    watch: Watch | None = None
    noted: list[health.Health] = []
    if first:
        watched(material, run.seed, log.say, listed=folder / "bad_files.jsonl")
        if pairs:
            whole = dataclasses.replace(recipe.data, source=material.everything)
            results = paired.baseline(objective, whole, material.held, folder, log)
            watch = paired.watcher(objective, whole, material.held, noted.append)
        else:
            results = baselines(recipe, material.probe, folder, log)
            watch = watcher(objective.encoder, recipe.data.only, material.training, material.probe, READ, noted.append)
        watch = looking(watch, Moved(objective), noted, log)
    meter = Meter(recipe.data.source, log)
    if watch is not None and begun_elsewhere:
        log.write("probe", step=0, **written(watch(0)))  # before it restores what it has learnt
    course = dist.agree(course_of(recipe, log.path))
    anew = partial(build, plan, method, material.training)

    def judged_after(step: int) -> str:
        return judge(folder, recipe, run.seed, course, noted, log, step, len(History.kept(folder).remedies))

    checkpoint.passed_over(folder / "checkpoints", log.say)
    keeper = Timekeeper(plan, log)
    try:
        with told(care.sinks, folder, log) if first else nullcontext():
            with meter.running(), fitting(run, log, exact=not plan.budget):
                timed = None if watch is None else meter.aside(watch)
                one = roomy(keeper.train, anew)
                outcome = mended(recipe, anew, run, care.heal, folder, log, timed, course, one)
            plan, recipe = keeper.plan, dataclasses.replace(recipe, steps=outcome.total)
            took, waited = round(outcome.seconds, 3), round(meter.waited, 3)
            log.write("took", step=outcome.step, seconds=took, waited=waited)
    except health.TrainingStopped:
        if first and noted:
            log.say(f"health    {judged_after(max([*course.losses, *course.skipped], default=-1) + 1)}")
        raise
    if not first:
        return Finished(folder, results, "", outcome)
    if watch is not None and not noted:
        watch(outcome.step)
    verdict = judged_after(outcome.step)
    if outcome.interrupted:
        log.say(
            f"stopped   at step {outcome.step:,} of {outcome.total:,}, and saved; the same command goes on from here"
        )
    elif pairs:
        judged = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, source=material.everything))
        paired.finish(plan, judged, material, folder, results, verdict, log)
    else:
        finish(plan, recipe, material, folder, results, verdict, log)
    return Finished(folder, results, verdict, outcome)


def _already(folder: Path, plan: Plan, source: Source, log: Log) -> Finished:
    """The run is finished: say what it was."""
    kept, results = record(folder / "probe.json"), kept_results(folder / "probe.json")
    log.say(f"finished  already; delete {folder} to begin anew, or give another run its own folder with run.out=\n")
    if results:
        log.say(
            "\n".join(lines(results)) + f"\n\nworth     {kept.get('worth', '')}\n          {kept.get('judged', '')}\n"
        )
    parts = list(plan.tokenizer.get("parts", ()))
    log.say(paired.snippet(folder, parts) if parts else snippet(folder, plan.where))
    if not parts and (words := by_masks(folder, plan, source)):
        log.say(words)
    verdict = record(folder / "health.json", "verdict")["verdict"]
    return Finished(folder, results, verdict, Outcome(plan.steps, plan.steps))
