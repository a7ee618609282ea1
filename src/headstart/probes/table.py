"""Scores side by side, and what they mean in a sentence."""

from collections.abc import Mapping

Table = dict[str, dict[str, float]]  # row ("raw input", "random encoder", "pre-trained") -> measure -> accuracy


def columns(table: Table) -> list[str]:
    """The measures of a table, without their deviations."""
    return [name for name in next(iter(table.values())) if not name.endswith("-std")]


def cell(marks: Mapping[str, float], name: str) -> str:
    spread = marks.get(f"{name}-std")
    return f"{marks[name]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def lines(table: Table, chance: float, indent: str = " " * 10) -> list[str]:
    """The table as text."""
    names = columns(table)
    out = [indent + " " * 16 + "".join(f"{name:>18s}" for name in names)]
    out += [
        indent + f"{row:16s}" + "".join(f"{cell(marks, name):>18s}" for name in names) for row, marks in table.items()
    ]
    return [*out, indent + f"{'chance':16s}" + "".join(f"{chance:>18.3f}" for _ in names)]


def summary(table: Table) -> str:
    """Whether pre-training helped, measure by measure."""
    mine, others = table["pre-trained"], [row for name, row in table.items() if name != "pre-trained"]
    won = [c for c in columns(table) if mine[c] > max(row[c] for row in others)]
    lost = [c for c in columns(table) if c not in won]
    if not lost:
        return "pre-training beats the raw input and the random encoder in every measure"
    if not won:
        return (
            "pre-training does NOT beat the better of raw input and random encoder: do not bother, or give it more time"
        )
    return f"pre-training beats both baselines in {', '.join(won)}, but not in {', '.join(lost)}"
