"""A finished encoder, as other tools take it: data of the kind it was trained on in, vectors out."""

import copy
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .damage import record, unchanged
from .data.feeding.prepare import Prepared, Progress, few
from .data.groups import AUTO
from .data.open import open_source
from .data.readers import claims, reading
from .data.readers._npz import load_array
from .data.source import DataError, Source, Subset
from .data.sources.array import KINDS as ARRAYS
from .data.sources.array import ArraySource
from .data.sources.files import FileSource
from .data.sources.listed import ListSource
from .data.sources.table import TableSource, TablesSource
from .data.sources.windows import Windows
from .forms import Json, Sample
from .leftover import incomplete, missing
from .nn.encoder import Encoder, set_dtype
from .nn.linear import fastest_dtype
from .nn.readouts import READOUTS
from .nn.released import load_encoder
from .reading import read_in
from .scoring.features import encode
from .seen import differences, facts, few_of, one_sample, taken_at
from .shelf.copies import kept
from .tasks.contexts import Endings
from .tasks.contexts import reader_of as series_reader
from .tasks.fitting import Tuned
from .tasks.forecasting import Forecasting
from .tasks.forecasts import forecast
from .tasks.predicting import Predicted, predicted, wholes
from .tasks.saved import load_tuned
from .tokenizers.plain import as_array
from .tokenizers.table import TABLE

ROWS, LOOK = 64, 16  # of a list that are looked at for their columns; samples that are compared with those learnt from


@dataclass
class Encoded:
    """Vectors and where they come from. z: [n, D] float32. remarks: how the data differ from what the encoder learnt from.

    source, at: the samples as they were read; vector i is of source[at[i]].
    """

    z: np.ndarray
    names: list[str]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    bad: list[tuple[str, str]]
    remarks: list[str] = field(default_factory=list)
    source: Source | None = None
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def samples(self) -> Source:
        """What the vectors are of, to be looked at."""
        assert self.source is not None, "these vectors came without their samples"
        return self.source


class Pretrained:
    """An encoder with its tokenizer, its way of reading samples and its readout, as `load` finds them in a folder.

    `module` is the torch.nn.Module (Tokens -> Tokens); `embed` takes anything `pretrain` takes, or a list of arrays; so does
    `predict`, where it was fine-tuned: `tuned` is then the encoder with its head.
    """

    def __init__(self, encoder: Encoder, card: Json, tuned: Tuned | None = None) -> None:
        lacking = [name for name in ("read", "width", "input") if name not in card]
        if lacking or card["read"] not in READOUTS:
            said = f"does not say {', '.join(lacking)}" if lacking else f"names no way to read it: {card['read']!r}"
            raise DataError(f"the card of this encoder (encoder.json) {said}: it is damaged, or was written by hand")
        self.module, self.card, self.read, self.tuned = encoder, card, str(card["read"]), tuned
        self.tokenizer = next(iter(encoder.tokenizers.values()))

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return int(self.card["width"])

    @property
    def mark(self) -> str:
        """What tells its vectors from those of others."""
        return f"{self.card.get('sum', '')} {self.read}"

    def to(self, device: torch.device | str) -> "Pretrained":
        self.module.to(device)
        if self.tuned is not None:
            self.tuned.head.to(device)
        set_dtype(self.module, fastest_dtype(device))
        return self

    def prepare(
        self,
        data: object,
        progress: Progress | None = None,
        label: str | None = None,
        kind: str | None = None,
        judged: bool = True,
        group: str = AUTO,
    ) -> tuple[Prepared, list[str]]:
        """(samples read and sized as they were in training, how they differ from what the encoder learnt from).

        data: a path, the name of a set, an array, a list of arrays. label: the column that holds the labels; "folders": the names
        of folders do; a table, or "labels.csv:species", a column of one. kind: says that the data is what the encoder reads.
        judged: the encoder is not shown the labels, even where they are a column that it learnt from. group: what says which
        samples hang together, as for `open_source`; where nothing is said, what was said in training.
        """
        items = data if isinstance(data, list | tuple) else None
        source, remarks = self.opened(data, label, kind, judged, group)
        read = read_in(source, self.tokenizer, self.card["input"].get("window"), progress, remarks.append)
        if items is not None and read.bad:  # one vector per item, or none at all
            whole = read.source
            there = whole.recording[read.origin] if isinstance(whole, Windows) else read.origin
            if len(np.unique(there)) < len(items):
                raise DataError(f"{read.bad[0]}: leave it out of the list")
        return read, remarks

    def recordings(
        self,
        data: object,
        progress: Progress | None = None,
        kind: str | None = None,
        group: str = AUTO,
        last: int | None = None,
    ) -> tuple[Prepared, list[str]]:
        """As `prepare`, but whole, not as windows, and without labels. last: only so many values at the end of each.

        Recordings too long to be read at once are cut in pieces. DataError where the encoder is not one of series.
        """
        if self.tokenizer.kind != "series":
            raise DataError(
                f"task=forecasting is of series, [channels, time], and this encoder reads {self.tokenizer.kind} data: pre-train "
                "one on series first"
            )
        source, remarks = self.opened(data, None, kind, False, group)
        reader = series_reader(self.tokenizer)
        if last is None:
            return read_in(source, reader, max(1, reader.most // 2), progress, remarks.append), remarks
        return read_in(Endings(source, last, reader.rate), reader, None, progress, remarks.append), remarks

    def opened(
        self, data: object, label: str | None, kind: str | None, judged: bool, group: str
    ) -> tuple[Source, list[str]]:
        """(what `prepare` reads, how it differs from what the encoder learnt from)."""
        own, card = self.tokenizer.kind, self.card["input"]
        if kind not in (None, own):
            raise DataError(f"data.kind={kind}: this encoder reads {own} data")
        items = data if isinstance(data, list | tuple) else None
        if items is None:
            source = self._open(
                data, label or self.card.get("label") or card.get("label"), label is not None, kind, group
            )
        else:
            source = ListSource([_plain(x, own) for x in items], own)
        if source.kind != own:
            raise DataError(f"this encoder reads {own} data, and this is {source.kind}: {source.describe()}")
        source, remarks = self._own_columns(source, judged or label is not None)
        if "seen" in self.card:
            some = few(source, LOOK)
            remarks += differences(self.card["seen"], facts(some, own), own)
            if self.card["seen"].get("rates"):
                remarks += taken_at(some, self.tokenizer.state().get("rate"), ", the encoder's")
        return source, remarks

    def _open(self, data: object, label: str | None, asked: bool, said: str | None, group: str) -> Source:
        """New data need not have the label that the training data had, nor its groups; one sample is a source of one."""
        kind = self.tokenizer.kind
        path = Path(data).expanduser() if isinstance(data, str | Path) else None
        told = claims(path, kind) if path is not None and path.is_file() else []
        if path is not None and told and kind == "image" and told[0].reader.open is None:
            return FileSource(path.parent, [path.name], reading({}, kind), kind)
        values = _array(data, path if told else None) if kind in ARRAYS else None
        if values is not None and one_sample(values.shape, kind, self.card.get("seen", {}).get("channels", [])):
            name = "array" if path is None else path.name
            return ListSource([ArraySource(values[None], kind)[0]], kind, names=[name], title=name)
        if kind in ARRAYS and said is None and (values is not None or (told and told[0].reader.general)):
            alone = open_source(data)
            if alone.kind in ARRAYS and alone.kind != kind:
                raise DataError(
                    f"this encoder reads {kind} data, and this looks like {alone.kind}: {alone.describe()}; say "
                    f"data.kind={kind} if it is (in Python: kind={kind!r})"
                )
        if label is not None:
            with nullcontext() if asked else suppress(DataError):
                return self._hanging(data, kind, label, group)
        return self._hanging(data, kind, None, group)

    def _hanging(self, data: object, kind: str, label: str | None, group: str) -> Source:
        """The data opened, with groups as the word says, else as in training, if it can be so."""
        before = str(self.card["input"].get("group", AUTO))
        if group == AUTO and before != AUTO:
            with suppress(DataError):
                return open_source(data, kind, label, before)
        return open_source(data, kind, label, group)

    def _own_columns(self, source: Source, judged: bool) -> tuple[Source, list[str]]:
        """A table with the columns that the encoder learnt from alone, and how it differs from what that was. judged: the label
        is not among them, even where it was then; those that were the labels of a fine-tuning never are.

        DataError where fewer than half of its own are there, and fewer than half of those that are there are its own: what it
        said would be chance.
        """
        if self.tokenizer.kind != "table":
            return source, []
        learnt: set[str] = {name for _, name, *_ in self.tokenizer.state()["columns"]}
        tuned_to: set[str] = learnt & {*self.card.get("labels", ()), self.card.get("label", "")} - {TABLE}
        known = learnt - tuned_to
        if isinstance(source, TableSource | TablesSource):
            tables = [source.table] if isinstance(source, TableSource) else source.tables
            every = {name for table in tables for name in table.names}
            have = every - ({source.label, *source.aside} - known) - tuned_to
            hides = known & {source.label} if judged else set()
        else:
            every = {name for i in range(min(ROWS, len(source))) for name in source[i]}
            have, hides = every - tuned_to, set()
        there = known & have
        if 2 * len(there) < len(known - {TABLE}) and 2 * len(there) < len(have):
            raise DataError(
                f"this encoder learnt from {_few(known)}, and of the columns of {source.describe()} it knows {len(there)}: "
                "give a table with the same columns"
            )
        if isinstance(source, TableSource | TablesSource):
            source.only(known - hides)
        elif isinstance(source, ListSource):
            rows = map(source.samples.__getitem__, range(len(source)))
            source = copy.copy(source)
            source.samples = [{name: cell for name, cell in row.items() if name in known} for row in rows]
        said = (
            ("does not know and that are left out", have - known),
            ("knows and that are not there", known - have - {TABLE}),
        )
        remarks = [f"columns that the encoder {what}: {_few(names)}" for what, names in said if names - {TABLE}]
        asked = [f"{name} is what is asked for, and is hidden from the encoder" for name in sorted(hides)]
        before = sorted(tuned_to & every)
        return source, remarks + asked + [
            f"{name} is what it was fine-tuned to, and is hidden from the encoder" for name in before
        ]

    def embed(self, data: object, progress: Progress | None = None, kind: str | None = None) -> np.ndarray:
        """[n, D] float32: one vector per readable sample. Unreadable files are left out: `embed_named` says which.

        kind: says that an array, whose shape may mean several things, is what the encoder reads.
        """
        return self.embed_named(data, progress, kind=kind).z

    def embed_named(
        self,
        data: object,
        progress: Progress | None = None,
        reading: Progress | None = None,
        label: str | None = None,
        kind: str | None = None,
        group: str = AUTO,
    ) -> Encoded:
        """Vectors with the samples' names and labels, and the list of what could not be read. label, kind, group: as for
        `prepare`."""
        source, remarks = self.prepare(data, reading, label, kind, judged=False, group=group)
        return self._encoded(source, remarks, progress)

    def embed_some(
        self, source: Source, at: np.ndarray, progress: Progress | None = None, reading: Progress | None = None
    ) -> Encoded:
        """As `embed_named`, of the samples of these numbers of what `opened` gives."""
        remarks: list[str] = []
        window = self.card["input"].get("window")
        some = read_in(Subset(source, at), self.tokenizer, window, reading, remarks.append)
        return self._encoded(some, remarks, progress)

    def _encoded(self, source: Prepared, remarks: list[str], progress: Progress | None) -> Encoded:
        every = range(len(source))
        z = encode(self.module, self.tokenizer, source, every, (self.read,), progress=progress)[self.read]
        bad = [(b.where, b.reason) for b in source.bad]
        whole = wholes(source)  # one vector for each recording: the mean over its windows
        return Encoded(whole.mean(z), whole.names, whole.labels, source.classes, bad, remarks, source, whole.first)

    def predict(
        self,
        data: object,
        progress: Progress | None = None,
        reading: Progress | None = None,
        label: str | None = None,
        kind: str | None = None,
        group: str = AUTO,
    ) -> Predicted:
        """What the head of a fine-tuned encoder says of each readable sample; of a recording, the mean over its windows, or,
        where it was tuned to forecasting, what comes after its end (a `Forecast`).

        label, kind, group: as for `prepare`. Raises DataError where the encoder was not fine-tuned.
        """
        if self.tuned is None:
            raise DataError(
                "this encoder has no head yet, so it names nothing: tune one to labelled data first, with "
                "headstart finetune RUN LABELLED, and give the folder that this leaves"
            )
        task = self.tuned.task
        if isinstance(task, Forecasting):
            ends, remarks = self.recordings(data, reading, kind, group, last=2 * task.context)
            remarks += (
                [f"labels are not asked for: what comes next is compared with nothing ({label})"] if label else []
            )
            return forecast(self.tuned, ends, remarks, progress)
        source, remarks = self.prepare(data, reading, label, kind, group=group)
        return predicted(self.tuned, source, remarks, progress)


def _array(data: object, path: Path | None) -> np.ndarray | None:
    """An array or tensor, or the one in a .npy, as numpy has it; None for anything else."""
    if isinstance(data, np.ndarray | torch.Tensor):
        return as_array(data, "what is given")
    return load_array(path, path, mmap_mode="r") if path is not None and path.suffix.lower() == ".npy" else None


def _few(names: set[str]) -> str:
    return few_of([*names - {TABLE}])


def _plain(sample: Sample, kind: str) -> Sample:
    """A sample of the user's as readers give it: pictures and series in any of the forms an array of them may have."""
    return (
        ArraySource(np.asarray(sample)[None], kind)[0]
        if kind in ("image", "series") and not isinstance(sample, dict)
        else sample
    )


def load(folder: str | Path, device: torch.device | str = "cpu", trust: bool = False) -> Pretrained:
    """The encoder that a run left in its folder.

    trust: an encoder may be made of parts from outside headstart, and of those that the run's own method defines (`recipe.py`);
    they are imported, which runs their code.
    """
    folder = Path(folder)
    if not (folder / "encoder.json").exists():
        parts = sorted(p.parent.name for p in folder.glob("*/encoder.json"))
        if parts:
            raise DataError(f"{folder} holds an encoder for each part of a pair: load one, such as {folder / parts[0]}")
        if gone := missing(folder):
            raise incomplete(folder, gone)
        raise DataError(
            f"{folder} holds no finished encoder (encoder.json): "
            + (
                "the run has not ended; start it again and it goes on"
                if (folder / "run.json").exists() or (folder / "tuned.json").exists()
                else "give the folder of a run, such as runs/mae-photos"
            )
        )
    if not (folder / "encoder.safetensors").exists():
        raise incomplete(folder, missing(folder) or ["encoder.safetensors"])
    unchanged(folder / "encoder.safetensors", record(folder / "encoder.json").get("sum"))
    if trust:
        _import_method(folder)
    encoder, card = load_encoder(folder, trust)
    return Pretrained(encoder, card, load_tuned(folder, encoder, card)).to(device)


def _import_method(folder: Path) -> None:
    """So that what an encoder is made of is found by its name; of a part of a pair the run lies one folder up."""
    run = next((place for place in (folder, folder.resolve().parent) if (place / "run.json").exists()), None)
    if run is not None:
        kept(record(run / "run.json", "plan")["plan"]["recipe"], run)
