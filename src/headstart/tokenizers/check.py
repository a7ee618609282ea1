"""The contract of a tokenizer as a program: `check_tokenizer(tokenizer, samples)` says which sentence of it is broken.

Run it over your own tokenizer with a few samples of different lengths, one of which makes a single row.
"""

import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import Unreadable
from ..forms import Sample
from ..tokens import Tokenizer, Tokens, pack, split
from ..tree import tuples

WIDTH = 16


def check_tokenizer(tokenizer: Tokenizer, samples: Sequence[Sample]) -> None:
    """Raises AssertionError where `tokenizer` does not do with these samples what the rest of the package relies on."""
    assert isinstance(tokenizer, Tokenizer), f"{tokenizer!r} lacks part of the Tokenizer protocol"
    assert tokenizer.kind.isidentifier(), f"kind {tokenizer.kind!r} should name the module of augment/ that fits"
    assert tokenizer.dim > 0, f"dim is {tokenizer.dim}"
    assert all(isinstance(axis, str) and axis for axis in tokenizer.axes), "every axis needs a name"
    samples = [tokenizer.fitted(sample) for sample in samples]
    for sample in samples:
        _check_same(tokenizer.fitted(sample), sample, "a sample fitted twice differs from one fitted once")
    each = [tokenizer(sample) for sample in samples]
    for sample, tokens in zip(samples, each, strict=True):
        _check_rows(tokenizer, tokens)
        _check_equal(tokenizer(sample), tokens, "a second look at a sample differs from the first")
        _check_decoded(tokenizer, sample, tokens)
    assert any(len(tokens) == 1 for tokens in each), "check it with a sample that makes one row, too"
    _check_packed(tokenizer, each)
    _check_many(tokenizer, samples, each)
    _check_embed(tokenizer, each)
    _check_state(tokenizer, samples[0], each[0])
    _check_raw(tokenizer, samples)
    _check_refusals(tokenizer)


def _check_rows(tokenizer: Tokenizer, tokens: Tokens) -> None:
    n, spans = len(tokens), tokens.layout
    assert n and spans.lengths == (n,) and not spans.slots, f"a sample is one segment without slots, not {spans}"
    assert len(tokens.values) == n == len(tokens.coords), "one payload and one coordinate per row"
    assert tokens.coords.shape[1] == len(tokenizer.axes), f"{tokens.coords.shape[1]} coordinates for {tokenizer.axes}"
    assert tokens.coords.dtype == torch.float32 and tokens.coords.isfinite().all(), "coordinates are finite float32"
    assert len({tuple(row) for row in tokens.coords.tolist()}) == n, "two rows lie at one place"
    if tokens.values.is_floating_point():
        assert tokens.values.shape == (n, tokenizer.dim), f"rows of {tokens.values.shape[1:]}, but dim={tokenizer.dim}"
        assert tokens.values.dtype == torch.float32 and tokens.values.isfinite().all(), "payloads are finite float32"
    else:
        assert tokens.values.dtype == torch.int64 and tokens.values.shape == (n,), "ids are int64, one per row"
        assert int(tokens.values.min()) >= 0 and int(tokens.values.max()) < tokenizer.dim, "an id lies outside dim"


def _check_equal(a: Tokens, b: Tokens, what: str) -> None:
    same = torch.equal(a.values, b.values) and torch.equal(a.coords, b.coords) and a.layout.lengths == b.layout.lengths
    assert same, what


def _check_decoded(tokenizer: Tokenizer, sample: Sample, tokens: Tokens) -> None:
    back = tokenizer.decode(tokens)
    _check_same(back, tokenizer.kept(sample), "a sample came back as another")
    if tokenizer.pictured:
        picture = tokenizer.drawn(back)
        assert picture.ndim == 3 and picture.is_floating_point(), f"drawn gives {list(picture.shape)}, not [C, H, W]"


def _check_same(back: Sample, there: Sample, what: str) -> None:
    """Samples are arrays, strings, numbers, None, and lists or dicts of these; floats may be 1e-5 off."""
    if isinstance(there, dict):
        assert isinstance(back, dict) and set(back) == set(there), f"{what}: {list(back)}, not {list(there)}"
        for key in there:
            _check_same(back[key], there[key], f"{what}, in {key}")
    elif isinstance(there, np.ndarray | Tensor):
        _check_near(_numbers(back), _numbers(there), what)
    elif isinstance(there, list | tuple):
        assert len(back) == len(there), f"{what}: {len(back)} items, not {len(there)}"
        for a, b in zip(back, there, strict=True):
            _check_same(a, b, what)
    elif isinstance(there, float) and not isinstance(back, str):
        _check_near(_numbers(back), _numbers(there), what)
    else:
        assert back == there, f"{what}: {there!r} came back as {back!r}"


def _check_near(back: Tensor, there: Tensor, what: str) -> None:
    covers = back.ndim == there.ndim and all(n >= m for n, m in zip(back.shape, there.shape, strict=True))
    assert covers, f"{what}: {list(there.shape)} came back as {list(back.shape)}"
    back = back[tuple(slice(n) for n in there.shape)]  # what filled the last patch is left out
    assert torch.equal(back.isnan(), there.isnan()), f"{what}: other values are missing"
    if there.numel():
        off = float((back - there).nan_to_num().abs().max()) / max(1.0, float(there.nan_to_num().abs().max()))
        assert off <= 1e-5, f"{what}: {off:.2g} off"


def _check_refusals(tokenizer: Tokenizer) -> None:
    for nothing in (None, "", [], {}, object(), np.zeros(0, np.float32), np.zeros((2, 0), np.float32)):
        try:
            tokenizer.fitted(nothing)
        except Unreadable as error:
            assert error.reason, f"{nothing!r} is refused without a reason"
        else:
            raise AssertionError(f"fitted takes {nothing!r} for a sample")


def _numbers(sample: Sample) -> Tensor:
    """A sample as its tokenizer means it: unsigned integers are shares of their range."""
    x = np.asarray(sample)
    return torch.as_tensor(x.astype(np.float64) / (np.iinfo(x.dtype).max if x.dtype.kind == "u" else 1))


def _check_raw(tokenizer: Tokenizer, samples: Sequence[Sample]) -> None:
    plain = [tokenizer.raw(sample) for sample in samples]
    assert all(isinstance(x, np.ndarray) and x.dtype == np.float32 and x.ndim == 1 for x in plain), (
        "raw is [F] of float32"
    )
    assert len({len(x) for x in plain}) == 1, f"raw vectors have different lengths: {[len(x) for x in plain]}"
    assert all(np.isfinite(x).all() for x in plain), "raw vectors are finite"


def _check_packed(tokenizer: Tokenizer, each: list[Tokens]) -> None:
    for slots in (0, 2):
        packed = pack(each, slots)
        for alone, part in zip(each, split(packed, [1] * len(each)), strict=True):
            content = ~part.slot
            assert torch.equal(part.values[content], alone.values), "packing changed a payload"
            assert torch.equal(part.coords[content], alone.coords), "packing changed a coordinate"
            what = f"a sample packed with {slots} slots decodes to something else than alone"
            _check_same(tokenizer.decode(part), tokenizer.decode(alone), what)


def _check_many(tokenizer: Tokenizer, samples: Sequence[Sample], each: list[Tokens]) -> None:
    if not tokenizer.stacked:
        assert "many" not in vars(type(tokenizer)), "it has `many`, which nobody calls: say stacked = True"
        return
    samples = [np.asarray(sample) for sample in samples]
    shape, dtype = samples[0].shape, samples[0].dtype
    at = [i for i, s in enumerate(samples) if s.shape == shape and s.dtype == dtype]
    together = tokenizer.many(torch.from_numpy(np.stack([samples[i] for i in at])))
    _check_equal(together, pack([each[i] for i in at]), "`many` says something else than one sample at a time")


def _check_embed(tokenizer: Tokenizer, each: list[Tokens]) -> None:
    packed = pack(each)
    embed = tokenizer.embed(WIDTH)
    x = embed(packed)
    assert x.shape == (len(packed), WIDTH) and x.isfinite().all(), f"embed gives {list(x.shape)}, not [T, width]"
    x.square().sum().backward()
    without = [name for name, p in embed.named_parameters() if p.grad is None]
    assert list(embed.parameters()) and not without, f"no gradient reaches {without} of embed"


def _check_state(tokenizer: Tokenizer, sample: Sample, tokens: Tokens) -> None:
    state = json.loads(json.dumps(tokenizer.state()))
    again = type(tokenizer)(**{k: tuples(v) for k, v in state.items()})
    assert again == tokenizer, f"state() makes {again}, not {tokenizer}"
    _check_equal(again(sample), tokens, "a tokenizer rebuilt from state() reads a sample differently")
