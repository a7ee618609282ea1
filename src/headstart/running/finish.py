"""The end of a run: choose the readout, write the encoder, score it beside what it must beat, say so."""

import shlex
from pathlib import Path

import torch

from .. import __version__, checkpoint
from ..damage import record
from ..data.feeding.prepare import few
from ..data.source import Source
from ..errors import shown
from ..forms import Json
from ..log import Log
from ..nn.encoder import Encoder
from ..nn.parts import outside
from ..planning.plan import Plan
from ..recipe import RANDOM, Recipe
from ..reporting.page import write_report
from ..scoring.features import encode
from ..scoring.labelled import Labelled
from ..scoring.masked import masks_of
from ..scoring.results import MINE, Judged, Results, bar, keep_results, kept_before, kept_results, lines, summary
from ..scoring.score import choose_read, score_encoder, score_raw
from ..seen import facts
from .folder import ARRAY
from .material import Material

LOOK = 64  # samples whose facts stand on the card
READ = "mean_std"  # where there are no labels to choose by: docs/log.md
SNIPPET = """import headstart as hs
encoder = hs.load({folder!r}{trust})
z = encoder.embed({where})  # numpy, [samples, {width}]"""


def baselines(recipe: Recipe, probe: Labelled | None, folder: Path, log: Log) -> Results:
    """What pre-training must beat, scored before it begins and kept: the encoder of the first step is soon gone."""
    encoder, tokenizer = recipe.objective.encoder, recipe.data.only
    path = folder / "baselines.json"
    if probe is None:
        return {}
    if not kept_before(path, log.say):
        starts = {RANDOM: fresh(encoder), recipe.begins: encoder}
        log.say(f"probe     scoring the raw input and the {' and the '.join(starts)} first: the bar to beat")
        rows = score_raw(tokenizer, probe)
        for name, start in starts.items():
            read, _ = choose_read(start, tokenizer, probe)
            rows[name] = score_encoder(start, tokenizer, probe, read)
        keep_results(path, rows, read=read)
    results = kept_results(path)
    for line in bar(results):
        log.say(f"probe     {line}")
    return results


def fresh(like: Encoder) -> Encoder:
    """An untrained encoder of the same shape, on the same device and in the same dtype."""
    torch.manual_seed(0)
    return like.like().to(like.slots.device)


def finish(
    plan: Plan, recipe: Recipe, material: Material, folder: Path, results: Results, verdict: str, log: Log
) -> None:
    """Everything that a finished run leaves behind, `probe.json` last."""
    encoder, tokenizer, probe = recipe.objective.encoder, recipe.data.only, material.probe
    read, marks = (READ, {}) if probe is None else choose_read(encoder, tokenizer, probe)
    width = encode(encoder, tokenizer, material.training, [0], (read,))[read].shape[1]
    seen = facts(few(material.everything.source, LOOK), material.everything.kind)
    card = {"read": read, "read_marks": marks, "width": width, "input": plan.input, "seen": seen, "recipe": plan.recipe}
    checkpoint.save_encoder(
        folder, encoder.folded(), {**card, "steps": plan.steps, "data": plan.found, "headstart": __version__}
    )
    judged = Judged(results, read)
    if probe is not None:
        results[MINE] = score_encoder(encoder, tokenizer, probe, read)
        judged = Judged(results, read, len(probe.bank_at), len(probe.query_at), probe.crossed, material.seen)
        log.say("\n" + "\n".join(lines(results)) + f"\n\nworth     {summary(results)}\n          {judged.said()}")
    log.say(f"health    {verdict}")
    write_report(folder, recipe, material.training, judged, snippet(folder, plan.where))
    checkpoint.write_json(folder / "probe.json", judged.kept())
    place = shown(str(folder))
    log.say(f"\ndone      the encoder is {place}/encoder.safetensors, the report {place}/report.html. To use it:\n")
    log.say(snippet(folder, plan.where))
    if words := by_masks(folder, plan, material.everything.source):
        log.say(words)


def by_masks(folder: Path, plan: Plan, source: Source) -> str:
    """What masks that lie beside the samples of a run are good for; "" where there are none."""
    if masks_of(source) is None:
        return ""
    rows = "" if source.labels is None else " task=segmentation"
    where = "DATA" if plan.where == ARRAY else shlex.quote(plan.where)
    label = plan.input.get("label")
    words = f"{shlex.quote(str(folder))} {where}{f' data.label={shlex.quote(label)}' if label else ''}"
    return (
        "\nMasks lie beside these samples, which it did not learn from. To judge by them, and to learn to draw them:\n\n"
        f"headstart probe {words} probes=segment\nheadstart finetune {words}{rows}"
    )


def snippet(folder: Path, where: str) -> str:
    """Python that loads and uses what a run left behind."""
    data = ARRAY if where == "array" else repr(where)
    card = record(folder / "encoder.json", "width", "model", "parts")
    return SNIPPET.format(folder=str(folder), trust=trusting(card), where=data, width=card["width"])


def trusting(card: Json) -> str:
    """What `load` must be told beside the folder: whether the encoder has parts from outside, of the run's own method say."""
    texts = [card["model"]["trunk"], *card["parts"].values()]
    return ", trust=True" if any(outside(text) for text in texts) else ""
