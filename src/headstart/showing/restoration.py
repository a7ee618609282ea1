"""What a masked objective was shown, what it made of it, and what was there, drawn as the kind is drawn."""

from collections.abc import Sequence

from ..errors import Unreadable
from ..picture import Restored
from ..tokens import Tokenizer, Tokens, content, layout, rows_where, select
from .drawing import KEPT, scale_of
from .grids import Range
from .page import said, said_lines, short, table
from .parts import decoded

SIGNALS = ("image", "multispectral", "video", "volume", "field", "audio")  # hidden rows are grey
CURVES = ("series", "trajectory")  # have gaps
WORDS = ("text", "code", "protein")
FIRST = 400  # rows of a text that are shown
TITLES = ("shown", "restored", "original")


def restoration(tokenizer: Tokenizer, each: Sequence[Restored]) -> str:
    """A section's figures."""
    kind = tokenizer.kind
    if kind in WORDS:
        return "".join(_words(tokenizer, one) for one in each)
    if kind == "table":
        return "".join(_cells(tokenizer, one) for one in each)
    return "".join(_figures(tokenizer, one) for one in each)


def _figures(tokenizer: Tokenizer, one: Restored) -> str:
    """Three drawings. What was hidden is grey in signals, a gap in curves, and missing from all others: atoms, points, notes."""
    kind = tokenizer.kind
    scale = scale_of(kind, decoded(tokenizer, one.clean))
    figures = []
    for title, tokens in zip(TITLES, (_left(kind, one), one.made, one.clean), strict=True):
        figures.append(f"<figure>{_drawn(tokenizer, tokens, scale, title)}<figcaption>{title}</figcaption></figure>")
    return f"<div class=three>{''.join(figures)}</div>"


def _left(kind: str, one: Restored) -> Tokens:
    """What was to be seen."""
    if kind in CURVES and one.clean.values.is_floating_point():
        return one.shown(float("nan"))
    if kind in SIGNALS:
        return one.shown(0.0)
    kept = rows_where(~one.hidden, (int((~one.hidden).sum()),))
    return select(one.clean, kept)


def _drawn(tokenizer: Tokenizer, tokens: Tokens, scale: Range, title: str) -> str:
    if not len(content(tokens)):
        return "<p class=note>nothing: all rows were hidden</p>"
    try:
        sample = decoded(tokenizer, tokens)
    except Unreadable as error:
        return f"<p class=note>cannot be drawn: {said(error.reason)}</p>"
    return KEPT[tokenizer.kind](sample, scale, title)


def _words(tokenizer: Tokenizer, one: Restored) -> str:
    """The text with what was hidden marked, and below it the same as the objective says it."""
    clean, made, hidden = content(one.clean), content(one.made), _of_content(one)
    lines = []
    for title, rows in (("original, hidden parts marked", clean), ("restored", made)):
        marked = []
        for i in range(min(len(rows), FIRST)):
            piece = said_lines(_piece(tokenizer, rows, i))
            right = bool((clean.values[i] == made.values[i]).all())
            wrong = "" if right or rows is clean else " class=miss"
            marked.append(f"<mark{wrong}>{piece}</mark>" if hidden[i] else piece)
        lines.append(f"<figcaption>{title}</figcaption><pre class=wrap>{''.join(marked)}</pre>")
    same = (clean.values == made.values).view(len(clean), -1).all(1)
    count = int(sum(hidden))
    known = sum(bool(s) for s, h in zip(same.tolist(), hidden, strict=True) if h)
    return f"<figure class=text>{''.join(lines)}<p class=note>{known} of {count} hidden rows are right</p></figure>"


def _piece(tokenizer: Tokenizer, rows: Tokens, i: int) -> str:
    text = str(tokenizer.decode(_one(rows, i)))
    return text.lstrip() or " " if tokenizer.kind == "code" else text


def _cells(tokenizer: Tokenizer, one: Restored) -> str:
    """The cells that were hidden: what was there, and what was said."""
    clean, made, hidden = content(one.clean), content(one.made), _of_content(one)
    rows: list[list[str]] = []
    for i in range(len(clean)):
        if hidden[i] and len(rows) < 12:
            there, says = (tokenizer.decode(_one(x, i)) for x in (clean, made))
            rows += [
                [said(name), said(short(cell)), said(short(says[name]) if says.get(name) is not None else "missing")]
                for name, cell in there.items()
            ]
    note = f"{sum(hidden)} of {len(clean)} cells were hidden"
    return f"<figure>{table(rows, ['hidden', 'was', 'restored'])}<p class=note>{note}</p></figure>"


def _of_content(one: Restored) -> list[bool]:
    """Which rows with data were hidden."""
    marks: list[bool] = content(one.clean.with_values(one.hidden)).values.tolist()
    return marks


def _one(rows: Tokens, i: int) -> Tokens:
    return Tokens(rows.values[i : i + 1], rows.coords[i : i + 1], layout((1,)), rows.name)


def drawable(tokenizer: Tokenizer, each: Sequence[Restored]) -> str:
    """As `restoration`, and a sentence where a tokenizer cannot say again what was made."""
    try:
        return restoration(tokenizer, each)
    except Unreadable as error:
        return f"<p class=note>What was restored cannot be drawn: {said(error.reason)}.</p>"
