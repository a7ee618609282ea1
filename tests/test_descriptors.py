"""What is known of samples without learning, in few numbers; and an encoder that learns to say it of samples it never saw."""

from unittest import mock

import numpy as np
import pytest
import torch
from tests.parts import TINY, chains

from headstart.contract import check_recipe
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.descriptors import FAR, Descriptors
from headstart.log import Log
from headstart.optim import AdamW
from headstart.planning.timing import Pace, time_steps
from headstart.recipe import Data, Recipe, Run
from headstart.recipes.descriptors import IDEAS, descriptors
from headstart.rivals import of_kind
from headstart.step import Step, warmup_cosine
from headstart.tiny import tiny_data
from headstart.tokenizers import named
from headstart.tokenizers.want import Want
from headstart.train import train
from headstart.training import Training


@pytest.mark.parametrize("kind", ["image", "text", "table"])  # dense and sparse vectors of specialists, and plain ones
def test_contract(kind):
    check_recipe(descriptors, tiny_data(kind))


def tokenizer_of(source):
    return named(source.kind).fit([source[i] for i in range(min(64, len(source)))], Want(32))


@pytest.mark.parametrize("kind", ["image", "text", "protein", "table", "molecule", "series"])
def test_descriptors_are_short_and_even(kind):
    """Mean 0 and variance 1 over what they were found from, the same whatever was asked before, and zeros where there are fewer
    directions."""
    data = tiny_data(kind)
    n = len(data.source)
    known = Descriptors(data.source, data.only)
    x = known.of(np.arange(n))
    assert x.shape == (n, known.width) and known.width == min(128, n - 1) and x.dtype == np.float32
    assert np.abs(x.mean(0)).max() < 0.1 and x[:, x.std(0) > 0].var(0).mean() == pytest.approx(1, rel=0.2)
    alone = Descriptors(data.source, data.only).of(np.array([3, 1, 3]))
    assert np.allclose(alone, x[[3, 1, 3]], atol=1e-4)


def test_descriptors_are_the_specialists():
    """Directions of k-mers: they tell chains apart as k-mers do, and one sample is described once."""
    source = chains(200, 0)
    tokenizer = tokenizer_of(source)
    samples = [source[i] for i in range(200)]
    vectors = of_kind("protein").fit(samples, tokenizer)(samples).toarray()
    known = Descriptors(source, tokenizer, directions=199)
    x = known.of(np.arange(200))

    def near(z):
        d = ((z[:, None] - z[None]) ** 2).sum(-1) + np.eye(200) * 1e9
        return d.argmin(1)

    assert (near(x) == near(vectors)).mean() > 0.95
    known._vectors = None  # whoever asks again is not answered anew
    assert np.array_equal(known.of(np.arange(200)), x)


def test_one_number_is_one_direction():
    source = ListSource([{"a": float(i)} for i in range(40)], "table")
    plain = mock.Mock(kind="table", raw=lambda row: np.array([row["a"]], np.float32))
    x = Descriptors(source, plain).of(np.arange(40))
    assert np.abs(np.corrcoef(x[:, 0], np.arange(40))[0, 1]) > 0.99 and not x[:, 1:].any()


def test_what_one_sample_has_is_not_all_there_is():
    """A column that is 0 but for one sample is worth no more than FAR standard deviations."""
    rng = np.random.default_rng(0)
    rows = [{"a": float(a), "b": 1e6 * (i == 7)} for i, a in enumerate(rng.standard_normal(400))]
    source = ListSource(rows, "table")
    x = Descriptors(source, tokenizer_of(source)).of(np.arange(400))
    assert np.abs(x).max() < 3 * FAR


def said(steps=150, **changes):
    """Share of the variance of 64 new samples' descriptors that the head says, after so many steps."""
    source, new = chains(256, 0), chains(64, 1)
    tokenizer = tokenizer_of(source)
    torch.manual_seed(0)
    made = descriptors(Data(source, {"x": tokenizer}, batch=32), size=TINY, directions=16, **changes)
    train(
        Recipe(made.objective, made.data, AdamW(lr=warmup_cosine(1e-2), weight_decay=0.0), steps),
        Run(),
        log=Log(quiet=True),
    )
    objective = made.objective.eval()
    term = objective.terms["say"]
    batch = collate(Data(new, made.data.tokenizers, batch=64), np.arange(64), Step(0, 1), objective.slots)
    with torch.no_grad():
        z = objective.scene(batch, Step(0, 1)).student.z["x"]
        head = term.head(term.read(z).float()).numpy()
    own = Descriptors(source, tokenizer, 16)
    truth = own._reduced(own._vectors([new[int(i)] for i in batch.index]))
    return 1 - ((head - truth) ** 2).sum() / (truth**2).sum()


def test_descriptors_of_new_samples_are_said():
    learnt = said()
    assert learnt > 0.3
    for without in IDEAS.values():
        assert said(**without) < 0.1  # descriptors of other samples cannot be said


def test_what_is_kept_is_no_cost_of_a_step():
    """Descriptors are made once for each sample: the steps that fit into a time are foretold by that."""
    pace = Pace(step=0.1, peak=0.0, rows=0.0, once=0.01)
    assert pace.seconds(10, 32, 10_000) == pytest.approx(1 + 3.2)  # all new
    assert pace.seconds(1_000, 32, 200) == pytest.approx(100 + 2)  # 200 in all
    for seconds in (2.0, 60.0):
        steps = pace.fitting(seconds, 32, 200)
        assert pace.seconds(steps, 32, 200) <= seconds < pace.seconds(steps + 1, 32, 200)
    made, within = descriptors(tiny_data("image"), size=TINY), []
    known, take = made.objective.terms["say"].known, Training.take

    def of(samples):
        assert not within, "made while the clock runs"
        return real(samples)

    def taken(self, batch, step):
        within.append(1)
        try:
            return take(self, batch, step)
        finally:
            within.pop()

    real, known._vectors = known._vectors, of
    with mock.patch.object(Training, "take", taken):
        assert time_steps(made, Run(), at_least=0.0).once > 0
