"""`headstart pretrain`: from a path of unlabelled data to an encoder, with the numbers that say whether it was worth it."""

import dataclasses
import inspect
import json
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__, checkpoint, dist, health
from ..data.prepare import Prepared
from ..data.sets import names as set_names
from ..data.source import DataError, Source, Subset, open_source
from ..encoded import Pretrained, load
from ..log import Log, span
from ..plan import Plan, build, choose, default_folder, find, read_in, shape_input, sort_words
from ..probes.protocol import VERSION
from ..probes.score import Labelled, choose_read, labelled, score_encoder, score_raw, watcher
from ..recipe import Input, Recipe, Run
from ..report import write_report
from ..train import EXACT, Outcome, device_of, train
from ..words import WordError, changed, parse

HELD = 0.1  # share of labelled samples kept out of training to judge it by, at most HELD_MOST
HELD_MOST = 10_000
SNIPPET = """import headstart as hs
encoder = hs.load({folder!r})
z = encoder.embed({where!r})  # numpy, [samples, {width}]"""


@dataclass
class Finished:
    """What `pretrain` returns. table: scores by row (raw input, random encoder, pre-trained), empty without labels."""

    folder: Path
    table: dict[str, dict[str, float]]
    verdict: str
    outcome: Outcome

    def load(self) -> Pretrained:
        return load(self.folder)


@dataclass
class Material:
    """What there is to learn from and to be judged by."""

    everything: Prepared
    training: Source
    probe: Labelled | None
    said: list[str]


def pretrain(where: Any, *words: str, log: Log | None = None, **named: Any) -> Finished:
    """Pre-train an encoder on `where`: a folder of files, an array file, a numpy array, or the name of a set.

    words: "name=value", as on the command line; or the same as keywords: `pretrain("photos/", recipe="gmml", ratio=0.6,
    run={"minutes": 4})`. The same call goes on where an interrupted one stopped. Raises DataError or WordError for
    mistakes, TrainingStopped when training cannot go on.
    """
    log = log or Log()
    asked = parse(words, named)
    run = changed(Run(), {k[4:]: v for k, v in asked.items() if k.startswith("run.")}, "run")
    dist.start(device_of(run))
    title = where if isinstance(where, str) else str(where) if isinstance(where, Path) else "array"
    source = open_source(where)
    log.say(f"found     {source.describe()}")
    recipe_name = str(asked.get("recipe") or _default_recipe(source))
    groups = sort_words(asked, find(recipe_name))
    folder = Path(run.out) if run.out else default_folder(title, recipe_name)
    begun = _begun(folder, title, asked)
    given = Input(**begun.input) if begun else changed(Input(), groups["data"], "data")
    if begun is None:
        given, why = shape_input(source, given, device_of(run))
    else:
        why, run = begun.why, dataclasses.replace(Run(**begun.run), out=str(folder), device=run.device)
    material = gather(where, source, given, run, log)
    if begun and (folder / "probe.json").exists() and (folder / "encoder.json").exists():
        return _already(folder, title, begun, log)
    if begun is None:
        groups["bare"].setdefault("recipe", recipe_name)
        if "recipe" not in asked:
            groups["bare"].pop("recipe")
        plan = choose(title, material.training, given, groups, run, source.describe(), why + material.said)
        if dist.rank() == 0:
            _begin(folder, plan, asked)
    else:
        plan = begun
    return _run(plan, material, folder, run, log)


def _default_recipe(source: Source) -> str:
    from ..plan import DEFAULT

    return DEFAULT[source.kind]


def gather(where: Any, source: Source, given: Input, run: Run, log: Log) -> Material:
    """Read the samples, and set aside what they will be judged by."""
    began = time.monotonic()

    def progress(done: int, total: int) -> None:
        left = (time.monotonic() - began) / max(1, done) * (total - done)
        log.live(f"reading {done:,}/{total:,}  {span(left)} left")

    everything = read_in(source, given, progress=progress)
    if everything.bad:
        log.say(
            f"skipped   {len(everything.bad):,} that cannot be read, listed in bad_files.jsonl; the first: {everything.bad[0]}"
        )
    every = np.arange(len(everything))
    base = where.partition(":")[0] if isinstance(where, str) else ""
    if base in set_names() and not Path(str(where)).exists():
        splits = _splits(base, given, everything)
        if splits is not None:
            bank, query = splits
            probe = labelled(bank, query, np.arange(len(bank)), np.arange(len(query)), run.seed)
            return Material(
                everything, everything, probe, [f"judged on the set's own test split, {len(query):,} samples"]
            )
    if everything.labels is None:
        return Material(
            everything,
            everything,
            None,
            ["no labels were found, so there is no probe: folder names or a labels file would do"],
        )
    known = np.flatnonzero(everything.labels >= 0)
    share = HELD if given.held is None else given.held
    count = min(HELD_MOST, round(share * len(known)))
    held = np.sort(np.random.default_rng(run.seed).permutation(known)[:count])
    rest = np.setdiff1d(every, held)
    probe = labelled(everything, everything, np.intersect1d(known, rest), held, run.seed)
    if probe is None:
        return Material(everything, everything, None, ["too few labels per class to probe with, so all samples train"])
    said = f"labels ({len(everything.classes)} classes) are used for probing only; {count:,} samples are held out of training for it (data.held)"
    return Material(everything, Subset(everything, rest), probe, [said])


def _splits(base: str, given: Input, everything: Prepared) -> tuple[Source, Source] | None:
    channels = len(everything[0]) if everything.kind == "image" else None
    try:
        query = read_in(open_source(f"{base}:test"), given, channels)
    except DataError:
        return None
    try:
        bank: Source = read_in(open_source(f"{base}:train"), given, channels)
    except DataError:
        bank = everything
    return bank, query


def _begun(folder: Path, where: str, asked: Mapping[str, Any]) -> Plan | None:
    """The plan of a run that this command goes on with; an error if the folder holds another run."""
    path = folder / "run.json"
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    plain = json.loads(json.dumps(dict(asked), default=str))
    if kept["plan"]["where"] != where or kept["words"] != plain:
        before = " ".join([kept["plan"]["where"], *(f"{k}={v}" for k, v in kept["words"].items())])
        raise WordError(
            f"{folder} holds another run (headstart pretrain {before}): give this one its own folder with run.out=, or delete that one"
        )
    return Plan(**kept["plan"])


def _begin(folder: Path, plan: Plan, asked: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "torch": torch.__version__, "headstart": __version__,
               "device": plan.run["device"], "threads": torch.get_num_threads(), "machine": platform.processor() or platform.machine()}  # fmt: skip
    checkpoint.write_json(
        folder / "run.json",
        {"plan": asdict(plan), "words": json.loads(json.dumps(dict(asked), default=str)), "machine": machine},
    )
    file = inspect.getsourcefile(find(plan.recipe))
    if file:
        shutil.copyfile(file, folder / "recipe.py")


def _run(plan: Plan, material: Material, folder: Path, run: Run, log: Log) -> Finished:
    log.path = folder / "log.jsonl" if dist.rank() == 0 else None
    log.quiet = log.quiet or dist.rank() != 0
    log.repair()
    material.everything.write_bad(folder / "bad_files.jsonl")
    for reason in plan.why:
        log.say(f"plan      {reason}")
    log.say(
        f"plan      training takes about {span(plan.seconds)} and {plan.memory / 2**30:.1f} GiB on {device_of(run)}; the run is kept in {folder}"
    )
    recipe = build(plan, material.training)
    objective = recipe.objective.to(device_of(run))
    encoder, tokenizer = objective.encoder, recipe.data.only
    watch = None
    bars = _baselines(encoder, tokenizer, material.probe, folder, log)
    noted: list[health.Health] = []
    if dist.rank() == 0:
        watch = watcher(encoder, tokenizer, material.training, material.probe, "mean_std", noted.append)
    outcome = train(recipe, run, folder, log, watch)
    scores = [row["knn"] for row in log.rows("probe") if "knn" in row]
    if not noted and watch is not None:
        watch(outcome.step)
    verdict = health.verdict(noted[-1], outcome.losses, scores) if noted else ""
    if dist.rank() == 0 and noted:
        checkpoint.write_json(folder / "health.json", {"step": outcome.step, "verdict": verdict, **noted[-1].to_json()})
    if outcome.interrupted:
        log.say(f"stopped at step {outcome.step:,} of {outcome.total:,} and saved; the same command goes on from here")
        return Finished(folder, bars, verdict, outcome)
    if dist.rank() == 0:
        finish(plan, recipe, material, folder, bars, verdict, log)
    return Finished(folder, bars, verdict, outcome)


def _baselines(
    encoder: Any, tokenizer: Any, probe: Labelled | None, folder: Path, log: Log
) -> dict[str, dict[str, float]]:
    """What pre-training must beat, scored before it begins (and kept, since the untrained encoder is soon gone)."""
    path = folder / "baselines.json"
    if probe is None or dist.rank() != 0:
        return {}
    if not path.exists():
        log.say("probe     scoring the raw input and the untrained encoder first: the bar to beat")
        read, _ = choose_read(encoder, tokenizer, probe)
        bars = {"raw input": score_raw(probe), "random encoder": score_encoder(encoder, tokenizer, probe, read)}
        checkpoint.write_json(path, bars)
    bars = json.loads(path.read_text())
    for row, marks in bars.items():
        log.say(f"probe     {row:15s} " + _marks(marks))
    return bars


def _marks(marks: Mapping[str, float]) -> str:
    return "  ".join(
        f"{k} {v:.3f}" + (f" ± {marks[k + '-std']:.3f}" if k + "-std" in marks else "")
        for k, v in marks.items()
        if not k.endswith("-std")
    )


def finish(
    plan: Plan,
    recipe: Recipe,
    material: Material,
    folder: Path,
    table: dict[str, dict[str, float]],
    verdict: str,
    log: Log,
) -> None:
    """Choose the readout, write the encoder, score it, say it."""
    encoder, tokenizer = recipe.objective.encoder, recipe.data.only
    read, marks = ("mean_std", {}) if material.probe is None else choose_read(encoder, tokenizer, material.probe)
    facts = {"read": read, "read_marks": marks, "input": plan.input, "recipe": plan.recipe, "steps": plan.steps, "data": plan.found,
             "headstart": __version__}  # fmt: skip
    checkpoint.save_encoder(folder, encoder, facts)
    if material.probe is not None:
        table["pre-trained"] = score_encoder(encoder, tokenizer, material.probe, read)
        beaten = {k: v for k, v in table["pre-trained"].items() if not k.endswith("-std")}
        lost = [k for k, v in beaten.items() if v <= max(table["raw input"][k], table["random encoder"][k])]
        facts_out = {"protocol": VERSION, "read": read, "chance": material.probe.chance, "labels": list(material.probe.counts),
                     "bank": len(material.probe.bank_at), "query": len(material.probe.query_at), "table": table}  # fmt: skip
        checkpoint.write_json(folder / "probe.json", facts_out)
        say_table(table, material.probe.chance, log)
        if lost:
            log.say(
                f"          pre-training does not beat the better of raw input and random encoder in {', '.join(lost)}"
            )
    else:
        checkpoint.write_json(folder / "probe.json", {"protocol": VERSION, "read": read, "table": {}})
    log.say(f"health    {verdict}")
    write_report(folder, recipe, material.training, log)
    log.say(f"\ndone      the encoder is {folder}/encoder.safetensors, the report {folder}/report.html. To use it:\n")
    log.say(snippet(folder, plan))


def say_table(table: Mapping[str, Mapping[str, float]], chance: float, log: Log) -> None:
    columns = [k for k in next(iter(table.values())) if not k.endswith("-std")]
    log.say("\n          " + " " * 16 + "".join(f"{c:>18s}" for c in columns))
    for row, marks in table.items():
        cells = (f"{marks[c]:.3f}" + (f" ± {marks[c + '-std']:.3f}" if c + "-std" in marks else "") for c in columns)
        log.say(f"          {row:16s}" + "".join(f"{c:>18s}" for c in cells))
    log.say(f"          {'chance':16s}" + "".join(f"{chance:>18.3f}" for _ in columns) + "\n")


def snippet(folder: Path, plan: Plan) -> str:
    """Python that loads and uses what a run left behind."""
    return SNIPPET.format(folder=str(folder), where=plan.where, width=load(folder).width)


def _already(folder: Path, where: str, plan: Plan, log: Log) -> Finished:
    kept = json.loads((folder / "probe.json").read_text())
    log.say(f"this run is finished; delete {folder} to begin anew, or raise steps= in another run.out=\n")
    if kept["table"]:
        say_table(kept["table"], kept["chance"], log)
    log.say(snippet(folder, plan))
    verdict = json.loads((folder / "health.json").read_text())["verdict"]
    return Finished(folder, kept["table"], verdict, Outcome(plan.steps, plan.steps))


def again(folder: str | Path, log: Log | None = None) -> list[tuple[float, float]]:
    """Take the first ten steps of a run again. Returns (loss then, loss now) per step; raises if any bit differs."""
    folder, log = Path(folder), log or Log()
    if not (folder / "run.json").exists():
        raise DataError(f"{folder} is not the folder of a run: there is no run.json")
    plan = Plan(**json.loads((folder / "run.json").read_text())["plan"])
    run = Run(**plan.run)
    then = [row["loss"] for row in Log(folder / "log.jsonl", quiet=True).rows("step")][:EXACT]
    material = gather(plan.where, open_source(plan.where), Input(**plan.input), run, Log(quiet=True))
    outcome = train(build(plan, material.training), run, until=min(EXACT, len(then)))
    pairs = list(zip(then, outcome.losses, strict=True))
    for i, (old, new) in enumerate(pairs):
        log.say(f"step {i}  then {old!r}  now {new!r}  {'equal' if old == new else 'DIFFERENT'}")
    if any(old != new for old, new in pairs):
        raise RuntimeError(
            "the run is not reproduced: data, versions, thread count or machine differ from those in run.json"
        )
    return pairs
