"""Every recipe the whole way: files in a folder, one command, an encoder back, the first steps again."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.test_kinds import ASKED, COUNT, PLACES, SMALL, image, text

import headstart as hs
from headstart.log import Log
from headstart.shelf.find import find, names, spelled
from headstart.shelf.measured import matrix
from headstart.words import arguments

LIGHT = {
    "codes": 32,
    "local": 1,
    "queue": 24,
    "width": 16,
    "depth": 1,
    "row_codes": 16,
    "rank": 4,
}  # of SMALL's arguments


def words(name: str) -> dict:
    """Settings that cost little, and a base to go on from where the recipe asks for one."""
    return {k: v for k, v in LIGHT.items() if k in arguments(find(name))}


def pretrained(name: str, place: Path, out: Path, **more):
    return hs.pretrain(
        str(place), recipe=name, log=Log(quiet=True), **{**SMALL, **words(name), **more, "run.out": str(out)}
    )


@pytest.mark.parametrize("name", names())
def test_every_recipe_goes_the_whole_way(name, tmp_path):
    (tmp_path / "data").mkdir()
    table = matrix()[name]
    order = ("image", "series", "points", "trajectory", "audio", *PLACES)
    kind = next((k for k in order if not table["kinds"][k] and k not in table["meaningless"]), "pair")
    place, out, more = tmp_path / "data", tmp_path / "run", {}
    if kind == "pair":
        for i in range(COUNT):
            image(place / f"{i:03d}", i % 2)
            text(place / f"{i:03d}", i % 2)
    else:
        place, more = PLACES[kind](place), dict(ASKED.get(kind, {}))
    if "base" in arguments(find(name)):
        pretrained("mae", place, tmp_path / "base")
        more["base"] = str(tmp_path / "base")
    run = pretrained(name, place, out, **more)
    assert np.isfinite(run.outcome.losses).all() and len(run.outcome.losses) == SMALL["steps"] and run.verdict
    assert json.loads((out / "health.json").read_text())["signs"] == []  # no false alarm
    assert json.loads((out / "run.json").read_text())["plan"]["recipe"] == name and (out / "report.html").exists()
    encoder = hs.load(out / "image" if kind == "pair" else out)
    if kind != "pair":
        z = encoder.embed(str(place))
        assert z.shape == (len(z), encoder.width) and len(z) >= COUNT and np.isfinite(z).all()
    if "base" in more:
        assert list(run.results) == ["raw input", "random encoder", "base encoder", "pre-trained"]
    again = hs.again(out, log=Log(quiet=True))
    assert again and all(then == now for then, now in again)


def test_plan_warns_where_there_is_nothing_to_learn(tmp_path, capsys):
    planned = hs.plan(str(PLACES["table"](tmp_path)), recipe="droppos", steps=2)
    said = capsys.readouterr().out
    assert planned.recipe == "droppos" and "can learn nothing from table data: columns have no order" in said


@pytest.mark.parametrize("name", ["beats", "poa", "structural-ssl-rts-slm", "swav"])
def test_plan_and_probe_need_no_data_of_the_run(name, tmp_path):
    """What builds a recipe anew for its shapes alone: methods with phases, parts, stocks of rows and queues."""
    (tmp_path / "data").mkdir()
    place, name = PLACES["image"](tmp_path / "data"), spelled(name)
    assert hs.plan(str(place), recipe=name, log=Log(quiet=True), **{**SMALL, **words(name)}).rows > 0
    pretrained(name, place, tmp_path / "run")
    table = hs.probe(tmp_path / "run", str(place), log=Log(quiet=True))
    assert list(table) == ["raw input", "random encoder", "pre-trained"]
