"""Is it learning? A few numbers about the vectors of a fixed set of samples, and what they mean in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .probes import Marks

PATIENCE = 5  # non-finite steps in a row that are skipped before training stops


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says why and what to try."""


@dataclass(frozen=True)
class Health:
    """effective_rank: how many directions the vectors use (RankMe, Garrido et al. 2023: exp of the entropy of the singular
    values). spread: the standard deviation of unit-length vectors, 1 when they fill all directions evenly, 0 when all
    samples look the same."""

    effective_rank: float
    spread: float
    width: int

    samples: int

    @property
    def collapsed(self) -> bool:
        """Hardly any direction is used, or all samples look the same. Unknown, so False, below 16 samples."""
        return self.samples >= 16 and (self.effective_rank < 2 or self.spread < 1e-3)


def measure(vectors: np.ndarray) -> Health:
    """Health of [n, D] vectors."""
    x = vectors.astype(np.float64)
    values = np.linalg.svd(x - x.mean(0), compute_uv=False)
    share = values / max(values.sum(), 1e-12)
    rank = float(np.exp(-(share * np.log(share + 1e-12)).sum())) if values.sum() > 1e-8 else 1.0
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    spread = float(unit.std(0).mean() * np.sqrt(x.shape[1]))
    return Health(rank, spread, x.shape[1], len(x))


def verdict(now: Health, losses: list[float], quick: Sequence[Marks] = ()) -> str:
    """One sentence. losses: over training so far, oldest first. quick: what the quick probes said, first of the untrained
    encoder; a difference counts from two standard errors of that on."""
    if now.collapsed:
        return (
            f"collapsed: the vectors use {now.effective_rank:.1f} of {now.width} directions (spread {now.spread:.4f}); "
            "lower optim.lr, and if that does not help choose recipe=mae"
        )
    if len(quick) > 1:
        begun, stands = quick[0], quick[-1]
        said = {name: f"{name} went from {begun[name].value:.3f} (before training) to {stands[name].value:.3f}"
                for name in stands if name in begun}  # fmt: skip
        clear = {name: stands[name].over(begun[name]) / begun[name].error for name in said}
        better = "; ".join(said[name] for name, errors in clear.items() if errors > 2)
        worse = "; ".join(said[name] for name, errors in clear.items() if errors < -2)
        if better and worse:
            return f"learning some, losing some: {better}; but {worse}"
        if better or worse:
            return f"learning: {better}" if better else f"not helping: {worse}, which is worse"
    if len(losses) >= 20:
        tenth = max(1, len(losses) // 10)
        early, late = float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))
        if late > 0.98 * early:
            return f"flat: the loss went from {early:.4g} to {late:.4g}; raise optim.lr or give it more time"
        return f"the loss fell from {early:.4g} to {late:.4g}" + (
            ", the quick probes show no clear change" if quick else ""
        )
    return "too early to tell"


def explain_non_finite(step: int, what: str, lr: float, dtype: torch.dtype, saved: bool) -> str:
    """What to do about NaN."""
    kept = "The last checkpoint is intact. " if saved else ""
    other = "" if dtype == torch.float32 else ", or run.dtype=fp32"
    return (
        f"{what} was not finite for {PATIENCE} steps in a row, until step {step} (learning rate {lr:.2g}). {kept}"
        f"Try optim.lr={lr / 3:.1g}{other}, and look for infinite or enormous values in the data."
    )
