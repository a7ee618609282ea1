"""One sample: as it was read, as its rows say it again, and as methods with views see it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..augment.views import multicrop
from ..data.feeding.loader import PairTokenizer, collate
from ..data.feeding.prepare import fitted, reduced
from ..data.source import Source
from ..data.sources.either import Either
from ..data.sources.listed import ListSource
from ..data.sources.pair import PairSource
from ..errors import Unreadable
from ..forms import Sample
from ..recipe import Data
from ..step import Step
from ..tokens import Tokenizer, split
from .drawing import KEPT, READ, scale_of
from .facts import facts
from .page import said
from .parts import decoded

VIEWS = multicrop(big=1, small=1)
TITLES = {
    "big": f"a large part ({VIEWS.big_scale[0]:.0%} to {VIEWS.big_scale[1]:.0%})",
    "small": f"a small part ({VIEWS.small_scale[0]:.0%} to {VIEWS.small_scale[1]:.0%})",
}


@dataclass(frozen=True)
class Shown:
    """A sample that was looked at. parts: {part: (as read, as fitted)}, one named "" where samples have no parts; wrong: why
    parts, or all of it, are left out."""

    index: int
    name: str
    parts: dict[str, tuple[Sample, Sample]]
    wrong: list[str]


def shown(source: Source, tokenizer: Tokenizer | PairTokenizer, index: int) -> Shown:
    """Read one sample, and bring it into its tokenizer's form as a run does."""
    name = source.name(index)
    try:
        if not isinstance(tokenizer, PairTokenizer):
            read = source[index]
            return Shown(
                index, name, {"": (read, fitted(source, reduced(source, tokenizer.area), tokenizer, index))}, []
            )
        sample, missing = source.parts(index) if isinstance(source, PairSource) else (source[index], {})
    except Unreadable as error:
        return Shown(index, name, {}, [error.reason])
    parts, wrong = {}, [f"{part}: {reason}" for part, reason in missing.items()]
    for part, each in tokenizer.parts.items():
        if sample.get(part) is None:
            wrong += [] if part in missing or isinstance(source, Either) else [f"{part}: there is none"]
            continue
        try:
            parts[part] = sample[part], each.fitted(sample[part])
        except Unreadable as error:
            wrong.append(f"{part}: {error.reason}")
    return Shown(index, name, parts, wrong)


def views(some: Sequence[Shown], part: str, tokenizer: Tokenizer) -> dict[int, dict[str, Sample]]:
    """{number: {view: decoded}} of the samples that have this part, all cropped in one batch, as a step does."""
    there = [each for each in some if part in each.parts]
    if not there:
        return {}
    source = ListSource([each.parts[part][1] for each in there], tokenizer.kind)
    data = Data(source, {"x": tokenizer}, len(there)).with_views(VIEWS)
    batch = collate(data, np.arange(len(there)), Step(0, 1), 0)
    out: dict[int, dict[str, Sample]] = {each.index: {} for each in there}
    for view, tokens in batch.tokens.items():
        for place, one in zip(batch.index.tolist(), split(tokens, [1] * len(there)), strict=True):
            out[there[place].index][view] = decoded(tokenizer, one)
    return out


def drawn(one: Shown, part: str, tokenizer: Tokenizer, seen: dict[str, Sample]) -> str:
    """The figures of one part of a sample, and what it says of itself."""
    read, fit = one.parts[part]
    kind, name = tokenizer.kind, f"{one.name} {part}".strip()
    rows = tokenizer(fit)
    kept = decoded(tokenizer, rows)
    scale, of_rows = scale_of(kind, read), scale_of(kind, kept)
    figures = [("as read", READ[kind](read, scale, f"{name}, as read"))]
    figures.append((f"what its {len(rows):,} rows say", KEPT[kind](kept, of_rows, f"{name}, from its rows")))
    for view, made in seen.items():
        figures.append((TITLES[view], KEPT[kind](made, of_rows, f"{name}, {TITLES[view]}")))
    four = "".join(f"<figure><figcaption>{said(title)}</figcaption>{html}</figure>" for title, html in figures)
    return f"<div class=four>{four}</div>{facts(kind, read, fit)}"
