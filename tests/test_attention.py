"""Every backend of `attend` is softmax(q k / sqrt(d)) v inside each segment, and nothing crosses a border."""

import pytest
import torch
from tests.parts import LENGTHS
from torch.testing import assert_close

from headstart.nn import attention
from headstart.nn.attention import SHORT, attend, by_length, dense, padded, varlen
from headstart.nn.transformer import Block, Transformer
from headstart.tokens import Tokens, layout, rows_where

RAGGED = (*LENGTHS, 8, 2)
SCATTERED = (3, 5, 3, 1, 5)  # equal lengths that do not lie together
TOGETHER = (3, 3, 5, 5, 5, 1)
UNIFORM = (6, 6, 6)


def draw(rows: int, seed: int = 0, dtype=torch.float64, device="cpu"):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, 4, generator=g, dtype=torch.float64).to(device, dtype).requires_grad_()


def plainly(q, k, v, spans, context, causal=False):
    """One segment and one head at a time, as the formula reads."""
    out = []
    for s in range(spans.segments):
        mine, theirs = (slice(int(x.cu[s]), int(x.cu[s + 1])) for x in (spans, context))
        for h in range(q.shape[1]):
            score = q[mine, h] @ k[theirs, h].T / q.shape[2] ** 0.5
            if causal:
                score = score + torch.full_like(score, -torch.inf).triu(1)
            out.append((mine, h, score.softmax(-1) @ v[theirs, h]))
    filled = torch.zeros_like(q)
    for mine, h, rows in out:
        filled[mine, h] = rows
    return filled


def compare(backend, spans, context=None, causal=False):
    others = context or spans
    q, k, v = draw(spans.rows, 0), draw(others.rows, 1), draw(others.rows, 2)
    said, plain = backend(q, k, v), plainly(q, k, v, spans, others, causal)
    assert_close(said, plain, rtol=1e-10, atol=1e-12)
    weight = draw(spans.rows, 3).detach()
    for a, b in zip(
        torch.autograd.grad((said * weight).sum(), (q, k, v)),
        torch.autograd.grad((plain * weight).sum(), (q, k, v)),
        strict=True,
    ):
        assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [RAGGED, SCATTERED, TOGETHER, UNIFORM, (1, 1), (4,)])
def test_self(lengths, causal):
    spans = layout(lengths)
    compare(lambda q, k, v: by_length(q, k, v, spans, spans, causal), spans, causal=causal)
    compare(lambda q, k, v: padded(q, k, v, spans, spans, causal), spans, causal=causal)
    compare(lambda q, k, v: attend(q, k, v, spans, causal=causal), spans, causal=causal)
    if spans.uniform:
        compare(lambda q, k, v: dense(q, k, v, spans, spans, causal), spans, causal=causal)


@pytest.mark.parametrize(
    ("lengths", "others"),
    [(RAGGED, tuple(n + 1 for n in RAGGED)), (SCATTERED, (2, 2, 2, 2, 2)), (UNIFORM, (2, 2, 2)), (UNIFORM, (4, 1, 4)),
     ((3, 0, 3), (2, 5, 2))],
)  # fmt: skip
def test_cross(lengths, others):
    spans, context = layout(lengths), layout(others)
    compare(lambda q, k, v: by_length(q, k, v, spans, context), spans, context)
    compare(lambda q, k, v: padded(q, k, v, spans, context), spans, context)
    compare(lambda q, k, v: attend(q, k, v, spans, context), spans, context)


def test_which_backend(monkeypatch):
    """Equal lengths are one dense call; on a CPU a few lengths go one by one, and many are padded."""
    took = []
    for name in ("dense", "by_length", "padded", "varlen"):
        real = getattr(attention, name)
        monkeypatch.setattr(attention, name, lambda *a, name=name, real=real: took.append(name) or real(*a))
    for lengths in (UNIFORM, RAGGED, tuple(range(1, 12))):
        spans = layout(lengths)
        attend(*(draw(spans.rows) for _ in range(3)), spans)
    assert took == ["dense", "by_length", "padded"]


@pytest.mark.parametrize("causal", [False, True])
def test_both_sides_of_short(monkeypatch, causal):
    """Written out up to SHORT rows, the fused kernel beyond: the same numbers."""
    took, real = [], attention.F.scaled_dot_product_attention
    with monkeypatch.context() as patch:
        patch.setattr(attention.F, "scaled_dot_product_attention", lambda *a, **k: took.append(1) or real(*a, **k))
        for n, fused in ((SHORT, False), (SHORT + 1, True)):
            spans = layout((n,))
            compare(lambda q, k, v, spans=spans: attend(q, k, v, spans, causal=causal), spans, causal=causal)
            assert bool(took) == fused
    spans, x = layout((20, 20)), [draw(40, i) for i in range(3)]
    written = attend(*x, spans, causal=causal)
    monkeypatch.setattr(attention, "SHORT", 0)
    assert_close(attend(*x, spans, causal=causal), written, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "plain"), [(torch.float32, False), (torch.bfloat16, True)])
def test_what_is_written_out(monkeypatch, dtype, plain):
    took, real = [], attention.written_out
    monkeypatch.setattr(attention, "written_out", lambda *a, **k: took.append(1) or real(*a, **k))
    attend(*(draw(40, i).to(dtype) for i in range(3)), layout((20, 20)))
    assert bool(took) == plain


@pytest.mark.parametrize("lengths", [RAGGED, UNIFORM])
def test_segments_know_nothing_of_each_other(lengths):
    spans = layout(lengths)
    q, k, v = (draw(spans.rows, i).detach() for i in range(3))
    before = attend(q, k, v, spans)
    theirs = spans.seg != 2
    after = attend(*(torch.where(theirs[:, None, None], 100 + x, x) for x in (q, k, v)), spans)
    assert torch.equal(after[~theirs], before[~theirs]) and not torch.equal(after[theirs], before[theirs])


@pytest.mark.parametrize("lengths", [RAGGED, UNIFORM])
def test_causal_rows_know_nothing_of_later_ones(lengths):
    torch.manual_seed(0)
    trunk, spans = Transformer(16, 2, 2, causal=True), layout(lengths)
    x = torch.randn(spans.rows, 16)
    late = spans.place >= 3
    assert late.any()
    run = lambda x: trunk(Tokens(x, torch.zeros(len(x), 0), spans))[-1].values  # noqa: E731
    before, after = run(x), run(torch.where(late[:, None], x + torch.randn_like(x), x))
    assert_close(after[~late], before[~late], rtol=0, atol=1e-6)
    assert (after[late] - before[late]).abs().max() > 0.1
    x.requires_grad_()
    run(x)[spans.place == 2, 0].sum().backward()
    assert not x.grad[late].any() and x.grad[spans.place == 1].any()


@pytest.mark.parametrize("lengths", [RAGGED, UNIFORM])
def test_only_equals_forward_at_those_rows(lengths):
    torch.manual_seed(0)
    block, spans = Block(16, 2).double(), layout(lengths)
    x = torch.randn(spans.rows, 16, dtype=torch.float64, requires_grad=True)
    for mask in (spans.place % 2 == 0, spans.place > 99, torch.rand(spans.rows) < 0.5):
        counts = tuple(int(mask[spans.seg == s].sum()) for s in range(spans.segments))
        rows = rows_where(mask, counts)
        if not len(rows):
            continue
        tokens = Tokens(x, torch.zeros(len(x), 0), spans)
        some, every = block.only(tokens, rows), block(tokens).values[mask]
        assert_close(some, every, rtol=1e-10, atol=1e-12)
        a, b = (torch.autograd.grad(y.square().sum(), x)[0] for y in (some, every))
        assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_refusals():
    spans = layout((2, 3))
    with pytest.raises(ValueError, match="no meaning across"):
        attend(*(draw(5) for _ in range(3)), spans, layout((2, 3)), causal=True)
    with pytest.raises(ValueError, match="2 segments cannot attend to 3"):
        attend(draw(5), draw(6), draw(6), spans, layout((2, 2, 2)))
    with pytest.raises(ValueError, match="causal row"):
        some = rows_where(torch.tensor([True, False, True, False, True]), (1, 2))
        Block(16, 2, causal=True).only(Tokens(torch.randn(5, 16), torch.zeros(5, 0), spans), some)
    with pytest.raises(ValueError, match="does not divide"):
        Block(16, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("causal", [False, True])
def test_varlen_equals_by_length(causal):
    spans = layout((70, 1, 128, 33), 0, "cuda")
    g = torch.Generator("cuda").manual_seed(0)
    q, k, v = (torch.randn(spans.rows, 2, 32, device="cuda", generator=g).bfloat16().requires_grad_() for _ in range(3))
    a, b = varlen(q, k, v, spans, spans, causal), by_length(q, k, v, spans, spans, causal)
    assert_close(a, b, rtol=2e-2, atol=2e-2)
    for x, y in zip(*(torch.autograd.grad(o.float().square().sum(), (q, k, v)) for o in (a, b)), strict=True):
        assert_close(x, y, rtol=5e-2, atol=5e-2)
    context = layout((5, 64, 3, 90), 0, "cuda")
    k, v = (torch.randn(context.rows, 2, 32, device="cuda", generator=g).bfloat16() for _ in range(2))
    assert_close(varlen(q, k, v, spans, context), by_length(q, k, v, spans, context), rtol=2e-2, atol=2e-2)
