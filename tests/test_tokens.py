"""Packed rows: what goes in comes out again, ragged or uniform, with slots or without."""

import dataclasses

import pytest
import torch
from tests.parts import LENGTHS, rows
from torch.testing import assert_close

from headstart import tree
from headstart.tokens import (
    Batch,
    Rows,
    Tokens,
    View,
    layout,
    pack,
    reserve,
    rows_where,
    segment_mean,
    select,
    split,
)

UNIFORM = (4, 4, 4)


def same(a: Tokens, b: Tokens) -> None:
    assert torch.equal(a.values, b.values) and torch.equal(a.coords, b.coords)
    assert (a.layout.lengths, a.layout.slots, a.name) == (b.layout.lengths, b.layout.slots, b.name)


@pytest.mark.parametrize("lengths", [LENGTHS, UNIFORM, (1,), (0, 3, 0), ()])
@pytest.mark.parametrize("slots", [0, 2])
def test_layout(lengths, slots):
    spans = layout(tuple(n + slots for n in lengths), slots)
    assert spans.cu.dtype == torch.int32 and spans.cu[-1] == spans.rows == sum(lengths) + slots * len(lengths)
    assert spans.segments == len(lengths) and spans.uniform == (len(set(lengths)) <= 1)
    for s, n in enumerate(spans.lengths):
        mine = spans.seg == s
        assert mine.sum() == n and torch.equal(spans.place[mine], torch.arange(n))
        assert torch.equal(torch.nonzero(mine)[:, 0], torch.arange(int(spans.cu[s]), int(spans.cu[s + 1])))


def test_layout_is_kept():
    a = layout((3, 4), 1)
    assert layout((3, 4), 1) is a and layout((3, 4), 0) is not a
    with pytest.raises(ValueError, match="1 rows cannot hold 2 reserved"):
        layout((3, 1), 2)


@pytest.mark.parametrize("lengths", [LENGTHS, UNIFORM, (1,)])
@pytest.mark.parametrize("slots", [0, 1, 3])
def test_pack_and_split_undo_each_other(lengths, slots):
    each = [rows((n,), seed=i) for i, n in enumerate(lengths)]
    packed = pack(each, slots)
    assert packed.layout.lengths == tuple(n + slots for n in lengths) and packed.content == lengths
    assert packed.slot.sum() == slots * len(lengths) and not packed.values[packed.slot].any()
    for one, back in zip(each, split(packed, [1] * len(each)), strict=True):
        assert torch.equal(back.values[~back.slot], one.values) and torch.equal(back.coords[~back.slot], one.coords)
        assert back.slot.sum() == slots and not back.slot[slots:].any()
    half = [1, len(each) - 1] if len(each) > 1 else [1]
    same(pack(split(packed, half)), packed)


def test_pack_refuses():
    with pytest.raises(ValueError, match=r"different kinds \(audio, x\)"):
        pack([rows((3,)), rows((3,), kind="audio")])
    with pytest.raises(ValueError, match="already"):
        pack([rows((3,), slots=1), rows((3,), slots=1)], slots=1)


def test_pack_keeps_the_gradient_and_the_type():
    each = [tree.replace(rows((n,)), values=torch.randn(n, 2, requires_grad=True)) for n in (2, 3)]
    pack(each, 1).values.square().sum().backward()
    assert_close(each[1].values.grad, 2 * each[1].values.detach())
    ids = Tokens(torch.arange(5), torch.zeros(5, 0), layout((2, 3)))
    assert reserve(ids, 1).values.tolist() == [0, 0, 1, 0, 2, 3, 4]


def test_uniform_and_ragged_reserve_agree():
    uniform, ragged = rows((4, 4), seed=1), rows((4, 4, 2), seed=1)
    ragged = tree.replace(
        ragged,
        values=torch.cat([uniform.values, ragged.values[8:]]),
        coords=torch.cat([uniform.coords, ragged.coords[8:]]),
    )
    same(reserve(uniform, 2), split(reserve(ragged, 2), [2, 1])[0])


@pytest.mark.parametrize("lengths", [LENGTHS, UNIFORM])
def test_select(lengths):
    tokens = rows(lengths, slots=1)
    mask = torch.rand(len(tokens), generator=torch.Generator().manual_seed(2)) < 0.5
    mask |= tokens.slot
    counts = tuple(int(mask[tokens.layout.seg == s].sum()) for s in range(len(lengths)))
    kept = select(tokens, rows_where(mask, counts))
    assert torch.equal(kept.values, tokens.values[mask]) and torch.equal(kept.coords, tokens.coords[mask])
    assert kept.layout.lengths == counts and kept.slot.sum() == len(lengths)
    assert torch.equal(kept.layout.seg, tokens.layout.seg[mask])


def test_rows():
    mask = torch.tensor([True, False, True, True])
    some = rows_where(mask, (2, 1))
    assert isinstance(some, Rows) and len(some) == 3 and some.index.tolist() == [0, 2, 3] and some.counts == (2, 1)
    none = rows_where(torch.zeros(4, dtype=torch.bool), (0, 0))
    assert len(none) == 0


@pytest.mark.parametrize("lengths", [LENGTHS, UNIFORM])
@pytest.mark.parametrize("slots", [0, 2])
def test_segment_mean(lengths, slots):
    tokens = rows(lengths, slots=slots)
    values = torch.randn(len(tokens), 3, generator=torch.Generator().manual_seed(0))
    said = segment_mean(values, tokens.layout)
    for s in range(len(lengths)):
        assert_close(said[s], values[(tokens.layout.seg == s) & ~tokens.slot].mean(0))
    assert segment_mean(values.bfloat16(), tokens.layout).dtype == torch.float32


def test_view_says_what_was_kept():
    tokens = rows((4, 2), slots=1)
    mask = torch.tensor([False, True, True, False, False, False, True, False])
    view = View(tokens, tokens, rows_where(mask, (2, 1)))
    assert not view.dropped and view.kept.index.tolist() == [0, 3, 4, 5, 7] and view.kept.counts == (3, 2)
    assert View(select(tokens, view.kept), tokens, view.hidden).dropped


def test_segment_keys_tell_crops_apart():
    keys = torch.tensor([7, 3])
    batch = Batch({"one": rows((2, 3)), "many": rows((2, 3, 1, 4, 2, 2))}, keys, 2)
    assert torch.equal(batch.segment_index("one"), keys)
    many = batch.segment_index("many")
    assert torch.equal(many[:2], keys) and len(set(many.tolist())) == 6
    swapped = Batch(batch.tokens, keys.flip(0), 2).segment_index("many")
    assert torch.equal(swapped.view(3, 2), many.view(3, 2).flip(1))


def test_tree_maps_moves_and_rebuilds():
    view = View(rows((2, 3)), rows((2, 3)), rows_where(torch.zeros(5, dtype=torch.bool), (0, 0)))
    double = tree.map(lambda x: x * 2 if x.is_floating_point() else x, view)
    assert torch.equal(double.seen.values, 2 * view.seen.values) and double.hidden.counts == (0, 0)
    assert double.seen.layout.lengths == (2, 3) and double.placeless is None and double.seen.name == "x"
    moved = tree.to(view, "meta")
    assert moved.clean.values.device.type == moved.clean.layout.seg.device.type == "meta"
    other = tree.replace(view.seen, name="audio")
    assert (other.name, view.seen.name) == ("audio", "x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.seen.name = "other"
    leaves, spec = torch.utils._pytree.tree_flatten(view)
    back = torch.utils._pytree.tree_unflatten(leaves, spec)
    same(back.seen, view.seen)
    assert back.hidden.counts == (0, 0)
