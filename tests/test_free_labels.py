"""Free labels: where a row is (DropPos, MP3), how a sample was turned (RotNet), how it was spoiled (DCPT)."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.parts import batch_of, recipe, rows
from torch.testing import assert_close

from headstart.augment import audio, image, points, series, turns, video, volume
from headstart.contract import check_recipe, works
from headstart.errors import Mistake
from headstart.nn.position import sincos
from headstart.recipes.dcpt import DEFECTS, spoiled
from headstart.recipes.droppos import central, misplaced
from headstart.recipes.mp3_position_prediction import scattered
from headstart.shelf.find import find
from headstart.step import Step
from headstart.terms.locate import softened
from headstart.tiny import tiny_data
from headstart.tokens import Tokens, layout, reserve
from headstart.tree import replace

STEP = Step(3, 10)
NAMES = ("droppos", "mp3_position_prediction", "rotnet", "dcpt")


def chance(tokens, seed=0):
    return Step(0, 1, seed).rng("x", torch.arange(tokens.layout.segments))


@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n in NAMES for k in ("image", "series")] + [(n, "text") for n in NAMES[:2]]
)
def test_contract(name, kind):
    check_recipe(find(name), tiny_data(kind))


@pytest.mark.parametrize("name", NAMES)
def test_ragged(name):
    assert works(find(name), tiny_data("image", ragged=True)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_refused(name):
    with pytest.raises(Mistake, match="one kind"):
        recipe(name, "pairs")


# where a row is


def by_hand(made, batch, weights=None):
    """The mean cross-entropy of the placeless rows, sample by sample, from the papers' formulas; and the rows' hits."""
    scene = made.objective.scene(batch, STEP)
    term, view = made.objective.terms["where"], scene.views["x"]
    z, sigma = (
        term.head(scene.student.z["x"]).values,
        (1 - STEP.done) * (made.objective.terms["where"].weigh is not None),
    )
    total, count, row = 0.0, 0.0, 0
    starts = view.clean.layout.cu.tolist()
    for s, n in enumerate(view.seen.layout.lengths):
        places = view.clean.coords[starts[s] + 1 : starts[s + 1]]
        codes = sincos(places, term.width) @ term.places.weight.T
        for r in range(row + 1, row + n):
            if view.placeless[r]:
                logits = codes @ z[r] / math.sqrt(term.width)
                far = ((places - view.seen.coords[r]) ** 2).sum(1)
                goal = torch.exp(-far / sigma**2) if sigma else (far == 0).float()
                loss = -(goal / goal.sum() * (logits.exp() / logits.exp().sum()).log()).sum()
                weight = 1.0 if weights is None else weights[r]
                total, count = total + weight * loss, count + weight
        row += n
    return total / count


def by_the_teacher(made, batch):
    """Attentive weights of the visible rows: softmax over them of cos(class token, row) / 0.1, by the student on all rows."""
    view = made.objective.scene(batch, STEP).views["x"]
    z = made.objective.encoder(view.clean).values.detach()
    kept, weights, starts = view.kept.index, torch.zeros(len(view.seen)), view.clean.layout.cu.tolist()
    for s in range(view.clean.layout.segments):
        mine = [(i, int(k)) for i, k in enumerate(kept) if starts[s] < k < starts[s + 1]]
        token = z[starts[s]]
        alike = torch.stack([(z[k] @ token) / (z[k].norm() * token.norm()) for _, k in mine])
        for (i, _), w in zip(mine, (alike / 0.1).softmax(0), strict=True):
            weights[i] = w
    return weights


@pytest.mark.parametrize("kind", ["image", "ragged", "series"])
def test_droppos_by_hand(kind):
    made = recipe("droppos", kind, ratio=0.5)
    batch = batch_of(made, STEP)
    wanted = by_hand(made, batch, by_the_teacher(made, batch))
    assert_close(made.objective(batch, STEP).total, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["image", "ragged", "text"])
def test_mp3_by_hand(kind):
    made = recipe("mp3_position_prediction", kind)
    batch = batch_of(made, STEP)
    assert_close(made.objective(batch, STEP).total, by_hand(made, batch), rtol=1e-5, atol=1e-6)


def test_droppos_counts():
    tokens = rows((16, 4, 9, 1), slots=1)
    view = misplaced(0.75, 0.75)(tokens, chance(tokens))
    assert view.hidden.counts == (12, 3, 7, 1) and view.seen.content == (4, 1, 2, 0)
    lost = [int(view.placeless[view.seen.layout.seg == s].sum()) for s in range(4)]
    assert lost == [3, 1, 2, 0] and not view.placeless[view.seen.slot].any()


def test_droppos_asks_only_rows_without_a_place():
    """The rows that keep theirs are anchors: what is said of them does not count."""
    made = recipe("droppos", "image", ratio=0.0, lost=0.5)
    batch, term = batch_of(made, STEP), made.objective.terms["where"]
    view = made.objective.scene(batch, STEP).views["x"]
    real, anchors = term.head.forward, ~view.placeless
    term.head.forward = lambda z: (y := real(z)).with_values(torch.where(anchors[:, None], 7.0, y.values))
    changed = made.objective(batch, STEP).total
    term.head.forward = real
    assert_close(changed, made.objective(batch, STEP).total)


def test_droppos_weights_sum_to_one_and_follow_the_class_token():
    made = recipe("droppos", "ragged", ratio=0.5)
    scene = made.objective.scene(batch_of(made, STEP), STEP)
    view = scene.views["x"]
    weights = central(0.1)(view, view.kept.index, scene)
    sums = torch.zeros(view.seen.layout.segments).index_add(0, view.seen.layout.seg, weights)
    assert_close(sums, torch.ones_like(sums))
    assert not weights[view.seen.slot].any() and weights.std() > 1e-3


def test_smoothing_is_the_papers_not_the_releases():
    at = torch.cartesian_prod(torch.arange(14.0), torch.arange(14.0))[None]
    share = softened(at, at, 1.0)[0]
    assert_close(share.sum(1), torch.ones(196), rtol=0, atol=1e-6)
    inside = share[7 * 14 + 7]
    assert inside[7 * 14 + 8] / inside[7 * 14 + 7] == pytest.approx(math.exp(-1))
    assert_close(softened(at, at, 0.0)[0], torch.eye(196))
    raw = torch.exp(-(torch.cdist(at[0], at[0]) ** 2))
    assert (raw / raw.sum(-1)).sum(-1).max() == pytest.approx(1.110, abs=2e-3)  # what the release trains on


def test_rows_at_one_place_share_the_answer():
    at = torch.tensor([[[0.0], [2.0], [2.0]]])
    assert_close(softened(at, at, 0.0)[0, 1], torch.tensor([0.0, 0.5, 0.5]))


@pytest.mark.parametrize("kind", ["image", "ragged"])
def test_mp3_does_not_know_the_order(kind):
    """With all rows as context, rows in another order give the same answers in that order; told their places they do not."""
    made = recipe("mp3_position_prediction", kind)
    batch = batch_of(made, STEP)
    tokens = batch.tokens["x"]
    order = torch.tensor([r for s, e in pairwise(tokens.layout.cu.tolist()) for r in (s, *range(e - 1, s, -1))])
    turned = replace(batch, tokens={"x": tokens.with_values(tokens.values[order])})
    for make, same in (
        (scattered(0.0), True),
        (lambda t, rng: replace(scattered(0.0)(t, rng), placeless=t.slot), False),
    ):
        made.objective.views["x"] = ("x", make)
        before, after = (made.objective.scene(each, STEP).student.z["x"].values for each in (batch, turned))
        assert torch.allclose(after, before[order], rtol=0, atol=1e-5) is same


def test_mp3_sees_only_its_context():
    """What a row outside the context holds changes nothing for the others."""
    made = recipe("mp3_position_prediction", "image")
    batch = batch_of(made, STEP)
    scene = made.objective.scene(batch, STEP)
    keys, tokens = scene.views["x"].keys, batch.tokens["x"]
    assert keys.counts == (1 + 4,) * 6
    alone = int((~keys.mask).nonzero()[0])
    changed = replace(batch, tokens={"x": tokens.with_values(tokens.values.index_fill(0, torch.tensor([alone]), 9.0))})
    before, after = (made.objective.scene(each, STEP).student.z["x"].values for each in (batch, changed))
    others = torch.arange(len(before)) != alone
    assert torch.equal(before[others], after[others]) and not torch.allclose(before[alone], after[alone])


# how a sample was turned


def test_quarters_by_transposing_and_flipping():
    """The release's rotate_img: 90 degrees transpose, then flip up-down; 180 both flips; 270 flip up-down, then transpose."""
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6)).astype(np.uint8)
    wanted = (x, np.flip(x.swapaxes(2, 3), 2), np.flip(x, (2, 3)), np.flip(x, 2).swapaxes(2, 3))
    for number, want in enumerate(wanted):
        assert np.array_equal(image.turn(torch.from_numpy(x), number).numpy(), want)


@pytest.mark.parametrize(
    ("way", "shape"),
    [(image, (2, 1, 4, 6)), (volume, (2, 1, 3, 4, 6)), (video, (2, 3, 1, 4, 6)), (series, (2, 2, 7)), (audio, (2, 1, 8)),
     (points, (2, 9, 3)), (points, (2, 9, 8))],
)  # fmt: skip
def test_turns_are_a_group(way, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    each = [way.turn(x, number) for number in range(way.TURNS)]
    assert torch.equal(each[0], x) and torch.equal(way.turn(each[-1], 1), x)
    assert torch.equal(way.turn(each[1], 1), each[2 % way.TURNS])
    for y in each[1:]:
        assert torch.equal(y.flatten().abs().sort().values, x.flatten().abs().sort().values)  # nothing is interpolated
        assert y.shape != x.shape or not torch.equal(y, x)


def test_normals_turn_along():
    xyz = torch.nn.functional.normalize(torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    sphere = torch.cat([xyz, xyz], -1)
    turned = points.turn(sphere, 1)
    assert torch.equal(turned[..., 3:], turned[..., :3]) and torch.equal(turned[..., 0], -xyz[..., 1])
    colours = torch.cat([xyz, 0.5 * xyz.abs()], -1)
    assert torch.equal(points.turn(colours, 1)[..., 3:], colours[..., 3:])


@pytest.mark.parametrize(("kind", "count"), [("image", 4), ("ragged", 4), ("series", 2)])
def test_every_turn_of_every_sample_is_in_the_batch(kind, count):
    made = recipe("rotnet", kind)
    batch = batch_of(made, STEP)
    scene = made.objective.scene(batch, STEP)
    label = made.objective.terms["which"].label(scene.views["x"], scene)
    assert batch.tokens["x"].layout.segments == count * batch.size
    assert label.tolist() == [turn for turn in range(count) for _ in range(batch.size)]
    lengths = batch.tokens["x"].layout.lengths
    assert lengths[: batch.size] == lengths[-batch.size :]


def test_rotnet_says_what_cannot_be_turned():
    with pytest.raises(Mistake, match="text has no exact turns"):
        recipe("rotnet", "text")
    assert turns("table") == 1 and turns("volume") == 4


# how a sample was spoiled


def flat(samples=200, n=16, dim=6):
    values = torch.randn(samples * n, dim, generator=torch.Generator().manual_seed(1))
    coords = torch.arange(n).float().repeat(samples)[:, None]
    return reserve(Tokens(values, coords, layout((n,) * samples)), 1)


def test_defects_are_what_they_say():
    tokens = flat()
    view = spoiled(*DEFECTS)(tokens, chance(tokens))
    seg, content = tokens.layout.seg, ~tokens.slot
    assert torch.equal(view.seen.values[~content], tokens.values[~content])
    assert torch.bincount(view.label, minlength=5).min() > 20
    said = {k: (view.seen.values, tokens.values, content & (view.label[seg] == k)) for k in range(5)}
    noisy, faded, coarse, blurred, dead = ((new[m], old[m]) for new, old, m in said.values())
    assert 0.5 < (noisy[0] - noisy[1]).std() < 1 and abs((noisy[0] - noisy[1]).mean()) < 0.05
    assert 0.25 < faded[0].std() / faded[1].std() < 0.7 and faded[0].mean() < -0.3
    assert len(coarse[0].unique()) < 0.1 * len(coarse[1].unique())
    assert (coarse[0] - coarse[1]).abs().max() <= 0.75 + 1e-5
    assert blurred[0].std() < 0.8 * blurred[1].std()
    assert 0.2 < (dead[0] == 0).float().mean() < 0.5 and torch.equal(dead[0][dead[0] != 0], dead[1][dead[0] != 0])


def test_blur_stays_within_samples():
    tokens = flat(8)
    blurred = DEFECTS[3]
    much = torch.ones(len(tokens), 1)
    before = blurred(tokens, much, chance(tokens))
    other = tokens.values.masked_fill((tokens.layout.seg == 3)[:, None], 9.0)
    after = blurred(tokens.with_values(other), much, chance(tokens))
    away = (tokens.layout.seg != 3) & ~tokens.slot
    assert torch.equal(before[away], after[away])


def test_defects_do_not_hang_on_the_batch():
    tokens = flat(6)
    keys = torch.arange(6)
    turned = tokens.with_values(tokens.values.view(6, 17, -1).flip(0).flatten(0, 1))
    make = spoiled(*DEFECTS)
    there, back = make(tokens, STEP.rng("x", keys)), make(turned, STEP.rng("x", keys.flip(0)))
    assert torch.equal(there.label, back.label.flip(0))
    content = ~tokens.slot.view(6, 17)
    a, b = there.seen.values.view(6, 17, -1), back.seen.values.view(6, 17, -1).flip(0)
    assert torch.equal(a[content], b[content])


def test_ids_are_refused():
    made = recipe("dcpt", "text")
    with pytest.raises(Mistake, match="ids"):
        made.objective(batch_of(made, STEP), STEP)


def test_mixer_takes_the_deepest_first_under_learned_shares():
    made = recipe("dcpt", "image", levels=2)
    term = made.objective.terms["defect"]
    assert term.depths == (1, 2)
    scene = made.objective.scene(batch_of(made, STEP), STEP)
    deep, shallow = (scene.student.within[d]["spoiled"] for d in (2, 1))
    with torch.no_grad():
        term.head.shares.copy_(torch.tensor([0.3, -0.2]))
    a, b = np.exp(0.3) / (np.exp(0.3) + np.exp(-0.2)), np.exp(-0.2) / (np.exp(0.3) + np.exp(-0.2))
    head = term.head
    x = head.between[0](head.levels[0](float(a) * deep.values))
    x = head.end(head.between[1](head.levels[1](x + float(b) * shallow.values)))
    means = torch.stack([x[deep.layout.seg == s][1:].mean(0) for s in range(deep.layout.segments)])
    assert_close(head([deep, shallow]), head.name(means), rtol=1e-5, atol=1e-6)
    logits = head.name(means)
    wanted = -(logits.softmax(1)[torch.arange(len(logits)), scene.views["spoiled"].label]).log().mean()
    assert_close(made.objective(batch_of(made, STEP), STEP).parts["defect"], wanted.detach(), rtol=1e-5, atol=1e-6)


def test_dcpt_reproduces_clean_rows():
    made = recipe("dcpt", "image")
    scene = made.objective.scene(batch_of(made, STEP), STEP)
    z, view = scene.student.z["x"], scene.views["x"]
    said = made.objective.terms["same"].head(z.values)
    wanted = (said - view.clean.values)[~view.clean.slot].abs().mean()
    assert_close(made.objective(batch_of(made, STEP), STEP).parts["same"], wanted.detach(), rtol=1e-5, atol=1e-6)
