"""What `headstart neighbours` and `headstart outliers` rest on, measured in one run.

    python benchmarks/nearness.py [RUN DATA]... [speed=100000]

For each encoder and its labelled data: how many of the 10 nearest have a sample's own label, by ways of comparing vectors; and
the AUC with which planted outliers (3 % of one class among all others) are found, by ways to score, with 95 % intervals over
draws. Then clouds of unequal density with outliers planted near the dense ones, and anywhere; then the time that the nearest
of so many vectors of 256 take.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

import headstart as hs
from headstart.analyses.neighbours import directions, nearest
from headstart.analyses.unusual import unusual

DRAWS, SHARE, MOST, K = 12, 0.03, 1_000, 20
Score = Callable[[np.ndarray], np.ndarray]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def relative(z: np.ndarray) -> np.ndarray:
    """The mean distance to the nearest as a multiple of theirs."""
    found = unusual(z, k=K)
    typical = found.distance.mean(1)
    return typical / typical[found.index].mean(1)


SCORES: dict[str, Score] = {
    "distance": lambda z: unusual(z, k=K).distance.mean(1),
    "relative": relative,
    "LOF": lambda z: unusual(z, k=K).score,
}


def agreement(z: np.ndarray, labels: np.ndarray) -> None:
    """Share of the 10 nearest that have the same label, and its standard error over samples."""
    ways = {"plain": unit(z), "centred": unit(z - z.mean(0)), "standardised": directions(z, z)[0]}
    for name, x in ways.items():
        found = nearest(x, x, 10, np.arange(len(x)))
        same = (labels[found.index] == labels[:, None]).mean(1)
        far = found.similarity[:, 0]
        print(f"  nearest by {name:13s} {same.mean():.3f} ± {1.96 * same.std() / len(same) ** 0.5:.3f} of the same label; "
              f"similarity to the nearest {np.quantile(far, 0.05):.3f} to {np.quantile(far, 0.95):.3f}")  # fmt: skip


def planted(name: str, normal: np.ndarray, odd: np.ndarray) -> None:
    """AUC of each score over draws of who is planted among whom."""
    marks: dict[str, list[float]] = {score: [] for score in SCORES}
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        some = normal[rng.permutation(len(normal))[:MOST]]
        few = odd[rng.permutation(len(odd))[: max(3, round(SHARE * len(some)))]]
        truth = np.repeat([0, 1], [len(some), len(few)])
        for score, of in SCORES.items():
            marks[score].append(roc_auc_score(truth, of(np.concatenate([some, few]))))
    said = [f"{score} {np.mean(x):.3f} ± {1.96 * np.std(x) / DRAWS**0.5:.3f}" for score, x in marks.items()]
    print(f"  {name:44s} {'   '.join(said)}")


def clouds() -> None:
    rng = np.random.default_rng(0)
    places, spread = 4 * rng.standard_normal((6, 16)), np.array([0.2, 0.4, 0.8, 1.2, 1.6, 2.0])
    which, dense = rng.integers(0, 6, 3000), rng.integers(0, 2, 200)
    normal = places[which] + spread[which, None] * rng.standard_normal((3000, 16))
    near = places[dense] + 3 * spread[dense, None] * rng.standard_normal((200, 16))
    print("six clouds of unequal density")
    planted("planted near the dense ones", normal.astype(np.float32), near.astype(np.float32))
    planted("planted anywhere", normal.astype(np.float32), rng.uniform(-8, 8, (200, 16)).astype(np.float32))


def speed(n: int) -> None:
    x = np.random.default_rng(0).standard_normal((n, 256), dtype=np.float32)
    bank, _ = directions(x, x)
    wall, cpu = time.perf_counter(), time.process_time()
    nearest(bank, bank, 10, np.arange(n))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"nearest 10 of {n:,} x 256: {wall:.1f} s, {cpu:.1f} s of processors, {torch.get_num_threads()} threads")


def main(words: list[str]) -> None:
    count = next((int(w[6:]) for w in words if w.startswith("speed=")), 0)
    pairs = [w for w in words if not w.startswith("speed=")]
    for run, data in zip(pairs[::2], pairs[1::2], strict=True):
        found = hs.load(run).embed_named(data)
        assert found.labels is not None, f"{data} has no labels"
        some = np.random.default_rng(0).permutation(np.flatnonzero(found.labels >= 0))[:4000]
        z, labels = found.z[some], found.labels[some]
        print(f"{run} on {data}: {len(z):,} samples")
        agreement(z, labels)
        for odd in np.argsort(np.bincount(labels))[:3].tolist():  # of the rarest classes, among all others
            planted(f"{found.classes[odd]} among the others", z[labels != odd], z[labels == odd])
    clouds()
    if count:
        speed(count)


if __name__ == "__main__":
    main(sys.argv[1:])
