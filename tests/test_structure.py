"""The shape of the package: who may import whom, how long a recipe is, and what `--help` waits for."""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "headstart"
FILES = sorted(ROOT.rglob("*.py"))
RECIPES = sorted(p for p in (ROOT / "recipes").glob("*.py") if p.stem != "__init__")

# DESIGN.md, section 2: a line may import itself and what stands above it; recipes are apart, see below
LEVELS = (
    "alignment tree step dist errors extras forms home kinds memory outliers",
    "outputs damage",
    "writing",
    "tokens",
    "scene",
    "nn tokenizers augment corrupt targets losses",
    "rivals",  # what a specialist computes of a kind
    "descriptors",
    "terms teacher",
    "objective",
    "data optim recipe",
    "tiny interventions",  # a few samples of any kind, and questions to an objective, for whoever checks a method
    "sharding training train checkpoint log health signs sinks probes scoring picture words analyses",
    "adapt compress curate tasks interop",
    "reading checking seen",  # what data becomes, and what may be wrong with it
    "showing",  # samples, drawn
    "shelf",  # which recipes there are
    "contract",  # of a recipe, as a program
    "leftover",  # what a finished run leaves behind
    "encoded",  # a finished run: reads data as its plan did
    "planning",  # decides a run, by timing a few steps of it
    "comparing",  # with what could be done without
    "reporting",
    "running",  # from a plan to what a run leaves behind
    "verbs",
    "cli studio __main__",
)
RANK = {name: rank for rank, names in enumerate(LEVELS) for name in names.split()}

# inside data/, a floor may name itself and what stands above it
FLOORS = (
    "source names encoding habits flat masks",
    "cache mirror",
    "remote",
    "days numbers",
    "cells",
    "classes",
    "labels",
    "groups telltale",
    "sources",
    "readers",
    "finding sets",
    "open",
    "sniff",
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
FEEDING = {"source", "sources", "feeding"}  # what feeding/ may name; nobody else in data/ names it
PARTS = {name for name, rank in RANK.items() if rank <= RANK["objective"]} | {"optim", "recipe"}


def module(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def imports(path: Path) -> set[tuple[str, ...]]:
    """What of this package a file imports, anywhere in it, as paths from its root: ("nn", "linear")."""
    package, found = module(path)[:-1], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "headstart":
            base = ()
        elif isinstance(node, ast.Import):
            found |= {tuple(a.name.split(".")[1:]) for a in node.names if a.name.partition(".")[0] == "headstart"}
            continue
        else:
            continue
        below = tuple(node.module.removeprefix("headstart").strip(".").split(".")) if node.module else ()
        below = tuple(part for part in below if part)
        if (
            ROOT.joinpath(*base, *below)
        ).is_dir():  # `from ..probes import protocol`: a module or a name of the package
            found |= {(*base, *below, a.name) if is_module((*base, *below, a.name)) else (*base, *below, "__init__")
                      for a in node.names}  # fmt: skip
        else:
            found.add((*base, *below))
    return found


def is_module(name: tuple[str, ...]) -> bool:
    path = ROOT.joinpath(*name)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_the_walk_sees_imports():
    seen = imports(ROOT / "scoring" / "score.py")
    assert {("health",), ("probes", "knn"), ("nn", "encoder")} <= seen
    assert ("dist",) in imports(ROOT / "losses.py")
    assert ("tokenizers", "rates") in imports(ROOT / "data" / "readers" / "edf.py")  # inside a function


@pytest.mark.parametrize("path", FILES, ids=lambda p: ".".join(module(p)))
def test_imports_point_down(path):
    name = module(path)
    if name == ("__init__",):
        return  # the public names, looked up when first used
    own = name[0]
    for other in sorted(imports(path)):
        if other == ("__init__",):
            continue  # __version__
        if own == "recipes":
            assert other[0] in PARTS or other[0] == "recipes", f"a recipe is made of parts, not of {'.'.join(other)}"
            continue
        assert own in RANK, f"{own} has no place in LEVELS yet"
        assert other[0] in RANK, f"{'.'.join(name)} imports {'.'.join(other)}, which nobody below the top may name"
        assert RANK[other[0]] <= RANK[own], f"{'.'.join(name)} reaches up to {'.'.join(other)}"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes(path):
    others = {i for i in imports(path) if i[0] == "recipes"} - {("recipes", "__init__")}
    assert len(others) <= 1, "a recipe builds on one other at most"
    tree = ast.parse(path.read_text())
    (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == path.stem]
    docstring = function.body[0]
    assert ast.get_docstring(function)
    own = function.end_lineno - docstring.end_lineno
    assert own <= 14, f"{path.stem} has {own} lines: a recipe is a paragraph"
    card = ast.get_docstring(tree) or ""
    checked = (ROOT.parents[1] / "evidence" / path.name).exists()
    for part in (
        "Hides:",
        "Predicts:",
        "Use when:",
        "Mechanism:",
        "Differs from",
        "Command:",
        *["Expected:"] * checked,
    ):
        assert f"\n{part}" in card, f"the card of {path.stem} does not say {part}"


@pytest.mark.parametrize("name", ["gmml", "mae", "dino"])
def test_general_recipes_name_no_modality(name):
    source = (ROOT / "recipes" / f"{name}.py").read_text()
    words = [
        t.string.lower()
        for t in tokenize.generate_tokens(io.StringIO(source).readline)
        if t.type in (tokenize.NAME, tokenize.STRING) and not t.string.startswith('"""')
    ]
    assert len(words) > 30
    for modality in ("image", "patch", "series", "text"):
        assert not [w for w in words if modality in w], f"{name} is for any kind of data, and says {modality}"


def test_data_has_floors():
    """Every file of data/ stands on a floor, and imports nothing that stands higher."""
    for path in FILES:
        name = module(path)
        if name[0] != "data" or name[1] == "__init__":
            continue
        own = name[1]
        others = {i[1] for i in imports(path) if i[0] == "data"}
        if own == "feeding":
            assert others <= FEEDING, (
                f"{'.'.join(name)} imports {', '.join(others - FEEDING)}: feeding sees sources only"
            )
            continue
        assert own in FLOOR, f"data/{own} has no floor yet"
        high = sorted(o for o in others if o not in FLOOR or FLOOR[o] > FLOOR[own])
        assert not high, f"{'.'.join(name)} reaches up to data/{', data/'.join(high)}"


def test_no_cycles():
    """Imports form no circle, those inside functions neither."""
    known = {module(p): p for p in FILES}
    graph = {}
    for name, path in known.items():
        if name != ("__init__",):  # the public names, looked up when first used
            found = {i if i in known else (*i, "__init__") for i in imports(path)}
            graph[name] = found - {name, ("__init__",)}
    done: set[tuple[str, ...]] = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join(".".join(n) for n in (*trail[trail.index(name) :], name))
        if name in done or name not in graph:
            return
        for other in sorted(graph[name]):
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())
    assert len(done) == len(FILES) - 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: ".".join(module(p)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


DECLARE = {
    "tokenizer",
    "term",
    "t",
    "encoder",
    "head",
    "target",
}  # what these can do is asked of them, not of their class


def classes_of_parts() -> set[str]:
    """The classes of terms, tokenizers and encoders."""
    found = {"Term", "Tokenizer", "Encoder", "Elastic", "Transformer", "Block"}
    for path in [*(ROOT / "terms").glob("*.py"), *(ROOT / "tokenizers").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and {getattr(b, "id", "") for b in node.bases} & {"Term", "Tokenizer"}:
                found.add(node.name)
    return found


def questions(tree: ast.AST, classes: set[str]) -> list[str]:
    """Where a part is asked for its class, or whether it has an attribute; asserting its class is no question."""
    stated = {id(node.test) for node in ast.walk(tree) if isinstance(node, ast.Assert)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or id(node) in stated:
            continue
        of = list(ast.walk(node.args[-1])) if node.args else []
        names = {n.id for n in of if isinstance(n, ast.Name)} | {n.attr for n in of if isinstance(n, ast.Attribute)}
        asked = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else ""
        if (node.func.id == "isinstance" and names & classes) or (
            node.func.id in ("hasattr", "getattr") and asked in DECLARE
        ):
            found.append(ast.unparse(node))
    return found


def test_features_belong_to_parts():
    """Nobody finds out by its class what a term, a tokenizer or an encoder can do. A recipe may ask for one kind of data, and
    `nn` is where encoders are made."""
    classes = classes_of_parts()
    assert {"masked", "contrast", "ImageTokenizer", "GraphTokenizer"} <= classes
    assert questions(ast.parse("if isinstance(x, (int, contrast)): pass\nhasattr(tokenizer, 'many')"), classes)
    for path in FILES:
        if module(path)[0] in ("nn", "recipes"):
            continue
        found = questions(ast.parse(path.read_text()), classes)
        assert not found, f"{path.relative_to(ROOT)} asks {found}: let the part declare it, with a default in its base"


LOOSE = {"Any": 146, "getattr or hasattr": 40}  # in src: what is dynamic by nature, and these only fall


def loose(tree: ast.AST) -> dict[str, int]:
    """How often code says `Any` (an import does not count), and how often it asks an object for an attribute by name."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asked = [f for f in calls if isinstance(f, ast.Name) and f.id in ("getattr", "hasattr")]
    return {"Any": sum(name.id == "Any" for name in names), "getattr or hasattr": len(asked)}


def test_joints_are_typed():
    """A sample of any kind is a `Sample`, a record of a card or log is `Json` (forms.py); the rest has a type of its own."""
    seen = loose(ast.parse("from typing import Any\ndef f(x: dict[str, Any], *y: Any) -> None:\n    getattr(x, 'y')"))
    assert seen == {"Any": 2, "getattr or hasattr": 1}
    each = [loose(ast.parse(path.read_text())) for path in FILES]
    for what, most in LOOSE.items():
        found = sum(counts[what] for counts in each)
        assert found <= most, (
            f"{found} uses of {what} instead of {most}: type the joint that is new (a Protocol, an attribute)"
        )
        assert found == most, f"{found} uses of {what} are left: lower the number in LOOSE from {most}"


def test_help_does_not_wait_for_torch():
    code = (
        "import sys, headstart.cli as c\n"
        "try: c.app(['--help'])\n"
        "except SystemExit as e: assert not e.code\n"
        "print(sorted({'torch', 'numpy', 'sklearn', 'PIL'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT.parent), "PATH": ""}
    )
    assert said.returncode == 0, said.stderr
    assert "pretrain" in said.stdout and said.stdout.splitlines()[-1] == "[]", said.stdout


def test_public_names_are_there():
    import headstart

    missing = [m for m in set(headstart._PUBLIC.values()) if not is_module(tuple(m.split(".")))]
    assert not missing, f"headstart names {missing}, which no file defines"
    for name in headstart.__all__:
        assert callable(getattr(headstart, name))
    with pytest.raises(AttributeError, match="it has Pretrained"):
        headstart.nothing  # noqa: B018


def test_no_name_is_undefined():
    """ruff's F821 is off, since it takes the letters in shapes ("T D") for names: here it counts wherever no string stands."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "json"]
    top = ROOT.parents[1]
    places = [str(top / place) for place in ("src", "tests", "evidence", "benchmarks")]
    done = subprocess.run([*command, *places], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    wrong = [
        f"{Path(found['filename']).relative_to(top)}:{found['location']['row']}: {found['message']}"
        for found in json.loads(done.stdout)
        if not in_string(Path(found["filename"]), found["location"]["row"], found["location"]["column"] - 1)
    ]
    assert not wrong, "\n".join(wrong)


def in_string(path: Path, row: int, column: int) -> bool:
    strings = [t for t in tokenize.generate_tokens(io.StringIO(path.read_text()).readline) if t.type == tokenize.STRING]
    return any(t.start <= (row, column) < t.end for t in strings)


def test_helpers_that_are_private_say_so():
    """A function at the top of a file that no other file, test or page names begins with an underscore."""
    texts = {path: path.read_text() for path in FILES}
    beside = [
        p for folder in ("tests", "evidence", "benchmarks", "docs") for p in (ROOT.parents[1] / folder).rglob("*")
    ]
    beside += list(ROOT.parents[1].glob("*.md"))
    used = Counter(word for path in FILES for word in set(re.findall(r"\w+", texts[path])))
    used.update({word: 2 for p in beside if p.suffix in (".py", ".md") for word in re.findall(r"\w+", p.read_text())})
    lonely = [
        f"{'.'.join(module(path))}.{node.name}"
        for path in FILES
        if module(path)[0] != "recipes"  # a paragraph and its own parts, for people to read
        for node in ast.parse(texts[path]).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and used[node.name] < 2
    ]
    assert not lonely, f"{', '.join(lonely)}: only their own file names these, so they begin with _"
