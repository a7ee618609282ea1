"""Text and code: what a row is, what is refused, and the sets and files they come from."""

import ast
import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import reading
from headstart.augment import code as code_views
from headstart.augment import text as text_views
from headstart.data.readers import text as reader
from headstart.data.sets import _lzw, bible, fortunes, python_source, wordnet
from headstart.data.source import DataError
from headstart.data.sources.listed import ListSource
from headstart.errors import Mistake, Unreadable
from headstart.reading import look
from headstart.recipe import Input
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.code import MOST, CodeTokenizer
from headstart.tokenizers.dataflow import flow
from headstart.tokenizers.text import TextTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

TEXTS = ["rows of bytes", "Grüße, 世界 🌍", "a", "x" * 64, "\x00 two\nlines\x1b", "the cat sat on the mat, " * 40]
CODE = [
    "x",
    "def f(a, b=1):\n    c = a + b\n\n\n\n    for i in range(c):\n\tc = c + i\n    return c\n",
    "class A:\r\n  é = 'ü'\r\n  def g(self):\r\n    return self.é\r\n",
    "package main\n\nfunc main() {\n\tprintln(1)   \n}\n",
]


def test_contract():
    check_tokenizer(TextTokenizer(64), TEXTS)
    check_tokenizer(TextTokenizer.fit(TEXTS), TEXTS)
    check_tokenizer(CodeTokenizer(40), CODE)
    check_tokenizer(CodeTokenizer.fit(CODE), CODE)


@pytest.mark.parametrize("kind", [TextTokenizer, CodeTokenizer])
def test_trained_vocabulary(kind):
    """A vocabulary of 400 says the same in less than half the rows, lives in the state alone, and is made again alike."""
    tokenizer = kind.fit(TEXTS + CODE, Want(vocab=400))
    check_tokenizer(tokenizer, [*TEXTS, *CODE])
    assert 256 < tokenizer.dim <= 400
    plain, text = kind(tokenizer.longest), TEXTS[-1].strip()
    assert len(tokenizer(tokenizer.fitted(text))) < 0.5 * len(plain(plain.fitted(text)))
    again = kind(**json.loads(json.dumps(tokenizer.state())))
    assert again == kind.fit(TEXTS + CODE, Want(vocab=400)) == tokenizer
    strange = tokenizer.fitted("Ünseen ☃ \x00 bytes")
    assert tokenizer.decode(tokenizer(strange)) == strange
    assert kind.fit(TEXTS, Want(vocab=256)).dim == 256, "256 and less are bytes"


def test_length():
    """Short texts are read whole; long ones to eight times as many rows as were asked for, or to what was asked for."""
    assert TextTokenizer.fit(["abc", "ü" * 10]).longest == 20
    assert TextTokenizer.fit(["a" * 5_000]).longest == 512 == TextTokenizer.fit(["a" * 5_000, " ", ""]).longest
    assert TextTokenizer.fit(["a" * 5_000], Want(rows=16)).longest == 128
    assert TextTokenizer.fit(["a"], Want(longest=99)).longest == 99
    bpe = TextTokenizer.fit([TEXTS[-1] * 9], Want(vocab=300))
    rows = len(bpe(bpe.fitted(TEXTS[-1] * 9)))
    assert 450 < rows <= 520, f"{rows} rows, not about 512"
    with pytest.raises(Mistake, match="nothing but whitespace"):
        TextTokenizer.fit([" \n", "\t"])


def test_cut_at_a_character():
    tokenizer = TextTokenizer(5)
    assert [tokenizer.fitted(s) for s in ("abcdé", "abcéé", "🌍🌍", "ab\0cdefg")] == ["abcd", "abcé", "🌍", "ab\0cd"]
    assert tokenizer.decode(tokenizer("abcdé")) == "abcd\ufffd", "rows of what was never fitted are cut anywhere"


@pytest.mark.parametrize("tokenizer", [TextTokenizer(8), CodeTokenizer(8)])
@pytest.mark.parametrize(
    "sample", ["", "  \n\t", " " * 99 + "x", "\ud800", "a\udfff", b"bytes", None, 3, ["a"], np.zeros(3)]
)
def test_refused(tokenizer, sample):
    if isinstance(tokenizer, CodeTokenizer) and isinstance(sample, str) and "x" in sample:
        assert tokenizer.fitted(sample) == sample, "indentation is not counted"
        return
    with pytest.raises(Unreadable):
        tokenizer.fitted(sample)


def test_layout_is_coordinates():
    """No row is a line break or indentation; the same words elsewhere differ in coordinates alone."""
    tokenizer = CodeTokenizer()
    flat, deep = tokenizer(tokenizer.fitted("a=1\nb=2")), tokenizer(tokenizer.fitted("if x:\n    a=1\n\n    b=2"))
    assert bytes(flat.values.tolist()) == b"a=1b=2"
    assert flat.coords.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 0, 0], [1, 1, 0], [1, 2, 0]]
    assert torch.equal(deep.values[-6:], flat.values)
    assert deep.coords[-6:].tolist() == [[1, 0, 1], [1, 1, 1], [1, 2, 1], [3, 0, 1], [3, 1, 1], [3, 2, 1]]
    assert tokenizer.fitted("\n\n\ta\n \n\n\n\n  b  \n\n") == "        a\n\n\n  b  "


def test_hostile_layout():
    """Coordinates stay below 10,000 and a second fit changes nothing, whatever the layout."""
    tokenizer = CodeTokenizer(MOST)
    for sample in (
        "\n" * 50_000 + "x",
        "a\n\n\n\n" * 5_000,
        "\t" * 50_000 + "y",
        ("\t" * 100 + "z\n\n\n") * 5_000,
        "\f\nq\r\r\rw",
    ):
        fitted = tokenizer.fitted(sample)
        assert tokenizer.fitted(fitted) == fitted
        assert tokenizer(fitted).coords.max() < 10_000
        assert tokenizer.decode(tokenizer(fitted)) == fitted


def spelt(source: str) -> set[tuple[str, str]]:
    """Edges by line and name, as in ("3 a", "1 a")."""
    lines = source.encode().split(b"\n")

    def at(line: int, column: int) -> str:
        end = column
        while end < len(lines[line]) and (lines[line][end : end + 1].isalnum() or lines[line][end] > 127):
            end += 1
        return f"{line} {lines[line][column:end].decode()}"

    return {(at(*use), at(*source)) for use, source in flow(source)}


@pytest.mark.parametrize(
    ("source", "edges"),
    [
        ("a = 1\nb = a\na = 2\nc = a", {("1 a", "0 a"), ("3 a", "2 a")}),
        ("é = 1\nif x:\n  é = 2\nprint(é)", {("3 é", "0 é"), ("3 é", "2 é")}),
        ("n = 0\nfor i in x:\n  n = n + i", {("2 n", "0 n"), ("2 n", "2 n"), ("2 i", "1 i")}),
        (
            "import os as o\ndef f(p, q=o):\n  return p(o, f)",
            {("1 o", "0 o"), ("2 o", "0 o"), ("2 p", "1 p"), ("2 f", "1 f")},
        ),
        ("a = 1\ndef f():\n  b = a\n  a = b\n", {("3 b", "2 b")}),
        ("class A:\n  k = 1\n  j = k\n  def g(s):\n    return k, A", {("2 k", "1 k"), ("4 A", "0 A")}),
        ("x = [i for i in range(3)]\ny = i, x", {("0 i", "0 i"), ("1 x", "0 x")}),
        ("try:\n  a = 1\nexcept E:\n  a = 2\nprint(a)", {("4 a", "1 a"), ("4 a", "3 a")}),
        ("a = 1\nb = a\nif (c", {("1 a", "0 a")}),
        ("int main() { return 0; }", set()),
        ("a = '\\d'\nb = a", {("1 a", "0 a")}),
    ],
)
def test_data_flow(source, edges):
    assert spelt(source) == edges


@pytest.mark.parametrize("vocab", [None, 300])
def test_edges_are_rows(vocab):
    """Both ends of every edge of a real function are rows that begin, or hold, one and the same name."""
    source = Path(ast.__file__).read_text(encoding="utf-8")
    tokenizer = CodeTokenizer.fit(
        [source[i : i + 3_000] for i in range(0, 30_000, 3_000)], Want(vocab=vocab, longest=2_000)
    )
    fitted = tokenizer.fitted(source[source.index("def literal_eval") :])
    tokens, edges = tokenizer(fitted), tokenizer.edges(fitted)
    assert (
        len(edges) > 20 and edges.dtype == np.int64 and edges.max() < len(tokens) and (edges[:, 0] != edges[:, 1]).all()
    )
    if vocab is None:
        letters = bytes(tokens.values.tolist())
        assert all(letters[a] == letters[b] for a, b in edges)
        assert len({letters[a] for a, _ in edges}) > 3
    assert tokenizer.edges("no python here").shape == (0, 2)


def test_edges_end():
    """Loops in loops, and brackets in brackets, are finished in time."""
    loops = "\n".join(" " * i + "for x in x:" for i in range(60)) + "\n" + " " * 60 + "y = x"
    assert flow(loops) and flow("(" * 2_000 + ")" * 2_000) == [] == flow("-" * 3_000 + "1")


@pytest.mark.parametrize(("views", "tokenizer"), [(text_views, TextTokenizer(64)), (code_views, CodeTokenizer(64))])
def test_views_are_passages(views, tokenizer):
    """Neighbouring rows that begin at 0, the asked share of each sample, and the same whatever lies beside it."""
    samples = [tokenizer.fitted(s) for s in ("abcdefghijklmnopqrstuvwxyz\n0123456789", "a", "0123456789" * 6)]
    rows = [tokenizer(s) for s in samples]
    keys = torch.tensor([5, 6, 7])
    rng = Step(3, 10).rng("views", keys)
    crop = views.crop_rows(pack(rows, 1), rng, (0.4, 0.6), 1.0)
    assert crop.layout.lengths[1] == 2 and 0.4 * 60 <= crop.layout.lengths[2] - 1 <= 0.6 * 60
    first = crop.layout.cu[:-1].long() + 1
    assert crop.coords[first, 0].tolist() == [0, 0, 0]
    passage = bytes(crop.values[crop.layout.seg == 2][1:].tolist()).decode()
    assert passage in samples[2]
    back = views.crop_rows(pack(rows[::-1], 1), Step(3, 10).rng("views", keys.flip(0)), (0.4, 0.6), 1.0)
    assert torch.equal(back.values[back.layout.seg == 0], crop.values[crop.layout.seg == 2])


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        ("a.txt", "Grüße\r\nworld".encode(), "text", "Grüße\nworld"),
        ("a.md", b"\xef\xbb\xbfmarked", "text", "marked"),
        ("a.rst", "Grüße".encode("utf-16"), "text", "Grüße"),
        ("a.txt", b"caf\xe9 \x93quoted\x94", "text", "café “quoted”"),
        ("a.py", b"x = 1\n", "code", "x = 1\n"),
        ("a.ts", b"let x: number = 1\n", "code", "let x: number = 1\n"),
        ("run", b"#!/bin/sh\necho\n", "code", "#!/bin/sh\necho\n"),
        ("a.txt", ("é" * 3_000).encode(), "text", "é" * 3_000),
    ],
)
def test_files(tmp_path, name, content, kind, text):
    path = tmp_path / name
    path.write_bytes(content)
    assert reader.kind(content[:4095], path) == kind
    assert reader.read(path) == text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0"),
        ("a.py", bytes(range(256))),
        ("a.txt", b"\xff\xfe\x00\xd8"),
        ("a.txt", b"\xff\xfea\x00b"),
        ("a.txt", bytes(range(128, 256)) * 9),
    ],
)
def test_no_text(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert len(content) < 8 or reader.kind(content, path) is None
    with pytest.raises(Unreadable, match="no text"):
        reader.read(path)


def test_other_files_called_ts(tmp_path):
    path = tmp_path / "a.ts"
    assert reader.kind(b"#made by hand\n@problemName Gun\n@data\n1,2:0", path) is None
    assert reader.kind((b"G" + b"a" * 187) * 3, path) is None
    with pytest.raises(Unreadable, match="empty"):
        path.write_bytes(b"")
        reader.read(path)
    with pytest.raises(Unreadable, match="cannot be opened"):
        reader.read(tmp_path / "none.txt")


def compress(data: bytes) -> bytes:
    """What `compress -b 16` writes while its codes have 9 bits, which suffices for fewer than 256 new words."""
    table, out, word = {bytes([i]): i for i in range(256)} | {b"clear": 256}, [], b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
        else:
            out.append(table[word])
            table[longer] = len(table)
            word = bytes([byte])
    out.append(table[word])
    assert len(table) <= 512
    bits = sum(code << 9 * i for i, code in enumerate(out))
    return b"\x1f\x9d\x90" + bits.to_bytes(-(-9 * len(out) // 8), "little")


def test_bible(tmp_path, monkeypatch):
    verses = "Holy Bible.\nGe1:1 In the beginning.\nGe1:2 And the earth.\n1Jn2:1 My little children.\nRev22:21 Amen.\n"
    assert _lzw.expand(compress(verses.encode())) == verses.encode()
    assert _lzw.expand(compress(b"a" * 400)) == b"a" * 400, "words that are not in the table yet"
    head = b"EC02Compressed Data File".ljust(0x58, b"\0") + (1).to_bytes(4, "big") + bytes(8)
    (tmp_path / "share" / "doc" / "bible-kjv-text").mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "bible.data").write_bytes(head + compress(verses.encode()))
    monkeypatch.setattr(bible, "unpacked", lambda *_: tmp_path / "share" / "doc" / "bible-kjv-text")
    found = bible.load()
    assert [found[i] for i in range(4)] == ["In the beginning.", "And the earth.", "My little children.", "Amen."]
    assert found.name(2) == "1Jn2:1" and found.classes == ("law", "letters", "revelation")
    assert found.groups.tolist() == [0, 0, 1, 2] and len(bible.KIND_OF) == 66
    for damaged in (b"", b"\x1f\x9d\x90", b"\x1f\x9d\x8f\xff\xff\xff\xff", compress(b"abc")[:3] + b"\xff" * 9):
        try:
            _lzw.expand(damaged)
        except DataError:
            continue


def test_fortunes(tmp_path, monkeypatch):
    (tmp_path / "art").write_text("%\n".join(f"art {i}\n" for i in range(120)) + "%\n")
    (tmp_path / "zippy").write_text("%\n".join(f"z {i}\n\t\t-- Z\n" for i in range(100)) + "%\nart 3\n")
    (tmp_path / "few").write_text("a\n%\nb\n")
    (tmp_path / "art.dat").write_bytes(b"\0\1")
    monkeypatch.setattr(fortunes, "unpacked", lambda *_: tmp_path)
    found = fortunes.load()
    assert np.bincount(found.labels).tolist() == [120, 100] and found.classes == ("art", "zippy")
    assert found[120] == "z 0\n\t\t-- Z" and found.name(121) == "zippy[1]"


def test_wordnet(tmp_path, monkeypatch):
    noun = (
        "  1 licence text | not a line\n00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived  \n"
    )
    (tmp_path / "data.noun").write_text(noun)
    (tmp_path / "data.verb").write_text("00001740 29 v 04 breathe 0 | draw air into\n")
    monkeypatch.setattr(wordnet, "unpacked", lambda *_: tmp_path)
    found = wordnet.load()
    assert list(found.samples) == ["that which is perceived", "draw air into"]
    assert found.classes == ("noun.Tops", "verb.body") and found.name(1) == "breathe"
    assert len(wordnet.FIELDS) == 45 and wordnet.FIELDS[43] == "verb.weather"
    with pytest.raises(DataError, match="wordnet:verbs"):
        wordnet.load("adverbs")


def test_python_source(tmp_path, monkeypatch):
    said = "Long enough to be more than a stub, which takes a hundred and twenty characters."
    body = f"def f{{i}}(a):\n    '''{said}'''\n    return a + {{i}}, None\n"
    for package in ("alpha", "beta", "alpha/test"):
        (tmp_path / package).mkdir()
        for file in range(4):
            code = "\n".join(body.format(i=i) for i in range(30))
            (tmp_path / package / f"m{file}.py").write_text(
                "class C:\n" + "\n".join("    " + x for x in code.split("\n"))
            )
    (tmp_path / "alone.py").write_text("\n".join(body.format(i=i) for i in range(200)))
    (tmp_path / "alpha" / "broken.py").write_text("def (")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    found = python_source.load()
    assert found.classes == ("alpha", "beta") and len(found) == 240 and len(set(found.groups.tolist())) == 8
    assert found[0] == body.format(i=0).rstrip() and found.name(0) == "alpha/m0.py:C.f0"
    for name in ("bible", "fortunes", "python_source"):
        with pytest.raises(DataError, match="has no split"):
            {"bible": bible, "fortunes": fortunes, "python_source": python_source}[name].load("half")


def rows_of(texts, **words):
    _, tokenizer, _, why = look(ListSource(texts, "text"), Input(**words), torch.device("cpu"))
    return tokenizer, why


def test_texts_get_a_vocabulary_of_their_own(monkeypatch):
    """As many entries as the text allows, from more of it than the 256 samples that a tokenizer is fitted to; a word says
    otherwise."""
    R = np.random.default_rng(0)
    words = ["".join(R.choice(list("abcdefghij"), 6)) for _ in range(2_000)]
    texts = [" ".join(words[i : i + 4]) for i in range(1_997)]  # 28 letters each: 256 of them hold half of the words
    letters = sum(map(len, texts))
    assert rows_of(texts)[0].dim == letters // reading.FOR_ENTRY > 256
    monkeypatch.setattr(reading, "FOR_ENTRY", 30)
    tokenizer, _ = rows_of(texts)
    assert tokenizer.dim == letters // 30 and sum(len(tokenizer(text)) for text in texts) < 0.5 * letters
    monkeypatch.setattr(reading, "LETTERS", 1)  # as if it were trained on no more than a few
    few, _ = rows_of(texts)
    assert sum(len(few(text)) for text in texts) > 1.1 * sum(len(tokenizer(text)) for text in texts)
    assert rows_of(texts, vocab=1)[0].dim == 256 and rows_of(texts, vocab=300)[0].dim == 300
    assert rows_of(texts[:20])[0].dim == 256  # too little text for any
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    tokenizer, why = rows_of(texts)
    assert tokenizer.dim == 256 and 'pip install "headstart[text]"' in why[0]
