"""Level 2 to level 3, proved.

isl's code generator is told the order of every pair of instances, but where a loop's few values are
given by the loops around it and differ between statements, it has been seen to write two statements
in one order for all of them although the schedule alternates. Translation validation finds that. A
loop whose pieces are generated apart (``separate``) has no such choice, so that the same schedule
is then lowered in that way, and proved again.
"""

from __future__ import annotations

from dataclasses import replace

from mlir.ir import Module

from pom.errors import PomError
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate

WRONG_ORDER = "POM-A107"


def lower(program: PolyProgram, reference: PolyProgram) -> Module:
    """The level-3 module of `program`, proved to run `reference`.

    Parameters
    ----------
    program : PolyProgram
        A verified level-2 program.
    reference : PolyProgram
        The program whose dependences count (`pom.passes.validate`).

    Raises
    ------
    PomError
        What `pom.passes.validate.validate` finds in the module, also with its loops separated.
    """
    module = poly_to_affine(program)
    try:
        validate(reference, module)
    except PomError as error:
        if error.code != WRONG_ORDER:
            raise
        module = poly_to_affine(separated(program))
        validate(reference, module)
    return module


def separated(program: PolyProgram) -> PolyProgram:
    """`program` and its callees with every loop generated in pieces without guards between them."""
    callees = tuple(separated(callee) for callee in program.callees)
    return replace(program, schedule=_separated(program.schedule), callees=callees)


def _separated(node: ScheduleNode) -> ScheduleNode:
    match node:
        case Leaf():
            return node
        case Sequence():
            return replace(node, children=tuple(_separated(child) for child in node.children))
        case Loop():
            part = "separate" if node.part == "all" else node.part
            return replace(node, child=_separated(node.child), part=part)
