"""AstroM3: three noisy views of one latent, each missing from a tenth of the samples, find each other pair by pair.

The ablation shuffles which views belong together.
"""

from collections.abc import Iterable
from itertools import combinations, permutations

import numpy as np
import torch
from torch.nn import functional as F

from headstart.corrupt import clean
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model, encoder
from headstart.nn.heads import mean
from headstart.nn.linear import Linear
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Data, Recipe
from headstart.step import Step, warmup_cosine
from headstart.terms import classify
from headstart.tokenizers import named
from headstart.tokenizers.want import Want

from .claim import Claim, Figure
from .lab import fit, linear, recipe

SIZE = Model(width=32, depth=1, heads=2)
CLASSES, LABELLED = 8, 200
SEEN, HELD = 2000, 512
PARTS = {"curve": "series", "spectrum": "series", "facts": "table"}


def check() -> Claim:
    samples, labels = stars(SEEN + HELD)
    intact = vectors(samples[:SEEN], samples)
    order = [np.random.default_rng(i).permutation(SEEN) for i in range(3)]
    mixed = [{p: samples[o[i]][p] for p, o in zip(PARTS, order, strict=True)} for i in range(SEEN)]
    shuffled = vectors(mixed, samples)
    found, lost = (min(directed(v[a], v[b]) for a, b in permutations(PARTS, 2)) * HELD for v in (intact, shuffled))

    together = judged(intact, PARTS, labels)
    scratch = max(supervised(samples, part, labels) for part in PARTS)
    without = min(judged(intact, two, labels) for two in combinations(PARTS, 2))
    one = min(judged(intact, (part,), labels) for part in PARTS)
    gone = together - without
    return Claim(
        (
            Figure("recall at 1, worst of six ways, over chance", found, above=10, baseline=lost, said="parts shuffled"),
            Figure("probe of all parts, 200 labels", together, above=scratch + 0.05, baseline=scratch, said="supervised"),
            Figure("what it loses where a part is missing", gone, below=0.08, baseline=together - one, said="two missing"),
        )
    )  # fmt: skip


def stars(count: int) -> tuple[list[dict[str, object]], np.ndarray]:
    """A latent of 16 numbers about one of eight centres, seen as a curve, as a spectrum and as a row of a table."""
    r = np.random.default_rng(0)
    label = r.integers(CLASSES, size=count)
    latent = 0.8 * r.standard_normal((CLASSES, 16))[label] + r.standard_normal((count, 16))
    mixes = [r.standard_normal((16, n)) / 4 for n in (48, 48, 16)]
    curve, spectrum, facts = (latent @ mix + 0.7 * r.standard_normal((count, mix.shape[1])) for mix in mixes)
    rows = [{f"fact {j}": float(x) for j, x in enumerate(row)} for row in facts]
    return [
        {"curve": c[None].astype("f4"), "spectrum": s[None].astype("f4"), "facts": f}
        for c, s, f in zip(curve, spectrum, rows, strict=True)
    ], label


def data_of(samples: list[dict[str, object]]) -> Data:
    tokenizers = {
        p: named(k).fit([s[p] for s in samples if s[p] is not None][:256], Want(patch=12)) for p, k in PARTS.items()
    }
    return Data(ListSource(samples, "pair"), tokenizers, batch=128)


def vectors(seen: list[dict[str, object]], every: list[dict[str, object]]) -> dict[str, np.ndarray]:
    """Unit vectors of all samples by part, after 200 steps on samples of which a tenth lacks each part."""
    gone = np.random.default_rng(1).permutation(len(seen))
    tenth = len(seen) // 10
    lacking = [dict(s) for s in seen]
    for k, name in enumerate(PARTS):
        for i in gone[k * tenth : (k + 1) * tenth]:
            lacking[i][name] = None
    data = data_of(lacking)
    objective = fit(recipe("astrom3", data, SIZE, width=32), 200, lr=2e-3)
    batch = collate(Data(ListSource(every, "pair"), data.tokenizers), np.arange(len(every)), Step(0, 1), 1)
    heads = {name: head for term in objective.terms.values() for name, head in term.head.items()}
    with torch.no_grad():
        return {
            name: F.normalize(heads[name](mean(objective.encoders[name](tokens))), dim=1).numpy()
            for name, tokens in batch.tokens.items()
        }


def directed(a: np.ndarray, b: np.ndarray) -> float:
    """How often a held-out a is nearest to its own b."""
    return float(((a[SEEN:] @ b[SEEN:].T).argmax(1) == np.arange(HELD)).mean())


def judged(found: dict[str, np.ndarray], parts: Iterable[str], labels: np.ndarray) -> float:
    """Accuracy on the mean of these parts of held-out samples, of a probe that learnt from the mean of all."""
    # Each part lies about a centre of its own (the "modality gap"), which is no news of a sample: without this the mean of two
    # parts is not where the mean of three was, and a missing part costs 26 points instead of a few.
    centred = {part: v - v[:SEEN].mean(0) for part, v in found.items()}
    seen, held = np.mean([*centred.values()], 0), np.mean([centred[part] for part in parts], 0)
    return linear(seen[:SEEN], labels[:SEEN], held[SEEN:], labels[SEEN:], LABELLED)


def supervised(samples: list[dict[str, object]], part: str, labels: np.ndarray) -> float:
    """Held-out accuracy of an encoder of one part that learns from the labels alone."""
    data = Data(
        ListSource([s[part] for s in samples[:LABELLED]], PARTS[part]), {"x": data_of(samples).tokenizers[part]}, 100
    )
    torch.manual_seed(0)
    enc = encoder(data.tokenizers, SIZE)
    name = classify(
        head=Linear(enc.width, CLASSES), label=lambda view, scene: torch.from_numpy(labels)[scene.batch.index]
    )
    optim = AdamW(lr=warmup_cosine(2e-3), weight_decay=0.05)
    fit(Recipe(Objective(enc, {"x": clean}, {"name": name}), data, optim, 60), 60)
    held = Data(ListSource([s[part] for s in samples[SEEN:]], PARTS[part]), data.tokenizers)
    with torch.no_grad():
        said = name.head(mean(enc(collate(held, np.arange(HELD), Step(0, 1), 1).tokens["x"])))
    return float((said.argmax(1).numpy() == labels[SEEN:]).mean())
