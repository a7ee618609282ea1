"""Statistics of a sound's log-mel spectrogram: how loud each band is, how much that varies, and how fast it changes."""

from collections.abc import Sequence

import numpy as np
from scipy.fft import dct

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, dense, rival

CEPSTRA = 20  # MFCCs whose covariances are taken


@rival("log-mel statistics + linear", kinds=("audio",))
def logmel(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """Mean, spread, 10th and 90th percentile of every band; spread of its first and second differences; covariances of the
    first 20 cepstral coefficients (MFCC), at the same moment and from one to the next; log length. Silence at the end,
    which fills a sound up, does not count. Nothing is learnt from samples."""

    def vectors(asked: Sequence[Sample]) -> np.ndarray:
        return dense(_statistics(tokenizer, sample) for sample in asked)

    return vectors


def _statistics(tokenizer: Tokenizer, sound: np.ndarray) -> np.ndarray:
    heard = np.flatnonzero(sound[0])
    share = (heard[-1] + 1 if len(heard) else 1) / sound.shape[1]
    x = tokenizer.kept(sound).astype(np.float64)
    x = x[:, : max(1, int(np.ceil(x.shape[1] * share)))]
    mfcc = dct(x, norm="ortho", axis=0)[:CEPSTRA]
    mfcc = mfcc - mfcc.mean(1, keepdims=True)
    now, then = mfcc @ mfcc.T / mfcc.shape[1], mfcc[:, 1:] @ mfcc[:, :-1].T / mfcc.shape[1]
    first, second = np.diff(x, 1), np.diff(x, 2)
    parts = [x.mean(1), x.std(1), *np.quantile(x, (0.1, 0.9), 1)]
    parts += [d.std(1) if d.shape[1] else np.zeros(len(x)) for d in (first, second)]
    return np.concatenate([*parts, now[np.triu_indices(len(now))], then.ravel(), [np.log(x.shape[1])]])
