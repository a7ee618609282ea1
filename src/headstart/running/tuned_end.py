"""The end of a fine-tuning: calibrate and judge what was best, write it down, say so."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..checkpoint import write_json, write_text
from ..damage import reading, record
from ..forms import Json
from ..log import Log, rows
from ..probes import Figure
from ..tasks.calibrating import EQUALLY, at_bound
from ..tasks.card import readme
from ..tasks.dividing import Material
from ..tasks.judging import said_of, verdict
from ..tasks.predicting import mean_by, wholes
from ..tasks.saved import save
from ..tasks.searching import Judges, Trial, cleared, place
from ..tasks.segmenting import judged_maps
from .tuned import FIGURES

OWN = (
    "format",
    "model",
    "causal",
    "parts",
    "tied",
    "tokenizers",
    "head",
)  # of a card, which `save_encoder` writes anew


def finish(
    folder: Path, base: Path, card: Json, material: Material, trials: Sequence[Trial], notes: list[str], log: Log
) -> dict[str, Figure]:
    """Everything that a fine-tuned encoder leaves behind, `figures.json` last. card: of the encoder that it comes from."""
    best = max(trials, key=lambda done: done.score)
    tuned, task, source = best.tuned, material.task, material.source
    at, labels = material.at[material.held], material.labels[material.held]
    if task.rows:
        some = Judges(source, at, labels).some()
        at, labels = some.at, some.labels
    out = tuned.outputs(source, at)
    tuned.temperature = task.temperature(out, labels)
    # windows of one recording are one sample that judges
    every = wholes(source)
    _, first, whole = np.unique(every.at[at], return_index=True, return_inverse=True)
    groups = None if every.groups is None else every.groups[every.at[at][first]]
    true, n = (labels, len(at)) if task.rows else (labels[first], len(first))
    before, after = (task.said(out, t) for t in (1.0, tuned.temperature))
    if not task.rows:
        before, after = mean_by(before, whole), mean_by(after, whole)
    unsure = [task.unsure(said, true) for said in (before, after)]
    said = [f"best      rate {best.lr:g} after step {best.step:,}: these weights are kept"]
    if unsure[0] is not None and unsure[1] is not None:
        if unsure[1] > unsure[0]:  # of few samples: likelier is not surer
            tuned.temperature, after, unsure = 1.0, before, unsure[:1] * 2
        said.append(
            f"sure      expected calibration error {unsure[0]:.3f}, and {unsure[1]:.3f} where outputs are divided by "
            f"{tuned.temperature:.3g}{at_bound(tuned.temperature)}, which was chosen on the same {n:,} samples"
        )
        if task.uneven:
            said.append(f"sure      {EQUALLY}")
    figures = (
        task.marks(after, true, groups)
        if material.masked is None
        else judged_maps(tuned, material.masked, material.at[material.held])
    )
    for line in said:
        log.say(line)
    for name, figure in figures.items():
        log.say(f"worth     {said_of(name, figure)} that were held back and chose the settings")
    beside = None if material.beside is None else material.beside(after)
    told = verdict(figures) if beside is None else beside.verdict
    if beside is not None:
        for line in beside.lines:
            log.say(f"rival     {line}")
        notes = [*notes, *beside.lines]
    if told:
        log.say(f"verdict   {told}")
        notes = [*notes, f"**{told}**"]
    for row in rows(place(folder, best.lr) / "log.jsonl", "step"):
        log.write(**row)
    kept = {name: value for name, value in card.items() if name not in OWN}
    save(folder, tuned, {**kept, "tuned_from": str(base), "tuned_on": source.describe()})
    notes = [*notes, *(line[10:] for line in said)]
    write_text(folder / "README.md", readme(folder, str(base), source.describe(), task, figures, notes))
    source.write_bad(folder / "bad_files.jsonl")
    facts = {"lr": best.lr, "step": best.step, "temperature": tuned.temperature, "figures": _written(figures)}
    facts["calibration"] = {"before": unsure[0], "after": unsure[1], "n": n}
    if beside is not None:
        facts["rivals"] = {name: _written(of) for name, of in beside.figures.items()}
    if told:
        facts["verdict"] = told
    facts["trials"] = [{"lr": t.lr, "score": t.score, "step": t.step, "taken": t.taken} for t in trials]
    log.write("tuned", **facts)
    write_json(folder / FIGURES, facts)
    cleared(folder, [t.lr for t in trials])
    return figures


def already(folder: Path, log: Log) -> tuple[dict[str, Figure], float]:
    """(figures, rate) of a finished one, said again."""
    facts = record(folder / FIGURES, "figures", "lr")
    with reading(folder / FIGURES):
        figures = {name: Figure(**values) for name, values in facts["figures"].items()}
    log.say(f"finished  already; delete {folder} to begin anew, or give another its own folder with run.out=")
    for name, figure in figures.items():
        log.say(f"worth     {said_of(name, figure)} that were held back and chose the settings")
    if "verdict" in facts:
        log.say(f"verdict   {facts['verdict']}")
    return figures, float(facts["lr"])


def _written(figures: Mapping[str, Figure]) -> Json:
    return {
        name: {"value": f.value, "error": f.error, "n": f.n, "units": f.units, "chance": f.chance, "higher": f.higher}
        for name, f in figures.items()
    }
