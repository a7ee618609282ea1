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
Expected: hidden letters are told from the right picture by more than 15 points better than from another's, hidden patches with
less than 0.95 of the error, and whether both belong together rightly in more than 0.8: `python -m evidence run m3ae-medical`.
"""

from collections.abc import Callable
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


class from_depth(Term):
    """A term that is shown the rows after so many blocks instead of the encoder's output."""

    def __init__(self, inner: Term, depth: int) -> None:
        super().__init__()
        self.inner, self.depths = inner, (depth,)
        self.reads, self.hides = inner.reads, inner.hides

    def forward(self, scene: Scene) -> Tensor:
        return self.inner(self._before(scene))

    def predicted(self, scene: Scene) -> Tensor:
        """What the term says of the rows that it hides."""
        return self.inner.predicted(self._before(scene))

    def _before(self, scene: Scene) -> Scene:
        side = scene.student
        return replace(scene, student=replace(side, z=side.within[self.depths[0]]))


def half(depth: int) -> int:
    """After half of all blocks."""
    return max(1, depth // 2)


def end(depth: int) -> int:
    """After all blocks."""
    return depth


SMALL = {"depth": 1, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26
JOINT = (("lost", "told"), ("shown", "blanks"), ("whole", "other"))
IDEAS = {
    "parts are read together": {"together": ()},
    "more of the signal is hidden than of the text": {"ratio": 0.15},
    "the signal is asked for in the middle": {"after": end},
    "words are asked for": {"words": 0.0},
    "whether both belong together is asked": {"match": 0.0},
}


def m3ae_medical(
    data: Data,
    size: str | Model = "B",
    ratio: float = 0.75,
    word_ratio: float = 0.15,
    depth: int = 4,
    words: float = 1.0,
    match: float = 1.0,
    after: Callable[[int], int] = half,
    together: tuple[tuple[str, ...], ...] = JOINT,
) -> Recipe:
    """`ratio` of the signal's rows, asked for `after` so many blocks of all, and `word_ratio` of the text's are hidden; of two
    signals or two texts the first is the signal. words, match: how much these count."""
    a, b = sorted(data.pair, key=lambda part: not data.tokenizers[part].signal)
    enc, (one, two) = encoder(data.tokenizers, size, specials=1), (data.tokenizers[part] for part in (a, b))
    lost, masks = corrupt(random, ratio, fill=drop), corrupt(random, word_ratio, fill=mask_token)
    views = {"lost": (a, lost), "told": (b, clean), "shown": (a, clean), "blanks": (b, masks)}
    views |= {"whole": (a, clean), "other": (b, mismatched)}
    restore = masked(decoder(enc.width, one.dim, depth), normalised if one.signal else raw, mse, view="lost")
    tell = masked(at_hidden(Linear(enc.width, two.dim)), raw, mse, view="blanks")
    belongs = classify(Linear(enc.width, 2), view="other", read=first)
    terms = {"pixels": from_depth(restore, after(enc.shape.depth)), "words": tell, "match": belongs}
    task = Objective(enc, views, terms, weights={"words": words, "match": match}, together=together)
    return Recipe(task, data.whole(), AdamW(lr=warmup_cosine(1e-4), weight_decay=0.01), steps=data.epochs(100))
