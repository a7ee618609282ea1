"""What else was tried on the samples that judge a head, and what to say of all of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..probes import Figure


@dataclass(frozen=True)
class Beside:
    """figures: of rivals by name, each by the name of the figure. lines: for people; verdict: whether the head beats them."""

    figures: Mapping[str, Mapping[str, Figure]]
    lines: tuple[str, ...]
    verdict: str
