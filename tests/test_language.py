"""UL2, structural objectives, PASTA and M3AE: mixtures of denoisers, swapped rows, numbers as rows, two parts in one encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.parts import LENGTHS, TINY, batch_of, rows
from torch.testing import assert_close

from headstart.checkpoint import save_encoder
from headstart.contract import check_recipe
from headstart.corrupt import mismatched
from headstart.data.sources.listed import ListSource
from headstart.encoded import load
from headstart.errors import Mistake
from headstart.recipe import Data
from headstart.recipes.m3ae_medical import m3ae_medical
from headstart.recipes.pasta import pasta
from headstart.recipes.structural_ssl_rts_slm import Swap, kmeans, structural_ssl_rts_slm
from headstart.recipes.ul2 import MIXTURE, Mode, denoise, ul2
from headstart.scoring.features import encode
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.tokenizers import TextTokenizer, TrajectoryTokenizer, tokenizer_of
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.trajectory import binned, companded, middle
from headstart.tokens import Tokens, layout, reserve

STEP = Step(0, 1)


def rng(segments, index=0, total=100):
    return Step(index, total).rng("x", torch.arange(segments))


@pytest.mark.parametrize("task", ["c-rts", "slm", "ssp"])
def test_structural_tasks_keep_the_contract(task):
    for number, kind in enumerate(("text", "series")):
        check_recipe(structural_ssl_rts_slm, tiny_data(kind, ragged=number == 1), task=task)


@pytest.mark.parametrize("task", ["gpt", "bert"])
def test_pasta_keeps_the_contract(task):
    check_recipe(pasta, tiny_data("trajectory", ragged=True), task=task, bins=16)


def test_m3ae_on_other_kinds():
    check_recipe(m3ae_medical, tiny_data("series+text", ragged=True))


# UL2


def numbered(length=200, samples=10):
    places = torch.arange(length).repeat(samples)
    return reserve(Tokens(places, places[:, None].float(), layout((length,) * samples)), 1)


@pytest.mark.parametrize(("length", "share"), [(3, 0.15), (8, 0.15), (3, 0.5), (8, 0.5), (64, 0.5)])
def test_spans_are_as_many_and_as_long_as_asked(length, share):
    tokens, make = numbered(), denoise(Mode(0, 1.0, ((length, share),)))
    hidden = spans = 0
    for index in range(30):
        view = make(tokens, rng(10, index))
        assert view.hidden.counts == (round(share * 200),) * 10 and int(view.hidden.mask.sum()) == sum(
            view.hidden.counts
        )
        hidden += int(view.hidden.mask.sum())
        spans += int((view.hidden.mask & ~view.hidden.mask.roll(1)).sum())
    assert abs(hidden / spans / length - 1) < 0.1


def test_arrangements_of_spans_are_alike():
    """Two spans of three rows in five: 2 ways to divide, 3 pairs of gaps; all six come about equally often."""
    tokens, make = numbered(5, 600), denoise(Mode(0, 1.0, ((1.5, 0.6),)))
    view = make(tokens, rng(600))
    codes = (view.hidden.mask.view(600, 6)[:, 1:] * 2 ** torch.arange(5)).sum(1)
    kinds, often = codes.unique(return_counts=True)
    assert len(kinds) == 6 and often.min() > 70


@pytest.mark.parametrize("sentinels", [100, 2])
def test_what_is_seen(sentinels):
    """A mode row one place before the sample, then what stays, with one numbered row for every span, at the first places."""
    for mode in (Mode(2, 1.0, ((2, 0.5),)), MIXTURE["s"]):
        tokens = rows(LENGTHS, slots=2)
        view = denoise(mode, sentinels)(tokens, rng(len(LENGTHS)))
        seen, hidden = view.seen, view.hidden.mask
        for i, part in enumerate(LENGTHS):
            start = int(tokens.layout.cu[i]) + 2
            mine = slice(int(seen.layout.cu[i]), int(seen.layout.cu[i + 1]))
            special, coords, values = seen.special[mine], seen.coords[mine], seen.values[mine]
            assert special[:3].tolist() == [-1, -1, mode.row]
            assert_close(coords[2], tokens.coords[start] - torch.tensor([1.0, 0.0]))
            assert_close(coords[3:], tokens.coords[start : start + len(coords) - 3])
            at, number = 3, 0
            for row in range(start, start + part):
                if hidden[row] and hidden[row - 1]:
                    continue
                assert int(special[at]) == (3 + number % sentinels if hidden[row] else -1)
                assert hidden[row] or torch.equal(values[at], tokens.values[row])
                at, number = at + 1, number + int(hidden[row])
            assert at == seen.layout.lengths[i]
            if mode is MIXTURE["s"]:
                assert hidden[start + part - round(0.25 * part or 1) : start + part].all()


def test_ends_of_spans_are_said():
    """The loss is that of the rows and of one number more, which says where a span ends."""
    made = ul2(tiny_data("text", ragged=True), size=TINY, depth=1)
    scene = made.objective.scene(batch_of(made, STEP), STEP, {"x": made.objective.terms["x"]})
    view, term = scene.views["x"], made.objective.terms["x"]
    said = term.head(scene.student.z["x"], view).double()
    losses, mask = [], view.hidden.mask.tolist()
    for row, told in zip(view.hidden.index.tolist(), said, strict=True):
        last = row + 1 == len(mask) or not mask[row + 1]
        share = told[-1].sigmoid()
        losses.append(-told[:-1].log_softmax(0)[view.clean.values[row]] - (share if last else 1 - share).log())
    assert_close(term(scene).double(), torch.stack(losses).mean(), rtol=1e-5, atol=1e-5)


def test_one_mode_a_step():
    made = ul2(tiny_data("text"), size=TINY, depth=1)
    ran = [tuple(made.objective(batch_of(made, Step(i, 40)), Step(i, 40)).parts) for i in range(40)]
    assert all(len(parts) == 1 for parts in ran)
    assert all(8 <= ran.count((mode,)) <= 20 for mode in "rsx")


def told(kind, change):
    """What UL2's decoder says in X at the rows of the first sample, before and after `change` of the hidden rows' content."""
    made = ul2(tiny_data(kind), size=TINY, depth=2)
    objective, batch = made.objective.eval(), batch_of(made, STEP)
    term = objective.terms["x"]
    scene = objective.scene(batch, STEP, {"x": term})
    view = scene.views["x"]
    other = replace(view, clean=view.clean.with_values(change(view.clean.values.clone(), view.hidden.index)))
    said = [term.head(scene.student.z["x"], each) for each in (view, other)]
    return view, *(x[: view.hidden.counts[0]] for x in said)


def other_row(number):
    def change(values, hidden):
        values[hidden[number]] = 1 + values[hidden[number]]
        return values

    return change


@pytest.mark.parametrize("kind", ["text", "series"])
def test_writing_is_causal(kind):
    """A hidden row tells the rows after it in its span, and through them the later spans; never itself or earlier ones."""
    view, before, after = told(kind, other_row(0))
    moved = (before - after).abs().amax(1) > 1e-6
    inside = view.hidden.index[1] == view.hidden.index[0] + 1
    assert not moved[0] and bool(moved[1:].any()) and (not inside or bool(moved[1]))
    _, before, after = told(kind, other_row(len(before) - 1))
    assert_close(before, after)


def test_a_span_begins_without_the_row_before_it():
    def visible(values, hidden):
        gone = torch.zeros(len(values), dtype=torch.bool).index_fill(0, hidden, True)
        return torch.where(gone, values, (values + 1) % 256)

    _, before, after = told("text", visible)
    assert_close(before, after)


# structural objectives


def swap_of(kind="text", clusters=4, ratio=0.3):
    data = tiny_data(kind)
    return data, Swap(data, clusters, ratio, 2.0)


def test_swapped_rows_are_the_datas_own():
    for kind in ("text", "series"):
        data, swap = swap_of(kind)
        made = structural_ssl_rts_slm(data, size=TINY)
        tokens = batch_of(made, STEP).tokens["x"]
        view = swap(tokens, rng(6))
        assert view.seen.special is None and view.hidden.counts == tuple(round(0.3 * n) for n in tokens.content)
        assert torch.equal(view.seen.values[~view.hidden.mask], tokens.values[~view.hidden.mask])
        stock = swap.entries.view(len(swap.entries), -1)
        put = view.seen.values[view.hidden.index].view(len(view.hidden), -1)
        assert (put[:, None] == stock).all(2).any(1).all()


def test_clusters_are_drawn_by_what_is_confused():
    """Row by row: softmax(2 * (count - least) / (most - least)), by another way of writing it."""
    _, swap = swap_of()
    n = len(swap.size)
    swap.counts = torch.from_numpy(np.random.default_rng(0).integers(-40, 90, (n, n))).float()
    counts = swap.counts.double().numpy()
    wanted = np.stack([np.exp(2 * (row - row.min()) / (row.max() - row.min())) for row in counts])
    wanted /= wanted.sum(1, keepdims=True)
    assert_close(swap.confused().double(), torch.from_numpy(wanted), rtol=1e-5, atol=1e-6)
    used = swap.entries[:1].repeat(20_000)  # all of one cluster
    tokens = reserve(Tokens(used, torch.zeros(len(used), 1), layout((len(used),))), 1)
    swap.ratio = 1.0
    drawn = swap.cluster(swap(tokens, rng(1)).seen.values[1:]).bincount(minlength=n) / len(used)
    assert_close(drawn.double(), torch.from_numpy(wanted[int(swap.cluster(used[:1]))]), rtol=0, atol=0.015)


def test_counts_move_by_errors_less_successes():
    data, swap = swap_of()
    tokens = batch_of(structural_ssl_rts_slm(data, size=TINY), STEP).tokens["x"]
    view = swap(tokens, rng(6))
    right = torch.arange(len(view.hidden)) % 3 == 0
    wanted = np.ones(swap.counts.shape)
    for row, good in zip(view.hidden.index.tolist(), right.tolist(), strict=True):
        was, now = int(view.clean.values[row]), int(view.seen.values[row])
        if was != now:
            wanted[int(swap.marks[was]), int(swap.marks[now])] += -1 if good else 1
    swap.learn(view, right)
    assert torch.equal(swap.counts, torch.ones_like(swap.counts))  # not before the step's end
    for _ in range(2):  # and once
        swap.after_step(STEP)
    assert np.array_equal(swap.counts.numpy(), wanted) and wanted.max() > 2


def test_training_counts_and_looking_does_not():
    made = structural_ssl_rts_slm(tiny_data("text"), size=TINY, task="c-rts", clusters=3)
    objective = made.objective
    for training in (False, True):
        objective.train(training)
        objective(batch_of(made, STEP), STEP)
        objective.after_step(STEP)
        assert bool((objective.makes["x"].counts != 1).any()) == training


def test_ids_with_the_same_neighbours_are_one_cluster():
    """Letters of a word's place: a or b, then c or d, then e or f."""
    r = np.random.default_rng(0)
    texts = ["".join(r.choice(list(pair)) for _ in range(8) for pair in ("ab", "cd", "ef")) for _ in range(50)]
    tokenizer = TextTokenizer(24)
    swap = Swap(Data(ListSource(texts * 2, "text"), {"x": tokenizer}), 3, 0.15, 2.0)
    assert len(swap.size) == 1  # six ids are too few for clusters of four on average
    around = torch.randn(3, 5).repeat_interleave(4, 0) + 0.01 * torch.randn(12, 5)
    near, centres = kmeans(around, 3)
    assert len(centres) == 3 and len(near.view(3, 4).unique(dim=1).T) == 1


def test_halves_belong_together_or_not():
    made = structural_ssl_rts_slm(tiny_data("text"), size=TINY, task="ssp")
    batch = batch_of(made, STEP)
    loss = made.objective(batch, STEP)  # beside what was swapped in both halves
    assert_close(loss.total, loss.parts["same"] + (loss.parts["slm a"] + loss.parts["slm b"]) / 2)
    scene = made.objective.scene(batch, STEP)
    a, b = scene.views["a"], scene.views["b"]
    clean = scene.batch.tokens["x"]
    assert a.clean.content == tuple(n // 2 for n in clean.content) and sorted(b.label.tolist()) == [0, 0, 0, 1, 1, 1]
    for i, own in enumerate(b.label.tolist()):
        whole = clean.values[clean.layout.seg == i]
        parts = torch.cat([v.clean.values[v.clean.layout.seg == i][s:] for v, s in ((a, 0), (b, 1))])
        assert torch.equal(parts, whole) == bool(own)


def test_a_plan_without_its_data_builds():
    data = replace(tiny_data("text"), source=ListSource([None] * 9, "text"))
    made = structural_ssl_rts_slm(data, size=TINY, task="c-rts")
    assert made.objective.encoder.width == TINY.width
    with pytest.raises(Mistake, match="rts, c-rts, slm, ssp"):
        structural_ssl_rts_slm(data, size=TINY, task="mlm")


# PASTA


def walk(n, s=3, a=2, last=0):
    r = np.random.default_rng(n)
    return {"state": 5 + 9 * r.standard_normal((n + last, s)), "action": r.standard_normal((n, a))}


def test_numbers_as_rows_keep_the_contract():
    samples = [walk(4, 1, 1), walk(9, 1, 1), walk(3, 1, 1, last=1), walk(0, 1, 1, last=1)]
    check_tokenizer(replace(TrajectoryTokenizer.fit(samples), bins=64), samples)


def test_numbers_take_turns():
    tokenizer = TrajectoryTokenizer(3, 2, bins=1024)
    sample = tokenizer.fitted(walk(2, last=1))
    tokens = tokenizer(sample)
    places = [[t, int(i > 2), i - 3 * (i > 2)] for t in range(3) for i in range(5)][:13]
    assert tokens.coords.tolist() == places and tokenizer.axes[2] == "number"
    flat = np.concatenate([np.concatenate([s, a]) for s, a in zip(sample["state"], sample["action"], strict=False)])
    assert np.array_equal(tokens.values[:10], binned(torch.from_numpy(flat), 1024))
    back = tokenizer.decode(tokens)
    assert back["state"].shape == (3, 3) and back["action"].shape == (2, 2)


def test_bins_are_even_in_companded_space():
    """mu-law by its formula; the middle of a bin is at most half a bin from what it stands for."""
    x = torch.cat([torch.linspace(-250, 250, 4001), torch.linspace(-0.1, 0.1, 401)]).double()
    wanted = np.sign(x.numpy()) * np.log(1 + 100 * np.abs(x.numpy())) / np.log(1 + 256 * 100)
    assert_close(companded(x), torch.from_numpy(wanted), rtol=1e-9, atol=1e-12)
    for bins in (7, 64, 1024):
        ids = binned(x, bins)
        assert int(ids.min()) >= 0 and int(ids.max()) < bins
        assert float((companded(middle(ids, bins)) - companded(x)).abs().max()) <= 1 / bins + 1e-6
    assert binned(torch.tensor([-1e9, 1e9]), 8).tolist() == [0, 7]


def test_rows_are_cut_anew():
    """A source that keeps the rows of states and actions gives rows of numbers to a method that asks for them."""
    data = tiny_data("trajectory")
    kept = batch_of(pasta_like(data), STEP).tokens["x"]
    made = pasta(data, size=TINY, bins=16)
    numbers = batch_of(made, STEP).tokens["x"]
    assert kept.values.is_floating_point() and not numbers.values.is_floating_point()
    assert sum(numbers.content) == sum(kept.content) // 2 * 4
    assert torch.equal(batch_of(pasta_like(data), STEP).tokens["x"].values, kept.values)


def pasta_like(data):
    """A recipe that leaves rows as they were read."""
    return replace(pasta(data, size=TINY, bins=16), data=data)


def test_a_saved_encoder_embeds_trajectories(tmp_path):
    data = tiny_data("trajectory")
    made = pasta(data, size=TINY, bins=16, task="bert")
    encoder = made.objective.encoder
    save_encoder(tmp_path, encoder, {"read": "mean", "width": TINY.width, "input": {}})
    z = load(tmp_path).embed([data.source[i] for i in range(5)])
    wanted = encode(encoder, made.data.only, data.source, range(5), ("mean",))["mean"]
    assert z.shape == (5, TINY.width) and np.allclose(z, wanted, atol=0.05)  # it loads in the machine's fastest dtype
    state = {"kind": "trajectory", **made.data.only.state()}
    assert tokenizer_of(state) == made.data.only and state["bins"] == 16


def test_gpt_knows_earlier_numbers_only_and_bert_both_ways():
    for task, causal in (("gpt", True), ("bert", False)):
        made = pasta(tiny_data("trajectory"), size=TINY, bins=16, task=task)
        tokens = batch_of(made, STEP).tokens["x"]
        row = int(tokens.layout.cu[1]) - 2
        other = tokens.with_values(tokens.values.index_fill(0, torch.tensor([row]), 0))
        assert int(tokens.values[row]) != 0
        one, two = (made.objective.encoder(t).values[:row] for t in (tokens, other))
        assert torch.allclose(one, two, atol=1e-6) == causal


def test_pasta_takes_trajectories():
    with pytest.raises(Mistake, match="takes trajectories"):
        pasta(tiny_data("series"), size=TINY)
    with pytest.raises(Mistake, match="choose gpt or bert"):
        pasta(tiny_data("trajectory"), size=TINY, task="mtm")


# M3AE


def test_half_of_the_samples_get_anothers_rows():
    tokens = rows((5, 1, 8, 5, 3, 2), slots=1)
    view = mismatched(tokens, rng(6))
    assert view.label.sum() == 3 and not view.hidden.mask.any()
    parts = [tokens.values[(tokens.layout.seg == i) & ~tokens.slot] for i in range(6)]
    for i, own in enumerate(view.label.tolist()):
        mine = view.seen.values[(view.seen.layout.seg == i) & ~view.seen.slot]
        assert [j for j in range(6) if torch.equal(mine, parts[j])] == [i] or not own
        assert any(torch.equal(mine, part) for part in parts) and torch.equal(mine, parts[i]) == bool(own)
    with pytest.raises(Mistake, match="at least two"):
        mismatched(rows((5,)), rng(1))


def m3ae(kind="pair", step=STEP, **changes):
    made = m3ae_medical(tiny_data(kind), size=replace(TINY, depth=4), depth=1, **changes)
    return made.objective, batch_of(made, step)


def test_parts_are_hidden_at_their_own_rates():
    objective, batch = m3ae()
    scene = objective.scene(batch, STEP)
    for name, part, share in (("lost", "image", 0.75), ("blanks", "text", 0.15)):
        counts = scene.views[name].hidden.counts
        assert counts == tuple(round(share * n) for n in batch.tokens[part].content)
    assert scene.views["lost"].dropped and not scene.views["blanks"].dropped
    for name in ("told", "shown", "whole", "other"):
        assert not any(scene.views[name].hidden.counts)


def test_pixels_come_from_the_middle_and_words_from_the_end():
    for term, reached in (("pixels", 2), ("words", 4)):
        objective, batch = m3ae()
        objective.weights = {name: float(name == term) for name in objective.terms}
        objective(batch, STEP).backward()
        grads = [
            any(p.grad is not None and p.grad.any() for p in b.parameters()) for b in objective.encoder.trunk.blocks
        ]
        assert grads == [i < reached for i in range(4)]


def test_each_part_helps_the_other():
    objective, batch = m3ae()
    before = objective(batch, STEP).parts
    text, image = batch.tokens["text"], batch.tokens["image"]
    changed = objective(
        replace(batch, tokens={"image": image, "text": text.with_values((text.values + 1) % 256)}), STEP
    ).parts
    assert abs(float(changed["pixels"] - before["pixels"])) > 1e-6
    changed = objective(replace(batch, tokens={"text": text, "image": image.with_values(-image.values)}), STEP).parts
    assert abs(float(changed["words"] - before["words"])) > 1e-6


def test_the_signal_comes_first_whatever_the_order():
    for kind in ("text+image", "image+text"):
        objective, _ = m3ae(kind)
        assert objective.views["lost"][0] == "image" and objective.views["blanks"][0] == "text"
