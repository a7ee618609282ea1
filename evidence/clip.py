"""CLIP: handwritten digits and captions meet on one sphere, so that captions never seen name pictures never seen."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.sources.listed import ListSource
from headstart.interventions import at_rest, loss_of, others_matter
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.scoring.pairs import meet
from headstart.step import Step
from headstart.tokenizers import ImageTokenizer, TextTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import Batch

from .claim import Figure
from .lab import Trial, digits
from .looks import partner_matters

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS = (
    *("a photo of the digit {}", "the number {}", "{}", "a scan of {}"),
    *("it says {}", "a handwritten {}", "the sign for {}", "{} written by hand"),
)
UNSEEN = ("a photo of the number {}", "a scan of the digit {}", "the handwritten {}", "it says the number {}")
STEPS = 400


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    forms = trial.rng.integers(len(CAPTIONS), size=len(real.samples))
    texts = [CAPTIONS[form].format(WORDS[label]) for form, label in zip(forms, real.truth, strict=True)]
    tokenizers = {
        "image": ImageTokenizer.fit(list(real.samples[:256, None]), Want(patch=2)),
        "text": TextTokenizer.fit(texts, Want(vocab=400)),
    }
    made = trial.recipe(Data(pairs(real.samples, texts), tokenizers, trial.batch_size))
    batch, step = trial.batch(made)
    partner = partner_matters(made.objective, batch, step)
    yield Figure(
        "what the own partner changes in what is asked of a half, over what a stranger's does", partner, above=5.0
    )
    others = others_matter(made.objective, batch, step, "align")
    yield Figure("what the other samples change in what is asked of one", others, above=1e-4)
    yield Figure("what a step of the temperature changes in the loss", warmth(made.objective, batch, step), above=1e-5)
    apart = loss_of(made.objective, batch, step, "align") - both_ways(made.objective, batch, step)
    yield Figure("loss less the mean of both cross-entropies, as the paper has them", abs(apart), below=1e-5)

    objective = trial.fit(made, STEPS, among=real.bank)
    named = []
    for form in UNSEEN:
        tries = pairs(real.samples[real.query], [form.format(WORDS[n % 10]) for n in range(len(real.query))])
        found, captions = meet(objective, Data(tries, tokenizers), np.arange(len(tries)))
        named.append(captions[:10])
    right = (found @ np.mean(named, 0).T).argmax(1) == real.truth[real.query]
    yield Figure("digits named by captions that were never seen", right.mean(), above=0.4)


def pairs(pictures: np.ndarray, texts: list[str]) -> ListSource:
    return ListSource([{"image": x[None], "text": text} for x, text in zip(pictures, texts, strict=True)], "pair")


def warmth(objective: Objective, batch: Batch, step: Step) -> float:
    """How steeply the loss falls with whatever its own loss function learns."""
    term = objective.terms["align"]
    learnt = [p for p in term.loss.parameters() if p.requires_grad]
    with at_rest(objective):
        loss = objective(batch, step).total
    return max((float(g.abs()) for g in torch.autograd.grad(loss, learnt)), default=0.0) if learnt else 0.0


@torch.no_grad()
def both_ways(objective: Objective, batch: Batch, step: Step) -> float:
    """Figure 3 of the paper on the vectors that meet, in double precision."""
    with at_rest(objective):
        scene = objective.scene(batch, step)
    term = dict(objective._terms())["align"]
    meeting = term.meets()
    assert meeting is not None
    a, b = (F.normalize(meeting.project(name, scene.student.z[name]).double(), dim=1) for name in term.reads)
    logits, mine = a @ b.T / 0.07, torch.arange(len(a))
    return float(F.cross_entropy(logits, mine) + F.cross_entropy(logits.T, mine)) / 2
