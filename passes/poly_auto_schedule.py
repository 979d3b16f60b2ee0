"""Schedule a program anew with isl's scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import domain, union_domain
from pom.passes.legality import kept_order, legal
from pom.passes.reductions import relaxed_statements
from pom.passes.schedule_tree import prune

Algorithm = Literal["pluto", "feautrier"]

_MOST_OPERATIONS = 25_000
"""Operations of isl that the Pluto-like algorithm may take, half a second for heat-3d; adi would need
more than a minute. Feautrier's is much cheaper."""

_MOST_OPERATIONS_OF_FEAUTRIER = 1_000_000
"""About 20 seconds; no kernel of the examples needs one."""


@dataclass(frozen=True)
class AutoSchedule(PolyPass):
    """A new order that makes loops permutable, found by isl's integer scheduler.

    ::

        for t:                                  for t:
            for i: for j: S(t, i, j)     →          for i = t+…:
                                                        for j = 2t+i+…: S(t, i-t, j-i-t)

    The loops of a band can be tiled and permuted freely. Directives of loops are lost, since the
    loops are new ones; each is called after the innermost old loop that it is made of.

    Parameters
    ----------
    algorithm : {"pluto", "feautrier"}
        Pluto-like scheduling maximises permutable bands and locality (Bondhugula et al., PLDI
        2008); where it takes too long, Feautrier's algorithm runs instead, which carries as many
        dependences as it can with the outermost loop.
    fuse : bool
        Let it fuse nests that can share loops; without, strongly connected components stay apart.
    wavefront : bool
        Leave the dependences of each band to its outermost loop: the only one that carries any
        moves there, or else the sum of the band's loops, called ``wave``, takes its place.
    fast_math : bool
        Reductions on floats may be reassociated.
    local : bool
        Keep what depends on each other near. Without, the simplest loops are found, much faster: what
        an explorer permutes and distributes.

    Notes
    -----
    The scheduler is isl's ``schedule_constraints_compute_schedule`` with every conflict as
    validity, coincidence and, for `local`, proximity constraint. Its answer is checked like any other schedule.
    """

    name: ClassVar[str] = "poly-auto-schedule"
    summary: ClassVar[str] = "schedule the program anew with isl's scheduler"
    algorithm: Algorithm = "pluto"
    fuse: bool = False
    wavefront: bool = False
    fast_math: bool = False
    local: bool = True

    def run(self, program: PolyProgram) -> PolyProgram:
        if self.algorithm not in ("pluto", "feautrier"):
            raise PomError(
                "POM-S041",
                f"unknown scheduling algorithm {self.algorithm!r}",
                hint="use 'pluto' or 'feautrier'",
            )
        # isl leaves out statements without instances: they keep the loops that they had.
        running = [s.name for s in program.statements if not domain(s).is_empty()]
        if not running:
            return program
        converter = _Converter(program, self.wavefront)
        tree = converter.convert(self._compute(program).get_root(), running, ())
        others = prune(program.schedule, {s.name for s in program.statements} - set(running))
        new = replace(program, schedule=sequence((tree, others)) if others else tree)
        return legal(program, new, f"auto_schedule({self.algorithm!r})", self.fast_math)

    def _compute(self, program: PolyProgram) -> isl.Schedule:
        relations = isl.UnionMap("{ }")
        for conflict in kept_order(program, relaxed_statements(program, self.fast_math)):
            relations = relations.union(isl.UnionMap.from_map(conflict.relation))
        constraints = isl.ScheduleConstraints.on_domain(union_domain(program))
        constraints = constraints.set_validity(relations).set_coincidence(relations)
        if self.local:
            constraints = constraints.set_proximity(relations)
        if self.algorithm == "pluto":
            with _options(0, not self.fuse, _MOST_OPERATIONS):
                try:
                    return constraints.copy().compute_schedule()
                except isl.Error:
                    # It takes too long, or fails ("unable to carry dependences").
                    pass
        try:
            with _options(1, not self.fuse, _MOST_OPERATIONS_OF_FEAUTRIER):
                return constraints.compute_schedule()
        except isl.Error as error:
            raise PomError(
                "POM-S043",
                "isl's scheduler finds no schedule, or not in reasonable time",
                hint="schedule the loops one by one, or write strides as split loops",
                notes=(str(error),),
            ) from None


@contextmanager
def _options(algorithm: int, serialize: bool, most_operations: int) -> Iterator[None]:
    """isl's scheduler options, set back afterwards."""
    context = isl.DEFAULT_CONTEXT
    before = context.get_schedule_algorithm(), context.get_schedule_serialize_sccs()
    context.set_schedule_algorithm(algorithm)
    context.set_schedule_serialize_sccs(int(serialize))
    context.reset_operations()
    context.set_max_operations(most_operations)
    try:
        yield
    finally:
        context.set_max_operations(0)
        context.reset_operations()
        context.set_schedule_algorithm(before[0])
        context.set_schedule_serialize_sccs(before[1])


class _Converter:
    """isl schedule trees to ours."""

    def __init__(self, program: PolyProgram, wavefront: bool) -> None:
        self.program = program
        self.wavefront = wavefront
        self.statements = {s.name: s for s in program.statements}

    def convert(
        self, node: isl.ScheduleNode, statements: list[str], taken: tuple[str, ...]
    ) -> ScheduleNode:
        """The tree at and below `node`, which runs `statements` inside loops named `taken`."""
        kinds = isl.schedule_node_type
        match node.get_type():
            case kinds.leaf:
                return self._leaf(statements)
            case kinds.sequence | kinds.set:
                return self._children(node, taken)
            case kinds.band:
                return self._band(node, statements, taken)
        return self.convert(node.child(0), statements, taken)

    def _leaf(self, statements: list[str]) -> ScheduleNode:
        return sequence(tuple(Leaf(s) for s in statements))

    def _children(self, node: isl.ScheduleNode, taken: tuple[str, ...]) -> ScheduleNode:
        children = []
        for position in range(node.n_children()):
            child = node.child(position)
            chosen = child.filter_get_filter().get_set_list()
            found = {chosen.get_at(k).get_tuple_name() for k in range(chosen.n_set())}
            inside = [s for s in self.statements if s in found]
            children.append(self.convert(child.child(0), inside, taken))
        return sequence(tuple(children))

    def _band(
        self, node: isl.ScheduleNode, statements: list[str], taken: tuple[str, ...]
    ) -> ScheduleNode:
        partial = node.band_get_partial_schedule()
        count = node.band_n_member()
        members = [
            {s: _value(partial.get_at(k), self.statements[s]) for s in statements}
            for k in range(count)
        ]
        carried = [k for k in range(count) if not node.band_member_get_coincident(k)]
        is_wave = False
        if self.wavefront and carried and node.band_get_permutable():
            is_wave = len(carried) > 1
            first = members.pop(carried[0])
            if is_wave:
                first = {s: sum((m[s] for m in members), first[s]) for s in statements}
            members.insert(0, first)
        names: list[str] = []
        for member in members:
            is_sum = is_wave and not names and "wave" not in taken
            names.append("wave" if is_sum else self._name(member, (*taken, *names)))
        body = self.convert(node.child(0), statements, (*taken, *names))
        for name, member in reversed(list(zip(names, members, strict=True))):
            body = Loop(name, tuple((s, member[s]) for s in body.statements), body)
        return body

    def _name(self, member: dict[str, Affine], taken: tuple[str, ...]) -> str:
        """The innermost old loop that takes part in `member` and whose name is free."""
        for statement, value in member.items():
            used = value.variables
            for loop in reversed(self.program.loops(statement)):
                if loop.expr(statement).variables & used and loop.name not in taken:
                    return loop.name
        number = len(taken)
        while f"c{number}" in taken:
            number += 1
        return f"c{number}"


def _value(function: isl.UnionPwAff, statement: PolyStatement) -> Affine:
    """The value of a band's member for a statement."""
    found = function.get_pw_aff_list()
    for position in range(found.n_pw_aff()):
        piecewise = found.get_at(position)
        if piecewise.domain().get_tuple_name() != statement.name:
            continue
        pieces = piecewise.get_pieces()
        if len(pieces) == 1:
            return _affine(pieces[0][1], statement)
    raise PomError(
        "POM-S042",
        f"isl's schedule of {statement.name!r} has several pieces",
        statement.location,
        hint="schedule this kernel with the other primitives",
    )


def _affine(value: isl.Aff, statement: PolyStatement) -> Affine:
    if value.dim(isl.dim_type.div) or value.get_denominator_val().to_python() != 1:
        raise PomError(
            "POM-S042",
            f"isl's schedule of {statement.name!r} divides iterators",
            statement.location,
            hint="schedule this kernel with the other primitives",
        )
    result = Affine.const(value.get_constant_val().to_python())
    for position, iterator in enumerate(statement.iterators):
        coefficient = value.get_coefficient_val(isl.dim_type.in_, position).to_python()
        result += Affine.var(iterator) * coefficient
    return result
