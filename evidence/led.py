"""What a student is led to: questions to losses in which a teacher, other looks or other samples say what is right."""

import copy
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.interventions import altered, at_rest, loss_of, moved, read, shown_to, view_of
from headstart.nn.heads import first
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.scene import Scene
from headstart.step import Step
from headstart.tokens import Batch
from headstart.tree import replace


def met(objective: Objective, batch: Batch, step: Step, term: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The loss of a term, and the vectors that the objective itself calls it with: what the student and the teacher say,
    [crops, B, D] each, or what each look says, [B, D]."""
    loss, kept = objective.terms.get_submodule(f"{term}.loss"), list[tuple[Any, ...]]()
    hook = loss.register_forward_pre_hook(lambda _, given: kept.append(given))
    try:
        loss_of(objective, batch, step, term)
    finally:
        hook.remove()
    return loss, tuple(each for each in kept[0] if isinstance(each, Tensor))


def asked(objective: Objective, loss: nn.Module, said: Tensor, *more: Any) -> Tensor:
    """What a loss asks of what is said: the gradient, over its greatest size."""
    with at_rest(objective), torch.enable_grad():
        said = said.detach().clone().requires_grad_()
        (grad,) = torch.autograd.grad(loss(said, *more), said)
    return grad / grad.abs().max().clamp(min=1e-12)


def of_small(objective: Objective, batch: Batch, step: Step, term: str) -> float:
    """The part of a loss's gradient, at what the student says of crops, that lies at all but the two big ones."""
    loss, (said, *more) = met(objective, batch, step, term)
    apart = said.ndim == 2  # every look by itself, instead of [crops, B, D] and what the teacher says
    looks = [look.detach().clone().requires_grad_() for look in ((said, *more) if apart else said)]
    with at_rest(objective), torch.enable_grad():
        found = loss(*looks) if apart else loss(torch.stack(looks), *more, step)
        sizes = [float(grad.norm()) for grad in torch.autograd.grad(found, looks)]
    return sum(sizes[2:]) / sum(sizes)


def led_by(objective: Objective, batch: Batch, step: Step, term: str, samples: int = 4) -> tuple[float, ...]:
    """How far what is asked of a sample's first crop moves when the teacher says something else of (this sample's second crop,
    its first crop, all other samples' second crops, their first crops); the mean over a few samples."""
    loss, (said, goal) = met(objective, batch, step, term)
    before, found = asked(objective, loss, said, goal, step), np.zeros(4)
    for sample in range(samples):
        own = torch.arange(len(goal[0])) == sample
        for number, (crop, which) in enumerate(((1, own), (0, own), (1, ~own), (0, ~own))):
            other = goal.clone()
            other[crop, which] = -goal[crop, which]
            after = asked(objective, loss, said, other, step)
            found[number] += moved(before[0, sample], after[0, sample]) / samples
    return tuple(found.tolist())


def recognised(
    objective: Objective, data: Data, indices: np.ndarray, term: str, draws: int = 3, seed: int = 0
) -> float:
    """How often, of all these samples, the one of whose second crop the teacher says most nearly what the student says of a
    sample's first is the sample itself, over chance; the mean over draws of crops."""
    found = 0.0
    for draw in range(draws):
        step = Step(draw, draws, seed)
        _, (said, goal) = met(objective, collate(data, indices, step, objective.slots), step, term)
        a, b = (F.normalize(x - x.mean(0), dim=-1) for x in (said[0], goal[1]))
        found += float(((a @ b.T).argmax(1) == torch.arange(len(b))).float().mean()) * len(b) / draws
    return found


def followed(objective: Objective, step: Step) -> float:
    """The share of the way that the student's encoder is put off which its teacher goes after it within this step."""
    tried = copy.deepcopy(objective)
    assert tried.teacher is not None
    mine = dict(tried.encoders.named_parameters())
    its = {name: p for name, p in tried.teacher.network["encoders"].named_parameters() if name in mine}
    before = {name: p.clone() for name, p in its.items()}
    with torch.no_grad():
        for name, p in mine.items():
            p.copy_(before[name] + 1)
        tried.after_step(step)
    return float(np.mean([float((p - before[name]).mean()) for name, p in its.items()]))


def apart(batch: Batch, name: str) -> Batch:
    """The batch with every crop as a sample of its own, under the same chance: so one can be changed and the others of its sample
    stay as they are."""
    return replace(batch, index=batch.segment_index(name), size=batch.tokens[name].layout.segments)


def unseen(objective: Objective, batch: Batch, step: Step, view: str, crops: int = 3) -> tuple[float, float]:
    """(how far the student's class token of a crop moves when the crop's hidden rows say something else, how far the
    teacher's does)."""
    source, batch = objective.views[view][0], apart(batch, objective.views[view][0])
    made, found = view_of(objective, batch, step, view), [0.0, 0.0]
    spoken = (lambda scene: first(scene.student.z[view]), lambda scene: first(scene.taught.z[view]))
    for crop in range(crops):
        other = altered(batch, source, (made.clean.layout.seg == crop) & made.hidden.mask)
        for side, what in enumerate(spoken):
            before, after = (read(objective, each, step, what)[crop] for each in (batch, other))
            found[side] = max(found[side], moved(before, after))
    return found[0], found[1]


def total(objective: Objective, batch: Batch, step: Step) -> tuple[Tensor, Scene]:
    """The whole loss as the objective itself weighs it, with its gradient, and the scene that it is of."""
    scenes: list[Scene] = []
    make = objective.scene

    def kept(*given: Any) -> Scene:
        scenes.append(make(*given))
        return scenes[-1]

    with at_rest(objective), mock.patch.object(objective, "scene", kept):
        return objective(batch, step).total, scenes[0]


def pulls(objective: Objective, batch: Batch, step: Step, view: str) -> Tensor:
    """What the whole loss asks of the encoded rows of a view, [T, width]: the gradient."""
    loss, scene = total(objective, batch, step)
    (grad,) = torch.autograd.grad(loss, scene.student.z[view].values)
    return grad


def asks_of(objective: Objective, batch: Batch, step: Step, part: nn.Module) -> float:
    """The size of what the whole loss asks of a part's parameters; 0 where nothing does."""
    loss, _ = total(objective, batch, step)
    grads = torch.autograd.grad(loss, list(part.parameters()), allow_unused=True)
    return float(sum(grad.square().sum() for grad in grads if grad is not None)) ** 0.5


def told_by(objective: Objective, batch: Batch, step: Step, term: str, view: str) -> tuple[float, float]:
    """How far the loss of a term moves when the teacher's (class tokens, rows) of a view are those of the next sample."""
    each = dict(objective._terms())[term]
    with torch.no_grad(), at_rest(objective):
        scene = shown_to(objective.scene(batch, step, {term: each}), term)
        z, before, found = scene.taught.z[view], each(scene), []
        spans = z.layout
        other = z.values[(spans.cu[:-1].long()[(spans.seg + 1) % spans.segments] + spans.place).clamp(max=len(z) - 1)]
        for slots in (True, False):
            changed = z.with_values(torch.where((z.slot == slots)[:, None], other, z.values))
            teacher = replace(scene.taught, z=scene.taught.z | {view: changed})
            found.append(float((each(replace(scene, teacher=teacher)) - before).abs()))
    return found[0], found[1]


def hangs_on(objective: Objective, batch: Batch, step: Step, term: str, part: str) -> float:
    """How far the loss of a term moves when the parameters of this part of the objective are put off a little, over itself."""
    tried, chance = copy.deepcopy(objective), torch.Generator().manual_seed(step.seed)
    before = loss_of(objective, batch, step, term)
    with torch.no_grad():
        for p in tried.get_submodule(part).parameters():
            p.add_(0.1 * p.std(correction=0) * torch.randn(p.shape, generator=chance))
    return abs(loss_of(tried, batch, step, term) / before - 1)


def spread(objective: Objective, batch: Batch, step: Step, part: str, times: int = 20) -> float:
    """How evenly the answers of a part are spread over prototypes, once it was shown the batch for so many steps in which nothing
    is learnt: the entropy of their mean over that of equal shares."""
    tried, said = copy.deepcopy(objective).train(), list[Tensor]()
    with torch.no_grad():
        for _ in range(times):
            tried(batch, step)
            tried.after_step(step)
        hook = tried.get_submodule(part).register_forward_hook(lambda _, given, answer: said.append(answer))
        with at_rest(tried):
            tried(batch, step)
        hook.remove()
    mean = said[0].flatten(0, -2).mean(0)
    return float(-(mean * mean.clamp(min=1e-12).log()).sum() / np.log(len(mean)))
