"""Optimizers: each against an independent account of its paper, groups by who moves how far, and every one of them resumed to the
last bit, from the contract's loop."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.parts import TINY, batch_of, data, recipe
from torch import nn

import headstart as hs
from headstart import checkpoint
from headstart.contract import check_recipe
from headstart.errors import Mistake
from headstart.log import Log
from headstart.nn.encoder import Encoder
from headstart.objective import Loss
from headstart.optim import LARS, SAM, AdamW, Muon, Optim, find, names, set_rates
from headstart.recipe import Run
from headstart.shelf import find as shelf
from headstart.step import Step, cosine, warmup_cosine
from headstart.train import train
from headstart.training import Training
from headstart.words import WordError, changed, settings

EVERY = {
    "adamw": AdamW(1e-2),
    "muon": Muon(),
    "lars": LARS(trust=0.05),
    "sam": SAM(AdamW(1e-2), rho=0.1),
    "sam_muon": SAM(Muon()),
}
STEP = Step(0, 10)


class Net(nn.Module):
    """Two matrices in blocks, a vector, and a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.head = nn.Linear(6, 4)


def loss_of(net: Net, seed: int) -> torch.Tensor:
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(seed))
    for block in net.blocks:
        x = block(x).tanh()
    return net.head(x).square().mean()


def walk(optim: Optim, net: Net, steps: int = 5) -> Net:
    """Take steps as the loop does."""
    optimizer = optim.build(net)
    for index in range(steps):

        def compute(index: int = index) -> Loss:
            total = loss_of(net, index)
            total.backward()
            return Loss(total, {})

        set_rates(optimizer, optim, Step(index, steps))
        optim.gradients(optimizer, compute)
        optimizer.step()
        optimizer.zero_grad()
    return net


def same(a: nn.Module, b: nn.Module) -> None:
    for name, value in b.state_dict().items():
        assert torch.equal(a.state_dict()[name], value), name


def by_hand(net: Net, optimizers: list[torch.optim.Optimizer], steps: int = 5) -> Net:
    for index in range(steps):
        loss_of(net, index).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return net


def test_adamw_is_pytorchs():
    plain = Net()
    matrices = [p for p in plain.parameters() if p.ndim == 2]
    vectors = [p for p in plain.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    theirs = by_hand(plain, [torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.98), fused=True)])
    same(walk(AdamW(3e-3, 0.1, (0.9, 0.98)), Net()), theirs)


def test_muon_is_pytorchs():
    plain = Net()
    hidden = [p for n, p in plain.named_parameters() if "blocks" in n and p.ndim == 2]
    muon = torch.optim.Muon(hidden, lr=0.02, weight_decay=0.1, momentum=0.9)
    groups = [
        {"params": [plain.head.weight], "weight_decay": 0.1},
        {"params": [p for p in plain.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=0.02 * 0.05, betas=(0.9, 0.95), fused=True)
    same(walk(Muon(0.02, 0.1, momentum=0.9, rest=0.05), Net()), by_hand(plain, [muon, adam]))


def test_muon_says_where_nothing_is_hidden():
    with pytest.raises(Mistake, match=r"'\*middle\*': change optim.hidden"):
        Muon(hidden="*middle*").build(Net())


def test_lars_is_equation_6():
    """You et al. 2017: the local rate trust |w| / (|g| + b |w|), momentum over rate * local rate * (g + b w), layer by layer."""
    lr, decay, momentum, trust, net = 0.7, 0.01, 0.9, 0.02, Net()
    speeds = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for index in range(5):
        net.zero_grad()
        loss_of(net, index).backward()
        for name, p in net.named_parameters():
            with torch.no_grad():
                if p.ndim == 2:
                    local = trust * p.norm() / (p.grad.norm() + decay * p.norm())
                    speeds[name] = momentum * speeds[name] + lr * local * (p.grad + decay * p)
                else:
                    speeds[name] = momentum * speeds[name] + lr * p.grad
                p -= speeds[name]
    ours = walk(LARS(lr, decay, momentum, trust), Net())
    for name, p in net.named_parameters():
        torch.testing.assert_close(dict(ours.named_parameters())[name], p, rtol=1e-5, atol=1e-7)


def test_lars_moves_a_layer_that_is_zero():
    net = Net()
    nn.init.zeros_(net.head.weight)
    assert walk(LARS(), net, 1).head.weight.any()


class Bowl(nn.Module):
    """w' A w / 2, whose gradient is A w."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))
        self.a = torch.diag(torch.tensor([1.0, 10.0]))

    def forward(self) -> torch.Tensor:
        return (self.w * (self.a @ self.w)).sum() / 2


def test_sam_climbs_before_it_descends():
    """On a quadratic: w goes down by lr * A (w + rho A w / |A w|), and the loss told is the one at w."""
    bowl, rho, lr = Bowl(), 0.3, 0.01
    w, told = bowl.w.detach().clone(), []
    optim = SAM(LARS(lr, 0.0, momentum=0.0, trust=1.0), rho=rho)
    optimizer = torch.optim.SGD(bowl.parameters(), lr)

    def compute() -> Loss:
        total = bowl()
        total.backward()
        return Loss(total, {})

    for _ in range(4):
        told.append(((w * (bowl.a @ w)).sum() / 2, optim.gradients(optimizer, compute).total))
        optimizer.step()
        optimizer.zero_grad()
        slope = bowl.a @ w
        w = w - lr * bowl.a @ (w + rho * slope / slope.norm())
        torch.testing.assert_close(bowl.w.detach(), w)
    assert all(torch.allclose(a, b) for a, b in told) and told[0][1] != told[3][1]


def test_sam_puts_weights_back_to_the_last_bit():
    made = recipe("mae", "image")
    optim = SAM(made.optim, rho=5.0)
    before = {name: p.clone() for name, p in made.objective.named_parameters()}
    batch, optimizer = batch_of(made, STEP), optim.build(made.objective)

    def compute() -> Loss:
        loss = made.objective(batch, STEP)
        loss.backward()
        return loss

    plain = compute()
    at_hand = {name: p.grad.clone() for name, p in made.objective.named_parameters() if p.grad is not None}
    optimizer.zero_grad()
    loss = optim.gradients(optimizer, compute)
    assert loss.total == plain.total  # the same masks, the same rows
    assert all(torch.equal(p, before[name]) for name, p in made.objective.named_parameters())
    uphill = {name: p.grad for name, p in made.objective.named_parameters() if p.grad is not None}
    assert any(not torch.allclose(uphill[name], grad, rtol=0.1) for name, grad in at_hand.items())


def test_sam_leaves_out_a_step_whose_loss_is_infinite():
    made = recipe("mae", "image")
    made = dataclasses.replace(made, optim=SAM(made.optim))
    made.objective.encoders["encoder"].slots.register_hook(lambda grad: grad * math.inf)
    before = {name: value.clone() for name, value in made.objective.state_dict().items()}
    training = Training(made, Run(device="cpu", dtype="fp32"))
    assert not training.take(training.batch(STEP), STEP).finite
    assert all(torch.equal(value, before[name]) for name, value in made.objective.state_dict().items())


# groups


def moved(optim: Optim, recipe_name: str = "mae") -> dict[str, float]:
    """How far each parameter goes in one step of AdamW, whose first step has the size of the rate."""
    made = dataclasses.replace(recipe(recipe_name, "image"), optim=optim)
    before = {name: p.clone() for name, p in made.objective.named_parameters()}
    training = Training(made, Run(device="cpu", dtype="fp32"))
    assert training.take(training.batch(STEP), STEP).finite
    after = dict(made.objective.named_parameters())
    return {name: float((after[name] - value).abs().max().detach()) for name, value in before.items()}


def test_a_scale_is_a_share_of_the_rate():
    plain = AdamW(1e-3, weight_decay=0.0)
    far = moved(dataclasses.replace(plain, scales={"terms.*": 10.0, "*.mlp.*": 0.0, "*": 0.5}))
    for name, distance in moved(plain).items():
        share = 10.0 if name.startswith("terms.") else 0.0 if ".mlp." in name else 0.5  # the first that fits
        assert distance > 0 and far[name] == pytest.approx(share * distance, rel=0.05), name


def test_layer_decay_is_that_of_beit():
    """Of two blocks: the last at 0.5, the first at 0.25, the entrance at 0.125, norm and heads in full."""
    plain = AdamW(1e-3, weight_decay=0.0)
    far = moved(dataclasses.replace(plain, layer_decay=0.5))
    seen = set()
    for name, distance in moved(plain).items():
        share = (0.25 if "trunk.blocks.0." in name else 0.5 if "trunk.blocks.1." in name else 1.0)  # fmt: skip
        if name.startswith("encoders.") and "trunk." not in name:
            share = 0.125
        seen.add(share)
        assert far[name] == pytest.approx(share * distance, rel=0.05), name
    assert seen == {0.125, 0.25, 0.5, 1.0}


def test_layer_decay_of_an_encoder_alone_and_of_several():
    enc = Encoder(data("image").tokenizers, TINY)
    scale = {id(p): g["scale"] for g in AdamW(layer_decay=0.5).build(enc).param_groups for p in g["params"]}
    assert scale[id(enc.slots)] == 0.125 and scale[id(enc.trunk.norm.weight)] == 1.0
    two = recipe("clip", "pairs").objective
    scale = {id(p): g["scale"] for g in AdamW(layer_decay=0.5).build(two).param_groups for p in g["params"]}
    assert {name: scale[id(p)] for name, p in two.named_parameters() if name.endswith(".slots")}
    assert {scale[id(p)] for name, p in two.named_parameters() if name.endswith(".slots")} == {0.125}


def test_vectors_are_not_decayed_and_frozen_ones_not_kept():
    made = recipe("mae", "image")
    groups = AdamW(scales={"encoders.*": 0.0}).build(made.objective).param_groups
    assert [g["decay"] for g in groups] == [True, False] and all(p.ndim == 2 for p in groups[0]["params"])
    assert not any(p.requires_grad for p in made.objective.encoders.parameters())
    with pytest.raises(Mistake, match=r"no parameter is called 'encoder.x'; their names are like encoders.encoder"):
        AdamW(scales={"encoder.x": 1.0}).build(made.objective)
    with pytest.raises(Mistake, match="nothing is left to learn"):
        AdamW(scales={"*": 0.0}).build(made.objective)
    with pytest.raises(Mistake, match=r"optim.layer_decay: there are no blocks"):
        AdamW(layer_decay=0.5).build(Net())


def test_rates_of_all_groups_follow_the_schedule():
    optim = Muon(warmup_cosine(0.1), cosine(0.2, 0.4), rest=0.1, scales={"head.*": 2.0})
    optimizer = optim.build(Net())
    assert set_rates(optimizer, optim, Step(0, 100)) == pytest.approx(0.01)
    rates = sorted((g["lr"], g["weight_decay"]) for g in optimizer.param_groups)
    assert rates == [pytest.approx(x) for x in ((0.001, 0.0), (0.002, 0.0), (0.002, 0.2), (0.01, 0.2))]


# in the loop


@pytest.mark.parametrize("name", EVERY)
def test_every_one_keeps_the_contract(name):
    """Among its sentences: four steps equal two, a checkpoint, and two, weights and moments to the last bit."""

    def with_it(data, size):
        return dataclasses.replace(shelf.find("mae")(data, size=size, depth=1), optim=EVERY[name])

    check_recipe(with_it, data("image"))


@pytest.mark.parametrize("name", EVERY)
def test_every_one_lowers_the_loss(name):
    made = recipe("mae", "image")
    losses = train(dataclasses.replace(made, optim=EVERY[name], steps=40), Run(device="cpu", dtype="fp32")).losses
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_another_optimizer_does_not_go_on(tmp_path):
    made, run = recipe("mae", "image"), Run(device="cpu", save_every=1.0, probe_every=1.0)
    train(dataclasses.replace(made, steps=4), run, tmp_path, until=2)
    with pytest.raises(Mistake, match="written by the optimizer AdamW, and this is MuonWithAdamW"):
        train(dataclasses.replace(recipe("mae", "image"), steps=4, optim=Muon()), run, tmp_path)
    assert checkpoint.complete(tmp_path / "checkpoints")


# words


def test_a_file_is_an_optimizer():
    assert names() == ["adamw", "lars", "muon", "sam"] and find("muon") is Muon and find("lars") is LARS
    with pytest.raises(Mistake, match="optim=moun: the optimizers are adamw, lars, muon, sam"):
        find("moun")
    assert all(isinstance(optim, Optim) for optim in EVERY.values())


def test_one_in_the_place_of_another():
    own = AdamW(warmup_cosine(1e-4, over=0.3), cosine(0.04, 0.4), clip=1.0, scales={"terms.*": 2.0}, layer_decay=0.8)
    muon = find("muon").like(own)
    assert muon == Muon(warmup_cosine(0.02, over=0.3), clip=1.0, scales={"terms.*": 2.0}, layer_decay=0.8)
    assert find("sam").like(own) == SAM(own) and find("adamw").like(muon).lr == warmup_cosine(1e-3, over=0.3)


def test_words_reach_what_is_wrapped():
    made = changed(SAM(AdamW(warmup_cosine(1e-3))), {"rho": 0.2, "lr": 5e-4, "weight_decay": 0}, "optim")
    assert made == SAM(AdamW(warmup_cosine(5e-4), 0.0), 0.2) and made.lr.peak == 5e-4
    assert settings(made)["betas"] == (0.9, 0.95) and "base" not in settings(made)
    with pytest.raises(WordError, match=r"no word 'optim.rhoo' here; did you mean optim.rho"):
        changed(made, {"rhoo": 1.0}, "optim")
    with pytest.raises(WordError, match=r"no word 'optim.momentum' here"):
        changed(made, {"momentum": 1.0}, "optim")
    assert changed(AdamW(), {"scales": {"terms.*": 10.0}}, "optim").scales == {"terms.*": 10.0}


def test_words_on_the_command_line(tmp_path):
    """What was measured for AdamW at small scale does not hold for Muon; where SAM only wraps it, it does."""
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 255, (40, 16, 16), np.uint8))

    def settled(*words):
        return hs.plan(str(tmp_path / "pictures.npy"), *words, steps=3, size="XS", log=Log(quiet=True))

    plan = settled("optim=muon", "optim.rest=0.1", "optim.layer_decay=0.8")
    assert plan.optimizer == "muon" and plan.optim == {"rest": 0.1, "layer_decay": 0.8}
    assert settled("optim=sam", "optim.rho=0.1").optim == {"lr": 2e-3, "rho": 0.1} and settled().optimizer == ""
    made = hs.pretrain(str(tmp_path / "pictures.npy"), "optim=lars", steps=3, size="XS", run={"out": str(tmp_path / "run")},
                       log=Log(quiet=True))  # fmt: skip
    assert load_file(sorted((tmp_path / "run" / "checkpoints").iterdir())[-1] / "optimizer.safetensors")
    assert made.outcome.step == 3
    for words, said in {
        "optim=moun": "did you mean muon|the optimizers are adamw, lars, muon, sam",
        "optim.rest=0.1": r"no word 'optim.rest' here; did you mean optim.betas|no word 'optim.rest' here",
        "optim=lars optim.betas=(0.9,0.99)": "no word 'optim.betas' here",
        "optim=muon rest=0.1": "did you mean optim.rest",
    }.items():
        with pytest.raises(Mistake, match=said):
            settled(*words.split())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AdamW(lr=-1.0), "lr=-1.0"),
        (lambda: AdamW(layer_decay=0.0), "layer_decay=0.0"),
        (lambda: AdamW(clip=0.0), "clip=0.0"),
        (lambda: AdamW(betas=(2.0, 3.0)), "betas"),
        (lambda: AdamW(scales={"*": -1.0}), "scales"),
        (lambda: Muon(momentum=2.0), "momentum"),
        (lambda: Muon(rest=-1.0), "rest"),
        (lambda: LARS(trust=0.0), "trust"),
        (lambda: SAM(rho=-1.0), "rho"),
    ],
)
def test_numbers_with_which_nothing_learns_are_refused(make, says):
    with pytest.raises(Mistake, match=says):
        make()


def distances(optim: Optim) -> dict[str, torch.Tensor]:
    """How far each parameter goes in a first step."""
    torch.manual_seed(0)
    made = recipe("mae", "image")
    optimizer = optim.build(made.objective)
    before = {name: p.detach().clone() for name, p in made.objective.named_parameters()}
    set_rates(optimizer, optim, STEP)
    made.objective(batch_of(made, STEP), STEP).backward()
    optimizer.step()
    return {name: (p.detach() - before[name]).norm() for name, p in made.objective.named_parameters()}


@pytest.mark.parametrize("kind", [AdamW, Muon, LARS])
def test_every_optimizer_heeds_depth_and_scales(kind):
    whole, less = distances(kind(lr=0.01)), distances(kind(lr=0.01, layer_decay=0.1, scales={"terms.*": 0.5}))
    shares = {f"trunk.blocks.{i}.": 0.1 ** (TINY.depth - i) for i in range(TINY.depth)} | {
        "terms.": 0.5,
        "embeds.": 0.1 ** (TINY.depth + 1),
    }
    for part, share in shares.items():
        ratios = [float(less[name] / far) for name, far in whole.items() if part in name and far > 1e-4]
        assert ratios and max(abs(ratio / share - 1) for ratio in ratios) < 0.02, (part, ratios)
