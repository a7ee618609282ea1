"""Scores in MusicXML, plain or compressed (.mxl), as notes: repeats are written out once, grace notes are left out.

Files are untrusted: at most 32 MiB of text, also after inflating; entities and inner DTDs are refused, and nothing is fetched.
"""

import re
import zipfile
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

import numpy as np

from ...errors import Unreadable
from .midi import DRUMS, NOTES, as_notes

SUFFIXES = (".mxl", ".musicxml", ".xml")
ALONE = True
BYTES = 32 << 20
ELEMENTS = 2_000_000
DEPTH = 64
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ROOTS = ("score-partwise", "score-timewise")
VELOCITY = 64  # what MIDI 1.0 gives where nothing is said


def kind(start: bytes, path: Path) -> str | None:
    """ "music" for a score, and for a zip archive whose container names one."""
    if start[:4] == b"PK\x03\x04":
        if path.suffix.lower() == ".mxl":
            return "music"
        return "music" if b"META-INF/container.xml" in start and b".musicxml" in start else None
    text = start.replace(b"\0", b"").decode("latin-1")  # UTF-16 too
    return "music" if re.search(rf"<(!DOCTYPE\s+)?({'|'.join(ROOTS)})[\s>]", text) else None


def read(path: Path) -> dict[str, np.ndarray]:
    """The notes of all parts as they sound; velocity from dynamics where written, else 64; drums have program 128."""
    return as_notes(notes_of(tree_of(_text_of(path))))


def _text_of(path: Path) -> bytes:
    """The score's bytes, from the file or from the archive."""
    if path.stat().st_size > BYTES:
        raise Unreadable("", f"the file has {path.stat().st_size:,} bytes; at most {BYTES:,} are read")
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            return file.read(BYTES + 1)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "META-INF/container.xml" in names:
                container = tree_of(_inflated(archive, "META-INF/container.xml"))
                roots = [str(x.get("full-path")) for x in container.iter() if x.tag.rpartition("}")[2] == "rootfile"]
                inside = [name for name in roots if name in names]
            else:
                inside = [
                    n for n in names if n.lower().endswith((".xml", ".musicxml")) and not n.startswith("META-INF")
                ]
            if not inside:
                raise Unreadable("", "the archive names no score")
            return _inflated(archive, inside[0])
    except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError, OSError, KeyError) as error:
        raise Unreadable("", f"the archive is broken ({error})") from error


def _inflated(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("", "the score inside is packed in an unknown way")
    with archive.open(name) as file:
        data = file.read(BYTES + 1)
    if len(data) > BYTES:
        raise Unreadable("", f"the score inside is larger than {BYTES:,} bytes")
    return data


def tree_of(text: bytes) -> Element:
    """The elements of an XML text without entities of its own."""
    if len(text) > BYTES:
        raise Unreadable("", f"the score is larger than {BYTES:,} bytes")
    builder, state = TreeBuilder(), {"depth": 0, "count": 0}
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        state["depth"] += 1
        state["count"] += 1
        if state["depth"] > DEPTH or state["count"] > ELEMENTS:
            raise Unreadable("", f"it nests deeper than {DEPTH} or has more than {ELEMENTS:,} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        state["depth"] -= 1
        builder.end(tag)

    def doctype(name: str, system: str | None, public: str | None, inner: int) -> None:
        if inner:
            raise Unreadable("", "it brings a document type of its own, which may hide anything")

    def entity(*_: object) -> None:
        raise Unreadable("", "it defines entities, which may hide anything")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = doctype, entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(text, True)
        return builder.close()
    except (expat.ExpatError, ParseError, ValueError, LookupError, AssertionError) as error:
        raise Unreadable("", f"this is no well-formed XML ({error})") from error


def notes_of(score: Element) -> list[tuple[float, float, int, int, int]]:
    """Onset and duration in quarter notes, pitch, velocity, program."""
    if score.tag not in ROOTS:
        raise Unreadable("", f"this is no MusicXML score: it begins with <{score.tag[:40]}>")
    parts: dict[str, list[Element]] = {}
    for outer in score:
        if score.tag == "score-partwise" and outer.tag == "part":
            parts.setdefault(str(outer.get("id")), []).extend(outer.iterfind("measure"))
        elif score.tag == "score-timewise" and outer.tag == "measure":
            for inner in outer.iterfind("part"):
                parts.setdefault(str(inner.get("id")), []).append(inner)
    instruments = {str(x.get("id")): _instruments(x) for x in score.iterfind("part-list/score-part")}
    notes: list[tuple[float, float, int, int, int]] = []
    for name, measures in parts.items():
        try:
            _part(measures, instruments.get(name, (0, {})), notes)
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            raise Unreadable("", f"a number in the score is none ({error})") from error
    return notes


def _instruments(part: Element) -> tuple[int, dict[str, int]]:
    """The program of a part, and the drum that each instrument of a kit stands for."""
    program, drums = 0, {}
    for midi in part.iterfind("midi-instrument"):
        if midi.findtext("midi-channel", "").strip() == "10":
            program = DRUMS
        elif program != DRUMS:
            program = _whole(midi.findtext("midi-program"), 1, 1, 128) - 1
        if midi.find("midi-unpitched") is not None:
            drums[str(midi.get("id"))] = _whole(midi.findtext("midi-unpitched"), 1, 1, 128) - 1
    return program, drums


def _part(
    measures: list[Element], instruments: tuple[int, dict[str, int]], notes: list[tuple[float, float, int, int, int]]
) -> None:
    """One part, measure after measure; tied notes become one."""
    program, drums = instruments
    divisions, transposed, velocity = 1.0, 0, VELOCITY
    begin = 0.0
    tied: dict[tuple[int, str | None], int] = {}  # pitch and voice -> which note is still held
    for measure in measures:
        now, last, end = begin, begin, begin
        for item in measure:
            if item.tag == "attributes":
                divisions = float(item.findtext("divisions") or divisions)
                if not 0 < divisions < 1e6:
                    raise Unreadable("", f"a quarter note is divided into {divisions:g}")
                if (by := item.find("transpose")) is not None:
                    transposed = _whole(by.findtext("chromatic"), 0, -60, 60)
                    transposed += 12 * _whole(by.findtext("octave-change"), 0, -5, 5)
            elif item.tag in ("backup", "forward"):
                step = _length(item, divisions)
                now = max(begin, now - step) if item.tag == "backup" else now + step
            elif item.tag in ("sound", "direction"):
                sound = item if item.tag == "sound" else item.find("sound")
                if sound is not None and sound.get("dynamics"):
                    velocity = _velocity(str(sound.get("dynamics")))
            elif item.tag == "note" and item.find("grace") is None:
                length = _length(item, divisions)
                if item.find("chord") is None:
                    last, now = now, now + length
                if item.find("cue") is None and (pitch := _pitch(item, transposed, drums)) is not None:
                    loud = _velocity(str(item.get("dynamics"))) if item.get("dynamics") else velocity
                    key = (pitch, item.findtext("voice"))
                    _play(notes, tied, key, item, (last, length, pitch, loud, program))
            end = max(end, now)
        begin = end
        if not 0 <= begin < 1e8:
            raise Unreadable("", "the score has no end")


def _play(
    notes: list[tuple[float, float, int, int, int]],
    tied: dict[tuple[int, str | None], int],
    key: tuple[int, str | None],
    item: Element,
    note: tuple[float, float, int, int, int],
) -> None:
    """Append a note, or lengthen the one it is tied to."""
    ties = {str(t.get("type")) for t in item.iterfind("tie")}
    before = tied.pop(key, None)
    # a tie's stop is often forgotten: its start, and the same key at once after it, are enough
    if before is not None and abs(notes[before][0] + notes[before][1] - note[0]) < 1e-3:
        held = notes[before]
        notes[before] = (held[0], held[1] + note[1], *held[2:])
        at = before
    else:
        at = len(notes)
        notes.append(note)
        if len(notes) > NOTES:
            raise Unreadable("", f"it has more than {NOTES:,} notes")
    if "start" in ties:
        tied[key] = at


def _pitch(note: Element, transposed: int, drums: dict[str, int]) -> int | None:
    """The key that sounds, 0 to 127; None for a rest, or a drum that is not named."""
    if (pitch := note.find("pitch")) is not None:
        step = STEPS.get(pitch.findtext("step", "").strip())
        if step is None:
            raise Unreadable("", f"there is no note called {pitch.findtext('step')!r}")
        key = 12 * (_whole(pitch.findtext("octave"), 4, -1, 10) + 1) + step + round(_number(pitch.findtext("alter"), 0))
        return min(127, max(0, key + transposed))
    if note.find("unpitched") is not None and (instrument := note.find("instrument")) is not None:
        return drums.get(str(instrument.get("id")))
    return None


def _length(item: Element, divisions: float) -> float:
    """Its duration in quarter notes."""
    length = _number(item.findtext("duration"), 0) / divisions
    if not 0 <= length < 1e6:
        raise Unreadable("", f"something lasts {length:g} quarter notes")
    return length


def _velocity(percent: str) -> int:
    """MusicXML's dynamics are a percentage of velocity 90."""
    return min(127, max(1, round(0.9 * _number(percent, 0))))


def _whole(text: str | None, otherwise: int, low: int, high: int) -> int:
    return min(high, max(low, round(_number(text, otherwise))))


def _number(text: str | None, otherwise: float) -> float:
    value = float(text) if text and text.strip() else float(otherwise)
    if not abs(value) < 1e9:
        raise ValueError(f"{text!r} is out of range")
    return value
