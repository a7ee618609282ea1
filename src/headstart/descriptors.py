"""What is known of a sample without learning: the vector that a specialist of its kind would compute (`rivals`), or its plain one
where there is no specialist, in its first directions.

PASE's workers (Pascual et al. 2019), MaskFeat's HOG (Wei et al. 2022) and MolBERT's descriptors (Fabian et al. 2020) are
this of one kind each; here every kind has some.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse

from .forms import Sample
from .rivals import Matrix, of_kind
from .tokens import Tokenizer

FEW = 2_000  # samples that directions are found from
FAR = 5.0  # standard deviations beyond which a number counts as so many: a rare one must not be all there is


@runtime_checkable
class Samples(Protocol):
    """Samples by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class Descriptors:
    """Vectors of the samples of a source, [n, width], mean 0; of variance 1 on average over directions.

    Made when first asked for, and kept: a sample is described once in a run.
    """

    def __init__(self, samples: Samples, tokenizer: Tokenizer, directions: int = 128) -> None:
        self.samples, self.tokenizer = samples, tokenizer
        self.width = max(1, min(directions, len(samples) - 1))
        self._kept = np.full((len(samples), self.width), np.nan, np.float32)

    def of(self, at: np.ndarray) -> Float[np.ndarray, "n width"]:
        """Of the samples of these numbers."""
        new = np.unique(at[np.isnan(self._kept[at, 0])])
        if len(new):
            self._kept[new] = self._reduced(self._vectors([self.samples[int(i)] for i in new]))
        return self._kept[at]

    @cached_property
    def _some(self) -> list[Sample]:
        at = np.unique(np.linspace(0, len(self.samples) - 1, FEW).astype(int))
        return [self.samples[int(i)] for i in at]

    @cached_property
    def _vectors(self) -> Callable[[Sequence[Sample]], Matrix]:
        rival = of_kind(self.tokenizer.kind)
        if rival is None or rival.learner == "trees":  # trees take columns as they are, missing ones too
            return lambda asked: np.stack([self.tokenizer.raw(sample) for sample in asked])
        return rival.fit(self._some, self.tokenizer)

    @cached_property
    def _reduced(self) -> Callable[[Matrix], np.ndarray]:
        """Standardised (a sparse matrix is weighted already), then along the directions of the largest spread; zeros where there
        are fewer."""
        from sklearn.decomposition import PCA

        x = self._vectors(self._some)
        centre, spread = np.zeros(1), np.ones(1)
        if not sparse.issparse(x):
            x = x.astype(np.float64)
            centre, spread = x.mean(0), x.std(0)
            spread = np.where(spread > 1e-6 * np.abs(x).max(), spread, np.inf)

        def standard(x: Matrix) -> Matrix:
            x = x.astype(np.float64)  # so that sums in another order are the same numbers in the end
            return x if sparse.issparse(x) else ((x - centre) / spread).clip(-FAR, FAR)

        count = max(1, min(self.width, min(x.shape) - 1))
        solver = "arpack" if sparse.issparse(x) else "randomized"
        fitted = PCA(count, svd_solver=solver, random_state=0).fit(standard(x))
        scale = max(float(np.sqrt(fitted.explained_variance_.mean())), 1e-12)
        directions = np.ascontiguousarray(fitted.components_.T) / scale
        middle = fitted.mean_ @ directions

        def reduced(x: Matrix) -> np.ndarray:
            short = _product(standard(x), directions) - middle
            return np.pad(short, ((0, 0), (0, self.width - count))).astype(np.float32)

        return reduced


def _product(x: Matrix, directions: np.ndarray) -> np.ndarray:
    """x @ directions by torch's threads: those of NumPy's own BLAS wait by spinning, and a step beside them takes three times as
    long."""
    if sparse.issparse(x):
        return x @ directions  # of one thread
    return (torch.from_numpy(x) @ torch.from_numpy(directions)).numpy()
