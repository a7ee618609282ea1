"""The contract of a recipe as a program: `check_recipe(recipe, data)` says which sentence of it is broken.

Run it over your own recipe with a few samples (`headstart.tiny.tiny_data` has a dozen of any kind).
"""

import dataclasses
import inspect
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from . import interventions
from .checkpoint import save_encoder
from .data.feeding.loader import collate
from .errors import Mistake
from .log import Log
from .nn.encoder import Model, encoder, set_dtype
from .objective import Loss
from .recipe import Data, Recipe, Run, make
from .shelf.find import ideas
from .step import Step, at
from .teacher import Ema
from .terms import Term
from .tokens import Batch, Layout
from .train import train

SIZE = Model(width=16, depth=2, heads=2)
SMALL = {"codes": 32, "local": 2, "depth": 1, "width": 8, "queue": 24, "memory": 24}  # arguments that cost time
TOTAL = 12  # steps of the training that is looked into
ROUNDING = 1e-5  # what is the same may differ by so much
STILL = 0.1  # share of the parameters whose gradient may be zero by chance (a ReLU that nothing passed)


def check_recipe(function: Callable[..., Recipe], data: Data, size: Model = SIZE, **arguments: Any) -> None:
    """Raises AssertionError where the recipe does not do with these samples what the rest of the package relies on.

    size: the encoder it is tried with, whose trunk may be another than the plain one.
    A `Mistake` that the recipe raises (it cannot serve this data) comes through as it is. Needs at least 8 samples.
    """
    with tempfile.TemporaryDirectory() as place:
        check = _Check(function, data, arguments, Path(place), size)
        check.builds()
        check.teacher_moves_without_gradient()
        check.learns_everywhere()
        check.keeps_its_word()
        check.seeds_decide()
        check.state_comes_back()
        check.order_does_not_matter()
        check.ragged_equals_uniform()
        check.hidden_stays_hidden()
        check.nothing_looks_ahead()
        check.others_matter()
        check.ideas_come_out()
        check.bf16_is_finite()
        check.resumes_to_the_last_bit()


def works(function: Callable[..., Recipe], data: Data, **arguments: Any) -> str:
    """ "" if the recipe trains on this data, or its reason why it does not; any other error comes through."""
    with tempfile.TemporaryDirectory() as place:
        try:
            _Check(function, data, arguments, Path(place)).learns_everywhere()
        except Mistake as mistake:
            return str(mistake)
    return ""


def base(data: Data, size: Model, place: Path) -> str:
    """The folder, in `place`, of a mae run that took no step: what recipes that go on from another run are tried with."""
    torch.manual_seed(7)
    folder = place / "base"
    folder.mkdir()
    save_encoder(folder, encoder(data.tokenizers, size), {"recipe": "mae"})
    return str(folder)


class _Check:
    def __init__(
        self, function: Callable[..., Recipe], data: Data, arguments: dict[str, Any], place: Path, size: Model = SIZE
    ) -> None:
        known = inspect.signature(function).parameters
        names = list(known)
        assert names[:2] == ["data", "size"], f"a recipe is called with (data, size, ...), not ({', '.join(names)})"
        self.function, self.data, self.place, self.size = function, data, place, size
        self.arguments = {k: v for k, v in SMALL.items() if k in known} | arguments
        if "base" in known and "base" not in arguments:  # it goes on from another run
            self.arguments = {"base": base(data, size, place)} | self.arguments

    def recipe(self, seed: int = 0) -> Recipe:
        """Built anew: equal seeds give equal weights."""
        torch.manual_seed(seed)
        made = make(self.function, self.data, size=self.size, **self.arguments)
        assert made.steps >= 1, f"it would train for {made.steps} steps"
        made.objective.train()
        return made

    def batch(self, made: Recipe, index: int = 2, samples: np.ndarray | None = None) -> Batch:
        step = Step(index, TOTAL)
        samples = made.data.samples(step) if samples is None else samples
        return collate(made.data, samples, step, made.objective.slots)

    def loss(self, made: Recipe, index: int = 2, samples: np.ndarray | None = None) -> Loss:
        return made.objective(self.batch(made, index, samples), Step(index, TOTAL))

    def descend(self, made: Recipe, index: int) -> Loss:
        """Forward and backward."""
        loss = self.loss(made, index)
        loss.backward()
        return loss

    def builds(self) -> None:
        """On the CPU and on meta, with the same parameters."""
        here = {n: tuple(p.shape) for n, p in self.recipe().objective.named_parameters()}
        with torch.device("meta"):
            there = self.recipe().objective
        named = dict(there.named_parameters())
        assert {n: tuple(p.shape) for n, p in named.items()} == here, "on meta it has other parameters"
        real = [n for n, p in named.items() if not p.is_meta]
        assert not real, f"built on meta, {real[:3]} hold numbers all the same: make them with torch's own functions"

    def seeds_decide(self) -> None:
        one, two = (self.recipe() for _ in range(2))
        _equal(one.objective.state_dict(), two.objective.state_dict(), "two recipes built with one seed differ in")
        first, second = self.loss(one), self.loss(two)
        assert torch.equal(first.total, second.total), (
            "one step with one seed gives two losses: draw from the Rng alone"
        )

    def learns_everywhere(self) -> None:
        """Finite losses, and a gradient for everything that learns, at one step of training or another."""
        made = self.recipe()
        objective = made.objective
        met: set[str] = set()
        moved: set[str] = set()
        for index in range(TOTAL) if objective.skips else (2,):
            loss = self.loss(made, index)
            assert loss.total.ndim == 0 and loss.total.isfinite(), f"the loss at step {index} is {loss.total}"
            met |= loss.parts.keys()
            loss.backward()
            grads = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
            wild = [n for n, grad in grads.items() if not grad.isfinite().all()]
            assert not wild, f"the gradients of {wild[:3]} are not finite at step {index}"
            moved |= {n for n, grad in grads.items() if grad.any()}
            objective.zero_grad(set_to_none=False)
            objective.after_step(Step(index, TOTAL))
        assert met >= set(objective.terms), f"terms {sorted(set(objective.terms) - met)} never ran in {TOTAL} steps"
        learning = {n: p for n, p in objective.named_parameters() if p.requires_grad}
        without = [n for n, p in learning.items() if p.grad is None]
        assert learning and not without, f"no gradient ever reaches {without[:5]}"
        still = sorted(learning.keys() - moved)
        assert len(still) <= STILL * len(learning), f"the gradients of {still[:5]} are always zero"

    def keeps_its_word(self) -> None:
        """What terms declare beside their loss: that they restore rows, that they bring views together."""
        made = self.recipe()
        terms = {name: term for name, term in made.objective._terms() if term.restores or term.meets()}
        scene = made.objective.scene(self.batch(made), Step(2, TOTAL), terms) if terms else None
        for name, term in terms.items():
            assert scene is not None
            if term.restores is not None:
                assert term.restores in term.reads, f"term {name!r} restores {term.restores}, and reads {term.reads}"
                view, rows = scene.views[term.restores], term.restored(scene)
                there = view.clean.values[view.hidden.index]
                assert rows.shape == there.shape, f"term {name!r} restores {list(rows.shape)} of {list(there.shape)}"
            meeting = term.meets()
            for view_name in () if meeting is None else meeting.heads:
                assert meeting is not None
                assert view_name in term.reads, f"in term {name!r} {view_name} meets others, and it reads {term.reads}"
                z = scene.student.z[view_name]
                met = meeting.project(view_name, z)
                assert met.shape[:-1] == (z.layout.segments,), (
                    f"term {name!r} brings {list(met.shape)} together, not [S, D]"
                )

    def hidden_stays_hidden(self) -> None:
        """What is hidden of a sample does not reach what is predicted there; what is shown of it does."""
        made = self.recipe()
        for index in self.moments(made):
            for name, term in self.running(made, index):
                if term.hides is None:
                    continue
                assert term.hides in term.reads, f"term {name!r} hides {term.hides}, and reads {term.reads}"
                batch, step = self.batch(made, index), Step(index, TOTAL)
                through, used = interventions.leak(made.objective, batch, step, name)
                hidden = interventions.view_of(made.objective, batch, step, term.hides).hidden
                if math.isnan(through) or not len(hidden):
                    continue  # a mixture of samples, or nothing is hidden at this step
                assert through <= ROUNDING * max(1.0, used), (
                    f"what is hidden of view {term.hides!r} reaches what term {name!r} predicts there: it moves by {through:.2g}"
                )
                assert not used <= 0, (
                    f"term {name!r} predicts hidden rows of view {term.hides!r} from nothing of the sample"
                )

    def nothing_looks_ahead(self) -> None:
        """Where rows are predicted from those before them, no row sees those after it."""
        made = self.recipe()
        for name, term in made.objective._terms():
            if term.ahead is not None:
                early, late = interventions.looks_ahead(made.objective, self.batch(made), Step(2, TOTAL), term.ahead)
                assert early <= ROUNDING * max(1.0, late), (
                    f"term {name!r} predicts what comes next, and rows of view {term.ahead!r} see those after them"
                )

    def others_matter(self) -> None:
        """Where views of a sample are brought together, other samples keep them from all becoming one."""
        made = self.recipe()
        for index in self.moments(made):
            for name, term in self.running(made, index):
                if term.meets() is not None:
                    batch, step = self.batch(made, index), Step(index, TOTAL)
                    assert interventions.others_matter(made.objective, batch, step, name) > ROUNDING, (
                        f"term {name!r} brings views together, and asks the same of a sample whatever the others are"
                    )

    def ideas_come_out(self) -> None:
        """Every idea that the recipe's file declares can be taken out by arguments that it has, and it trains without it."""
        known = inspect.signature(self.function).parameters
        for idea, arguments in ideas(self.function).items():
            unknown = sorted(set(arguments) - set(known))
            assert arguments and not unknown, (
                f"idea {idea!r} is taken out by {unknown or 'nothing'}: name arguments of the recipe"
            )
            without = _Check(self.function, self.data, self.arguments | dict(arguments), self.place, self.size)
            made = without.recipe()
            for index in self.moments(made):
                loss = self.loss(made, index)
                assert loss.total.isfinite(), f"without idea {idea!r} the loss is {loss.total}"

    def running(self, made: Recipe, index: int) -> list[tuple[str, Term]]:
        """The terms that count at a step."""
        step = Step(index, TOTAL)
        return [(n, t) for n, t in made.objective._terms() if at(made.objective.weights.get(n, 1.0), step)]

    def teacher_moves_without_gradient(self) -> None:
        made = self.recipe()
        objective = made.objective
        if objective.teacher is None:
            assert not any(t.reads_teacher for _, t in objective._terms()), "a term reads a teacher, and there is none"
            return
        network = objective.teacher.network
        shared = {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in objective._led().parameters()}
        assert not shared, "the teacher is the student: they share tensors"
        assert not any(p.requires_grad for p in network.parameters()), "the teacher would learn by gradient"
        start = {n: p.clone() for n, p in network.named_parameters()}
        optimizer = made.optim.build(objective)
        taught = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert not taught & {id(p) for p in network.parameters()}, "the optimizer moves the teacher"
        for index in range(TOTAL):  # a teacher may wait for the end of a round
            made.optim.gradients(optimizer, partial(self.descend, made, index))
            assert all(p.grad is None for p in network.parameters()), "gradients reach the teacher"
            optimizer.step()
            optimizer.zero_grad()
            objective.after_step(Step(index, TOTAL))
        moves = [n for n, p in objective.named_parameters() if p.requires_grad and n.startswith("encoders.")]
        frozen = 1 - len(moves) / max(1, sum(1 for n, _ in objective.named_parameters() if n.startswith("encoders.")))
        moved = [n for n, p in network.named_parameters() if not torch.equal(p, start[n])]
        assert len(moved) > (0.8 - frozen) * len(start), f"only {len(moved)} of {len(start)} teacher's tensors moved"
        if isinstance(objective.teacher, Ema):
            off = interventions.taught(objective, Step(TOTAL // 2, TOTAL))
            assert off <= ROUNDING, f"the teacher is {off:.2g} off from where its momentum would bring it"

    def state_comes_back(self) -> None:
        made, other = self.recipe(), self.recipe(seed=1)
        for index in range(2):  # what it remembers is part of it
            self.loss(made, index)
            made.objective.after_step(Step(index, TOTAL))
        other.objective.load_state_dict(made.objective.state_dict())
        a, b = (self.loss(each, 3).total for each in (made, other))
        assert torch.equal(a, b), f"with its state put back the loss is {b}, not {a}: something remembered is no buffer"

    def order_does_not_matter(self) -> None:
        made = self.recipe()
        count = min(self.data.batch, len(self.data.source))
        samples = np.random.default_rng(0).permutation(len(self.data.source))[:count]
        for index in self.moments(made):
            one, other = (self.loss(made, index, each).total for each in (samples, samples[::-1].copy()))
            _near(other, one, f"at step {index} samples in another order give another loss")

    def moments(self, made: Recipe) -> tuple[int, ...]:
        """Steps that differ in kind: several where the recipe has phases."""
        return (2, 6, 10) if made.objective.skips else (2,)

    def ragged_equals_uniform(self) -> None:
        """Samples of one length, laid out as if they had many, give the same loss and gradients."""
        for index in self.moments(self.recipe()):
            plain = self._gradients(index)
            with _never_uniform():
                general = self._gradients(index)
            for name, value in plain.items():
                _near(general[name], value, f"by the code for samples of many lengths, {name} differs at step {index}")

    def _gradients(self, index: int) -> dict[str, Tensor]:
        made = self.recipe()
        loss = self.loss(made, index)
        loss.backward()
        found = {n: p.grad for n, p in made.objective.named_parameters() if p.grad is not None}
        return {"the loss": loss.total.detach()} | {f"the gradient of {n}": g for n, g in found.items()}

    def bf16_is_finite(self) -> None:
        made = self.recipe()
        set_dtype(made.objective, torch.bfloat16)
        loss = self.loss(made)
        loss.backward()
        assert loss.total.isfinite(), "in bf16 the loss is not finite"
        assert loss.total.dtype == torch.float32, f"the loss is {loss.total.dtype}: compute losses in fp32"
        learnt = {p.dtype for p in made.objective.parameters()}
        assert learnt == {torch.float32}, f"parameters are {learnt}, not fp32"

    def resumes_to_the_last_bit(self) -> None:
        """Four steps are two, a checkpoint, and two: weights, teacher, memories, moments."""
        run = Run(device="cpu", dtype="fp32", save_every=1.0, probe_every=1.0)
        folders = [self.place / name for name in ("whole", "cut")]
        whole = dataclasses.replace(self.recipe(), steps=4)
        losses = train(whole, run, folders[0], Log(quiet=True)).losses
        half = train(dataclasses.replace(self.recipe(), steps=4), run, folders[1], Log(quiet=True), until=2).losses
        cut = dataclasses.replace(self.recipe(seed=9), steps=4)
        rest = train(cut, run, folders[1], Log(quiet=True)).losses
        assert losses == half + rest, f"uninterrupted the losses are {losses}, resumed {half + rest}"
        _equal(cut.objective.state_dict(), whole.objective.state_dict(), "a resumed run differs in")
        moments = [load_file(f / "checkpoints" / "step-00000004" / "optimizer.safetensors") for f in folders]
        _equal(moments[1], moments[0], "a resumed run differs in the optimizer's")


@contextmanager
def _never_uniform() -> Iterator[None]:
    """Inside, no layout counts as uniform, so everything takes the general way."""
    kept = Layout.uniform
    Layout.uniform = property(lambda self: self.segments < 2 and kept.fget(self))  # type: ignore[assignment, attr-defined]
    try:
        yield
    finally:
        Layout.uniform = kept  # type: ignore[method-assign]


def _equal(a: dict[str, Tensor], b: dict[str, Tensor], what: str) -> None:
    assert a.keys() == b.keys(), f"{what} names: {sorted(a.keys() ^ b.keys())[:5]}"
    differing = [name for name in a if not torch.equal(a[name], b[name])]
    assert not differing, f"{what} {differing[:5]}"


def _near(a: Tensor, b: Tensor, what: str) -> None:
    scale = max(1.0, float(b.detach().abs().max())) if b.numel() else 1.0
    worst = float((a.detach() - b.detach()).abs().max()) if b.numel() else 0.0
    assert worst <= 2e-5 * scale, f"{what} by {worst:.2g} (of {scale:.2g})"
