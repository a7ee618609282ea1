"""Point at one row, and take all rows of the sample that are like it: segmentation without any learning (MMC, Wu et al. 2023).

Every row with a label is once what is pointed at; the others of its sample are compared with it by cosine similarity, rows
standardised by those of other samples. `prompted-AUC`: how often a row of the same object is more like it than a row of
another. `prompted-IoU`: intersection over union of the same object with the rows above a threshold, which is where Otsu (1979)
divides the similarities of that sample. Both are the mean over rows pointed at within a sample, then over samples.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from . import Figure, Split, figure, probe, standardise

PROMPTS = 256  # rows of a sample that are pointed at, and looked at, at most


@probe(of="rows", asked=True)
def prompted(split: Split) -> Iterator[tuple[str, Figure]]:
    """prompted-AUC and prompted-IoU, of samples in which labelled rows are of several objects, each of two rows or more."""
    if split.quantity or split.groups is None:
        return
    found = []
    for learn, judge in split.rounds[0]:
        _, z = standardise(split.x[learn], split.x[judge])
        z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
        whose, labels = split.groups[judge], split.y[judge]
        order = np.argsort(whose, kind="stable")
        for at in np.split(order, np.flatnonzero(np.diff(whose[order])) + 1):
            some = at[np.unique(np.linspace(0, len(at) - 1, PROMPTS).round().astype(int))]
            marks = pointed(z[some] @ z[some].T, labels[some])
            found += [marks] if marks is not None else []
    if len(found) < 2:
        return
    each = np.array(found)
    for name, x, chance in zip(("AUC", "IoU"), each.T[:2], (0.5, each[:, 2].mean()), strict=True):
        yield f"prompted-{name}", figure(float(x.mean()), (x - x.mean()) / len(x), chance=float(chance))


def pointed(likeness: np.ndarray, labels: np.ndarray) -> tuple[float, float, float] | None:
    """The mean over rows pointed at of AUC and IoU, and the IoU of saying all rows. likeness: [T, T]; labels: [T].

    None where no row has both others of its object and rows of another.
    """
    n = len(labels)
    rest = ~np.eye(n, dtype=bool)
    same = (labels[:, None] == labels)[rest].reshape(n, n - 1)
    asked = same.any(1) & ~same.all(1)
    if not asked.any():
        return None
    same, near = same[asked], likeness[rest].reshape(n, n - 1)[asked].round(6)
    own = same.sum(1)
    ranks = rankdata(near, axis=1)
    auc = ((ranks * same).sum(1) - own * (own + 1) / 2) / (own * (n - 1 - own))
    said = near > otsu(near)[:, None]
    iou = (said & same).sum(1) / (said | same).sum(1)
    return float(auc.mean()), float(iou.mean()), float(own.mean() / (n - 1))


def otsu(values: np.ndarray) -> np.ndarray:
    """[m]: of each row of [m, n] the threshold that leaves most variance between what lies above and what does not."""
    x = np.sort(values.astype(np.float64), axis=1)
    n = np.arange(1, x.shape[1])
    low = x.cumsum(1)[:, :-1]
    apart = (low / n - (x.sum(1, keepdims=True) - low) / (x.shape[1] - n)) ** 2 * n * (x.shape[1] - n)
    if not apart.shape[1]:
        return x[:, 0] - 1
    return np.take_along_axis(x, apart.argmax(1)[:, None], 1)[:, 0]
