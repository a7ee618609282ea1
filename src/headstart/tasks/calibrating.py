"""Whether probabilities mean what they say, and one number that mends them: temperature scaling (Guo et al., "On Calibration of
Modern Neural Networks", 2017)."""

from collections.abc import Callable

import numpy as np

BINS = 10
COLDEST, HOTTEST = 0.05, 20.0  # temperatures that are tried
EQUALLY = (
    "probabilities are as if all classes were equally frequent, as rare ones were made to count as much as common ones: those of "
    "rare classes are larger than their share (weights=none: as often as they come)"
)
GOLDEN = (5**0.5 - 1) / 2


def softmax(out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """[m, K] shares that sum to 1 in each row, in float64."""
    x = out.astype(np.float64) / temperature
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def surprise(p: np.ndarray, labels: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The mean negative log-likelihood, in nats, of the true classes [m] under p [m, K]; weight [m]: how much each counts.

    Labels are taken for wrong once in m + 2 (Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2), or a
    few samples that are all right would make no confidence too great.
    """
    log = np.log(np.maximum(p, 1e-12))
    wrong = 1 / (len(labels) + 2)
    true = log[np.arange(len(labels)), labels]
    each = -(1 - wrong) * true - wrong * (log.sum(1) - true) / max(1, p.shape[1] - 1)
    return float(np.average(each, weights=weight))


def coldest(loss: Callable[[float], float], rounds: int = 40) -> float:
    """The temperature at which a loss is least, by golden section over its logarithm; 1 where none is better than that."""
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(rounds):
        a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, b) if loss(float(np.exp(a))) <= loss(float(np.exp(b))) else (a, high)
    found = float(np.exp((low + high) / 2))
    return found if loss(found) < loss(1.0) else 1.0


def temperature_of(out: np.ndarray, labels: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The number by which outputs [m, K] are divided so that the true classes [m] surprise least."""
    return coldest(lambda t: surprise(softmax(out, t), labels, weight))


def at_bound(temperature: float) -> str:
    """What to say of a temperature that no search could pass; "" of others."""
    if temperature <= 1.01 * COLDEST:
        return " (the least that is tried: it might be surer still)"
    return " (the most that is tried: these outputs say next to nothing)" if temperature >= HOTTEST / 1.01 else ""


def calibration_error(p: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: how far confidence and share of right answers lie apart, the mean over `bins` equal intervals
    of confidence, each counting by its samples (Guo et al., equation 3). p: [m, K], labels: [m]."""
    sure, right = p.max(1), p.argmax(1) == labels
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    apart = np.bincount(bin_of, sure - right, bins)
    return float(np.abs(apart).sum() / max(1, len(labels)))
