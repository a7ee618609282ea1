"""`headstart doctor`: what this machine has, what is missing, and what that means."""

import importlib.util
import os
import platform
import time

import torch

from .. import __version__
from ..data.cache import BOUND, SHARE, decoded
from ..data.sets import names
from ..nn.linear import fastest_dtype
from ..recipe import Run
from ..training import device_of

EXTRAS = {  # extra -> (module, what it is for)
    "audio": ("soundfile", "reads wav, flac, ogg, mp3"),
    "video": ("av", "reads mp4, avi, webm"),
    "geo": ("tifffile", "reads multi-band and GeoTIFF"),
    "medical": ("nibabel", "reads NIfTI, and with pydicom DICOM"),
    "signals": ("edfio", "reads EDF"),
    "tables": ("pyarrow", "reads Parquet and Arrow, writes .parquet embeddings"),
    "arrays": ("h5py", "reads HDF5, and with zarr Zarr"),
    "text": ("tokenizers", "trains a vocabulary (data.vocab)"),
    "molecules": ("rdkit", "reads SMILES and SDF"),
    "points": ("laspy", "reads LAS and LAZ"),
    "music": ("mido", "reads MIDI"),
    "trajectories": ("gymnasium", "simulates the set gymnasium"),
}


def doctor(empty_cache: bool = False) -> str:
    """Versions, device, the speed of its arithmetic, the cache of what was decoded, optional packages.

    empty_cache: delete what that cache holds, and say only this.
    """
    if empty_cache:
        gone = decoded().empty()
        return f"emptied      {decoded().folder}: {gone.entries:,} entries, {_megabytes(gone.size)}"
    device = device_of(Run())
    lines = [
        f"headstart    {__version__}, Python {platform.python_version()}, torch {torch.__version__}",
        f"machine      {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} used, {_memory()}",
        f"device       {device}" + (f" ({torch.cuda.get_device_name()})" if device.type == "cuda" else ""),
    ]
    speed = {dtype: matmul(device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    chosen = fastest_dtype(device)
    lines.append(
        "arithmetic   "
        + ", ".join(f"{str(d)[6:]} {s / 1e9:,.0f} GFLOP/s" for d, s in speed.items())
        + f"; trains in {str(chosen)[6:]}"
    )
    if speed[torch.bfloat16] > 1.5 * speed[torch.float32] and chosen == torch.float32:
        lines.append("             bfloat16 looks faster than assumed here: try run.dtype=bf16")
    lines += cache_lines()
    for extra, (module, what) in EXTRAS.items():
        have = importlib.util.find_spec(module) is not None
        lines.append(
            f"extra        {module:13s} {'found' if have else 'missing'}: {what}"
            + ("" if have else f'  (pip install "headstart[{extra}]")')
        )
    lines.append(f"sets         {', '.join(names())}")
    return "\n".join(lines)


def matmul(device: torch.device, dtype: torch.dtype, n: int = 1024) -> float:
    """Floating-point operations per second of a square matrix product: the best of a few."""
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        tick = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - tick)
    return 2 * n**3 / best


def cache_lines() -> list[str]:
    """Where what was decoded is kept, how much of it there is, how much may be, and how to change that."""
    cache = decoded()
    have = cache.usage()
    bound = f"at most {cache.bound / 1e9:g} GB and {SHARE:.0%} of the free disk ({BOUND}=, 0 for none)"
    used = f"{have.entries:,} entries, {_megabytes(have.size)}, of {bound}; headstart doctor --empty-cache deletes them"
    why_not = cache.why_not()
    return [f"cache        {cache.folder}: {used}", *([f"             is not used: {why_not}"] if why_not else [])]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
