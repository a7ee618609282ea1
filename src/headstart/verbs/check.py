"""`headstart check`: what is wrong with data before it is learnt from: broken, repeated, empty and odd samples, and leaks."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import dist
from ..checking.faults import balance, disagree, far, label_of, leaks, odd, parted
from ..checking.traits import Named, Traits, nearly, same, traits
from ..data.feeding.prepare import few
from ..data.groups import AUTO
from ..data.open import open_source
from ..data.sniff import MEASURED, outlying
from ..data.source import Source
from ..errors import Mistake, shown, so_many
from ..home import expanded
from ..log import Log
from ..outliers import noted
from ..reading import SOME, SOME_ROWS, look, read_in
from ..recipe import Input, Run
from ..training import device_of
from ..writing import try_place, whole

SHOWN = 3


@dataclass(frozen=True)
class Checked:
    """What `check` found. Lists hold names; broken, unfit, plain, odd, far hold (name, reason).

    left_out: all that `pretrain` would leave out; unfit: what of it is neither broken nor empty; refused: why it would not begin.

    duplicates, near: groups of the same and of nearly the same samples. conflicts: the same sample under different labels.
    groups: of samples that hang together (data.group=), the number of each; across: those of duplicates and near that are in
    several of these.
    leaks: (name here, name in the labelled set, "the same" or "nearly the same"). balance: samples of each class.
    """

    path: str
    kind: str
    count: int
    broken: Named = field(default_factory=list)
    unfit: Named = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left_out: Named = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    near: list[list[str]] = field(default_factory=list)
    conflicts: list[list[str]] = field(default_factory=list)
    plain: Named = field(default_factory=list)
    odd: Named = field(default_factory=list)
    far: Named = field(default_factory=list)
    balance: dict[str, int] = field(default_factory=dict)
    uneven: list[str] = field(default_factory=list)
    leaks: list[tuple[str, str, str]] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    across: list[list[str]] = field(default_factory=list)

    @property
    def problems(self) -> int:
        return sum(len(getattr(self, name)) for name in PROBLEMS)

    @property
    def status(self) -> int:
        """The exit status: 0 clean, 1 something was found."""
        return 1 if self.problems else 0

    def lines(self) -> list[str]:
        """For people: each kind of problem, how many, and the first few."""
        out = [f"checked   {so_many(self.count, f'{self.kind} sample')} of {shown(self.path)}"]
        for name, (title, what) in PROBLEMS.items():
            found = getattr(self, name)
            if found:
                out.append(f"{title:9s} {len(found):,} {what}")
                out += [f"          {_said(item)}" for item in found[:SHOWN]]
                out += [f"          and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
        if self.left_out:
            out.append(f"pretrain  would leave out {len(self.left_out):,} of {self.count:,} samples")
        if self.balance:
            most = sorted(self.balance.items(), key=lambda kv: -kv[1])
            out.append(f"classes   {len(most)}: from {most[0][0]} ({most[0][1]:,}) to {most[-1][0]} ({most[-1][1]:,})")
        if self.groups:
            sizes = f"from {min(self.groups):,} to {so_many(max(self.groups), 'sample')}"
            out.append(f"groups    {len(self.groups):,}: {sizes} in each, never divided between learning and judging")
        return out if self.problems else [*out, "clean     nothing was found"]


PROBLEMS = {
    "broken": ("broken", "that cannot be read"),
    "unfit": ("left out", "that can be read and do not go with the others: pretrain leaves them out"),
    "refused": ("refused", "reason why pretrain would not begin"),
    "duplicates": ("same", "groups of identical samples"),
    "near": ("alike", "groups of nearly identical samples"),
    "conflicts": ("labels", "groups of identical samples with different labels"),
    "plain": ("empty", "constant or empty samples"),
    "odd": ("odd", "samples of unusual size, rate or channels"),
    "far": ("far off", "channels of samples with values far outside the rest"),
    "uneven": ("classes", "classes with far fewer samples than the largest"),
    "leaks": ("leaks", "samples that are in the labelled set, too"),
    "across": (
        "leaks",
        "sets of the same or nearly the same samples in several groups: one may teach what another judges",
    ),
}


def check(
    where: object,
    labelled: object = None,
    out: str | Path | None = None,
    log: Log | None = None,
    kind: str | None = None,
    label: str | None = None,
    group: str = AUTO,
) -> Checked:
    """Look at every sample of `where`, say what is wrong, and write all of it as JSON to `out` (check-<name>.json here).

    labelled: a set that an encoder will be judged on; what is in both is a leak. Pictures are nearly the same if only size,
    compression or brightness differ; signals, if gain or offset do; texts, if letter case or white space do. kind, label,
    group: what to read where a folder holds several kinds, and the columns of the labels and of what hangs together. Under
    torchrun samples are read by all processes, each a part of them, and the first one says and writes what was found.
    """
    with dist.dividing(device_of(Run())):
        return _checked(where, labelled, out, log or Log(quiet=dist.rank() > 0), kind, label, group)


def _checked(
    where: object,
    labelled: object,
    out: str | Path | None,
    log: Log,
    kind: str | None,
    label: str | None,
    group: str,
) -> Checked:
    """`check`, in each process."""
    target = Path(f"check-{_short(where)}.json") if out is None else Path(str(out))
    try_place(target)
    source = open_source(where, kind, label, group)
    log.lines([f"found     {source.describe()}"])

    def say(said: str) -> None:
        log.say(f"cache     {said}")

    here = traits(source, log.progress("checking"), say)
    there = (
        None
        if labelled is None
        else traits(open_source(labelled, source.kind), log.progress("checking the labelled set"), say)
    )
    left_out, refused = dist.agree(_left_out(source, here, log) if dist.rank() == 0 else None)
    plain = [(source.name(i), reason) for i, reason in enumerate(here.plain) if reason is not None]
    named = {name for some in (here.bad, plain) for name, _ in some} | {
        name.rpartition(", ")[0] for name, _ in here.bad
    }
    duplicates, near = same(here.content), nearly(here)
    name = source.name
    found = Checked(
        path=str(where) if isinstance(where, str | Path) else type(where).__name__,
        kind=source.kind,
        count=len(source),
        broken=here.bad + ([] if there is None else [(f"labelled: {n}", reason) for n, reason in there.bad]),
        unfit=[(sample, reason) for sample, reason in left_out if sample not in named],
        refused=refused,
        left_out=left_out,
        duplicates=[[name(i) for i in each] for each in duplicates],
        near=[[name(i) for i in each] for each in near],
        conflicts=[[f"{name(i)} ({label_of(source, i)})" for i in g] for g in duplicates if disagree(source, g)],
        plain=plain,
        odd=odd(here),
        far=_far(source, here),
        **balance(source, here),
        leaks=[] if there is None else leaks(here, there),
        groups=[] if source.groups is None else np.unique(source.groups, return_counts=True)[1].tolist(),
        across=[[name(i) for i in each] for each in (*duplicates, *near) if parted(source, each)],
    )
    log.lines(found.lines())
    if dist.rank() == 0:
        _write(target, found)
        log.lines([f"wrote     {target}"])
    return found


def _left_out(source: Source, here: Traits, log: Log) -> tuple[Named, list[str]]:
    """What `pretrain` would leave out, and why it would not begin: the same code is asked."""
    if all(each is None for each in here.content):
        return here.bad, []  # all is broken, and that is said
    try:
        cut, tokenizer, given, _ = look(source, Input(), device_of(Run()))
        bad = read_in(cut, tokenizer, given.window, log.progress("as pretrain reads them")).bad
    except Mistake as error:
        return [], [str(error)]
    return [(error.where, error.reason) for error in bad], []


def _far(source: Source, here: Traits) -> Named:
    """Values far outside what is usual in their channel or column, and what is made of them."""
    if all(each is None for each in here.content) or source.kind not in {"table", *MEASURED}:
        return []
    usual, done = outlying(few(source, SOME_ROWS if source.kind == "table" else SOME), source.kind)
    if source.kind == "table":
        return [(name, reason) for name, _, reason in (line.partition(": ") for line in noted(usual, done))]
    return far(here, usual, done)


def _said(item: Any) -> str:
    if isinstance(item, str):
        return shown(item)
    if isinstance(item, tuple):
        return shown(f"{item[0]}: {item[1]}" if len(item) == 2 else f"{item[0]} is {item[2]} as {item[1]}")
    return ", ".join(map(shown, item[:4])) + (f" and {len(item) - 4:,} more" if len(item) > 4 else "")


def _short(where: object) -> str:
    if not isinstance(where, str | Path):
        return "array"
    path = expanded(where)
    name = path.resolve().name if path.exists() else str(where)
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "data"


def _write(target: Path, found: Checked) -> None:
    """Whole or not at all, in UTF-8: a byte of a name that is none is written as JSON has it, \\udce9."""
    facts = {"clean": not found.problems, "problems": found.problems, **asdict(found)}
    with whole(target) as part:
        part.write_bytes(json.dumps(facts, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))
