"""Music: notes come back exactly, pitch is not in their places, and scores are read as other programs read them."""

import struct
import zipfile

import numpy as np
import pytest
import torch

from headstart.augment.music import SEMITONES, crop_rows
from headstart.data.readers import kern, midi, musicxml
from headstart.data.sets import music21
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.music import DRUMS, WIDTH, MusicTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack, split

R = np.random.default_rng(0)


def piece(n, drums=0.2, chords=0.5):
    step = R.choice([0.0, 0.25, 1 / 3, 1.0], n, p=[chords, *[(1 - chords) / 3] * 3])
    program = np.where(R.random(n) < drums, DRUMS, R.integers(0, 128, n))
    return {
        "onset": 17.5 + np.cumsum(step), "duration": R.choice([0.0, 0.125, 1 / 3, 1.5, 4.0, 300.0], n),
        "pitch": R.integers(0, 128, n), "velocity": R.integers(0, 128, n), "program": program,
    }  # fmt: skip


def notes(sample):
    keys = ("onset", "duration", "pitch", "velocity", "program")
    return sorted(zip(*(np.round(np.asarray(sample[k], float), 4).tolist() for k in keys), strict=True))


def test_contract():
    samples = [piece(n) for n in (40, 1, 7, 300, 40)]
    samples.append({"onset": [0, 1, 2], "duration": [1, 1, 1], "pitch": [60, 62, 64]})
    samples.append({k: torch.from_numpy(v) for k, v in piece(5).items()})
    samples.append({k: v.astype(np.float32) for k, v in piece(5).items()})
    samples.append(piece(30, 1.0, 1.0))  # one chord of drums
    tokenizer = MusicTokenizer.fit(samples)
    assert tokenizer.longest == 128
    check_tokenizer(tokenizer, samples)
    check_tokenizer(MusicTokenizer(1), samples)


def test_notes_come_back_exactly():
    sample = piece(100)
    tokenizer = MusicTokenizer.fit([sample])
    fitted = tokenizer.fitted(sample)
    back = tokenizer.decode(tokenizer(fitted))
    for key in ("pitch", "velocity", "program", "onset"):
        assert np.array_equal(back[key], fitted[key]), key
    assert np.abs(back["duration"] - fitted["duration"]).max() < 1e-5 * 300
    moved = {**sample, "onset": sample["onset"] - 17.0}
    assert notes(fitted) == notes(moved)


def test_any_order_of_notes_is_the_same_piece():
    sample = piece(60)
    order = R.permutation(60)
    tokenizer = MusicTokenizer.fit([sample])
    shuffled = tokenizer(tokenizer.fitted({k: v[order] for k, v in sample.items()}))
    assert torch.equal(shuffled.values, tokenizer(tokenizer.fitted(sample)).values)


def test_places_say_nothing_of_pitch_but_its_order_in_a_chord():
    sample = piece(100)
    lower = {**sample, "pitch": sample["pitch"] // 2}
    tokenizer = MusicTokenizer(100)
    a, b = (tokenizer(tokenizer.fitted(s)) for s in (sample, lower))
    assert torch.equal(a.coords, b.coords) and not torch.equal(a.values, b.values)


def test_payloads_are_standardised_whatever_is_played():
    tokenizer = MusicTokenizer.fit([piece(100) for _ in range(5)])
    for sample in (piece(100), {"onset": np.arange(9), "duration": np.ones(9), "pitch": np.full(9, 60)}):
        hot = tokenizer(tokenizer.fitted(sample)).values[:, :WIDTH]
        assert abs(float(hot.mean())) < 1e-5 and abs(float(hot.square().mean()) - 1) < 1e-5 and float(hot.max()) <= 4
    both = torch.cat([tokenizer(tokenizer.fitted(piece(100))).values[:, WIDTH:] for _ in range(20)])
    assert both.mean(0).abs().max() < 0.2 and (both.std(0) - 1).abs().max() < 0.2


def test_long_pieces_are_cut():
    assert MusicTokenizer.fit([piece(50), piece(90)]).longest == 90
    assert MusicTokenizer.fit([piece(50)], Want(longest=20)).longest == 20
    assert len(MusicTokenizer(20).fitted(piece(50))["pitch"]) == 20
    late = {"onset": np.array([0.0, 9000.0]), "duration": np.ones(2), "pitch": np.array([60, 61])}
    assert len(MusicTokenizer(20).fitted(late)["pitch"]) == 1


BAD = [
    None, "music", [], np.zeros((4, 3)), {}, {"onset": [0.0]}, {"onset": [], "duration": [], "pitch": []},
    *({**{k: np.ones(3) for k in ("onset", "duration", "pitch", "velocity", "program")}, key: value} for key, value in [
        ("onset", [0, 1]), ("onset", "abc"), ("onset", torch.zeros(3).to_sparse()), ("onset", [np.nan, 0, 1]),
        ("onset", [np.inf, 0, 1]), ("onset", [1e300, 0, 1]),
        ("duration", [-1, 0, 1]), ("duration", None), ("pitch", [60, 61, 128]), ("pitch", [60.5, 61, 62]), ("pitch", [-1, 0, 1]),
        ("pitch", [[1], [2], [3]]), ("pitch", ["c", "d", "e"]), ("pitch", [1, 2, [3]]), ("velocity", [0, 1, 200]),
        ("program", [0, 1, 129]), ("program", 7), ("pitch", [None, 1, 2]), ("pitch", [10**400, 1, 2]),
        ("onset", np.ones(3, complex)),
    ]),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(BAD)))
def test_what_is_no_music_is_refused_in_words(at):
    with pytest.raises(Unreadable):
        MusicTokenizer().fitted(BAD[at])


def test_fit_ignores_what_is_no_music():
    good = piece(30)
    assert MusicTokenizer.fit([*BAD, good]) == MusicTokenizer.fit([good])
    with pytest.raises(Mistake):
        MusicTokenizer.fit(BAD)


def batch(pieces, slots=1):
    tokenizer = MusicTokenizer(1000)
    return tokenizer, pack([tokenizer(tokenizer.fitted(p)) for p in pieces], slots)


def test_crops_are_passages_in_another_key():
    pieces = [{**piece(80), "pitch": R.integers(40, 80, 80)} for _ in range(20)]
    tokenizer, tokens = batch(pieces)
    out = crop_rows(tokens, Step(3, 10).rng("x", torch.arange(20)), (0.3, 0.6), 1.0)
    shifts = set()
    for sample, part in zip(pieces, split(out, [1] * 20), strict=True):
        whole, back = tokenizer.fitted(sample), tokenizer.decode(part)
        n = len(back["pitch"])
        assert 0.3 * 80 - 1 <= n <= 0.6 * 80 + 1 and 0 <= back["onset"][0] < 1
        gaps, places = np.diff(back["onset"]), range(81 - n)
        at = next(i for i in places if np.allclose(np.diff(whole["onset"][i : i + n]), gaps, atol=1e-4)
                  and np.array_equal(whole["program"][i : i + n], back["program"]))  # fmt: skip
        assert np.allclose(back["onset"] % 1, whole["onset"][at : at + n] % 1, atol=1e-3)  # the beat stays
        moved = back["pitch"] - whole["pitch"][at : at + n]
        drums = back["program"] == DRUMS
        assert not moved[drums].any() and len(set(moved[~drums].tolist())) <= 1
        shifts |= set(moved[~drums].tolist())
    assert len(shifts) >= 5 and max(map(abs, shifts)) <= SEMITONES
    hot = out.values[~out.slot][:, :WIDTH]
    assert abs(float(hot.mean())) < 1e-5 and abs(float(hot.square().mean()) - 1) < 1e-5


def test_crops_hang_on_the_sample_alone_and_stay_on_the_keyboard():
    pieces = [{**piece(30), "pitch": np.where(np.arange(30) % 2, 0, 127)} for _ in range(5)]
    tokenizer, tokens = batch(pieces)
    out = split(crop_rows(tokens, Step(3, 10).rng("x", torch.arange(5)), (0.3, 0.6), 1.0), [1] * 5)
    order = [4, 2, 0, 1, 3]
    _, other = batch([pieces[i] for i in order])
    again = split(crop_rows(other, Step(3, 10).rng("x", torch.tensor(order)), (0.3, 0.6), 1.0), [1] * 5)
    for i, part in zip(order, again, strict=True):
        assert torch.equal(part.values, out[i].values) and torch.equal(part.coords, out[i].coords)
        assert set(tokenizer.decode(part)["pitch"].tolist()) <= {0, 127}


def test_the_plain_vector_tells_styles_apart():
    tokenizer = MusicTokenizer()

    def raw(s):
        return tokenizer.raw(tokenizer.fitted(s))

    scale = {"onset": np.arange(20), "duration": np.ones(20), "pitch": 60 + np.arange(20) % 7}
    leaps = {"onset": np.arange(20), "duration": np.ones(20), "pitch": 60 + 12 * (np.arange(20) % 2)}
    later = {**scale, "onset": np.arange(20) + 400}
    assert np.array_equal(raw(scale), raw(later)) and np.abs(raw(scale) - raw(leaps)).sum() > 2
    assert len(raw(scale)) <= 3072


def midi_file(path):
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(ticks_per_beat=96)
    one, two = mido.MidiTrack(), mido.MidiTrack()
    file.tracks += [one, two]
    one.append(mido.MetaMessage("set_tempo", tempo=300_000))
    one.append(mido.Message("program_change", channel=2, program=40))
    for pitch, velocity, wait in [(60, 90, 0), (64, 80, 48)]:
        one.append(mido.Message("note_on", channel=2, note=pitch, velocity=velocity, time=wait))
    one.append(mido.Message("note_off", channel=2, note=60, time=48))
    one.append(mido.Message("note_on", channel=2, note=64, velocity=0, time=96))
    two.append(mido.Message("note_on", channel=9, note=36, velocity=100, time=24))
    two.append(mido.Message("note_on", channel=9, note=36, velocity=101, time=24))
    two.append(mido.Message("note_off", channel=9, note=36, time=24))
    two.append(mido.Message("note_off", channel=9, note=36, time=48))
    two.append(mido.Message("note_on", channel=0, note=72, velocity=10, time=24))  # never released: until the end
    file.save(path)
    return [
        (0, 1, 60, 90, 40),
        (0.25, 0.5, 36, 100, 128),
        (0.5, 0.75, 36, 101, 128),
        (0.5, 1.5, 64, 80, 40),
        (1.5, 0.5, 72, 10, 0),
    ]


def test_midi_notes_are_paired(tmp_path):
    there = midi_file(tmp_path / "a.bin")
    assert midi.kind((tmp_path / "a.bin").read_bytes()[:4096], tmp_path / "a.bin") == "music"
    back = midi.read(tmp_path / "a.bin")
    assert notes(back) == sorted(tuple(float(v) for v in n) for n in there)
    check_tokenizer(MusicTokenizer(1), [back])


def test_a_midi_file_in_film_frames_is_refused(tmp_path):
    pytest.importorskip("mido")
    for divided, form in ((0xE728, 1), (0, 1), (96, 2)):
        track = b"\0\x90\x40\x40\x10\x80\x40\0\0\xff\x2f\0"
        head = b"MThd" + struct.pack(">IHHH", 6, form, 1, divided) + b"MTrk" + struct.pack(">I", len(track))
        (tmp_path / "a.mid").write_bytes(head + track)
        with pytest.raises(Unreadable):
            midi.read(tmp_path / "a.mid")


HEAD = '<?xml version="1.0"?><!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 2.0 Partwise//EN" "http://x/p.dtd">'


def xml_note(step, octave, duration, extra="", alter=0, voice=1):
    pitch = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    chord = "<chord/>" if "chord" in extra else ""
    ties = "".join(f'<tie type="{t}"/>' for t in ("stop", "start") if t in extra)
    return f"<note>{chord}{pitch}<duration>{duration}</duration>{ties}<voice>{voice}</voice></note>"


MEASURES = [
    "<attributes><divisions>2</divisions></attributes>" + xml_note("C", 4, 2) + xml_note("E", 4, 2, "chord")
    + "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>" + xml_note("F", 4, 2, "start", 1)
    + "<backup><duration>4</duration></backup><forward><duration>1</duration></forward>" + xml_note("C", 3, 3, voice=2),
    xml_note("F", 4, 1, "stop", 1) + "<note><rest/><duration>1</duration></note>"
    + '<direction><sound dynamics="100"/></direction>' + xml_note("B", 3, 2, "", -1),
]  # fmt: skip
PROGRAM = '<midi-instrument id="I"><midi-program>20</midi-program></midi-instrument>'
PARTS = f'<part-list><score-part id="P1">{PROGRAM}</score-part></part-list>'
WHOLE = "".join(f"<measure>{m}</measure>" for m in MEASURES)
SCORE = f'{HEAD}<score-partwise>{PARTS}<part id="P1">{WHOLE}</part></score-partwise>'
EACH = "".join(f'<measure><part id="P1">{m}</part></measure>' for m in MEASURES)
TIMEWISE = f"<score-timewise>{PARTS}{EACH}</score-timewise>"
SCORED = [
    (0, 1, 60, 64, 19), (0, 1, 64, 64, 19), (0.5, 1.5, 48, 64, 19), (1, 1.5, 66, 64, 19), (3, 1, 58, 90, 19),
]  # fmt: skip


def as_mxl(path, text, name="score.xml"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "META-INF/container.xml", f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
        )
        file.writestr("score.xml", text)


@pytest.mark.parametrize("form", ["partwise", "timewise", "utf16", "mxl"])
def test_scores_in_musicxml(tmp_path, form):
    path = tmp_path / ("a.mxl" if form == "mxl" else "a.dat")
    if form == "mxl":
        as_mxl(path, SCORE)
    elif form == "utf16":
        path.write_bytes(SCORE.replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16"))
    else:
        path.write_text(SCORE if form == "partwise" else TIMEWISE)
    assert musicxml.kind(path.read_bytes()[:4096], path) == "music"
    assert notes(musicxml.read(path)) == sorted(tuple(float(v) for v in n) for n in SCORED)


BOMB = '<!DOCTYPE score-partwise [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><score-partwise>&b;</score-partwise>'
HOSTILE = [
    "", "no xml", "<score-partwise>", "<html></html>", "<score-partwise/>", BOMB,
    '<!DOCTYPE score-partwise [<!ENTITY x SYSTEM "file:///etc/passwd">]><score-partwise>&x;</score-partwise>',
    "<score-partwise>&lol;</score-partwise>", "<a>" * 100_000, SCORE.replace("<step>C</step>", "<step>H</step>"),
    *(SCORE.replace("<divisions>2<", f"<divisions>{v}<") for v in ("0", "-1", "nan", "x", "1e400")),
    *(SCORE.replace("<duration>2<", f"<duration>{v}<") for v in ("-2", "nan", "inf", "x", "1e8")),
    SCORE.replace("<octave>4<", "<octave>x<"), '<?xml version="1.0" encoding="nothing"?>' + SCORE[21:],
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(HOSTILE)))
def test_hostile_scores_are_refused_in_words(tmp_path, at):
    (tmp_path / "a.xml").write_text(HOSTILE[at])
    with pytest.raises(Unreadable):
        musicxml.read(tmp_path / "a.xml")
    as_mxl(tmp_path / "a.mxl", HOSTILE[at])
    with pytest.raises(Unreadable):
        musicxml.read(tmp_path / "a.mxl")


def test_an_archive_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(musicxml, "BYTES", 1 << 20)
    as_mxl(tmp_path / "a.mxl", " " * (8 << 20) + SCORE)
    assert (tmp_path / "a.mxl").stat().st_size < 20_000
    with pytest.raises(Unreadable, match="larger"):
        musicxml.read(tmp_path / "a.mxl")
    as_mxl(tmp_path / "b.mxl", SCORE, "../../etc/passwd")
    with pytest.raises(Unreadable):
        musicxml.read(tmp_path / "b.mxl")


KERN = """!!!COM: Nobody
!!!OPR: Missa Nulla
**kern\t**text\t**kern
*clefF4\t*\t*clefG2
4C\tla\t[2g#
8D 8F\t.\t.
8r\t.\t.
=1\t=1\t=1
*\t*\t*^
4.GG\tlu\t4g#]\t1cc
.\t.\tqf\t.
.\t.\t4ff-\t.
*\t*\t*v\t*v
*-\t*-\t*-
"""
KERNED = [
    (0, 1, 48, 64, 0), (0, 3, 68, 64, 0), (1, 0.5, 50, 64, 0), (1, 0.5, 53, 64, 0), (2, 1.5, 43, 64, 0), (2, 4, 72, 64, 0),
    (3, 1, 76, 64, 0),
]  # fmt: skip


def test_scores_in_kern(tmp_path):
    (tmp_path / "a").write_text(KERN)
    assert kern.kind((tmp_path / "a").read_bytes(), tmp_path / "a") == "music"
    assert notes(kern.read(tmp_path / "a")) == sorted(tuple(float(v) for v in n) for n in KERNED)
    for text in ("", "hello", "**kern\t**kern\n4c\n", "**kern\n", "**kern\n99999999c\n", "**kern\n0000000000%1c\n"):
        (tmp_path / "b").write_text(text)
        with pytest.raises(Unreadable):
            kern.read(tmp_path / "b")
    primes = [n for n in range(9000, 9999) if all(n % k for k in range(2, 100))]
    (tmp_path / "c").write_text("**kern\n" + "".join(f"{p}c\n" for p in primes))
    with pytest.raises(Unreadable, match="beats"):
        kern.read(tmp_path / "c")


def test_other_files_are_none_of_ours(tmp_path):
    for start in (
        b"",
        b"PK\x03\x04 word/document.xml",
        b"<svg></svg>",
        b"<html>score-partwise</html>",
        b"MThd\0\0",
        b"**dynam\n",
        b"# x",
    ):
        assert not any(r.kind(start, tmp_path / "x.bin") for r in (midi, musicxml, kern))


@pytest.mark.parametrize("reader", [midi, musicxml, kern])
def test_spoiled_files_are_refused_in_words(tmp_path, reader):
    path = tmp_path / "a.mxl"
    if reader is midi:
        midi_file(path)
    elif reader is kern:
        path.write_text(KERN)
    else:
        as_mxl(path, SCORE)
    whole = path.read_bytes()
    for _ in range(150):
        x = bytearray(whole)
        for at in R.integers(0, len(x), R.integers(1, 6)):
            x[at] ^= 1 << R.integers(0, 8)
        path.write_bytes(bytes(x[: R.integers(1, len(x) + 1)]) if R.random() < 0.3 else bytes(x))
        try:
            sample = reader.read(path)
        except Unreadable:
            continue
        MusicTokenizer().fitted(sample)


def test_music21_labels_composers_and_groups_works(tmp_path, monkeypatch):
    for name, text in [("palestrina/Agnus_00.krn", KERN), ("palestrina/Kyrie_07.krn", KERN), ("palestrina/Agnus_01.krn",
            KERN.replace("Nulla", "Una")), ("bach/bwv1.6.xml", SCORE), ("bach/bwv1.7.xml", SCORE), ("bach/bwv10.7.xml", SCORE),
            ("haydn/opus1no1/movement1.xml", SCORE), ("demos/x.xml", SCORE)]:  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(music21, "unpacked", lambda *_: tmp_path)
    monkeypatch.setattr(music21, "FEWEST", 2)
    source = music21.load()
    assert source.classes == ("bach", "palestrina") and source.labels.tolist() == [0, 0, 0, -1, 1, 1, 1]
    by = dict(zip(source.files, source.groups.tolist(), strict=True))
    assert by["palestrina/Agnus_00.krn"] == by["palestrina/Kyrie_07.krn"] != by["palestrina/Agnus_01.krn"]
    assert by["bach/bwv1.6.xml"] == by["bach/bwv1.7.xml"] != by["bach/bwv10.7.xml"]
    assert not source[0]["program"].any() and set(source[0]["velocity"].tolist()) == {64}
    with pytest.raises(DataError):
        music21.load("nothing")
