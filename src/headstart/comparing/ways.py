"""Ways from labels to answers, each a learner that a split judges: vectors and a linear model, or a tuned encoder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..data.source import Source, Subset
from ..nn.encoder import Encoder
from ..planning.timing import time_steps
from ..probes import FOLDS, Learner
from ..probes.linear import blended, fitted
from ..probes.trees import boosted
from ..recipe import Run
from ..rivals import Matrix, Rival, of_kind
from ..scoring.features import encode, raw
from ..scoring.labelled import Labelled
from ..tasks.asked import NARROW, RATES
from ..tasks.fitting import Setting, begin, recipe_of, spelled
from ..tasks.meaning import task_of
from ..tasks.tuning import tune
from ..tokens import Tokenizer

FROZEN, TUNED = "frozen", "fine-tuned"
ASKING = 3  # times as fast as a step of training is an answer
RAW, RANDOM, SCRATCH = "raw input", "random encoder", "from scratch"


@dataclass(frozen=True)
class Way:
    """One row of a comparison. how: frozen or fine-tuned. mine: the pre-trained encoder that it uses, "" for none. make: what
    stands for each labelled sample, [n, ...] (bank, then query), made once; learner: learns from these."""

    name: str
    how: str
    make: Callable[[], Matrix]
    learner: Learner
    mine: str = ""
    beside: bool = False  # raw input together with an encoder's vectors: says what the encoder adds


@dataclass(frozen=True)
class Start:
    """An encoder to begin with. read: how its vectors are read off."""

    encoder: Encoder
    tokenizer: Tokenizer
    read: str


def frozen(data: Labelled, starts: dict[str, Start], random: Start) -> Iterator[Way]:
    """Raw input, what is usually taken for this kind, a random encoder, and each encoder alone and beside the raw input."""
    tokenizer = random.tokenizer
    plain = _once(lambda: _both(data, partial(raw, tokenizer)))
    yield Way(RAW, FROZEN, plain, fitted)
    rival = of_kind(tokenizer.kind)
    if rival is not None:
        yield Way(
            rival.name,
            FROZEN,
            lambda: _by_rival(data, rival, tokenizer),
            boosted if rival.learner == "trees" else fitted,
        )
    for name, start in {RANDOM: random, **starts}.items():
        vectors = _once(partial(_encoded, data, start))
        mine = name if name in starts else ""
        yield Way(name, FROZEN, vectors, fitted, mine)
        if mine:
            together = partial(_beside, plain, vectors)
            yield Way(f"{RAW} + {name}", FROZEN, together, _Blending(plain), mine, beside=True)


def tuned(data: Labelled, starts: dict[str, Start], random: Start, steps: int) -> Iterator[Way]:
    """The same encoder from scratch, and each of these, tuned whole by the same search."""
    for name, start in {SCRATCH: random, **starts}.items():
        learner = _Tuning(data, start, steps)
        yield Way(name, TUNED, partial(_places, data), learner, name if name in starts else "")


def tuning_seconds(data: Labelled, start: Start, steps: int, draws: int) -> Callable[[int], float]:
    """What a fine-tuned figure from so many labels takes on this machine, by taking a few steps that are thrown away."""
    labels = data.labels("bank")
    task, coded = task_of(labels)
    setting = Setting(steps=steps, read=start.read)
    tuned = begin(start.encoder, start.tokenizer, data.bank, task, setting)
    recipe = recipe_of(tuned, data.bank, data.bank_at, task.targets(coded), setting, 1e-4)
    device = start.encoder.slots.device
    each = time_steps(recipe, Run(device=str(device), dtype=spelled(start.encoder)), at_least=0.5).step
    learnt, rates = data.around(_places(data)).learnt, len(_rates(start.encoder))
    asked = len(data.query_at) / (ASKING * setting.batch)

    def seconds(count: int) -> float:
        if data.crossed:
            return each * (FOLDS * (rates + 1) * steps + asked)
        return each * ((rates + (times := draws if count < learnt else 1)) * steps + times * asked)

    return seconds


def _rates(encoder: Encoder) -> tuple[float, ...]:
    return RATES["narrow" if encoder.width <= NARROW else "wide"]


class _Tuning:
    """A learner whose samples are places: [n, 2], which source, and which of its samples."""

    def __init__(self, data: Labelled, start: Start, steps: int):
        self.sources = (data.bank, data.query)
        self.start, self.steps = start, steps
        self.crossed = data.crossed
        self.rates: dict[
            int, tuple[float, ...]
        ] = {}  # chosen once for a number of labels, by labels that judge nothing

    def __call__(self, bank: np.ndarray, labels: np.ndarray, query: np.ndarray) -> np.ndarray:
        start = self.start
        seed = int(bank[:, 1].sum() % 2**31)  # other labels are another draw of all
        usual = _rates(start.encoder)  # a fifth of the labels chooses
        made = tune(
            start.encoder,
            start.tokenizer,
            self._of(bank),
            bank[:, 1],
            labels,
            steps=self.steps,
            lrs=self.rates.get(len(labels), usual),
            seed=seed,
            read=start.read,
        )
        if not self.crossed:
            self.rates[len(labels)] = (made.lr,)
        return made.predict(self._of(query), query[:, 1])

    def _of(self, places: np.ndarray) -> Source:
        return self.sources[int(places[0, 0])]


def _places(data: Labelled) -> np.ndarray:
    bank = np.stack([np.zeros_like(data.bank_at), data.bank_at], 1)
    return bank if data.crossed else np.concatenate([bank, np.stack([np.ones_like(data.query_at), data.query_at], 1)])


def _both(data: Labelled, vectors: Callable[[Source, np.ndarray], np.ndarray]) -> np.ndarray:
    """Bank, then query; the same samples once."""
    bank = vectors(data.bank, data.bank_at)
    return bank if data.crossed else np.concatenate([bank, vectors(data.query, data.query_at)])


def _encoded(data: Labelled, start: Start) -> np.ndarray:
    return _both(data, lambda source, at: encode(start.encoder, start.tokenizer, source, at, (start.read,))[start.read])


def _by_rival(data: Labelled, rival: Rival, tokenizer: Tokenizer) -> Matrix:
    """Fitted to what is learnt from, labels unseen."""
    from scipy import sparse

    some = Subset(data.bank, data.bank_at)
    vectors = rival.fit([some[i] for i in range(len(some))], tokenizer)
    bank = vectors([some[i] for i in range(len(some))])
    if data.crossed:
        return bank
    others = Subset(data.query, data.query_at)
    query = vectors([others[i] for i in range(len(others))])
    return sparse.vstack([bank, query]).tocsr() if sparse.issparse(bank) else np.concatenate([bank, query])


@dataclass(frozen=True)
class _Blending:
    """A learner of raw input and vectors side by side. plain: the raw input."""

    plain: Callable[[], Matrix]

    def __call__(self, bank: np.ndarray, labels: np.ndarray, query: np.ndarray) -> np.ndarray:
        return blended(bank, labels, query, self.plain().shape[1])


def _beside(plain: Callable[[], Matrix], vectors: Callable[[], Matrix]) -> np.ndarray:
    return np.concatenate([np.asarray(plain()), np.asarray(vectors())], 1)


def _once(make: Callable[[], Matrix]) -> Callable[[], Matrix]:
    """Made when first asked for, and kept."""
    kept: list[Matrix] = []

    def made() -> Matrix:
        if not kept:
            kept.append(make())
        return kept[0]

    return made
