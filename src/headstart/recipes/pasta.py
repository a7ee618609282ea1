"""PASTA: every number of a state and of an action is a token of its own, and plain objectives of language do the rest (Boige et
al., "PASTA: Pretrained Action-State Transformer Agents", 2023).

Hides: task=gpt: what comes next; task=bert: random numbers, each behind the encoder's learned mask.
Predicts: the hidden number as one of 1,024 bins: of what came before it, in its own step too, or of everything else.
Use when: trajectories of robots or processes should give one small encoder for many tasks, sensors may fail (bert), or what
happens next is the question (gpt). A step costs as many rows as it has numbers: cut long trajectories with data.window. Not where
a step has hundreds of numbers.
Mechanism: standardised numbers are companded (mu-law) and cut into even bins; time and the number's place are coordinates.
Differs from the paper in: companding as in Gato (mu 100, up to 256), numbers standardised before it; mask ratio, bins and
learning rate are not published and chosen here; of its four objectives the plainest two (C-GPT, C-BERT), not C-MTM, C-SMART.
Command: headstart pretrain trajectories/ recipe=pasta task=bert data.window=16
Expected: the next number at less than 0.8 of its entropy, and by bert one at less than 0.9 without one of the sensors, which
costs gpt more than 1.5 times as much; `python -m evidence run pasta`.
"""

from collections.abc import Callable
from dataclasses import replace

from ..corrupt import Fill, clean, corrupt, keep, mask_token, random
from ..errors import Mistake
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..targets import raw
from ..terms import autoregress, masked
from ..tokenizers.trajectory import TrajectoryTokenizer


def by_number(data: Data, bins: int) -> Data:
    """The same trajectories with a row for every number."""
    rows = data.only
    if not isinstance(rows, TrajectoryTokenizer):
        raise Mistake(
            f"pasta takes trajectories, states and actions step by step, and here is {data.kinds}: for series take gpt_series"
        )
    return replace(data, tokenizers=dict.fromkeys(data.tokenizers, replace(rows, bins=bins)))


def by_part(data: Data, bins: int) -> Data:
    """The trajectories as they are: a row for every state and for every action, whose numbers are told at once."""
    return data


# of its check on made-up data: docs/log.md, 2026-11-26; of 1,024 bins a short training of few numbers learns nothing
SMALL = {"bins": 64, "optim.lr": 2e-3, "data.batch": 64}
IDEAS = {
    "a row for every number": {"rows": by_part},
    "gpt: what comes next is told of what came before": {"task": "bert"},
    "bert: hidden numbers stand behind a mask": {"fill": keep},
}


def pasta(
    data: Data,
    size: str | Model = "Ti",
    task: str = "gpt",
    bins: int = 1024,
    ratio: float = 0.15,
    rows: Callable[[Data, int], Data] = by_number,
    fill: Fill = mask_token,
) -> Recipe:
    """task: gpt, the next number; or bert, `ratio` of the numbers from the others."""
    if task not in ("gpt", "bert"):
        raise Mistake(f"task={task}: choose gpt or bert")
    data = rows(data, bins)
    enc = encoder(data.tokenizers, size, causal=task == "gpt", specials=int(task == "bert"))
    head = Linear(enc.width, data.dim)
    if task == "gpt":
        task_ = Objective(enc, {"x": clean}, {"next": autoregress(head, raw, mse)})
    else:
        view = corrupt(random, ratio, fill=fill)
        task_ = Objective(enc, {"x": view}, {"numbers": masked(at_hidden(head), raw, mse)})
    return Recipe(task_, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.1), steps=data.epochs(50))
