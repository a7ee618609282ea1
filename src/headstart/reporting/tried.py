"""The section of a report that shows a bake-off: which methods were begun, and what each was worth when some were left."""

from pathlib import Path

from ..damage import Damaged, reading, record
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
    try:
        return [("tried", "Which method", _told(record(path, "rounds", "winner", "without training"), path))]
    except Damaged as error:
        return [("tried", "Which method", f"<p class=note>{said(error)}</p>")]


def _told(facts: Json, path: Path) -> str:
    with reading(path):
        return _table(facts)


def _table(facts: Json) -> str:
    each = facts["rounds"]
    rows = [[said(name), f"{mark:.3f}", *[""] * len(each)] for name, mark in facts["without training"].items()]
    for name in each[0]["marks"]:
        cells = [f"{r['marks'][name]:.3f} ({r['steps'][name]:,} steps)" if name in r["marks"] else "left" for r in each]
        mine = f"<b>{said(name)}</b>" if name == facts["winner"] else said(name)
        rows.append([mine, "", *cells])
    head = ["", "without training", *(f"round {n + 1}" for n in range(len(each)))]
    note = (
        "Mean of kNN and a linear probe, by labels that judge nothing else on this page. The first method is the default, which "
        "goes on from where it is unless another is ahead of it beyond chance."
    )
    return f"{table(rows, head)}<p class=note>{note}</p>"
