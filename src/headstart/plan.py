"""What will be done with this data, and why: every choice written down before the first step, so that it can be repeated.

Choices come from three places, in this order: the user's words; what was measured to work at this scale (`SMALL`, see
docs/log.md); the recipe's own defaults, which are its paper's.
"""

import dataclasses
import importlib
import math
import pkgutil
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .checkpoint import TOKENIZERS, tokenizer_of
from .data.loader import collate
from .data.prepare import Prepared, Progress, prepare
from .data.source import DataError, Source, Unreadable
from .memory import keep_freed
from .nn.encoder import SIZES, Model, model, set_dtype
from .optim import AdamW
from .recipe import Data, Input, Recipe, Run
from .step import Step
from .tokens import Tokenizer
from .train import device_of, dtype_of
from .words import GROUPS, WordError, arguments, changed, fit, unknown

SHELF = "headstart.recipes"
SMALL: dict[str, dict[str, Any]] = {  # for narrow encoders and minutes on a CPU: measured, docs/log.md says how
    "mae": {"ratio": 0.6, "depth": 1, "optim.lr": 2e-3, "data.batch": 64},
    "gmml": {"optim.lr": 2e-3, "data.batch": 64},
    "dino": {"codes": 2048, "local": 4, "optim.lr": 1e-3, "data.batch": 64},
    "gpt_series": {"optim.lr": 2e-3, "data.batch": 64},
}
SMALL_WIDTH = 192  # encoders up to this width take them; wider ones the paper's
BATCH = 256
DEFAULT = {"image": "mae", "series": "mae", "text": "dino"}
LADDER = ("XS", "Ti", "S")
VIEWS = 1_000_000  # samples a larger encoder must get to read within the budget before it is worth its cost
MINUTES = {"cpu": 10.0, "cuda": 60.0}


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run, as JSON: `build` makes the same recipe from it every time."""

    where: str
    recipe: str
    arguments: dict[str, Any]
    model: dict[str, Any]
    input: dict[str, Any]
    tokenizer: dict[str, Any]
    optim: dict[str, Any]
    steps: int
    run: dict[str, Any]
    found: str = ""
    why: list[str] = field(default_factory=list)
    seconds: float = 0.0  # predicted, for training alone
    memory: float = 0.0  # predicted, bytes


def names() -> list[str]:
    """The recipes there are: the files of `recipes/`."""
    return sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(SHELF).__path__))


def find(name: str) -> Callable[..., Recipe]:
    """A recipe by the name of its file, or `pkg.module:function` from outside."""
    if ":" in name:
        module, _, function = name.partition(":")
        try:
            return getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise WordError(f"recipe={name} cannot be imported: {error}") from error
    if name not in names():
        raise unknown_recipe(name)
    return getattr(importlib.import_module(f"{SHELF}.{name}"), name)


def unknown_recipe(name: str) -> WordError:
    return WordError(str(unknown(name, names())).replace("word", "recipe", 1).replace("words", "recipes"))


def sort_words(words: Mapping[str, Any], function: Callable[..., Recipe]) -> dict[str, dict[str, Any]]:
    """Words by where they go: the recipe's arguments, its size and steps, or one of the four groups. Unknown ones raise."""
    known = arguments(function)
    bare = ["recipe", "size", "steps", *known]
    groups: dict[str, dict[str, Any]] = {"": {}, "bare": {}, **{g: {} for g in GROUPS}}
    for name, value in words.items():
        head, _, tail = name.partition(".")
        if tail and head in GROUPS:
            groups[head][tail] = value
        elif name in known:
            groups[""][name] = fit(name, value, known[name].annotation)
        elif name in bare:
            groups["bare"][name] = value
        else:
            fields = {"data": Input, "model": Model, "optim": AdamW, "run": Run}
            every = [*bare, *(f"{g}.{f.name}" for g, c in fields.items() for f in dataclasses.fields(c))]
            raise unknown(name, every)
    return groups


def shape_input(source: Source, given: Input, device: torch.device) -> tuple[Input, list[str]]:
    """Picture side and patch from what the samples look like."""
    if source.kind == "text":
        return given, [f"texts are read as bytes, the first {given.longest} of each (data.longest)"]
    shapes = _shapes(source)
    if source.kind == "series":
        length = int(np.median([s[-1] for s in shapes]))
        patch = given.patch or max(1, round(length / 32))
        return dataclasses.replace(given, patch=patch), [
            f"windows of {patch} time points: about {math.ceil(length / patch)} rows for {length} points (data.patch)"
        ]
    area = float(np.median([s[1] * s[2] for s in shapes]))
    top, grid = (64, 7.5) if device.type == "cpu" else (224, 14)
    side = given.side or min(top, max(4, round(math.sqrt(area))))
    patch = given.patch or max(1, 2 ** round(math.log2(side / grid)))
    if patch > side:
        raise WordError(
            f"data.patch={patch} is larger than the pictures' side of {side}: choose a smaller patch or a larger data.side"
        )
    side = max(patch, round(side / patch) * patch)
    per = (side // patch) ** 2
    why = f"pictures at about {side} x {side} pixels in patches of {patch}: {per} rows each (data.side, data.patch)"
    return dataclasses.replace(given, side=side, patch=patch), [why]


def _shapes(source: Source) -> list[tuple[int, ...]]:
    shapes = []
    for i in np.unique(np.linspace(0, len(source) - 1, 64).astype(int)):
        try:
            shapes.append(np.shape(source[int(i)]))
        except Unreadable:
            continue
    # nothing readable among 64: `prepare` looks at everything and says what is wrong
    return shapes or [(1, 32, 32) if source.kind == "image" else (1, 128)]


def read_in(source: Source, how: Input, channels: int | None = None, progress: Progress | None = None) -> Prepared:
    """The samples as `how` says, broken ones left out and listed."""
    patch = how.patch or 1
    return prepare(source, (how.side or patch) ** 2, patch, channels=channels, progress=progress)


def make_tokenizer(source: Source, how: Input) -> Tokenizer:
    """The tokenizer of the source's kind, standardised by a thousand of its samples."""
    if source.kind == "text":
        return TOKENIZERS["text"](longest=how.longest)
    few = [source[int(i)] for i in np.unique(np.linspace(0, len(source) - 1, 1000).astype(int))]
    counts = {len(x) for x in few}
    if len(counts) > 1:
        raise DataError(
            f"the samples have different numbers of channels ({sorted(counts)}): give each number its own folder"
        )
    return TOKENIZERS[source.kind].fit(few, how.patch or 1)


def build(plan: Plan, source: Source) -> Recipe:
    """The recipe of a plan: equal plans give equal weights."""
    torch.manual_seed(plan.run["seed"])
    data = Data(source, {"x": tokenizer_of(plan.tokenizer)}, batch=min(plan.input["batch"], max(2, len(source))))
    recipe = find(plan.recipe)(data, size=Model(**plan.model), **plan.arguments)
    return dataclasses.replace(
        recipe, optim=changed(recipe.optim, plan.optim, "optim"), steps=plan.steps or recipe.steps
    )


def time_steps(recipe: Recipe, run: Run, at_least: float = 3.0) -> tuple[float, float]:
    """Seconds per step and peak bytes, by taking a few steps with a recipe that is thrown away afterwards."""
    device = device_of(run)
    keep_freed()
    objective = recipe.objective.to(device)
    set_dtype(objective, dtype_of(run, device))
    optimizer = recipe.optim.build(objective)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    began = time.monotonic()
    while len(seconds) < 4 or time.monotonic() - began < at_least:
        tick = time.monotonic()
        step = Step(len(seconds), 1_000_000, run.seed)
        batch = collate(
            recipe.data, np.arange(recipe.data.batch) % len(recipe.data.source), step, objective.slots, device
        )
        loss = objective(batch, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), recipe.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_step(step)
        loss.total.item()
        seconds.append(time.monotonic() - tick)
    if device.type == "cuda":
        peak = float(torch.cuda.max_memory_allocated(device))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return float(np.mean(seconds[2:])), float(peak)  # the mean: ragged batches have slow steps again and again


def choose(
    where: str, source: Source, given: Input, words: dict[str, dict[str, Any]], run: Run, why: list[str]
) -> Plan:
    """Fill in whatever the user did not say: recipe, model and steps. `source` is what will be trained on."""
    bare, device = words["bare"], device_of(run)
    name = bare.get("recipe") or DEFAULT[source.kind]
    if "recipe" not in bare:
        why = [*why, f"recipe {name}: the default for {source.kind} data (recipe=, see headstart recipes)"]
    steps = fit("steps", bare["steps"], int) if "steps" in bare else None
    if steps is not None and steps < 1:
        raise WordError(f"steps={steps}: a run takes at least one step")
    minutes = run.minutes or MINUTES.get(device.type, 10.0)
    tokenizer = {"kind": source.kind, **make_tokenizer(source, given).state()}
    shapes = [model(bare["size"])] if "size" in bare else [SIZES[size] for size in LADDER]
    if words["model"]:
        shapes = [changed(shapes[0], words["model"], "model")]
    elif steps is not None:
        shapes = shapes[:1]  # a number of steps says nothing about time: the smallest
    chosen: Plan | None = None
    for shape in shapes:  # smallest first: the next is tried only if this one leaves time for it
        plan = _with(Plan(where, name, {}, asdict(shape), asdict(given), tokenizer, {}, 0, asdict(run)), words, device)
        recipe = build(plan, source)
        try:
            per_step, memory = time_steps(recipe, run)
        except torch.OutOfMemoryError:
            if chosen is None:
                raise WordError("a step does not fit into the device's memory: lower data.batch or data.side") from None
            break
        fits = max(1, min(int(minutes * 60 / per_step), recipe.steps))
        if chosen is not None and fits * recipe.data.batch < VIEWS:
            break
        chosen = dataclasses.replace(plan, steps=steps or fits, seconds=(steps or fits) * per_step, memory=memory)
        if fits * recipe.data.batch < VIEWS:
            break
    assert chosen is not None
    return dataclasses.replace(chosen, why=[*why, *_reasons(chosen, source, minutes, steps is None, len(shapes) > 1)])


def _with(plan: Plan, words: dict[str, dict[str, Any]], device: torch.device) -> Plan:
    """The plan with settings for the size of its model: what was measured at small scale, or the paper's, then the user's."""
    small = SMALL.get(plan.recipe, {}) if plan.model["width"] <= SMALL_WIDTH else {}
    by_group: dict[str, dict[str, Any]] = {"": {}, "optim": {}, "data": {}}
    for name, value in small.items():
        group, _, tail = name.rpartition(".")
        by_group[group][tail] = value
    batch = plan.input["batch"] or by_group["data"].get("batch", BATCH)
    return dataclasses.replace(
        plan,
        arguments=by_group[""] | words[""],
        optim=by_group["optim"] | words["optim"],
        input={**plan.input, "batch": batch},
    )


def _reasons(plan: Plan, source: Source, minutes: float, budget: bool, ladder: bool) -> list[str]:
    """What was settled, in words, and the words that would change it."""
    recipe, shape = build(plan, source), Model(**plan.model)
    label = next((n for n, s in SIZES.items() if s == shape), "own")
    count = sum(p.numel() for p in recipe.objective.encoders.parameters())
    because = (
        f"; a larger one would read fewer than {VIEWS:,} samples in the budget"
        if ladder and label != LADDER[-1]
        else ""
    )
    settled = {n: plan.arguments.get(n, p.default) for n, p in arguments(find(plan.recipe)).items()}
    settled |= {"optim.lr": getattr(recipe.optim.lr, "peak", recipe.optim.lr), "data.batch": recipe.data.batch}
    settled |= {"run.seed": plan.run["seed"]}
    batch, steps = recipe.data.batch, plan.steps
    many = f"{steps:,} steps of {batch} samples, {steps * batch / len(source):.1f} epochs"
    speed = f"{minutes:g} minutes at {steps * batch / plan.seconds:,.0f} samples/s"
    return [
        f"encoder {label}: width {shape.width}, depth {shape.depth}, {count / 1e6:.1f} M parameters (size=){because}",
        many + (f": what fits into {speed} (steps=, run.minutes=)" if budget else " (steps=)"),
        "settings " + " ".join(f"{n}={v}" for n, v in settled.items()),
    ]


def default_folder(where: str, recipe: str) -> Path:
    stem = Path(where).name.partition(".")[0].replace(":", "-") or "data"
    return Path("runs") / f"{recipe.replace(':', '.')}-{stem}"
