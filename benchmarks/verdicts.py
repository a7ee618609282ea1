"""How often a verdict is wrong where there is nothing to tell: `python benchmarks/verdicts.py`.

Two encoders of which neither is better (the same signal in other noise) are judged in turns, again and again with other samples;
a 95 % interval of their difference should leave out 0 in 5 of 100 cases, and the difference over its standard error should have
a standard deviation of 1. Without `WIDER` it has 1.2, as those who judge also teach.
"""

import numpy as np

from headstart.probes import Split, gain, standardise

TIMES = 300


def neighbour(bank: np.ndarray, labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The label of the nearest one, which is as unsure as a learner can be."""
    return labels[((query[:, None] - bank[None]) ** 2).sum(-1).argmin(1)]


def ridge(bank: np.ndarray, labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """A ridge regression of the class, which is as sure."""
    bank, query = standardise(bank, query)
    weight = np.linalg.solve(bank.T @ bank + 10 * np.eye(bank.shape[1]), bank.T @ (2.0 * labels - 1))
    return (query @ weight > 0).astype(labels.dtype)


def main() -> None:
    print("| learner | labels | signal | told apart, of 100 | sd of difference / error |\n|---|---|---|---|---|")
    for learner, width in ((neighbour, 3), (ridge, 20)):
        for n in (40, 120, 400):
            for signal in (0.0, 0.5):
                gains = []
                for seed in range(TIMES):
                    r, y, each = np.random.default_rng(seed), np.arange(n) % 2, []
                    for _ in range(2):
                        x = r.standard_normal((n, width)).astype(np.float32)
                        x[:, 0] += signal * y
                        each.append(dict(Split.crossed(x, y).judged("told", learner))["told"])
                    gains.append(gain(*each))
                wrong = 100 * np.mean([g.clear != 0 for g in gains])
                away = np.std([1.96 * g.value / g.half for g in gains])
                print(f"| {learner.__name__} | {n} | {signal} | {wrong:.1f} | {away:.2f} |", flush=True)


if __name__ == "__main__":
    main()
