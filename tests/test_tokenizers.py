"""Every tokenizer keeps the contract that `check_tokenizer` states, and the checker notices when one does not."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import tokenizers
from headstart.errors import Mistake
from headstart.tokenizers import ImageTokenizer, SeriesTokenizer, TextTokenizer
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.want import Want
from headstart.tree import map

R = np.random.default_rng(0)
SIDES = [(8, 8), (8, 8), (33, 17), (9, 24), (4, 4), (1, 3)]


def pictures(channels, dtype, sides=SIDES):
    if dtype == np.float32:
        return [R.standard_normal((channels, *s)).astype(dtype) for s in sides]
    return [R.integers(0, np.iinfo(dtype).max, (channels, *s), dtype=dtype, endpoint=True) for s in sides]


def signals(channels, lengths=(32, 32, 7, 40, 1)):
    return [(100 + 5 * R.standard_normal((channels, n))).astype(np.float32) for n in lengths]


CASES = {
    "ImageTokenizer": [
        (ImageTokenizer(4, c, mean, std), pictures(c, dtype))
        for c, mean, std in [(1, (0.5,), (0.25,)), (3, (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)), (7, (0.1,), (2.0,))]
        for dtype in (np.uint8, np.uint16, np.float32)
    ],
    "SeriesTokenizer": [
        (SeriesTokenizer.fit(signals(c), Want(patch=p)), signals(c)) for c, p in [(1, 8), (3, 5), (2, 1)]
    ],
    "TextTokenizer": [(TextTokenizer(64), ["rows of bytes", "Grüße, 世界 🌍", "a", "x" * 64, "\x00 two\nlines"])],
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_contract(name):
    for tokenizer, samples in CASES[name]:
        check_tokenizer(tokenizer, samples)


@pytest.mark.parametrize("kind", tokenizers.KINDS)
def test_every_kind_has_its_file(kind):
    """A tokenizer under the contract's name, an augmentation, and a test that runs the contract on it."""
    tokenizer = tokenizers.named(kind)
    assert tokenizer.kind == kind and tokenizer.__name__ == f"{kind.capitalize()}Tokenizer"
    assert getattr(tokenizers, tokenizer.__name__) is tokenizer and isinstance(tokenizer.signal, bool)
    way = importlib.import_module(f"headstart.augment.{kind}")
    assert hasattr(way, "crop") == (tokenizer.stacked is True) and hasattr(way, "crop_rows") != hasattr(way, "crop")
    tests = [p.read_text() for p in Path(__file__).parent.glob("test_*.py")]
    assert any(tokenizer.__name__ in text and "check_tokenizer" in text for text in tests)


def test_there_are_twenty_kinds():
    assert len(tokenizers.KINDS) == 20
    with pytest.raises(Mistake, match="the kinds are image"):
        tokenizers.named("smell")
    with pytest.raises(AttributeError, match="has no 'SmellTokenizer'"):
        tokenizers.SmellTokenizer  # noqa: B018


class Wrong:
    """A tokenizer with one thing changed."""

    def __init__(self, inner, **changes):
        self.__dict__.update(inner=inner, changes=changes)

    def __getattr__(self, name):
        return self.changes[name] if name in self.changes else getattr(self.inner, name)

    def __call__(self, sample):
        return self.changes.get("call", self.inner)(sample)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"dim": 5}, "dim=5"),
        ({"axes": ("y",)}, "2 coordinates"),
        ({"kind": "not a name"}, "should name"),
        ({"decode": lambda t: ImageTokenizer(4, 1).decode(t) + 1e-4}, "off"),
        ({"decode": lambda t: ImageTokenizer(4, 1).decode(t)[:, :2]}, "came back as"),
        ({"many": lambda x: ImageTokenizer(4, 1).many(x.flip(0))}, "`many`"),
        ({"call": lambda x: map(torch.zeros_like, ImageTokenizer(4, 1)(x))}, "one place"),
        ({"embed": lambda width: ImageTokenizer(4, 1).embed(width + 1)}, "embed gives"),
    ],
)
def test_the_checker_notices(changes, complaint):
    samples = pictures(1, np.uint8)
    with pytest.raises(AssertionError, match=complaint):
        check_tokenizer(Wrong(ImageTokenizer(4, 1), **changes), samples)


def test_the_checker_wants_a_single_row():
    with pytest.raises(AssertionError, match="one row"):
        check_tokenizer(ImageTokenizer(4, 1), pictures(1, np.uint8, [(8, 8)]))


def test_patches_are_in_reading_order():
    picture = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6)
    tokens = ImageTokenizer(2, 2, (0.0,), (1.0,))(picture)
    assert tokens.coords.tolist() == [[y, x] for y in range(2) for x in range(3)]
    assert tokens.values[4].tolist() == picture[:, 2:4, 2:4].transpose(1, 2, 0).ravel().tolist()


@pytest.mark.parametrize("kind", ["image", "series"])
def test_fit_standardises(kind):
    level, spread = np.float32([[[1.0]], [[-20.0]], [[0.5]]]), np.float32([[[1.0]], [[9.0]], [[0.01]]])
    pile = [level + p * spread for p in pictures(3, np.float32, [(8, 8), (12, 4)] * 30)]
    if kind == "image":
        tokenizer = ImageTokenizer.fit(pile, Want(patch=4))
        rows = torch.cat([tokenizer(tokenizer.fitted(p)).values for p in pile]).view(-1, 3)
    else:
        pile = [p.reshape(3, -1) for p in pile]
        tokenizer = SeriesTokenizer.fit(pile, Want(patch=4))
        rows = torch.cat([tokenizer(p).values for p in pile]).view(-1, 3, 4).transpose(1, 2).reshape(-1, 3)
    assert rows.mean(0).abs().max() < 2e-3 and (rows.std(0) - 1).abs().max() < 2e-3


def test_odd_sides_are_continued():
    """What fills the last patch or window repeats the edge: no dark border to learn from."""
    picture = ImageTokenizer(4, 1).decode(ImageTokenizer(4, 1)(np.full((1, 5, 3), 200, np.uint8)))
    assert picture.shape == (1, 8, 4) and np.allclose(picture, 200 / 255, atol=1e-6)
    signal = SeriesTokenizer(4, 1).decode(SeriesTokenizer(4, 1)(np.float32([[1, 2, 3, 4, 5]])))
    assert signal.tolist() == [[1, 2, 3, 4, 5, 5, 5, 5]]


def test_long_text_is_cut_by_bytes():
    tokenizer = TextTokenizer(5)
    assert tokenizer.decode(tokenizer("abcdefg")) == "abcde"
    assert tokenizer.decode(tokenizer("abcdé")) == "abcd�"  # the last character is cut in two
    assert torch.equal(tokenizer(torch.tensor([1, 2, 3], dtype=torch.uint8)).values, torch.tensor([1, 2, 3]))


def test_refusals():
    with pytest.raises(ValueError, match=r"expected pictures \[3, H, W\]"):
        ImageTokenizer(4, 3)(np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"expected signals \[2, L\]"):
        SeriesTokenizer(4, 2)(np.zeros((1, 8), np.float32))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ImageTokenizer().patch = 4
