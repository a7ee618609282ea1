"""MIDI files as notes: when, how long, which key, how hard, on which instrument. Tempo is left out: time is quarter notes."""

import io
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from ... import extras
from ...errors import Unreadable

SUFFIXES = (".mid", ".midi", ".kar")
EXTRA = "music"
ALONE = True
BYTES = 2 << 20  # the largest file that is read; a symphony has a fifth of it
NOTES = 200_000
DRUMS, DRUM_CHANNEL = 128, 9


def kind(start: bytes, path: Path) -> str | None:
    return "music" if start[:4] == b"MThd" and start[4:8] == b"\0\0\0\x06" else None


def read(path: Path) -> dict[str, np.ndarray]:
    """All tracks together, at most 2 MiB of file and 200,000 notes; channel 10 is program 128, drums."""
    mido = extras.need("mido", EXTRA, f"reading {path.suffix or path.name}")
    if path.stat().st_size > BYTES:
        raise Unreadable("", f"the file has {path.stat().st_size:,} bytes; at most {BYTES:,} are read")
    data = path.read_bytes()
    if kind(data[:16], path) is None:
        raise Unreadable("", "this is no MIDI file")
    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except Exception as error:  # mido lets through whatever its parser meets: EOFError, IndexError, KeyError, ...
        raise Unreadable("", f"the MIDI file is broken ({error or type(error).__name__})") from error
    if not 0 < file.ticks_per_beat < 32_768:
        raise Unreadable("", "its time is in film frames, not in beats")
    if file.type == 2:
        raise Unreadable("", "it holds several pieces (format 2)")
    return as_notes(_notes(file))


def _notes(file: Any) -> list[tuple[float, float, int, int, int]]:
    """Onset, duration, pitch, velocity and program; a key pressed twice is released in the order it was pressed."""
    notes: list[tuple[float, float, int, int, int]] = []
    # format 1 spreads a channel's messages over tracks: all in order of time, and of tracks where equal
    events = sorted(_timed(file), key=lambda e: e[0])
    program = [0] * 16
    held: dict[tuple[int, int], deque[tuple[int, int, int]]] = {}

    def close(key: tuple[int, int], end: int) -> None:
        start, velocity, instrument = held[key].popleft()
        if not held[key]:
            del held[key]
        beats = file.ticks_per_beat
        notes.append((start / beats, (end - start) / beats, key[1], velocity, instrument))

    now = 0
    for now, message in events:
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity:
                instrument = DRUMS if message.channel == DRUM_CHANNEL else program[message.channel]
                held.setdefault(key, deque()).append((now, message.velocity, instrument))
            elif key in held:
                close(key, now)
        if len(notes) > NOTES:
            raise Unreadable("", f"it has more than {NOTES:,} notes")
    for key in list(held):
        while key in held:
            close(key, now)  # never released: until the end
    return notes


def _timed(file: Any) -> list[tuple[int, Any]]:
    out = []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            out.append((now, message))
    return out


def as_notes(notes: list[tuple[float, float, int, int, int]]) -> dict[str, np.ndarray]:
    """The arrays of a music sample, in order of onset, low before high."""
    if not notes:
        raise Unreadable("", "it holds no notes")
    table = np.array(sorted(notes, key=lambda n: (n[0], n[2], n[4], n[1], n[3])), np.float64)
    onset, duration, pitch, velocity, program = table.T
    return {
        "onset": onset.astype(np.float32),
        "duration": duration.astype(np.float32),
        "pitch": pitch.astype(np.int64),
        "velocity": velocity.astype(np.int64),
        "program": program.astype(np.int64),
    }
