"""Level 1 to level 2: the tree of loops becomes domains and a schedule tree.

    for i in [0, N):                    S0: { S0[i] : 0 <= i < N }
      S0                        →       S1: { S1[i, j] : 0 <= i < N and 0 <= j < i }
      for j in [0, i):                  loop i { S0[i] -> i, S1[i, j] -> i }
        S1                                sequence { S0; loop j { S1[i, j] -> j { S1 } } }

Every enclosing loop is a dim of the domain, its variable an iterator and its name a schedule loop.
A loop with a step keeps the values of its variable, so that accesses stay as they were written;
the schedule's loop runs over the same values.
"""

from __future__ import annotations

from pom.ir.affine import Affine, Constraint
from pom.ir.graph import Assign, Call, For, Kernel, Node, When
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, sequence
from pom.passes.isl_build import domain_text


def graph_to_poly(kernel: Kernel) -> PolyProgram:
    """The level-2 program that runs `kernel`'s statements in the order in which they are written.

    Parameters
    ----------
    kernel : Kernel
        A verified level-1 program with at least one statement.
    """
    return PolyProgram(
        name=kernel.name,
        params=kernel.params,
        locals=kernel.locals,
        statements=tuple(_statement(s, around) for s, around in kernel.statements()),
        schedule=_nodes(kernel.body),
        callees=tuple(graph_to_poly(c) for c in kernel.callees),
        location=kernel.location,
    )


def _statement(statement: Assign | Call, around: tuple[For | When, ...]) -> PolyStatement:
    iterators: list[str] = []
    constraints: list[Constraint] = []
    for node in around:
        match node:
            case For():
                iterators.append(node.var)
                constraints += _loop_constraints(node)
            case When():
                constraints += node.constraints
    return PolyStatement(
        name=statement.name,
        iterators=tuple(iterators),
        domain=domain_text(statement.name, iterators, constraints),
        body=statement,
        location=statement.location,
    )


def _loop_constraints(loop: For) -> list[Constraint]:
    var = Affine.var(loop.var)
    found = [Constraint(var - low) for low in loop.lowers]
    found += [Constraint(high - 1 - var) for high in loop.uppers]
    if loop.step > 1:
        # The front end gives a loop with a step exactly one lower bound to count from.
        found.append(Constraint((var - loop.lowers[0]) % loop.step, is_equality=True))
    return found


def _nodes(nodes: tuple[Node, ...]) -> ScheduleNode:
    return sequence(tuple(_node(n) for n in nodes))


def _node(node: Node) -> ScheduleNode:
    match node:
        case For():
            child = _nodes(node.body)
            value = Affine.var(node.var)
            return Loop(
                name=node.name,
                exprs=tuple((s, value) for s in child.statements),
                child=child,
                location=node.location,
            )
        case When():
            return _nodes(node.body)
        case Assign() | Call():
            return Leaf(node.name)
