"""What a recipe and its check rest on, definition by definition, and a hash of it.

From `check` and the recipe's function every name is followed to where it is defined, in this project, and so on. A string that
names a recipe or a kind of data stands for that recipe, or for the tokenizer and the augmentations of that kind, since these are
looked up by name. A method, or an attribute of a class, counts once its name stands anywhere in what is reached. Wording,
comments and whatever is not reached do not matter.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import headstart

ROOTS = {"headstart": Path(headstart.__file__).parent, "evidence": Path(__file__).resolve().parent}
# methods that are called from outside of this project: by torch, and by the loop of whoever asks
CALLED = {"forward", "backward", "setup_context", "extra_repr", "reset_parameters", "step"}
# what says how a run goes, and does not change how it goes
BESIDE = {f"headstart.{name}" for name in ("log", "health", "checkpoint", "errors", "memory", "picture", "report")}
BESIDE |= {
    f"headstart.{name}" for name in ("scoring.results", "probes._figure", "probes._marking")
}  # how it is written down
Place = tuple[str, str]  # module, name
SAID = {
    ("headstart.data.classes", "said_of_labels"),
    ("headstart.probes", "Figure"),
    ("headstart.words", "fit"),
}  # likewise: a line for people; what is written in a log; words refused


@dataclass(frozen=True)
class Module:
    """What stands at the top of a file: definitions by name, and what imported names stand for."""

    name: str
    defined: dict[str, list[ast.stmt]]
    imported: dict[str, Place]


def file_of(module: str) -> Path | None:
    """The file of a module of this project."""
    root, *rest = module.split(".")
    if root not in ROOTS:
        return None
    path = ROOTS[root].joinpath(*rest)
    options = (path / "__init__.py", path.with_suffix(".py")) if rest else (path / "__init__.py",)
    return next((each for each in options if each.exists()), None)


def module_of(name: str) -> Module | None:
    path = file_of(name)
    return None if path is None else _parsed(name, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _parsed(name: str, path: Path, changed: int) -> Module:
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return Module(name, {"": [ast.Expr(ast.Constant(text))]}, {})
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    defined: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for known in _sets(node):
            defined.setdefault(known, []).append(node)
    return Module(name, defined, dict(_imports(tree, package)))


def _sets(node: ast.stmt) -> Iterator[str]:
    """The names that a line at the top of a file sets."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
    elif isinstance(node, ast.If | ast.Try | ast.For | ast.With):
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, ast.stmt):
                yield from _sets(inner)


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[str, Place]]:
    """The names that imports anywhere in a file bring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield alias.asname or alias.name, (base, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    (alias.asname or alias.name.partition(".")[0]),
                    (alias.name if alias.asname else alias.name.partition(".")[0], ""),
                )


def reached(start: list[Place]) -> dict[Place, tuple[Any, ...]]:
    """Every definition that these rest on, in plain form. A name "" stands for all of a module, "Class.name" for a method."""
    found: dict[Place, tuple[Any, ...]] = {}
    waiting, asleep, heard = list(start), dict[str, list[tuple[Place, ast.stmt]]](), set[str](CALLED)

    def take(place: Place, node: ast.AST, module: Module) -> tuple[Any, ...]:
        """One definition without its methods, which wait until they are named."""
        methods = [part for part in node.body if _sleeps(part, node)] if isinstance(node, ast.ClassDef) else []
        for method in methods:
            for name in _sets(method):
                asleep.setdefault(name, []).append(((place[0], f"{place[1]}.{name}"), method))
        rest = [part for part in ast.iter_child_nodes(node) if part not in methods]
        for part in rest if methods else [node]:
            waiting.extend(_named(part, module))
            heard.update(_asked(part))
        return plain(node, methods)

    while waiting or any(name in heard for name in asleep):
        if not waiting:
            for name in [name for name in asleep if name in heard]:
                for place, method in asleep.pop(name):
                    module = module_of(place[0])
                    assert module is not None
                    found[place] = (*found.get(place, ()), take(place, method, module))
            continue
        place = waiting.pop()
        module_name, name = place
        module = module_of(module_name)
        if place in found or module is None or module_name in BESIDE or place in SAID:
            continue
        found[place] = ()
        if not name:
            waiting += [(module_name, each) for each in module.defined]
        elif name in module.defined:
            found[place] = tuple(take(place, node, module) for node in module.defined[name])
        elif name in module.imported:
            waiting += _meant(*module.imported[name])
        else:
            waiting += _meant(module_name, name)
    return {place: code for place, code in found.items() if code}


def _sleeps(node: ast.stmt, of: ast.ClassDef) -> bool:
    """Whether something in the body of a class is a method that nobody need call, or an attribute that nobody need read; those of
    dataclasses and the like are arguments."""
    if isinstance(node, ast.FunctionDef):
        return not (node.name.startswith("__") and node.name.endswith("__"))
    return isinstance(node, ast.AnnAssign) and node.value is not None and not of.decorator_list and not of.bases


def _asked(node: ast.AST) -> Iterator[str]:
    """Names that may be those of methods: attributes, keywords, and strings, as of getattr."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _meant(module: str, name: str) -> list[Place]:
    """What `from module import name` brings: a definition, or a module, of which only what is asked of it counts."""
    inner = f"{module}.{name}" if name else module
    if name and file_of(inner) is None:
        return [(module, name)]
    return []


def _named(node: ast.AST, module: Module) -> Iterator[Place]:
    """What a definition names: of its own file, of imported files, and by strings that are looked up."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if part.id in module.defined:
                yield module.name, part.id
            elif part.id in module.imported:
                yield from _meant(*module.imported[part.id])
        elif isinstance(part, ast.Attribute):
            base = _module_named(part.value, module)
            if base is not None and file_of(f"{base}.{part.attr}") is None:
                yield base, part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and module.name.startswith("evidence."):
            for home in ("recipes", "tokenizers", "augment"):
                other = f"headstart.{home}.{part.value}"
                if part.value.isidentifier() and file_of(other) is not None:
                    yield (other, part.value) if home == "recipes" else (other, "")


def _module_named(node: ast.AST, module: Module) -> str | None:
    """The module that an expression stands for, if it does."""
    if isinstance(node, ast.Name) and node.id in module.imported:
        base, name = module.imported[node.id]
        inner = f"{base}.{name}" if name else base
        return inner if file_of(inner) is not None else None
    if isinstance(node, ast.Attribute):
        base_name = _module_named(node.value, module)
        inner = f"{base_name}.{node.attr}"
        return inner if base_name is not None and file_of(inner) is not None else None
    return None


def hash_of(start: list[Place]) -> str:
    """16 hex digits for what these do, in whichever file it stands."""
    code = sorted((name, repr(what)) for (_, name), what in reached(start).items())
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


def plain(node: Any, without: list[ast.stmt] | None = None) -> Any:
    """A syntax tree as nested tuples without docstrings, places and empty fields. without: parts of its body that are left out.

    `ast.dump` would do, but writes empty fields in some versions of Python and not in others.
    """
    if isinstance(node, list):
        return tuple(plain(item) for item in node)
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "ctx"]
    if without:
        fields = [(name, [x for x in value if x not in without] if name == "body" else value) for name, value in fields]
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        doc = ast.get_docstring(node, clean=False) is not None
        fields = [(name, value[1:] if name == "body" and doc else value) for name, value in fields]
    return type(node).__name__, *((name, plain(value)) for name, value in fields)
