"""Scores in Humdrum **kern (Huron 1997) as notes: one column per voice, one line per moment.

Repeats are written out once, grace notes are left out; time follows from the durations. Instruments are not read: program 0.
"""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from .midi import NOTES, as_notes

SUFFIXES = (".krn", ".kern")
ALONE = True
BYTES = 4 << 20
SPINES = 256
GRID = 10**9  # parts of a quarter note that a moment may need; tuplets need hundreds
VELOCITY = 64
NOTE = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
PITCH = re.compile(r"((?:a+|b+|c+|d+|e+|f+|g+)|(?:A+|B+|C+|D+|E+|F+|G+))(#{0,3})(-{0,3})")
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
LONG = {"0": 8, "00": 16, "000": 32}  # breve, long and maxima, in quarter notes


def kind(start: bytes, path: Path) -> str | None:
    """ "music" where the first line that is no comment begins with **kern or has it among its columns."""
    for line in start.decode("latin-1").splitlines():
        if line.startswith("**"):
            return "music" if "**kern" in line.rstrip().split("\t") else None
        if line.strip() and not line.startswith("!"):
            return None
    return None


def read(path: Path) -> dict[str, np.ndarray]:
    """All voices together; at most 4 MiB."""
    if path.stat().st_size > BYTES:
        raise Unreadable("", f"the file has {path.stat().st_size:,} bytes; at most {BYTES:,} are read")
    text = path.read_bytes()
    if kind(text[:65_536], path) is None:
        raise Unreadable("", "this is no score in **kern")
    return as_notes(notes_of(text.decode("latin-1")))


def notes_of(text: str) -> list[tuple[float, float, int, int, int]]:
    """Onset and duration in quarter notes, pitch, velocity, program."""
    notes: list[tuple[float, float, int, int, int]] = []
    spines: list[tuple[str, int]] = []  # what a column holds, and the voice it belongs to
    ends: list[Fraction] = []  # when what sounds in a column ends
    tied: dict[tuple[int, int], int] = {}  # voice and pitch -> the note that is held
    now = Fraction(0)
    for line in text.splitlines():
        if not line.strip() or line[0] in "!=":
            continue
        fields = line.split("\t")
        if len(fields) > SPINES:
            raise Unreadable("", f"it has more than {SPINES} columns")
        if line.startswith("**"):
            spines, ends = [(field, voice) for voice, field in enumerate(fields)], [now] * len(fields)
            continue
        if len(fields) != len(spines):
            raise Unreadable("", f"a line has {len(fields)} columns where there are {len(spines)}")
        if line[0] == "*":
            spines, ends = _moved(fields, spines, ends)
            continue
        passes = False  # lines of words or grace notes take no time
        for i, (field, (what, voice)) in enumerate(zip(fields, spines, strict=True)):
            length = _sound(field, voice, now, notes, tied) if what == "**kern" and field != "." else None
            if length is not None:
                ends[i], passes = now + length, True
        if passes:
            now = min(
                (t for t, (what, _) in zip(ends, spines, strict=True) if what == "**kern" and t > now), default=now
            )
        if now > 10**8:
            raise Unreadable("", "it has no end")
        if now.denominator > GRID:
            raise Unreadable("", "its durations do not add up to beats")
    return notes


def _sound(
    field: str,
    voice: int,
    now: Fraction,
    notes: list[tuple[float, float, int, int, int]],
    tied: dict[tuple[int, int], int],
) -> Fraction | None:
    """Append the notes of one field (a chord has several) and say how long it lasts; None for grace notes."""
    length = None
    for token in field.split(" "):
        if "q" in token or "Q" in token or (duration := _duration(token)) is None:
            continue
        length = duration if length is None else min(length, duration)
        if "r" in token or (pitch := _pitch(token)) is None:
            continue
        at = tied.pop((voice, pitch), None) if "_" in token or "]" in token else None
        if at is None:
            at = len(notes)
            if at == NOTES:
                raise Unreadable("", f"it has more than {NOTES:,} notes")
            notes.append((float(now), float(duration), pitch, VELOCITY, 0))
        else:
            notes[at] = (notes[at][0], float(now + duration) - notes[at][0], *notes[at][2:])
        if "[" in token or "_" in token:
            tied[voice, pitch] = at
    return length


def _duration(token: str) -> Fraction | None:
    """Quarter notes; None where a token names no duration."""
    found = NOTE.search(token)
    if found is None:
        return None
    number, over, dots = found.groups()
    if number in LONG:
        length = Fraction(LONG[number])
    elif len(number) > 5 or len(over or "") > 5 or not int(number) or len(dots) > 8:
        raise Unreadable("", f"there is no duration {found.group()[:20]!r}")
    else:
        length = Fraction(4 * int(over or 1), int(number))
    return length * (2 - Fraction(1, 2 ** len(dots)))


def _pitch(token: str) -> int | None:
    """c is middle C (60), cc an octave above, C an octave below, CC two; # and - are sharp and flat."""
    found = PITCH.search(token)
    if found is None:
        return None
    name, sharps, flats = found.groups()
    octave = 4 + len(name) if name[0].islower() else 5 - len(name)  # MIDI's: middle C is 5 * 12
    key = 12 * octave + STEPS[name[0].lower()] + len(sharps) - len(flats)
    return min(127, max(0, key))


def _moved(
    fields: list[str], spines: list[tuple[str, int]], ends: list[Fraction]
) -> tuple[list[tuple[str, int]], list[Fraction]]:
    """The columns after a line of interpretations: divided (*^), joined (*v), begun (*+, **), ended (*-), exchanged (*x)."""
    new: list[tuple[tuple[str, int], Fraction]] = []
    joined = crossed = -1
    for i, (field, spine, end) in enumerate(zip(fields, spines, ends, strict=True)):
        if field == "*-":
            continue
        if field == "*v" and joined == i - 1 and i:
            new[-1] = (new[-1][0], max(new[-1][1], end))
            joined = i
            continue
        if field.startswith("**"):
            spine = (field, spine[1])
        new.append((spine, end))
        if field == "*^":
            new.append((spine, end))
        elif field == "*+":
            new.append((("**", 1 + max(voice for _, voice in spines)), end))
        elif field == "*v":
            joined = i
        elif field == "*x":
            if crossed >= 0:
                new[crossed], new[-1] = new[-1], new[crossed]
                crossed = -1
            else:
                crossed = len(new) - 1
    return [spine for spine, _ in new], [end for _, end in new]
