"""The sections of a report that say what a run is worth, how it went and what it took."""

import json

from ..log import span
from ..probes import Figure
from ..scoring.results import best, cell, chances, columns, figures
from ..showing.page import said, short, table
from .charts import curve
from .looking import Section
from .story import Story

BAD = 20  # files that are listed
RAW = "raw input"


def worth(story: Story) -> Section:
    """The verdict in words, and the table of who was compared."""
    if not story.results:
        none = "No labels were at hand, so nothing is known about its worth beyond the verdict."
        return "worth", "What it is worth", f"<p>{none}</p>"
    results, chance = story.results, chances(story.results)
    names = columns(results)
    first = {name: best(results, name) for name in names}
    rows = [
        [said(row), *(_best(cell(marks, n), marks.get(n) == first[n]) for n in names)] for row, marks in results.items()
    ]
    if chance:
        rows.append(["chance", *(chance.get(n, "") for n in names)])
    words = f"<p>{said(story.worth)}.</p>" if story.worth else ""
    how = f"{story.judged}; read by {story.read}." if story.judged else f"Read by {story.read}."
    return "worth", "What it is worth", f"{words}{table(rows, ['', *map(said, names)])}<p class=note>{said(how)}</p>"


def _best(text: str, first: bool) -> str:
    return f"<b>{text}</b>" if first and text else text


def went(story: Story) -> Section:
    """Curves over training; where they can be compared, the raw input and the encoder before training stand beside them."""
    parts = [curve([(s["step"], s["loss"]) for s in story.steps], "loss")]
    quick = [(row["step"], figures(row)) for row in story.probes]
    for name in dict.fromkeys(name for _, marks in quick for name in marks):
        points = [(step, marks[name]) for step, marks in quick if name in marks]
        parts.append(curve([(step, f.value) for step, f in points], name, _beside(story, name, points[0])))
    parts.append(
        curve([(row["step"], row["rank"]) for row in story.probes], "effective rank (directions that vectors use)")
    )
    lines = "".join(parts)
    if not lines:
        return "went", "How it went", "<p class=note>Too few steps for a curve.</p>"
    note = "<p class=note>Dashed: the encoder before training, and the raw input where as many samples judged it.</p>"
    return "went", "How it went", f"{lines}{note if quick else ''}"


def _beside(story: Story, name: str, begun: tuple[int, Figure]) -> dict[str, float]:
    """{row: height} of the lines that a curve can be compared with."""
    bars = {"before training": begun[1].value} if begun[0] == 0 else {}
    raw = story.results.get(RAW, {}).get(name.removeprefix("quick "))
    if raw is not None and (raw.n, raw.labels) == (begun[1].n, begun[1].labels):
        bars[RAW] = raw.value
    return bars


def cost(story: Story) -> Section:
    """What training took, and every word that decided it."""
    plan, facts = story.plan, story.facts
    rows = [["steps", f"{plan['steps']:,}"], ["samples in a step", f"{plan['input']['batch']:,}"]]
    if story.seconds:
        rows.append(["training took", f"{span(story.seconds)} (planned: {span(plan['seconds'])})"])
        rows.append(["samples a second", short(plan["steps"] * plan["input"]["batch"] / story.seconds)])
    else:
        rows.append(["training was to take", span(plan["seconds"])])
    rows.append(["memory that was planned for", f"{plan['memory'] / 2**30:.2f} GiB"])
    rows.append(
        ["on", f"{facts.get('device', '?')}, {facts.get('threads', '?')} threads, torch {facts.get('torch', '?')}"]
    )
    why = "".join(f"<li>{said(reason)}</li>" for reason in plan["why"])
    chosen = ("recipe", "arguments", "model", "input", "optim", "steps", "optimizer")
    resolved = json.dumps({name: plan[name] for name in chosen if name in plan}, indent=1)
    words = f"<details><summary>every setting</summary><pre>{_lines(resolved)}</pre></details>"
    return (
        "cost",
        "What was done, and what it took",
        f"{table([[said(a), said(b)] for a, b in rows])}<ul>{why}</ul>{words}",
    )


def _lines(text: str) -> str:
    return "<br>".join(map(said, text.splitlines()))


def bad(story: Story) -> Section:
    """What was left out, and why."""
    if not story.bad:
        return "bad", "What was left out", "<p>Every sample could be read.</p>"
    rows = [[said(error["path"]), said(error["reason"])] for error in story.bad[:BAD]]
    more = f"<p class=note>and {len(story.bad) - BAD:,} more, in bad_files.jsonl</p>" if len(story.bad) > BAD else ""
    listed = f"<ul>{''.join(f'<li>{path}: {reason}</li>' for path, reason in rows)}</ul>"
    return (
        "bad",
        "What was left out",
        f"<p>{len(story.bad):,} files or samples were left out of training.</p>{listed}{more}",
    )
