"""EDF and BDF: sleep, EEG and ECG recordings of many channels, each with its own rate.

Kemp et al. 1992, "A simple format for exchange of digitized polygraphic recordings"; EDF+: Kemp and Olivan 2003.
"""

import warnings
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ...forms import Sample

SUFFIXES = (".edf", ".bdf", ".rec")
EXTRA = "signals"
ALONE = True
LARGEST = 2**28  # values of a file
MICROVOLTS = {"V": 1e6, "mV": 1e3, "nV": 1e-3}  # all else is as it is
TOO_LONG = f"it holds more than {LARGEST:,} values at one rate: cut it into shorter recordings"


def kind(start: bytes, path: Path) -> str | None:
    """Series, if the file begins with the version field and the number of header bytes as both formats have them."""
    if start[:8] not in (b"0       ", b"\xffBIOSEMI") or len(start) < 256:
        return None
    size, signals = start[184:192].strip(), start[252:256].strip()
    return "series" if size.isdigit() and signals.isdigit() and int(size) == 256 * (int(signals) + 1) else None


def read(path: Path) -> dict[str, Sample]:
    """{"values": [C, L] float32, "channels": names, "rate": Hz}. Annotations and gaps between records (EDF+D) are not read.

    All signals are brought to the highest rate there is, so that nothing is lost (`data.rate` asks for less), and cut to the
    shortest. Voltages are in microvolts, whatever unit a file is in; all else is in its own. At most 2^28 values.
    """
    edfio = need("edfio", EXTRA, f"reading {path.suffix or 'EDF'}")
    try:
        with path.open("rb") as file:
            start = file.read(256)
        if kind(start, path) is None:
            raise Unreadable("", "it is no EDF or BDF file, or its header is damaged")
        bdf = start[:1] == b"\xff"
        if path.stat().st_size > (3 if bdf else 2) * LARGEST:
            raise Unreadable("", TOO_LONG)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about truncated files, whose whole records are read
            recording = edfio.read_bdf(path) if bdf else edfio.read_edf(path, lazy_load_data=True)
            signals = [s for s in recording.signals if np.isfinite(s.sampling_frequency) and s.sampling_frequency > 0]
            if not signals:
                raise Unreadable("", "it holds no signals")
            rates = [float(s.sampling_frequency) for s in signals]
            rate = max(rates)
            if sum(s.digital.size * rate / r for s, r in zip(signals, rates, strict=True)) > LARGEST:
                raise Unreadable("", TOO_LONG)
            units = [MICROVOLTS.get(str(s.physical_dimension).strip(), 1.0) for s in signals]
            values = [_raised(s.data[None] * u, r, rate)[0] for s, r, u in zip(signals, rates, units, strict=True)]
            names = [str(s.label) for s in signals]
    except (Unreadable, OSError):
        raise
    except Exception as error:  # a broken file fails in as many ways as the library has lines
        raise Unreadable("", f"its header or data are damaged ({type(error).__name__}: {error})") from error
    shortest = min(map(len, values))
    if not shortest:
        raise Unreadable("", "it holds no values")
    if not all(np.isfinite(v).all() for v in values):
        raise Unreadable("", "its physical ranges make infinite values: the header is damaged")
    return {"values": np.stack([v[:shortest] for v in values]), "channels": names, "rate": rate}


def said(path: Path) -> str:
    """In a few words, what is done about the numbers of a file."""
    with path.open("rb") as file:
        start = file.read(256)
        count = int(start[252:256]) if kind(start, path) else 0
        file.seek(256 + count * (16 + 80))
        units = {file.read(8).decode("latin-1").strip() for _ in range(count)}
    return f"{' and '.join(sorted(units & MICROVOLTS.keys()))} brought to uV" if units & MICROVOLTS.keys() else ""


def _raised(values: np.ndarray, rate: float, wanted: float) -> np.ndarray:
    """[C, L] at a higher rate; one over a thousand times as high is come to in two steps (a marker a minute beside an EEG)."""
    from ...tokenizers.rates import to_rate  # here, because it waits for torch

    if values.shape[1] == 1:  # which no filter can take
        return np.repeat(values, round(wanted / rate), 1).astype(np.float32)
    between = max(rate, wanted / 1000)
    return to_rate(to_rate(values, rate, between, LARGEST), between, wanted, LARGEST)
