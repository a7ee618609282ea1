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


def summary(table: Table, queries: int) -> str:
    """Whether pre-training helped, measure by measure. A difference counts from two standard errors of an accuracy on
    this many queries on."""
    mine, others = table["pre-trained"], [row for name, row in table.items() if name != "pre-trained"]
    said: dict[str, list[str]] = {"beats both baselines": [], "is not clearly better": [], "LOSES": []}
    for name in columns(table):
        best = max(row[name] for row in others)
        clear = 2 * (best * (1 - best) / queries) ** 0.5
        gain = mine[name] - best
        said["beats both baselines" if gain > clear else "LOSES" if gain < -clear else "is not clearly better"].append(
            name
        )
    if len(said["beats both baselines"]) == len(columns(table)):
        return "pre-training beats the raw input and the random encoder in every measure"
    parts = [f"{what} in {', '.join(names)}" for what, names in said.items() if names]
    advice = "" if said["beats both baselines"] else ": do not bother, or give it more time"
    return "pre-training " + ", ".join(parts) + advice
