"""Documents: words and patches as rows, and the files they are read from."""

import json
import time

import numpy as np
import pytest
import torch
from PIL import Image

from headstart.augment import document as views
from headstart.data.readers import document as reader
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.document import BITS, DocumentTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

RNG = np.random.default_rng(0)
ONE = {"words": ["a"], "boxes": [[0, 0, 1, 0.1]]}
PAGE = {
    "words": ["Hello,", "wörld", "averyveryverylongwordindeed", " \x00 ", "éééééééé∞"],
    "boxes": [[0, 0, 0.2, 0.1], [0.2, 0, 0.5, 0.1], [0.9, 0.6, 0.5, 0.5], [0, 0, 1, 1], [0.1, 0.7, 1.02, 0.8]],
    "page": RNG.integers(0, 256, (3, 80, 60), dtype=np.uint8),
}
PICTURE = {"words": [], "boxes": [], "page": PAGE["page"][:1, :20, :16]}


def test_contract():
    check_tokenizer(DocumentTokenizer(), [ONE, PAGE])
    tokenizer = DocumentTokenizer.fit([ONE, PAGE, PICTURE, 3, {}])
    assert tokenizer.side == 64 and tokenizer.longest == 4
    check_tokenizer(tokenizer, [ONE, PAGE, PICTURE])
    assert DocumentTokenizer.fit([ONE]).side == 0
    assert DocumentTokenizer.fit([PAGE], Want(side=30, longest=2)).side == 32
    with pytest.raises(Mistake):
        DocumentTokenizer.fit([{"words": [], "boxes": []}])


def test_rows():
    """Words and their edges in percent, then patches; the flag tells them apart."""
    tokenizer = DocumentTokenizer(side=16)
    fitted = tokenizer.fitted(PAGE)
    assert fitted["words"] == ["Hello,", "wörld", "averyveryverylongwordindeed", "éééééééé∞"]
    tokens = tokenizer(fitted)
    assert len(tokens) == 4 + 4 and tokens.values[:, BITS].tolist() == [1] * 4 + [-1] * 4
    expected = [[0, 0, 20, 10, 1], [20, 0, 50, 10, 2], [50, 50, 90, 60, 3], [10, 70, 100, 80, 4]]
    assert np.allclose(tokens.coords[:4], expected, atol=1e-4)
    assert tokens.coords[4:].tolist() == [
        [0, 0, 50, 50, 0],
        [50, 0, 100, 50, 0],
        [0, 50, 50, 100, 0],
        [50, 50, 100, 100, 0],
    ]
    back = tokenizer.decode(tokens)
    assert back["words"] == ["Hello,", "wörld", "averyveryverylon", "éééééééé"]
    assert np.array_equal(back["page"], fitted["page"]) and back["page"].shape == (1, 16, 16)


def test_standardised():
    """Bits over the words, grey over the pixels: mean 0, spread 1; bits that never change stay as they are."""
    words = ["".join(chr(97 + i) for i in RNG.integers(0, 26, RNG.integers(1, 20))) for _ in range(600)]
    pages = [
        {"words": words[i : i + 30], "boxes": [[0, j / 30, 1, j / 30] for j in range(30)], "page": PAGE["page"]}
        for i in range(0, 600, 30)
    ]
    tokenizer = DocumentTokenizer.fit(pages)
    rows = pack([tokenizer(tokenizer.fitted(page)) for page in pages]).values.numpy()
    text, grey = rows[rows[:, BITS] > 0, :BITS], rows[rows[:, BITS] < 0, :64]
    moving = text.std(0) > 0
    assert (
        np.abs(text.mean(0)).max() < 1e-3 and np.abs(text.std(0)[moving] - 1).max() < 1e-3 and 60 < moving.sum() < BITS
    )
    assert abs(grey.mean()) < 1e-3 and abs(grey.std() - 1) < 1e-3


@pytest.mark.parametrize(
    "change",
    [
        {"words": []},
        {"words": "abcde"},
        {"words": [1, 2, 3, 4, 5]},
        {"words": None},
        {"boxes": None},
        {"boxes": np.zeros((5, 3))},
        {"boxes": np.full((5, 4), np.nan)},
        {"boxes": np.full((5, 4), 300)},
        {"boxes": [["a"] * 4] * 5},
        {"page": np.zeros((3, 8, 8), np.float32)},
        {"page": np.zeros((8, 8), np.uint8)},
        {"page": np.zeros((3, 0, 8), np.uint8)},
        {"page": "page.png"},
        {"words": [" "], "boxes": [[0, 0, 1, 1]], "page": None},
    ],
)
def test_refused(change):
    with pytest.raises(Unreadable):
        DocumentTokenizer(side=16).fitted({**PAGE, **change})
    for sample in (None, "words", {}, {"words": []}):
        with pytest.raises(Unreadable):
            DocumentTokenizer().fitted(sample)
    with pytest.raises(Unreadable, match="picture is not read"):
        DocumentTokenizer().fitted(PICTURE)


def test_raw_sees_words_places_and_page():
    tokenizer = DocumentTokenizer(side=16)
    moved = {**PAGE, "boxes": np.array(PAGE["boxes"]) * 0.5}
    other = {**PAGE, "words": [*PAGE["words"][:4], "end"]}
    bright = {**PAGE, "page": np.full((1, 8, 8), 255, np.uint8)}
    raw = [tokenizer.raw(tokenizer.fitted(s)) for s in (PAGE, moved, other, bright, {**PAGE, "page": None})]
    assert len({x.tobytes() for x in raw}) == 5 and raw[0].shape == (2560,) and raw[3][-1] == 1


def test_views_are_parts_of_the_page():
    """Of a column of words and its picture, what lies together: words of one view span less of the page than all do."""
    tokenizer = DocumentTokenizer(side=64)
    words = {"words": ["w"] * 40, "boxes": [[0, i / 40, 1, (i + 1) / 40] for i in range(40)]}
    crop = views.crop_rows(
        tokenizer(tokenizer.fitted(words)), Step(0, 1).rng("v", torch.tensor([4])), (0.25, 0.25), 1.0
    )
    numbers = crop.coords[:, 4].tolist()
    assert len(numbers) == 10 and numbers == list(range(int(numbers[0]), int(numbers[0]) + 10))
    page = tokenizer(tokenizer.fitted(PAGE))
    rng = Step(0, 1).rng("v", torch.tensor([4, 5]))
    both = views.crop_rows(pack([page, page], 2), rng, (0.5, 0.5), 1.0)
    assert both.layout.lengths == (36, 36) and both.layout.slots == 2


HOCR = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html><head><meta name='ocr-system' content='tesseract 5' /></head><body>
<div class='ocr_page' id='page_1' title='image "scans/../page.png"; bbox 0 0 200 100; ppageno 0'><p class='ocr_par'>
<span class='ocr_line' title="bbox 10 10 150 30"><span class='ocrx_word' title='bbox 10 10 50 30; x_wconf 96'>Hello</span>
<span class='ocrx_word' title='bbox 60 10 150 30'><strong>w&ouml;rld</strong> &amp;<br/>co</span></span></p></div>
<div class='ocr_page' title='bbox 0 0 100 100'><span class='ocrx_word' title='bbox 0 0 10 10'>second</span></div>
</body></html>"""
ALTO = """<?xml version="1.0"?><alto xmlns="http://www.loc.gov/standards/alto/ns-v3#"><Description><sourceImageInformation>
<fileName>page.png</fileName></sourceImageInformation></Description><Layout><Page WIDTH="200" HEIGHT="100"><PrintSpace><TextBlock>
<TextLine><String HPOS="10" VPOS="10" WIDTH="40" HEIGHT="20" CONTENT="Hello"/><SP/>
<String HPOS="60" VPOS="10" WIDTH="90" HEIGHT="20" CONTENT="wörld &amp; co"/></TextLine></TextBlock></PrintSpace>
</Page></Layout></alto>"""
PAGE_XML = """<?xml version="1.0" encoding="UTF-8"?><PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="page.png" imageWidth="200" imageHeight="100"><TextRegion><Coords points="0,0 200,100"/><TextLine>
<Word><Coords points="10,10 50,10 50,30 10,30"/><TextEquiv><Unicode>Hello</Unicode></TextEquiv></Word>
<Word><Coords points="60,10 150,30"/><TextEquiv><Unicode>wörld &amp; co</Unicode></TextEquiv>
<TextEquiv><Unicode>less likely</Unicode></TextEquiv></Word>
<TextEquiv><Unicode>the line</Unicode></TextEquiv></TextLine></TextRegion></Page></PcGts>"""
BOXES = [[0.05, 0.1, 0.25, 0.3], [0.3, 0.1, 0.75, 0.3]]
JSON = {"words": ["Hello", "wörld & co"], "boxes": BOXES, "image": "page.png"}
PIXELS = {**JSON, "boxes": [[10, 10, 50, 30], [60, 10, 150, 30]], "width": 200, "height": 100}
FILES = {
    "a.hocr": HOCR,
    "a.html": HOCR.replace(b"<!DOCTYPE", b"<!doctype"),
    "b.xml": ALTO.encode(),
    "c.xml": ALTO.replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16"),
    "d.xml": PAGE_XML.encode(),
    "e.json": json.dumps(JSON).encode(),
    "f.json": b"\xef\xbb\xbf" + json.dumps(PIXELS, ensure_ascii=False).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    """Every format says the same, and finds the picture beside it."""
    path = tmp_path / name
    path.write_bytes(FILES[name])
    assert reader.kind(FILES[name][:4096], path) == "document"
    sample = reader.read(path)
    assert sample["words"] == ["Hello", "wörld &co" if name[0] == "a" else "wörld & co"] and sample["page"] is None
    assert np.allclose(sample["boxes"], BOXES) and set(sample) == {"words", "boxes", "page"}
    Image.fromarray(PAGE["page"].transpose(1, 2, 0)).save(tmp_path / "page.png")
    assert np.array_equal(reader.read(path)["page"], PAGE["page"])
    tokenizer = DocumentTokenizer(side=16)
    assert len(tokenizer(tokenizer.fitted(reader.read(path)))) == 6
    pages = reader.open(path)
    assert len(pages) == (2 if name[0] == "a" else 1) and pages.kind == "document"
    if name[0] == "a":
        assert pages[1]["words"] == ["second"] and pages.groups.tolist() == [0, 0]


def test_pictures_elsewhere(tmp_path):
    """A picture is only looked for beside the file: not above, not below, not through a link."""
    inside = tmp_path / "inside"
    inside.mkdir()
    for place in (tmp_path / "secret.png", inside / "own.png"):
        Image.new("L", (4, 4), 200).save(place)
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    path = inside / "a.json"
    for name, there in {
        "own.png": True,
        "x/../own.png": True,
        "../secret.png": False,
        str(tmp_path / "secret.png"): False,
        "link.png": False,
        "..": False,
        "own.png\0": False,
        "a.json": False,
        "": False,
    }.items():
        path.write_text(json.dumps({**JSON, "image": name}))
        assert (reader.read(path)["page"] is not None) == there, name


def test_entities_are_refused(tmp_path):
    """A billion laughs, and an entity that names a file, in any encoding."""
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    path = tmp_path / "a.xml"
    for entities in (f'<!ENTITY l0 "ha">{laughs}', '<!ENTITY l9 SYSTEM "file:///etc/passwd">'):
        body = ALTO.replace("<alto ", f"<!DOCTYPE alto [{entities}]><alto ").replace("Hello", "&l9;")
        for coded in (body.encode(), body.replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16")):
            path.write_bytes(coded)
            with pytest.raises(Unreadable, match="document type"):
                reader.read(path)


def test_damaged_files(tmp_path):
    """Only errors in words, whatever is in the file."""
    rng = np.random.default_rng(0)
    tokenizer = DocumentTokenizer()
    for name, whole in FILES.items():
        path = tmp_path / name
        for trial in range(60):
            data = bytearray(whole[: rng.integers(0, len(whole))] if trial % 3 == 0 else whole)
            for at in rng.integers(0, max(1, len(data)), 4) if data else ():
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            reader.kind(bytes(data[:4096]), path)
            try:
                tokenizer.fitted(reader.read(path))
            except Unreadable:
                continue
    deep = b"<alto>" + b"<a>" * 100_000
    broken = [
        b"",
        b" ",
        b"{",
        b"[1]",
        b"\x89PNG\r\n\x1a\n",
        b"<html>words</html>",
        b"<alto></alto>",
        deep,
        b'{"words":' + b"[" * 100_000,
    ]
    broken += [
        json.dumps({**JSON, **change}).encode()
        for change in ({"boxes": [[1]]}, {"words": [1, 2]}, {"words": ["a"]}, {"width": "x"})
    ]
    broken += [ALTO.replace('"40"', '"1e999"').encode(), ALTO.replace('"40"', '"wide"').encode()]
    for content in broken:
        path = tmp_path / "g.xml"
        path.write_bytes(content)
        with pytest.raises(Unreadable):
            reader.read(path)
        with pytest.raises(DataError):
            reader.open(path)
    with pytest.raises(Unreadable, match="cannot be opened"):
        reader.read(tmp_path / "none.xml")


@pytest.mark.parametrize(
    "pattern", ["<!--", "<![CDATA[", "<a ", "<a x='", "<a x=", "</", "&", "<script>", "<a title=' bbox", "<a>", "x "]
)
def test_time_is_linear(pattern):
    """What makes HTML parsers quadratic takes them minutes, and a second here."""
    start = time.perf_counter()
    pages = reader._hocr(
        b"<div class=ocr_page><b class=ocrx_word title='bbox 1 1 2 2'>w</b><i>" + pattern.encode() * 20_000
    )
    assert pages[0].words == ["w"] and time.perf_counter() - start < 5


def test_other_files(tmp_path):
    for name, content in (
        ("a.html", b"<html><p>words</p>"),
        ("a.json", b'{"words": 3}'),
        ("a.xml", b"<svg/>"),
        ("a.json", b"[]"),
    ):
        (tmp_path / name).write_bytes(content)
        assert reader.kind(content, tmp_path / name) is None
