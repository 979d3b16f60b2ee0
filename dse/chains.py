"""How long chains of operators take at the least: from operands to a value, and around a recurrence.

An operator of `n` register stages has its result `n` cycles later, and one that is fed from the
registers of another starts a cycle later still where the two delays do not fit into one cycle.
A load from a memory has its value a state later. Choices only add to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Const, Expr, Index, Load, walk
from pom.passes.statement_text import operator_names


@dataclass(frozen=True, slots=True)
class OperatorCost:
    """What one fully pipelined instance of an operator costs, at the least.

    Parameters
    ----------
    latency, dsp, lut : int
    delay_in, delay_out : float
        Before the first and behind the last register, as shares of the usable clock period.
    """

    latency: int
    dsp: int
    lut: int
    delay_in: float = 0.0
    delay_out: float = 0.0


FREE = OperatorCost(0, 0, 0)


def operator_name(value: Apply) -> str:
    """The tool's name of an operation: ``fadd``, ``dmul``, ``mul`` …

    A float is divided by a power of two by multiplying with its inverse, which is exact.
    """
    name = operator_names(value)[0]
    divisor = value.operands[-1]
    if value.op == "div" and isinstance(divisor, Const) and isinstance(divisor.value, float):
        is_exact = abs(math.frexp(divisor.value)[0]) == 0.5
        return f"{name.removesuffix('div')}mul" if is_exact else name
    return name


def operators_of(value: Expr) -> tuple[str, ...]:
    """The tool's names of the operations in a value."""
    return tuple(operator_name(e) for e in walk(value) if isinstance(e, Apply) and e.op != "cast")


@dataclass(frozen=True, slots=True)
class Memory:
    """The memories that an assignment reads from and stores to.

    Parameters
    ----------
    cost : OperatorCost
        Cycles and delays of a load; a store has the first delay.
    loaded : collection of Access
        Reads from memories.
    is_stored : bool
        Whether the value is stored in one.
    """

    cost: OperatorCost
    loaded: Collection[Access]
    is_stored: bool = False


NO_MEMORY = Memory(FREE, ())


def chain_latency(
    value: Expr,
    costs: Mapping[str, OperatorCost],
    moving: frozenset[str] | None = None,
    memory: Memory = NO_MEMORY,
) -> int:
    """Cycles from the operands of a value to the state in which it is stored, on the slowest way.

    Parameters
    ----------
    value : Expr
    costs : mapping of operator to OperatorCost
    moving : frozenset of str, optional
        Iterators of the loop that is pipelined: what depends on none of them is computed in front
        of the loop. Without it, everything is computed inside.
    memory : Memory
    """
    load = float(memory.cost.latency), memory.cost.delay_out

    def begin(access: Access) -> tuple[float, float]:
        return load if access in memory.loaded else (0.0, 0.0)

    cycle, time = _end(value, costs, begin, moving)
    is_late = memory.is_stored and time > 0.0 and time + memory.cost.delay_in > 1.0
    return int(cycle) + is_late


def value_cycle(
    value: Expr, costs: Mapping[str, OperatorCost], begin: Callable[[Access], float], other: float
) -> float:
    """The cycle in which a value exists, at the least.

    Parameters
    ----------
    value : Expr
    costs : mapping of operator to OperatorCost
    begin : callable
        The cycle in which what an access reads exists.
    other : float
        That of what is no access.
    """
    return _end(value, costs, lambda access: (begin(access), 0.0), other=other)[0]


def _end(
    value: Expr,
    costs: Mapping[str, OperatorCost],
    begin: Callable[[Access], tuple[float, float]],
    moving: frozenset[str] | None = None,
    other: float = 0.0,
) -> tuple[float, float]:
    """The cycle in which a value exists, and the time in it."""
    if moving is not None and iterators_of(value).isdisjoint(moving):
        return other, 0.0
    if isinstance(value, Load):
        return begin(value.access)
    if not isinstance(value, Apply):
        return other, 0.0
    cycle, time = max(
        (_end(o, costs, begin, moving, other) for o in value.operands), default=(other, 0.0)
    )
    if value.op == "cast":
        return cycle, time
    own = costs.get(operator_name(value), FREE)
    if time > 0.0 and time + own.delay_in > 1.0:
        cycle, time = cycle + 1, 0.0
    if own.latency:
        return cycle + own.latency, own.delay_out
    return cycle, time + own.delay_in


def iterators_of(expr: Expr) -> frozenset[str]:
    """Iterators on which the value of `expr` may depend by its subscripts."""
    found: set[str] = set()
    for part in walk(expr):
        match part:
            case Load():
                for subscript in part.access.subscripts:
                    if isinstance(subscript, Affine):
                        found |= subscript.variables
            case Index():
                found |= part.affine.variables
    return frozenset(found)


def step_latency(operators: Sequence[str], costs: Mapping[str, OperatorCost]) -> int:
    """Cycles of one step of a recurrence through `operators`, which begins again behind the last."""
    chain = [costs.get(name, FREE) for name in operators]
    total = sum(cost.latency for cost in chain)
    following = (*chain[1:], *chain[:1])
    return total + sum(
        a.latency > 0 and b.latency > 0 and a.delay_out + b.delay_in > 1.0
        for a, b in zip(chain, following, strict=True)
    )
