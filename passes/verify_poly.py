"""The rules of level 2 about integer sets.

========  ==========================================================================
POM-P011  a domain is the text of a bounded isl set with the statement's name and iterators
POM-P012  no two instances of a statement run at the same time
POM-P013  affine subscripts stay within the array
========  ==========================================================================
"""

from __future__ import annotations

import re

import islpy as isl

from pom.errors import PomError
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.isl_build import accesses, domain, isl_names, schedule_times, time_map

_DIGITS = 17
_NUMBER = re.compile(rf"\d{{{_DIGITS + 1}}}")
"""Numbers near the end of 64 bits: the arithmetic of loops could overflow."""


def verify_instances(program: PolyProgram) -> None:
    """Check domains and schedule of a program that `pom.dialects.poly.verify` accepts.

    Raises
    ------
    PomError
        POM-P011 to POM-P013, with instances as witness.
    """
    for callee in program.callees:
        verify_instances(callee)
    for statement in program.statements:
        _check_domain(statement)
        _check_bounds(program, statement)
    times = schedule_times(program)
    for statement in program.statements:
        schedule = time_map(statement, times[statement.name])
        if schedule.is_injective():
            continue
        same_time = schedule.apply_range(schedule.reverse())
        witness = same_time.intersect(isl.Map.lex_lt(domain(statement).get_space()))
        raise PomError(
            "POM-P012",
            f"two instances of {statement.name!r} run at the same time",
            statement.location,
            "every iterator of a statement has to appear in the values of its loops",
            (f"both at once: {_two_instances(witness, statement)}",),
        )


def _check_bounds(program: PolyProgram, statement: PolyStatement) -> None:
    arrays = program.arrays
    for info in accesses(program, statement):
        if info.is_may:
            continue
        elements = info.relation.range()
        inside = isl.Set.universe(elements.get_space())
        for dim, extent in enumerate(arrays[info.array].type.shape):
            inside = inside.lower_bound_val(isl.dim_type.set, dim, isl.Val(0))
            inside = inside.upper_bound_val(isl.dim_type.set, dim, isl.Val(extent - 1))
        if not elements.is_subset(inside):
            outside = info.relation.subtract_range(inside)
            raise PomError(
                "POM-P013",
                f"{info.text} of {statement.name!r} leaves {info.array!r}, which is "
                f"{arrays[info.array].type}",
                statement.location,
                notes=(f"for example {outside.sample()}",),
            )


def _two_instances(pairs: isl.Map, statement: PolyStatement) -> str:
    """``S(6) and S(7)``, from a relation of the instances of `statement`."""
    point = pairs.wrap().sample_point()
    values = [
        str(point.get_coordinate_val(isl.dim_type.set, k).to_python())
        for k in range(2 * len(statement.iterators))
    ]
    first, second = values[: len(values) // 2], values[len(values) // 2 :]
    return f"{statement.name}({', '.join(first)}) and {statement.name}({', '.join(second)})"


def _check_domain(statement: PolyStatement) -> None:
    def refuse(problem: str) -> PomError:
        return PomError(
            "POM-P011",
            f"the domain of {statement.name!r} {problem}: {statement.domain}",
            statement.location,
        )

    try:
        found = isl.Set(statement.domain)
    except isl.Error as error:
        raise refuse("is not the text of an isl set") from error
    if found.dim(isl.dim_type.param):
        raise refuse("has parameters")
    if not found.is_bounded():
        raise refuse("is not bounded")
    if found.is_wrapping():
        raise refuse("has nested tuples")
    if _NUMBER.search(statement.domain):
        raise refuse(f"has numbers of more than {_DIGITS} digits")
    if found.is_empty():
        return
    if found.get_tuple_name() != isl_names((statement.name,))[0]:
        raise refuse(f"is a set of {found.get_tuple_name()!r}")
    dims = found.dim(isl.dim_type.set)
    names = tuple(found.get_dim_name(isl.dim_type.set, k) for k in range(dims))
    if names != isl_names(statement.iterators):
        raise refuse(f"has not the dims {', '.join(statement.iterators)}")
