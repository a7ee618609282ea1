"""CropMAE: a part of a sample is restored from one or two of its rows and from the whole around it (Eymaël et al., "Efficient
Image Pre-Training with Siamese Cropped Masked Autoencoders", 2024).

Hides: 98.5 % of the rows of a local crop, all but at least one; the global crop around it is seen whole.
Predicts: the hidden rows, signals normalised row by row, by a decoder that asks the global crop.
Use when: you want features that find the same place again in another view (tracking, correspondence), from single
pictures, without video. Not for samples whose parts do not lie inside one another in another size or place: where
a crop keeps its rows as they were, there is nothing to find out.
Mechanism: the local crop is in the global one, but elsewhere, larger and perhaps mirrored: two rows must tell how.
Differs from the paper in: no dropout in the decoder (released: 0.1); the global crop's rows are told their place again on
entering the decoder (released: not); crops also change brightness and contrast (paper: off); a warm-up of 10 % of
training (paper: 5 %); the learning rate is not scaled by batch / 256.
Command: headstart pretrain fashion-mnist recipe=cropmae
Expected: the local crop lies in the global one, and what is hidden hangs on that of its own picture; of held-out photographs it
is restored at most 0.7 times as wrong as with another's: `python -m evidence run cropmae`.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ..augment import two_crops
from ..augment.views import Views
from ..corrupt import Fill, Make, clean, corrupt, drop, keep, other_sample, random
from ..losses import mse
from ..nn.crossing import CrossAttention, cross_decoder
from ..nn.encoder import Model, encoder
from ..nn.linear import LayerNorm
from ..nn.transformer import Attention, Mlp
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, warmup_cosine
from ..targets import normalised, raw
from ..terms import masked
from ..tokens import Rows, Tokens

SAME = (
    "a crop keeps its rows as they were, at the same places, so that what is hidden can be looked up in the larger crop"
)
MEANINGLESS = dict.fromkeys(("table", "multispectral", "document", "events", "trajectory"), SAME)
SMALL = {"depth": 1, "optim.lr": 3e-3, "data.batch": 32}  # of its check on made-up data: docs/log.md, 2026-11-26


@dataclass(frozen=True)
class all_but_one:
    """A share of the rows, but never all of a sample's."""

    share: float

    def __call__(self, tokens: Tokens, rng: Rng) -> tuple[int, ...]:
        return tuple(max(0, min(round(self.share * n), n - 1)) for n in tokens.content)


NESTED: Views = two_crops(a_scale=(0.1, 1.0), b_scale=(0.3, 0.6), nested=True)
IDEAS = {
    "the local crop lies in the global one": {"crops": two_crops(a_scale=(0.1, 1.0), b_scale=(0.3, 0.6))},
    "it is a part of it": {"crops": two_crops(a_scale=(0.1, 1.0), b_scale=(1.0, 1.0), nested=True)},
    "the global crop is looked at": {"whole": corrupt(random, 1.0, fill=other_sample)},
    "all rows but one or two are hidden": {"ratio": 0.5},
    "hidden rows are taken out": {"fill": keep},
}


def cropmae(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.985,
    depth: int = 4,
    crops: Views = NESTED,
    whole: Make = clean,
    fill: Fill = drop,
) -> Recipe:
    """Restore `ratio` of the rows of a local crop with the global crop at hand, by a decoder of `depth` blocks."""
    enc = encoder(data.tokenizers, size)
    head = cross_decoder(enc.width, data.dim, depth, block=AskFirst)
    restore = masked(head, target=normalised if data.signal else raw, loss=mse, view="b", context="a")
    views = {"a": whole, "b": corrupt(random, all_but_one(ratio), fill)}
    task = Objective(enc, views=views, terms={"restore": restore})
    optim = AdamW(lr=warmup_cosine(1e-4), weight_decay=0.05)
    return Recipe(task, data.with_views(crops), optim, steps=data.epochs(400))


class AskFirst(nn.Module):
    """Cross-attention, then the MLP, then self-attention, each added and then normalised (the released DecoderBlock).

    The MLP is eight times as wide as the rows: 2048 at the paper's 256.
    """

    def __init__(self, width: int, heads: int, ratio: float = 8.0) -> None:
        super().__init__()
        self.cross, self.norm1 = CrossAttention(width, heads), LayerNorm(width, eps=1e-6)
        self.mlp, self.norm2 = Mlp(width, int(ratio * width)), LayerNorm(width, eps=1e-6)
        self.attention, self.norm3 = Attention(width, heads), LayerNorm(width, eps=1e-6)

    def forward(self, x: Tokens, context: Tokens) -> Tokens:
        x = self._asked(x, context)
        return x.with_values(self.norm3(x.values + self.attention(x)))

    def only(self, x: Tokens, rows: Rows, context: Tokens) -> Float[Tensor, "K D"]:
        """What forward gives at these rows: all ask, and only these gather from the others."""
        x = self._asked(x, context)
        return self.norm3(x.values[rows.index] + self.attention.only(x, rows))

    def _asked(self, x: Tokens, context: Tokens) -> Tokens:
        y = self.norm1(x.values + self.cross(x, context))
        return x.with_values(self.norm2(y + self.mlp(y)))
