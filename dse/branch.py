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

The bound is over designs in which the nests run in order. Where the banks that other nests want may
make a nest faster (`other_banks`), the answer for the nest alone is no bound, and what is proved
without an answer counts; in the leaves of `bank_nodes` the model is asked about every nest under the
banks of the design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from math import prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_nodes import BankNodes, Node, Prices
from pom.dse.bank_selection import SelectionCosts
from pom.dse.between import states_between, states_between_calls
from pom.dse.binding import Binding
from pom.dse.blocks import block_counts
from pom.dse.composer import Composer
from pom.dse.dual import (
    BATCH,
    CONTROL_LUT,
    Bound,
    dual_bound,
    first_open,
    is_open,
    least_own,
    no_help,
    part_of,
)
from pom.dse.evaluation import own_lut
from pom.dse.footprint import Footprint
from pom.dse.known_rows import Room
from pom.dse.logic import Logic
from pom.dse.neighbours import Neighbours
from pom.dse.nest_table import KNOWN, OPEN, REFUSED, NestTable
from pom.dse.nests import Nest
from pom.dse.operator_sharing import least_costs, shared_operators
from pom.dse.other_banks import Relief, other_banks, relief
from pom.dse.parts import LutCosts
from pom.dse.plan import NestPlan, Partitions, Plan
from pom.dse.problem import Resources
from pom.dse.realise import implementations_of, partitions, with_partitions
from pom.dse.register_rows import register_design
from pom.dse.search import Search
from pom.dse.shared_banks import Part, SharedBanks, of_rows
from pom.dse.space import Variant
from pom.qor_model.expand import TOO_LARGE

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

TOGETHER = 2
"""Rows that are evaluated together where one that is too large may rule out others."""
FEW = 4
"""Rows that are looked at together in a node."""
REGISTER_LUT = 4.0
"""LUT per element of a multiplexer behind registers, at the least (`bank_mux_lut`)."""
MINOR = 0.02
"""Rows below this share of a bound raise it too little to be asked for while there is more to decide."""
LIGHT_TOGETHER = 0.003
"""Nests that take no more than this share of the whole together hardly count."""


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
        self.bound = sum(self._least)
        self.overlapped_bound = variant.bound if variant.overlap else float("inf")
        self.is_bounded = self.is_tried = False
        self._taken_over: dict[int, int] = {}
        self._prices: Prices | None = None
        self.idle = self.rest = 0
        self._designs: set[tuple[int, ...]] = set()
        self.is_exhausted = False

    @cached_property
    def _least(self) -> tuple[float, ...]:
        """The bounds of the nests before anything is looked at."""
        return tuple(
            min((float(c.bound[0]) for c in lists if len(c.bound)), default=0.0)
            for _, lists in self.variant.candidates
        )

    @cached_property
    def tables(self) -> tuple[NestTable, ...]:
        return self._prepared[0]

    @property
    def _shared(self) -> SharedBanks:
        return self._prepared[1]

    @cached_property
    def _prepared(self) -> tuple[tuple[NestTable, ...], SharedBanks]:
        program, costs = self.variant.structure.program, self._costs
        operators = shared_operators(self.variant, self.search.local.library, costs)
        best = self.search.best.latency_cycles if self.search.best else float("inf")
        least = self._least
        tables = tuple(
            NestTable(
                nest,
                lists,
                Footprint(program, nest),
                costs,
                None if nest.is_box else block_counts(program, nest),
                operators,
                Logic.of(program, nest, self.search.local.library),
                best - (sum(least) - own),
            )
            for own, (nest, lists) in zip(least, self.variant.candidates, strict=True)
        )
        register_lut = REGISTER_LUT * costs.register_mux
        shared = SharedBanks(program, tables, SelectionCosts(costs.access, register_lut))
        if len(tables) > 1:
            wants = [table.banks for table in tables]
            statements = [table.nest.statements for table in tables]
            others = other_banks(program, statements, wants)
            nests = [table.nest for table in tables]
            looped = [table.nest.handle for table in tables if table.is_looped.all()]
            states = states_between(
                program, nests, least_costs(program, self.search.local.library), looped
            )
            for n, (table, own, more) in enumerate(zip(tables, wants, others, strict=True)):
                found = relief(program, len(table), own, more, table.steps)
                found = self._affordable(shared, n, table, found)
                table.put_beside(found, states[table.nest.handle])
        return tables, shared

    def _affordable(self, shared: SharedBanks, n: int, table: NestTable, found: Relief) -> Relief:
        """`found` without registers among which a row has not the LUT to select."""
        limit, rows = self.search.problem.limits.lut, np.arange(len(table))
        may: dict[str, _Mask] = {}
        for array, of_array in found.is_register.items():
            left = of_array & (table.own_lut + shared.register_lut(n, array, rows) <= limit)
            if left.any():
                may[array] = left
        return replace(found, is_register=may)

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

    def ask(self, wanted: Sequence[tuple[int, int]], *, is_helped: bool = True) -> None:
        """Have rows of nests evaluated, each nest alone, but for those that turned out too large.

        Parameters
        ----------
        wanted : sequence of (int, int)
            Nests and rows.
        is_helped : bool
            Also with what other nests may do for them, which bounds have to know and designs do not.
        """
        self._take_over()
        half = [(n, row) for n, row in wanted if self.tables[n].is_half_known[row]]
        if is_helped:
            self._relieve(half)
        wanted = [pair for pair in wanted if pair not in half]
        for group in self._groups(wanted):
            if is_helped and self.search.is_out_of_time:
                return
            left = [(n, r) for n, r in group if self.tables[n].state[r] != REFUSED]
            asked = [self._alone(self.tables[n], r) for n, r in left]
            for (n, row), answer in zip(left, self.search.evaluate(asked), strict=True):
                table = self.tables[n]
                table.learn(row, answer)
                if answer.refusal.startswith(TOO_LARGE):
                    self._too_large(table).append(table.plan(row))
            if is_helped:
                self._relieve([(n, row) for n, row in left if self.tables[n].is_half_known[row]])

    def _relieve(self, rows: Sequence[tuple[int, int]]) -> None:
        """Ask for rows with the banks that other nests may want for them; where ports are still what a
        row waits for, the answer is no bound."""
        rows = [(n, r) for n, r in rows if self._may_be_helped(n, r)]
        asked: list[tuple[Plan, str]] = []
        counts = []
        for n, row in rows:
            plan, handle = self._alone(self.tables[n], row)
            most = self._most_banks(n, row)
            asked += ((replace(plan, partitions=banks), handle) for banks in most)
            counts.append(len(most))
        answers = iter(self.search.evaluate(asked))
        for (n, row), count in zip(rows, counts, strict=True):
            table, found = self.tables[n], tuple(islice(answers, count))
            # what does not fit alone is in no design; of several arrays, one may make registers that fit
            fitting = tuple(a for a in found if a.is_refused or self.search.fits(a.resources))
            several = len(table.relief.registers_of(row) - table.footprint.written) > 1
            table.learn_relieved(row, fitting if fitting or several else found)

    def _may_be_helped(self, n: int, row: int) -> bool:
        """Whether other nests may help a row that is known, with the LUT that it is known to need."""
        table = self.tables[n]
        if table.relief.is_waiting(row, table.answers[row].busy):
            return True
        own = float(table.known.beside_lut(CONTROL_LUT)[row])
        left = self.search.problem.limits.lut - own
        for array, may in table.relief.is_register.items():
            if may[row] and self._shared.register_lut(n, array, np.array([row]))[0] <= left:
                return True
        table.is_exact[row], table.is_half_known[row] = True, False
        table.version += 1
        return False

    def _most_banks(self, n: int, row: int) -> tuple[Partitions, ...]:
        """What a row wants, with all that other nests may do for it.

        A store to one of many registers may take longer than one to a memory, so that both are asked
        for where a nest writes what may become registers.
        """
        table, found = self.tables[n], list[Partitions]()
        may_be = table.relief.registers_of(row)
        for registers in (may_be, may_be - table.footprint.written):
            wanted = {key: int(banks[row]) for key, banks in table.banks.items()}
            for array, banks in table.relief.banks.items():
                shape = self.variant.structure.program.arrays[array].type.shape
                for dim, size in enumerate(shape):
                    wanted[array, dim] = size if array in registers else int(banks[dim][row])
            found.append(partitions(self.variant.structure.program, wanted))
        return tuple(dict.fromkeys(found))

    def foresee(self, rows: Sequence[tuple[int, int]]) -> None:
        """Have helpers begin with rows that are likely to be asked for next."""
        self.search.foresee(self._alone(self.tables[n], row) for n, row in rows)

    def _groups(self, wanted: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Rows to evaluate together: fewer and the smallest first, where they may be too large."""
        found, size = list(wanted), self.search.batch
        if any(self._too_large(self.tables[n]) for n, _ in wanted):
            found.sort(key=lambda pair: int(self.tables[pair[0]].lanes[pair[1]]))
            size = TOGETHER
        return [found[at : at + size] for at in range(0, len(found), size)]

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
        return self.alone(table.nest, table.plan(row))

    def alone(self, nest: Nest, plan: NestPlan) -> tuple[Plan, str]:
        """A nest alone: branches that differ in operators of other nests share the answer."""
        whole = self.plan_of((plan,))
        own = implementations_of(nest, whole.implementations)
        return replace(whole, implementations=own), nest.handle

    @property
    def evaluated(self) -> int:
        """Rows that the model answered."""
        return sum(len(table.answers) for table in self.tables) if self.is_tried else 0

    def ruled_out(self, best: float) -> int:
        """Rows that are in no design faster than `best`, and those whose bodies are too large."""
        return sum(
            int(((cycles >= best) & (table.state == OPEN)).sum()) + table.too_large
            for cycles, table in zip(self._with_others(), self.tables, strict=True)
        )

    def undecided(self, best: float) -> int:
        """Designs, one row per nest, of which no row alone says that they are not faster than `best`."""
        return prod(int((cycles < best).sum()) for cycles in self._with_others())

    def _with_others(self) -> list[_Floats]:
        """Bounds of designs with a row, by nest."""
        limits = self.search.problem.limits
        found = [
            self._beside_others(table, table.bounds(_room(limits, 0.0))[0]) for table in self.tables
        ]
        least = [float(f.min(initial=np.inf)) for f in found]
        return [f + (sum(least) - low) for f, low in zip(found, least, strict=True)]

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
        own = [least_own(table) for table in tables]
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
                (n, first_open(f, np.arange(len(f)), t))
                for n, (f, t) in enumerate(zip(found, tables, strict=True))
            ),
        )
        if len(tables) == 1:
            later = first_open(found[0], np.arange(len(found[0])), tables[0], 2 * BATCH)[BATCH:]
            return replace(bound, later=((0, later),))
        parts = [
            part_of(n, table, found[n], pairs[n][1], np.flatnonzero(active[n]), own[n])
            for n, table in enumerate(tables)
        ]
        prices = self._prices
        if prices is None or not has_banks or not self._nodes.order:
            bound, prices = dual_bound(parts, tables, bound, float(limits.lut))
            if bound.cycles >= best or not has_banks or not self._nodes.order:
                return bound
        # parts of the designs are bounded anew, each under prices of its own
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
            found = self._wanted(node, parts, best)
            if found is not None:
                return replace(found, cycles=max(bound.cycles, found.cycles))
            if not self._nodes.is_leaf(node):
                self._nodes.split(node, parts, limit, best)

    def _wanted(self, node: Node, parts: list[Part], best: float) -> Bound | None:
        """What has to be known of the rows of a node that reach its bound; None for nothing.

        Of a leaf that is out of the question, the design is left out.
        """
        design = tuple(int(part.rows[cell]) for part, cell in zip(parts, node.choice, strict=True))
        rows = tuple(
            (n, (design[n],) if is_open(self.tables[n], part, cell) else ())
            for n, (part, cell) in enumerate(zip(parts, node.choice, strict=True))
        )
        is_heavy = any(
            found and part.cycles[cell] >= MINOR * node.bound
            for (_, found), part, cell in zip(rows, parts, node.choice, strict=True)
        )
        # rows that hardly count are not worth a question where banks may still be split
        is_worth = is_heavy or self._nodes.is_leaf(node)
        if is_worth and any(found for _, found in rows):
            found = [
                first_open(v, p.rows, self.tables[p.n], 2 * FEW, p.is_helped)
                for p, v in zip(parts, node.values, strict=True)
            ]
            later = tuple((n, tuple(r for r in f if r != design[n])) for n, f in enumerate(found))
            return Bound(node.bound, rows, (), later)
        if not self._nodes.is_leaf(node):
            return self._near(node, parts, best)
        if self._looked_inside(node, design):
            return None
        if node.lut <= self.search.problem.limits.lut and design not in self._designs:
            self._designs.add(design)
            return Bound(node.bound, (), design)
        # it is no faster than it is known to be, or it does not fit
        self._nodes.fails(design)
        node.version = None
        return None

    def _near(self, node: Node, parts: list[Part], best: float) -> Bound | None:
        """A design near the rows that reach the bound of a node, or what has to be known for one."""
        known = [table.state == KNOWN for table in self.tables]
        limit = float(self.search.problem.limits.lut)
        design = self._nodes.agreed(node, parts, known, limit, best)
        if design is None or design in self._designs:
            return None
        rows = tuple((n, () if known[n][row] else (row,)) for n, row in enumerate(design))
        if any(found for _, found in rows):
            return Bound(node.bound, rows)
        self._designs.add(design)
        return Bound(node.bound, (), design)

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
        return tuple(int(part.rows[cell]) for part, cell in zip(parts, node.choice, strict=True))

    def _expected(self) -> list[Part]:
        """What rows are likely to take; of equal factors, the best order."""
        parts = []
        for n, table in enumerate(self.tables):
            likely = table.guesses()
            usable = likely.dsp <= self.search.problem.limits.dsp
            rows = np.flatnonzero((likely.cycles < np.inf) & usable)
            rows = table.best_orders(rows, likely.cycles, likely.own)
            columns = likely.cycles[rows], likely.own[rows], likely.by_operator[rows]
            parts.append(Part(n, rows, *columns, *no_help(len(rows))))
        return parts

    def lighten(self, best: float) -> None:
        """Give nests that hardly count in a design of so many cycles a single lane where designs are
        looked for: banks that only they want are not worth it."""
        for table in self.tables:
            plain = float(table.least_cycles()[table.lanes == 1].min(initial=np.inf))
            table.is_light = plain <= LIGHT_TOGETHER * best / len(self.tables)

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

    @property
    def registers(self) -> tuple[str, ...]:
        """Arrays that several nests together may make registers of."""
        return tuple(sorted({a for table in self.tables for a in table.relief.is_register}))

    def with_registers(
        self, array: str, rows: Sequence[int], limit: float, best: float
    ) -> tuple[tuple[int, ...], float] | None:
        """The rows of a design that makes registers of an array, see `register_rows`; None for none
        that is new."""
        parts = self._expected()
        found = register_design(array, tuple(rows), parts, self.tables, self._shared, limit, best)
        if found is None or found[0] in self._designs:
            return None
        self._designs.add(found[0])
        return found

    def _looked_inside(self, node: Node, design: tuple[int, ...]) -> bool:
        """Learn what the rows of a design need under the banks that they want together.

        Returns whether that was news.
        """
        nests = [(n, row) for n, row in enumerate(design) if not self._nodes.is_known(node, n, row)]
        plan = self.plan(design)
        asked = [(plan, self.tables[n].nest.handle) for n, _ in nests]
        for (n, row), answer in zip(nests, self.search.evaluate(asked), strict=True):
            cycles, own = float("inf"), 0.0
            if not answer.is_refused:
                table = self.tables[n]
                waits = self._waits[table.nest.handle] if answer.loop_cycles else 0.0
                least = min(float(table.least_cycles()[row]), answer.latency_cycles)
                cycles = max(answer.loop_cycles + waits, least) + float(table.between[row])
                own = max(own_lut(answer) - answer.shared_lut - CONTROL_LUT, 0.0)
            self._nodes.learn(node, n, row, cycles, own)
        return bool(nests)

    @cached_property
    def _nodes(self) -> BankNodes:
        weights = [float(table.least_cycles().min(initial=np.inf)) for table in self.tables]
        return BankNodes(self._shared, weights)

    def _beside_others(self, table: NestTable, cycles: _Floats) -> _Floats:
        """Bounds of rows beside other nests, with which answers share the states around loops."""
        waits, least = self._waits[table.nest.handle], np.minimum(table.least_cycles(), cycles)
        inside = np.maximum(table.known.beside(waits), least)
        helped = np.maximum(table.relieved.beside(waits), least)
        is_fit = cycles < np.inf
        found: _Floats = np.where(table.is_exact & is_fit, inside, cycles)
        is_helped = table.is_relieved & is_fit
        found[is_helped] = np.minimum(inside, helped)[is_helped]
        return found + table.between

    @cached_property
    def _waits(self) -> dict[str, float]:
        """By nest: states between loops that are called one after the other."""
        nests = [table.nest for table in self.tables]
        return states_between_calls(self.variant.structure.program, nests)

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


def _room(limits: Resources, others_lut: float) -> Room:
    return Room(limits.lut - others_lut, limits.ff, limits.dsp)
