"""What views may ask for: several of one batch, joined sequences, keys, noise levels, special rows, depths, and terms at rest."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, data, grid, rows
from torch import nn
from torch.testing import assert_close

from headstart import checkpoint
from headstart.corrupt import (
    between,
    clean,
    corrupt,
    drop,
    hide,
    mask_token,
    noise,
    one_of,
    random,
    sometimes,
    tube,
)
from headstart.data.feeding.loader import Look
from headstart.errors import Mistake
from headstart.losses import InfoNCE, mse, soft_cross_entropy
from headstart.nn.encoder import encoder
from headstart.nn.heads import at_hidden, decoder, mean, prototypes, rows_of
from headstart.nn.linear import Linear
from headstart.nn.lora import LowRank, adapt
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Recipe
from headstart.scene import Scene, Side
from headstart.step import Step, draw, during
from headstart.targets import codes, features
from headstart.teacher import Ema
from headstart.terms import Term, classify, contrast, masked, which_crop
from headstart.tokens import Batch, Tokens, View, every, join, layout, rows_where, unjoin
from headstart.tree import replace

STEP = Step(2, 10)
RNG = STEP.rng("x", torch.arange(5))


class Look_at(Term):
    """Keeps the scene that it is shown."""

    def __init__(self, *reads, depths=(), teacher=()):
        super().__init__()
        self.reads, self.depths, self.reads_teacher = reads, depths, teacher

    def forward(self, scene):
        self.scene = scene
        return sum(z.values.square().mean() for z in scene.student.z.values())


def build(terms, views, kind="image", specials=0, given=None, **options):
    torch.manual_seed(0)
    given = given or data(kind)
    enc = encoder(given.tokenizers, TINY, specials=specials)
    made = Objective(enc, views, terms, **options)
    return Recipe(made, given, AdamW(), 10)


def run(made, step=STEP):
    return made.objective(batch_of(made, step), step)


# views


def test_one_batch_gives_several_views():
    made = build(
        {"a": Look_at("a", "b")}, {"a": ("x", corrupt(random, 0.5, drop)), "b": ("x", corrupt(random, 0.5, drop))}
    )
    run(made)
    views = made.objective.terms["a"].scene.views
    assert views["a"].name == "a" and torch.equal(views["a"].clean.values, views["b"].clean.values)
    assert not torch.equal(views["a"].hidden.mask, views["b"].hidden.mask)  # each with chance of its own


def test_views_are_made_when_looked_at():
    made_of = []

    def noted(tokens, rng):
        made_of.append(1)
        return clean(tokens, rng)

    views = {"x": clean, "y": ("x", noted)}
    made = build({"a": Look_at("x"), "b": Look_at("y")}, views, weights={"b": during(0.5, 1.0)})
    loss = run(made)
    assert not made_of and loss.parts.keys() == {"a"} and made.objective.skips
    assert run(made, Step(5, 10)).parts.keys() == {"a", "b"} and len(made_of) == 1
    scene = made.objective.terms["a"].scene
    assert scene.term == "a" and set(scene.student.z) == {"x", "y"}
    with pytest.raises(ValueError, match="counts anything at step 2"):
        run(build({"b": Look_at("y")}, views, weights={"b": during(0.5, 1.0)}))


def test_rows_together_attend_to_one_another():
    given = data("pairs")
    views = {"image": clean, "text": clean}
    apart = build({"a": Look_at("image", "text")}, views, given=given)
    joined = build({"a": Look_at("image", "text")}, views, given=given, together=[("image", "text")])
    batch = batch_of(apart, STEP)
    for made in (apart, joined):
        made.objective(batch, STEP)
    a, b = (made.objective.terms["a"].scene.student.z for made in (apart, joined))
    for part in views:
        assert a[part].layout.lengths == b[part].layout.lengths and torch.equal(a[part].coords, b[part].coords)
        assert not torch.allclose(a[part].values, b[part].values, atol=1e-3)
    other = batch.tokens["text"].with_values((batch.tokens["text"].values + 1) % 250)
    joined.objective(replace(batch, tokens=batch.tokens | {"text": other}), STEP)
    assert not torch.allclose(joined.objective.terms["a"].scene.student.z["image"].values, b["image"].values, atol=1e-4)
    one = build({"a": Look_at("image")}, views, given=given, together=[("image", "text")])
    one.objective(batch, STEP)  # who reads one part has the other read, too
    assert_close(one.objective.terms["a"].scene.student.z["image"].values, b["image"].values, rtol=1e-5, atol=1e-5)


def test_joined_rows_come_apart():
    a, b = rows((3, 0, 2), dim=4, slots=1), rows((1, 4, 2), dim=4, slots=1, seed=1, axes=1)
    both = join([a, b])
    assert both.layout.lengths == (6, 6, 6)
    assert torch.equal(both.values[:4], a.values[:4]) and torch.equal(both.values[4:6], b.values[:2])
    for before, after in zip((a, b), unjoin(both.values, [a, b]), strict=True):
        assert torch.equal(before.values, after.values) and torch.equal(before.coords, after.coords)
    with pytest.raises(ValueError, match="cannot be joined"):
        join([a, rows((1, 2))])


def test_keys_are_all_that_is_attended_to():
    """A row that is no key changes nothing but itself."""
    enc = build({"a": Look_at("x")}, {"x": clean}).objective.encoder
    spans = layout((5, 7, 5), 1)
    x = torch.randn(spans.rows, 16)
    keys = rows_where((spans.place % 2 == 0), (3, 4, 3))

    def some(tokens, rng):
        return replace(clean(tokens, rng), keys=rows_where(tokens.layout.place < 4, (4,) * tokens.layout.segments))

    from headstart.nn.transformer import Keys

    given = Keys(keys.index, layout(keys.counts))
    through = lambda x, keys=None: enc.through(Tokens(x, torch.zeros(len(x), 0), spans), keys)[-1].values  # noqa: E731
    a = through(x, given)
    moved = x.clone()
    moved[1] = torch.randn(16)
    b = through(moved, given)
    assert not torch.allclose(a[1], b[1]) and torch.equal(a[2:], b[2:])
    everything = Keys(torch.arange(spans.rows), layout(spans.lengths))
    assert_close(through(x, everything), through(x), rtol=1e-5, atol=1e-6)
    made, free = (
        build({"a": Look_at("x", "y")}, {"x": some, "y": ("x", clean)}),
        build({"a": Look_at("x")}, {"x": clean}),
    )
    for each in (made, free):
        run(each)
    z, all_z = (each.objective.terms["a"].scene.student.z for each in (made, free))
    assert not torch.allclose(z["x"].values, z["y"].values, atol=1e-4)
    assert_close(z["y"].values, all_z["x"].values, rtol=1e-5, atol=1e-5)  # a view without keys, packed beside one with


def test_a_level_of_noise_is_told_to_the_slots():
    enc, tokens = build({"a": Look_at("x")}, {"x": clean}).objective.encoder, rows((3, 4), dim=4, slots=1, kind="x")
    none, zero, high = (
        enc.embed(tokens, level=level).values for level in (None, torch.zeros(2), torch.tensor([0.0, 9.0]))
    )
    assert torch.equal(none, zero)
    assert torch.equal(high[:4], none[:4]) and not torch.allclose(high[4], none[4]) and torch.equal(high[5:], none[5:])


def test_special_rows_have_no_content():
    made = build({"a": masked(at_hidden(Linear(16, 4)))}, {"x": corrupt(random, 0.5, mask_token)}, specials=1)
    enc, batch = made.objective.encoder, batch_of(made, STEP)
    view = made.objective.view("x", batch, STEP)
    assert torch.equal(view.seen.special == 0, view.hidden.mask)
    hidden = view.seen.values + 5 * view.hidden.mask[:, None]
    assert torch.equal(enc.embed(view.seen).values, enc.embed(view.seen.with_values(hidden)).values)
    run(made).backward()
    assert enc.specials.grad.any()
    bare = build({"a": masked(at_hidden(Linear(16, 4)))}, {"x": corrupt(random, 0.5, mask_token)})
    with pytest.raises(ValueError, match="specials=1"):
        run(bare)
    mixed = corrupt(random, 0.5, one_of(mask_token, noise, p=(0.5, 0.5)))(rows((6,) * 5, slots=1), RNG)
    share = [int((s >= 0).sum()) for s in mixed.seen.special.split(7)]
    assert set(share) == {0, 3}


def test_special_vectors_are_saved(tmp_path):
    enc = build({"a": Look_at("x")}, {"x": clean}, specials=2).objective.encoder
    checkpoint.save_encoder(tmp_path, enc, {"read": "mean"})
    back, _ = checkpoint.load_encoder(tmp_path)
    assert torch.equal(back.specials, enc.specials) and back.shape == enc.shape


def test_depths_show_the_rows_on_their_way():
    made = build({"a": Look_at("x", depths=(0, 1, 2))}, {"x": clean})
    run(made)
    enc, scene = made.objective.encoder, made.objective.terms["a"].scene
    tokens = scene.views["x"].seen
    x = enc.embed(tokens)
    assert_close(scene.student.within[0]["x"].values, x.values)
    assert_close(scene.student.within[1]["x"].values, enc.trunk.blocks[0](x).values)
    last = scene.student.within[2]["x"].values
    assert_close(enc.trunk.norm(last), scene.student.z["x"].values)


# scores and shares


def test_tubes_stand_or_fall_together():
    t, y, x = torch.meshgrid(*[torch.arange(float(n)) for n in (4, 3, 5)], indexing="ij")
    coords = torch.stack([t, y, x], -1).view(-1, 3).repeat(2, 1)
    tokens = Tokens(torch.zeros(120, 1), coords, layout((60, 60)))
    mask = hide(tokens, tube(tokens, STEP.rng("x", torch.arange(2))), (24, 24)).mask.view(2, 4, 15)
    assert torch.equal(mask, mask[:, :1].expand_as(mask)) and (mask[:, 0].sum(1) == 6).all()
    assert not torch.equal(mask[0], mask[1])


def test_shares_move():
    tokens = grid(64, 6, slots=1)
    keys = STEP.rng("x", torch.arange(64))
    once = [between(0.2, 0.6)(tokens, Step(i, 10).rng("x", torch.arange(64))) for i in range(40)]
    assert all(len(set(counts)) == 1 for counts in once) and len({counts[0] for counts in once}) > 8
    assert min(c[0] for c in once) >= 7 and max(c[0] for c in once) <= 22
    each = sometimes(0.5, 0.2, 0.6)(tokens, keys)
    assert 20 < sum(n == 0 for n in each) < 44 and len(set(each)) > 5
    view = corrupt(random, sometimes(0.5, 0.2, 0.6), mask_token)(tokens, keys)
    assert view.hidden.counts == tuple(int(m.sum()) for m in view.hidden.mask.split(37))


# terms, targets, teachers


def test_one_term_a_step_is_drawn():
    among = {"a": 0.5, "b": 0.3, "c": 0.2}
    weights = draw(among)
    said = np.array([[w(Step(i, 2000)) for w in weights.values()] for i in range(2000)])
    assert (said.sum(1) == 1).all() and np.abs(said.mean(0) - [0.5, 0.3, 0.2]).max() < 0.04


def test_rows_of_the_teacher_are_a_target():
    view = {"x": corrupt(random, 0.5, drop)}
    made = build({"a": masked(decoder(16, 16, depth=1, dim=8, heads=2), features(), mse)}, view, teacher=Ema(0.5))
    assert not made.objective.teacher.network["heads"]  # a predictor has no copy
    told = []
    made.objective.terms["a"].loss = lambda said, goal: told.append(goal) or mse(said, goal)
    run(made).backward()
    enc, batch = made.objective.encoder, batch_of(made, STEP)
    hidden = made.objective.view("x", batch, STEP).hidden
    assert_close(told[0], enc(batch.tokens["x"]).values[hidden.index])


def test_codes_of_the_teacher_are_a_target():
    head = prototypes(16, 8, 32, 4)
    term = masked(at_hidden(head), codes(8, 0.04), partial(soft_cross_entropy, temperature=0.1))
    made = build({"a": term}, {"x": corrupt(random, 0.5, mask_token)}, specials=1, teacher=Ema(0.5))
    run(made).backward()
    assert not term.target.shares.center.any()
    made.objective.after_step(STEP)
    assert term.target.shares.center.any() and "terms.a.target.shares.center" in made.objective.state_dict()


def test_a_head_of_two_terms_is_saved_once(tmp_path):
    head = Linear(16, 4)
    made = build({"a": masked(at_hidden(head)), "b": masked(at_hidden(head))}, {"x": corrupt(random, 0.5, noise)})
    optimizer = made.optim.build(made.objective)
    path = checkpoint.save(tmp_path, 1, made.objective, optimizer)
    with torch.no_grad():
        head.weight.zero_()
    checkpoint.restore(path, made.objective, optimizer)
    assert head.weight.any() and made.objective.terms["a"].head.inner is made.objective.terms["b"].head.inner
    other = build({"a": masked(at_hidden(Linear(16, 4)))}, {"x": corrupt(random, 0.5, noise)}).objective
    wider = build({"c": masked(at_hidden(Linear(16, 4)))}, {"x": corrupt(random, 0.5, noise)}).objective
    with pytest.raises(Mistake, match="another recipe"):
        checkpoint.restore(checkpoint.save(tmp_path / "b", 1, other, optimizer_of(other)), wider, optimizer_of(wider))


def shown(z, size):
    """A scene of these encoded views."""
    return Scene({}, Side(z, {}, {}), None, Batch(z, torch.arange(size), size), STEP)


def optimizer_of(objective):
    return AdamW().build(objective)


def test_labels_of_rows_and_of_looks():
    def marked(tokens, rng):
        return replace(clean(tokens, rng), label=(tokens.layout.place[every(tokens).index] % 2).long())

    term = classify(Linear(16, 2), read=rows_of)
    assert run(build({"a": term}, {"x": marked})).total.isfinite()
    with pytest.raises(ValueError, match="has no label"):
        run(build({"a": classify(Linear(16, 2))}, {"x": clean}))
    tokens = rows((2,) * 6, slots=1)
    assert which_crop(View(tokens, tokens, every(tokens)), shown({"x": tokens}, 3)).tolist() == [0, 0, 0, 1, 1, 1]


def test_samples_without_a_part_do_not_meet():
    torch.manual_seed(0)
    whole = contrast(("a", "b"), nn.Identity(), InfoNCE(), read=mean)
    a, b = rows((3, 0, 2, 4, 1), slots=1), rows((3, 2, 2, 0, 1), slots=1, seed=1)
    there = [0, 2, 4]

    def loss(a, b, size):
        return whole(shown({"a": a, "b": b}, size))

    kept = [Tokens(mean(t)[there], torch.zeros(3, 0), layout((1, 1, 1))) for t in (a, b)]
    assert_close(loss(a, b, 5), loss(*kept, 3))
    none = rows((0, 0, 0, 0, 0), slots=1)
    assert loss(a, none, 5) == 0  # nobody has both, and there is nothing to learn


def test_kinds_that_cannot_be_turned_say_so():
    import headstart.augment.text as way

    look = Look(way, None, 1)
    with pytest.raises(Mistake, match="text samples cannot be turned exactly"):
        look.turns()
    with pytest.raises(Mistake, match="text samples cannot be made coarser"):
        look.coarser(2)


# low-rank updates


def test_low_rank_updates_begin_at_nothing_and_fold_in():
    torch.manual_seed(0)
    enc = encoder(data("image").tokenizers, TINY)
    x = batch_of(build({"a": Look_at("x")}, {"x": clean}), STEP).tokens["x"]
    before = enc(x).values
    adapt(enc, rank=2, blocks=1)
    assert torch.equal(enc(x).values, before)
    maps = [part for part in enc.modules() if isinstance(part, LowRank)]
    assert len(maps) == TINY.depth - 1
    with torch.no_grad():
        for part in maps:
            part.up[0].normal_()
            part.up[1].normal_()
            keys = part.whole()[16:32]
            assert torch.equal(keys, part.weight[16:32]) and not torch.equal(part.whole()[:16], part.weight[:16])
            assert_close(part.part(torch.ones(3, 16), slice(0, 16)), part(torch.ones(3, 16))[:, :16])
    plain = encoder(data("image").tokenizers, TINY)
    plain.load_state_dict(enc.folded().state_dict())
    assert_close(plain(x).values, enc(x).values, rtol=1e-5, atol=1e-6)
    learning = {n for n, p in enc.named_parameters() if p.requires_grad}
    assert all("norm" in n or ".1." in n or "up" in n or "down" in n for n in learning) and "slots" not in learning
