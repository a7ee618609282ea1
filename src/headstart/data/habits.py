"""How the cells of a column are read, and how a file writes what may be read in two ways."""

from typing import NamedTuple

PROGRAMS = {"<NA>", "NaT", "\\N", "(null)"}  # of pandas and of databases
PROGRAMS |= {"#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"}  # of Excel
PROGRAMS |= {"1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "1.#INF", "-1.#INF"}  # of C on Windows
MISSING = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "?"} | PROGRAMS)
NO_DAYS = {"0000-00-00", "0000-00-00 00:00:00", "00/00/0000", "00.00.0000"}
NO_NUMBER = MISSING | NO_DAYS | {"-", "--", ".", "None", "none", "n/a", "na"}  # in columns of numbers and dates
ODD = 0.02  # share of a column's cells that may be unlike the rest ("<5" among numbers); they are kept as text


class Habits(NamedTuple):
    """How the file writes what may be read in two ways: 1,234 and 3/4/2020. "" where no column shows it.

    usual: the mark before decimals that goes with the file's separator.
    """

    mark: str = ""
    order: str = ""
    usual: str = "."


class Reading(NamedTuple):
    """How the cells of one column are read. form: number, whole, truth, date, clock (date and time) or text.

    comma: 1.234,5. marked: numbers may have marks between thousands. sign: what stands at the numbers, "%" or "€". order: of
    day, month and year where a date does not show it. compact: 20200131.
    """

    form: str
    comma: bool = False
    order: str = "mdy"
    missing: frozenset[str] = MISSING
    marked: bool = False
    sign: str = ""
    compact: bool = False
