"""Is it learning? A few numbers about the vectors of a fixed set of samples, and what they mean in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .probes import Marks, gain

SHRUNK = 0.1  # of the spread before training: a spread below is worth a word
FLAT, RISEN = 0.02, 0.2  # shares of the first loss: less of a fall is none, more of a rise is one
EARLY = 20  # losses below which nothing is told
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


def verdict(
    now: Health, losses: list[float], quick: Sequence[Marks] = (), begun: Health | None = None, moving: bool = False
) -> str:
    """One sentence: is it learning? losses: over training so far, oldest first. quick: what the quick probes said, first of the
    untrained encoder; a difference counts where its 95 % interval leaves out 0. begun: the health before training.
    moving: what is asked for changes as training goes (a teacher, phases), so that the loss may rise while all is well."""
    if now.collapsed and not (begun is not None and begun.collapsed and now.spread > SHRUNK * begun.spread):
        return (
            f"collapsed: the vectors use {now.effective_rank:.1f} of {now.width} directions (spread {now.spread:.4f}); "
            "lower optim.lr, and if that does not help choose recipe=mae"
        )
    said = by_probes(quick, losses, moving)
    if begun is not None and now.samples >= 16 and now.spread < SHRUNK * begun.spread:
        fell = f"the spread of their vectors fell from {begun.spread:.3f} to {now.spread:.3f}"
        if now.effective_rank > begun.effective_rank / 2:  # as many directions, beside one that all share
            said = said or _by_loss(losses, bool(quick), moving)
            return f"{said}; samples have much in common ({fell}): centre or standardise vectors before comparing them"
        if said.startswith("learning"):
            return f"{said}; but samples grow alike: {fell}"
        return f"shrinking: samples grow alike: {fell}; lower optim.lr, or train for less"
    return said or _by_loss(losses, bool(quick), moving)


def by_probes(quick: Sequence[Marks], losses: list[float], moving: bool) -> str:
    """What the quick probes say, or "" where they show no clear change."""
    if len(quick) < 2:
        return ""
    first, last = quick[0], quick[-1]
    said = {
        name: f"{name} went from {first[name].value:.3f} (before training) to {last[name].value:.3f}"
        for name in last
        if name in first
    }
    clear = {name: gain(last[name], first[name]).clear for name in said}
    better, worse = ("; ".join(said[name] for name, sign in clear.items() if sign == wanted) for wanted in (1, -1))
    if better and worse:
        return f"learning some, losing some: {better}; but {worse}"
    if better:
        return f"learning: {better}"
    fallen = [name for name, sign in clear.items() if sign < 0]
    rising = [name for name in fallen if any(name in x and gain(last[name], x[name]).clear > 0 for x in quick)]
    if rising:
        return f"fell at first, as many methods do, and is rising again: {worse}; give it more time (run.minutes=)"
    if not worse:
        return ""
    early, late = _ends(losses)
    meanwhile = (
        f"; the loss fell meanwhile, from {early:.4g} to {late:.4g}: what is learnt is not what the labels ask for"
    )
    fell = len(losses) >= EARLY and not moving and late < early - FLAT * abs(early)
    return f"not helping: {worse}, which is worse{meanwhile if fell else ''}"


def _ends(losses: list[float]) -> tuple[float, float]:
    """The mean loss of the first tenth of training and of the last."""
    tenth = max(1, len(losses) // 10)
    return (float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))) if losses else (0.0, 0.0)


def _by_loss(losses: list[float], quick: bool, moving: bool) -> str:
    """What the loss says, which is less."""
    if len(losses) < EARLY:
        return "too early to tell"
    early, late = _ends(losses)
    unclear = ", the quick probes show no clear change" if quick else ""
    went = f"the loss went from {early:.4g} to {late:.4g}"
    if moving:
        return f"{went}, which says nothing here: what this method asks for moves as it learns{unclear}"
    if late > early + RISEN * abs(early):
        return f"rising: {went}; lower optim.lr{unclear}"
    if late >= early - FLAT * abs(early):
        return f"flat: {went}; raise optim.lr or give it more time{unclear}"
    return f"the loss fell from {early:.4g} to {late:.4g}{unclear}"


def explain_non_finite(step: int, what: str, lr: float, dtype: torch.dtype, saved: bool) -> str:
    """What to do about NaN."""
    kept = "The last checkpoint is intact. " if saved else ""
    other = "" if dtype == torch.float32 else ", or run.dtype=fp32"
    return (
        f"{what} was not finite for {PATIENCE} steps in a row, until step {step} (learning rate {lr:.2g}). {kept}"
        f"Try optim.lr={lr / 3:.1g}{other}, and look for infinite or enormous values in the data."
    )
