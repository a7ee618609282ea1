"""Films (mp4, mov, mkv, webm, avi, mpeg, flv, ogv) as a few seconds of small frames, scaled down as they are decoded."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ...forms import Sample

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".flv", ".ogv", ".3gp")
EXTRA = "video"
ALONE = True
SECONDS = 10.0  # of a film that are read
RATE = 12.5  # frames per second that are kept, at most
FRAMES = 128  # kept, at most
DECODED = 2_000  # frames looked at, at most
SIDE = 160  # pixels, the longer side
LARGEST = 2**25  # pixels in a frame as it lies in the file: 8K
QUICKTIME = (b"moov", b"mdat", b"wide", b"skip", b"pnot")
STILL_OR_SOUND = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ", b"crx ")


def kind(start: bytes, path: Path) -> str | None:
    """A "video", by the container's signature; files that hold sound alone are told by their brand or suffix."""
    sound = path.suffix.lower() in (".m4a", ".m4b", ".mka", ".weba", ".oga", ".opus", ".ogg")
    return "video" if _container(start) and not sound else None


def read(path: Path, seconds: float = SECONDS, rate: float = RATE, side: int = SIDE) -> dict[str, Sample]:
    """{"frames": [T, C, H, W] uint8, "fps": float} of the first picture stream: grey films have one channel, others three.

    The first `seconds` at no more than `rate` frames per second, and 128 frames in all; frames are reduced to `side`
    pixels along the longer side, never enlarged, and turned as the film asks. Frame k shows the moment k / fps: where a phone
    recorded fewer, the last one stands. 2,000 frames are decoded at most, none larger
    than 2^25 pixels.
    """
    av = need("av", EXTRA, "reading video")
    try:
        with path.open("rb") as file:
            form = _container(file.read(4096))
            file.seek(0)
            if form is None:
                raise Unreadable("", "its content is no film")
            # a file object, and a named format: nothing in the file can make FFmpeg open anything else
            with av.open(file, format=form, metadata_errors="ignore") as container:
                frames, fps = _frames(container, seconds, rate, side)
    except Unreadable:
        raise
    except Exception as error:  # FFmpeg's errors, and on damaged files anything
        raise Unreadable("", f"the film is damaged ({type(error).__name__}: {error})") from error
    return {"frames": frames, "fps": fps}


def _frames(container: Any, seconds: float, rate: float, side: int) -> tuple[np.ndarray, float]:
    if not container.streams.video:
        raise Unreadable("", "it holds no moving picture")
    stream = container.streams.video[0]
    if stream.codec_context.width * stream.codec_context.height > LARGEST:
        raise Unreadable("", "its frames are larger than 8K")
    stream.codec_context.thread_count = 1  # many films are read at a time
    own = float(stream.average_rate or stream.guessed_rate or 0)
    own = own if 0.1 <= own <= 1000 else 25.0
    step = 1 / min(own, rate)
    kept: list[np.ndarray] = []
    begin: float | None = None
    for i, frame in enumerate(_decoded(container, stream)):
        time = i / own if frame.time is None else float(frame.time)
        begin = time if begin is None else begin
        if time - begin >= seconds or len(kept) == FRAMES or i >= DECODED:
            break
        while kept and begin + (len(kept) + 0.75) * step < time and len(kept) < FRAMES:
            kept.append(kept[-1])  # it stood still: nothing was recorded at that moment
        if time < begin + (len(kept) - 0.25) * step or len(kept) == FRAMES:  # too early for the next one
            continue
        small = _small(frame, side)
        if kept and small.shape != kept[0].shape:
            break  # the picture changes its size: another film begins
        kept.append(small)
    if not kept:
        raise Unreadable("", "none of its frames can be decoded")
    return np.stack(kept), 1 / step


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames as long as there are good ones: a film that is cut short still has its beginning."""
    try:
        yield from container.decode(stream)
    except Exception:  # FFmpeg's errors are many
        return


def _small(frame: Any, side: int) -> np.ndarray:
    """[C, H, W] uint8 with the longer side at most `side`."""
    if frame.width * frame.height > LARGEST:
        raise Unreadable("", "its frames are larger than 8K")
    scale = min(1.0, side / max(frame.width, frame.height))
    size = [max(1, round(n * scale)) for n in (frame.width, frame.height)]
    grey = re.match(r"gray|ya8|mono", frame.format.name) is not None
    turns = round((frame.rotation or 0) / 90) % 4
    small = frame.reformat(*size, format="gray" if grey else "rgb24", interpolation="AREA").to_ndarray()
    picture = np.rot90(small, turns)
    return np.ascontiguousarray(picture[None] if grey else picture.transpose(2, 0, 1))


def _container(start: bytes) -> str | None:
    """FFmpeg's name of the format that a file begins like."""
    if start[4:8] == b"ftyp":
        return None if start[8:12] in STILL_OR_SOUND else "mp4"
    if start[4:8] in QUICKTIME:
        return "mov"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if start[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if start[:4] == b"\0\0\1\xba":
        return "mpeg"
    if start[:1] == b"G" and start[188:189] == b"G" and start[376:377] == b"G":
        return "mpegts"
    if start[:4] == b"FLV\1":
        return "flv"
    return "ogg" if start[:4] == b"OggS" and b"theora" in start[:512] else None
