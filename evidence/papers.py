"""docs/papers.md: what to type for each paper, and what was measured, from the records and the ledger."""

import json

from . import ledger
from .records import Record, records

PAGE = ledger.HOME.parent / "docs" / "papers.md"
CARDS = ledger.RECIPES / "evidence.json"
HEAD = """# Papers

Printed by `python -m evidence papers` from `evidence/records.json` and `evidence/ledger.json`; do not edit it by hand.
{have} of {all} papers can be run and {measured} were checked: {hold} hold, {fell} do not, and of {hidden} no idea is shown.
Their {ideas} ideas were taken out one by one. A check gives the worst of three seeds of weights, order and data, and the best of
three without an idea; what is told here is the main figure, with its bound and with what is measured without the ideas that
break it. `evidence/<name>.py` says how, and `python -m evidence run SLUG` measures it again.
"""
COLUMNS = ("slug", "title", "modality", "what to type", "evidence")


def page() -> str:
    """The whole page."""
    listed, rows, recipes = records(), ledger.rows(), set(ledger.recipes())
    have = [r for r in listed if ledger.name_of(r.slug) in recipes or r.slug in rows]
    measured = [rows[r.slug] for r in listed if r.slug in rows]
    verdicts = [row["verdict"] for row in measured]
    counts = {"have": len(have), "all": len(listed), "measured": len(measured), "hold": verdicts.count("holds")}
    counts |= {"fell": verdicts.count("DOES NOT HOLD"), "hidden": verdicts.count("not shown")}
    counts |= {"ideas": sum(len(row["ideas"]) for row in measured)}
    parts = [HEAD.format(**counts)]
    for family in sorted({r.family for r in listed}):
        mine = [r for r in listed if r.family == family]
        lines = [line(COLUMNS), line(["---"] * len(COLUMNS))]
        lines += [line(cells(r, rows.get(r.slug), ledger.name_of(r.slug) in recipes)) for r in mine]
        parts.append(f"## {family.replace('-', ': ').capitalize()}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def cards() -> str:
    """What was measured of every recipe, as the package's own cards show it: JSON."""
    rows = {ledger.name_of(slug): row for slug, row in ledger.rows().items()}
    found = {name: said(rows[name]) for name in ledger.recipes() if name in rows}
    return json.dumps(found, indent=1) + "\n"


def cells(record: Record, row: ledger.Row | None, can: bool) -> tuple[str, ...]:
    """One paper: "not yet" where a recipe waits for its check, "–" where there is nothing to check."""
    what = f"`{command(ledger.name_of(record.slug))}`" if can else "not yet"
    return record.slug, record.title, ", ".join(record.modality), what, evidence(row, "not yet" if can else "–")


def command(name: str) -> str:
    """What to type for a recipe, with the word that it cannot do without."""
    source = (ledger.RECIPES / f"{name}.py").read_text(encoding="utf-8")
    needs = " base=RUN" if " base: str" in source else ""
    return f"headstart pretrain DATA recipe={name}{needs}"


def said(row: ledger.Row) -> list[str]:
    """Everything that was measured, a line each."""
    claim = ledger.claim_of(row)
    lines = [f"{figure}; {'holds' if figure.holds else 'DOES NOT HOLD'}" for figure in claim.figures]
    return lines + [f"not shown: {idea}, {why}" for idea, why in claim.not_shown.items()]


def evidence(row: ledger.Row | None, without: str) -> str:
    if row is None:
        return without
    claim = ledger.claim_of(row)
    hidden = f"; not shown: {', '.join(claim.not_shown)}" if claim.not_shown else ""
    return f"{claim.figures[0]}; {claim.verdict}{hidden if claim.verdict != 'not shown' else ''}"


def line(parts: list[str] | tuple[str, ...]) -> str:
    """A line of a table."""
    return "| " + " | ".join(part.replace("|", "\\|") for part in parts) + " |"
