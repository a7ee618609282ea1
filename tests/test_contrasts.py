"""Assignment to prototypes (SwAV), queues and neighbours (Mugs), parts of a row (TransTab), three parts of a sample (AstroM3)."""

import io
import json
from itertools import combinations

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, recipe, rows
from torch.nn import functional as F
from torch.testing import assert_close

import headstart as hs
from headstart.contract import check_recipe
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.errors import Mistake
from headstart.log import Log
from headstart.losses import CenteredCE, InfoNCE, QueueNCE
from headstart.nn.encoder import encoder
from headstart.nn.heads import first
from headstart.nn.queue import Queue
from headstart.recipe import Data
from headstart.recipes.mugs import halves, joined, maps
from headstart.recipes.swav import Swapped, balanced, itself
from headstart.recipes.transtab import part, same_row, stretch
from headstart.shelf.find import find
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.tokenizers import named
from headstart.tokenizers.want import Want
from headstart.tokens import Tokens, layout

STEP = Step(3, 10)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


@pytest.mark.parametrize(
    ("name", "kind"), [("swav", "text"), ("mugs", "events"), ("transtab", "series"), ("astrom3", "pair")]
)
def test_contract(name, kind):
    check_recipe(find(name), tiny_data(kind))


@pytest.mark.parametrize("name", ["swav", "mugs", "transtab"])
def test_one_kind_at_a_time(name):
    with pytest.raises(Mistake, match="one kind"):
        check_recipe(find(name), tiny_data("pair"))


# queues


def test_a_queue_keeps_the_last_rows_of_steps_that_are_over():
    queue, one = Queue(4, 1), torch.ones(3, 1)
    queue.put(one)
    assert not queue.filled.any()  # the step is not over
    queue.after_step(STEP)
    assert queue.rows.flatten().tolist() == [1, 1, 1, 0] and queue.filled.tolist() == [True] * 3 + [False]
    queue.after_step(STEP)  # nothing came
    for number in (2, 3):
        queue.put(number * one[:2])
        queue.after_step(STEP)
    assert sorted(queue.rows.flatten().tolist()) == [2, 2, 3, 3] and queue.filled.all()
    queue.put(torch.arange(9.0)[:, None])
    queue.after_step(STEP)
    assert sorted(queue.rows.flatten().tolist()) == [0, 1, 2, 3]
    queue.eval()
    queue.put(9 * one)
    queue.after_step(STEP)
    assert queue.rows.max() == 3  # looking does not move it


def test_a_queue_begins_when_it_is_told():
    queue = Queue(2, 1, begin=0.35)
    for index, filled in ((3, False), (4, True)):
        queue.put(torch.ones(2, 1))
        queue.after_step(Step(index, 10))
        assert queue.filled.all() == filled


def test_queue_nce_is_cross_entropy_over_one_positive_and_the_queue():
    """Algorithm 1 of He et al. 2020, pair by pair."""
    loss, said, goal = QueueNCE(6, 20, 0.2), numbers(3, 4, 6), numbers(2, 4, 6, seed=1)
    loss(numbers(3, 4, 6), numbers(2, 4, 6, seed=2), STEP)
    loss.queue.after_step(STEP)
    kept = loss.queue.rows
    assert_close(kept[:8].norm(dim=1), torch.ones(8))
    assert not kept[8:].any()
    wanted = []
    for j, k in enumerate(F.normalize(goal, dim=-1)):
        for i, q in enumerate(F.normalize(said, dim=-1)):
            if i != j:
                logits = torch.cat([(q * k).sum(1, keepdim=True), q @ kept.T], 1) / 0.2
                wanted.append(F.cross_entropy(logits, torch.zeros(4, dtype=torch.long)))
    assert len(wanted) == 4
    assert_close(loss(said, goal, STEP), torch.stack(wanted).mean(), rtol=1e-6, atol=1e-6)


# SwAV


def sinkhorn(scores, rounds):
    """Section 3.1 of Caron et al. 2020, with its marginals: Q [K, B], rows to 1 / K, columns to 1 / B; float64."""
    q = np.exp(scores.double().numpy().T / 0.05)
    q /= q.sum()
    for _ in range(rounds):
        q /= q.sum(1, keepdims=True) * len(q)
        q /= q.sum(0, keepdims=True) * q.shape[1]
    return torch.from_numpy(q.T * q.shape[1]).float()


def test_assignment_is_sinkhorns():
    scores = F.normalize(numbers(40, 8), dim=1) @ F.normalize(numbers(12, 8, seed=1), dim=1).T
    now, before = scores[:16], scores[16:]
    everything = torch.ones(24, dtype=torch.bool)
    assert_close(balanced(now, before, everything), sinkhorn(scores, 3)[:16], rtol=1e-4, atol=1e-6)
    assert_close(balanced(now, 0 * before, ~everything), sinkhorn(now, 3), rtol=1e-4, atol=1e-6)
    shares = balanced(scores, scores[:0], everything[:0], iterations=50)
    assert_close(shares.sum(1), torch.ones(40), rtol=0, atol=1e-5)
    assert (shares.sum(0) * 12 / 40 - 1).abs().max() < 0.05
    assert ((scores / 0.05).softmax(1).sum(0) * 12 / 40 - 1).abs().max() > 0.5


def test_every_other_crop_predicts_the_assignment():
    loss, looks = Swapped(12, balanced, queue=0), numbers(4, 10, 128)
    loss.after_step(STEP)
    z, codes = F.normalize(looks, dim=-1), F.normalize(loss.codes.detach(), dim=-1)
    wanted = []
    for i in range(2):
        q = sinkhorn(z[i] @ codes.T, 3)
        crops = [-(q * F.log_softmax(z[j] @ codes.T / 0.1, 1)).sum(1).mean() for j in range(4) if j != i]
        wanted.append(sum(crops) / 3)
    assert_close(loss(*looks), sum(wanted) / 2, rtol=1e-5, atol=1e-5)


def test_without_rounds_shares_are_those_of_the_sample_alone():
    scores = F.normalize(numbers(16, 8), dim=1) @ F.normalize(numbers(12, 8, seed=1), dim=1).T
    none = scores[:0], torch.ones(0, dtype=torch.bool)
    assert_close(balanced(scores, *none, iterations=0), (scores / 0.05).softmax(1))


def test_a_look_may_lead_itself_alone():
    loss, looks = Swapped(12, balanced, led=itself), numbers(4, 10, 128)
    loss.after_step(STEP)
    z, codes = F.normalize(looks, dim=-1), F.normalize(loss.codes.detach(), dim=-1)
    own = [-(sinkhorn(z[i] @ codes.T, 3) * F.log_softmax(z[i] @ codes.T / 0.1, 1)).sum(1).mean() for i in range(2)]
    assert_close(loss(*looks), sum(own) / 2, rtol=1e-5, atol=1e-5)


def test_prototypes_wait_and_the_queue_helps():
    loss, looks = Swapped(12, balanced, queue=30, begin=0.2, frozen=0.15), numbers(2, 10, 128)
    for index in range(4):
        loss.zero_grad()
        loss(*looks).backward()
        assert bool(loss.codes.grad.any()) == (index > 1)  # when two of ten steps lie behind, more than 0.15
        assert bool(loss.queues[0].filled.any()) == (index > 2)  # put in at the step that begins at 0.2
        for module in loss.modules():
            getattr(module, "after_step", lambda step: None)(Step(index, 10))
    alone = Swapped(12, balanced)
    alone.load_state_dict(
        loss.state_dict() | {f"queues.{i}.{n}": x for i in range(2) for n, x in alone.queues[i].state_dict().items()}
    )
    others = numbers(2, 10, 128, seed=5)
    assert (alone(*others) - loss(*others)).abs() > 1e-5


def test_swav_equals_lightly():
    lightly = pytest.importorskip("lightly.loss")
    loss, looks = Swapped(12, balanced), numbers(4, 10, 128)
    scores = F.normalize(looks, dim=-1) @ F.normalize(loss.codes.detach(), dim=-1).T
    assert_close(loss(*looks), lightly.SwaVLoss()(list(scores[:2]), list(scores[2:])), rtol=1e-5, atol=1e-5)


# Mugs


@pytest.mark.parametrize("loss", [QueueNCE(6, 8), CenteredCE(6)])
def test_big_and_small_crops_count_half_each(loss):
    said, goal = numbers(5, 4, 6), numbers(2, 4, 6, seed=1)

    def pair(i, j):  # alone: crop j of the teacher as if it were another than the student's
        return loss(torch.stack([said[i], said[i]]), goal[[j, j]], STEP)

    big = (pair(0, 1) + pair(1, 0)) / 2
    small = sum(pair(i, j) for i in (2, 3, 4) for j in (0, 1)) / 6
    assert_close(halves(loss)(said, goal, STEP), (big + small) / 2, rtol=1e-5, atol=1e-6)
    assert_close(halves(loss)(said[:2], goal, STEP), big, rtol=1e-5, atol=1e-6)


def filled(width=16, memory=20, top=3):
    torch.manual_seed(0)
    head = joined(TINY, maps(width, 8, 4), memory, top)
    head.memory.rows.copy_(numbers(memory, width, seed=3))
    head.memory.at.fill_(memory)
    return head


def test_neighbours_are_the_most_alike_and_one_block_reads_them():
    head, x = filled(), numbers(5, 16)
    cosine = F.cosine_similarity(x[:, None], head.memory.rows[None], dim=-1)
    near = torch.stack([head.memory.rows[line.argsort(descending=True)[:3]] for line in cosine])
    assert_close(head.neighbours(x), near)
    through = lambda rows: head.block(Tokens(rows, rows.new_zeros(len(rows), 0), layout((len(rows),)))).values[0]  # noqa: E731
    whole = [through(torch.cat([a[None], b])) for a, b in zip(x, near, strict=True)]
    assert_close(head(x, 5), head.inner(head.norm(torch.stack(whole))), rtol=1e-5, atol=1e-5)
    alone = head.inner(head.norm(torch.stack([through(a[None]) for a in x])))
    assert (head(x, 5) - alone).abs().max() > 0.01


def test_a_memory_that_is_not_full_gives_what_it_has():
    head, x = filled(), numbers(5, 16)
    head.memory.at.fill_(2)
    near = head.neighbours(x)
    assert {tuple(row) for row in near[:, :2].flatten(0, 1).tolist()} == {
        tuple(row) for row in head.memory.rows[:2].tolist()
    }
    assert torch.equal(near[:, 2], x)


def test_memories_keep_first_crops_and_the_teacher_has_its_own():
    made = recipe("mugs", "series", queue=12)
    batch = batch_of(made, STEP)
    made.objective.teacher.momentum = 1.0
    with torch.no_grad():
        for p in made.objective.encoders.parameters():
            p.add_(0.1 * torch.randn_like(p))
    scene = made.objective.scene(batch, STEP)
    made.objective(batch, STEP)
    made.objective.after_step(STEP)
    mine = made.objective.terms["local"].head.memory
    its = made.objective.teacher.network["heads"]["local"].memory
    for memory, side in ((mine, scene.student), (its, scene.teacher)):
        z = side.z["big"]
        means = torch.stack([x[1:].mean(0) for x in z.values.split(list(z.layout.lengths))])
        assert_close(memory.rows[:6], means[:6].detach(), rtol=1e-5, atol=1e-5)
        assert memory.filled.sum() == 6
    assert (mine.rows - its.rows).abs().max() > 1e-3


def test_a_queue_of_mugs_spans_no_epochs():
    made = recipe("mugs", "series", queue=10_000)
    count = len(made.data.source)
    sizes = {name: len(x) for name, x in made.objective.named_buffers() if name.endswith("rows")}
    assert sizes and set(sizes.values()) == {count}


def test_without_neighbours_a_crop_is_alone():
    head, x = filled(top=0), numbers(5, 16)
    alone = [head.block(Tokens(a[None], a.new_zeros(1, 0), layout((1,)))).values[0] for a in x]
    assert_close(head(x, 5), head.inner(head.norm(torch.stack(alone))), rtol=1e-5, atol=1e-5)


def test_mugs_sums_three_losses():
    made = recipe("mugs", "series", queue=12)
    loss = made.objective(batch_of(made, STEP), STEP)
    assert set(loss.parts) == {"instance", "local", "group"}
    assert_close(loss.total, sum(loss.parts.values()) / 3)
    heads = made.objective.teacher.network["heads"]
    assert "predictor" not in {name.split(".")[1] for name, _ in heads.named_modules() if "." in name}


# TransTab


def split_by_the_release(columns, parts, overlap):
    lists = np.array_split(np.arange(columns), parts)
    more, out = int(np.ceil(len(lists[0]) * overlap)), []
    for i, own in enumerate(lists):
        other = lists[i + 1][:more] if i + 1 < parts else lists[i - 1][max(0, len(lists[i - 1]) - more) :]
        out.append(sorted([*own, *other]))
    return out


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("parts", [2, 3])
def test_parts_are_contiguous_and_overlap(parts, overlap):
    for n in range(parts, 25):
        cut = [list(range(*stretch(n, i, parts, overlap))) for i in range(parts)]
        assert cut == split_by_the_release(n, parts, overlap), n
    assert stretch(1, 1, 2, 0.1) == (1, 1)


def test_a_part_is_what_is_seen():
    tokens = rows((7, 1, 4), slots=1)
    views = [part(i, 2, 0.1)(tokens, STEP.rng("x", torch.arange(3))) for i in range(2)]
    assert views[0].seen.content == (5, 1, 3) and views[1].seen.content == (4, 0, 3)
    starts = tokens.layout.cu[:-1] + 1
    assert torch.equal(views[0].seen.values[1:6], tokens.values[starts[0] : starts[0] + 5])
    assert torch.equal(views[1].seen.values[1:5], tokens.values[starts[0] + 3 : starts[0] + 7])
    for view in views:
        assert view.dropped and torch.equal(view.seen.values, tokens.values[~view.hidden.mask])


def test_parts_of_a_row_find_each_other():
    """The release's loss, which is SupCon's with rows for classes, temperature and base temperature 10; in its own way."""
    for parts in (2, 3):
        looks = 4 * numbers(parts, 5, 16)
        features = looks.transpose(0, 1)  # [rows, parts, D]
        every = torch.cat(features.unbind(1))
        logits = every @ every.T / 10
        same = torch.eye(5).repeat(parts, parts) - torch.eye(5 * parts)
        away = 1 - torch.eye(5 * parts)
        said = logits - (logits.exp() * away).sum(1, keepdim=True).log()
        wanted = -((same * said).sum(1) / same.sum(1)).mean()
        assert_close(same_row(*looks), wanted, rtol=1e-5, atol=1e-5)


def table(samples):
    return {"x": named("table").fit(samples, Want())}


def test_columns_may_stand_in_any_order_and_have_any_name():
    samples = [{"age": 30.0 + i, "town": "ab"[i % 2], "paid": i % 3 == 0, "debt": i / 7} for i in range(8)]
    enc = encoder(table(samples), TINY)

    def said(items):
        data = Data(ListSource(items, "table"), enc.tokenizers)
        return first(enc(collate(data, np.arange(len(items)), STEP, 1).tokens["x"]))

    turned = [dict(reversed(list(s.items()))) for s in samples]
    assert_close(said(turned), said(samples), rtol=0, atol=1e-5)
    renamed = [{"years": s["age"]} | {k: v for k, v in s.items() if k != "age"} for s in samples]
    assert (said(renamed) - said(samples)).abs().max() > 1e-2
    strange = said([{f"new {i}": 1.0 * i, "never": "seen"} for i in range(4)])
    assert strange.isfinite().all() and (strange[0] - strange[1]).abs().max() > 1e-2


def test_a_row_without_parts_is_left_out():
    items = [{f"c{j}": float(i * j) for j in range(1 if i == 2 else 6)} for i in range(8)]
    made = find("transtab")(Data(ListSource(items, "table"), table(items), 8), size=TINY)
    every, others = (batch_of(made, STEP, np.array(at)) for at in (range(8), [0, 1, 3, 4, 5, 6, 7]))
    assert_close(made.objective(every, STEP).total, made.objective(others, STEP).total)
    with pytest.raises(Mistake, match="at least two parts"):
        find("transtab")(made.data, size=TINY, parts=1)


# AstroM3


def three(kept):
    """Eight samples of three parts; kept: which parts each has."""
    data = tiny_data("pair3", n=24)
    whole = [s for s in (data.source[i] for i in range(24)) if all(x is not None for x in s.values())][: len(kept)]
    names = list(data.tokenizers)
    items = [{n: s[n] if i in have else None for i, n in enumerate(names)} for s, have in zip(whole, kept, strict=True)]
    torch.manual_seed(0)
    return find("astrom3")(Data(ListSource(items, "pair"), data.tokenizers, len(kept)), size=TINY, width=8)


def test_astrom3_sums_both_directions_of_every_pair():
    made = three([(0, 1, 2)] * 6)
    batch = batch_of(made, STEP, np.arange(6))
    scales = {}
    with torch.no_grad():
        for i, (name, term) in enumerate(made.objective.terms.items()):
            assert_close(term.loss.log_scale.exp(), torch.tensor(100.0), rtol=1e-4, atol=1e-4)
            scales[name] = 3.0 + i
            term.loss.log_scale.fill_(np.log(scales[name]))
    scene = made.objective.scene(batch, STEP)
    heads = {n: h for t in made.objective.terms.values() for n, h in t.head.items()}
    z = {}
    for name, tokens in scene.student.z.items():
        rows_of = tokens.values.split(list(tokens.layout.lengths))
        z[name] = F.normalize(heads[name](torch.stack([x[1:].mean(0) for x in rows_of])), dim=1)
    wanted = 0.0
    for a, b in combinations(z, 2):
        logits = scales[f"{a} {b}"] * z[a] @ z[b].T
        wanted += F.cross_entropy(logits, torch.arange(6)) + F.cross_entropy(logits.T, torch.arange(6))
    assert len(scales) == 3
    assert_close(made.objective(batch, STEP).total, wanted, rtol=1e-5, atol=1e-5)


def test_each_pair_learns_from_the_samples_that_have_both():
    made = three([(0, 1), (0, 1), (0, 1, 2), (1,), (0, 1, 2), (2,), (1, 2)])
    parts = made.objective(batch_of(made, STEP, np.arange(7)), STEP).parts
    image, text, facts = made.data.tokenizers
    for a, b, at in ((image, text, [0, 1, 2, 4]), (text, facts, [2, 4, 6]), (image, facts, [2, 4])):
        alone = made.objective(batch_of(made, STEP, np.array(at)), STEP).parts[f"{a} {b}"]
        assert alone > 0 and torch.allclose(parts[f"{a} {b}"], alone, atol=1e-5)


@pytest.mark.parametrize("kept", [[(0, 1), (1, 2), (0, 1), (1, 2)], [(0, 1), (0, 1), (0, 1), (2,)]])
def test_a_pair_that_never_occurs_is_no_news(kept):
    made = three(kept)
    loss = made.objective(batch_of(made, STEP, np.arange(4)), STEP)
    image, text, facts = made.data.tokenizers
    assert loss.parts[f"{image} {facts}"] == 0 and loss.parts[f"{image} {text}"] > 0
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.objective.parameters())
    term = made.objective.terms[f"{image} {facts}"]
    assert not term.loss.log_scale.grad.any() and made.objective.encoders[text].slots.grad.any()


def test_nobody_waits_for_a_rank_without_pairs(monkeypatch):
    """A rank of which no sample has both parts takes part in every gather all the same, or the others would wait for ever."""
    calls = []
    monkeypatch.setattr("headstart.losses.dist.gather", lambda x: calls.append(1) or x)
    empty = torch.zeros(0, 4, requires_grad=True)
    loss = InfoNCE()(empty, empty)
    loss.backward()
    assert loss == 0 and len(calls) == 2


def test_astrom3_needs_parts():
    with pytest.raises(Mistake, match="several parts"):
        recipe("astrom3", "series")


def test_three_parts_the_whole_way(tmp_path):
    """A folder of three files a sample, some missing: retrieval is judged over all pairs, and each part gets its encoder."""
    from PIL import Image

    place, r = tmp_path / "stars", np.random.default_rng(0)
    place.mkdir()
    for i in range(40):
        array, picture = io.BytesIO(), io.BytesIO()
        np.save(array, r.standard_normal(60).astype(np.float32))
        Image.fromarray(r.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(picture, "PNG")
        files = {"png": picture.getvalue(), "npy": array.getvalue(), "txt": f"star {i}".encode()}
        for number, (suffix, content) in enumerate(files.items()):
            if i % 8 != number:
                (place / f"{i:03d}.{suffix}").write_bytes(content)
    words = {"recipe": "astrom3", "steps": 2, "size": "XS", "data.batch": 8, "data.held": 0.34, "run.device": "cpu"}
    run = hs.pretrain(str(place), log=Log(quiet=True), **words, **{"run.out": str(tmp_path / "out")})
    assert set(run.results) == {"random encoder", "pre-trained"} and set(run.results["pre-trained"]) == {
        "recall-1",
        "recall-5",
    }
    assert json.loads((tmp_path / "out" / "probe.json").read_text())["query"] > 5
    for name, sample in (
        ("image", np.zeros((12, 12, 3), np.uint8)),
        ("text", "a star"),
        ("series", np.zeros(60, np.float32)),
    ):
        assert hs.load(tmp_path / "out" / name).embed([sample]).shape == (1, 128)
