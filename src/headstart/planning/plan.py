"""The plan: everything that decides a run, and the recipe it makes."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..data.source import Source
from ..forms import Json
from ..nn.encoder import Model
from ..optim import find as optimizer
from ..reading import tokenizers_of
from ..recipe import Data, Method, Recipe, make
from ..shelf.outside import divided, file_of
from ..words import changed


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run, as JSON: `build` makes the same recipe from it every time."""

    where: str
    recipe: str
    arguments: Json
    model: Json
    input: Json
    tokenizer: Json
    optim: Json
    steps: int
    run: Json
    found: str = ""
    why: list[str] = field(default_factory=list)
    seconds: float = 0.0  # predicted, for training alone
    memory: float = 0.0  # predicted, bytes
    samples: int = 0  # that are learnt from
    rows: float = 0.0  # tokens of a step, all views together
    once: float = 0.0  # seconds for what is made of a sample once in a run
    budget: float = 0.0  # seconds that training may take; 0 where its steps were asked for
    late: float = 0.0  # seconds that training took beyond what was predicted when steps were last counted
    most: int = 0  # steps that the method takes at most, however much time there is
    optimizer: str = ""  # in the place of the recipe's own


def build(plan: Plan, method: Method, source: Source) -> Recipe:
    """The recipe of a plan: equal plans give equal weights. method: what `plan.recipe` names."""
    torch.manual_seed(plan.run["seed"])
    data = Data(source, tokenizers_of(plan.tokenizer), batch=min(plan.input["batch"], max(2, len(source))))
    recipe = make(method, data, size=Model(**plan.model), **plan.arguments)
    optim = optimizer(plan.optimizer).like(recipe.optim) if plan.optimizer else recipe.optim
    return dataclasses.replace(recipe, optim=changed(optim, plan.optim, "optim"), steps=plan.steps or recipe.steps)


def default_folder(where: str, recipe: str) -> Path:
    """runs/<recipe>-<data>; of a recipe in a file of the user's own without its path."""
    stem = Path(where).name.partition(".")[0].replace(":", "-") or "data"
    file, function = file_of(recipe), divided(recipe)[1]
    name = recipe.replace(":", ".")
    if file is not None:
        name = file.stem if function in ("", file.stem) else f"{file.stem}.{function}"
    return Path("runs") / f"{name}-{stem}"
