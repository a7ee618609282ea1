"""A sample as one figure among others: its drawing, its name and what is said of it."""

from collections.abc import Mapping, Sequence

from ..checking.faults import label_of
from ..data.source import Source
from ..errors import Unreadable
from .drawing import READ, scale_of
from .page import said

BYTES = 4_500_000  # of a page, beyond which samples are named and no longer drawn


SMALL = ("image", "multispectral", "field", "points", "splats", "molecule", "graph")  # drawings that need no width
NEAR = """.near,.some{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,8rem),1fr));gap:.8rem}
.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr))}
.near figure:first-child{border-right:2px solid var(--blue);padding-right:.6rem}.near figcaption{margin:.2rem 0 0}"""


class Figures:
    """Figures of samples of one page, each drawn from what is read; once the page is large enough, they are only named.

    kinds: {part: its kind}, where samples are pairs.
    """

    def __init__(self, kinds: Mapping[str, str] | None = None, room: int = BYTES) -> None:
        self.kinds, self.room = dict(kinds or {}), room

    def figure(self, source: Source, index: int, words: Sequence[str] = ()) -> str:
        """One sample. words: what is said of it beside its name and label."""
        label = label_of(source, index)
        notes = [*words, *([label] if label != "no label" else [])]
        more = f"<br>{said(', '.join(notes))}" if notes else ""
        name = said(source.name(index))
        return f"<figure>{self.drawing(source, index)}<figcaption>{name}{more}</figcaption></figure>"

    def drawing(self, source: Source, index: int) -> str:
        """The drawing alone: of a sample of pairs, of the parts that there are."""
        if self.room <= 0:
            return "<p class=note>not drawn: the page is large enough</p>"
        try:
            sample = source[index]
        except Unreadable as error:
            return f"<p class=wrong>{said(error.reason)}</p>"
        parts = [(self.kinds[part], x) for part, x in sample.items() if x is not None] if self.kinds else []
        each = parts or [(source.kind, sample)]
        drawn = "".join(READ[kind](x, scale_of(kind, x), source.name(index)) for kind, x in each)
        self.room -= len(drawn)
        return drawn

    def near(
        self,
        query: tuple[Source, int],
        source: Source,
        index: Sequence[int],
        numbers: Sequence[float],
        words: Sequence[str] = (),
    ) -> str:
        """A section of a page: a sample, and samples after it, with a number for each. words: what is said of the first."""
        first = self.figure(*query, words)
        others = "".join(self.figure(source, i, [f"{s:.3f}"]) for i, s in zip(index, numbers, strict=True))
        return f"<section><div class='near{wide(source)}'>{first}{others}</div></section>"


def wide(source: Source) -> str:
    """What is added to the class of a grid whose figures need width."""
    return "" if source.kind in SMALL else " wide"
