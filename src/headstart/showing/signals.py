"""Sounds, signals, paths and scores, drawn over time."""

from collections.abc import Sequence

import numpy as np

from ..forms import Sample
from ..tokenizers.recording import recording
from .grids import Range
from .page import heat, said, short, svg

WIDE, LANE, MARGIN = 1500, 200, 55  # of a lane, of five units a pixel
LANES = 8  # channels drawn
COLUMNS = 180  # of a long signal: the lowest and the highest value of each
NOTES, ROLL = 600, 600  # notes drawn; units between the lowest and the highest
INKS = ("blue", "green", "red", "gold")


def audio(sample: Sample, scale: Range, alt: str) -> str:
    """The wave of every channel."""
    wave = np.asarray(sample["wave"] if isinstance(sample, dict) else sample)
    wave = wave[None] if wave.ndim == 1 else wave
    return _lanes([("wave" if len(wave) == 1 else f"channel {i}", x) for i, x in enumerate(wave)], alt)


def spectrogram(mel: Sample, scale: Range, alt: str) -> str:
    """A log-mel spectrogram [mels, moments], high sounds above."""
    return heat(np.asarray(mel)[::-1], scale.low, scale.high, f"{alt}, log-mel spectrogram", stretched=True)


def series(sample: Sample, scale: Range, alt: str) -> str:
    """A line for each channel; where values are missing the ground is red."""
    given = recording(np.asarray(sample) if not isinstance(sample, dict) else sample)
    names = given.names or tuple(f"channel {i}" for i in range(len(given.values)))
    return _lanes(list(zip(names, given.values, strict=True)), alt, given.time)


def trajectory(sample: Sample, scale: Range, alt: str) -> str:
    """A line for each number of the states, then of the actions."""
    rows = []
    for what, ink in (("state", 0), ("action", 1)):
        x = np.asarray(sample[what], np.float64)
        x = x[:, None] if x.ndim == 1 else x
        rows += [(f"{what} {i}", x[:, i], ink) for i in range(x.shape[1])] if len(x) else []
    return _lanes([row[:2] for row in rows], alt, inks=[row[2] for row in rows])


def music(sample: Sample, scale: Range, alt: str) -> str:
    """A piano roll: time to the right, high notes above, louder ones darker, four colours for families of instruments."""
    onset, length, pitch = (np.asarray(sample[key], np.float64)[:NOTES] for key in ("onset", "duration", "pitch"))
    loud = np.asarray(sample.get("velocity", np.full(len(onset), 64)), np.float64)[:NOTES]
    ink = np.asarray(sample.get("program", np.zeros(len(onset))), np.int64)[:NOTES] // 8 % len(INKS)
    low, high = int(pitch.min()) - 1, int(pitch.max()) + 1
    first, last = float(onset.min()), float((onset + length).max())
    x = (onset - first) / max(last - first, 1e-9) * WIDE
    wide = np.maximum(length / max(last - first, 1e-9) * WIDE, 4)
    tall = ROLL / (high - low + 1)
    notes = "".join(
        f"<rect class=f-{INKS[k]} x={a:.0f} y={(high - p) * tall:.0f} width={b:.0f} height={tall:.0f} "
        f"opacity={0.3 + 0.7 * v / 127:.2f} />"
        for a, b, p, v, k in zip(x, wide, pitch, loud, ink, strict=True)
    )
    of = f" (the first {NOTES} of {len(sample['onset']):,} notes)" if len(sample["onset"]) > NOTES else ""
    note = f"pitches {low + 1} to {high - 1}, {last - first:.4g} quarter notes{of}"
    text = f"<text x=10 y={ROLL + MARGIN} font-size={MARGIN - 7}>{said(note)}</text>"
    return svg(WIDE, ROLL + MARGIN + 15, notes + text, f"{alt}, piano roll")


def _lanes(
    rows: Sequence[tuple[str, np.ndarray]], alt: str, time: np.ndarray | None = None, inks: Sequence[int] | None = None
) -> str:
    """A line for each of these, one below the other, each between its own lowest and highest value."""
    body = []
    for i, (name, values) in enumerate(rows[:LANES]):
        x = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
        there = x[np.isfinite(x)]
        low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
        words = f"{name}: {short(low)} to {short(high)}" if there.size else f"{name}: all missing"
        ink = INKS[inks[i] if inks is not None else 0]
        line = _line(x, low, high, time)
        body.append(
            f"<g transform='translate(0 {i * (LANE + MARGIN)})'><text x=10 y={MARGIN - 10} font-size={MARGIN - 7}>"
            f"{said(words)}</text><g class=s-{ink} transform='translate(0 {MARGIN})'>{line}</g></g>"
        )
    more = len(rows) - LANES
    tall = min(len(rows), LANES) * (LANE + MARGIN)
    if more > 0:
        body.append(f"<text x=10 y={tall + MARGIN - 10} font-size={MARGIN - 7}>and {more} more</text>")
    return svg(WIDE, tall + (MARGIN if more > 0 else 10), "".join(body), f"{alt}, {len(rows)} lines over time")


def _line(x: np.ndarray, low: float, high: float, time: np.ndarray | None) -> str:
    """A path of numbers [n], broken where they are missing, and a ground below the gaps."""
    at = np.arange(len(x), dtype=np.float64) if time is None else np.asarray(time, np.float64)
    begin, span = float(at[0]) if len(at) else 0.0, float(np.ptp(at)) if len(at) else 0.0
    across = np.full(len(x), WIDE / 2) if not span else (at - begin) / span * WIDE
    gaps = _gaps(np.isfinite(x), across)
    if len(x) > 2 * COLUMNS:
        across, x = _envelope(across, x)
    y = np.full(len(x), LANE / 2) if high <= low else LANE - 10 - (x - low) / (high - low) * (LANE - 20)
    path: list[str] = []
    last: tuple[int, int] | None = None
    for a, b in zip(across.tolist(), y.tolist(), strict=True):
        if b != b:
            last = None
            continue
        here = (round(a), round(b))
        path.append(f"M{here[0]} {here[1]}h0" if last is None else f"l{here[0] - last[0]} {here[1] - last[1]}")
        last = here
    return f"{gaps}<path d='{''.join(path)}'/>"


def _gaps(there: np.ndarray, across: np.ndarray) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]]).astype(np.int8)))
    spans = [
        (across[max(0, a - 1)], across[min(len(across) - 1, b)]) for a, b in edges.reshape(-1, 2)[:COLUMNS].tolist()
    ]
    return "".join(f"<rect class=gap x={a:.0f} y=0 width={max(b - a, 2):.0f} height={LANE} />" for a, b in spans)


def _envelope(across: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each column, one after the other; NaN where there is none."""
    column = np.minimum(across / max(WIDE, 1) * COLUMNS, COLUMNS - 1).astype(np.int64)
    low, high = np.full(COLUMNS, np.inf), np.full(COLUMNS, -np.inf)
    known = np.isfinite(x)
    np.minimum.at(low, column[known], x[known])
    np.maximum.at(high, column[known], x[known])
    both = np.stack([low, high], 1).ravel()
    return np.repeat((np.arange(COLUMNS) + 0.5) * WIDE / COLUMNS, 2), np.where(np.isfinite(both), both, np.nan)
