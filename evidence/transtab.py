"""TransTab: halves of a row find each other where linked columns, in two tables at once, and not where they do not.

Ablations: the encoder before training; columns drawn on their own; columns placed by their number instead of their name; and the
paper's overlap, by which rows are matched through shared cells alone.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.transtab import part
from headstart.step import Step
from headstart.tokens import Tokens
from headstart.tree import replace

from .claim import Claim, Figure
from .lab import data_of, fit, recipe

SIZE = Model(width=32, depth=2, heads=4)
SEEN, HELD, GALLERY, COLUMNS = 2000, 2000, 100, 12
STEP = Step(0, 1)


def check() -> Claim:
    # The record has the paper's overlap of a tenth. With it parts share whole cells, and rows are matched by those alone: the
    # loss falls to 0.1 and other halves are found as by chance. So parts that share nothing are trained and judged.
    linked, chance = data_of(ListSource(tables(SEEN), "table"), batch=64), 1 / GALLERY
    held = Data(ListSource(tables(HELD, seed=1), "table"), linked.tokenizers)
    before = found(recipe("transtab", linked, SIZE).objective.eval(), held)
    trained = fit(recipe("transtab", linked, SIZE, overlap=0.0), 300, lr=2e-3)
    after = found(trained, held)
    shared = found(fit(recipe("transtab", linked, SIZE), 300, lr=2e-3), held)
    apart = data_of(ListSource(tables(SEEN, linked=False), "table"), batch=64)
    alone = found(
        fit(recipe("transtab", apart, SIZE, overlap=0.0), 300, lr=2e-3),
        Data(ListSource(tables(HELD, seed=1, linked=False), "table"), apart.tokenizers),
    )
    named, numbered = moved(trained, held, False), moved(trained, held, True)
    strange = [{f"never seen {i}": float(i) for i in range(5)} for _ in range(2)]
    said = classes(trained, tokens_of(trained, Data(ListSource(strange, "table"), linked.tokenizers)))
    return Claim(
        (
            Figure("held-out halves found, over chance", after / chance, above=10, baseline=before / chance, said="untrained"),
            Figure("trained with the paper's overlap", shared / chance, below=5, baseline=after / chance, said="no overlap"),
            Figure("where columns are independent", alone / chance, below=2, baseline=after / chance, said="linked columns"),
            Figure("class token after columns moved", named, below=1e-5, baseline=numbered, said="placed by number"),
            Figure("finite numbers for a table of unseen columns", float(said.isfinite().float().mean()), above=0.999),
        )
    )  # fmt: skip


def tables(count: int, seed: int = 0, linked: bool = True) -> list[dict[str, float]]:
    """Rows of two tables by turns, without a column in common: noisy mixtures of four hidden numbers, or noise alone."""
    r, mix = np.random.default_rng(seed), np.random.default_rng(9).standard_normal((2, 4, COLUMNS))
    hidden, noise = r.standard_normal((count, 4)), r.standard_normal((count, COLUMNS))
    rows = [0.5 * hidden[i] @ mix[i % 2] + 0.2 * noise[i] if linked else noise[i] for i in range(count)]
    return [{f"{'ab'[i % 2]} {j}": float(x) for j, x in enumerate(row)} for i, row in enumerate(rows)]


def tokens_of(objective: Objective, data: Data) -> Tokens:
    return collate(data, np.arange(len(data.source)), STEP, objective.slots).tokens["x"]


@torch.no_grad()
def classes(objective: Objective, tokens: Tokens) -> torch.Tensor:
    """The class tokens."""
    z = objective.encoder(tokens)
    return z.values[z.layout.cu[:-1].long()]


def found(objective: Objective, held: Data) -> float:
    """How often the other half of a row is the most like among that of a hundred rows of its table, both ways."""
    tokens, head = tokens_of(objective, held), objective.terms["match"].head
    halves = [part(i, 2, 0.0)(tokens, STEP.rng("x", torch.arange(HELD))).seen for i in range(2)]
    with torch.no_grad():
        a, b = (
            head(classes(objective, half)).view(-1, GALLERY, 2, 128).transpose(1, 2).flatten(0, 1) for half in halves
        )
    like, mine = torch.bmm(a, b.transpose(1, 2)), torch.arange(GALLERY)
    return float(torch.stack([(like.argmax(1) == mine).float(), (like.argmax(2) == mine).float()]).mean())


def moved(objective: Objective, held: Data, numbered: bool) -> float:
    """How far class tokens move when the columns of every row are turned round. numbered: columns are placed by number."""
    back = [dict(reversed(row.items())) for row in held.source.samples[:64]]
    both = [
        tokens_of(objective, Data(ListSource(rows, "table"), held.tokenizers))
        for rows in (held.source.samples[:64], back)
    ]
    if numbered:
        both = [replace(t, coords=t.layout.place[:, None].float().expand_as(t.coords)) for t in both]
    a, b = (classes(objective, t) for t in both)
    return float((a - b).abs().max())
