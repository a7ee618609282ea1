"""What may be wrong with training: signs in what a run logs, each with what is seen, in words, and what to do about it.

Everything is computed here, from rows of the log alone, so that the live log, health.json, verdict, report and card say the same,
and a resumed run sees what one that was never interrupted does. A row that depends on the clock does not count.
"""

from dataclasses import dataclass, field

import numpy as np

from .forms import Json
from .health import SHRUNK
from .train import EXACT, ROWS

FEW = 16  # samples below which vectors say nothing
ALIKE = 1e-4  # spread of vectors of an untrained encoder: below, it was shown the same again and again
NOTHING = 5  # first rows of the log whose loss and gradient are 0: nothing is asked
LAST, MOST = 20, 10  # of so many steps, so many that are not finite are too many
WINDOW = 5  # rows whose median is the loss at a time, and that must all be bad
RISE, LOST = 0.5, 0.75  # shares: of the first loss, by which it is above it; of what was gained, that is lost again
# how far weights have moved, as a share of what they were
TORN, PACE = 20.0, 0.3  # more is a rate too high: after many steps, and for each of a few
STILL = 1e-3  # less, after SETTLED steps, is a rate too low; it grows with the root of steps, as chance does
SOLVED = 0.05  # of the first loss: less is no task any more
SETTLED = 20  # steps after which weights have moved, if they ever do


@dataclass(frozen=True)
class Sign:
    """step: after which it was seen. back: the step until which all was well, where going back there with a lower rate may
    help; None where it would not."""

    name: str
    step: int
    said: str
    remedy: str
    back: int | None = None

    def __str__(self) -> str:
        return f"{self.said}; {self.remedy}"


@dataclass
class Course:
    """What a run has logged so far. lr: its peak rate. moving: what is asked for moves as it learns (a teacher, phases), so that
    the loss may rise while all is well. led: its teacher is meant to follow the student. fresh: its encoder begins by chance.
    compares: nothing is hidden, and views are compared."""

    total: int
    lr: float
    moving: bool = False
    led: bool = False
    fresh: bool = True
    compares: bool = False
    losses: dict[int, float] = field(default_factory=dict)
    norms: dict[int, float] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    looks: dict[int, Json] = field(default_factory=dict)

    def hear(self, event: str, row: Json) -> None:
        """One row of the log; what it says of later steps than one that is taken again is forgotten."""
        step = row.get("step", 0)
        if event in ("resume", "heal"):
            for each in (self.losses, self.norms):
                for late in [s for s in each if s >= step]:
                    del each[late]
            self.looks = {s: look for s, look in self.looks.items() if s <= step}
            self.skipped = [s for s in self.skipped if s < step]
        elif event == "step" and (step < EXACT or step % max(1, self.total // ROWS) == 0 or step + 1 == self.total):
            self.losses[step], self.norms[step] = row["loss"], row.get("grad_norm", float("nan"))
        elif event == "skipped" and step not in self.skipped:
            self.skipped.append(step)
        elif event == "look":
            self.looks[step] = row

    def signs(self) -> list[Sign]:
        """All that is wrong as far as can be seen, the gravest first."""
        found = [self._constant(), self._nothing(), self._not_finite(), self._diverging()]
        found += [self._collapsed(), self._torn(), self._still(), self._unled()]
        return [sign for sign in found if sign is not None]

    @property
    def streak(self) -> int:
        """The first of the steps that were skipped one after the other, last."""
        step = self.skipped[-1]
        while step - 1 in self.skipped:
            step -= 1
        return step

    def _lower(self) -> str:
        return f"lower optim.lr, which is {self.lr:.2g}, to {self.lr / 10:.1g}"

    def _constant(self) -> Sign | None:
        first = self.looks.get(0)
        if first is None or first["samples"] < FEW or first["spread"] >= ALIKE:
            return None
        said = f"constant data: the {first['samples']:,} samples that were looked at are all the same to an encoder"
        return Sign("constant data", 0, said, "look at what is read (headstart show); no setting can help")

    def _nothing(self) -> Sign | None:
        first = sorted(self.losses)[:NOTHING]
        if len(first) < NOTHING or any(self.losses[s] != 0 or self.norms[s] != 0 for s in first):
            return None
        said = "nothing is asked: the loss is 0, and so is its gradient"
        return Sign(
            "nothing asked", first[-1], said, "let the method hide something (ratio=), or choose another (recipe=)"
        )

    def _not_finite(self) -> Sign | None:
        for last in self.skipped[MOST - 1 :]:
            late = [s for s in self.skipped if last - LAST < s <= last]
            if len(late) >= MOST:
                among = f"{len(late)} of the {min(LAST, last + 1)} steps until step {last:,}"
                said = f"not finite: {among} had no finite loss or gradient"
                remedy = (
                    f"{self._lower()}, or take run.dtype=fp32, and look for infinite or enormous values in the data"
                )
                return Sign("not finite", last, said, remedy, late[0])
        return None

    def _diverging(self) -> Sign | None:
        steps = sorted(self.losses)
        if self.moving or len(steps) < 2 * WINDOW:
            return None
        loss = np.array([self.losses[s] for s in steps])
        usual = np.median(np.lib.stride_tricks.sliding_window_view(loss, WINDOW), axis=1)
        lowest, first, late = int(usual.argmin()), min(float(usual[0]), float(loss[0])), float(loss[-WINDOW:].min())
        best, now = float(usual[lowest]), float(usual[-1])
        if late > first + RISE * abs(first):
            return Sign(
                "diverging", steps[-1], f"diverging: the loss rose from {first:.4g} to {now:.4g}", self._lower(), 0
            )
        if first - best > RISE * abs(first) and late > best + LOST * (first - best):
            went = f"diverging: the loss went from {first:.4g} to {best:.4g}, and then to {now:.4g}"
            return Sign("diverging", steps[-1], went, self._lower(), steps[lowest])
        return None

    def _collapsed(self) -> Sign | None:
        first, (step, now) = self.looks.get(0), max(self.looks.items(), default=(0, None))
        if now is None or now["samples"] < FEW or step == 0:
            return None
        before = first["spread"] if first is not None else 0.0
        if now["spread"] < SHRUNK * before and self._trivial():
            said = f"collapsed: two views agree as all samples look alike (spread {before:.3f}, and now {now['spread']:.3f})"
            return Sign(
                "collapsed",
                step,
                said,
                f"{self._lower()}, or choose a method with a guard (recipe=dino, recipe=simclr)",
            )
        if now["rank"] >= 2 and now["spread"] >= 1e-3:
            return None
        if first is not None and now["spread"] > SHRUNK * before and (now["rank"] > first["rank"] / 2 or before < 1e-3):
            return None  # of such data, or of so narrow an encoder, vectors are alike whatever is learnt
        used = f"the vectors use {now['rank']:.1f} of {now['width']} directions (spread {now['spread']:.4f})"
        remedy = f"{self._lower()}, and if that does not help choose recipe=mae"
        return Sign("collapsed", step, f"collapsed: {used}", remedy)

    def _trivial(self) -> bool:
        """Views are all that is compared, and nothing is left to compare."""
        losses = [self.losses[s] for s in sorted(self.losses)]
        return self.compares and len(losses) >= 2 * WINDOW and float(np.median(losses[-WINDOW:])) < SOLVED * losses[0]

    def _torn(self) -> Sign | None:
        for step, look in self.looks.items():
            if look["moved"] > min(TORN, PACE * step):
                far = f"by step {step:,} weights have moved by {look['moved']:,.1f} times their size"
                return Sign("rate too high", step, f"a rate far too high: {far}", self._lower())
        return None

    def _still(self) -> Sign | None:
        step, now = max(self.looks.items(), default=(0, None))
        if now is None or not self.fresh or step < SETTLED or now["moved"] > STILL * min(10.0, (step / SETTLED) ** 0.5):
            return None
        said = f"a rate far too low: after {step:,} steps weights have moved by {now['moved']:.1g} of their size"
        return Sign("rate too low", step, said, f"raise optim.lr, which is {self.lr:.2g}, to {self.lr * 100:.1g}")

    def _unled(self) -> Sign | None:
        step, now = max(self.looks.items(), default=(0, None))
        if now is None or not self.led or step < SETTLED or now["encoder"] <= STILL or now["teacher"] > 0:
            return None
        said = "a teacher that leads nowhere: it was made by chance, and has not moved from there"
        return Sign("teacher still", step, said, "give it a momentum below 1, so that it follows the student")
