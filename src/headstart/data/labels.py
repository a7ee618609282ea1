"""Which column, array, file or folder holds the labels: the names and rules that all readers, tables and folders ask.

What they find becomes classes or quantities in `classes`, and a line that says what was taken and why.
"""

import difflib
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from .cells import Column
from .classes import Labels, different, is_one_hot, labels_of
from .names import by_folder
from .source import DataError


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Names that say so by themselves, the most telling first. Tables say "Class", "class_label", "TARGET", "Species", "y_true"
SURE = ("label", "class", "target", "y", "species", "category", "outcome", "diagnosis")
SAME = dict(
    pair.split("=")
    for pair in _set(
        """labels=label classes=class targets=target categories=category outcomes=outcome diagnoses=diagnosis dx=diagnosis
        lbl=label groundtruth=label klasse=class clase=class classe=class etiqueta=label diagnose=diagnosis"""
    )
)
FORMS = _set("name names id ids idx index code text str encoded no num")  # class_id
SURELY = _set("true gold final")  # y_true, gold_label
FORMED = _set("label class species category diagnosis")  # not target_id, which is a protein
# Names of what is asked about, if the column holds few values; "is_", "has_" and "was_" before them are left aside
LIKELY = _set(
    """survived survival churn churned exited attrition fraud fraudulent default defaulted spam stroke sentiment emotion digit
    malignant malignancy mortality deceased died death hired approved transported readmitted subscribed converted intent"""
) | {"heart disease", "death event", "loan status", "benign malignant", "default payment next month"}
# Names that inputs have as well: only in the last column, where tables put what is asked about
LAST = _set(
    """type result results risk grade stage response status quality group decision play purchased clicked won disease genre breed
    variety activity cancer phenotype"""
) | {"cell type"}
ROWS = 20  # of a table, from which on a column may be told to be the same in all, or other in each
IDENTIFIERS = _set("id ids uuid guid key index idx nr no number rowid rownum")
ONLY = "the only one"
MAY_BE = "labels may be in"
FEW = 20  # different values of a column that may be a label
GRAPH_CLASSES = 100
SPLITS = _set(
    "train training tr val valid validation dev test testing ts eval pred unlabeled unlabelled unsup fold folds split"
)
SAME_SPLIT = {
    "train": _set("train training tr"),
    "val": _set("val valid validation dev"),
    "test": _set("test testing ts eval"),
}
NO_LABEL = _set("unlabeled unlabelled unsup")  # folders whose files have none
# folders that say what part of a sample is in them, not which class it is
PARTS = _set(
    """image images img imgs picture pictures photo photos jpeg jpegs jpegimages png mask masks label labels annotation
    annotations segmentation segmentations caption captions text texts audio wav data dataset files input inputs gt
    groundtruth ground truth"""
)
NOT_ONE = "not one label per sample"
MASKS = _set("mask masks seg segs segmentation segmentations groundtruth gt annotation annotations labelmap")
BESIDE = _set("label labels metadata annotation annotations classes target targets groundtruth solution solutions")


def words(name: str) -> tuple[str, ...]:
    """A name as words in lower case: "ClassLabel", "class_label" and "Class label:" are one."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.strip())
    return tuple(re.sub(r"[\W_]+", " ", apart).casefold().split())


def rank(name: str, near: Iterable[str] = ()) -> int | None:
    """How surely a name says that labels are there, 0 the surest; None if it does not. near: the names beside it, of which
    "x" or "z" make "y" a coordinate."""
    said = [SAME.get(w, w) for w in words(name)]
    core = [w for w in said if w not in FORMS and w not in SURELY]
    if not core or not set(core) <= set(SURE) or (set(said) & FORMS and not set(core) & FORMED):
        return None
    if core == ["y"] and {("x",), ("z",)} & {words(other) for other in near}:
        return None
    return 4 * SURE.index(core[0]) + bool(set(said) & (FORMS - {"name", "names", "text"})) + (len(said) > 1)


def telling(names: Sequence[str]) -> list[str]:
    """The names that say so, the surest first."""
    ranked = {name: r for name in names if (r := rank(name, names)) is not None}
    return sorted(ranked, key=ranked.__getitem__)


def decide(
    names: Sequence[str],
    column: Callable[[str], Column],
    title: str,
    asked: str | None = None,
    of: str = "",
    beside: bool = False,
) -> Labels:
    """The labels among the columns of a table: the one asked for; else the surest by its name; else none.

    A column with a likely name is taken if it holds at most 20 different values, and of several the last or the first of the
    table. of: what stands behind a column's name in the line. beside: the columns are no inputs, so that an only one is taken,
    whatever its name, and a doubtful name counts in any place. DataError if the column asked for is not there or holds none.
    """
    if asked is not None:
        name = pick(asked, names, title)
        values, classes = labels_of(column(name), title)
        return Labels(values, classes, f"labels: column {name}{of}, as asked", name)
    reasons, perhaps = _by_name(names, column, beside)
    wrong = ""
    for name, reason in reasons.items():
        try:
            values, classes = labels_of(column(name), title)
        except DataError as error:
            wrong += f"; not {name}: {error}"
            continue
        others = [n for n in reasons if n != name and f"; not {n}:" not in wrong]
        though = f", though {_either(others)} may be meant (data.label=)" if others else ""
        return Labels(values, classes, f"labels: column {name}{of}, {reason}{though}{wrong}", name, (*others, *perhaps))
    may = f"{MAY_BE} {_either(perhaps)}{of}: {takes(perhaps)}" if perhaps else ""
    return Labels(why=(may + wrong).removeprefix("; "), others=tuple(perhaps))


def _by_name(names: Sequence[str], column: Callable[[str], Column], beside: bool) -> tuple[dict[str, str], list[str]]:
    """The columns that may be taken, the surest first, each with the reason; and those that are only to be mentioned."""
    reasons = dict.fromkeys(telling(names), "by its name")
    ends = (names[-1], names[0])
    phrases = {n: _phrase(n) for n in names if n not in reasons}
    asked = [n for n, phrase in phrases.items() if phrase in LIKELY | LAST or n == names[-1]]
    few = {n: count for n in asked if (count := _few(column(n)))}
    likely = [n for n in few if phrases[n] in LIKELY]
    if len(likely) > 1:  # strokes are an input where death is asked about
        likely = [n for n in ends if n in likely][:1]
    reasons |= {n: f"by its name and its {few[n]} different values" for n in likely}
    reasons |= {
        n: f"{'' if beside else 'the last column, '}by its name and its {few[n]} different values"
        for n in few
        if phrases[n] in LAST and (n == names[-1] or beside)
    }
    if beside and len(names) == 1 and not reasons:
        reasons[names[0]] = ONLY
    return reasons, [
        n for n in few if n not in reasons and len(names) > 1 and (phrases[n] not in LAST or n == names[-1])
    ]


LABEL, CONSTANT, IDENTIFIER = "looks like a label", "is the same in every row", "names the rows"


def no_inputs(names: Sequence[str], found: Labels, asked: str | None, columns: Iterable[Column] = ()) -> dict[str, str]:
    """Columns that are kept out of what is learnt from, beside the label that was found, and why: what looks like a label, too,
    unless one was asked for by name; what is the same in every row; identifiers, which are other in each.

    columns: those that may be looked through, at 20 rows or more. Something is left to learn from, if it must be such a column.
    """
    rest = [name for name in names if name != found.name]
    sure, likely = set(telling(names)), {name for name in found.others if _phrase(name) in LIKELY}
    out = {name: LABEL for name in rest if asked is None and name in sure | likely}
    for column in columns:
        if column.name in out or column.name == found.name or len(column.values) < ROWS:
            continue
        if _is_constant(column):
            out[column.name] = CONSTANT
        elif _is_identifier(column):
            out[column.name] = IDENTIFIER
    if len(out) == len(rest):
        out = {name: reason for name, reason in out.items() if reason == LABEL}
    return out if len(out) < len(rest) else {}


def said_of_inputs(found: Labels, hidden: Collection[str]) -> str:
    """What to say of columns that may be labels and are learnt from, as nobody said which the label is; "" where none is."""
    fed = [name for name in found.others if name not in hidden] if found.name is None else []
    return f"without that, {_and(fed)} learnt from as {'an input' if len(fed) == 1 else 'inputs'}" if fed else ""


def said_of_no_inputs(aside: Mapping[str, str]) -> str:
    """What `describe` adds about them."""
    why: dict[str, list[str]] = {}
    for name, reason in aside.items():
        why.setdefault(reason, []).append(name)
    each = [f"{', '.join(names[:5])}{' ...' * (len(names) > 5)} {reason}" for reason, names in why.items()]
    return f", not learnt from: {'; '.join(each)}{' (data.label=)' * (LABEL in why)}" if each else ""


def _is_constant(column: Column) -> bool:
    values = column.values
    empty = np.isnan(values) if values.dtype.kind == "f" else values < 0
    return not column.odd and bool(empty.all() or (not empty.any() and (values == values[0]).all()))


def _is_identifier(column: Column) -> bool:
    """Short texts without spaces of which no two are equal; whole numbers like that in a column called so, or without a name."""
    values = column.values
    if column.form == "text" and not column.odd:
        if len(column.words) < len(values) or (values < 0).any():
            return False
        return sum(" " not in word and len(word) <= 64 for word in column.words) > 0.9 * len(values)
    if column.form != "whole" or column.odd or np.isnan(values).any():
        return False
    said = words(column.name)
    called = not said or said[-1] in IDENTIFIERS or said[0] in ("unnamed", "row", "rownames", "column")
    return called and len(np.unique(values)) == len(values)


def pick(asked: str, names: Iterable[str], title: str, what: str = "column") -> str:
    """The column (`what` these are) of this name, if need be in other letters, or with other marks between its words; DataError
    in words."""
    every = list(names)
    if asked in every:
        return asked
    for same in (lambda n: n.casefold() == asked.casefold(), lambda n: words(n) == words(asked)):
        if len(found := [n for n in every if same(n)]) == 1:
            return found[0]
    near = difflib.get_close_matches(asked, every, n=1)
    mean = f"did you mean {near[0]!r}? It" if near else "it"
    raise DataError(f"{title} has no {what} {asked!r}: {mean} has {', '.join(every[:20]) or 'none'}")


def beside_array(
    samples: str, shapes: Mapping[str, tuple[int, ...]], load: Callable[[str], np.ndarray]
) -> tuple[np.ndarray | None, str]:
    """The labels of the array `samples` among arrays of these shapes, as `load` gives them, and a line about them: x_train has
    y_train. They are of its split or of none, one per sample or one-hot. A coordinate y beside x is none.
    """
    n, wrong = shapes[samples][:1], ""
    whole = list(shapes[samples])
    either = f"neither one label per sample nor a class for every point of {whole}" if len(whole) > 2 else NOT_ONE
    own, split = _split_off(samples)
    named = {}
    for name in shapes:
        rest, theirs = _split_off(name)
        at = rank(rest, () if own == "x" else shapes)
        if name != samples and at is not None and theirs in (split, set()):
            named[name] = (theirs != split, at)
    for name in sorted(named, key=named.__getitem__):
        shape = shapes[name]
        if shape[:1] == n and len(shape) <= 2:
            values = load(name)
            if shape in (n, (*n, 1)) or is_one_hot(values):
                return values, f"labels: array {name}, by its name{wrong}"
        wrong += f"; not {name}, whose shape {list(shape)} is {either}"
    return None, wrong.removeprefix("; ")


def masks_beside(samples: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The array among those of these shapes that has a class for every point of each of the samples: y [n, H, W] of x [n, H, W],
    [n, H, W, C] or [n, C, H, W], by its name, and of the samples' split or of none."""
    whole, split = shapes[samples], _split_off(samples)[1]
    named = {}
    for name, shape in shapes.items():
        rest, theirs = _split_off(name)
        sure = rank(rest)
        if name == samples or theirs not in (split, set()) or (sure is None and not set(words(rest)) & MASKS):
            continue
        if len(shape) > 1 and shape in (whole, whole[:-1], (whole[0], *whole[2:]), (*whole[:2], *whole[3:])):
            named[name] = (theirs != split, sure if sure is not None else -1)
    return min(named, key=named.__getitem__, default=None)


def idx_name(samples: str) -> str:
    """The name of the idx file with the labels of one with images."""
    return re.sub(r"idx\d", "idx1", samples.replace("images", "labels"))


def attribute(values: Mapping[str, Collection[str]], n: int) -> str | None:
    """The attribute of n graphs, nodes or molecules with a telling name whose values repeat."""
    fits = [name for name in telling(list(values)) if 2 <= len(set(values[name])) <= min(GRAPH_CLASSES, n / 2)]
    return fits[0] if fits else None


def is_beside(stem: str) -> bool:
    """Whether a table of this name (without its suffix) is about the data: labels, train_metadata, trainLabels, labels-val."""
    said = words(stem)
    begins = bool(said) and said[0] in BESIDE and set(said[1:]) <= SPLITS
    return begins or said == ("index",) or (bool(said) and said[-1] in BESIDE)


def split_of(name: str) -> str | None:
    """The split that a file or folder is called after: "train", "val", "test"; None for other names."""
    said = {w.rstrip("0123456789") for w in words(name)}
    of = [split for split, same in SAME_SPLIT.items() if said & same]
    return of[0] if len(of) == 1 else None


def is_form(stem: str) -> bool:
    """Whether a table of this name is to be filled in by whoever takes part: its labels are no labels."""
    return "submission" in words(stem)


def folder_labels(files: Sequence[str]) -> Labels:
    """The name of a folder is the label of its files: of the first folders, if two such hold files; files beside them get -1.

    Folders that are splits (train, val2017), parts of a sample (images, masks) or the only one name no classes: those below
    them do. What lies in "unlabeled" has no label.
    """
    folders, at = by_folder(files)
    paths = [name.split("/")[:-1] for name in folders]
    without = [any(p.casefold() in NO_LABEL for p in path) for path in paths]
    deepest = max(map(len, paths), default=0)
    passed: list[str] = []
    for level in range(deepest):
        held = sorted({p[level] for p, none in zip(paths, without, strict=True) if len(p) > level and not none})
        classes = [name for name in held if not (passed and words(name)[:1] and words(name)[0] in PARTS)]
        if len(classes) < 2 or all(map(_is_no_class, _without_shared(held))):
            passed += held
            continue
        alone = _alone(paths, level, classes)
        classes = [name for name in classes if name not in alone]
        code = {name: i for i, name in enumerate(classes)}
        codes = [
            -1 if none or len(p) <= level else code.get(p[level], -1) for p, none in zip(paths, without, strict=True)
        ]
        below = f" below {', '.join(passed[:4])}" if passed else ""
        but = f"; {', '.join(sorted(alone))} is the only folder of its split, and no class" if alone else ""
        return Labels(np.array(codes, np.int64)[at], tuple(classes), f"labels: the names of the folders{below}{but}")
    return Labels()


def _alone(paths: Sequence[Sequence[str]], level: int, classes: Sequence[str]) -> set[str]:
    """Classes that lie in one split alone, and alone in it, beside splits with several: test/unknown."""
    if not level:
        return set()
    inside: dict[tuple[str, ...], set[str]] = {}
    for path in paths:
        if len(path) > level and path[level] in classes:
            inside.setdefault(tuple(path[:level]), set()).add(path[level])
    many = [held for held in inside.values() if len(held) > 1]
    known = set().union(*many)
    lonely = {name for held in inside.values() if len(held) == 1 for name in held}
    return lonely - known if len(known) > 1 else set()


def _without_shared(names: Sequence[str]) -> list[str]:
    """The names without the words that all of them have: train, test of seg_train, seg_test; as they are, if one has no other."""
    shared = set(words(names[0])).intersection(*map(words, names))
    rest = [" ".join(w for w in words(name) if w not in shared) for name in names]
    own = all(r and any(c.isalpha() for c in r) for r in rest)
    return rest if own and not all(map(_is_no_class, names)) else list(names)


def _is_no_class(name: str) -> bool:
    """A folder called as a split or as a part of a sample: train, val2017, test_images."""
    said = [w.rstrip("0123456789") for w in words(name)]
    return bool(said) and all(w in SPLITS or w in PARTS or w in ("", "set") for w in said) and any(said)


def _split_off(name: str) -> tuple[str, set[str]]:
    """An array's name without the words of its split, and these: ("x", {"train"}) of "xtrain"."""
    said = words(re.sub(r"(?i)\b([xy])(?=train|test|val)", r"\1 ", name))
    return " ".join(w for w in said if w not in SPLITS), {w for w in said if w in SPLITS}


def _few(column: Column) -> int:
    """How many different values a column holds, if they are few enough for classes; else 0."""
    count = different(column) if column.form in ("text", "whole", "truth") else 0
    return count if 2 <= count <= FEW else 0


def _phrase(name: str) -> str:
    said = words(name)
    return " ".join(said[1:] if len(said) > 1 and said[0] in ("is", "has", "was") else said)


def takes(names: Sequence[str]) -> str:
    """The words that take a column for the label."""
    return " or ".join(f"data.label={shlex.quote(name)}" for name in names[:3]) + " takes it"


def _and(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:3])}{' ...' * (len(names) > 3)} are"


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"column {n}" for n in names[:3])
