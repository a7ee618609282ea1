"""Sound files, recognised by content: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU and CAF.

Long recordings are read stretch by stretch; of one that is asked for whole at most 2**26 values are decoded (256 MB).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ... import extras
from ...errors import Unreadable
from ...forms import Sample

SUFFIXES = (".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf")
EXTRA = "audio"
ALONE = True
VALUES = 1 << 26
CHANNELS = 64


class _Sound(Protocol):
    """A soundfile.SoundFile, as far as it is used here."""

    samplerate: int
    channels: int
    frames: int

    def seek(self, frames: int) -> int: ...
    def read(self, frames: int, *, dtype: str, always_2d: bool) -> np.ndarray: ...


def kind(start: bytes, path: Path) -> str | None:
    """ "audio" for what begins like a sound file; an Ogg file with pictures in it is none."""
    if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:12] == b"WAVE":
        return "audio"
    if start[:4] == b"riff" and start[24:28] == b"wave":  # Wave64: names of 16 bytes
        return "audio"
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return "audio"
    if start[:4] in (b"fLaC", b".snd", b"dns.", b"caff"):
        return "audio"
    if start[:4] == b"OggS":
        codec = start[28:37]  # behind the head of the first page, which carries one packet
        return "audio" if codec.startswith((b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex")) else None
    if start[:3] == b"ID3":
        return "audio" if path.suffix.lower() in (".mp3", "") else None
    return "audio" if _is_mp3(start) else None


def read(path: Path) -> dict[str, Sample]:
    """{"wave": float32 [channels, samples], "rate": Hz} of a file."""
    return stretch(path, 0.0, float("inf"))


def extent(path: Path) -> float:
    """Seconds, as the file's head says, or as far as the file goes."""
    with _opened(path) as file:
        return int(file.frames) / int(file.samplerate)


def stretch(path: Path, start: float, stop: float) -> dict[str, Sample]:
    """What `read` gives of these seconds."""
    with _opened(path) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        begin, most = round(start * rate), max(1, VALUES // channels)
        if begin:
            file.seek(begin)
        count = most if stop == float("inf") else min(most, round(stop * rate) - begin)
        wave = file.read(min(count, file.frames - begin) if file.frames > 0 else count, dtype="float32", always_2d=True)
    if not wave.size:
        raise Unreadable("", "the file holds no sound" if not begin else "the file ends before this stretch of it")
    return {"wave": np.ascontiguousarray(wave.T), "rate": rate}


@contextmanager
def _opened(path: Path) -> Iterator[_Sound]:
    """A sound file; whatever is wrong with it in words."""
    soundfile = extras.need("soundfile", EXTRA, f"reading {path.suffix or path.name}")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
        if path.suffix.lower() == ".au" and kind(start, path) is None:  # libsndfile takes any bytes under it for sound
            raise Unreadable("", "the file is empty" if not start else "its content is no sound")
        _whole(start, path.stat().st_size)
        with soundfile.SoundFile(str(path)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            if not 1 <= channels <= CHANNELS or rate < 1:
                raise Unreadable("", f"{channels} channels at {rate} Hz are not a sound")
            yield file
    except (RuntimeError, ValueError, TypeError, OverflowError, OSError) as error:  # LibsndfileError is a RuntimeError
        raise Unreadable("", f"the sound is broken ({error})") from error


def _whole(start: bytes, there: int) -> None:
    """Unreadable for a WAV, AIFF or AU of which more than half is missing: its head says how long it was."""
    order: Literal["little", "big"] = "little" if start[:4] in (b"RIFF", b"dns.") else "big"
    if start[:4] in (b"RIFF", b"RIFX", b"FORM"):
        told = int.from_bytes(start[4:8], order) + 8
    elif start[:4] in (b".snd", b"dns."):
        told = int.from_bytes(start[4:8], order) + int.from_bytes(start[8:12], order)
    else:
        return
    if 44 < told < 2**32 - 2**16 and 2 * there < told:  # a program that cannot go back writes 0 or the greatest number
        raise Unreadable("", f"the file is cut short: it should have {told:,} bytes, and {there:,} are there")


MP3_RATES = ((11_025, 12_000, 8_000), None, (22_050, 24_000, 16_000), (44_100, 48_000, 32_000))  # MPEG 2.5, -, 2, 1
MP3_KBITS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)


def _is_mp3(start: bytes) -> bool:
    """Two heads of MPEG layer III frames (ISO 11172-3, 2.4.2.3), the second where the first says it must be."""
    length = _frame(start)
    return bool(length) and bool(_frame(start[length:]))


def _frame(head: bytes) -> int:
    """Bytes of the frame that begins here; 0 if none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, kbit, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    rates = MP3_RATES[version]
    if rates is None or kbit in (0, 15) or rate == 3:
        return 0
    first = version == 3
    return (144 if first else 72) * 1000 * MP3_KBITS[first][kbit] // rates[rate] + (head[2] >> 1 & 1)
