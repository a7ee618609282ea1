"""What could be said of the future without an encoder, on the same contexts; and whether the encoder says it better."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import so_many
from ..probes import Figure, Gain
from ..probes._figure import HANDFUL
from ..probes._marking import half_width
from ..tokenizers.rates import filled
from .contexts import Contexts
from .forecasting import ERROR, Forecasting, standard_error

LAST, MEAN, RIDGE = "the last value", "the mean of the context", "ridge regression"
PART = 256  # contexts that are at hand at once
LOOKS, MOST = 1024, 4000  # values of a context that ridge regression sees; contexts that it learns from
STRENGTHS = tuple(10.0**k for k in range(-6, 2))  # of ridge regression, as shares of the mean variance
ALIKE = 0.1  # a gain on the last value that is surely a smaller share of its error is none
CLEAR, SOME = 0.3, 64  # autocorrelation from which on there is a period; contexts that are asked for one


@dataclass(frozen=True)
class Known:
    """Contexts with what came after them, labels [n]; rest: those that may be learnt from; held: those that judge."""

    task: Forecasting
    contexts: Contexts
    labels: np.ndarray
    rest: np.ndarray
    held: np.ndarray


def rivals(known: Known) -> Iterator[tuple[str, np.ndarray]]:
    """(name, what it says of the contexts that judge, in their units [m, C, H]) of each rival."""
    task, held, steps = known.task, known.held, np.arange(known.task.horizon)
    ends = np.concatenate([_filled_in(known.contexts, part)[..., -task.period :] for part in _parts(held)])
    yield LAST, np.repeat(ends[..., -1:], len(steps), axis=2)
    yield MEAN, np.zeros((len(held), task.channels, len(steps)))
    if task.period > 1:
        yield f"the value {task.period:,} before", ends[..., steps % task.period]
    said = _regressed(known)
    if said is not None:
        yield RIDGE, said


def _filled_in(contexts: Contexts, at: np.ndarray) -> Float[np.ndarray, "m C L"]:
    """Contexts in their units, straight lines where nothing was recorded."""
    return np.stack([filled(contexts.plain(int(i)))[0] for i in at])


def period_of(contexts: Contexts, at: np.ndarray) -> int:
    """After how many values contexts repeat themselves: the first peak of their mean autocorrelation beyond its first dip, less a
    straight line; 1 where there is none above CLEAR."""
    some = at[np.unique(np.linspace(0, len(at) - 1, SOME).astype(int))]
    x = _filled_in(contexts, some).reshape(-1, contexts.length)
    n = x.shape[1]
    if n < 8:
        return 1
    t = np.linspace(-1, 1, n)
    x = x - x.mean(1, keepdims=True) - (x @ t / (t @ t))[:, None] * t
    power = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    each = np.fft.irfft(power)[:, :n]
    each = each[each[:, 0] > 1e-9]
    if not len(each):
        return 1
    same = (each / each[:, :1]).mean(0) * n / (n - np.arange(n))  # as many products as there are at each lag
    lags = np.arange(2, n // 2)
    peaks = [int(k) for k in lags if same[k] >= max(same[k - 1], same[k + 1], CLEAR) and same[1:k].min() < same[k] / 2]
    if not peaks:
        return 1
    highest = max(same[k] for k in peaks)
    return next(k for k in peaks if same[k] >= 0.9 * highest)  # twice a period is one, too


def compared(mine: Figure, others: Mapping[str, Figure]) -> str:
    """Whether errors are smaller than the best of the others', in a sentence. That nothing beats the last value is said where it
    is known: where no interval reaches a gain that would matter."""
    best = min(others, key=lambda name: others[name].value)
    least, last = others[best], others[LAST]
    gains = [over(figure, last) for figure in (mine, *(of for name, of in others.items() if name != LAST))]
    what = f"its {ERROR} is {mine.value:.3f}, and {least.value:.3f} of {best}, the best of the others"
    if not any(gain.clear > 0 for gain in gains):
        first = max(gains, key=lambda gain: gain.value)
        simple = f"its {ERROR} is {last.value:.3f}, the tuned encoder's {mine.value:.3f}"
        if first.n >= HANDFUL and all(gain.value + gain.half < ALIKE * last.value for gain in gains):
            return f"nothing beats {LAST} beyond chance: {simple}"
        and_best = "" if best == LAST else f", {least.value:.3f} of {best}"
        return (
            f"cannot be told with {so_many(first.n, 'judge')} whether anything beats {LAST}: {simple}{and_best}; more or longer "
            "series would tell"
        )
    gain = over(mine, least)
    if gain.clear > 0:
        return f"the tuned encoder beats the others: {what} (less by {_by(gain)})"
    if gain.clear < 0:
        return f"the tuned encoder is worse than the best of the others: {what} (more by {_by(over(least, mine))})"
    return (
        f"the tuned encoder cannot be told from the best of the others with {so_many(gain.n, 'judge')}: {what} (what it is less "
        f"by: {gain})"
    )


def _by(gain: Gain) -> str:
    """A difference whose direction is said, with its interval."""
    return f"{gain.value:.3f}, {gain.value - gain.half:.3f} to {gain.value + gain.half:.3f}"


def over(mine: Figure, other: Figure) -> Gain:
    """How much smaller the error `mine` is than the other, unit by unit."""
    assert mine.moves is not None and other.moves is not None
    units = len(mine.moves)
    half = half_width(standard_error(mine.moves - other.moves), units) if units > 1 else float("inf")
    return Gain(mine.over(other), half, units)


def _parts(at: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(at), PART):
        yield at[start : start + PART]


def _regressed(known: Known) -> np.ndarray | None:
    """One linear map from the context to the future for all channels, as of DLinear (Zeng et al. 2023), in closed form; its
    strength is chosen on the contexts that also choose the encoder's rate. None where no future is whole."""
    task, contexts, labels, rest, held = known.task, known.contexts, known.labels, known.rest, known.held
    some = rest[np.unique(np.linspace(0, len(rest) - 1, MOST).astype(int))]
    size, h = min(contexts.length, LOOKS) + 1, task.horizon
    square, cross, count = np.zeros((size, size)), np.zeros((size, h)), 0
    for part in _parts(some):
        y = task.targets(labels[part]).numpy().reshape(-1, h).astype(np.float64)
        whole = ~np.isnan(y).any(1)
        x = _inputs(contexts, part)[whole]
        square, cross, count = square + x.T @ x, cross + x.T @ y[whole], count + int(whole.sum())
    if not count:
        return None
    values, vectors = np.linalg.eigh(square)
    inputs = np.concatenate([_inputs(contexts, part) for part in _parts(held)])
    best, least = None, np.inf
    for strength in STRENGTHS:
        shrunk = np.maximum(values, 0) + strength * max(float(values.mean()), 1e-12)
        said = (inputs @ (vectors @ ((vectors.T @ cross) / shrunk[:, None]))).reshape(len(held), task.channels, h)
        lost = task.marks(said, labels[held])[ERROR].value
        if lost < least:
            best, least = said, lost
    return best


def _inputs(contexts: Contexts, at: np.ndarray) -> Float[np.ndarray, "k F"]:
    """The last values of each channel of these contexts, and a one."""
    x = _filled_in(contexts, at)[..., -LOOKS:]
    x = x.reshape(-1, x.shape[-1])
    return np.concatenate([x, np.ones((len(x), 1))], 1)
