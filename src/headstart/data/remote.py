"""Data behind an address: s3://bucket/photos/, https://host/photos/ and whatever else fsspec knows, laid into a folder of ours.

A folder there is read as the same folder on disk would be: its files are fetched once, and again only where the server says
that they changed. Nothing here opens the network unless the user gave an address.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from ..errors import Mistake, shown, so_many
from ..extras import need
from ..forms import Json
from . import mirror
from .mirror import File
from .source import DataError

ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
HOST = re.compile(r"\[[0-9a-f:.]+\]", re.IGNORECASE)  # [::1]
HERE = ("file", "local")
WEB = ("http", "https")
EXTRA = 'pip install "headstart[remote]"'
SAYS = ("ETag", "etag", "LastModified", "Last-Modified", "Content-MD5", "md5Hash", "mtime", "modified", "created")
DEPTH = 32  # folders in folders of a web server, which may lead in circles
MOST = 10_000_000  # files


class Fetched(NamedTuple):
    """Where the data of an address lies now, and a line that says so."""

    path: Path
    said: str


@runtime_checkable
class _System(Protocol):
    """An fsspec.AbstractFileSystem, as far as it is used here."""

    def info(self, path: str) -> Json: ...
    def isdir(self, path: str) -> bool: ...
    def find(self, path: str, maxdepth: int | None = None, *, detail: bool = False) -> dict[str, Json]: ...
    def get_file(self, rpath: str, lpath: str, *, callback: object) -> None: ...
    def invalidate_cache(self) -> None: ...


def is_address(where: object) -> bool:
    """Whether this is the address of something, and no path: "s3://...", "https://..."."""
    return isinstance(where, str) and ADDRESS.match(where) is not None


def fetched(address: str) -> Fetched:
    """The file or folder behind an address, laid on disk; a DataError that says what to do where that cannot be."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if scheme in HERE:
        return Fetched(Path(unquote(rest)), "")
    _no_secrets(address)
    system, root = _system(scheme, address)
    try:
        system.invalidate_cache()  # or a listing of an hour ago would be taken for today's
        folder = _is_folder(system, scheme, root)
        files = list(_listed(system, scheme, root)) if folder else [_one(system, root)]
    except Mistake:
        raise
    except Exception as error:  # each server's library has errors of its own
        raise DataError(
            f"{address} cannot be listed ({_reason(error)}): check the address, and who may read it"
        ) from error
    if not files:
        raise DataError(f"{address} holds no files: check the address")
    name = unquote(root.rstrip("/").rpartition("/")[2]) or "data"
    place = mirror.Mirror(address, name if _inside(name) else "data", folder)
    count, size = place.fill(files, _getter(system, address))
    now = f", {count:,} of them fetched now ({size / 1e6:,.1f} MB)" if count else ""
    return Fetched(place.path, f"{so_many(len(files), 'file')} of {address} in {place.path}{now}")


def _no_secrets(address: str) -> None:
    """An address is written into run.json and cards: none that holds a password or a token is taken."""
    parts = urlsplit(address)
    chained = "::" in HOST.sub("", address)
    if parts.password is not None or "?" in address or "#" in address or chained:
        raise DataError(
            f"{parts.scheme}://{parts.hostname or ''}/...: an address is kept with the run, so none with a password, ?, # or :: "
            "is taken: leave what is secret to the environment (AWS_PROFILE), or fetch the data yourself and give its path"
        )


def _system(scheme: str, address: str) -> tuple[_System, str]:
    """What reads an address, and how it calls the place."""
    core = need("fsspec.core", "remote", f"reading {scheme}://")
    try:
        system, root = core.url_to_fs(address)
    except ImportError as error:
        raise DataError(f"reading {scheme}:// needs a library that is not installed ({error}): {EXTRA}") from error
    except ValueError as error:
        raise DataError(
            f"{address}: {error}; http://, https://, s3:// and what else fsspec knows can be read"
        ) from error
    return system, root


def _is_folder(system: _System, scheme: str, root: str) -> bool:
    """Of a web server a page of links is a folder, unless it is asked for as a page."""
    if scheme in WEB:
        page = system.info(root).get("mimetype") == "text/html"
        return root.endswith("/") or (page and not root.lower().endswith((".html", ".htm")))
    return system.isdir(root)


def _listed(system: _System, scheme: str, root: str) -> Iterator[File]:
    """Every file under a folder, by the name it will have; those that lead out of it, and hidden ones, are left out."""
    found = system.find(root, maxdepth=DEPTH if scheme in WEB else None, detail=True)
    if len(found) > MOST:
        raise DataError(f"{root} holds more than {MOST:,} files: give a part of it, or pack them into tars")
    base, names = root.rstrip("/") + "/", {}
    for there in sorted(found):
        name = there.removeprefix(base)
        if there.startswith(base) and not (scheme in WEB and ("?" in name or "#" in name)):
            names[there] = unquote(name) if scheme in WEB else name

    def look(there: str) -> File:
        return _file(there, names[there], found[there] if found[there].get("size") is not None else system.info(there))

    with ThreadPoolExecutor(mirror.ONCE) as pool:  # a web server is asked about each file
        yield from pool.map(look, [there for there, name in names.items() if _inside(name)])


def _one(system: _System, root: str) -> File:
    name = unquote(root.rpartition("/")[2])
    return _file(root, name if _inside(name) else "data", system.info(root))


def _file(there: str, name: str, info: Json) -> File:
    """says: what changes when the file does; "" where the server says nothing, so that it is fetched each time."""
    says = " ".join(f"{key}={info[key]}" for key in SAYS if info.get(key))
    size = info.get("size")
    return File(there, name, None if size is None else int(size), f"{size} {says}" if says else "")


def _inside(name: str) -> bool:
    """Whether a name is a plain one below its folder, no part of it hidden."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and "\0" not in name and not any(p.startswith(".") for p in parts)


def _getter(system: _System, address: str) -> Callable[[File, Path, int], None]:
    """Fetch a file to a path; a DataError where it is longer than `most` bytes, or does not come."""
    callbacks = need("fsspec.callbacks", "remote", "reading addresses")

    class Bounded(callbacks.Callback):  # type: ignore[name-defined, misc]
        """Counts what comes."""

        def __init__(self, most: int):
            super().__init__()
            self.most = most

        def call(self, *_: object, **__: object) -> None:
            if self.value > self.most:
                raise DataError(f"{address} sends more than it says it has: try again, or fetch the data yourself")

    def get(file: File, path: Path, most: int) -> None:
        try:
            system.get_file(file.there, str(path), callback=Bounded(most))
        except DataError:
            raise
        except Exception as error:  # each server's library has errors of its own
            raise DataError(
                f"{shown(file.there)} could not be fetched ({_reason(error)}): start the same command again, what came is kept"
            ) from error

    return get


def _reason(error: BaseException) -> str:
    """In the words of the first of the errors that led to this one."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = (str(error).splitlines() or [""])[0][:200]
    return shown(said) or type(error).__name__
