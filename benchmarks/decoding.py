"""What every verb takes with and without the cache of what was decoded, in one run.

    python benchmarks/decoding.py [pictures] [sounds]

Makes photographs (1,200 x 900, JPEG at quality 90) and sounds (10 s, stereo, FLAC and WAV) in a temporary folder, and calls each
verb in a process of its own: without a cache, with an empty one, and again. Seconds of the processor, as machines are noisy, and
the wall's in brackets; the ratio is the first to the last.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

VERBS = ("sniff", "check", "plan", "pretrain", "embed", "probe")


def photographs(folder: Path, count: int) -> None:
    """Gradients and waves of four classes, under noise of three grains."""
    rng = np.random.default_rng(0)
    high, wide = 900, 1200
    y, x = np.mgrid[:high, :wide].astype(np.float32)
    grains = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (high // s, wide // s, 3), np.uint8)).resize((wide, high)))
        for s in (2, 8, 40)
    ]
    for i in range(count):
        a, b, phase = rng.uniform(-1, 1, 3)
        wave = np.sin((x * a + y * b) / (40 * (i % 4 + 1)) + 6 * phase)[..., None] * rng.uniform(20, 60, 3)
        noise = sum(
            share * (np.roll(g, rng.integers(high), 0) - 128.0)
            for g, share in zip(grains, (0.1, 0.2, 0.3), strict=True)
        )
        path = folder / f"class-{i % 4}" / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(128 + wave + noise, 0, 255).astype(np.uint8)).save(path, quality=90)


def sounds(folder: Path, count: int, form: str) -> None:
    """Tones of two classes, under noise."""
    rng = np.random.default_rng(0)
    moments = np.arange(10 * 44_100) / 44_100
    for i in range(count):
        tone = 0.3 * np.sin(2 * np.pi * rng.uniform(210, 230) * (i % 2 + 1) * moments)
        wave = tone + 0.05 * rng.standard_normal(len(moments))
        path = folder / f"class-{i % 2}" / f"{i:05d}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.stack([wave, wave[::-1]], 1), 44_100, subtype="PCM_16")


def call(verb: str, data: Path, run: Path, kept: dict[str, str]) -> tuple[float, float]:
    """Seconds of the processor and of the wall that a verb takes."""
    words = {
        "pretrain": [str(data), "steps=5", f"run.out={run}"],
        "embed": [str(run), str(data)],
        "probe": [str(run), str(data)],
    }
    command = [sys.executable, "-m", "headstart", verb, *words.get(verb, [str(data)])]
    before, tick = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=os.environ | kept, cwd=data.parent, capture_output=True, text=True)
    wall, after = time.perf_counter() - tick, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and (verb, done.returncode) != ("check", 1):
        raise SystemExit(done.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    pictures, each = map(int, (sys.argv[1:] + ["800", "200"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        photographs(place / "jpeg", pictures)
        sounds(place / "flac", each, "flac")
        sounds(place / "wav", each, "wav")
        print(f"{'verb':9s} {'data':5s} {'n':>5s} {'no cache':>15s} {'empty cache':>15s} {'again':>15s} {'ratio':>6s}")
        for data, count in (("jpeg", pictures), ("flac", each), ("wav", each)):
            for verb in VERBS:
                own = {
                    "HEADSTART_CACHE": str(place / f"cache-{data}-{verb}"),
                    "OMP_NUM_THREADS": "1",
                }  # no verb helps another
                times = []
                for way, bound in enumerate(("0", "4", "4")):
                    run = place / (f"run-{data}-{way}" if verb == "pretrain" else f"run-{data}-0")
                    times.append(call(verb, place / data, run, own | {"HEADSTART_CACHE_GB": bound}))
                said = " ".join(f"{cpu:6.1f} ({wall:6.1f})" for cpu, wall in times)
                print(f"{verb:9s} {data:5s} {count:5,d} {said} {times[0][0] / times[-1][0]:6.2f}", flush=True)


if __name__ == "__main__":
    main()
