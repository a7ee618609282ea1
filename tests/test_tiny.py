"""The tiny data: made twice it is the same, every kind of it can be read, cut, packed and encoded, and it tells its class."""

import numpy as np
import pytest
import torch
from tests.parts import TINY

from headstart.data.feeding.loader import collate, whole
from headstart.data.source import Source
from headstart.errors import Mistake
from headstart.kinds import KINDS
from headstart.nn.encoder import encoder
from headstart.step import Step
from headstart.tiny import CLASSES, EVERY, tiny, tiny_data, tiny_pair

ONE_SIZE = ("volume",)  # scans are brought to one number of voxels
COMBINED = (*EVERY, "image+image", "series+audio", "graph+points+molecule")


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else type(a) is type(b) and a == b


def counts(data) -> list[int]:
    """Rows of every sample."""
    return [len(data.only(sample)) for sample in map(data.source.__getitem__, range(len(data.source)))]


def test_every_kind_is_there():
    assert set(EVERY) == {*KINDS, "pair", "pair3"}
    for unknown in ("images", "image+", ""):
        with pytest.raises(Mistake, match="the kinds are image, multispectral"):
            tiny_data(unknown)


@pytest.mark.parametrize("ragged", [False, True], ids=["even", "ragged"])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_the_same_every_time(kind, ragged):
    a, b = tiny(kind, 12, ragged), tiny(kind, 15, ragged)
    assert isinstance(a, Source) and a.kind == kind and len(a) == 12 and a.classes == CLASSES
    assert np.bincount(a.labels).tolist() == [4, 4, 4]
    assert all(equal(a[i], b[i]) for i in range(12)), "a sample hangs on its number alone"
    assert not any(equal(a[i], a[j]) for i in range(12) for j in range(i))


@pytest.mark.parametrize("kind", KINDS)
def test_rows(kind):
    even, ragged = counts(tiny_data(kind)), counts(tiny_data(kind, ragged=True))
    assert len(even) == len(ragged) == 12, "no sample was left out"
    assert len(set(even)) == 1 and 8 <= even[0] <= 24
    assert min(ragged) >= 2 and max(ragged) <= 64
    assert (max(ragged) >= 1.4 * min(ragged)) == (kind not in ONE_SIZE)


@pytest.mark.parametrize("ragged", [False, True], ids=["even", "ragged"])
@pytest.mark.parametrize("kind", COMBINED)
def test_an_encoder_takes_them(kind, ragged):
    data = tiny_data(kind, ragged=ragged)
    batch = collate(data, np.arange(data.batch), Step(0, 10), slots=1)
    enc = encoder(data.tokenizers, TINY)
    assert set(batch.tokens) == set(data.tokenizers) and np.isin(data.source.labels, (0, 1, 2)).all()
    for tokens in batch.tokens.values():
        assert tokens.layout.segments == data.batch == 6
        z = enc(tokens).values
        assert z.shape == (len(tokens), TINY.width) and z.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_class_can_be_read_from_the_raw_input(kind):
    """By the nearest mean of the others, standardised: chance is a third."""
    data = tiny_data(kind, n=24)
    x = np.stack([data.only.raw(data.source[i]) for i in range(24)])
    x = (x - x.mean(0)) / np.where(x.std(0) > 1e-6, x.std(0), 1)
    y, right = data.source.labels, 0
    for i in range(24):
        means = np.stack([x[(y == c) & (np.arange(24) != i)].mean(0) for c in range(3)])
        right += int(((means - x[i]) ** 2).sum(1).argmin() == y[i])
    assert right >= 20


@pytest.mark.parametrize(("parts", "missing", "gone"), [(2, 0.0, 0), (2, 0.25, 3), (3, 0.4, 5), (2, 0.9, 6), (3, 1, 8)])
def test_pairs_miss_parts_and_never_all(parts, missing, gone):
    kinds = ("image", "text", "image")[:parts]
    pairs = tiny_pair(kinds, 12, missing)
    assert list(pairs.kinds) == ["image", "text", "image2"][:parts] and tuple(pairs.kinds.values()) == kinds
    samples = [pairs[i] for i in range(12)]  # none is Unreadable
    assert [sum(s[part] is None for s in samples) for part in pairs.kinds] == [gone] * parts
    assert all(equal(s, tiny_pair(kinds, 12, missing)[i]) for i, s in enumerate(samples))
    assert isinstance(pairs, Source) and pairs.labels.tolist() == [i % 3 for i in range(12)]


def test_parts_tell_of_one_latent():
    pairs = tiny_pair(("series", "series", "table"))
    one, two = (np.stack([pairs[i][part] for i in range(12)]).reshape(12, -1) for part in ("series", "series2"))
    apart = ((one[:, None] - two[None]) ** 2).sum(-1)
    assert (apart.argmin(1) == np.arange(12)).all() and not np.array_equal(one, two)
    assert all(pairs[i]["table"]["even"] == (i % 3 != 1) for i in range(12))


def test_of_three_parts_some_are_missing_and_every_batch_has_each():
    data = tiny_data("pair3")
    assert list(data.tokenizers) == ["image", "text", "table"] and len(whole(data.source)) == 6
    batch = collate(data, np.arange(6, 12), Step(0, 10), slots=1)
    empty = torch.tensor([[n == 0 for n in tokens.content] for tokens in batch.tokens.values()])
    assert empty.any() and not empty.all(0).any() and not empty.all(1).any()
    assert len(data.whole().source) == 6
