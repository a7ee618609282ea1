"""An encoder that a run left behind, and what else of the run a later one may go on with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import Mistake
from ..tokenizers import tokenizer_of
from .encoder import Encoder, Model


def load_encoder(folder: Path) -> tuple[Encoder, dict[str, Any]]:
    """The encoder and its card."""
    card = json.loads((folder / "encoder.json").read_text())
    if card["format"] != 1:
        raise Mistake(f"{folder} was written in format {card['format']}, newer than this headstart reads: upgrade it")
    tokenizers = {name: tokenizer_of(state) for name, state in card["tokenizers"].items()}
    with torch.device("cpu"):  # numbers, even where a recipe is built on meta
        encoder = Encoder(tokenizers, Model(**card["model"]), card["causal"])
    encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
    return encoder.eval(), card


@dataclass(frozen=True)
class Released:
    """A finished run: its encoder, the method and arguments it was trained with, and the heads of its terms, if still there."""

    encoder: Encoder
    recipe: str
    arguments: dict[str, Any]
    heads: dict[str, Tensor]


def released(folder: str) -> Released:
    """What the run in `folder` left; a Mistake where there is no finished encoder."""
    home = Path(folder).expanduser()
    if not folder or not (home / "encoder.json").exists():
        where = f"{folder} holds no finished encoder" if folder else "no encoder was named"
        raise Mistake(f"{where}: give the folder of a finished run, such as base=runs/mae-photos")
    encoder, card = load_encoder(home)
    plan = json.loads((home / "run.json").read_text())["plan"] if (home / "run.json").exists() else {}
    saved = sorted(home.glob("checkpoints/step-*/objective.safetensors"))
    state = load_file(saved[-1]) if saved else {}
    heads = {name: tensor for name, tensor in state.items() if name.startswith("terms.")}
    return Released(encoder, str(card.get("recipe", "mae")), dict(plan.get("arguments", {})), heads)
