"""What was decoded is kept: bit-equal, by content, bounded, private; a cache that is damaged or not there only costs time."""

import io
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart import home
from headstart.checking.traits import traits
from headstart.data import cache as caches
from headstart.data.cache import Cache, decoded
from headstart.data.flat import NotFlat, flat, unflat
from headstart.data.open import open_source
from headstart.data.readers import images
from headstart.data.sources import cached
from headstart.data.sources.cached import Remembered, content_of
from headstart.data.sources.files import FileSource
from headstart.errors import Mistake, Unreadable
from headstart.reading import look, read_in
from headstart.recipe import Input
from headstart.training import device_of
from headstart.verbs.doctor import cache_lines, doctor

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch):
    monkeypatch.delenv("HEADSTART_CACHE_GB")


@pytest.fixture
def pays(monkeypatch):
    """Everything is worth keeping, however fast this machine is."""
    monkeypatch.setattr(cached, "PAYS", -1.0)


@pytest.fixture
def decodings(monkeypatch):
    """Which files are decoded."""
    seen = []
    of = FileSource._in_words

    def counted(self, index, read):
        seen.append(self.files[index])
        return of(self, index, read)

    monkeypatch.setattr(FileSource, "_in_words", counted)
    return seen


def picture(path, seed, side=40):
    rng = np.random.default_rng(seed)
    pixels = np.kron(rng.integers(0, 256, (side // 8, side // 8, 3)), np.ones((8, 8, 1)))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)


@pytest.fixture
def photos(tmp_path):
    for i in range(6):
        picture(tmp_path / "photos" / f"{i}.jpg", i)
    return tmp_path / "photos"


def read(where, side=16):
    said = []
    source, tokenizer, given, why = look(open_source(where), Input(side=side), device_of(hs.recipe.Run()))
    prepared = read_in(source, tokenizer, given.window, say=said.append)
    return tokenizer, why, [prepared[i] for i in range(len(prepared))], said


# samples as bytes


def test_samples_come_back_to_the_last_bit():
    sample = {
        "values": np.arange(6, dtype=">i2").reshape(2, 3).T,
        "mixed": [1, 2.5, None, True, "x\udce9", (b"ab", [])],
        "number": np.float32(0.1),
        "nothing": np.zeros((0, 4)),
        "words": np.array(["aé", "b"]),
        "zero": np.array(3.5),
        "when": np.array(["2024-01-01"], "datetime64[s]"),
    }
    back = unflat(bytearray(flat(sample)))
    assert list(back) == list(sample)
    for name in ("values", "nothing", "words", "zero", "when"):
        assert back[name].dtype == sample[name].dtype and np.array_equal(back[name], sample[name])
        assert back[name].shape == sample[name].shape
    assert back["mixed"] == sample["mixed"] and type(back["mixed"][5]) is tuple
    assert type(back["number"]) is np.float32 and back["number"] == np.float32(0.1)
    back["values"][0, 0] = 7  # as a reader's own array


@pytest.mark.parametrize("sample", [np.array([object()]), {1: 2}, np.ma.masked_array([1], [True]), object()])
def test_what_has_no_form_in_bytes_is_refused(sample):
    with pytest.raises(NotFlat):
        flat(sample)


def test_other_bytes_are_no_sample():
    whole = flat([np.arange(50), "a"])
    for content in (b"", whole[:70], whole[:90], b"\xff" * 200, bytes(64) + whole[64:]):
        with pytest.raises(ValueError):
            unflat(bytearray(content))


# the cache


def entries(cache):
    return [path for path in cache.folder.rglob("*") if path.is_file()]


def test_an_entry_is_whole_or_not_there(tmp_path):
    cache = Cache(tmp_path / "c", 1e9)
    with pytest.raises(KeyError):
        cache.get(KEY)
    size = cache.put(KEY, np.arange(100))
    (file,) = entries(cache)
    assert size == file.stat().st_size and np.array_equal(cache.get(KEY), np.arange(100))
    good = file.read_bytes()
    for damaged in (good[:-1], good[:20], b"", good[:-9] + b"x" + good[-8:], b"x" + good[1:], good + b"x"):
        file.write_bytes(damaged)
        with pytest.raises(KeyError):
            cache.get(KEY)
        assert not file.exists()
    other = bytes(32)  # an entry under another's name
    cache.put(other, "other")
    file.write_bytes(next(p for p in entries(cache) if p.name == other.hex()[2:]).read_bytes())
    with pytest.raises(KeyError):
        cache.get(KEY)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_it_is_private(tmp_path, monkeypatch):
    open_to_all = tmp_path / "c"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    cache = Cache(open_to_all, 1e9)
    assert cache.put(KEY, "x")
    (file,) = entries(cache)
    assert [p.stat().st_mode & 0o777 for p in (open_to_all, file.parent, file)] == [0o700, 0o700, 0o600]
    monkeypatch.setattr(os, "getuid", lambda: os.stat(open_to_all).st_uid + 1)
    foreign = Cache(open_to_all, 1e9)
    assert not foreign.put(bytes(32), "x") and "belongs to another user" in foreign.trouble
    with pytest.raises(KeyError):
        foreign.get(KEY)


def test_the_oldest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "LARGE", 4)
    cache = Cache(tmp_path, 10_000)
    keys = [bytes([i]) * 32 for i in range(12)]
    for age, key in enumerate(keys[:9]):
        cache.put(key, np.zeros(100))
        os.utime(cache._path(key), (1e9 + age, 1e9 + age))
    cache.get(keys[0])  # used just now
    for key in keys[9:]:
        cache.put(key, np.zeros(100))
    left = {i for i, key in enumerate(keys) if cache._path(key).exists()}
    assert cache.usage().size <= 10_000 and {0, 9, 10, 11} <= left and 1 not in left
    assert not cache.put(bytes(32), np.zeros(400)), "a quarter of all there may be is too large for one"
    assert cache.empty().entries == len(left) and cache.usage() == (0, 0)


def test_it_takes_a_share_of_the_free_disk_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda _: type("", (), {"free": 1_000}))
    cache = Cache(tmp_path, 1e9)
    assert not cache.put(KEY, np.zeros(100)) and cache.room == pytest.approx(100)


def test_unfinished_files_of_killed_processes_are_cleared(tmp_path):
    cache = Cache(tmp_path, 1e9)
    cache.put(KEY, "x")
    old, new = tmp_path / ".part-old", tmp_path / ".part-new"
    for part, age in ((old, 1e9), (new, None)):
        part.write_bytes(b"half")
        os.utime(part, age and (age, age))
    assert cache.usage().entries == 1 and not old.exists() and new.exists()  # of a process at work


def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path):
    code = (
        "import os, sys, numpy as np\nfrom pathlib import Path\nfrom headstart.data.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), 1e9)\nos.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "cache.put(bytes(range(32)), np.arange(9))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert done.returncode and len(list(tmp_path.glob(".part-*"))) == 1
    cache = Cache(tmp_path, 1e9)
    with pytest.raises(KeyError):
        cache.get(KEY)
    assert cache.put(KEY, 1) and cache.get(KEY) == 1


def test_many_writers_of_one_folder(tmp_path):
    both = [Cache(tmp_path, 1e9), Cache(tmp_path, 1e9)]  # as two processes have it
    wrong = []

    def work(cache, start):
        for i in range(60):
            key = bytes([(start + i) % 20]) * 32
            try:
                found = cache.get(key)
            except KeyError:
                cache.put(key, np.full(50, key[0]))
            else:
                wrong.extend([key] if found[0] != key[0] else [])

    threads = [threading.Thread(target=work, args=(both[i % 2], 5 * i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and both[0].usage().entries == 20


def test_where_it_is(monkeypatch, tmp_path):
    for name in ("HEADSTART_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.cache() == tmp_path / ".cache" / "headstart"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert home.cache() == tmp_path / ".cache" / "headstart"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert home.cache() == tmp_path / "x" / "headstart"
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "own"))
    assert decoded().folder == tmp_path / "own" / "decoded"
    monkeypatch.delenv("HEADSTART_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", home.NOWHERE)
    assert not decoded().put(KEY, 1) and "no home folder" in decoded().trouble


def test_the_bound_is_a_word(monkeypatch):
    assert decoded().bound == 4e9
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.5")
    assert decoded().bound == 5e8
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
    assert not decoded().put(KEY, 1) and not decoded().folder.exists()
    for wrong in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv("HEADSTART_CACHE_GB", wrong)
        with pytest.raises(Mistake, match=r"HEADSTART_CACHE_GB is .*: give the gigabytes"):
            decoded()


# verbs


def test_the_next_verb_decodes_nothing_and_sees_the_same(photos, pays, decodings):
    tokenizer, why, samples, said = read(photos)
    assert set(decodings) == {f"{i}.jpg" for i in range(6)} and "6 decoded samples" in said[0]
    decodings.clear()
    again, why_again, samples_again, said = read(photos)
    assert not decodings and again == tokenizer and why_again == why
    assert "6 of 6 samples as they were decoded before" in said[0]
    for a, b in zip(samples, samples_again, strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_settings_and_code_are_part_of_the_question(photos, pays, decodings, monkeypatch):
    read(photos)
    decodings.clear()
    _, _, samples, _ = read(photos, side=24)
    assert decodings and samples[0].shape == (3, 24, 24)
    decodings.clear()
    monkeypatch.setattr(cached, "code", lambda: "another version")
    read(photos)
    assert decodings


def test_a_changed_file_is_never_answered_with_the_old_sample(photos, pays):
    read(photos)
    path = photos / "3.jpg"
    before, old = path.stat(), path.read_bytes()
    picture(photos.parent / "other.jpg", 99)
    new = (photos.parent / "other.jpg").read_bytes()
    size = max(len(old), len(new))
    for content in (old, new):  # behind its end a JPEG may hold anything: two pictures of one size
        path.write_bytes(content.ljust(size, b"\0"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        _, _, samples, _ = read(photos)
        with Image.open(io.BytesIO(content)) as image:
            meant = np.asarray(image.resize((16, 16), Image.Resampling.BOX)).astype(int)
        assert np.abs(samples[3].transpose(1, 2, 0) - meant).mean() < 20
        assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_size == size


def test_a_copy_is_known(photos, pays, decodings):
    read(photos)
    decodings.clear()
    shutil.copytree(photos, photos.parent / "moved", copy_function=shutil.copyfile)
    assert "6 of 6" in read(photos.parent / "moved")[3][0] and not decodings


def test_a_hash_is_known_only_while_the_file_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "RACY", -(10**18))  # nothing counts as changed just now
    path = tmp_path / "a"
    path.write_bytes(b"one")
    about = path.stat()
    first = content_of(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    if path.stat().st_ctime_ns != about.st_ctime_ns:  # else both came within one tick, which RACY is for
        assert content_of(path) != first
    monkeypatch.setattr(cached, "RACY", 10**18)
    path.write_bytes(b"six")
    assert content_of(path) not in (first, None) and content_of(tmp_path / "none") is None


def test_a_file_that_changes_while_it_is_read_is_not_kept(photos, pays):
    memory = Remembered(open_source(photos), "x")

    def make():
        picture(photos / "0.jpg", 50)
        return 1

    assert memory(0, make) == 1 and not memory.kept
    assert memory(0, lambda: 2) == 2 and memory(0, lambda: 3) == 2


def test_damaged_entries_are_decoded_again(photos, pays):
    _, _, samples, _ = read(photos)
    for path in entries(decoded()):
        path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    _, _, again, said = read(photos)
    assert "6 decoded samples" in said[0]
    assert all(np.array_equal(a, b) for a, b in zip(samples, again, strict=True))


def test_without_a_place_it_does_without_and_says_so(photos, pays, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    _, _, samples, said = read(photos)
    assert len(samples) == 6 and len(said) == 1 and "is not kept, so the next verb decodes again" in said[0]
    assert "is not used" in cache_lines()[1]
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")  # by the user's own word: nothing to say
    assert read(photos)[3] == []


def test_a_full_disk_only_costs_time(photos, pays, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caches.os, "replace", full)
    _, _, samples, said = read(photos)
    assert len(samples) == 6 and "No space left on device" in said[0] and not entries(decoded())


def test_only_what_pays_is_kept(photos, monkeypatch):
    monkeypatch.setattr(cached, "PAYS", 1e9)
    memory = Remembered(open_source(photos), "x")
    for i in [*range(6), 0, 1]:
        memory(i, lambda: np.zeros(9))
    assert memory.kept == 0 and memory.of(2) is None, "after eight that do not pay no more are hashed"
    assert not entries(decoded())
    monkeypatch.setattr(cached, "PAYS", -1.0)
    fresh = Remembered(open_source(photos), "x")
    assert [fresh(0, lambda: 1), fresh(0, lambda: 2)] == [1, 1]
    assert (fresh.kept, fresh.known) == (1, 0), "what it put there itself is not said to be from before"


def test_broken_files_are_named_each_time(photos, pays):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    for _ in range(2):
        source, tokenizer, given, _ = look(open_source(photos), Input(side=16), device_of(hs.recipe.Run()))
        prepared = read_in(source, tokenizer, given.window)
        assert [bad.where for bad in prepared.bad] == ["broken.jpg"] and len(prepared) == 6
        with pytest.raises(Unreadable, match=r"broken\.jpg"):
            prepared.source[6]


def test_windows_of_a_sound(tmp_path, pays, decodings):
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "sounds").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        soundfile.write(tmp_path / "sounds" / f"{i}.flac", rng.normal(0, 0.1, 8_000 * (4 + i)), 8_000)

    def windows():
        source, tokenizer, given, _ = look(
            open_source(tmp_path / "sounds"), Input(window=2), device_of(hs.recipe.Run())
        )
        prepared = read_in(source, tokenizer, given.window)
        return [prepared[i] for i in range(len(prepared))]

    first = windows()
    assert len(first) == 7 and len({x.tobytes() for x in first}) == 7
    decodings.clear()
    again = windows()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(decodings) <= 3 * 3 + 7, "lengths, and what the tokenizer is fitted to; no window of the run"


def test_check_keeps_what_it_says_of_a_sample(photos, pays, decodings, capsys):
    first = hs.check(photos)
    assert sorted(decodings) == sorted(3 * [f"{i}.jpg" for i in range(6)]), "to look, to fit, and as pretrain has it"
    decodings.clear()
    again = hs.check(photos)
    assert not decodings and again == first and "cache     6 of 6 samples" in capsys.readouterr().out
    old, new = traits(open_source(photos)), traits(open_source(photos))
    assert old.content == new.content and old.size == [(3, 40, 40)] * 6
    assert all(a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(old.look, new.look, strict=True))


def test_doctor_says_where_and_how_large(photos, pays):
    read(photos)
    have = decoded().usage()
    (told,) = cache_lines()
    assert str(decoded().folder) in told and f"{have.entries} entries" in told and "at most 4 GB and 10%" in told
    assert f"{have.entries} entries" in doctor(empty_cache=True) and decoded().usage() == (0, 0)
    assert "6 decoded samples" in read(photos)[3][0]


def test_readers_that_read_other_files_too_are_not_kept():
    from headstart.data.readers import by_name, makers

    made_by = makers({".jpg": by_name("images"), ".html": by_name("document")}, None)
    assert images.ALONE and made_by("a.JPG") == "images .jpg" and made_by("a.html") is None and made_by("a") is None
