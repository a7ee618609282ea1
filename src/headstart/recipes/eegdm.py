"""EEGDM: a sample lies under noise, anywhere from hardly any to nothing but noise, and the encoder tells the two apart
(Puah et al., "EEGDM: EEG Representation Learning via Generative Diffusion Model", 2025).

Hides: nothing as a whole; every row lies under normal noise, at one of 50 levels drawn for each sample and told to the encoder.
Predicts: at every row the velocity, a mixture of noise and sample that is of one size at every level.
Use when: the data is measured and noisy itself (EEG, ECG, sensors), its rhythm or texture matters everywhere, and no row may be
missed. Not where rows are ids, nor where neighbours say little of one another: then there is no telling noise from sample.
Mechanism: at low levels fine detail must be known, at high ones the shape of the whole; a clean sample is level 0.
Differs from the paper in: the plain transformer on rows in place of a state-space WaveNet on points, and its rows as the features
in place of the spread of gates at level 1; all channels of a recording are read together, and which one a row is of stands in
its coordinates (or in its place in the row) in place of a condition; rows are standardised (paper: 100 uV units, large values
compressed); the rate warms up and falls; no moving average of the weights.
Command: headstart pretrain eeg/ recipe=eegdm
Expected: a linear probe of the rhythm more than 10 points above the untrained encoder, and less than 0.7 of the velocity unknown
at the middle level: `python -m evidence run eegdm`
"""

from ..nn.encoder import Model, encoder
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms.diffuse import diffuse, noised, squared_cosine

SMALL = {"optim.lr": 3e-3, "data.batch": 32}  # of its check on made-up data: docs/log.md, 2026-11-26


def eegdm(data: Data, size: str | Model = "S", levels: int = 50) -> Recipe:
    """Tell samples from noise at `levels` levels of it."""
    enc, left = encoder(data.tokenizers, size), squared_cosine(levels)
    told = diffuse(Linear(enc.width, data.dim), left)
    task = Objective(enc, views={"x": noised(left)}, terms={"velocity": told})
    optim = AdamW(lr=warmup_cosine(1e-4), weight_decay=0.0, betas=(0.9, 0.999), clip=1.0)
    return Recipe(task, data, optim, steps=data.epochs(100))
