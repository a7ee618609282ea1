"""Point-BERT: words are learnt, then named under a hidden clump, and clouds of a mixture are told from those of steps before."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import at_rest, leak, loss_of, read, view_of
from headstart.nn.heads import first
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.recipes.point_bert import Words, chamfer
from headstart.scene import Scene
from headstart.step import Step
from headstart.terms import masked
from headstart.tokens import Batch, View, every
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Real, Trial, digits, each_batch, encode, linear

STEPS = 300
LABELS = 50


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    made = trial.recipe(trial.data(ListSource(heights(real.samples), "points"), rows=16, patch=16))
    objective, (batch, step) = made.objective, trial.batch(made, 3, 4)
    yield Figure(
        "what moves only when it should: words in the first half, the rest after", halves(trial, made), above=0.9
    )
    hidden, shown = leak(objective, batch, step, "name")
    yield Figure("what gets through of hidden rows, over what the rest moves", hidden / shown, below=1e-6)
    yield Figure(
        "hidden rows of mixed clouds behind the learnt mask",
        looks.marked(view_of(objective, batch, step, "mixed")),
        above=0.999,
    )
    clump = np.mean([extent(view) for view in looks.views(trial, made)])
    yield Figure("distance between hidden rows, over that between all rows", float(clump), below=0.85)
    mixtures = [origins(view_of(objective, *each, "mixed"), each[0]) for each in each_batch(trial, made, 8)]
    strange = np.mean([1 - float(shares.diagonal().mean()) for shares in mixtures])
    yield Figure("rows of mixed clouds that are another cloud's", float(strange), above=0.3, below=0.7)
    shares, pulled = origins(view_of(objective, batch, step, "mixed"), batch), pulls(objective, batch, step)
    others = ~torch.eye(batch.size, dtype=torch.bool)
    alike = float(torch.corrcoef(torch.stack([shares[others], pulled[others]]))[0, 1])
    yield Figure("correlation of a mixture's pulls to other clouds with their shares in it", alike, above=0.7)
    yield Figure("what clouds of steps before add to the loss of unmixing", remembered(trial, made), above=0.3)

    held = collate(made.data, real.query, step, objective.slots)
    before = told_whole(real, objective, made.data)
    objective = trial.fit(made, STEPS, among=real.bank)
    # the pilot's bound was 0.7, and how many words there are hangs on the seed: the worst of those reported is 0.37 nats better
    yield Figure(
        "nats by which words of hidden rows are told better than by how often each is",
        told(objective, held, step),
        above=0.1,
    )
    yield Figure(
        "distance of points rebuilt from words, over those from another cloud's",
        rebuilt(objective, held, step),
        below=0.965,
    )
    gain = told_whole(real, objective, made.data) - before
    yield Figure(
        "accuracy of a linear probe of 50 labels on the class token, beyond that before training", gain, above=0.03
    )


def heights(pictures: np.ndarray) -> list[np.ndarray]:
    """Pictures as clouds: a point for every pixel, as high as it is dark."""
    down, right = np.indices(pictures.shape[1:]).reshape(2, -1)
    return [np.c_[right, down, picture.ravel() / 60].astype(np.float32) for picture in pictures]


def halves(trial: Trial, made: Recipe) -> float:
    """The least of: the share of the parameters of words that an early step moves, the share of those that no late step does, and
    the same of all other parameters the other way round."""
    words = {id(p) for p in cast(nn.Module, made.objective.terms["words"].head).parameters()}
    shares = []
    for index, mine in ((0, True), (3, False)):
        batch, step = trial.batch(made, index, 4)
        learnt = [p for p in made.objective.parameters() if p.requires_grad]
        with at_rest(made.objective):
            grads = torch.autograd.grad(made.objective(batch, step).total, learnt, allow_unused=True)
        moves = [(id(p) in words) == mine for p, grad in zip(learnt, grads, strict=True) if grad is not None]
        shares += [np.mean(moves), sum(moves) / sum((id(p) in words) == mine for p in learnt)]
    return float(min(shares))


def extent(view: View) -> float:
    """The mean distance between hidden rows over that between all rows of a sample."""
    ratios, spans = [], view.clean.layout
    for sample in range(spans.segments):
        mine = (spans.seg == sample) & ~view.clean.slot
        near, far = (torch.pdist(view.clean.coords[rows]).mean() for rows in (mine & view.hidden.mask, mine))
        ratios.append(float(near / far))
    return float(np.nanmean(ratios))


def origins(view: View, batch: Batch) -> Tensor:
    """[S, S] the shares in which the rows of each mixed cloud are those of each cloud of the batch, told by what they say."""
    rows, whole = view.clean, batch.tokens["x"]
    says, there = (torch.cat([tokens.values, tokens.coords], 1)[every(tokens).index] for tokens in (rows, whole))
    same = (says[:, None] == there[None]).all(2).double()
    same = same / same.sum(1, keepdim=True).clamp(min=1)  # two clouds may have a row in common
    mine, theirs = (F.one_hot(tokens.layout.seg[every(tokens).index]).double() for tokens in (rows, whole))
    return mine.T @ same @ theirs / mine.sum(0)[:, None]


def pulls(objective: Objective, batch: Batch, step: Step) -> Tensor:
    """[S, S] how hard the class token of each mixed cloud is pulled to what the teacher says of each whole cloud; that is made up
    here, so that no cloud is much nearer than others, and none the same."""
    term, made = objective.terms["unmix"], []
    hook = cast(nn.Module, term.head).register_forward_hook(lambda part, given, out: made.append(out))
    with at_rest(objective):
        scene = objective.scene(batch, step, {"unmix": term})
        z = scene.taught.z["x"]
        some = torch.Generator().manual_seed(0)
        z = z.with_values(
            torch.randn(z.values.shape[1], generator=some) + 0.3 * torch.randn(z.values.shape, generator=some)
        )
        scene = replace(scene, teacher=replace(scene.taught, z={"x": z}), term="unmix")
        (grad,) = torch.autograd.grad(term(scene), made)
    hook.remove()
    keys = F.normalize(scene.taught.heads["unmix"](first(z)).double(), dim=-1)
    said = made[0].double().detach()
    axes = torch.cat(
        [keys.expand(len(said), -1, -1), F.normalize(said, dim=-1)[:, None]], 1
    )  # lengths count for nothing
    return torch.linalg.lstsq(axes.mT, -grad.double()[..., None] * said.norm(dim=-1)[:, None, None]).solution[:, :-1, 0]


def remembered(trial: Trial, made: Recipe) -> float:
    """How far the loss of unmixing a batch rises when others have passed, while nothing learns."""
    fresh = trial.recipe(made.data).objective.train()
    batch, step = trial.batch(made, 6, 8)
    before = loss_of(fresh, batch, step, "unmix")
    for index in (4, 5):
        other, then = trial.batch(made, index, 8)
        fresh(other, then)
        fresh.after_step(then)
    return loss_of(fresh, batch, step, "unmix") - before


def told(objective: Objective, batch: Batch, step: Step) -> float:
    """The cross-entropy of words of hidden rows by their frequencies, less that by what is said of them, in nats."""
    term = cast(masked, objective.terms["name"])

    def nats(scene: Scene) -> Tensor:
        view = scene.views["x"]
        word = cast(Tensor, term.target(view, view.hidden.index, scene))
        share = torch.bincount(word).float() / len(word)
        return -share[word].log().mean() - F.cross_entropy(term.predicted(scene), word)

    return float(read(objective, batch, step, nats, "name"))


@torch.no_grad()
def rebuilt(objective: Objective, batch: Batch, step: Step) -> float:
    """The Chamfer distance of points rebuilt from the likeliest words, over that from the words of the cloud before."""
    words, tokens = cast(Words, objective.terms["words"].head), batch.tokens["x"]
    points, word = words.cloud(tokens), words(tokens).argmax(-1)
    own, other = (
        float(chamfer(words.decode(words.book[said], tokens), points))
        for said in (word, word.roll(len(word) // batch.size, 0))
    )
    return own / other


def told_whole(real: Real, objective: Objective, data: Data) -> float:
    """Accuracy on held-out digits of a linear probe on the class token of whole clouds."""
    z = encode(objective.encoder, data, np.arange(len(real.samples)), "first")
    return linear(z[real.bank], real.truth[real.bank], z[real.query], real.truth[real.query], LABELS)
