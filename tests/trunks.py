"""Trunks other than the plain one, each from the parts of the package."""

from dataclasses import replace
from functools import partial

import torch

from headstart.contract import SIZE
from headstart.nn import parts
from headstart.nn.encoder import Model
from headstart.nn.experts import ExpertBlock
from headstart.nn.merging import Merging
from headstart.nn.pairs import PairBias
from headstart.nn.rotary import rotary
from headstart.nn.transformer import Attention, Block, Transformer
from headstart.nn.windows import WindowAttention
from headstart.step import Step
from headstart.tiny import tiny_data

EXPERTS = partial(Transformer, block=ExpertBlock)
WINDOWS = partial(Transformer, block=partial(Block, attention=partial(WindowAttention, size=2.0)))
ROTARY = partial(Transformer, block=partial(Block, attention=partial(Attention, turn=rotary)), absolute=False)
PAIRS = partial(Transformer, block=partial(Block, attention=partial(Attention, bias=PairBias)))
TRUNKS = {"experts": EXPERTS, "windows": WINDOWS, "rotary": ROTARY, "pairs": PAIRS, "merging": Merging}
KINDS = ("image", "series", "graph")


def shape(trunk) -> Model:
    return replace(SIZE, trunk=parts.spelled(trunk))


def rows_of(kind):
    from headstart.data.feeding.loader import collate

    data = tiny_data(kind)
    return collate(data, torch.arange(8).numpy(), Step(0, 10), SIZE.slots).tokens["x"]
