"""The rules of level 1.

========  ==========================================================================
POM-G010  a name is an ASCII identifier
POM-G011  names are unique: statements, parameters and arrays, iterators on a path
POM-G012  types have hardware values: widths, sizes
POM-G013  arrays and scalars that are used are declared
POM-G014  as many subscripts as dims; those that depend on data are integers
POM-G015  affine expressions use the iterators around them
POM-G016  types follow the rules of `pom.ir.ops`
POM-G017  loads, stores and arguments have the declared type
POM-G018  a literal is a value of its type
POM-G019  an operation is one of the table
POM-G020  a called kernel is among the callees, and callees do not call back
POM-G021  a call gives what its callee takes
POM-G022  a loop has a positive step and at least one bound on either side
POM-G023  a kernel, a loop and a guard have a body; a guard has a constraint
POM-G024  an array is not written through two parameters of one call
========  ==========================================================================
"""

from __future__ import annotations

from pom.dialects.rules import Scope, check_declarations, check_name, check_unique
from pom.errors import PomError
from pom.ir.graph import Array, Call, For, Kernel, Node, When
from pom.ir.location import Location

MAX_STEP = (1 << 62) - 1
"""Largest step of a loop, so that an iterator never leaves 64 bits by one step."""


def verify(kernel: Kernel) -> None:
    """Check every rule.

    Raises
    ------
    PomError
        The first rule that is broken, at the user's source.
    """
    check_name(kernel.name, "a kernel", kernel.location)
    check_declarations(kernel.params, kernel.locals, kernel.location)
    check_unique(((c.name, c.location or kernel.location) for c in kernel.callees), "callees")
    for callee in kernel.callees:
        if callee.name == kernel.name:
            raise PomError("POM-G020", f"{kernel.name!r} calls itself", kernel.location)
        verify(callee)
    _require_body(kernel.body, f"kernel {kernel.name!r}", kernel.location)
    scope = Scope(
        kernel.arrays,
        kernel.scalars,
        {c.name: c.params for c in kernel.callees},
        frozenset(),
    )
    for node in kernel.body:
        _check_node(node, scope, frozenset(), kernel)
    check_unique(((s.name, s.location) for s, _ in kernel.statements()), "statements")


def _check_node(node: Node, scope: Scope, loops: frozenset[str], kernel: Kernel) -> None:
    match node:
        case For():
            _check_loop(node, scope, loops)
            loops |= {node.name}
            scope = Scope(scope.arrays, scope.scalars, scope.callees, scope.iterators | {node.var})
        case When():
            if not node.constraints:
                raise PomError("POM-G023", "a guard without constraints", node.location)
            for constraint in node.constraints:
                scope.check_affine(constraint.expression, node.location)
            _require_body(node.body, "a guard", node.location)
        case _:
            check_name(node.name, "a statement", node.location)
            scope.check(node)
            if isinstance(node, Call):
                _check_aliases(node, kernel)
            return
    for child in node.body:
        _check_node(child, scope, loops, kernel)


def _check_loop(loop: For, scope: Scope, loops: frozenset[str]) -> None:
    check_name(loop.var, "an iterator", loop.location)
    check_name(loop.name, "a loop", loop.location)
    if loop.var in scope.iterators:
        raise PomError(
            "POM-G011", f"iterator {loop.var!r} is used by a loop around this one", loop.location
        )
    if loop.var in scope.arrays or loop.var in scope.scalars:
        raise PomError(
            "POM-G011", f"iterator {loop.var!r} is also a parameter or array", loop.location
        )
    if loop.name in loops:
        raise PomError(
            "POM-G011", f"a loop around this one is called {loop.name!r} too", loop.location
        )
    if not 1 <= loop.step <= MAX_STEP:
        raise PomError(
            "POM-G022",
            f"step {loop.step} of loop {loop.name!r} is not positive or too large",
            loop.location,
        )
    if not loop.lowers or not loop.uppers:
        raise PomError("POM-G022", f"loop {loop.name!r} lacks a bound", loop.location)
    for bound in (*loop.lowers, *loop.uppers):
        scope.check_affine(bound, loop.location)
    _require_body(loop.body, f"loop {loop.name!r}", loop.location)


def _require_body(body: tuple[Node, ...], what: str, location: Location | None) -> None:
    if not body:
        raise PomError("POM-G023", f"{what} has no statements", location)


def _check_aliases(call: Call, kernel: Kernel) -> None:
    callee = kernel.callee(call.callee)
    uses = callee.directions()
    given: dict[str, list[str]] = {}
    for param, argument in zip(callee.params, call.arguments, strict=True):
        if isinstance(param, Array) and isinstance(argument, str):
            given.setdefault(argument, []).append(uses[param.name])
    for array, directions in given.items():
        if len(directions) > 1 and any(d in ("out", "inout") for d in directions):
            raise PomError(
                "POM-G024",
                f"{call.name!r} gives {array!r} twice, and {call.callee!r} writes it",
                call.location,
                "pass a copy",
            )
