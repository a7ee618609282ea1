"""Source code as rows of text, its layout as coordinates.

Line breaks and indentation are not rows: the line a row stands in and how far that line is indented are coordinates, so a
model is told the structure of a file and is never asked to predict it. For Python, `edges` adds where each name's value
comes from.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Pairs, Tokenizer, Tokens, content, layout, split
from . import vocabulary
from .dataflow import flow
from .payload import Ids
from .text import readable
from .want import Want

MOST = 3072  # bytes of a sample that are ever read: so even with blank lines the lines stay below 10,000
TAB = 8  # columns, as Python reads a tab
LEVEL = 4  # columns of one indentation level in the coordinate
DEEPEST = 240  # columns of indentation that are told apart
BLANKS = 2  # blank lines in a row that are told apart


@dataclass(frozen=True)
class CodeTokenizer(Tokenizer):
    """The bytes (or pieces of a trained vocabulary) of every line after its indentation, at most `longest` bytes in all.

    Coordinates: the line, the row's number in the line, and the line's indentation in levels of 4 columns.
    bpe: the JSON of a trained byte-level vocabulary ("": bytes).
    """

    longest: int = 512
    bpe: str = ""

    kind = "code"
    signal: ClassVar[bool] = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "CodeTokenizer":
        """As long as the longest sample, but not over eight times `want.rows` rows; want.vocab over 256 trains a vocabulary."""
        files = readable(samples, cls(want.longest or MOST))
        lines = [text for file in files for _, _, text in _lines(file)]
        bpe = vocabulary.trained(lines, want.vocab or 0)
        bytes_ = [sum(len(text.encode()) for _, _, text in _lines(file)) for file in files]
        share = sum(bytes_) / max(1, sum(len(vocabulary.ids(line, bpe)) for line in lines)) if bpe else 1.0
        return cls(want.longest or int(min(MOST, max(bytes_), max(1, 8 * want.rows * share))), bpe)

    @property
    def axes(self) -> tuple[str, ...]:
        return ("line", "piece in the line" if self.bpe else "byte in the line", "indentation [4 columns]")

    @property
    def dim(self) -> int:
        return len(vocabulary.pieces(self.bpe))

    def fitted(self, sample: Sample) -> str:
        """The text with one form of layout, cut to `longest` bytes that are not layout; without any, Unreadable.

        Line ends become line feeds and leading tabs spaces; lines of whitespace are emptied, three or more of them become
        two, and those at either end go; indentation beyond 240 columns is cut. What follows the indentation stays as it is.
        """
        longest = min(self.longest, MOST)
        text = vocabulary.checked(sample, 2 * (DEEPEST + BLANKS + 4) * MOST).replace("\r\n", "\n").replace("\r", "\n")
        out: list[str] = []
        blanks = left = 0
        for line in text.removeprefix("\ufeff").split("\n"):
            body = line.lstrip(" \t")
            if not body.strip():
                blanks += 1
                continue
            body = vocabulary.cut(body, longest - left)
            if not body.strip():
                break
            out += [""] * min(blanks, BLANKS) if out else []
            indent = len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(TAB))
            out.append(" " * min(indent, DEEPEST) + body)
            left += len(body.encode())
            blanks = 0
            if left >= longest:
                break
        if not out:
            raise Unreadable("", "the code is empty" if not sample else "the code holds nothing but whitespace")
        return "\n".join(out)

    def __call__(self, sample: str) -> Tokens:
        ids, coords = [], []
        for number, indent, text in _lines(sample):
            line = vocabulary.ids(text, self.bpe)
            at = np.empty((len(line), 3), np.float32)
            at[:, 0], at[:, 1], at[:, 2] = number, np.arange(len(line)), indent / LEVEL
            ids.append(line)
            coords.append(at)
        values = torch.from_numpy(np.concatenate(ids))
        return Tokens(values, torch.from_numpy(np.concatenate(coords)), layout((len(values),)), self.kind)

    def edges(self, sample: str) -> np.ndarray:
        """[m, 2] int64: the row where a name is used, and the row where it was last given a value before; Python only.

        The data flow of GraphCodeBERT (Guo et al. 2021, section 3): see `dataflow.flow`. Rows are numbered as in the call;
        a name stands for the row of its first byte. None where the code is not Python.
        """
        starts: dict[int, np.ndarray] = {}  # by line: the byte column where each row begins
        first: dict[int, int] = {}
        rows = 0
        known = vocabulary.pieces(self.bpe)
        for number, indent, text in _lines(sample):
            sizes = [len(known[i]) for i in vocabulary.ids(text, self.bpe).tolist()]
            starts[number] = indent + np.cumsum([0, *sizes[:-1]])
            first[number] = rows
            rows += len(sizes)

        def row(place: tuple[int, int]) -> int:
            line, column = place
            return first[line] + int(np.searchsorted(starts[line], column, "right")) - 1

        pairs = {(row(use), row(source)) for use, source in flow(sample)}
        return np.array(sorted(pair for pair in pairs if pair[0] != pair[1]), np.int64).reshape(-1, 2)

    def pairs(self, tokens: Tokens) -> Pairs:
        """`edges` of every segment that is whole and unaltered: from use to definition (sort 0), and back (sort 1)."""
        found = [np.zeros((0, 2), np.int64)]
        for piece, start in zip(split(tokens, [1] * tokens.layout.segments), tokens.layout.cu.tolist(), strict=False):
            code, rows = self.decode(piece), content(piece)
            again = self(code) if code.strip() else None
            if again is not None and torch.equal(again.values, rows.values) and torch.equal(again.coords, rows.coords):
                found.append(self.edges(code) + start + tokens.layout.slots)
        use, source = torch.from_numpy(np.concatenate(found)).to(tokens.device).T
        sort = torch.tensor([0, 1], device=tokens.device).repeat_interleave(len(use))
        return Pairs(torch.cat([use, source]), torch.cat([source, use]), sort, 2)

    def embed(self, width: int) -> nn.Module:
        return Ids(self.dim, width)

    def decode(self, tokens: Tokens) -> str:
        """The text again, layout and all."""
        known, content = vocabulary.pieces(self.bpe), ~tokens.slot
        lines: list[bytes] = []
        for i, (line, _, level) in zip(tokens.values[content].tolist(), tokens.coords[content].tolist(), strict=True):
            while len(lines) <= line:
                lines.append(b"")
            lines[-1] = (lines[-1] or b" " * round(level * LEVEL)) + known[i]
        return b"\n".join(lines).decode(errors="replace")

    def raw(self, sample: str) -> np.ndarray:
        """[1280]: shares of bytes and of hashed byte pairs, layout included."""
        return vocabulary.byte_counts(sample.encode())

    def state(self) -> Json:
        return asdict(self)


def _lines(text: str) -> list[tuple[int, int, str]]:
    """Number, indentation and the rest of every line that is not blank."""
    lines = [(number, line, line.lstrip(" ")) for number, line in enumerate(text.split("\n"))]
    return [(number, len(line) - len(body), body) for number, line, body in lines if body]
