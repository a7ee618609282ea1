"""Runs on pairs: what is measured, and the encoder of each part that they leave behind."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np

from .. import __version__, checkpoint
from ..damage import record
from ..data.feeding.loader import whole
from ..data.feeding.prepare import few
from ..data.sources.listed import ListSource
from ..errors import shown
from ..forms import Json
from ..health import Health, measure
from ..log import Log
from ..nn.encoder import Encoder
from ..objective import Objective
from ..planning.plan import Plan
from ..probes import Figure
from ..recipe import RANDOM, Data, Recipe
from ..reporting.page import write_report
from ..scoring.features import encode
from ..scoring.pairs import found, meet, meetings
from ..scoring.results import MINE, Judged, Results, bar, keep_results, kept_before, kept_results, lines, summary
from ..seen import facts
from .finish import LOOK, trusting
from .material import Material

SNIPPET = """import headstart as hs
encoder = hs.load({folder!r}{trust})
z = encoder.embed(your_data)  # {part}; likewise {others}"""


def baseline(objective: Objective, data: Data, held: np.ndarray, folder: Path, log: Log) -> Results:
    """Retrieval by the untrained encoders, scored before training and kept."""
    path = folder / "baselines.json"
    if not meetings(objective) or not len(held):
        return {}
    if not kept_before(path, log.say):
        log.say("probe     how often the untrained encoders find a sample's other part: the bar to beat")
        keep_results(path, {RANDOM: found(objective, data, held)})
    results = kept_results(path)
    for line in bar(results):
        log.say(f"probe     {line}")
    return results


def watcher(
    objective: Objective, data: Data, held: np.ndarray, note: Callable[[Health], None]
) -> Callable[[int], dict[str, float | Figure]]:
    """Health of the first part's vectors, and the quick probes among some of the pairs kept out, where the method lets parts
    meet."""

    def watch(step: int) -> dict[str, float | Figure]:
        some = held[:256] if len(held) else whole(data.source)[:256]
        if not meetings(objective) or not len(some):
            health = measure(vectors(objective, data, next(iter(data.tokenizers))))
            note(health)
            return {"rank": health.effective_rank, "spread": health.spread}
        health = measure(meet(objective, data, some)[0])
        note(health)
        said = found(objective, data, held[:256], quick=True) if len(held) else {}
        return {"rank": health.effective_rank, "spread": health.spread, **{f"quick {k}": v for k, v in said.items()}}

    return watch


def finish(
    plan: Plan, recipe: Recipe, material: Material, folder: Path, results: Results, verdict: str, log: Log
) -> None:
    """An encoder in a folder for each part; `probe.json` last."""
    objective, held = recipe.objective, material.held
    parts = list(recipe.data.tokenizers)
    met = meetings(objective)
    read = met[0].meeting.read.__name__ if met else "mean"
    looked = few(material.everything.source, LOOK)
    for part in parts:
        encoder = _encoder_of(objective, part)
        some = [sample[part] for sample in looked if sample[part] is not None]
        card: Json = {"read": read, "width": encoder.width, "input": {}, "recipe": plan.recipe, "part": part}
        card |= {"seen": facts(some, recipe.data.tokenizers[part].kind)}
        card |= {"steps": plan.steps, "data": plan.found, "headstart": __version__}
        checkpoint.save_encoder(folder / part, encoder, card)
    if results:
        results[MINE] = found(objective, recipe.data, held)
        log.say("\n" + "\n".join(lines(results)) + f"\n\nworth     {summary(results)}")
    terms = list(dict.fromkeys(pair.term for pair in met))
    heads = {f"{t.name}.{k}" if len(terms) > 1 else k: x.clone() for t in terms for k, x in t.head.state_dict().items()}
    if heads:
        checkpoint.write_tensors(folder / "heads.safetensors", heads)
    log.say(f"health    {verdict}")
    judged = Judged(results, read, 0, len(held))
    write_report(folder, recipe, material.training, judged, snippet(folder, parts))
    checkpoint.write_json(folder / "probe.json", judged.kept())
    log.say(
        f"\ndone      an encoder for each part: {', '.join(shown(str(folder / part)) for part in parts)}. To use them:\n"
    )
    log.say(snippet(folder, parts))


def _encoder_of(objective: Objective, part: str) -> Encoder:
    """What encodes this part, alone."""
    own = [cast(Encoder, e) for e in objective.encoders.values() if part in cast(Encoder, e).tokenizers]
    return own[0].only(part)


def vectors(objective: Objective, data: Data, part: str, most: int = 256) -> np.ndarray:
    """[n, D] of the first samples that have this part, each the mean over its rows."""
    every = (data.source[i][part] for i in range(len(data.source)))
    some = list(islice((sample for sample in every if sample is not None), most))
    tokenizer = data.tokenizers[part]
    source = ListSource(some, tokenizer.kind)
    return encode(_encoder_of(objective, part), tokenizer, source, range(len(some)), ("mean",))["mean"]


def snippet(folder: Path, parts: list[str]) -> str:
    """Python that loads and uses one of the encoders."""
    others = ", ".join(str(folder / part) for part in parts[1:])
    card = record(folder / parts[0] / "encoder.json", "model", "parts")
    return SNIPPET.format(folder=str(folder / parts[0]), trust=trusting(card), part=parts[0], others=others)
