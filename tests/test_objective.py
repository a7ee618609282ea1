"""Objectives: five recipes learn, are exact about samples, and split over ranks. test_contract has what every recipe must do."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.parts import EVERY, LENGTHS, TINY, batch_of, data, recipe, rows
from tests.ranks import DISTRIBUTED, OPTIMIZERS, SHARDED, gradients, order, sharded, steps, vectors, worker
from torch import nn
from torch.testing import assert_close

from headstart.corrupt import clean, corrupt, drop, noise, random
from headstart.losses import CenteredCE, mse
from headstart.nn.encoder import encoder
from headstart.nn.heads import at_hidden, boxes, decoder, first, last, mean, mean_std, prototypes
from headstart.nn.linear import Linear
from headstart.objective import Objective
from headstart.scene import Scene, Side
from headstart.step import Step, cosine, ramp, warmup_cosine
from headstart.teacher import Ema
from headstart.terms import autoregress, distill, masked
from headstart.tokens import Batch, Tokens

STEP = Step(2, 10)


def objective(terms=None, views=None, **options) -> Objective:
    """A small one by hand, for pictures."""
    torch.manual_seed(0)
    enc = encoder(data("image").tokenizers, TINY)
    terms = terms or {"a": masked(head=at_hidden(Linear(16, 4)))}
    return Objective(enc, views or {"x": corrupt(random, 0.5, noise)}, terms, **options)


# every recipe


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_few_steps_lower_the_loss(name, kind):
    """On one batch under one mask, ten times."""
    made = recipe(name, kind)
    optimizer, batch = made.optim.build(made.objective), batch_of(made, STEP)
    for group in optimizer.param_groups:
        group["lr"] = 5e-4
    losses = []
    for _ in range(10):
        loss = made.objective(batch, STEP)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.total.item())
    assert losses[-1] < losses[0] - 1e-3, losses


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_one_packed_call_per_encoder(name, kind):
    made, calls = recipe(name, kind), []
    for path, part in made.objective.named_modules():
        if type(part).__name__ == "Transformer":
            part.register_forward_hook(lambda m, args, out, path=path: calls.append((path, args[0].layout.segments)))
    batch = batch_of(made, STEP)
    made.objective(batch, STEP)
    sides = 1 if made.objective.teacher is None else 2
    assert len(calls) == len({path for path, _ in calls}) == sides * len(made.objective.encoders)
    if name == "dino":  # two big and two small crops of six samples, and the teacher's two big ones
        assert sorted(n for _, n in calls) == [12, 24]


@pytest.mark.parametrize("kind", ["image", "series", "ragged"])
def test_masks_hang_on_the_sample(kind):
    made = recipe("mae", kind)

    def hidden(at):
        batch = batch_of(made, STEP, torch.tensor(at).numpy())
        view = made.objective.view("x", batch, STEP)
        return dict(zip(batch.index.tolist(), view.hidden.mask.split(view.clean.layout.lengths), strict=True))

    a, b = hidden([4, 0, 9, 7, 2, 11]), hidden([11, 4, 3, 9])
    for key in a.keys() & b.keys():
        assert torch.equal(a[key], b[key])


def test_samples_of_one_shape_lie_together():
    made = recipe("mae", "ragged")
    batch = batch_of(made, STEP, np.array([0, 1, 2, 3, 4, 5, 6]))
    lengths = batch.tokens["x"].layout.lengths
    assert len(set(lengths)) == 3 and sum(a != b for a, b in pairwise(lengths)) == 2
    assert sorted(batch.index.tolist()) == [0, 1, 2, 3, 4, 5, 6]


# the objective


def test_weights_move():
    torch.manual_seed(0)
    terms = {name: masked(head=at_hidden(Linear(16, 4))) for name in "abc"}
    made = objective(terms, weights={"a": ramp(0.0, 1.0, over=0.5), "b": 3.0})
    for index, weight in ((0, 0.0), (2, 0.4), (9, 1.0)):
        step = Step(index, 10)
        loss = made(batch_of(recipe("mae", "image"), step), step)
        p = {"a": torch.zeros(())} | loss.parts
        assert ("a" in loss.parts) == (weight > 0)  # what counts nothing is not run
        assert_close(loss.total, weight * p["a"] + 3 * p["b"] + p["c"], rtol=1e-6, atol=1e-6)
        assert not p["a"].requires_grad


def test_terms_share_views_and_may_weigh_rows():
    """A row that counts nothing changes nothing."""
    given = recipe("mae", "image")
    batch, made = batch_of(given, STEP), objective()

    def blind(tokens, rng):
        view = corrupt(random, 0.5, noise)(tokens, rng)
        weight = (view.clean.coords[:, 0] > 1).float()
        clean = view.clean.with_values(view.clean.values + 100 * (1 - weight)[:, None])
        return type(view)(view.seen, clean, view.hidden, weight=weight)

    def seen(tokens, rng):
        view = blind(tokens, rng)
        return type(view)(view.seen, tokens, view.hidden, weight=view.weight)

    losses = []
    for make in (blind, seen, corrupt(random, 0.5, noise)):
        made.views = {"x": ("x", make)}
        losses.append(made(batch, STEP).total)
    assert_close(losses[0], losses[1]) and abs(losses[1] - losses[2]) > 1e-4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: objective({"a": masked(nn.Linear(16, 4), view="y")}), r"'a' reads \['y'\], but the views are \['x'\]"),
        (lambda: objective(weights={"b": 1.0}), r"weights for \['b'\], but the terms are \['a'\]"),
        (lambda: objective({"a": distill(("x",), ("x",), nn.Linear(16, 4), CenteredCE(4))}), "teacher=Ema"),
        (lambda: distill(("x", "y"), ("y",), nn.Linear(16, 4), CenteredCE(4)), "teacher's views .* first"),
        (lambda: autoregress(nn.Linear(16, 4), shift=0), "at least 1, not 0"),
        (lambda: encoder(data("image").tokenizers, "XXL"), "no model size 'XXL'"),
        (lambda: data("pairs").dim, "one kind, and here are image, text"),
    ],
)  # fmt: skip
def test_mistakes_say_what_to_do(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_filled_view_is_wanted_at_hidden():
    made, holder = objective(views={"x": corrupt(random, 0.5, drop)}), recipe("mae", "image")
    with pytest.raises(ValueError, match="use a decoder, or another fill"):
        made(batch_of(holder, STEP), STEP)


def test_a_decoder_takes_filled_and_dropped_views():
    """Where rows were only filled, it puts its mask token over them: the two see the same visible rows."""
    torch.manual_seed(0)
    head, tokens = decoder(16, 4, depth=2, dim=8, heads=2), rows((5, 4, 6), dim=16, slots=1)
    rng = STEP.rng("x", torch.arange(3))
    a, b = (corrupt(random, 0.5, fill)(tokens, rng) for fill in (drop, noise))
    assert a.dropped and not b.dropped
    assert_close(head(a.seen, a), head(b.seen, b), rtol=1e-5, atol=1e-6)
    shallow = decoder(16, 4, depth=0, dim=8, heads=2)
    assert shallow(a.seen, a).shape == (len(a.hidden), 4)


@pytest.mark.parametrize("slots", [0, 1, 3])
@pytest.mark.parametrize("shift", [1, 2])
def test_autoregress_predicts_what_comes_next(slots, shift):
    """The pairs it scores are exactly (row, the row `shift` on) of one segment; the last slot speaks for the start."""
    tokens = rows(LENGTHS, dim=1, slots=slots)
    place = tokens.layout.place - slots
    tokens = tokens.with_values((tokens.layout.seg * 100 + place).float()[:, None])
    told = []
    term = autoregress(nn.Identity(), loss=lambda x, y: told.append((x, y)) or mse(x, y), shift=shift)
    view = clean(tokens, STEP.rng("x", torch.arange(5)))
    batch = Batch({"x": tokens}, torch.arange(5), 5)
    term(Scene({"x": view}, Side({"x": tokens}, {}, {}), None, batch, STEP))
    ((x, y),) = told
    assert torch.equal(y - x, torch.full_like(x, shift))
    start = 1 if slots else 0
    assert len(x) == sum(max(0, n + start - shift) for n in LENGTHS)


@pytest.mark.parametrize("slots", [1, 2])
def test_reads(slots):
    tokens = rows(LENGTHS, dim=3, slots=slots)
    tokens = tokens.with_values(torch.randn(len(tokens), 3, generator=torch.Generator().manual_seed(0)))
    for s, part in enumerate(tokens.values.split(tokens.layout.lengths)):
        content = part[slots:]
        assert torch.equal(first(tokens)[s], part[0]) and torch.equal(last(tokens)[s], part[-1])
        assert_close(mean(tokens)[s], content.mean(0))
        spread = (content.var(0, unbiased=False) + 1e-6).sqrt()
        assert_close(mean_std(tokens)[s], torch.cat([content.mean(0), spread]), rtol=1e-4, atol=1e-5)
        halves = []  # of a picture: upper left, upper right and so on, in the order of (y, x) with y the lowest bit
        place = tokens.coords.split(tokens.layout.lengths)[s][slots:]
        beyond = 2 * place > place.amin(0) + place.amax(0)
        for half in ([False, False], [True, False], [False, True], [True, True]):
            mine = content[(beyond == torch.tensor(half)).all(1)]
            halves += [mine.mean(0), mine.std(0, unbiased=False)] if len(mine) else [torch.zeros(6)]
        assert_close(boxes(tokens)[s], torch.cat(halves), rtol=1e-4, atol=1e-5)
    moved = Tokens(
        tokens.values, tokens.coords - 20.5, tokens.layout
    )  # places may lie below zero, slots at zero or anywhere
    assert torch.equal(boxes(moved), boxes(tokens))
    with pytest.raises(ValueError, match="no class token"):
        first(rows(LENGTHS))


def test_encoder_places_slots_and_positions():
    given = data("series")
    torch.manual_seed(0)
    enc, tokens = encoder(given.tokenizers, TINY), rows((4, 3), dim=6, slots=1, axes=1)
    x = enc.embed(tokens).values
    assert torch.equal(x[tokens.slot], enc.slots.expand(2, -1))
    still = enc.embed(tokens, torch.ones(len(tokens), dtype=torch.bool)).values
    assert_close(still[~tokens.slot], enc.embeds["x"](tokens)[~tokens.slot])
    moved = enc.embed(type(tokens)(tokens.values, tokens.coords + 1, tokens.layout, "x")).values
    assert not torch.equal(moved[~tokens.slot], x[~tokens.slot]) and torch.equal(moved[tokens.slot], x[tokens.slot])
    with pytest.raises(ValueError, match="packed with 2 slots for an encoder with 1"):
        enc(rows((4, 3), dim=6, slots=2, axes=1))


def test_prototypes_have_unit_length():
    torch.manual_seed(0)
    head = prototypes(16, 8, hidden=32, bottleneck=4)
    said = head(torch.randn(50, 16))
    assert said.abs().max() <= 1 + 1e-6
    with torch.no_grad():
        head.codes.mul_(7)
    torch.manual_seed(1)
    x = torch.randn(50, 16)
    assert head(x).abs().max() <= 1 + 1e-6


def test_schedules():
    rise = warmup_cosine(2.0, over=0.1, end=0.5)
    said = [rise(Step(i, 100)) for i in range(100)]
    assert_close(torch.tensor(said[:10]), torch.arange(1, 11) * 0.2)
    assert said[10] == 2.0 and said[10:] == sorted(said[10:], reverse=True) and 0.5 < said[-1] < 0.502
    assert [ramp(1.0, 3.0, over=0.5)(Step(i, 4)) for i in range(4)] == [1.0, 2.0, 3.0, 3.0]
    assert cosine(1.0, 0.0)(Step(5, 10)) == pytest.approx(0.5)
    assert warmup_cosine(1.0)(Step(0, 1)) == 1.0


def test_ema_is_a_copy_until_it_moves():
    torch.manual_seed(0)
    student, ema = nn.ModuleDict({"a": nn.BatchNorm1d(3)}), Ema(0.75)
    ema.adopt(student)
    with torch.no_grad():
        student["a"].weight.fill_(5.0)
        student["a"].running_mean.fill_(2.0)
    assert (ema.network["a"].weight == 1).all()
    ema.after_step(student, STEP)
    assert_close(ema.network["a"].weight, torch.full((3,), 2.0))
    assert (ema.network["a"].running_mean == 0).all()  # what it saw is its own


# several processes


@pytest.mark.parametrize("world", [2, 4])
def test_several_processes_equal_one(tmp_path, world):
    """A part of the batch each gives the gradients, the loss and the buffers that one process gets from all of it; steps take the
    same samples, and work that is divided is done in order."""
    torch.multiprocessing.spawn(worker, (world, str(tmp_path / "meet"), str(tmp_path / "found")), nprocs=world)
    found = [torch.load(tmp_path / f"found-{rank}") for rank in range(world)]
    for name, kind in DISTRIBUTED[world]:
        alone = gradients(name, kind)
        for split in (f[f"{name} {kind}"] for f in found):
            assert split.keys() == alone.keys()
            for key, value in alone.items():
                where = f"{name} {key}: "
                assert_close(split[key], value, rtol=1e-5, atol=1e-5, msg=lambda m, where=where: where + m)
    for step, samples in enumerate(order()):
        assert sorted(int(i) for f in found for i in f["order"][step]) == sorted(samples)
    for said in found:
        assert_close(said["vectors"], torch.from_numpy(vectors()), rtol=1e-5, atol=1e-5)
        assert said["none"] == 0
    for name, optim in OPTIMIZERS.items() if world == 2 else ():
        alone, begun = steps(optim), recipe("mae", "image").objective.state_dict()
        for split in (f[name] for f in found):
            for key, value in alone.items():
                where = f"{name} {key}: "
                if name == "muon":  # its matrices are made orthogonal in bf16, where single numbers may fall anywhere
                    apart, way = (split[key] - value).norm(), (value - begun[key]).norm()
                    assert apart <= 0.1 * way + 1e-5, f"{where}{apart:.2g} apart after a way of {way:.2g}"
                    continue
                assert_close(split[key], value, rtol=1e-4, atol=1e-5, msg=lambda m, where=where: where + m)
    for name, kind in SHARDED if world == 2 else ():
        alone = sharded(name, kind, shard=False)
        for split in (f[f"sharded {name} {kind}"] for f in found):
            assert 0.45 < split.pop("share") < 0.6 and split.keys() == alone.keys()
            for key, value in alone.items():
                size = alone.get(f"{key}/exp_avg_sq", torch.ones_like(value))
                sure = size > 1e-10  # Adam goes by the sign of what has no gradient, too
                assert_close(split[key][sure], value[sure], rtol=1e-3, atol=1e-5, msg=lambda m, key=key: f"{key}: {m}")
    for rank, said in enumerate(f["gather"] for f in found):
        assert said["all"].flatten().tolist() == [r for r in range(world) for _ in range(2)]
        assert said["mean"] == (world - 1) / 2
        assert said["grad"].flatten().tolist() == [2 * world * rank, 2 * world * rank + world]  # the sum over all ranks
