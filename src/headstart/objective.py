"""Views of the samples, encoded once, judged by terms: the one module that DDP and the loop see."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from .corrupt import Make
from .nn.encoder import Encoder
from .step import Schedule, Step, at
from .teacher import Ema
from .terms import Scene, Side, Term
from .tokens import Batch, Tokens, View, pack, split
from .tree import tree


@tree
class Loss:
    """A number to descend, and what it is the sum of."""

    total: Tensor
    parts: dict[str, Tensor]

    def backward(self) -> None:
        self.total.backward()


class Objective(nn.Module):
    """Each view is made from clean tokens, all views of an encoder are encoded in one packed call, each term is called.

    encoder: one for all views, or one per view. views: name -> Make, reading the batch's tokens of that name. terms:
    name -> Term. weights: what each term counts (1 unless named), possibly moving. teacher: e.g. Ema(0.996).
    """

    def __init__(
        self,
        encoder: Encoder | dict[str, Encoder],
        views: Mapping[str, Make],
        terms: Mapping[str, Term],
        *,
        weights: Mapping[str, Schedule] | None = None,
        teacher: Ema | None = None,
    ) -> None:
        super().__init__()
        self.views = dict(views)
        self.encoders = nn.ModuleDict(encoder if isinstance(encoder, dict) else {"encoder": encoder})
        self._by_view = {v: v if isinstance(encoder, dict) else "encoder" for v in views}
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights or {})
        unknown = set(self.weights) - set(terms)
        if unknown:
            raise ValueError(f"weights for {sorted(unknown)}, but the terms are {sorted(terms)}")
        for name, term in terms.items():
            term.name = name
            missing = {*term.reads, *term.reads_teacher} - set(views)
            if missing:
                raise ValueError(f"term {name!r} reads {sorted(missing)}, but the views are {sorted(views)}")
            if term.reads_teacher and teacher is None:
                raise ValueError(f"term {name!r} reads a teacher: give the Objective one, e.g. teacher=Ema(0.996)")
        self._reads = tuple(v for v in views if any(v in t.reads for t in terms.values()))
        self._reads_teacher = tuple(v for v in views if any(v in t.reads_teacher for t in terms.values()))
        self.teacher = teacher
        if teacher is not None:
            teacher.adopt(self._led())

    def _led(self) -> nn.ModuleDict:
        """The part of the student that the teacher is a copy of."""
        names = {self._by_view[v] for v in self._reads_teacher}
        heads = {n: t.head for n, t in self._terms() if t.reads_teacher}
        encoders = {n: e for n, e in self.encoders.items() if n in names}
        return nn.ModuleDict({"encoders": nn.ModuleDict(encoders), "heads": nn.ModuleDict(heads)})

    @property
    def encoder(self) -> Encoder:
        """The one encoder, or the first of several."""
        return cast(Encoder, next(iter(self.encoders.values())))

    @property
    def slots(self) -> int:
        """Reserved rows that every segment must be packed with."""
        return self.encoder.shape.slots

    def _terms(self) -> Iterable[tuple[str, Term]]:
        return cast(Iterable[tuple[str, Term]], self.terms.items())

    def forward(self, batch: Batch, step: Step) -> Loss:
        views = {n: make(batch.tokens[n], step.rng(n, batch.segment_keys(n))) for n, make in self.views.items()}
        teacher = None
        if self.teacher is not None:
            with torch.no_grad():
                encoders, heads = (cast(nn.ModuleDict, self.teacher.network[part]) for part in ("encoders", "heads"))
                clean = {n: views[n].clean for n in self._reads_teacher}
                teacher = Side(self._encode(encoders, clean, {}), dict(heads.items()))
        seen = {n: views[n].seen for n in self._reads}
        student = Side(self._encode(self.encoders, seen, views), {n: t.head for n, t in self._terms()})
        scene = Scene(views, student, teacher, batch, step)
        parts = {name: term(scene) for name, term in self.terms.items()}
        total = torch.stack([at(self.weights.get(n, 1.0), step) * loss for n, loss in parts.items()]).sum()
        return Loss(total, {n: loss.detach() for n, loss in parts.items()})

    def after_step(self, step: Step) -> None:
        """Everything that moves outside the gradient: the teacher, then each term's own memory."""
        if self.teacher is not None:
            self.teacher.after_step(self._led(), step)
        for _, term in self._terms():
            term.after_step(step)

    def _encode(self, encoders: nn.ModuleDict, views: dict[str, Tokens], made: dict[str, View]) -> dict[str, Tokens]:
        """Views that share an encoder go through it together."""
        encoded: dict[str, Tokens] = {}
        for name, encoder in cast(Iterable[tuple[str, Encoder]], encoders.items()):
            mine = [v for v in views if self._by_view[v] == name]
            if not mine:
                continue
            rows = []
            for v in mine:
                placeless = made[v].placeless if v in made else None
                rows.append(views[v].with_values(encoder.embed(views[v], placeless)))
            packed = pack(rows)
            z = packed.with_values(encoder.trunk(packed.values, packed.layout))
            encoded |= zip(mine, split(z, [r.layout.segments for r in rows]), strict=True)
        return encoded
