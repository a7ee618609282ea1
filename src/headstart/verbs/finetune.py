"""`headstart finetune`: from a pre-trained encoder and labelled data to one that says the labels of new data."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..data.feeding.prepare import Prepared
from ..data.sources.table import TableSource, TablesSource
from ..encoded import Pretrained, load
from ..forms import Json
from ..leftover import incomplete, missing
from ..log import Log, span
from ..nn.encoder import set_dtype
from ..probes import Figure
from ..recipe import Run
from ..running.folder import title
from ..running.hold import held
from ..running.tuned import FIGURES, Settled, begin, begun, fingerprint, folder_of, scratch, settle
from ..running.tuned_end import already, finish
from ..tasks import fitting
from ..tasks.asked import words_of
from ..tasks.dividing import Material
from ..tasks.foreseen import foreseen
from ..tasks.material import gathered
from ..tasks.searching import Judges, Trial, place, trial
from ..training import device_of, dtype_of
from ..writing import try_folder

SNIPPET = """
import headstart as hs
found = hs.load({folder!r}).predict(new_data)  # found.best, found.said, found.names
# or: headstart predict {quoted} new/ out=new.csv"""
MAPS = """
import headstart as hs
found = hs.load({folder!r}).predict(new_data)  # found.maps, found.classes, found.names
# or: headstart predict {quoted} new/ out=masks/"""
AHEAD = SNIPPET.replace("found.best, found.said", "found.said [n, horizon, channels], found.channels")


@dataclass
class Finetuned:
    """What `finetune` returns. figures: by name, on the samples that were held back; none where it was interrupted."""

    folder: Path
    figures: dict[str, Figure] = field(default_factory=dict)
    lr: float = 0.0
    interrupted: bool = False

    def load(self) -> Pretrained:
        return load(self.folder)


def finetune(run: str | Path, where: object, /, *words: str, log: Log | None = None, **named: object) -> Finetuned:
    """Tune the encoder of a run's folder to the labels of `where`, and leave a folder that `load` and `predict` take.

    task=forecasting horizon=24: of series, to their next values; their own futures are the labels.
    words: "name=value", or keywords: `finetune("runs/a", "labelled/", tune="lora:8", run={"out": "runs/b"})`. The same call goes
    on where an interrupted one stopped. Raises DataError or WordError for a user's mistake.
    """
    log, base = log or Log(), Path(run)
    said = words_of(words, named)
    if said.run.out:
        try_folder(Path(said.run.out))
    device = device_of(said.run)
    pretrained = load(base, device, trust=said.asked.trust)
    set_dtype(pretrained.module, dtype_of(said.run, device))
    if said.asked.foretells:
        source, remarks = pretrained.recordings(where, log.progress("reading"), said.kind, said.group)
    else:
        source, remarks = pretrained.prepare(where, log.progress("reading"), said.label, said.kind, group=said.group)
        log.say(f"found     {source.describe()}")
    for remark in remarks:
        log.say(f"note      {remark}")
    if said.asked.foretells:
        material = foreseen(source, where, said.asked, pretrained.tokenizer, said.run.seed)
        log.say(f"found     {material.source.describe()}")
    else:
        material = gathered(source, where, said.asked, said.run.seed)
    source = material.source
    here = title(where)
    folder = folder_of(base, here, said.run.out)
    with held(folder, log):
        proof = fingerprint(source, material.labels, pretrained.module)
        settled = begun(folder, base, here, said.given, proof)
        if settled is not None and (folder / FIGURES).exists():
            if gone := missing(folder):
                raise incomplete(folder, gone)
            return Finetuned(folder, *already(folder, log))
        for note in material.notes:
            log.say(f"{'futures' if said.asked.foretells else 'labels':<10}{note}")
        random = said.asked.init == "scratch"
        encoder = scratch(pretrained.module, said.run.seed) if random else pretrained.module

        def start() -> fitting.Tuned:
            return fitting.begin(encoder, pretrained.tokenizer, source, material.task, said.setting(1, pretrained.read))

        if settled is None:
            settled = settle(start(), material, said)
            begin(folder, base, here, said.given, proof, settled)
        plan = _plan(settled, material, random, folder)
        log.say(f"plan      {plan}")
        trials = _trials(folder, start, material, settled, log)
        if trials[-1].interrupted:
            log.say(
                f"stopped   at step {trials[-1].taken:,} of {settled.setting.steps:,} of rate {trials[-1].lr:g}, and saved; the "
                "same command goes on from here"
            )
            return Finetuned(folder, interrupted=True)
        log.path = folder / "log.jsonl"
        figures = finish(
            folder,
            base,
            _labelled(pretrained.card, source, said.label, material.task.rows),
            material,
            trials,
            [*material.notes, plan],
            log,
        )
    snippet = MAPS if material.task.rows else AHEAD if said.asked.foretells else SNIPPET
    log.say(snippet.format(folder=str(folder), quoted=shlex.quote(str(folder))))
    return Finetuned(folder, figures, max(trials, key=lambda done: done.score).lr)


def _trials(
    folder: Path, start: Callable[[], fitting.Tuned], material: Material, settled: Settled, log: Log
) -> list[Trial]:
    """One for each rate, the last of them interrupted if any was."""
    source, setting, run = material.source, settled.setting, Run(**settled.run)
    at, labels = material.at[material.rest], material.labels[material.rest]
    judges = Judges(source, material.at[material.held], material.labels[material.held])
    trials: list[Trial] = []
    for lr in settled.lrs:
        trials.append(trial(start(), source, at, labels, judges, setting, lr, run, place(folder, lr), log))
        done = trials[-1]
        if done.interrupted:
            break
        early = ", as nothing better came for long" if done.taken < setting.steps else ""
        log.say(f"rate      {lr:g}: best after step {done.step:,} of {done.taken:,}{early}; score {done.score:.4f}")
    return trials


def _plan(settled: Settled, material: Material, random: bool, folder: Path) -> str:
    setting, count = settled.setting, len(material.rest)
    takes = f", about {span(settled.seconds)} (run.minutes=)" if settled.seconds else ""
    begins = "a random encoder" if random else "the pre-trained encoder"
    return (
        f"tune={setting.tune} from {begins}, {setting.steps:,} steps of {fitting.batch_of(setting, count)} samples at each of "
        f"the rates {', '.join(f'{lr:g}' for lr in settled.lrs)} (lr=){takes}; kept in {folder}"
    )


def _labelled(card: Json, source: Prepared, said: str | None, rows: bool) -> Json:
    """The card of an encoder with the column that held the labels, `label`, and all that ever did, `labels`: where they are among
    new data, they are hidden from it. said: the word data.label."""
    inner = source.source
    column = inner.label if isinstance(inner, TableSource | TablesSource) else said
    if column is None or rows or column == "folders" or ":" in column or Path(column).exists():
        return card
    before = {*card.get("labels", ()), *([card["label"]] if "label" in card else [])}
    return card | {"label": column, "labels": sorted({*before, column})}
