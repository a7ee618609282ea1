"""One page about a run, in one file: what it was, how it went, what it is worth. And the model card beside the weights."""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .log import Log
from .picture import restored, sheet
from .recipe import Recipe

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .9rem;border-bottom:1px solid #d8dee4;text-align:right}
td:first-child,th:first-child{text-align:left}.best{font-weight:600}svg{background:#f6f8fa;border-radius:6px}
img{image-rendering:pixelated;max-width:100%}code,pre{background:#f6f8fa;padding:.1rem .3rem;border-radius:4px}.note{color:#59636e}"""


def write_report(folder: Path, recipe: Recipe, source: Any, log: Log) -> None:
    """`report.html`, `README.md` and, where rows are restored, `restored.png` in a run's folder."""
    picture = folder / "restored.png"
    if recipe.data.only.kind == "image" and recipe.data.views is None:
        at = np.unique(np.linspace(0, len(source) - 1, 10).astype(int))
        triples = restored(recipe.objective, recipe.data, at)
        if triples:
            sheet(triples, picture)
    plan = json.loads((folder / "run.json").read_text())["plan"]
    scores = json.loads((folder / "probe.json").read_text())
    verdict = json.loads((folder / "health.json").read_text())["verdict"]
    steps, probes = list(log.rows("step")), list(log.rows("probe"))
    bad = sum(1 for _ in (folder / "bad_files.jsonl").open())
    (folder / "report.html").write_text(page(folder.name, plan, scores, verdict, steps, probes, bad, picture))
    (folder / "README.md").write_text(card(folder, plan, scores, verdict, bad))


def page(
    title: str, plan: dict[str, Any], scores: dict[str, Any], verdict: str, steps: Sequence[dict[str, Any]],
    probes: Sequence[dict[str, Any]], bad: int, picture: Path,
) -> str:  # fmt: skip
    say = html.escape
    parts = [f"<h1>{say(title)}</h1><p>{say(plan['found'])}</p><p><b>{say(verdict)}</b></p>"]
    if scores["table"]:
        columns = [c for c in next(iter(scores["table"].values())) if not c.endswith("-std")]
        best = {c: max(row[c] for row in scores["table"].values()) for c in columns}
        rows = "".join(
            f"<tr><td>{say(name)}</td>"
            + "".join(f"<td{' class=best' if row[c] == best[c] else ''}>{_cell(row, c)}</td>" for c in columns)
            + "</tr>"
            for name, row in scores["table"].items()
        )
        parts.append(
            f"<h2>What it is worth</h2><table><tr><th></th>{''.join(f'<th>{c}</th>' for c in columns)}</tr>{rows}</table>"
        )
        parts.append(f"<p class=note>Accuracy on {scores['query']:,} samples held out of training; {scores['bank']:,} labelled samples to "
                     f"learn from; chance {scores['chance']:.3f}; protocol {scores['protocol']}; read by {scores['read']}.</p>")  # fmt: skip
    parts.append("<h2>How it went</h2>" + curve([(s["step"], s["loss"]) for s in steps], "loss by step"))
    for key, label in (("knn", "quick kNN accuracy by step"), ("rank", "effective rank by step")):
        points = [(p["step"], p[key]) for p in probes if key in p]
        if len(points) > 1:
            parts.append(curve(points, label))
    if picture.exists():
        data = base64.b64encode(picture.read_bytes()).decode()
        parts.append(
            f"<h2>Masked input, reconstruction, original</h2><img alt='masked input, reconstruction and original' src='data:image/png;base64,{data}'>"
        )
    why = "".join(f"<li>{say(reason)}</li>" for reason in plan["why"])
    parts.append(f"<h2>What was done</h2><ul>{why}</ul><p class=note>{bad} unreadable files were left out.</p>")
    parts.append(
        f"<pre>{say(json.dumps({k: plan[k] for k in ('recipe', 'arguments', 'model', 'input', 'optim', 'steps')}, indent=1))}</pre>"
    )
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{say(title)}</title><style>{STYLE}</style>{''.join(parts)}</html>"


def curve(points: Sequence[tuple[float, float]], label: str, width: int = 720, height: int = 200) -> str:
    """A line as SVG, its ends and extremes labelled."""
    points = [(x, y) for x, y in points if np.isfinite(y)]
    if len(points) < 2:
        return ""
    x, y = np.array(points, float).T
    low, high = float(y.min()), float(y.max())
    left, px = 60, (x - x[0]) / max(x[-1] - x[0], 1e-9) * (width - 80) + 60
    py = height - 30 - (y - low) / max(high - low, 1e-12) * (height - 60)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
    words = [
        (left, 18, label),
        (4, 36, f"{high:.4g}"),
        (4, height - 28, f"{low:.4g}"),
        (left, height - 8, f"{x[0]:.0f}"),
        (width - 60, height - 8, f"{x[-1]:.0f}"),
    ]
    text = "".join(f"<text x={a} y={b} font-size=12 fill='#59636e'>{html.escape(t)}</text>" for a, b, t in words)
    return f"<p><svg viewBox='0 0 {width} {height}' width={width}>{text}<polyline fill=none stroke='#0969da' stroke-width=1.5 points='{line}'/></svg></p>"


def _cell(row: dict[str, float], column: str) -> str:
    spread = row.get(column + "-std")
    return f"{row[column]:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")


def card(folder: Path, plan: dict[str, Any], scores: dict[str, Any], verdict: str, bad: int) -> str:
    """The model card."""
    lines = [
        f"# {folder.name}", "",
        f"An encoder pre-trained by headstart with the recipe `{plan['recipe']}` on: {plan['found']}"
        + (f" ({bad} unreadable files left out)" if bad else "") + ".", "",
        f"Verdict: {verdict}.", "",
        "```python", "import headstart as hs", f"encoder = hs.load({str(folder)!r})", "z = encoder.embed(your_data)", "```", "",
    ]  # fmt: skip
    if scores["table"]:
        columns = [c for c in next(iter(scores["table"].values())) if not c.endswith("-std")]
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {name} | " + " | ".join(_cell(row, c) for c in columns) + " |" for name, row in scores["table"].items()
        ]
        lines += [
            "",
            f"Accuracy on {scores['query']:,} held-out samples, chance {scores['chance']:.3f}, probe protocol {scores['protocol']}.",
        ]
    else:
        lines.append("No labels were at hand, so nothing is known about its worth beyond the verdict.")
    return "\n".join([*lines, "", "Trained with:", "", *(f"- {reason}" for reason in plan["why"]), ""])
