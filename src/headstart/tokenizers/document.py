"""A page as rows of words, each with its place, and of patches of the page's picture."""

import unicodedata
from dataclasses import asdict, dataclass
from typing import ClassVar, TypedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Numbers
from .text import readable
from .vocabulary import byte_counts
from .want import Want

LETTERS = 16  # bytes of a word in its row
BITS = 8 * LETTERS
PATCH = 8  # pixels along a side of a picture row; PATCH * PATCH <= BITS
MOST = 2048  # words of a page
WIDEST = 512  # pixels along a side of the page as it is read
FULL = 100.0  # the page's width and height in the coordinates
RAW_SIDE, RAW_CELLS = 32, 16


class Page(TypedDict):
    """A page in this tokenizer's form: words, [n, 4] float32 within 0..1, and [1, side, side] uint8 where it has a picture."""

    words: list[str]
    boxes: np.ndarray
    page: np.ndarray | None


@dataclass(frozen=True)
class DocumentTokenizer(Tokenizer):
    """A row per word: the bits of its first 16 UTF-8 bytes and a flag; then a row per 8 x 8 patch of the page in grey.

    Both are standardised. Coordinates: left, top, right and bottom edge in hundredths of the page, and the word's number in
    reading order from 1, at most `longest`; 0 for patches. The page is read at `side` x `side` pixels, 0: not at all.
    """

    longest: int = 512
    side: int = 0
    mean: tuple[float, ...] = (0.0,) * BITS
    std: tuple[float, ...] = (1.0,) * BITS
    grey: tuple[float, float] = (0.5, 0.25)  # mean and spread of the page's pixels, as shares of white

    kind = "document"
    axes = ("left [%]", "top [%]", "right [%]", "bottom [%]", "word")
    dim = BITS + 1
    signal: ClassVar[bool] = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "DocumentTokenizer":
        """All words of the longest page, up to eight times `want.rows`; pictures at want.side, else in about `want.rows` rows."""
        any_page = any(isinstance(s, dict) and s.get("page") is not None for s in samples)
        side = PATCH * max(1, round((want.side / PATCH) if want.side else want.rows**0.5))
        plain = cls(want.longest or MOST, min(side, WIDEST) if any_page else 0)
        pages = readable(samples, plain)
        bits = np.concatenate([_bits(p["words"]) for p in pages])
        pixels = np.concatenate([p["page"].ravel() for p in pages if p["page"] is not None] or [np.zeros(0)]) / 255
        std = bits.std(0) if len(bits) else np.ones(BITS)
        return cls(
            want.longest or max(1, min(8 * want.rows, MOST, max(len(p["words"]) for p in pages))),
            plain.side,
            tuple(bits.mean(0).tolist()) if len(bits) else (0.0,) * BITS,
            tuple(np.where(std > 0, std, 1.0).tolist()),
            (float(pixels.mean()), float(pixels.std() or 1.0)) if len(pixels) else (0.5, 0.25),
        )

    def fitted(self, sample: Sample) -> Page:
        """words: without control characters, empty ones left out, the first `longest`. boxes: [n, 4] float32 within 0..1.
        page: grey, [1, side, side] uint8, or None. A page without words and picture is Unreadable."""
        if not isinstance(sample, dict) or not {"words", "boxes"} <= set(sample):
            raise Unreadable("", 'a document is a dict of "words" and "boxes", and maybe "page"')
        words, boxes = sample["words"], _boxes(sample["boxes"])
        if not isinstance(words, list | tuple | np.ndarray) or not all(isinstance(word, str) for word in words):
            raise Unreadable("", "a document's words are a list of strings")
        if len(words) != len(boxes):
            raise Unreadable("", f"a document has one box for each word, not {len(boxes)} for {len(words)}")
        clean = [_plain(word) for word in words[: 4 * MOST]]
        there = [i for i, word in enumerate(clean) if word][: min(self.longest, MOST)]
        page = _page(sample.get("page"), self.side)
        if not there and page is None:
            raise Unreadable("", "the page has no words" + ("" if self.side else ", and its picture is not read here"))
        return {"words": [clean[i] for i in there], "boxes": boxes[there], "page": page}

    def __call__(self, sample: Page) -> Tokens:
        words, boxes, page = sample["words"], sample["boxes"], sample["page"]
        rows = np.ones((len(words), self.dim), np.float32)
        rows[:, :BITS] = (_bits(words) - np.array(self.mean)) / np.array(self.std)
        coords = np.concatenate([FULL * boxes, 1 + np.arange(len(words), dtype=np.float32)[:, None]], 1)
        if page is not None:
            n = self.side // PATCH
            patches = page[0].reshape(n, PATCH, n, PATCH).transpose(0, 2, 1, 3).reshape(n * n, -1)
            extra = np.zeros((n * n, self.dim), np.float32)
            extra[:, : PATCH * PATCH] = (patches / 255 - self.grey[0]) / self.grey[1]
            extra[:, BITS] = -1
            y, x = (FULL / n * i.ravel() for i in np.divmod(np.arange(n * n), n))
            places = np.stack([x, y, x + FULL / n, y + FULL / n, np.zeros(n * n)], 1)
            rows, coords = np.concatenate([rows, extra]), np.concatenate([coords, places])
        values = torch.from_numpy(rows)
        return Tokens(values, torch.from_numpy(coords.astype(np.float32)), layout((len(values),)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Page:
        """The page again; of its words the first 16 bytes."""
        content = ~tokens.slot
        rows, coords = (x[content].cpu().double().numpy() for x in (tokens.values, tokens.coords))
        word = rows[:, BITS] > 0
        bits = rows[word, :BITS] * np.array(self.std) + np.array(self.mean) > 0.5
        letters = [row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in np.packbits(bits, axis=1)]
        page = None
        if not word.all():
            n = self.side // PATCH
            pixels = rows[~word, : PATCH * PATCH] * self.grey[1] + self.grey[0]
            page = pixels.reshape(n, n, PATCH, PATCH).transpose(0, 2, 1, 3).reshape(1, self.side, self.side)
            page = np.rint(255 * page).clip(0, 255).astype(np.uint8)
        return {"words": letters, "boxes": (coords[word, :4] / FULL).astype(np.float32), "page": page}

    def kept(self, sample: Page) -> Page:
        """The page with its words cut to 16 bytes, less what they hold of a character that does not fit."""
        return {**sample, "words": [w.encode()[:LETTERS].decode(errors="ignore") for w in sample["words"]]}

    def raw(self, sample: Page) -> np.ndarray:
        """[2560]: shares of bytes and byte pairs of the words, where on the page they stand (16 x 16), the page at 32 x 32."""
        where = np.zeros((RAW_CELLS, RAW_CELLS), np.float32)
        centre = (sample["boxes"][:, :2] + sample["boxes"][:, 2:]) / 2
        at = np.clip((centre * RAW_CELLS).astype(int), 0, RAW_CELLS - 1)
        np.add.at(where, (at[:, 1], at[:, 0]), 1 / max(1, len(at)))
        picture = np.zeros((1, RAW_SIDE, RAW_SIDE), np.float32)
        if sample["page"] is not None:
            picture[:] = _resized(sample["page"], RAW_SIDE) / 255
        counts = byte_counts(" ".join(sample["words"]).encode())
        return np.concatenate([counts, where.ravel(), picture.ravel()]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)


def _plain(word: str) -> str:
    word = "".join(c for c in word[:256] if unicodedata.category(c) not in ("Cc", "Cs"))
    return word.strip()


def _bits(words: list[str]) -> np.ndarray:
    """[n, 128]: the first 16 bytes of each word, the highest bit of a byte first."""
    data = b"".join(word.encode()[:LETTERS].decode(errors="ignore").encode().ljust(LETTERS, b"\0") for word in words)
    return np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, BITS).astype(np.float64)


def _boxes(boxes: object) -> np.ndarray:
    """[n, 4] float32 within 0..1, the smaller edges first."""
    try:
        out = np.array(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise Unreadable("", f"a document's boxes are no table of numbers ({error})") from error
    out = out.reshape(0, 4) if not out.size else out
    if out.ndim != 2 or out.shape[1] != 4:
        raise Unreadable("", f"a document's boxes are [n, 4] (left, top, right, bottom), not {list(out.shape)}")
    if not np.isfinite(out).all():
        raise Unreadable("", "a document's boxes hold NaN or infinite values")
    if len(out) and (out.max() > 2 or out.min() < -1):
        raise Unreadable("", "boxes are shares of the page, 0 to 1: divide them by its width and height")
    edges = np.concatenate([np.minimum(out[:, :2], out[:, 2:]), np.maximum(out[:, :2], out[:, 2:])], 1)
    return np.clip(edges, 0, 1).astype(np.float32)


def _page(page: object, side: int) -> np.ndarray | None:
    """[1, side, side] uint8, grey; None where there is none or none is wanted."""
    if page is None or not side:
        return None
    if not isinstance(page, np.ndarray) or page.ndim != 3 or page.shape[0] not in (1, 3) or page.dtype != np.uint8:
        raise Unreadable("", "a page's picture is [1, H, W] or [3, H, W] of uint8")
    if not page.size or page.size > 3 * 10_000 * 10_000:
        raise Unreadable("", f"a page's picture of {page.shape[2]} x {page.shape[1]} pixels is empty or too large")
    if page.shape == (1, side, side):
        return page
    return np.rint(_resized(page, side).mean(0, keepdims=True)).astype(np.uint8)


def _resized(picture: np.ndarray, side: int) -> np.ndarray:
    """[C, side, side] float32: averages over what falls into each pixel."""
    x = torch.from_numpy(np.ascontiguousarray(picture)).to(torch.float32)[None]
    return F.adaptive_avg_pool2d(x, (side, side))[0].numpy()
