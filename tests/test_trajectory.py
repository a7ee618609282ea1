"""States and actions in turn; stretches that hang together."""

import numpy as np
import pytest
import torch

from headstart.augment.trajectory import crop_rows
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.trajectory import TrajectoryTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

R = np.random.default_rng(0)


def walk(n, s=3, a=2, last=0, dtype=np.float32):
    return {
        "state": (5 + 9 * R.standard_normal((n + last, s))).astype(dtype),
        "action": R.standard_normal((n, a)).astype(dtype),
    }


def test_contract():
    samples = [walk(20), walk(7, dtype=np.float64), walk(12, last=1), walk(0, last=1)]
    check_tokenizer(TrajectoryTokenizer.fit(samples), samples)
    choices = [{"state": R.integers(0, 9, n), "action": R.integers(0, 2, n)} for n in (5, 9)]
    check_tokenizer(TrajectoryTokenizer.fit(choices), [*choices, {"state": np.zeros(1), "action": np.zeros(0)}])
    check_tokenizer(TrajectoryTokenizer(3, 2), samples)


def test_rows_take_turns():
    sample = walk(4)
    tokens = TrajectoryTokenizer(3, 2)(sample)
    assert tokens.coords.tolist() == [[t, which] for t in range(4) for which in (0, 1)]
    assert np.allclose(tokens.values[2], [*sample["state"][1], 0, 0, -1])
    assert np.allclose(tokens.values[3], [0, 0, 0, *sample["action"][1], 1])


def test_standardised():
    pile = [walk(50) for _ in range(20)]
    tokenizer = TrajectoryTokenizer.fit(pile)
    rows = torch.cat([tokenizer(x).values for x in pile])
    states, actions = rows[::2, :3], rows[1::2, 3:5]
    for x in (states, actions):
        assert x.mean(0).abs().max() < 1e-3 and (x.std(0) - 1).abs().max() < 1e-2
    still = TrajectoryTokenizer.fit([{"state": np.full((5, 1), 0.1), "action": np.zeros((5, 1))}])
    assert still.std == (1.0, 1.0)


def test_longest():
    tokenizer = TrajectoryTokenizer.fit([walk(50)], Want(longest=10))
    out = tokenizer.fitted(walk(50, last=1))
    assert len(out["state"]) == 11 and len(out["action"]) == 10
    assert len(TrajectoryTokenizer(3, 2, longest=10**9).fitted(walk(12_000))["state"]) == 9_999


BAD = [
    None,
    "x",
    np.zeros((3, 3)),
    {},
    {"state": np.zeros((3, 3))},
    {"state": None, "action": None},
    {"state": np.zeros((0, 3)), "action": np.zeros((0, 2))},
    {"state": np.zeros((3, 3)), "action": np.zeros((1, 2))},
    {"state": np.zeros((3, 3)), "action": np.zeros((4, 2))},
    {"state": np.zeros((3, 0)), "action": np.zeros((3, 2))},
    {"state": np.zeros((3, 4)), "action": np.zeros((3, 2))},
    {"state": np.zeros((3, 3)), "action": np.zeros((3, 1))},
    {"state": np.full((3, 3), np.nan), "action": np.zeros((3, 2))},
    {"state": np.full((3, 3), 1e300), "action": np.zeros((3, 2))},
    {"state": [["a"] * 3] * 3, "action": np.zeros((3, 2))},
    {"state": [[1, 2, 3], [1]], "action": np.zeros((2, 2))},
    {"state": np.zeros((2, 10_000)), "action": np.zeros((2, 2))},
]


@pytest.mark.parametrize("sample", BAD, ids=range(len(BAD)))
def test_what_is_no_trajectory_is_refused_in_words(sample):
    with pytest.raises(Unreadable):
        TrajectoryTokenizer(3, 2).fitted(sample)


def test_fit_ignores_what_it_cannot_read():
    good = [walk(9), walk(8)]
    odd = [BAD[i] for i in (0, 1, 2, 3, 7, 12, 16)]
    assert TrajectoryTokenizer.fit([*odd, walk(5, s=7), *good]) == TrajectoryTokenizer.fit(good)
    with pytest.raises(Mistake, match="none of these 7"):
        TrajectoryTokenizer.fit(odd)


def test_raw_knows_the_dynamics():
    """How fast a state changes is in the baseline, however long the trajectory."""
    tokenizer = TrajectoryTokenizer.fit([walk(30)])
    slow, fast = (
        {"state": np.sin(w * np.arange(200))[:, None] * np.ones((1, 3)), "action": np.zeros((200, 2))}
        for w in (0.1, 0.4)
    )
    a, b = tokenizer.raw(tokenizer.fitted(slow)), tokenizer.raw(tokenizer.fitted(fast))
    assert len(a) == 4 * 5 + 16 * 3 and np.allclose(b[6:9] / a[6:9], 4, rtol=0.1)


def test_a_crop_is_one_stretch():
    tokens = pack([TrajectoryTokenizer(3, 2)(walk(n)) for n in (30, 12, 1, 50)] * 8, slots=1)
    keys = torch.arange(32)
    part = crop_rows(tokens, Step(0, 1).rng("x", keys), (0.3, 0.6), 0.5)
    starts = set()
    for i, whole in enumerate(tokens.content):
        rows = part.coords[part.layout.seg == i][1:]
        place = (2 * rows[:, 0] + rows[:, 1]).tolist()
        assert place == list(range(int(place[0]), int(place[0]) + len(place)))
        assert 0.3 * whole - 1 <= len(place) <= 0.6 * whole + 1
        starts.add((whole, place[0]))
    assert len(starts) > 20  # not always the same stretch
    assert crop_rows(tokens, Step(0, 1).rng("x", keys), (1.0, 1.0), 1.0).layout.lengths == tokens.layout.lengths
