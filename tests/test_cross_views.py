"""Context from a second view, and several scales, bands and kinds: CroCo, CropMAE, SatMAE++, Uni4Eye."""

from dataclasses import replace as changed
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, recipe
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.augment import two_crops
from headstart.contract import check_recipe
from headstart.corrupt import clean, corrupt, drop, random
from headstart.data.feeding.loader import Look, collate
from headstart.data.open import open_source
from headstart.data.source import DataError
from headstart.data.sources.either import Either
from headstart.data.sources.listed import ListSource
from headstart.errors import Mistake
from headstart.nn.attention import attend
from headstart.nn.crossing import CrossAttention, CrossBlock, cross_decoder
from headstart.nn.heads import decoder
from headstart.nn.position import sincos
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.cropmae import AskFirst, all_but_one
from headstart.recipes.satmae_pp import finer, pyramid, satmae_pp, spread
from headstart.recipes.uni4eye import branch, edges, gradient, patch_of
from headstart.scene import Scene, Side
from headstart.shelf.find import find
from headstart.step import Step
from headstart.tiny import tiny, tiny_data
from headstart.tokenizers import ImageTokenizer, MultispectralTokenizer, VolumeTokenizer
from headstart.tokenizers.grid import cut, grids, uncut
from headstart.tokens import Batch, Tokens, layout, pack, reserve, rows_where
from headstart.tree import replace

STEP = Step(2, 10)
CROSSING = (CrossBlock, AskFirst)


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """Biases and norms too, so that a swap of any two shows."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
    return module


def ragged(lengths, width=32, seed=0):
    spans = layout(tuple(lengths))
    x = torch.randn(spans.rows, width, generator=torch.Generator().manual_seed(seed))
    return Tokens(x, torch.zeros(len(x), 0), spans)


# cross-attention and the blocks


def attention_of(q, kv, heads, part):
    """PyTorch's own attention with our weights, for one segment each."""
    theirs = nn.MultiheadAttention(q.shape[1], heads, batch_first=True)
    with torch.no_grad():
        if isinstance(part, CrossAttention):
            theirs.in_proj_weight.copy_(torch.cat([part.ask.weight, part.tell.weight]))
            theirs.in_proj_bias.copy_(torch.cat([part.ask.bias, part.tell.bias]))
        else:
            theirs.in_proj_weight.copy_(part.qkv.weight)
            theirs.in_proj_bias.copy_(part.qkv.bias)
        theirs.out_proj.weight.copy_(part.out.weight)
        theirs.out_proj.bias.copy_(part.out.bias)
    return theirs(q[None], kv[None], kv[None], need_weights=False)[0][0]


def theirs(block, x, y):
    """The two released blocks, written from their descriptions for one sample (CroCo's DecoderBlock, CropMAE's DecoderBlock)."""
    look = partial(attention_of, heads=2)
    mlp = lambda v: block.mlp.down(F.gelu(block.mlp.up(v)))  # noqa: E731
    if isinstance(block, CrossBlock):
        a = block.norm1(x)
        x = x + look(a, a, part=block.attention)
        x = x + look(block.norm2(x), block.norm_context(y), part=block.cross)
        return x + mlp(block.norm3(x))
    x = block.norm1(x + look(x, y, part=block.cross))
    x = block.norm2(x + mlp(x))
    return block.norm3(x + look(x, x, part=block.attention))


@pytest.mark.parametrize("kind", CROSSING)
def test_blocks_are_the_published_ones_sample_by_sample(kind):
    torch.manual_seed(0)
    block = shaken(kind(32, 2))
    x, y = ragged((3, 5, 1)), ragged((4, 2, 6), seed=1)
    pieces = [each.values.split(each.layout.lengths) for each in (block(x, y), x, y)]
    for piece, a, b in zip(*pieces, strict=True):
        assert_close(piece, theirs(block, a, b), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", CROSSING)
def test_a_block_at_some_rows_alone_says_the_same(kind):
    block = shaken(kind(32, 2))
    x, y = ragged((3, 5, 2)), ragged((4, 2, 6), seed=1)
    rows = rows_where(torch.tensor([1, 0, 0, 0, 0, 0, 0, 0, 1, 1]).bool(), (1, 0, 2))
    some = block.only(x, rows, y)
    assert_close(some, block(x, y).values[rows.index], rtol=1e-5, atol=1e-5)


def test_the_orders_differ():
    one, other = CrossBlock(32, 2), AskFirst(32, 2, ratio=4)
    other.load_state_dict({k: v for k, v in one.state_dict().items() if not k.startswith("norm_context")})
    x, y = ragged((3, 5)), ragged((4, 2), seed=1)
    assert (one(x, y).values - other(x, y).values).abs().max() > 0.1


def test_nobody_asks():
    """A batch in which every sample lacks a part: decoders have no row to answer for."""
    z = reserve(Tokens(torch.zeros(0, 16), torch.zeros(0, 2), layout((0, 0, 0))), 1)
    view = corrupt(random, 0.75, drop)(z, STEP.rng("x", torch.arange(3)))
    beside = reserve(Tokens(torch.randn(9, 16), torch.rand(9, 2), layout((4, 3, 2))), 1)
    for said in (decoder(16, 5, 2)(z, view), cross_decoder(16, 5, 2)(z, view, beside)):
        assert said.shape == (0, 5)
        said.sum().backward()
    q = torch.zeros(0, 2, 4)
    assert attend(q, torch.randn(5, 2, 4), torch.randn(5, 2, 4), layout((0, 0)), layout((2, 3))).shape == q.shape


def test_only_the_same_sample_is_looked_at():
    torch.manual_seed(0)
    made = recipe("croco", "", given=tiny_data("image"), depth=2).objective.eval()
    batch = batch_of(changed_batch(made), STEP)
    scene = made.scene(batch, STEP)
    head, view, z = made.terms["restore"].head, scene.views["a"], scene.student.z
    said = head(z["a"], view, z["b"])
    last = z["b"].layout.seg == z["b"].layout.segments - 1
    other = z["b"].with_values(torch.where(last[:, None], z["b"].values + 1, z["b"].values))
    moved = (head(z["a"], view, other) - said).abs().amax(1) > 1e-6
    assert moved.any() and torch.equal(
        moved, view.clean.layout.seg[view.hidden.index] == view.clean.layout.segments - 1
    )


def changed_batch(objective: Objective):
    """A recipe around an objective of pictures in two crops, for `batch_of`."""
    data = tiny_data("image").with_views(two_crops())
    return changed(recipe("mae", "", given=tiny_data("image"), depth=1), objective=objective, data=data)


# croco and cropmae


def test_croco_is_the_papers_formula():
    """One encoder for both views, 176 of 196 rows hidden, unit variance per row, error at hidden rows only."""
    r = np.random.default_rng(0)
    pairs = [
        {"image": r.random((1, 28, 28)).astype("f4"), "image2": r.random((1, 28, 28)).astype("f4")} for _ in range(3)
    ]
    tokenizer = ImageTokenizer(2, 1)
    given = Data(ListSource(pairs, "pair"), {"image": tokenizer, "image2": tokenizer}, batch=3)
    made = recipe("croco", "", given=given, depth=2)
    task = made.objective.eval()
    batch = collate(made.data, np.arange(3), STEP, task.slots)
    scene = task.scene(batch, STEP)
    assert scene.views["a"].hidden.counts == (176,) * 3 and scene.views["b"].hidden.counts == (0,) * 3
    assert len(task.encoders) == 1 and set(task.encoder.embeds) == {"image", "image2"}
    head, z, view = task.terms["restore"].head, scene.student.z, scene.views["a"]
    total = 0.0
    for i in range(3):
        hidden = view.hidden.mask.view(3, 197)[i]
        x = head.mask.repeat(197, 1)
        x[~hidden] = head.enter(z["a"].values.view(3, -1, 16)[i])
        place = F.pad(sincos(view.clean.coords.view(3, 197, 2)[i, 1:], x.shape[1]), (0, 0, 1, 0))
        y = head.enter(z["b"].values.view(3, 197, 16)[i]) + place
        x = x + place
        for block in head.blocks:
            x = theirs(block, x, y)
        said = head.out(head.norm(x))[hidden]
        goal = torch.from_numpy(pairs[i]["image"][0]).view(14, 2, 14, 2).permute(0, 2, 1, 3).reshape(196, 4)[hidden[1:]]
        goal = (goal - goal.mean(1, keepdim=True)) / (goal.var(1, keepdim=True) + 1e-6).sqrt()
        total += (said - goal).square().mean() / 3
    assert_close(task(batch, STEP).total, total, rtol=1e-4, atol=1e-5)  # the tokenizer's own scale enters through 1e-6


def test_the_second_view_is_all_that_helps():
    """The loss hangs on view b, and on nothing of it that is of another sample (see above); the target is view a's alone."""
    task = recipe("croco", "", given=tiny_data("image+image"), depth=1).objective.eval()
    batch = collate(tiny_data("image+image"), np.arange(6), STEP, 1)
    parts = list(batch.tokens)
    other = dict(batch.tokens) | {parts[1]: batch.tokens[parts[1]].with_values(batch.tokens[parts[1]].values + 1)}
    one, two = (task.scene(b, STEP) for b in (batch, replace(batch, tokens=other)))
    assert (task.terms["restore"](one) - task.terms["restore"](two)).abs() > 1e-5
    a, b = (s.views["a"] for s in (one, two))
    assert torch.equal(a.clean.values, b.clean.values) and torch.equal(a.hidden.index, b.hidden.index)


@pytest.mark.parametrize("n, hidden", [(196, 193), (64, 63), (5, 4), (1, 0), (0, 0)])
def test_one_row_of_a_local_crop_always_stays(n, hidden):
    tokens = reserve(Tokens(torch.zeros(n, 2), torch.zeros(n, 2), layout((n,))), 1)
    assert all_but_one(0.985)(tokens, STEP.rng("x", torch.arange(1))) == (hidden,)


def test_the_local_crop_lies_in_the_global_one():
    """A picture whose pixels say where they are: what the local crop holds, the global one spans."""
    y, x = np.mgrid[:32, :32].astype("f4")
    source = ListSource([np.stack([y, x])] * 6, "image")
    made = recipe("cropmae", "", given=Data(source, {"x": ImageTokenizer(4, 2, (0.0,) * 2, (1.0,) * 2)}, 6), depth=1)
    look = Look(plain_image(), torch.from_numpy(np.stack([source[i] for i in range(6)])), 4)
    crops = made.data.views(look, STEP.rng("views", torch.arange(6)))
    a, b = (crops[name][0].flatten(2) for name in "ab")
    assert (b.amin(2) >= a.amin(2) - 1).all() and (b.amax(2) <= a.amax(2) + 1).all()
    span = (b.amax(2) - b.amin(2)).prod(1) / (a.amax(2) - a.amin(2)).prod(1)
    assert (span > 0.2).all() and (span < 0.75).all() and span.std() > 0.01
    assert list(made.objective.views) == ["a", "b"] and made.objective.terms["restore"].context == "a"


def plain_image() -> ModuleType:
    """`augment.image` without its light."""

    def crop(images, rng, scale, shrink, multiple):
        area = scale[0] + (scale[1] - scale[0]) * rng.segments(3)
        out = []
        for picture, (s, top, left) in zip(images, area.tolist(), strict=True):
            size = max(multiple, round(picture.shape[1] * s**0.5))
            t, at = (int((u - scale[0]) / (scale[1] - scale[0]) * (picture.shape[1] - size)) for u in (top, left))
            out.append(
                F.interpolate(picture[None, :, t : t + size, at : at + size], picture.shape[1:], mode="nearest")[0]
            )
        return torch.stack(out)

    made = ModuleType("augment.image")
    made.crop = crop
    return made


# grids of patches, and coarser ones


@pytest.mark.parametrize("sides, patch", [((6, 4), (2, 2)), ((4, 6, 2), (2, 3, 1)), ((6,), (3,))])
def test_uncut_undoes_cut(sides, patch):
    x = torch.randn(3, 2, *sides)
    assert torch.equal(uncut(cut(x, patch), [n // p for n, p in zip(sides, patch, strict=True)], patch), x)


def scene(bands, h, w, seed=0):
    values = np.random.default_rng(seed).random((bands, h, w)).astype("f4")
    return {"bands": values, "wavelength": np.linspace(500, 900, bands, dtype="f4")}


def test_grids_of_ragged_scenes():
    tokenizer = MultispectralTokenizer(2, 8)
    scenes = [scene(2, 8, 4), scene(1, 4, 6, 1), scene(3, 8, 4, 2)]
    tokens = reserve(pack([tokenizer(s) for s in scenes]), 1)
    found = grids(tokens, 2)
    assert found.counts == [(4, 2), (4, 2), (2, 3), (4, 2), (4, 2), (4, 2)]
    index = found.of([0, 1, 3, 4, 5])
    got = uncut(tokens.values[index.flatten()], (4, 2), (2, 2))
    assert_close(got[:, 0], torch.from_numpy(np.concatenate([scenes[0]["bands"], scenes[2]["bands"]])))
    with pytest.raises(Mistake, match="rows are missing"):
        grids(Tokens(tokens.values[2:9], tokens.coords[2:9], layout((7,))), 2)


def test_scenes_made_coarser_are_means():
    tokenizer = MultispectralTokenizer(2, 8)
    scenes = [scene(2, 8, 4), scene(1, 6, 10, 1), scene(2, 8, 4, 2)]
    tokens = Look(_way("multispectral"), pack([tokenizer(s) for s in scenes]), 1).coarser(2)
    for i, each in enumerate(scenes):
        want = tokenizer({**each, "bands": F.avg_pool2d(torch.from_numpy(each["bands"])[None], 2)[0].numpy()})
        mine = tokens.layout.seg == i
        assert_close(tokens.values[mine], want.values)
        assert_close(tokens.coords[mine], want.coords)
    with pytest.raises(Mistake, match="8 times coarser"):
        Look(_way("multispectral"), pack([tokenizer(scenes[0])]), 1).coarser(8)


def test_pictures_made_coarser_are_means():
    x = torch.arange(35, dtype=torch.uint8).view(1, 1, 5, 7)
    got = Look(_way("image"), x, 2).coarser(2)
    assert_close(got, x[..., :4, :6].float().view(1, 1, 2, 2, 3, 2).mean((3, 5)) / 255)
    with pytest.raises(Mistake, match="6 times coarser"):
        Look(_way("image"), x, 2).coarser(6)


def _way(kind):
    from importlib import import_module

    return import_module(f"headstart.augment.{kind}")


# satmae_pp


def spectral(n=6, bands=3, side=16):
    source = ListSource([scene(bands, side, side, i) for i in range(n)], "multispectral")
    return Data(source, {"x": MultispectralTokenizer(2, side)}, n)


def test_satmae_pp_is_the_papers_loss():
    """0.6 of the masked MSE of the coarse scene, 0.4 of the mean L1 at twice and four times its sides, on every pixel."""
    data = spectral()
    task = recipe("satmae_pp", "", given=data, depth=1).objective.eval()
    batch = collate(data.with_views(partial(pyramid, ("x", "2x", "4x"))), np.arange(6), STEP, 1)
    assert {n: t.content[0] for n, t in batch.tokens.items()} == {"x": 3 * 4, "2x": 3 * 16, "4x": 3 * 64}
    seen, term = task.scene(batch, STEP), task.terms["restore"]
    view = seen.views["x"]
    assert view.hidden.counts == (9,) * 6 and seen.student.z.keys() == {"x"}
    full = torch.from_numpy(np.stack([data.source[i]["bands"] for i in range(6)]))
    coarse = F.avg_pool2d(full, 4)
    said = term.whole(seen)[~view.clean.slot].view(6, 3, 2, 2, 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(6, 3, 4, 4)
    hidden = view.hidden.mask.view(6, 13)[:, 1:].view(6, 3, 2, 1, 2, 1).expand(-1, -1, -1, 2, -1, 2).reshape(6, 3, 4, 4)
    grown = task.terms["restore"].grow(said.reshape(18, 1, 4, 4))
    far = [
        (g.view(6, 3, *g.shape[2:]) - t).abs().mean() for g, t in zip(grown, (F.avg_pool2d(full, 2), full), strict=True)
    ]
    want = 0.6 * (said - coarse)[hidden].square().mean() + 0.4 * (far[0] + far[1]) / 2
    assert_close(task(batch, STEP).total, want, rtol=1e-5, atol=1e-6)


def test_the_decoder_says_the_same_at_hidden_rows():
    task = recipe("satmae_pp", "", given=spectral(), depth=2).objective.eval()
    batch = collate(spectral().with_views(partial(pyramid, ("x", "2x", "4x"))), np.arange(6), STEP, 1)
    seen, term = task.scene(batch, STEP), task.terms["restore"]
    view = seen.views["x"]
    assert_close(term.predicted(seen), term.head(seen.student.z["x"], view), rtol=1e-5, atol=1e-5)


def test_coarse_rows_keep_their_place():
    """A row of the coarse scene stands in the middle of the rows of the full scene that it covers."""
    tokens = pack([MultispectralTokenizer(2, 4)(scene(1, 4, 4))])
    view = spread(4, clean)(tokens, STEP.rng("x", torch.arange(1)))
    assert_close(view.clean.coords[:, 1:], torch.tensor([[1.5, 1.5], [1.5, 5.5], [5.5, 1.5], [5.5, 5.5]]))
    assert torch.equal(view.clean.coords[:, 0], tokens.coords[:, 0])


def test_growth_is_the_released_stack():
    """1x1, GELU, norm; then for each scale ConvTranspose 4/2/1, norm, LeakyReLU, half a residual, norm, and a 3x3 out."""
    grow = shaken(finer(10, 2))
    x = torch.randn(2, 10, 4, 6)

    def norm(y, part):
        y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return y * part.weight[:, None, None] + part.bias[:, None, None]

    y = norm(F.gelu(grow.enter(x)), grow.norm)
    assert y.shape[1] == 40 and [g.shape[2:] for g in grow(x)] == [(8, 12), (16, 24)]
    for up, got in zip(grow.ups, grow(x), strict=True):
        y = F.leaky_relu(norm(up.up(y), up.norm1))
        y = norm(y + 0.5 * up.two(up.one(y).relu()), up.norm2)
        assert_close(got, up.out(y), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_scenes_of_several_sizes_count_by_the_pixel():
    """A batch of two sizes: the far error is that of all pixels, whatever shares a stack."""
    source = ListSource([scene(2, 16, 16, 1), scene(1, 8, 16, 2), scene(2, 16, 16, 3)], "multispectral")
    data = Data(source, {"x": MultispectralTokenizer(2, 16)}, 3)
    made = recipe("satmae_pp", "", given=data, depth=1)
    task = made.objective.eval()
    parts = []
    for some in ([0, 1, 2], [0], [1], [2]):
        seen = task.scene(collate(made.data, np.array(some), STEP, 1), STEP)
        parts.append(float(task.terms["restore"].far(seen, task.terms["restore"].whole(seen))))
    assert parts[0] == pytest.approx((2 * parts[1] + 0.5 * parts[2] + 2 * parts[3]) / 4.5, rel=1e-4)


def test_satmae_pp_refuses():
    with pytest.raises(Mistake, match="text samples are none"):
        satmae_pp(tiny_data("text"), size=TINY)
    with pytest.raises(Mistake, match="at least once"):
        satmae_pp(tiny_data("image"), size=TINY, scales=0)


# uni4eye


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_gradient_is_sobels(axes):
    """A slope of s per pixel along any one axis gives s inside, whatever the number of axes; in two it is Sobel / 8."""
    for axis in range(axes):
        ramp = 3.0 * torch.arange(6.0).view(-1, *[1] * (axes - 1 - axis)).expand(*[6] * (axes - axis)).expand(
            *[6] * axes
        )
        inside = gradient(ramp[None, None])[(0, 0, *[slice(1, -1)] * axes)]
        assert_close(inside, torch.full_like(inside, 3.0))
    if axes == 2:
        x = torch.randn(2, 1, 7, 9)
        kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None] / 8
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        want = (F.conv2d(padded, kernel).square() + F.conv2d(padded, kernel.mT).square()).sqrt()
        assert_close(gradient(x), want)


def test_edges_between_patches_are_seen():
    """A step between two patches is in neither of them, and in the gradient map of the whole picture."""
    x = np.zeros((1, 4, 4), "f4")
    x[:, :, 2:] = 1
    tokens = reserve(ImageTokenizer(2, 1, (0.0,), (1.0,))(x), 1)
    view = corrupt(random, 1.0, drop)(tokens, STEP.rng("x", torch.arange(1)))
    scene = Scene({"x": view}, Side({}, {}, {}), None, Batch({"x": tokens}, torch.arange(1), 1), STEP)
    got = edges((2, 2))(view, view.hidden.index, scene)
    assert got.amax(1).tolist() == [0.5] * 4
    alone = gradient(uncut(view.clean.values[1:], (1, 1), (2, 2)))
    assert not alone.any()


def eyes(pictures=4, scans=4, batch=4):
    r = np.random.default_rng(0)
    parts = {
        "image": ListSource([r.random((1, 4, 4)).astype("f4") for _ in range(pictures)], "image"),
        "volume": ListSource([r.random((1, 2, 4, 4)).astype("f4") for _ in range(scans)], "volume"),
    }
    return Data(Either(parts), {"image": ImageTokenizer(2, 1), "volume": VolumeTokenizer(2, (2, 4, 4))}, batch)


def test_either_is_one_part_each():
    source = eyes().source
    assert len(source) == 8 and source.kinds == {"image": "image", "volume": "volume"}
    have = [{k for k, v in source[i].items() if v is not None} for i in range(8)]
    assert have == [{"image"}] * 4 + [{"volume"}] * 4
    assert source.name(5) == "list[1]" and "4 image, 4 volume" in source.describe()


@pytest.mark.parametrize("some, silent", [((0, 1, 2), "volume"), ((4, 5), "image")])
def test_a_batch_without_one_kind(some, silent):
    """Its terms say 0 and its decoders are not pulled anywhere; the other kind learns as ever."""
    data = eyes()
    task = recipe("uni4eye", "", given=data, depth=1).objective
    batch = collate(data, np.array(some), STEP, 1)
    assert batch.tokens[silent].content == (0,) * len(some)
    loss = task(batch, STEP)
    assert loss.parts[f"pixels_{silent}"] == loss.parts[f"edges_{silent}"] == 0 and loss.total > 0
    loss.backward()
    for term in ("pixels", "edges"):
        assert not task.terms[f"{term}_{silent}"].head.out.weight.grad.any()
    other = ({*data.tokenizers} - {silent}).pop()
    assert_close(loss.total, loss.parts[f"pixels_{other}"] + loss.parts[f"edges_{other}"])


def test_a_part_that_nobody_has():
    data = changed(eyes(), source=ListSource([{"image": np.zeros((1, 4, 4), "f4"), "volume": None}] * 4, "pair"))
    with pytest.raises(Mistake, match="no sample has the part 'volume'"):
        collate(data, np.arange(2), STEP, 1)


def test_kinds_share_all_but_the_way_in_and_out():
    data = eyes()
    heads = branch(16, data.tokenizers, 2)
    one, two = heads.values()
    own = {id(p) for p in one.parameters()} ^ {id(p) for p in two.parameters()}
    assert own == {id(p) for head in heads.values() for p in head.out.parameters()}
    task = recipe("uni4eye", "", given=data, depth=1).objective
    assert len(task.encoders) == 1 and set(task.encoder.embeds) == {"image", "volume"}
    assert task.terms["pixels_image"].head.blocks is not task.terms["edges_image"].head.blocks


def test_every_kind_counts_the_same():
    """The pictures' error is the mean over pictures, however many scans there are beside them."""
    data = eyes(scans=20)
    task = recipe("uni4eye", "", given=data, depth=1).objective.eval()
    few, many = (
        task(collate(data, np.array(some), STEP, 1), STEP).parts for some in ([0, 1, 4], [0, 1, *range(4, 20)])
    )
    assert_close(few["pixels_image"], many["pixels_image"])


def test_uni4eye_refuses():
    with pytest.raises(Mistake, match="text samples do not have"):
        recipe("uni4eye", "", given=tiny_data("image+text"))
    assert patch_of(tiny_data("video").only)[0] == 2 and len(patch_of(tiny_data("volume").only)) == 3


def test_a_folder_of_two_kinds(tmp_path):
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(tmp_path / f"p{i}.png")
        (tmp_path / f"t{i}.txt").write_text(f"some text {i}")
    source = open_source(tmp_path, "image+text")
    assert len(source) == 6 and source[0]["text"] is None and source[5]["text"] == "some text 2"
    with pytest.raises(DataError):
        open_source(tmp_path, "image+volume")


# the contract


@pytest.mark.parametrize(
    "name, kind, ragged",
    [
        *(("croco", kind, kind == "text") for kind in ("image", "text", "image+image", "points")),
        *(("cropmae", kind, kind == "series") for kind in ("image", "series", "text")),
        *(("satmae_pp", kind, ragged) for kind in ("image", "multispectral") for ragged in (False, True)),
        *(("uni4eye", kind, kind == "volume") for kind in ("image", "volume", "image+volume", "multispectral")),
    ],
)
def test_contract(name, kind, ragged):
    check_recipe(find(name), tiny_data(kind, ragged=ragged))


def test_contract_of_kinds_that_never_meet():
    either = Either({kind: tiny(kind) for kind in ("image", "volume")})
    tokenizers = {kind: tiny_data(kind).only for kind in either.kinds}
    parts = {k: ListSource([tokenizers[k].fitted(s[i]) for i in range(12)], k) for k, s in either.sources.items()}
    check_recipe(find("uni4eye"), Data(Either(parts), tokenizers, 6))
