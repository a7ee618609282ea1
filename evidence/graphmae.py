"""GraphMAE: what a node is can be told from its surroundings, and the decoder learns of hidden nodes from nothing else.

Exact: the slope of the error at cosine 0.9 over that at 0 is 0.1^2 = 0.01 for the third power (ablation: 1 for the first); the
decoder's answers do not move when the encoder's rows of hidden nodes do (ablation: a head that reads those rows).
Learning: neighbourhoods in a graph of four blocks whose nodes have weak features of 16 numbers; after 250 steps the block of the
node in the middle, read from its frozen row, at least 10 points above its own features. Ablation: nothing is hidden and nothing
masked a second time, an autoencoder. (Either alone is enough here: hiding without the second mask comes to 0.97, the second
mask without hiding to 0.97.) And against the untrained encoder.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.losses import cosine_error
from headstart.nn.encoder import Model
from headstart.nn.heads import at_hidden
from headstart.nn.linear import Linear
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.recipes.graphmae import nodes, spoiled
from headstart.step import Rng, Step
from headstart.tokens import Tokens, View
from headstart.tree import replace

from . import lab
from .claim import Claim, Figure

NODES, BLOCKS, FEATURES, WEAK = 600, 4, 16, 0.35
NEAR = 10  # neighbours of a node at most
WITHIN, ACROSS = 0.06, 0.004  # chance of an edge
TRAIN, TEST = range(400), range(400, 600)


def neighbourhoods() -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Around each node of a stochastic block model, it first, then neighbours, and the edges between them; and its block."""
    r = np.random.default_rng(0)
    block = r.integers(BLOCKS, size=NODES)
    chance = np.where(block[:, None] == block, WITHIN, ACROSS)
    linked = np.triu(r.random((NODES, NODES)) < chance, 1)
    linked = linked | linked.T
    centres = r.standard_normal((BLOCKS, FEATURES))
    features = (WEAK * centres[block] + r.standard_normal((NODES, FEATURES))).astype(np.float32)
    made = []
    for node in range(NODES):
        near = r.permutation(np.flatnonzero(linked[node]))[:NEAR]
        chosen = np.concatenate([[node], near])
        edges = np.argwhere(np.triu(linked[np.ix_(chosen, chosen)], 1))
        made.append({"nodes": features[chosen], "edges": edges})
    return made, block


def remasked(objective: Objective, given: Data) -> tuple[float, float]:
    """How far answers move when the encoder's rows of hidden nodes do: of the decoder, and of a head that reads these rows."""
    step = Step(0, 1)
    batch = collate(given, np.arange(16), step, objective.slots)
    with torch.no_grad():
        scene = objective.scene(batch, step)
        view, z = scene.views["x"], scene.student.z["x"]
        moved = z.with_values(z.values + view.hidden.mask[:, None] * torch.randn_like(z.values))
        heads = (objective.terms["rebuild"].head, at_hidden(Linear(z.values.shape[1], FEATURES)))
        blind, seeing = (float((head(moved, view) - head(z, view)).abs().max()) for head in heads)
    return blind, seeing


def unspoiled(tokens: Tokens, rng: Rng) -> View:
    """The recipe's view with nothing spoiled."""
    return replace(spoiled(0.5, 0.05, nodes)(tokens, rng), seen=tokens)


def slope(power: float) -> float:
    """Of the error at cosine 0.9 over that at 0."""
    cosine = torch.tensor([0.9, 0.0], dtype=torch.float64, requires_grad=True)
    x = torch.stack([cosine, (1 - cosine.square()).sqrt()], 1)
    error = cosine_error(x, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), power)
    (grad,) = torch.autograd.grad(error.sum(), cosine)
    return float(grad[0] / grad[1])


def check() -> Claim:
    graphs, block = neighbourhoods()
    given = lab.data_of(ListSource(graphs, "graph"), batch=32)
    labels, truth = block[TRAIN.start : TRAIN.stop], block[TEST.start : TEST.stop]

    def middle(objective: Objective) -> float:
        """Accuracy of the block from the frozen row of the node in the middle."""
        step = Step(0, 1)
        batch = collate(given, np.arange(NODES), step, objective.slots)
        with torch.no_grad():
            z = objective.encoder(batch.tokens["x"])
        order = batch.index.argsort()
        rows = z.values[z.layout.cu[:-1].long() + z.layout.slots][order].numpy()
        return lab.linear(rows[: len(labels)], labels, rows[len(labels) :], truth)

    own = np.stack([g["nodes"][0] for g in graphs])
    raw = lab.linear(own[: len(labels)], labels, own[len(labels) :], truth)

    def made() -> Recipe:
        return lab.recipe("graphmae", given, size=Model(48, 2, 4))

    before = middle(made().objective.eval())
    objective = lab.fit(made(), 250, lr=2e-3)
    after = middle(objective)
    plain = made()
    plain.objective.views["x"] = ("x", unspoiled)
    plain.objective.terms["rebuild"].head = at_hidden(Linear(48, FEATURES))
    copied = middle(lab.fit(plain, 250, lr=2e-3))
    blind, seeing = remasked(objective, given)
    return Claim((
        Figure("block of a node", after, above=raw + 0.1, baseline=copied, said=f"nothing is hidden; features alone {raw:.2f}"),
        Figure("block of a node once more", after, above=before + 0.05, baseline=before, said="untrained"),
        Figure("answers move with the rows of hidden nodes", blind, below=1e-9, baseline=seeing, said="without the second mask"),
        Figure("slope at cosine 0.9 over that at 0", slope(3.0), above=0.0095, below=0.0105, baseline=slope(1.0)),
    ))  # fmt: skip
