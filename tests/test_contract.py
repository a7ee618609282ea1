"""Every recipe keeps the contract, on several kinds of data; and the contract notices what it is there to notice."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from headstart import contract
from headstart.contract import check_recipe, works
from headstart.corrupt import clean, corrupt, keep, noise, random
from headstart.errors import Mistake
from headstart.losses import mse
from headstart.nn.encoder import encoder
from headstart.nn.heads import at_hidden, mean
from headstart.nn.linear import Linear
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Recipe
from headstart.shelf.find import find, names
from headstart.shelf.measured import matrix
from headstart.targets import features
from headstart.teacher import Ema
from headstart.terms import Meeting, Term, autoregress, contrast, masked
from headstart.tiny import EVERY, tiny_data

kept = functools.cache(tiny_data)  # samples are read once for all recipes
NAMES = names()


def kinds_of(name: str) -> list[str]:
    """Two very different kinds that a recipe works on, or the one that it does; other files try more."""
    table = matrix()[name]["kinds"]
    order = ("image", "text", "series", "table", "points", "graph", "pair3", "pair", *EVERY)
    return list(dict.fromkeys(kind for kind in order if not table[kind]))[:2]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_keeps_the_contract(name):
    function = find(name)
    for number, kind in enumerate(kinds_of(name)):
        check_recipe(function, kept(kind, ragged=number == 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_says_what_happens(name):
    """On every kind a recipe trains, or refuses with the reason that is written down."""
    row = matrix()[name]
    assert set(row["kinds"]) == set(EVERY)
    for kind, reason in row["kinds"].items():
        assert works(find(name), kept(kind)) == reason, kind
    assert not all(row["kinds"].values()), f"{name} works on nothing"


# what the contract notices


HALF = corrupt(random, 0.5, noise)


def task(spoil=HALF, term=None, teacher=None, **options):
    def recipe(data, size="S"):
        enc = encoder(data.tokenizers, size)
        restore = term(enc) if term else masked(at_hidden(Linear(enc.width, data.dim)))
        made = Objective(enc, {"x": spoil}, {"a": restore}, teacher=teacher() if teacher else None, **options)
        return Recipe(made, data, AdamW(), steps=10)

    return recipe


class Silent(Term):
    """Squared length of the mean row, and whatever a test adds."""

    def __init__(self, width, extra=lambda term, z: 0.0):
        super().__init__()
        self.reads, self.extra, self.head = ("x",), extra, Linear(width, width)

    def forward(self, scene):
        z = mean(scene.student.z["x"])
        return self.head(z).square().mean() + self.extra(self, scene)


class Boastful(Silent):
    """Says that it restores rows, and gives back one too few."""

    restores = "x"

    def restored(self, scene):
        return scene.views["x"].clean.values[scene.views["x"].hidden.index][1:]


class Sociable(Silent):
    """Says that a view meets others that it does not read."""

    def meets(self):
        return Meeting({"x": self.head, "y": self.head}, mean)


def silent(extra, **parts):
    def term(enc):
        made = Silent(enc.width, extra)
        for name, part in parts.items():
            setattr(made, name, part(enc.width))
        return made

    return term


def forgetful(term, scene):
    term.seen = getattr(term, "seen", 0) + 1  # no buffer
    return 0.1 * term.seen


def by_place(term, scene):
    return scene.student.z["x"].values[2, 0].square()


def unlike_twins(term, scene):
    return (1.0 if scene.student.z["x"].layout.uniform else 2.0) * mean(scene.student.z["x"]).mean()


def given(width):
    return nn.Parameter(torch.from_numpy(np.ones(width, np.float32)))


def numbers(tokens, rng):
    return torch.rand(len(tokens))


class Frozen(Ema):
    def after_step(self, student, step):
        pass


class Hasty(Ema):
    """Moves by another share than it says."""

    def after_step(self, student, step):
        self.network.load_state_dict(student.state_dict())


class Itself(Ema):
    def adopt(self, student):
        self.network = student

    def after_step(self, student, step):
        pass


class peeking(nn.Module):
    """A head that looks at what it should predict."""

    def __init__(self, width):
        super().__init__()
        self.out = Linear(width, 12)

    def forward(self, z, view):
        return self.out(z.values[view.hidden.index]) + view.clean.values[view.hidden.index]


def blank(tokens, hidden, rng):
    return tokens.with_values(tokens.values.index_fill(0, hidden.index, 0.0))


def alone(*looks):
    return sum(look.square().mean() for look in looks)


class Eager(Ema):
    def adopt(self, student):
        super().adopt(student)
        self.network.requires_grad_(True)


def latent(enc):
    return masked(at_hidden(Linear(enc.width, enc.width)), features(), mse)


def test_a_plain_recipe_passes():
    check_recipe(task(), kept("image"))
    check_recipe(task(term=latent, teacher=lambda: Ema(0.9)), kept("series"))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (task(corrupt(numbers, 0.5, noise)), "draw from the Rng alone"),
        (task(clean, silent(forgetful)), "something remembered is no buffer"),
        (task(clean, silent(by_place)), "in another order"),
        (task(clean, silent(unlike_twins)), "many lengths"),
        (task(clean, silent(lambda t, s: 0.0, spare=lambda w: nn.Linear(w, w))), "no gradient ever reaches"),
        (task(clean, silent(lambda t, s: torch.nan)), "the loss at step 2 is nan"),
        (task(clean, silent(lambda t, s: t.kept.sum(), kept=given)), "meta"),
        (task(term=latent, teacher=lambda: Frozen(0.9)), "teacher's tensors moved"),
        (task(term=latent, teacher=lambda: Eager(0.9)), "learn by gradient"),
        (task(HALF, lambda enc: Boastful(enc.width)), r"'a' restores \[47, 12\] of \[48, 12\]"),
        (task(clean, lambda enc: Sociable(enc.width)), "'a' y meets others, and it reads"),
        (task(weights={"a": lambda step: 0.0}), "counts anything"),
        (task(corrupt(random, 0.5, keep)), "what is hidden of view 'x' reaches what term 'a' predicts there"),
        (task(HALF, lambda enc: masked(peeking(enc.width))), "what is hidden of view 'x' reaches"),
        (task(corrupt(random, 1.0, blank)), "from nothing of the sample"),
        (task(clean, lambda enc: autoregress(Linear(enc.width, 12))), "rows of view 'x' see those after them"),
        (task(clean, lambda enc: contrast(("x",), Linear(enc.width, 8), alone)), "whatever the others are"),
        (task(term=latent, teacher=lambda: Hasty(0.9)), "off from where its momentum"),
        (task(term=latent, teacher=lambda: Itself(0.9)), "the teacher is the student"),
        (lambda source, size: None, r"called with \(data, size"),
    ],
)  # fmt: skip
def test_a_broken_recipe_is_named(recipe, said):
    with pytest.raises((AssertionError, ValueError), match=said):
        check_recipe(recipe, kept("image"))


def test_a_refusal_comes_through():
    def refuses(data, size="S"):
        raise Mistake("images only")

    assert works(refuses, kept("text")) == "images only" and works(task(), kept("image")) == ""
    with pytest.raises(Mistake, match="images only"):
        check_recipe(refuses, kept("text"))


@pytest.mark.parametrize(
    ("arguments", "said"), [({"raio": 0.1}, "raio"), ({}, "nothing"), ({"ratio": float("nan")}, "the loss is nan")]
)
def test_an_idea_that_does_not_come_out_is_named(arguments, said, monkeypatch):
    monkeypatch.setattr(contract, "ideas", lambda function: {"the idea": arguments})
    with pytest.raises(AssertionError, match=f"'the idea' .*{said}"):
        check_recipe(scaled, kept("image"))


def scaled(data, size="S", ratio=1.0):
    made = task()(data, size)
    made.objective.weights = {"a": ratio}
    return made
