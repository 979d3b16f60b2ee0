"""States of straight-line code between the loops of an imperfect nest, at the least.

Loops in the body of a loop that is not pipelined run one after the other. A loop begins when what was
stored in front of it is there (`qor_model.sequence`), so the chain of operators from the end of one
loop, or from the beginning of the body, to such a store is in no loop: it adds to what the loops take.
Behind a loop that is called, code that does not need its results may run during the call: only chains
from values that it keeps in registers and stores at its end count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from pom.dse.blocks import block_counts
from pom.dse.chains import OperatorCost, value_cycle
from pom.dse.nests import Nest, run_everywhere
from pom.ir.graph import Assign
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode
from pom.ir.poly import Sequence as SequenceNode

NEVER = float("-inf")
"""When values exist of which nothing is known: at any time before."""


def states_between(
    program: PolyProgram,
    nests: Sequence[Nest],
    costs: Mapping[str, OperatorCost],
    looped: Collection[str],
) -> dict[str, float]:
    """By nest: states of code in front of it or behind it in all executions of the loops around.

    They count in every design in which a loop of that nest remains.

    Parameters
    ----------
    program : PolyProgram
    nests : sequence of Nest
        Of the program.
    costs : mapping of operator to OperatorCost
        Of every operator of the program.
    looped : collection of str
        Handles of nests of which a loop remains in all designs.
    """
    found = {nest.handle: 0.0 for nest in nests}
    for around, children in _bodies(program.schedule, ()):
        code: list[str] = []
        begins: _Begins | None = _Begins({}, 0.0)
        last: Nest | None = None
        for child in children:
            if isinstance(child, Leaf):
                code.append(child.statement)
                continue
            inside = [nest for nest in nests if {*nest.statements} <= {*child.statements}]
            if not inside:
                continue
            found[inside[0].handle] += _states(program, around, code, begins, costs, inside[0])
            begins, last, code = _behind(program, inside, len(around), looped), inside[-1], []
        if last is not None:
            found[last.handle] += _states(program, around, code, begins, costs, last)
    return found


def states_between_calls(program: PolyProgram, nests: Sequence[Nest]) -> dict[str, float]:
    """By nest: states in which nothing but the next call begins, in all executions.

    A single pipelined loop is called in the state behind the call before it. Other loops may be
    entered without a state in between.
    """
    found = {}
    for nest in nests:
        beside = [n for n in nests if n.prefix[: len(nest.prefix)] == nest.prefix]
        only_calls = all(n.prefix == nest.prefix and len(n.band) == 1 for n in beside)
        executions = 0.0
        if nest.is_apart and only_calls:
            depth = len(nest.prefix)
            if depth == 1:
                # a single loop around runs for other code, too, with as many calls
                executions = float(nest.prefix[0].extent)
            else:
                executions = _executions(program, nest, depth)
        found[nest.handle] = executions
    return found


@dataclass(frozen=True, slots=True)
class _Begins:
    """Cycles in which what is read exists: that of some registers, and of all else."""

    registers: Mapping[str, float]
    other: float


def _behind(
    program: PolyProgram, inside: Sequence[Nest], depth: int, looped: Collection[str]
) -> _Begins | None:
    """When values exist behind a loop with some nests; None where that is not known."""
    if any(nest.handle not in looped for nest in inside):
        return None
    if len(inside) > 1:
        # loops around other loops are no functions: nothing behind them begins earlier
        return _Begins({}, 0.0)
    (nest,) = inside
    if nest.sums or len(nest.prefix) > depth:
        return None
    bodies = (program.statement(name).body for name in nest.statements)
    written = {body.target.array for body in bodies if isinstance(body, Assign)}
    return _Begins({a: 0.0 for a in written if not program.arrays[a].type.shape}, NEVER)


def _states(
    program: PolyProgram,
    around: tuple[Loop, ...],
    code: Sequence[str],
    begins: _Begins | None,
    costs: Mapping[str, OperatorCost],
    nest: Nest,
) -> float:
    """States of a stretch of code in all executions, which those of a nest stand for."""
    if not code or begins is None:
        return 0.0
    bodies = {name: program.statement(name).body for name in code}
    assigned = {name: body for name, body in bodies.items() if isinstance(body, Assign)}
    if len(assigned) < len(bodies):
        return 0.0
    times = dict(begins.registers)
    stored: dict[str, float] = {}
    for name, body in assigned.items():
        time = value_cycle(
            body.value, costs, lambda access: times.get(access.array, begins.other), begins.other
        )
        array = body.target.array
        for access in body.reads:
            if access.array in stored and program.arrays[access.array].type.shape:
                # a load from another place may find it stored, which it waits for instead
                stored[access.array] = NEVER
        always = run_everywhere(program, (name,), around)
        is_register = not program.arrays[array].type.shape
        is_last = always and body.target.is_affine and (is_register or array not in stored)
        stored[array] = time if is_last else NEVER
        if is_register:
            times[array] = time if always else begins.other
    states = max(stored.values())
    return states * _executions(program, nest, len(around)) if states > 0 else 0.0


def _bodies(
    node: ScheduleNode, around: tuple[Loop, ...]
) -> Iterator[tuple[tuple[Loop, ...], tuple[ScheduleNode, ...]]]:
    """The bodies of loops with several loops in them, somewhere, and these loops.

    A loop with a single one may become one with it.
    """
    match node:
        case Loop():
            yield from _bodies(node.child, (*around, node))
        case SequenceNode():
            if around and not _is_chain(node):
                yield around, node.children
            for child in node.children:
                yield from _bodies(child, around)


def _is_chain(node: ScheduleNode) -> bool:
    """Whether no loop is beside another."""
    if isinstance(node, Loop):
        return _is_chain(node.child)
    loops = [child for child in _children(node) if isinstance(child, Loop)]
    return len(loops) < 2 and all(_is_chain(loop) for loop in loops)


def _children(node: ScheduleNode) -> tuple[ScheduleNode, ...]:
    return node.children if isinstance(node, SequenceNode) else ()


def _executions(program: PolyProgram, nest: Nest, depth: int) -> float:
    """How often the body of the loops around runs."""
    if nest.is_box:
        return prod(float(loop.extent) for loop in nest.prefix[:depth])
    return block_counts(program, nest).executions(depth)
