"""From a plan to a schedule: the primitives that build a point of the design space.

A loop that runs `f` iterations side by side is split into blocks of `f`; the loops within the
blocks go innermost and are completely unrolled because the innermost remaining loop is pipelined.
Array partitions give every lane its own bank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import BandLoop, Nest
from pom.dse.plan import NestPlan, Partitions, Plan
from pom.dse.sums import Lanes, tree_primitives
from pom.ir.affine import Affine
from pom.ir.directives import Partition
from pom.ir.expr import Access
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.isl_build import time_map
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_buffer_reads import BufferReads
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_guard import Guard
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_peel import Peel
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_split import Remainder, Split
from pom.passes.poly_unroll import Unroll

PORTS = 2
"""Accesses per bank and cycle."""
MAX_BANKS = 1024
"""Most banks of one array that Vitis makes (UG1399, array_partition)."""


_MOVES = (Peel, Distribute, Split, Reorder)
"""Primitives that move instances; of the others, which follow, some add statements."""


def nest_primitives(
    nest: Nest, plan: NestPlan, fast_math: bool = False, peels: bool = True
) -> tuple[PolyPass, ...]:
    """The loop transformations of one nest.

    Parameters
    ----------
    nest, plan : Nest, NestPlan
    fast_math : bool
    peels : bool
        Whether a nest may become several.

    Notes
    -----
    Where a factor does not divide the trip count of a rectangular nest of one statement, the last
    iterations are peeled off and run in a nest of their own, with all of them side by side; so
    every nest has constant loops and no guards. Other nests get guards.
    """
    ranges = {loop.name: (loop.minimum, loop.maximum) for loop in nest.band}
    if not peels:
        return tuple(_tiled(nest, nest.handle, plan, ranges, fast_math, "guard"))
    return tuple(_part_primitives(nest, nest.handle, plan, ranges, fast_math))


def has_remainder(nest: Nest, plan: NestPlan) -> bool:
    """Whether a factor does not divide the trip count of its loop."""
    return any(
        1 < factor < nest.loop(loop).extent and nest.loop(loop).extent % factor
        for loop, factor in zip(plan.order, plan.factors, strict=True)
    )


def _part_primitives(
    nest: Nest, part: str, plan: NestPlan, ranges: dict[str, tuple[int, int]], fast_math: bool
) -> list[PolyPass]:
    """The primitives of one part of a nest, whose statement is `part` and loops have `ranges`."""
    if nest.is_box and len(nest.statements) == 1:
        for loop, factor in zip(plan.order, plan.factors, strict=True):
            low, high = ranges[loop]
            extent = high - low + 1
            if 1 < factor < extent and extent % factor:
                at = low + extent // factor * factor
                rest = f"{part}_{loop}"
                return [
                    Peel(part, loop, at, rest),
                    Distribute(rest, nest.band[0].name, fast_math),
                    *_part_primitives(nest, part, plan, {**ranges, loop: (low, at - 1)}, fast_math),
                    *_part_primitives(nest, rest, plan, {**ranges, loop: (at, high)}, fast_math),
                ]
    return _tiled(nest, part, plan, ranges, fast_math, "isolate" if nest.is_box else "guard")


def _tiled(
    nest: Nest,
    part: str,
    plan: NestPlan,
    ranges: dict[str, tuple[int, int]],
    fast_math: bool,
    remainder: Remainder,
) -> list[PolyPass]:
    found: list[PolyPass] = []
    outer: list[str] = []
    lanes: list[Lanes] = []
    parts: dict[str, list[str]] = {}
    tiled = plan.order[-1] if plan.tile else ""
    for loop, factor in zip(plan.order, plan.factors, strict=True):
        low, high = ranges[loop]
        if loop == tiled:
            blocks = f"{loop}b" if factor > 1 else loop
            if factor > 1:
                found.append(Split(part, loop, factor, (blocks, f"{loop}1"), remainder))
                lanes.append(Lanes(loop, f"{loop}1", factor))
            found.append(Split(part, blocks, plan.tile, (f"{loop}0", f"{loop}2"), remainder))
            outer = [f"{loop}0", *outer, f"{loop}2"]
            parts[loop] = [f"{loop}0", f"{loop}2", *([f"{loop}1"] if factor > 1 else [])]
        elif factor <= 1 and high > low:
            outer.append(loop)
        elif factor >= high - low + 1:
            lanes.append(Lanes(loop, loop, high - low + 1))
        else:
            found.append(Split(part, loop, factor, (f"{loop}0", f"{loop}1"), remainder))
            outer.append(f"{loop}0")
            lanes.append(Lanes(loop, f"{loop}1", factor))
            parts[loop] = [f"{loop}0", f"{loop}1"]
    # what a tree combines is innermost
    along = {loop for each in nest.sums for loop in each.loops}
    lanes.sort(key=lambda each: each.loop in along)
    inner = tuple(each.name for each in lanes)
    written: list[str] = []
    for band_loop in nest.band:
        written += parts.get(band_loop.name, [band_loop.name])
    if (*outer, *inner) != tuple(written):
        prefix = tuple(loop.name for loop in nest.prefix)
        found.append(Reorder(part, (*prefix, *outer, *inner), fast_math=fast_math))
    if tiled:
        # the same number of iterations in every tile lets the tool flatten the loops around them
        found.append(Guard(part, f"{tiled}2"))
    found += [Unroll(part, each.name, 0) for each in lanes if each.count > 1]
    is_pipelined = plan.is_pipelined and bool(outer)
    found += tree_primitives(nest.sums, nest.handle, part, lanes, is_pipelined)
    if is_pipelined:
        found.append(Pipeline(part, outer[-1], plan.ii))
    return found


def shared_reads(program: PolyProgram, nest: Nest, plan: NestPlan) -> list[PolyPass]:
    """What several lanes of a nest with guards read, read once in front of them.

    Behind its guard every lane would read it for itself, at a memory port of its own. What lanes along
    some of the loops share goes to registers.
    """
    factors = dict(zip(plan.order, plan.factors, strict=True))
    lanes = {n for n, f in factors.items() if f > 1}
    # a tile is read in full
    whole = factors | ({plan.order[-1]: plan.factors[-1] * plan.tile} if plan.tile else {})
    outer = [
        name if factor <= 1 else f"{name}0"
        for name, factor in zip(plan.order, plan.factors, strict=True)
        if factor < nest.loop(name).extent
    ]
    if plan.tile:
        outer = [*outer[:-1], f"{plan.order[-1]}2"]
    if nest.is_box or not lanes or not outer or not plan.is_pipelined:
        return []
    found: list[PolyPass] = []
    registers: list[PolyPass] = []
    bodies = {
        s: body for s in nest.statements if isinstance(body := program.statement(s).body, Assign)
    }
    written = {body.target.array for body in bodies.values()}
    for statement, body in bodies.items():
        loops = {loop.name: loop.expr(statement) for loop in program.loops(statement)}
        places: dict[str, int] = {}
        reads = []
        for access in dict.fromkeys(body.reads):
            position = places.setdefault(access.array, 0)
            places[access.array] += 1
            if access.array in written or not access.is_affine:
                continue
            moving = {n for n in lanes if not _is_one(program, statement, access, {*loops} - {n})}
            if moving == lanes or not _is_within(program, nest, statement, access, whole):
                continue
            buffer = f"{access.array}_{statement}_in{position}" if moving else ""
            is_box = bool(moving)
            reads.append(BufferReads(statement, access.array, outer[-1], position, buffer, is_box))
            if moving:
                registers.append(PartitionArray(buffer, 0, "complete"))
        found += reversed(reads)
    return [*found, *registers]


def block_end(loop: BandLoop, factor: int) -> int:
    """Where the last block of a loop ends."""
    return loop.minimum + -(-loop.extent // factor) * factor


def block_limit(program: PolyProgram, nest: Nest, loop: str) -> int | None:
    """Where blocks of a loop end at the latest, if lanes with guards shall share what they read: in
    the arrays that the nest reads only. None where they cannot."""
    bodies = {
        s: body for s in nest.statements if isinstance(body := program.statement(s).body, Assign)
    }
    written = {body.target.array for body in bodies.values()}
    limit = block_end(nest.loop(loop), nest.loop(loop).extent) * 2
    for statement, body in bodies.items():
        values = {each.name: each.expr(statement) for each in program.loops(statement)}
        for access in body.reads:
            shape = program.arrays[access.array].type.shape
            for subscript, size in zip(access.subscripts, shape, strict=True):
                if access.array in written:
                    continue
                if not isinstance(subscript, Affine):
                    return None
                by = [n for n, value in values.items() if subscript.variables & value.variables]
                first = subscript - values[loop]
                if loop in by and (len(by) > 1 or not first.is_constant):
                    return None
                if loop in by:
                    limit = min(limit, size - first.constant)
    return limit


def _is_within(
    program: PolyProgram, nest: Nest, statement: str, access: Access, factors: dict[str, int]
) -> bool:
    """Whether the elements that lanes read are blocks that end within the array.

    Copied in full they need no guards, behind which registers would keep what they hold from one
    iteration to the next.
    """
    shape = program.arrays[access.array].type.shape
    values = {loop.name: loop.expr(statement) for loop in program.loops(statement)}
    for subscript, size in zip(access.subscripts, shape, strict=True):
        if not isinstance(subscript, Affine):
            return False
        by = [name for name, value in values.items() if subscript.variables & value.variables]
        if not any(factors.get(name, 1) > 1 for name in by):
            continue
        first = subscript - values[by[0]]
        if len(by) > 1 or not first.is_constant:
            return False
        loop = nest.loop(by[0])
        if block_end(loop, min(factors[by[0]], loop.extent)) + first.constant > size:
            return False
    return True


def _is_one(program: PolyProgram, name: str, access: Access, kept: set[str]) -> bool:
    """Whether an access is to one element for given values of some of the loops."""
    statement = program.statement(name)
    values = tuple(loop.expr(name) for loop in program.loops(name) if loop.name in kept)
    subscripts = tuple(s for s in access.subscripts if isinstance(s, Affine))
    if len(subscripts) < len(access.subscripts):
        return False
    around, element = time_map(statement, values), time_map(statement, subscripts)
    return bool(around.reverse().apply_range(element).is_single_valued())


def bindings(
    program: PolyProgram, nests: tuple[Nest, ...], implementations: tuple[tuple[str, str], ...]
) -> tuple[PolyPass, ...]:
    """The operator implementations of the whole design."""
    found: list[PolyPass] = []
    for nest in nests:
        used = {work.operator for work in nest.work}
        for statement in nest.statements:
            for op, impl in implementations:
                if op in used and _uses(program, statement, op):
                    found.append(BindOp(statement, op, impl))
    return tuple(found)


def implementations_of(
    nest: Nest, implementations: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Those that a nest alone depends on: of operators that it has."""
    used = {work.operator for work in nest.work}
    return tuple((op, impl) for op, impl in implementations if op in used)


def _uses(program: PolyProgram, statement: str, op: str) -> bool:
    from pom.ir.expr import Apply, walk
    from pom.passes.statement_text import operator_names

    body = program.statement(statement).body
    return isinstance(body, Assign) and any(
        isinstance(e, Apply) and e.op != "cast" and op in operator_names(e)
        for e in walk(body.value)
    )


def partitions_of(
    program: PolyProgram, nests: tuple[Nest, ...], plans: tuple[NestPlan, ...]
) -> Partitions:
    """Partitions that give every lane of every nest its own bank.

    In each dim of an array the subscript of lane ``x`` differs from that of lane 0 by
    ``sum(coefficient * x)``. Cyclic banks, as many as the blocks are long, send all lanes of one
    access to different banks, and whole blocks always to the same ones, so no lane needs to choose
    between banks (see `wanted_banks`). Nests that want different numbers get their least common
    multiple.
    """
    wanted: dict[tuple[str, int], int] = {}
    by_handle = {p.statement: p for p in plans}
    for nest in nests:
        plan = by_handle.get(nest.handle)
        if plan is None:
            continue
        for key, banks in wanted_banks(program, nest, plan).items():
            wanted[key] = lcm(wanted.get(key, 1), banks)
    return partitions(program, wanted)


def partitions(program: PolyProgram, wanted: Mapping[tuple[str, int], int]) -> Partitions:
    """Cyclic banks per array and dim, a complete split where they are as many as elements."""
    result: dict[str, list[Partition]] = {}
    for (array, dim), banks in sorted(wanted.items()):
        size = program.arrays[array].type.shape[dim]
        if banks <= 1:
            continue
        if banks >= size:
            chosen = Partition(dim + 1, "complete", 0)
        else:
            chosen = Partition(dim + 1, "cyclic", min(banks, MAX_BANKS))
        result.setdefault(array, []).append(chosen)
    return tuple((array, tuple(found)) for array, found in sorted(result.items()))


def wanted_banks(program: PolyProgram, nest: Nest, plan: NestPlan) -> dict[tuple[str, int], int]:
    """How many banks one nest wants, per array and dim.

    Lanes use banks side by side where the bank of each does not change from iteration to iteration:
    a lane that chooses among banks keeps a port of all of them busy. In the subscript ``2 y + r``,
    with `f` of the iterations of ``y`` side by side and all of ``r``, an iteration starts ``2 f``
    elements further than the one before, so ``2 f`` banks are as many as that is true for. Where
    several loops go on, it is the greatest common divisor of their steps. Of a plan for some loops
    of the band, only those count.

    A bank has two ports: where a single loop has two lanes, with one access each, they share one.
    """
    factors = {
        loop: min(factor, nest.loop(loop).extent)
        for loop, factor in zip(plan.order, plan.factors, strict=True)
    }
    # a rest that is peeled off is a part of its own, where a single full block does not move
    whole = nest.is_box and len(nest.statements) == 1
    remaining = {
        loop
        for loop, factor in factors.items()
        if nest.loop(loop).extent >= (2 * factor if whole else factor + 1)
    }
    if len(plan.order) == len(nest.band):
        factors.update((loop.name, 1) for loop in nest.prefix)
        remaining.update(loop.name for loop in nest.prefix if loop.extent > 1)
    accesses = [
        each for statement in nest.statements for each in access_strides(program, statement)
    ]
    uses = Counter(array for array, _ in accesses)
    wanted: dict[tuple[str, int], int] = {}
    for array, strides in accesses:
        found = _banks(strides, factors, remaining)
        if len(nest.band) == uses[array] == 1 and prod(found.values()) <= PORTS:
            continue
        for dim, banks in found.items():
            wanted[array, dim] = lcm(wanted.get((array, dim), 1), banks)
    return wanted


def wanted_by_rows(
    program: PolyProgram, nest: Nest, order: tuple[str, ...], factors: NDArray[np.int64]
) -> dict[tuple[str, int], NDArray[np.int64]]:
    """`wanted_banks` of many plans at once: per array and dim, one number a row of `factors`.

    Parameters
    ----------
    order : tuple of str
        All loops of the band.
    factors : array of int, shape (n, len(order))
    """
    lanes = _lanes(nest, order, factors)
    accesses = _moving_accesses(program, nest, order, factors)
    uses = Counter(array for array, _ in accesses)
    wanted: dict[tuple[str, int], NDArray[np.int64]] = {}
    for array, dims in accesses:
        found: dict[int, NDArray[np.int64]] = {}
        moved: list[NDArray[np.int64]] = []
        for dim, (stride, step) in enumerate(dims):
            blocks = np.abs(stride) * lanes
            all_lanes = np.lcm.reduce(np.where((lanes > 1) & (stride != 0), blocks, 1), axis=1)
            banks = np.where(step > 0, step, all_lanes)
            is_new = ((lanes > 1) & (stride != 0)).any(axis=1)
            for other in moved:
                is_new &= ((lanes > 1) & (stride != other)).any(axis=1)
            moved.append(stride)
            found[dim] = np.where(is_new, banks, 1)
        if len(nest.band) == uses[array] == 1 and found:
            is_shared = np.prod(list(found.values()), axis=0) <= PORTS
            found = {dim: np.where(is_shared, 1, number) for dim, number in found.items()}
        for dim, number in found.items():
            wanted[array, dim] = np.lcm(wanted.get((array, dim), np.ones_like(number)), number)
    return wanted


def steps_by_rows(
    program: PolyProgram, nest: Nest, order: tuple[str, ...], factors: NDArray[np.int64]
) -> list[tuple[str, list[NDArray[np.int64]]]]:
    """Per access of a nest the array and, for each dim, by what iterations move it, a number a row.

    Of ``B`` banks an access stays with every ``gcd(B, step)``-th; it moves by multiples of the step, and
    not at all where that is 0. Of a subscript that depends on data, nothing is known: it is 0, too.

    Parameters
    ----------
    order : tuple of str
        All loops of the band.
    factors : array of int, shape (n, len(order))
    """
    accesses = _moving_accesses(program, nest, order, factors)
    return [(array, [step for _, step in dims]) for array, dims in accesses]


def _lanes(nest: Nest, order: tuple[str, ...], factors: NDArray[np.int64]) -> NDArray[np.int64]:
    extents = np.array([nest.loop(loop).extent for loop in order], dtype=np.int64)
    lanes: NDArray[np.int64] = np.minimum(factors, extents)
    return lanes


def _moving_accesses(
    program: PolyProgram, nest: Nest, order: tuple[str, ...], factors: NDArray[np.int64]
) -> list[tuple[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]]]:
    """Per access the array and, for each dim, its strides along the loops of `order`, and the greatest
    common divisor of the steps of what remains of the loops, a number a row."""
    extents = np.array([nest.loop(loop).extent for loop in order], dtype=np.int64)
    lanes = _lanes(nest, order, factors)
    whole = nest.is_box and len(nest.statements) == 1
    remains = extents >= (2 * lanes if whole else lanes + 1)
    around = [loop.name for loop in nest.prefix if loop.extent > 1]
    found = []
    for statement in nest.statements:
        for array, strides in access_strides(program, statement):
            dims = []
            for by_loop in strides:
                stride = np.array([by_loop.get(loop, 0) for loop in order], dtype=np.int64)
                outside = gcd(*(by_loop.get(loop, 0) for loop in around))
                steps = np.where(remains, np.abs(stride) * lanes, 0)
                dims.append((stride, np.gcd.reduce(steps, axis=1, initial=outside)))
            found.append((array, dims))
    return found


def _banks(
    strides: tuple[Mapping[str, int], ...], factors: dict[str, int], remaining: set[str]
) -> dict[int, int]:
    """How many banks each dim needs for one access, with `factors` lanes along some loops.

    On a diagonal, such as ``A[i, i]``, lanes are in different banks by the first dim alone.
    """
    found: dict[int, int] = {}
    moves: set[tuple[int, ...]] = set()
    for dim, by_loop in enumerate(strides):
        moved = tuple(by_loop.get(loop, 0) for loop, factor in factors.items() if factor > 1)
        if not any(moved) or moved in moves:
            continue
        moves.add(moved)
        blocks = {n: abs(by_loop[n]) * f for n, f in factors.items() if by_loop.get(n)}
        lanes = [block for loop, block in blocks.items() if factors[loop] > 1]
        steps = [block for loop, block in blocks.items() if loop in remaining]
        if (banks := gcd(*steps) if steps else lcm(*lanes)) > 1:
            found[dim] = banks
    return found


@lru_cache(maxsize=512)
def access_strides(
    program: PolyProgram, statement: str
) -> tuple[tuple[str, tuple[Mapping[str, int], ...]], ...]:
    """Per access of a statement the array and, for each dim, how far a step of each loop moves it."""
    body = program.statement(statement).body
    if not isinstance(body, Assign):
        return ()
    loops = {loop.name: loop.expr(statement) for loop in program.loops(statement)}
    steps = _steps(loops)
    return tuple(
        (
            access.array,
            tuple(
                {
                    loop: sum(subscript.coefficient(name) * by for name, by in steps[loop].items())
                    if steps
                    else _stride(subscript, value)
                    for loop, value in loops.items()
                }
                if isinstance(subscript, Affine)
                else {}
                for subscript in access.subscripts
            ),
        )
        for access in (*body.reads, body.target)
    )


def _steps(loops: Mapping[str, Affine]) -> dict[str, dict[str, int]]:
    """How iterators move when one loop moves by one and the others stay: a skew is undone.

    Empty where loops are not as many different sums of iterators as there are iterators.
    """
    iterators = sorted({v for value in loops.values() for v in value.variables})
    plain = all(isinstance(a, str) for value in loops.values() for a, _ in value.terms)
    if not plain or len(iterators) != len(loops):
        return {}
    matrix = np.array([[value.coefficient(i) for i in iterators] for value in loops.values()])
    if round(abs(float(np.linalg.det(matrix)))) != 1:
        return {}
    inverse = np.rint(np.linalg.inv(matrix)).astype(int)
    return {
        loop: {i: int(by) for i, by in zip(iterators, inverse[:, column], strict=True) if by}
        for column, loop in enumerate(loops)
    }


def _stride(subscript: Affine, loop: Affine) -> int:
    """About how far `subscript` moves with a loop of blocks, or with one of what is left in them."""
    if len(loop.terms) == 1:
        atom, coefficient = loop.terms[0]
        if isinstance(atom, str):
            return subscript.coefficient(atom) * coefficient
        blocks = _stride(subscript, atom.numerator) * atom.denominator
        return (blocks + subscript.coefficient(atom)) * coefficient
    return sum(subscript.coefficient(a) * c for a, c in loop.terms if isinstance(a, str))


def realise(
    program: PolyProgram, nests: tuple[Nest, ...], plan: Plan, fast_math: bool = False
) -> tuple[PolyPass, ...]:
    """Every primitive of `plan`, after those of its structure.

    Parameters
    ----------
    program : PolyProgram
        The structure that the plan names.
    nests : tuple of Nest
        Of `program`.
    """
    by_handle = {n.handle: n for n in nests}
    found: list[PolyPass] = list(bindings(program, nests, plan.implementations))
    pairs = [(by_handle[nest_plan.statement], nest_plan) for nest_plan in plan.nests]
    changes: list[PolyPass] = []
    reads: list[PolyPass] = []
    for nest, nest_plan in pairs:
        # in a dataflow region an array has one nest that writes it
        changes += nest_primitives(nest, nest_plan, fast_math, peels=not plan.dataflow)
        reads += shared_reads(program, nest, nest_plan)
    # with the statements of trees and buffers, what must be kept in order would be found anew
    found += [change for change in changes if isinstance(change, _MOVES)]
    # a pipeline asks for constant loops inside, and copies are made with exact ones
    last = [change for change in changes if reads and isinstance(change, Pipeline)]
    found += [change for change in changes if not isinstance(change, _MOVES) and change not in last]
    found += [*reads, *last]
    for array, partitions in plan.partitions:
        found += [PartitionArray(array, p.dim, p.kind, p.factor) for p in partitions]
    if plan.dataflow:
        found.append(Dataflow())
    return tuple(found)


def with_partitions(program: PolyProgram, nests: tuple[Nest, ...], plan: Plan) -> Plan:
    """`plan` with the partitions that its lanes need."""
    return replace(plan, partitions=partitions_of(program, nests, plan.nests))
