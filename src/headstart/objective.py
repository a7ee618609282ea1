"""Views of the samples, encoded once, judged by terms: the one module that DDP and the loop see."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .corrupt import Make
from .errors import Mistake
from .nn.elastic import Elastic
from .nn.encoder import Encoder, returned
from .nn.transformer import Keys
from .scene import Scene, Side
from .step import Schedule, Step, at
from .teacher import Teacher
from .terms import Term
from .tokens import Batch, Tokens, View, end_to_end, join, layout, split, unjoin
from .tree import replace, tree


@tree
class Loss:
    """A number to descend, and what it is the sum of."""

    total: Tensor
    parts: dict[str, Tensor]

    def backward(self) -> None:
        self.total.backward()


class Objective(nn.Module):
    """Each view is made from clean tokens, all views of an encoder are encoded in one packed call, each term is called.

    encoder: one for all views, or one per view (the same one under several names is one). views: name -> Make, reading the
    batch's tokens of that name, or (name of the tokens, Make). terms: name -> Term. weights: what each term counts (1 unless
    named), possibly moving; a term that counts nothing at a step is not run, and what only it reads not encoded. together:
    groups of views whose rows make one sequence for each sample, so that they attend to one another. teacher: e.g. Ema(0.996).
    Losses of the encoder's own (the load balance of experts) are added as they come.
    """

    def __init__(
        self,
        encoder: Encoder | Mapping[str, Encoder | Elastic],
        views: Mapping[str, Make | tuple[str, Make]],
        terms: Mapping[str, Term],
        *,
        weights: Mapping[str, Schedule] | None = None,
        together: Sequence[tuple[str, ...]] = (),
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.views = {name: make if isinstance(make, tuple) else (name, make) for name, make in views.items()}
        self.makes = nn.ModuleDict({n: make for n, (_, make) in self.views.items() if isinstance(make, nn.Module)})
        each = {v: encoder[v] for v in views} if isinstance(encoder, Mapping) else dict.fromkeys(views, encoder)
        names = {id(e): v for v, e in reversed(each.items())} if isinstance(encoder, Mapping) else {}
        self._by_view = {v: names.get(id(e), "encoder") for v, e in each.items()}
        self.encoders = nn.ModuleDict({self._by_view[v]: e for v, e in each.items()})
        self.together = {v: group for group in together for v in group}
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
        self.teacher = teacher
        self.lead()

    def lead(self) -> None:
        """Let the teacher begin as a copy of the student as it is now."""
        if self.teacher is not None:
            self.teacher.adopt(self._led())

    def _led(self) -> nn.ModuleDict:
        """The part of the student that the teacher is a copy of."""
        taught = {n: t for n, t in self._terms() if t.reads_teacher}
        names = {self._by_view[v] for t in taught.values() for v in t.reads_teacher}
        heads = {n: part for n, t in taught.items() if (part := t.led()) is not None}
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

    @property
    def skips(self) -> bool:
        """Some steps leave terms out, so not every parameter has a gradient at each."""
        return any(callable(weight) for weight in self.weights.values())

    def _terms(self) -> Iterable[tuple[str, Term]]:
        return cast(Iterable[tuple[str, Term]], self.terms.items())

    def forward(self, batch: Batch, step: Step) -> Loss:
        weights = {name: at(self.weights.get(name, 1.0), step) for name in self.terms}
        running = {name: term for name, term in self._terms() if weights[name]}
        if not running:
            raise ValueError(f"no term counts anything at step {step.index} of {step.total}: look at the weights")
        scene = self.scene(batch, step, running)
        parts = {name: term(dataclasses.replace(scene, term=name)) for name, term in running.items()}
        counted = [weights[name] * loss for name, loss in parts.items()] + list(scene.student.asides.values())
        found = parts | scene.student.asides
        return Loss(torch.stack(counted).sum(), {name: loss.detach() for name, loss in found.items()})

    def view(self, name: str, batch: Batch, step: Step) -> View:
        """The view of this name, made from the batch."""
        source, make = self.views[name]
        if source not in batch.tokens:
            have = ", ".join(batch.tokens)
            raise Mistake(
                f"this method takes data of one kind, and here are {have}"
                if source == "x"
                else f"this method asks for samples with the part {source!r}, and these have {have}"
            )
        return replace(make(batch.tokens[source], step.rng(name, batch.segment_index(source))), name=name)

    def scene(self, batch: Batch, step: Step, terms: Mapping[str, Term] | None = None) -> Scene:
        """What these terms (all, unless named) are shown: the views that they read, encoded."""
        terms = dict(self._terms()) if terms is None else terms
        views = _Views(self, batch, step)
        seen = {v: views[v].seen for v in self._read(t.reads for t in terms.values())}
        deep = frozenset(d for t in terms.values() for d in t.depths)
        student = self._side(self.encoders, seen, views, step, deep, {n: t.head for n, t in terms.items()})
        for name, term in terms.items():
            for v in term.reads if term.by_row else ():
                if len(student.z[v]) != len(seen[v]):
                    raise Mistake(
                        f"term {name!r} asks for each of the {len(seen[v]):,} rows of view {v!r}, and the encoder's trunk gives "
                        f"{len(student.z[v]):,}: choose a method that reads whole samples (dino, clip), or another trunk"
                    )
        clean = {v: views[v].clean for v in self._read(t.reads_teacher for t in terms.values())}
        if self.teacher is None or not clean:
            return Scene(views, student, None, batch, step)
        encoders, heads = (cast(nn.ModuleDict, self.teacher.network[part]) for part in ("encoders", "heads"))
        with torch.no_grad():
            teacher = self._side(encoders, clean, {}, step, deep, dict(heads.items()))
        return Scene(views, student, teacher, batch, step)

    def after_step(self, step: Step) -> None:
        """Everything that moves outside the gradient: the teacher, then whatever remembers (a centre, a queue, a memory)."""
        if self.teacher is not None:
            self.teacher.after_step(self._led(), step)
        for part in self.modules():
            move = getattr(part, "after_step", None)
            if move is not None and part is not self and part is not self.teacher:
                move(step)

    def _read(self, reads: Iterable[tuple[str, ...]]) -> list[str]:
        """These views and those that make one sequence with them, in the objective's order."""
        named = {v for each in reads for name in each for v in self.together.get(name, (name,))}
        return [v for v in self.views if v in named]

    def _side(
        self,
        encoders: nn.ModuleDict,
        tokens: dict[str, Tokens],
        made: Mapping[str, View],
        step: Step,
        deep: frozenset[int],
        heads: Mapping[str, nn.Module],
    ) -> Side:
        """What one network makes of these tokens: views that share an encoder go through it together."""
        z: dict[str, Tokens] = {}
        asides: dict[str, Tensor] = {}
        within: dict[int, dict[str, Tokens]] = {depth: {} for depth in sorted(deep)}
        for name, whole in encoders.items():
            encoder = cast(Encoder, whole).at(step)
            mine = [v for v in tokens if self._by_view[v] == name]
            if not mine:
                continue
            view = {v: made[v] if made else None for v in mine}
            rows = {v: _embedded(encoder, tokens[v], view[v]) for v in mine}
            groups = list(dict.fromkeys(self.together.get(v, (v,)) for v in mine))
            sequences = [rows[g[0]] if len(g) == 1 else join([rows[v] for v in g]) for g in groups]
            x = end_to_end(sequences)
            found = encoder.through(x, _keys([view[g[0]] for g in groups], sequences), tuple(within))
            for aside, loss in found[-1].asides.items():
                asides[aside] = asides.get(aside, 0) + loss
            for depth, after in zip([*within, None], found, strict=True):
                into = z if depth is None else within[depth]
                if self.together and after.layout is not x.layout:
                    raise ValueError(
                        "views that make one sequence cannot be taken apart: the trunk gives fewer rows than it got"
                    )
                for group, piece in zip(groups, _pieces(after, x, sequences), strict=True):
                    seen = [tokens[v] for v in group]
                    apart = unjoin(piece.values, seen) if len(group) > 1 else [returned(seen[0], piece)]
                    into |= zip(group, apart, strict=True)
        return Side(z, within, heads, asides)


def _embedded(encoder: Encoder, tokens: Tokens, view: View | None) -> Tokens:
    return encoder.embed(tokens) if view is None else encoder.embed(tokens, view.placeless, view.level)


def _pieces(after: Tokens, before: Tokens, sequences: list[Tokens]) -> list[Tokens]:
    """The rows of each sequence again, out of what a trunk made of all of them."""
    if after.layout is before.layout:
        values = after.values.split([len(s) for s in sequences])
        return [s.with_values(piece) for s, piece in zip(sequences, values, strict=True)]
    return split(after, [s.layout.segments for s in sequences])


def _keys(views: list[View | None], sequences: list[Tokens]) -> Keys | None:
    """What may be attended to in sequences that lie end to end; None if that is everything."""
    if all(view is None or view.keys is None for view in views):
        return None
    index: list[Tensor] = []
    counts: list[int] = []
    start = 0
    for view, rows in zip(views, sequences, strict=True):
        some = None if view is None else view.keys
        index.append((torch.arange(len(rows), device=rows.device) if some is None else some.index) + start)
        counts += rows.layout.lengths if some is None else some.counts
        start += len(rows)
    return Keys(torch.cat(index), layout(tuple(counts), 0, str(index[0].device)))


class _Views(dict[str, View]):
    """Views by name, each made when it is first asked for."""

    def __init__(self, objective: Objective, batch: Batch, step: Step) -> None:
        super().__init__()
        self.objective, self.batch, self.step = objective, batch, step

    def __missing__(self, name: str) -> View:
        self[name] = self.objective.view(name, self.batch, self.step)
        return self[name]
