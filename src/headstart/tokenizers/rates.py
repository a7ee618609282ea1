"""Signals at another rate: what was sampled 500 times a second, as if it had been sampled 360 times."""

from fractions import Fraction

import numpy as np

from ..errors import Unreadable


def to_rate(values: np.ndarray, rate: float, wanted: float, longest: int = 2**28) -> np.ndarray:
    """[C, L] at `rate` as [C, about L * wanted / rate] float32 at `wanted`, at most `longest` points, without aliases.

    Polyphase filtering (scipy.signal.resample_poly) by the nearest fraction of whole numbers up to 1,000; rates so near that
    the last point moves by less than half a step count as one. What is missing (NaN) is bridged by straight lines for the
    filter and is missing again afterwards. Unreadable if one rate is over 1,000 times the other.
    """
    if abs(wanted / rate - 1) * values.shape[1] < 0.5:
        return values[:, :longest].astype(np.float32)
    if not 1e-3 <= wanted / rate <= 1e3:
        raise Unreadable(
            "", f"its rate of {rate:g} values a second is over 1,000 times off the {wanted:g} that are read"
        )
    from scipy.signal import resample_poly  # takes a second or two, which most data need not wait for

    step = max(Fraction(wanted / rate), Fraction(1, 1000)).limit_denominator(1000)
    values = values[:, : int(longest / step) + 1]
    whole, gone = filled(values)
    new = resample_poly(whole, step.numerator, step.denominator, axis=1, padtype="line")[:, :longest].astype(np.float32)
    if gone.any():
        nearest = np.minimum(np.rint(np.arange(new.shape[1]) / float(step)).astype(np.int64), values.shape[1] - 1)
        new[gone[:, nearest]] = np.nan
    return new


def filled(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values [C, L] in float64 with straight lines across what is missing (zero where a channel is empty), and what was."""
    gone = np.isnan(values)
    whole = values.astype(np.float64)
    places = np.arange(values.shape[1])
    for channel in np.flatnonzero(gone.any(1)):
        seen = ~gone[channel]
        whole[channel] = np.interp(places, places[seen], whole[channel, seen]) if seen.any() else 0.0
    return whole, gone
