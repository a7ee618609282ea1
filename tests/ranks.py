"""Run by `test_objective` as two processes that share a file: gradients of a batch that is split between them."""

from dataclasses import replace

import numpy as np
import torch
import torch.distributed as td
from tests.parts import batch_of, recipe

from headstart import dist
from headstart.optim import LARS, SAM, Muon, Optim
from headstart.step import Step
from headstart.training import Training

DISTRIBUTED = (("mae", "image"), ("mae", "series"), ("clip", "pairs"), ("dino", "image"))
OPTIMIZERS = {"lars": LARS(trust=0.05), "sam": SAM(LARS(trust=0.05), rho=0.5), "muon": Muon()}
STEP = Step(3, 10)


def steps(optim: Optim) -> dict[str, torch.Tensor]:
    """The weights after two steps, this rank's share of the batch each."""
    training = Training(replace(recipe("mae", "image"), optim=optim), torch.device("cpu"), torch.float32)
    for index in range(2):
        step = Step(index, 10)
        assert training.take(training.batch(step), step).finite
    return dict(training.objective.state_dict())


def gradients(name: str, kind: str) -> dict[str, torch.Tensor]:
    """This rank's share of the batch, forward and back; "loss" and the buffers after the step are in it too."""
    made = recipe(name, kind)
    module = dist.wrap(made.objective, torch.device("cpu"))
    mine = made.data.samples(STEP, dist.rank(), dist.world())
    loss = module(batch_of(made, STEP, np.asarray(mine)), STEP)
    loss.backward()
    made.objective.after_step(STEP)
    found = {n: p.grad for n, p in made.objective.named_parameters() if p.requires_grad}
    return found | dict(made.objective.named_buffers()) | {"loss": dist.mean(loss.total.detach())}


def worker(rank: int, world: int, file: str, out: str) -> None:
    td.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    found = {f"{name} {kind}": gradients(name, kind) for name, kind in DISTRIBUTED}
    found |= {name: steps(optim) for name, optim in OPTIMIZERS.items()}
    x = torch.full((2, 1), float(rank), requires_grad=True)
    (dist.gather(x) * torch.arange(4.0)[:, None]).sum().backward()
    found["gather"] = {"all": dist.gather(x).detach(), "grad": x.grad, "mean": dist.mean(torch.tensor(float(rank)))}
    torch.save(found, f"{out}-{rank}")
    dist.stop()
