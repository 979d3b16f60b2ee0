"""Pure edits of schedule trees, shared by the primitives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.poly import (
    Leaf,
    Loop,
    PolyProgram,
    ScheduleNode,
    Sequence,
    sequence,
    walk_loops,
)


def describe(method: str, statement: str, *arguments: object, **options: object) -> str:
    """The call as the user wrote it: ``interchange('i', 'j') of 'mac'``."""
    inside = [repr(a) for a in arguments] + [f"{k}={v!r}" for k, v in options.items()]
    return f"{method}({', '.join(inside)}) of {statement!r}"


def require_statement(program: PolyProgram, statement: str) -> None:
    """Raise POM-S002 where `program` has no such statement."""
    names = [s.name for s in program.statements]
    if statement not in names:
        raise PomError(
            "POM-S002",
            f"there is no statement {statement!r} in {program.name!r}",
            hint=_listed("its statements are", statement, names),
        )


def require_loop(program: PolyProgram, statement: str, loop: str) -> Loop:
    """The loop called `loop` around `statement`; POM-S002 or POM-S003 where there is none."""
    require_statement(program, statement)
    around = program.loops(statement)
    for node in around:
        if node.name == loop:
            return node
    names = [n.name for n in around]
    raise PomError(
        "POM-S003",
        f"there is no loop {loop!r} around {statement!r}",
        hint=_listed("the loops around it are", loop, names)
        if names
        else f"{statement!r} is not inside any loop",
    )


def _listed(text: str, wrong: str, names: list[str]) -> str:
    close = get_close_matches(wrong, names, 1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return f"{text} {', '.join(map(repr, names))}{guess}"


def require_factor(value: int, largest: int, what: str) -> None:
    """Raise POM-S004 unless `value` is an integer in ``1..largest``."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        raise PomError(
            "POM-S004",
            f"{what} must be an integer from 1 to {largest}, not {value!r}",
            hint=f"the loop has {largest} iterations at most",
        )


def require_fresh(program: PolyProgram, loop: Loop, names: Iterable[str], replaced: str) -> None:
    """Raise POM-S005 where a path through `loop` already has one of `names`."""
    wanted = list(names)
    taken = {n.name for s in loop.statements for n in program.loops(s)} - {replaced}
    for position, name in enumerate(wanted):
        if name in taken or name in wanted[:position]:
            raise PomError(
                "POM-S005",
                f"there is already a loop {name!r} here",
                hint="choose other names with names=(…, …)",
            )
        if not name.isidentifier():
            raise PomError(
                "POM-S005",
                f"{name!r} cannot be the name of a loop",
                hint="use letters, digits and underscores, not starting with a digit",
            )


def edit_loop(
    node: ScheduleNode, statement: str, name: str, change: Callable[[Loop], ScheduleNode]
) -> ScheduleNode:
    """The tree with `change` applied to the loop `name` on the way to `statement`."""
    match node:
        case Loop():
            if node.name == name:
                return change(node)
            return replace(node, child=edit_loop(node.child, statement, name, change))
        case Sequence():
            return sequence(
                tuple(
                    edit_loop(c, statement, name, change) if statement in c.statements else c
                    for c in node.children
                )
            )
        case Leaf():
            raise KeyError(name)


def prune(node: ScheduleNode, keep: Iterable[str]) -> ScheduleNode | None:
    """The part of the tree that runs the statements `keep`; None where that is nothing."""
    kept = frozenset(keep)
    match node:
        case Leaf():
            return node if node.statement in kept else None
        case Sequence():
            children = [c for c in (prune(c, kept) for c in node.children) if c is not None]
            return sequence(tuple(children)) if children else None
        case Loop():
            child = prune(node.child, kept)
            if child is None:
                return None
            exprs = tuple((s, e) for s, e in node.exprs if s in kept)
            return replace(node, exprs=exprs, child=child)


def distributed(loop: Loop, group: Iterable[str]) -> ScheduleNode:
    """`loop` as up to three loops: what comes before `group` in the text, `group`, what follows."""
    chosen = frozenset(group)
    order = loop.statements
    first = min(order.index(s) for s in chosen)
    before = [s for s in order[:first] if s not in chosen]
    after = [s for s in order[first:] if s not in chosen]
    parts = [prune(loop, p) for p in (before, chosen, after) if p]
    return sequence(tuple(p for p in parts if p is not None))


@dataclass(frozen=True, slots=True)
class Header:
    """A loop without its body."""

    loop: Loop

    @property
    def name(self) -> str:
        return self.loop.name

    def around(self, child: ScheduleNode, extra: Iterable[tuple[str, Affine]] = ()) -> Loop:
        values = dict((*self.loop.exprs, *extra))
        return replace(
            self.loop, exprs=tuple((s, values[s]) for s in child.statements), child=child
        )


def chain(loop: Loop, innermost: str) -> tuple[list[Header], ScheduleNode] | None:
    """The perfect nest from `loop` down to the loop `innermost`, and its body; None if imperfect."""
    headers = []
    node: ScheduleNode = loop
    while isinstance(node, Loop):
        headers.append(Header(node))
        if node.name == innermost:
            return headers, node.child
        node = node.child
    return None


def nest(headers: Iterable[Header], body: ScheduleNode) -> ScheduleNode:
    """Loops around `body`, outermost first."""
    for header in reversed(tuple(headers)):
        body = header.around(body)
    return body


def sunk(
    program: PolyProgram,
    loop: Loop,
    statement: str,
    innermost: str,
    bounds: Callable[[Loop], tuple[Affine, Affine]],
) -> Loop:
    """The nest from `loop` to `innermost` made perfect by moving what is between inside.

    What comes before the inner loops runs in their first iteration, what comes after in their last
    one; `bounds` gives those, over the names of the loops around.
    """
    headers: list[Header] = []
    pending: list[tuple[tuple[str, ...], bool, int]] = []
    before: list[ScheduleNode] = []
    after: list[ScheduleNode] = []
    node: ScheduleNode = loop
    while True:
        if isinstance(node, Loop):
            headers.append(Header(node))
            if node.name == innermost:
                body = node.child
                break
            node = node.child
        elif isinstance(node, Sequence):
            place = next(k for k, c in enumerate(node.children) if statement in c.statements)
            for position, child in enumerate(node.children):
                if position != place:
                    is_first = position < place
                    pending.append((child.statements, is_first, len(headers)))
                    (before if is_first else after).append(child)
            node = node.children[place]
        else:
            raise KeyError(innermost)
    names = {h.name for h in headers}
    before = [rename_clashes(n, names) for n in before]
    after = [rename_clashes(n, names) for n in _inside_out(after, pending)]
    result: ScheduleNode = sequence((*before, body, *after))
    extra: list[list[tuple[str, Affine]]] = [[] for _ in headers]
    ends = [bounds(header.loop) for header in headers]
    for sunken, is_first, level in pending:
        for name in sunken:
            values = {outer.name: outer.expr(name) for outer in program.loops(name)}
            for depth in range(level, len(headers)):
                values[headers[depth].name] = ends[depth][not is_first].substitute(values)
                extra[depth].append((name, values[headers[depth].name]))
    for depth in range(len(headers) - 1, -1, -1):
        result = headers[depth].around(result, extra[depth])
    return result  # type: ignore[return-value]  # `headers` is never empty


def _inside_out(
    after: list[ScheduleNode], pending: list[tuple[tuple[str, ...], bool, int]]
) -> list[ScheduleNode]:
    """What follows, innermost level first, in the order of the text within a level."""
    level = {names: depth for names, _, depth in pending}
    return sorted(after, key=lambda node: -level[node.statements])


def rename_clashes(node: ScheduleNode, taken: Iterable[str]) -> ScheduleNode:
    """`node` with the loops that share a name with `taken` renamed."""
    used = set(taken) | {n.name for n in walk_loops(node)}
    clashing = set(taken)

    def visit(part: ScheduleNode) -> ScheduleNode:
        match part:
            case Loop():
                name = part.name
                if name in clashing:
                    number = 2
                    while f"{name}_{number}" in used:
                        number += 1
                    name = f"{name}_{number}"
                    used.add(name)
                return replace(part, name=name, child=visit(part.child))
            case Sequence():
                return Sequence(tuple(visit(c) for c in part.children))
            case Leaf():
                return part

    return visit(node)


def enclosing(program: PolyProgram, statement: str, loop: str) -> tuple[Loop, ...]:
    """The loops around the loop `loop` of `statement`, outermost first."""
    loops = program.loops(statement)
    position = next(k for k, n in enumerate(loops) if n.name == loop)
    return loops[:position]
