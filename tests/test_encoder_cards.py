"""An encoder is saved with what it is made of, and loaded as that or not at all."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.trunks import TRUNKS, WINDOWS, rows_of
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from headstart import checkpoint
from headstart.contract import SIZE
from headstart.errors import Mistake
from headstart.nn import parts
from headstart.nn.encoder import Encoder, encoder
from headstart.nn.linear import Linear
from headstart.nn.lora import LowRank, adapt
from headstart.nn.merging import Merging
from headstart.nn.released import FORMAT
from headstart.nn.rotary import rotary
from headstart.nn.transformer import Attention, Transformer
from headstart.tiny import tiny_data


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


def test_like_and_folded_keep_dtype_and_ties():
    enc = shared(small())
    enc.dtype = torch.bfloat16
    assert enc.like().dtype == enc.folded().dtype == torch.bfloat16
    assert enc.folded().tied == enc.tied and enc.tied
