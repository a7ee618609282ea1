"""A method in a file of the user's own: found from any folder, kept beside its run, and as good a citizen as the package's."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.contract import check_recipe
from headstart.errors import Mistake
from headstart.log import Log
from headstart.planning.sorting import sort_words
from headstart.running import timekeeping
from headstart.shelf.copies import kept
from headstart.shelf.find import called, find, meaningless, small, spelled
from headstart.tiny import tiny_data
from headstart.train import train
from headstart.words import WordError, arguments

METHOD = '''"""Half: half of the rows are dropped and restored.

Hides: half of the rows.
"""

from headstart.corrupt import corrupt, drop, random
from headstart.nn.encoder import Model, encoder
from headstart.nn.heads import decoder
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Data, Recipe
from headstart.terms import masked
{top}

def half(data: Data, size: str | Model = "S", ratio: float = 0.5, depth: int = 1) -> Recipe:
    """Drop `ratio` of the rows."""
    {inside}
    enc = encoder(data.tokenizers, size)
    restore = masked(decoder(enc.width, data.dim, depth))
    task = Objective(enc, views={{"x": corrupt(random, ratio, fill=drop)}}, terms={{"restore": restore}})
    return Recipe(task, data, AdamW(lr=1e-3), steps=data.epochs(9))
'''
SOURCE = str(Path(hs.__file__).parents[1])
SHORT = {"steps": 4, "size": "XS", "data.batch": 8, "data.held": 0.5, "run.device": "cpu"}


def write(file: Path, top: str = "", inside: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(METHOD.format(top=top, inside=inside))
    return file


def pictures(place: Path, count: int = 80) -> str:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 99, (count, 12, 12), dtype=np.uint8)
    x[::2, :6] += 100
    np.savez(place / "x.npz", x=x, y=np.arange(count) % 2)
    return str(place / "x.npz")


def value(method) -> object:
    """What a method that only returns something returns."""
    return method(None, "S")


# found


def test_it_is_found_from_any_folder(tmp_path, monkeypatch):
    file = write(tmp_path / "my methods" / "half.py")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(tmp_path))
    method = find(f"{file}:half")
    for name in (file, "../my methods/half.py:half", "../my methods/half.py", "~/my methods/half.py:half"):
        assert find(str(name)) is method, name
        assert spelled(str(name)) == called(method) == f"{file}:half"
    monkeypatch.chdir(file.parent)
    assert find("half.py") is find("half:half") is method
    assert find(called(find("mae"))) is find("mae") and called(find("gpt-series")) == "gpt_series"


def test_an_installed_module_is_found(tmp_path, monkeypatch):
    write(tmp_path / "somebodys" / "things.py", top="from .parts import x")
    (tmp_path / "somebodys" / "parts.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    method = find("somebodys.things:half")
    assert called(method) == "somebodys.things:half" and find(called(method)) is method
    for name in [m for m in sys.modules if m.partition(".")[0] == "somebodys"]:
        monkeypatch.delitem(sys.modules, name)


def test_of_several_recipes_one_is_said_or_has_the_name_of_the_file(tmp_path):
    two = "def a(data, size):\n    return 'a'\n\ndef b(data, size):\n    return 'b'\n\ndef _c(data, size): ...\ndef d(x): ...\n"
    (tmp_path / "b.py").write_text(two)
    (tmp_path / "several.py").write_text(two)
    assert value(find(f"{tmp_path / 'b.py'}")) == "b"
    assert value(find(f"{tmp_path / 'several.py'}:a")) == "a"
    with pytest.raises(WordError, match=r"say which recipe of .*several\.py, as in several\.py:a; it defines a, b$"):
        find(f"{tmp_path / 'several.py'}")


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [("", "there/none.py:f", r"there is no file .*there/none\.py; in that folder there is own\.py"),
     ("", "nowhere/none.py", r"there is no file .*nowhere/none\.py$"),
     ("def f(data, size): ...\n", "there/own.py:g", r"there is no function g in .*own\.py; its recipes are f$"),
     ("x = 1\n", "there/own.py:g", r"no function g in .*; it defines no recipe: a recipe is called with \(data, size"),
     ("x = 1\n", "there/own.py", r"own\.py defines no recipe, a function whose first arguments are data and size"),
     ("f = 1\n", "there/own.py:f", r"f in .*own\.py is a int, not a function"),
     ("import nothing_like_it\n", "there/own.py:f", r"cannot be imported: line 1 of .*own\.py: ModuleNotFoundError: No module"),
     ("\n\nx = 1 / 0\n", "there/own.py:f", r"cannot be imported: line 3 of .*own\.py: ZeroDivisionError: division by zero"),
     ("\ndef f(data, size:\n", "there/own.py:f", r"cannot be imported: line 2 of .*own\.py: "),
     ("from .near import x\n", "there/own.py:f", r"line 1 of .*own\.py: ModuleNotFoundError: No module named 'near'"),
     ("import sys\nsys.exit(3)\n", "there/own.py:f", r"line 2 of .*own\.py: SystemExit: 3"),
     ("def f(size, data): ...\n", "there/own.py:f", r"f\(size, data\) in .* is no recipe: a recipe is called with \(data, size"),
     ("def f(data, size, **more): ...\n", "there/own.py:f", r"cannot be told more by name: write out the words"),
     ("from headstart.recipes.mae import mae\n", "there/own.py:mae", r"imports mae; name the file that defines it, .*mae\.py"),
     ("", "there/own.txt:f", r"own\.txt is no \.py file"),
     ("", "nowhere.at_all:f", r"recipe=nowhere\.at_all:f cannot be imported: ModuleNotFoundError"),
     ("", "headstart.recipes.mae:nothing", r"there is no function nothing in .*mae\.py; its recipes are mae$"),
     ("", "mea", r"no recipe 'mea' here; did you mean mae")],
)  # fmt: skip
def test_what_cannot_be_had_is_said(text, name, said, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "own.py").write_text(text)
    (tmp_path / "there" / "own.txt").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WordError, match=said):
        find(name)


def test_what_returns_no_recipe_is_said(tmp_path):
    file = write(tmp_path / "half.py", inside="return None")
    with (
        pytest.raises(Mistake, match=r"half returned a NoneType, not a Recipe: end it with return Recipe"),
    ):
        hs.plan(pictures(tmp_path), recipe=str(file), log=Log(quiet=True), **SHORT)


# files beside it


@pytest.mark.parametrize(
    "how", ["import parts", "from parts import x", "from .parts import x", "import deep.parts as parts"]
)
@pytest.mark.parametrize("late", [False, True])
def test_files_beside_it_are_its_own(how, late, tmp_path):
    """Also where another method has a file of the same name, and where it is imported when the recipe is called."""
    line = f"{how}\n"
    told = "x" if "import x" in how else "parts.x"
    methods, before = [], set(sys.modules)
    for number in (1, 2):
        here = tmp_path / str(number)
        (here / "deep").mkdir(parents=True)
        for file in (here / "parts.py", here / "deep" / "parts.py"):
            file.write_text(f"import other\nx = {number} * other.y\n")
        (here / "other.py").write_text("y = 10\n")
        (here / "deep" / "__init__.py").write_text("")
        body = f"def own(data, size):\n    {line if late else ''}\n    return {told}\n"
        (here / "own.py").write_text(body if late else line + body)
        methods.append(find(str(here / "own.py")))
    assert [value(m) for m in methods] == [10, 20]
    assert not {"parts", "deep", "other", "own"} & (set(sys.modules) - before)


def test_a_file_that_changed_is_read_again(tmp_path):
    (tmp_path / "own.py").write_text("from parts import x\ndef own(data, size):\n    return x\n")
    (tmp_path / "parts.py").write_text("x = 1\n")
    first = find(str(tmp_path / "own.py"))
    assert find(str(tmp_path / "own.py")) is first
    (tmp_path / "parts.py").write_text("x = 2\n")
    assert value(find(str(tmp_path / "own.py"))) == 2 and value(first) == 1


def test_names_that_python_and_headstart_have_stay_theirs(tmp_path):
    for name in ("json", "headstart"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError\n")
    (tmp_path / "own.py").write_text("import json, headstart\ndef own(data, size):\n    return json, headstart\n")
    assert value(find(str(tmp_path / "own.py"))) == (json, hs)


# words and settings


def test_its_words_bind_as_those_of_the_package(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from __future__ import annotations\n"
        "def own(data, size: str | Model = 'S', ratio: float = 0.5, depth: int = 1, free=None, odd: Nowhere = 1): ...\n"
    )
    method = find(str(file))
    groups = sort_words({"ratio": 1, "depth": 2.0, "free": "x", "odd": "y", "optim.lr": 1e-3}, method)
    assert groups[""] == {"ratio": 1.0, "depth": 2, "free": "x", "odd": "y"} and groups["optim"] == {"lr": 1e-3}
    assert arguments(method)["ratio"].annotation is float
    with pytest.raises(WordError, match="no word 'ratoi' here; did you mean ratio"):
        sort_words({"ratoi": 1}, method)
    with pytest.raises(WordError, match="ratio=half: it takes a number"):
        sort_words({"ratio": "half"}, method)


def planned(place: Path, top: str, **words):
    place.mkdir(exist_ok=True)
    file = write(place / "half.py", top=top)
    given = {k: v for k, v in SHORT.items() if k != "data.batch"} | words
    return hs.plan(pictures(place), recipe=str(file), log=Log(quiet=True), **given)


def test_small_settings_of_its_own_and_those_of_no_paper(tmp_path):
    """At small scale: what the file says, else batches of bounded size; nothing is changed where it says so, or when wide."""
    own = planned(tmp_path / "a", 'SMALL = {"ratio": 0.6, "optim.lr": 2e-3, "data.batch": 64}')
    assert own.arguments == {"ratio": 0.6} and own.optim == {"lr": 2e-3} and own.input["batch"] == 64
    told = planned(tmp_path / "a", 'SMALL = {"ratio": 0.6, "data.batch": 64}', ratio=0.7, data={"batch": 32})
    assert told.arguments == {"ratio": 0.7} and told.input["batch"] == 32
    none = planned(tmp_path / "b", "")
    assert none.arguments == {} and none.input["batch"] == 112  # 4,096 rows, of 36 a sample
    assert planned(tmp_path / "c", "SMALL = {}").input["batch"] == 256
    assert planned(tmp_path / "b", "", model={"width": 256, "depth": 1, "heads": 4}).input["batch"] == 256


@pytest.mark.parametrize(
    ("top", "said"),
    [('SMALL = {"dept": 1}', r"SMALL in .*half\.py: there is no word 'dept' here; did you mean depth"),
     ('SMALL = {"depth": "deep"}', r"SMALL in .*half\.py: depth=deep: it takes a whole number"),
     ('SMALL = {"run.minutes": 1}', r"SMALL in .*half\.py may hold words of the recipe, of optim\. and data\.batch"),
     ('SMALL = [1]', r"SMALL in .*half\.py is a list: it is a dict")],
)  # fmt: skip
def test_small_settings_that_do_not_fit_are_said(top, said, tmp_path):
    with pytest.raises(WordError, match=said):
        planned(tmp_path, top)


def test_a_word_without_a_default_must_be_given(tmp_path):
    file = write(tmp_path / "half.py")
    file.write_text(
        file.read_text()
        .replace("depth: int = 1)", "depth: int, *, wide: int)")
        .replace("0.5,", "0.5, *,")
        .replace("*, wide", "wide")
    )
    where = pictures(tmp_path)
    with pytest.raises(Mistake, match=r"half\.py:half has to be told depth, wide: give depth=\.\.\."):
        hs.plan(where, recipe=str(file), log=Log(quiet=True), **SHORT)
    assert hs.plan(where, recipe=str(file), depth=1, wide=2, log=Log(quiet=True), **SHORT).arguments["depth"] == 1


# verbs


def test_its_card_shows_and_the_contract_can_be_checked(tmp_path):
    file = write(tmp_path / "my half.py", top='SMALL = {"depth": 2}\nMEANINGLESS = {"table": "for a reason"}')
    said = CliRunner().invoke(app, ["recipes", f"{file}:half"])
    assert said.exit_code == 0, said.output
    for part in ("Half: half of the rows", "Hides: half", f"Source: {file}.", "Evidence: none yet.", "depth = 1; 2",
                 "half: Drop `ratio`", "ratio = 0.5", "Means nothing on: table (for a reason)."):  # fmt: skip
        assert part in said.output, part
    assert CliRunner().invoke(app, ["recipes", f"{file}:quarter"]).exit_code == 2
    method = find(f"{file}:half")
    check_recipe(method, tiny_data("series"))
    assert small(method) == {"depth": 2} and meaningless(method) == {"table": "for a reason"}


def test_a_run_keeps_its_method(tmp_path, monkeypatch, capsys):
    """Trained by a relative path, with a file beside it; then probed, repeated and embedded from elsewhere: unchanged,
    changed, and gone."""
    place, elsewhere, where = tmp_path / "here" / "methods", tmp_path / "elsewhere", pictures(tmp_path)
    file = write(place / "half.py", top="from parts import amount\n", inside="ratio = ratio * amount()")
    (place / "parts.py").write_text("def amount():\n    from share import one\n    return one\n")
    (place / "share.py").write_text("one = 1.0\n")
    (place / "other.py").write_text("raise RuntimeError('nobody imports this')\n")
    elsewhere.mkdir()
    monkeypatch.chdir(place.parent)
    done = hs.pretrain(where, recipe="methods/half.py", log=Log(quiet=True), **SHORT)
    run = done.folder.resolve()
    assert done.folder == Path("runs/half-x")
    assert json.loads((run / "run.json").read_text())["plan"]["recipe"] == f"{file}:half"
    assert (run / "recipe.py").read_bytes() == file.read_bytes()
    assert sorted(p.name for p in (run / "recipe").iterdir()) == ["parts.py", "share.py"]
    monkeypatch.chdir(elsewhere)

    def use(said: str) -> None:
        capsys.readouterr()
        pairs = hs.again(run, trust=True)
        assert len(pairs) == 4 and all(then == now for then, now in pairs)
        assert said in capsys.readouterr().out
        assert list(hs.probe(run, where, trust=True)) == ["raw input", "random encoder", "pre-trained"]
        assert said in capsys.readouterr().out
        assert hs.load(run).embed(where).shape[0] == 80
        again = hs.pretrain(where, recipe=str(file), log=Log(quiet=True), **SHORT, **{"run.out": str(run)})
        assert again.outcome.step == 4  # it was finished

    hs.again(run, trust=True)
    assert "own copy" not in capsys.readouterr().out
    (place / "share.py").write_text("one = 0.5\n")
    use(f"recipe    {place / 'share.py'} has changed since; this run's own copy is taken, {run / 'recipe.py'}")
    file.write_text("an edit that is under way(\n")
    use(f"recipe    {file} has changed since")
    shutil.rmtree(place)
    use(f"recipe    {file} is gone; this run's own copy is taken")
    shutil.move(run, tmp_path / "moved")
    assert all(then == now for then, now in hs.again(tmp_path / "moved", log=Log(quiet=True), trust=True))


def test_parts_of_its_own_are_found_in_the_copy_by_whom_they_are_trusted(tmp_path):
    """In another process, after the original was deleted: an encoder whose trunk is a class of the method's file."""
    file, where, run = tmp_path / "methods" / "half.py", pictures(tmp_path), tmp_path / "run"
    top = "from headstart.nn.transformer import Transformer\n\nclass Own(Transformer): ...\n"
    write(file, top=top)
    file.write_text(
        file.read_text().replace("encoder(data.tokenizers, size)", "encoder(data.tokenizers, size, trunk=Own)")
    )
    done = hs.pretrain(where, recipe=str(file), log=Log(quiet=True), **SHORT, **{"run.out": str(run)})
    shutil.rmtree(file.parent)
    code = f"""
import headstart as hs, numpy as np
from headstart.errors import Mistake
try: hs.load({str(run)!r})
except Mistake as mistake: print(mistake)
z = hs.load({str(run)!r}, trust=True).embed({where!r})
np.save({str(tmp_path / "z.npy")!r}, z)
hs.again({str(run)!r}, trust=True)
print(sorted(hs.probe({str(run)!r}, {where!r}, trust=True)))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SOURCE}
    )
    assert said.returncode == 0, said.stderr
    assert ".half.Own, which is code from outside headstart" in said.stdout and "trust=True" in said.stdout
    assert "['pre-trained', 'random encoder', 'raw input']" in said.stdout
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), done.load().embed(where))
    assert CliRunner().invoke(app, ["embed", str(run), where, "trust=maybe"]).exit_code == 2


def test_an_interrupted_run_goes_on_without_the_original(tmp_path, monkeypatch):
    where, words = pictures(tmp_path), {**SHORT, "run.dtype": "fp32"}
    files = [write(tmp_path / place / "half.py") for place in ("a", "b")]
    runs = [tmp_path / "run a", tmp_path / "run b"]
    with mock.patch.object(timekeeping, "train", partial(train, until=2)):
        stopped = hs.pretrain(where, recipe=str(files[0]), log=Log(quiet=True), **words, **{"run.out": str(runs[0])})
    assert stopped.outcome.interrupted
    shutil.rmtree(files[0].parent)
    for name in (f"{files[0]}", f"{files[0]}:half"):
        done = hs.pretrain(where, recipe=name, log=Log(quiet=True), **words, **{"run.out": str(runs[0])})
        assert not done.outcome.interrupted
    whole = hs.pretrain(where, recipe=str(files[1]), log=Log(quiet=True), **words, **{"run.out": str(runs[1])})
    losses = [[row["loss"] for row in Log(run / "log.jsonl", quiet=True).rows("step")] for run in runs]
    assert losses[0] == losses[1] and len(losses[0]) == 4 and whole.outcome.step == 4
    with pytest.raises(WordError, match="holds another run"):
        hs.pretrain(where, recipe=str(files[1]), log=Log(quiet=True), **words, **{"run.out": str(runs[0])})


def test_a_module_that_is_not_here_is_taken_from_the_copy(tmp_path, monkeypatch):
    write(tmp_path / "lib" / "far_things" / "own.py", top="from .parts import x\n")
    (tmp_path / "lib" / "far_things" / "parts.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    original = tmp_path / "lib" / "far_things" / "own.py"
    (tmp_path / "run").mkdir()
    shutil.copy(original, tmp_path / "run" / "recipe.py")
    assert kept("far_things.own:half", tmp_path / "run") == (find("far_things.own:half"), "")
    original.write_text(original.read_text() + "\n# changed\n")
    method, said = kept("far_things.own:half", tmp_path / "run")
    assert said.startswith(f"{original} has changed since") and method is not find("far_things.own:half")
    check_recipe(method, tiny_data("image"))
    (tmp_path / "run" / "recipe.py").write_text(METHOD.format(top="", inside=""))
    method, said = kept("not_here.own:half", tmp_path / "run")
    assert said.startswith("not_here.own cannot be imported here; this run's own copy is taken")
    torch.manual_seed(0)
    check_recipe(method, tiny_data("image"))
    for name in [m for m in sys.modules if m.partition(".")[0] == "far_things"]:
        monkeypatch.delitem(sys.modules, name)
