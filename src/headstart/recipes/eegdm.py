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
Expected: of rhythms a probe of few labels gets less than 0.75 as many wrong as of the untrained encoder; of photographs that were
held out less than 0.5 of the velocity is unknown, and more than 1.3 times that where a wrong level is told:
`python -m evidence run eegdm`
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ..nn.encoder import Encoder, Model, encoder, model
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms.diffuse import Told, diffuse, noised, squared_cosine, velocity
from ..tokens import Tokenizer, Tokens


class deaf(Encoder):
    """An encoder that does not hear how noisy a sample is."""

    def __init__(self, tokenizers: dict[str, Tokenizer], size: str | Model) -> None:
        super().__init__(tokenizers, model(size))

    def embed(self, tokens: Tokens, placeless: Tensor | None = None, level: Float[Tensor, "S"] | None = None) -> Tokens:
        return super().embed(tokens, placeless)


def noise_alone(
    x: Float[Tensor, "K D"], noise: Float[Tensor, "K D"], left: Float[Tensor, "K 1"]
) -> Float[Tensor, "K D"]:
    """In the place of the velocity."""
    return noise


SMALL = {"optim.lr": 3e-3, "data.batch": 32}  # of its check: docs/log.md, 2026-11-26
IDEAS = {
    "noise of every level": {"levels": 1},
    "the encoder is told the level": {"net": deaf},
    "the velocity is said": {"target": noise_alone},
}


def eegdm(
    data: Data,
    size: str | Model = "S",
    levels: int = 50,
    net: Callable[[dict[str, Tokenizer], str | Model], Encoder] = encoder,
    target: Told = velocity,
) -> Recipe:
    """Tell samples from noise at `levels` levels of it."""
    enc, left = net(data.tokenizers, size), squared_cosine(levels)
    told = diffuse(Linear(enc.width, data.dim), left, target)
    task = Objective(enc, views={"x": noised(left)}, terms={"velocity": told})
    optim = AdamW(lr=warmup_cosine(1e-4), weight_decay=0.0, betas=(0.9, 0.999), clip=1.0)
    return Recipe(task, data, optim, steps=data.epochs(100))
