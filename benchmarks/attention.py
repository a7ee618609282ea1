"""Attention on the CPU, forward and backward: written out (bmm, softmax, bmm) against PyTorch's fused kernel.

    python benchmarks/attention.py

Prints the ratio fused / written out by length; `SHORT` in nn/attention.py is where it crosses 1.
"""

import statistics
import time

import torch
from torch import Tensor

from headstart.nn import attention
from headstart.tokens import layout

ROWS, HEADS, WIDTH = 8192, 6, 64


def seconds(short: int, inputs: list[Tensor], length: int) -> float:
    """One forward and backward with the written-out form used below `short` rows."""
    before, attention.SHORT = attention.SHORT, short
    spans = layout((length,) * (ROWS // length))
    tick = time.perf_counter()
    out = attention.attend(*inputs, spans)
    out.backward(torch.ones_like(out))
    attention.SHORT = before
    return time.perf_counter() - tick


def main() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        for length in (16, 32, 64, 128, 197, 256, 320, 512, 1024):
            rows = ROWS // length * length
            qkv = torch.randn(rows, 3, HEADS, WIDTH, dtype=dtype, requires_grad=True)
            inputs = list(qkv.unbind(1))
            took = [(seconds(10**9, inputs, length), seconds(0, inputs, length)) for _ in range(6)][1:]
            plain, fused = (statistics.median(t) for t in zip(*took, strict=True))
            times = f"written out {plain * 1e3:6.1f} ms, fused {fused * 1e3:6.1f} ms, ratio {fused / plain:.2f}"
            print(f"{str(dtype)[6:]:9s} {length:5d} rows: {times}")


if __name__ == "__main__":
    main()
