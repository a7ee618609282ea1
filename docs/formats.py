"""Brings the suffixes, figures and extras in docs/formats.md up to date with the readers: `python docs/formats.py`.

A row of its table goes by the name of a reader, the module in data/readers; what stands in words is written by hand. In the
column of limits "64 MiB (`MOST`)" takes its number from the constant of that name in the module.
"""

import importlib
import re
from pathlib import Path

from headstart.data.readers import by_name, readers

PAGE = Path(__file__).with_suffix(".md")
COLUMNS = ("reader", "suffixes", "known by", "gives", "read with", "read", "not read", "limits", "extra")
UNITS = {"KiB": 10, "MiB": 20, "GiB": 30}
LIMIT = re.compile(r"([\d.,^]+)( (?:[KMG]iB)?[^(|;]*)\(`([A-Z0-9_]+)`\)")


def rows(page: str) -> dict[str, list[str]]:
    """The cells of the table of formats, by reader."""
    lines = [line for line in page.splitlines() if re.match(r"\| `\w+` \|", line)]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("`"): row for row in cells if len(row) == len(COLUMNS)}


def renewed(page: str) -> str:
    """The page with what can be told from the code told from it; ValueError where a reader has no row, or a row no reader."""
    found, known = rows(page), {each.name for each in readers()} | {"_plain"}
    if found.keys() != known:
        raise ValueError(f"rows without a reader, or readers without a row: {sorted(found.keys() ^ known)}")
    for name, row in found.items():
        module = importlib.import_module(f"headstart.data.readers.{name}")
        extra = vars(module).get("EXTRA")
        told = LIMIT.sub(lambda m, module=module: f"{figure(vars(module)[m[3]], m[2])}{m[2]}(`{m[3]}`)", row[7])
        new = [*row[:1], " ".join(by_name(name).suffixes), *row[2:7], told, f"`{extra}`" if extra else ""]
        page = page.replace("| " + " | ".join(row) + " |", "| " + " | ".join(new) + " |")
    return page


def figure(value: float, unit: str) -> str:
    """A number as people write it: in the binary unit that follows, as a power of two, or with commas."""
    shift = UNITS.get(unit.split()[0] if unit.split() else "", 0)
    if shift:
        return f"{value / 2**shift:,.16g}"
    whole = int(value)
    power = whole == value and whole >= 2**20 and not whole & (whole - 1)
    return f"2^{whole.bit_length() - 1}" if power else f"{value:,.16g}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
