"""Texts, code, chains of residues and pages, drawn."""

import numpy as np

from ..forms import Sample
from .grids import Range, image
from .page import said, said_lines

LETTERS = 600
GROUP = 10  # residues
WORDS = 300
PAPER = 1000  # units across a page
TALL = 1.3  # of a page without a picture, its height by its width


def text(sample: Sample, scale: Range, alt: str) -> str:
    """Its beginning, lines and all."""
    return f"<pre class=wrap>{said_lines(sample[:LETTERS])}{_rest(sample)}</pre>"


def code(sample: Sample, scale: Range, alt: str) -> str:
    """Its beginning, lines as they are."""
    return f"<pre>{said_lines(sample[:LETTERS])}{_rest(sample)}</pre>"


def protein(sample: Sample, scale: Range, alt: str) -> str:
    """Its beginning, by tens."""
    groups = " ".join(sample[i : i + GROUP] for i in range(0, min(len(sample), LETTERS), GROUP))
    return f"<pre class=wrap>{said(groups)}{_rest(sample)}</pre>"


def page(sample: Sample, scale: Range, alt: str) -> str:
    """A page: its picture, and its words in their boxes."""
    pixels = sample.get("page")
    high = round(PAPER * (TALL if pixels is None else pixels.shape[1] / pixels.shape[2]))
    marks = []
    for word, box in list(zip(sample["words"], np.asarray(sample["boxes"], np.float64), strict=True))[:WORDS]:
        left, top, right, bottom = (box * (PAPER, high, PAPER, high)).tolist()
        wide, tall = max(right - left, 1.0), max(bottom - top, 1.0)
        size = min(tall, 1.7 * wide / max(1, len(word)))
        marks.append(
            f"<rect x={left:.0f} y={top:.0f} width={wide:.0f} height={tall:.0f} />"
            f"<text x={left:.0f} y={bottom - 0.2 * tall:.0f} font-size={size:.0f}>{said(word)}</text>"
        )
    more = len(sample["words"]) - WORDS
    note = f"<p class=note>and {more:,} more words</p>" if more > 0 else ""
    behind = "" if pixels is None else image(pixels, scale, f"{alt}, the page's picture")
    drawn = (
        f"<svg viewBox='0 0 {PAPER} {high}' role=img aria-label='{said(alt)}, words in boxes'>{''.join(marks)}</svg>"
    )
    return f"<div class=page>{behind}{drawn}</div>{note}"


def _rest(sample: str) -> str:
    more = len(sample) - LETTERS
    return f"<span class=note> … and {more:,} more characters</span>" if more > 0 else ""
