"""One variant of a kernel in the search: a table per nest, bounds over all, designs of known parts.

Nests run one after the other: their cycles add up, the operators are those of the nest that needs
most, and what each needs besides (memory accesses, registers, control) adds up. So over a choice of
one row per nest, the latency is a sum under a constraint that couples the nests:

    minimise  sum_n latency_n      with  sum_n own_n + max_n operators_n <= limit

Its Lagrangian dual bounds it from below. For any ``price >= 0`` of a LUT and any shares ``w_n >= 0``
that add up to 1, ``max_n operators_n >= sum_n w_n operators_n`` and so

    bound = sum_n min_rows (latency + price (own + w_n operators)) - price * limit

where every nest is minimised alone; there is a share for every kind of operator. Each nest also has
to fit beside the least that the other nests need. Of a nest that was evaluated alone, what its loops
take counts, and not the states around them, which other nests may share (`evaluation.loop_cycles`).

Nests that share arrays have to agree on banks, or pay for it: `bank_nodes` splits the designs by what
their nests want, and this bound is taken in every part.

The bound is over designs in which the nests run in order. Taken for granted is that the banks which
other nests want do not make a nest faster: they do where ports are what it waits for, or where the
least common multiple of many banks splits an array completely, as it may in small kernels. In the
leaves of `bank_nodes`, where the model was asked about every nest under the banks of the design, nothing
is taken for granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_nodes import BankNodes, Node, Part, Prices, SharedBanks, followed, of_rows
from pom.dse.binding import Binding
from pom.dse.blocks import block_counts
from pom.dse.bounds import Candidates
from pom.dse.chains import FREE
from pom.dse.composer import Composer
from pom.dse.evaluation import own_lut
from pom.dse.footprint import Footprint
from pom.dse.logic import Logic
from pom.dse.neighbours import Neighbours
from pom.dse.nest_table import KNOWN, OPEN, REFUSED, NestTable, Room
from pom.dse.nests import Nest
from pom.dse.parts import LutCosts, OperatorLut
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Resources
from pom.dse.realise import implementations_of, with_partitions
from pom.dse.search import Search
from pom.dse.space import Variant, operator_cost
from pom.qor_model.expand import TOO_LARGE

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

PRICES = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 3.0)
"""Prices that are tried, in cycles of the whole per device's worth of LUT."""
BATCH = 12
"""Rows that are looked at together."""
TOGETHER = 2
"""Rows that are evaluated together where one that is too large may rule out others."""
STEPS = 4
"""How often the shares of the operators are adapted for a price."""
FEW = 4
"""Rows that are looked at together in a node."""
REGISTER_LUT = 4.0
"""LUT per element of a multiplexer behind registers, at the least (`bank_mux_lut`)."""
CONTROL_LUT = 40.0
"""LUT of states that a nest alone has and beside other nests shares."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound with the rows that reach it: what to look at to raise it.

    Parameters
    ----------
    cycles : float
    rows : tuple of (int, tuple of int)
        Per nest, rows that were not evaluated and come first; the others are no lower.
    design : tuple of int
        The rows that reach it, one per nest, where all of them were evaluated.
    later : tuple of (int, tuple of int)
        Per nest, rows that come after `rows`.
    """

    cycles: float
    rows: tuple[tuple[int, tuple[int, ...]], ...] = ()
    design: tuple[int, ...] = ()
    later: tuple[tuple[int, tuple[int, ...]], ...] = ()


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
        self.is_bounded = self.is_tried = False
        self._taken_over: dict[int, int] = {}
        self._prices: Prices | None = None
        self.idle = self.rest = 0
        self._designs: set[tuple[int, ...]] = set()
        self.is_exhausted = False

    @cached_property
    def tables(self) -> tuple[NestTable, ...]:
        program, costs, operators = self.variant.structure.program, self._costs, self._operators
        return tuple(
            NestTable(
                nest,
                lists,
                Footprint(program, nest),
                costs,
                None if nest.is_box else block_counts(program, nest),
                operators,
                Logic.of(program, nest, self.search.local.library),
            )
            for nest, lists in self.variant.candidates
        )

    @cached_property
    def _operators(self) -> dict[str, OperatorLut]:
        """LUT of the operators of all nests, and of the controllers that share them."""
        users = _users(self.variant.candidates)
        chosen = dict(self.variant.implementations)
        names = sorted({w.operator for nest, _ in self.variant.candidates for w in nest.work})
        library = self.search.local.library
        costs = {name: operator_cost(library, name, chosen.get(name, "")) for name in names}
        return {
            name: self._costs.operator(float(cost.lut), users.get(name, 0))
            for name, cost in costs.items()
            if cost != FREE
        }

    @cached_property
    def _costs(self) -> LutCosts:
        return LutCosts.of(self.search.local.library.tool)

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
        """Have rows of nests evaluated, each nest alone, but for those that turned out too large."""
        self._take_over()
        for group in self._groups(wanted):
            left = [(n, r) for n, r in group if self.tables[n].state[r] != REFUSED]
            asked = [self._alone(self.tables[n], r) for n, r in left]
            for (n, row), answer in zip(left, self.search.evaluate(asked), strict=True):
                table = self.tables[n]
                table.learn(row, answer)
                if answer.refusal.startswith(TOO_LARGE):
                    self._too_large(table).append(table.plan(row))

    def foresee(self, rows: Sequence[tuple[int, int]]) -> None:
        """Have helpers begin with rows that are likely to be asked for next."""
        self.search.foresee(self._alone(self.tables[n], row) for n, row in rows)

    def _groups(self, wanted: Sequence[tuple[int, int]]) -> list[Sequence[tuple[int, int]]]:
        """Rows to evaluate together: few and the smallest first, where they may be too large."""
        if not any(self._too_large(self.tables[n]) for n, _ in wanted):
            return [wanted]
        found = sorted(wanted, key=lambda pair: int(self.tables[pair[0]].lanes[pair[1]]))
        return [found[at : at + TOGETHER] for at in range(0, len(found), TOGETHER)]

    def _too_large(self, table: NestTable) -> list[NestPlan]:
        """Plans of a nest whose bodies are too large, in all branches: operators do not matter."""
        key = (self.variant.structure.name, table.nest.handle)
        return self.search.too_large.setdefault(key, [])

    def _take_over(self) -> None:
        """Rule out what is too large by what other branches have learnt."""
        for n, table in enumerate(self.tables):
            plans = self._too_large(table)
            for plan in plans[self._taken_over.get(n, 0) :]:
                row = table.row_of(plan)
                if row is not None:
                    table.rule_out_larger(row)
            self._taken_over[n] = len(plans)

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
        """Rows that are in no design faster than `best`, and those whose bodies are too large."""
        limits = self.search.problem.limits
        found = [
            self._beside_others(table, table.bounds(_room(limits, 0.0))[0]) for table in self.tables
        ]
        least = [float(f.min(initial=np.inf)) for f in found]
        total = sum(least)
        return sum(
            int(((f + (total - low) >= best) & (table.state == OPEN)).sum()) + table.too_large
            for f, low, table in zip(found, least, self.tables, strict=True)
        )

    # ---- bounds ------------------------------------------------------------------------

    def lower_bound(self, best: float, *, has_banks: bool = True) -> Bound:
        """No design of the variant takes fewer cycles, as far as is known now.

        Parameters
        ----------
        best : float
            Designs that are not faster are of no interest.
        has_banks : bool
            Whether the banks that nests share are looked at, which takes longer.
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
            later = _first(found[0], np.arange(len(found[0])), tables[0], 2 * BATCH)[BATCH:]
            return replace(bound, later=((0, later),))
        parts = [
            _part(n, table, found[n], pairs[n][1], np.flatnonzero(active[n]), own[n])
            for n, table in enumerate(tables)
        ]
        bound, prices = _dual(parts, tables, bound, float(limits.lut))
        if bound.cycles >= best or not has_banks or not self._nodes.order:
            return bound
        return self._under_banks(parts, bound, prices, best)

    def _under_banks(self, parts: list[Part], bound: Bound, prices: Prices, best: float) -> Bound:
        """The bound with the banks that nests share."""
        limit = float(self.search.problem.limits.lut)
        version = (best, *(float(table.version) for table in self.tables))
        self._prices = prices
        while True:
            node = self._nodes.lowest(parts, limit, version, prices, best)
            if node.bound >= best:
                return Bound(best)
            # what all designs need was asked for before
            found = self._wanted(node, parts) if node.classes else None
            if found is not None:
                return replace(found, cycles=max(bound.cycles, found.cycles))
            if not self._nodes.is_leaf(node):
                self._nodes.split(node, parts, limit, best)

    def _wanted(self, node: Node, parts: list[Part]) -> Bound | None:
        """What has to be known of the rows of a node that reach its bound; None for nothing.

        Of a leaf that is out of the question, the design is left out.
        """
        rows = tuple(
            (part.n, _first(values, part.rows, self.tables[part.n], FEW))
            for part, values in zip(parts, node.values, strict=True)
        )
        if any(found for _, found in rows):
            later = tuple(
                (part.n, _first(values, part.rows, self.tables[part.n], 4 * FEW)[FEW:])
                for part, values in zip(parts, node.values, strict=True)
            )
            return Bound(node.bound, rows, (), later)
        design = tuple(
            int(part.rows[values.argmin()]) for part, values in zip(parts, node.values, strict=True)
        )
        is_leaf = self._nodes.is_leaf(node)
        if is_leaf and self._looked_inside(node, design):
            return None
        if node.lut <= self.search.problem.limits.lut and design not in self._designs:
            self._designs.add(design)
            return Bound(node.bound, (), design)
        if is_leaf:
            # it is no faster than it is known to be, or it does not fit
            self._nodes.fails(design)
            node.version = None
        return None

    def dive(self, best: float) -> tuple[int, ...] | None:
        """The rows of a design that promises to be good, whose nests want the same banks.

        Parameters
        ----------
        best : float
            Designs that are not faster are of no interest.
        """
        bound = self.lower_bound(best)
        if len(self.tables) == 1 or bound.cycles >= best:
            return None
        limits = self.search.problem.limits
        parts = self._expected()
        least = [float(part.cycles.min(initial=np.inf)) for part in parts]
        parts = [
            of_rows(part, part.cycles + (sum(least) - low) < best)
            for part, low in zip(parts, least, strict=True)
        ]
        if self._prices is None or not all(len(part.rows) for part in parts):
            return None
        node = self._nodes.dive(parts, float(limits.lut), self._prices, best)
        if node is None:
            return None
        return tuple(
            int(part.rows[values.argmin()]) for part, values in zip(parts, node.values, strict=True)
        )

    def _expected(self) -> list[Part]:
        """What rows are likely to take; of equal factors, the best order."""
        parts = []
        for n, table in enumerate(self.tables):
            cycles, own, _, dsp = table.guesses()
            operators = np.zeros((len(table), table.known_by_operator.shape[1]))
            operators[:, :-1] = table.by_operator / table.interval[:, None]
            known = table.state == KNOWN
            operators[known] = table.known_by_operator[known]
            rows = np.flatnonzero((cycles < np.inf) & (dsp <= self.search.problem.limits.dsp))
            rows = table.best_orders(rows, cycles, own)
            parts.append(Part(n, rows, cycles[rows], own[rows], operators[rows]))
        return parts

    def improved(self, rows: Sequence[int], lut: float) -> tuple[int, ...] | None:
        """A design with other rows for some of the nests that promises to be better; None for none.

        Parameters
        ----------
        rows : sequence of int
            Of a design that fits.
        lut : float
            What that needs.
        """
        limit = float(self.search.problem.limits.lut)
        near = Neighbours(tuple(rows), self._expected(), self.tables, self._shared, limit, lut)
        for design in near.designs():
            if design not in self._designs:
                self._designs.add(design)
                return design
        return None

    def _looked_inside(self, node: Node, design: tuple[int, ...]) -> bool:
        """Learn what the rows of a design need under the banks that they want together.

        Returns whether that was news.
        """
        nests = [(n, row) for n, row in enumerate(design) if not self._nodes.is_known(node, n, row)]
        plan = self.plan(design)
        asked = [(plan, self.tables[n].nest.handle) for n, _ in nests]
        for (n, row), answer in zip(nests, self.search.evaluate(asked), strict=True):
            more, own = float("inf"), 0.0
            if not answer.is_refused:
                more = answer.loop_cycles - self.tables[n].known_loops[row]
                own = max(own_lut(answer) - answer.shared_lut - CONTROL_LUT, 0.0)
            self._nodes.learn(node, n, row, more, own)
        return bool(nests)

    @cached_property
    def _nodes(self) -> BankNodes:
        weights = [float(table.least_cycles().min(initial=np.inf)) for table in self.tables]
        return BankNodes(self._shared, weights)

    @cached_property
    def _shared(self) -> SharedBanks:
        program, costs = self.variant.structure.program, self._costs
        register_lut = REGISTER_LUT * costs.register_mux
        return SharedBanks(program, self.tables, costs.access, register_lut)

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


def _dual(
    parts: list[Part], tables: Sequence[NestTable], bound: Bound, limit: float
) -> tuple[Bound, Prices]:
    """The Lagrangian bound, for a few prices, with shares that follow the operators."""
    weights = np.array([max(float(p.cycles.min()), 1.0) for p in parts])
    kinds = parts[0].operators.shape[1]
    even = np.repeat((weights / weights.sum())[:, None], kinds, axis=1)
    # where no price gives more than the sum, a small one tells what needs less
    best = Prices(PRICES[1] * bound.cycles / limit, even)
    for price in PRICES:
        per_lut, shares = price * bound.cycles / limit, even
        for _ in range(STEPS):
            values = [
                p.cycles + per_lut * (p.own + p.operators @ w)
                for p, w in zip(parts, shares, strict=True)
            ]
            value = sum(float(v.min()) for v in values) - per_lut * limit
            if value > bound.cycles:
                rows = [
                    (p.n, _first(v, p.rows, tables[p.n]))
                    for p, v in zip(parts, values, strict=True)
                ]
                bound, best = Bound(value, tuple(rows)), Prices(per_lut, shares)
            shares = followed(shares, parts, values)
    return bound, best


def _users(candidates: Sequence[tuple[Nest, tuple[Candidates, ...]]]) -> dict[str, int]:
    """By operator, how many nests have pipelines that are certain to use it.

    What depends on every loop of a nest cannot be moved in front of a pipeline. A nest with as many
    lanes as iterations has no pipeline.
    """
    found: dict[str, int] = {}
    for nest, lists in candidates:
        if any(int(c.lanes.max(initial=0)) >= nest.box for c in lists):
            continue
        for operator in {w.operator for w in nest.work if len(w.loops) == len(nest.band)}:
            found[operator] = found.get(operator, 0) + 1
    return found


def _own(table: NestTable) -> _Floats:
    """LUT that a row needs besides operators, at the least."""
    known = np.maximum(table.known_own - table.known_shared - CONTROL_LUT, 0.0)
    own: _Floats = np.where(table.state == KNOWN, known, table.own_lut)
    return own


def _part(
    n: int,
    table: NestTable,
    cycles: _Floats,
    interval: _Floats,
    rows: NDArray[np.int64],
    own: _Floats,
) -> Part:
    """The rows as they are, and those that are not known with longer intervals, too."""
    known = table.state[rows] == KNOWN
    operators = np.zeros((len(table), table.known_by_operator.shape[1]))
    operators[:, : table.by_operator.shape[1]] = table.by_operator / interval[:, None]
    operators[rows[known]] = table.known_by_operator[rows[known]]
    apart = np.where(known, 0.0, table.apart[rows] / interval[rows])
    cells = [(rows, cycles[rows], own[rows] + apart, operators[rows])]
    later = rows[~known]
    for more, divisor in ((np.ones(len(later)), 4.0), (3 * interval[later], np.inf)):
        slower = cycles[later] + table.full[later] * more
        lut = own[later] + apart[~known] / divisor
        cells.append((later, slower, lut, operators[later] / divisor))
    return Part(n, *(np.concatenate(columns) for columns in zip(*cells, strict=True)))


def _room(limits: Resources, others_lut: float) -> Room:
    return Room(limits.lut - others_lut, limits.ff, limits.dsp)


def _first(
    values: _Floats, rows: NDArray[np.int64], table: NestTable, most: int = BATCH
) -> tuple[int, ...]:
    """Rows with the lowest values, up to the first that is known."""
    count = min(most, len(values))
    near = np.argpartition(values, count - 1)[:count]
    found: list[int] = []
    for at in near[np.lexsort((rows[near], values[near]))].tolist():
        row = int(rows[at])
        if table.state[row] != OPEN or values[at] == np.inf:
            break
        if row not in found:
            found.append(row)
    return tuple(found)
