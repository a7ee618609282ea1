"""One MAE training step (forward, backward, AdamW) beside the peers, on the same work, in one run.

ViT-S/16, 224 px, 75 % masked, decoder 4 x 256 with 8 heads. Every contestant has a process of its own; turns are
interleaved and the median of `--repeats` counts. Prints
images/s, the ratio to the fastest peer, and the share of the machine's measured matmul peak that each reaches.

    python benchmarks/step.py                 # ours in bf16 and fp32; peers in bf16 (autocast) and in their default fp32
    python benchmarks/step.py --peers none    # without transformers, timm and lightly installed

benchmarks/README.md says how to make an environment with the peers.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn

from headstart.corrupt import corrupt, drop, random
from headstart.data.sources.listed import ListSource
from headstart.losses import mse
from headstart.memory import keep_freed
from headstart.nn.encoder import Model, encoder
from headstart.nn.heads import decoder
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Data, Recipe, Run
from headstart.step import Step
from headstart.targets import normalised
from headstart.terms import masked
from headstart.tokenizers import ImageTokenizer
from headstart.tokens import Batch, reserve
from headstart.training import Training

SIDE, PATCH, WIDTH, DEPTH, HEADS = 224, 16, 384, 12, 6
DEC_WIDTH, DEC_DEPTH, DEC_HEADS, RATIO = 256, 4, 8, 0.75


def flops(batch: int) -> float:
    """Multiply-adds of one step counted as 2, backward as twice forward; every row of the decoder counted."""
    rows, seen, payload = (SIDE // PATCH) ** 2, (SIDE // PATCH) ** 2 // 4 + 1, 3 * PATCH * PATCH

    def block(n: int, width: int) -> float:
        return n * 12 * width * width * 2 + 2 * 2 * n * n * width

    forward = rows * payload * WIDTH * 2 + DEPTH * block(seen, WIDTH) + seen * WIDTH * DEC_WIDTH * 2
    forward += DEC_DEPTH * block(rows + 1, DEC_WIDTH) + rows * DEC_WIDTH * payload * 2
    return 3.0 * batch * forward


def ours(device: torch.device, dtype: torch.dtype) -> Callable[[Tensor], None]:
    """headstart's parts, put together as recipes/mae.py does."""
    tokenizer = ImageTokenizer(PATCH, 3, (0.0,) * 3, (1.0,) * 3)
    enc = encoder({"x": tokenizer}, Model(WIDTH, DEPTH, HEADS))
    head = decoder(WIDTH, tokenizer.dim, DEC_DEPTH, DEC_WIDTH, DEC_HEADS)
    pixels = masked(target=normalised, head=head, loss=mse)
    task = Objective(enc, {"x": corrupt(random, RATIO, drop)}, {"pixels": pixels})
    data = Data(ListSource([None], "image"), {"x": tokenizer})  # batches are given
    training, index = (
        Training(
            Recipe(task, data, AdamW(), 1000),
            Run(device=str(device), dtype="bf16" if dtype == torch.bfloat16 else "fp32"),
        ),
        0,
    )

    def step(x: Tensor) -> None:
        nonlocal index
        batch = Batch({"x": reserve(tokenizer.many(x), 1)}, torch.arange(len(x), device=device), len(x))
        training.take(batch, Step(index, 1000))
        index += 1

    return step


def peer(
    module: nn.Module, loss: Callable[[Tensor], Tensor], device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor], None]:
    """A peer as its users run it: autocast where bf16 is asked for, torch.optim.AdamW as it comes."""
    module.to(device).train()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-4)

    def step(x: Tensor) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            value = loss(x)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def transformers_mae() -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    config = ViTMAEConfig(
        hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=4 * WIDTH,
        decoder_hidden_size=DEC_WIDTH, decoder_num_hidden_layers=DEC_DEPTH, decoder_num_attention_heads=DEC_HEADS,
        decoder_intermediate_size=4 * DEC_WIDTH, mask_ratio=RATIO, norm_pix_loss=True,
    )  # fmt: skip
    module = ViTMAEForPreTraining(config)
    return module, lambda x: module(pixel_values=x).loss


def lightly_mae() -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    import timm
    from lightly.models import utils
    from lightly.models.modules import MAEDecoderTIMM, MaskedVisionTransformerTIMM

    class MAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            vit = timm.create_model("vit_small_patch16_224", pretrained=False)
            self.backbone = MaskedVisionTransformerTIMM(vit=vit)
            self.decoder = MAEDecoderTIMM(
                num_patches=vit.patch_embed.num_patches, patch_size=PATCH, embed_dim=WIDTH, decoder_embed_dim=DEC_WIDTH,
                decoder_depth=DEC_DEPTH, decoder_num_heads=DEC_HEADS, mlp_ratio=4.0,
            )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            shape = (len(x), self.backbone.sequence_length)
            keep, hidden = utils.random_token_mask(size=shape, mask_ratio=RATIO, device=x.device)
            z = self.decoder.embed(self.backbone.encode(images=x, idx_keep=keep))
            rows = utils.set_at_index(
                utils.repeat_token(self.decoder.mask_token, shape), keep, z.type_as(self.decoder.mask_token)
            )
            said = self.decoder.predict(utils.get_at_index(self.decoder.decode(rows), hidden))
            goal = utils.get_at_index(utils.patchify(x, PATCH), hidden - 1)
            goal = (goal - goal.mean(-1, keepdim=True)) / (goal.var(-1, keepdim=True) + 1e-6).sqrt()
            return nn.functional.mse_loss(said, goal)

    module = MAE()
    return module, module


DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
PEERS = {"transformers": transformers_mae, "lightly": lightly_mae}


def contestant(pipe: Connection, who: str, dtype: torch.dtype, batch: int, keep: bool) -> None:
    """One contestant in a process of its own: a step whenever the pipe says so, its seconds sent back."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if keep:
        keep_freed()
    step = ours(device, dtype) if who == "headstart" else peer(*PEERS[who](), device, dtype)
    x = torch.randn(batch, 3, SIDE, SIDE, device=device)
    while pipe.recv():
        tick = time.perf_counter()
        step(x)
        wait(device)
        pipe.send(time.perf_counter() - tick)


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """The machine's matmul speed, FLOP/s: the best of eight."""
    n = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(8):
        tick = time.perf_counter()
        a @ b
        wait(device)
        best = min(best, time.perf_counter() - tick)
    return 2 * n**3 / best


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--peers", default="transformers,lightly", help="comma-separated, or none")
    parser.add_argument("--keep-for-all", action="store_true", help="peers, too, keep freed memory (headstart.memory)")
    args = parser.parse_args()
    who = ["headstart", *([] if args.peers == "none" else args.peers.split(","))]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peaks = {name: peak(device, dtype) for name, dtype in DTYPES.items()}
    context = multiprocessing.get_context("spawn")
    pipes: dict[tuple[str, str], Connection] = {}
    for each in who:
        for name, dtype in DTYPES.items():
            pipes[each, name], end = context.Pipe()
            told = (end, each, dtype, args.batch, args.keep_for_all or each == "headstart")
            context.Process(target=contestant, args=told, daemon=True).start()
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in pipes}
    for turn in range(args.repeats + 2):
        for key, pipe in pipes.items():
            pipe.send(True)
            took = pipe.recv()
            if turn > 1:
                seconds[key].append(took)
    for pipe in pipes.values():
        pipe.send(False)
    speeds = ", ".join(f"{name} {value / 1e9:,.0f} GFLOP/s" for name, value in peaks.items())
    print(f"{device.type}, batch {args.batch}: a step needs {flops(args.batch) / 1e9:.0f} GFLOP; matmul peak {speeds}")
    median = {key: statistics.median(values) for key, values in seconds.items()}
    for (each, name), value in median.items():
        share = flops(args.batch) / value / peaks[name]
        print(f"{each:13s} {name}  {args.batch / value:8.1f} img/s  {value * 1e3:7.0f} ms  {share:6.1%} of peak")
    for name in DTYPES:
        rivals = [value for (each, what), value in median.items() if each != "headstart" and what == name]
        if rivals:
            print(f"headstart bf16 is {min(rivals) / median['headstart', 'bf16']:.2f} x the fastest peer in {name}")


if __name__ == "__main__":
    main()
