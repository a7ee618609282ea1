"""Tokens in, one vector per row out: embed the payload, add where it sits, run the trunk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Mistake
from ..step import Step
from ..tokens import Tokenizer, Tokens
from .pairs import pairs_of
from .parts import part_of, put, replaced, spelled, tie, tied
from .position import sincos
from .transformer import Keys, Transformer, Trunk

PLAIN = spelled(Transformer)


@dataclass(frozen=True)
class Model:
    """The shape of an encoder. `model.width=256` on the command line changes one field of the size that was chosen."""

    width: int = 384
    depth: int = 12
    heads: int = 6
    slots: int = 1  # reserved rows: the class token, then registers
    specials: int = 0  # learned vectors that stand for a row's content: a mask, modes; a method asks for them
    trunk: str = PLAIN  # what its rows run through, by its importable name and arguments (nn/parts.py)

    def __post_init__(self) -> None:
        if self.specials < 0:
            raise Mistake("model.specials is at least 0")
        if min(self.width, self.depth, self.heads, self.slots) < 1:
            raise Mistake("model.width, model.depth, model.heads and model.slots are at least 1")
        if self.width % self.heads:
            raise Mistake(f"model.width={self.width} does not divide into {self.heads} heads: change model.heads")


SIZES = {
    "XS": Model(128, 4, 4),  # for CPUs and minutes
    "Ti": Model(192, 12, 3),
    "S": Model(384, 12, 6),
    "B": Model(768, 12, 12),
    "L": Model(1024, 24, 16),
}


def model(size: str | Model) -> Model:
    """A named size, or the given one."""
    if isinstance(size, Model):
        return size
    if size not in SIZES:
        raise Mistake(
            f"there is no model size {size!r}; choose one of {', '.join(SIZES)}, or give model.width and model.depth"
        )
    return SIZES[size]


class Encoder(nn.Module):
    """A trunk over the rows of one or more kinds of data.

    dtype: what the rows are computed in; parameters are fp32. `train` sets the machine's fastest.
    """

    specials: nn.Parameter | None
    trunk: nn.Module
    cuts = False  # into the weights of another

    def __init__(self, tokenizers: dict[str, Tokenizer], shape: Model, causal: bool = False) -> None:
        super().__init__()
        self.shape, self.causal, self.dtype = shape, causal, torch.float32
        self.tokenizers = dict(tokenizers)
        self.trunk = _trunk(shape, causal)
        self.embeds = nn.ModuleDict({kind: t.embed(shape.width) for kind, t in tokenizers.items()})
        self.slots = nn.Parameter(torch.randn(shape.slots, shape.width) * 0.02)
        specials = nn.Parameter(torch.randn(shape.specials, shape.width) * 0.02) if shape.specials else None
        self.register_parameter("specials", specials)

    @property
    def width(self) -> int:
        return self.shape.width

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """What may be compiled one by one, and is counted from the first for rates by depth."""
        return tuple(cast(Trunk, self.trunk).blocks)

    def forward(self, tokens: Tokens, placeless: Tensor | None = None) -> Tokens:
        """[T, width] for rows of one kind; `placeless` rows are told their content but not their position."""
        return returned(tokens, self.trunk(self.embed(tokens, placeless))[-1])

    def through(self, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()) -> list[Tokens]:
        """Embedded rows after each of these depths of the trunk, and last after all of it."""
        return self.trunk(x, keys, depths)

    def at(self, step: Step) -> "Encoder":
        """The encoder that this step trains: itself."""
        return self

    def like(self, tokenizers: dict[str, Tokenizer] | None = None, shape: Model | None = None) -> "Encoder":
        """An encoder made as this one was, with fresh weights: for other kinds of data, or of another shape.

        Parts that stand in the place of plain ones stand there again, unless the shape is another.
        """
        made = Encoder(tokenizers or self.tokenizers, shape or self.shape, self.causal)
        if shape is None:
            put(made, self.parts)
            tie(made, {a: b for a, b in self.tied.items() if not a.startswith("embeds.")})
        made.dtype = self.dtype
        return made

    @property
    def parts(self) -> dict[str, str]:
        """What stands in the place of a plain part, by where it stands: part of the card."""
        with torch.device("meta"):
            plain = Encoder(self.tokenizers, self.shape, self.causal)
        return replaced(self, plain)

    @property
    def tied(self) -> dict[str, str]:
        """Tensors that are the same as another: part of the card."""
        return tied(self)

    def folded(self) -> "Encoder":
        """The same encoder with the updates that parts keep beside their weights folded in."""
        state = dict(self.state_dict())
        kept = self.parts
        for name in list(kept):
            fold = getattr(self.get_submodule(name), "folded", None)
            if fold is not None:
                state = {k: v for k, v in state.items() if not k.startswith(f"{name}.")}
                state |= {f"{name}.{k}": v for k, v in fold().items()}
                del kept[name]
        made = Encoder(self.tokenizers, self.shape, self.causal)
        put(made, kept)
        tie(made, {a: b for a, b in self.tied.items() if {a, b} <= made.state_dict().keys()})
        made.load_state_dict(state)
        made.dtype = self.dtype
        return made.to(self.slots.device)

    def only(self, name: str) -> "Encoder":
        """The encoder of one kind alone, without the entrances of the others; the same numbers."""
        if list(self.tokenizers) == [name]:
            return self
        alone = self.like({name: self.tokenizers[name]})
        state = self.state_dict()
        alone.load_state_dict({key: state[key] for key in alone.state_dict()})
        return alone.to(self.slots.device)

    def embed(self, tokens: Tokens, placeless: Tensor | None = None, level: Float[Tensor, "S"] | None = None) -> Tokens:
        """Payload plus position; special rows have a learned vector for payload; slot rows hold what was learnt for them, and
        how noisy their segment is (0, as if nothing was said: not at all). Rows whose position is withheld lie at 0."""
        if tokens.values.is_floating_point():
            tokens = tokens.with_values(tokens.values.to(self.dtype))
        payload = self.embeds[tokens.name](tokens)
        if tokens.special is not None:
            if self.specials is None:
                raise ValueError(
                    "these rows ask for special vectors, and the encoder has none: encoder(..., specials=1)"
                )
            stand_in = self.specials.to(payload.dtype)[tokens.special.clamp(min=0)]
            payload = torch.where((tokens.special >= 0)[:, None], stand_in, payload)
        if self.trunk.absolute:
            place = sincos(tokens.coords, self.width)
            payload = payload + (place if placeless is None else place.masked_fill(placeless[:, None], 0))
        x = payload.to(self.dtype)
        spans = tokens.layout
        if spans.slots:
            if spans.slots != len(self.slots):
                raise ValueError(f"rows were packed with {spans.slots} slots for an encoder with {len(self.slots)}")
            heads = (spans.cu[:-1].long()[:, None] + torch.arange(spans.slots, device=x.device)).flatten()
            own = self.slots.to(x.dtype).repeat(spans.segments, 1)
            if level is not None:
                noisy = sincos(level[:, None], self.width) - sincos(torch.zeros_like(level[:1, None]), self.width)
                own = own + noisy.repeat_interleave(spans.slots, 0).to(x.dtype)
            x = x.index_copy(0, heads, own)
        coords = tokens.coords if placeless is None else tokens.coords.masked_fill(placeless[:, None], 0)
        pairs = pairs_of(self.tokenizers[tokens.name], tokens, placeless) if self.trunk.paired else None
        return Tokens(x, coords, spans, tokens.name, pairs=pairs)


def _trunk(shape: Model, causal: bool) -> nn.Module:
    try:
        made: nn.Module = part_of(shape.trunk)(shape.width, shape.depth, shape.heads, causal=causal)
    except TypeError as error:
        raise Mistake(f"{shape.trunk} makes no trunk: {error}") from error
    lacking = [name for name in ("absolute", "paired", "blocks") if not hasattr(made, name)]
    if lacking or not isinstance(made, nn.Module):
        raise Mistake(f"{shape.trunk} makes no trunk: it lacks {', '.join(lacking)} (headstart.nn.transformer.Trunk)")
    return made


def returned(seen: Tokens, z: Tokens) -> Tokens:
    """What a trunk made of these rows: they themselves with other values, or, where it gives fewer, its own."""
    return seen.with_values(z.values) if z.layout is seen.layout else replace(z, name=seen.name)


def encoder(
    tokenizers: dict[str, Tokenizer],
    size: str | Model = "S",
    causal: bool = False,
    specials: int = 0,
    trunk: Callable[..., nn.Module] | None = None,
) -> Encoder:
    """The encoder of a named size (or `Model`) for these kinds of data.

    specials: learned vectors that views may put in place of a row's content. trunk: a `Trunk`, such as
    `partial(Transformer, block=Windowed)`; None: the plain transformer, or what the Model names.
    """
    shape = replace(model(size), specials=specials)
    return Encoder(tokenizers, shape if trunk is None else replace(shape, trunk=spelled(trunk)), causal)


def encoders(module: nn.Module) -> Iterator[Encoder]:
    """Every encoder inside."""
    return (part for part in module.modules() if isinstance(part, Encoder))


def set_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Compute in `dtype` in every encoder inside."""
    for part in encoders(module):
        part.dtype = dtype
