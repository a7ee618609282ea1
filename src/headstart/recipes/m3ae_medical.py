"""M3AE: a picture and its report are masked at very different rates and restored with each other's help (Chen et al.,
"Multi-Modal Masked Autoencoders for Medical Vision-and-Language Pre-Training", 2022).

Hides: 0.75 of the signal's rows, dropped, beside the whole text; 0.15 of the text's rows beside the whole signal.
Predicts: the signal's rows from the MIDDLE of the encoder by a small transformer, the text's from its END by one linear map; and
whether a text is this sample's own or another's.
Use when: samples have two parts that tell of one thing at different depths of meaning (scans with reports, sound with notes),
and one encoder should read both. Not for retrieval, where the parts are encoded apart: there take clip.
Mechanism: three joint sequences per sample in one packed call: what is low-level is asked for before the last blocks.
Differs from the paper in: one encoder for both parts, which attend to one another from the first block on (paper: CLIP-ViT and
RoBERTa, then six co-attention layers; the picture is read after three of those, here after half of all blocks); no pre-trained
weights; no whole-word masking; half of the signals get another sample's text (paper: of the texts another's picture); heads and
fusion layers have the same learning rate as the rest (paper: five times as much). The decoder has 4 blocks, as the released code
builds (its configuration says 5).
Command: headstart pretrain pairs/ recipe=m3ae_medical
"""

from dataclasses import replace

from torch import Tensor

from ..corrupt import clean, corrupt, drop, mask_token, mismatched, random
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, decoder, first
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import warmup_cosine
from ..targets import normalised, raw
from ..terms import Term, classify, masked

SMALL = {"depth": 1, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26


def m3ae_medical(
    data: Data, size: str | Model = "B", ratio: float = 0.75, word_ratio: float = 0.15, depth: int = 4
) -> Recipe:
    """`ratio` of the signal's rows, `word_ratio` of the text's; of two signals or two texts the first is the signal."""
    a, b = sorted(data.pair, key=lambda part: not data.tokenizers[part].signal)
    enc, (one, two) = encoder(data.tokenizers, size, specials=1), (data.tokenizers[part] for part in (a, b))
    lost, masks = corrupt(random, ratio, fill=drop), corrupt(random, word_ratio, fill=mask_token)
    views = {"lost": (a, lost), "told": (b, clean), "shown": (a, clean), "blanks": (b, masks)}
    views |= {"whole": (a, clean), "other": (b, mismatched)}
    together = [("lost", "told"), ("shown", "blanks"), ("whole", "other")]
    pixels = masked(decoder(enc.width, one.dim, depth), normalised if one.signal else raw, mse, view="lost")
    words = masked(at_hidden(Linear(enc.width, two.dim)), raw, mse, view="blanks")
    match = classify(Linear(enc.width, 2), view="other", read=first)
    terms = {"pixels": from_depth(pixels, max(1, enc.shape.depth // 2)), "words": words, "match": match}
    task = Objective(enc, views, terms, together=together)
    return Recipe(task, data.whole(), AdamW(lr=warmup_cosine(1e-4), weight_decay=0.01), steps=data.epochs(100))


class from_depth(Term):
    """A term that is shown the rows after so many blocks instead of the encoder's output."""

    def __init__(self, inner: Term, depth: int) -> None:
        super().__init__()
        self.inner, self.depths = inner, (depth,)
        self.reads = inner.reads

    def forward(self, scene: Scene) -> Tensor:
        side = scene.student
        return self.inner(replace(scene, student=replace(side, z=side.within[self.depths[0]])))
