"""Who looks after a run: hears every row of its log, says what is wrong when it is seen, and judges at the end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from .. import checkpoint, dist, health
from ..forms import Json
from ..health import Health, TrainingStopped
from ..log import Log, rows
from ..objective import Objective
from ..probes import Figure
from ..recipe import RANDOM, Data, Recipe
from ..scoring.results import figures
from ..signs import Course, Sign
from ..step import Step, at
from ..teacher import Ema
from ..terms import Term

SOME = 4096  # numbers of each matrix by which it is seen whether weights move
STOPS = "not finite"  # the sign at which nobody is helped by going on
SHARED, BLAMED = 3, 1000  # steps that were left out, at least, before a sample is blamed; of so many last steps
Watch = Callable[[int], Mapping[str, float | Figure]]


class Unwell(TrainingStopped):
    """Training cannot go on like this."""

    def __init__(self, sign: Sign) -> None:
        super().__init__(str(sign))
        self.sign = sign


class Moved:
    """How far matrices are from where they were when this was made, as a share of their size."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.began = self._now()

    def _now(self) -> dict[str, Tensor]:
        matrices = {name: p for name, p in self.objective.named_parameters() if p.ndim > 1}
        return {name: p.detach().reshape(-1)[:SOME].float().cpu().clone() for name, p in matrices.items()}

    def looked(self) -> Json:
        """{"moved": of what learns, "encoder": of encoders, "teacher": of a teacher, None without}."""
        now, learning = self._now(), {name for name, p in self.objective.named_parameters() if p.requires_grad}
        led, leads = ([name for name in now if name.startswith(part)] for part in ("encoders.", "teacher."))
        return {
            "moved": self._share(now, sorted(learning & set(now))),
            "encoder": self._share(now, led),
            "teacher": self._share(now, leads) if leads else None,
        }

    def _share(self, now: dict[str, Tensor], names: Sequence[str]) -> float:
        if not names:
            return 1.0  # no matrix learns, so nothing can be said by them
        before = torch.cat([self.began[name] for name in names])
        after = torch.cat([now[name] for name in names])
        return float((after - before).norm() / before.norm().clamp_min(1e-12))


def course_of(recipe: Recipe, path: Path | None) -> Course:
    """What the run of a recipe has logged so far."""
    objective, total = recipe.objective, recipe.steps
    peak = max(at(recipe.optim.lr, Step(total * i // 20, total)) for i in range(20))
    course = Course(total, peak, objective.teacher is not None or objective.skips)
    course.compares = all(term.hides is None for term in cast(Iterable[Term], objective.terms.values()))
    course.fresh = recipe.begins == RANDOM
    course.led = isinstance(objective.teacher, Ema) and course.fresh
    for row in rows(path) if path is not None else ():
        course.hear(row["event"], row)
    return course


def looking(watch: Watch, moved: Moved, noted: Sequence[Health], log: Log) -> Watch:
    """What training looks at now and then, and how far weights have moved meanwhile."""

    def look(step: int) -> Mapping[str, float | Figure]:
        seen, now = watch(step), noted[-1]
        facts = {"samples": now.samples, "rank": now.effective_rank, "spread": now.spread, "width": now.width}
        log.write("look", step=step, **facts, **moved.looked())
        return seen

    return look


class Doctor:
    """Hears the rows of a log, says each sign once, and stops training where it cannot go on. heal: off, advise or act."""

    def __init__(self, course: Course, log: Log, heal: str) -> None:
        self.course, self.log, self.heal, self.told = course, log, heal, {sign.name for sign in course.signs()}

    def hear(self, event: str, row: Json) -> None:
        self.course.hear(event, row)
        if event == "heal":
            self.told.clear()
        if self.heal == "off" or event not in ("step", "skipped", "look"):
            return
        for sign in self.course.signs():
            if sign.name not in self.told:
                self.told.add(sign.name)
                self.log.write("sign", name=sign.name, step=sign.step, said=sign.said, remedy=sign.remedy)
                self.log.say(f"sign      {sign}")
            if event != "look" and (sign.name == STOPS or (self.heal == "act" and sign.back is not None)):
                raise Unwell(sign)


def judge(
    folder: Path, recipe: Recipe, seed: int, course: Course, noted: Sequence[Health], log: Log, step: int, healed: int
) -> str:
    """The verdict of a run after so many steps, in a sentence; with its reasons it is kept in health.json."""
    rows, looks = [row for row in log.latest("step") if row["step"] < step], log.latest("probe")
    quick, losses = [marks for row in looks if (marks := figures(row))], [row["loss"] for row in rows]
    begun = replace(noted[-1], effective_rank=looks[0]["rank"], spread=looks[0]["spread"]) if looks else None
    signs = course.signs()
    found = "; also ".join(map(str, signs))
    told = health.by_probes(quick, losses, course.moving)
    if signs:
        said = f"{told}; but {found}" if told.startswith("learning") else "; ".join(filter(None, [found, told]))
    else:
        said = health.verdict(noted[-1], losses, quick, begun, course.moving)
    left = [each for each in course.skipped if each < step]
    if left:
        said += f"; {len(left):,} of {step:,} steps were left out, as their loss or gradient was not finite"
        said += _blamed(recipe.data, left, Step(step, recipe.steps, seed))
    said += f"; it was mended {healed} times on the way (healing.json)" if healed > 1 else ""
    said += "; it was mended once on the way (healing.json)" if healed == 1 else ""
    facts = {"step": step, "verdict": said, **asdict(noted[-1]), "grad_norm": rows[-1]["grad_norm"] if rows else None}
    checkpoint.write_json(folder / "health.json", facts | {"signs": [asdict(sign) for sign in signs]})
    return said


def _blamed(data: Data, left: Sequence[int], now: Step) -> str:
    """Which samples all steps that were left out have, and no other step until now; "" where that may be chance."""
    first = max(0, now.index - BLAMED)
    late = {each for each in left if each >= first}
    if len(late) < SHARED or dist.world() > 1:
        return ""
    took = {each: set(map(int, data.samples(replace(now, index=each)))) for each in range(first, now.index)}
    common = set[int].intersection(*(took[each] for each in late))
    common -= set[int]().union(*(took[each] for each in took if each not in late))
    names = " and ".join(data.source.name(i) for i in sorted(common))
    return f", all of them with {names} and no other step with it: look at that" if 0 < len(common) <= SHARED else ""
