"""An encoder that a run left behind, and what else of the run a later one may go on with."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor

from ..errors import Mistake
from ..forms import Json
from ..home import expanded
from ..tokenizers import tokenizer_of
from ..writing import utf8
from .encoder import PLAIN, Encoder, Model
from .parts import foreign, load_once, put, tie

FORMAT = 2  # of encoder.json; 1 knew the plain transformer alone


def card_of(encoder: Encoder) -> dict[str, Any]:
    """What an encoder is made of, as JSON: `made_of` makes it again, with fresh weights."""
    tokenizers = {k: {"kind": t.kind, **t.state()} for k, t in encoder.tokenizers.items()}
    made = {"model": asdict(encoder.shape), "causal": encoder.causal, "parts": encoder.parts, "tied": encoder.tied}
    return {"format": FORMAT, **made, "tokenizers": tokenizers}


def made_of(card: dict[str, Any], trust: bool = False) -> Encoder:
    """The encoder of a card. A part that comes from outside this package is only imported if it is trusted."""
    if card["format"] > FORMAT:
        raise Mistake(f"it was written in format {card['format']}, newer than this headstart reads: upgrade it")
    if card["format"] == 1:
        card = {**card, "model": {"trunk": PLAIN, **card["model"]}, "parts": {}, "tied": {}}
    lacking = [name for name in asdict(Model()) if name not in card["model"]]
    if lacking or not isinstance(card["causal"], bool):
        raise Mistake(
            f"its card does not say {', '.join(f'model.{name}' for name in lacking) or 'whether it is causal'}"
        )
    shape, parts = Model(**card["model"]), dict(card["parts"])
    strange = sorted({name for text in (shape.trunk, *parts.values()) for name in foreign(text)})
    if strange and not trust:
        raise Mistake(
            f"it is made of {', '.join(strange)}, which is code from outside headstart: import it first, or, if you trust it, "
            "load it with trust=True"
        )
    tokenizers = {name: tokenizer_of(state) for name, state in card["tokenizers"].items()}
    encoder = Encoder(tokenizers, shape, card["causal"])
    put(encoder, parts)
    tie(encoder, card["tied"])
    return encoder


def load_encoder(folder: Path, trust: bool = False) -> tuple[Encoder, dict[str, Any]]:
    """The encoder in a folder and its card. trust: parts from outside headstart may be imported, which runs their code."""
    try:
        card: Json = json.loads((folder / "encoder.json").read_text())
        with torch.device("cpu"):  # numbers, even where a recipe is built on meta
            encoder = made_of(card, trust)
        load_once(encoder, read_tensors(folder / "encoder.safetensors"), folder)
    except Mistake as mistake:
        raise Mistake(f"the encoder in {folder} cannot be made: {mistake}") from mistake
    except KeyError as error:
        raise Mistake(
            f"{folder / 'encoder.json'} does not say {error}: it is damaged, or no card of an encoder"
        ) from error
    except (OSError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        what = " ".join(str(error).split())
        raise Mistake(f"encoder.json or encoder.safetensors in {folder} is damaged or was altered: {what}") from error
    return encoder.eval(), card


def read_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """The tensors in a file. safetensors opens no path that is not UTF-8, so at such a one the bytes are read first."""
    if utf8(str(path)) == str(path):
        return load_file(path, device=device)
    return {name: tensor.to(device) for name, tensor in load(path.read_bytes()).items()}


@dataclass(frozen=True)
class Released:
    """A finished run: its encoder, the method and arguments it was trained with, and the heads of its terms, if still there."""

    encoder: Encoder
    recipe: str
    arguments: dict[str, Any]
    heads: dict[str, Tensor]


def released(folder: str) -> Released:
    """What the run in `folder` left; a Mistake where there is no finished encoder."""
    home = expanded(folder)
    if not folder or not (home / "encoder.json").exists():
        where = f"{folder} holds no finished encoder" if folder else "no encoder was named"
        raise Mistake(f"{where}: give the folder of a finished run, such as base=runs/mae-photos")
    encoder, card = load_encoder(home)
    plan = json.loads((home / "run.json").read_text())["plan"] if (home / "run.json").exists() else {}
    saved = sorted(home.glob("checkpoints/step-*/objective.safetensors"))
    state = read_tensors(saved[-1]) if saved else {}
    heads = {name: tensor for name, tensor in state.items() if name.startswith("terms.")}
    return Released(encoder, str(card.get("recipe", "mae")), dict(plan.get("arguments", {})), heads)
