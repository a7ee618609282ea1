"""What a format's own library writes is what is read, of notes, films, packets and words (tests/properties.py)."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import LETTERS, SEED, WORDS, file, same, some

from headstart.data.open import open_source

# notes, films, packets, words

NOTES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 16), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15)),
                 min_size=1, max_size=20, unique_by=lambda n: (n[2], n[4]))  # fmt: skip


@some(12)
@given(NOTES, st.sampled_from([24, 96, 480, 960]), st.sampled_from([0, 1]), st.booleans(), SEED)
def test_midi(notes, ticks, form, silent, seed):
    mido = pytest.importorskip("mido")
    rng = np.random.default_rng(seed)
    programs = rng.integers(0, 128, 16).tolist()
    made = mido.MidiFile(type=form, ticks_per_beat=ticks)
    for channels in [range(16)] if form == 0 else [[c] for c in range(16)]:
        track, now, events = mido.MidiTrack(), 0, []
        for onset, length, pitch, velocity, channel in notes:
            if channel in channels:
                on = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
                off = mido.Message("note_on" if silent else "note_off", note=pitch, velocity=0, channel=channel)
                events += [(onset * ticks // 8, 1, on), ((onset + length) * ticks // 8, 0, off)]
        track += [mido.Message("program_change", program=programs[c], channel=c) for c in channels]
        track.append(mido.MetaMessage("set_tempo", tempo=400_000))
        for at, _, message in sorted(events, key=lambda e: e[:2]):
            track.append(message.copy(time=at - now))
            now = at
        made.tracks.append(track)
    with file("a.mid") as path:
        made.save(path)
        source = open_source(path)
        found = source[0]
    expected = sorted(
        (
            o * ticks // 8 / ticks,
            (o + n) * ticks // 8 / ticks - o * ticks // 8 / ticks,
            p,
            v,
            128 if c == 9 else programs[c],
        )
        for o, n, p, v, c in notes
    )
    got = sorted(zip(*(found[k].tolist() for k in ("onset", "duration", "pitch", "velocity", "program")), strict=True))
    assert source.kind == "music"
    np.testing.assert_allclose(np.array(got)[:, 0], np.array(expected)[:, 0], atol=1e-5)
    assert sorted(g[2:] for g in got) == sorted(e[2:] for e in expected)
    np.testing.assert_allclose(sorted(g[1] for g in got), sorted(e[1] for e in expected), atol=1e-5)


STEPS = {0: ("C", 0), 1: ("C", 1), 2: ("D", 0), 3: ("E", -1), 4: ("E", 0), 5: ("F", 0), 6: ("F", 1), 7: ("G", 0), 8: ("A", -1),
         9: ("A", 0), 10: ("B", -1), 11: ("B", 0)}  # fmt: skip


@some(10)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 6, 8]), st.one_of(st.none(), st.integers(24, 95))), min_size=1, max_size=12),
    st.sampled_from(["musicxml", "mxl", "krn"]), st.sampled_from([8, 24]),
)  # fmt: skip
def test_scores(notes, form, divisions):
    assume(any(pitch is not None for _, pitch in notes))
    expected, now = [], 0.0
    for eighths, pitch in notes:
        expected += [(now, eighths / 2, pitch)] if pitch is not None else []
        now += eighths / 2
    if form == "krn":
        word = {1: "8", 2: "4", 3: "4.", 4: "2", 6: "2.", 8: "1"}
        lines = ["**kern"]
        for eighths, pitch in notes:
            if pitch is None:
                lines.append(word[eighths] + "r")
                continue
            name, alter = STEPS[pitch % 12]
            octave = pitch // 12 - 1
            letters = name.lower() * (octave - 3) if octave >= 4 else name * (4 - octave)
            lines.append(word[eighths] + letters + {0: "", 1: "#", -1: "-"}[alter])
        data = "\n".join([*lines, "*-", ""]).encode()
    else:
        score = ElementTree.Element("score-partwise")
        ElementTree.SubElement(ElementTree.SubElement(score, "part-list"), "score-part", id="P1")
        measure = ElementTree.SubElement(ElementTree.SubElement(score, "part", id="P1"), "measure", number="1")
        ElementTree.SubElement(ElementTree.SubElement(measure, "attributes"), "divisions").text = str(divisions)
        for eighths, pitch in notes:
            note = ElementTree.SubElement(measure, "note")
            if pitch is None:
                ElementTree.SubElement(note, "rest")
            else:
                at = ElementTree.SubElement(note, "pitch")
                for tag, value in zip(("step", "alter", "octave"), (*STEPS[pitch % 12], pitch // 12 - 1), strict=True):
                    ElementTree.SubElement(at, tag).text = str(value)
            ElementTree.SubElement(note, "duration").text = str(eighths * divisions // 2)
        data = ElementTree.tostring(score, "utf-8", xml_declaration=True)
    with file(f"a.{form}") as path:
        if form == "mxl":
            import zipfile

            container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
                out.writestr("META-INF/container.xml", container)
                out.writestr("s.xml", data)
        else:
            path.write_bytes(data)
        found = open_source(path, "music")[0]
    got = list(zip(*(found[k].tolist() for k in ("onset", "duration", "pitch")), strict=True))
    assert got == expected


@some(8)
@given(
    st.sampled_from(["a.mkv ffv1", "a.avi ffv1", "a.mov qtrle"]), st.booleans(), st.integers(1, 12),
    st.sampled_from([2, 5, 10, 12]), st.tuples(st.integers(4, 20), st.integers(4, 20)), SEED,
)  # fmt: skip
def test_films(form, grey, count, rate, size, seed):
    av = pytest.importorskip("av")
    name, codec = form.split()
    grey = grey and codec == "ffv1"
    rng = np.random.default_rng(seed)
    width, height = 2 * size[0], 2 * size[1]
    frames = rng.integers(0, 256, (count, height, width) if grey else (count, height, width, 3), np.uint8)
    with file(name) as path:
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=rate)
            stream.width, stream.height = width, height
            stream.pix_fmt = "gray" if grey else {"ffv1": "bgr0", "qtrle": "rgb24"}[codec]
            for frame in frames:
                made = av.VideoFrame.from_ndarray(frame, format="gray" if grey else "rgb24")
                out.mux(stream.encode(made.reformat(format=stream.pix_fmt)))
            out.mux(stream.encode(None))
        source = open_source(path)
        found = source[0]
    assert source.kind == "video" and found["fps"] == pytest.approx(rate)
    expected = frames[: 10 * rate]
    same(found["frames"], expected[:, None] if grey else expected.transpose(0, 3, 1, 2))


@some(10)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.binary(max_size=40)), min_size=1, max_size=12),
    st.sampled_from(["pcap", "pcapng"]), st.booleans(),
)  # fmt: skip
def test_captures(packets, form, tcp):
    dpkt = pytest.importorskip("dpkt")
    a, b = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
    packets = sorted(packets, key=lambda p: p[0])
    with file(f"a.{form}") as path:
        with path.open("wb") as out:
            writer = (dpkt.pcap if form == "pcap" else dpkt.pcapng).Writer(out)
            for time, back, payload in packets:
                ends = (b, a) if back else (a, b)
                ports = {"sport": 2000, "dport": 1000} if back else {"sport": 1000, "dport": 2000}
                inner = (
                    dpkt.tcp.TCP(data=payload, **ports)
                    if tcp
                    else dpkt.udp.UDP(data=payload, ulen=8 + len(payload), **ports)
                )
                ip = dpkt.ip.IP(src=ends[0], dst=ends[1], p=6 if tcp else 17, data=inner)
                ip.len = len(ip)
                writer.writepkt(bytes(dpkt.ethernet.Ethernet(type=0x0800, data=ip)), ts=1e9 + time)
        source = open_source(path)
    assert source.kind == "packets" and len(source) == 1
    flow = source[0]
    np.testing.assert_allclose(flow["time"], [t - packets[0][0] for t, *_ in packets], atol=1e-5)
    assert flow["direction"] == [int(back != packets[0][1]) for _, back, _ in packets]
    assert [x[28 + 12 * tcp :] for x in flow["bytes"]] == [p for *_, p in packets]


TEXT = st.text(LETTERS, min_size=1, max_size=60)


@some(12)
@given(
    TEXT,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["md", "py", "tex"]),
)
def test_texts(text, encoding, end, suffix):
    assume(text.strip() and not text.startswith("\ufeff"))
    lines = [text, "and more", ""]
    with file(f"a.{suffix}") as path:
        path.write_bytes(end.join(lines).encode(encoding))
        source = open_source(path)
        assert source.kind == ("code" if suffix == "py" else "text") and source[0] == "\n".join(lines)


@some(10)
@given(
    st.lists(
        st.tuples(WORDS, st.tuples(*[st.integers(0, 90)] * 2), st.tuples(*[st.integers(1, 10)] * 2)), min_size=1, max_size=6
    ),
    st.sampled_from(["json", "xml", "page.xml", "hocr"]),
)  # fmt: skip
def test_pages(found, form):
    from html import escape

    words = [(" ".join(w.split()), x, y, x + a, y + b) for w, (x, y), (a, b) in found if w.split()]
    assume(words)
    with file(f"a.{form}") as path:
        if form == "json":
            said = {"words": [w for w, *_ in words], "boxes": [b for _, *b in words], "width": 100, "height": 200}
            data = json.dumps(said).encode()
        elif form == "xml":
            root = ElementTree.Element("alto", xmlns="http://www.loc.gov/standards/alto/ns-v4#")
            page = ElementTree.SubElement(ElementTree.SubElement(root, "Layout"), "Page", WIDTH="100", HEIGHT="200")
            for w, *b in words:
                box = dict(
                    zip(
                        ("HPOS", "VPOS", "WIDTH", "HEIGHT"),
                        map(str, (b[0], b[1], b[2] - b[0], b[3] - b[1])),
                        strict=True,
                    )
                )
                ElementTree.SubElement(page, "String", CONTENT=w, **box)
            data = ElementTree.tostring(root, "utf-8")
        elif form == "page.xml":
            root = ElementTree.Element("PcGts")
            page = ElementTree.SubElement(root, "Page", imageWidth="100", imageHeight="200")
            for w, x0, y0, x1, y1 in words:
                word = ElementTree.SubElement(page, "Word")
                ElementTree.SubElement(word, "Coords", points=f"{x0},{y0} {x1},{y0} {x1},{y1} {x0},{y1}")
                ElementTree.SubElement(ElementTree.SubElement(word, "TextEquiv"), "Unicode").text = w
            data = ElementTree.tostring(root, "utf-8")
        else:
            spans = [
                f"<span class='ocrx_word' title='bbox {' '.join(map(str, b))}'>{escape(w)}</span>" for w, *b in words
            ]
            data = f"<html><div class='ocr_page' title='bbox 0 0 100 200'>{' '.join(spans)}</div></html>".encode()
        path.write_bytes(data)
        source = open_source(path)
        page = source[0]
    assert source.kind == "document" and page["words"] == [w for w, *_ in words]
    same(page["boxes"], [np.array(b) / [100, 200, 100, 200] for _, *b in words])
