"""The page about a run: every section is there, on one page that asks nobody for anything, and can be written anew."""

import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.vectors import pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.data.source import DataError
from headstart.data.sources.listed import ListSource
from headstart.kinds import KINDS
from headstart.log import Log
from headstart.nn.encoder import Model
from headstart.picture import Restored, restored_rows
from headstart.recipes.mae import mae
from headstart.reporting.charts import curve
from headstart.showing.page import document
from headstart.showing.restoration import restoration
from headstart.tiny import tiny, tiny_data, tiny_pair

QUIET = Log(quiet=True)
SMALL = {"steps": 4, "data.batch": 8, "run.device": "cpu", "model.width": 16, "model.depth": 1, "model.heads": 2}
SECTIONS = ["worth", "went", "data", "restored", "neighbours", "map", "cost", "bad", "load"]
EVIL = "<script>alert(1)<"  # a file's name holds no slash
ALONE = {"meta", "img", "br"}  # tags that HTML never closes


class Checked(HTMLParser):
    """Tags that are opened are closed; what could reach out is counted."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag in ("link", "iframe", "object", "embed") or any(name.startswith("on") for name, _ in attrs):
            self.wrong.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith(("data:", "#")):
                self.wrong.append(f"{tag} {name}={value}")
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ALONE:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            if tag not in ("html", "ul"):
                self.wrong.append(f"/{tag}")


def checked(page: str) -> str:
    found = Checked(page)
    assert not found.wrong and not found.scripts
    assert "http" not in page and "//" not in re.sub("base64,[^']*", "", page)
    return page


def trained(where: object, out: Path, *words: str, **more: object) -> Path:
    hs.pretrain(where, *words, log=QUIET, **{**SMALL, "run.out": str(out), **more})
    return out


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(pictures, of which one has a name like a tag and one is broken; the run)."""
    data = pictures(tmp_path_factory.mktemp("pictures"), 100)
    (data / "lying" / "00.png").rename(data / "lying" / f"{EVIL}.png")
    (data / "lying" / f"{EVIL}broken.png").write_bytes(b"")
    return data, trained(
        str(data), tmp_path_factory.mktemp("runs") / "a", "recipe=mae", **{"data.held": 0.3, "data.patch": 2}
    )


def test_every_section_is_there_and_the_page_is_alone(finished: tuple[Path, Path]) -> None:
    _, run = finished
    page = checked((run / "report.html").read_text())
    assert re.findall("<h2 id=(\\w+)>", page) == SECTIONS == re.findall("<a href='#(\\w+)'>", page)
    assert "<script>alert" not in page and html.escape(EVIL) in page
    assert page.count("<circle") == 70 and "trustworthiness" in page
    assert "masked input, reconstruction, original" in page
    assert f"hs.load({str(run)!r})" in html.unescape(page)
    took = [
        (row["seconds"], row["waited"])
        for row in map(json.loads, (run / "log.jsonl").read_text().splitlines())
        if row["event"] == "took"
    ]
    assert len(took) == 1 and took[0][0] > 0 and took[0][1] == 0 and "samples a second" in page and "GiB" in page
    assert "1 files or samples were left out" in page and html.escape(f"{EVIL}broken.png") in page


def test_the_verdict_and_the_table_say_what_probe_json_says(finished: tuple[Path, Path]) -> None:
    _, run = finished
    page, kept = html.unescape((run / "report.html").read_text()), json.loads((run / "probe.json").read_text())
    assert kept["worth"] in page and kept["judged"] in page
    assert json.loads((run / "health.json").read_text())["verdict"] in page
    for row, marks in kept["results"].items():
        assert f"<td>{row}</td>" in page
        assert all(f"{figure['value']:.3f}" in page for figure in marks.values())


def test_curves_have_baselines_drawn_in(finished: tuple[Path, Path]) -> None:
    page = (finished[1] / "report.html").read_text()
    quick = [c for c in re.findall("<p class=chart>.*?</p>", page) if "knn" in c]
    assert len(quick) == 1 and "before training" in quick[0] and quick[0].count("<line class='bar") >= 1
    drawn = curve([(0, 1.0), (1, 3.0), (2, 2.0)], "x", {"low": 0.0, "high": 4.0})
    line = [float(pair.split(",")[1]) for pair in re.findall("points='([^']*)'", drawn)[0].split()]
    bars = [float(y) for y in re.findall(r"class='bar [\w-]+' x1=\d+ x2=\d+ y1=([\d.]+)", drawn)]
    assert bars[1] < min(line) < max(line) < bars[0]
    assert np.allclose([(bars[0] - y) / (bars[0] - bars[1]) for y in line], [0.25, 0.75, 0.5], atol=0.01)
    assert curve([(0, 1.0)], "x") == "" and curve([(0, float("nan")), (1, 1.0)], "x") == ""


def test_it_is_written_anew_from_the_folder_and_the_data(finished: tuple[Path, Path], tmp_path: Path) -> None:
    """The same page, but for chance in nothing: the checkpoint is the encoder."""
    data, run = finished
    before = (run / "report.html").read_text()
    assert hs.report(run, log=QUIET) == run / "report.html"
    after = checked((run / "report.html").read_text())
    assert re.findall("<h2 id=(\\w+)>", after) == SECTIONS
    section = re.compile("<h2 id=(neighbours|worth)>.*?(?=<h2 )", re.DOTALL)
    assert [m.group() for m in section.finditer(after)] == [m.group() for m in section.finditer(before)]
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    elsewhere = hs.report(run, data=str(moved), out=tmp_path / "new.html", log=QUIET)
    assert elsewhere == tmp_path / "new.html" and re.findall("<h2 id=(\\w+)>", elsewhere.read_text()) == SECTIONS


def test_without_its_data_sections_are_left_out_and_that_is_said(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = finished
    alone = tmp_path / "alone"
    shutil.copytree(run, alone)
    said = json.loads((alone / "run.json").read_text())
    said["plan"]["where"] = str(tmp_path / "nowhere")
    (alone / "run.json").write_text(json.dumps(said))
    result = CliRunner().invoke(app, ["report", str(alone)])
    assert result.exit_code == 0 and "data=PATH" in result.output
    page = checked((alone / "report.html").read_text())
    assert "data=PATH" in page and "masked input" in page  # restored.png is still there
    assert re.findall("<h2 id=(\\w+)>", page) == [s for s in SECTIONS if s not in ("neighbours", "map")]


def test_other_data_than_was_learnt_from_is_said(finished: tuple[Path, Path], tmp_path: Path) -> None:
    other = pictures(tmp_path / "other", 60, odd=2)
    page = hs.report(finished[1], data=str(other), out=tmp_path / "new.html", log=QUIET).read_text()
    assert "no longer what the run learnt from" in page


def test_mistakes_are_sentences(finished: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run\.json"):
        hs.report(tmp_path, log=QUIET)
    half = tmp_path / "half"
    half.mkdir()
    (half / "run.json").write_bytes((finished[1] / "run.json").read_bytes())
    with pytest.raises(DataError, match="has not ended"):
        hs.report(half, log=QUIET)
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    (tuned / "tuned.json").write_text(json.dumps({"base": "runs/base"}))
    with pytest.raises(DataError, match=r"figures are in its README\.md; .*headstart report runs/base"):
        hs.report(tuned, log=QUIET)
    said = CliRunner().invoke(app, ["report", str(finished[1]), "data=nowhere"])
    assert said.exit_code == 2 and "nowhere" in said.output
    assert "Example: headstart report" in CliRunner().invoke(app, ["report", "--help"]).output


@pytest.mark.parametrize("gone", ["encoder.json", "encoder.safetensors", "health.json"])
def test_a_finished_run_that_lacks_a_file_says_so_and_its_end_is_made_anew(
    finished: tuple[Path, Path], tmp_path: Path, gone: str
) -> None:
    """It was a traceback, or passed as if all were there; "the run has not ended" was not true."""
    data, run = finished
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / gone).unlink()
    for use in (hs.report, *([hs.load] if gone != "health.json" else [])):
        with pytest.raises(DataError, match=f"is finished, but {gone} is missing there: headstart pretrain with"):
            use(half)
    if gone == "encoder.json":
        words = json.loads((run / "run.json").read_text())["words"]
        lines: list[str] = []
        log = Log(quiet=True)
        log.say = lines.append  # type: ignore[method-assign]
        hs.pretrain(str(data), *(f"{name}={value}" for name, value in words.items()), f"run.out={half}", log=log)
        assert any("without encoder.json: its end is made anew" in line for line in lines)
        assert (half / "encoder.safetensors").read_bytes() == (run / "encoder.safetensors").read_bytes()
        (half / gone).unlink()
    shutil.rmtree(half / "checkpoints")
    with pytest.raises(DataError, match="no checkpoint is left"):
        hs.report(half, log=QUIET)


@pytest.mark.parametrize(
    ("kind", "drawn"), [("series", "class=gap"), ("text", "<mark"), ("table", "<th>restored</th>")]
)
def test_what_is_restored_is_drawn_as_its_kind_is(kind: str, drawn: str, tmp_path: Path) -> None:
    """Arrays have no path, so the page says how to give them; labels of tiny sets are classes, and texts hold no tags."""
    source = tiny(kind, n=40)
    source.labels, source.classes = None, ()
    run = trained(source, tmp_path / "run", "recipe=mae")
    section = re.search("<h2 id=restored>.*?<h2 ", checked((run / "report.html").read_text()), re.DOTALL)
    assert section and drawn in section.group()
    page = hs.report(run, log=QUIET).read_text()
    assert "headstart.report(folder, array)" in page and "<h2 id=map>" not in page
    assert "<h2 id=map>" in hs.report(run, source, log=QUIET).read_text()


def test_methods_that_restore_nothing_say_so(tmp_path: Path) -> None:
    source = tiny("image", n=40)
    source.labels, source.classes = None, ()
    run = trained(source, tmp_path / "run", "recipe=dino", codes=32)
    assert "there is nothing to draw" in checked((run / "report.html").read_text())


def test_pairs_have_a_report_too(tmp_path: Path) -> None:
    run = trained(tiny_pair(n=40), tmp_path / "run", "recipe=clip")
    page = checked((run / "report.html").read_text())
    assert "headstart map" in page and page.count("<img") >= 8 and page.count("<pre") >= 8


def test_texts_and_names_are_no_html(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><b>"
    source = ListSource([f"{evil} {i} {'red sea'[: 3 + i % 5]}" for i in range(40)], "text", title=evil)
    page = checked((trained(source, tmp_path / "run", "recipe=mae") / "report.html").read_text())
    assert "<b>" not in page.replace("<b>", "", 1).split("How it went")[1] and html.escape(evil) in page


def test_hidden_words_that_are_right_are_told_from_those_that_are_wrong() -> None:
    data = tiny_data("text")
    rows = data.only(data.only.fitted("abcdef"))
    values = rows.values.clone()
    values[2] = values[0]
    hidden = np.zeros(len(values), bool)
    hidden[[1, 2]] = True
    drawn = restoration(data.only, [Restored(rows, rows.with_values(values), torch.from_numpy(hidden))])
    assert "a<mark>b</mark><mark>c</mark>def" in drawn and "a<mark>b</mark><mark class=miss>a</mark>def" in drawn
    assert "1 of 2 hidden rows are right" in drawn


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_hidden_and_restored_is_drawn_of_every_kind(kind: str) -> None:
    data = tiny_data(kind)
    rows = restored_rows(mae(data, Model(16, 1, 2), 0.5, 1).objective, data, np.arange(2))
    assert rows is not None
    drawn = restoration(data.only, rows)
    checked(document("x", [drawn]))
    assert ("<th>was" if kind == "table" else ">original") in drawn and "restored" in drawn and "cannot be" not in drawn


def test_hidden_atoms_are_missing_from_what_was_shown() -> None:
    data = tiny_data("molecule")
    rows = data.only(data.only.fitted("CCCCCO"))
    atom = rows.coords[:, 0] == rows.coords[:, 1]
    oxygen = atom & (rows.coords[:, 0] == rows.coords[:, 0].max())
    drawn = restoration(data.only, [Restored(rows, rows, oxygen)])
    shown, restored, original = (html.unescape(code) for code in re.findall(r"<code>(.*?)</code>", drawn))
    assert "O" not in shown and shown.count("C") == 5 and restored == original and "O" in original
