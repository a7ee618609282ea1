"""Is it learning? A few numbers about the vectors of a fixed set of samples, and what they mean in words."""

from dataclasses import dataclass

import numpy as np
import torch

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


def verdict(now: Health, losses: list[float], scores: list[float], clear: float = 0.0) -> str:
    """One sentence. losses: over training so far, oldest first. scores: of the quick probe, the untrained encoder's first; a
    difference counts from `clear` on."""
    if now.collapsed:
        return (
            f"collapsed: the vectors use {now.effective_rank:.1f} of {now.width} directions (spread {now.spread:.4f}); "
            "lower optim.lr, and if that does not help choose recipe=mae"
        )
    if len(scores) > 1:
        gain = scores[-1] - scores[0]
        if gain > clear:
            return f"learning: the quick probe rose from {scores[0]:.3f} (before training) to {scores[-1]:.3f}"
        if gain < -clear:
            return f"not helping: the quick probe stands at {scores[-1]:.3f}, below where it began, {scores[0]:.3f}"
    if len(losses) >= 20:
        tenth = max(1, len(losses) // 10)
        early, late = float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))
        if late > 0.98 * early:
            return f"flat: the loss went from {early:.4g} to {late:.4g}; raise optim.lr or give it more time"
        return f"the loss fell from {early:.4g} to {late:.4g}" + (
            ", the quick probe shows no clear change" if scores else ""
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
