"""How a sample of each kind is drawn: as it was read, and as its rows say it again."""

from collections.abc import Callable

import numpy as np

from ..data.sniff import main_of
from ..forms import Sample
from . import clouds, grids, nets, records, signals, words
from .grids import Range, numbers, range_of

Drawing = Callable[
    [Sample, Range, str], str
]  # (sample, what is darkest and lightest, what a blind reader is told) -> HTML

READ: dict[str, Drawing] = {
    "image": grids.image,
    "multispectral": grids.multispectral,
    "video": grids.video,
    "volume": grids.volume,
    "field": grids.field,
    "audio": signals.audio,
    "series": signals.series,
    "trajectory": signals.trajectory,
    "music": signals.music,
    "text": words.text,
    "code": words.code,
    "protein": words.protein,
    "document": words.page,
    "table": records.row,
    "events": records.events,
    "packets": records.packets,
    "molecule": nets.molecule,
    "graph": nets.graph,
    "points": clouds.points,
    "splats": clouds.splats,
}
KEPT = READ | {"audio": signals.spectrogram, "multispectral": grids.colours}  # of a sound, rows know the spectrogram
PIXELS = ("image", "video", "document")  # whose whole numbers are shares of their range


def scale_of(kind: str, sample: Sample) -> Range:
    """What is drawn darkest and lightest of a sample, and of what is made of it."""
    main = sample.get("page") if kind == "document" else main_of(sample)
    if not isinstance(main, np.ndarray) or main.dtype.kind not in "biuf" or not main.size:
        return Range()
    return range_of(numbers(main, shares=kind in PIXELS))
