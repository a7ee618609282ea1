"""docs/formats.md against the readers: their suffixes, limits and extras, the kinds they give, the libraries they ask."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from headstart.data import readers
from headstart.data.open import KINDS

DOCS = Path(__file__).parents[1] / "docs"
OURS = {"headstart", "numpy", "jaxtyping"}
PACKAGES = {"PIL": "pillow"}


def script():
    """docs/formats.py, which keeps the page up to date."""
    spec = importlib.util.spec_from_file_location("formats", DOCS / "formats.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORMATS = script()
PAGE = (DOCS / "formats.md").read_text(encoding="utf-8")
ROWS = FORMATS.rows(PAGE)


def quoted(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_page_says_what_the_readers_say():
    assert FORMATS.renewed(PAGE) == PAGE, "python docs/formats.py brings it up to date"
    assert FORMATS.renewed(PAGE.replace("2^28 values", "2^27 values").replace(".edf .bdf", ".edf")) == PAGE
    with pytest.raises(ValueError, match="midi"):
        FORMATS.renewed("\n".join(line for line in PAGE.splitlines() if not line.startswith("| `midi`")))


@pytest.mark.parametrize("name", ROWS)
def test_kinds_and_libraries(name):
    source = (Path(readers.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    row = dict(zip(FORMATS.COLUMNS, ROWS[name], strict=True))
    knows = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "kind")
    returned = [n for r in ast.walk(knows) if isinstance(r, ast.Return) for n in ast.walk(r)]
    said = {n.value for n in returned if isinstance(n, ast.Constant)} & set(KINDS)
    assert said <= quoted(row["gives"]) | ({*KINDS} if name == "arrays" else {"pair"} if name == "columnar" else set())
    assert quoted(row["gives"]) - {"data.kind="} <= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    asked = set(re.findall(r'need\(\s*"(\w+)', source)) | set(re.findall(r'import_module\("(\w+)"\)', source))
    asked |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level}
    asked |= {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    foreign = {PACKAGES.get(lib, lib) for lib in asked - OURS - sys.stdlib_module_names}
    told = quoted(row["read with"]) - sys.stdlib_module_names - OURS - {"delimited"}
    assert told == foreign | ({"rdkit"} if name == "smiles" else set())
    assert ("own" in row["read with"]) == (name in ("arrays", "cloud") or not foreign)
