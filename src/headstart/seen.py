"""What samples are like, in a few facts that stand on an encoder's card, and how the samples of other data differ from them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .data.sniff import MEASURED, channels_of, main_of, rate_of
from .data.source import DataError
from .errors import shown
from .forms import Json, Sample

PICTURES = frozenset({"image", "multispectral", "video"})
COLOURS = (1, 3, 4)  # channels of a picture whose last axis they are
NUMBERS = 4096  # of a sample that are looked at
OTHER, FOREIGN = 20, 1000  # times as wide a spread of values, or as narrow: is said, is refused
SIDES = 4  # times as long or as short a side: is said
BEYOND = 5  # ranges between quartiles away from the middle: is said
CELLS = 8  # of a column, from which on its quartiles are known
FEW = 6  # names that are said


def facts(samples: Sequence[Sample], kind: str) -> Json:
    """What these samples are like, as JSON.

    channels: how many, each number that occurs. names: those of channels. rates: [lowest, highest] per second, of those that say
    one. sides: [[shortest, longest] of height, of width] in pixels. values: [1st, 99th percentile]. columns: of a table, of each
    that holds numbers the quartiles.
    """
    channels = {count for sample in samples if (count := channels_of(sample, kind)) is not None}
    rates = [rate for sample in samples if (rate := rate_of(sample)) is not None]
    names = {str(name) for sample in samples for name in _named(sample)}
    found: Json = {
        "channels": sorted(channels),
        "names": sorted(names),
        "rates": [min(rates), max(rates)] if rates else [],
    }
    arrays = [
        np.ma.filled(np.ma.asarray(main_of(s)).astype(np.float64), np.nan) for s in samples if _is_array(main_of(s))
    ]
    shapes = np.array([array.shape[-2:] for array in arrays if array.ndim >= 2]).reshape(-1, 2)
    if kind in PICTURES and len(shapes):
        found["sides"] = np.stack([shapes.min(0), shapes.max(0)], 1).tolist()
    some = [array.reshape(-1)[:: max(1, array.size // NUMBERS)] for array in arrays]
    numbers = np.concatenate(some) if some else np.zeros(0)
    numbers = numbers[np.isfinite(numbers)]
    if kind in PICTURES | MEASURED and len(numbers):
        found["values"] = np.percentile(numbers, [1, 99]).tolist()
    if kind == "table":
        cells: dict[str, list[float]] = defaultdict(list)
        for row in samples:
            for name, cell in row.items():
                if isinstance(cell, int | float) and not isinstance(cell, bool) and np.isfinite(cell):
                    cells[name].append(float(cell))
        found["columns"] = {n: np.percentile(x, [25, 50, 75]).tolist() for n, x in cells.items() if len(x) >= CELLS}
    return found


def differences(known: Json, new: Json, kind: str) -> list[str]:
    """How data with the facts `new` differ from what an encoder learnt from, in sentences; DataError where what the encoder said
    of them would be chance: channels of other names, values of another unit."""
    return [
        *_names(known, new),
        *_channels(known, new, kind),
        *_rates(known, new),
        *_sides(known, new),
        *_values(known, new),
        *_columns(known, new),
    ]


def taken_at(samples: Sequence[Sample], rate: object, word: str = "") -> list[str]:
    """In a sentence, at which rate those recordings are taken that say none; nothing where all do, or where none is read."""
    if not isinstance(rate, int | float):
        return []
    bare = [s for s in samples if rate_of(s) is None and not (isinstance(s, dict) and s.get("time") is not None)]
    if not bare:
        return []
    stated = sorted({r for s in samples if (r := rate_of(s)) is not None})
    others = f"; others were recorded at {_to(stated[0], stated[-1])}" if stated else ""
    some = "the recordings" if len(bare) == len(samples) else f"{len(bare):,} of {len(samples):,} recordings looked at"
    return [f"{some} do not say their rate, and are taken for recorded at {rate:g} per second{word}{others}"]


def one_sample(shape: tuple[int, ...], kind: str, channels: Sequence[int]) -> bool:
    """Whether an array of this shape is one sample of an encoder that learnt from so many channels, and no stack of samples.

    A picture [H, W] or [H, W, C], a recording [L]; [C, H, W] and [C, L] where all that it learnt from had C channels, and C > 1.
    """
    axes = {"image": 2, "series": 1}.get(kind)
    if axes is None or len(shape) > axes + 1:
        return False
    colours = kind == "image" and shape[-1] in COLOURS  # no pictures are so narrow
    return len(shape) == axes or colours or (list(channels) == [shape[0]] and shape[0] > 1)


def few_of(names: Sequence[str]) -> str:
    """The first of some names."""
    every = [shown(name) for name in sorted(names)]
    return ", ".join(every[:FEW]) + (f" and {len(every) - FEW} more" if len(every) > FEW else "")


def _names(known: Json, new: Json) -> list[str]:
    mine, other = set(known["names"]), set(new["names"])
    if not mine or not other:
        return []
    both = mine & other
    if 2 * len(both) < min(len(mine), len(other)):
        raise DataError(
            f"this encoder learnt from the channels {few_of([*mine])}, and of {few_of([*other])} it knows {len(both)}: "
            "give recordings of the same channels"
        )
    said = (("does not know", other - mine), ("knows and that are not there (they are missing)", mine - other))
    return [f"channels that the encoder {what}: {few_of([*names])}" for what, names in said if names]


def _channels(known: Json, new: Json, kind: str) -> list[str]:
    mine, other = known["channels"], new["channels"]
    if not mine or set(other) <= set(mine) or (known["names"] and new["names"]):
        return []
    what = "grey and colour are made of each other" if kind in PICTURES else "channels that are not there are missing"
    return [f"they have {_or(other)} channels, and the encoder learnt from {_or(mine)}: {what}"]


def _rates(known: Json, new: Json) -> list[str]:
    if not known["rates"] or not new["rates"]:
        return []
    (low, high), (lowest, highest) = known["rates"], new["rates"]
    if low / 1.05 <= lowest and highest <= high * 1.05:
        return []
    lost = f", and hold nothing faster than {lowest / 2:g} per second" if lowest < low / 1.05 else ""
    return [f"they were recorded at {_to(lowest, highest)} per second, and the encoder learnt from {_to(low, high)}: "
            f"they are brought to its rate{lost}"]  # fmt: skip


def _sides(known: Json, new: Json) -> list[str]:
    if "sides" not in known or "sides" not in new:
        return []
    pairs = list(zip(known["sides"], new["sides"], strict=True))
    if all(high <= SIDES * most and SIDES * low >= least for (least, most), (low, high) in pairs):
        return []
    here, there = ("x".join(_to(*side) for side in facts["sides"]) for facts in (new, known))
    return [f"they are {here} pixels, and the encoder learnt from {there}: they are brought to its size"]


def _values(known: Json, new: Json) -> list[str]:
    if "values" not in known or "values" not in new:
        return []
    (least, most), (low, high) = known["values"], new["values"]
    if most <= least or high <= low:
        return []
    said = f"values from {low:.4g} to {high:.4g}, and the encoder learnt from {least:.4g} to {most:.4g}"
    times = (high - low) / (most - least)
    if not 1 / FOREIGN <= times <= FOREIGN:
        raise DataError(f"these samples have {said}: give them in the same unit")
    apart = min(most, high) < max(least, low)
    return [f"they have {said}: is it the same unit?"] if apart or not 1 / OTHER <= times <= OTHER else []


def _columns(known: Json, new: Json) -> list[str]:
    """Columns whose middle lies far beyond what was usual (by quartiles, which a few odd cells do not move), or that are spread
    much wider or narrower: dollars that were cents."""
    mine, other = known.get("columns", {}), new.get("columns", {})
    strange = []
    for name in sorted(mine.keys() & other.keys()):
        (low, middle, high), (least, here, most) = mine[name], other[name]
        wide, spread = max(high - low, 1e-9 * abs(middle)), most - least
        if wide > 0 and (abs(here - middle) > BEYOND * wide or spread > OTHER * wide or 0 < spread < wide / OTHER):
            strange.append(f"{name} (middle {here:.4g}, and {middle:.4g} where the encoder learnt)")
    return (
        [f"columns whose values are not as they were: {few_of(strange)}: are these the same units?"] if strange else []
    )


def _named(sample: Sample) -> Sequence[object]:
    names = sample.get("channels") if isinstance(sample, dict) else None
    return names if isinstance(names, list | tuple) else ()


def _is_array(main: Sample) -> bool:
    return isinstance(main, np.ndarray) and main.dtype.kind in "biuf" and main.size > 0


def _or(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers[:4]))


def _to(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
