"""What a scheduled body needs that does not depend on how its arrays are split."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from pom.qor_model.body_content import Contents
from pom.qor_model.region import Access
from pom.qor_model.resources_lifetimes import Values, bind, last_uses, late_starts, value_registers
from pom.qor_model.resources_sharing import FREE_KINDS, operator_instances
from pom.qor_model.schedule_result import BodySchedule, OperatorKey, ScheduledOp


@dataclass(frozen=True, slots=True)
class ScheduleCost:
    """Operators, registers of values, and multiplexers before operators.

    Attributes
    ----------
    instances : tuple of (OperatorKey, int)
        Operators needed at the same time.
    starts : list of int
        Start cycles as the tool moves operations.
    values : Values
        Without `identity`.
    operand_mux : tuple of int
        Numbers of inputs of the multiplexers before shared operators.
    """

    instances: tuple[tuple[OperatorKey, int], ...]
    starts: list[int]
    values: Values
    operand_mux: tuple[int, ...]


def interval_of(body: BodySchedule) -> int:
    """Cycles after which the states of a body repeat: its interval, or its length."""
    return max(1, body.ii) if body.is_pipelined else max(1, body.length)


def schedule_cost(body: BodySchedule, candidates: list[int]) -> ScheduleCost:
    """Count what `body` needs beside its memories.

    Parameters
    ----------
    body : BodySchedule
    candidates : list of int
        Among how many banks each operation chooses.
    """
    ii = interval_of(body)
    instances = operator_instances(body)
    starts = late_starts(body, ii, dict(instances))
    # with an interval of 1 every operation has an operator and registers of its own
    binding = bind(body.ops, starts, ii) if ii > 1 else []
    values = value_registers(body, starts, binding, last_uses(body.ops, starts), candidates)
    muxes = _operand_muxes(body.ops, binding, values.identity) if ii > 1 else ()
    # which register a value sits in is asked by the multiplexers only
    return ScheduleCost(instances, starts, replace(values, identity=[]), muxes)


@dataclass(slots=True)
class ScheduleMeter:
    """:func:`schedule_cost`, once for bodies that differ in the numbers of banks only.

    Parameters
    ----------
    contents : Contents
    """

    contents: Contents
    _known: dict[tuple[int, tuple[int, ...]], tuple[BodySchedule, ScheduleCost]] = field(
        default_factory=dict
    )

    def of(self, body: BodySchedule, candidates: list[int]) -> ScheduleCost:
        """What the body needs (see :func:`schedule_cost`)."""
        key = self.contents.of(body).shape, tuple(candidates)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = body, schedule_cost(body, candidates)
        first, found = known
        if first is body or not found.values.shared_bits:
            return found
        return replace(found, values=_with_banks(found.values, first, body))


def _with_banks(values: Values, first: BodySchedule, other: BodySchedule) -> Values:
    """The values of a body as those of another one of the same shape."""
    banks = {
        (a.op.access.array, a.bank): b.bank
        for a, b in zip(first.ops, other.ops, strict=True)
        if a.op.access is not None
    }
    shared: dict[tuple[object, ...], int] = {}
    for source, bits in values.shared_bits.items():
        access, bank, *rest = source
        if isinstance(access, Access) and isinstance(bank, int):
            source = (access, banks[access.array, bank], *rest)
        shared[source] = bits
    return replace(values, shared_bits=shared)


def _operand_muxes(
    ops: tuple[ScheduledOp, ...], binding: list[int], identity: list[object]
) -> tuple[int, ...]:
    sources: dict[tuple[OperatorKey, int, int], set[object]] = defaultdict(set)
    for index, op in enumerate(ops):
        if op.op.is_memory or op.op.kind in FREE_KINDS:
            continue
        for position in range(max(2, len(op.operands))):
            known = position < len(op.operands)
            source = identity[op.operands[position]] if known else "invariant"
            sources[op.key, binding[index], position].add(source)
    return tuple(sorted(len(s) for s in sources.values() if len(s) > 1))
