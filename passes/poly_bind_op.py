"""Choose what an operator is built from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.directives import OpBinding
from pom.ir.expr import Apply, Expr, walk
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.ir.types import FloatType
from pom.passes.base import PolyPass
from pom.passes.schedule_tree import require_statement

_FLOAT_PREFIX = {16: "h", 32: "f", 64: "d"}

IMPLEMENTATIONS: dict[str, tuple[str, ...]] = {
    "add": ("dsp", "fabric"),
    "sub": ("dsp", "fabric"),
    "mul": ("dsp", "fabric"),
    "fadd": ("fabric", "fulldsp", "primitivedsp"),
    "fsub": ("fabric", "fulldsp", "primitivedsp"),
    "fmul": ("fabric", "meddsp", "fulldsp", "maxdsp", "primitivedsp"),
    "fdiv": ("fabric",),
    "fsqrt": ("fabric",),
    "fexp": ("fabric", "meddsp", "fulldsp"),
    "flog": ("fabric", "meddsp", "fulldsp"),
    "dadd": ("fabric", "fulldsp"),
    "dsub": ("fabric", "fulldsp"),
    "dmul": ("fabric", "meddsp", "fulldsp", "maxdsp"),
    "ddiv": ("fabric",),
    "dsqrt": ("fabric",),
    "dexp": ("fabric", "meddsp", "fulldsp"),
    "dlog": ("fabric", "meddsp", "fulldsp"),
    "hadd": ("fabric", "meddsp", "fulldsp"),
    "hsub": ("fabric", "meddsp", "fulldsp"),
    "hmul": ("fabric", "fulldsp", "maxdsp"),
    "hdiv": ("fabric",),
    "hsqrt": ("fabric",),
}
"""Implementations that Vitis has for each operator (UG1399, bind_op)."""

_LONGEST_LATENCY = 100


@dataclass(frozen=True)
class BindOp(PolyPass):
    """Every operation of a kind in a statement is built from DSP blocks or from logic.

    ::

        t = a + b;             →        t = a + b;
                                        #pragma HLS BIND_OP variable=t op=fadd impl=fabric

    Parameters
    ----------
    statement : str
    op : str
        ``fadd``, ``fmul``, ``mul``, … as Vitis calls it: f, d and h are the float widths, a bare
        name is for integers and fixed point.
    impl : str
        ``fabric``, ``dsp``, ``meddsp``, ``fulldsp``, ``maxdsp``, ``primitivedsp``: what Vitis has.
    latency : int
        Pipeline stages; 0 leaves it to the tool.
    """

    name: ClassVar[str] = "poly-bind-op"
    summary: ClassVar[str] = "choose what an operator is built from"
    statement: str
    op: str
    impl: str
    latency: int = 0

    def run(self, program: PolyProgram) -> PolyProgram:
        require_statement(program, self.statement)
        used = operators_of(program, self.statement)
        if self.op not in used:
            raise PomError(
                "POM-S030",
                f"{self.statement!r} has no operation {self.op!r}",
                hint=f"it has {', '.join(sorted(used))}"
                if used
                else "it has no operation that can be bound",
            )
        if self.impl not in IMPLEMENTATIONS[self.op]:
            raise PomError(
                "POM-S030",
                f"there is no {self.op} in {self.impl!r}",
                hint=f"{self.op} can be {', '.join(IMPLEMENTATIONS[self.op])}",
            )
        latency = self.latency
        if not isinstance(latency, int) or not 0 <= latency <= _LONGEST_LATENCY:
            raise PomError(
                "POM-S030",
                f"the latency of an operator is 0 to {_LONGEST_LATENCY} stages, not {latency!r}",
                hint="0 leaves it to the tool",
            )
        new = OpBinding(self.statement, self.op, self.impl, latency or None)
        kept = [b for b in program.bindings if (b.statement, b.op) != (new.statement, new.op)]
        bindings = sorted([*kept, new], key=lambda b: (b.statement, b.op))
        return replace(program, bindings=tuple(bindings))


def operator_name(expr: Expr) -> str | None:
    """What Vitis calls the operator of `expr`; None where it cannot be bound."""
    if not isinstance(expr, Apply):
        return None
    types = [o.type for o in expr.operands]
    prefix = _FLOAT_PREFIX[types[0].width] if isinstance(types[0], FloatType) else ""
    name = prefix + expr.op
    return name if name in IMPLEMENTATIONS else None


def operators_of(program: PolyProgram, statement: str) -> frozenset[str]:
    """The operators of a statement that can be bound."""
    body = program.statement(statement).body
    if not isinstance(body, Assign):
        return frozenset()
    found = {operator_name(e) for e in walk(body.value)}
    return frozenset(n for n in found if n is not None)
