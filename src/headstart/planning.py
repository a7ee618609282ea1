"""What will be done with this data, and why: every choice written down before the first step, so that it can be repeated.

Choices come from three places, in this order: the user's words; what was measured to work at this scale (`SMALL`, see
docs/log.md); the recipe's own defaults, which are its paper's.
"""

import dataclasses
import importlib
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

from . import dist
from .data.feeding.loader import Parts, collate, form_for
from .data.feeding.order import samples
from .data.feeding.prepare import Prepared, Progress, few, prepare
from .data.source import Source
from .data.sources.windows import WINDOW, Windows, windowed
from .errors import Unreadable
from .memory import keep_freed
from .nn.encoder import SIZES, Model, model, set_dtype
from .optim import AdamW
from .recipe import Data, Input, Recipe, Run
from .recipes import matrix
from .small import SMALL, SMALL_WIDTH
from .step import Step
from .tokenizers import named, tokenizer_of
from .tokens import Tokenizer
from .train import device_of, dtype_of
from .words import GROUPS, WordError, arguments, changed, fit, unknown

SHELF = "headstart.recipes"
BATCH = 256
LEAST, STEP_ROWS = 16, 4096  # a small encoder's batch is at least so many samples, and about so many rows at most
DEFAULT = {"pair": "clip", "table": "gmml"}  # by kind, where it is not mae: docs/defaults.md
ROWS = {"cpu": 56}  # rows a sample is cut into; elsewhere 196, as in ViT papers
SOME, SOME_ROWS = (
    256,
    20_000,
)  # samples that a tokenizer is fitted to; rows of tables, which may be of hundreds of schemas
LADDER = ("XS", "Ti", "S")
WORDS = {
    "side": "side",
    "patch": "patch",
    "longest": "longest",
    "rate": "rate",
    "vocab": "bpe",
}  # data. word -> what it sets
VIEWS = 1_000_000  # samples a larger encoder must get to read within the budget before it is worth its cost
GOLDEN = 0.618034  # its multiples spread evenly over 0..1
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
    samples: int = 0  # that are learnt from
    rows: float = 0.0  # tokens of a step, all views together


def names() -> list[str]:
    """The recipes there are: the files of `recipes/`."""
    return sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(SHELF).__path__))


def find(name: str) -> Callable[..., Recipe]:
    """A recipe by the name of its file, or `pkg.module:function` from outside."""
    if ":" in name:
        module, _, function = name.partition(":")
        if str(Path.cwd()) not in sys.path:  # where a file of the user's own lies; a console script does not look there
            sys.path.insert(0, str(Path.cwd()))
        try:
            return getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise WordError(f"recipe={name} cannot be imported: {error}") from error
    name = spelled(name)
    if name not in names():
        raise unknown_recipe(name)
    return getattr(importlib.import_module(f"{SHELF}.{name}"), name)


def spelled(name: str) -> str:
    """The name of a recipe's file; papers' names are often written with hyphens."""
    return name if ":" in name else name.replace("-", "_")


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


def look(
    source: Source, given: Input, device: torch.device, progress: Progress | None = None
) -> tuple[Source, Any, Input, list[str]]:
    """(source, tokenizer, input, reasons): the source cut into windows where its samples are long, and the tokenizer that fits.

    A paired source gets a tokenizer for each part.
    """
    if source.kind == "pair":
        parts, reasons = {}, []
        for name, kind in source.kinds.items():  # type: ignore[attr-defined]
            some = [s[name] for s in few(source, 4 * SOME) if s.get(name) is not None][:SOME]
            parts[name] = named(kind).fit(some, given.want(ROWS.get(device.type, 196)))
            reasons.append(f"{name}: {described(parts[name], some)}")
        return source, Parts(parts), given, reasons
    if given.window is not None and source.kind not in WINDOW:
        raise WordError(f"data.window={given.window}: {source.kind} samples are not cut into windows; leave it out")
    some = few(source, SOME_ROWS if source.kind == "table" else SOME)
    source = windowed(source, given.window, some, progress)
    reasons = []
    if isinstance(source, Windows):
        reasons.append(
            f"{source.describe()}; windows of one are never divided between training and judging (data.window)"
        )
        some = few(source, SOME)
    given = dataclasses.replace(given, window=source.length if isinstance(source, Windows) else None)
    tokenizer = named(source.kind).fit(some, given.want(ROWS.get(device.type, 196)))
    return source, tokenizer, given, [*reasons, described(tokenizer, some)]


def described(tokenizer: Any, some: list[Any]) -> str:
    """What a sample becomes, in words."""
    made = []
    for sample in some[:16]:
        try:
            made.append(tokenizer(tokenizer.fitted(sample)))
        except Unreadable:
            continue
    counts = [len(tokens) for tokens in made] or [0]
    facts = [f"{n}={v}" for n, v in tokenizer.state().items() if isinstance(v, int | str) and len(str(v)) < 20]
    between = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
    ids = made and not made[0].values.is_floating_point()
    width = f"one of {tokenizer.dim} ids" if ids else f"{tokenizer.dim} numbers"
    words = [f"data.{word}" for word, name in WORDS.items() if name in tokenizer.state()]
    words += ["data.window"] * (tokenizer.kind in WINDOW)
    change = f" ({', '.join(words)})" if words else ""
    axes = ", ".join(tokenizer.axes[:3]) + (f" and {len(tokenizer.axes) - 3} more" if len(tokenizer.axes) > 3 else "")
    return f"a sample makes {between} rows of {width}, placed by {axes}; {' '.join(facts)}{change}"


def read_in(source: Source, tokenizer: Any, window: int | None, progress: Progress | None = None) -> Prepared:
    """The samples as a run reads them, broken ones left out and listed."""
    if window is not None and not isinstance(source, Windows):
        source = Windows(source, window)
    return prepare(source, tokenizer, progress=progress)


def state_of(tokenizer: Any) -> dict[str, Any]:
    """A tokenizer, or the parts of a paired one, as JSON."""
    if isinstance(tokenizer, Parts):
        return {"kind": "pair", "parts": {name: state_of(part) for name, part in tokenizer.parts.items()}}
    return {"kind": tokenizer.kind, **tokenizer.state()}


def tokenizers_of(state: dict[str, Any]) -> dict[str, Tokenizer]:
    """Data.tokenizers as `state_of` wrote them down."""
    if state["kind"] == "pair":
        return {name: tokenizer_of(part) for name, part in state["parts"].items()}
    return {"x": tokenizer_of(state)}


def reader_of(state: dict[str, Any]) -> Any:
    """What `prepare` reads with, as `state_of` wrote it down."""
    return Parts(tokenizers_of(state)) if state["kind"] == "pair" else tokenizer_of(state)


def default_recipe(kind: str) -> str:
    """What `pretrain` takes for a kind of data: measured, docs/defaults.md."""
    return DEFAULT.get(kind, "mae")


def build(plan: Plan, source: Source) -> Recipe:
    """The recipe of a plan: equal plans give equal weights."""
    torch.manual_seed(plan.run["seed"])
    data = Data(source, tokenizers_of(plan.tokenizer), batch=min(plan.input["batch"], max(2, len(source))))
    recipe = find(plan.recipe)(data, size=Model(**plan.model), **plan.arguments)
    return dataclasses.replace(
        recipe, optim=changed(recipe.optim, plan.optim, "optim"), steps=plan.steps or recipe.steps
    )


def time_steps(recipe: Recipe, run: Run, at_least: float = 3.0) -> tuple[float, float, float]:
    """Seconds per step, peak bytes and rows per step, by a few steps with a recipe that is thrown away afterwards."""
    device = device_of(run)
    keep_freed()
    objective = recipe.objective.to(device)
    set_dtype(objective, dtype_of(run, device))
    optimizer = recipe.optim.build(objective)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    counts: list[int] = []
    began = time.monotonic()
    while len(seconds) < 4 or time.monotonic() - began < at_least:
        step = Step(int(len(seconds) * GOLDEN % 1 * 1_000_000), 1_000_000, run.seed)  # a method may have phases
        # others each time, as in training; and once before the clock runs, as rows that are kept are no cost of a step
        at = samples(step.index, recipe.data.batch, len(recipe.data.source), run.seed)
        collate(recipe.data, at, step, objective.slots, device)
        tick = time.monotonic()
        batch = collate(recipe.data, at, step, objective.slots, device)
        loss = objective(batch, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), recipe.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_step(step)
        loss.total.item()
        seconds.append(time.monotonic() - tick)
        counts.append(sum(len(tokens) for tokens in batch.tokens.values()))
    if device.type == "cuda":
        peak = float(torch.cuda.max_memory_allocated(device))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # the mean of the seconds, because ragged batches have slow steps again and again
    return float(np.mean(seconds[2:])), float(peak), float(np.mean(counts))


def choose(
    where: str, source: Source, tokenizer: Any, given: Input, words: dict[str, dict[str, Any]], run: Run, why: list[str]
) -> Plan:
    """Fill in whatever the user did not say: recipe, model and steps. `source` is what will be trained on."""
    bare, device = words["bare"], device_of(run)
    name = spelled(bare.get("recipe") or default_recipe(source.kind))
    if "recipe" not in bare:
        why = [*why, f"recipe {name}: the default for {source.kind} data (recipe=, see headstart recipes)"]
    nothing = matrix().get(name, {}).get("meaningless", {}).get(source.kind)
    if nothing:
        why = [
            *why,
            f"recipe {name} can learn nothing from {source.kind} data: {nothing}; choose another (headstart recipes)",
        ]
    steps = fit("steps", bare["steps"], int) if "steps" in bare else None
    if steps is not None and steps < 1:
        raise WordError(f"steps={steps}: a run takes at least one step")
    minutes = run.minutes or MINUTES.get(device.type, 10.0)
    state = state_of(tokenizer)
    shapes = [model(bare["size"])] if "size" in bare else [SIZES[size] for size in LADDER]
    if words["model"]:
        shapes = [changed(shapes[0], words["model"], "model")]
    elif steps is not None:
        shapes = shapes[:1]  # a number of steps says nothing about time: the smallest
    typical = typical_rows(source, tokenizer)
    chosen: Plan | None = None
    for shape in shapes:  # smallest first: the next is tried only if this one leaves time for it
        plan = _with(Plan(where, name, {}, asdict(shape), asdict(given), state, {}, 0, asdict(run)), words, typical)
        recipe = build(plan, source)
        try:
            with dist.alone():  # the other ranks wait for the plan
                per_step, memory, rows = time_steps(recipe, run)
        except torch.OutOfMemoryError:
            if chosen is None:
                raise WordError("a step does not fit into the device's memory: lower data.batch or data.side") from None
            break
        fits = max(1, min(int(minutes * 60 / per_step), recipe.steps))
        if chosen is not None and fits * recipe.data.batch < VIEWS:
            break
        chosen = dataclasses.replace(
            plan, steps=steps or fits, seconds=(steps or fits) * per_step, memory=memory, samples=len(source), rows=rows
        )
        if fits * recipe.data.batch < VIEWS:
            break
    assert chosen is not None
    return dataclasses.replace(chosen, why=[*why, *_reasons(chosen, source, minutes, steps is None, len(shapes) > 1)])


def typical_rows(source: Source, tokenizer: Any) -> float:
    """How many rows a sample makes, judged by a few."""
    some = np.unique(np.linspace(0, len(source) - 1, 32).astype(int))
    made = [form_for(source[int(i)], tokenizer) for i in some]
    if isinstance(tokenizer, Parts):
        return float(np.mean([sum(_rows(part, tokenizer.parts[k]) for k, part in m.items()) for m in made]))
    return float(np.mean([_rows(m, tokenizer) for m in made]))


def _rows(made: Any, tokenizer: Any) -> int:
    return 0 if made is None else len(tokenizer(made) if isinstance(made, np.ndarray) else made)


def _with(plan: Plan, words: dict[str, dict[str, Any]], typical: float) -> Plan:
    """The plan with settings for the size of its model: what was measured at small scale, or the paper's, then the user's.

    typical: rows of a sample.
    """
    small = SMALL.get(plan.recipe, {}) if plan.model["width"] <= SMALL_WIDTH else {}
    by_group: dict[str, dict[str, Any]] = {"": {}, "optim": {}, "data": {}}
    for name, value in small.items():
        group, _, tail = name.rpartition(".")
        by_group[group][tail] = value
    batch = plan.input["batch"] or by_group["data"].get("batch", BATCH)
    if small and not plan.input["batch"]:  # of long samples fewer: steps are what counts, docs/log.md
        batch = max(LEAST, min(batch, int(STEP_ROWS / max(1.0, typical)) // 8 * 8))
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
    many = f"{steps:,} steps of {batch} samples ({plan.rows:,.0f} rows), {steps * batch / len(source):.1f} epochs"
    speed = f"{minutes:g} minutes at {steps * batch / plan.seconds:,.0f} samples/s"
    return [
        f"encoder {label}: width {shape.width}, depth {shape.depth}, {count / 1e6:.1f} M parameters (size=){because}",
        many + (f": what fits into {speed} (steps=, run.minutes=)" if budget else " (steps=)"),
        "settings " + " ".join(f"{n}={v}" for n, v in settled.items()),
    ]


def default_folder(where: str, recipe: str) -> Path:
    stem = Path(where).name.partition(".")[0].replace(":", "-") or "data"
    return Path("runs") / f"{recipe.replace(':', '.')}-{stem}"
