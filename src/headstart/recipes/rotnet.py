"""RotNet: every sample is shown in all its turns, and the encoder says which is which (Gidaris et al., "Unsupervised
Representation Learning by Predicting Image Rotations", 2018).

Hides: nothing but the way up.
Predicts: by which of a few exact transformations a sample was turned: pictures, clips, scans and clouds by quarters, signals
and sounds forwards or backwards.
Use when: samples have a natural way up or direction, and to see it one must know what they show. Not for what is seen from
above or has been turned at random already. In oblong samples the shape alone tells half of the answer: cut them square.
Mechanism: all turns of a sample in one batch, cross-entropy over them; nothing is interpolated, so no trace gives them away.
Differs from the paper in: a transformer for the convolutional network, read at the mean of its rows; the optimizer is ours
(paper: SGD for 200 epochs of CIFAR); the kinds beside pictures. The paper's best features come from the middle of the network.
Command: headstart pretrain fashion-mnist recipe=rotnet
Expected: every sample stands in every batch in all its turns, and is asked for the one that it is in; of held-out digits more
than 0.7 of the turns are named (chance 0.25): `python -m evidence run rotnet`.
"""

from torch import Tensor

from ..augment import Looks, turned, turns
from ..augment.views import Views
from ..corrupt import clean
from ..errors import Mistake
from ..forms import Sample
from ..nn.encoder import Model, encoder
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..terms import classify, which_crop
from ..terms.classify import Label
from ..tokens import View

SMALL = {"optim.lr": 3e-3, "data.batch": 48}  # of its check on made-up data: docs/log.md, 2026-11-26


def upright(look: Looks, rng: Rng) -> dict[str, list[Sample]]:
    """As many looks as there are turns, none of them turned: what takes turning out."""
    return {"x": [look.turn(0)] * look.turns()}


def unasked(view: View, scene: Scene) -> Tensor:
    """The same answer for every look: what takes the question out."""
    return 0 * which_crop(view, scene)


VIEWS: Views = turned()
IDEAS = {"samples are turned": {"views": upright}, "the turn is asked for": {"label": unasked}}


def rotnet(data: Data, size: str | Model = "S", views: Views = VIEWS, label: Label = which_crop) -> Recipe:
    """Name the turn of each sample, all turns of all samples in every batch."""
    count, enc = turns(data.only.kind), encoder(data.tokenizers, size)
    if count < 2:
        raise Mistake(
            f"rotnet turns samples, and {data.only.kind} has no exact turns: mae or gmml take data of any kind"
        )
    which = classify(Linear(enc.width, count), label=label)
    task = Objective(enc, views={"x": clean}, terms={"which": which})
    optim = AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05)
    return Recipe(task, data.with_views(views), optim, steps=data.epochs(200))
