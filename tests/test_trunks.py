"""Trunks other than the plain one: each its own proof of what an encoder may be made of, under any method."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.trunks import EXPERTS, KINDS, PAIRS, ROTARY, TRUNKS, rows_of, shape
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.contract import SIZE, check_recipe
from headstart.errors import Mistake
from headstart.nn.attention import Bias, attend, biased
from headstart.nn.elastic import Elastic, extract
from headstart.nn.encoder import encoder
from headstart.nn.experts import ExpertBlock, uneven
from headstart.nn.merging import Merging, merged
from headstart.nn.pairs import PairBias, neighbours
from headstart.nn.rotary import rotary
from headstart.nn.transformer import Attention, Keys, Transformer
from headstart.nn.windows import WindowAttention
from headstart.recipes.dino import dino
from headstart.recipes.mae import mae
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.tokenizers import CodeTokenizer, GraphTokenizer
from headstart.tokens import Pairs, Tokens, end_to_end, join, layout, pack, reserve, rows_where, select


def grid(lengths=((3, 4), (2, 2), (1, 1)), width=16, slots=1):
    """Rows on grids of these sides."""
    coords = [torch.cartesian_prod(torch.arange(float(h)), torch.arange(float(w))) for h, w in lengths]
    spans = layout(tuple(len(c) for c in coords))
    g = torch.Generator().manual_seed(0)
    return reserve(Tokens(torch.randn(spans.rows, width, generator=g), torch.cat(coords), spans), slots)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TRUNKS)
def test_any_trunk_serves_any_method(name, kind):
    check_recipe(dino if name == "merging" else mae, tiny_data(kind), size=shape(TRUNKS[name]))


# experts


def test_balance_is_least_where_all_experts_get_as_many():
    even = torch.eye(4).repeat(3, 1)
    assert_close(uneven(even, even.argmax(-1)), torch.tensor(1.0))
    one = torch.eye(4)[:1].expand(12, 4)
    assert_close(uneven(one, one.argmax(-1)), torch.tensor(4.0))


def test_a_row_goes_through_its_own_expert():
    torch.manual_seed(0)
    block, rows = ExpertBlock(16, 2, experts=3), torch.randn(9, 16)
    chosen = torch.tensor([2, 0, 1, 1, 2, 0, 0, 0, 2])
    each = [F.linear(F.gelu(F.linear(row, block.up[e])), block.down[e]) for row, e in zip(rows, chosen, strict=True)]
    assert_close(block.expert(rows, chosen), torch.stack(each))


def test_the_balance_reaches_the_loss():
    torch.manual_seed(0)
    data = tiny_data("image")
    losses = {}
    for balance in (0.0, 0.5):
        torch.manual_seed(0)
        made = mae(data, size=shape(partial(Transformer, block=partial(ExpertBlock, balance=balance))))
        losses[balance] = made.objective(batch(made), Step(0, 10))
    extra = losses[0.5].parts["balance"]
    assert extra >= 0.5 * SIZE.depth - 1e-5 and not losses[0.0].parts["balance"]
    assert_close(losses[0.5].total, losses[0.0].total + extra)
    losses[0.5].backward()
    assert made.objective.encoder.trunk.blocks[0].router.weight.grad.any()


def batch(made):
    from headstart.data.feeding.loader import collate

    return collate(made.data, torch.arange(8).numpy(), Step(0, 10), made.objective.slots)


# windows


def test_windows_are_attention_under_a_mask():
    torch.manual_seed(0)
    x, part = grid(), WindowAttention(16, 2, size=2.0)
    cell = (x.coords / 2).floor()
    same = (cell[:, None] == cell[None]).all(-1) & ~x.slot[:, None] & ~x.slot
    allowed = (same | x.slot[:, None] | x.slot) & (x.layout.seg[:, None] == x.layout.seg)
    q, k, v = part.qkv(x.values).view(len(x), 3, 2, 8).permute(1, 2, 0, 3)
    wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed).transpose(0, 1).reshape(len(x), 16)
    assert_close(part(x), part.out(wanted), rtol=1e-5, atol=1e-6)
    assert not allowed[x.layout.seg == 0][:, x.layout.seg == 0].all()


def test_windows_heed_keys():
    torch.manual_seed(0)
    x, part = grid(((2, 2), (2, 2))), WindowAttention(16, 2, size=2.0)
    closed = (x.layout.place == 2) & (x.layout.seg == 0)
    keys = Keys(torch.nonzero(~closed)[:, 0], layout((4, 5)))
    moved = x.with_values(torch.where(closed[:, None], torch.randn(16), x.values))
    a, b = part(x, keys), part(moved, keys)
    assert torch.equal(a[~closed], b[~closed]) and not torch.allclose(part(x)[~closed], part(moved)[~closed])


# rotary


def test_scores_hang_on_the_distance_alone():
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, 8, generator=g).double().expand(5, 2, 8) for _ in range(2))
    here = torch.rand(5, 2, generator=g).double() * 9
    apart = torch.tensor([[1.5, -2.0]]).double()
    score = (rotary(q, here) * rotary(k, here + apart)).sum(-1)
    assert_close(score, score[:1].expand_as(score))
    assert (score - (rotary(q, here) * rotary(k, here + 2 * apart)).sum(-1)).abs().max() > 1e-2
    assert torch.equal(rotary(q, torch.zeros(5, 2).double()), q)


def test_a_row_without_a_place_has_none_in_the_blocks_either():
    enc = encoder(tiny_data("image").tokenizers, SIZE, trunk=ROTARY)
    tokens = rows_of("image")
    hidden = ~tokens.slot
    moved = replace(tokens, coords=tokens.coords * 3 + hidden[:, None])
    assert torch.equal(enc(tokens, hidden).values, enc(moved, hidden).values)
    assert not torch.allclose(enc(tokens).values, enc(moved).values)


# pairs


@pytest.mark.parametrize("lengths", [(4, 4), (5, 2, 3)])
def test_a_bias_is_added_to_the_scores_of_its_pairs(lengths):
    g = torch.Generator().manual_seed(0)
    spans = layout(lengths)
    q, k, v = (torch.randn(spans.rows, 2, 4, generator=g).double() for _ in range(3))
    first, second = torch.tensor([0, 1, spans.rows - 1, -1]), torch.tensor([1, 0, spans.rows - 2, 0])
    bias = Bias(first, second, torch.randn(4, 2, generator=g).double())
    dense = torch.full((2, spans.rows, spans.rows), -torch.inf).double()
    dense[:, spans.seg[:, None] == spans.seg] = 0
    dense[:, first[:3], second[:3]] += bias.value[:3].T
    wanted = F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in (q, k, v)), attn_mask=dense).transpose(0, 1)
    assert_close(attend(q, k, v, spans, bias=bias), wanted)
    nothing = Bias(first[:0], second[:0], bias.value[:0])
    assert_close(biased(q, k, v, spans, spans, False, nothing), attend(q, k, v, spans))


def test_pairs_go_where_their_rows_go():
    x = grid()
    pairs = neighbours(x)
    near = (x.coords[pairs.first] - x.coords[pairs.second]).abs().sum(-1)
    assert torch.equal(near, torch.ones(len(near))) and torch.equal(
        x.layout.seg[pairs.first], x.layout.seg[pairs.second]
    )
    assert len(near) == 2 * (3 * 3 + 2 * 4) + 2 * 4 and not x.slot[pairs.first].any()
    x, y = (
        replace(x, pairs=pairs),
        replace(grid(((2, 2), (1, 3), (1, 1))), pairs=neighbours(grid(((2, 2), (1, 3), (1, 1))))),
    )
    for both in (end_to_end([x, y]), join([x, y])):
        assert len(both.pairs.first) == len(x.pairs.first) + len(y.pairs.first)
        ends = both.coords[both.pairs.first] - both.coords[both.pairs.second]
        assert torch.equal(ends.abs().sum(-1), torch.ones(len(ends)))
        assert torch.equal(both.layout.seg[both.pairs.first], both.layout.seg[both.pairs.second])
    some = Pairs(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([0, 0])).moved(torch.tensor([0, 1, -1]))
    assert some.first.tolist() == [0] and some.second.tolist() == [1]


@pytest.mark.parametrize("directed", [False, True])
def test_a_graph_gives_its_edges(directed):
    tokenizer = GraphTokenizer(1, directed=directed)
    graphs = [([0, 1], [2, 1]), ([1, 0],)]
    each = [tokenizer(tokenizer.fitted({"nodes": np.ones((3, 1)), "edges": np.array(edges)})) for edges in graphs]
    tokens = pack(each, slots=1)  # a slot, nodes 0 to 2, edges; twice
    back = 2 if directed else 1
    ends = [[(1, 2), (3, 2)] if directed else [(1, 2), (2, 3)], [(8, 7)] if directed else [(7, 8)]]
    wanted = set()
    for edges, first in zip(ends, (4, 10), strict=True):
        for row, (a, b) in enumerate(edges, first):
            wanted |= {(a, b, 1), (b, a, back)} | {pair for end in (a, b) for pair in ((end, row, 0), (row, end, 0))}
    assert triples(tokenizer.pairs(tokens)) == wanted
    kept = rows_where(
        (tokens.layout.place != 2), (5, 4)
    )  # without node 1, nothing hangs together but node 2 and its edge
    assert triples(tokenizer.pairs(select(tokens, kept))) == {t for t in triples_of(kept, wanted) if -1 not in t}


def test_code_gives_its_data_flow():
    tokenizer, texts = CodeTokenizer(), ("a = 1\nb = a\n", "x = 2\nx\n", "no flow (")
    tokens = pack([tokenizer(tokenizer.fitted(text)) for text in texts], slots=1)
    starts = tokens.layout.cu.tolist()
    flows = [
        [(a + start + 1, b + start + 1) for a, b in tokenizer.edges(text)]
        for text, start in zip(texts, starts, strict=False)
    ]
    assert [len(flow) for flow in flows] == [1, 1, 0]
    assert triples(tokenizer.pairs(tokens)) == {(*f, 0) for e in flows for f in e} | {
        (*f[::-1], 1) for e in flows for f in e
    }
    first, rest = tokens.layout.lengths[0] - 1, tokens.layout.lengths[1:]
    fewer = rows_where((tokens.layout.seg != 0) | (tokens.layout.place != 2), (first, *rest))
    assert len(tokenizer.pairs(select(tokens, fewer)).first) == 2  # of a text with a hole nothing is said


def triples(pairs):
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.sort.tolist(), strict=True))


def triples_of(kept, wanted):
    """The pairs with the numbers that their rows have among those that are kept."""
    number = {old: new for new, old in enumerate(kept.index.tolist())}
    return {(number.get(a, -1), number.get(b, -1), sort) for a, b, sort in wanted}


def test_pairs_change_what_attention_says_at_some_rows_and_under_keys():
    torch.manual_seed(0)
    x = grid()
    x = replace(x, pairs=neighbours(x))
    part = Attention(16, 2, bias=PairBias)
    with torch.no_grad():
        part.bias.value.normal_()
    every = part(x)
    rows = rows_where(x.layout.place % 2 == 1, (6, 2, 1))
    assert_close(part.only(x, rows), every[rows.index], rtol=1e-5, atol=1e-6)
    assert_close(part(x, Keys(torch.arange(len(x)), x.layout)), every, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(every, Attention.forward(part, replace(x, pairs=Pairs(*(x.pairs.first[:0],) * 3))))
    with pytest.raises(ValueError, match="raise PairBias"):
        part(replace(x, pairs=replace(x.pairs, sorts=9)))


# fewer rows


def test_every_second_row_becomes_one_with_the_row_most_like_it():
    x = grid(((1, 5), (1, 1)), width=4)
    values = x.values.clone()
    values[2], values[4] = 2 * values[5], 3 * values[1]  # slot, then rows 1 to 5: the second is like the fifth, ...
    less = merged(x.with_values(values))
    assert less.layout.lengths == (4, 2) and less.layout.slots == 1
    assert_close(
        less.values, torch.stack([values[0], values[[1, 4]].mean(0), values[3], values[[5, 2]].mean(0), *values[6:]])
    )
    assert_close(less.coords[1:4, 1], torch.tensor([1.5, 2.0, 2.5]))


def test_fewer_rows_are_refused_by_those_who_need_each():
    made = mae(tiny_data("image"), size=shape(Merging))
    with pytest.raises(ValueError, match=r"'pixels'|'restore'|asks for each of the"):
        made.objective(batch(made), Step(0, 10))


def test_depths_come_with_rows_of_their_own():
    enc = encoder(tiny_data("image").tokenizers, replace(SIZE, depth=4), trunk=Merging)
    x = enc.embed(rows_of("image"))
    first, third, last = enc.through(x, None, (1, 3))
    assert len(first) == len(x) and len(third) == len(last) < 0.7 * len(x)


def test_a_shifted_window_lies_half_a_window_further():
    x = grid(((1, 8),))
    of = [
        WindowAttention(16, 2, size=4.0, shift=shift).windows(x, torch.arange(1, 9))[0].tolist()
        for shift in (False, True)
    ]
    assert of == [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 2, 2]]


def test_pairs_stay_with_rows_that_become_one():
    x = grid(((1, 5), (1, 1)), width=4)
    x = replace(x, pairs=neighbours(x))
    less = merged(x)
    assert len(less.pairs.first) == len(x.pairs.first)
    assert torch.equal(less.layout.seg[less.pairs.first], less.layout.seg[less.pairs.second])
    assert int(less.pairs.first.max()) < len(less)


def test_a_row_without_a_place_is_in_no_pair():
    enc, tokens = encoder(tiny_data("image").tokenizers, SIZE, trunk=PAIRS), rows_of("image")
    placeless = tokens.layout.place == 2
    some, every = enc.embed(tokens, placeless).pairs, enc.embed(tokens).pairs
    assert every.first.eq(2).any() and not placeless[some.first].any() and not placeless[some.second].any()


def test_an_expert_counts_by_its_chance():
    torch.manual_seed(0)
    block, x = ExpertBlock(16, 2, experts=3), grid()
    y = x.values + block.attention(x.with_values(block.norm1(x.values)))
    chances = block.router(block.norm2(y)).softmax(-1)
    chance, chosen = chances.max(-1)
    assert_close(block(x).values, y + chance[:, None] * block.expert(block.norm2(y), chosen))


def test_stacks_of_matrices_have_no_smaller_nets_inside():
    enc = encoder(tiny_data("image").tokenizers, SIZE, trunk=EXPERTS)
    for make in (Elastic, lambda e: extract(e, 8, 1)):
        with pytest.raises(Mistake, match="stack of matrices"):
            make(enc)
