"""Trunks other than the plain one: each its own proof of what an encoder may be made of, saved and loaded, under any method."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from headstart import checkpoint
from headstart.contract import SIZE, check_recipe
from headstart.errors import Mistake
from headstart.nn import parts
from headstart.nn.attention import Bias, attend, biased
from headstart.nn.elastic import Elastic, extract
from headstart.nn.encoder import Encoder, Model, encoder
from headstart.nn.experts import ExpertBlock, uneven
from headstart.nn.linear import Linear
from headstart.nn.lora import LowRank, adapt
from headstart.nn.merging import Merging, merged
from headstart.nn.pairs import PairBias, neighbours
from headstart.nn.released import FORMAT
from headstart.nn.rotary import rotary
from headstart.nn.transformer import Attention, Block, Keys, Transformer
from headstart.nn.windows import WindowAttention
from headstart.recipes.dino import dino
from headstart.recipes.mae import mae
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.tokenizers import CodeTokenizer, GraphTokenizer
from headstart.tokens import Pairs, Tokens, end_to_end, join, layout, pack, reserve, rows_where, select

EXPERTS = partial(Transformer, block=ExpertBlock)
WINDOWS = partial(Transformer, block=partial(Block, attention=partial(WindowAttention, size=2.0)))
ROTARY = partial(Transformer, block=partial(Block, attention=partial(Attention, turn=rotary)), absolute=False)
PAIRS = partial(Transformer, block=partial(Block, attention=partial(Attention, bias=PairBias)))
TRUNKS = {"experts": EXPERTS, "windows": WINDOWS, "rotary": ROTARY, "pairs": PAIRS, "merging": Merging}
KINDS = ("image", "series", "graph")


def shape(trunk) -> Model:
    return replace(SIZE, trunk=parts.spelled(trunk))


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


@pytest.mark.parametrize("name", TRUNKS)
def test_an_encoder_is_loaded_as_it_was_saved(name, tmp_path):
    torch.manual_seed(0)
    enc = encoder(tiny_data("graph").tokenizers, SIZE, trunk=TRUNKS[name]).eval()
    checkpoint.save_encoder(tmp_path, enc, {"read": "mean"})
    back, _ = checkpoint.load_encoder(tmp_path)
    tokens = rows_of("graph")
    assert type(back.trunk) is type(enc.trunk) and back.shape == enc.shape
    assert torch.equal(back(tokens).values, enc(tokens).values)
    plain = Encoder(enc.tokenizers, SIZE)
    plain.load_state_dict(enc.state_dict(), strict=False)
    a, b = plain(tokens).values, enc(tokens).values
    assert a.shape != b.shape or (a - b).abs().max() > 1e-3


def rows_of(kind):
    from headstart.data.feeding.loader import collate

    data = tiny_data(kind)
    return collate(data, torch.arange(8).numpy(), Step(0, 10), SIZE.slots).tokens["x"]


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


# parts and their names


class Eighths(nn.Module):
    """A linear map whose weights are kept as whole numbers: what a quantised part looks like to a card."""

    def __init__(self, plain: Linear, bits: int = 8) -> None:
        super().__init__()
        scale = plain.weight.detach().abs().amax(1, keepdim=True).clamp(min=1e-8) / (2 ** (bits - 1) - 1)
        self.bits, self.stacked = bits, plain.stacked
        self.register_buffer("scale", scale)
        self.register_buffer("whole", (plain.weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("bias", plain.bias.detach().clone())

    def forward(self, x):
        return F.linear(x, (self.whole * self.scale).to(x.dtype), self.bias.to(x.dtype))

    def arguments(self):
        return {"bits": self.bits}

    @classmethod
    def of(cls, plain, **arguments):
        return cls(plain, **arguments)


def small(seed=0):
    torch.manual_seed(seed)
    return encoder(tiny_data("image").tokenizers, SIZE).eval()


def quantised(enc):
    for block in enc.trunk.blocks:
        block.mlp.up = Eighths(block.mlp.up, bits=6)
    return enc


def pruned(enc):
    mlp = enc.trunk.blocks[1].mlp
    up, down = Linear(16, 40), Linear(40, 16)
    up.weight.data, up.bias.data, down.weight.data = mlp.up.weight[:40], mlp.up.bias[:40], mlp.down.weight[:, :40]
    mlp.up, mlp.down = up, down
    return enc


def low_rank(enc):
    adapt(enc, 2, 1)
    nn.init.normal_(enc.trunk.blocks[0].attention.qkv.up[0])
    return enc


def shared(enc):
    enc.trunk.blocks[1] = enc.trunk.blocks[0]
    return enc


@pytest.mark.parametrize("change", [quantised, pruned, low_rank, shared])
def test_parts_that_were_replaced_come_back(change, tmp_path):
    enc, tokens = change(small()), rows_of("image")
    checkpoint.save_encoder(tmp_path, enc, {})
    card = json.loads((tmp_path / "encoder.json").read_text())
    assert card["parts"] or card["tied"]
    back, _ = checkpoint.load_encoder(tmp_path)
    assert torch.equal(back(tokens).values, enc(tokens).values)
    assert back.parts == enc.parts and back.tied == enc.tied
    again = enc.like()
    assert again.parts == enc.parts and again.tied == enc.tied
    again.load_state_dict(enc.state_dict())
    assert torch.equal(again(tokens).values, enc(tokens).values)
    if change is shared:
        assert len({id(p) for p in back.trunk.blocks.parameters()}) == len(list(back.trunk.blocks[0].parameters()))


def test_what_can_be_folded_is_plain_afterwards():
    enc, tokens = low_rank(small()), rows_of("image")
    assert list(enc.parts) == ["trunk.blocks.0.attention.qkv"] and isinstance(
        enc.trunk.blocks[0].attention.qkv, LowRank
    )
    plain = enc.folded()
    assert not plain.parts
    assert_close(plain(tokens).values, enc(tokens).values, rtol=1e-5, atol=1e-5)


def test_a_part_that_cannot_say_how_it_is_made_is_a_sentence(tmp_path):
    enc = small()
    enc.trunk.blocks[0].mlp = nn.Identity()
    with pytest.raises(Mistake, match="Identity stands in the place of Mlp and cannot say"):
        checkpoint.save_encoder(tmp_path, enc, {})
    with pytest.raises(Mistake, match="define it at the top of a module"):
        encoder(tiny_data("image").tokenizers, SIZE, trunk=lambda *a, **b: Transformer(*a, **b))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("headstart.nn.transformer.Transforme", "is not here"),
        ("no_such_package.blocks.Wide", "is not here"),
        ("headstart.nn.transformer.Transformer(", "is no part"),
        ("3", "is no part"),
        ("headstart.nn.rotary.BASE", "makes no part"),
        ("headstart.nn.transformer.Transformer(block=[x for x in ()])", "no number, word or part"),
    ],
)
def test_an_unknown_part_is_a_sentence(text, says):
    with pytest.raises(Mistake, match=says):
        Encoder(tiny_data("image").tokenizers, replace(SIZE, trunk=text))


def test_spelling_is_read_back():
    for trunk in TRUNKS.values():
        text = parts.spelled(trunk)
        assert parts.spelled(parts.part_of(text)) == text
    odd = partial(LowRank, rank=2, parts=((0, 4), (8, 12)), alpha=0.5)
    assert parts.part_of(parts.spelled(odd)).keywords == odd.keywords


def test_code_from_outside_is_not_run_unasked(tmp_path, monkeypatch):
    lines = ("from pathlib import Path", "from headstart.nn.merging import Merging", "Path('ran').touch()")
    code = "\n".join([*lines, "class Mine(Merging): ..."])
    (tmp_path / "outsider.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint.save_encoder(tmp_path, small(), {})
    path = tmp_path / "encoder.json"
    card = json.loads(path.read_text())
    card["model"]["trunk"] = "outsider.Mine"
    path.write_text(json.dumps(card))
    with pytest.raises(Mistake, match=r"made of outsider.Mine, which is code from outside .* trust=True"):
        checkpoint.load_encoder(tmp_path)
    assert not (tmp_path / "ran").exists()
    back, _ = checkpoint.load_encoder(tmp_path, trust=True)
    assert type(back.trunk).__name__ == "Mine"


# what a stranger broke


@pytest.mark.parametrize("change", ["heads", "turn", "eps"])
def test_a_part_of_the_same_class_made_otherwise_is_said(change, tmp_path):
    """Its tensors fit the plain one, so nothing else would tell."""
    enc = small()
    block = enc.trunk.blocks[0]
    if change == "eps":
        block.norm1.eps = 1.0
    else:
        other = Attention(16, 4) if change == "heads" else Attention(16, 2, turn=rotary)
        other.load_state_dict(block.attention.state_dict())
        block.attention = other
    with pytest.raises(Mistake, match=r"another (Attention|LayerNorm) stands in the place"):
        checkpoint.save_encoder(tmp_path, enc, {})


def spoil(path, change):
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    "change",
    [
        *[lambda card, key=key: card["model"].pop(key) for key in ("trunk", "heads", "width", "specials")],
        *[lambda card, key=key: card.pop(key) for key in ("format", "model", "causal", "parts", "tied", "tokenizers")],
        lambda card: card["model"].update(more=1),
        lambda card: card["model"].update(width="16"),
        lambda card: card["model"].update(trunk=None),
        lambda card: card["model"].update(trunk="headstart.nn.linear.Linear"),
        lambda card: card["model"].update(trunk="headstart.nn.transformer.Transformer(blok=1)"),
        lambda card: card["model"].update(trunk="headstart.nn.transformer.Transformer(**{'block': 1})"),
        lambda card: card.update(causal="no"),
        lambda card: card.update(parts=["a"]),
        lambda card: card.update(tied=["a"]),
        lambda card: card.update(parts={"trunk.blocks.0.mlp.up": "headstart.nn.lora.LowRank(rang=1)"}),
        lambda card: card.update(parts={"trunk.blocks.9.mlp": "headstart.nn.lora.LowRank(rank=1, parts=((0, 4), ))"}),
        lambda card: card.update(format=FORMAT + 1),
    ],
)
def test_a_card_that_was_altered_is_a_sentence(change, tmp_path):
    checkpoint.save_encoder(tmp_path, small(), {})
    spoil(tmp_path / "encoder.json", change)
    with pytest.raises(Mistake, match=str(tmp_path)):
        checkpoint.load_encoder(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_card_that_is_none_is_a_sentence(content, tmp_path):
    checkpoint.save_encoder(tmp_path, small(), {})
    (tmp_path / "encoder.json").write_text(content)
    with pytest.raises(Mistake, match=str(tmp_path)):
        checkpoint.load_encoder(tmp_path)


def test_weights_that_are_cut_or_gone_are_a_sentence(tmp_path):
    checkpoint.save_encoder(tmp_path, small(), {})
    weights = tmp_path / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(Mistake, match="damaged"):
        checkpoint.load_encoder(tmp_path)
    weights.unlink()
    with pytest.raises(Mistake, match="damaged"):
        checkpoint.load_encoder(tmp_path)


@pytest.mark.parametrize(
    "trunk",
    [
        "headstart.nn.transformer.Transformer(block=headstart.nn.transformer.Block(norm=os._exit))",
        "headstart.nn.transformer.Transformer(block=headstart.nn.transformer.Block(norm=headstart.checkpoint.write_text))",
        "headstart.nn.transformer.Transformer(block=stranger.Mine)",
    ],
)
def test_a_card_may_only_name_parts(trunk, tmp_path):
    """Whatever is imported already, and however deep it is named; in the place of the trunk or of another part."""
    checkpoint.save_encoder(tmp_path, small(), {})
    before = (tmp_path / "encoder.json").read_text()
    spoil(tmp_path / "encoder.json", lambda card: card["model"].update(trunk=trunk))
    with pytest.raises(Mistake, match="code from outside headstart"):
        checkpoint.load_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text(before)
    spoil(tmp_path / "encoder.json", lambda card: card.update(parts={"trunk.blocks.0": trunk}))
    with pytest.raises(Mistake, match="code from outside headstart"):
        checkpoint.load_encoder(tmp_path)


def test_a_card_of_format_1_is_the_plain_transformer(tmp_path):
    enc, tokens = small(), rows_of("image")
    checkpoint.save_encoder(tmp_path, enc, {})

    def older(card):
        card["format"] = 1
        del card["parts"], card["tied"], card["model"]["trunk"]

    spoil(tmp_path / "encoder.json", older)
    assert torch.equal(checkpoint.load_encoder(tmp_path)[0](tokens).values, enc(tokens).values)


def test_a_causal_encoder_stays_causal(tmp_path):
    enc, tokens = encoder(tiny_data("series").tokenizers, SIZE, causal=True).eval(), rows_of("series")
    checkpoint.save_encoder(tmp_path, enc, {})
    assert torch.equal(checkpoint.load_encoder(tmp_path)[0](tokens).values, enc(tokens).values)


def test_numbers_are_spelled_as_python_reads_them():
    text = parts.call("headstart.nn.lora.LowRank", {"alpha": np.float64(2.0), "rank": 2})
    assert parts.part_of(text).keywords == {"alpha": 2.0, "rank": 2}
    with pytest.raises(Mistake, match="finite"):
        parts.call("headstart.nn.lora.LowRank", {"alpha": float("nan")})


def test_what_makes_no_trunk_is_a_sentence():
    for text in ("headstart.nn.linear.Linear", "headstart.nn.transformer.layer_norm"):
        with pytest.raises(Mistake, match="makes no trunk"):
            Encoder(tiny_data("image").tokenizers, replace(SIZE, trunk=text))
    for trunk in (Merging, WINDOWS):
        with pytest.raises(Mistake, match="causal row"):
            encoder(tiny_data("image").tokenizers, SIZE, causal=True, trunk=trunk)


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


def test_like_and_folded_keep_dtype_and_ties():
    enc = shared(small())
    enc.dtype = torch.bfloat16
    assert enc.like().dtype == enc.folded().dtype == torch.bfloat16
    assert enc.folded().tied == enc.tied and enc.tied


def test_stacks_of_matrices_have_no_smaller_nets_inside():
    enc = encoder(tiny_data("image").tokenizers, SIZE, trunk=EXPERTS)
    for make in (Elastic, lambda e: extract(e, 8, 1)):
        with pytest.raises(Mistake, match="stack of matrices"):
            make(enc)
