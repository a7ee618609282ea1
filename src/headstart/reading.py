"""What data becomes: the tokenizer that fits it, its samples as a run reads them, and both as JSON."""

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch

from .data.feeding.loader import PairTokenizer
from .data.feeding.prepare import Prepared, Progress, few, fitted, prepare, reduced
from .data.sniff import outlying
from .data.source import Source
from .data.sources.cached import Kept, Remembered, piece
from .data.sources.windows import FEW, WINDOW, Windows, windowed
from .errors import Unreadable
from .forms import Json, Sample
from .outliers import noted
from .recipe import Input
from .seen import taken_at
from .tokenizers import named, tokenizer_of
from .tokenizers.want import Want
from .tokens import Tokenizer
from .words import WordError

ROWS = {"cpu": 56}  # rows a sample is cut into; elsewhere 196, as in ViT papers
SOME, SOME_ROWS = (
    256,
    20_000,
)  # samples that a tokenizer is fitted to; rows of tables, which may be of hundreds of schemas
SPELT = ("text", "code")  # kinds whose rows may be pieces of a trained vocabulary
VOCAB, FOR_ENTRY = 4_096, 200  # its entries: at most, and letters of all texts for each
LETTERS = 4_000_000  # of texts that it is trained on, about
WORDS = {
    "side": "side",
    "patch": "patch",
    "longest": "longest",
    "rate": "rate",
    "vocab": "bpe",
}  # data. word -> what it sets


def look(
    source: Source, given: Input, device: torch.device, progress: Progress | None = None
) -> tuple[Source, Tokenizer | PairTokenizer, Input, list[str]]:
    """(source, tokenizer, input, reasons): the source cut into windows where its samples are long, and the tokenizer that fits.

    A paired source gets a tokenizer for each part.
    """
    if source.kind == "pair":
        parts, reasons = {}, []
        for name, kind in source.kinds.items():  # type: ignore[attr-defined]
            some = [s[name] for s in few(source, 4 * SOME) if s.get(name) is not None][:SOME]
            parts[name] = named(kind).fit(some, given.want(ROWS.get(device.type, 196)))
            reasons.append(f"{name}: {described(parts[name], some)}")
        return source, PairTokenizer(parts), given, reasons
    if given.window is not None and source.kind not in WINDOW:
        raise WordError(f"data.window={given.window}: {source.kind} samples are not cut into windows; leave it out")
    want = given.want(ROWS.get(device.type, 196))
    count = SOME_ROWS if source.kind == "table" else SOME
    facts = {
        "fit": source.kind,
        "want": asdict(want),
        "window": given.window,
        "short": len(source) < FEW,
        "samples": len(source),
    }
    memory = Remembered(source, json.dumps(facts))
    key = _key_of_fit(memory, count)
    if key is not None:  # these files were looked at before, and are not cut into windows
        with suppress(KeyError):
            known = memory.cache.get(key)
            return source, tokenizer_of(known["state"]), dataclasses.replace(given, window=None), [known["said"]]
    some, whole = few(source, count), source
    source = windowed(source, given.window, some, progress)
    reasons = []
    if isinstance(source, Windows):
        reasons.append(
            f"{source.describe()}; windows of one are never divided between training and judging (data.window)"
        )
        some = few(source, SOME)
    given = dataclasses.replace(given, window=source.length if isinstance(source, Windows) else None)
    if source.kind in SPELT:
        some, want, why = _spelt(source, some, want)
        reasons += why
    tokenizer = named(source.kind).fit(some, want)
    if tokenizer.signal and tokenizer.dim == 1:  # of a row of one number there is no spread to normalise by
        if want.patch is None:
            tokenizer = named(source.kind).fit(some, replace(want, patch=2))
        else:
            reasons.append(
                "rows of one number cannot be normalised one by one, as mae and its relatives do: data.patch=2"
            )
    said = described(tokenizer, some)
    # one sample alone may be of a file that is not among those of the key
    if key is not None and source is whole and len(some) > 1 and _key_of_fit(memory, count) == key:
        memory.cache.put(key, {"state": state_of(tokenizer), "said": said})
    return source, tokenizer, given, [*reasons, said]


def _spelt(source: Source, some: list[Sample], want: Want) -> tuple[list[Sample], Want, list[str]]:
    """Enough texts to train a vocabulary from, how large that is to be, and reasons: by default as large as the texts allow."""
    if find_spec("tokenizers") is None and want.vocab is None:
        missing = 'a trained vocabulary makes rows of words and usually helps: pip install "headstart[text]"'
        return some, want, [f"text is read byte by byte; {missing}"]
    letters = float(np.mean([len(str(text)) for text in some]))
    some = few(source, int(np.clip(LETTERS / max(1.0, letters), len(some), SOME_ROWS)))
    if want.vocab is not None:
        return some, want, []
    known = sum(len(str(text)) for text in some) / len(some) * len(source)
    return some, replace(want, vocab=int(min(VOCAB, known // FOR_ENTRY))), []


def _key_of_fit(memory: Remembered, count: int) -> bytes | None:
    """What stands for the samples that `few` takes, and what is asked of them; None where that is not known."""
    spread = np.unique(np.linspace(0, max(0, len(memory.source) - 1), count).astype(int)).tolist()
    return memory.key(piece(memory.source, i) for i in spread) if len(memory.source) else None


def described(tokenizer: Tokenizer, some: list[Sample]) -> str:
    """What a sample becomes, in words."""
    made = []
    for sample in some[:16]:
        try:
            made.append(tokenizer(tokenizer.fitted(sample)))
        except Unreadable:
            continue
    counts = [len(tokens) for tokens in made] or [0]
    facts = [f"{n}={v}" for n, v in tokenizer.state().items() if isinstance(v, int | str) and len(str(v)) < 20]
    between = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
    ids = made and not made[0].values.is_floating_point()
    width = f"one of {tokenizer.dim} ids" if ids else f"{tokenizer.dim} numbers"
    words = [f"data.{word}" for word, name in WORDS.items() if name in tokenizer.state()]
    words += ["data.window"] * (tokenizer.kind in WINDOW)
    change = f" ({', '.join(words)})" if words else ""
    axes = ", ".join(tokenizer.axes[:3]) + (f" and {len(tokenizer.axes) - 3} more" if len(tokenizer.axes) > 3 else "")
    made_of = f"a sample makes {between} rows of {width}, placed by {axes}; {' '.join(facts)}{change}"
    bare = (
        taken_at(some, tokenizer.state().get("rate"), " (data.rate=)") if tokenizer.kind in ("audio", "series") else []
    )
    return "; ".join([made_of, *bare, *noted(*outlying(some, tokenizer.kind))])


def read_in(
    source: Source,
    tokenizer: Tokenizer | PairTokenizer,
    window: int | None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Prepared:
    """The samples as a run reads them, broken ones left out and listed. What takes long to decode is kept for the next time.

    say: is told in a line how many samples came from the cache, or why it is not used.
    """
    if window is not None and not isinstance(source, Windows):
        source = Windows(source, window)
    ends = [piece(source, i) for i in (0, len(source) - 1)] if len(source) else []
    if not any(ends):  # arrays, tables: nothing is decoded
        return prepare(source, tokenizer, progress=progress)
    smaller = reduced(source, tokenizer.area)
    kept = Kept(source, smaller, partial(fitted, source, smaller, tokenizer), json.dumps(state_of(tokenizer)))
    prepared = prepare(kept, tokenizer, progress=progress)
    prepared.source = source  # what is asked of it is where its samples come from
    if say is not None and (said := kept.remembered.said()):
        say(said)
    return prepared


def state_of(tokenizer: Tokenizer | PairTokenizer) -> Json:
    """A tokenizer, or the parts of a paired one, as JSON."""
    if isinstance(tokenizer, PairTokenizer):
        return {"kind": "pair", "parts": {name: state_of(part) for name, part in tokenizer.parts.items()}}
    return {"kind": tokenizer.kind, **tokenizer.state()}


def tokenizers_of(state: Json) -> dict[str, Tokenizer]:
    """Data.tokenizers as `state_of` wrote them down."""
    if state["kind"] == "pair":
        return {name: tokenizer_of(part) for name, part in state["parts"].items()}
    return {"x": tokenizer_of(state)}


def reader_of(state: Json) -> Tokenizer | PairTokenizer:
    """What `prepare` reads with, as `state_of` wrote it down."""
    return PairTokenizer(tokenizers_of(state)) if state["kind"] == "pair" else tokenizer_of(state)
