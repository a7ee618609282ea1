"""What a probe is given: vectors with labels, and who is learnt from and who judges, once or in turns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ._figure import Figure, figure
from ._marking import Marking, auc, balanced, r2, share

DRAWS = 3  # of labels, where few are learnt from
FOLDS = 5  # of cross-validation
UNEVEN = 0.1  # by how much the share of the commonest class is above an equal one, from which classes are uneven
WIDER = 1.22  # times as unsure where judges also teach, and so hang together (tests/test_verdicts.py; docs/log.md, 2026-11-29)
CURVES = 5  # classes, at most, of which each is told from the others by a ROC curve of its own
Turn = tuple[np.ndarray, np.ndarray]  # numbers of those learnt from, and of those that judge
# (vectors learnt from [n, ...], their labels [n], vectors asked about [m, ...]) -> labels [m], or a score of each of the classes
# learnt from, in order, [m, K]
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Split:
    """Samples as vectors, of which some are learnt from and others judge; nothing may be learnt of those meanwhile.

    x: [n, D] float32, or whatever a learner takes, [n, ...]. y: [n] labels: whole numbers are classes, floats quantities. rounds:
    in each, everyone who judges does so once; where few have labels all of them do, in turns (cross-validation). counts: how many
    labels a probe from few takes. groups: [n], samples of one number hang together (rows of one sample, windows of one
    recording); None: each stands alone. draws: of labels, where fewer are learnt from than there are.
    """

    x: np.ndarray
    y: np.ndarray
    rounds: Sequence[Sequence[Turn]]
    counts: tuple[int, ...] = ()
    groups: np.ndarray | None = None
    draws: int = DRAWS

    def __post_init__(self) -> None:
        if self.y.shape != self.x.shape[:1]:
            raise ValueError(f"vectors are [n, ...] and labels [n], not {self.x.shape} and {self.y.shape}")

    @classmethod
    def of(
        cls,
        bank: np.ndarray,
        have: np.ndarray,
        query: np.ndarray,
        want: np.ndarray,
        counts: tuple[int, ...] = (),
        groups: np.ndarray | None = None,
    ) -> "Split":
        """Some to learn from, [n, D] and [n], and others that judge, [m, D] and [m]. groups: [m]."""
        if bank.shape[1:] != query.shape[1:]:
            raise ValueError(f"vectors are [n, D] and [m, D], not {bank.shape} and {query.shape}")
        turn = np.arange(len(bank)), len(bank) + np.arange(len(query))
        if groups is not None:
            groups = np.concatenate([groups.min(initial=0) - 1 - np.arange(len(bank)), groups])
        return cls(np.concatenate([bank, query]), np.concatenate([have, want]), ((turn,),), counts, groups)

    @classmethod
    def crossed(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        counts: tuple[int, ...] = (),
        groups: np.ndarray | None = None,
        rounds: int | None = None,
    ) -> "Split":
        """All judge: repeated cross-validation, folds alike in classes (or in size of quantities), groups undivided.

        rounds: how often; None: more often the fewer there are.
        """
        many = int(np.clip(300 // max(1, len(y)), 2, 5)) if rounds is None else rounds
        return cls(x, y, [folds(y, groups, seed) for seed in range(many)], counts, groups)

    @property
    def quantity(self) -> bool:
        """Labels are quantities, not classes."""
        return self.y.dtype.kind == "f"

    @cached_property
    def judges(self) -> np.ndarray:
        """The numbers of those that judge, in order."""
        return np.sort(np.concatenate([judge for _, judge in self.rounds[0]]))

    @property
    def learnt(self) -> int:
        """How many labels are learnt from at once, at least."""
        return min(len(learn) for turns in self.rounds for learn, _ in turns)

    @cached_property
    def uneven(self) -> bool:
        """Some class is much commoner than others, so that accuracy would reward whoever says nothing else."""
        if self.quantity:
            return False
        count = np.unique(self.y, return_counts=True)[1]
        return bool(count.max() / count.sum() >= 1 / len(count) + UNEVEN)

    def some(self, rounds: int) -> "Split":
        """The same with at most so many rounds."""
        return replace(self, rounds=self.rounds[:rounds])

    def among(self, judges: np.ndarray) -> "Split":
        """The same, of whose judges only these judge."""
        turns = [[(learn, np.intersect1d(judge, judges)) for learn, judge in turns] for turns in self.rounds]
        return replace(self, rounds=turns)

    def judged(self, name: str, learner: Learner, count: int | None = None) -> Iterator[tuple[str, Figure]]:
        """What a learner answers, marked: accuracy of even classes; balanced accuracy (`-balanced`) of uneven ones, and of a few
        such classes, where it gives scores, the area under the ROC curve (`-AUC`); R2 (`-R2`) of quantities.

        count: so many labels are learnt from, drawn per class in equal numbers, several times; None: all.
        """
        classes, want = np.unique(self.y), self.y[self.judges]
        answers = np.stack(list(self.answers(learner, count, classes)))  # [draws, m] or [draws, m, K]
        labels = min(count or self.learnt, self.learnt)
        scored = answers.ndim == 3
        said = classes[answers.argmax(2)] if scored else answers

        def marked(
            mark: Callable[[np.ndarray], Marking], of: np.ndarray, ending: str, chance: float
        ) -> tuple[str, Figure]:
            return f"{name}{ending}", self.marked(mark, of, chance, labels)

        if self.quantity:
            yield marked(lambda error: r2(error, want), (said - want) ** 2, "-R2", 0.0)
            return
        right = (said == want).astype(np.float64)
        if not self.uneven:
            yield marked(share, right, "", float(np.unique(want, return_counts=True)[1].max() / len(want)))
            return
        yield marked(lambda one: balanced(one, want), right, "-balanced", 1 / len(np.unique(want)))
        if scored and len(classes) <= CURVES:
            yield marked(lambda score: auc(score, want, classes), answers, "-AUC", 0.5)

    def marked(
        self, mark: Callable[[np.ndarray], Marking], answers: np.ndarray, chance: float, labels: int | None = None
    ) -> Figure:
        """What the judges' answers [draws, m, ...] are worth, by a marking of their mean over draws. labels: learnt from."""
        value, moves = mark(answers.mean(0))
        moves = moves * WIDER if len(self.rounds[0]) > 1 else moves
        each = np.array([mark(draw)[0] for draw in answers]) if len(answers) > 1 else np.zeros(0)
        groups = None if self.groups is None else self.groups[self.judges]
        return figure(value, moves, each, groups, chance, labels)

    def answers(self, learner: Learner, count: int | None, classes: np.ndarray) -> Iterator[np.ndarray]:
        """What a learner says of the judges, for each round and draw of labels: [m], or [m, K] scores of these classes."""
        few_of = count is not None and count < self.learnt
        for number, turns in enumerate(self.rounds):
            for draw in range(self.draws if few_of and len(self.rounds) == 1 else 1):
                out: np.ndarray | None = None
                for learn, judge in turns:
                    chosen = learn[few(self.y[learn], count, np.random.default_rng(draw + number))] if few_of else learn  # type: ignore[arg-type]
                    said = learner(self.x[chosen], self.y[chosen], self.x[judge])
                    if said.ndim == 2:  # of the classes learnt from; the others are not to be found
                        every = np.zeros((len(judge), len(classes)))
                        every[:, np.searchsorted(classes, np.unique(self.y[chosen]))] = said
                        said = every
                    if out is None:
                        out = np.zeros((len(self.judges), *said.shape[1:]), said.dtype)
                    out[np.searchsorted(self.judges, judge)] = said
                assert out is not None
                yield out


def folds(y: np.ndarray, groups: np.ndarray | None, seed: int, count: int = FOLDS) -> list[Turn]:
    """(learn, judge) for each fold: everyone judges once; groups stay together; classes, or sizes of quantities, are spread
    evenly."""
    rng = np.random.default_rng(seed)
    of = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    first = np.unique(of, return_index=True)[1]
    key = y[first]
    if y.dtype.kind == "f":
        key = np.argsort(np.argsort(key)) // count
    order = np.lexsort((rng.random(len(first)), key))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % min(count, len(first))
    each = fold[of]
    return [(np.flatnonzero(each != i), np.flatnonzero(each == i)) for i in np.unique(each)]


def few(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` indices, the same number from every class as far as the classes go; of quantities any."""
    if labels.dtype.kind == "f":
        return rng.permutation(len(labels))[:count]
    pools = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    turns = [pool[i] for i in range(max(map(len, pools))) for pool in pools if i < len(pool)]
    return np.array(turns[:count])
