"""Run by `test_objective` as two or four processes that share a file: gradients of a batch that is split between them."""

import copy
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as td
from tests.parts import batch_of, data, recipe
from torch.distributed.tensor import DTensor

from headstart import dist
from headstart.objective import Objective
from headstart.optim import LARS, SAM, Muon, Optim
from headstart.recipe import Run
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
SHARDED = (  # of which each process holds a part: students, teachers, centres, prototypes, pairs
    ("mae", "image"),
    ("dino", "image"),
    ("swav", "image"),
    ("clip", "pairs"),
    ("gpt_series", "series"),
)
OPTIMIZERS = {"lars": LARS(trust=0.05), "sam": SAM(LARS(trust=0.05), rho=0.5), "muon": Muon()}
STEP = Step(3, 10)


def steps(optim: Optim) -> dict[str, torch.Tensor]:
    """The weights after two steps, this rank's share of the batch each."""
    training = Training(replace(recipe("mae", "image"), optim=optim), Run(device="cpu", dtype="fp32"))
    for index in range(2):
        step = Step(index, 10)
        assert training.take(training.batch(step), step).finite
    return dict(training.objective.state_dict())


def sharded(name: str, kind: str, shard: bool = True) -> dict[str, torch.Tensor]:
    """Everything a checkpoint holds after two steps, the second of them by what a checkpoint put back."""
    made = recipe(name, kind, given=data(kind, batch=12))
    run = Run(device="cpu", dtype="fp32", shard=shard)
    training = Training(made, run)
    assert training.take(training.batch(Step(0, 10)), Step(0, 10)).finite
    objective, optimizer = training.gather()
    state = copy.deepcopy(dict(objective.state_dict()))
    moments = {n: copy.deepcopy(optimizer.state[p]) for n, p in objective.named_parameters() if p in optimizer.state}

    def put_back(objective: Objective, optimizer: torch.optim.Optimizer) -> dict[str, int]:
        objective.load_state_dict(state)
        for n, p in objective.named_parameters():
            if n in moments:
                optimizer.state[p] = moments[n]
        return {}

    training = Training(recipe(name, kind, seed=1, given=data(kind, batch=12)), run)
    training.restore(put_back)
    assert training.take(training.batch(Step(1, 10)), Step(1, 10)).finite
    objective, optimizer = training.gather()
    found = {f"{n}/{key}": v for n, p in objective.named_parameters() for key, v in optimizer.state.get(p, {}).items()}
    if shard:
        parts = [
            ((p.to_local() if isinstance(p, DTensor) else p).numel(), p.numel())
            for p in training.objective.parameters()
        ]
        found["share"] = torch.tensor(sum(mine for mine, _ in parts) / sum(whole for _, whole in parts))
    return {n: v.detach().clone() for n, v in (found | dict(objective.state_dict())).items()}


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
        found |= {f"sharded {name} {kind}": sharded(name, kind) for name, kind in SHARDED}
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
