"""`headstart plan`: what was found, what would be done and why, what it will cost here, and every word that would change it."""

import dataclasses
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data.masks import beside
from ..data.open import open_source
from ..log import Log, span
from ..nn.encoder import Model
from ..planning.choosing import choose
from ..planning.plan import Plan, build, default_folder
from ..planning.sorting import sort_words
from ..reading import look
from ..recipe import Care, Input, Method, Recipe, Run
from ..running.bakeoff import trial, why_not
from ..running.material import gather
from ..shelf.find import AUTO, default_recipe, find
from ..training import device_of, dtype_of
from ..words import annotations, arguments, changed, parse, settings


def plan(where: object, /, *words: str, log: Log | None = None, **named: Any) -> Plan:
    """The plan that `pretrain` with the same words would follow. Costs are measured by a few dry steps; nothing is kept."""
    log = log or Log()
    asked = parse(words, named, annotations(data=Input, run=Run) | annotations(run=Care))
    care: Care = changed(Care(), {k[4:]: v for k, v in asked.items() if k.startswith("run.")}, "run")
    run = care.base
    given = changed(Input(), {k[5:]: v for k, v in asked.items() if k.startswith("data.")}, "data")
    source = open_source(where, given.kind, given.label, given.group)
    found = source.describe()
    if asked.get("recipe") == AUTO:
        del asked["recipe"]
    method = find(str(asked.get("recipe", default_recipe(source.kind, beside(source)))))
    groups = sort_words(asked, method)
    source, tokenizer, given, why = look(source, given, device_of(run), log.progress("measuring"))
    material = gather(where, source, tokenizer, given, run, log)
    title = str(where) if isinstance(where, str | Path) else "array"
    settled = choose(title, method, material.training, tokenizer, given, groups, run, [*why, material.note])
    if "recipe" not in asked:
        reason = why_not(settled, material, groups[""])
        tried = f"no other method is tried first: {reason}" if reason else trial(material)
        settled = dataclasses.replace(settled, why=[*settled.why, tried])
    settled = dataclasses.replace(settled, found=found)
    bad = material.everything.bad
    lines = ["", "What I found", f"  {found}"]
    lines += [f"  {len(bad):,} samples cannot be read; the first is {bad[0]}"] if bad else []
    lines += ["", "What I would do, and why", *(f"  - {reason}" for reason in settled.why)]
    recipe = build(settled, method, material.training)
    lines += ["", "What it will cost here, by a few dry steps", *(f"  {line}" for line in costs(settled, recipe, run))]
    lines += [
        "",
        "Every word that would change it",
        *(f"  {line}" for line in _every_word(settled, method, recipe, care)),
    ]
    lines += ["", f"To do it: headstart pretrain {shlex.join([title, *words])}"]
    of_data = [word for word in words if word.startswith("data.")]
    lines += [f"To look at the data first: headstart show {shlex.join([title, *of_data])}"]
    log.say("\n".join(lines))
    return settled


def costs(settled: Plan, recipe: Recipe, run: Run) -> list[str]:
    """Time, memory and disk."""
    device, objective = device_of(run), recipe.objective
    weights = sum(p.numel() for p in objective.parameters())
    remembered = weights + sum(b.numel() for b in objective.buffers())
    encoder = sum(p.numel() for p in objective.encoder.parameters())
    disk = 4 * (2 * (remembered + 2 * weights) + encoder)  # two checkpoints with AdamW's two moments, and the encoder
    return [
        f"time    training {span(settled.seconds)}, {settled.seconds / settled.steps * 1e3:.0f} ms a step of "
        f"{settled.rows:,.0f} rows; "
        "reading and scoring come on top",
        f"memory  {settled.memory / 2**30:.1f} GiB at the peak of a step on {device} in {str(dtype_of(run, device))[6:]}",
        f"disk    {disk / 2**20:,.0f} MiB in {settled.run['out'] or default_folder(settled.where, settled.recipe)}",
    ]


def _every_word(settled: Plan, method: Method, recipe: Recipe, care: Care) -> list[str]:
    """Words and what they stand at, group by group."""
    own = {n: settled.arguments.get(n, p.default) for n, p in arguments(method).items()}
    optimizer = settled.optimizer or "the recipe's own"
    size = {"recipe": settled.recipe, "steps": settled.steps, "optim": optimizer, **own}
    optim = {f"optim.{n}": getattr(v, "peak", v) for n, v in settings(recipe.optim).items()}
    groups = (
        size,
        {f"model.{n}": v for n, v in asdict(Model(**settled.model)).items()},
        {f"data.{n}": v for n, v in settled.input.items()},
        optim,
        {f"run.{n}": v for n, v in settings(care).items()},
    )
    return [" ".join(f"{n}={v}" for n, v in group.items()) for group in groups]
