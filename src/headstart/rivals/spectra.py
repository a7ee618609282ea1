"""A picture in many wavelengths band by band: how bright it is there, how that is spread, and how grainy it is.

That is what classifiers of land cover are commonly given. (HOG and a picture of 4 x 4 fields were tried beside it, and make it
worse: docs/log.md.)
"""

from collections.abc import Sequence

import numpy as np

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, dense, rival, spread

KNOTS = 32  # bands at most, neighbours together
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEARN = 1_000  # samples whose wavelengths are known


@rival("statistics of bands + linear", kinds=("multispectral",))
def spectra(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, K * 8]: mean, spread, percentiles (10, 25, 50, 75, 90) and mean gradient of each band, read off at the K
    wavelengths of these samples by straight lines; the log of the sides' ratio."""
    known = np.unique(np.concatenate([np.asarray(x["wavelength"], np.float64) for x in spread(samples, LEARN)]))
    knots = np.array([group.mean() for group in np.array_split(known, min(KNOTS, len(known)))])
    return lambda asked: dense(_vector(sample, knots) for sample in asked)


def _vector(sample: Sample, knots: np.ndarray) -> np.ndarray:
    x, at = np.nan_to_num(sample["bands"].astype(np.float64)), np.asarray(sample["wavelength"], np.float64)
    down, right = (np.diff(x, axis=axis) ** 2 for axis in (1, 2))
    grain = np.sqrt(sum(y.mean((1, 2)) if y.size else np.zeros(len(x)) for y in (down, right)))
    each = [x.mean((1, 2)), x.std((1, 2)), *np.quantile(x, SHARES, (1, 2)), grain]
    return np.concatenate([*(np.interp(knots, at, y) for y in each), [np.log(x.shape[2] / x.shape[1])]])
