"""The operators of a variant: what nests share of them, and what one costs at the least."""

from __future__ import annotations

from collections.abc import Collection

from pom.dse.chains import FREE, OperatorCost, operators_of
from pom.dse.parts import LutCosts, OperatorLut, unit_name
from pom.dse.space import Variant, least_cost, operator_cost
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.qor_model.operators import OperatorLibrary


def shared_operators(
    variant: Variant, library: OperatorLibrary, costs: LutCosts
) -> dict[str, OperatorLut]:
    """LUT of the operators of all nests, and of the controllers that share them."""
    chosen, nests = dict(variant.implementations), variant.structure.nests
    by_unit: dict[str, set[str]] = {}
    for name in {work.operator for nest in nests for work in nest.work}:
        by_unit.setdefault(unit_name(name, chosen.get(name, "")), set()).add(name)
    found = {}
    for unit, names in sorted(by_unit.items()):
        cost = operator_cost(library, min(names), chosen.get(min(names), ""))
        if cost != FREE:
            users = _users(variant, names)
            found[unit] = costs.operator(tuple(sorted(names)), float(cost.lut), users)
    return found


def _users(variant: Variant, operators: Collection[str]) -> int:
    """How many controllers are certain to use an operator, if every nest has one part.

    What depends on every loop of a nest cannot be moved in front of a pipeline. A nest with as many
    lanes as iterations has no pipeline. All code around loops has one controller.
    """
    count = 0
    for nest, lists in variant.candidates:
        if any(int(c.lanes.max(initial=0)) >= nest.box for c in lists):
            continue
        count += any(w.operator in operators and len(w.loops) == len(nest.band) for w in nest.work)
    program = variant.structure.program
    inside = {name for nest in variant.structure.nests for name in nest.statements}
    bodies = (s.body for s in program.statements if s.name not in inside)
    around = {
        name for body in bodies if isinstance(body, Assign) for name in operators_of(body.value)
    }
    return count + (not around.isdisjoint(operators))


def least_costs(program: PolyProgram, library: OperatorLibrary) -> dict[str, OperatorCost]:
    """The least latency and delays of every operator of a program, however it is implemented."""
    return {
        name: least_cost(library, name)
        for statement in program.statements
        if isinstance(statement.body, Assign)
        for name in operators_of(statement.body.value)
    }
