"""Other people's code and formulas give the same numbers: MAE, DINO, CLIP, EEGDM's noise and ExPLoRA's updates."""

import math
import warnings

import numpy as np
import pytest
import torch
from tests.parts import batch_of, recipe
from torch.nn import functional as F
from torch.testing import assert_close

from headstart.data.sources.array import ArraySource
from headstart.losses import CenteredCE, InfoNCE
from headstart.nn.encoder import Model
from headstart.nn.linear import Linear
from headstart.nn.lora import LowRank
from headstart.nn.position import sincos
from headstart.recipe import Data
from headstart.recipes import mae
from headstart.step import Step, cosine, ramp
from headstart.targets import raw
from headstart.terms.diffuse import squared_cosine, velocity
from headstart.tokenizers import ImageTokenizer

# MAE beside transformers.ViTMAEForPreTraining


@pytest.fixture(scope="module")
def vit_mae():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own
        transformers = pytest.importorskip("transformers")
        config = transformers.ViTMAEConfig(
            image_size=32, patch_size=8, hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192,
            decoder_hidden_size=64, decoder_num_hidden_layers=2, decoder_num_attention_heads=2,
            decoder_intermediate_size=256, layer_norm_eps=1e-6, mask_ratio=0.75, norm_pix_loss=True,
            attn_implementation="eager",
        )  # fmt: skip
        torch.manual_seed(0)
        model = transformers.ViTMAEForPreTraining(config)
        model.vit.embeddings.patch_embeddings.projection._is_hf_initialized = False
        model.vit.embeddings.initialize_weights()  # a fresh model of transformers 5.23 has zeros for positions
        model.decoder.initialize_weights(16)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:  # biases and norms too, so that a swap of any two shows
                p.add_(0.05 * torch.randn_like(p))
    return model


def theirs_as_ours(theirs) -> dict[str, torch.Tensor]:
    """Tensors of ViTMAEForPreTraining (weights, or their gradients) under the names they have in ours."""
    ours, e = {}, "encoders.encoder."
    ours[e + "slots"] = theirs["vit.embeddings.cls_token"][0]
    conv = theirs["vit.embeddings.patch_embeddings.projection.weight"]  # [D, C, p, p]; our rows are pixel by pixel
    ours[e + "embeds.x.map.weight"] = conv.permute(0, 2, 3, 1).flatten(1)
    ours[e + "embeds.x.map.bias"] = theirs["vit.embeddings.patch_embeddings.projection.bias"]
    stacks = (
        ("vit.layers.", "vit.layernorm.", e + "trunk.blocks.", e + "trunk.norm."),
        ("decoder.decoder_layers.", "decoder.decoder_norm.", "terms.pixels.head.blocks.", "terms.pixels.head.norm."),
    )
    parts = (("layernorm_before", "norm1"), ("layernorm_after", "norm2"), ("attention.o_proj", "attention.out"),
             ("mlp.fc1", "mlp.up"), ("mlp.fc2", "mlp.down"))  # fmt: skip
    for kind in ("weight", "bias"):
        for layers, norm, blocks, end in stacks:
            ours[end + kind] = theirs[norm + kind]
            for i in range(2):
                for a, b in parts:
                    ours[f"{blocks}{i}.{b}.{kind}"] = theirs[f"{layers}{i}.{a}.{kind}"]
                qkv = [theirs[f"{layers}{i}.attention.{x}_proj.{kind}"] for x in "qkv"]
                ours[f"{blocks}{i}.attention.qkv.{kind}"] = torch.cat(qkv)
        ours["terms.pixels.head.enter." + kind] = theirs["decoder.decoder_embed." + kind]
        ours["terms.pixels.head.out." + kind] = theirs["decoder.decoder_pred." + kind]
    ours["terms.pixels.head.mask"] = theirs["decoder.mask_token"][0, 0]
    return ours


@pytest.mark.parametrize("normalise", [True, False])
def test_mae_equals_vit_mae(vit_mae, normalise, monkeypatch):
    pictures = np.random.default_rng(0).standard_normal((5, 3, 32, 32)).astype(np.float32)
    chance = torch.rand(5, 16, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(mae, "random", lambda tokens, rng: F.pad(-chance, (1, 0)).flatten())  # theirs hides the highest
    data = Data(ArraySource(pictures, "image"), {"x": ImageTokenizer(8, 3, (0.0,), (1.0,))}, batch=5)
    made = mae.mae(data, size=Model(48, 2, 3), ratio=0.75, depth=2)
    if not normalise:
        made.objective.terms["pixels"].target = raw
    weights = theirs_as_ours({n: p.detach() for n, p in vit_mae.named_parameters()})
    assert weights.keys() == made.objective.state_dict().keys()
    made.objective.load_state_dict(weights)
    vit_mae.config.norm_pix_loss = normalise
    vit_mae.zero_grad()
    theirs = vit_mae(torch.from_numpy(pictures), noise=chance)
    loss = made.objective(batch_of(made, Step(0, 1), np.arange(5)), Step(0, 1))
    assert theirs.mask.sum() == 60
    assert_close(loss.total, theirs.loss, rtol=1e-5, atol=1e-5)
    loss.backward()
    theirs.loss.backward()
    wanted = theirs_as_ours({n: p.grad for n, p in vit_mae.named_parameters() if p.requires_grad})
    for name, p in made.objective.named_parameters():
        assert_close(p.grad, wanted[name], rtol=1e-5, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")
        assert p.grad.abs().max() > 1e-4 or "qkv.bias" in name


def test_positions_equal_vit_mae(vit_mae):
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    coords = torch.stack([y, x], -1).view(-1, 2)
    for table in (vit_mae.vit.embeddings.position_embeddings, vit_mae.decoder.decoder_pos_embed):
        assert not table[0, 0].any()
        assert_close(sincos(coords, table.shape[-1]), table[0, 1:].detach(), rtol=0, atol=1e-6)


# DINO beside its paper


def dino_by_the_paper(student, teacher, centre, student_temp, teacher_temp):
    """Algorithm 1 of Caron et al. 2021, crop by crop: H(softmax((t - c) / T_t), softmax(s / T_s)) over unequal crops."""
    losses = []
    for i, t in enumerate(teacher):
        p = torch.exp((t - centre) / teacher_temp)
        p = p / p.sum(1, keepdim=True)
        for j, s in enumerate(student):
            if i == j:
                continue
            q = torch.exp(s / student_temp - (s / student_temp).amax(1, keepdim=True))
            losses.append(-(p * (q / q.sum(1, keepdim=True)).log()).sum(1).mean())
    return sum(losses) / len(losses)


def crops(codes=16, seed=0, n=6, m=2, samples=4):
    g = torch.Generator().manual_seed(seed)
    student = torch.randn(n, samples, codes, generator=g, dtype=torch.float64) * 0.3
    return student.requires_grad_(), torch.randn(m, samples, codes, generator=g, dtype=torch.float64) * 0.2 + 0.1


def test_dino_loss_over_several_steps():
    loss, total = CenteredCE(16, 0.1, ramp(0.04, 0.07, over=0.3)).double(), 20
    centre = torch.zeros(16, dtype=torch.float64)
    for index in range(12):
        step = Step(index, total)
        student, teacher = crops(seed=index)
        temp = 0.04 + 0.03 * min(1.0, index / 6)
        wanted = dino_by_the_paper(student, teacher, centre, 0.1, temp)
        said = loss(student, teacher, step)
        assert_close(said, wanted, rtol=1e-6, atol=1e-6)
        a, b = (torch.autograd.grad(x, student)[0] for x in (said, wanted))
        assert_close(a, b, rtol=1e-6, atol=1e-6)
        loss.shares.after_step(step)
        centre = 0.9 * centre + 0.1 * teacher.mean((0, 1))
        assert_close(loss.shares.center, centre, rtol=1e-6, atol=1e-8)
    assert centre.abs().max() > 0.05
    loss.eval()
    loss(*crops(seed=99), Step(12, total))
    loss.shares.after_step(Step(12, total))
    assert_close(loss.shares.center, centre, rtol=1e-6, atol=1e-8)  # looking does not move it


def test_dino_loss_equals_lightly():
    lightly = pytest.importorskip("lightly.loss")
    theirs = lightly.DINOLoss(output_dim=16, teacher_temp=0.04, warmup_teacher_temp=0.04, warmup_teacher_temp_epochs=1)
    ours = CenteredCE(16, 0.1, 0.04)
    for index in range(4):
        student, teacher = (x.float() for x in crops(seed=index))
        assert_close(ours(student, teacher, Step(index, 4)), theirs(list(teacher), list(student), epoch=1))
        ours.shares.after_step(Step(index, 4))


def test_dino_reads_crops_in_the_right_places(monkeypatch):
    """At the start the teacher is the student, so on the big crops both say the same, sample by sample."""
    made = recipe("dino", "image", local=3)
    term, told = made.objective.terms["agree"], []
    real = term.loss.forward
    monkeypatch.setattr(term.loss, "forward", lambda s, t, step: told.append((s, t)) or real(s, t, step))
    batch = batch_of(made, Step(0, 10))
    loss = made.objective(batch, Step(0, 10))
    ((student, teacher),) = told
    assert student.shape == (5, 6, 32) and teacher.shape == (2, 6, 32) and not teacher.requires_grad
    assert_close(student[:2], teacher, rtol=1e-5, atol=1e-6)
    assert (teacher[0] - teacher[1]).abs().max() > 1e-4
    assert_close(loss.total, dino_by_the_paper(student, teacher, 0, 0.1, 0.04), rtol=1e-6, atol=1e-6)


def test_dino_teacher_follows():
    made = recipe("dino", "image")
    objective, optimizer, total = made.objective, made.optim.build(made.objective), 5
    student = {n: p for n, p in objective.named_parameters() if not n.startswith("teacher.")}
    teacher = dict(objective.teacher.network.named_parameters())
    pair = {n: student["terms.agree.head" + n[11:] if n.startswith("heads.agree") else n] for n in teacher}
    assert len(pair) == len(student) == len(teacher)
    followed = {n: p.detach().clone() for n, p in teacher.items()}
    for index in range(total):
        step = Step(index, total)
        objective(batch_of(made, step), step).backward()
        assert all(p.grad is None and not p.requires_grad for p in teacher.values())
        optimizer.step()
        optimizer.zero_grad()
        objective.after_step(step)
        m = 1 - (1 - 0.996) * (math.cos(math.pi * index / total) + 1) / 2  # DINO's momentum schedule
        assert made.objective.teacher.momentum(step) == pytest.approx(m, abs=1e-12)
        followed = {n: m * followed[n] + (1 - m) * pair[n].detach() for n in followed}
        for n, p in teacher.items():
            assert_close(p, followed[n], rtol=1e-6, atol=1e-7)
    assert cosine(0.996, 1.0)(Step(0, 9)) == pytest.approx(0.996) and cosine(0.996, 1.0)(Step(9, 9)) == 1.0
    assert (made.objective.terms["agree"].loss.shares.center != 0).any()


# CLIP beside transformers and cross-entropy


def pairs(samples=6, width=8):
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(samples, width, generator=g).requires_grad_() for _ in range(2))


def test_clip_loss_equals_transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pytest.importorskip("transformers.models.clip.modeling_clip").image_text_contrastive_loss
    (a, b), loss = pairs(), InfoNCE(0.07)
    log_scale = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (a, b)]
    similarity = log_scale.exp() * unit[1] @ unit[0].T
    ce = sum(-(s.exp().diag() / s.exp().sum(1)).log().mean() for s in (similarity, similarity.T)) / 2
    said = loss(a, b)
    assert_close(said, theirs(similarity), rtol=1e-6, atol=1e-6)
    assert_close(said, ce, rtol=1e-6, atol=1e-6)
    ours = torch.autograd.grad(said, (loss.log_scale, a, b))
    for mine, other in zip(ours, torch.autograd.grad(ce, (log_scale, a, b)), strict=True):
        assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert abs(ours[0]) > 1e-2


def test_clip_temperature_stays_above_one_hundredth():
    loss = InfoNCE()
    for given, kept in ((9.0, math.log(100)), (-3.0, 0.0), (2.0, 2.0)):
        loss.log_scale.data.fill_(given)
        loss.after_step(Step(0, 1))
        assert loss.log_scale.item() == pytest.approx(kept)
    made = recipe("clip", "pairs")
    made.objective.terms["align"].loss.log_scale.data.fill_(9.0)
    made.objective.after_step(Step(0, 1))  # and the objective does not forget to ask
    assert made.objective.terms["align"].loss.log_scale.item() == pytest.approx(math.log(100))


# EEGDM's noise beside diffusers, low-rank updates beside peft


def test_noise_and_velocity_equal_diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers' own
        diffusers = pytest.importorskip("diffusers")
        theirs = diffusers.DDPMScheduler(
            num_train_timesteps=50, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"
        )
    level = torch.arange(1, 51)
    left = squared_cosine(50)(level.float()).float()
    assert_close(left, theirs.alphas_cumprod, rtol=1e-4, atol=1e-6)  # theirs multiplies fifty factors in fp32
    g = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(50, 7, generator=g) for _ in range(2))
    assert_close(velocity(x, noise, left[:, None]), theirs.get_velocity(x, noise, level - 1), rtol=1e-5, atol=1e-5)


def test_low_rank_updates_equal_peft():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's own
        peft = pytest.importorskip("peft")
        torch.manual_seed(0)
        plain = torch.nn.Sequential(torch.nn.Linear(12, 18))
        ours = LowRank(Linear(12, 18), 4, ((0, 18),), alpha=8.0)
        ours.load_state_dict(plain[0].state_dict(), strict=False)
        config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["0"], lora_dropout=0.0)
        theirs = peft.get_peft_model(plain, config)
    layer = theirs.base_model.model[0]
    with torch.no_grad():
        ours.down[0].copy_(layer.lora_A["default"].weight)
        layer.lora_B["default"].weight.normal_()
        ours.up[0].copy_(layer.lora_B["default"].weight)
    x = torch.randn(5, 12)
    assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    assert_close(ours.folded()["weight"], theirs.merge_and_unload()[0].weight, rtol=1e-5, atol=1e-5)
