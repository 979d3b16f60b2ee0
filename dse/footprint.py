"""How many memory accesses one iteration of a parallelised nest needs at the least.

The lanes of an iteration read and write a set of elements. Equal elements are accessed once; but
behind a guard of its own every lane stores for itself, and reads for itself what is not read once in
front of them. A load whose bank is known at run time only takes a port of every bank that it may be.
Every memory bank has two ports, so the busiest bank bounds the interval, and the number of elements
bounds the accesses, each of which costs logic. The elements are enumerated lane by lane: stencils,
whose lanes overlap, are counted as they are.

Accesses that may cost nothing are left out: those that stay the same in the innermost loop that
remains (they are moved out of it), loads from arrays that the nest writes elsewhere or earlier in
the iteration (the value may be at hand), and arrays with a completely split dim (registers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd, prod

import islpy as isl
import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import Nest
from pom.dse.plan import NestPlan
from pom.dse.realise import PORTS, block_end, wanted_banks
from pom.ir.affine import Affine
from pom.ir.expr import Access
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.isl_build import domain, time_map

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Use:
    """Accesses of one array with equal coefficients: where each is in the first lane."""

    array: str
    coefficients: tuple[tuple[int, ...], ...]
    constants: tuple[tuple[int, ...], ...]
    around: tuple[int, ...] = ()
    """Per dim, the largest step that loops around the nest move it by; 0 where they do not."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the lanes of one iteration need.

    Parameters
    ----------
    interval : int
        Cycles that the busiest bank needs.
    accesses : int
    array : str
        Of the busiest bank; empty where no bank needs more than a cycle.
    """

    interval: int
    accesses: int
    array: str = ""


class Footprint:
    """Counts the accesses of one nest.

    Parameters
    ----------
    program : PolyProgram
    nest : Nest
        Of the program.

    Attributes
    ----------
    written : set of str
        Arrays that the nest stores to.
    """

    def __init__(self, program: PolyProgram, nest: Nest) -> None:
        self.program = program
        self.nest = nest
        self.loops = tuple(loop.name for loop in nest.band)
        self.uses = _uses(program, nest, self.loops)
        self._guarded = _guarded_loops(program, nest)
        bodies = (program.statement(s).body for s in nest.statements)
        self.written = {body.target.array for body in bodies if isinstance(body, Assign)}

    def least_accesses(
        self, order: tuple[str, ...], factors: _Ints, trips: _Ints | None = None
    ) -> NDArray[np.float64]:
        """A number of accesses that is quickly told and not more than `demand` counts.

        The lanes along loops that move an access independently reach different elements.

        Parameters
        ----------
        order : tuple of str
        factors : array of int, shape (n, len(order))
        trips : array of int, optional
            Of a part that is left, whose `factors` are its own; of all lanes without it.
        """
        extents = np.array([self.nest.loop(name).extent for name in order], dtype=np.int64)
        remains = factors < extents if trips is None else trips > 1
        inner = remains.shape[1] - 1 - np.argmax(remains[:, ::-1], axis=1)
        counted: dict[tuple[str, int], NDArray[np.float64]] = {}
        for kind, use in self.uses:
            matrix = np.array(use.coefficients, dtype=np.int64)
            moving = [n for n in range(len(self.loops)) if matrix.size and matrix[:, n].any()]
            if not moving or np.linalg.matrix_rank(matrix[:, moving]) < len(moving):
                continue
            columns = [order.index(self.loops[n]) for n in moving]
            number = factors[:, columns].prod(axis=1).astype(np.float64)
            number *= np.isin(inner, columns) & remains.any(axis=1)
            for name, size in zip(order, extents.tolist(), strict=True):
                # a dim that is split completely makes registers
                column = order.index(name)
                if column in columns:
                    number *= factors[:, column] < size
            key = (use.array, kind)
            counted[key] = np.maximum(counted.get(key, 0.0), number)
        return sum(counted.values(), np.zeros(len(factors)))

    def demand(self, plan: NestPlan) -> Demand:
        """The accesses of one iteration under a plan."""
        factors = {
            loop: min(factor, self.nest.loop(loop).extent)
            for loop, factor in zip(plan.order, plan.factors, strict=True)
        }
        remaining = [n for n in plan.order if factors[n] < self.nest.loop(n).extent]
        if not remaining:
            return Demand(1, 0)
        inner = self.loops.index(remaining[-1])
        lanes = np.indices([factors[name] for name in self.loops]).reshape(len(self.loops), -1).T
        several = [n for n, name in enumerate(self.loops) if factors[name] > 1]
        guarded = [n for n in several if self.loops[n] in self._guarded]
        banks = wanted_banks(self.program, self.nest, plan)
        # a tile is read in full
        whole = factors | ({plan.order[-1]: plan.factors[-1] * plan.tile} if plan.tile else {})
        busiest: dict[str, list[int]] = {}
        counted: dict[str, list[int]] = {}
        for kind, use in self.uses:
            if not any(row[inner] for row in use.coefficients):
                continue
            shape = self.program.arrays[use.array].type.shape
            split = [banks.get((use.array, dim), 1) for dim in range(len(shape))]
            if any(n > 1 and n >= size for n, size in zip(split, shape, strict=True)):
                continue
            elements = _elements(use, lanes)
            number = counted.setdefault(use.array, [0, 0])
            number[kind] = max(number[kind], len(elements))
            most = busiest.setdefault(use.array, [0, 0])
            times = 1
            if use.array in self.written:
                # behind guards every lane loads and stores for itself, but for the first load; those
                # that have one guard in common do, too, since each has it for itself
                apart = prod(
                    factors[self.loops[n]]
                    for n in (several if guarded else ())
                    if not any(row[n] for row in use.coefficients)
                )
                times = apart if kind else max(apart - 1, 1)
            elif (
                guarded
                and not kind
                and any(row[n] for row in use.coefficients for n in several)
                and not self._is_shared(use, factors, whole)
            ):
                # behind its guard every lane reads for itself what not all of them read
                elements = _elements(use, lanes, several)
            if not kind and len(use.around) == len(split):
                split = _known(
                    use, [self._moves(name, factors[name]) for name in self.loops], split
                )
            most[kind] = max(most[kind], times * _busiest(elements, split))
        needs = {array: ceil(sum(most) / PORTS) for array, most in busiest.items()}
        array = max(needs, key=lambda name: needs[name], default="")
        interval = max(needs.get(array, 1), 1)
        return Demand(interval, sum(map(sum, counted.values())), array if interval > 1 else "")

    def _moves(self, loop: str, factor: int) -> int:
        """By how much a loop moves from one block to the next; 0 where there is one."""
        extent = self.nest.loop(loop).extent
        # what is left behind whole blocks of a box is apart
        blocks = extent // factor if self.nest.is_box else -(-extent // factor)
        return factor if blocks > 1 else 0

    def _is_shared(self, use: _Use, factors: Mapping[str, int], whole: Mapping[str, int]) -> bool:
        """Whether lanes with guards read registers that are filled in front of them.

        See `realise.shared_reads`: blocks of elements that end within the array.
        """
        shape = self.program.arrays[use.array].type.shape
        for dim, (row, size) in enumerate(zip(use.coefficients, shape, strict=True)):
            by = [n for n, coefficient in enumerate(row) if coefficient]
            if not any(factors[self.loops[n]] > 1 for n in by):
                continue
            if len(by) > 1 or row[by[0]] != 1 or len(use.around) <= dim or use.around[dim]:
                return False
            loop = self.nest.loop(self.loops[by[0]])
            offset = max(constants[dim] for constants in use.constants)
            if block_end(loop, whole[loop.name]) + offset > size:
                return False
        return True


def _elements(use: _Use, lanes: _Ints, apart: Sequence[int] = ()) -> _Ints:
    """The different elements, one a row; those of lanes apart from each other along some loops."""
    linear = lanes @ np.array(use.coefficients, dtype=np.int64).T
    width = linear.shape[1]
    found = np.concatenate(
        [np.hstack((linear + np.array(c, dtype=np.int64), lanes[:, apart])) for c in use.constants]
    )
    return _different(found)[:, :width]


def _known(use: _Use, blocks: Sequence[int], split: Sequence[int]) -> list[int]:
    """Per dim, modulo what a bank is known when the circuit is made.

    Each loop that remains moves it by its stride times its block (0 where no loop remains). A load takes
    a port of every bank that it may find its element in: banks that are equal in this respect are as
    busy as one.
    """
    found = []
    for banks, around, row in zip(split, use.around, use.coefficients, strict=True):
        steps = (coefficient * block for coefficient, block in zip(row, blocks, strict=True))
        found.append(gcd(banks, around, *steps))
    return found


def _guarded_loops(program: PolyProgram, nest: Nest) -> frozenset[str]:
    """Loops of the band whose lanes are behind guards: where a block begins or ends in between,
    because a bound moves with another loop, step by step."""
    if nest.is_box:
        return frozenset()
    statement = program.statement(nest.handle)
    loops = program.loops(nest.handle)
    time = time_map(statement, tuple(loop.expr(nest.handle) for loop in loops))
    parts = domain(statement).apply(time).get_basic_sets()
    if len(parts) != 1 or parts[0].dim(isl.dim_type.div):
        return frozenset()
    found = set()
    for constraint in parts[0].get_constraints():
        row = [
            constraint.get_coefficient_val(isl.dim_type.set, n).to_python()
            for n in range(len(loops))
        ]
        units = [
            loop.name for loop, coefficient in zip(loops, row, strict=True) if abs(coefficient) == 1
        ]
        if not constraint.is_equality() and len(units) > 1:
            found.update(units)
    return frozenset(b.name for b in nest.band if b.name in found)


def _different(points: _Ints) -> _Ints:
    """Rows without repetition."""
    if not points.shape[1]:
        return points[:1]
    low = points.min(axis=0)
    size = points.max(axis=0) - low + 1
    codes = np.unique(np.ravel_multi_index(tuple((points - low).T), tuple(size.tolist())))
    found: _Ints = np.stack(np.unravel_index(codes, tuple(size.tolist())), axis=1) + low
    return found


def _busiest(elements: _Ints, split: list[int]) -> int:
    """Elements in the bank that has most of them."""
    if not elements.shape[1]:
        return len(elements)
    number = np.zeros(len(elements), dtype=np.int64)
    for dim, banks in enumerate(split):
        number = number * banks + elements[:, dim] % banks
    return int(np.unique(number, return_counts=True)[1].max())


def _uses(program: PolyProgram, nest: Nest, loops: tuple[str, ...]) -> tuple[tuple[int, _Use], ...]:
    """Loads (0) and stores (1) that cannot be avoided, with equal coefficients together."""
    bodies = [(s, program.statement(s).body) for s in nest.statements]
    targets: dict[str, set[Access]] = {}
    for _, body in bodies:
        if isinstance(body, Assign):
            targets.setdefault(body.target.array, set()).add(body.target)
    found: dict[tuple[str, int, tuple[tuple[int, ...], ...]], set[tuple[int, ...]]] = {}
    around: dict[tuple[str, int, tuple[tuple[int, ...], ...]], set[tuple[int, ...]]] = {}
    written: set[str] = set()
    for statement, body in bodies:
        if not isinstance(body, Assign):
            continue
        for access in (*body.reads, body.target):
            kind = int(access is body.target)
            stored = targets.get(access.array, set())
            # the value of another element that is stored in the nest may be at hand
            if not kind and stored and (access.array in written or stored != {access}):
                continue
            line = _linear(program, statement, access, loops)
            if line is not None:
                key = (access.array, kind, line[0])
                found.setdefault(key, set()).add(line[1])
                around.setdefault(key, set()).add(line[2])
        written.add(body.target.array)
    return tuple(
        (key[1], _Use(key[0], key[2], tuple(sorted(constants)), _only(around[key])))
        for key, constants in sorted(found.items())
    )


def _only(values: set[tuple[int, ...]]) -> tuple[int, ...]:
    """The only value; nothing where there are several."""
    return next(iter(values)) if len(values) == 1 else ()


def _linear(
    program: PolyProgram, statement: str, access: Access, loops: tuple[str, ...]
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...], tuple[int, ...]] | None:
    """Coefficients per dim and loop, the constants, and how far loops around the nest move each dim;
    None where it is not that simple."""
    values: Mapping[str, Affine] = {
        loop.name: loop.expr(statement) for loop in program.loops(statement)
    }
    position: dict[str, tuple[str, int]] = {}
    for name, value in values.items():
        if (
            len(value.terms) != 1
            or value.terms[0][1] != 1
            or not isinstance(value.terms[0][0], str)
        ):
            return None
        position[value.terms[0][0]] = (name, value.constant)
    rows, constants, around = [], [], []
    fixed = _fixed_iterators(program.statement(statement), frozenset(position))
    for subscript in access.subscripts:
        if not isinstance(subscript, Affine):
            return None
        subscript = subscript.substitute(fixed)
        step = 0
        row = dict.fromkeys(loops, 0)
        constant = subscript.constant
        for iterator, coefficient in subscript.terms:
            if not isinstance(iterator, str) or iterator not in position:
                return None
            loop, shift = position[iterator]
            constant -= coefficient * shift
            if loop in row:
                row[loop] = coefficient
            else:
                step = gcd(step, coefficient)
        rows.append(tuple(row.values()))
        constants.append(constant)
        around.append(step)
    return tuple(rows), tuple(constants), tuple(around)


@lru_cache(maxsize=1024)
def _fixed_iterators(statement: PolyStatement, moving: frozenset[str]) -> dict[str, Affine]:
    """Iterators that no loop runs over, by those that one does: copies have such, where all
    instances are in one row of what is copied."""
    names = statement.iterators
    parts = domain(statement).get_basic_sets()
    found: dict[str, Affine] = {}
    if len(parts) != 1 or set(names) == moving:
        return found
    for constraint in parts[0].get_constraints():
        row = {
            name: constraint.get_coefficient_val(isl.dim_type.set, n).to_python()
            for n, name in enumerate(names)
        }
        still = [name for name in names if row[name] and name not in moving]
        if constraint.is_equality() and len(still) == 1 and abs(row[still[0]]) == 1:
            rest = Affine.const(constraint.get_constant_val().to_python())
            for name in moving & {*names}:
                rest += Affine.var(name) * row[name]
            found[still[0]] = rest * -row[still[0]]
    return found
