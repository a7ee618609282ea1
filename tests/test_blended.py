"""Two blocks of features side by side: what says little does not drown what says much."""

import numpy as np
import pytest

from headstart.probes.linear import blended, fitted

R = np.random.default_rng(0)


def blocks(n: int, quantity: bool, columns: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise in many columns, the answer in a few, and the answer."""
    hidden = R.normal(size=(n, 3))
    noise, telling = R.normal(size=(n, columns)), hidden @ R.normal(size=(3, 12)) + 0.3 * R.normal(size=(n, 12))
    answer = hidden[:, 0] if quantity else (hidden[:, 0] > 0).astype(int)
    return noise.astype(np.float32), telling.astype(np.float32), answer


def right(said: np.ndarray, truth: np.ndarray) -> float:
    if truth.dtype.kind == "f":
        return 1 - float(((said - truth) ** 2).mean() / truth.var())
    return float((said.argmax(1) == truth).mean())


@pytest.mark.searched
@pytest.mark.parametrize("quantity", [False, True])
@pytest.mark.parametrize("noise_first", [True, False])
def test_noise_does_not_drown_what_tells(quantity, noise_first):
    noise, telling, answer = blocks(400, quantity)
    both = np.concatenate([noise, telling] if noise_first else [telling, noise], 1)
    first = (noise if noise_first else telling).shape[1]
    alone, side, plain = (
        right(model(x[:60], answer[:60], x[60:], *more), answer[60:])
        for model, x, more in ((fitted, telling, ()), (blended, both, (first,)), (fitted, both, ()))
    )
    assert side > plain + 0.05 and side > alone - 0.06


@pytest.mark.searched
def test_blocks_that_tell_different_things_are_both_heard():
    a, b = R.normal(size=(2, 600, 20)).astype(np.float32)
    answer = (a[:, 0] + b[:, 0] > 0).astype(int)
    both = np.concatenate([a, b], 1)
    side = right(blended(both[:200], answer[:200], both[200:], 20), answer[200:])
    assert side > 0.85 > max(right(fitted(x[:200], answer[:200], x[200:]), answer[200:]) for x in (a, b))


def test_labels_of_one_class_and_of_one_sample_a_class_are_no_error():
    x = R.normal(size=(6, 4)).astype(np.float32)
    assert blended(x[:3], np.zeros(3, int), x[3:], 2).shape == (3, 1)
    assert blended(x[:3], np.arange(3), x[3:], 2).shape == (3, 3)
