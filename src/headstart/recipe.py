"""What a method is: data, an objective and an optimizer. A recipe is a function that returns one."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from .augment.views import Views
from .data.feeding.asked import Unlabelled, classes_of, labels_of
from .data.feeding.loader import only, whole
from .data.feeding.order import Balanced, Order, samples, uniform
from .data.groups import AUTO
from .data.source import Source, Subset
from .errors import Mistake
from .objective import Objective
from .optim import Optim
from .step import Step
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
    order: Order = uniform  # which samples a step takes
    weight: np.ndarray | None = None  # float [n]: how much each sample counts; fills Batch.weight
    asks: frozenset[str] = frozenset()  # what this method is told of samples: "labels", "groups"

    def samples(self, step: Step, rank: int = 0, world: int = 1) -> np.ndarray:
        """The samples of this rank at this step; those of all ranks are the same for every `world`."""
        return samples(self.order, step, self.batch, len(self.source), rank, world)

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
        return only(self.tokenizers)

    @property
    def kinds(self) -> str:
        """The kinds of data there are."""
        return ", ".join(tokenizer.kind for tokenizer in self.tokenizers.values())

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two kinds of paired data."""
        if len(self.tokenizers) != 2:
            raise Mistake(f"this method takes pairs, two kinds of data at once, and here is {self.kinds}")
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
        weight = None if self.weight is None else self.weight[there]
        return replace(self, source=Subset(self.source, there), weight=weight, order=self.order.among(there))

    def with_views(self, views: Views) -> "Data":
        """The same samples, looked at in several ways."""
        return replace(self, views=views)

    def with_labels(self) -> "Data":
        """For methods that learn from labels: batches have `labels`, classes -1 and quantities NaN where unknown."""
        if labels_of(self.source, np.zeros(0, np.int64)) is None:
            raise Mistake(
                "this method learns from labels, and none were found: a folder for each class, or a column of labels "
                "(data.label=), would do"
            )
        return replace(self, asks=self.asks | {"labels"})

    def with_groups(self) -> "Data":
        """For methods that must know which samples belong together: batches have `groups`."""
        return replace(self, asks=self.asks | {"groups"})

    def with_weight(self, weight: np.ndarray) -> "Data":
        """For methods in which samples count differently: batches have `weight`, from these numbers, one for each sample."""
        if len(weight) != len(self.source):
            raise Mistake(f"{len(weight):,} weights for {len(self.source):,} samples: give one for each sample")
        weight = np.asarray(weight, np.float32)
        if not (np.isfinite(weight).all() and (weight >= 0).all()):
            raise Mistake("weights of samples are finite numbers, 0 or more")
        return replace(self, weight=weight)

    def with_order(self, order: Order) -> "Data":
        """The same samples in another order: Weighted, Curriculum, Pruned."""
        return replace(self, order=order)

    def balanced(self) -> "Data":
        """Every class equally often, samples without a label never: asks for labels."""
        asking = self.with_labels()
        labels = labels_of(self.source, np.arange(len(self.source)))
        assert labels is not None
        return replace(asking, order=Balanced(labels))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, where labels were asked for."""
        return classes_of(self.source) if "labels" in self.asks else ()

    def epochs(self, n: float) -> int:
        """Steps that see every sample, of those that its order ever takes, n times."""
        return max(1, round(n * self.order.epoch(len(self.source)) / self.batch))


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


def make(method: Method, data: Data, **arguments: Any) -> Recipe:
    """The recipe that a method makes of the data, as all recipes are made: it is shown samples, and labels only if it asks."""
    made = method(replace(data, source=Unlabelled(data.source)), **arguments)
    if not isinstance(made, Recipe):
        what = f"{getattr(method, '__name__', method)} returned a {type(made).__name__}, not a Recipe"
        raise Mistake(f"{what}: end it with return Recipe(task, data, AdamW(...), steps=...)")
    return made


@dataclass(frozen=True)
class Input:
    """How samples are read, before they are rows. `data.` words reach these; None is chosen from the data."""

    batch: int | None = None  # samples per step
    tokens: int | None = None  # rows per step in the place of batch: as many samples as have about so many
    kind: str | None = (
        None  # what to read where a folder holds several kinds: image, audio, ...; or pair; or image+volume
    )
    label: str | None = None  # the column that holds the labels
    group: str = AUTO  # the column, array or file that says which samples hang together; folders; auto by name; none
    window: int | None = (
        None  # long recordings and texts are cut into windows of this many points, bytes, notes (sound: seconds)
    )
    side: int | None = None  # pictures are brought to about side x side pixels, their aspect kept
    patch: int | None = None  # pixels along an edge of a patch, time points or frames in a row, points in a group
    longest: int | None = None  # bytes, residues, notes, events of a sample that are read
    rate: int | None = None  # samples per second that sound and signals are brought to
    vocab: int | None = None  # entries of a vocabulary trained on the texts; without it, bytes
    held: float | None = (
        None  # share of the labelled samples kept out of training to judge it by; few labels judge in turns instead
    )

    def __post_init__(self) -> None:
        if self.batch is not None and self.tokens is not None:
            raise Mistake("data.batch= and data.tokens= say the same in two units: give one of them")
        for name in ("batch", "tokens", "window", "side", "patch", "longest", "rate", "vocab"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise Mistake(f"data.{name}={value}: it is at least 1")
        if self.held is not None and not 0 <= self.held < 1:
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
    accumulate: int = 0  # slices that a batch goes through the encoder in, to fit into memory; 0: as many as it takes
    recompute: bool = False  # blocks keep only their inputs for the backward pass: less memory, a third more time
    shard: bool = False  # under torchrun, each process holds a share of weights, gradients and moments (FSDP2)

    def __post_init__(self) -> None:
        if self.accumulate < 0:
            raise Mistake(f"run.accumulate={self.accumulate}: 1 or more slices of a batch, or 0: as many as it takes")
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


HEAL = ("off", "advise", "act")
SINKS = ("tensorboard", "wandb", "mlflow", "trackio")


@dataclass(frozen=True)
class Care:
    """How a run is looked after, which does not change what it is: the words of a run, and these."""

    base: Run = field(default_factory=Run)
    heal: str = (
        "advise"  # what is wrong is "off": said at the end; "advise": said when seen; "act": mended where it can be
    )
    processes: int = 0  # that the command starts on this machine; 0: one for each CUDA device that torch sees
    log: str = ""  # who is told of every row of log.jsonl: names of SINKS, with commas

    def __post_init__(self) -> None:
        if self.processes < 0:
            raise Mistake(f"run.processes={self.processes}: 1 or more, or 0: one for each device")
        if self.heal not in HEAL:
            raise Mistake(f"run.heal={self.heal}: choose {', '.join(HEAL[:-1])} or {HEAL[-1]}")
        wrong = [name for name in self.sinks if name not in SINKS]
        if wrong:
            raise Mistake(f"run.log={self.log}: {wrong[0]!r} is none of {', '.join(SINKS)}; several go with commas")

    @property
    def sinks(self) -> list[str]:
        """Each once, in the order they were named."""
        return list(dict.fromkeys(name.strip() for name in self.log.split(",") if name.strip()))
