"""Files that belong together: a.png and a.txt, images/a.png and masks/a.png are parts of one sample."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..names import suffix_of
from ..readers import Reader, reading
from ..source import DataError, Sample
from ..sources.pair import PairSource


def matched(files: Mapping[str, Sequence[str]], least: float = 0.5) -> dict[str, dict[str, str]] | None:
    """{key: {part: file}} of files whose names agree but for their suffix, or for it and one folder; None if few do.

    files: by part. a.png beside a.txt have the key "a"; so have images/a.png and captions/a.txt, if no other part has files in
    either folder. least: share of the most frequent part's files that must have a partner.
    """
    if len(files) < 2:
        return None
    for drop in (None, 0, 1, 2):
        if drop is not None and not _folders_apart(files, drop):
            continue
        found: dict[str, dict[str, str]] = {}
        for part, names in files.items():
            for name in names:
                parts = found.setdefault(_key(name, drop), {})
                parts[next(p for p in numbered(part) if p not in parts)] = name
        both = sum(len({p.partition("_")[0] for p in parts}) > 1 for parts in found.values())
        if both and both >= least * max(len(names) for names in files.values()):
            return dict(sorted(found.items()))
    return None


def open_folder(
    folder: Path, files: Mapping[str, Sequence[str]], readers: Mapping[str, Mapping[str, Reader]]
) -> PairSource:
    """Files of two or more kinds with equal names; or of one kind in folders of their own (images/a.png and masks/a.png)."""
    found = matched(files, 0.0) if len(files) > 1 else None
    kinds = {part: part for part in files}
    if found is None and len(files) == 1:
        ((kind, names),) = files.items()
        by: dict[str, list[str]] = {}
        for name in names:
            by.setdefault(name.partition("/")[0], []).append(name)
        found, kinds = matched(by, 0.0), dict.fromkeys(by, kind)
    if found is None:
        raise DataError(
            f"the files under {folder} have no names in common: call what belongs together a.png and a.txt, "
            "or images/a.png and captions/a.txt"
        )
    parts = sorted({p for parts in found.values() for p in parts})
    every = {p: kinds.get(p) or kinds[p.rpartition("_")[0]] for p in parts}
    refs = {p: [found[key].get(p) for key in found] for p in parts}

    def reader(kind: str) -> Callable[[str], Sample]:
        read = reading(readers.get(kind, {}), kind)
        return lambda name: read(folder / name)

    keys = list(found)
    return PairSource(keys, every, refs, {p: reader(k) for p, k in every.items()}, str(folder))


def _key(name: str, drop: int | None) -> str:
    stem = name.removesuffix(name[len(name) - len(suffix_of(name)) :])
    if drop is None:
        return stem
    parts = stem.split("/")
    return "/".join(parts[:drop] + parts[drop + 1 :]) if drop < len(parts) - 1 else stem


def _folders_apart(files: Mapping[str, Sequence[str]], level: int) -> bool:
    """Every file lies at least this deep, and no folder at this level holds files of two parts."""
    seen: set[str] = set()
    for names in files.values():
        here = set()
        for name in names:
            parts = name.split("/")
            if len(parts) <= level + 1:
                return False
            here.add(parts[level])
        if seen & here:
            return False
        seen |= here
    return True


def numbered(part: str) -> Sequence[str]:
    return (part, *(f"{part}_{i}" for i in range(2, 1000)))
