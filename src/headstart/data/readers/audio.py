"""Sound files, recognised by content: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU and CAF.

Of a file at most 120 seconds and 2**24 values are decoded (64 MB); the rest is not read.
"""

from pathlib import Path

import numpy as np

from ... import extras
from ...errors import Unreadable
from ...forms import Sample

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf")
EXTRA = "audio"
SECONDS = 120
VALUES = 1 << 24
CHANNELS = 64


def kind(start: bytes, path: Path) -> str | None:
    """ "audio" for what begins like a sound file; an Ogg file with pictures in it is none."""
    if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:12] == b"WAVE":
        return "audio"
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return "audio"
    if start[:4] in (b"fLaC", b".snd", b"caff"):
        return "audio"
    if start[:4] == b"OggS":
        codec = start[28:37]  # behind the head of the first page, which carries one packet
        return "audio" if codec.startswith((b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex")) else None
    if start[:3] == b"ID3":
        return "audio" if path.suffix.lower() in (".mp3", "") else None
    return "audio" if _is_mp3(start) else None


def read(path: Path) -> dict[str, Sample]:
    """{"wave": float32 [channels, samples], "rate": Hz} of the file's first two minutes."""
    soundfile = extras.need("soundfile", EXTRA, f"reading {path.suffix or path.name}")
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            if not 1 <= channels <= CHANNELS or rate < 1:
                raise Unreadable("", f"{channels} channels at {rate} Hz are not a sound")
            most = max(1, min(SECONDS * rate, VALUES // channels))
            wave = file.read(most if file.frames <= 0 else min(most, file.frames), dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, TypeError, OverflowError, OSError) as error:  # LibsndfileError is a RuntimeError
        raise Unreadable("", f"the sound is broken ({error})") from error
    if not wave.size:
        raise Unreadable("", "the file holds no sound")
    return {"wave": np.ascontiguousarray(wave.T), "rate": rate}


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
