"""A comparison on one page: the verdict, the table, and a line for each way over the number of labels."""

from html import escape

import numpy as np

from ..showing.page import document, svg
from .told import Cell, Compared
from .ways import TUNED

WIDTH, HEIGHT, LEFT, FOOT = 760, 380, 54, 40
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#9a6700", "#bf3989", "#57606a", "#0a7ea4")
STYLE = "svg .axis{stroke:var(--line);stroke-width:1}.key{display:inline-block;margin-right:1rem;white-space:nowrap}"
STYLE += ".compared{overflow-x:auto}.compared td:not(:first-child),.compared th{white-space:nowrap}"


def page(title: str, compared: Compared) -> str:
    """The page, self-contained."""
    return document(title, [f"<h1>{escape(title)}</h1>", section(compared)], STYLE)


def section(compared: Compared) -> str:
    """Verdict, chart and table, as part of a page."""
    parts = [f"<p><b>{escape(compared.verdict)}.</b></p><p class=note>{escape(compared.judged)}.</p>"]
    parts += [chart(compared), table(compared)]
    return "".join([*parts, *(f"<p class=note>{escape(note)}</p>" for note in compared.notes)])


def table(compared: Compared) -> str:
    """A row for each way; the best of each column is bold."""
    counts = compared.counts
    best = {n: max(compared.at(n), key=lambda c: c.figure.value) for n in counts}
    head = "".join(f"<th>{n:,} labels</th>" for n in counts)
    rows = [f"<tr><th></th>{head}<th>seconds</th></tr>"]
    for (how, way), cells in _rows(compared).items():
        of = {c.labels: c for c in cells}
        each = (
            f"<td{' class=best' if best[n] is of.get(n) else ''}>"
            + (f"{of[n].figure.value:.3f} ± {of[n].figure.half:.3f}" if n in of else "")
            + "</td>"
            for n in counts
        )
        rows.append(
            f"<tr><td>{escape(f'{way}, {how}')}</td>{''.join(each)}<td>{sum(c.seconds for c in cells):.0f}</td></tr>"
        )
    return f"<div class='scroll compared'><table>{''.join(rows)}</table></div>"


def chart(compared: Compared) -> str:
    """Lines with their intervals; fine-tuned ones are drawn through, frozen ones dashed. Of one number of labels: points."""
    counts = compared.counts
    values = np.array([[c.figure.value - c.figure.half, c.figure.value + c.figure.half] for c in compared.cells])
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-6)

    def x(labels: int, shift: float = 0.0) -> float:
        part = 0.5 if len(counts) == 1 else np.log(labels / counts[0]) / np.log(counts[-1] / counts[0])
        return LEFT + 30 + float(part) * (WIDTH - LEFT - 80) + shift

    def y(value: float) -> float:
        return HEIGHT - FOOT - (value - low) / span * (HEIGHT - FOOT - 16)

    drawn, keys = [], []
    for tick in np.linspace(low, high, 5):
        drawn.append(f"<line class=axis x1={LEFT} x2={WIDTH - 10} y1={y(tick):.1f} y2={y(tick):.1f} />")
        drawn.append(f"<text x=4 y={y(tick) + 4:.1f} font-size=12>{tick:.3f}</text>")
    for n in counts:
        drawn.append(f"<text x={x(n):.1f} y={HEIGHT - 14} font-size=12 text-anchor=middle>{n:,} labels</text>")
    for number, ((how, way), cells) in enumerate(_rows(compared).items()):
        colour, dash = COLOURS[number % len(COLOURS)], "" if how == TUNED else " stroke-dasharray='5 4'"
        shift = 3.0 * (number - len(_rows(compared)) / 2)
        points = [(x(c.labels, shift), y(c.figure.value), c.figure.half / span * (HEIGHT - FOOT - 16)) for c in cells]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b, _ in points)
        drawn.append(f"<polyline points='{line}' style='stroke:{colour}'{dash} />")
        for a, b, half in points:
            drawn.append(f"<line x1={a:.1f} x2={a:.1f} y1={b - half:.1f} y2={b + half:.1f} stroke='{colour}' />")
            drawn.append(f"<circle cx={a:.1f} cy={b:.1f} r=3.5 fill='{colour}' />")
        keys.append(
            f"<span class=key><span style='color:{colour}'>{'━━' if how == TUNED else '╌╌'}</span> {escape(way)}, {how}</span>"
        )
    picture = svg(WIDTH, HEIGHT, "".join(drawn), f"{compared.measure} by number of labels")
    return f"<p>{picture}</p><p>{''.join(keys)}</p>"


def _rows(compared: Compared) -> dict[tuple[str, str], list[Cell]]:
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in compared.cells:
        found.setdefault((cell.how, cell.way), []).append(cell)
    return {key: sorted(cells, key=lambda c: c.labels) for key, cells in found.items()}
