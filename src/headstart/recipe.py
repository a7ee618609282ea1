"""What a method is: data, an objective and an optimizer. A recipe is a function that returns one."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

from .augment.views import Views
from .data.feeding.loader import whole
from .data.source import Source, Subset
from .errors import Mistake
from .objective import Objective
from .optim import Optim
from .tokenizers.want import Want
from .tokens import Tokenizer


@dataclass(frozen=True)
class Data:
    """Samples, how they become rows, and how many a step takes.

    A source of one kind has one tokenizer, under any name ("x"); a paired source gives dict samples and has one
    tokenizer for each part.
    """

    source: Source
    tokenizers: dict[str, Tokenizer]
    batch: int = 256  # samples per step, all ranks together
    views: Views | None = None

    @property
    def dim(self) -> int:
        """Payload width of a row, where there is one kind."""
        return self.only.dim

    @property
    def signal(self) -> bool:
        """Rows are stretches of a signal, which may be normalised one by one; not features or ids."""
        return self.only.signal

    @property
    def only(self) -> Tokenizer:
        """The one tokenizer."""
        if len(self.tokenizers) != 1:
            raise Mistake(f"this method takes data of one kind, and here are {self.said}")
        return next(iter(self.tokenizers.values()))

    @property
    def said(self) -> str:
        """The kinds of data there are."""
        return ", ".join(tokenizer.kind for tokenizer in self.tokenizers.values())

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two kinds of paired data."""
        if len(self.tokenizers) != 2:
            raise Mistake(f"this method takes pairs, two kinds of data at once, and here is {self.said}")
        a, b = self.tokenizers
        return a, b

    def whole(self) -> "Data":
        """Only the samples that have every part: for methods in which parts meet."""
        there = whole(self.source)
        if not len(there):
            raise Mistake(
                "no sample has all of its parts, and in this method they meet: "
                "recipe=uni4eye learns from each part alone, recipe=astrom3 from any two that are there"
            )
        return replace(self, source=Subset(self.source, there))

    def with_views(self, views: Views) -> "Data":
        """The same samples, looked at in several ways."""
        return replace(self, views=views)

    def epochs(self, n: float) -> int:
        """Steps that see every sample n times."""
        return max(1, round(n * len(self.source) / self.batch))


RANDOM = "random encoder"


@dataclass(frozen=True)
class Recipe:
    """All that training needs."""

    objective: Objective
    data: Data
    optim: Optim
    steps: int
    begins: str = RANDOM  # what its encoder is before the first step, where it is not fresh: "base encoder"


Method = Callable[..., Recipe]  # called with (data, size=..., and words of its own)


@dataclass(frozen=True)
class Input:
    """How samples are read, before they are rows. `data.` words reach these; None is chosen from the data."""

    batch: int | None = None  # samples per step
    kind: str | None = (
        None  # what to read where a folder holds several kinds: image, audio, ...; or pair; or image+volume
    )
    label: str | None = None  # the column that holds the labels
    window: int | None = (
        None  # long recordings and texts are cut into windows of this many points, bytes, notes (sound: seconds)
    )
    side: int | None = None  # pictures are brought to about side x side pixels, their aspect kept
    patch: int | None = None  # pixels along an edge of a patch, time points or frames in a row, points in a group
    longest: int | None = None  # bytes, residues, notes, events of a sample that are read
    rate: int | None = None  # samples per second that sound and signals are brought to
    vocab: int | None = None  # entries of a vocabulary trained on the texts; without it, bytes
    held: float = 0.1  # share of the labelled samples kept out of training to judge it by

    def __post_init__(self) -> None:
        for name in ("batch", "window", "side", "patch", "longest", "rate", "vocab"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise Mistake(f"data.{name}={value}: it is at least 1")
        if not 0 <= self.held < 1:
            raise Mistake(f"data.held={self.held}: it is a share, from 0 to below 1")

    def want(self, rows: int) -> Want:
        """What tokenizers are asked for: about `rows` rows a sample, unless a word says otherwise."""
        return Want(rows, **{f.name: getattr(self, f.name) for f in fields(Want) if f.name != "rows"})


@dataclass(frozen=True)
class Run:
    """Everything about a run that is not the method."""

    out: str = ""  # the run directory; "" chooses runs/<recipe>-<data>
    minutes: float | None = None  # budget: the schedule is sized to end within it
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"  # "bf16", "fp32"
    probe_every: float = 0.25  # share of training between probes
    save_every: float = 0.1  # share of training between checkpoints
    compile: bool = False

    def __post_init__(self) -> None:
        if self.minutes is not None and self.minutes <= 0:
            raise Mistake(f"run.minutes={self.minutes}: a budget is more than 0 minutes")
        for name in ("probe_every", "save_every"):
            if not 0 < getattr(self, name) <= 1:
                raise Mistake(f"run.{name}={getattr(self, name)}: it is a share of training, above 0 and at most 1")
        if self.dtype not in ("auto", "bf16", "fp32"):
            raise Mistake(f"run.dtype={self.dtype}: choose auto, bf16 or fp32")
        kind = self.device.partition(":")[0]
        if kind not in ("auto", "cpu", "cuda"):
            raise Mistake(f"run.device={self.device}: choose auto, cpu or cuda")
        if kind == "cuda" and not torch.cuda.is_available():
            raise Mistake(
                f"run.device={self.device}: this machine has no CUDA device that torch can use; choose run.device=cpu"
            )
