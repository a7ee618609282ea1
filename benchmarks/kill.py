"""Kill `headstart pretrain` at random moments, start the same command again, and compare what it ends with bit by bit.

    python benchmarks/kill.py --times 100

The moments are spread over all that a run does: reading, planning, trying methods, baselines, steps, saves, probes, finishing.
Each way is first run whole, which says how long it takes and which bits are right. Then it is killed (SIGKILL, which nobody can
catch) up to three times in a row, and let go on to its end. What a step costs is given and not measured, so that the same plan is
made each time; methods are tried in runs of seconds.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

START = """
from headstart.planning import choosing, timing
from headstart.running import bakeoff
choosing.time_steps = lambda recipe, run: timing.Pace(1.0, 1e9, 100.0, 0.0)
bakeoff.SHORTEST, bakeoff.LEAST, bakeoff.SHARE = 0.0, 1, 0.8
from headstart.cli import main
main()
"""
COMMON = ("size=XS", "data.batch=16", "run.device=cpu", "run.probe_every=0.25", "run.save_every=0.1")
WAYS = {
    "plain": ("x.npz", "recipe=mae", "steps=40"),
    "teacher": ("x.npz", "recipe=dino", "steps=20", "codes=256", "local=2"),
    "queue": ("x.npz", "recipe=mugs", "steps=20", "codes=256", "local=2", "queue=64"),
    "phases": ("p.npz", "recipe=point_bert", "steps=40", "data.kind=points"),
    "auto": ("x.npz", "steps=40"),
}
KILLS = 3  # in a row, at most


def command(way: str, data: Path, out: Path) -> list[str]:
    where, *words = WAYS[way]
    return [sys.executable, "-c", START, "pretrain", str(data / where), *words, *COMMON, f"run.out={out}"]


def end(way: str, data: Path, out: Path, say: list[str]) -> bytes:
    """The bits of the encoder of a run that is left alone from here on; b"" where it did not end well."""
    done = subprocess.run(command(way, data, out), capture_output=True, text=True)
    if done.returncode:
        say.append(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
        return b""
    return (out / "encoder.safetensors").read_bytes()


def killed(way: str, data: Path, out: Path, after: float) -> bool:
    """Whether a run was killed so many seconds after it was started; False where it had ended."""
    with subprocess.Popen(command(way, data, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            running.wait(after)
            return False
        except subprocess.TimeoutExpired:
            running.kill()
            return True


def last(out: Path) -> str:
    """How far a run had come, by what lies in its folder."""
    names = sorted(p.name for p in (out / "checkpoints").glob("step-*")) if (out / "checkpoints").exists() else []
    for name in ("encoder.json", "encoder.safetensors", "baselines.json", "run.json", ".begun"):
        if (out / name).exists():
            return " ".join([*names[-1:], name])
    return "nothing yet"


def main() -> None:
    """N of N, or what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance, right, wrong = random.Random(asked.seed), 0, []
    with tempfile.TemporaryDirectory() as place:
        data, rng, y = Path(place), np.random.default_rng(0), np.arange(300) % 3
        noise = rng.integers(0, 60, (300, 16, 16), dtype=np.uint8)
        np.savez(data / "x.npz", x=noise + (60 * y[:, None, None]).astype(np.uint8), y=y)
        np.savez(data / "p.npz", x=rng.normal(size=(300, 128, 3)).astype("f4") * (1 + y[:, None, None]), y=y)
        known: dict[str, tuple[bytes, float]] = {}
        for number in range(asked.times):
            way, out, said = list(WAYS)[number % len(WAYS)], Path(place) / f"run-{number}", list[str]()
            if way not in known:
                began = time.monotonic()
                bits = end(way, data, Path(place) / way, said)
                known[way] = bits, time.monotonic() - began
                print(f"{way:8s} takes {known[way][1]:.0f} s left alone", *said, flush=True)
            bits, took = known[way]
            moments = [chance.uniform(0.02, 1.0) * took for _ in range(chance.randint(1, KILLS))]
            places = []
            for after in moments:
                if not killed(way, data, out, after):
                    break
                places.append(f"{after:.1f} s ({last(out)})")
            same = bool(bits) and end(way, data, out, said) == bits
            right += same
            print(
                f"{number + 1:3d} {way:8s} killed at {', '.join(places) or 'no time'}: {'equal' if same else 'DIFFERENT'}",
                flush=True,
            )
            if not same:
                wrong.append(f"{number + 1} {way}: {' '.join(said)}")
            shutil.rmtree(out, ignore_errors=True)
    print(f"\n{right} of {asked.times} end with the same bits", *wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
