"""EEGDM: noise of a known level, told from the sample. POA: nets inside a net, of the same weights."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from parts import batch_of, data, recipe, rows
from torch import nn
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.errors import Mistake
from headstart.nn.elastic import Elastic, extract, narrow, part
from headstart.nn.encoder import Model, encoder
from headstart.nn.heads import prototypes
from headstart.recipes.poa import alike, follow, several, spread
from headstart.scene import Scene, Side
from headstart.step import Step
from headstart.terms.diffuse import diffuse, noised, squared_cosine, velocity
from headstart.tokens import every
from headstart.tree import replace as changed

# noise


def rng_of(tokens, keys=None, index=0):
    return Step(index, 10).rng("x", torch.arange(tokens.layout.segments) if keys is None else keys)


def shares(levels):
    """By the steps (diffusers' squaredcos_cap_v2): betas from the curve, capped at 0.999, and their running product."""
    curve = np.cos((np.arange(levels + 1) / levels + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - curve[1:] / curve[:-1], 0.999))


@pytest.mark.parametrize("levels", [1, 2, 50, 1000])
def test_the_schedule_is_the_product_of_its_steps(levels):
    left = squared_cosine(levels)
    assert np.abs(left(torch.arange(1.0, levels + 1)).numpy() - shares(levels)).max() < 1e-6
    assert float(left(torch.zeros(()))) == 1
    with pytest.raises(Mistake, match="at least 1 level"):
        squared_cosine(0)


def test_velocity_is_what_diffusers_calls_it():
    """get_velocity, with the noise found again from what is seen: another road to the same numbers."""
    tokens = rows(dim=6, slots=1)
    left = squared_cosine(50)
    view = noised(left)(tokens, rng_of(tokens))
    share = torch.from_numpy(shares(50))[view.level.long() - 1][tokens.layout.seg, None]
    noise = (view.seen.values.double() - share.sqrt() * tokens.values) / (1 - share).sqrt()
    expected = share.sqrt() * noise - (1 - share).sqrt() * tokens.values
    found = velocity(tokens.values, view.label, left(view.level)[tokens.layout.seg, None])
    content = every(tokens).index
    assert (found - expected)[content].abs().max() < 2e-5  # fp32 rows, divided by 0.04 at the first level
    x, eps, share = torch.randn(3, 9, 4, dtype=torch.float64)[0], torch.randn(9, 4).double(), torch.rand(9, 1).double()
    assert (velocity(x, eps, share) - (share**0.5 * eps - (1 - share) ** 0.5 * x)).abs().max() < 1e-12


def test_noise_has_every_level_and_leaves_slots_alone():
    tokens = rows((3,) * 400, dim=32, slots=1)
    view = noised(squared_cosine(10))(tokens, rng_of(tokens))
    assert set(view.level.tolist()) == set(range(1, 11)) and not len(view.hidden)
    assert torch.equal(view.seen.values[tokens.slot], tokens.values[tokens.slot])
    noise = view.label[every(tokens).index]
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    last = view.seen.values[every(tokens).index][(view.level == 10).repeat_interleave(3)]
    clean = tokens.values[every(tokens).index][(view.level == 10).repeat_interleave(3)]
    assert abs(float((last * clean).mean())) < 0.05, "at the highest level nothing of the sample is left"


def test_noise_is_the_samples_own():
    tokens, other = rows((4, 4, 4)), rows((4, 4, 4), seed=5)
    one = noised(squared_cosine())(tokens, rng_of(tokens, torch.tensor([7, 8, 9])))
    two = noised(squared_cosine())(other, rng_of(other, torch.tensor([9, 3, 7])))
    assert torch.equal(one.label[:4], two.label[8:]) and one.level[0] == two.level[2] and one.level[2] == two.level[0]


def test_the_head_is_asked_for_the_velocity():
    tokens, left = rows(dim=5, slots=2), squared_cosine()
    view = noised(left)(tokens, rng_of(tokens))
    right = velocity(tokens.values, view.label, left(view.level)[tokens.layout.seg, None])
    said = right.masked_fill(tokens.slot[:, None], 99)  # slots are asked nothing
    batch = batch_of(recipe("mae", "image"), Step(0, 1))

    def loss(said):
        side = Side({"x": view.seen.with_values(said)}, {}, {})
        return float(diffuse(nn.Identity(), left)(Scene({"x": view}, side, None, batch, Step(0, 1))))

    assert loss(said) < 1e-12 and abs(loss(said + 0.5) - 0.25) < 1e-5
    side = Side({"x": tokens}, {}, {})
    with pytest.raises(ValueError, match="noised"):
        diffuse(nn.Identity(), left)(Scene({"x": changed(view, label=None)}, side, None, batch, Step(0, 1)))


def test_eegdm_tells_the_encoder_how_much_noise_there_is():
    made = recipe("eegdm", "series")
    batch = batch_of(made, Step(0, 10))
    view, enc = made.objective.view("x", batch, Step(0, 10)), made.objective.encoder
    silent, told, none = (enc.embed(view.seen, None, level).values for level in (None, view.level, 0 * view.level))
    assert torch.equal(silent, none) and not torch.allclose(silent, told)
    assert (silent != told).any(1).equal(view.seen.slot), "it is said in the slots"


def test_ids_take_no_noise():
    made = recipe("eegdm", "text")
    with pytest.raises(Mistake, match="rows of this kind are ids"):
        made.objective(batch_of(made, Step(0, 10)), Step(0, 10))


# nets inside a net

SHAPE = Model(width=24, depth=5, heads=3, slots=2)


def student(kind="image", shape=SHAPE):
    torch.manual_seed(0)
    enc = encoder(data(kind).tokenizers, shape)
    for p in enc.parameters():
        nn.init.normal_(p, std=0.2)  # norms and biases as well
    return enc


def tokens_of(kind):
    return collate(data(kind), np.arange(6), Step(0, 10), SHAPE.slots).tokens["x"]


def by_hand(enc, tokens, width, depth):
    """The part as the paper has it: the student's own maps, each cut, its input times full / active; no weight is changed."""

    def linear(x, map, out, stacked=1):
        weight = torch.cat([w[: out // stacked, : x.shape[1]] for w in map.weight.chunk(stacked)])
        bias = torch.cat([b[: out // stacked] for b in map.bias.chunk(stacked)])
        return F.linear(x * (map.in_features / x.shape[1]), weight, bias)

    def norm(x, by):
        return F.layer_norm(x, (width,), by.weight[:width], by.bias[:width], by.eps)

    heads, n = width * enc.shape.heads // enc.width, tokens.layout.segments
    small = encoder(
        enc.tokenizers, replace(enc.shape, width=width, heads=heads)
    )  # for where rows are, which no weight says
    for p in small.parameters():
        nn.init.zeros_(p)
    x = small.embed(tokens).values + linear(tokens.values, enc.embeds["x"].map, width).masked_fill(
        tokens.slot[:, None], 0
    )
    x = x + enc.slots[:, :width].repeat(n, 1).new_zeros(x.shape).masked_scatter(
        tokens.slot[:, None], enc.slots[:, :width].repeat(n, 1)
    )
    for i in np.linspace(0, enc.shape.depth - 1, depth).astype(int):
        block = enc.trunk.blocks[int(i)]
        qkv = linear(norm(x, block.norm1), block.attention.qkv, 3 * width, stacked=3)
        q, k, v = qkv.view(n, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        seen = ((q @ k.mT) * (width // heads) ** -0.5).softmax(-1) @ v
        x = x + linear(seen.transpose(1, 2).reshape(len(x), width), block.attention.out, width)
        hidden = F.gelu(linear(norm(x, block.norm2), block.mlp.up, 4 * width))
        x = x + linear(hidden, block.mlp.down, width)
    return norm(x, enc.trunk.norm)


@pytest.mark.parametrize(("width", "depth"), [(8, 2), (16, 3), (24, 5), (8, 1), (24, 4)])
def test_a_part_is_the_students_maps_cut_and_their_inputs_scaled(width, depth):
    enc, tokens = student(), tokens_of("image")
    shape = replace(SHAPE, width=width, depth=depth, heads=width // 8)
    expected = by_hand(enc, tokens, width, depth)
    own = extract(enc, width, depth)
    assert own.shape == shape and (own(tokens).values - expected).abs().max() < 1e-5
    assert (part(enc, shape)(tokens).values - expected).abs().max() < 1e-5
    if (width, depth) == (24, 5):
        assert torch.allclose(enc(tokens).values, expected, atol=1e-5), "all of it is the student itself"


@pytest.mark.parametrize("kind", ["series", "ragged", "text"])
def test_a_part_stands_alone(kind):
    enc, tokens = student(kind), tokens_of(kind)
    own = extract(enc, 16, 2)
    same = part(enc, own.shape)(tokens).values
    with torch.no_grad():
        for p in enc.parameters():
            p.zero_()
    assert torch.equal(own(tokens).values, same)


def test_gradients_of_a_part_reach_the_first_channels_of_its_blocks():
    enc, tokens = student(), tokens_of("image")
    elastic = Elastic(enc)
    assert not [*elastic.parameters()] and not elastic.state_dict()
    small = part(enc, replace(SHAPE, width=8, heads=1, depth=2))
    assert not [*small.parameters()]
    small(tokens).values.square().sum().backward()
    blocks = enc.trunk.blocks
    assert [b.mlp.up.weight.grad is not None for b in blocks] == [True, False, False, False, True]
    moved = blocks[0].attention.qkv.weight.grad != 0
    inside = torch.zeros_like(moved).view(3, 24, 24)
    inside[:, :8, :8] = True
    assert torch.equal(moved, inside.view(72, 24))


def test_parts_come_in_rounds_small_ones_more_often():
    enc = student(shape=Model(width=64, depth=24, heads=16))
    elastic = Elastic(enc)
    # the release's list for ViT-L: widths 384..1024 by 64, depths 12..24, each round(outer product of linspace(3, 1)) times
    w, d = np.arange(6, 17), np.arange(12, 25)
    often = np.round(np.outer(np.linspace(3, 1, len(w)), np.linspace(3, 1, len(d)))).astype(int)
    expected = {(4 * a, b): n for a, ns in zip(w, often, strict=True) for b, n in zip(d, ns, strict=True)}
    del expected[64, 24]
    assert Counter((s.width, s.depth) for s in elastic.shapes) == expected and expected[24, 12] == 9

    elastic = Elastic(student())
    n = len(elastic.shapes)
    seen = [[(s.shape.width, s.shape.depth) for s in map(elastic.at, steps)] for steps in
            ([Step(i, 99, seed) for i in range(start, start + n)] for start, seed in ((0, 0), (n, 0), (0, 1)))]  # fmt: skip
    assert Counter(seen[0]) == Counter(seen[1]) == Counter((s.width, s.depth) for s in elastic.shapes)
    assert len({tuple(each) for each in seen}) == 3, "another order in every round, and for every seed"
    assert elastic.at(Step(3, 99)).shape == elastic.at(Step(3, 50)).shape


def test_what_cannot_be_cut_is_said():
    with pytest.raises(Mistake, match=r"width of 8, 16, \.\.\. or 24 and a depth of 1 to 5, not 12 and 2"):
        extract(student(), 12, 2)
    with pytest.raises(Mistake, match="no smaller parts"):
        Elastic(student(shape=Model(width=8, depth=1, heads=1)))
    with pytest.raises(Mistake, match="share of the whole"):
        Elastic(student(), narrowest=0)


def test_a_head_reads_narrow_rows_as_a_cut_map_would():
    torch.manual_seed(0)
    inner = prototypes(12, 8, hidden=16, bottleneck=8)
    x, first = torch.randn(5, 4), inner.project[0]
    cut = nn.Sequential(nn.Linear(4, 16), *inner.project[1:])
    cut[0].weight, cut[0].bias = nn.Parameter(first.weight[:, :4]), first.bias
    expected = F.normalize(cut(3 * x), dim=-1) @ F.normalize(inner.codes, dim=-1).T
    assert torch.allclose(narrow(inner, 12)(x), expected, atol=1e-6)
    assert torch.equal(narrow(inner, 12)(torch.ones(2, 12)), inner(torch.ones(2, 12)))


def test_poa_keeps_one_student_and_the_whole_one_leads():
    made = recipe("poa", "image").objective
    names = [name for name in made.state_dict() if name.startswith("encoders.")]
    assert made.encoder.shape.width == 16 and {name.split(".")[1] for name in names} == {"big"}
    network = made.teacher.network
    assert list(network["encoders"]) == ["big"]
    taught = dict(network["encoders"]["big"].named_parameters())
    assert {n: p.shape for n, p in taught.items()} == {n: p.shape for n, p in made.encoder.named_parameters()}


def test_a_part_learns_alone_where_the_whole_counts_nothing():
    made = recipe("poa", "image")
    objective, batch = made.objective, batch_of(made, Step(0, 10))
    objective.weights |= {"whole": 0.0, "spread": 0.0, "same": 0.0}
    step = next(s for s in (Step(i, 99) for i in range(20)) if Elastic(objective.encoder).at(s).shape.width == 8)
    objective(batch, step).backward()
    grad = objective.encoder.trunk.blocks[0].mlp.up.weight.grad
    assert grad[:32, :8].any() and not grad[32:].any() and not grad[:, 8:].any()


def scene_of(z, heads, size, views=(), teacher=None):
    tokens = rows((1,) * (2 * size), slots=1)
    side = [
        None if each is None else Side({n: tokens.with_values(v) for n, v in each.items()}, {}, heads)
        for each in (z, teacher)
    ]
    seen = dict.fromkeys(views, noised(squared_cosine())(tokens, rng_of(tokens)))
    batch = changed(batch_of(recipe("mae", "image"), Step(0, 10)), size=size)
    return Scene(seen, side[0], side[1], batch, Step(0, 10), "t")


def test_the_whole_leads_its_part_and_is_not_led_by_it():
    torch.manual_seed(0)
    head, size = several(8, 16), 3
    z = {"big": torch.randn(12, 8, requires_grad=True), "big_part": torch.randn(12, 4, requires_grad=True)}
    loss = alike(("big_part",), ("big",), head)(scene_of(z, {}, size))
    loss.backward()
    assert z["big"].grad is None and z["big_part"].grad is not None and any(p.grad.any() for p in head.parameters())
    expected = 0.0
    for each in head:
        goal = F.softmax(each(z["big"][::2]) / 0.1, -1)
        expected += F.cross_entropy(each(z["big_part"][::2]) / 0.1, goal) / 4
    assert torch.allclose(loss, expected, atol=1e-6)


def test_crops_follow_the_teachers_other_crops():
    torch.manual_seed(0)
    head, size = several(8, 16), 2
    z, goal = torch.randn(8, 8), torch.randn(8, 8)
    term = follow(("big",), head)
    term.name = "t"
    loss = term(scene_of({"big": z}, {"t": head}, size, ("big",), {"big": goal}))
    said, told = z[::2].view(2, size, 8), goal[::2].view(2, size, 8)  # two crops of two samples; nothing is hidden
    expected = 0.0
    for each in head:
        q = (each(told.flatten(0, 1)) / 0.04).exp().T
        for _ in range(3):
            q = q / q.sum(1, keepdim=True) / len(q)
            q = q / q.sum(0, keepdim=True) / q.shape[1]
        q = (q * q.shape[1]).T.view(2, size, -1)
        expected += sum(F.cross_entropy(each(said[i]) / 0.1, q[1 - i]) for i in range(2)) / 2 / 4
    assert torch.allclose(loss, expected, atol=1e-5)


def test_koleo_is_the_log_distance_of_nearest_neighbours():
    torch.manual_seed(0)
    z = torch.randn(12, 5)
    loss = spread("big")(scene_of({"big": z}, {}, 3))
    expected = 0.0
    for crop in z[::2].view(2, 3, 5):
        far = torch.cdist(*[F.normalize(crop, dim=1)] * 2) + 9 * torch.eye(3)
        expected -= far.amin(1).log().mean()
    assert torch.allclose(loss, expected, atol=1e-5)
    twins = torch.ones(12, 5, requires_grad=True)
    spread("big")(scene_of({"big": twins}, {}, 3)).backward()
    assert twins.grad.abs().max() == 0
