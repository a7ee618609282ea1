"""Training steps of two checkouts in turns: is the new one as fast as the old?

    python benchmarks/turns.py OLD NEW [mae gmml dino]

Each checkout has a process of its own, on one thread, with small pictures (28 x 28, size XS, batch 64, bf16 where the machine
multiplies it). The processes take a few steps in turn, so that a busy machine slows both; printed are the median seconds of a
step of each and, round by round, new over old: its median and range over the rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

WORKER = """
import sys, time
import numpy as np, torch
torch.set_num_threads(1)
from headstart.memory import keep_freed
from headstart.nn.encoder import set_dtype
from headstart.nn.linear import fastest_dtype
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokenizers import named
from headstart.tokenizers.want import Want
import importlib
def one_of(*names):  # modules may have moved between the two
    for name in names:
        try:
            return importlib.import_module("headstart." + name)
        except ModuleNotFoundError:
            continue
prepare = one_of("data.feeding.prepare", "data.prepare").prepare
loader = one_of("data.feeding.collate", "data.feeding.loader", "data.loader")
source_of = one_of("data.sources.array", "data.source").ArraySource
name = sys.argv[1]
keep_freed()
x = np.random.default_rng(0).integers(0, 255, (512, 28, 28), dtype=np.uint8)
raw = source_of(x, "image")
tokenizer = named("image").fit([raw[i] for i in range(64)], Want(49))
data = Data(prepare(raw, tokenizer), {"x": tokenizer}, batch=64)
arguments = {"mae": {"ratio": 0.6, "depth": 1}, "dino": {"codes": 2048, "local": 4}}.get(name, {})
torch.manual_seed(0)
made = getattr(importlib.import_module("headstart.recipes." + name), name)(data, size="XS", **arguments)
objective = made.objective.train()
set_dtype(objective, fastest_dtype("cpu"))
optimizer = made.optim.build(objective)
count = 0
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        step = Step(count, 1000)
        at = (np.arange(64) + 64 * count) % 512
        began = time.perf_counter()
        loss = objective(loader.collate(made.data, at, step, objective.slots), step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 3.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_step(step)
        seconds.append(time.perf_counter() - began)
        count += 1
    print(sorted(seconds)[len(seconds) // 2], flush=True)
"""


def worker(checkout: str, name: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(checkout).resolve() / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


def ask(process: subprocess.Popen[str], steps: int) -> float:
    """The median seconds of so many steps."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    said = process.stdout.readline()
    if not said:
        sys.exit(f"a checkout stopped with exit status {process.wait()}")
    return float(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("recipes", nargs="*", default=["mae", "gmml", "dino"])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    for name in given.recipes:
        both = [worker(checkout, name) for checkout in (given.old, given.new)]
        for process in both:
            ask(process, 5)  # warm
        pairs = [[ask(process, given.steps) for process in both] for _ in range(given.rounds)]
        ratios = sorted(new / old for old, new in pairs)
        old, new = (statistics.median(each) * 1e3 for each in zip(*pairs, strict=True))
        print(
            f"{name}: old {old:.1f} ms, new {new:.1f} ms; new over old {statistics.median(ratios):.3f} "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f}, {given.rounds} rounds of {given.steps} steps)",
            flush=True,
        )
        for process in both:
            process.kill()


if __name__ == "__main__":
    main()
