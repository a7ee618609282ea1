"""One page about a run, in one file: what it was, how it went, what it is worth. And the model card beside the weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from .checkpoint import write_text
from .data.source import Source
from .forms import Json
from .log import Log
from .picture import restored, sheet
from .recipe import Recipe
from .scoring.results import Judged, best, cell, chances, columns, figures, summary
from .showing.page import document, inline, svg

WIDTH, HEIGHT = 720, 200  # of a curve


@dataclass(frozen=True)
class _Story:
    """What a run's files say."""

    folder: Path
    plan: Json
    judged: Judged
    verdict: str
    steps: list[Json]
    probes: list[Json]
    bad: int


def write_report(folder: Path, recipe: Recipe, source: Source, judged: Judged, log: Log) -> None:
    """`report.html`, `README.md` and, where rows of pictures are restored, `restored.png` in a run's folder."""
    if len(recipe.data.tokenizers) == 1 and recipe.data.views is None:
        triples = restored(recipe.objective, recipe.data, np.unique(np.linspace(0, len(source) - 1, 10).astype(int)))
        if triples:
            sheet(triples, folder / "restored.png")
    plan = json.loads((folder / "run.json").read_text())["plan"]
    verdict = json.loads((folder / "health.json").read_text())["verdict"]
    bad = len((folder / "bad_files.jsonl").read_text().splitlines())
    story = _Story(folder, plan, judged, verdict, log.latest("step"), log.latest("probe"), bad)
    write_text(folder / "report.html", page(story))
    write_text(folder / "README.md", card(story))


def page(story: _Story) -> str:
    """The page, its pictures inside."""
    plan, title = story.plan, escape(story.folder.name)
    parts = [f"<h1>{title}</h1><p>{escape(plan['found'])}</p><p><b>{escape(story.verdict)}</b></p>"]
    if story.judged.results:
        parts.append(f"<h2>What it is worth</h2>{_table(story.judged)}")
    parts.append("<h2>How it went</h2>" + curve([(s["step"], s["loss"]) for s in story.steps], "loss by step"))
    seen = [(row["step"], figures(row)) for row in story.probes]
    for name in dict.fromkeys(name for _, marks in seen for name in marks):
        parts.append(curve([(step, marks[name].value) for step, marks in seen if name in marks], f"{name} by step"))
    parts.append(curve([(row["step"], row["rank"]) for row in story.probes], "effective rank by step"))
    picture = story.folder / "restored.png"
    if picture.exists():
        parts.append("<h2>Masked input, reconstruction, original</h2>")
        parts.append(
            "<p class=note>Where rows are restored up to their mean and spread, the true ones were put back.</p>"
        )
        parts.append(inline(picture.read_bytes(), "masked input, reconstruction, original"))
    why = "".join(f"<li>{escape(reason)}</li>" for reason in plan["why"])
    resolved = {
        k: plan[k] for k in ("recipe", "arguments", "model", "input", "optim", "steps", "optimizer") if k in plan
    }
    parts.append(f"<h2>What was done</h2><ul>{why}</ul><p class=note>{story.bad} unreadable files were left out.</p>")
    parts.append(f"<pre>{escape(json.dumps(resolved, indent=1))}</pre>")
    return document(story.folder.name, parts)


def _table(judged: Judged) -> str:
    results, chance = judged.results, chances(judged.results)
    names = columns(results)
    first = {name: best(results, name) for name in names}
    rows = [f"<tr><th></th>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr>"]
    for row, marks in results.items():
        top = {n for n in names if n in marks and marks[n] == first[n]}
        cells = (f"<td{' class=best' if n in top else ''}>{cell(marks, n)}</td>" for n in names)
        rows.append(f"<tr><td>{row}</td>{''.join(cells)}</tr>")
    if chance:
        guessed = (f"<td>{chance.get(n, '')}</td>" for n in names)
        rows.append(f"<tr><td>chance</td>{''.join(guessed)}</tr>")
    note = f"<p>{summary(results)}.</p><p class=note>{judged.said()}; read by {judged.read}.</p>"
    return f"<table>{''.join(rows)}</table>{note}"


def curve(points: Sequence[tuple[float, float]], label: str) -> str:
    """A line as SVG, its ends and extremes labelled; nothing where there is no line."""
    points = [(x, y) for x, y in points if np.isfinite(y)]
    if len(points) < 2:
        return ""
    x, y = np.array(points, float).T
    px = (x - x[0]) / max(x[-1] - x[0], 1e-9) * (WIDTH - 80) + 60
    py = HEIGHT - 30 - (y - y.min()) / max(float(np.ptp(y)), 1e-12) * (HEIGHT - 60)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
    words = [(60, 18, label), (4, 36, f"{y.max():.4g}"), (4, HEIGHT - 28, f"{y.min():.4g}")]
    words += [(60, HEIGHT - 8, f"{x[0]:.0f}"), (WIDTH - 60, HEIGHT - 8, f"{x[-1]:.0f}")]
    text = "".join(f"<text x={a} y={b} font-size=12>{escape(t)}</text>" for a, b, t in words)
    drawn = svg(WIDTH, HEIGHT, f"{text}<polyline points='{line}'/>", label)
    return f"<p>{drawn}</p>"


def card(story: _Story) -> str:
    """The model card."""
    plan, results = story.plan, story.judged.results
    left_out = f" ({story.bad} unreadable files left out)" if story.bad else ""
    lines = [f"# {story.folder.name}", ""]
    lines += [
        f"An encoder pre-trained by headstart with the recipe `{plan['recipe']}` on {plan['found']}{left_out}.",
        "",
    ]
    lines += [f"Verdict: {story.verdict}.", "", "```python", "import headstart as hs"]
    parts = list(plan["tokenizer"].get("parts", [""]))  # an encoder for each part of pairs
    lines += [f"encoder = hs.load({str(story.folder / parts[0])!r})", "z = encoder.embed(your_data)", "```", ""]
    if results:
        names = columns(results)
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [f"| {row} | " + " | ".join(cell(marks, n) for n in names) + " |" for row, marks in results.items()]
        chance = ", ".join(f"{name} {value}" for name, value in chances(results).items())
        lines += ["", f"{summary(results).capitalize()}. {story.judged.said()}. By chance: {chance or 'unknown'}."]
    else:
        lines.append("No labels were at hand, so nothing is known about its worth beyond the verdict.")
    return "\n".join([*lines, "", "Trained with:", "", *(f"- {reason}" for reason in plan["why"]), ""])
