"""The sections of a report that look at samples: what they are, what is made of them, who is near whom, and a map."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..analyses.mapping import LEAST, clusters, mapped
from ..analyses.neighbours import directions, nearest
from ..data.source import Source
from ..picture import restored_rows
from ..recipe import Recipe
from ..scoring.features import encode
from ..showing.figures import Figures, wide
from ..showing.page import inline, said, short, table
from ..showing.pages import labels
from ..showing.restoration import drawable
from ..showing.scatter import by_group, by_label, scatter
from .story import Story

SAMPLES, RESTORED = 8, 4  # that are drawn
SOME = 400  # samples that neighbours are looked for among, and that stand on the map
QUERIES, BESIDE = 4, 5  # samples whose neighbours are drawn, and how many of each
ROOM = 2_000_000  # bytes of drawings
PICTURES = ("image", "multispectral", "video", "volume", "field")  # whose restored.png says it best
LISTED = 12  # names that are listed
FACTS = {
    "channels": "channels",
    "names": "their names",
    "rates": "samples a second",
    "sides": "height × width",
    "values": "nearly all values",
}
Section = tuple[str, str, str]  # anchor, title, HTML


def seen(story: Story, recipe: Recipe | None, source: Source | None) -> Section:
    """What the data is: facts of the card, labels, and samples spread over it."""
    rows = [
        [said(words), said(_listed(name, story.seen[name]))] for name, words in FACTS.items() if story.seen.get(name)
    ]
    parts = [f"<p>{said(story.plan['found'])}</p>", table(rows) if rows else ""]
    if recipe is not None and source is not None:
        tokenizers = recipe.data.tokenizers
        kinds = {part: t.kind for part, t in tokenizers.items()} if len(tokenizers) > 1 else None
        figures = Figures(kinds, ROOM)
        at = _spread(source, SAMPLES)
        drawn = "".join(figures.figure(source, i) for i in at)
        parts.append(
            f"<p class=note>{len(at)} of {len(source):,} samples that were learnt from, as they were read.</p>"
        )
        parts.append(f"<div class='some{wide(source)}'>{drawn}</div>{labels(source)}")
    return "data", "The data", "".join(parts)


def restored(story: Story, recipe: Recipe | None, source: Source | None) -> Section:
    """What was hidden and what the method made of it; of pictures as in restored.png."""
    return "restored", "Hidden and restored", _restored(story, recipe, source)


def _restored(story: Story, recipe: Recipe | None, source: Source | None) -> str:
    sheet, kind = story.folder / "restored.png", str(story.plan["tokenizer"]["kind"])
    note = "<p class=note>Where rows are restored up to their mean and spread, the true ones were put back.</p>"
    if sheet.exists() and (kind in PICTURES or recipe is None):
        drawn = inline(sheet.read_bytes(), "masked input, reconstruction, original")
        return f"<p>Masked input, reconstruction, original, from above:</p>{drawn}{note}"
    if recipe is None or source is None:
        return ""
    if len(recipe.data.tokenizers) > 1 or recipe.data.views is not None:
        return f"<p class=note>The method {said(story.plan['recipe'])} compares views or parts; there is nothing to draw.</p>"
    rows = restored_rows(recipe.objective, recipe.data, np.array(_spread(source, RESTORED)))
    if rows is None:
        return f"<p class=note>The method {said(story.plan['recipe'])} does not restore what it hides.</p>"
    return drawable(recipe.data.only, rows) + (note if recipe.data.signal else "")


def compared(story: Story, recipe: Recipe | None, source: Source | None) -> Iterator[Section]:
    """Neighbours of a few samples, and a map, both of some of the samples that were learnt from."""
    if recipe is None or source is None:
        return
    if len(recipe.data.tokenizers) > 1:
        command = f"headstart map {story.folder / story.parts[0]} DATA"
        note = f"<p class=note>Each part has an encoder of its own: {said(command)} draws a map of one.</p>"
        yield "neighbours", "Neighbours and map", note
        return
    at = np.array(_spread(source, SOME))
    if len(at) < LEAST:
        return
    z = encode(recipe.objective.encoder, recipe.data.only, source, at, (story.read,))[story.read]
    among = f"{len(at):,} of {len(source):,} samples that were learnt from"
    some = np.linspace(0, len(at) - 1, QUERIES).round().astype(int)
    bank, query = directions(z, z[some])
    near, figures = nearest(bank, query, BESIDE, some), Figures(room=ROOM)
    rows = [
        figures.near((source, int(at[i])), source, at[near.index[j]].tolist(), near.similarity[j].tolist())
        for j, i in enumerate(some.tolist())
    ]
    note = f"<p class=note>The nearest among {among}, by cosine similarity of their vectors.</p>"
    yield "neighbours", "Who is near whom", note + "".join(rows)
    made, colours = mapped(z), by_label(source, at)
    by = "coloured by label, which neither the encoder nor the map was told"
    if colours is None:
        groups = clusters(z)
        colours, by = by_group(groups), f"coloured by {int(groups.max()) + 1} clusters, which are no classes"
    note = f"<p class=note>{said(f'{among}, {by}. {made.said()}.')}</p>"
    yield "map", "A map", note + scatter(made.at, source, at, colours)


def _spread(source: Source, count: int) -> list[int]:
    """Numbers of samples, evenly over a source."""
    at: list[int] = np.unique(np.linspace(0, len(source) - 1, count).round().astype(int)).tolist()
    return at


def _listed(name: str, value: Sequence[object]) -> str:
    """A fact of the card: numbers or names that occur, or the ends of what does."""
    if name == "sides":
        return " × ".join(_ends(each) for each in value if isinstance(each, list))
    if name in ("rates", "values"):
        return _ends(value)
    more = f" and {len(value) - LISTED:,} more" if len(value) > LISTED else ""
    return ", ".join(map(short, value[:LISTED])) + more


def _ends(value: Sequence[object]) -> str:
    return short(value[0]) if value[0] == value[-1] else f"{short(value[0])} to {short(value[-1])}"
