"""Recordings as forecasting takes them: contexts with their futures, of which some are learnt from and later ones, or those of
other recordings, choose and judge. The future of each recording is its label."""

import numpy as np

from ..data.feeding.prepare import Prepared
from ..data.source import DataError
from ..errors import Mistake
from ..tokenizers.series import SeriesTokenizer
from ..tokens import Tokenizer
from .asked import Asked
from .beside import Beside
from .contexts import Contexts, Cuts, series_of
from .dividing import Material
from .extrapolating import Known, compared, period_of, rivals
from .forecasting import ERROR, Forecasting, empty
from .judging import said_of
from .parting import JUDGING, LEARNT, Lay, Parting, laid, moments, settled, usual

MOST, MOST_HELD = 10_000, 2_000  # contexts that are learnt from, and that judge
SHORTEST = 4  # values of a context


def foreseen(recordings: Prepared, where: object, asked: Asked, tokenizer: Tokenizer, seed: int) -> Material:
    """Contexts and futures of whole recordings, divided; a Mistake that says what is missing where they do not suffice."""
    own, lay = series_of(tokenizer), laid(recordings)
    parting = _parting(lay, asked, own, seed)
    horizon, context, apart = parting.horizon, parting.context, own.form == "apart"
    spread = moments(recordings, parting, 1)[0]
    drafts = _cut(recordings, parting, apart)
    labels, known = _known(Contexts(recordings, drafts, context, spread, own), parting)
    contexts, labels = Contexts(recordings, drafts[known], context, spread, own), labels[known]
    held = contexts.cuts.end - context >= parting.since[contexts.cuts.of]
    rest, judges = np.flatnonzero(~held), np.flatnonzero(held)
    if len(rest) < LEARNT or len(judges) < JUDGING:
        raise DataError(
            f"{len(labels):,} stretches of {where} have values both before and after, too few to learn from and to judge by: "
            "fill gaps, or give more recordings"
        )
    if asked.period is not None and asked.period > context:
        raise Mistake(f"period={asked.period}: it is from 1 to {context:,}, the values of a context")
    period = period_of(contexts, rest) if asked.period is None else asked.period
    naive = moments(recordings, parting, period)[1]
    task = Forecasting(horizon, context, spread, naive, apart, period)
    known_of = Known(task, contexts, labels, rest, judges)
    notes = _notes(known_of, parting, asked, own.length)
    return Material(
        contexts.prepared(),
        np.arange(len(labels)),
        labels,
        task,
        rest,
        judges,
        notes,
        beside=lambda said: _beside(known_of, said),
    )


def _parting(lay: Lay, asked: Asked, own: SeriesTokenizer, seed: int) -> Parting:
    """How long contexts are, and which stretches judge."""
    assert asked.horizon is not None
    horizon, longest = asked.horizon, int(lay.length.max())
    shortest = max(SHORTEST, min(own.patch, own.length))
    if horizon > longest - shortest:
        fits = longest - shortest
        raise Mistake(
            f"horizon={horizon}: the longest of these recordings has {longest:,} values, "
            + (
                f"and horizon={fits} is the most that leaves a context"
                if fits > 0
                else "which leaves no context at all"
            )
        )
    if asked.context is None:
        return settled(lay, usual(lay, own.length, horizon, shortest), horizon, asked.held, seed, shortest)
    if asked.context + horizon > longest:
        raise Mistake(
            f"context={asked.context}: with horizon={horizon} no recording is long enough; the longest has {longest:,} values"
        )
    return settled(lay, asked.context, horizon, asked.held, seed, asked.context)


def _cut(recordings: Prepared, parting: Parting, apart: bool) -> Cuts:
    """Where the contexts that are learnt from end, and those that judge; as many as there may be."""
    every = _every(recordings, parting, apart)
    of, end, channel = [], [], []
    for i, length in enumerate(parting.lay.length):
        mine = _channels(recordings, i, apart)
        learnt = np.arange(parting.context, parting.until[i] - parting.horizon + 1, every[0])
        judging = np.arange(parting.since[i] + parting.context, length - parting.horizon + 1, every[1])
        ends = np.concatenate([learnt, judging])
        of.append(np.full(len(ends) * len(mine), i))
        end.append(np.repeat(ends, len(mine)))
        channel.append(np.tile(mine, len(ends)))
    return Cuts(np.concatenate(of), np.concatenate(end), np.concatenate(channel))


def _every(recordings: Prepared, parting: Parting, apart: bool) -> tuple[int, int]:
    """One of how many contexts is taken to learn from, and to judge by: of these, futures overlap by three quarters at most."""
    each = np.array([len(_channels(recordings, i, apart)) for i in range(len(recordings))])
    possible, judging = (
        int((np.maximum(0, x - parting.total + 1) * each).sum()) for x in (parting.until, parting.judging)
    )
    return max(1, -(-possible // MOST)), max(1, parting.horizon // 4, -(-judging // MOST_HELD))


def _channels(recordings: Prepared, index: int, apart: bool) -> np.ndarray:
    """Those that are said one by one; -1 for all of them together."""
    return np.flatnonzero(~np.isnan(recordings[index]).all(1)) if apart else np.array([-1])


def _known(contexts: Contexts, parting: Parting) -> tuple[np.ndarray, np.ndarray]:
    """(labels of all contexts, of which of them something is known)."""
    cuts, lay, horizon = contexts.cuts, parting.lay, parting.horizon
    labels = empty(len(cuts), len(contexts.channels(0)) if len(cuts) else 1, horizon)
    for i in range(len(cuts)):
        seen = ~np.isnan(contexts.stretch(i, -contexts.length, 0))
        future = contexts.stretch(i, 0, horizon)
        future[2 * seen.sum(1) < contexts.length] = np.nan  # half of a context, at least, is to be there
        label = labels[i]
        label["future"], label["place"] = future, contexts.channels(i)
        label["mean"], label["scale"] = contexts.units(i)
    whose, block = lay.group[cuts.of], np.zeros(len(cuts), np.int64)
    if parting.in_time:
        whose, block = lay.whole[cuts.of], (lay.offset[cuts.of] + cuts.end) // (2 * horizon)
    labels["unit"] = whose * (int(block.max(initial=0)) + 1) + block
    return labels, np.flatnonzero(~np.isnan(labels["future"]).all((1, 2)))


def _beside(known: Known, said: np.ndarray) -> Beside:
    """Rivals on the contexts that judged what was said."""
    task, true = known.task, known.labels[known.held]
    figures = {name: task.marks(other, true) for name, other in rivals(known)}
    lines = [f"{name}: {said_of(ERROR, of[ERROR])}, MASE {of['MASE'].value:.3f}" for name, of in figures.items()]
    verdict = compared(task.marks(said, true)[ERROR], {name: of[ERROR] for name, of in figures.items()})
    return Beside(figures, tuple(lines), verdict)


def _notes(known: Known, parting: Parting, asked: Asked, read: int) -> list[str]:
    task, contexts, full = known.task, known.contexts, parting.lay.full
    every = _every(contexts.recordings, parting, task.apart)[0]
    short = int((full < parting.total).sum())
    left = f"; {short:,} shorter than both together are left out" if short else ""
    notes = [f"{task.quantity} from the {task.context:,} before them, in {len(full):,} recordings{left}"]
    if asked.context is None and task.context < read:
        notes.append(
            f"the encoder was trained on {read:,} values at once; contexts are shorter, so that there are enough (context=)"
        )
    if task.apart:
        notes.append("recordings differ in their channels: each channel is said by itself, by one head for all")
    if every > 1:
        notes.append(f"they overlap: one in {every:,} of those that could be learnt from is taken")
    how = (
        f"the last {asked.held:.0%} of each recording, at least a context and its future, and none is on both sides"
        if parting.in_time
        else "those of whole recordings, and of groups that hang together"
    )
    notes.append(
        f"{len(known.rest):,} contexts are learnt from, {len(known.held):,} are held back to choose the rate and the step and to "
        f"judge (held={asked.held:g}): {how}"
    )
    if task.period > 1:
        found = "was found" if asked.period is None else "was given"
        notes.append(f"series repeat themselves after {task.period:,} values, which {found} (period=)")
    elif asked.period is None:
        notes.append("no period was found after which series repeat themselves (period=)")
    return notes
