"""Rows of tables, records of events and flows of packets, drawn."""

import numpy as np

from ..forms import Sample
from .grids import Range
from .page import said, short, svg, table
from .parts import UNKNOWN

CELLS, LONG = 24, 60  # cells of a row; letters of a cell
FIRST = 6  # events and packets that are written out
MARKS = 400  # that are drawn
CODES = 8
HEX = 12  # bytes
WAYS = {0: ("out", "blue"), 1: ("back", "red"), UNKNOWN: ("unknown", "gold")}


def row(sample: Sample, scale: Range, alt: str) -> str:
    """The cells of a row, by name."""
    cells = [[said(_cut(name)), _cell(value)] for name, value in list(sample.items())[:CELLS]]
    more = len(sample) - CELLS
    return table(cells) + (f"<p class=note>and {more:,} more cells</p>" if more > 0 else "")


def events(sample: Sample, scale: Range, alt: str) -> str:
    """When the commonest codes occur, and the first events."""
    codes, time = list(map(str, sample["code"])), np.asarray(sample["time"], np.float64)
    value = np.full(len(codes), np.nan) if sample.get("value") is None else np.asarray(sample["value"], np.float64)
    names, count = np.unique(np.array(codes, object).astype(str), return_counts=True)
    common = [str(names[i]) for i in np.argsort(-count, kind="stable")[:CODES]]
    lane = {name: i for i, name in enumerate(common)}
    x = 60 + (time - time.min()) / max(float(np.ptp(time)), 1e-12) * 220
    lines = "".join(
        f"<text x=2 y={14 + 14 * i} font-size=9>{said(_cut(name, 10))}</text>"
        f"<line x1=60 x2=290 y1={11 + 14 * i} y2={11 + 14 * i} />"
        for name, i in lane.items()
    )
    dots = "".join(
        f"<circle class=f-{'blue' if v != v else 'red'} cx={a:.1f} cy={11 + 14 * lane[c]} r=2.5 />"
        for a, c, v in zip(x.tolist()[:MARKS], codes, value.tolist(), strict=False)
        if c in lane
    )
    drawn = svg(300, 8 + 14 * len(common), lines + dots, f"{alt}, events by code over time")
    some = [
        [said(short(t)), said(_cut(c)), _cell(None if v != v else v)]
        for t, c, v in zip(time, codes, value, strict=True)
    ]
    more = len(codes) - FIRST
    note = f"<p class=note>and {more:,} more events</p>" if more > 0 else ""
    return drawn + table(some[:FIRST], ["day", "code", "value"]) + note


def packets(sample: Sample, scale: Range, alt: str) -> str:
    """Sizes of packets, those of one side up and of the other down, and how the first begin."""
    content, back = [bytes(b) for b in sample["bytes"]], np.asarray(sample["direction"])
    time = np.asarray(sample["time"], np.float64)
    n = min(len(content), MARKS)
    wide = 300 / max(n, 1)
    size = [58 * min(1.0, np.log1p(len(b)) / np.log1p(1500)) + 1 for b in content[:n]]
    bars = "".join(
        f"<rect class=f-{WAYS[int(back[i])][1]} x={i * wide:.1f} y={60 if back[i] == 1 else 60 - size[i]:.1f} "
        f"width={0.8 * wide:.1f} height={size[i]:.1f} />"
        for i in range(n)
    )
    drawn = svg(300, 120, f"<line x1=0 x2=300 y1=60 y2=60 />{bars}", f"{alt}, {len(content)} packets by size")
    some = [
        [said(short(t)), WAYS[int(d)][0], said(f"{len(b):,}"), f"<code>{b[:HEX].hex(' ')}</code>"]
        for t, d, b in list(zip(time, back, content, strict=True))[:FIRST]
    ]
    more = len(content) - FIRST
    note = f"<p class=note>and {more:,} more packets</p>" if more > 0 else ""
    return drawn + table(some, ["second", "way", "bytes", "first of them"]) + note


def _cell(value: Sample) -> str:
    missing = value is None or (isinstance(value, float | np.floating) and value != value)
    return "<i class=note>missing</i>" if missing else said(_cut(short(value)))


def _cut(text: object, most: int = LONG) -> str:
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"
