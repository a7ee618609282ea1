"""A record of events as it is summed up by hand: of every code how often, how lately and with which values; and codes in a
row."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import sparse

from ..forms import Sample
from ..tokens import Tokenizer
from . import Matrix, Vectors, beside, dense, rival, spread
from .ngrams import doublings, runs
from .tfidf import LEARN, ROOM, weighed

CODES = 200  # of which values are summed up

Scales = dict[str, tuple[float, float]]  # mean and spread of a code's values


@rival("counts, values and n-grams + linear", kinds=("events",))
def records(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F]: TF-IDF of codes in a row, of codes with their value and with the gap before them; of the commonest 200 codes
    how often, how long ago, and mean, spread, first, last, least, largest and slope of the values."""
    known = spread(samples, LEARN, lambda record: 5 * len(record["code"]), ROOM)
    counts = Counter(code for record in known for code in record["code"])
    scales = _scales(known)
    codes = {code: i for i, (code, _) in enumerate(counts.most_common(CODES))}
    terms = weighed(known, analyzer=partial(_terms, scales=scales), norm=None)
    summed = partial(_summed, codes=codes, scales=scales)
    plain = beside(dense(map(summed, known[:1000])))

    def vectors(asked: Sequence[Sample]) -> Matrix:
        return sparse.csr_matrix(sparse.hstack([terms(asked), plain(dense(map(summed, asked)))]), dtype=np.float32)

    return vectors


def _scales(records: Sequence[Sample]) -> Scales:
    values: dict[str, list[float]] = {}
    for record in records:
        for code, value in zip(record["code"], record["value"].tolist(), strict=True):
            if value == value:
                values.setdefault(code, []).append(value)
    return {code: (float(np.mean(x)), float(np.std(x)) or 1.0) for code, x in values.items()}


def _terms(record: Sample, scales: Scales) -> list[str]:
    """Codes in a row; each with its value in whole standard deviations, and with the gap before it in doublings."""
    codes = record["code"]
    out = runs(codes, "code")
    for code, value in zip(codes, record["value"].tolist(), strict=True):
        if value == value:
            mean, std = scales.get(code, (0.0, 1.0))
            out.append(f"value:{code} {np.rint(np.clip((value - mean) / std, -4, 4)):.0f}")
    gaps = doublings(np.diff(np.asarray(record["time"], np.float64)))
    return out + [f"gap:{code} {gap}" for code, gap in zip(codes[1:], gaps, strict=True)]


def _summed(record: Sample, codes: dict[str, int], scales: Scales) -> np.ndarray:
    time = np.asarray(record["time"], np.float64)
    whole = time[-1] - time[0] + 1.0
    out = np.zeros((len(codes), 10))
    out[:, 1] = 1.0  # never: as long ago as can be
    which = np.array([codes.get(code, -1) for code in record["code"]])
    for code, i in codes.items():
        here = which == i
        if not here.any():
            continue
        out[i, :3] = np.log1p(here.sum()), (time[-1] - time[here][-1]) / whole, here.sum() / whole
        mean, std = scales.get(code, (0.0, 1.0))
        x = (record["value"][here] - mean) / std
        t = time[here][~np.isnan(x)] / whole
        x = x[~np.isnan(x)].clip(-1e6, 1e6)
        if len(x):
            t = t - t.mean()
            slope = (t @ x) / max(t @ t, 1e-3)
            out[i, 3:] = x.mean(), x.std(), x[0], x[-1], x.min(), x.max(), slope
    return np.concatenate([out.ravel(), np.log1p([len(time), whole])])
