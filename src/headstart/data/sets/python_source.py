"""Python's own standard library, as this interpreter has it: one sample per function or class; its package is the label.

The files are read, never imported. A file is one group. Counts move with Python's version.
"""

import ast
import re
import sysconfig
import textwrap
import warnings
from collections import Counter
from pathlib import Path

from ..source import DataError
from ..sources.listed import ListSource

FEWEST, FILES = (
    100,
    4,
)  # samples and files of a package that is a label: files are groups, so one file cannot be learnt from
SHORTEST = 120  # characters: below it is a stub
LARGEST = 1 << 20  # bytes of a file
LEFT_OUT = {"site-packages", "dist-packages", "__pycache__", "lib2to3", "idlelib", "turtledemo", "config", "pydoc_data"}


def load(split: str = "all") -> ListSource:
    """Functions and methods with their comments, brought to the margin; names as in "json/decoder.py:JSONDecoder.decode".

    Splits: all; tests, which are the library's own tests instead, and not on every system.
    """
    if split not in ("all", "tests"):
        raise DataError(f"python-source has no split {split}: write python-source or python-source:tests")
    root = Path(sysconfig.get_path("stdlib"))
    samples, labels, names, groups = [], [], [], []
    files = _files(root, split)
    shared = Counter(_label(path.relative_to(root).as_posix(), split) for path in files)
    files = [path for path in files if shared[_label(path.relative_to(root).as_posix(), split)] >= FILES]
    for number, path in enumerate(files):
        relative = path.relative_to(root).as_posix()
        for name, code in _pieces(path):
            samples.append(code)
            names.append(f"{relative}:{name}")
            labels.append(_label(relative, split))
            groups.append(number)
    counts = Counter(labels)
    often = [i for i, label in enumerate(labels) if counts[label] >= FEWEST]
    if len({labels[i] for i in often}) < 2:
        raise DataError(f"there is too little source code in {root}: use a Python that has its library as .py files")
    return ListSource(
        [samples[i] for i in often],
        "code",
        [labels[i] for i in often],
        names=[names[i] for i in often],
        title="python-source" if split == "all" else "python-source:tests",
        groups=[groups[i] for i in often],
    )


def _files(root: Path, split: str) -> list[Path]:
    out = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        tests = any(re.fullmatch(r"tests?|.*_tests?", part) for part in parts)
        left_out = any(part in LEFT_OUT or part.startswith(("config-", "_sysconfigdata")) for part in parts)
        if tests == (split == "tests") and not left_out and path.stat().st_size <= LARGEST:
            out.append(path)
    return out


def _label(relative: str, split: str) -> str:
    parts = relative.removesuffix(".py").split("/")
    if split == "tests":
        parts = [p for p in parts if not re.fullmatch(r"tests?|.*_tests?", p)] or parts
    return re.sub(r"^test_", "", parts[0])


def _pieces(path: Path) -> list[tuple[str, str]]:
    """Every function and method of a file that is not inside another function."""
    try:
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    lines, out = text.split("\n"), []
    pile: list[tuple[str, ast.AST]] = [("", tree)]
    while pile:
        prefix, node = pile.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            code = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
            if len(code) >= SHORTEST:
                out.append((f"{prefix}{node.name}", code))
        else:
            prefix += f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            pile += [
                (prefix, child) for child in reversed(list(ast.iter_child_nodes(node))) if isinstance(child, ast.stmt)
            ]
    return out
