"""Lower bounds on the latency of every parallelisation of a nest, many at once.

For factors ``f`` of the loops of a nest in a given order, with extents ``E``:

- iterations that remain: ``prod(ceil(E / f))`` (for a nest that is not a box, what `blocks` counts,
  and before that its instances over the lanes);
- each iteration does ``prod(f)`` instances, so the initiation interval is at least what the
  operators within the limits allow (compute bound);
- a reduction along loop ``r`` passes through ``f_r`` operators in each iteration (through one, where
  a tree combines the lanes), and an iteration that continues it comes ``prod(ceil(E / f))`` over the
  loops inside ``r`` later (recurrence bound);
- a pipeline is filled as often as it is entered: in every iteration of loops that are around other
  loops, too, and of those around an innermost loop that accumulates in one element, which is not
  flattened. Parts that are left where a factor leaves a rest have a pipeline of their own.

Ports are counted elsewhere (`footprint`); control and choices are ignored, so the
bound never exceeds what the analytical model says (a property test checks it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.blocks import block_counts
from pom.dse.chains import NO_MEMORY, Memory, OperatorCost, chain_latency, step_latency
from pom.dse.lane_choices import max_lanes, useful_factors
from pom.dse.nests import Nest, Recurrence
from pom.dse.operator_use import Budget, OperatorUse
from pom.dse.parts import rest_parts
from pom.dse.realise import access_strides
from pom.ir.affine import Affine
from pom.ir.expr import Access
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Factor vectors of one order of a nest with their bounds, best bound first.

    Attributes
    ----------
    order : tuple of str
    factors : array of int, shape (n, len(order))
    bound : array of float, shape (n,)
        Cycles.
    lanes : array of int, shape (n,)
    iterations : array of float, shape (n,)
        Iterations of the pipelined loop in all executions of the band, as they are expected.
    full : array of float, shape (n,)
        Iterations with all lanes, at the least.
    rest : array of float, shape (n,)
        Cycles of the iterations with fewer lanes, at the least.
    interval : array of float, shape (n,)
        Cycles between them that recurrences and the operators within the budget force.
    depth : array of float, shape (n,)
        Cycles of one iteration, with those of entering the pipeline.
    access : array of float, shape (n,)
        Of `depth`, what memories take and registers do not.
    rest_access : array of float, shape (n,)
        The same of `rest`, in all iterations.
    runs : array of float, shape (n,)
        How often the pipeline is filled and emptied, at the least.
    dsp, lut : array of float, shape (n,)
        What the operators would need at an interval of 1; at an interval of `q` at least the `q`-th
        part of it.
    compute : array of float, shape (n,)
        The part of the interval that operators force.
    chains : Chains
    operators : OperatorUse
    tile : array of int, shape (n,)
        See `NestPlan`.
    """

    order: tuple[str, ...]
    factors: NDArray[np.int64]
    bound: NDArray[np.float64]
    lanes: NDArray[np.int64]
    iterations: NDArray[np.float64]
    full: NDArray[np.float64]
    rest: NDArray[np.float64]
    interval: NDArray[np.float64]
    depth: NDArray[np.float64]
    access: NDArray[np.float64]
    rest_access: NDArray[np.float64]
    runs: NDArray[np.float64]
    dsp: NDArray[np.float64]
    lut: NDArray[np.float64]
    compute: NDArray[np.float64]
    serial: NDArray[np.float64]
    chains: Chains
    operators: OperatorUse
    tile: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how often the pipeline of a nest is filled.

    Parameters
    ----------
    nest : Nest
    order : tuple of str
    extents : array of int, shape (len(order),)
    moves : tuple of int, optional
        Positions of the loops that move the only element that the nest accumulates in; None where
        there is no such element.
    """

    program: PolyProgram
    nest: Nest
    order: tuple[str, ...]
    extents: NDArray[np.int64]
    moves: tuple[int, ...] | None

    @classmethod
    def of(cls, program: PolyProgram, nest: Nest, order: tuple[str, ...]) -> Shape:
        extents = np.array([nest.loop(name).extent for name in order], dtype=np.int64)
        moving = accumulator_loops(program, nest)
        moves = None if moving is None else tuple(order.index(loop) for loop in sorted(moving))
        return cls(program, nest, order, extents, moves)

    @property
    def executions(self) -> float:
        """How often the band is run through, by the extents of its prefix."""
        return float(prod(max(loop.extent, 1) for loop in self.nest.prefix))

    def accumulates(self, factors: NDArray[np.int64], trips: NDArray[np.int64]) -> _Mask:
        """Whether the innermost loop that remains keeps one element in a register.

        Such a loop is not flattened into those around it.
        """
        if self.moves is None:
            return np.zeros(len(factors), dtype=bool)
        inner = _innermost(trips)
        moves = list(self.moves)
        is_one = (factors[:, moves] == 1).all(axis=1)
        found: _Mask = is_one & (inner >= 0) & ~np.isin(inner, moves)
        return found

    def entries(
        self, factors: NDArray[np.int64], trips: NDArray[np.int64], is_split: _Mask
    ) -> NDArray[np.float64]:
        """How often the pipeline of a part is filled; `is_split` : the nest becomes several."""
        apart = float(prod(max(loop.extent, 1) for loop in self.nest.prefix[: self.nest.apart]))
        inner = _innermost(trips)
        found = np.where(is_split & (inner >= 0), self.executions, apart)
        rows = np.arange(len(trips))
        others = trips.prod(axis=1) / np.maximum(trips[rows, np.maximum(inner, 0)], 1)
        # beside statements in front or behind, the tool may flatten a sum after all
        alone = self.accumulates(factors, trips) & ((others > 1) | (not self.nest.company))
        result: NDArray[np.float64] = np.where(alone, self.executions * others, found)
        return result


def _innermost(trips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the innermost loop that remains; -1 without any."""
    remains = trips > 1
    width = trips.shape[1]
    found: NDArray[np.int64] = np.where(
        remains.any(axis=1), width - 1 - np.argmax(remains[:, ::-1], axis=1), -1
    )
    return found


def accumulator_loops(program: PolyProgram, nest: Nest) -> frozenset[str] | None:
    """Loops that move the one element that a nest updates in place; None for other nests."""
    if len(nest.statements) != 1 or nest.sums:
        return None
    body = program.statement(nest.handle).body
    if not isinstance(body, Assign):
        return None
    same = [access for access in body.reads if access.array == body.target.array]
    if not same or any(access != body.target for access in same):
        return None
    if not all(isinstance(s, Affine) for s in body.target.subscripts):
        return None
    used = frozenset(
        v for s in body.target.subscripts if isinstance(s, Affine) for v in s.variables
    )
    values = {loop.name: loop.expr(nest.handle) for loop in program.loops(nest.handle)}
    return frozenset(loop.name for loop in nest.band if values[loop.name].variables & used)


def candidates(
    program: PolyProgram,
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    budget: Budget,
    ceiling: int,
    instances: float,
    memory: OperatorCost,
) -> Candidates:
    """Every factor vector of `order` within the lane limit, with its latency bound.

    Parameters
    ----------
    program : PolyProgram
    nest : Nest
        Of the program.
    order : tuple of str
        One of the nest's orders.
    costs : mapping of operator to OperatorCost
    budget : Budget
    ceiling : int
        No more lanes than this, whatever the budget.
    instances : float
        Iterations of the nest in all executions, exact or below.
    memory : OperatorCost
        Of a load from a memory, see `chains.Memory`.
    """
    shape = Shape.of(program, nest, order)
    extents = shape.extents
    cap = max_lanes(nest, costs, budget, ceiling)
    only_divisors = len(nest.statements) > 1 and nest.is_box
    choices = [
        useful_factors(int(extent), cap, only_divisors) if nest.may_have_lanes(order, loop) else [1]
        for loop, extent in zip(order, extents, strict=True)
    ]
    factors = _within(choices, cap)
    lanes = factors.prod(axis=1)
    chains = Chains(shape, costs, memory)
    operators = _operators(shape, factors)
    compute = operators.interval(costs, budget)
    if nest.is_box:
        scale = shape.executions
        trips = extents // factors
        # a part that is left has a loop of its own if another dim has several blocks
        several = (trips > 1).sum(axis=1, keepdims=True) - (trips > 1)
        is_split: _Mask = np.asarray(((extents % factors > 0) & (several > 0)).any(axis=1))
        full = scale * trips.prod(axis=1)
        iterations = scale * (-(-extents // factors)).prod(axis=1)
        interval = np.maximum(compute, chains.interval(factors, trips))
        runs = np.minimum(shape.entries(factors, trips, is_split), full)
        depth, access = chains.depth(factors, trips, interval)
        rest, rest_access = _rest(chains, factors)
    else:
        share, entries = block_counts(program, nest).share(order, factors)
        trips = -(-extents // factors)
        iterations = np.maximum(1.0, np.ceil(instances / lanes))
        full = np.maximum(1.0, share * instances / lanes)
        interval = np.maximum(compute, chains.interval(factors, trips))
        runs = np.minimum(np.where((trips == 1).all(axis=1), 1.0, entries), full)
        depth, access = chains.depth(factors, trips, interval)
        rest = rest_access = np.zeros(len(factors))
    serial = chains.serial(trips)
    bound = np.maximum(latency_bound(full, rest, interval, depth, runs), serial)
    ranked = np.lexsort((lanes, bound))
    return Candidates(
        order,
        factors[ranked],
        bound[ranked],
        lanes[ranked],
        iterations[ranked],
        full[ranked],
        rest[ranked],
        interval[ranked],
        depth[ranked],
        access[ranked],
        rest_access[ranked],
        runs[ranked],
        operators.of(costs, "dsp")[ranked],
        operators.of(costs, "lut")[ranked],
        compute[ranked],
        serial[ranked],
        chains,
        _operators(shape, factors[ranked]),
        np.zeros(len(ranked), dtype=np.int64),
    )


def _operators(shape: Shape, factors: NDArray[np.int64]) -> OperatorUse:
    """The operators of some factors: the loops of a box are flattened unless a sum prevents it."""
    nest, blocks = shape.nest, -(-shape.extents // factors)
    if nest.is_box:
        blocks = shape.extents // factors
    is_flat = ~shape.accumulates(factors, blocks) & nest.is_box
    return OperatorUse(nest, shape.order, factors, blocks > 1, is_flat)


def latency_bound(
    full: NDArray[np.float64],
    rest: NDArray[np.float64],
    interval: NDArray[np.float64],
    depth: NDArray[np.float64],
    runs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cycles of a pipelined loop that is filled `runs` times, and of the parts with fewer lanes."""
    bound: NDArray[np.float64] = (full - runs) * interval + rest + runs * depth
    return bound


def _within(choices: Sequence[Sequence[int]], cap: int) -> NDArray[np.int64]:
    """Combinations whose product is at most `cap`, one a row."""
    rows = np.ones((1, 0), dtype=np.int64)
    lanes = np.ones(1, dtype=np.int64)
    for options in choices:
        factors = np.array(options, dtype=np.int64)
        products = lanes[:, None] * factors[None, :]
        at, which = np.nonzero(products <= cap)
        rows = np.column_stack((rows[at], factors[which]))
        lanes = products[at, which]
    return rows


def _rest(
    chains: Chains, factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cycles of the parts that are left where factors leave a rest, and what of it memories take.

    A part with the rest of some loops runs these once, so that less lies between the steps of a
    recurrence than in the nest with all lanes.
    """
    shape = chains.shape
    cycles, accesses = np.zeros(len(factors)), np.zeros(len(factors))
    for part in rest_parts(shape.extents, factors):
        lanes, trips, size = part.lanes, part.trips, len(part.rows)
        count = shape.executions * trips.prod(axis=1)
        interval = chains.interval(lanes, trips)
        runs = np.minimum(shape.entries(lanes, trips, np.ones(size, dtype=bool)), count)
        depth, access = chains.depth(lanes, trips, interval)
        cycles[part.rows] += latency_bound(count, np.zeros(size), interval, depth, runs)
        accesses[part.rows] += runs * access
    return cycles, accesses


class Chains:
    """What chains of operators cost, for lanes and trip counts of the parts of a nest."""

    def __init__(
        self, shape: Shape, costs: Mapping[str, OperatorCost], memory: OperatorCost
    ) -> None:
        self.shape = shape
        around = [loop.name for loop in shape.nest.prefix[-1:]]
        # the last one is for bodies without a loop of their own
        self._single = np.array(
            [self._slowest(loop, costs) for loop in (*shape.order, *(around or [""]))]
        )
        self._accesses = _memory_accesses(shape.program, shape.nest)
        # accesses of a stencil move alike
        spans = {
            (size, *sorted(strides.items())): (size, strides)
            for each in self._accesses
            for size, strides in zip(each.shape, each.strides, strict=True)
        }
        self._spans = tuple(spans.values())
        self._loading = self._single.copy()
        self._loading[: len(shape.order)] = [
            self._slowest(loop, costs, memory) for loop in shape.order
        ]
        self._steps = [
            _Step(*carried, step_latency(r.operators, costs), carried[0] in r.trees, r.operators)
            for r in shape.nest.recurrences
            if (carried := _carried(r)) is not None
        ]
        self.longest_step = max((float(step.cycles) for step in self._steps), default=0.0)

    def _slowest(
        self, loop: str, costs: Mapping[str, OperatorCost], memory: OperatorCost | None = None
    ) -> float:
        """Cycles of the longest chain that is inside of `loop`, from and to registers or a memory."""
        longest = 0
        program = self.shape.program
        for name in self.shape.nest.statements:
            body = program.statement(name).body
            if isinstance(body, Assign):
                values = {node.name: node.expr(name) for node in program.loops(name)}
                moving = values[loop].variables if loop else None
                used = NO_MEMORY
                if memory is not None and moving is not None:
                    used = self._used(name, body, moving, memory)
                longest = max(longest, chain_latency(body.value, costs, moving, used))
        return float(longest)

    def _used(
        self, statement: str, body: Assign, moving: frozenset[str], memory: OperatorCost
    ) -> Memory:
        """The accesses of a statement to memories; what no iteration moves is stored behind the loop."""
        own = {a.access: a for a in self._accesses if a.statement == statement}
        subscripts = [s for s in body.target.subscripts if isinstance(s, Affine)]
        is_moved = any(s.variables & moving for s in subscripts)
        loaded = frozenset(access for access, found in own.items() if found.is_load)
        return Memory(memory, loaded, is_moved and body.target in own)

    def _in_memory(self, factors: NDArray[np.int64]) -> _Mask:
        """Whether no array that is accessed is split completely, which would make it registers."""
        found = np.ones(len(factors), dtype=bool)
        for size, strides in self._spans:
            moves = [
                abs(stride) * factors[:, column]
                for column, loop in enumerate(self.shape.order)
                if (stride := strides.get(loop, 0))
            ]
            if moves:
                found &= np.prod(moves, axis=0) < size
        return found

    def depth(
        self, factors: NDArray[np.int64], trips: NDArray[np.int64], interval: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cycles of one iteration, with those of entering the loop from the code around it, and what of
        it memories take."""
        inner = _innermost(trips)
        registers = self._length(self._single[inner], factors, trips, interval)
        in_memory = self._in_memory(factors)
        if not in_memory.any():
            return registers, np.zeros(len(factors))
        chain = np.where(in_memory, self._loading[inner], self._single[inner])
        found = self._length(chain, factors, trips, interval)
        return found, found - registers

    def _length(
        self,
        single: NDArray[np.float64],
        factors: NDArray[np.int64],
        trips: NDArray[np.int64],
        interval: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The depth where the chain of one lane is `single`; lanes along a recurrence wait for each
        other."""
        # several statements may have their longest chains in different lanes
        is_one = len(self.shape.nest.statements) == 1
        depth = single.copy()
        for step in self._steps:
            lanes = factors[:, self.shape.order.index(step.loop)]
            waits = np.ceil(lanes / step.distance) - 1
            if step.is_tree:
                waits = np.ceil(np.log2(np.maximum(lanes, 1)))
            depth = np.maximum(depth, (single if is_one else 0.0) + waits * step.cycles)
        # the value is stored in the state in which it exists; a call takes two states around it
        depth += 1.0 + (2.0 if self.shape.nest.prefix else 1.0)
        if self.shape.nest.is_apart or not self.shape.nest.prefix:
            # nothing is left of the nest but straight-line code between other loops
            depth = np.where((trips == 1).all(axis=1), np.minimum(depth, interval), depth)
        return depth

    def interval(
        self,
        factors: NDArray[np.int64],
        trips: NDArray[np.int64],
        inside: tuple[str, ...] | None = None,
        shortest: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Cycles between iterations that recurrences force.

        Parameters
        ----------
        factors, trips : array of int, shape (n, loops)
        inside : tuple of str, optional
            Only along these loops.
        shortest : array of int, optional
            Trips where the ranges of loops are shortest, which is `trips` without it.
        """
        interval = np.ones(len(factors))
        for step in self._steps:
            if inside is None or step.loop in inside:
                interval = np.maximum(interval, self._forced(step, factors, trips, shortest))
        return interval

    def serial(self, trips: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cycles of all steps of a recurrence that no tree shortens: they follow each other in every
        execution of the nest, whatever the order of the loops and the lanes, and these do, too.

        Of a nest without loops, straight-line code between others is left.
        """
        nest = self.shape.nest
        longest = 0.0
        for step in self._steps:
            if step.is_tree:
                continue
            if nest.is_box:
                entries = float(prod(max(each.extent, 1) for each in nest.prefix[: nest.apart]))
                counted = entries, entries * nest.loop(step.loop).extent
            else:
                found = block_counts(self.shape.program, nest).chain(step.loop)
                counted = found or (0.0, 0.0)
            entries, iterations = counted
            longest = max(longest, (iterations / step.distance - entries) * step.cycles)
        serial: NDArray[np.float64] = np.where((trips > 1).any(axis=1), longest, 0.0)
        return serial

    def recurrence(
        self, factors: NDArray[np.int64], trips: NDArray[np.int64]
    ) -> tuple[str, str] | None:
        """Loop and text of the recurrence that forces the interval of one design, if one does."""
        if not self._steps:
            return None
        found = [(float(self._forced(s, factors, trips)[0]), s) for s in self._steps]
        forced, step = max(found, key=lambda pair: pair[0])
        if forced <= 1.0:
            return None
        chain = ", ".join(step.operators)
        return step.loop, f"{chain} along {step.loop}, {step.cycles} cycles a step"

    def _forced(
        self,
        step: _Step,
        factors: NDArray[np.int64],
        trips: NDArray[np.int64],
        shortest: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Cycles between iterations that one recurrence forces: where loops inside are shortest."""
        position = self.shape.order.index(step.loop)
        between = (trips if shortest is None else shortest)[:, position + 1 :].prod(axis=1)
        lanes = np.ones(len(factors)) if step.is_tree else factors[:, position]
        needed = np.ceil(lanes * step.cycles / step.distance / np.maximum(between, 1))
        # unrolled completely, no later iteration continues the reduction; and an outer loop
        # does not run ahead of an inner one that is not flattened into it
        is_single = self.shape.accumulates(factors, trips) & (_innermost(trips) != position)
        continues = (trips[:, position] > step.distance) & ~is_single
        forced: NDArray[np.float64] = np.where(continues, np.maximum(needed, 1.0), 1.0)
        return forced


@dataclass(frozen=True, slots=True)
class _Access:
    """An access to an array that may be a memory: how loops move it, per dim."""

    statement: str
    access: Access
    is_load: bool
    shape: tuple[int, ...]
    strides: tuple[Mapping[str, int], ...]


def _memory_accesses(program: PolyProgram, nest: Nest) -> tuple[_Access, ...]:
    """Reads whose value is nowhere at hand, of arrays that are written those of the element written
    only; and stores that no other statement makes needless."""
    bodies = {s: b for s in nest.statements if isinstance(b := program.statement(s).body, Assign)}
    targets: dict[str, list[Access]] = {}
    for body in bodies.values():
        targets.setdefault(body.target.array, []).append(body.target)
    found: list[_Access] = []
    for statement, body in bodies.items():
        accesses = (*body.reads, body.target)
        for number, (access, (_, strides)) in enumerate(
            zip(accesses, access_strides(program, statement), strict=True)
        ):
            stored = targets.get(access.array, [])
            is_load = number < len(body.reads)
            shape = program.arrays[access.array].type.shape
            if is_load and stored and (len(bodies) > 1 or any(s != access for s in stored)):
                continue
            if not shape or (len(stored) > 1 and not is_load):
                continue
            if all(isinstance(s, Affine) for s in access.subscripts):
                found.append(_Access(statement, access, is_load, shape, strides))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Step:
    """A recurrence along one loop: its distance, and what one step of it takes."""

    loop: str
    distance: int
    cycles: int
    is_tree: bool
    operators: tuple[str, ...]


def _carried(recurrence: Recurrence) -> tuple[str, int] | None:
    """The loop and the distance of a recurrence along one loop; None for others."""
    carried = [(loop, low) for loop, low, high in recurrence.distance if low or high]
    constant = all(low == high for _, low, high in recurrence.distance)
    return carried[0] if constant and len(carried) == 1 and carried[0][1] >= 1 else None
