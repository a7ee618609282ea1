"""Whether two rows of a sample belong to the same object, by a symmetric bilinear form (Li et al. 2025, "Does Object Binding
Naturally Emerge in Large Pretrained Vision Transformers?").

The score of two rows x, y of width D is x' W y / sqrt(D) + b with W = (A + A') / 2, which can hold what no linear probe of
single rows can: that two rows carry the same mark, whatever the mark. It is learnt by binary cross-entropy over all pairs
within a sample by AdamW (weight decay 0.01), as in the authors' code; here with W from zero, rate 3e-2, a fixed number of steps
of a few samples each, and at most 64 rows of each. It is judged by the AUC of pairs within a sample, the mean over samples.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import rankdata
from torch.nn import functional as F

from . import Figure, Split, figure, probe, standardise

STEPS, RATE, DECAY, SAMPLES, ROWS = 400, 3e-2, 0.01, 8, 64


@probe(of="rows", asked=True)
def same_object(split: Split) -> Iterator[tuple[str, Figure]]:
    """same_object-AUC, from all labelled rows; only where rows say which sample they are of."""
    if split.quantity or split.groups is None:
        return
    found: list[float] = []
    for learn, judge in split.rounds[0]:
        bank, query = standardise(split.x[learn], split.x[judge])
        teach = _apart(bank, split.y[learn], split.groups[learn])
        asked = _apart(query, split.y[judge], split.groups[judge])
        if teach and asked:
            form, bias = bilinear(teach)
            found += [paired(z, labels, form, bias) for z, labels in asked]
    if len(found) < 2:
        return
    x = np.array(found)
    yield "same_object-AUC", figure(float(x.mean()), (x - x.mean()) / len(x), chance=0.5)


def bilinear(samples: list[tuple[np.ndarray, np.ndarray]], steps: int = STEPS) -> tuple[np.ndarray, float]:
    """W [D, D], symmetric, and b, of samples that are each rows [T, D] and the numbers of their objects [T]."""
    rng, width = np.random.default_rng(0), samples[0][0].shape[1]
    rows = torch.zeros(len(samples), max(len(z) for z, _ in samples), width)
    same, asked = (torch.zeros(len(rows), rows.shape[1], rows.shape[1]) for _ in range(2))
    for at, (x, labels) in enumerate(samples):
        rows[at, : len(x)] = torch.from_numpy(x)
        same[at, : len(x), : len(x)] = torch.from_numpy(labels[:, None] == labels)
        asked[at, : len(x), : len(x)] = torch.ones(len(x), len(x)).triu(1)
    half, bias = torch.zeros(width, width, requires_grad=True), torch.zeros((), requires_grad=True)
    optim = torch.optim.AdamW([half], lr=RATE, weight_decay=DECAY)
    # faster than the rest, else what all rows share becomes a bias within W
    optim.add_param_group({"params": [bias], "lr": 10 * RATE, "weight_decay": 0.0})
    schedule = torch.optim.lr_scheduler.LinearLR(optim, 1, 0, steps)
    with torch.enable_grad():
        for _ in range(steps):
            i = torch.from_numpy(rng.integers(0, len(samples), SAMPLES))
            z = rows[i]
            score = z @ ((half + half.T) / (2 * width**0.5)) @ z.mT + bias
            each = F.binary_cross_entropy_with_logits(score, same[i], reduction="none") * asked[i]
            optim.zero_grad()
            (each.sum() / asked[i].sum()).backward()
            optim.step()
            schedule.step()
    a = half.detach().numpy()
    return (a + a.T) / 2, float(bias.detach())


def paired(z: np.ndarray, labels: np.ndarray, form: np.ndarray, bias: float = 0.0) -> float:
    """AUC of the pairs within one sample: rows [T, D], the numbers of their objects [T], W [D, D]."""
    first, second = np.triu_indices(len(z), 1)
    score = (z @ form @ z.T / z.shape[1] ** 0.5 + bias)[first, second].round(6)
    same = labels[first] == labels[second]
    own = int(same.sum())
    return float((rankdata(score)[same].sum() - own * (own + 1) / 2) / (own * (len(same) - own)))


def _apart(x: np.ndarray, y: np.ndarray, whose: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows [T, D], labels [T]) of every sample in which some pairs are of one object and some are not."""
    order = np.argsort(whose, kind="stable")
    out = []
    for at in np.split(order, np.flatnonzero(np.diff(whose[order])) + 1):
        some = at[np.unique(np.linspace(0, len(at) - 1, ROWS).round().astype(int))]
        _, count = np.unique(y[some], return_counts=True)
        if len(count) > 1 and count.max() > 1:
            out.append((x[some], y[some]))
    return out
