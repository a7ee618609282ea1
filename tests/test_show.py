"""`headstart show`: every kind of data is drawn, and what is drawn is the sample; whatever it holds, the page is one file."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.data.sources.listed import ListSource
from headstart.errors import Unreadable
from headstart.kinds import KINDS
from headstart.log import Log
from headstart.showing import pages
from headstart.showing.drawing import KEPT, READ
from headstart.showing.grids import Range, image, volume
from headstart.showing.parts import UNKNOWN, decoded
from headstart.tiny import tiny, tiny_data, tiny_pair
from headstart.tokens import Tokens, layout

DRAWN = {  # kind -> what stands in a drawing of a tiny sample, as read
    "image": r"<img[^>]*as read",
    "multispectral": r"<img[^>]*bands 2, 1, 0.*450 nm B</td><td>[-.\d]+</td>",
    "video": r"(<img[^>]*frame \d.*){6}",
    "volume": r"<img[^>]*across z.*<img[^>]*across y.*<img[^>]*across x",
    "audio": r"wave: -0\.\d+ to 0\.\d+</text>.*<path d='M\d+ \d+h0(l\d+ -?\d+){300}",
    "series": r"channel 0: .*<path d='M.*channel 1: .*<path d='M",
    "text": r"<pre[^>]*>(dawn|red).*\d{3}</pre>",
    "code": r"<pre>if red:\n    dawn",
    "table": r"<td>hour</td><td>dawn</td>.*<td>note</td><td>red</td>.*<td>wave 0</td><td>-0\.4975</td>",
    "events": r"(<circle .*){12}<td>A1</td>",
    "protein": r"<pre[^>]*>[A-Z]{10} [A-Z]{10}</pre>",
    "molecule": r"structural formula.*(<path .*){8}<code>OCCCCCCCBr</code>",
    "graph": r"(<line .*){8}(<circle .*){8}",
    "points": r"<img[^>]*from above.*<img[^>]*from the side",
    "splats": r"<img[^>]*from above.*<img[^>]*from the side",
    "field": r"<img[^>]*colours.*<img[^>]*densest",
    "trajectory": r"state 0: .*<path.*state 2: .*<path.*action 0: .*<path",
    "packets": r"(<rect .*){3}00 00 00 72 65 64",
    "music": r"(<rect .*){16}quarter notes",
    "document": r"<img[^>]*picture.*(<rect .*<text .*>(red|dawn)</text>.*){8}",
}


def written(source, *words, **named):
    """The page, after the checks that hold for every page."""
    path = hs.show(source, *words, log=Log(quiet=True), **named)
    page = path.read_text()
    assert "<script" not in page and "http" not in page and "//" not in re.sub("base64,[^']*", "", page)
    assert all("alt='" in tag for tag in re.findall("<img[^>]*>", page))
    assert all("aria-label='" in tag for tag in re.findall("<svg[^>]*>", page))
    assert len(page) < 5_000_000
    return page


def sections(page):
    return re.findall("<section>.*?</section>", page, re.DOTALL)


def figures(section):
    return re.findall("<figure>.*?</figure>", section, re.DOTALL)


def pixels(figure):
    with Image.open(io.BytesIO(base64.b64decode(re.search("base64,([^']*)", figure)[1]))) as picture:
        return np.asarray(picture.convert("RGBA") if "transparency" in picture.info else picture)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind):
    page = written(tiny(kind, n=3))
    assert len(sections(page)) == 3 and "<h2>Labels</h2>" in page
    for section, word in zip(sections(page), ("red", "sea", "oak"), strict=True):
        assert f"<span class=label>{word}</span>" in section
        read, kept, *views = figures(section)
        assert len(views) == 2 and re.search(r"what its [\d]+ rows say", kept)
        drawn = re.compile("<img|<path|<pre|<td|<circle|<rect")
        assert all(drawn.search(figure) for figure in (read, kept, *views))
    assert re.search(DRAWN[kind], figures(sections(page)[0])[0], re.DOTALL)
    if kind == "audio":
        assert "log-mel spectrogram" in figures(sections(page)[0])[1]


def test_no_kind_is_forgotten():
    assert set(READ) == set(KEPT) == set(DRAWN) == set(KINDS)


def test_what_is_drawn_is_the_sample():
    """Pictures come out as they went in, what rows say is the same, and a part is another picture."""
    source = tiny("image", n=4)
    for i, section in enumerate(sections(written(source, "data.patch=2"))):
        read, kept, large, small = map(pixels, figures(section))
        np.testing.assert_array_equal(read, source[i].transpose(1, 2, 0))
        np.testing.assert_allclose(kept.astype(int), read.astype(int), atol=1)
        assert large.shape == read.shape and np.abs(large.astype(int) - read).mean() > 2
        assert small.shape == (4, 4, 3)


def test_words_of_data_mean_what_they_mean_to_plan():
    page = written(tiny("image", n=3), "data.side=4", "data.patch=2")
    assert "what its 4 rows say" in page and pixels(figures(sections(page)[0])[1]).shape == (4, 4, 3)
    with pytest.raises(ValueError, match=r"no word 'ratio'.*the words are: out, data\.batch"):
        hs.show(tiny("image", n=3), ratio=3)


def test_names_and_texts_are_no_html():
    """Whatever samples, names and classes hold, a browser runs none of it."""
    evil = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>\x1b[31m"
    rows = [{"a": f"{evil}{i}", evil: float(i)} for i in range(4)]
    named = ListSource(rows, "table", [evil, "b", evil, "b"], names=[f"{i}{evil}\ud800" for i in range(4)], title=evil)
    for page in (
        written(named),
        written(ListSource([f"{evil} {i}" for i in range(4)], "text")),
        written(ListSource([np.full((3, 8, 8), i, np.uint8) for i in range(4)], "image", names=[evil] * 4)),
        written(
            ListSource(
                [{"values": np.random.default_rng(i).random((1, 40)), "channels": [evil]} for i in range(4)], "series"
            )
        ),
        written(ListSource([{"code": [evil, "b"], "time": [0.0, i]} for i in range(1, 4)], "events")),
        written(ListSource([{"words": [evil], "boxes": np.array([[0.1, 0.1, 0.9, 0.2]])}] * 3, "document")),
    ):
        assert "onerror" in page and "<img src=x" not in page and "\x1b" not in page
        assert "&lt;script&gt;" in page


class Broken(ListSource):
    """Its second sample cannot be read, and its third is of a form that the tokenizer refuses."""

    def __getitem__(self, index):
        if index == 1:
            raise Unreadable(self.name(1), "the <file> is cut off")
        return np.zeros((9, 8, 8), np.uint8) if index == 2 else super().__getitem__(index)


def test_what_cannot_be_read_is_a_line():
    images = tiny("image", n=5)
    source = Broken([images[i] for i in range(5)], "image")
    source.bad = [Unreadable("gone.tar", "it holds <nothing>")]
    page = written(source)
    assert [len(figures(section)) for section in sections(page)] == [4, 0, 0, 4, 4]
    assert "left out: the &lt;file&gt; is cut off" in sections(page)[1]
    assert "left out: it has 9 channels" in sections(page)[2]
    assert "gone.tar: it holds &lt;nothing&gt;" in page


def test_parts_of_pairs_are_drawn_each():
    page = written(tiny_pair(("image", "text", "table"), n=6, missing=1 / 6))
    there = [len(figures(section)) // 4 for section in sections(page)]
    assert there == [3 - section.count("left out: ") for section in sections(page)] and sum(there) == 15
    assert all("there is none" in section for section, n in zip(sections(page), there, strict=True) if n < 3)


def test_gaps_are_seen_and_counted():
    x = np.sin(np.arange(900) / 20 + np.arange(2)[:, None]).astype(np.float32)
    x[0, 300:600] = np.nan
    page = written(ListSource([{"values": x, "rate": 100.0, "channels": ["I", "II"]}] * 3, "series"))
    read = figures(sections(page)[0])[0]
    (gap,) = re.findall(r"<rect class=gap x=(\d+) y=0 width=(\d+)", read)
    assert abs(int(gap[0]) - 500) < 5 and abs(int(gap[1]) - 500) < 5  # of 1,500 units
    assert "<td>16.7 %</td>" in page and "rate [per second]: 100" in page and "i: -1 to 1" in read
    masked = np.ma.masked_array(np.full((3, 8, 8), 200, np.uint8), mask=np.zeros((3, 8, 8), bool))
    masked[:, :4] = np.ma.masked
    seen = pixels(image(masked, Range(), "x"))
    assert (seen[:4, :, 3] == 0).all() and (seen[4:, :, 3] == 255).all() and (seen[4:, :, 0] == 200).all()


def test_large_samples_are_drawn_small():
    """A picture of 12 megapixels, a sweep of 100,000 points and an hour of signal are each some kilobytes."""
    r = np.random.default_rng(0)
    for kind, sample in (
        ("image", r.integers(0, 255, (3, 1500, 1500), np.uint8)),
        ("points", r.random((100_000, 3))),
        ("series", r.standard_normal((12, 200_000))),
        ("graph", {"nodes": r.random((500, 2)), "edges": r.integers(0, 500, (4000, 2))}),
        ("text", "word " * 100_000),
        ("table", {f"c{i}": i for i in range(5000)}),
        ("molecule", "C" * 200),
    ):
        assert 500 < len(READ[kind](sample, Range(), "x")) < 60_000, kind


@pytest.mark.parametrize("count", [60, 3000])
def test_the_ground_of_a_cloud_is_transparent(count):
    x = np.random.default_rng(0).random((count, 3))
    for drawn in map(pixels, re.findall("<img[^>]*>", READ["points"](x, Range(), "x"))):
        assert set(np.unique(drawn[..., 3])) == {0, 255} and 0.02 < (drawn[..., 3] > 0).mean() < 0.9


def test_a_page_has_an_end(monkeypatch):
    monkeypatch.setattr(pages, "BYTES", 1)
    one, *rest = sections(written(tiny("image", n=4)))
    assert len(figures(one)) == 4 and all("not drawn" in section and "tiny image" in section for section in rest)


def test_samples_are_spread_over_the_source():
    page = written(ListSource([f"text {i}" for i in range(1000)], "text"))
    assert len(sections(page)) == 20 and "20 of 1,000" in page
    assert "list[0]" in sections(page)[0] and "list[999]" in sections(page)[-1]


def test_voxels_are_as_long_as_they_are():
    """Slices 4 mm apart: seen from the side a scan of 8 x 32 x 32 voxels is square."""
    drawn = volume({"values": np.random.default_rng(0).random((1, 8, 32, 32)), "spacing": (4, 1, 1)}, Range(), "x")
    assert [pixels(tag).shape for tag in re.findall("<img[^>]*>", drawn)] == [(32, 32)] * 3


def test_a_packet_without_its_head_has_no_way():
    data = tiny_data("packets")
    rows = data.only(tiny("packets")[1])
    cut = Tokens(rows.values[3:], rows.coords[3:], layout((len(rows) - 3,)))
    said = decoded(data.only, cut)
    assert said["direction"].tolist() == [UNKNOWN, 1, 0] and said["bytes"][0] == tiny("packets")[1]["bytes"][0][2:]


def test_a_part_of_a_page_is_a_page():
    data = tiny_data("document")
    rows = data.only(data.only.fitted(tiny("document")[0]))
    some = torch.tensor([1, 3, 8, 12])  # two words, two patches
    part = decoded(data.only, replace(rows, values=rows.values[some], coords=rows.coords[some], layout=layout((4,))))
    whole = data.only.decode(rows)
    assert part["words"] == [whole["words"][1], whole["words"][3]]
    assert (part["page"] == whole["page"]).sum() >= 2 * 64 and (part["page"] == 255).sum() >= 14 * 64


def test_quantities_are_a_histogram():
    source = ListSource([f"text {i}" for i in range(50)], "text", np.append(np.linspace(0, 1.5, 49), np.nan))
    page = written(source)
    assert "0 to 0.075" in page and "1 sample without a label" in page


def test_on_the_command_line(tmp_path):
    (tmp_path / "a.txt").write_text("one <b> two")
    (tmp_path / "b.txt").write_text("three four")
    done = CliRunner().invoke(app, ["show", str(tmp_path), f"out={tmp_path / 'x y.html'}"])
    assert done.exit_code == 0 and "wrote" in done.output and "x y.html" in done.output
    assert "one &lt;b&gt; two" in (tmp_path / "x y.html").read_text()
    wrong = CliRunner().invoke(app, ["show", str(tmp_path), "steps=3"])
    assert wrong.exit_code == 2 and "there is no word 'steps'" in wrong.output
