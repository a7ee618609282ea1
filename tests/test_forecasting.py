"""Forecasting: the future is never seen, units come back, rivals are honest, gaps are left out, mistakes are sentences."""

import csv
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tests.tuned import SHAPE, Heard, bars
from tests.tuned import folder_of as folder_of_pictures
from typer.testing import CliRunner

import headstart as hs
from headstart import cli, train
from headstart.checkpoint import save_encoder
from headstart.data.feeding.prepare import Prepared, prepare
from headstart.data.sources.listed import ListSource
from headstart.data.sources.windows import Windows
from headstart.errors import Mistake
from headstart.forms import Sample
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.probes import Figure
from headstart.recipe import Input
from headstart.tasks import fitting
from headstart.tasks.asked import Asked
from headstart.tasks.contexts import Contexts
from headstart.tasks.extrapolating import LAST, MEAN, RIDGE, Known, compared, period_of, rivals
from headstart.tasks.forecasting import ERROR, Forecasting, _figure
from headstart.tasks.foreseen import foreseen
from headstart.tasks.material import Material
from headstart.tasks.parting import laid, parted
from headstart.tokenizers.series import SeriesTokenizer
from headstart.tokenizers.want import Want

T, H = 60, 6
FAST = {"task": "forecasting", "horizon": H, "steps": 80, "lr": 3e-3, "run.device": "cpu", "run.dtype": "fp32"}


def sines(count: int, length: int = T, seed: int = 0, noise: float = 0.1) -> np.ndarray:
    """[n, L]: two sines of random phase, and noise."""
    rng = np.random.default_rng(seed)
    t, phase = np.arange(length), rng.uniform(0, 2 * np.pi, (2, count, 1))
    x = np.sin(2 * np.pi * t / 12 + phase[0]) + np.sin(2 * np.pi * t / 7.5 + phase[1])
    return (x + rng.normal(0, noise, x.shape)).astype(np.float32)


def walks(count: int, length: int = T, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0, 1, (count, length)), 1).astype(np.float32)


def base_of(place: Path, samples: list[Sample], window: int | None = None) -> Path:
    """The folder of an encoder of such series, not trained."""
    tokenizer = SeriesTokenizer.fit(samples, Want(12))
    torch.manual_seed(0)
    made = encoder({"x": tokenizer}, SHAPE).eval()
    save_encoder(place, made, {"read": "mean_std", "width": 64, "input": asdict(Input(window=window))})
    return place


def tokenizer_of(samples: list[Sample], rows: int = 12) -> SeriesTokenizer:
    return SeriesTokenizer.fit(samples, Want(rows))


def whole(samples: list[Sample], tokenizer: SeriesTokenizer) -> Prepared:
    return prepare(Windows(ListSource(samples, "series"), tokenizer.most // 2), tokenizer)


def cut(samples: list[Sample], **words: object) -> Material:
    tokenizer = tokenizer_of(samples)
    return foreseen(whole(samples, tokenizer), "here", Asked(task="forecasting", **words), tokenizer, 0)


def contexts_of(material: Material) -> Contexts:
    assert isinstance(material.source.source, Contexts) and isinstance(material.task, Forecasting)
    return material.source.source


def npy(path: Path, x: np.ndarray) -> str:
    np.save(path, x)
    return str(path)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard, dict]:
    """Tuned to sines around 1000, five up and down."""
    place, said = tmp_path_factory.mktemp("sines"), Heard()
    x = 1000 + 5 * sines(150)
    base = base_of(place / "base", [row[None] for row in x])
    done = hs.finetune(base, npy(place / "x.npy", x), log=said, **FAST, **{"run.out": str(place / "t")})
    return place / "t", said, done.figures


def test_a_tuned_encoder_says_what_comes_next_better_than_the_last_value_and_the_mean(tuned: tuple):
    place, said, figures = tuned
    facts = json.loads((place / "figures.json").read_text())
    error = {name: of[ERROR]["value"] for name, of in facts["rivals"].items()}
    assert set(error) >= {LAST, MEAN, RIDGE} and set(figures) == {ERROR, "mean squared error", "MASE"}
    assert figures[ERROR].value < 0.6 * min(error[LAST], error[MEAN])
    assert figures[ERROR].n == figures[ERROR].units == 30 and 0 < figures[ERROR].error < 0.1 * error[MEAN]
    assert facts["verdict"] in said.line("verdict") and ERROR in facts["verdict"]
    assert "the next 6 values from the 54 before them, in 150 recordings" in said.line("futures")
    assert "120 contexts are learnt from, 30 are held back" in said.line("futures")
    card = (place / "README.md").read_text()
    assert "the next 6 values (forecasting)" in card and facts["verdict"] in card and "LABELLED" not in card
    assert "finished  already" in "\n".join(again := _again(place)) and f"verdict   {facts['verdict']}" in "\n".join(
        again
    )


def _again(place: Path) -> list[str]:
    said = Heard()
    hs.finetune(place.parent / "base", str(place.parent / "x.npy"), log=said, **FAST, **{"run.out": str(place)})
    return said.lines


def test_units_come_back_and_what_is_loaded_says_the_same(tuned: tuple, tmp_path: Path):
    x = 1000 + 5 * sines(20, T + 30, seed=9)
    made = hs.load(tuned[0])
    made.module.float()
    found = made.predict(list(x[:, :-H]))
    assert found.said.shape == (20, H, 1) and found.channels == ("0",) and len(found) == 20
    off = np.abs(found.said[..., 0] - x[:, -H:])
    assert off.mean() < 0.5 * np.abs(x[:, -H:] - 1000).mean() and np.abs(found.said - 1000).max() < 25
    again = hs.load(tuned[0])
    again.module.float()
    assert np.array_equal(again.predict(list(x[:, :-H])).said, found.said)
    # at another level, or as wide again: the same forecast, there
    moved = made.predict(list(1000 + 2 * (x[:, :-H] - 1000)))
    assert np.allclose(moved.said - 1000, 2 * (found.said - 1000), atol=0.05)


def test_the_forecast_is_of_what_comes_after_the_end(tuned: tuple, tmp_path: Path):
    """Only the last context counts, however long a series is, and whatever lies before it."""
    x = 1000 + 5 * sines(4, 200, seed=3)
    made = hs.load(tuned[0])
    made.module.float()
    ends = made.predict([row[-54:] for row in x])
    other = x.copy()
    other[:, :-54] = 1000
    assert np.allclose(made.predict(list(other)).said, ends.said) and np.allclose(made.predict(list(x)).said, ends.said)
    later = x.copy()
    later[:, -1] += 10
    assert not np.allclose(made.predict(list(later)).said, ends.said)


def test_the_command_line_writes_a_row_for_each_series_channel_and_step(tuned: tuple, tmp_path: Path):
    new = npy(tmp_path / "new.npy", 1000 + 5 * sines(3, seed=4))
    for ending in ("csv", "npz", "parquet"):
        done = CliRunner().invoke(
            cli.app, ["predict", str(tuned[0]), new, "data.kind=series", f"out={tmp_path}/f.{ending}"]
        )
        assert done.exit_code == 0 and "predicted the next 6 values for 3 samples" in done.output, done.output
    with np.load(tmp_path / "f.npz") as kept:
        said, names = kept["predicted"], kept["name"].tolist()
        assert said.shape == (3, H, 1) and kept["channel"].tolist() == ["0"]
    with (tmp_path / "f.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["name", "channel", "step", "value"] and len(table) == 3 * H
    assert [(row["name"], row["step"]) for row in table] == [(name, str(k + 1)) for name in names for k in range(H)]
    assert np.allclose([float(row["value"]) for row in table], said.ravel(), rtol=1e-5)
    assert pq.read_table(tmp_path / "f.parquet").to_pydict()["step"] == [*range(1, H + 1)] * 3


def test_nothing_beats_the_last_value_of_a_random_walk(tmp_path: Path):
    x, said = walks(150), Heard()
    base = base_of(tmp_path / "base", [row[None] for row in x])
    hs.finetune(base, npy(tmp_path / "x.npy", x), log=said, **{**FAST, "run.out": str(tmp_path / "t"), "steps": 40})
    assert "nothing beats the last value" in said.line("verdict") and "no period was found" in said.line("futures")


@pytest.mark.parametrize("length, count", [(T, 40), (400, 3)])
def test_the_future_is_never_in_a_context(length: int, count: int):
    """What the encoder reads hangs on nothing at or after the cut; what is learnt from and what judges share no value."""
    x = sines(count, length)
    material = cut([row[None] for row in x], horizon=H)
    contexts = contexts_of(material)
    reads = [material.source[i].copy() for i in range(len(material.source))]
    spoiled = x.copy()
    for i in range(len(reads)):
        of, end = int(contexts.cuts.of[i]), int(contexts.cuts.end[i])
        assert np.allclose(material.labels["future"][i, 0], x[of, end : end + H])
        spoiled[:] = x
        spoiled[of, end:] = 1e6
        samples = np.asarray([row[None] for row in spoiled], np.float32)
        other = Contexts(contexts.recordings, contexts.cuts, contexts.length, material.task.spread, contexts.tokenizer)
        other._whole = samples.__getitem__
        assert np.array_equal(other[i], reads[i]) and np.abs(reads[i] - reads[i].mean()).max() < 10
    used = [set[tuple[int, int]](), set[tuple[int, int]]()]
    for side, at in enumerate((material.rest, material.held)):
        for i in at:
            of, end = int(contexts.cuts.of[i]), int(contexts.cuts.end[i])
            used[side] |= {(of, k) for k in range(end - contexts.length, end + H)}
    assert len(material.rest) >= 16 and len(material.held) >= 4 and not used[0] & used[1]
    if count < 10:  # the last stretch of each judges
        assert all(min(k for o, k in used[1] if o == of) > max(k for o, k in used[0] if o == of) for of in range(count))
        assert "the last 20% of each recording" in "".join(material.notes)
    else:
        assert not {o for o, _ in used[0]} & {o for o, _ in used[1]} and "whole recordings" in "".join(material.notes)


def test_pieces_of_a_recording_are_parted_by_time():
    """A recording too long to be read at once is one recording all the same: only its end judges."""
    x = sines(1, 600)
    tokenizer = tokenizer_of([x])
    lay = laid(prepare(Windows(ListSource([x], "series"), 150), tokenizer))
    assert lay.offset.tolist() == [0, 150, 300, 450] and lay.full.tolist() == [600] and set(lay.whole) == {0}
    parting = parted(lay, 30, 6, 0.2, 0)
    assert parting.until.tolist() == [150, 150, 150, 30] and parting.since.tolist() == [150, 150, 150, 30]


def test_each_context_has_its_own_units():
    x = np.stack([sines(60)[k] * 10.0 ** (k % 4) + 100 * k for k in range(60)]).astype(np.float32)
    material = cut([row[None] for row in x], horizon=H)
    own = tokenizer_of([row[None] for row in x])
    z = np.stack([(material.source[i][0] - own.mean[0]) / own.std[0] for i in range(60)])
    assert np.abs(z.mean(1)).max() < 1e-4 and np.abs(z.std(1) - 1).max() < 1e-3
    flat = cut([row[None] for row in np.concatenate([x, np.full((1, T), 7, np.float32)])], horizon=H)
    assert np.isfinite(flat.task.targets(flat.labels).numpy()).all()  # a context that stands still has no spread


def test_recordings_of_any_length_and_those_that_are_too_short(tmp_path: Path):
    samples = [x[None] for k in range(60) for x in sines(1, 40 + k, seed=k)] + [x[None] for x in sines(3, 9)]
    material = cut(samples, horizon=H)
    contexts = contexts_of(material)
    full = np.array([x.shape[1] for x in samples])
    short = int((full < contexts.length + H).sum())
    assert full[full >= contexts.length + H].sum() >= 0.8 * full.sum() and short > 3
    assert f"in 63 recordings; {short} shorter than both together are left out" in material.notes[0]
    np.savez(tmp_path / "ragged.npz", *[x[0] for x in samples])
    base = base_of(tmp_path / "base", samples)
    done = hs.finetune(base, samples, log=Log(quiet=True), **{**FAST, "run.out": str(tmp_path / "t"), "steps": 4})
    found = done.load().predict(samples)
    assert len(found) == 63 - len(found.bad) and 0 < len(found.bad) < 63
    assert all("it is shorter than the" in reason for _, reason in found.bad)
    with pytest.raises(Mistake, match="can be foretold"):
        done.load().predict([samples[-1]])


def test_channels_that_a_recording_lacks_are_left_out(tmp_path: Path):
    """One by one where recordings differ in channels; together, with gaps, where they are rows of one array."""
    a, b = sines(80, seed=1), 50 + 3 * sines(80, seed=2)
    named: list[Sample] = [
        {"values": np.stack([x, y]), "channels": ["flow", "heat"]}
        if k % 3
        else {"values": x[None], "channels": ["flow"]}
        for k, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    gaps: list[Sample] = [
        np.stack([x, y if k % 3 else np.full_like(y, np.nan)]) for k, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    for name, samples in (("named", named), ("gaps", gaps)):
        base, said = base_of(tmp_path / name, samples), Heard()
        out = tmp_path / f"{name}-tuned"
        done = hs.finetune(base, samples, log=said, **{**FAST, "run.out": str(out), "data.kind": "series", "steps": 50})
        facts = json.loads((out / "figures.json").read_text())
        error = {rival: of[ERROR]["value"] for rival, of in facts["rivals"].items()}
        assert done.figures[ERROR].value < 0.8 * min(error[LAST], error[MEAN]), (name, done.figures[ERROR], error)
        assert done.figures[ERROR].units == 16  # recordings, whether they count once or for each channel
        assert ("each channel is said by itself" in said.line("futures")) == (name == "named")
        found = done.load().predict(samples[:6])
        assert found.said.shape == (6, H, 2) and len(found.channels) == 2
        lacks = np.isnan(found.said).all(1)
        assert not lacks[:, 0].any() and lacks[:, 1].tolist() == [k % 3 == 0 for k in range(6)]
        assert np.abs(np.nanmean(found.said[..., 1]) - 50) < 6 and np.abs(found.said[..., 0]).max() < 6
        assert np.isfinite(found.said[1:3]).all()
        hs.predict(out, samples[:6], tmp_path / "f.csv", log=Log(quiet=True), kind="series")
        assert len((tmp_path / "f.csv").read_text().splitlines()) == 1 + H * (2 * 6 - 2)


def test_what_is_missing_is_neither_learnt_nor_marked():
    x = sines(60)
    x[::2, T - 3 : T - 1] = np.nan
    x[1, 20:50] = np.nan  # of this context less than half is there
    material = cut([row[None] for row in x], horizon=H)
    task, labels = material.task, material.labels
    assert len(labels) == 59
    out = np.random.default_rng(0).normal(size=(len(labels), H)).astype(np.float32)
    target, lost = task.targets(labels), task.loss(torch.from_numpy(out), task.targets(labels))
    gone = target.isnan().numpy()
    assert gone.sum() == 60 and lost.isfinite().all()
    other = np.where(gone, 1e9, out).astype(np.float32)
    assert torch.equal(task.loss(torch.from_numpy(other), target), lost)
    assert task.marks(task.said(other), labels) == task.marks(task.said(out), labels)


def test_rivals_are_what_they_are_called():
    t = np.arange(T)
    x = np.stack([10 + np.sin(2 * np.pi * (t + k) / 8) for k in range(50)]).astype(np.float32)
    material = cut([row[None] for row in x], horizon=10)
    contexts, true = contexts_of(material), material.labels[material.held]
    known = Known(material.task, contexts, material.labels, material.rest, material.held)
    assert material.task.period == 8 == period_of(contexts, material.rest)
    said = dict(rivals(known))
    own = {name: each * true["scale"][..., None] + true["mean"][..., None] for name, each in said.items()}
    last = np.array([x[of, end - 1] for of, end in zip(contexts.cuts.of, contexts.cuts.end, strict=True)])[
        material.held
    ]
    assert np.allclose(own[LAST], last[:, None, None]) and np.allclose(own[MEAN], true["mean"][..., None])
    for name in ("the value 8 before", RIDGE):
        assert np.abs(own[name] - true["future"]).max() < 0.02, name
    marks = {name: material.task.marks(each, true) for name, each in said.items()}
    error = {name: of[ERROR] for name, of in marks.items()}
    assert np.isclose(error[LAST].value, np.abs(own[LAST] - true["future"]).mean() / material.task.spread[0])
    assert "beats the others" in compared(error[RIDGE], {name: error[name] for name in (LAST, MEAN)})
    worse = compared(error[MEAN], {name: error[name] for name in (LAST, RIDGE)})
    assert "is worse than" in worse and "(more by " in worse and "by +" not in worse and "by -" not in worse
    assert cut([row[None] for row in x], horizon=10, period=3).task.period == 3


def test_futures_that_overlap_do_not_count_twice():
    material = cut([row[None] for row in walks(60)], horizon=H)
    labels = material.labels[material.held]
    said = np.zeros((len(labels), 1, H))
    once = material.task.marks(said, labels)[ERROR]
    off = np.abs(labels["mean"] - labels["future"][:, 0]).mean(1) / material.task.spread[0]
    assert np.isclose(once.value, off.mean()) and np.isclose(once.error, off.std(ddof=1) / len(off) ** 0.5)
    four = material.task.marks(np.repeat(said, 4, 0), np.repeat(labels, 4))[ERROR]
    assert np.isclose(four.error, once.error) and (four.n, four.units) == (4 * once.n, once.n)
    # better by far, but by one recording alone: that is no proof
    alone = labels.copy()
    alone["unit"] = 0
    true = (labels["future"] - labels["mean"][..., None]) / labels["scale"][..., None]
    perfect, poor = (material.task.marks(x, alone)[ERROR] for x in (true, said))
    assert "cannot be told with 1 judge whether anything beats the last value" in compared(perfect, {LAST: poor})
    perfect, poor = (material.task.marks(x, labels)[ERROR] for x in (true, said))
    assert "beats the others" in compared(perfect, {LAST: poor})


def test_that_nothing_is_clear_is_not_that_nothing_beats():
    """Of eight judges: the last value 0.656, ridge regression 0.270, the tuned encoder 0.427; "nothing beats the last value"."""

    def errors(mean: float, spread: float, judges: int, seed: int) -> Figure:
        each = mean + spread * np.random.default_rng(seed).normal(0, 1, 4 * judges)
        return _figure(each - each.mean() + mean, np.arange(4 * judges) // 4)

    def said(ridge: float, mine: float, spread: float, judges: int) -> str:
        last, least, own = (errors(mean, spread, judges, i) for i, mean in enumerate((0.656, ridge, mine)))
        return compared(own, {LAST: last, RIDGE: least})

    few = said(0.270, 0.427, 0.01, 8)
    assert few.startswith("cannot be told with 8 judges") and "0.656" in few and "0.270 of ridge regression" in few
    assert said(0.60, 0.62, 2.0, 40).startswith("cannot be told with 40 judges")  # not many contexts that overlap, 160
    assert said(0.66, 0.70, 0.05, 40).startswith("nothing beats the last value beyond chance")


def test_other_rates_and_uneven_times_are_brought_to_the_rate_that_was_learnt_from(tmp_path: Path):
    x = sines(60, 400, noise=0.02)
    every = np.arange(400)
    samples: list[Sample] = [{"values": row[None, :T], "channels": ["a"], "rate": 10.0} for row in x]
    there = np.setdiff1d(every[:T], [20, 21, 22])
    samples[0] = {"values": x[:1, there], "channels": ["a"], "time": there / 10}
    base = base_of(tmp_path / "base", samples)
    done = hs.finetune(base, samples, log=Log(quiet=True), **{**FAST, "run.out": str(tmp_path / "t"), "steps": 20})
    made = done.load()
    made.module.float()
    assert made.tokenizer.state()["rate"] == 10 and made.tokenizer.state()["masked"]
    plain = made.predict([{"values": row[None], "channels": ["a"], "rate": 10.0} for row in x[:4]])
    fine = np.arange(0, 399.01, 0.25)
    finer = made.predict(
        [{"values": np.interp(fine, every, row)[None], "channels": ["a"], "rate": 40.0} for row in x[:4]]
    )
    timed = made.predict([{"values": row[None], "channels": ["a"], "time": every / 10} for row in x[:4]])
    assert plain.every == 0.1 and np.allclose(timed.said, plain.said, atol=1e-4)
    assert np.abs(finer.said - plain.said).mean() < 0.15 * np.abs(plain.said).mean()
    kept = np.setdiff1d(every, [100, 377, 390])  # with holes
    holes = made.predict([{"values": row[None, kept], "channels": ["a"], "time": kept / 10} for row in x[:4]])
    assert np.abs(holes.said - plain.said).mean() < 0.15 * np.abs(plain.said).mean()


def test_ridge_learns_nothing_from_those_that_judge():
    material = cut([row[None] for row in walks(60)], horizon=H)
    known = Known(material.task, contexts_of(material), material.labels, material.rest, material.held)
    said = dict(rivals(known))[RIDGE]
    known.labels["future"][material.held] += 5
    assert np.corrcoef(dict(rivals(known))[RIDGE].ravel(), said.ravel())[0, 1] > 0.9
    known.labels["future"][material.rest] = known.labels["mean"][material.rest][..., None]
    assert np.abs(dict(rivals(known))[RIDGE]).max() < 1e-6


def test_the_period_is_that_of_what_is_learnt_from():
    """Each recording repeats itself after 8 values, and its last fifth, which judges, after 12."""
    at, rng = np.arange(480), np.random.default_rng(0)
    x = [np.where(at < 384, np.sin(2 * np.pi * at / 8), np.sin(2 * np.pi * at / 12))[None] for _ in range(3)]
    samples = [(each + rng.normal(0, 0.1, each.shape)).astype(np.float32) for each in x]
    material = cut(samples, horizon=H, context=48)
    contexts = contexts_of(material)
    assert period_of(contexts, material.held) == 12 and period_of(contexts, material.rest) == 8
    assert material.task.period == 8 and "repeat themselves after 8 values, which was found" in "".join(material.notes)


def test_an_interrupted_one_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch):
    x = sines(40)
    base, data = base_of(tmp_path / "base", [row[None] for row in x]), npy(tmp_path / "x.npy", x)
    words = {**FAST, "steps": 12, "data.kind": "series"}
    hs.finetune(base, data, log=Log(quiet=True), **words, **{"run.out": str(tmp_path / "whole")})
    command = ["finetune", str(base), data, *(f"{k}={v}" for k, v in words.items()), f"run.out={tmp_path / 'parts'}"]
    monkeypatch.setattr(fitting, "train", partial(train.train, until=7))
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 130 and "stopped   at step 7 of 12" in done.output, done.output
    monkeypatch.undo()
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0 and "verdict   " in done.output and "rival     the last value" in done.output
    for name in ("encoder.safetensors", "head.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    "words, message",
    [
        ({"horizon": 500}, r"horizon=500: the longest of these recordings has 60 values, and horizon=55 is the most"),
        ({"horizon": 40, "context": 30}, "context=30: with horizon=40 no recording is long enough; the longest has 60"),
        ({"horizon": None}, "say how many values ahead, such as horizon=24"),
        ({"task": "regression"}, "horizon=6: only forecasting has it"),
        ({"task": None}, "horizon=6: only forecasting has it; say task=forecasting"),
        ({"horizon": 0}, "horizon=0: it is at least 1"),
        ({"horizon": 2.5}, "horizon=2.5: it takes a whole number"),
        ({"period": 58}, "period=58: it is from 1 to 54"),
        ({"context": 54}, "too few, 16 to learn from and 4 to judge by are the least"),
        ({"horizon": 30}, "too few, 16 to learn from and 4 to judge by are the least"),
        ({"weights": "balanced"}, "weights=balanced: it is for classes"),
        ({"data.label": "species"}, "data.label=species: forecasting needs no labels"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(tmp_path: Path, words: dict, message: str):
    x = sines(12 if message.startswith("too few") else 40)
    base = base_of(tmp_path / "base", [row[None] for row in x])
    words = {name: value for name, value in {**FAST, "steps": 2, **words}.items() if value is not None}
    with pytest.raises(Mistake, match=message):
        hs.finetune(base, npy(tmp_path / "x.npy", x), log=Log(quiet=True), **words)


def test_pictures_have_no_future(tmp_path: Path):
    x = bars(40)[0]
    base = folder_of_pictures(tmp_path / "base", x)
    with pytest.raises(Mistake, match=r"task=forecasting is of series, .* this encoder reads image data"):
        hs.finetune(base, x, log=Log(quiet=True), **FAST)
