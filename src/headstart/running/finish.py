"""The end of a run: choose the readout, write the encoder, score it beside what it must beat, say so."""

import json
from pathlib import Path
from typing import Any

import torch

from .. import __version__, checkpoint
from ..encoded import load
from ..log import Log
from ..nn.encoder import Encoder
from ..planning.plan import Plan
from ..probes.features import encode
from ..probes.protocol import VERSION
from ..probes.score import Labelled, choose_read, score_encoder, score_raw
from ..probes.table import Table, cell, columns, lines, summary
from ..recipe import RANDOM, Recipe
from ..report import write_report
from .folder import ARRAY
from .material import Material

READ = "mean_std"  # where there are no labels to choose by: docs/log.md
SNIPPET = """import headstart as hs
encoder = hs.load({folder!r})
z = encoder.embed({where})  # numpy, [samples, {width}]"""


def baselines(recipe: Recipe, probe: Labelled | None, folder: Path, log: Log) -> Table:
    """What pre-training must beat, scored before it begins and kept: the encoder of the first step is soon gone."""
    encoder, tokenizer = recipe.objective.encoder, recipe.data.only
    path = folder / "baselines.json"
    if probe is None:
        return {}
    if not path.exists():
        starts = {RANDOM: fresh(encoder), recipe.begins: encoder}
        log.say(f"probe     scoring the raw input and the {' and the '.join(starts)} first: the bar to beat")
        rows = score_raw(tokenizer, probe)
        for name, start in starts.items():
            read, _ = choose_read(start, tokenizer, probe)
            rows[name] = score_encoder(start, tokenizer, probe, read)
        checkpoint.write_json(path, {"read": read, "table": rows})
    table: Table = json.loads(path.read_text())["table"]
    for row, marks in table.items():
        log.say(f"probe     {row:15s} " + "  ".join(f"{name} {cell(marks, name)}" for name in columns(table)))
    return table


def fresh(like: Encoder) -> Encoder:
    """An untrained encoder of the same shape, on the same device and in the same dtype."""
    torch.manual_seed(0)
    return like.like().to(like.slots.device)


def finish(plan: Plan, recipe: Recipe, material: Material, folder: Path, table: Table, verdict: str, log: Log) -> None:
    """Everything that a finished run leaves behind, `probe.json` last."""
    encoder, tokenizer, probe = recipe.objective.encoder, recipe.data.only, material.probe
    read, marks = (READ, {}) if probe is None else choose_read(encoder, tokenizer, probe)
    width = encode(encoder, tokenizer, material.training, [0], (read,))[read].shape[1]
    facts = {"read": read, "read_marks": marks, "width": width, "input": plan.input, "recipe": plan.recipe}
    checkpoint.save_encoder(
        folder, encoder.folded(), {**facts, "steps": plan.steps, "data": plan.found, "headstart": __version__}
    )
    scores: dict[str, Any] = {"protocol": VERSION, "read": read, "table": table}
    if probe is not None:
        table["pre-trained"] = score_encoder(encoder, tokenizer, probe, read)
        scores |= {"chance": probe.chance, "bank": len(probe.bank_at), "query": len(probe.query_at)}
        log.say("\n" + "\n".join(lines(table, probe.chance)) + f"\n\nworth     {summary(table, len(probe.query_at))}")
    log.say(f"health    {verdict}")
    write_report(folder, recipe, material.training, scores, log)
    checkpoint.write_json(folder / "probe.json", scores)
    log.say(f"\ndone      the encoder is {folder}/encoder.safetensors, the report {folder}/report.html. To use it:\n")
    log.say(snippet(folder, plan.where))


def snippet(folder: Path, where: str) -> str:
    """Python that loads and uses what a run left behind."""
    data = ARRAY if where == "array" else repr(where)
    return SNIPPET.format(folder=str(folder), where=data, width=load(folder).width)
