"""Run by `test_objective` as two or four processes that share a file: gradients of a batch that is split between them."""

from dataclasses import replace

import numpy as np
import torch
import torch.distributed as td
from tests.parts import batch_of, data, recipe

from headstart import dist
from headstart.optim import LARS, SAM, Muon, Optim
from headstart.scoring.features import encode
from headstart.step import Step
from headstart.training import Training

DISTRIBUTED = {  # by processes: recipes, of which four divide one of each term and of whatever meets between processes
    2: (("mae", "image"), ("mae", "series"), ("clip", "pairs"), ("dino", "image")),
    4: (
        ("mae", "image"),  # masked
        ("gpt_series", "series"),  # autoregress
        ("rotnet", "image"),  # classify
        ("clip", "pairs"),  # contrast: negatives of all
        ("simclr", "image"),  # the same, behind the statistics of the batch
        ("descriptors", "image"),  # describe
        ("eegdm", "image"),  # diffuse
        ("dino", "image"),  # distill: a centre
        ("swav", "image"),  # Sinkhorn
        ("beats", "image"),  # a book of codes
        ("mp3_position_prediction", "image"),  # locate
    ),
}
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
    made = recipe(name, kind, given=data(kind, batch=12))
    module = dist.wrap(made.objective, torch.device("cpu"))
    mine = made.data.samples(STEP, dist.rank(), dist.world())
    loss = module(batch_of(made, STEP, np.asarray(mine)), STEP)
    loss.backward()
    made.objective.after_step(STEP)
    found = {n: p.grad for n, p in made.objective.named_parameters() if p.requires_grad}
    return found | dict(made.objective.named_buffers()) | {"loss": dist.mean(loss.total.detach())}


def worker(rank: int, world: int, file: str, out: str) -> None:
    td.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    torch.set_num_threads(1)
    found = {f"{name} {kind}": gradients(name, kind) for name, kind in DISTRIBUTED[world]}
    if world == 2:
        found |= {name: steps(optim) for name, optim in OPTIMIZERS.items()}
    x = torch.full((2, 1), float(rank), requires_grad=True)
    (dist.gather(x) * torch.arange(2.0 * world)[:, None]).sum().backward()
    found["gather"] = {"all": dist.gather(x).detach(), "grad": x.grad, "mean": dist.mean(torch.tensor(float(rank)))}
    found["order"] = torch.tensor(order(rank, world))
    with dist.dividing(torch.device("cpu")):
        found["vectors"] = torch.from_numpy(vectors())
        found["none"] = torch.tensor(len(dist.divided(0, lambda a, b: 1)))
    torch.save(found, f"{out}-{rank}")


def order(rank: int = 0, world: int = 1) -> list[list[int]]:
    """This rank's samples of some steps."""
    made = data("image", batch=12)
    return [made.samples(Step(index, 10), rank, world).tolist() for index in range(5)]


def vectors() -> np.ndarray:
    """Of seven samples, which no number of processes divides."""
    made = recipe("mae", "image")
    encoder = made.objective.encoder
    return encode(encoder, made.data.only, made.data.source, np.arange(7), ("mean",))["mean"]
