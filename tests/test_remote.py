"""Data behind an address is read as the same folder on disk would be: fetched once, and bounded."""

import http.server
import io
import os
import sys
import threading
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from headstart.data import mirror, remote
from headstart.data.open import open_source
from headstart.data.sniff import sniff
from headstart.data.source import DataError


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(file, "png")
    return file.getvalue()


FILES = {f"{of}/a {i}.png": picture(40 * i + 10) for of in ("cat", "dog") for i in range(3)}


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch):
    """No copy is held by what an earlier test opened."""
    monkeypatch.setattr(mirror, "_held", {})
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "photos"


def remember(address: str, files: dict[str, bytes]) -> str:
    system = fsspec.filesystem("memory")
    for name, content in files.items():
        system.pipe(f"{address}/{name}", content)
    return address


def same(one, other) -> bool:
    assert [one.name(i) for i in range(len(one))] == [other.name(i) for i in range(len(other))]
    assert one.kind == other.kind and one.classes == other.classes
    assert np.array_equal(one.labels, other.labels)
    return all(np.array_equal(one[i], other[i]) for i in range(len(one)))


@contextmanager
def served(handler):
    """The port of a server on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_folder_behind_an_address_is_that_folder(folder):
    address = remember("memory://photos", FILES)
    source = open_source(address)
    assert same(source, open_source(folder))
    assert same(open_source(folder.as_uri()), open_source(folder))  # a file:// is read where it lies
    assert f"6 files of {address} in " in source.describe() and "6 of them fetched now" in source.describe()
    assert "fetched now" not in open_source(address).describe()
    assert sniff(address).labels[0].classes == 2
    kept = Path(remote.fetched(address).path)
    assert kept.is_relative_to(mirror._root()) and mirror._root().stat().st_mode & 0o077 == 0


def test_what_changed_there_is_fetched_again_and_nothing_else():
    address = remember("memory://photos", FILES)
    before = open_source(address)
    system = fsspec.filesystem("memory")
    system.pipe(f"{address}/cat/a 0.png", picture(200))
    system.rm(f"{address}/dog/a 2.png")
    after = open_source(address)
    assert "5 files of" in after.describe() and "1 of them fetched now" in after.describe()
    assert after[0].max() == 200 and len(before) == 6 and len(after) == 5


def test_one_file():
    file = io.BytesIO()
    np.save(file, np.arange(40, dtype=np.float32).reshape(4, 10))
    remember("memory://arrays", {"x.npy": file.getvalue()})
    source = open_source("memory://arrays/x.npy", "table")
    assert len(source) == 4 and "1 file of memory://arrays/x.npy" in source.describe()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_web_server(folder):
    pytest.importorskip("aiohttp")
    with served(partial(Quiet, directory=str(folder.parent))) as port:
        address = f"http://127.0.0.1:{port}/photos/"
        assert same(open_source(address), open_source(folder))
        assert "fetched now" not in open_source(address).describe()  # by Last-Modified
        assert same(open_source(address.rstrip("/")), open_source(folder))
        with pytest.raises(DataError, match="nothing/ cannot be listed"):
            open_source(f"http://127.0.0.1:{port}/nothing/")
    with pytest.raises(DataError, match=rf"cannot be listed \(.*{port}.*check the address"):
        open_source(address)  # nobody is there any more


class Bucket(Quiet):
    """As much of an object store as listing and fetching ask for."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        name = path.removeprefix("/bucket").removeprefix("/photos/").replace("%20", " ")
        if name in FILES:
            return self.answer(200, FILES[name], "image/png")
        if "list-type" not in query:
            return self.answer(404, b"", "text/plain")
        each = "".join(
            f"<Contents><Key>photos/{name}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;{i}&quot;</ETag>"
            f"<Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for i, (name, content) in enumerate(FILES.items())
        )
        said = f"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>{each}</ListBucketResult>"
        return self.answer(200, said.encode(), "application/xml")

    def answer(self, status, content, what):
        self.send_response(status)
        self.send_header("Content-Type", what)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", datetime(2026, 1, 1).strftime("%a, %d %b %Y %H:%M:%S GMT"))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def test_an_object_store(folder, monkeypatch):
    pytest.importorskip("s3fs")
    with served(Bucket) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "here")
        assert same(open_source("s3://bucket/photos/"), open_source(folder))
        assert "fetched now" not in open_source("s3://bucket/photos/").describe()


def test_a_missing_library_is_named(monkeypatch):
    for name in [m for m in sys.modules if m.partition(".")[0] in ("aiohttp", "s3fs")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for scheme in ("http", "s3"):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    for address, library in (("http://127.0.0.1/x/", "aiohttp"), ("s3://bucket/x/", "s3fs")):
        with pytest.raises(DataError, match=rf'{library}.*pip install "headstart\[remote\]"'):
            open_source(address)
    with pytest.raises(DataError, match="nosuch"):
        open_source("nosuch://x")


@pytest.mark.parametrize(
    "secret", ["http://me:word@127.0.0.1/x", "http://127.0.0.1/x?token=word", "zip://x::http://127.0.0.1/y"]
)
def test_addresses_with_secrets_are_not_taken(secret):
    with pytest.raises(DataError, match="an address is kept with the run") as said:
        open_source(secret)
    assert "word" not in str(said.value).partition("none with")[0]


class Made:
    """A server that answers what it likes."""

    def __init__(self, sends: bytes, **names: int | None):
        self.sends, self.names = sends, names

    def invalidate_cache(self):
        pass

    def isdir(self, path):
        return True

    def info(self, path):
        return {"size": self.names[path.removeprefix("root/")], "etag": "1"}

    def find(self, path, maxdepth=None, *, detail=False):
        return {f"root/{name}": {"size": size, "etag": "1"} for name, size in self.names.items()}

    def get_file(self, there, here, *, callback):
        with open(here, "wb") as file:
            for start in range(0, len(self.sends), 100):
                callback.relative_update(file.write(self.sends[start : start + 100]))


def test_names_that_lead_out_are_left_out(monkeypatch, tmp_path):
    made = Made(
        b"plain text", **{"../../../evil.txt": 10, "a/../../b.txt": 10, ".hidden": 10, "fine.txt": 10, "/abs.txt": 10}
    )
    monkeypatch.setattr(remote, "_system", lambda scheme, address: (made, "root"))
    place = remote.fetched("made://root").path
    assert [p.name for p in place.rglob("*") if p.is_file()] == ["fine.txt"]
    assert not list(mirror._root().parent.glob("**/evil.txt"))


def test_a_server_cannot_fill_the_disk(monkeypatch):
    made = Made(bytes(10_000), **{"a.bin": 500})
    monkeypatch.setattr(remote, "_system", lambda scheme, address: (made, "root"))
    with pytest.raises(DataError, match="more than it says"):
        remote.fetched("made://root")
    assert not [p for p in mirror._root().rglob("*") if p.is_file() and p.stat().st_size]
    made.names["a.bin"] = None  # it does not say
    monkeypatch.setenv(mirror.BOUND, "0.000001")
    with pytest.raises(DataError, match="more than it says"):
        remote.fetched("made://root")


def test_what_is_kept_is_bounded_and_what_is_in_use_stays(monkeypatch):
    monkeypatch.setenv(mirror.BOUND, "0.000003")  # 3 kB
    first = remote.fetched(remember("memory://first", {"a.txt": b"a" * 2000})).path
    second = remember("memory://second", {"a.txt": b"b" * 2000})
    with pytest.raises(DataError, match=f"raise {mirror.BOUND}"):
        remote.fetched(second)
    assert (first / "a.txt").exists()
    (held,) = mirror._held.values()
    os.close(held)  # as when its process ends
    assert (remote.fetched(second).path / "a.txt").exists() and not first.exists()
    with pytest.raises(DataError, match=f"raise {mirror.BOUND}"):
        remote.fetched(remember("memory://third", {"a.txt": b"c" * 4000}))
