"""A tuned encoder on disk: the files of any encoder, and beside them `head.safetensors`, whose meaning stands on the card."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError

from ..checkpoint import save_encoder, write_tensors
from ..damage import sum_of, unchanged
from ..errors import Mistake
from ..forms import Json
from ..nn.encoder import Encoder
from ..nn.readouts import READOUTS
from ..nn.released import read_tensors
from .classification import Classification
from .fitting import Tuned
from .forecasting import Forecasting
from .head import Head
from .multilabel import Multilabel
from .regression import Regression
from .segmentation import ROWS, Segmentation
from .task import Task

TASKS: dict[str, Callable[..., object]] = {
    kind.name: kind for kind in (Classification, Multilabel, Regression, Segmentation, Forecasting)
}
HEAD = "head.safetensors"


def save(folder: Path, tuned: Tuned, facts: Json) -> None:
    """The head first, then weights and card, so that the card implies all. facts: what else stands on the card."""
    write_tensors(folder / HEAD, tuned.head.state_dict())
    said = {
        "task": tuned.task.name,
        **tuned.task.state(),
        "read": ROWS if tuned.task.rows else tuned.read,
        "lr": tuned.lr,
    }
    said |= {"temperature": tuned.temperature, "sum": sum_of(folder / HEAD)}
    save_encoder(folder, tuned.encoder.folded(), {**facts, "head": said})


def load_tuned(folder: Path, encoder: Encoder, card: Json) -> Tuned | None:
    """The head that stands on the encoder in `folder`; None where its card names none."""
    if "head" not in card:
        return None
    try:
        said = dict(card["head"])
        unchanged(folder / HEAD, said.pop("sum", None))
        kind, read = TASKS[said.pop("task")], str(said.pop("read"))
        lr, temperature = float(said.pop("lr")), float(said.pop("temperature"))
        task = cast(Task, kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}))
        state = read_tensors(folder / HEAD)
        head = Head(state["line.weight"].shape[1], task.outputs)
        head.load_state_dict(state)
        if (read == ROWS) != task.rows or (read != ROWS and read not in READOUTS) or not temperature > 0:
            raise ValueError(f"read={read}, temperature={temperature}")
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        what = " ".join(str(error).split())
        raise Mistake(f"the head in {folder} ({HEAD}, and what encoder.json says of it) is damaged: {what}") from error
    tokenizer = next(iter(encoder.tokenizers.values()))
    return Tuned(encoder, tokenizer, head.to(torch.device(encoder.slots.device)).eval(), task, read, lr, temperature)
