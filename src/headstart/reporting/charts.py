"""Curves over training, with what is to be beaten drawn in."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..showing.page import said, short, svg

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 88, 24, 34, 30
INKS = ("green", "gold", "red")
STYLE = """.chart{margin:.8rem 0}.chart text{font-size:13px}@media(max-width:40rem){.chart text{font-size:21px}}
svg polyline{fill:none;stroke:var(--blue);stroke-width:2}svg line.axis{stroke:var(--line)}
svg line.bar{stroke-width:1.5;stroke-dasharray:6 4}text.name{font-weight:600}text.end{text-anchor:end}
line.b-green{stroke:var(--green)}line.b-gold{stroke:var(--gold)}line.b-red{stroke:var(--red)}
text.b-green{fill:var(--green)}text.b-gold{fill:var(--gold)}text.b-red{fill:var(--red)}"""


def curve(points: Sequence[tuple[float, float]], label: str, bars: Mapping[str, float] | None = None) -> str:
    """A line as SVG, its ends and extremes labelled; nothing where there is no line. bars: {name: height} of what it stands
    beside, as horizontal lines."""
    points = [(x, y) for x, y in points if np.isfinite(y)]
    if len(points) < 2:
        return ""
    beside = dict(bars or {})
    x, y = np.array(points, float).T
    low, high = (
        min(y.min(), *beside.values()) if beside else y.min(),
        max(y.max(), *beside.values()) if beside else y.max(),
    )
    across = (x - x[0]) / max(x[-1] - x[0], 1e-9) * (WIDTH - LEFT - RIGHT) + LEFT

    def tall(values: np.ndarray) -> np.ndarray:
        return HEIGHT - BOTTOM - (values - low) / max(float(high - low), 1e-12) * (HEIGHT - TOP - BOTTOM)

    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, tall(y), strict=True))
    words = [(LEFT, 18, "name", label), (6, TOP + 4, "", short(high)), (6, HEIGHT - BOTTOM + 4, "", short(low))]
    words += [(LEFT, HEIGHT - 8, "", f"step {x[0]:.0f}"), (WIDTH - RIGHT, HEIGHT - 8, "end", f"{x[-1]:.0f}")]
    text = "".join(f"<text class='{css}' x={a} y={b:.0f}>{said(t)}</text>" for a, b, css, t in words)
    axis = f"<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} />"
    drawn = svg(
        WIDTH,
        HEIGHT,
        f"{axis}{_bars(beside, tall(np.array(list(beside.values()))))}{text}<polyline points='{line}'/>",
        label,
    )
    return f"<p class=chart>{drawn}</p>"


def _bars(beside: Mapping[str, float], heights: np.ndarray) -> str:
    out = []
    for i, ((name, value), y) in enumerate(zip(beside.items(), heights.tolist(), strict=True)):
        ink = INKS[i % len(INKS)]
        at = y - 5 if y > TOP + 16 else y + 15
        out.append(
            f"<line class='bar b-{ink}' x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />"
            f"<text class=b-{ink} text-anchor=end x={WIDTH - RIGHT - 260 * i} y={at:.0f}>"
            f"{said(name)} {short(value)}</text>"
        )
    return "".join(out)
