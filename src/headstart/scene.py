"""What a term is shown: the views, and what the networks made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from .step import Step
from .tokens import Batch, Tokens, View


@dataclass(frozen=True)
class Side:
    """What one network made of the views: student or teacher."""

    z: dict[str, Tokens]  # encoded views, [T, width]
    within: dict[int, dict[str, Tokens]]  # the same after so many blocks, for the depths that terms read
    heads: Mapping[str, nn.Module]  # each term's head as this network has it, by the term's name
    asides: dict[str, Tensor] = field(default_factory=dict)  # losses of its trunk's own, such as a load balance


@dataclass(frozen=True)
class Scene:
    """Everything a term may look at."""

    views: Mapping[str, View]  # each made when first asked for
    student: Side
    teacher: Side | None
    batch: Batch
    step: Step
    term: str = ""  # the name of the term that is shown it

    @property
    def taught(self) -> Side:
        """What the teacher made of the views, where there must be one."""
        if self.teacher is None:
            raise ValueError(f"term {self.term!r} reads a teacher: give the Objective one, e.g. teacher=Ema(0.996)")
        return self.teacher
