"""CytoFM: iBOT, agreement of a student with its own slow average on whole samples and on each hidden row, for cells under a
microscope (Ivezic et al., "CytoFM: The first cytology foundation model", 2025; Zhou et al., "iBOT", 2022).

Hides: in half of the big crops, connected groups of 10 to 50 % of the rows, under a learned mask.
Predicts: what the teacher's head says, over the same prototypes: of the sample, from other crops; of each hidden row, in place.
Use when: samples show few kinds of parts in many arrangements (cells, textures, motifs) and both a vector per sample and one
per row are wanted, for instance to pool over a slide with attention. Not where a crop changes what a sample means.
Mechanism: DINO on the class token plus masked self-distillation of rows through one shared head.
Differs from the paper in: objective unchanged from iBOT, whose release this follows; CytoFM's magnification, crops and epochs are
not stated where we could read, so crops are iBOT's for ViT-S. Hidden rows count alike (release: each sample alike, and those
without hidden rows as 0); groups reach out from random rows (release: rectangles); crops jitter brightness and contrast only;
prototypes train from the first step; no drop path.
Command: headstart pretrain slides/ recipe=cytofm_ibot
Expected: hidden rows are masked, samples and rows have one head, and on held-out squares of photographs the loss of hidden rows
falls below 0.98 of what it was: `python -m evidence run cytofm-ibot`.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

from torch import nn

from ..augment import multicrop
from ..corrupt import Fill, clean, corrupt, groups, keep, mask_token, sometimes
from ..losses import CenteredCE, soft_cross_entropy
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, prototypes
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Schedule, cosine, ramp, warmup_cosine
from ..targets import codes as said_by_teacher
from ..teacher import Ema
from ..terms import distill, masked


def itself(head: nn.Module) -> nn.Module:
    """The same head."""
    return head


# measured on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 1024, "local": 4, "optim.lr": 2e-3, "data.batch": 32}
SLOW = cosine(0.996, 1.0)
IDEAS = {
    "hidden rows are masked": {"fill": keep},
    "one head for samples and rows": {"beside": deepcopy},
    "small crops": {"local": 0},
    "a centre": {"centre": 1.0},
    "a slow teacher": {"momentum": 0.0},
}


def cytofm_ibot(
    data: Data,
    size: str | Model = "S",
    codes: int = 8192,
    local: int = 10,
    centre: float = 0.9,
    fill: Fill = mask_token,
    beside: Callable[[nn.Module], nn.Module] = itself,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Two big crops, partly masked, and `local` small ones agree with the teacher over `codes` prototypes, rows as well."""
    data = data.with_views(multicrop(big=2, small=local, big_scale=(0.25, 1.0), small_scale=(0.05, 0.25)))
    enc = encoder(data.tokenizers, size, specials=1)
    head, soft = prototypes(enc.width, codes), partial(soft_cross_entropy, temperature=0.1)
    seen = ("big", "small") if local else ("big",)
    agree = distill(seen, ("big",), head, loss=CenteredCE(codes, 0.1, 0.04, centre))
    target = said_by_teacher(codes, temperature=ramp(0.04, 0.07, over=0.3), momentum=centre)
    rows = masked(target=target, head=at_hidden(beside(head)), loss=soft, view="big")
    hide = corrupt(groups, sometimes(0.5, 0.1, 0.5), fill=fill)
    views, teacher = {"big": hide, "small": clean}, Ema(momentum)
    task = Objective(enc, {name: views[name] for name in seen}, {"agree": agree, "rows": rows}, teacher=teacher)
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.4), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(100))
