"""Rivals: vectors that hold what they promise on every kind of data, and each idea where its naive counterpart fails."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression, RidgeCV

from headstart import rivals
from headstart.errors import Mistake
from headstart.kinds import KINDS
from headstart.probes import standardise
from headstart.rivals import hog, minirocket, ngrams
from headstart.tiny import PAIRS, tiny_data
from headstart.tokenizers import named

EACH = [(kind, ragged) for kind in KINDS for ragged in (False, True)]


def full(x: rivals.Matrix) -> np.ndarray:
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def learnt(x, y, z) -> np.ndarray:
    """What a linear model says of z."""
    x, z = standardise(x, z) if isinstance(x, np.ndarray) else (x, z)
    return LogisticRegression(C=0.1, max_iter=300).fit(x, y).predict(z)


def right(kind, samples, labels, words=None) -> tuple[float, float]:
    """(accuracy of the rival, of the raw input), each with a linear model, from the first two thirds of the samples."""
    tokenizer = named(kind).fit(samples, *([] if words is None else [words]))
    fitted = [tokenizer.fitted(sample) for sample in samples]
    cut = 2 * len(samples) // 3
    rival = rivals.of_kind(kind)
    vectors = rival.fit(fitted[:cut], tokenizer)
    raw = np.stack([tokenizer.raw(sample) for sample in fitted])
    labels = np.asarray(labels)
    sides = [(vectors(fitted[:cut]), vectors(fitted[cut:])), (raw[:cut], raw[cut:])]
    special, plain = ((learnt(x, labels[:cut], z) == labels[cut:]).mean() for x, z in sides)
    return float(special), float(plain)


# what holds for all


@pytest.mark.parametrize(("kind", "ragged"), EACH, ids=[f"{k}{'-ragged' * r}" for k, r in EACH])
def test_vectors_of_every_kind(kind, ragged):
    """Finite, of one length, and a sample's own whatever else is asked and in whatever order, to the last bit."""
    rival, data = rivals.of_kind(kind), tiny_data(kind, ragged=ragged)
    assert rival is not None, rivals.without(kind)
    samples = [data.source[i] for i in range(12)]
    vectors = rival.fit(samples[:8], data.tokenizers["x"])
    made = vectors(samples)
    x = full(made)
    assert made.dtype == np.float32 and x.ndim == 2 and len(x) == 12
    assert np.isfinite(x).all() or (rival.learner == "trees" and not np.isinf(x).any())
    assert (np.nan_to_num(x).std(0) > 0).sum() >= 5
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(full(vectors([samples[i] for i in order])), x[order])
    np.testing.assert_array_equal(full(vectors(samples[10:11])), x[10:11])
    again = rival.fit(samples[:8], data.tokenizers["x"])
    np.testing.assert_array_equal(full(again(samples)), x)
    if not isinstance(made, np.ndarray):
        assert 10 < np.median(np.linalg.norm(x[:8], axis=1)) < 100  # about the root of 1,000


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "table"])
def test_classes_of_every_kind_are_found(kind):
    """Eight of each of three classes are learnt from, and tell the classes of others better than chance."""
    data = tiny_data(kind, n=48)
    samples, labels = [data.source[i] for i in range(48)], np.arange(48) % 3
    vectors = rivals.of_kind(kind).fit(samples[:24], data.tokenizers["x"])
    said = learnt(vectors(samples[:24]), labels[:24], vectors(samples[24:]))
    assert (said == labels[24:]).mean() > 0.6


def test_files_are_rivals():
    files = {"boosted", "ecfp", "hog", "kmers", "logmel", "minirocket", "ngrams", "records"}
    assert set(rivals.names()) == files | {"shapes", "spectra", "tfidf", "voxels", "weisfeiler"}
    assert all(set(rivals.named(name).kinds) <= set(KINDS) for name in rivals.names())
    assert rivals.of_kind("table").learner == "trees"
    for pair in PAIRS:
        assert rivals.of_kind(pair) is None and "each part has its rival" in rivals.without(pair)
    with pytest.raises(Mistake, match="smells"):
        rivals.rival("nose", kinds=("smells",))


# what is odd


def test_odd_samples_have_vectors():
    """Empty, constant, missing, never seen, one row long: a vector all the same, and a finite one."""
    gap = np.full((2, 48), np.nan, np.float32)
    half = np.ones((2, 48), np.float32)
    half[0, 7:30] = np.nan
    odd = {
        "series": [gap, half, np.zeros((2, 1), np.float32), np.full((2, 4000), 1e30, np.float32)],
        "text": ["", " ", "\x00", "never seen"],
        "code": ["", "λ = λ"],
        "protein": ["", "X", "A" * 500],
        "molecule": ["", "no molecule", "[U]"],
        "image": [np.full((3, 8, 8), np.nan, np.float32), np.zeros((3, 1, 1), np.uint8), np.full((3, 8, 8), np.inf)],
        "volume": [np.full((1, 16, 8, 8), np.nan), np.zeros((1, 1, 1, 1)), np.full((1, 2, 2, 2), 1e30)],
        "audio": [np.zeros((1, 640), np.float32), np.ones((1, 640), np.float32)],
        "points": [np.zeros((1, 3), np.float32), np.ones((64, 3), np.float32)],
        "events": [{"code": ["new"], "value": np.array([np.nan]), "time": np.zeros(1)}],
        "packets": [{"time": np.zeros(1), "direction": np.zeros(1, np.int64), "bytes": [b""]}],
        "music": [{k: np.ones(1, np.int64) for k in ("onset", "duration", "pitch", "velocity", "program")}],
        "document": [{"words": [], "boxes": np.zeros((0, 4)), "page": None}],
        "trajectory": [{"state": np.ones((1, 3)), "action": np.ones((0, 1))}],
    }
    lone = {"nodes": np.ones((1, 2), np.float32), "edges": np.zeros((0, 2), np.int64), "weights": np.zeros((0, 1))}
    odd["graph"] = [lone]
    for kind, samples in odd.items():
        data = tiny_data(kind)
        seen = [data.source[i] for i in range(12)]
        for fitted in (seen, seen[:1], samples):
            x = full(rivals.of_kind(kind).fit(fitted, data.tokenizers["x"])(samples + seen[:1]))
            assert len(x) == len(samples) + 1 and np.isfinite(x).all(), kind


def test_tables_keep_what_is_missing_and_place_new_words():
    rows = [{"a": 1.0, "w": "ant", "big": 1e99}, {"a": None, "w": "cat", "big": -1e99}, {"a": True, "w": "eel"}]
    x = rivals.of_kind("table").fit(rows, named("table").fit(rows))([*rows, {"w": "bee", "other": 3}])
    assert np.isnan(x[1]).sum() == 1 and np.isnan(x[3]).sum() == 2 and not np.isinf(x).any()
    (word,) = [c for c in range(x.shape[1]) if x[0, c] == 0 and x[2, c] == 2]
    assert x[1, word] == 1 and x[3, word] == 0.5


# what each is about


def waves(n, of, length=160, channels=1):
    """Series of two classes and their labels."""
    r = np.random.default_rng(1)
    labels = np.arange(n) % 2
    made = [of(label, np.arange(length), r) + 0.3 * r.standard_normal((channels, length)) for label in labels]
    return [x.astype(np.float32) for x in made], labels


def frequency(label, t, r):
    return np.sin(2 * np.pi * (t / (16, 11)[label] + r.random()))


def spike(label, t, r):
    """A steep rise and a slow fall, or the other way round, anywhere."""
    at = r.integers(20, len(t) - 20)
    tooth = np.where(np.abs(t - at) < 10, ((t - at) / 10 + 1) * 2, 0)
    return tooth if label else np.where(np.abs(t - at) < 10, 4 - tooth, 0)


@pytest.mark.parametrize("of", [frequency, spike])
def test_minirocket_hears_frequency_and_shape_whatever_the_phase(of):
    special, plain = right("series", *waves(150, of))
    assert special > 0.95 and plain < 0.75


def test_minirocket_needs_all_channels_of_a_product():
    """One channel follows the other at once, or five points later; each alone is the same."""

    def pair(label, t, r):
        noise = r.standard_normal(len(t) + 5).cumsum() * 0.5
        return np.stack([noise[5:], noise[: len(t)] if label else noise[5:]])

    special, plain = right("series", *waves(150, pair, channels=2))
    assert special > 0.85 and plain < 0.75


def test_minirocket_by_its_definition():
    """Kernels are 84 of -1 and 2 whose sum is 0, and a feature is the share of answers over a bias, ends left out by turns."""
    r = np.random.default_rng(0)
    signals = [r.standard_normal((2, n)).astype(np.float32) for n in (90, 61, 90)]
    kernels = minirocket.learnt(signals)
    assert len({k.taps for k in kernels}) == 84 and sum(len(k.biases) for k in kernels) == 9_996
    assert {k.dilation for k in kernels} >= {1, 2, 11} and max(k.dilation for k in kernels) == 11  # 8 * 11 < 90
    x, shares = minirocket.transformed(signals, kernels)[1], []
    for kernel in kernels:
        weights = np.full(9, -1.0)
        weights[list(kernel.taps)] = 2
        dilated = np.zeros(8 * kernel.dilation + 1)
        dilated[:: kernel.dilation] = weights
        answer = np.convolve(signals[1][list(kernel.channels)].sum(0), dilated[::-1], "full")
        answer = answer[4 * kernel.dilation :][:61]
        if not kernel.whole and 8 * kernel.dilation < 61:
            answer = answer[4 * kernel.dilation : -4 * kernel.dilation]
        shares.append((answer > kernel.biases.numpy()[:, None]).mean(1))
    off = np.abs(np.concatenate(shares) - x)
    assert (
        off > 1e-6
    ).mean() < 2e-3 and off.max() < 0.1  # where a bias is an answer of this very signal, rounding decides


def test_words_in_a_row_tell_what_bytes_do_not():
    """Not good, or good, not: the same words, another phrase."""
    r = np.random.default_rng(0)
    rest = ["the", "film", "was", "seen", "by", "many", "people", "here", "today", "again"]
    texts = []
    for i in range(150):
        words = [rest[k] for k in r.integers(len(rest), size=12)]
        words[4:4] = ("not", "good") if i % 2 else ("good", "not")
        texts.append(" ".join(words))
    special, plain = right("text", texts, np.arange(150) % 2)
    assert special > 0.95 and special > plain + 0.1


def test_gratings_differ_by_orientation_only():
    def grating(i):
        r = np.random.default_rng(i)
        turn = np.deg2rad((20, 65)[i % 2])
        y, x = np.mgrid[:32, :32]
        z = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 0.9 + 2 * np.pi * r.random())
        return np.rint(127 + 60 * z + 20 * r.standard_normal((32, 32))).clip(0, 255).astype(np.uint8)[None]

    special, plain = right("image", [grating(i) for i in range(120)], np.arange(120) % 2)
    assert special == 1 and plain < 0.75


def test_videos_differ_by_direction_only():
    def clip(i):
        r = np.random.default_rng(i)
        wide = np.repeat(r.integers(0, 2, (1, 24)), 2, 1).repeat(16, 0)
        steps = range(8) if i % 2 else range(8, 0, -1)
        return {
            "frames": np.stack([255 * np.roll(wide, 2 * s, 1)[None, :, :32] for s in steps]).astype(np.uint8),
            "fps": 8.0,
        }

    special, plain = right("video", [clip(i) for i in range(90)], np.arange(90) % 2)
    assert special > 0.9 and plain < 0.75


def test_hog_by_hand():
    """A slope to the right everywhere: all edges have orientation 0, in each of 2 x 2 cells alike, 0.5 after normalising."""
    ramp = np.tile(np.arange(64.0), (64, 1))
    x = hog.oriented(torch.from_numpy(ramp)[None, None])[0].numpy().reshape(7, 7, 2, 2, 9)
    np.testing.assert_allclose(x[1:-1, 1:-1, ..., 0], 0.5, atol=1e-6)
    assert (x[..., 1:] == 0).all()


def test_a_functional_group_by_its_surroundings():
    """An ester against an acid with an ether: the same atoms and almost the same bonds, elsewhere."""
    r = np.random.default_rng(0)
    chain = lambda: "C" * r.integers(2, 7)  # noqa: E731
    smiles = [f"{chain()}C(=O)O{chain()}C" if i % 2 else f"OC(=O){chain()}C{chain()}" for i in range(120)]
    special, _ = right("molecule", smiles, np.arange(120) % 2)
    atoms = np.array([[s.count("C"), s.count("O")] for s in smiles], np.float32)
    counted = (learnt(atoms[:80], np.arange(80) % 2, atoms[80:]) == np.arange(80, 120) % 2).mean()
    assert special == 1 and counted < 0.75


def test_a_motif_of_three_residues():
    """RGD and KGA, or RGA and KGD: residues and pairs of neighbours are the same."""
    r = np.random.default_rng(0)
    chains = []
    for i in range(240):
        chain = list("".join(r.choice(list("LSTVP"), 90)))
        motifs = ("RGD", "KGA") if i % 2 else ("RGA", "KGD")
        for at, motif in zip(r.choice(22, 2, replace=False), motifs, strict=True):
            chain[4 * at : 4 * at + 3] = motif
        chains.append("".join(chain))
    special, plain = right("protein", chains, np.arange(240) % 2)
    assert special > 0.95 and plain < 0.7


def test_triangles_against_a_ring_of_equal_degrees():
    """Two triangles for every ring of six: all nodes have two edges, and one in six is marked; only who knows whom differs."""

    def graph(i):
        r = np.random.default_rng(i)
        n = 12 + 6 * int(r.integers(3))
        size = (3, 6)[i % 2]
        ring = np.array([[k, k - k % size + (k + 1) % size] for k in range(n)])
        marked = np.zeros((n, 1), np.float32)
        marked[::6] = 1
        order = r.permutation(n)
        return {"nodes": marked[np.argsort(order)], "edges": order[ring]}

    graphs, labels = [graph(i) for i in range(90)], np.arange(90) % 2
    special, _ = right("graph", graphs, labels)
    degrees = [np.bincount(g["edges"].ravel(), minlength=len(g["nodes"])) for g in graphs]
    assert all((d == 2).all() for d in degrees)
    assert special == 1


def test_shapes_do_not_mind_a_turn():
    """A ball's surface and a cube's, of one size, turned at random."""

    def cloud(i):
        r = np.random.default_rng(i)
        x = r.standard_normal((256, 3))
        x /= np.linalg.norm(x, axis=1, keepdims=True) if i % 2 else np.abs(x).max(1, keepdims=True)
        x *= 1 if i % 2 else 0.72
        return (x @ np.linalg.qr(r.standard_normal((3, 3)))[0]).astype(np.float32)

    special, _ = right("points", [cloud(i) for i in range(120)], np.arange(120) % 2)
    assert special > 0.95


def test_volumes_by_their_texture():
    """Fine and coarse grain of one brightness: the small volume shows neither."""

    def scan(i):
        r = np.random.default_rng(i)
        x = r.standard_normal((1, 24, 24, 24))
        x = x if i % 2 else (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, 1, 3)) / 2
        return {"values": x.astype(np.float32), "spacing": (1.0, 1.0, 1.0)}

    special, plain = right("volume", [scan(i) for i in range(60)], np.arange(60) % 2)
    assert special == 1 and plain < 0.8


def test_sounds_by_how_fast_they_change():
    """Noise that swells 4 or 8 times a second: the same mean spectrum, another rhythm."""

    def sound(i):
        r = np.random.default_rng(i)
        t = np.arange(8_000) / 8_000
        swell = 0.5 + 0.45 * np.sin(2 * np.pi * ((4, 8)[i % 2] * t + r.random()))
        return {"wave": (0.3 * swell * r.standard_normal(8_000))[None].astype(np.float32), "rate": 8_000}

    special, _ = right("audio", [sound(i) for i in range(90)], np.arange(90) % 2)
    assert special > 0.9


def test_events_in_a_row():
    """A drug after a test, or before it: the same codes as often."""
    assert ngrams.runs(["a", "b", "c"], "x", 2) == ["x:a", "x:b", "x:c", "x:a b", "x:b c"]
    r = np.random.default_rng(0)

    def record(i):
        codes = [f"Z{k}" for k in r.integers(5, size=12)]
        codes[6:6] = ("test", "drug") if i % 2 else ("drug", "test")
        return {"code": codes, "value": np.full(14, np.nan), "time": np.arange(14.0)}

    special, plain = right("events", [record(i) for i in range(120)], np.arange(120) % 2)
    assert special > 0.9 and plain < 0.75


def test_values_of_a_record_that_rise():
    """One laboratory value rises or falls between the same visits; each value alone is as common in both."""

    def record(i):
        r = np.random.default_rng(i)
        value = np.sort(r.standard_normal(6))[:: 1 if i % 2 else -1] + 0.5 * r.standard_normal(6)
        return {"code": ["LAB"] * 6, "value": value, "time": np.arange(6.0)}

    special, _ = right("events", [record(i) for i in range(120)], np.arange(120) % 2)
    assert special > 0.9


def test_bands_by_how_much_of_them_is_bright():
    """A tenth or a quarter of the pixels is bright in one band, anywhere; the others make up for the mean."""

    def scene(i):
        r = np.random.default_rng(i)
        share = (0.1, 0.25)[i % 2]
        x = (r.random((3, 16, 16)) < share) / share + 0.2 * r.standard_normal((3, 16, 16))
        return {"bands": x.astype(np.float32), "wavelength": np.array([450.0, 550.0, 650.0])}

    special, plain = right("multispectral", [scene(i) for i in range(120)], np.arange(120) % 2)
    assert special == 1 and plain < 0.75


def test_music_in_another_key():
    """A tune up and down, or its steps in another order, in any key."""

    def piece(i):
        r = np.random.default_rng(i)
        tune = np.array([0, 4, 7, 12, 7, 4] if i % 2 else [0, 7, 4, 12, 4, 7])
        pitch = np.tile(tune, 6) + 40 + r.integers(12)
        return {"onset": np.arange(36.0), "duration": np.ones(36), "pitch": pitch}

    special, _ = right("music", [piece(i) for i in range(90)], np.arange(90) % 2)
    assert special == 1


def test_trees_take_categories_that_a_line_cannot():
    """The label is whether two words agree: trees from numbers of words find it, a line in one-hots does not."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    r = np.random.default_rng(0)
    rows = [
        {"a": "xyz"[i], "b": "xyz"[j], "c": float(c)} for i, j, c in zip(*r.integers(3, size=(3, 400)), strict=True)
    ]
    labels = np.array([row["a"] == row["b"] for row in rows])
    tokenizer = named("table").fit(rows)
    x = rivals.of_kind("table").fit(rows[:300], tokenizer)(rows)
    trees = HistGradientBoostingClassifier(random_state=0, early_stopping=False).fit(x[:300], labels[:300])
    raw = np.stack([tokenizer.raw(row) for row in rows])
    assert (trees.predict(x[300:]) == labels[300:]).mean() == 1
    assert (learnt(raw[:300], labels[:300], raw[300:]) == labels[300:]).mean() < 0.8


def test_quantities_by_ridge():
    """k-mers say how much of a residue there is."""
    r = np.random.default_rng(0)
    share = r.random(90)
    chains = ["".join(r.choice(["K", "A"], 80, p=[p, 1 - p])) for p in share]
    vectors = rivals.of_kind("protein").fit(chains[:60], named("protein").fit(chains))
    x, z = full(vectors(chains[:60])), full(vectors(chains[60:]))
    said = RidgeCV((1.0, 10.0, 100.0)).fit(x, share[:60]).predict(z)
    assert ((said - share[60:]) ** 2).mean() < 0.1 * share.var()
