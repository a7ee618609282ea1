"""The example of docs/methods.md is run as it stands."""

import re
from pathlib import Path
from types import SimpleNamespace

from evidence.running import tried
from mypy import api

from headstart.contract import check_recipe
from headstart.shelf.find import find
from headstart.tiny import tiny_data

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "methods.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_worked_example_works(tmp_path):
    file = tmp_path / "changes.py"
    file.write_text(blocks()[0])
    names: dict = {}
    for block in blocks():
        exec(compile(block, str(PAGE), "exec"), names)
    claim = tried(str(file), SimpleNamespace(check=names["check"]), seeds=(0, 1))
    assert len(blocks()) == 3 and claim.verdict == "holds", [str(figure) for figure in claim.figures]


def test_its_file_is_a_recipe_and_its_types_are_right(tmp_path, monkeypatch):
    file = tmp_path / "changes.py"
    file.write_text(blocks()[0])
    check_recipe(find(str(file)), tiny_data("series"))
    wrong = tmp_path / "swapped.py"
    wrong.write_text(blocks()[0].replace("corrupt(score, ratio, fill)", "corrupt(score, fill, ratio)"))
    monkeypatch.chdir(ROOT)  # the configuration, and what an earlier check of types has kept, lie here
    monkeypatch.setenv("MYPYPATH", "src")
    said, trouble, _ = api.run([str(file), str(wrong)])
    assert not trouble and said.count("error:") == said.count("swapped.py") > 0, said + trouble
