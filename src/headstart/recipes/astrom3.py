"""AstroM3: three and more views of the same thing meet pair by pair in one space (Rizhko and Bloom, "AstroM^3: A
self-supervised multimodal model for astronomy", 2024).

Hides: nothing.
Predicts: for every pair of parts, which sample of the batch the other part belongs to, both ways.
Use when: samples have two or more parts of different kinds (a light curve, a spectrum, a catalogue row) and many lack some: a
pair is learnt from the samples that have both. Not when: no two parts tell of the same thing.
Mechanism: CLIP's loss for every pair of parts, each pair with its own learned temperature.
Differs from the paper in: all encoders are transformers of one size, read at their mean (paper: Informer, convolutions, an MLP);
any number of parts, any of them missing (paper: three, all there); AdamW under warm-up and cosine (release: a plateau schedule,
learning rate 3.9e-3). The sum over directions and pairs has no 1/2, as in the release.
Command: headstart pretrain stars/ recipe=astrom3   (files of equal names, a table with paths, or a tar)
Expected: every part is drawn to each other part of its sample, also where a third is missing, under a temperature of the pair's
own; of tumours measured in three ways each of six directed retrievals is above 10 times chance; `python -m evidence run astrom3`.
"""

from collections.abc import Callable, Collection
from itertools import combinations

from torch import Tensor, nn

from ..corrupt import clean
from ..errors import Mistake
from ..losses import InfoNCE, cosine_error
from ..nn.encoder import Model, encoder
from ..nn.heads import mean
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms import contrast

SMALL = {"width": 128, "optim.lr": 2e-3, "data.batch": 128}

Pairs = list[tuple[str, str]]


def every_two(parts: Collection[str]) -> Pairs:
    """Each part meets all others."""
    return list(combinations(parts, 2))


def with_the_first(parts: Collection[str]) -> Pairs:
    """Each part meets the first one alone."""
    return [(a, b) for a, b in combinations(parts, 2) if a == next(iter(parts))]


def own_temperature(pairs: Pairs) -> list[nn.Module]:
    """A loss for each pair, which learns how sharp it is."""
    return [InfoNCE(temperature=1 / 100) for _ in pairs]


def one_temperature(pairs: Pairs) -> list[nn.Module]:
    """One loss for all pairs."""
    return [InfoNCE(temperature=1 / 100)] * len(pairs)


def no_others(pairs: Pairs) -> list[nn.Module]:
    """Two parts of a sample are to lie together, wherever those of the other samples are."""
    return [together() for _ in pairs]


class together(nn.Module):
    """How far two parts of a sample are from each other."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cosine_error(a, b).sum() / max(1, len(a))


def any_parts(data: Data) -> Data:
    """Samples that lack parts count for those that they have."""
    return data


IDEAS = {
    "every two parts meet": {"meet": with_the_first},
    "a temperature of each pair's own": {"losses": one_temperature},
    "told from the other samples": {"losses": no_others},
    "samples that lack a part are learnt from": {"samples": Data.whole},
}
ONE = "astrom3 matches the parts of a sample, and these have one: give samples of several parts, or take dino"


def astrom3(
    data: Data,
    size: str | Model = "S",
    width: int = 512,
    meet: Callable[[Collection[str]], Pairs] = every_two,
    losses: Callable[[Pairs], list[nn.Module]] = own_temperature,
    samples: Callable[[Data], Data] = any_parts,
) -> Recipe:
    """All parts meet in a space of `width` dimensions, pair by pair."""
    if len(data.tokenizers) < 2:
        raise Mistake(ONE)
    data, pairs = samples(data), meet(data.tokenizers)
    encs = {part: encoder({part: tokenizer}, size) for part, tokenizer in data.tokenizers.items()}
    heads = {part: Linear(enc.width, width) for part, enc in encs.items()}
    terms = {
        f"{a} {b}": contrast((a, b), read=mean, head={a: heads[a], b: heads[b]}, loss=loss)
        for (a, b), loss in zip(pairs, losses(pairs), strict=True)
    }
    both = dict.fromkeys(terms, 2.0)  # InfoNCE is the mean of both directions; here they are summed
    task = Objective(encs, dict.fromkeys(encs, clean), terms, weights=both)
    optim = AdamW(lr=warmup_cosine(1e-3), weight_decay=4.7e-3, betas=(0.926, 0.999), clip=45.0)
    return Recipe(task, data, optim, steps=data.epochs(100))
