"""What a method is: data, an objective and an optimizer. A recipe is a function that returns one."""

from dataclasses import dataclass, replace

from .augment.views import Views
from .data.source import Source
from .objective import Objective
from .optim import AdamW
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
    def only(self) -> Tokenizer:
        """The one tokenizer."""
        if len(self.tokenizers) != 1:
            raise ValueError(f"this method takes data of one kind, and here are {', '.join(self.tokenizers)}")
        return next(iter(self.tokenizers.values()))

    def with_views(self, views: Views) -> "Data":
        """The same samples, looked at in several ways."""
        return replace(self, views=views)

    def epochs(self, n: float) -> int:
        """Steps that see every sample n times."""
        return max(1, round(n * len(self.source) / self.batch))


@dataclass(frozen=True)
class Recipe:
    """All that training needs."""

    objective: Objective
    data: Data
    optim: AdamW
    steps: int


@dataclass(frozen=True)
class Input:
    """How samples are read, before they are rows. `data.` words reach these; None is chosen from the data."""

    batch: int = 256  # samples per step
    side: int | None = None  # pictures are brought to about side x side pixels, their aspect kept
    patch: int | None = None  # pixels along an edge of a patch, or time points in a window
    longest: int = 256  # bytes of a text that are read
    held: float | None = None  # share of labelled samples kept out of training to probe with; None: a tenth


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
