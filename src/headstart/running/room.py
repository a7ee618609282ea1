"""A batch that does not fit into memory goes through the encoder in slices: measured before the start, and tried once more where
it happens in the middle of training. Gradients stay those of the whole batch (nn/recompute.py)."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from .. import checkpoint, dist
from ..errors import Mistake
from ..log import Log
from ..planning.timing import no_room
from ..recipe import Recipe, Run
from ..train import Outcome
from .doctor import Watch
from .folder import facts
from .healing import Train

FULL = (
    "a step does not fit into memory, in slices neither: free some (who else uses the device?), and the same command goes on "
    "from the last checkpoint; or begin in a folder of its own (run.out=) with a smaller data.batch, data.side or size"
)


def roomy(train: Train, anew: Callable[[], Recipe]) -> Train:
    """`train`, once more in twice as many slices where memory does not suffice, else a Mistake. anew: makes the recipe as it was
    before its first step."""

    least = 1

    def trained(recipe: Recipe, run: Run, folder: Path, log: Log, watch: Watch | None) -> Outcome:
        nonlocal least
        run = replace(run, accumulate=max(run.accumulate, least))
        try:
            return train(recipe, run, folder, log, watch)
        except RuntimeError as error:
            least = 2 * run.accumulate
            if not no_room(error):
                raise
        if least > recipe.data.batch:
            raise Mistake(FULL)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _write_down(folder, least)
        said = f"a step did not fit into memory: batches go through the encoder in {least} slices from here (run.accumulate=)"
        if dist.world() > 1:  # the other ranks stand in the middle of a step
            raise Mistake(f"{said}, by the same command, which goes on from the last checkpoint")
        log.say(f"memory    {said}; gradients are those of the whole batch, and steps take about a third longer")
        if not checkpoint.complete(folder / "checkpoints"):
            recipe.objective.load_state_dict(anew().objective.state_dict())
        try:
            return train(recipe, replace(run, accumulate=least), folder, log, watch)
        except RuntimeError as error:
            if not no_room(error):
                raise
            raise Mistake(FULL) from error

    return trained


def _write_down(folder: Path, slices: int) -> None:
    """Into run.json, so that who goes on does so in as many. Every rank says the same."""
    there = facts(folder)
    made = there["plan"] | {"run": there["plan"]["run"] | {"accumulate": slices}}
    checkpoint.write_json(folder / "run.json", there | {"plan": made})
