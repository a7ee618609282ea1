"""Files of signals: .ts and UCR's .tsv, EDF and BDF; and the sets that are made of them or simulated."""

import importlib.util
import math

import numpy as np
import pytest

from headstart.data.readers import edf, ts
from headstart.data.sets import _aeon, gymnasium, heartpy, names
from headstart.data.source import DataError
from headstart.errors import Unreadable
from headstart.tokenizers.series import SeriesTokenizer
from headstart.tokenizers.trajectory import TrajectoryTokenizer

R = np.random.default_rng(0)

HEADER = """# comment: with a colon
@problemName Made
@timeStamps false
@missing true
@univariate false
@classLabel true walk run
@data
"""


def write(tmp_path, text, name="Made_TRAIN.ts"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_ts_of_many_channels_and_lengths(tmp_path):
    path = write(tmp_path, HEADER + "1,2,?:4,5,6:run\n1.5,-2e1:3,4:walk\n1,2,3,4:5,6:?\n")
    source = ts.open(path)
    assert source.kind == "series" and source.classes == ("walk", "run") and source.labels.tolist() == [1, 0, -1]
    assert np.array_equal(source[0], np.float32([[1, 2, np.nan], [4, 5, 6]]), equal_nan=True)
    assert source[1].tolist() == [[1.5, -20], [3, 4]] and np.isnan(source[2][1]).tolist() == [False, False, True, True]
    assert source[0].dtype == np.float32


def test_ts_with_quantities_that_are_whole(tmp_path):
    path = write(tmp_path, HEADER.replace("@classLabel true walk run", "@targetLabel true") + "1,2:-30\n3,4:?\n5,6:7\n")
    source = ts.open(path)
    assert source.classes == () and np.array_equal(source.labels, np.float32([-30, np.nan, 7]), equal_nan=True)


def test_ts_without_labels_and_with_times(tmp_path):
    head = HEADER.replace("@classLabel true walk run", "@classLabel false")
    source = ts.open(write(tmp_path, head + "1,2,3:4,5,6\n"))
    assert source.labels is None and source[0].shape == (2, 3)
    dated = "(2007-01-01 00:00:00,1.5),(2007-01-01 00:02:00,?),(2007-01-01 00:03:00,4)"
    source = ts.open(write(tmp_path, HEADER + f"{dated}:{dated}:run\n(5,1),(7,2):(5,3),(7,4):walk\n"))
    assert source[0]["time"].tolist() == [0, 120, 180] and source[0]["values"].shape == (2, 3)
    assert source[1]["time"].tolist() == [0, 2] and source[1]["values"].tolist() == [[1, 2], [3, 4]]
    assert SeriesTokenizer.fit(source.samples).masked


def test_tsv_of_the_archive(tmp_path):
    path = write(tmp_path, "-1\t1.5\t2\t3\n1\t4\t5\tNaN\n", "Gun_TEST.tsv")
    source = ts.open(path)
    assert source.classes == ("-1", "1") and source.labels.tolist() == [0, 1] and source[1].tolist() == [[4, 5]]


def test_ts_is_known_by_its_content(tmp_path):
    def said(text, name="a.ts"):
        path = write(tmp_path, text, name)
        return ts.kind(path.read_bytes()[:4096], path)

    assert said(HEADER) == said("#\n" * 5000 + HEADER) == said(HEADER, "no suffix") == "series"
    assert said("1\t2.0\t3\n", "X_TRAIN.tsv") == "series" and said("name\tage\nbob\t3\n", "X_TRAIN.tsv") is None
    for other in ("", "const x: number = 1;\n", "@relation x\n@attribute a numeric\n@data\n1\n", "G@\x11\x10" * 50):
        assert said(other) is None
    assert said("1\t2\n", "table.tsv") is None and said(HEADER, "a.csv") is None


BROKEN = [
    "",
    HEADER,
    HEADER.replace("@data\n", ""),
    "@problemName x\nno tag\n@data\n1:1\n",
    HEADER + "1,2,three:run\n",
    HEADER + "run\n",
    HEADER + ",:run\n",
    HEADER + "(1,2),(3,4):(1,2),(4,4):run\n",
    HEADER + "(yesterday,2):run\n",
    HEADER + ":".join(["1"] * 3000) + "\n",
    HEADER + ":".join(["1"] * 900 + ["1," * 9999 + "1"]) + ":run\n",
    HEADER.replace("classLabel true", "targetLabel true") + "1,2:much\n",
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_ts(tmp_path, text):
    with pytest.raises(DataError) as caught:
        ts.open(write(tmp_path, text))
    assert "Made_TRAIN" in str(caught.value)


def test_fuzzed_ts(tmp_path):
    whole = bytearray((HEADER + "1,2,?:4,5,6:run\n(1,2),(2,3):(1,4),(2,5):walk\n").encode())
    path = tmp_path / "f.ts"
    for _ in range(300):
        broken = bytearray(whole[: R.integers(1, len(whole) + 1)])
        for at in R.integers(0, len(broken), R.integers(0, 4)):
            broken[at] = R.integers(256)
        path.write_bytes(broken)
        ts.kind(bytes(broken), path)
        try:
            source = ts.open(path)
            assert all(isinstance(x, np.ndarray | dict) for x in source.samples)
        except DataError:
            pass


needs_edfio = pytest.mark.skipif(not importlib.util.find_spec("edfio"), reason="edfio is not installed")


def edf_file(path, rates=(100, 100, 20), seconds=10, cls="Edf"):
    import edfio

    waves = [100 * np.sin(2 * np.pi * 2 * np.arange(seconds * r) / r + i) for i, r in enumerate(rates)]
    signal = getattr(edfio, f"{cls}Signal")
    signals = [
        signal(w, r, label=f"EEG C{i}", physical_range=(-200, 200))
        for i, (w, r) in enumerate(zip(waves, rates, strict=True))
    ]
    getattr(edfio, cls)(signals, annotations=[edfio.EdfAnnotation(1, 2, "blink")]).write(path)
    return waves


@needs_edfio
@pytest.mark.parametrize("cls", ["Edf", "Bdf"])
def test_edf(tmp_path, cls):
    path = tmp_path / f"night.{cls.lower()}"
    waves = edf_file(path, cls=cls)
    assert edf.kind(path.read_bytes()[:4096], tmp_path / "renamed") == "series"
    sample = edf.read(path)
    assert sample["rate"] == 100 and sample["channels"] == ["EEG C0", "EEG C1", "EEG C2"]
    assert sample["values"].dtype == np.float32 and sample["values"].shape == (3, 1000)
    assert np.abs(sample["values"][:2] - np.stack(waves[:2])).max() < 0.01
    slow = 100 * np.sin(2 * np.pi * 2 * np.arange(1000) / 100 + 2)  # the third, as if it had been sampled at 100 Hz
    assert np.abs(sample["values"][2] - slow)[100:-100].max() < 2


@needs_edfio
def test_recordings_with_other_caps_share_a_tokenizer(tmp_path):
    edf_file(tmp_path / "a.edf", (100, 100, 100))
    edf_file(tmp_path / "b.edf", (50,))
    samples = [edf.read(tmp_path / f"{n}.edf") for n in "ab"]
    tokenizer = SeriesTokenizer.fit(samples)
    fitted = [tokenizer.fitted(x) for x in samples]
    assert tokenizer.form == "apart" and fitted[0].shape == fitted[1].shape
    counts = [len(tokenizer(x)) for x in fitted]
    assert counts[0] == 3 * counts[1]


@needs_edfio
def test_fuzzed_edf(tmp_path):
    edf_file(tmp_path / "a.edf", (20, 10), 4)
    whole, path = (tmp_path / "a.edf").read_bytes(), tmp_path / "f.edf"
    good = 0
    for i in range(300):
        broken = bytearray(whole[: R.integers(0, len(whole))] if i % 2 else whole)
        for at in R.integers(0, min(1024, max(1, len(broken))), R.integers(0, 5)):
            if at < len(broken):
                broken[at] = R.choice([32, 45, 48, 57, R.integers(256)])
        path.write_bytes(broken)
        try:
            sample = edf.read(path)
            good += np.isfinite(sample["values"]).all() and len(sample["channels"]) == len(sample["values"])
        except Unreadable as error:
            assert error.reason
    assert 0 < good < 300
    path.write_text("just text")
    assert edf.kind(path.read_bytes(), path) is None
    with pytest.raises(Unreadable, match="no EDF"):
        edf.read(path)


SETS = {
    "basic-motions",
    "japanese-vowels",
    "arrow-head",
    "gun-point",
    "italy-power",
    "osu-leaf",
    "plaid",
    "heartpy",
    "gymnasium",
}


def test_archived_sets(tmp_path, monkeypatch):
    assert set(names()) >= SETS
    monkeypatch.setattr(_aeon, "unpacked", lambda package, folder: tmp_path)
    write(tmp_path, HEADER + "1,2:4,5:run\n")
    source = _aeon.archived("made", "Made", "train")
    assert source.describe() == "made:train: 1 series sample, 2 classes (labels: @classLabel of the header)"
    with pytest.raises(DataError, match="made:train or made:test"):
        _aeon.archived("made", "Made", "valid")


def test_heartpy(tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("530\n518\n506\n")
    (tmp_path / "data2.csv").write_text("timer,hr\n0.0,515\n10.0,514\n20.0,513\n")
    stamps = [f"2016-11-24 13:58:58.{i:02}1000,{i}" for i in (8, 8, 10, 11)]
    (tmp_path / "data3.csv").write_text("\n".join(["datetime,hr", *stamps]) + "\n")
    monkeypatch.setattr(heartpy, "unpacked", lambda package, folder: tmp_path)
    first, second, third = heartpy.load().samples
    assert (first["rate"], first["values"].tolist()) == (100, [[530, 518, 506]])
    assert (second["rate"], second["values"].tolist()) == (100, [[515, 514, 513]])
    assert third["rate"] == pytest.approx(100) and third["values"].tolist() == [[8, 8, 10, 11]]
    with pytest.raises(DataError, match="no split"):
        heartpy.load("test")


@pytest.mark.skipif(not importlib.util.find_spec("gymnasium"), reason="gymnasium is not installed")
@pytest.mark.parametrize("world", sorted(gymnasium.WORLDS))
@pytest.mark.filterwarnings("ignore")
def test_episodes(tmp_path, monkeypatch, world):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setattr(gymnasium, "EPISODES", 30)
    source, again = gymnasium.load(world), gymnasium.load(f"{world}-policy")
    assert len(source) == 30 and again.labels.tolist() == [0, 1, 2] * 10 and again.classes == gymnasium.POLICIES
    assert len(list(tmp_path.glob("*.npz"))) == 1 and len(list(tmp_path.iterdir())) == 1
    tokenizer = TrajectoryTokenizer.fit(source.samples)
    for sample in source.samples:
        assert len(sample["state"]) == len(sample["action"]) + 1 == len(tokenizer.fitted(sample)["state"])
    assert all(np.array_equal(a["state"], b["state"]) for a, b in zip(source.samples, again.samples, strict=True))
    fresh = gymnasium._episodes(gymnasium.WORLDS[world], 3)
    assert np.array_equal(fresh["state"][: len(source[0]["state"])], source[0]["state"])
    lengths = [np.mean([len(s["action"]) for s in source.samples[k::3]]) for k in (0, 2)]
    if source.classes:
        assert len(source.classes) == 4 and np.bincount(source.labels, minlength=4).min() >= 2
        assert np.allclose(
            np.float64(source.classes)[source.labels], gymnasium._episodes(gymnasium.WORLDS[world], 30)["dynamics"]
        )
    if world == "cartpole":
        assert lengths[0] == 100 and lengths[1] < 60  # the expert keeps the pole up


@pytest.mark.skipif(not importlib.util.find_spec("gymnasium"), reason="gymnasium is not installed")
def test_the_label_follows_from_states_and_actions():
    """Pendulum: the change of speed is (1.5 g sin + 3 u / m) dt, so two unknowns are solved from an episode."""
    made = gymnasium._episodes(gymnasium.WORLDS["pendulum"], 9)
    for i in range(9):
        states, u = made["state"][101 * i : 101 * (i + 1)].astype(float), made["action"][100 * i : 100 * (i + 1), 0]
        free = (np.abs(states[1:, 2]) < 7.9) & (np.abs(states[:-1, 2]) < 7.9)
        known = np.stack([1.5 * states[:-1, 1], 3 * u], 1)[free] * 0.05
        gravity = np.linalg.lstsq(known, np.diff(states[:, 2])[free], rcond=None)[0][0]
        assert math.isclose(gravity, made["dynamics"][i], rel_tol=1e-3)


def test_unknown_splits():
    with pytest.raises(DataError, match="gymnasium:pendulum"):
        gymnasium.load("chess")
