"""What there is to learn from, and what is set aside to be judged by."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..data.feeding.loader import PairTokenizer
from ..data.feeding.prepare import Prepared
from ..data.finding.likeness import content
from ..data.groups import judgeable
from ..data.open import open_source
from ..data.sets import names as set_names
from ..data.source import DataError, Source, Subset
from ..data.sources.windows import Windows
from ..errors import so_many
from ..log import Log
from ..reading import read_in
from ..recipe import Input, Run
from ..scoring.labelled import Labelled, in_turns, labelled
from ..scoring.masked import masks_of
from ..tokens import Tokenizer

HELD_MOST = 10_000  # samples kept out of training, at most
SHARE = 0.1  # of the labelled samples, or of pairs, that is kept out of training where nothing is said (data.held)
JUDGES = 500  # labelled samples that judge, at least, where nothing is said
FEW = 3 * JUDGES  # labelled ones that hang together with no other; fewer than these judge in turns
TEST = 0.3  # of the labelled samples judges where nothing else is to be learnt from them
SPARE = 0.2  # of all samples: where no more have labels, none of those is learnt from
RIVALS = 1_000  # pairs among which the other part is looked for: more of them would be harder


@dataclass(frozen=True)
class Material:
    """everything: all readable samples. training: those that are learnt from. probe: labelled ones, if there are any. held:
    numbers, in `everything`, of the pairs kept out of training."""

    everything: Prepared
    training: Source
    probe: Labelled | None
    note: str
    seen: bool = False  # what judges is learnt from, too, without its labels
    held: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def gather(
    where: object, source: Source, tokenizer: Tokenizer | PairTokenizer, given: Input, run: Run, log: Log
) -> Material:
    """Read the samples and divide them; the same call divides them in the same way."""
    everything = read_in(
        source, tokenizer, given.window, log.progress("reading"), lambda said: log.say(f"cache     {said}")
    )
    if everything.bad:
        first = everything.bad[0]
        log.say(
            f"skipped   {len(everything.bad):,} that cannot be read or do not go with the {len(everything):,} others, "
            f"listed in bad_files.jsonl; the first is {first}"
        )
    return divided(where, everything, tokenizer, given, run)


def divided(
    where: object, everything: Prepared, tokenizer: Tokenizer | PairTokenizer, given: Input, run: Run
) -> Material:
    """Samples to learn from, and those that judge: those of a set's own test split; some that are kept out of training; or, where
    few have labels, all of these in turns."""
    share = SHARE if given.held is None else given.held
    splits = _splits(where, tokenizer, given, everything)
    if splits is not None:
        bank, query = splits
        probe = labelled(bank, query, np.arange(len(bank)), np.arange(len(query)), run.seed)
        note = f"judged on the set's own test split, {len(query):,} samples"
        none = "the set's own test split shares too few labels with it, so nothing is probed"
        return Material(everything, everything, probe, none if probe is None else note)
    if everything.kind == "pair":
        count = min(RIVALS, round(share * len(everything.whole)))
        held, rest = _held(everything.whole, everything.groups, count, run.seed, len(everything))
        training, count = Subset(everything, rest), len(held)
        partly = (
            f"; {len(everything) - len(everything.whole):,} samples miss a part"
            if len(everything.whole) < len(everything)
            else ""
        )
        note = f"{count:,} pairs are kept out of training to judge it (data.held){partly}"
        return Material(everything, training, None, note, held=held)
    if everything.labels is None:
        hint = "no labels were found, so nothing is probed; a folder for each class, or labels in the file, would do"
        if masks_of(everything.source) is not None:
            hint = "samples have masks and no labels, so nothing is probed here; probe (probes=segment) and finetune take masks"
        return Material(everything, everything, None, hint)
    what = f"labels ({so_many(len(everything.classes), 'class') if everything.classes else 'quantities'}) only probe; "
    try:
        left_out = judgeable(everything.labels, everything.groups, everything.classes, where)
    except DataError as error:
        return Material(everything, everything, None, f"nothing is probed, and all samples train: {error}")
    unjudged = Material(everything, everything, None, "too few labels to probe with, so all samples train")
    and_left_out = f"; {left_out}" if left_out else ""
    known = _labelled_at(everything.labels)
    if given.held is None and _independent(known, everything.groups) < FEW:
        probe = in_turns(everything, known, run.seed)
        if probe is None:
            return unjudged
        rest = _apart(everything, known)
        spared = len(known) <= SPARE * len(everything) and len(rest) > 1
        seen = "which are kept out of training" if spared else "which training sees without their labels"
        note = f"{what}{len(probe.query_at):,} labelled samples, {seen}, judge it in turns (cross-validation)"
        learnt = Subset(everything, rest) if spared else everything
        return Material(everything, learnt, replace(probe, note=left_out), note + and_left_out, not spared)
    held, rest, known = divide(
        everything.labels, everything.groups, share, run.seed, *([JUDGES] if given.held is None else [])
    )
    probe = labelled(everything, everything, np.intersect1d(known, rest), held, run.seed)
    if probe is None:
        return unjudged
    note = f"{what}{len(held):,} samples are kept out of training to judge it (data.held)"
    return Material(everything, Subset(everything, rest), replace(probe, note=left_out), note + and_left_out)


def probing(where: object, everything: Prepared, tokenizer: Tokenizer) -> Labelled | None:
    """Who is learnt from and who judges where nothing is trained but what judges: of many labelled samples `TEST` judge, few do
    in turns; None where there are too few. DataError where what hangs together leaves fewer than two classes to be told."""
    if everything.labels is None:
        return None
    few = _independent(_labelled_at(everything.labels), everything.groups) < FEW
    made = divided(where, everything, tokenizer, Input(held=None if few else TEST), Run()).probe
    if made is None:
        judgeable(everything.labels, everything.groups, everything.classes, where)
    return made


def _labelled_at(labels: np.ndarray) -> np.ndarray:
    """The numbers of those that have a label."""
    return np.flatnonzero(np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0)


def _independent(at: np.ndarray, groups: np.ndarray | None) -> int:
    """How many of these hang together with no other of them."""
    return len(at) if groups is None else len(np.unique(groups[at]))


def _apart(source: Source, at: np.ndarray) -> np.ndarray:
    """All others, but for those that hang together with one of these."""
    beside = np.zeros(len(source), bool)
    beside[at] = True
    if source.groups is not None:
        beside |= np.isin(source.groups, source.groups[at])
    return np.flatnonzero(~beside)


def divide(
    labels: np.ndarray, groups: np.ndarray | None, share: float, seed: int, least: int = 20, most: int = HELD_MOST
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(held, rest, known): about `share` of the labelled samples (`least`, if that is not more than a third of them), all others,
    and which have labels.

    Samples of one group fall on one side.
    """
    known = _labelled_at(labels)
    count = min(most, max(round(share * len(known)), min(least, len(known) // 3)) if share else 0)
    return *_held(known, groups, count, seed, len(labels)), known


def _held(
    able: np.ndarray, groups: np.ndarray | None, count: int, seed: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """(about `count` of those that are able to judge, all of the `every` samples that hang together with none of them)."""
    if groups is None:
        held = np.sort(np.random.default_rng(seed).permutation(able)[:count])
        return held, np.setdiff1d(np.arange(every), held)
    numbers, sizes = np.unique(groups[able], return_counts=True)
    held = able[np.isin(groups[able], numbers[_some(sizes, count, seed)])]
    return held, np.setdiff1d(np.flatnonzero(~np.isin(groups, groups[held])), held)


def _some(sizes: np.ndarray, count: int, seed: int) -> list[int]:
    """Groups in an order of chance, as far as they fit, until about `count` samples are together; at least the smallest."""
    taken: list[int] = []
    together = 0
    for group in np.random.default_rng(seed).permutation(len(sizes)).tolist():
        if together < count and together + sizes[group] <= 1.5 * count:
            taken.append(group)
            together += int(sizes[group])
    if not taken and count:
        taken = [int(sizes.argmin())]
    return taken if len(taken) < len(sizes) else taken[:-1]


def _splits(
    where: object, tokenizer: Tokenizer | PairTokenizer, given: Input, everything: Prepared
) -> tuple[Source, Source] | None:
    """(bank, query) of a named set with a test split of its own."""
    if not isinstance(where, str) or where not in set_names() or Path(where).exists():
        return None
    try:
        query = read_in(open_source(f"{where}:test"), tokenizer, given.window)
    except DataError:
        return None
    try:
        bank = open_source(f"{where}:train")
    except DataError:
        return everything, query
    same = bank.describe() == _whole(everything.source).describe()
    return (everything if same else read_in(bank, tokenizer, given.window)), query


def _whole(source: Source) -> Source:
    return source.source if isinstance(source, Windows) else source


def fingerprint(material: Material) -> str:
    """Short proof that data is the same as before: how many samples, their names, and the content of a few."""
    data = material.everything
    note = hashlib.sha256(f"{data.kind} {len(data)} {len(material.training)}".encode())
    for i in range(len(data)):
        note.update(data.name(i).encode(errors="surrogatepass"))
    for i in np.unique(np.linspace(0, len(data) - 1, 16).astype(int)):
        note.update(content(data[int(i)]))
    return note.hexdigest()[:16]
