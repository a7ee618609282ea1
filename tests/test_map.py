"""`headstart map`: groups stay apart and near stays near, said with a number; the page is one file and runs nothing of names."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.analyses.mapping import clusters, mapped
from headstart.analyses.neighbours import directions
from headstart.cli import app
from headstart.data.source import DataError
from headstart.data.sources.listed import ListSource
from headstart.log import Log

QUIET = Log(quiet=True)


def groups(spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds [120, 16] and which is which."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    return (rng.normal(0, 2, (3, 16))[labels] + spread * rng.standard_normal((120, 16))).astype(np.float32), labels


def test_a_map_keeps_groups_apart_and_says_how_far_it_can_be_trusted() -> None:
    z, labels = groups()
    found = mapped(z)
    assert found.trust is not None and found.trust > 0.9 and np.abs(found.at).max() <= 1 + 1e-6
    assert found.trust == pytest.approx(trustworthiness(directions(z, z)[0], found.at, n_neighbors=10), abs=1e-6)
    one_out = KNeighborsClassifier(5).fit(found.at[::2], labels[::2]).score(found.at[1::2], labels[1::2])
    assert one_out > 0.95 and "t-SNE" in found.said() and "mean nothing" in found.said()
    lost = mapped(
        np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    )  # sixty-four directions do not fit
    assert lost.trust is not None and lost.trust < found.trust - 0.05 and "not near to the encoder" in lost.said()


def test_equal_seeds_give_equal_maps() -> None:
    z, _ = groups()
    np.testing.assert_array_equal(mapped(z, 3).at, mapped(z, 3).at)


def test_clusters_are_found_and_are_as_many_as_there_are() -> None:
    z, labels = groups()
    found = clusters(z)
    assert found.max() == 2 and all(len(np.unique(labels[found == c])) == 1 for c in range(3))
    assert (clusters(np.zeros((30, 4), np.float32)) == 0).all()


@pytest.mark.parametrize("n", [3, 11, 12, 20])
def test_few_and_equal_vectors_are_no_trouble(n: int) -> None:
    z = np.random.default_rng(0).standard_normal((n, 5)).astype(np.float32)
    assert mapped(z).at.shape == (n, 2) and mapped(z).trust is None
    assert (mapped(np.ones((n, 5), np.float32)).at == 0).all()
    assert np.isfinite(mapped(np.repeat(z[:2], n, axis=0)[:n]).at).all()


def test_the_page_has_a_dot_for_every_sample_and_thumbnails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pictures(tmp_path / "pictures", 60)
    run = encoder_of(str(data), tmp_path / "run")
    found = hs.map(run, str(data), out="map.html")
    said = capsys.readouterr().out
    page = Path("map.html").read_text()
    assert page.count("<circle") == 60 == len(found.names) and found.trust is not None
    assert f"trustworthiness {found.trust:.3f}" in page and f"trustworthiness {found.trust:.3f}" in said
    assert "http" not in page and "//" not in re.sub("base64,[^']*", "", page) and "id=sheet" in page
    titles = set(re.findall("<title>(.*?)</title></circle>", page))
    assert "lying/00.png · lying" in titles and len(titles) == 60
    assert {"lying (30)", "standing (30)"} <= set(re.findall("</i>([^<]*)</li>", page))
    assert found.groups is not None and set(found.groups.tolist()) == {0, 1}


def test_of_many_samples_some_are_drawn_by_lot_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{'red' if i % 2 else 'sea'} {i}" for i in range(80)]
    source = ListSource(rows, "text")
    run = encoder_of(source, tmp_path / "run")
    found = hs.map(run, source, most=30, seed=1, out="map.html")
    assert len(set(found.names)) == 30 and "30 of 80 samples, drawn by lot" in capsys.readouterr().out
    assert found.names != hs.map(run, source, most=30, seed=2, log=QUIET).names
    page = Path("map.html").read_text()
    assert "30 of 80 samples, drawn by lot" in page and "clusters (k-means)" in page and "id=sheet" not in page


def test_names_are_no_html(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\">"
    source = ListSource(
        [f"text {i}" for i in range(14)], "text", [evil, "b"] * 7, names=[f"{evil}{i}" for i in range(14)]
    )
    run = encoder_of(source, tmp_path / "run")
    hs.map(run, source, out="map.html", log=QUIET)
    page = Path("map.html").read_text()
    assert "<script>alert" not in page and html.escape(evil) in page


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    source = ListSource([f"text {i}" for i in range(5)], "text")
    run = encoder_of(source, tmp_path / "run")
    with pytest.raises(DataError, match="fewer than 12"):
        hs.map(run, source, log=QUIET)
    with pytest.raises(DataError, match=r"should end in one of \.html"):
        hs.map(run, source, out="map.png", log=QUIET)
    said = CliRunner().invoke(app, ["map", str(run), "digits", "most=3"])
    assert said.exit_code == 2 and "most=3" in said.output
    assert "Example: headstart map" in CliRunner().invoke(app, ["map", "--help"]).output
