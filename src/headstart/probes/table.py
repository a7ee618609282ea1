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
    """Whether pre-training helped, measure by measure. A difference counts from two standard errors of the best baseline's
    score on this many queries on."""
    mine, others = table["pre-trained"], [row for name, row in table.items() if name != "pre-trained"]
    said: dict[str, list[str]] = {"beats every baseline": [], "is not clearly better": [], "LOSES": []}
    for name in columns(table):
        best = max(row[name] for row in others)
        gain, clear = mine[name] - best, 2 * standard_error(name, best, queries)
        said["beats every baseline" if gain > clear else "LOSES" if gain < -clear else "is not clearly better"].append(
            name
        )
    if len(said["beats every baseline"]) == len(columns(table)):
        return f"pre-training beats {_listed([name for name in table if name != 'pre-trained'])} in every measure"
    parts = [f"{what} in {', '.join(names)}" for what, names in said.items() if names]
    advice = "" if said["beats every baseline"] else ": do not bother, or give it more time"
    return "pre-training " + ", ".join(parts) + advice


def standard_error(measure: str, value: float, queries: int) -> float:
    """Of an accuracy, or of an R2 (Olkin and Finn 1995), judged by this many queries."""
    share = min(0.99, max(0.01, value))
    if measure.endswith("R2"):
        return 2 * (share / queries) ** 0.5 * (1 - share)
    return (share * (1 - share) / queries) ** 0.5


def _listed(names: list[str]) -> str:
    return "the " + ", the ".join(names[:-1]) + f" and the {names[-1]}" if len(names) > 1 else f"the {names[0]}"
