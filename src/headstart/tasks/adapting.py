"""How much of an encoder is tuned: all of it, its last blocks, low-rank updates of its attention, or nothing but the head."""

import torch

from ..errors import Mistake
from ..nn.encoder import Encoder
from ..nn.lora import adapt

HOWS = "full, last:2 (so many blocks), lora:8 (updates of this rank) or head"


def parsed(how: str) -> tuple[str, int]:
    """(way, number) of full, last:K, lora:R, head; a Mistake for anything else."""
    way, colon, number = how.partition(":")
    if way in ("full", "head") and not colon:
        return way, 0
    if way in ("last", "lora") and number.isdigit() and int(number) > 0:
        return way, int(number)
    raise Mistake(f"tune={how}: choose {HOWS}")


def adapted(encoder: Encoder, how: str, seed: int) -> None:
    """Let those parameters learn that `how` names, in place; low-rank updates are drawn from `seed` and begin as none.

    last:K also tunes what lies behind the last block (the last norm), lora:R all norms.
    """
    way, number = parsed(how)
    if way == "lora":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            adapt(encoder, number, 0)
        return
    encoder.requires_grad_(way == "full")
    if way != "last":
        return
    blocks = list(encoder.blocks)
    if number > len(blocks):
        raise Mistake(f"tune=last:{number}: this encoder has {len(blocks)} blocks")
    for block in blocks[-number:]:
        block.requires_grad_(True)
    inside = {id(p) for block in blocks for p in block.parameters()}
    for p in encoder.trunk.parameters():
        p.requires_grad_(id(p) not in inside or p.requires_grad)
