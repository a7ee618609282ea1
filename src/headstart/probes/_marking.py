"""How answers are marked: a value, and how far each judge moves it, so that two encoders can be compared judge by judge.

A value of a sample of judges is off by the sum of what each of them moves it (its influence); the sum of the squares is its
variance, and that of a difference of two values is the same of the difference of the moves (a paired interval). Judges that hang
together (rows of one sample, windows of one recording) move as one. All values are of one kind: more is better, 1 is perfect.
"""

import numpy as np

Marking = tuple[float, np.ndarray]  # the value, and what each judge moves it, [m]


def share(right: np.ndarray) -> Marking:
    """Accuracy: the share of right answers. right: [m], 1 or 0, or a mean of them over draws."""
    value = float(right.mean())
    return value, (right - value) / len(right)


def balanced(right: np.ndarray, want: np.ndarray) -> Marking:
    """Balanced accuracy: the mean over classes of the share of right answers (recall) within each."""
    classes, at = np.unique(want, return_inverse=True)
    count = np.bincount(at)
    each = np.bincount(at, right) / count
    return float(each.mean()), (right - each[at]) / (len(classes) * count[at])


def r2(error: np.ndarray, want: np.ndarray) -> Marking:
    """R2: 1 - squared error / variance. error: [m], squared, or a mean of such over draws."""
    away = (want.astype(np.float64) - float(want.mean(dtype=np.float64))) ** 2
    total = max(float(away.sum()), 1e-12 * len(want))
    lost = float(error.sum()) / total
    return 1 - lost, (lost * away - error) / total


def auc(score: np.ndarray, want: np.ndarray, classes: np.ndarray) -> Marking:
    """Area under the ROC curve, the mean over classes of each against the others, with the moves of DeLong et al. (1988).

    score: [m, K], of each of `classes`. Classes that no judge has, or all of them, are left out.
    """
    from scipy.stats import rankdata

    values, moves = [], np.zeros(len(want))
    for column, one in zip(score.T, classes, strict=True):
        is_one = want == one
        n = (int((~is_one).sum()), int(is_one.sum()))
        if not min(n):
            continue
        ranks = rankdata(column)
        above = np.empty(len(want))  # share of the other side that lies where it should, for each judge
        for side, other in ((is_one, n[0]), (~is_one, n[1])):
            among = ranks[side] - rankdata(column[side])
            above[side] = among / other if side is is_one else 1 - among / other
        value = float(above[is_one].mean())
        values.append(value)
        moves += (above - value) / np.where(is_one, n[1], n[0])
    return (float(np.mean(values)), moves / len(values)) if values else (0.5, moves)


def iou(said: np.ndarray, want: np.ndarray, classes: np.ndarray) -> Marking:
    """Mean over classes of intersection over union (Everingham et al. 2010), counted over all judges together.

    said: [m, K], 1 where a judge says one of `classes`, or a mean of that over draws. Classes that no judge has are left out.
    """
    is_one = want[:, None] == classes
    there = is_one.any(0)
    is_one, said = is_one[:, there], said[:, there]
    both = said * is_one
    either = is_one + said - both
    each = both.sum(0) / either.sum(0)
    return float(each.mean()), ((both - each * either) / either.sum(0)).mean(1)


def together(moves: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """What each independent judge moves: the sum over those of one group."""
    if groups is None:
        return moves
    return np.bincount(np.unique(groups, return_inverse=True)[1], moves)


def standard_error(moves: np.ndarray, draws: np.ndarray) -> float:
    """Over judges, and over draws of what was learnt from, whose mean the value is.

    One judge who says the opposite is added (as Agresti and Min 2005 do for paired shares): no handful of judges is certain.
    """
    n = len(moves)
    judged = float((moves.astype(np.float64) ** 2).sum()) * n / max(1, n - 1) + 1 / n**2
    return float((judged + drawn_error(draws) ** 2) ** 0.5)


def drawn_error(draws: np.ndarray) -> float:
    """The part of it that is over draws: no more judges make it smaller."""
    return float(np.std(draws, ddof=1)) / len(draws) ** 0.5 if len(draws) > 1 else 0.0


def half_width(error: float, units: int) -> float:
    """Half of the 95 % interval of a value with this standard error, judged by so many independent judges (Student's t)."""
    from scipy.stats import t

    return float(t.ppf(0.975, max(1, units - 1))) * error
