"""Pages as words with boxes: hOCR, ALTO and PAGE, as text recognition writes them, and a plain JSON.

The JSON is {"words": ["Total", ...], "boxes": [[x0, y0, x1, y1], ...]}, boxes as shares of the page, or in pixels with "width"
and "height"; "image" names a picture of the page in the same folder.
"""

import html
import json
import re
from pathlib import Path
from xml.parsers import expat

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..source import DataError
from ..sources.listed import ListSource
from .images import read_image

SUFFIXES = (".hocr", ".html", ".htm", ".xml", ".json")
MOST = 64 * 2**20  # bytes of a file
WORDS = 20_000  # words of a page
PAGES = 10_000
LETTERS = 1_000  # characters of a word
DEEPEST = 200  # elements in each other
STRAY = 100_000  # signs that begin no tag
_TAG = re.compile(
    r"""<(/?)([A-Za-z][^\s/<>]*+)((?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+)>"""
)  # "+": linear in the text's length
_EMPTY = frozenset(("br", "hr", "img", "meta", "link", "input", "wbr"))  # elements of HTML that have no end
Page = dict[str, Sample]


def kind(start: bytes, path: Path) -> str | None:
    """By content: hOCR names its classes, ALTO and PAGE their root, the JSON its keys."""
    suffix = path.suffix.lower()
    text = start.replace(b"\0", b"")  # UTF-16 without its zeros is near enough
    if suffix == ".json":
        keyed = text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"words"' in text
        return "document" if keyed and (b'"boxes"' in text or _mentions(path, b'"boxes"')) else None
    if b"ocr_page" in text or b"ocrx_word" in text or b"ocr-system" in text:
        return "document"
    return "document" if re.search(rb"<(\w+:)?(alto|PcGts)[\s>]", text) else None


def read(path: Path) -> Page:
    """The first page of a file, with its picture if that lies in the same folder."""
    path = Path(path)
    return _with_page(_pages(path)[0], path)


def open(path: Path) -> ListSource:
    """All pages of a file."""
    path = Path(path)
    try:
        pages = [_with_page(page, path) for page in _pages(path)]
    except Unreadable as error:
        raise DataError(f"{path} cannot be read: {error.reason}") from error
    names = [f"{path.name}[{i}]" for i in range(len(pages))]
    return ListSource(pages, "document", names=names, title=path.name, groups=[0] * len(pages))


class _Page:
    """Words as they are found; boxes in pixels until the page's size is known."""

    def __init__(self, width: float = 0.0, height: float = 0.0, image: str = "", left: float = 0.0, top: float = 0.0):
        self.width, self.height, self.image, self.left, self.top = width, height, image, left, top
        self.words: list[str] = []
        self.boxes: list[tuple[float, float, float, float]] = []

    def add(self, word: str, box: tuple[float, float, float, float]) -> None:
        word = " ".join(word.split())
        if word and len(self.words) < WORDS:
            self.words.append(word)
            self.boxes.append(box)

    def sample(self) -> Page:
        boxes = np.array(self.boxes, np.float64).reshape(-1, 4) - [self.left, self.top, self.left, self.top]
        width, height = (
            size if size > 0 else boxes[:, at].max(initial=1) for size, at in ((self.width, 2), (self.height, 3))
        )
        shares = boxes / [width, height, width, height]
        if not np.isfinite(shares).all():
            raise Unreadable("", "a word's box is not finite")
        return {
            "words": self.words,
            "boxes": np.clip(shares, 0, 1).astype(np.float32),
            "page": None,
            "image": self.image,
        }


def _pages(path: Path) -> list[Page]:
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    if not data.strip():
        raise Unreadable("", "the file is empty")
    if len(data) > MOST:
        raise Unreadable("", f"the file is longer than {MOST // 2**20} MiB: split it by pages")
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return [_json(data)]
    hocr = re.search(rb"ocr_page|ocrx_word|ocr-system", data[: 1 << 20])
    pages = [page.sample() for page in (_hocr if hocr else _xml)(data)]
    if not any(page["words"] or page["image"] for page in pages):
        raise Unreadable("", "no words with boxes are in it: give hOCR, ALTO or PAGE with words, not only lines")
    return pages


def _hocr(data: bytes) -> list[_Page]:
    """class='ocr_page' title='image "p.png"; bbox 0 0 W H', class='ocrx_word' title='bbox x0 y0 x1 y1' (hOCR 1.2).

    Not with html.parser, which takes hours over a file of nothing but "<a ".
    """
    text = data.decode("utf-8", errors="replace")
    walk = _Hocr()
    at = stray = 0
    while (begin := text.find("<", at)) >= 0:
        walk.data(text[at:begin])
        tag = _TAG.match(text, begin)
        if tag:
            closing, name, rest = tag.groups()
            if name.lower() not in _EMPTY:
                if not closing:
                    walk.start(rest)
                if closing or rest.endswith("/"):
                    walk.end()
            at = tag.end()
        elif text.startswith("<!--", begin):
            end = text.find("-->", begin)
            if end < 0:
                break
            at = end + 3
        else:
            walk.data("<")
            at, stray = begin + 1, stray + 1
            if stray > STRAY:
                raise Unreadable("", f"more than {STRAY:,} of its tags do not end: it is no hOCR")
    return walk.pages


class _Hocr:
    def __init__(self) -> None:
        self.pages: list[_Page] = []
        self.box: tuple[float, float, float, float] | None = None
        self.depth, self.text = 0, ""

    def start(self, attributes: str) -> None:
        if self.box is not None:
            self.depth += 1
            return
        classes, title = _attribute(attributes, "class").split(), _attribute(attributes, "title")
        found = re.search(r"\bbbox((?:\s+-?\d{1,9}(?:\.\d{1,9})?){4})", title)
        numbers = [float(n) for n in found[1].split()] if found else None
        if "ocr_page" in classes and len(self.pages) < PAGES:
            left, top, right, bottom = numbers or (0.0, 0.0, 0.0, 0.0)
            image = re.search(r"\bimage\s+(?:\"([^\"]*)\"|'([^']*)'|([^;\s]+))", title)
            name = next((g for g in image.groups() if g), "") if image else ""
            self.pages.append(_Page(right - left, bottom - top, name, left, top))
        elif "ocrx_word" in classes and numbers:
            a, b, c, d = numbers
            self.box, self.depth, self.text = (a, b, c, d), 1, ""

    def data(self, text: str) -> None:
        if self.box is not None and len(self.text) < LETTERS:
            self.text += text[:LETTERS]

    def end(self) -> None:
        if self.box is None:
            return
        self.depth -= 1
        if self.depth <= 0:
            self.pages = self.pages or [_Page()]
            self.pages[-1].add(html.unescape(self.text), self.box)
            self.box = None


def _attribute(attributes: str, name: str) -> str:
    found = re.search(rf"""(?<!\S){name}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", attributes, re.IGNORECASE)
    return html.unescape(next((g for g in found.groups() if g), "")) if found else ""


def _xml(data: bytes) -> list[_Page]:
    """ALTO (Page, String) and PAGE (Page, Word, Coords, Unicode). Documents with a DTD are refused: entities live there."""
    walk = _Xml()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = walk.start, walk.end
    parser.CharacterDataHandler = walk.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, OverflowError, LookupError) as error:
        raise Unreadable("", f"the XML is damaged ({error})") from error
    if not walk.pages:
        raise Unreadable("", "there is no page in it: give hOCR, ALTO or PAGE")
    return walk.pages


def _refuse(*_: object) -> None:
    raise Unreadable("", "it declares a document type, which may define entities: remove the <!DOCTYPE ...>")


class _Xml:
    def __init__(self) -> None:
        self.pages: list[_Page] = []
        self.path: list[str] = []
        self.image = self.text = self.word = ""
        self.box: tuple[float, float, float, float] | None = None

    def start(self, name: str, said: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self.path.append(name)
        if len(self.path) > DEEPEST:
            raise Unreadable("", f"its elements are nested more than {DEEPEST} deep")
        self.text = ""
        if name == "Page" and len(self.pages) < PAGES:
            width, height = (
                _number(said.get(a) or said.get(b)) for a, b in (("WIDTH", "imageWidth"), ("HEIGHT", "imageHeight"))
            )
            self.pages.append(_Page(width, height, said.get("imageFilename", "") or self.image))
        elif name == "String" and self.pages:
            x, y, w, h = (_number(said.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
            self.pages[-1].add(said.get("CONTENT", ""), (x, y, x + w, y + h))
        elif name == "Word":
            self.box, self.word = None, ""
        elif name == "Coords" and self.path[-2:-1] == ["Word"]:
            numbers = [float(n) for n in re.findall(r"-?\d{1,9}(?:\.\d{1,9})?", said.get("points", "")[:10_000])]
            xs, ys = numbers[::2], numbers[1::2]
            self.box = (min(xs), min(ys), max(xs), max(ys)) if ys else None

    def data(self, text: str) -> None:
        if len(self.text) < LETTERS:
            self.text += text[:LETTERS]

    def end(self, name: str) -> None:
        name = name.rpartition(" ")[2]
        if name == "fileName" and not self.image:
            self.image = self.text.strip()
        elif name == "Unicode" and self.path[-3:] == ["Word", "TextEquiv", "Unicode"] and not self.word:
            self.word = self.text  # the first reading is the likeliest
        elif name == "Word" and self.pages and self.box:
            self.pages[-1].add(self.word, self.box)
        self.path.pop()


def _number(text: str | None) -> float:
    value = float(text) if text else 0.0
    if not abs(value) < 1e9:
        raise ValueError(f"{text} is no length")
    return value


def _json(data: bytes) -> Page:
    try:
        said = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("", f"the JSON is damaged ({error})") from error
    if not isinstance(said, dict) or not isinstance(said.get("words"), list) or not isinstance(said.get("boxes"), list):
        raise Unreadable("", 'the JSON lacks its lists of "words" and "boxes"')
    try:
        width, height = (float(said.get(key) or 1) for key in ("width", "height"))
        boxes = np.array(said["boxes"], np.float64)
        boxes = boxes.reshape(0, 4) if not boxes.size else boxes
        boxes = (boxes / [width, height, width, height]).astype(np.float32)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise Unreadable("", f"the boxes are no table of numbers with four columns ({error})") from error
    if not all(isinstance(word, str) for word in said["words"]) or len(said["words"]) != len(boxes):
        raise Unreadable("", f"{len(said['words'])} words and {len(boxes)} boxes: each word is a string with one box")
    image = said.get("image")
    return {
        "words": said["words"][:WORDS],
        "boxes": boxes[:WORDS],
        "page": None,
        "image": image if isinstance(image, str) else "",
    }


def _with_page(sample: Sample, path: Path) -> Page:
    """The sample with its picture, looked for by its bare name in the file's own folder, and nowhere else."""
    name = re.split(r"[\\/]", sample.pop("image"))[-1]
    if name in ("", ".", "..") or "\0" in name:
        return sample
    try:
        picture = (path.parent / name).resolve()
        if picture.parent == path.parent.resolve() and picture.is_file():
            page = read_image(picture, area=1024 * 1024)
            if page.dtype == np.uint16:
                page = (page >> 8).astype(np.uint8)
            sample["page"] = page if page.dtype == np.uint8 else None
    except (Unreadable, OSError):
        pass  # the words are still there
    return sample


def _mentions(path: Path, key: bytes) -> bool:
    """Whether the key stands in the first 4 MiB of a file."""
    try:
        with path.open("rb") as file:
            return key in file.read(4 * 2**20)
    except OSError:
        return False
