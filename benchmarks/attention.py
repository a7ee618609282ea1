"""Attention on the CPU, forward and backward: written out (bmm, softmax, bmm) against PyTorch's fused kernel.

    python benchmarks/attention.py

Prints the ratio fused / written out by length; `SHORT` in nn/attention.py is where it crosses 1.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from headstart.nn.attention import fused, written_out

ROWS, HEADS, WIDTH = 8192, 6, 64


def seconds(kernel: Callable[..., Tensor], inputs: list[Tensor]) -> float:
    """One forward and backward."""
    tick = time.perf_counter()
    out = kernel(*inputs, causal=False)
    out.backward(torch.ones_like(out), retain_graph=True)
    return time.perf_counter() - tick


def main() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        for length in (16, 32, 64, 128, 197, 256, 320, 512, 1024):
            rows = ROWS // length * length
            qkv = torch.randn(rows, 3, HEADS, WIDTH, dtype=dtype, requires_grad=True)
            inputs = [x.view(-1, length, HEADS, WIDTH).transpose(1, 2) for x in qkv.unbind(1)]
            took = [(seconds(written_out, inputs), seconds(fused, inputs)) for _ in range(6)][1:]
            plain, kernel = (statistics.median(t) for t in zip(*took, strict=True))
            times = f"written out {plain * 1e3:6.1f} ms, fused {kernel * 1e3:6.1f} ms, ratio {kernel / plain:.2f}"
            print(f"{str(dtype)[6:]:9s} {length:5d} rows: {times}")


if __name__ == "__main__":
    main()
