"""Break the recurrence of a reduction: partial results that are combined at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Const, Expr, Load, rebuild
from pom.ir.graph import Array, Assign
from pom.ir.ops import result_type
from pom.ir.poly import PolyProgram, PolyStatement, ScheduleNode
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.passes.base import PolyPass
from pom.passes.isl_build import affine, domain
from pom.passes.local_copies import (
    Insertion,
    Region,
    footprint,
    fresh_name,
    local_array,
    nest_statement,
    outer_values,
    region_of,
    require_fresh_name,
    require_plain_accesses,
    window,
    with_insertion,
)
from pom.passes.loop_directives import check_loop_directives
from pom.passes.loop_ranges import loop_step, trip_count, value_range
from pom.passes.poly_bind_op import operators_of
from pom.passes.reductions import Reduction, may_reassociate, reduction_of
from pom.passes.schedule_tree import describe, require_factor

Nested = tuple[PolyStatement, ScheduleNode]


@dataclass(frozen=True)
class InterleaveReduction(PolyPass):
    """Consecutive iterations of a reduction add to different partial results.

    ::

        for k in 0..48:                 for p in 0..4: part[p] = 0
            x += a[k]           →       for k in 0..48: part[k % 4] += a[k]
                                        for p in 0..4: x += part[p]

    The recurrence then spans `factor` iterations, so that the loop can start one iteration per
    cycle where the operator's latency is at most `factor`. With `tree`, the partial results are
    combined pairwise, in a number of levels that is logarithmic in `factor`. Where the loop runs
    `factor` times, so that every partial result gets one value, that value is assigned: unrolled,
    the loop is a tree of operators without a recurrence.

    Legal for a reduction (``x = x op e`` with an associative and commutative operation) whose
    element does not change in the loop and is used by no other statement in it. The order of the
    operations changes, hence on floats only with ``fast_math``.

    Parameters
    ----------
    statement : str
        The reduction.
    loop : str
        A loop around it that carries it.
    factor : int
        Number of partial results, from 2 to the trip count.
    tree : bool
        Combine pairwise.
    partial : str
        Name of the array of partial results; ``<array>_part`` by default.
    fast_math : bool
        Floating-point operations may be reassociated.

    Notes
    -----
    Partial results of several values start at the identity of the operation. On floats a sum that is minus zero may
    become plus zero, and a NaN in a minimum may be treated differently: part of ``fast_math``.
    """

    name: ClassVar[str] = "poly-interleave-reduction"
    summary: ClassVar[str] = "accumulate into several partial results in turn"
    statement: str
    loop: str
    factor: int
    tree: bool = False
    partial: str = ""
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("interleave_reduction", self.statement, self.loop, self.factor)
        region = region_of(program, self.statement, self.loop)
        node = region.node
        trips = trip_count(program, self.statement, node)  # type: ignore[arg-type]
        require_factor(self.factor, max(trips.maximum, 1), f"the factor of {self.loop!r}")
        reduction = self._require_reduction(program, region, what)
        if self.partial:
            require_fresh_name(program, self.partial)
        name = self.partial or fresh_name(program, f"{reduction.accumulator.array}_part")
        new = self._bound(program, _Interleaver(program, region, self, reduction, name).run())
        check_loop_directives(new, what)
        return new

    def _bound(self, old: PolyProgram, new: PolyProgram) -> PolyProgram:
        """Operators of the statement that others now have, too, or instead, keep their binding."""
        made = {s.name for s in new.statements} - {s.name for s in old.statements}
        bindings = [b for b in new.bindings if b.statement != self.statement]
        for binding in new.bindings:
            if binding.statement == self.statement:
                bindings += [
                    replace(binding, statement=name)
                    for name in (self.statement, *made)
                    if binding.op in operators_of(new, name)
                ]
        return replace(new, bindings=tuple(sorted(bindings, key=lambda b: (b.statement, b.op))))

    def _require_reduction(self, program: PolyProgram, region: Region, what: str) -> Reduction:
        statement = program.statement(self.statement)
        reduction = None
        if isinstance(statement.body, Assign):
            element = program.arrays[statement.body.target.array].type.element
            reduction = reduction_of(statement.body, element)
        if reduction is None:
            raise PomError(
                "POM-P066",
                f"{what}: {self.statement!r} is not a reduction",
                statement.location,
                "write it as x = x op e, with e not using x",
            )
        array = reduction.accumulator.array
        require_plain_accesses(program, region, array)
        others = [s for s in region.node.statements if s != self.statement]
        users = [s for s in others if array in _arrays(program.statement(s))]
        alone = not window(region, footprint(program, region, array).accessed).shape
        if users or not alone:
            reason = (
                f"{users[0]!r} uses {array!r} in the loop, too"
                if users
                else "the loop does not accumulate into one element"
            )
            raise PomError(
                "POM-P068",
                f"{what}: {reason}",
                statement.location,
                "choose a loop that only accumulates, distribute it or reorder first",
            )
        if not may_reassociate(program, reduction, self.fast_math):
            is_allowable = may_reassociate(program, reduction, True)
            raise PomError(
                "POM-P067",
                f"{what} reassociates the {reduction.op} of {self.statement!r}, which changes its "
                + ("rounding" if is_allowable else "result: its values wrap or are cut off"),
                statement.location,
                "allow it with fast_math=True" if is_allowable else _hint_of_cast(reduction),
            )
        return reduction


def _hint_of_cast(reduction: Reduction) -> str | None:
    """What makes a reduction on integers or fixed point exact."""
    if reduction.op not in ("add", "sub", "min", "max"):
        return None
    return "cast the other operand to the type of the accumulator first"


def _arrays(statement: PolyStatement) -> set[str]:
    body = statement.body
    if isinstance(body, Assign):
        return {body.target.array, *(a.array for a in body.reads)}
    return {a for a in body.arguments if isinstance(a, str)}


@dataclass(slots=True)
class _Interleaver:
    program: PolyProgram
    region: Region
    options: InterleaveReduction
    reduction: Reduction
    partial: str

    @property
    def array(self) -> Array:
        return self.program.arrays[self.reduction.accumulator.array]

    @property
    def element(self) -> ScalarType:
        return self.array.type.element

    def run(self) -> PolyProgram:
        options = self.options
        program, region = self.program, self.region
        statement = program.statement(options.statement)
        node = program.loops(options.statement)[len(region.outer)]
        low, _ = value_range(program, node)
        step = loop_step(program, options.statement, node)
        index = ((node.expr(options.statement) - low) // step) % options.factor
        taken = {n.name for n in region.outer}
        counter = next(n for n in _names(f"{options.loop}p") if n not in taken)
        is_single = self._is_single(index)
        before = () if is_single else (self._start(counter),)
        after = (*self._combined(counter), self._finish(counter, is_single))
        moved = self._assigned(statement, index) if is_single else self._moved(statement, index)
        return with_insertion(
            program,
            region,
            Insertion(before, tuple(after)),
            {statement.name: moved},
            local_array(self.partial, self.array, (options.factor,)),
        )

    def _moved(self, statement: PolyStatement, index: Affine) -> PolyStatement:
        body = statement.body
        if not isinstance(body, Assign):
            raise TypeError(f"{statement.name} is a call")
        to = Access(self.partial, (index,))
        accumulator = self.reduction.accumulator

        def change(expr: Expr) -> Expr:
            if isinstance(expr, Load) and expr.access == accumulator:
                return replace(expr, access=to)
            return expr

        return replace(statement, body=replace(body, target=to, value=rebuild(body.value, change)))

    def _is_single(self, index: Affine) -> bool:
        """Whether every partial result gets exactly one value wherever the loop runs."""
        statement = self.program.statement(self.options.statement)
        around = [node.expr(statement.name) for node in self.region.outer]
        instances = _domain(self.program, statement.name)
        target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(around) + 1)
        space = instances.get_space().map_from_domain_and_range(target)
        function = isl.MultiAff.zero(space)
        for position, expression in enumerate((*around, index)):
            function = function.set_aff(position, affine(statement, expression))
        taken = isl.Map.from_multi_aff(function).intersect_domain(instances)
        if not taken.is_injective():
            return False
        last = len(around)
        every = taken.range().project_out(isl.dim_type.set, last, 1).add_dims(isl.dim_type.set, 1)
        every = every.lower_bound_val(isl.dim_type.set, last, isl.Val(0))
        every = every.upper_bound_val(isl.dim_type.set, last, isl.Val(self.options.factor - 1))
        return bool(every.is_subset(taken.range()))

    def _assigned(self, statement: PolyStatement, index: Affine) -> PolyStatement:
        """The value that is accumulated goes to its partial result as it is."""
        body = statement.body
        if not isinstance(body, Assign):
            raise TypeError(f"{statement.name} is a call")
        value = self.reduction.value
        if value.type != self.element:
            value = Apply("cast", (value,), self.element, body.location)
        return replace(
            statement, body=replace(body, target=Access(self.partial, (index,)), value=value)
        )

    def _points(self, low: int, high: int) -> isl.Map:
        """Where the loop runs at all, each with ``low <= p < high``."""
        runs = outer_values(self.program, self.region, self.options.statement)
        values = runs.intersect_domain(_domain(self.program, self.options.statement)).range()
        return isl.Map.from_domain_and_range(values, isl.Set(f"{{ [p] : {low} <= p < {high} }}"))

    def _start(self, counter: str) -> Nested:
        name = fresh_name(self.program, f"{self.partial}_init")
        place = self.program.statement(self.options.statement).location
        value = Const(_identity(self.reduction.op, self.element), self.element, place)
        body = Assign(name, Access(self.partial, (Affine.var(counter),)), value, place)
        return nest_statement(
            self.region, name, self._points(0, self.options.factor), (counter,), body
        )

    def _combined(self, counter: str) -> Iterator[Nested]:
        """Pairwise levels, while there is more than one partial result and `tree` is set."""
        remaining, level = self.options.factor, 0
        p = Affine.var(counter)
        while self.options.tree and remaining > 1:
            half = (remaining + 1) // 2
            name = fresh_name(self.program, f"{self.partial}_level{level}")
            target = Access(self.partial, (p,))
            body = self._combine(name, target, Access(self.partial, (p + half,)), self._gathering)
            points = self._points(0, remaining - half)
            yield nest_statement(self.region, name, points, (counter,), body)
            remaining, level = half, level + 1

    @property
    def _gathering(self) -> str:
        """What combines partial results: those of a difference are added up."""
        return "add" if self.reduction.op == "sub" else self.reduction.op

    def _finish(self, counter: str, is_single: bool) -> Nested:
        # started at zero, the partial results of a difference are negative already
        op = self.reduction.op if is_single else self._gathering
        name = fresh_name(self.program, f"{self.partial}_sum")
        count = 1 if self.options.tree else self.options.factor
        target = self._accumulator()
        body = self._combine(name, target, Access(self.partial, (Affine.var(counter),)), op)
        return nest_statement(self.region, name, self._points(0, count), (counter,), body)

    def _accumulator(self) -> Access:
        """The reduction's element in terms of the loops around the region."""
        box = window(self.region, footprint(self.program, self.region, self.array.name).accessed)
        return Access(self.array.name, box.offsets)

    def _combine(self, name: str, target: Access, source: Access, op: str) -> Assign:
        place = self.program.statement(self.options.statement).location
        left, right = (Load(a, self.element, place) for a in (target, source))
        type = result_type(op, (self.element, self.element))
        value: Expr = Apply(op, (left, right), type, place)
        if type != self.element:
            value = Apply("cast", (value,), self.element, place)
        return Assign(name, target, value, place)


def _domain(program: PolyProgram, name: str) -> isl.Set:
    return domain(program.statement(name))


def _names(stem: str) -> Iterator[str]:
    yield stem
    count = 1
    while True:
        yield f"{stem}{count}"
        count += 1


def _identity(op: str, type: ScalarType) -> bool | int | float | Fraction:
    """The value that `op` leaves everything else as it is with."""
    match op, type:
        case "min" | "max", FloatType():
            return float("inf") if op == "min" else float("-inf")
        case "min" | "max", IntType():
            return type.maximum if op == "min" else type.minimum
        case "min" | "max", FixedType():
            limits = IntType(type.width, type.signed)
            raw = limits.maximum if op == "min" else limits.minimum
            return Fraction(raw) / Fraction(2) ** type.fraction_bits
        case "mul", FloatType():
            return 1.0
        case "mul", IntType() if type.maximum >= 1:
            return 1
        case "mul", _:
            raise PomError(
                "POM-P069",
                f"a product of {type} cannot start at 1, which the type does not have or rounds with",
                hint="accumulate the product in a wider integer or in a float",
            )
        case "and", BoolType():
            return True
        case "and", IntType():
            return type.maximum if not type.signed else -1
        case _, FloatType():
            return 0.0
        case _, FixedType():
            return Fraction(0)
        case _, BoolType():
            return False
    return 0
