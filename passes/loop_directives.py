"""Which directives a loop can have: what Vitis HLS would refuse or ignore is refused here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pom.errors import PomError
from pom.ir.directives import LoopDirectives
from pom.ir.poly import Loop, PolyProgram, ScheduleNode, Sequence, walk_loops
from pom.passes.loop_ranges import is_block_bounded, is_set_apart, trip_count
from pom.passes.schedule_tree import edit_loop


def with_directives(
    program: PolyProgram, statement: str, loop: str, **changes: object
) -> PolyProgram:
    """`program` with fields of a loop's `LoopDirectives` replaced."""

    def change(node: Loop) -> Loop:
        return replace(node, directives=replace(node.directives, **changes))  # type: ignore[arg-type]

    return replace(program, schedule=edit_loop(program.schedule, statement, loop, change))


def guarded(program: PolyProgram, loop: Loop) -> PolyProgram:
    """`program` where the block loops at and below `loop` that must be unrolled can be.

    A loop within blocks of a split runs less in a partial block. Where the code generator does not
    put those apart as a nest with constant trip counts, the loop gets constant bounds and guards.
    """
    if loop.directives.pipeline_ii is not None:
        unrolled = list(walk_loops(loop.child))
    else:
        unrolled = [loop] if loop.directives.unroll == 0 else []
    varying = [
        n
        for n in unrolled
        if n.part != "guard"
        and is_block_bounded(n)
        and not trip_count(program, n.statements[0], n).is_constant
    ]
    if len(varying) == 1 and is_set_apart(program, varying[0]):
        return program
    for node in varying:
        tree = edit_loop(
            program.schedule, node.statements[0], node.name, lambda n: replace(n, part="guard")
        )
        program = replace(program, schedule=tree)
    return program


def check_loop_directives(program: PolyProgram, what: str) -> None:
    """Raise where the directives of a loop of `program` cannot be built.

    A pipelined loop has every loop below it unrolled completely by the tool, so these need constant
    trip counts, and neither they nor the loops around can be pipelined. A loop that is unrolled
    completely needs a constant trip count too. LOOP_FLATTEN wants the loop alone in the loop
    around it, with a constant trip count.

    Raises
    ------
    PomError
        POM-S010 (trip count), S011 (nested pipelines), S012 (flatten).
    """
    for loop, outer in _with_parents(program.schedule, None):
        directives = loop.directives
        if directives == LoopDirectives():
            continue
        if directives.pipeline_ii is not None:
            _check_pipeline(program, loop, what)
        if directives.unroll == 0:
            reason = f"{what}: a complete unrolling needs a constant number of iterations"
            _require_constant(program, [loop], reason)
        if directives.flatten and outer is None:
            raise PomError(
                "POM-S012",
                f"{what}: loop {loop.name!r} is not alone in a loop around it, "
                "so there is nothing to flatten it into",
                hint="flatten needs a perfect nest: name the inner one of two loops with nothing "
                "else between them",
            )
        if directives.flatten:
            reason = f"{what}: LOOP_FLATTEN needs a constant number of iterations"
            _require_constant(program, [loop], reason)


def _with_parents(node: ScheduleNode, parent: Loop | None) -> Iterator[tuple[Loop, Loop | None]]:
    """Every loop, with the loop directly around it where it is that loop's only child."""
    match node:
        case Loop():
            yield node, parent
            yield from _with_parents(node.child, node)
        case Sequence():
            for child in node.children:
                yield from _with_parents(child, None)


def _check_pipeline(program: PolyProgram, loop: Loop, what: str) -> None:
    inner = list(walk_loops(loop.child))
    for node in inner:
        if node.directives.pipeline_ii is not None:
            raise PomError(
                "POM-S011",
                f"{what}: loop {loop.name!r} is pipelined and so is {node.name!r} inside it",
                hint=f"pipelining {loop.name!r} unrolls {node.name!r} completely; "
                "pipeline one of the two",
            )
    _require_constant(
        program, inner, f"{what}: pipelining {loop.name!r} unrolls the loops inside completely"
    )


def _require_constant(program: PolyProgram, loops: list[Loop], summary: str) -> None:
    varying = []
    for loop in loops:
        if loop.part == "guard":
            continue
        trips = trip_count(program, loop.statements[0], loop)
        if not trips.is_constant:
            varying.append((loop, trips))
    if not varying or (len(varying) == 1 and is_set_apart(program, varying[0][0])):
        return
    loop, trips = varying[0]
    calls = ", ".join(f"s[{n.statements[0]!r}].guard({n.name!r})" for n, _ in varying)
    raise PomError(
        "POM-S010",
        f"{summary}, but the trip count of {loop.name!r} varies from {trips.minimum} to "
        f"{trips.maximum}",
        hint=f"give it constant bounds first: {calls}; or pipeline the innermost loop",
    )
