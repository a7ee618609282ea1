"""The section of a report that shows a bake-off: which methods were begun, and what each was worth when some were left."""

import json
from pathlib import Path

from ..forms import Json
from ..showing.page import said, table
from .looking import Section
from .story import Story

ROUNDS = Path("bakeoff", "rounds.json")  # in a run's folder


def tried(story: Story) -> list[Section]:
    """The section; none where one method alone was begun."""
    path = story.folder / ROUNDS
    if not path.exists():
        return []
    facts: Json = json.loads(path.read_text())
    each = facts["rounds"]
    rows = [[said(name), f"{mark:.3f}", *[""] * len(each)] for name, mark in facts["without training"].items()]
    for name in each[0]["marks"]:
        cells = [f"{r['marks'][name]:.3f} ({r['steps'][name]:,} steps)" if name in r["marks"] else "left" for r in each]
        mine = f"<b>{said(name)}</b>" if name == facts["winner"] else said(name)
        rows.append([mine, "", *cells])
    head = ["", "without training", *(f"round {n + 1}" for n in range(len(each)))]
    note = "Mean of kNN and a linear probe, by labels that judge nothing else on this page. The best went on from where it was."
    return [("tried", "Which method", f"{table(rows, head)}<p class=note>{note}</p>")]
