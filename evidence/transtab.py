"""TransTab: the halves of a row of thirty measurements of a tumour find each other, and columns are known by their names."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from headstart.data.sources.listed import ListSource
from headstart.interventions import at_rest, loss_of, moved, others_matter
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import Batch
from headstart.tree import replace as changed

from .claim import Figure
from .lab import Trial, batch_of, measured
from .looks import partner_matters

STEPS = 200
NOT_SHOWN = {
    "parts that overlap by a tenth": "parts are then matched by the cells that they share alone, and SMALL has no overlap",
    "better neighbours than before training": "not reliably on the small tables here, where untrained encoders are good at it",
}


def check(trial: Trial) -> Iterator[Figure]:
    real = measured(trial, "breast_cancer")
    rows = [{f"column {j}": float(x) for j, x in enumerate(row)} for row in real.samples]
    made = trial.recipe(trial.data(ListSource(rows, "table")))
    objective, (batch, step) = made.objective, trial.batch(made)
    yield Figure(
        "how many more parts than one a column is in", in_parts(objective, batch, step), above=-0.01, below=0.01
    )
    partner = partner_matters(objective, batch, step)
    yield Figure(
        "what the other half changes in what is asked of a half, over what a stranger's does", partner, above=2.0
    )
    others = others_matter(objective, batch, step, "match")
    yield Figure("what the other rows change in what is asked of one", others, above=1e-4)
    here = looks(objective, batch, step)
    back = ListSource([dict(reversed(row.items())) for row in rows], "table")
    turned = looks(objective, batch_of(replace(made.data, source=back), objective, step), step)
    yield Figure("how far halves move when columns stand in another order", moved(here, turned.flip(0)), below=1e-4)
    other = looks(objective, exchanged(batch), step)
    yield Figure("how far halves move when columns take each other's names", moved(here, other), above=0.01)
    off = loss_of(objective, batch, step, "match") - found_among(here)
    yield Figure("loss less the cross-entropy of the other half among all halves", abs(off), below=1e-4)

    objective = trial.fit(made, STEPS, among=real.bank)
    data = replace(made.data, source=ListSource([rows[i] for i in real.query], "table"))
    yield Figure("other halves of held-out rows found, over chance", recalled(trial, objective, data), above=20.0)


def looks(objective: Objective, batch: Batch, step: Step) -> Tensor:
    """[2, n, D] what the two parts of every row are projected to."""
    meeting = dict(objective._terms())["match"].meets()
    assert meeting is not None
    with torch.no_grad(), at_rest(objective):
        z = objective.scene(batch, step).student.z
        return torch.stack([meeting.project(name, rows) for name, rows in z.items()])


def in_parts(objective: Objective, batch: Batch, step: Step) -> float:
    """How many more parts than one a column is in, the mean; infinite if some column is in none."""
    views = [objective.view(name, batch, step) for name in objective.views]
    count = torch.stack([~view.hidden.mask for view in views]).sum(0)[~batch.tokens["x"].slot]
    return float((count - 1).double().mean()) if count.min() > 0 else float("inf")


def exchanged(batch: Batch) -> Batch:
    """Every cell under the name of the column after it; what the cells say stays."""
    tokens = batch.tokens["x"]
    coords = tokens.coords.clone()
    coords[~tokens.slot] = coords[~tokens.slot].view(batch.size, -1, coords.shape[1]).roll(1, 1).flatten(0, 1)
    return changed(batch, tokens={"x": changed(tokens, coords=coords)})


def found_among(halves: Tensor) -> float:
    """The release's loss in double precision: plain products over 10, each half against all others but itself."""
    every = halves.double().flatten(0, 1)
    n = len(every)
    like = (every @ every.T / 10).masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf)
    return float(-like.log_softmax(1)[torch.arange(n), torch.arange(n).roll(n // 2)].mean())


def recalled(trial: Trial, objective: Objective, data: Data) -> float:
    """How often the other half of a row is the most like among those of all rows, the worse of both ways, over chance."""
    count = len(data.source)
    halves = looks(objective, batch_of(replace(data, batch=count), objective, trial.step()), trial.step())
    like, own = halves[0] @ halves[1].T, torch.arange(count)
    return count * float(np.min([(like.argmax(way) == own).double().mean() for way in (0, 1)]))
