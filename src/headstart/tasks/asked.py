"""The words of fine-tuning, and what they stand at where nothing is said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from ..data.groups import AUTO
from ..errors import Mistake
from ..forms import Json
from ..nn.encoder import Encoder
from ..nn.readouts import READOUTS
from ..recipe import Run
from ..words import WordError, annotations, changed, fit, parse, settings, unknown
from .adapting import parsed
from .dividing import HELD
from .fitting import READ, Setting
from .meaning import NAMES

FORECASTING, ALONG = "forecasting", "along"  # what comes next hangs on what was when
NARROW = 192  # encoders up to this width take larger rates
RATES = {"narrow": (1e-3, 3e-4), "wide": (3e-4, 1e-4), "head": (1e-2, 1e-3)}
DATA: dict[str, object] = {"label": str | None, "kind": str | None, "group": str, "batch": int}
OPTIM = {"layer_decay": "decay", "weight_decay": "weight_decay"}  # words, and what they are called in a `Setting`
LEAST_STEPS, EPOCHS, MOST_STEPS = 400, 20, 20_000


@dataclass(frozen=True)
class Asked:
    """Words without a group. None is chosen from the encoder and the data."""

    tune: str = "full"  # how much of the encoder: full, last:2, lora:8, head
    init: str = "pretrained"  # or "scratch": a random encoder of the same shape, for comparison
    task: str | None = (
        None  # classification, multilabel, regression or segmentation, where labels may mean several; forecasting
    )
    horizon: int | None = None  # of forecasting: so many values are said
    context: int | None = None  # from so many before them; as many as the encoder reads
    period: int | None = None  # after which a series repeats itself, for a rival; found in the series
    lr: float | tuple | None = None  # one rate, or several (lr=1e-3,3e-4), of which held-back samples choose
    steps: int | None = None  # of each training, at most
    epochs: float | None = None  # the same in passes over the samples
    weights: str | None = None  # balanced: rare classes count as much as common ones; none
    smoothing: float = 0.1  # share of a label that all classes have in common
    held: float = HELD  # share of the labelled samples that chooses rate, step and temperature
    read: str | None = None  # how a sample is read as one vector
    empty: str | None = None  # of several classes at once, what no label says: unknown; or none, of the classes
    trust: bool = (
        False  # parts from outside headstart, of which the encoder is made, may be imported, which runs their code
    )
    ignore: int | None = None  # the number in a mask that says nothing; None: 255, unless it is plainly a class

    def __post_init__(self) -> None:
        parsed(self.tune)
        for name, value, choices in (
            ("init", self.init, ("pretrained", "scratch")),
            ("task", self.task, (None, *NAMES, FORECASTING)),
            ("weights", self.weights, (None, "balanced", "none")),
            ("empty", self.empty, (None, "unknown", "none")),
            ("read", self.read, (None, *READOUTS)),
        ):
            if value not in choices:
                raise Mistake(f"{name}={value}: choose {' or '.join(c for c in choices if c is not None)}")
        if self.foretells and self.horizon is None:
            raise Mistake("task=forecasting: say how many values ahead, such as horizon=24")
        for name, count in (("horizon", self.horizon), ("context", self.context), ("period", self.period)):
            if count is not None and not self.foretells:
                raise Mistake(f"{name}={count}: only forecasting has it; say task=forecasting, or leave it out")
            if count is not None and count < 1:
                raise Mistake(f"{name}={count}: it is at least 1")
        if not 0 < self.held <= 0.5:
            raise Mistake(f"held={self.held}: it is a share of the labelled samples, above 0 and at most 0.5")
        if not 0 <= self.smoothing < 1:
            raise Mistake(f"smoothing={self.smoothing}: it is a share, from 0 to below 1")
        if self.steps is not None and self.epochs is not None:
            raise Mistake("steps= and epochs= say the same: give one of them")
        for name, number in (("steps", self.steps), ("epochs", self.epochs), *(("lr", x) for x in self.rates or ())):
            if number is not None and not (isinstance(number, int | float) and number > 0):
                raise Mistake(f"{name}={number}: it is more than 0")

    @property
    def foretells(self) -> bool:
        return self.task == FORECASTING

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates that were given."""
        if self.lr is None:
            return ()
        return tuple(self.lr) if isinstance(self.lr, tuple) else (self.lr,)

    @property
    def weighted(self) -> bool | None:
        """Whether rare classes count as much as common ones; None: where classes are uneven."""
        return None if self.weights is None else self.weights == "balanced"

    def among(self, encoder: Encoder) -> tuple[float, ...]:
        """The rates that are tried."""
        if self.rates:
            return tuple(dict.fromkeys(self.rates))
        return RATES["head" if self.tune == "head" else "narrow" if encoder.width <= NARROW else "wide"]

    def wanted(self, count: int, batch: int) -> int:
        """Steps of a training on so many samples, if there is time."""
        if self.steps is not None:
            return self.steps
        epoch = count / max(1, min(batch, count))
        if self.epochs is not None:
            return max(1, round(self.epochs * epoch))
        return round(min(MOST_STEPS, max(LEAST_STEPS, EPOCHS * epoch)))


@dataclass(frozen=True)
class Words:
    """All words of a fine-tuning. given: as they were said. label, kind, group: as for `Pretrained.prepare`. own: what was said
    of a `Setting`: batch, decay, weight_decay."""

    given: Json
    asked: Asked
    run: Run
    label: str | None = None
    kind: str | None = None
    own: Json = field(default_factory=dict)
    group: str = AUTO

    def setting(self, steps: int, usual: str = READ) -> Setting:
        """How a head is trained. usual: how the encoder is read, unless a word says otherwise."""
        asked = self.asked
        read = asked.read or (ALONG if asked.foretells else usual)
        return replace(Setting(asked.tune, steps, read=read, seed=self.run.seed), **self.own)


def words_of(words: Iterable[str], named: Mapping[str, object]) -> Words:
    """Words and keywords by where they go; a WordError for one that nobody knows, or that is not what it should be."""
    hints = annotations(run=Run) | {f"data.{name}": hint for name, hint in DATA.items()}
    bare = [f.name for f in fields(Asked)]
    texts = {"tune": str, "init": str, "task": str | None, "weights": str, "empty": str, "read": str | None}
    given = parse(words, named, hints | texts)
    every = [
        *bare,
        *(f"data.{n}" for n in DATA),
        *(f"optim.{n}" for n in OPTIM),
        *(f"run.{n}" for n in settings(Run())),
    ]
    lost = next((name for name in given if name not in every), None)
    if lost is not None:
        raise unknown(lost, every)

    def of(group: str) -> Json:
        return {name.removeprefix(f"{group}."): value for name, value in given.items() if name.startswith(f"{group}.")}

    asked = changed(Asked(), {name: value for name, value in given.items() if name in bare}, "")
    data = {name: fit(f"data.{name}", value, DATA[name]) for name, value in of("data").items()}
    optim = {OPTIM[name]: fit(f"optim.{name}", value, float) for name, value in of("optim").items()}
    own = optim | ({"batch": data["batch"]} if "batch" in data else {})
    said = Words(
        given,
        asked,
        changed(Run(), of("run"), "run"),
        data.get("label"),
        data.get("kind"),
        own,
        data.get("group", AUTO),
    )
    if asked.foretells and said.label is not None:
        raise WordError(
            f"data.label={said.label}: forecasting needs no labels, as series have their own future; leave it out"
        )
    idle = [name for name in ("weights", "smoothing", "empty", "ignore") if name in given]
    if asked.foretells and idle:
        raise WordError(f"{idle[0]}={given[idle[0]]}: it is for classes, and forecasting has none; leave it out")
    said.setting(1)  # refuses what is out of range before anything is read
    return said
