"""Where the value of each name in a piece of Python comes from.

Reads the syntax tree of the standard library and runs nothing.
"""

import ast
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress

Place = tuple[int, int]  # line from 0, column in UTF-8 bytes
State = dict[str, frozenset[Place]]  # where each name may have got its value

STEPS = 5_000  # statements that are looked at: loops in loops in loops are looked at twice at every level
TRIES = 16  # lines at the end that may be left out until the rest is Python: samples are cut anywhere
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def flow(code: str) -> list[tuple[Place, Place]]:
    """(use, definition) of every name that is read after it was given a value, by assignment, loop, import, def or argument.

    Branches that may both have run both count; a loop's body also sees what its last round left; a function sees what its
    surroundings knew where it is defined. What is not Python has none, but an unfinished end is forgiven.
    """
    tree = _parsed(code)
    if tree is None:
        return []
    walk = _Walk(code)
    with suppress(RecursionError):  # what was found until then is true
        walk.block(tree.body, {})
    return sorted(walk.found)


def _parsed(code: str) -> ast.Module | None:
    lines = code.split("\n")
    for left_out in range(min(TRIES, len(lines))):
        try:
            with warnings.catch_warnings():  # about escapes in the code's strings: not the reader's business
                warnings.simplefilter("ignore")
                return ast.parse("\n".join(lines[: len(lines) - left_out]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


class _Walk:
    def __init__(self, code: str):
        self.lines = [line.encode() for line in code.split("\n")]
        self.found: set[tuple[Place, Place]] = set()
        self.around: State | None = (
            None  # in the body of a class: what its methods see, which is not the class's own names
        )
        self.steps = 0

    def block(self, statements: Iterable[ast.stmt], state: State) -> State:
        for statement in statements:
            self.steps += 1
            if self.steps > STEPS:
                break
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, state: State) -> State:
        if isinstance(node, ast.Assign):
            state = self.read(node.value, state)
            return self.each(node.targets, state)
        if isinstance(node, ast.AugAssign):
            state = self.read(node.value, state)
            if isinstance(node.target, ast.Name):
                self.use(node.target, state)
            return self.read(node.target, state)
        if isinstance(node, ast.AnnAssign):
            state = self.each([node.value, node.annotation], state)
            return self.read(node.target, state) if node.value else state
        if isinstance(node, ast.If):
            state = self.read(node.test, state)
            return _either(self.block(node.body, state), self.block(node.orelse, state))
        if isinstance(node, ast.For | ast.AsyncFor):
            state = self.read(node.iter, state)
            for _ in range(2):  # the second round sees what the first has left
                state = _either(state, self.block(node.body, self.read(node.target, state)))
            return self.block(node.orelse, state)
        if isinstance(node, ast.While):
            for _ in range(2):
                state = self.read(node.test, state)
                state = _either(state, self.block(node.body, state))
            return self.block(node.orelse, state)
        if isinstance(node, ast.Try | ast.TryStar):
            done = self.block(node.body, state)
            ends = [self.block(node.orelse, done)]
            for handler in node.handlers:
                ends.append(self.block(handler.body, self.read(handler.type, _either(state, done))))
            return self.block(node.finalbody, _either(*ends))
        if isinstance(node, ast.Match):
            state = self.read(node.subject, state)
            ends = [self.block(case.body, self.read(case.guard, self.read(case.pattern, state))) for case in node.cases]
            return _either(state, *ends)
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                state = self.each([item.context_expr, item.optional_vars], state)
            return self.block(node.body, state)
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                after = alias.col_offset + (len(alias.name.encode()) if alias.asname else 0)
                state = self.give(name, self.spelt(name, alias.lineno, after), state)
            return state
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return self.definition(node, state)
        return self.read(node, state)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, state: State) -> State:
        state = self.each(node.decorator_list, state)
        known = self.give(node.name, self.spelt(node.name, node.lineno, node.col_offset), state)
        if isinstance(node, ast.ClassDef):
            state = self.each([*node.bases, *(k.value for k in node.keywords)], state)
            outside, self.around = self.around, known
            self.block(node.body, state)
        else:
            self.arguments(node.args, state)
            seen = known if self.around is None else self.around
            outside, self.around = self.around, None
            self.block(node.body, self.inside(node, node.args, seen))
        self.around = outside
        return known

    def inside(self, node: ast.AST, arguments: ast.arguments, state: State) -> State:
        """What a function's body knows at its start: its surroundings, less its own names, and its arguments."""
        state = {name: places for name, places in state.items() if name not in _own(node)}
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None:
                state = self.give(argument.arg, (argument.lineno - 1, argument.col_offset), state)
        return state

    def arguments(self, arguments: ast.arguments, state: State) -> None:
        """Defaults and annotations are read outside of the function."""
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        notes = [a.annotation for a in every if a is not None]
        self.each([*notes, *arguments.defaults, *arguments.kw_defaults], state)

    def each(self, nodes: Iterable[ast.AST | None], state: State) -> State:
        for node in nodes:
            state = self.read(node, state)
        return state

    def read(self, node: ast.AST | None, state: State) -> State:
        """Uses and gifts in an expression or target, in the order of the tree."""
        if node is None:
            return state
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                return self.give(node.id, (node.lineno - 1, node.col_offset), state)
            self.use(node, state)
            return {k: v for k, v in state.items() if k != node.id} if isinstance(node.ctx, ast.Del) else state
        if isinstance(node, ast.NamedExpr):
            return self.read(node.target, self.read(node.value, state))
        if isinstance(node, ast.Lambda):
            self.arguments(node.args, state)
            self.read(node.body, self.inside(node, node.args, state))
            return state
        if isinstance(node, _COMPREHENSIONS):
            inner = state
            for part in node.generators:
                inner = self.each([part.iter, part.target, *part.ifs], inner)
            self.each([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner)
            return state
        return self.each(ast.iter_child_nodes(node), state)

    def use(self, node: ast.Name, state: State) -> None:
        here = (node.lineno - 1, node.col_offset)
        self.found.update((here, source) for source in state.get(node.id, ()))

    @staticmethod
    def give(name: str, place: Place | None, state: State) -> State:
        return {**state, name: frozenset() if place is None else frozenset([place])}

    def spelt(self, name: str, line: int, column: int) -> Place | None:
        """Where a name is written that the tree has no place for: in the line, from `column` on."""
        text = self.lines[line - 1]
        at = text.find(name.encode(), column + (4 if text[column:].startswith(b"def ") else 0))
        return (line - 1, at) if at >= 0 else None


def _either(*states: State) -> State:
    """What may be known after one of several ways."""
    names = {name for state in states for name in state}
    return {name: frozenset().union(*(state.get(name, frozenset()) for state in states)) for name in names}


def _own(function: ast.AST) -> set[str]:
    """Names that belong to a function because it gives them values, inner functions aside."""
    own, shared = set(), set()
    for node in _within(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            shared.update(node.names)
    return own - shared


def _within(function: ast.AST) -> Iterator[ast.AST]:
    pile: list[ast.AST] = list(ast.iter_child_nodes(function))
    while pile:
        node = pile.pop()
        yield node
        if not isinstance(node, _SCOPES):
            pile.extend(ast.iter_child_nodes(node))
