"""ExPLoRA: a small mae moves to pictures of another look with under a quarter of its numbers and most of full tuning's gain."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from headstart.checkpoint import save_encoder
from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Encoder, Model
from headstart.nn.released import load_encoder
from headstart.objective import Objective
from headstart.recipe import Data, Recipe, Run
from headstart.step import Step
from headstart.train import train
from headstart.words import changed

from .claim import Claim, Figure
from .gmml import gratings
from .lab import data_of, fit, losses, recipe

SIZE, SEEN, HELD = Model(64, 6, 4), 1024, 256
METHOD = {"ratio": 0.6, "depth": 1}


def check() -> Claim:
    data = data_of(ArraySource(other_look(SEEN), "image"), batch=32, patch=2)
    held = Data(ArraySource(other_look(HELD, seed=1), "image"), data.tokenizers)
    with tempfile.TemporaryDirectory() as folder:
        base_run(Path(folder))
        made = adapted(data, folder)
        start, frozen = made.objective.encoder, frozen_tensors(made.objective)
        base, _ = load_encoder(Path(folder))
        moved = apart(start, base, held)
        before = losses(made.objective, held, range(HELD))["total"]
        share = sum(p.numel() for p in start.parameters() if p.requires_grad) / sum(
            p.numel() for p in base.parameters()
        )
        gain = before - after(made, held)
        full = everything(adapted(data, folder, blocks=SIZE.depth))
        everywhere = before - after(full, held)
        lora = before - after(adapted(data, folder, blocks=0), held)
        plain = start.folded()
        unfolded = Encoder(start.tokenizers, start.shape)
        unfolded.load_state_dict({n: t for n, t in start.state_dict().items() if n in plain.state_dict()})
    same = sum(torch.equal(t, frozen[n]) for n, t in made.objective.state_dict().items() if n in frozen)
    trained = sum(torch.equal(t, frozen[n]) for n, t in full.objective.state_dict().items() if n in frozen)
    # The record asks for 0.8 of full tuning's gain. Low rank and norms alone get 0.86 of it here, so 0.9 is asked.
    return Claim(
        (
            Figure("gain in held-out loss, over full tuning's", gain / everywhere, above=0.9, baseline=lora / everywhere,
                   said="low rank and norms alone, no block in full"),
            Figure("share of the encoder that learns", share, below=0.25, baseline=1.0, said="full tuning"),
            Figure("largest change of the rows before the first step", moved, below=1e-6, baseline=apart(start, base, held),
                   said="after the last"),
            Figure("share of the frozen tensors that are as they were", same / len(frozen), above=0.999,
                   baseline=trained / len(frozen), said="full tuning"),
            Figure("largest difference once folded in", apart(start, plain, held), below=1e-5,
                   baseline=apart(start, unfolded, held), said="the updates left out"),
        )
    )  # fmt: skip


def base_run(folder: Path) -> None:
    """A mae on gratings, with what a run leaves behind that the next one goes on from."""
    data = data_of(ArraySource(gratings(SEEN, 12), "image"), batch=32, patch=2)
    made = recipe("mae", data, SIZE, **METHOD)
    made = replace(made, steps=500, optim=changed(made.optim, {"lr": 4e-3}, "optim"))
    train(made, Run(device="cpu", dtype="fp32", save_every=1.0), folder)
    save_encoder(folder, made.objective.encoder, {"recipe": "mae"})
    (folder / "run.json").write_text(json.dumps({"plan": {"arguments": METHOD}}))


def adapted(data: Data, folder: str, blocks: int = 1) -> Recipe:
    return recipe("explora", data, base=folder, rank=8, blocks=blocks)


def everything(made: Recipe) -> Recipe:
    """Full tuning: nothing is frozen."""
    made.objective.encoder.requires_grad_(True)
    return made


def after(made: Recipe, held: Data) -> float:
    return losses(fit(made, 150, lr=2e-3), held, range(HELD))["total"]


def frozen_tensors(objective: Objective) -> dict[str, torch.Tensor]:
    """What must not move."""
    return {n: p.detach().clone() for n, p in objective.named_parameters() if not p.requires_grad}


@torch.no_grad()
def apart(a: Encoder, b: Encoder, data: Data) -> float:
    """The largest difference between what two encoders say of the same rows."""
    tokens = collate(data, np.arange(32), Step(0, 1), a.shape.slots).tokens["x"]
    return float((a.eval()(tokens).values - b.eval()(tokens).values).abs().max())


def other_look(count: int, seed: int = 0) -> np.ndarray:
    """Gratings inverted, under a brick texture, at half the contrast."""
    y, x = np.mgrid[:12, :12]
    texture = 60.0 * ((y + x // 2) % 2)
    return (255 - (gratings(count, 12, seed + 10) * 0.5 + 40 + texture)).clip(0, 255).astype(np.uint8)
