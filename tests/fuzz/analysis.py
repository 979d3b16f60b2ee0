"""The dependence analysis against enumeration: what it leaves out, and what it makes up.

A transformation shows a lost dependence only when it happens to turn just that pair around. Here
every pair of conflicting instances has to follow from the dependences by transitivity, and every
dependence that is not an upper bound has to be a pair of conflicting instances in their order.
"""

from __future__ import annotations

from collections.abc import Iterable

import islpy as isl

from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.conflicts import Conflict, find_conflicts
from tests.fuzz.enumerate import Enumerated, enumerated, points, times
from tests.fuzz.execute import Failure

Instance = tuple[str, int]
MISSED, INVENTED = "missed dependence", "invented dependence"
DEPENDENCE_KINDS = (MISSED, INVENTED)


def wrong_dependence(program: PolyProgram, relaxed: frozenset[str]) -> Failure | None:
    """The first pair of instances about which the dependence analysis is wrong."""
    judge = enumerated(program, relaxed)
    return difference(judge, find_conflicts(program, relaxed))


def difference(judge: Enumerated, found: Iterable[Conflict]) -> Failure | None:
    """A conflicting pair that does not follow from `found`, or a pair of `found` that is none.

    Parameters
    ----------
    judge : Enumerated
        The program's accesses, element by element.
    found : iterable of Conflict
    """
    program = judge.program
    when = times(program)
    order = sorted((when[s.name][k], (s.name, k)) for s in program.statements for k in _count(s))
    bit = {instance: 1 << place for place, (_, instance) in enumerate(order)}
    needed = _conflicting(judge, bit)
    given: dict[Instance, int] = dict.fromkeys(bit, 0)
    for conflict in found:
        for source, target in _pairs(program, conflict):
            if not (conflict.may_reason or needed[target] & bit[source]):
                return _failure(INVENTED, program, source, target, conflict.array)
            given[target] |= bit[source]
    reached: dict[Instance, int] = {}
    for _, instance in order:
        direct = given[instance]
        reached[instance] = direct
        for _, other in order:
            if bit[other] & direct:
                reached[instance] |= reached[other]
        missing = needed[instance] & ~reached[instance]
        if missing:
            other = next(i for i, mask in bit.items() if mask & missing)
            return _failure(MISSED, program, other, instance, "")
    return None


def _count(statement: PolyStatement) -> range:
    return range(len(points(statement)))


def _conflicting(judge: Enumerated, bit: dict[Instance, int]) -> dict[Instance, int]:
    """Of every instance, the earlier ones that touch an element it touches, one of them writing."""
    needed = dict.fromkeys(bit, 0)
    for touched in judge.touches.values():
        all_by_group: dict[str, int] = {}
        written_by_group: dict[str, int] = {}
        for name, number, group, is_write in touched:
            instance = name, number
            for other, mask in (all_by_group if is_write else written_by_group).items():
                if not (group and other == group):
                    needed[instance] |= mask & ~bit[instance]
            all_by_group[group] = all_by_group.get(group, 0) | bit[instance]
            if is_write:
                written_by_group[group] = written_by_group.get(group, 0) | bit[instance]
    return needed


def _pairs(program: PolyProgram, conflict: Conflict) -> list[tuple[Instance, Instance]]:
    """The pairs of a conflict, as statements and numbers of instances."""
    ends = conflict.source, conflict.target
    numbers = [
        {tuple(row): k for k, row in enumerate(points(program.statement(name)).tolist())}
        for name in ends
    ]
    depth = len(program.statement(ends[0]).iterators)
    found: list[tuple[Instance, Instance]] = []

    def add(point: isl.Point) -> None:
        get = point.get_coordinate_val
        count = point.get_space().dim(isl.dim_type.set)
        row = tuple(get(isl.dim_type.set, k).to_python() for k in range(count))
        source, target = row[:depth], row[depth:]
        found.append(((ends[0], numbers[0][source]), (ends[1], numbers[1][target])))

    flat = conflict.relation.wrap().flatten()
    if not flat.is_empty():
        flat.foreach_point(add)
    return found


def _failure(
    kind: str, program: PolyProgram, source: Instance, target: Instance, array: str
) -> Failure:
    texts = [f"{n}{tuple(points(program.statement(n))[k].tolist())}" for n, k in (source, target)]
    where = f" on {array}" if array else ""
    return Failure(kind, f"{texts[0]} before {texts[1]}{where}")
