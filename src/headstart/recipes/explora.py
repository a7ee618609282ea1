"""ExPLoRA: a released encoder goes on with its own method on data of another domain, in few parameters (Khanna et al.,
"ExPLoRA: Parameter-Efficient Extended Pre-Training to Adapt Vision Transformers under Domain Shifts", 2024).

Hides: what the method of the base run hides.
Predicts: what that method predicts.
Use when: you have a good encoder for data of another look (other sensor, stain, lighting) and unlabelled data of the new one;
less is forgotten and less memory needed than by training on everything. Not for data of another kind than the base's.
Mechanism: the last block and all norms learn in full, queries and values of the others by low-rank updates; the rest is frozen.
Differs from the paper in: any method that left a run behind goes on (paper: DINOv2 and MAE); its heads go on from the run's last
checkpoint, and begin anew where that is gone; rank 64 and the choice of blocks are from memory, as no code was released.
The encoder that is saved has the updates folded in.
Command: headstart pretrain DATA recipe=explora base=runs/mae-photos
Expected: on photographs in other colours more than 0.85 of what full tuning gains in held-out loss, less than 0.75 of what it
forgets, and less loss than 0.88 of that from a fresh start, by moving less than 0.35 of the numbers:
`python -m evidence run explora`.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import torch

from ..errors import Mistake
from ..nn.encoder import Encoder, Model
from ..nn.lora import LowRank, adapt
from ..nn.released import Released, released
from ..objective import Objective
from ..recipe import Data, Recipe


def going_on(objective: Objective, kept: Released) -> bool:
    """The base's weights for the encoder and for heads of the same shape. Its entrance too if it reads rows like these (True);
    else the entrance begins anew."""
    own = objective.state_dict()
    ((ours, tokenizer),) = objective.encoder.tokenizers.items()
    theirs, other = next(iter(kept.encoder.tokenizers.items()))
    alike = (tokenizer.kind, tokenizer.dim, tokenizer.axes) == (other.kind, other.dim, other.axes)
    prefix = next(f"encoders.{name}." for name, net in objective.encoders.items() if net is objective.encoder)
    state = kept.heads | {
        prefix + name.replace(f"embeds.{theirs}.", f"embeds.{ours}.", 1): tensor
        for name, tensor in kept.encoder.state_dict().items()
        if alike or not name.startswith("embeds.")
    }
    with torch.no_grad():
        for name, tensor in state.items():
            if name in own and own[name].shape == tensor.shape:
                own[name].copy_(tensor)
    return alike


def anew(objective: Objective, kept: Released) -> bool:
    """Nothing of the base but its method and size: in the place of `going_on`."""
    return False


def without_updates(encoder: Encoder, rank: int, blocks: int) -> None:
    """As `adapt` does, and the low-rank updates stay 0."""
    adapt(encoder, rank, blocks)
    for part in encoder.modules():
        if isinstance(part, LowRank):
            part.requires_grad_(False)


def everything(encoder: Encoder, rank: int, blocks: int) -> None:
    """All blocks learn in full, as always: in the place of `adapt`."""


SMALL = {"rank": 16, "optim.lr": 2e-3, "data.batch": 64}  # of its check: docs/log.md, 2026-11-26
IDEAS = {
    "it goes on from the base": {"begin": anew},
    "the rest is frozen": {"learn": everything},
    "low-rank updates": {"learn": without_updates},
    "the last block in full": {"blocks": 0},
}


def explora(
    data: Data,
    size: str | Model = "S",
    base: str = "",
    rank: int = 64,
    blocks: int = 1,
    begin: Callable[[Objective, Released], bool] = going_on,
    learn: Callable[[Encoder, int, int], None] = adapt,
) -> Recipe:
    """Go on from the run in `base`, whose size counts: low-rank updates of `rank`, and the last `blocks` blocks in full."""
    kept = released(base)
    made = _method(kept.recipe)(data, size=kept.encoder.shape, **kept.arguments)
    alike = begin(made.objective, kept)
    learn(made.objective.encoder, min(rank, kept.encoder.width), blocks)
    made.objective.encoder.embeds.requires_grad_(not alike)
    made.objective.lead()
    return replace(made, steps=data.epochs(200), begins="base encoder")


def _method(name: str) -> Callable[..., Recipe]:
    """The recipe of the base run: one of the package, or `pkg.module:function`."""
    module, _, function = name.partition(":") if ":" in name else (f"{__package__}.{name}", "", name)
    if module.endswith(".py"):
        raise Mistake(f"the base was trained by a method in a file, {name}: put it into a module that can be imported")
    found: Callable[..., Recipe] = getattr(import_module(module), function)
    return found
