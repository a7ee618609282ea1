"""A folder's files are listed once, remembered, and listed again when the folder has changed."""

import os
import time

import numpy as np
import pytest

from headstart.data.finding import index as module
from headstart.data.finding.index import index
from headstart.data.finding.walk import walk
from headstart.data.labels import folder_labels
from headstart.data.names import suffix_of

NAMES = [
    "a/1.png",
    "a/b/2.PNG",
    "a/ü日本.nii.gz",
    "b/3",
    "b/x.tar.gz",
    "c.v2.txt",
    "d/README",
    "a.b/4.png",
    "b/.hidden",
    "e/run.json",
]
SEEN = sorted(set(NAMES) - {"b/.hidden", "e/run.json"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The names above, the cache beside them, every folder's time well in the past."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "WORTH", 1)
    root = tmp_path / "data"
    for i, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * i)
    (root / "e" / "run.json").write_text('{"plan": {"recipe": "mae"}}')
    age(root)
    return root


def age(root, seconds=60):
    before = time.time() - seconds
    for here, _, _ in os.walk(root):
        os.utime(here, (before, before))


def manifests(folder):
    return list((folder.parent / "cache" / "index").glob("*.npz"))


def listings(monkeypatch):
    count = []
    before = module._list
    monkeypatch.setattr(module, "_list", lambda root, times: (count.append(1), before(root, times))[1])
    return count


def test_an_index_is_a_sequence_of_names(folder):
    found = index(folder)
    assert list(found) == SEEN == sorted(walk(folder)) and len(found) == len(SEEN)
    assert [found[i] for i in range(len(found))] == SEEN and found[-1] == SEEN[-1] and list(found[1:3]) == SEEN[1:3]
    assert found.sizes.tolist() == [NAMES.index(n) for n in SEEN] and SEEN[2] in found
    assert found.counts() == {".png": 3, ".nii.gz": 1, "": 2, ".tar.gz": 1, ".txt": 1}
    assert list(found.take(found.by_suffix(".png"))) == [n for n in SEEN if n.lower().endswith(".png")]
    assert not len(found.by_suffix(".jpg"))
    with pytest.raises(IndexError):
        found[len(SEEN)]


def test_suffixes():
    assert [suffix_of(n) for n in ("a.NII.GZ", "a.gz", "a", "a.tar.xz", "v1.2", "a.long name.gz")] == [
        ".nii.gz", ".gz", "", ".tar.xz", ".2", ".gz",
    ]  # fmt: skip


def test_labels_of_folders_are_those_of_a_plain_list(folder):
    found = index(folder)
    for some in (found, found.take(found.by_suffix(".png")), found.take(np.array([0]))):
        labels, classes = folder_labels(some)[:2]
        plain, same = folder_labels(list(some))[:2]
        assert classes == same and (labels is None) == (plain is None) and (labels is None or (labels == plain).all())
    for name in ("train/cat/1", "train/dog/2", "test/cat/3"):
        (folder.parent / "split" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.parent / "split" / name).touch()
    labels, classes = folder_labels(index(folder.parent / "split"))[:2]
    assert classes == ("cat", "dog") and labels is not None and labels.tolist() == [0, 0, 1]


def test_the_second_start_does_not_list(folder, monkeypatch):
    count = listings(monkeypatch)
    first, second = index(folder), index(str(folder) + "/../data")
    assert len(count) == 1 and list(first) == list(second) and first.counts() == second.counts()
    assert second.sizes.tolist() == first.sizes.tolist() and len(manifests(folder)) == 1
    index(folder, refresh=True)
    assert len(count) == 2


@pytest.mark.parametrize("change", ["add", "remove", "rename", "deep", "unskip"])
def test_a_changed_folder_is_listed_anew(folder, monkeypatch, change):
    count = listings(monkeypatch)
    index(folder)
    if change == "add":
        (folder / "b" / "new.png").touch()
    elif change == "remove":
        (folder / "a" / "1.png").unlink()
    elif change == "rename":
        (folder / "a" / "1.png").rename(folder / "a" / "9.png")
    elif change == "deep":
        (folder / "a" / "b" / "c").mkdir()
        (folder / "a" / "b" / "c" / "1.png").touch()
    else:
        (folder / "e" / "run.json").rename(folder / "e" / "walk.json")  # no longer a run
    assert list(index(folder)) == sorted(walk(folder)) != SEEN and len(count) == 2


def test_a_folder_that_has_only_just_changed_is_not_kept(folder):
    (folder / "b" / "new.png").touch()
    index(folder)
    assert not manifests(folder)  # another file may come within the same tick of the clock
    age(folder)
    index(folder)
    assert len(manifests(folder)) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign", "text", "object"])
def test_damaged_and_foreign_manifests_are_rebuilt(folder, monkeypatch, damage):
    index(folder)
    (kept,) = manifests(folder)
    whole = kept.read_bytes()
    if damage == "foreign":  # a good manifest of another folder
        other = folder.parent / "other"
        other.mkdir()
        (other / "x.png").touch()
        age(other)
        index(other)
        kept.write_bytes(next(m for m in manifests(folder) if m != kept).read_bytes())
    elif damage == "flipped":
        at = whole.index(b"README")
        kept.write_bytes(whole[:at] + b"r" + whole[at + 1 :])
    elif damage == "object":
        with kept.open("wb") as file:
            np.savez(file, format=np.array([{}], dtype=object), allow_pickle=True)
    else:
        kept.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello"}[damage])
    count = listings(monkeypatch)
    assert list(index(folder)) == SEEN and len(count) == 1
    assert list(index(folder)) == SEEN and len(count) == 1  # and kept again


def test_a_cache_that_cannot_be_written_is_no_harm(folder, monkeypatch):
    (folder.parent / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(folder.parent / "file"))
    assert list(index(folder)) == SEEN and list(index(folder)) == SEEN


def test_links_count_once_and_cycles_end(folder):
    (folder / "loop").symlink_to(folder)
    (folder / "again.png").symlink_to(folder / "a" / "1.png")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "o.png").touch()
    (folder / "linked").symlink_to(outside)
    age(folder)
    age(outside)
    assert list(index(folder)) == sorted([*SEEN, "linked/o.png"]) == sorted(walk(folder))
    (outside / "p.png").touch()
    assert "linked/p.png" in index(folder)  # what links lead to is watched, too


def test_what_is_left_out_is_said(folder):
    (folder / "nowhere").symlink_to("gone")
    (folder / "x").symlink_to("x")  # leads to itself
    age(folder)
    said = ("1 folders of earlier runs are left out (first: e)", "2 links lead nowhere (first: nowhere)")
    assert (
        set(index(folder).aside) == set(said) == set(index(folder).aside)
    )  # and once more from the list that was kept


def test_other_tools_call_theirs_run_json_too(folder):
    for i, text in enumerate(('{"experiment": {"name": "growth"}}', "[]", "no json", '{"plan": 3}')):
        (folder / f"t{i}").mkdir()
        (folder / f"t{i}" / "run.json").write_text(text)
        (folder / f"t{i}" / "1.png").touch()
    age(folder)
    assert {f"t{i}/1.png" for i in range(4)} <= set(index(folder))
