"""`name=value`: read as Python would, fitted to what is wanted, and never ignored."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headstart.errors import so_many
from headstart.nn.encoder import Model
from headstart.optim import AdamW
from headstart.planning.sorting import sort_words
from headstart.recipe import Input, Run
from headstart.shelf.find import find, names, small
from headstart.step import Step, cosine, warmup_cosine
from headstart.tasks.asked import Asked
from headstart.words import WordError, arguments, changed, fit, literal, parse, unknown


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.6", 0.6), (".6", 0.6), ("1e-4", 1e-4), ("2000", 2000), ("1_000", 1000), ("true", True), ("False", False),
     ("none", None), ("runs/a", "runs/a"), ("S", "S"), ("'7'", "7"), ("(0.9, 0.98)", (0.9, 0.98)), ("", ""),
     ("a=b", "a=b"), ("import os", "import os"), ("__import__('os')", "__import__('os')")],
)  # fmt: skip
def test_literals(text, value):
    said = literal(text)
    assert said == value and type(said) is type(value)


def test_parse():
    assert parse(["ratio=.6", "optim.lr=1e-4", "run.out=runs/a=b"]) == {
        "ratio": 0.6,
        "optim.lr": 1e-4,
        "run.out": "runs/a=b",
    }
    assert parse([], {"ratio": 0.5, "run": {"minutes": 4}, "optim.lr": 1.0}) == {
        "ratio": 0.5,
        "run.minutes": 4,
        "optim.lr": 1.0,
    }
    assert parse(["a=1", "a=2"], {"a": 3}) == {"a": 3}
    for wrong in ("ratio", "=3", "--ratio"):
        with pytest.raises(WordError, match="words are name=value, like steps=2000"):
            parse([wrong])


@pytest.mark.parametrize(
    ("value", "wanted", "fitted"),
    [(1, float, 1.0), (2.0, int, 2), (3, int | None, 3), (None, int | None, None), ("S", str | Model, "S"),
     (True, bool, True), (1, int, 1), ((0.9, 0.98), tuple[float, float], (0.9, 0.98)), ("x", Any, "x"),
     (Model(12), str | Model, Model(12)), (0.5, float | Callable[[Step], float], 0.5)],
)  # fmt: skip
def test_fit(value, wanted, fitted):
    said = fit("word", value, wanted)
    assert said == fitted and type(said) is type(fitted)


@pytest.mark.parametrize(
    ("value", "wanted", "said"),
    [(0.5, int, "word=0.5: it takes a whole number"), ("many", float, "takes a number"), (1, bool, "true or false"),
     (True, int, "a whole number"), (True, float, "a number"), (None, int, "a whole number"),
     (2.5, int | None, "a whole number or none"), (0.9, tuple[float, float], "tuple")],
)  # fmt: skip
def test_misfits(value, wanted, said):
    with pytest.raises(WordError, match=said):
        fit("word", value, wanted)


def test_unknown_words_name_the_nearest():
    said = str(unknown("ratoi", ["alien", "ratio", "steps"]))
    assert said == "there is no word 'ratoi' here; did you mean ratio? the words are: alien, ratio, steps"
    assert "did you mean" not in str(unknown("zzz", ["ratio"]))


def test_changed():
    optim = AdamW(lr=warmup_cosine(1e-3, over=0.2, end=1e-5), weight_decay=cosine(0.04, 0.4))
    new = changed(optim, {"lr": 3e-4, "weight_decay": 0, "betas": (0.9, 0.98)}, "optim")
    assert new.lr == warmup_cosine(3e-4, over=0.2, end=1e-5)  # the peak moves, the shape stays
    assert new.weight_decay == 0.0 and type(new.weight_decay) is float and new.betas == (0.9, 0.98)
    assert optim.lr.peak == 1e-3 and new.clip == optim.clip
    assert changed(Run(), {"minutes": 4, "compile": True}, "run") == Run(minutes=4.0, compile=True)
    assert changed(Input(), {"side": None, "batch": 64.0}, "data").batch == 64
    assert changed(Run(), {}, "run") == Run()
    with pytest.raises(WordError, match=r"^horizon=2\.5: it takes a whole number or none$"):
        changed(Asked(), {"horizon": 2.5}, "")


@pytest.mark.parametrize(
    ("record", "changes", "said"),
    [(AdamW(), {"learning_rate": 1}, "no word 'optim.learning_rate' here.*optim.lr"),
     (Run(), {"minuts": 1}, "did you mean run.minutes"), (Run(), {"seed": 0.5}, "run.seed=0.5: it takes a whole number"),
     (Input(), {"batch": "big"}, "data.batch=big: it takes a whole"), (Model(), {"width": None}, "model.width=None: it takes")],
)  # fmt: skip
def test_changes_that_do_not_fit(record, changes, said):
    group = {AdamW: "optim", Run: "run", Input: "data", Model: "model"}[type(record)]
    with pytest.raises(WordError, match=said):
        changed(record, changes, group)


def test_sort_words():
    words = "recipe=gmml ratio=.6 size=S steps=9 optim.lr=1e-4 run.minutes=4 model.width=64 data.batch=8"
    groups = sort_words(parse(words.split()), find("gmml"))
    assert groups[""] == {"ratio": 0.6} and groups["bare"] == {"recipe": "gmml", "size": "S", "steps": 9}
    assert groups["optim"] == {"lr": 1e-4} and groups["run"] == {"minutes": 4}
    assert groups["model"] == {"width": 64} and groups["data"] == {"batch": 8}


@pytest.mark.parametrize(
    ("word", "recipe", "said"),
    [("ratoi=.6", "mae", "no word 'ratoi' here; did you mean ratio"), ("alien=.3", "mae", "no word 'alien' here"),
     ("lr=1e-3", "mae", "optim.lr"), ("minutes=3", "mae", "run.minutes"), ("optm.lr=1", "mae", "did you mean optim.lr"),
     ("ratio=half", "gmml", "ratio=half: it takes a number"), ("depth=2.5", "mae", "depth=2.5: it takes a whole number"),
     ("data=3", "mae", "no word 'data' here")],
)  # fmt: skip
def test_words_that_go_nowhere(word, recipe, said):
    with pytest.raises(WordError, match=said):
        sort_words(parse([word]), find(recipe))


def test_every_recipe_has_words_of_plain_types():
    """What can be typed on a command line can be given to a recipe."""
    for name in names():
        for word, parameter in arguments(find(name)).items():
            assert parameter.annotation in (int, float, bool, str), f"{name}({word})"
            assert fit(word, parameter.default, parameter.annotation) == parameter.default
    for name in names():
        settings = small(find(name))
        assert settings is not None, f"the file of {name} does not say what it takes at small scale (SMALL)"
        sort_words(settings, find(name))
        for word, value in settings.items():
            if word.startswith("optim."):
                changed(AdamW(lr=warmup_cosine(1.0)), {word[6:]: value}, "optim")


def test_find():
    assert find("headstart.recipes.mae:mae") is find("mae")
    with pytest.raises(WordError, match="no recipe 'mea' here; did you mean mae"):
        find("mea")
    with pytest.raises(WordError, match="recipe=nowhere:at_all cannot be imported"):
        find("nowhere:at_all")


def test_a_file_here_is_a_recipe(tmp_path, monkeypatch):
    (tmp_path / "own_recipe.py").write_text("def own(data, size='S'):\n    return None\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find("own_recipe:own").__name__ == "own"
    assert find("structural-ssl-rts-slm") is find("structural_ssl_rts_slm")


def test_groups_are_frozen():
    for record in (AdamW(), Run(), Input(), Model()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, dataclasses.fields(record)[0].name, 1)


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [
        (1, "class", "1 class"),
        (0, "class", "0 classes"),
        (1, "image sample", "1 image sample"),
        (1200, "file", "1,200 files"),
    ],
)
def test_counts_agree_with_what_is_counted(count, what, said):
    assert so_many(count, what) == said
