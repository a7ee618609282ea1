"""`headstart outliers`: what was planted scores highest, among the data or against normal data."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.analyses.unusual import unusual
from headstart.cli import app
from headstart.data.source import DataError
from headstart.log import Log
from headstart.probes import standardise

QUIET = Log(quiet=True)


def places() -> np.ndarray:
    """A dense cloud and a sparse one [400, 8]."""
    rng = np.random.default_rng(0)
    dense, sparse = rng.normal(0, 0.1, (200, 8)), rng.normal(6, 2, (200, 8))
    return np.concatenate([dense, sparse]).astype(np.float32)


def test_what_is_far_for_its_place_scores_highest() -> None:
    """A sample beside a dense cloud is nearer to others than any of a sparse one, and is unusual all the same."""
    x = places()
    odd = np.full((1, 8), 0.9, np.float32)
    found = unusual(np.concatenate([x, odd]))
    assert found.score.argmax() == 400 and found.score[400] > 3 > found.score[:400].max()
    assert found.distance[400].mean() < found.distance[200:400].mean(1).max()
    assert found.share[400] == pytest.approx(1 / 401) and found.share.max() == 1


def test_it_is_the_local_outlier_factor() -> None:
    """scikit-learn's on the same vectors, among themselves and of new ones."""
    x, new = places(), np.random.default_rng(1).normal(3, 3, (50, 8)).astype(np.float32)
    bank, query = standardise(x, new)
    found, full = unusual(x), LocalOutlierFactor(n_neighbors=20).fit(bank)
    np.testing.assert_allclose(found.distance, full.kneighbors()[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.score, -full.negative_outlier_factor_, rtol=1e-3)
    novelty = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(bank)
    np.testing.assert_allclose(unusual(new, x).score, -novelty.score_samples(query), rtol=1e-3)


def test_copies_are_not_unusual() -> None:
    x = np.repeat(np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32), 30, axis=0)
    np.testing.assert_allclose(unusual(x).score, 1, atol=1e-3)


def test_against_normal_data_shares_are_those_of_normal_samples() -> None:
    """New normal samples have shares spread over 0 to 1; others have none."""
    x, rng = places(), np.random.default_rng(1)
    new = np.concatenate([rng.normal(6, 2, (200, 8)), rng.normal(-20, 1, (30, 8))]).astype(np.float32)
    found = unusual(new, x)
    assert (found.share[200:] == 0).all() and 0.3 < found.share[:200].mean() < 0.6
    assert found.index.max() < len(x)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """(pictures; the same and three of noise; an encoder)."""
    normal = pictures(tmp_path_factory.mktemp("normal"), 60)
    spoiled = pictures(tmp_path_factory.mktemp("spoiled"), 60, odd=3)
    return normal, spoiled, encoder_of(str(normal), tmp_path_factory.mktemp("encoder"))


def test_planted_pictures_of_noise_come_first(
    place: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    normal, spoiled, run = place
    planted = {f"lying/odd{i}.png" for i in range(3)}
    found = hs.outliers(run, str(spoiled), out="odd.csv")
    said = capsys.readouterr().out
    assert set(found.names[:3]) == planted and "unusual to this encoder, not wrong" in said
    rows = list(csv.DictReader(Path("odd.csv").read_text().splitlines()))
    assert len(rows) == 63 and {row["name"] for row in rows[:3]} == planted
    assert list(rows[0]) == ["name", "score", "share", "nearest", "distance"]
    against = hs.outliers(run, str(spoiled), against=str(normal), out="odd.html", most=5)
    assert set(against.names[:3]) == planted and (against.share[:3] == 0).all()
    said = capsys.readouterr().out
    assert "3 of 63 score higher than any normal sample; of as many normal ones about 1 would" in said
    assert "60 normal samples tell no share below 1.7%" in said
    page = Path("odd.html").read_text()
    assert page.count("<section>") == 5 and "lying/odd0.png" in page and "not wrong" in page and "http" not in page


def test_mistakes_are_sentences(place: tuple[Path, Path, Path], tmp_path: Path) -> None:
    normal, _, run = place
    with pytest.raises(DataError, match="from 10 on"):
        hs.outliers(run, str(normal), against=str(pictures(tmp_path / "few", 4)), log=QUIET)
    said = CliRunner().invoke(app, ["outliers", str(run), str(normal), "out=odd.txt"])
    assert said.exit_code == 2 and "should end in one of .csv, .html" in said.output
    gone = str(tmp_path / "nowhere")  # the normal data is looked at first, as it may be too little
    with pytest.raises(DataError, match="from 10 on"):
        hs.outliers(run, gone, against=str(tmp_path / "few"), log=QUIET)
    said = CliRunner().invoke(app, ["outliers", str(run), str(normal), "most=0"])
    assert said.exit_code == 2 and "at least one" in said.output
    assert "Example: headstart outliers" in CliRunner().invoke(app, ["outliers", "--help"]).output
