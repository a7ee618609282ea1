"""What a tuned encoder says comes after the end of each recording."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..data.feeding.prepare import Prepared
from ..data.source import DataError
from .contexts import Contexts, Cuts, series_of
from .fitting import Tuned
from .forecasting import Forecasting
from .predicting import Predicted


@dataclass
class Forecast(Predicted):
    """said: [n, horizon, channels] in the data's units, NaN where a recording lacks a channel. channels: their names. every:
    seconds from step to step, None if unknown."""

    channels: tuple[str, ...] = ()
    every: float | None = field(default=None)


def forecast(
    tuned: Tuned, recordings: Prepared, remarks: list[str], progress: Callable[[int, int], None] | None = None
) -> Forecast:
    """The values after the last that is known of each recording; recordings shorter than a context are left out."""
    task, own = tuned.task, series_of(tuned.tokenizer)
    assert isinstance(task, Forecasting)
    lengths = np.array([recordings[i].shape[1] for i in range(len(recordings))])
    good = np.flatnonzero(lengths >= task.context)
    reason = f"it is shorter than the {task.context:,} values from which the next are said"
    bad = [(b.where, b.reason) for b in recordings.bad]
    bad += [(recordings.name(int(i)), reason) for i in np.flatnonzero(lengths < task.context)]
    if not len(good):
        raise DataError(f"none of {recordings.describe()} can be foretold: {bad[0][0]}: {bad[0][1]}")
    there = [~np.isnan(recordings[int(i)][:, -task.context :]).all(1) for i in good]
    each = [np.flatnonzero(seen) if task.apart else np.array([-1]) for seen in there]
    of = np.repeat(good, [len(channels) for channels in each])
    cuts = Cuts(of, lengths[of], np.concatenate(each))
    contexts = Contexts(recordings, cuts, task.context, task.spread, own)
    out = task.said(tuned.outputs(contexts.prepared(), range(len(contexts)), progress))
    said = np.full((len(good), task.horizon, own.channels), np.nan)
    for i, z in enumerate(out):
        mean, scale = contexts.units(i)
        said[np.searchsorted(good, of[i]), :, contexts.channels(i)] = z * scale[:, None] + mean[:, None]
    known = np.flatnonzero(np.any(there, axis=0))
    names = [recordings.name(int(i)) for i in good]
    channels = tuple(own.channel(int(place)) for place in known)
    every = None if own.rate is None else 1 / own.rate
    return Forecast(said[..., known], names, (), bad=bad, remarks=remarks, channels=channels, every=every)
