"""M3AE: hidden rows are told from the other part of their sample, pixels before the last blocks and words after them, and so is
whether both parts belong together."""

from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch

from headstart.corrupt import clean
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import altered, moved, read
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Rng
from headstart.tokenizers import ImageTokenizer, TextTokenizer
from headstart.tokens import Tokens, View

from . import led, looks
from .claim import Figure
from .lab import Trial

STEPS, BANK, HELD = 250, 2000, 256
SIZE = Model(width=64, depth=4, heads=4)
TRAINED = ("parts are read together",)
NOT_SHOWN = {"features of scans": "there are no scans with reports at hand; these pairs were made for it"}

SHAPES = np.array(
    [
        [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]],
        [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]],
        [[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]],
    ]
)
COLOURS = np.array([[230, 40, 40], [40, 230, 40], [40, 40, 230], [230, 230, 40]])


def check(trial: Trial) -> Iterator[Figure]:
    made = trial.recipe(pairs(trial, BANK + HELD), SIZE)
    objective, (batch, step) = made.objective, trial.batch(made)
    asks = [
        led.asks_of(objective, batch, step, objective.terms.get_submodule(name))
        for name in ("words.head", "match.head")
    ]
    one, two = (looks.shares(looks.views(trial, made, name)).mean() for name in ("lost", "blanks"))
    last = f"encoders.{next(iter(objective.encoders))}.trunk.blocks.3"
    late = [led.hangs_on(objective, batch, step, term, last) for term in ("words", "pixels")]
    yield Figure("share of the signal that is hidden, over that of the text", one / two, above=2)
    yield Figure("part of what hangs on the last block that is words, not pixels", late[0] / sum(late), above=0.99)
    yield Figure("what is asked of the heads of words and of belonging, the lesser", min(asks), above=1e-3)
    yield Figure(
        "how far the rows of a signal move when its text says something else",
        crossed(objective, trial, made.data),
        above=1e-3,
    )

    objective = trial.fit(made, STEPS, among=range(BANK))
    own, others = (told(objective, trial, made.data, strange) for strange in (False, True))
    yield Figure("hidden letters told from the right picture, less from another's", own[0] - others[0], above=0.15)
    yield Figure("error of hidden patches with the right caption, over with another's", own[1] / others[1], below=0.95)
    yield Figure(
        "how often it is said rightly whether they belong together, the lower of own and strange texts",
        own[2],
        above=0.8,
    )


def pairs(trial: Trial, count: int) -> Data:
    """Pictures of two coloured shapes, with captions of two letters for each."""
    r = trial.rng
    colour, shape = r.integers(0, 4, (2, count, 2))
    cells = SHAPES[shape][..., None] * COLOURS[colour][:, :, None, None] + 20  # [n, 2, 4, 4, 3]
    shown = np.concatenate([cells[:, 0], cells[:, 1]], 2).transpose(0, 3, 1, 2).clip(0, 255).astype(np.uint8)
    letters = [
        "".join("RGBY"[c] + "oxzn"[s] for c, s in zip(*each, strict=True)) for each in zip(colour, shape, strict=True)
    ]
    samples = [{"image": picture, "text": text} for picture, text in zip(shown, letters, strict=True)]
    return Data(
        ListSource(samples, "pair"), {"image": ImageTokenizer(2, 3), "text": TextTokenizer(4)}, trial.batch_size
    )


def crossed(objective: Objective, trial: Trial, data: Data) -> float:
    """How far the encoded rows of signals of which a part is hidden move when every text is the next sample's."""
    step = trial.step()
    batch = collate(data, np.arange(16), step, objective.slots)
    other = altered(batch, "text", torch.ones(len(batch.tokens["text"]), dtype=torch.bool))
    before, after = (
        read(objective, each, step, lambda scene: scene.student.z["lost"].values, "pixels") for each in (batch, other)
    )
    return moved(before, after)


@torch.no_grad()
def told(objective: Objective, trial: Trial, data: Data, strange: bool) -> tuple[float, float, float]:
    """(accuracy at held-out hidden letters, error at hidden patches, accuracy of the match, the lower of own and
    strange texts), of which the first two see the other
    part of their sample whole, or of the sample before."""
    step = trial.step()
    batch = collate(data, np.arange(BANK, BANK + HELD), step, objective.slots)
    whole = another if strange else clean
    with mock.patch.object(objective, "views", objective.views | {"shown": ("image", whole), "told": ("text", whole)}):
        scene = objective.scene(batch, step)
        blanks, match = scene.views["blanks"], objective.terms["match"]
        said = objective.terms["words"].predicted(scene).argmax(1)
        words = float((said == blanks.clean.values[blanks.hidden.index]).double().mean())
        pixels, right = float(objective.terms["pixels"](scene)), []
        for other, answer in ((clean, 1), (another, 0)):
            with mock.patch.dict(objective.views, {"other": ("text", other)}):
                scene = objective.scene(batch, step, {"match": match})
            said = match.head(match.read(scene.student.z["other"])).argmax(1)
            right.append(float((said == answer).double().mean()))
        return words, pixels, min(right)


def another(tokens: Tokens, rng: Rng) -> View:
    """The rows of the sample before; all have equally many."""
    each = tokens.values.unflatten(0, (tokens.layout.segments, -1))
    return clean(tokens.with_values(each.roll(1, 0).flatten(0, 1)), rng)
