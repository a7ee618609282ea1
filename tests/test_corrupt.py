"""What is hidden, how much of it, and by whose chance: masks hang on samples and steps, never on batch position."""

import math

import pytest
import torch
from tests.parts import LENGTHS, grid, rows
from torch.testing import assert_close

from headstart.corrupt import clean, corrupt, drop, groups, hide, noise, one_of, other_sample, random
from headstart.step import Rng, Step
from headstart.tokens import Tokens, layout, reserve

SCORES = [random, groups]


def rng(keys, step=0, seed=0, name="x") -> Rng:
    return Step(step, 100, seed).rng(name, torch.as_tensor(keys))


def masks(tokens: Tokens, score, ratio=0.5, keys=None, **where) -> list[list[bool]]:
    """Of every segment, which of its rows are hidden."""
    chance = rng(range(tokens.layout.segments) if keys is None else keys, **where)
    mask = hide(tokens, score(tokens, chance), ratio).mask
    return [m.tolist() for m in mask.split(tokens.layout.lengths)]


# hide


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize(("lengths", "slots"), [(LENGTHS, 0), (LENGTHS, 2), ((9, 9), 1), ((1,), 1), ((16, 3, 16), 0)])
def test_counts_are_exact_and_slots_never_hidden(score, ratio, lengths, slots):
    tokens = rows(lengths, slots=slots)
    hidden = hide(tokens, score(tokens, rng(range(len(lengths)))), ratio)
    assert hidden.counts == tuple(max(1, round(ratio * n)) if n and ratio else 0 for n in lengths)
    for s, count in enumerate(hidden.counts):
        assert hidden.mask[tokens.layout.seg == s].sum() == count
    assert not (hidden.mask & tokens.slot).any()
    assert torch.equal(hidden.index, torch.nonzero(hidden.mask)[:, 0])


def test_the_lowest_scores_are_hidden():
    tokens = rows((4, 3), slots=1)
    score = torch.tensor([-9, 4.0, 1.0, 3.0, 2.0, -9, 0.5, 0.1, 0.9])
    assert hide(tokens, score, 0.5).index.tolist() == [2, 4, 6, 7]
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        hide(tokens, score, 1.5)


@pytest.mark.parametrize("score", SCORES)
def test_masks_follow_their_samples(score):
    """A sample's mask is the same wherever it lies, whoever lies beside it, and ragged or uniform."""
    each, keys = [grid(1, 5, 1, seed=i) for i in range(4)], [11, 5, 99, 42]
    uniform = masks(grid(4, 5, 1), score, keys=keys)
    assert len({tuple(m) for m in uniform}) == 4
    order = [2, 0, 3, 1]
    assert masks(grid(4, 5, 1), score, keys=[keys[i] for i in order]) == [uniform[i] for i in order]
    for i, one in enumerate(each):
        assert masks(one, score, keys=keys[i : i + 1]) == [uniform[i]]
    content = grid(4, 5)
    longer = Tokens(
        torch.cat([content.values, content.values[:7]]),
        torch.cat([content.coords, content.coords[:7]]),
        layout((25, 25, 25, 25, 7)),
    )
    ragged = reserve(longer, 1)
    assert not ragged.layout.uniform and masks(ragged, score, keys=[*keys, 3])[:4] == uniform


@pytest.mark.parametrize("score", SCORES)
def test_equal_seeds_and_different_steps(score):
    tokens = grid(3, 6, 1)
    first = masks(tokens, score)
    assert masks(tokens, score) == first
    for change in ({"step": 1}, {"seed": 1}, {"name": "y"}, {"keys": [7, 8, 9]}):
        other = masks(tokens, score, **change)
        assert all(a != b for a, b in zip(first, other, strict=True))


def surrounded(score) -> float:
    """The share of hidden cells of 14 x 14 grids with at least three hidden neighbours of four."""
    mask = torch.tensor(masks(grid(400, 14), score)).view(-1, 14, 14)
    assert (mask.sum((1, 2)) == 98).all()
    around = torch.nn.functional.pad(mask.int(), (1, 1, 1, 1))
    near = around[:, :-2, 1:-1] + around[:, 2:, 1:-1] + around[:, 1:-1, :-2] + around[:, 1:-1, 2:]
    return float(((near >= 3) & mask).sum() / mask.sum())


def test_groups_are_connected():
    """GMML's record (papers/objectives-vision.yaml, gmml, works_when 1), at equal area 0.5."""
    assert surrounded(groups) > 0.60 and surrounded(random) < 0.32


def test_random_hides_every_place_equally():
    mask = torch.tensor(masks(grid(2000, 4), random, 0.25)).float().mean(0)
    assert (mask - 0.25).abs().max() < 4.5 * math.sqrt(0.25 * 0.75 / 2000)


def test_corrupt_and_clean():
    tokens = rows(slots=1)
    view = corrupt(random, 0.5, drop)(tokens, rng(range(5)))
    assert view.clean is tokens and view.dropped and len(view.seen) == len(tokens) - len(view.hidden)
    assert torch.equal(view.seen.values, tokens.values[view.kept.index]) and view.seen.slot.sum() == 5
    assert torch.equal(view.seen.coords, tokens.coords[view.kept.index])
    plain = clean(tokens, rng(range(5)))
    assert plain.seen is tokens and len(plain.hidden) == 0 and not plain.dropped


# fills


def test_noise_is_standard_normal():
    tokens = grid(64, 16, 1, dim=12)
    view = corrupt(random, 0.5, noise)(tokens, rng(range(64)))
    drawn = view.seen.values[view.hidden.index]
    assert torch.equal(view.seen.values[view.kept.index], tokens.values[view.kept.index])
    x = drawn.flatten().double().sort().values
    n = len(x)
    assert n == 64 * 128 * 12 and abs(x.mean()) < 4 / math.sqrt(n) and abs(x.std() - 1) < 4 / math.sqrt(2 * n)
    normal = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    assert (normal - (torch.arange(n) + 0.5) / n).abs().max() < 1.95 / math.sqrt(n)  # Kolmogorov-Smirnov, p = 0.001
    assert drawn.T.corrcoef().fill_diagonal_(0).abs().max() < 5 / math.sqrt(len(drawn))


def test_noise_among_ids_is_the_samples_own():
    """Frequent ids come often, and none comes that the sample does not have."""
    ids = torch.cat([torch.tensor([1] * 900 + [2] * 100), torch.full((1000,), 7)])
    view = corrupt(random, 0.5, noise)(Tokens(ids, torch.zeros(2000, 1), layout((1000, 1000))), rng([0, 1]))
    drawn = view.seen.values[view.hidden.index[:500]]
    assert set(drawn.tolist()) == {1, 2} and 0.85 < float((drawn == 1).float().mean()) < 0.95
    assert (view.seen.values[1000:] == 7).all()


@pytest.mark.parametrize("tokens", [grid(6, 4, 1), rows((5, 3, 8, 1, 5), slots=1), rows((4, 9))], ids=len)
def test_alien_rows_come_from_one_other_sample_at_the_same_place(tokens):
    spans = tokens.layout
    where = tokens.with_values(torch.stack([spans.seg, spans.place - spans.slots], 1).float())
    view = corrupt(random, 0.6, other_sample)(where, rng(range(spans.segments)))
    donor, place = view.seen.values[view.hidden.index].long().T
    mine, own = spans.seg[view.hidden.index], (spans.place - spans.slots)[view.hidden.index]
    assert (donor != mine).all() and len(donor)
    assert torch.equal(place, own % torch.tensor(tokens.content)[donor])
    for s in range(spans.segments):
        assert len(set(donor[mine == s].tolist())) <= 1
    assert torch.equal(view.seen.values[view.kept.index], where.values[view.kept.index])


def test_alien_partners_do_not_hang_on_batch_order():
    tokens, keys, order = grid(5, 4), torch.tensor([4, 8, 15, 16, 23]), torch.tensor([3, 1, 4, 0, 2])
    name = tokens.with_values(keys[tokens.layout.seg][:, None].float())
    turned = tokens.with_values(keys[order][tokens.layout.seg][:, None].float())
    make = corrupt(random, 0.5, other_sample)
    a = make(name, rng(keys)).seen.values.view(5, 16)[order]
    b = make(turned, rng(keys[order])).seen.values.view(5, 16)
    assert torch.equal(a, b)
    with pytest.raises(ValueError, match=r"at least two samples.*raise data.batch"):
        make(grid(1, 4), rng([0]))


def test_one_of_takes_its_proportions():
    def say(number):
        return lambda t, hidden, rng: t.with_values(t.values.index_fill(0, hidden.index, number))

    tokens = grid(4000, 2, dim=1).with_values(torch.zeros(16_000, 1))
    fill = one_of(say(1.0), say(2.0), say(3.0), p=(0.5, 0.2, 0.3))
    seen = corrupt(random, 0.5, fill)(tokens, rng(range(4000))).seen.values.view(4000, 4)
    which = seen.amax(1)
    assert ((seen == 0) | (seen == which[:, None])).all()  # one fill per sample
    for number, p in ((1, 0.5), (2, 0.2), (3, 0.3)):
        assert abs((which == number).float().mean() - p) < 4 * math.sqrt(p * (1 - p) / 4000)
    with pytest.raises(ValueError, match="summing to 1"):
        one_of(noise, noise, p=(0.5, 0.6))


def test_one_of_fills_ids_too():
    ids = Tokens(torch.arange(12), torch.arange(12.0)[:, None], layout((4, 4, 4)))

    def mask(tokens, hidden, rng):
        return tokens.with_values(tokens.values.index_fill(0, hidden.index, 99))

    fill = one_of(other_sample, mask, p=(0.5, 0.5))
    seen = corrupt(random, 0.5, fill)(ids, rng(range(3))).seen
    assert seen.values.shape == (12,) and seen.values.dtype == torch.int64 and (seen.values != ids.values).sum() == 6


# chance


def uniform(x: torch.Tensor, tolerance: float = 1.95) -> None:
    x = x.flatten().double().sort().values
    assert x[0] >= 0 and x[-1] < 1
    assert (x - (torch.arange(len(x)) + 0.5) / len(x)).abs().max() < tolerance / math.sqrt(len(x))


def test_draws_are_uniform():
    keys = torch.arange(5000)
    uniform(rng(keys).segments(4))
    uniform(torch.cat([rng([7], step=i).segments(1) for i in range(5000)]))
    spans = layout((200,) * 50)
    for n in (1, 3):
        uniform(rng(torch.arange(50)).rows(spans.seg, spans.place, n))
    uniform(rng([3]).rows(torch.zeros(10_000, dtype=torch.long), torch.arange(10_000)))


def test_streams_know_nothing_of_each_other():
    """Correlations between names, steps, seeds, neighbouring samples, columns and places stay within chance."""
    n, keys = 10_000, torch.arange(10_000)
    base = rng(keys)
    streams = [
        base.segments()[:, 0], base.fold("a").segments()[:, 0], base.fold("b").segments()[:, 0],
        base.fold(0).segments()[:, 0], base.fold(1).segments()[:, 0], base.fold("a").fold("b").segments()[:, 0],
        base.fold("b").fold("a").segments()[:, 0], rng(keys, step=1).segments()[:, 0],
        rng(keys, seed=1).segments()[:, 0], rng(keys + 1).segments()[:, 0], base.segments(2)[:, 1],
        base.rows(keys, torch.zeros_like(keys))[:, 0], base.rows(keys, torch.ones_like(keys))[:, 0],
        base.rows(keys, torch.zeros_like(keys), 2)[:, 1],
    ]  # fmt: skip
    for a, x in enumerate(streams):
        for b, y in enumerate(streams):
            if (a, b) in ((0, 9), (9, 0)):  # the same draws, one sample on
                assert torch.equal(x[1:], y[:-1]) if a < b else True
            elif a != b:
                assert not torch.equal(x, y)
                assert abs(torch.stack([x, y]).corrcoef()[0, 1]) < 5 / math.sqrt(n), (a, b)


def test_draws_hang_on_key_sample_and_place_alone():
    a, b = rng([5, 6, 7]), rng([7, 9, 5])
    assert torch.equal(a.segments(3)[0], b.segments(3)[2]) and torch.equal(a.segments(3)[2], b.segments(3)[0])
    seg, place = torch.tensor([0, 0, 2]), torch.tensor([1, 4, 1])
    assert torch.equal(a.rows(seg, place, 2), b.rows(2 - seg, place, 2))
    assert_close(a.normal(seg, place, 3), b.normal(2 - seg, place, 3))
    assert len(set(a.segments(1)[:, 0].tolist())) == 3
