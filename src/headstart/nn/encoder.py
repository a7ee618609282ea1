"""Tokens in, one vector per row out: embed the payload, add where it sits, run the transformer."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Mistake
from ..step import Step
from ..tokens import Tokenizer, Tokens
from .position import sincos
from .transformer import Transformer


@dataclass(frozen=True)
class Model:
    """The shape of an encoder. `model.width=256` on the command line changes one field of the size that was chosen."""

    width: int = 384
    depth: int = 12
    heads: int = 6
    slots: int = 1  # reserved rows: the class token, then registers
    specials: int = 0  # learned vectors that stand for a row's content: a mask, modes; a method asks for them

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
    """A transformer over the rows of one or more kinds of data.

    dtype: what the rows are computed in; parameters are fp32. `train` sets the machine's fastest.
    """

    specials: nn.Parameter | None

    def __init__(self, tokenizers: dict[str, Tokenizer], shape: Model, causal: bool = False) -> None:
        super().__init__()
        self.shape, self.causal, self.dtype = shape, causal, torch.float32
        self.tokenizers = dict(tokenizers)
        self.trunk = Transformer(shape.width, shape.depth, shape.heads, causal)
        self.embeds = nn.ModuleDict({kind: t.embed(shape.width) for kind, t in tokenizers.items()})
        self.slots = nn.Parameter(torch.randn(shape.slots, shape.width) * 0.02)
        specials = nn.Parameter(torch.randn(shape.specials, shape.width) * 0.02) if shape.specials else None
        self.register_parameter("specials", specials)

    @property
    def width(self) -> int:
        return self.shape.width

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """What may be compiled one by one."""
        return tuple(self.trunk.blocks)

    def forward(self, tokens: Tokens, placeless: Tensor | None = None) -> Tokens:
        """[T, width] for rows of one kind; `placeless` rows are told their content but not their position."""
        return tokens.with_values(self.trunk(self.embed(tokens, placeless), tokens.layout))

    def at(self, step: Step) -> "Encoder":
        """The encoder that this step trains: itself."""
        return self

    def weights(self) -> dict[str, Tensor]:
        """The state as a plain encoder has it: updates that a part keeps beside its weights are folded into them."""
        state = dict(self.state_dict())
        for name, part in self.named_modules():
            folded = getattr(part, "folded", None)
            if folded is not None:
                state = {k: v for k, v in state.items() if not k.startswith(f"{name}.")}
                state |= {f"{name}.{k}": v for k, v in folded().items()}
        return state

    def only(self, name: str) -> "Encoder":
        """The encoder of one kind alone, without the entrances of the others; the same numbers."""
        if list(self.tokenizers) == [name]:
            return self
        alone = Encoder({name: self.tokenizers[name]}, self.shape, self.causal)
        state = {k: v for k, v in self.weights().items() if not k.startswith("embeds.") or k.split(".")[1] == name}
        alone.load_state_dict(state)
        alone.dtype = self.dtype
        return alone.to(self.slots.device)

    def embed(
        self, tokens: Tokens, placeless: Tensor | None = None, level: Float[Tensor, "S"] | None = None
    ) -> Float[Tensor, "T D"]:
        """Payload plus position; special rows have a learned vector for payload; slot rows hold what was learnt for them, and
        how noisy their segment is (0, as if nothing was said: not at all)."""
        if tokens.values.is_floating_point():
            tokens = tokens.with_values(tokens.values.to(self.dtype))
        place = sincos(tokens.coords, self.width)
        if placeless is not None:
            place = place.masked_fill(placeless[:, None], 0)
        said = self.embeds[tokens.kind](tokens)
        if tokens.special is not None:
            if self.specials is None:
                raise ValueError(
                    "these rows ask for special vectors, and the encoder has none: encoder(..., specials=1)"
                )
            stand_in = self.specials.to(said.dtype)[tokens.special.clamp(min=0)]
            said = torch.where((tokens.special >= 0)[:, None], stand_in, said)
        x = (said + place).to(self.dtype)
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
        return x


def encoder(
    tokenizers: dict[str, Tokenizer], size: str | Model = "S", causal: bool = False, specials: int = 0
) -> Encoder:
    """The plain transformer encoder of a named size (or `Model`) for these kinds of data; specials: learned vectors that views
    may put in place of a row's content."""
    return Encoder(tokenizers, replace(model(size), specials=specials), causal)


def set_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Compute in `dtype` in every encoder inside."""
    for part in module.modules():
        if isinstance(part, Encoder):
            part.dtype = dtype
