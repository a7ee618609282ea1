"""Five ways to hide and predict: tubes of a clip, runs of a recording, sets of columns, nodes masked twice, two masks at once."""

import math
import warnings
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, grid, rows
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.contract import check_recipe
from headstart.corrupt import corrupt, drop, random
from headstart.errors import Mistake
from headstart.losses import chamfer, cosine_error
from headstart.nn import encoder as encoder_module
from headstart.nn import heads as heads_module
from headstart.nn.encoder import Model
from headstart.nn.heads import decoder
from headstart.recipe import Data
from headstart.recipes.ecg_jepa import ecg_jepa, runs
from headstart.recipes.graphmae import content, graphmae, nodes, spoiled
from headstart.recipes.point_cmae import point_cmae
from headstart.recipes.t_jepa import CONTEXT, TARGET, apart, t_jepa
from headstart.recipes.videomae import by_channel, tubes, videomae
from headstart.scene import Scene, Side
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.tokenizers import VideoTokenizer
from headstart.tokenizers.names import place
from headstart.tokens import Batch, Tokens, View, layout, reserve, rows_where

STEP = Step(3, 10)
KEYS = torch.arange(5)
TRIED = [
    *((videomae, kind) for kind in ("video", "volume", "audio")),
    *((ecg_jepa, kind) for kind in ("series", "text", "image", "audio")),
    *((t_jepa, kind) for kind in ("table", "events", "image")),
    *((graphmae, kind) for kind in ("graph", "molecule", "text")),
    *((point_cmae, kind) for kind in ("points", "series", "text")),
]


@pytest.mark.parametrize(("function", "kind"), TRIED)
def test_contract(function, kind):
    check_recipe(function, tiny_data(kind))


# tubes


def clip(samples: int, slices: int, side: int) -> Tokens:
    one = grid(1, side)
    coords = torch.cat([F.pad(one.coords, (1, 0), value=float(t)) for t in range(slices)]).repeat(samples, 1)
    lengths = (slices * side * side,) * samples
    return reserve(Tokens(torch.randn(len(coords), 3), coords, layout(lengths)), 1)


@pytest.mark.parametrize(("ratio", "hidden"), [(0.9, 32), (0.5, 18), (0.0, 1), (1.0, 35)])
def test_a_tube_is_hidden_at_all_times(ratio, hidden):
    tokens = clip(5, 4, 6)
    view = tubes(ratio)(tokens, STEP.rng("x", KEYS))
    mask = view.hidden.mask[~tokens.slot].view(5, 4, 36)
    assert (mask == mask[:, :1]).all() and view.hidden.counts == (4 * hidden,) * 5
    assert mask[:, 0].sum(1).tolist() == [hidden] * 5
    assert len({tuple(m) for m in mask[:, 0].tolist()}) == 5  # every sample its own places
    assert view.seen.layout.lengths == (1 + 4 * (36 - hidden),) * 5


def test_tubes_of_uneven_samples():
    """Places that some times lack go with the rows they have; one place alone stays."""
    coords = torch.tensor([[0, 0], [1, 0], [0, 1], [2, 1], [3, 1], [0, 2], [0, 5], [1, 5]]).float()
    tokens = reserve(Tokens(torch.randn(8, 2), coords, layout((6, 2, 0))), 1)
    view = tubes(0.67)(tokens, STEP.rng("x", torch.arange(3)))
    first = view.hidden.mask[1:7]
    assert view.hidden.counts[1:] == (0, 0) and view.hidden.counts[0] == first.sum()
    whole = [set(first[coords[:6, 1] == place].tolist()) for place in range(3)]
    assert all(len(each) == 1 for each in whole) and sum(True in each for each in whole) == 2


def test_channels_are_normalised_one_by_one():
    tokens = Tokens(torch.randn(6, 24) * 3 + 1, torch.zeros(6, 1), layout((6,)))
    view = View(tokens, tokens, rows_where(torch.ones(6, dtype=torch.bool), (6,)))
    scene = Scene({}, Side({}, {}, {}), None, Batch({}, torch.arange(1), 1), Step(0, 1))
    said = by_channel(3)(view, torch.arange(6), scene)
    for channel in range(3):  # number i of a row is of channel i % 3
        mine = said[:, channel::3].double()
        assert_close(mine.mean(1), torch.zeros(6, dtype=torch.float64), atol=1e-5, rtol=0)
        assert_close(mine.std(1, correction=1), torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["series", "text", "protein", "music"])
def test_no_tubes_in_time_alone(kind):
    with pytest.raises(Mistake, match="places at all times"):
        videomae(tiny_data(kind), size=TINY)


SIDE, PATCH, FRAMES, WIDTH = 16, 4, 6, 48
PLACES, SLICES = (SIDE // PATCH) ** 2, FRAMES // 2


@pytest.fixture(scope="module")
def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own
        transformers = pytest.importorskip("transformers")
        config = transformers.VideoMAEConfig(
            image_size=SIDE, patch_size=PATCH, num_frames=FRAMES, hidden_size=WIDTH, num_hidden_layers=2,
            num_attention_heads=4, intermediate_size=4 * WIDTH, decoder_hidden_size=WIDTH // 2,
            decoder_num_attention_heads=2, decoder_num_hidden_layers=2, decoder_intermediate_size=2 * WIDTH,
            layer_norm_eps=1e-6, use_mean_pooling=False, attn_implementation="eager",
        )  # fmt: skip
        torch.manual_seed(0)
        model = transformers.VideoMAEForPreTraining(config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
        model.position_embeddings[:, 0] = 0  # the row that stands for our class token, which is nowhere
    for part in (model.decoder.norm, *(m for m in model.modules() if isinstance(m, torch.nn.LayerNorm))):
        part.eps = 1e-6
    return model


def as_ours(theirs: dict[str, torch.Tensor], first: torch.Tensor) -> dict[str, torch.Tensor]:
    """Tensors of VideoMAEForPreTraining (weights, or gradients) under our names; `first` is the class token's."""
    none = torch.zeros(1)
    e, d = "encoders.encoder.", "terms.pixels.head."
    conv = theirs["videomae.embeddings.patch_embeddings.projection.weight"]  # [D, C, t, y, x]
    ours = {
        e + "slots": first,
        e + "embeds.x.map.weight": conv.permute(0, 2, 3, 4, 1).flatten(1),
        e + "embeds.x.map.bias": theirs["videomae.embeddings.patch_embeddings.projection.bias"],
        d + "enter.weight": theirs["encoder_to_decoder.weight"],
        d + "enter.bias": none.expand(WIDTH // 2),
        d + "mask": theirs["mask_token"][0, 0],
    }
    stacks = (("videomae.encoder.layer.", e + "trunk.blocks."), ("decoder.decoder_layers.", d + "blocks."))
    parts = (("layernorm_before", "norm1"), ("layernorm_after", "norm2"), ("attention.output.dense", "attention.out"),
             ("intermediate.dense", "mlp.up"), ("output.dense", "mlp.down"))  # fmt: skip
    ends = (("videomae.layernorm", e + "trunk.norm"), ("decoder.norm", d + "norm"), ("decoder.head", d + "out"))
    for kind in ("weight", "bias"):
        ours |= {f"{b}.{kind}": theirs[f"{a}.{kind}"] for a, b in ends}
        for layers, blocks in stacks:
            for i in range(2):
                ours |= {f"{blocks}{i}.{b}.{kind}": theirs[f"{layers}{i}.{a}.{kind}"] for a, b in parts}
                qkv = [theirs.get(f"{layers}{i}.attention.attention.{x}.{kind}") for x in ("query", "key", "value")]
                width = len(qkv[0])
                qkv = [none.expand(width) if x is None else x for x in qkv]  # keys have no bias
                ours[f"{blocks}{i}.attention.qkv.{kind}"] = torch.cat(qkv)
    return ours


def test_videomae_equals_transformers(theirs, monkeypatch):
    """Theirs has no class token: the first tubelet, empty and seen in every clip, stands for ours, which has no position."""
    clips = torch.randn(3, FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    clips[:, :2, :, :PATCH, :PATCH] = 0
    tables = {t.shape[-1]: t[0] for t in (theirs.videomae.embeddings.position_embeddings, theirs.position_embeddings)}

    def place(coords, width):
        at = coords.long()
        return tables[width][at[:, 0] * PLACES + at[:, 1] * (SIDE // PATCH) + at[:, 2]]

    for module in (encoder_module, heads_module):
        monkeypatch.setattr(module, "sincos", place)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # theirs undoes ImageNet's before it normalises
    tokenizer = VideoTokenizer(PATCH, SIDE, FRAMES, None, 3, mean, std)
    back = torch.tensor(std).view(3, 1, 1) * clips + torch.tensor(mean).view(3, 1, 1)
    tokens = tokenizer.many(back)
    made = videomae(Data(tiny_data("video").source, {"x": tokenizer}, 3), size=Model(WIDTH, 2, 4), depth=2)
    embeds = theirs.videomae.embeddings
    first = (embeds.patch_embeddings.projection.bias + embeds.position_embeddings[0, 0])[None]
    weights = as_ours(dict(theirs.named_parameters()), first)
    assert weights.keys() == made.objective.state_dict().keys()
    made.objective.load_state_dict({n: w.detach() for n, w in weights.items()})

    score = torch.rand(3, PLACES, generator=torch.Generator().manual_seed(2))
    score[:, 0] = 1  # seen
    gone = (score.argsort(1).argsort(1) < 10)[:, None].expand(-1, SLICES, -1).flatten(1)
    # the first row of a clip is our slot
    clean = Tokens(tokens.values, tokens.coords, layout(tokens.layout.lengths, 1), "x")
    hidden = rows_where(gone.flatten(), (10 * SLICES,) * 3)
    view = View(drop(clean, hidden, STEP.rng("x", KEYS[:3])), clean, hidden)
    made.objective.views["x"] = ("x", lambda tokens, rng: view)
    loss = made.objective(Batch({"x": clean}, torch.arange(3), 3), STEP)
    theirs.zero_grad()
    wanted = theirs(clips, bool_masked_pos=gone)
    assert_close(loss.total, wanted.loss, rtol=1e-5, atol=1e-5)
    loss.backward()
    wanted.loss.backward()
    slot = made.objective.encoder.slots.grad
    grads = as_ours({n: p.grad for n, p in theirs.named_parameters()}, slot)
    for name, p in made.objective.named_parameters():
        mine = p.grad + (slot[0] if name.endswith("embeds.x.map.bias") else 0)  # the empty tubelet is a bias alone
        if not name.endswith("enter.bias"):  # which theirs lacks
            assert_close(mine, grads[name], rtol=1e-5, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


# runs


def run_lengths(mask: torch.Tensor) -> list[int]:
    return [len(list(group)) for value, group in groupby(mask.tolist()) if value]


@pytest.mark.parametrize("least", [1, 4, 10])
def test_runs_are_long_and_what_is_kept_is_exact(least):
    lengths = (200, 12, 57, 1, 0, 200, 33)
    tokens, shapes = rows(lengths, slots=2), set()
    for index in range(40):
        step = Step(index, 40)
        rng = step.rng("x", torch.arange(7))
        view = runs(0.15, 0.25, least)(tokens, rng)
        share = 0.15 + 0.1 * rng.fold("share").number()
        assert view.hidden.counts == tuple(n - math.ceil(share * n) for n in lengths)
        assert not view.hidden.mask[tokens.slot].any()
        for one, count in zip(view.hidden.mask.split(tokens.layout.lengths), view.hidden.counts, strict=True):
            found = run_lengths(one)
            assert sum(found) == count and (not count or min(found) >= min(least, count))
            shapes.add(tuple(found))
    assert len(shapes) > 60


def test_runs_lie_anywhere():
    """Over many draws every place is hidden about as often, but for the ends, where fewer runs lie (so in the release)."""
    tokens = rows((60,) * 400, slots=1)
    share = (
        runs(0.2, 0.2, 10)(tokens, STEP.rng("x", torch.arange(400))).hidden.mask.view(400, 61)[:, 1:].float().mean(0)
    )
    assert abs(share.mean() - 0.8) < 1e-3 and share.min() > 0.05
    assert share[10:50].min() > 0.8 and share[10:50].max() < 0.98 and abs(share[:30].mean() - share[30:].mean()) < 0.05


def test_runs_hang_on_the_sample():
    both = rows((50, 30), slots=1)
    alone = replace(both, values=both.values[:51], coords=both.coords[:51], layout=layout((51,), 1))
    make = runs(0.15, 0.25, 10)
    one = make(alone, STEP.rng("x", torch.tensor([7]))).hidden.mask
    two = make(both, STEP.rng("x", torch.tensor([7, 3]))).hidden.mask
    assert torch.equal(one, two[:51])


# sets


def scene_of(made):
    objective = made.objective
    scene = objective.scene(batch_of(made, STEP), STEP)
    return replace(scene, term="latent"), objective.terms["latent"]


def test_target_sets_lie_outside_the_context():
    made = t_jepa(tiny_data("table"), size=TINY, depth=1)
    scene, term = scene_of(made)
    view = scene.views["x"]
    sets = term.chosen(view, scene.step.rng("latent", scene.batch.segment_index("x")))
    kept = view.kept
    n = view.clean.content
    assert len(sets) == 4 and not view.hidden.mask[view.clean.slot].any()  # the class token is never hidden
    assert all(CONTEXT[0] - 0.05 <= (k - 1) / m <= CONTEXT[1] + 0.05 for k, m in zip(kept.counts, n, strict=True))
    for each in sets:
        assert not (each.mask & kept.mask).any()
        assert all(TARGET[0] - 0.05 <= k / m <= TARGET[1] + 0.05 for k, m in zip(each.counts, n, strict=True))
    assert len({tuple(each.index.tolist()) for each in sets}) == 4  # the released code's four are one


def test_the_predictor_sees_one_set_at_a_time():
    """The same numbers as one set alone, by a plain call of the decoder for each."""
    made = t_jepa(tiny_data("table", n=12), size=TINY, depth=2)
    scene, term = scene_of(made)
    view, z = scene.views["x"], scene.student.z["x"]
    sets = term.chosen(view, scene.step.rng("latent", scene.batch.segment_index("x")))
    errors = []
    for each in sets:
        clean, hidden = apart(view, [each])
        assert clean.layout.lengths == tuple(a + b for a, b in zip(view.kept.counts, each.counts, strict=True))
        said = term.head(z, View(z, clean, hidden))
        errors.append((said - scene.teacher.z["x"].values[each.index]).square().mean())
    assert_close(term(scene), torch.stack(errors).mean(), rtol=1e-5, atol=1e-6)


def test_every_column_has_its_own_gain_and_shift():
    made = t_jepa(tiny_data("table"), size=TINY, depth=1)
    head, tokenizer = made.objective.terms["latent"].head, made.data.only
    names = sorted({name for _, name, *_ in tokenizer.columns})
    coords = torch.tensor([place(name, 8) for name in [*names, "a name that nobody fitted"]])
    numbers = head.column(coords)
    assert sorted(numbers.tolist()) == list(range(len(names) + 1)) and numbers[-1] == len(names)
    scene, term = scene_of(made)
    term(scene).backward()
    rows = scene.views["x"].clean
    there = set(head.column(rows.coords[~rows.slot]).tolist())
    for learnt in (head.gain, head.shift):
        assert set(learnt.grad.abs().sum(1).nonzero()[:, 0].tolist()) <= there
    assert t_jepa(tiny_data("image"), size=TINY, depth=1).objective.terms["latent"].head.gain.shape[0] == 1


# nodes, masked twice


def test_nodes_are_hidden_and_edges_are_not():
    made = graphmae(tiny_data("graph"), size=TINY)
    batch = batch_of(made, STEP)
    view = made.objective.view("x", batch, STEP)
    node = nodes(view.clean)
    assert torch.equal(node, ~view.clean.slot & (view.clean.values[:, 0] == 1))
    assert node.any() and not (view.hidden.mask & ~node).any()
    held = [int(m.sum()) for m in node.split(view.clean.layout.lengths)]
    assert view.hidden.counts == tuple(max(1, round(0.5 * n)) for n in held)


def test_some_are_swapped():
    tokens = rows((400, 200), dim=3, slots=1)
    view = spoiled(0.5, 0.3, content)(tokens, STEP.rng("x", torch.arange(2)))
    at = view.hidden.index
    masked = view.seen.special[at] == 0
    assert 0.6 < masked.float().mean() < 0.8 and (view.seen.special >= 0).sum() == masked.sum()
    moved = at[~masked]
    assert (view.seen.values[moved] != tokens.values[moved]).any(1).float().mean() > 0.95
    for row in moved.tolist():  # each says what a node of its own graph is
        same = (tokens.values == view.seen.values[row]).all(1)
        assert (tokens.layout.seg[same] == tokens.layout.seg[row]).any()
    rest = ~view.hidden.mask
    assert torch.equal(view.seen.values[rest], tokens.values[rest])


def test_the_decoder_is_blind_to_hidden_rows():
    made = graphmae(tiny_data("molecule"), size=TINY)
    scene = made.objective.scene(batch_of(made, STEP), STEP)
    view, z, head = scene.views["x"], scene.student.z["x"], made.objective.terms["rebuild"].head
    hidden, node = view.hidden.mask[:, None], nodes(view.clean)[:, None] & ~view.hidden.mask[:, None]
    noise = torch.randn_like(z.values)
    assert torch.equal(head(z.with_values(z.values + hidden * noise), view), head(z, view))
    assert not torch.allclose(head(z.with_values(z.values + node * noise), view), head(z, view))


def test_easy_rows_fade():
    x = torch.tensor([0.9, 0.0], requires_grad=True)
    vectors = torch.stack([x, (1 - x.square()).sqrt()], 1)
    (grad,) = torch.autograd.grad(cosine_error(vectors, torch.tensor([[2.0, 0.0]] * 2), 3.0).sum(), x)
    assert_close(grad[0] / grad[1], torch.tensor(0.01), rtol=0.05, atol=0)


# two masks


def test_chamfer_is_the_nearest_both_ways():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(3, 4, 3, generator=g), torch.randn(3, 5, 3, generator=g)
    wanted = []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        there = [min(math.dist(p, q) ** 2 for q in b) for p in a]
        back = [min(math.dist(p, q) ** 2 for p in a) for q in b]
        wanted.append(np.mean(there) + np.mean(back))
    assert_close(chamfer(x.flatten(1), y.flatten(1)), torch.tensor(wanted, dtype=torch.float32))
    assert_close(chamfer(x.flatten(1), x[:, torch.randperm(4, generator=g)].flatten(1)), torch.zeros(3))


def test_rows_hidden_in_both_are_led_together_and_no_others():
    made = point_cmae(tiny_data("points"), size=TINY, depth=1)
    scene = made.objective.scene(batch_of(made, STEP), STEP)
    a, b = scene.views["a"], scene.views["b"]
    assert a.hidden.counts == b.hidden.counts and not torch.equal(a.hidden.mask, b.hidden.mask)
    both = set(a.hidden.index.tolist()) & set(b.hidden.index.tolist())
    assert 0 < len(both) < len(a.hidden.index)
    said = {}
    for v in (a, b):
        features = made.objective.terms[v.name].head.features(scene.student.z[v.name], v)
        said[v.name] = dict(zip(v.hidden.index.tolist(), features, strict=True))
    wanted = [1 - F.cosine_similarity(said["a"][row], said["b"][row], dim=0) for row in sorted(both)]
    agree = made.objective.terms["agree"]
    assert_close(agree(scene), torch.stack(wanted).mean(), rtol=1e-5, atol=1e-6)
    for name in ("a", "b"):
        assert agree.decoders[name] is made.objective.terms[name].head


def test_points_are_restored_in_any_order():
    made = point_cmae(tiny_data("points"), size=TINY, depth=1)
    term = made.objective.terms["a"]
    x = torch.randn(4, made.data.dim)
    mixed = x.view(4, -1, 3)[:, torch.randperm(made.data.dim // 3)].flatten(1)
    assert_close(term.loss(mixed, x), torch.zeros(4), atol=1e-6, rtol=0)
    other = point_cmae(tiny_data("series"), size=TINY, depth=1).objective.terms["a"]
    assert other.loss(torch.ones(2, 4), torch.zeros(2, 4)).tolist() == [1, 1]


def test_what_a_decoder_says_comes_from_its_features():
    tokens = clip(2, 2, 3)
    view = corrupt(random, 0.5, drop)(tokens, STEP.rng("x", KEYS[:2]))
    head = decoder(8, 5, depth=2, dim=16, heads=2)
    z = view.seen.with_values(torch.randn(len(view.seen), 8))
    assert_close(head(z, view), head.out(head.features(z, view)))
