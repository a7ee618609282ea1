"""`headstart neighbours`: exact, never itself, copies found; in a table, in arrays, and on a page."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.analyses import neighbours as module
from headstart.analyses.neighbours import directions, nearest
from headstart.cli import app
from headstart.data.source import DataError
from headstart.errors import Mistake
from headstart.log import Log
from headstart.tiny import tiny
from headstart.words import WordError

QUIET = Log(quiet=True)


def plain(bank: np.ndarray, query: np.ndarray, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The same without blocks."""
    s = query @ bank.T
    if own is not None:
        s[np.arange(len(query)), own] = -np.inf
    at = np.argsort(-s, axis=1, kind="stable")[:, :k]
    return at, np.take_along_axis(s, at, 1)


@pytest.mark.parametrize("n", [2, 31, 100, 257])
def test_blocks_find_what_all_at_once_finds(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever falls on an edge of a block or a group."""
    for name, value in (("QUERIES", 50), ("BANK", 64), ("GROUP", 8)):
        monkeypatch.setattr(module, name, value)
    rng = np.random.default_rng(n)
    bank, query = directions(
        rng.standard_normal((n, 12)).astype(np.float32), rng.standard_normal((70, 12)).astype(np.float32)
    )
    for own, asked in ((None, query), (np.arange(n), bank)):
        found = nearest(bank, asked, 7, own)
        at, s = plain(bank, asked, min(7, n - (own is not None)), own)
        np.testing.assert_allclose(found.similarity, s, atol=1e-5)
        np.testing.assert_array_equal(found.index, at)


def test_none_is_its_own_neighbour_though_copies_of_it_are(tmp_path: Path) -> None:
    x = np.repeat(np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32), 3, axis=0)
    found = nearest(*directions(x, x), 2, np.arange(15))
    for i, index in enumerate(found.index.tolist()):
        assert i not in index and {j // 3 for j in index} == {i // 3}
    assert len(found.same()) == 15


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(pictures, of which six have a copy; an encoder)."""
    data = pictures(tmp_path_factory.mktemp("pictures"), copies=6)
    return data, encoder_of(str(data), tmp_path_factory.mktemp("encoder"))


def test_planted_copies_are_found(place: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = place
    found = hs.neighbours(run, str(data), k=3, out=tmp_path / "near.csv")
    said = capsys.readouterr().out
    assert "alike     12 of 46 are nearly the same as another" in said
    copies = [name for name in found.names if "copy" in name]
    assert len(copies) == 6 and set(found.same) == {*copies, *(name.replace("-copy", "") for name in copies)}
    for name in copies:
        (first, similarity), (_, second), _ = found.of(name)
        assert first == name.replace("-copy", "") and similarity > 0.9999 > second
    rows = list(csv.DictReader((tmp_path / "near.csv").read_text().splitlines()))
    assert list(rows[0]) == ["name", "rank", "neighbour", "similarity"] and len(rows) == 46 * 3
    assert all(row["name"] != row["neighbour"] for row in rows)
    assert [float(r["similarity"]) for r in rows[:3]] == sorted(
        (float(r["similarity"]) for r in rows[:3]), reverse=True
    )


def test_one_sample_is_asked_for_by_name_or_path_and_others_by_path(place: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = place
    for of in ("lying/00.png", str(data / "lying" / "00.png")):
        found = hs.neighbours(run, str(data), of=of, k=2, log=QUIET)
        assert found.queries == ["lying/00.png"] and found.of("lying/00.png")[0][0] == "lying/00-copy.png"
    other = tmp_path / "other.png"
    other.write_bytes((data / "standing" / "03.png").read_bytes())
    found = hs.neighbours(run, str(data), of=str(other), k=2, out=tmp_path / "near.npz", log=QUIET)
    assert found.queries == ["other.png"]
    assert {name for name, _ in found.of("other.png")} == {"standing/03.png", "standing/03-copy.png"}
    with np.load(tmp_path / "near.npz") as kept:
        assert kept["query"].tolist() == ["other.png"] and kept["index"].shape == (1, 2)
        assert set(kept["name"][kept["index"][0]]) == {"standing/03.png", "standing/03-copy.png"}


@pytest.mark.parametrize("kind", ["image", "series", "text", "table"])
def test_a_page_shows_queries_and_neighbours_of_any_kind(kind: str, tmp_path: Path) -> None:
    run = encoder_of(tiny(kind), tmp_path / "run")
    hs.neighbours(run, tiny(kind), k=3, out=tmp_path / "near.html", log=QUIET)
    page = (tmp_path / "near.html").read_text()
    assert page.count("<section>") == 12 and page.count("<figure>") == 12 * 4 and "http" not in page
    mark = {"image": "<img", "series": "<path", "text": "<pre", "table": "<td>"}[kind]
    assert page.count(mark) >= 48


def test_mistakes_are_sentences(place: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = place
    with pytest.raises(DataError, match=r"did you mean lying/30\.png"):
        hs.neighbours(run, str(data), of="lying/0.png", log=QUIET)
    with pytest.raises(DataError, match=r"out=near\.xls should end in one of \.csv, \.npz, \.html"):
        hs.neighbours(run, str(data), out="near.xls", log=QUIET)
    (tmp_path / "file").write_text("")
    (tmp_path / "z.csv").mkdir()
    for verb, out in itertools.product(
        (hs.neighbours, hs.embed, hs.outliers), ("file/z.csv", "file/far/z.csv", "z.csv")
    ):
        with pytest.raises(Mistake, match=r"cannot be written .*: choose a place that can be written"):
            verb(run, str(tmp_path / "no data is read before"), out=tmp_path / out, log=QUIET)
    with pytest.raises(DataError, match=r"out=z\.xls should end in one of \.npz, \.csv, \.parquet"):
        hs.embed(run, str(tmp_path / "no data is read before"), out="z.xls", log=QUIET)
    with pytest.raises(DataError, match="there is no file or folder"):
        hs.embed(run, str(tmp_path / "nothing"), out=tmp_path / "new" / "z.csv", log=QUIET)
    assert not (tmp_path / "new").exists()
    with pytest.raises(WordError, match="at least one neighbour"):
        hs.neighbours(run, str(data), k=0, log=QUIET)
    said = CliRunner().invoke(app, ["neighbours", str(run), str(data), "k=many"])
    assert said.exit_code == 2 and ": it takes a whole number" in said.output
    said = CliRunner().invoke(app, ["neighbours", str(run), str(data), "k=2"])
    assert said.exit_code == 0 and (run / "neighbours.csv").exists()
    assert "Example: headstart neighbours" in CliRunner().invoke(app, ["neighbours", "--help"]).output
