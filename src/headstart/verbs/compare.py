"""`headstart compare`: what pre-training is worth, by number of labels, against all that a user could do without it."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..comparing.chart import page
from ..comparing.clock import Clock
from ..comparing.comparing import compared, counted, together
from ..comparing.told import Cell, Compared
from ..comparing.unfinished import UNFINISHED, Unfinished, content
from ..comparing.ways import RANDOM, SCRATCH, TUNED, Start, Way, frozen, tuned, tuning_seconds
from ..data.groups import AUTO, judgeable
from ..data.masks import beside
from ..data.open import open_source
from ..data.source import DataError
from ..encoded import Pretrained, load
from ..forms import Json
from ..log import Log
from ..nn.encoder import set_dtype
from ..planning.plan import default_folder
from ..recipe import Run
from ..running.folder import facts, title
from ..running.material import probing
from ..scoring.labelled import Labelled
from ..scoring.masked import masked
from ..scoring.score import choose_read
from ..shelf.find import find, spelled
from ..training import device_of, dtype_of
from ..words import WordError, fit, parse, unknown
from ..writing import try_place, write_json, write_text
from .pretrain import pretrain
from .probe import refuse_learnt, untrained

LABELS = (100, 600)
JUDGES = 2_000  # at most: more cost time and tell little
HINTS: dict[str, object] = {
    "labels": int | float | tuple, "seeds": int, "steps": int, "tune": str, "recipe": str | None, "out": str | None,
    "data.label": str | None, "data.kind": str | None, "data.group": str, "run.device": str, "run.minutes": float | None,
    "size": str | None, "data.batch": int | None, "trust": bool,
}  # fmt: skip
TRAINED = (
    "run.minutes",
    "run.device",
    "size",
    "data.batch",
    "data.kind",
    "data.label",
    "data.group",
)  # words that training takes, too


@dataclass(frozen=True)
class _Asked:
    labels: tuple[float, ...] = LABELS  # below 1: shares
    seeds: int = 3  # draws of labels; of recipes, runs as well
    steps: int = 200  # of each fine-tuning
    tune: str = "full"  # or none: frozen ways alone
    recipe: str | None = None
    out: str | None = None
    trust: bool = False  # code from outside headstart that a run names may be run; with recipe= the words name it


def compare(*args: object, log: Log | None = None, **named: object) -> Compared:
    """Compare encoders with all that could be done without them: `compare("runs/a", "labelled/", "labels=100,600")`.

    args: folders of runs (or of any encoder that `load` takes) and last the labelled data; `recipe=mae,gmml` instead of runs
    trains each of these on the data first, with `seeds` seeds. Words: labels= (numbers of labels, 100,600, or
    shares of those that can be learnt from, 0.01,0.1), seeds= (draws of
    labels, 3), steps= (of each fine-tuning, 200), tune=none (frozen ways alone), out= (the page, .html; figures lie beside it as
    .json), trust= (as for `probe`),
    data.label=, data.group=, data.kind=, run.device=, and with recipe= run.minutes=, size=, data.batch=. Raises DataError
    or WordError for a user's mistake.
    """
    log = log or Log()
    places, words = _divided(args)
    given = parse(words, named, HINTS)
    for name in given:
        if name not in HINTS:
            raise unknown(name, HINTS)
    asked = _asked(given)
    given["trust"] = asked.trust
    if not places:
        raise WordError("say what to compare: headstart compare runs/a labelled/, or compare labelled/ recipe=mae,gmml")
    where, runs = places[-1], [Path(str(run)) for run in places[:-1]]
    names = {str(run): run for run in runs}
    out = Path(asked.out) if asked.out else _place(runs, where)
    if out.suffix != ".html":
        raise WordError(f"out={out}: write out={out.with_suffix('.html')}; the figures are written beside it as .json")
    try_place(out)
    try_place(out.with_suffix(".json"))
    if asked.recipe is not None:
        if runs:
            raise WordError("recipe= trains anew: give runs to compare, or recipe=, not both")
        names = _trained(where, asked, given, log)
    elif not runs:
        raise WordError(
            f"give the runs to compare before the data, or train some: headstart compare {where} recipe=mae,gmml"
        )
    device = device_of(Run(device=str(given.get("run.device", Run().device))))
    first, *others = [_opened(name, run, where, given, device, log) for name, run in names.items()]
    for other in others:
        _same(first, other)
    log.say(f"judges    {_sides(first.data)}; pre-training may have seen any of these, without their labels")
    same = {
        "asked": [asked.seeds, asked.steps], "data": [len(first.data.bank_at), len(first.data.query_at)],
        "labels": _labels_of(first.data),
        "runs": {one.name: content(one.folder / "encoder.safetensors") for one in (first, *others)},
    }  # fmt: skip
    cut = counted(first.data, asked.labels)[1]
    for note in cut:
        log.say(f"note      {note}")
    before = Unfinished(out.with_suffix(UNFINISHED), same)
    found = _compared(first, others, asked, before, log)
    for note in (n for n in found.notes if n not in cut):
        log.say(f"note      {note}")
    log.say("\n" + "\n".join(found.lines()) + f"\n\nworth     {found.verdict}.\n          {found.judged}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, page(f"What pre-training is worth on {title(where)}", found))
    write_json(out.with_suffix(".json"), found.kept())
    before.done()
    log.say(f"wrote     {out} and {out.with_suffix('.json')}")
    return found


@dataclass(frozen=True)
class _Opened:
    """A run with the labelled data as it reads them."""

    name: str
    folder: Path
    encoder: Pretrained
    data: Labelled

    @property
    def start(self) -> Start:
        return Start(self.encoder.module, self.encoder.tokenizer, self.encoder.read)


def _compared(first: _Opened, others: Sequence[_Opened], asked: _Asked, before: Unfinished, log: Log) -> Compared:
    """The ways that know no run are those of the first; runs of one recipe become one way."""
    plain = untrained(first.folder, first.encoder.module, log, asked.trust)
    random = Start(plain, first.encoder.tokenizer, choose_read(plain, first.encoder.tokenizer, first.data)[0])
    cells: list[Cell] = []
    found: Compared | None = None
    each: list[list[Way]] = []
    for number, one in enumerate([first, *others]):
        ways = [*frozen(one.data, {one.name: one.start}, random)]
        if asked.tune != "none":
            ways += tuned(one.data, {one.name: one.start}, random, asked.steps)
        each.append([way for way in ways if way.mine or not number])
    foretold = {} if asked.tune == "none" else {TUNED: tuning_seconds(first.data, random, asked.steps, asked.seeds)}
    clock = Clock(foretold)
    for one in (first, *others):
        ways = each.pop(0)  # with the vectors that they keep
        found = compared(one.data, ways, asked.labels, asked.seeds, log, before, clock, [w for ws in each for w in ws])
        cells += found.cells
    assert found is not None
    notes = list(found.notes)
    if any(one.encoder.module.shape != first.encoder.module.shape for one in others):
        notes.append(f"{RANDOM} and {SCRATCH} have the shape of {first.name}; other runs have others")
    if asked.recipe is not None:
        by: dict[str, list[Cell]] = {}
        for cell in cells:
            by.setdefault(cell.mine.partition(" ")[0], []).append(cell)
        cells = [*by.pop("", []), *(cell for name, each in by.items() for cell in together(each, name))]
    return dataclasses.replace(found, cells=tuple(cells), notes=tuple(notes))


def _opened(name: str, run: Path, where: object, given: Json, device: torch.device, log: Log) -> _Opened:
    encoder = load(run, device, trust=bool(given["trust"]))
    set_dtype(encoder.module, dtype_of(Run(), device))
    refuse_learnt(run, where)
    label, kind, group = given.get("data.label"), given.get("data.kind"), str(given.get("data.group", AUTO))
    source, remarks = encoder.prepare(where, log.progress("reading"), label, kind, group=group)
    log.say(f"found     {source.describe()}, as {name} reads it")
    for remark in remarks:
        log.say(f"note      {remark}")
    if source.labels is None:
        raise _unlabelled(where, source.kind != "pair" and masked(source).masks is not None)
    data = probing(where, source, encoder.tokenizer)
    if data is None:
        raise DataError(f"{where} has too few labels to compare by: at least two classes, and 20 labelled samples")
    if not data.crossed and len(data.query_at) > JUDGES:
        judges = np.sort(np.random.default_rng(0).permutation(data.query_at)[:JUDGES])
        data = dataclasses.replace(data, query_at=judges)
    return _Opened(name, run, encoder, data)


def _unlabelled(where: object, masks: bool) -> DataError:
    if masks:
        return DataError(
            f"{where} has masks, and compare judges by a label for each sample: headstart probe RUN {where} probes=segment "
            f"judges by masks, beside the raw input, and headstart finetune RUN {where} (again with init=scratch) tunes to them"
        )
    return DataError(
        f"{where} has no labels to compare by: put the files of each class in a folder of its name, or say where they are: "
        "data.label=labels.csv:species"
    )


def _same(one: _Opened, other: _Opened) -> None:
    alike = all(
        len(a) == len(b) and (a == b).all()
        for a, b in ((one.data.bank_at, other.data.bank_at), (one.data.labels("query"), other.data.labels("query")))
    )
    if not alike:
        raise DataError(
            f"{one.name} and {other.name} do not read the same samples of this data (windows of another length, or files "
            "that one of them cannot read): compare them one by one"
        )


def _trained(where: object, asked: _Asked, given: Json, log: Log) -> dict[str, Path]:
    """A run for each recipe and seed, in as many steps for all seeds of a recipe; those that are there go on or are taken."""
    told = {name: given[name] for name in TRAINED if given.get(name) is not None}
    recipes = [spelled(r.strip()) for r in str(asked.recipe).split(",") if r.strip()]
    for recipe in recipes:
        find(recipe)  # a name that is none is told before anything is trained
    group = str(told.get("data.group", AUTO))
    source = open_source(where, told.get("data.kind"), told.get("data.label"), group)
    if source.labels is None:
        raise _unlabelled(where, beside(source))
    judgeable(source.labels, source.groups, source.classes, where)
    mark = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:4]  # other words are other runs
    found: dict[str, Path] = {}
    for recipe in recipes:
        steps: int | None = None
        for seed in range(asked.seeds):
            usual = default_folder(title(where), recipe)
            out = usual.with_name(f"compare-{usual.name}-{mark}-{seed}")
            words = {**told, "recipe": recipe, "run.seed": seed, "run.out": str(out)}
            if steps is not None:
                words = {name: value for name, value in words.items() if name != "run.minutes"} | {"steps": steps}
            log.say(f"train     {recipe}, seed {seed}: {out}")
            done = pretrain(where, log=Log(quiet=log.quiet), **words)
            if done.outcome.interrupted:
                raise KeyboardInterrupt
            steps = steps or int(facts(out)["plan"]["steps"])
            found[f"{recipe} {seed}"] = out
    return found


def _divided(args: Sequence[object]) -> tuple[list[object], list[str]]:
    """(places, words) in any order: a word is name=value, unless there is a file of that name."""
    words = [
        a for a in args if isinstance(a, str) and "=" in a and not Path(a).exists() and "/" not in a.partition("=")[0]
    ]
    return [a for a in args if not any(a is word for word in words)], words


def _asked(given: Json) -> _Asked:
    seeds, steps = fit("seeds", given.get("seeds", 3), int), fit("steps", given.get("steps", 200), int)
    for name, value in (("seeds", seeds), ("steps", steps)):
        if value < 1:
            raise WordError(f"{name}={value}: it is at least 1")
    tune = str(given.get("tune", "full")).lower()
    if tune not in ("full", "none"):
        raise WordError(f"tune={tune}: choose full or none")
    recipe = given.get("recipe")
    trust = fit("trust", given.get("trust", False), bool) or recipe is not None
    recipe = ",".join(map(str, recipe)) if isinstance(recipe, list | tuple) else recipe
    return _Asked(_labels(given.get("labels", LABELS)), seeds, steps, tune, recipe, given.get("out"), trust)


def _labels(said: object) -> tuple[float, ...]:
    """Numbers of labels, and shares of them."""
    each: list[float] = []
    for n in list(said) if isinstance(said, list | tuple) and said else [said]:
        if not isinstance(n, int | float) or n is True or not (0 < n < 1 or (n >= 1 and float(n).is_integer())):
            raise WordError(
                f"labels={n}: numbers of labels, such as labels=100,600, or shares of them, labels=0.01,0.1"
            )
        each.append(n if n < 1 else int(n))
    return tuple(each)


def _labels_of(data: Labelled) -> str:
    """Short proof that the labels are the same: another column of the same table is another comparison."""
    return hashlib.sha256(data.labels("bank").tobytes() + data.labels("query").tobytes()).hexdigest()[:16]


def _sides(data: Labelled) -> str:
    if data.crossed:
        return f"{len(data.query_at):,} labelled samples, in turns (cross-validation)"
    return f"{len(data.query_at):,} labelled samples; {len(data.bank_at):,} others to draw labels from"


def _place(runs: Sequence[Path], where: object) -> Path:
    stem = Path(title(where)).name.partition(".")[0].replace(":", "-") or "data"
    return (runs[0] if len(runs) == 1 else Path("runs")) / f"compare-{stem}.html"
