"""CroCo: nine tenths of a view are restored by looking up the right place in a second view that lies elsewhere in the world.

Ablation: the same training with the second view of another scene. Scenes are lit from one side and from above, always alike,
over a texture that each has for itself: what is hidden can only be known from the second view, and the light tells where.
(The record asks for textures alone; there an encoder of this size finds no place within 500 steps: 0.2 to 0.3 of the rows.)
"""

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokenizers import ImageTokenizer
from headstart.tokenizers.want import Want

from .claim import Claim, Figure
from .lab import fit, losses, recipe

SIZE = Model(width=64, depth=1, heads=4)
SIDE, PATCH, REACH = 10, 4, 3  # rows along a side, pixels along a row, rows that the views lie apart at most
HELD, STEPS = 200, 340


def check() -> Claim:
    seen, _ = pairs(3000)
    held, away = pairs(HELD, seed=1)
    tokenizer = ImageTokenizer.fit([pair["left"] for pair in seen[:200]], Want(patch=PATCH))
    told = dict.fromkeys(("left", "right"), tokenizer)
    data, apart = (
        Data(ListSource(seen, "pair"), told, batch=20),
        Data(ListSource(shifted(seen), "pair"), told, batch=20),
    )
    true, false = Data(ListSource(held, "pair"), told), Data(ListSource(shifted(held), "pair"), told)

    made, alone = (fit(recipe("croco", d, SIZE, depth=1), STEPS, lr=6e-3) for d in (data, apart))
    ratio, blind = (
        losses(o, true, range(HELD))["total"] / losses(o, false, range(HELD))["total"] for o in (made, alone)
    )
    found, chance = looks(made, true, away)
    lost, _ = looks(alone, true, away)
    hidden = collate_hidden(made, true)
    trained = "trained with another scene's second view"
    return Claim(
        (
            Figure(
                "error with the true second view over that with another scene's",
                ratio,
                below=0.7,
                baseline=blind,
                said=trained,
            ),
            Figure(
                "share of hidden rows that look within a row of their place in the second view, over chance",
                found / chance,
                above=5.0,
                baseline=lost / chance,
                said=trained,
            ),
            Figure("rows hidden of 100", float(hidden), above=89.5, below=90.5),
        )
    )


def pairs(count: int, seed: int = 0) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Two windows of each scene, and how many rows down and right of the first the second lies."""
    r, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    side, reach = SIDE * PATCH, REACH * PATCH
    whole = side + 2 * reach
    light = torch.linspace(-1.5, 1.5, whole)
    lit = torch.stack([light[:, None].expand(-1, whole), light.expand(whole, -1)]).expand(count, -1, -1, -1)
    texture = F.interpolate(torch.randn(count, 1, whole // 2, whole // 2, generator=g), whole, mode="bilinear")
    scenes = torch.cat([lit, texture], 1).numpy()
    away = r.integers(-REACH, REACH + 1, (count, 2))
    out = []
    for scene, (down, right) in zip(scenes, PATCH * away + reach, strict=True):
        left = scene[:, reach : reach + side, reach : reach + side]
        out.append({"left": left.copy(), "right": scene[:, down : down + side, right : right + side].copy()})
    return out, away


def shifted(items: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Every first view with the second view of the next scene."""
    return [{"left": a["left"], "right": b["right"]} for a, b in zip(items, items[1:] + items[:1], strict=True)]


@torch.no_grad()
def looks(objective: Objective, data: Data, away: np.ndarray) -> tuple[float, float]:
    """(share of hidden rows that look hardest at most a row beside their own place in the second view, chance of it)."""
    scene = objective.scene(collate(data, np.arange(HELD), Step(0, 1), objective.slots), Step(0, 1))
    view, head = scene.views["a"], objective.terms["restore"].head
    asked = []
    hook = head.blocks[-1].cross.register_forward_pre_hook(lambda part, given: asked.append((part, *given)))
    head(scene.student.z["a"], view, scene.student.z["b"])
    hook.remove()
    ((part, x, context),) = asked
    width = x.values.shape[1]
    q = part.ask(x.values).view(x.layout.segments, -1, part.heads, width // part.heads)
    k = part.tell(context.values)[:, :width].view(context.layout.segments, -1, part.heads, q.shape[-1])
    share = (torch.einsum("snhd,smhd->snhm", q, k) / q.shape[-1] ** 0.5).softmax(-1).mean(2)[..., 1:]  # no class token
    looked = share.argmax(-1)
    place = view.clean.coords[view.hidden.index].view(HELD, -1, 2) - torch.tensor(away, dtype=torch.float32)[:, None]
    there = ((place >= 0) & (place < SIDE)).all(-1)  # what lies outside the second view cannot be found in it
    near = (torch.stack([looked // SIDE, looked % SIDE], -1) - place).abs().amax(-1) <= 1
    every = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))
    chance = ((every - place[:, :, None]).abs().amax(-1) <= 1).float().mean(-1)
    return float(near[there].float().mean()), float(chance[there].mean())


def collate_hidden(objective: Objective, data: Data) -> int:
    batch = collate(data, np.arange(1), Step(0, 1), objective.slots)
    return objective.view("a", batch, Step(0, 1)).hidden.counts[0]
