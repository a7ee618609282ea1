"""What rows say, as drawings take it: parts of samples, too, of kinds whose tokenizers take only whole ones back."""

from collections.abc import Callable

import numpy as np
import torch

from ..forms import Sample
from ..tokenizers.document import BITS
from ..tokenizers.packets import BYTES
from ..tokens import Tokenizer, Tokens, layout, pack

UNKNOWN = -1  # the way of a packet whose head is not in the part


def decoded(tokenizer: Tokenizer, tokens: Tokens) -> Sample:
    """A sample, or a part of one, as an array, a dict or a string."""
    made = _OWN[tokenizer.kind](tokenizer, tokens) if tokenizer.kind in _OWN else tokenizer.decode(tokens)
    return made if isinstance(made, dict | str) else np.asarray(made)


def _page(tokenizer: Tokenizer, tokens: Tokens) -> Sample:
    """The words of the part, and its patches on a white page."""
    patch = tokens.values[:, BITS] <= 0
    side = int(tokenizer.state()["side"])
    if not patch.any() or not side:
        return tokenizer.decode(tokens)
    white = tokenizer(
        {"words": [], "boxes": np.zeros((0, 4), np.float32), "page": np.full((1, side, side), 255, np.uint8)}
    )
    at = (torch.cdist(tokens.coords[patch], white.coords)).argmin(1)
    whole = white.with_values(white.values.index_copy(0, at, tokens.values[patch]))
    words = Tokens(tokens.values[~patch], tokens.coords[~patch], layout((int((~patch).sum()),)), whole.name)
    both = pack([words, whole])
    return tokenizer.decode(Tokens(both.values, both.coords, layout((len(both),)), both.name))


def _flow(tokenizer: Tokenizer, tokens: Tokens) -> Sample:
    """The packets of the part; the first may have lost its head, and then nobody knows which way it went."""
    if int(tokens.values[0]) >= BYTES:
        return tokenizer.decode(tokens)
    values = torch.cat([tokens.values.new_tensor([BYTES]), tokens.values])
    coords = torch.cat([tokens.coords[:1], tokens.coords])
    made = tokenizer.decode(Tokens(values, coords, layout((len(values),)), tokens.name))
    made["direction"][0] = UNKNOWN
    return made


def _scan(tokenizer: Tokenizer, tokens: Tokens) -> Sample:
    """The voxels, and how long they are."""
    return {"values": tokenizer.decode(tokens), "spacing": tokenizer.state()["spacing"]}


_OWN: dict[str, Callable[[Tokenizer, Tokens], Sample]] = {"document": _page, "packets": _flow, "volume": _scan}
