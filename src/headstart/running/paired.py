"""Runs on pairs: what is measured, and the encoder of each part that they leave behind."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import __version__, checkpoint
from ..data.feeding.loader import whole
from ..data.sources.listed import ListSource
from ..health import Health, measure
from ..log import Log
from ..nn.encoder import Encoder
from ..objective import Objective
from ..planning.plan import Plan
from ..probes.features import encode
from ..probes.protocol import VERSION
from ..probes.retrieval import found, meet, meetings
from ..probes.table import Table, cell, columns, lines, summary
from ..recipe import Data, Recipe
from ..report import write_report
from .material import Material

SNIPPET = """import headstart as hs
encoder = hs.load({folder!r})
z = encoder.embed(your_data)  # {part}; likewise {others}"""


def baseline(objective: Objective, data: Data, held: np.ndarray, folder: Path, log: Log) -> Table:
    """Retrieval by the untrained encoders, scored before training and kept."""
    path = folder / "baselines.json"
    if not meetings(objective) or not len(held):
        return {}
    if not path.exists():
        log.say("probe     how often the untrained encoders find a sample's other part: the bar to beat")
        checkpoint.write_json(path, {"table": {"random encoder": found(objective, data, held)}})
    table: Table = json.loads(path.read_text())["table"]
    for row, marks in table.items():
        log.say(f"probe     {row:15s} " + "  ".join(f"{name} {cell(marks, name)}" for name in columns(table)))
    return table


def watcher(
    objective: Objective, data: Data, held: np.ndarray, note: Callable[[Health], Any]
) -> Callable[[int], dict[str, Any]]:
    """Health of the first part's vectors, and recall among some of the pairs kept out, where the method lets parts meet."""

    def watch(step: int) -> dict[str, Any]:
        some = held[:256] if len(held) else whole(data.source)[:256]
        if not meetings(objective) or not len(some):
            health = measure(vectors(objective, data, next(iter(data.tokenizers))))
            note(health)
            return {"rank": health.effective_rank, "spread": health.spread}
        health = measure(meet(objective, data, some)[0])
        note(health)
        seen = {"rank": health.effective_rank, "spread": health.spread}
        return {**seen, "recall": found(objective, data, held[:256])["recall-1"]} if len(held) else seen

    return watch


def finish(plan: Plan, recipe: Recipe, material: Material, folder: Path, table: Table, verdict: str, log: Log) -> None:
    """An encoder in a folder for each part; `probe.json` last."""
    objective, held = recipe.objective, material.held
    parts = list(recipe.data.tokenizers)
    terms = meetings(objective)
    read = terms[0].read.__name__ if terms else "mean"
    for part in parts:
        encoder = encoder_of(objective, part)
        facts: dict[str, Any] = {"read": read, "width": encoder.width, "input": {}, "recipe": plan.recipe, "part": part}
        facts |= {"steps": plan.steps, "data": plan.found, "headstart": __version__}
        checkpoint.save_encoder(folder / part, encoder, facts)
    scores: dict[str, Any] = {
        "protocol": VERSION,
        "read": read,
        "table": table,
        "query": len(held),
        "bank": 0,
        "chance": 0.0,
    }
    if table:
        table["pre-trained"] = found(objective, recipe.data, held)
        scores["chance"] = 1 / max(1, len(held))
        log.say("\n" + "\n".join(lines(table, scores["chance"])) + f"\n\nworth     {summary(table, len(held))}")
    heads = {f"{t.name}.{k}" if len(terms) > 1 else k: x.clone() for t in terms for k, x in t.head.state_dict().items()}
    if heads:
        checkpoint.write_tensors(folder / "heads.safetensors", heads)
    log.say(f"health    {verdict}")
    write_report(folder, recipe, material.training, scores, log)
    checkpoint.write_json(folder / "probe.json", scores)
    log.say(f"\ndone      an encoder for each part: {', '.join(str(folder / part) for part in parts)}. To use them:\n")
    log.say(snippet(folder, parts))


def encoder_of(objective: Objective, part: str) -> Encoder:
    """What encodes this part, alone."""
    own = [cast(Encoder, e) for e in objective.encoders.values() if part in cast(Encoder, e).tokenizers]
    return own[0].only(part)


def vectors(objective: Objective, data: Data, part: str, most: int = 256) -> np.ndarray:
    """[n, D] of the first samples that have this part, each the mean over its rows."""
    every = (data.source[i][part] for i in range(len(data.source)))
    some = list(islice((sample for sample in every if sample is not None), most))
    tokenizer = data.tokenizers[part]
    source = ListSource(some, tokenizer.kind)
    return encode(encoder_of(objective, part), tokenizer, source, range(len(some)), ("mean",))["mean"]


def snippet(folder: Path, parts: list[str]) -> str:
    """Python that loads and uses one of the encoders."""
    others = ", ".join(str(folder / part) for part in parts[1:])
    return SNIPPET.format(folder=str(folder / parts[0]), part=parts[0], others=others)
