"""Fill in what the user did not say: recipe, settings, the size of the encoder, the number of steps.

Choices come from three places, in this order: the user's words; what was measured to work at this scale (`SMALL` in a
recipe's file, see docs/log.md); the recipe's own defaults, which are its paper's.
"""

import dataclasses
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import dist
from ..data.feeding.loader import PairTokenizer, form_for
from ..data.source import Source
from ..nn.encoder import SIZES, Model, model
from ..optim import wraps
from ..reading import state_of
from ..recipe import Input, Method, Recipe, Run
from ..shelf.find import called, meaningless, small
from ..shelf.outside import source_of
from ..tokens import Tokenizer, Tokens
from ..training import device_of
from ..words import WordError, arguments, changed, fit
from .plan import Plan, build
from .sorting import sort_words
from .timing import Pace, no_room, time_steps

BATCH = 256
SMALL_WIDTH = 192  # encoders up to this width take what their recipe's file says under SMALL; wider ones the paper's
LEAST, STEP_ROWS = 16, 4096  # a small encoder's batch is at least so many samples, and about so many rows at most
LADDER = ("XS", "Ti", "S")
VIEWS = 1_000_000  # samples a larger encoder must get to read within the budget before it is worth its cost
MINUTES = {"cpu": 10.0, "cuda": 60.0}


def choose(
    where: str,
    method: Method,
    source: Source,
    tokenizer: Tokenizer | PairTokenizer,
    given: Input,
    words: dict[str, dict[str, Any]],
    run: Run,
    why: list[str],
) -> Plan:
    """Fill in whatever the user did not say: settings, model and steps. `source` is what will be trained on."""
    bare, device, name = words["bare"], device_of(run), called(method)
    if "recipe" not in bare:
        why = [*why, f"recipe {name}: the default for {source.kind} data (recipe=, see headstart recipes)"]
    nothing = meaningless(method).get(source.kind)
    if nothing:
        why = [
            *why,
            f"recipe {name} can learn nothing from {source.kind} data: {nothing}; choose another (headstart recipes)",
        ]
    steps = fit("steps", bare["steps"], int) if "steps" in bare else None
    if steps is not None and steps < 1:
        raise WordError(f"steps={steps}: a run takes at least one step")
    optim = fit("optim", bare.get("optim", ""), str)
    minutes = run.minutes or MINUTES.get(device.type, 10.0)
    state = state_of(tokenizer)
    shapes = [model(bare["size"])] if "size" in bare else [SIZES[size] for size in LADDER]
    if words["model"]:
        shapes = [changed(shapes[0], words["model"], "model")]
    elif steps is not None:
        shapes = shapes[:1]  # a number of steps says nothing about time: the smallest
    typical = _typical_rows(source, tokenizer)
    chosen: Plan | None = None
    for shape in shapes:  # smallest first: the next is tried only if this one leaves time for it
        plan = Plan(where, name, {}, asdict(shape), asdict(given), state, {}, 0, asdict(run))
        plan = _with(dataclasses.replace(plan, optimizer=optim), method, words, typical, len(source))
        recipe, pace, slices = _timed(plan, method, source, run, slicing=chosen is None)
        if pace is None:
            break
        if slices > 1:
            plan = dataclasses.replace(plan, run=plan.run | {"accumulate": slices})
        batch, count = recipe.data.batch, len(source)
        fits = max(1, min(pace.fitting(minutes * 60, batch, count), recipe.steps))
        if chosen is not None and fits * batch < VIEWS:
            break
        taken = steps or fits
        seconds = pace.seconds(taken, batch, count)
        chosen = dataclasses.replace(
            plan,
            steps=taken,
            seconds=seconds,
            memory=pace.peak,
            samples=count,
            rows=pace.rows,
            once=pace.once,
            budget=0.0 if steps else minutes * 60,
            most=recipe.steps,
        )
        if fits * batch < VIEWS:
            break
    assert chosen is not None
    settled = _reasons(chosen, method, source, minutes, steps is None, len(shapes) > 1)
    return dataclasses.replace(chosen, why=[*why, *settled])


def _timed(plan: Plan, method: Method, source: Source, run: Run, slicing: bool) -> tuple[Recipe, Pace | None, int]:
    """The recipe, what its steps cost, and in how many slices a batch fits into memory; no cost where it does not.

    slicing: as many slices are tried as it takes, unless the words say how many; then a batch that does not fit is a WordError.
    """
    slices = max(1, run.accumulate)
    while True:
        recipe = build(plan, method, source)
        try:
            with dist.alone():  # the other ranks wait for the plan
                return recipe, time_steps(recipe, dataclasses.replace(run, accumulate=slices)), slices
        except RuntimeError as error:
            if not no_room(error):
                raise
        if not slicing:
            return recipe, None, slices
        if run.accumulate or 2 * slices > recipe.data.batch:
            said = f" in {slices} slices" if slices > 1 else ""
            raise WordError(
                f"a step does not fit into the device's memory{said}: lower data.batch or data.side, or let the batch go in "
                "more slices (run.accumulate=)"
            )
        slices *= 2


def _typical_rows(source: Source, tokenizer: Tokenizer | PairTokenizer) -> float:
    """How many rows a sample makes, judged by a few."""
    some = np.unique(np.linspace(0, len(source) - 1, 32).astype(int))
    made = [form_for(source[int(i)], tokenizer) for i in some]
    if isinstance(tokenizer, PairTokenizer):
        return float(np.mean([sum(_rows(part, tokenizer.parts[k]) for k, part in m.items()) for m in made]))
    return float(np.mean([_rows(m, tokenizer) for m in made]))


def _rows(made: np.ndarray | Tokens | None, tokenizer: Tokenizer) -> int:
    return 0 if made is None else len(tokenizer(made) if isinstance(made, np.ndarray) else made)


def _with(plan: Plan, method: Method, words: dict[str, dict[str, Any]], typical: float, count: int) -> Plan:
    """The plan with settings for the size of its model: what was measured at small scale, or the paper's, then the user's.

    typical: rows of a sample. count: samples that there are. A file that does not say what it takes at small scale takes small
    batches there all the same; `SMALL = {}` says that nothing is to be changed. A batch that was not asked for divides among
    the processes.
    """
    narrow = plan.model["width"] <= SMALL_WIDTH
    own = _settings(method) if narrow else {"": {}, "optim": {}, "data": {}}
    batch = plan.input["batch"] or own["data"].get("batch", BATCH)
    if tokens := plan.input["tokens"]:
        batch = max(1, int(tokens / max(1.0, typical)))
    elif (
        narrow and small(method) != {} and not plan.input["batch"]
    ):  # of long samples fewer: steps are what counts, docs/log.md
        batch = max(LEAST, min(batch, int(STEP_ROWS / max(1.0, typical)) // 8 * 8))
    if (ranks := dist.world()) > 1 and not plan.input["batch"]:
        batch = max(ranks, min(batch, count) // ranks * ranks)
    told = {**own[""], **words[""]}
    lacking = [n for n, p in arguments(method).items() if p.default is p.empty and n not in told]
    if lacking:
        raise WordError(f"recipe={plan.recipe} has to be told {', '.join(lacking)}: give {lacking[0]}=...")
    return dataclasses.replace(
        plan,
        arguments=told,
        optim={**(own["optim"] if wraps(plan.optimizer) else {}), **words["optim"]},
        input={**plan.input, "batch": batch},
    )


def _settings(method: Method) -> dict[str, dict[str, Any]]:
    """What the file of a recipe says under SMALL, by group, as words are."""
    said, file = small(method) or {}, source_of(method)
    try:
        groups = sort_words(said, method)
    except WordError as error:
        raise WordError(f"SMALL in {file}: {error}") from error
    if set(said) - {*groups[""], *(f"optim.{name}" for name in groups["optim"]), "data.batch"}:
        raise WordError(f"SMALL in {file} may hold words of the recipe, of optim. and data.batch, and nothing else")
    return groups


def _reasons(plan: Plan, method: Method, source: Source, minutes: float, budget: bool, ladder: bool) -> list[str]:
    """What was settled, in words, and the words that would change it."""
    recipe, shape = build(plan, method, source), Model(**plan.model)
    label = next((n for n, s in SIZES.items() if s == shape), "own")
    count = sum(p.numel() for p in recipe.objective.encoders.parameters())
    because = (
        f"; a larger one would read fewer than {VIEWS:,} samples in the budget"
        if ladder and label != LADDER[-1]
        else ""
    )
    settled = {n: plan.arguments.get(n, p.default) for n, p in arguments(method).items()}
    settled |= {"optim": plan.optimizer} if plan.optimizer else {}
    settled |= {"optim.lr": getattr(recipe.optim.lr, "peak", recipe.optim.lr), "data.batch": recipe.data.batch}
    settled |= {"run.seed": plan.run["seed"]}
    batch, steps = recipe.data.batch, plan.steps
    many = f"{steps:,} steps of {batch} samples ({plan.rows:,.0f} rows), {steps * batch / len(source):.1f} epochs"
    speed = f"{minutes:g} minutes at {steps * batch / plan.seconds:,.0f} samples/s"
    return [
        f"encoder {label}: width {shape.width}, depth {shape.depth}, {count / 1e6:.1f} M parameters (size=){because}",
        many + (f": what fits into {speed} (steps=, run.minutes=)" if budget else " (steps=)"),
        *_of_the_step(plan, batch),
        "settings " + " ".join(f"{n}={v}" for n, v in settled.items()),
    ]


def _of_the_step(plan: Plan, batch: int) -> list[str]:
    """How many samples a budget of tokens makes, how a batch fits into memory, and what is divided among processes."""
    out, tokens, slices = [], plan.input["tokens"], plan.run["accumulate"]
    if tokens:
        out.append(f"batch: about {tokens:,} tokens make {batch} samples (data.tokens=)")
    if slices > 1:
        out.append(
            f"memory: a batch goes through the encoder in {slices} slices (run.accumulate=), as it does not fit at once or was "
            "asked to: gradients are those of the whole batch, steps take about a third longer"
        )
    if plan.run["shard"] and dist.world() == 1:
        out.append("run.shard=true divides nothing: this is one process (run.processes=, or torchrun)")
    return out
