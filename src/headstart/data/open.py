"""Whatever the user points at, opened: arrays, lists, files, folders and named sets become samples by number."""

import difflib
from collections.abc import Hashable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import Unreadable
from ..forms import Sample
from ..home import expanded
from ..kinds import KINDS as SINGLE
from . import remote, sets
from .classes import Labelled, as_column, noted
from .finding import elsewhere, paired, shards
from .finding.folder import open_survey, stretches
from .finding.survey import one_kind, survey
from .finding.tars import open_pattern
from .finding.together import hold_together, in_file
from .groups import AUTO, NONE, OF
from .groups import decide as decide_groups
from .labels import IDENTIFIER, no_inputs, said_of_inputs, said_of_no_inputs
from .labels import decide as decide_labels
from .names import suffix_of
from .readers import Claim, claims, instead, makers, of_folder, reading
from .readers._datasets import is_dataset, open_dataset
from .source import DataError, Source
from .sources.array import source_of
from .sources.either import Either
from .sources.files import FileSource
from .sources.listed import ListSource
from .sources.pair import PairSource, Part
from .telltale import said_of, telling

KINDS = (*SINGLE, "pair")


@runtime_checkable
class _Polars(Protocol):
    """A data frame as polars has it."""

    columns: object

    def to_dicts(self) -> list[dict[Hashable, Sample]]: ...


@runtime_checkable
class _Pandas(Protocol):
    """A data frame as pandas has it."""

    columns: object

    def to_dict(self, orient: str, /) -> list[dict[Hashable, Sample]]: ...


@runtime_checkable
class _Arrayed(Protocol):
    """What numpy makes an array of: its own, torch's, jax's."""

    def __array__(self) -> np.ndarray: ...


def open_source(where: object, kind: str | None = None, label: str | None = None, group: str = AUTO) -> Source:
    """Find out what `where` is and open it: an array, a file, a folder, the name of a set, or a Source as it is.

    Files are recognised by content (data/readers). A path that exists wins over a set of the same name. kind: what the data is,
    where that is not plain; "image+volume": what a folder has of both, samples of one kind each. label: the column of a table
    that names the classes ("folders": the folders do; "labels.csv:species": a column of another file). group: the column, array
    or file that says which samples hang together, likewise; "auto": one that is plainly named for it; "none". A file that is
    one sample becomes a source of one. What lies behind an address ("s3://bucket/photos/") is fetched and read as if it lay here,
    "shard-{000..009}.tar" is ten tars.
    DataError says what to give instead.
    """
    if remote.is_address(where) and not shards.spelled(str(where)):
        there = remote.fetched(str(where))
        source = open_source(there.path, kind, label, group)
        if there.said and isinstance(source, Labelled):
            source.why = "; ".join(filter(None, (source.why, there.said)))
        return source
    if label is not None and (file := elsewhere.named(label, where)) is not None:
        return elsewhere.attach(open_source(where, kind, group=group), *file)
    if label is not None and (place := elsewhere.mask_folder(label, where)) is not None:
        return elsewhere.attach_masks(open_source(where, kind, group=group), place)
    if group not in (AUTO, NONE) and (file := elsewhere.named(group, where, "data.group")) is not None:
        return in_file(open_source(where, kind, label, NONE), *file)
    if isinstance(where, str) and not expanded(where).exists() and (names := shards.spelled(where)):
        paths = [remote.fetched(name).path if remote.is_address(name) else expanded(name) for name in names]
        return hold_together(_unlabelled(_as_kind(open_pattern(where, paths), kind), label), where, group)
    if kind is not None and "+" in kind and isinstance(where, str | Path):
        return Either({each: open_source(where, each, label, group) for each in kind.split("+")}, str(where))
    if kind is not None and kind not in KINDS:
        raise DataError(f"kind is {kind!r} but must be one of {', '.join(KINDS)}")
    if lacking := _lacking(where):
        raise DataError(
            f"a {type(where).__name__} is nearly a source of data, and lacks {' and '.join(lacking)}: "
            "give it groups = None and bad = () where there are none (headstart.data.source.Source)"
        )
    if isinstance(where, Source):
        return hold_together(_unlabelled(where, label), where, group)  # of the user's own
    if is_dataset(where):
        return hold_together(_as_kind(open_dataset(where, kind, label), kind), None, group)
    if isinstance(where, _Polars):
        return _open_frame(where.to_dicts(), label, group)
    if isinstance(where, _Pandas):
        return _open_frame(where.to_dict("records"), label, group)
    if isinstance(where, _Arrayed):
        return hold_together(_unlabelled(source_of(_as_array(where), kind), label), where, group)
    if isinstance(where, list | tuple) and kind is not None:
        return hold_together(_unlabelled(_open_list(where, kind), label), where, group)
    if not isinstance(where, str | Path):
        raise DataError(
            f"a {type(where).__name__} is not data: give a path, a name or an array, for instance np.stack(samples)"
        )
    path = expanded(where)
    if path.is_dir():
        whole = of_folder(path)
        if whole is not None:
            return whole(path, kind=kind, label=label, group=group)
        found = survey(path)
        if kind not in (None, "pair", *found.kinds) or (kind == "table" and found.recorded):
            found = survey(path, kind)  # what is taken for something else may be that, too
        chosen = one_kind(found, kind)
        try:
            return open_survey(found, chosen, label, group)
        except DataError:
            if kind is not None or label is None or not found.recorded:
                raise
            with suppress(DataError):  # the label is a column of the rows
                return open_survey(survey(path, "table"), "table", label, group)
            raise
    if not path.exists():
        if isinstance(where, str) and where.partition(":")[0] in sets.names():
            return hold_together(_unlabelled(_as_kind(sets.load(where), kind), label), None, group)
        raise _no_such(str(where), sets.names())
    return open_file(path, kind, label, group)


def open_file(path: Path, kind: str | None = None, label: str | None = None, group: str = AUTO) -> Source:
    """One file: of many samples, of one, or a table or tar of pairs."""
    if path.is_fifo():
        raise DataError(f"{path} is a pipe, which can be read only once: write what comes out of it into a file")
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}): check its permissions") from error
    if not start:
        raise DataError(f"{path} is empty: give a file that holds samples")
    if reason := instead(start, path.name):
        raise DataError(f"{path} cannot be read: {reason}")
    several = paired.open_file(path, start, label, required=kind == "pair")
    if several is not None and (one := _as_part(several, kind)) is not None:
        return hold_together(one, path, group)
    found = claims(path, kind)
    if not found and kind is not None and (others := claims(path)):
        raise DataError(f"{path} holds {others[0].kind} data, not {kind}: leave kind={kind} out")
    if not found:
        raise DataError(
            f"{path} is not readable here: give a folder of images or .txt files, a .npy, .npz or idx file, "
            f"or a file of another kind ({', '.join(KINDS[:-1])}) in one of its usual formats"
        )
    if found[0].kind == "image" and not found[0].reader.general and found[0].reader.open is None:
        raise DataError(f"{path} is a single image: give the folder it lies in, {path.parent}")
    opened = _open_claimed(path, found[0], kind, label, group)
    return opened if found[0].reader.grouped else hold_together(opened, path, group)


def _as_part(paired: Source, kind: str | None) -> Source | None:
    """What a table of paths or a tar gives: itself, or the one part of it that is of the kind asked for."""
    if kind in (None, paired.kind) or not isinstance(paired, PairSource):
        return paired if kind in (None, paired.kind) else None
    parts = [part for part, of in paired.kinds.items() if of == kind]
    return Part(paired, parts[0]) if len(parts) == 1 else None


def _lacking(where: object) -> list[str]:
    """What an object of the user's own lacks that has all else of a source."""
    own = all(hasattr(where, name) for name in ("kind", "labels", "classes", "name", "describe"))
    return [name for name in ("groups", "bad") if own and not hasattr(where, name)]


def _unlabelled(source: Source, label: str | None) -> Source:
    if label is not None:
        raise DataError(
            f"data.label={label} chooses a column of a table, and {source.describe()} has none: leave it out"
        )
    return source


def _open_frame(every: list[dict[Hashable, Sample]], label: str | None, group: str) -> Source:
    """The rows of a data frame, without its label column and the one that says what hangs together."""
    if not every:
        return ListSource(every, "table", title="frame")
    every = [{name: _cell(value) for name, value in row.items()} for row in every]
    of = {str(name): name for name in every[0]}
    columns = {n: as_column(n, [row[of[n]] for row in every]) for n in of}
    found = decide_labels(list(of), columns.__getitem__, "the frame", label)
    aside = no_inputs(list(of), found, label, columns.values())
    held = decide_groups(list(of), columns.__getitem__, "the frame", group, found.name)
    aside |= {held.name: OF} if held.name else {}
    hidden = {of[n] for n in (*aside, *([found.name] if found.name else []))}
    named = next((columns[n] for n, reason in aside.items() if reason == IDENTIFIER), None)
    names = None if named is None else [str(named.cell(i)) for i in range(len(every))]
    rows = [{k: v for k, v in row.items() if k not in hidden} for row in every]
    inputs = [column for name, column in columns.items() if of[name] not in hidden]
    fed = said_of_inputs(found, aside)
    why = noted(found.why, fed, held.why, said_of(telling(inputs, found.values))) + said_of_no_inputs(aside)
    source = ListSource(rows, "table", title="frame", names=names, groups=held.values, why=why.removeprefix(", "))
    source.labels, source.classes = found.values, found.classes
    return source


def _as_array(where: _Arrayed) -> np.ndarray:
    """As numpy has it; what is masked stays masked."""
    if isinstance(where, np.ma.MaskedArray):
        return where
    try:
        return np.asarray(where)
    except Exception:  # a tensor with gradients, or of a type that numpy lacks; a set of several arrays
        from ..tokenizers.plain import as_array  # here, because it waits for torch

        try:
            return as_array(where, "what is given")
        except Unreadable as error:
            raise DataError(f"{error.reason}: give one array of numpy or torch") from error


def _cell(value: Sample) -> Sample:
    """A cell of a data frame as rows have it: None where it is missing, seconds of a duration."""
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.item() if isinstance(value, np.generic) else value


def _open_list(samples: Sequence[Sample], kind: str) -> Source:
    if kind != "pair":
        return ListSource(samples, kind)
    parts = sorted({part for sample in samples if isinstance(sample, dict) for part in sample})
    unknown = [part for part in parts if part.partition("_")[0] not in SINGLE]
    if not parts or unknown:
        raise DataError(
            f"pairs are dicts whose keys are kinds, such as {{'image': ..., 'text': ...}}, not {unknown or 'lists'}"
        )
    kinds = {part: part.partition("_")[0] for part in parts}
    refs = {part: [sample.get(part) for sample in samples] for part in parts}
    names = [f"pair[{i}]" for i in range(len(samples))]
    return PairSource(names, kinds, refs, dict.fromkeys(parts, _itself), "list")


def _itself(sample: Sample) -> Sample:
    return sample


def _open_claimed(path: Path, claim: Claim, kind: str | None, label: str | None, group: str) -> Source:
    reader = claim.reader
    if label is not None and not reader.labelled:
        raise DataError(f"label={label} names a column, and {path} has none: leave it out")
    own = {suffix_of(path.name): reader}
    parts, maker = stretches(own), makers(own)
    one = FileSource(path.parent, [path.name], reading(own, claim.kind), claim.kind, stretches=parts, made_by=maker)
    if reader.open is None:
        return one
    try:
        return reader.open(path, kind=kind, label=label, group=group)
    except DataError:
        if reader.read is None or label is not None:
            raise
        try:
            one[0]
        except Unreadable:
            pass
        else:
            return one
        raise


def _as_kind(source: Source, kind: str | None) -> Source:
    if kind not in (None, source.kind):
        raise DataError(f"this set holds {source.kind} samples, not {kind}: leave kind={kind} out")
    return source


def _no_such(where: str, names: list[str]) -> DataError:
    near = difflib.get_close_matches(where.partition(":")[0].lower().replace("_", "-"), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? Give" if near else "give"
    return DataError(f"there is no file or folder {where}: {hint} an existing path, or one of {', '.join(names)}")
