"""SiT, MMC, iBOT and SelfPatch: sums of unlike terms under one slow teacher."""

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.contract import check_recipe
from headstart.corrupt import clean
from headstart.losses import CrossNCE, centred
from headstart.nn.heads import first, projector, prototypes
from headstart.nn.linear import BatchNorm
from headstart.objective import Objective
from headstart.recipes.cytofm_ibot import cytofm_ibot
from headstart.recipes.mmc import mmc, whole
from headstart.recipes.selfpatch import alike, attentive, neighbours, pooled, selfpatch
from headstart.recipes.sit import sit
from headstart.scene import Scene, Side
from headstart.step import Step
from headstart.teacher import Ema
from headstart.terms import distill
from headstart.tiny import tiny_data
from headstart.tokens import Batch, Tokens, every, layout, reserve

RECIPES = (sit, mmc, cytofm_ibot, selfpatch)


@pytest.mark.parametrize("kind", ["image", "series", "protein"])
@pytest.mark.parametrize("function", RECIPES)
def test_contract(function, kind):
    check_recipe(function, tiny_data(kind))


def small(function, **more):
    torch.manual_seed(0)
    cheap = {"width": 8} if function in (sit, mmc) else {"codes": 32, "local": 2}
    return function(tiny_data("image"), size=TINY, **(cheap | more))


def scene_of(made, index=3):
    step = Step(index, 10)
    batch = batch_of(made, step)
    return made.objective.scene(batch, step), batch


# heads and losses that several share


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_torchs(affine):
    x = torch.randn(3, 7, 5) * 4 + 2
    ours, theirs = BatchNorm(5, affine), nn.BatchNorm1d(5, affine=affine)
    if affine:
        with torch.no_grad():
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                other.copy_(mine.normal_())
    assert_close(ours(x), theirs(x.flatten(0, 1)).view_as(x), rtol=1e-5, atol=1e-5)
    assert torch.equal(ours(x), ours.eval()(x)), "it remembers nothing"


def test_projector_is_the_paper_s_stack():
    head = projector(6, 8, 4, layers=3, activation=(nn.ReLU, nn.GELU), normed=True)
    assert [type(p).__name__ for p in head] == [
        "Linear", "BatchNorm", "ReLU", "Linear", "BatchNorm", "GELU", "Linear", "BatchNorm"
    ]  # fmt: skip
    out = head(torch.randn(50, 6))
    assert_close(out.mean(0), torch.zeros(4), rtol=0, atol=1e-5)
    assert_close(out.var(0, correction=0), torch.ones(4), rtol=0, atol=1e-2)
    assert [type(p).__name__ for p in projector(6, 8, 4)] == ["Linear", "BatchNorm", "ReLU", "Linear"]


def test_cross_nce_is_the_release_s_sum():
    said, goal = torch.randn(3, 5, 4), torch.randn(2, 5, 4)
    total = 0.0
    for i in range(3):
        for j in range(2):
            if i != j:
                for b in range(5):
                    scores = [float(F.cosine_similarity(said[i, b], goal[j, k], dim=0)) / 0.2 for k in range(5)]
                    total += 0.4 * (np.log(np.exp(scores).sum()) - scores[b]) / 5
    assert_close(float(CrossNCE(0.2)(said, goal, Step(0, 1))), total, rtol=1e-5, atol=1e-5)


def test_centred_moves_its_centre_after_the_step():
    part, said = centred(4, temperature=0.5, momentum=0.9), torch.randn(6, 4)
    assert_close(part(said, Step(0, 1)), (said / 0.5).softmax(-1))
    part.after_step(Step(0, 1))
    assert_close(part.center, 0.1 * said.mean(0))
    assert_close(part.eval()(said, Step(1, 2)), ((said - part.center) / 0.5).softmax(-1))
    part.after_step(Step(1, 2))
    assert_close(part.center, 0.1 * said.mean(0)), "judging does not move it"


# SiT and MMC


@pytest.mark.parametrize("function", [sit, mmc, cytofm_ibot])
def test_the_student_sees_spoiled_crops_and_the_teacher_clean_ones(function):
    made = small(function)
    scene, _ = scene_of(made)
    view = scene.views["big"]
    assert len(view.hidden) > 0
    encoder = made.objective.teacher.network["encoders"]["encoder"]
    assert_close(scene.teacher.z["big"].values, encoder(view.clean).values, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(scene.student.z["big"].values, scene.teacher.z["big"].values, atol=1e-3)


def test_sit_weighs_its_terms():
    """Without its weight a term leaves its head alone, and restoring is weighed as asked."""
    for restoring, weights in ((5.0, set()), (0.0, {"restore"})):
        made = small(sit, restoring=restoring)
        step = Step(3, 10)
        loss = made.objective(batch_of(made, step), step)
        assert set(loss.parts) == {"find", "restore"} - weights
        expected = sum({"find": 1.0, "restore": restoring}[name] * part for name, part in loss.parts.items())
        assert_close(loss.total.detach(), expected)


def test_mmc_hidden_rows_are_told_the_whole_of_their_own_sample():
    made = small(mmc, codes=16)
    scene, _ = scene_of(made)
    view = scene.views["big"]
    target = made.objective.terms["descend"].target
    assert isinstance(target, whole)
    goal = target(
        view, view.hidden.index, Scene(scene.views, scene.student, scene.teacher, scene.batch, scene.step, "descend")
    )
    head = scene.teacher.heads["descend"].inner
    cu = view.clean.layout.cu.tolist()
    for row, shares in zip(view.hidden.index.tolist(), goal, strict=True):
        segment = max(s for s, start in enumerate(cu[:-1]) if start <= row)
        token = scene.teacher.z["big"].values[cu[segment]]
        assert_close(shares, (head(token[None])[0] / 0.04).softmax(-1), rtol=1e-4, atol=1e-6)


# iBOT


def test_ibot_has_one_head_for_samples_and_rows():
    made = small(cytofm_ibot)
    agree, rows = made.objective.terms["agree"].head, made.objective.terms["rows"].head.inner
    assert agree is rows and isinstance(agree, prototypes)
    heads = made.objective.teacher.network["heads"]
    assert heads["agree"] is heads["rows"].inner and heads["agree"] is not agree
    made.objective.teacher.momentum = 0.5
    with torch.no_grad():
        agree.codes.add_(1.0)
    before = heads["agree"].codes.clone()
    made.objective.after_step(Step(0, 1))
    assert_close(heads["agree"].codes, before + 0.5), "moved once, though two terms hold it"


def test_ibot_hides_a_share_of_half_of_the_big_crops_only():
    made = small(cytofm_ibot)
    shares = []
    for index in range(60):
        step = Step(index, 60)
        batch = batch_of(made, step)
        view = made.objective.view("big", batch, step)
        shares += [k / n for k, n in zip(view.hidden.counts, view.clean.content, strict=True)]
        assert not len(made.objective.view("small", batch, step).hidden)
        assert bool((view.seen.special[view.hidden.index] == 0).all())
    some = [s for s in shares if s]
    assert abs(len(some) / len(shares) - 0.5) < 0.08
    assert min(some) >= 0.05 and max(some) <= 0.55 and abs(np.mean(some) - 0.3) < 0.04


def test_ibot_loss_is_the_formula():
    """Zhou et al. 2022, equations 2 and 3, at a centre that is not zero."""
    made = small(cytofm_ibot)
    target = made.objective.terms["rows"].target
    target.shares.center.normal_(std=0.1)
    scene, batch = scene_of(made)
    view, step = scene.views["big"], scene.step
    loss = made.objective(batch, step).parts["rows"]
    t = 0.04 + 0.03 * min(1, 0.3 / 0.3)
    each = []
    for row in view.hidden.index.tolist():
        goal = (
            (scene.teacher.heads["agree"](scene.teacher.z["big"].values[row][None])[0] - target.shares.center) / t
        ).softmax(0)
        said = scene.student.heads["agree"](scene.student.z["big"].values[row][None])[0] / 0.1
        each.append(-(goal * said.log_softmax(0)).sum())
    assert_close(loss, torch.stack(each).mean().detach(), rtol=1e-4, atol=1e-5)


# SelfPatch


def grid_of(values: torch.Tensor) -> Tokens:
    """[S, H, W, D] as packed rows with a slot."""
    s, h, w, d = values.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    coords = torch.stack([y, x], -1).view(-1, 2).float().repeat(s, 1)
    return reserve(Tokens(values.reshape(-1, d), coords, layout((h * w,) * s)), 1)


def test_neighbours_are_the_ring_and_do_not_wrap():
    z = grid_of(torch.randn(2, 5, 5, 3))
    found, counts = alike(z, 8)
    assert counts == (8,) * 50
    for row, near in zip(every(z).index.tolist(), found.view(50, 8), strict=True):
        segment, (y, x) = z.layout.seg[row], z.coords[row].tolist()
        assert bool((z.layout.seg[near] == segment).all()) and row not in near.tolist() and not bool(z.slot[near].any())
        far = (z.coords[near] - z.coords[row]).abs().amax(1)
        inner = 0 < y < 4 and 0 < x < 4
        assert float(far.max()) == 1 if inner else float(far.max()) == 2, "at the edge further in, never the other side"


def test_the_most_similar_neighbours_are_taken():
    values = torch.randn(1, 6, 6, 4)
    z = grid_of(values)
    ring, _ = alike(z, 8)
    found, counts = alike(z, 3)
    assert counts == (3,) * 36
    for row, eight, three in zip(every(z).index.tolist(), ring.view(36, 8), found.view(36, 3), strict=True):
        like = F.cosine_similarity(z.values[row][None], z.values[eight])
        assert set(three.tolist()) == set(eight[like.topk(3).indices].tolist())


def test_neighbours_may_lie_anywhere_or_be_whatever_they_are_like():
    values = torch.randn(1, 6, 6, 4)
    z = grid_of(values)
    anywhere, _ = alike(z, 3, near=100)
    nearest, _ = alike(z, 4, similar=False)
    for number, row in enumerate(every(z).index.tolist()):
        others = torch.tensor([i for i in every(z).index.tolist() if i != row])
        like = F.cosine_similarity(z.values[row][None], z.values[others])
        assert set(anywhere.view(36, 3)[number].tolist()) == set(others[like.topk(3).indices].tolist())
        far = (z.coords[nearest.view(36, 4)[number]] - z.coords[row]).abs().sum(1)
        assert 0 < row % 6 < 5 or float(far.max()) <= 2


def test_neighbours_of_ragged_series():
    lengths = (5, 1, 3, 12)
    place = torch.cat([torch.arange(n) for n in lengths]).float()[:, None]
    z = reserve(Tokens(torch.randn(21, 4), place, layout(lengths)), 1)
    found, counts = alike(z, 4)
    assert counts == (4,) * 5 + (0,) + (2,) * 3 + (4,) * 12
    start = 0
    for row, n in zip(every(z).index.tolist(), counts, strict=True):
        mine, start = found[start : start + n], start + n
        assert bool((z.layout.seg[mine] == z.layout.seg[row]).all()) and len(set(mine.tolist())) == n
        assert n < 4 or float((z.coords[mine] - z.coords[row]).abs().max()) <= 8
    alone, _ = alike(reserve(Tokens(z.values[-12:], place[-12:], layout((12,))), 1), 4)
    assert torch.equal(alone - 1, found[-48:] - every(z).index[-12]), "the same whatever lies beside it"


def test_attentive_pool_is_class_attention():
    torch.manual_seed(0)
    pool = attentive(8, heads=2)
    rows, counts = torch.randn(7, 8), (3, 0, 4)
    out = pool(rows, counts)
    for s, part in enumerate(rows.split(counts)):
        token = pool.query[None]
        for block in pool.blocks:
            both = torch.cat([token, part])
            q, k, v = block.attention.qkv(block.norm1(both)).view(-1, 3, 2, 4).unbind(1)
            score = torch.einsum("hd,nhd->hn", q[0], k) / 2
            token = token + block.attention.out(torch.einsum("hn,nhd->hd", score.softmax(-1), v).reshape(1, 8))
            token = token + block.mlp(block.norm2(token))
        assert_close(out[s], pool.norm(token)[0], rtol=1e-4, atol=1e-5)
    assert_close(pool(rows[[2, 0, 1, 3, 4, 5, 6]], counts), out, rtol=1e-4, atol=1e-5), "order does not matter"


def test_selfpatch_loss_is_the_formula():
    torch.manual_seed(0)
    lengths, place = (4, 1, 3), torch.cat([torch.arange(n) for n in (4, 1, 3)]).float()[:, None]
    z, taught = (reserve(Tokens(torch.randn(8, 8), place, layout(lengths)), 1) for _ in range(2))
    head, shares = pooled(attentive(8, 2), nn.Linear(8, 6)), centred(6)
    shares.center.normal_()
    term = neighbours(("x",), head, shares, k=2)
    term.name = "beside"
    sides = (Side({"x": t}, {}, {"beside": head}) for t in (z, taught))
    scene = Scene({}, *sides, Batch({}, torch.arange(3), 3), Step(0, 1), "beside")
    near, counts = alike(taught, 2)
    losses, start = [], 0
    for row, n in zip(every(z).index.tolist(), counts, strict=True):
        summary = head.head(head.pool(taught.values[near[start : start + n]], (n,)))[0]
        start += n
        goal = ((summary - shares.center) / 0.04).softmax(0)
        losses.append(-(goal * (head.head(head.pool.norm(z.values[row])) / 0.1).log_softmax(0)).sum())
    crops = [torch.stack(losses[:4]).mean(), torch.stack(losses[5:]).mean()]  # the lone row is not asked
    assert_close(term(scene), torch.stack(crops).mean(), rtol=1e-4, atol=1e-5)


def test_selfpatch_pools_for_the_sample_and_for_neighbours_alike():
    made = small(selfpatch, row_codes=16)
    terms = made.objective.terms
    assert terms["agree"].head.pool is terms["beside"].head.pool
    assert terms["beside"].reads_teacher == ("big", "small"), (
        "the teacher sees small crops too: targets are of the same view"
    )
    assert made.objective.weights == {"beside": 0.1}


def test_distill_leaves_reading_to_the_head():
    """`read=None`: a head that takes the class token itself gives what `read=first` gives."""
    made = small(cytofm_ibot)
    head, encoder = prototypes(TINY.width, 8), made.objective.encoder

    class reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = head

        def forward(self, z):
            return self.inner(first(z))

    losses = []
    for part, read in ((head, first), (reads(), None)):
        agree = distill(("big",), ("big",), part, CrossNCE(), read=read)
        task = Objective(encoder, {"big": clean}, {"agree": agree}, teacher=Ema(0.9))
        step = Step(1, 10)
        losses.append(task(batch_of(made, step), step).total)
    assert_close(*losses)
