"""The rules of level 2 that need no isl; `pom.passes.verify_poly` checks the integer sets.

========  ==========================================================================
POM-P003  names are unique: statements, callees
POM-P004  every statement has one leaf
POM-P005  a loop has the value of every statement below it, and of no other
POM-P006  loop names are unique on a path
POM-P007  sequences are in normal form: two children or more, none a sequence
POM-P008  directives name arrays and statements of the program
POM-P009  directives have sensible values
POM-P010  values of loops use the iterators of their statement
========  ==========================================================================

Names, types and bodies follow the rules POM-G010 to POM-G021 of level 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from pom.dialects.directive_rules import array_problem, loop_problem
from pom.dialects.rules import Scope, check_declarations, check_name
from pom.errors import PomError
from pom.ir.graph import Scalar
from pom.ir.location import Location
from pom.ir.poly import (
    Leaf,
    Loop,
    LoopPart,
    PolyProgram,
    PolyStatement,
    ScheduleNode,
    Sequence,
    walk_loops,
)


def verify(program: PolyProgram) -> None:
    """Check every rule.

    Raises
    ------
    PomError
        The first rule that is broken, at the user's source.
    """
    check_name(program.name, "a kernel", program.location)
    check_declarations(program.params, program.locals, program.location)
    _unique((c.name for c in program.callees), "callees", program.location)
    for callee in program.callees:
        if callee.name == program.name:
            raise PomError("POM-G020", f"{program.name!r} calls itself", program.location)
        verify(callee)
    _unique((s.name for s in program.statements), "statements", program.location)
    for statement in program.statements:
        _check_statement(program, statement)
    _check_tree(program)
    _check_directives(program)


def _unique(names: Iterable[str], what: str, location: Location | None) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise PomError("POM-P003", f"{count} {what} are called {name!r}", location)


def _check_statement(program: PolyProgram, statement: PolyStatement) -> None:
    check_name(statement.name, "a statement", statement.location)
    for iterator in statement.iterators:
        check_name(iterator, "an iterator", statement.location)
    _unique(statement.iterators, f"iterators of {statement.name!r}", statement.location)
    if statement.body.name != statement.name:
        raise PomError(
            "POM-P003",
            f"the body of {statement.name!r} is called {statement.body.name!r}",
            statement.location,
        )
    scalars = {p.name: p for p in program.params if isinstance(p, Scalar)}
    callees = {c.name: c.params for c in program.callees}
    iterators = frozenset(statement.iterators)
    Scope(program.arrays, scalars, callees, iterators).check(statement.body)


def _check_tree(program: PolyProgram) -> None:
    known = {s.name: s for s in program.statements}
    leaves = Counter(program.schedule.statements)
    for name in sorted(known.keys() | leaves.keys()):
        if name not in known or leaves[name] != 1:
            count = leaves[name]
            problem = f"{count} leaves, not one" if name in known else "a leaf, but no statement"
            where = known[name].location if name in known else program.location
            raise PomError("POM-P004", f"{name!r} has {problem}", where)
    _check_node(program.schedule, known, frozenset())


def _check_node(
    node: ScheduleNode, known: dict[str, PolyStatement], around: frozenset[str]
) -> None:
    match node:
        case Leaf():
            return
        case Sequence():
            nested = any(isinstance(child, Sequence) for child in node.children)
            if nested or len(node.children) < 2:
                problem = "a sequence inside" if nested else f"{len(node.children)} children"
                raise PomError("POM-P007", f"a sequence has {problem}")
            for child in node.children:
                _check_node(child, known, around)
        case Loop():
            _check_loop(node, known, around)
            _check_node(node.child, known, around | {node.name})


def _check_loop(loop: Loop, known: dict[str, PolyStatement], around: frozenset[str]) -> None:
    check_name(loop.name, "a loop", loop.location)
    if loop.name in around:
        raise PomError(
            "POM-P006", f"loop {loop.name!r} is inside a loop of the same name", loop.location
        )
    if sorted(s for s, _ in loop.exprs) != sorted(loop.statements):
        raise PomError(
            "POM-P005",
            f"loop {loop.name!r} has values for {', '.join(s for s, _ in loop.exprs) or 'nothing'}"
            f", but surrounds {', '.join(loop.statements)}",
            loop.location,
        )
    for name, value in loop.exprs:
        for unknown in sorted(value.variables - set(known[name].iterators)):
            raise PomError(
                "POM-P010",
                f"loop {loop.name!r}: {unknown!r} in {value} is not an iterator of {name!r}",
                loop.location,
            )
    problem = loop_problem(loop.directives)
    if loop.part not in get_args(LoopPart):
        problem = f"unknown part {loop.part!r}"
    if problem:
        raise PomError("POM-P009", f"loop {loop.name!r}: {problem}", loop.location)


def _check_directives(program: PolyProgram) -> None:
    arrays = program.arrays
    _unique((a for a, _ in program.array_directives), "directives of arrays", program.location)
    named = [("array", a) for a, _ in program.array_directives if a not in arrays]
    names = {s.name for s in program.statements}
    named += [("statement", b.statement) for b in program.bindings if b.statement not in names]
    for loop in walk_loops(program.schedule):
        named += [("array", a) for a in loop.directives.dependence_free if a not in arrays]
    for what, name in named:
        raise PomError(
            "POM-P008", f"a directive names the unknown {what} {name!r}", program.location
        )
    for name, directives in program.array_directives:
        if problem := array_problem(directives, arrays[name].type.shape):
            raise PomError("POM-P009", f"array {name!r}: {problem}", arrays[name].location)
    for binding in program.bindings:
        if binding.latency is not None and not 0 <= binding.latency < 1 << 31:
            raise PomError(
                "POM-P009",
                f"{binding.op} of {binding.statement!r}: a latency of {binding.latency}",
                program.statement(binding.statement).location,
            )
