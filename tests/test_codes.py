"""Codes of rows, codes that come in rounds, picking within a sample, spoiling in place: beats, point-bert, ssast, tera."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, grid, rows
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.contract import check_recipe
from headstart.corrupt import between, corrupt, mask_token, random
from headstart.errors import Mistake
from headstart.nn.quantise import Codebook, RandomCodes
from headstart.recipes import beats, point_bert, ssast, tera
from headstart.step import Step, in_rounds, round_of, warmup_cosine
from headstart.teacher import Previous
from headstart.tiny import tiny_data
from headstart.tokenizers import AudioTokenizer, SeriesTokenizer
from headstart.tokens import Tokens, every, layout

RECIPES = {"beats": beats.beats, "point_bert": point_bert.point_bert, "ssast": ssast.ssast, "tera": tera.tera}
KINDS = {
    "beats": ("series", "text"),
    "point_bert": ("points",),
    "ssast": ("image", "audio"),
    "tera": ("series", "audio"),
}
TOTAL = 12


def rng(samples, name="x", index=0):
    return Step(index, TOTAL).rng(name, torch.arange(samples))


def made(name, kind, seed=0, **words):
    torch.manual_seed(seed)
    small = {"beats": {"codes": 32, "rounds": 2}, "point_bert": {"codes": 32, "queue": 24}}.get(name, {})
    recipe = RECIPES[name](tiny_data(kind), size=TINY, **(small | words))
    recipe.objective.train()
    return recipe


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, kinds in KINDS.items() for k in kinds])
def test_contract(name, kind):
    check_recipe(RECIPES[name], tiny_data(kind))


@pytest.mark.parametrize(("name", "kind"), [("beats", "series"), ("point_bert", "points")])
@pytest.mark.parametrize("index", [6, 10])
def test_later_phases_do_not_depend_on_the_order_of_samples(name, kind, index):
    losses = []
    for order in ([0, 1, 2, 3, 4, 5], [3, 5, 1, 0, 4, 2]):
        recipe = made(name, kind)
        losses.append(recipe.objective(batch_of(recipe, Step(index, TOTAL), np.array(order)), Step(index, TOTAL)))
    assert losses[0].parts.keys() == losses[1].parts.keys()
    for part in losses[0].parts:
        assert_close(losses[0].parts[part], losses[1].parts[part], rtol=1e-4, atol=1e-5)


# rounds


@pytest.mark.parametrize(("total", "rounds"), [(10, 3), (12, 2), (7, 7), (100, 1)])
def test_rounds_share_out_all_steps(total, rounds):
    where = [round_of(Step(i, total), rounds) for i in range(total)]
    assert [n for n, _ in where] == sorted(n for n, _ in where) and {n for n, _ in where} == set(range(rounds))
    for number in range(rounds):
        inside = [s for n, s in where if n == number]
        assert [s.index for s in inside] == list(range(len(inside))) and all(s.done < 1 for s in inside)
    counted = [
        in_rounds(rounds, 0, 0.4)(Step(i, total)) + in_rounds(rounds, 0.4, 1)(Step(i, total)) for i in range(total)
    ]
    assert counted == [1.0] * total


def test_the_rate_warms_up_in_each_round():
    lr = [warmup_cosine(1.0, rounds=2)(Step(i, 40)) for i in range(40)]
    assert lr[:20] == lr[20:] and lr[:20] == [warmup_cosine(1.0)(Step(i, 20)) for i in range(20)]


def test_previous_is_the_student_as_the_round_began():
    student = torch.nn.ModuleDict({"encoders": torch.nn.Linear(2, 2), "heads": torch.nn.ModuleDict()})
    teacher = Previous(2)
    teacher.adopt(student)
    seen = []
    for index in range(6):
        seen.append(float(teacher.network["encoders"].bias[0].detach()))
        with torch.no_grad():
            student["encoders"].bias.fill_(index + 1.0)
        teacher.after_step(student, Step(index, 6))
    assert seen[3:] == [3.0] * 3 and len(set(seen[:3])) == 1 and seen[0] < 1


# quantisers


def test_random_codes_are_seeded_and_blind_to_scale():
    x = torch.randn(200, 12)
    one, two, other = RandomCodes(12, 64), RandomCodes(12, 64), RandomCodes(12, 64, seed=1)
    assert torch.equal(one(x), two(x)) and not torch.equal(one(x), other(x))
    assert torch.equal(one(x), one(3.0 * x)) and len(one(x).unique()) > 20
    assert set(dict(one.named_buffers())) == {"projection", "book"} and not list(one.parameters())
    far = torch.cdist(F.normalize(x @ one.projection, dim=1), one.book)  # nearest of unit vectors, written out
    assert torch.equal(far.argmin(1), one(x))
    ids = torch.arange(12)
    assert torch.equal(one(ids), one(torch.eye(12)))


def test_codebook_moves_as_written():
    torch.manual_seed(0)
    book = Codebook(5, 3, momentum=0.9)
    old = book.book.clone()
    z = F.normalize(torch.randn(40, 3), dim=1).requires_grad_()
    code = book(z)
    ids = torch.stack([((old - row) ** 2).sum(1).argmin() for row in z.detach()])
    assert_close(code, old[ids])
    code.sum().backward()
    assert_close(z.grad, torch.ones_like(z))  # as if nothing had been rounded
    book.after_step(Step(0, 1))
    for n in range(5):
        mine = z.detach()[ids == n]
        wanted = old[n]
        if len(mine):
            wanted = F.normalize(0.9 * old[n] + 0.1 * F.normalize(mine.mean(0), dim=0), dim=0)
        assert_close(book.book[n], wanted)
    was = book.book.clone()
    book.after_step(Step(1, 1))
    book.eval()
    book(z)
    book.after_step(Step(2, 1))
    assert torch.equal(was, book.book)


def test_codebook_begins_at_the_clusters():
    centres = F.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    z = F.normalize(centres.repeat_interleave(30, 0) + 0.05 * torch.randn(120, 8), dim=1)
    draw = torch.linspace(0, 1, 120)[torch.arange(120).view(4, 30).T.flatten().argsort()]  # one of each cluster first
    book = Codebook(6, 8)
    book.begin(z, draw)
    near = (centres @ book.book.T).amax(1)
    assert near.min() > 0.99
    few = Codebook(6, 8)
    kept = few.book[2:].clone()
    few.begin(z[:2], draw[:2])
    assert torch.equal(few.book[2:], kept)


# beats


def test_beats_phases():
    recipe = made("beats", "series")
    parts = [set(recipe.objective(batch_of(recipe, Step(i, TOTAL)), Step(i, TOTAL)).parts) for i in range(TOTAL)]
    assert parts == [{"random"}] * 6 + [{"labeller"}] * 2 + [{"codes"}] * 4
    for wrong in ({"rounds": 1}, {"share": 1.0}):
        with pytest.raises(Mistake):
            made("beats", "series", **wrong)


def test_beats_labeller_learns_only_in_its_phase():
    recipe = made("beats", "series")
    labeller = recipe.objective.terms["labeller"].head
    for index, learns in ((2, False), (6, True), (9, False)):
        recipe.objective.zero_grad()
        before = labeller.codes.book.clone()
        recipe.objective(batch_of(recipe, Step(index, TOTAL)), Step(index, TOTAL)).backward()
        recipe.objective.after_step(Step(index, TOTAL))
        assert any(p.grad is not None for p in labeller.parameters()) == learns
        assert torch.equal(before, labeller.codes.book) != learns


def test_what_all_rows_have_in_common_is_not_asked_of_the_labeller():
    """Rows of a model of few steps are nearly alike: one code would say what they have in common."""
    recipe = made("beats", "series")
    task, step = recipe.objective.eval(), Step(6, TOTAL)
    term = task.terms["labeller"]
    scene = task.scene(batch_of(recipe, step), step)
    taught = scene.teacher.z["x"]
    losses = []
    for constant in (0.0, 7.0):
        other = replace(scene.teacher, z={"x": taught.with_values(taught.values + constant)})
        losses.append(term(replace(scene, teacher=other, term="labeller")))
    assert_close(*losses, rtol=1e-4, atol=1e-5)


# ssast


def test_ssast_picks_among_the_hidden_rows_of_its_own_sample():
    counts, g = (5, 3, 5, 0), torch.Generator().manual_seed(0)
    said, truth, new = (torch.randn(13, 8, generator=g) for _ in range(3))
    losses = ssast.among(said, truth, counts)
    start = 0
    for n in counts:  # equation 1, row by row
        for i in range(start, start + n):
            scores = [float(said[i] @ truth[j]) for j in range(start, start + n)]
            assert losses[i] == pytest.approx(math.log(sum(map(math.exp, scores))) - scores[i - start], abs=1e-5)
        start += n
    changed = torch.cat([said[:5], new[5:]]), torch.cat([truth[:5], new[5:] + 1])
    assert torch.equal(ssast.among(*changed, counts)[:5], losses[:5])


def test_ssast_may_pick_among_all_and_squares_need_two_axes():
    counts, g = (5, 3), torch.Generator().manual_seed(0)
    said, truth = (torch.randn(8, 4, generator=g) for _ in range(2))
    assert_close(
        ssast.among_all(said, truth, counts), F.cross_entropy(said @ truth.T, torch.arange(8), reduction="none")
    )
    line = Tokens(torch.zeros(30, 1), torch.arange(30.0)[:, None], layout((30,)))
    assert torch.equal(ssast.squares(line, rng(1)), random(line, rng(1)))


def test_ssast_hides_squares():
    tokens = grid(40, 12, slots=1)
    hidden = corrupt(ssast.squares, 0.3, mask_token)(tokens, rng(40)).hidden
    single = corrupt(random, 0.3, mask_token)(tokens, rng(40)).hidden
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]

    def inner(rows):
        mask = rows.mask.view(40, 145)[:, 1:].view(40, 1, 12, 12).float()
        return float(((F.conv2d(mask, cross, padding=1) == 4) & (mask > 0)).sum() / mask.sum())

    assert hidden.counts == (43,) * 40 and not hidden.mask.view(40, -1)[:, 0].any()
    assert inner(hidden) > 0.2 > 0.05 > inner(single)
    one = ssast.squares(grid(1, 12), rng(1))
    best = (one == one.min()).view(12, 12)
    y, x = (best.any(d).nonzero() for d in (1, 0))
    assert best.sum() == (y[-1] - y[0] + 1) * (x[-1] - x[0] + 1)  # the first square is one


def test_ssast_says_why_not_text():
    recipe = made("ssast", "text")
    with pytest.raises(Mistake, match="ids"):
        recipe.objective(batch_of(recipe, Step(0, 1)), Step(0, 1))


# tera


def moments(samples=400, long=47, dim=20, slots=1):
    tokens = rows((long,) * samples, dim, slots, axes=1)
    at = (tokens.layout.place - slots).clamp(min=0).float()[:, None]
    return Tokens(tokens.values, at, tokens.layout), tera.Cells(tuple(range(dim)), 0, dim)


def test_tera_spoils_as_the_record_says():
    tokens, cells = moments()
    view = tera.spoiled(cells, noise=0.0)(tokens, rng(400))
    label = view.label.view(400, 48, 20)
    assert not label[:, 0].any() and view.hidden.counts == (47,) * 400
    seen, clean = (x.values.view(400, 48, 20)[:, 1:] for x in (view.seen, tokens))
    label = label[:, 1:]
    assert torch.equal(seen[~label], clean[~label])  # nothing else is touched
    band = label.all(1)
    assert (band.sum(1) <= 4).all() and band.sum(1).unique().tolist() == [0, 1, 2, 3, 4]
    assert ((band.long().diff(dim=1) == 1).sum(1) + band[:, 0].long() <= 1).all()  # one stretch of channels
    assert (seen[band[:, None].expand_as(seen)] == 0).all()
    stretch = (label & ~band[:, None]).any(2)
    assert (stretch.sum(1) == 7).all() and ((stretch.long().diff(dim=1) == 1).sum(1) + stretch[:, 0].long() == 1).all()
    for i in range(400):
        inside, where = seen[i][stretch[i]][:, ~band[i]], clean[i][:, ~band[i]]
        kinds = (inside == 0).all(), any(torch.equal(inside, where[s : s + 7]) for s in range(41))
        assert sum(map(bool, kinds)) == 1


def test_tera_noise_and_its_parts_alone():
    tokens, cells = moments(200)
    loud = tera.spoiled(cells, ratio=0.0, band=0.0, noise=1.0)(tokens, rng(200))
    added = (loud.seen.values - tokens.values)[~tokens.slot]
    assert not loud.label.any() and added.std() == pytest.approx(0.2, rel=0.02) and abs(float(added.mean())) < 2e-3


def test_tera_ragged_samples_and_many_rows_to_a_moment():
    tokens = grid(3, 8, slots=1)  # eight moments of eight rows of three numbers
    cells = tera.Cells((0, 0, 0), 1, 8)
    view = tera.spoiled(cells, ratio=0.3, noise=0.0, band=0.0)(tokens, rng(3))
    touched = view.label.any(1).view(3, 65)[:, 1:].view(3, 8, 8)
    assert (touched.all(2) == touched.any(2)).all() and (touched.any(2).sum(1) == 2).all()
    band = (
        tera.spoiled(cells, ratio=0.0, noise=0.0, band=0.5)(tokens, rng(3))
        .label.any(1)
        .view(3, 65)[:, 1:]
        .view(3, 8, 8)
    )
    assert (band.all(1) == band.any(1)).all() and 0 < band.sum() < band.numel()
    short = rows((1, 2, 30), 4, slots=1, axes=1)
    short = Tokens(short.values, (short.layout.place - 1).clamp(min=0).float()[:, None], short.layout)
    label = tera.spoiled(tera.Cells((0, 1, 2, 3), 0, 4), noise=0.0, band=0.0)(short, rng(3)).label.any(1)
    assert [int(label[short.layout.seg == s].sum()) for s in range(3)] == [1, 1, 4]


def test_tera_loss_is_over_the_marked_numbers():
    recipe = made("tera", "series")
    step = Step(0, 1)
    batch = batch_of(recipe, step)
    scene = recipe.objective.scene(batch, step)
    view, head = scene.views["x"], recipe.objective.terms["repair"].head
    said = head(scene.student.z["x"].values).detach()
    wanted = np.mean([abs(float(said[i, j] - view.clean.values[i, j])) for i, j in view.label.nonzero().tolist()])
    assert float(recipe.objective(batch, step).total.detach()) == pytest.approx(wanted, rel=1e-5)


def test_tera_knows_the_channels_of_rows():
    sound = tera.cells_of(AudioTokenizer(mels=32, bands=8, frames=2))
    assert sound.channels == 32 and sound.within[:4] == (0, 0, 1, 1) and sound.step == 8
    mixed = tera.cells_of(SeriesTokenizer(patch=3, channels=2, mean=(0, 0), std=(1, 1)))
    assert mixed.within == (0, 0, 0, 1, 1, 1) and not mixed.step
    flags = tera.cells_of(SeriesTokenizer(patch=2, channels=3, mean=(0,) * 3, std=(1,) * 3, form="apart", masked=True))
    assert flags.within == (0, 0, -3, -3) and flags.step == 1
    with pytest.raises(Mistake, match="bands of channels"):
        made("tera", "image")


# point-bert


def test_point_bert_hides_a_ball():
    tokens = grid(20, 6, slots=1)
    hidden = corrupt(point_bert.ball, between(0.25, 0.45), mask_token)(tokens, rng(20)).hidden
    assert len(set(hidden.counts)) == 1 and 9 <= hidden.counts[0] <= 16
    for sample in range(20):
        mine = tokens.coords.view(20, 37, 2)[sample, 1:]
        mask = hidden.mask.view(20, 37)[sample, 1:]
        far = torch.cdist(mine, mine)
        inner = [far[i][mask].max() <= far[i][~mask].min() for i in range(36)]
        assert any(inner)  # there is a row to which all hidden ones are nearest


def test_point_bert_mixes_two_clouds():
    tokens = rows((6, 4, 9), slots=1)
    view = point_bert.mixed(corrupt(point_bert.ball, 0.3, mask_token))(tokens, rng(3))
    assert torch.equal(view.clean.values, tokens.values[view.label])
    assert torch.equal(view.clean.coords, tokens.coords[view.label])
    share, partner = point_bert.mixture(view)
    origin = tokens.layout.seg[view.label]
    for s in range(3):
        mine = origin[(tokens.layout.seg == s) & ~tokens.slot]
        assert share[s] == pytest.approx(float((mine == s).float().mean()))
        assert set(mine.tolist()) <= {s, int(partner[s])}
    shares = torch.cat(
        [point_bert.mixture(point_bert.mixed(corrupt(random, 0.3, mask_token))(rows((40,) * 50), rng(50)))[0]]
    )
    assert shares.std() == pytest.approx(12**-0.5, abs=0.06) and shares.mean() == pytest.approx(0.5, abs=0.1)


def test_point_bert_names_mixed_rows_by_their_own_clouds():
    recipe = made("point_bert", "points")
    step = Step(8, TOTAL)
    scene = recipe.objective.scene(batch_of(recipe, step), step)
    target = recipe.objective.terms["name"].target
    plain, mixed = scene.views["x"], scene.views["mixed"]
    everywhere = every(plain.clean).index
    words = dict(zip(everywhere.tolist(), target(plain, everywhere, scene).tolist(), strict=True))
    found = target(mixed, mixed.hidden.index, scene)
    assert found.tolist() == [words[int(mixed.label[row])] for row in mixed.hidden.index]


def test_point_bert_words_do_not_hang_on_the_order_of_points():
    recipe = made("point_bert", "points")
    words = recipe.objective.terms["words"].head
    tokens = batch_of(recipe, Step(0, 1)).tokens["x"]
    order = torch.randperm(words.points)
    shuffled = tokens.values.view(len(tokens), words.points, words.columns)[:, order].flatten(1)
    assert_close(words(tokens), words(tokens.with_values(shuffled)), rtol=1e-4, atol=1e-5)


def test_chamfer():
    a, b = torch.randn(3, 5, 2), torch.randn(3, 7, 2)
    there = [min(math.dist(p, q) for q in y) for x, y in zip(a.tolist(), b.tolist(), strict=True) for p in x]
    back = [min(math.dist(p, q) for p in x) for x, y in zip(a.tolist(), b.tolist(), strict=True) for q in y]
    assert float(point_bert.chamfer(a, b)) == pytest.approx((np.mean(there) + np.mean(back)) / 2, abs=1e-5)


def test_unmix_is_the_weighted_cross_entropy_of_keys_and_queue():
    recipe = made("point_bert", "points")
    objective, step = recipe.objective, Step(8, TOTAL)
    unmix = objective.terms["unmix"]
    g = torch.Generator().manual_seed(0)
    unmix.queue.rows[:10] = F.normalize(torch.randn(10, 512, generator=g), dim=1)
    unmix.queue.at.fill_(10)
    batch = batch_of(recipe, step)
    said = objective(batch, step).parts["unmix"]
    scene = objective.scene(batch, step)
    q = F.normalize(unmix.head(scene.student.z["mixed"].values[scene.student.z["mixed"].layout.cu[:-1].long()]), dim=1)
    z = scene.teacher.z["x"]
    k = F.normalize(scene.teacher.heads["unmix"](z.values[z.layout.cu[:-1].long()]), dim=1)
    share, partner = point_bert.mixture(scene.views["mixed"])
    total = 0.0
    for i in range(batch.size):
        e = torch.exp(torch.cat([k, unmix.queue.rows[:10]]) @ q[i] / 0.07)
        total -= share[i] * (e[i] / e.sum()).log() + (1 - share[i]) * (e[partner[i]] / e.sum()).log()
    assert_close(said, (total / batch.size).detach(), rtol=1e-4, atol=1e-5)


def test_point_bert_says_why_not_pictures():
    with pytest.raises(Mistake, match="groups of points"):
        made("point_bert", "image")
