"""One variant of a kernel in the search: a table per nest, bounds over all, designs of known parts.

Nests run one after the other: their cycles add up, the operators are those of the nest that needs
most, and what each needs besides (memory accesses, registers, control) adds up. So over a choice of
one row per nest, the latency is a sum under a constraint that couples the nests:

    minimise  sum_n latency_n      with  sum_n own_n + max_n operators_n <= limit

Its Lagrangian dual bounds it from below. For any ``price >= 0`` of a LUT and any shares ``w_n >= 0``
that add up to 1, ``max_n operators_n >= sum_n w_n operators_n`` and so

    bound = sum_n min_rows (latency + price (own + w_n operators)) - price * limit

where every nest is minimised alone. Each nest also has to fit beside the least that the other nests
need. Of a nest that was evaluated alone, what its loops take counts, and not the states around them,
which other nests may share (`evaluation.loop_cycles`).

The bound is over designs in which the nests run in order. Taken for granted is that the banks which
other nests want do not make a nest faster. In small kernels they may: the least common multiple of
many banks splits an array completely. In random designs whose nests agree on the banks, which are
those that the composer makes, no bound was exceeded (tests/dse/test_bounds.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.binding import Binding
from pom.dse.blocks import block_counts
from pom.dse.composer import Composer
from pom.dse.footprint import Footprint
from pom.dse.nest_table import KNOWN, OPEN, NestTable, Room
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Resources
from pom.dse.realise import implementations_of, with_partitions
from pom.dse.search import Search
from pom.dse.space import Variant
from pom.qor_model.resources_constants import LUT_TERMS, load_constants

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

PRICES = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 3.0)
"""Prices that are tried, in cycles of the whole per device's worth of LUT."""
BATCH = 12
"""Rows that are looked at together."""
STEPS = 4
"""How often the shares of the operators are adapted for a price."""
CONTROL_LUT = 250.0
"""LUT of control that a nest alone has and beside other nests shares."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound with the rows that reach it: what to look at to raise it.

    Parameters
    ----------
    cycles : float
    rows : tuple of (int, tuple of int)
        Per nest, rows that were not evaluated and come first; the others are no lower.
    """

    cycles: float
    rows: tuple[tuple[int, tuple[int, ...]], ...] = ()


class Branch:
    """A variant under search.

    Parameters
    ----------
    search : Search
    variant : Variant
    """

    def __init__(self, search: Search, variant: Variant) -> None:
        self.search = search
        self.variant = variant
        self.bound = sum(
            min((float(c.bound[0]) for c in lists if len(c.bound)), default=0.0)
            for _, lists in variant.candidates
        )
        self.overlapped_bound = variant.bound if variant.overlap else float("inf")
        self.is_tried = False
        self.is_exhausted = False

    @cached_property
    def tables(self) -> tuple[NestTable, ...]:
        constants = load_constants(self.search.local.library.tool)
        access = dict(zip(LUT_TERMS, constants.lut, strict=True))["accesses"]
        program = self.variant.structure.program
        return tuple(
            NestTable(
                nest,
                lists,
                Footprint(program, nest),
                access,
                None if nest.is_box else block_counts(program, nest),
            )
            for nest, lists in self.variant.candidates
        )

    @cached_property
    def composer(self) -> Composer:
        return Composer(self.variant.structure.program, self.tables)

    # ---- designs -----------------------------------------------------------------------

    def plan(self, rows: Sequence[int]) -> Plan:
        """The design of one row per nest."""
        return self.plan_of(tuple(t.plan(r) for t, r in zip(self.tables, rows, strict=True)))

    def plan_of(self, nests: tuple[NestPlan, ...]) -> Plan:
        plan = Plan(self.variant.structure.name, nests, (), self.variant.implementations)
        structure = self.variant.structure
        return with_partitions(structure.program, structure.nests, plan)

    def ask(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Have rows of nests evaluated, each nest alone."""
        asked = [self._alone(self.tables[n], r) for n, r in wanted]
        for (n, row), answer in zip(wanted, self.search.evaluate(asked), strict=True):
            self.tables[n].learn(row, answer)

    def _alone(self, table: NestTable, row: int) -> tuple[Plan, str]:
        """A nest alone: branches that differ in operators of other nests share the answer."""
        plan = self.plan_of((table.plan(row),))
        own = implementations_of(table.nest, plan.implementations)
        return replace(plan, implementations=own), table.nest.handle

    @property
    def evaluated(self) -> int:
        """Rows that the model answered."""
        return sum(len(table.answers) for table in self.tables) if self.is_tried else 0

    def ruled_out(self, best: float) -> int:
        """Rows that are in no design faster than `best`."""
        limits = self.search.problem.limits
        found = [
            self._beside_others(table, table.bounds(_room(limits, 0.0))[0]) for table in self.tables
        ]
        least = [float(f.min(initial=np.inf)) for f in found]
        total = sum(least)
        return sum(
            int(((f + (total - low) >= best) & (table.state == OPEN)).sum())
            for f, low, table in zip(found, least, self.tables, strict=True)
        )

    # ---- bounds ------------------------------------------------------------------------

    def lower_bound(self, best: float) -> Bound:
        """No design of the variant takes fewer cycles, as far as is known now.

        Parameters
        ----------
        best : float
            Designs that are not faster are of no interest.
        """
        limits, tables = self.search.problem.limits, self.tables
        others = [0.0] * len(tables)
        own = [_own(table) for table in tables]
        while True:
            pairs = [
                table.bounds(_room(limits, rest))
                for table, rest in zip(tables, others, strict=True)
            ]
            found = [
                self._beside_others(table, cycles)
                for (cycles, _), table in zip(pairs, tables, strict=True)
            ]
            least = [float(f.min(initial=np.inf)) for f in found]
            total = sum(least)
            if total >= best:
                return Bound(total)
            # rows that can be part of a faster design
            active = [f + (total - low) < best for f, low in zip(found, least, strict=True)]
            needs = [float(o[a].min()) for o, a in zip(own, active, strict=True)]
            before, others = others, [sum(needs) - need for need in needs]
            if max(np.subtract(others, before), default=0.0) < 1.0:
                break
        bound = Bound(
            total,
            tuple(
                (n, _first(f, np.arange(len(f)), t))
                for n, (f, t) in enumerate(zip(found, tables, strict=True))
            ),
        )
        if len(tables) == 1:
            return bound
        parts = [
            _Part.of(n, table, found[n], pairs[n][1], np.flatnonzero(active[n]), own[n])
            for n, table in enumerate(tables)
        ]
        return _dual(parts, bound, float(limits.lut))

    def _beside_others(self, table: NestTable, cycles: _Floats) -> _Floats:
        """Bounds of rows beside other nests, with which answers share the states around loops."""
        inside = table.known_loops + self._waits[table.nest.handle] * (table.known_loops > 0)
        least = np.maximum(inside, np.minimum(table.least_cycles(), cycles))
        found: _Floats = np.where((table.state == KNOWN) & (cycles < np.inf), least, cycles)
        return found

    @cached_property
    def _waits(self) -> dict[str, float]:
        """By nest: states between loops that are called one after the other.

        A single pipelined loop is called in the state behind the call before it. Other loops may be
        entered without a state in between.
        """
        nests = [table.nest for table in self.tables]
        found = {}
        for nest in nests:
            beside = [n for n in nests if n.prefix[: len(nest.prefix)] == nest.prefix]
            is_called = (nest.is_apart and nest.is_box) or len(nest.prefix) == 1 == nest.apart
            only_calls = all(n.prefix == nest.prefix and len(n.band) == 1 for n in beside)
            executions = prod(float(loop.extent) for loop in nest.prefix)
            found[nest.handle] = executions if is_called and only_calls else 0.0
        return found

    def bindings(self, rows: Sequence[int] | None = None) -> tuple[Binding, ...]:
        """What the cycles of every nest come from: in rows of a design, or in its fastest rows."""
        room = _room(self.search.problem.limits, 0.0)
        found = []
        for n, table in enumerate(self.tables):
            cycles = self._beside_others(table, table.bounds(room)[0])
            row = int(cycles.argmin()) if rows is None else rows[n]
            found.append(table.binding(row, float(cycles[row]), room))
        return tuple(found)

    def rows_of(self, plan: Plan) -> tuple[int, ...] | None:
        """The rows of a design; None where it is not made of rows of this branch."""
        variant = (self.variant.structure.name, self.variant.implementations)
        if (plan.structure, plan.implementations) != variant or not self.is_tried:
            return None
        by_handle = {nest.statement: nest for nest in plan.nests}
        if set(by_handle) != {table.nest.handle for table in self.tables}:
            return None
        rows = [table.row_of(by_handle[table.nest.handle]) for table in self.tables]
        return None if None in rows else tuple(row for row in rows if row is not None)


def _dual(parts: list[_Part], bound: Bound, limit: float) -> Bound:
    """The Lagrangian bound, for a few prices, with shares that follow the operators."""
    weights = np.array([max(float(p.cycles.min()), 1.0) for p in parts])
    for price in PRICES:
        per_lut = price * bound.cycles / limit
        shares = weights / weights.sum()
        for _ in range(STEPS):
            values = [p.values(per_lut, w) for p, w in zip(parts, shares, strict=True)]
            value = sum(float(v.min()) for v in values) - per_lut * limit
            if value > bound.cycles:
                rows = [
                    (p.n, _first(v, p.rows, p.table)) for p, v in zip(parts, values, strict=True)
                ]
                bound = Bound(value, tuple(rows))
            used = (
                np.array([p.operators[v.argmin()] for p, v in zip(parts, values, strict=True)])
                + 1.0
            )
            shares = shares * used / (shares * used).sum()
    return bound


def _own(table: NestTable) -> _Floats:
    """LUT that a row needs besides operators, at the least."""
    known = np.maximum(table.known_own - CONTROL_LUT, 0.0)
    own: _Floats = np.where(table.state == KNOWN, known, table.own_lut)
    return own


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one nest in the dual: cycles, own LUT, and LUT of operators at an interval."""

    n: int
    table: NestTable
    rows: NDArray[np.int64]
    cycles: _Floats
    own: _Floats
    operators: _Floats

    @classmethod
    def of(
        cls,
        n: int,
        table: NestTable,
        cycles: _Floats,
        interval: _Floats,
        rows: NDArray[np.int64],
        own: _Floats,
    ) -> _Part:
        """The rows as they are, and those that are not known with longer intervals, too."""
        known = table.state[rows] == KNOWN
        operators = table.lut / interval
        operators[rows[known]] = np.maximum(table.known_lut - own - CONTROL_LUT, 0.0)[rows[known]]
        cells = [(rows, cycles[rows], own[rows], operators[rows])]
        later = rows[~known]
        for more, divisor in ((np.ones(len(later)), 4.0), (3 * interval[later], np.inf)):
            slower = cycles[later] + table.full[later] * more
            cells.append((later, slower, own[later], operators[later] / divisor))
        return cls(n, table, *(np.concatenate(columns) for columns in zip(*cells, strict=True)))

    def values(self, price: float, share: float) -> _Floats:
        """Cycles and priced LUT of the rows."""
        return self.cycles + price * (self.own + share * self.operators)


def _room(limits: Resources, others_lut: float) -> Room:
    return Room(limits.lut - others_lut, limits.ff, limits.dsp)


def _first(values: _Floats, rows: NDArray[np.int64], table: NestTable) -> tuple[int, ...]:
    """Rows with the lowest values, up to the first that is known."""
    count = min(BATCH, len(values))
    near = np.argpartition(values, count - 1)[:count]
    found: list[int] = []
    for at in near[np.lexsort((rows[near], values[near]))].tolist():
        row = int(rows[at])
        if table.state[row] != OPEN or values[at] == np.inf:
            break
        if row not in found:
            found.append(row)
    return tuple(found)
