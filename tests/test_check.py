"""`check` finds what was planted, each thing of every type, and nothing else."""

import json
import tempfile
import wave

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from headstart.data.finding.likeness import alike, bits_set, content, look, near_pairs, signature
from headstart.data.sources.listed import ListSource
from headstart.log import Log
from headstart.verbs.check import PROBLEMS, check

RNG = np.random.default_rng(0)
QUIET = Log(quiet=True)


def drawing(seed: int, size: int = 96) -> Image.Image:
    """Smooth colours with some shapes on them: pictures that differ in what they show."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 200, (5, 5, 3), dtype=np.uint8)
    values = np.array(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    y, x = np.mgrid[:size, :size]
    for _ in range(4):
        cy, cx, r = (*rng.integers(0, size, 2).tolist(), int(rng.integers(size // 12, size // 4)))
        values[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = rng.integers(0, 220, 3)
    return Image.fromarray(values)


def nothing_but(found, *names):
    assert {name for name in PROBLEMS if getattr(found, name)} == set(names)
    assert found.status == (1 if names else 0)


def test_planted_problems_of_pictures_are_found(tmp_path):
    for i in range(60):
        place = tmp_path / "all" / "ab"[i % 2] / f"{i:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        drawing(i).save(place)
    nothing_but(check(tmp_path / "all", out=tmp_path / "clean.json", log=QUIET))
    here = tmp_path / "all" / "a"
    (here / "broken.png").write_bytes((here / "00.png").read_bytes()[:200])
    (here / "empty.png").write_bytes(b"")
    drawing(2).save(here / "copy.bmp")  # the same pixels in another file
    drawing(3).save(here / "other.png")  # and under another label
    drawing(4).resize((150, 150), Image.Resampling.BICUBIC).save(here / "larger.png")
    drawing(6).save(here / "encoded.jpg", quality=60)
    ImageEnhance.Brightness(drawing(8)).enhance(1.25).save(here / "brighter.png")
    Image.new("RGB", (96, 96), (7, 7, 7)).save(here / "plain.png")
    drawing(100, 300).resize((2000, 60)).save(here / "banner.png")
    (tmp_path / "all" / "c").mkdir()
    drawing(200).save(tmp_path / "all" / "c" / "alone.png")
    found = check(tmp_path / "all", out=tmp_path / "found.json", log=QUIET)
    assert [name for name, _ in found.broken] == ["a/broken.png", "a/empty.png"] and "empty" in found.broken[1][1]
    assert found.duplicates == [["a/02.png", "a/copy.bmp"], ["a/other.png", "b/03.png"]]
    assert found.conflicts == [["a/other.png (a)", "b/03.png (b)"]]
    assert found.near == [["a/04.png", "a/larger.png"], ["a/06.png", "a/encoded.jpg"], ["a/08.png", "a/brighter.png"]]
    assert found.plain == [("a/plain.png", "every value is 7")]
    assert [name for name, _ in found.odd] == ["a/banner.png"] and "width is 2,000, and 96 is usual" in found.odd[0][1]
    assert found.uneven == ["c: 1 of at most 37"] and found.balance == {"a": 37, "b": 30, "c": 1}
    nothing_but(found, *(set(PROBLEMS) - {"leaks", "across", "far", "refused", "unfit"}))
    kept = json.loads((tmp_path / "found.json").read_text())
    assert kept["problems"] == found.problems == 11 and kept["near"] == found.near and not kept["clean"]


def test_leaks_into_a_labelled_set(tmp_path):
    for i in range(12):
        for place, at in (("own", i), ("judged", 50 + i)):
            (tmp_path / place).mkdir(exist_ok=True)
            drawing(at).save(tmp_path / place / f"{i:02}.png")
    own, judged = tmp_path / "own", tmp_path / "judged"
    assert check(own, judged, tmp_path / "a.json", QUIET).leaks == []
    drawing(5).save(judged / "x.bmp")
    drawing(7).resize((60, 60), Image.Resampling.LANCZOS).save(judged / "y.png")
    (judged / "z.png").write_bytes(b"\x89PNG")
    found = check(own, judged, tmp_path / "a.json", QUIET)
    assert found.leaks == [("05.png", "x.bmp", "the same"), ("07.png", "y.png", "nearly the same")]
    assert [name for name, _ in found.broken] == ["labelled: z.png"]
    nothing_but(found, "leaks", "broken")


@pytest.mark.parametrize("seed", range(4))
def test_how_near_is_near(seed):
    """Copies agree, other pictures do not: by both measures, over a hundred pictures."""
    own = [drawing(1000 * seed + i) for i in range(25)]
    array = [np.moveaxis(np.asarray(p), -1, 0) for p in own]
    seen = [look(a) for a in array]
    for i, picture in enumerate(own):
        copies = [picture.resize((48, 48), Image.Resampling.BICUBIC), ImageEnhance.Brightness(picture).enhance(0.7)]
        copies += [picture.resize((200, 200)), ImageEnhance.Contrast(picture).enhance(0.8)]
        for copy in copies:
            hashed, small = look(np.moveaxis(np.asarray(copy), -1, 0))
            assert bits_set(np.array([hashed ^ seen[i][0]], np.uint64))[0] <= 7
            assert alike(small[None], seen[i][1][None])[0]
    for i in range(25):
        for j in range(i):
            far = bits_set(np.array([seen[i][0] ^ seen[j][0]], np.uint64))[0]
            assert far > 7 or not alike(seen[i][1][None], seen[j][1][None])[0]
    swapped = array[0][[2, 1, 0]]  # red for blue: the same form, and another picture
    assert not alike(look(swapped)[1][None], seen[0][1][None])[0]
    assert look(np.full((3, 9, 9), 5, np.uint8)) is None


def test_near_pairs_are_those_of_a_full_comparison():
    hashes = RNG.integers(0, 2**64, 600, dtype=np.uint64)
    for i in range(300):
        flips = sum(1 << int(b) for b in RNG.choice(64, i % 10, replace=False))
        hashes[300 + i] = hashes[i] ^ np.uint64(flips)
    hashes = np.unique(hashes)
    wanted = {
        (i, int(j)) for i in range(len(hashes)) for j in np.flatnonzero(bits_set(hashes ^ hashes[i]) <= 7) if i < j
    }
    got = {pair for i, j in near_pairs(hashes) for pair in zip(i.tolist(), j.tolist(), strict=True)}
    assert got == wanted and len(wanted) > 200


def test_sounds_of_other_rates_and_lengths(tmp_path):
    def sound(name, values, rate=8000):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.asarray(values, np.int16).tobytes())

    waves = [RNG.integers(-4000, 4000, 900 + 10 * i).cumsum() // 40 for i in range(20)]
    for i, values in enumerate(waves):
        sound(f"{i:02}.wav", values)
    nothing_but(check(tmp_path, out=tmp_path / "a.json", log=QUIET))
    sound("fast.wav", RNG.integers(-4000, 4000, 1000), 44_100)
    sound("long.wav", RNG.integers(-4000, 4000, 20_000))
    sound("silent.wav", np.zeros(1000))
    sound("louder.wav", waves[4] * 2)
    found = check(tmp_path, out=tmp_path / "a.json", log=QUIET)
    assert {name for name, _ in found.odd} == {"fast.wav", "long.wav"} and found.plain == [
        ("silent.wav", "every value is 0")
    ]
    assert found.near == [["04.wav", "louder.wav"]]
    nothing_but(found, "odd", "plain", "near")


def test_texts_rows_and_dicts():
    words = [" ".join(RNG.choice(["to", "be", "or", "not", "that", "is"], 12 + i)) for i in range(12)]
    nothing_but(check_list(words, "text"))
    found = check_list([*words, "  ", words[3].upper() + "\n", words[5], "on and on " * 900], "text")
    assert found.plain == [("list[12]", "it is empty")] and found.near == [["list[3]", "list[13]"]]
    assert found.duplicates == [["list[5]", "list[14]"]] and [n for n, _ in found.odd] == ["list[15]"]
    graphs = [{"nodes": np.ones((5, 1)), "edges": RNG.integers(0, 5, (4, 2))} for _ in range(10)]
    nothing_but(check_list(graphs, "graph"))  # equal nodes do not make equal graphs
    assert check_list([*graphs, dict(graphs[2])], "graph").duplicates == [["list[2]", "list[10]"]]
    rows = [{"a": i, "b": "x" * (i % 7), "c": None} for i in range(30)]
    nothing_but(check_list(rows, "table"))
    assert check_list([*rows, dict.fromkeys("abc"), rows[4]], "table").problems == 2
    smiles = ["CCO", "c1ccccc1", "C1CCCCC1"]
    nothing_but(check_list(smiles, "molecule"))  # letter case matters in SMILES


def check_list(samples, kind):
    with tempfile.TemporaryDirectory() as place:
        return check(ListSource(samples, kind), out=f"{place}/a.json", log=QUIET)


def test_hashes():
    a = np.arange(100, dtype=np.float32)
    assert (
        content(a) == content(a.copy()) == content(a.astype(">f4")) != content(a.astype(np.float64)) != content(a[::-1])
    )
    assert content({"x": a, "n": 1}) == content({"n": 1.0, "x": a}) != content({"n": 2, "x": a}) and content(
        "1"
    ) != content(1)
    noise = RNG.normal(size=4000).cumsum()
    assert signature(noise) == signature(3.7 * noise + 11) != signature(noise + RNG.normal(size=4000) * noise.std())
    assert signature(np.ones(500)) is None and signature({"x": 1}) is None


def test_what_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    for i in range(9):
        drawing(i).save(tmp_path / "set" / f"{i}.png")
    assert check("set").status == 0
    said = capsys.readouterr().out
    assert (
        "found     9 image files" in said
        and "clean     nothing was found" in said
        and "wrote     check-set.json" in said
    )
    for i in range(6):
        (tmp_path / "set" / f"bad{i}.png").write_bytes(b"")
    assert check("set").status == 1
    said = capsys.readouterr().out
    assert "broken    6 that cannot be read" in said and "and 3 more" in said and "bad0.png: the file is empty" in said
    assert len(json.loads((tmp_path / "check-set.json").read_text())["broken"]) == 6
