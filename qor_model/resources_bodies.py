"""What loop bodies add to the counts of a function, measured once for each content of a body.

A search schedules most bodies again and again in the same way: the code around a loop, say, each
time that something inside the loop changes. So bodies are known by what is in them and not by
their identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pom.qor_model.region import Array
from pom.qor_model.resources_body import BodyCost, bank_count, measure_body
from pom.qor_model.resources_constants import bank_mux_lut, mux_lut
from pom.qor_model.resources_fold import measure_folded, operations_by_key
from pom.qor_model.resources_memory import dual_port_banks
from pom.qor_model.schedule_result import BodySchedule, OperatorKey

Amounts = tuple[tuple[str, float], ...]
Port = tuple[str, int, bool]


@dataclass(frozen=True)
class BodyTerms:
    """What one copy of a body adds.

    Attributes
    ----------
    cost : BodyCost
    operations : Counter of OperatorKey
        Operations by the operator that executes them.
    lut, ff : tuple of (term, amount)
        Terms that are not zero.
    dual_banks : tuple of (array, banks)
        Banks of which both ports are used in one cycle, where the tool minds.
    """

    cost: BodyCost
    operations: Counter[OperatorKey]
    lut: Amounts
    ff: Amounts
    dual_banks: tuple[tuple[str, int], ...] = ()

    @property
    def states(self) -> int:
        """States of the function's controller: a pipeline has one of its own."""
        return 1 if self.cost.is_pipelined else self.cost.states

    @cached_property
    def ports(self) -> dict[Port, int]:
        """Accesses by port."""
        return {(p.array, p.bank, p.is_store): p.accesses for p in self.cost.ports}


@dataclass(frozen=True, slots=True)
class _Facts:
    """A body, kept so that its identity stays its own, a number for its content, and its names."""

    body: BodySchedule
    content: int
    arrays: tuple[str, ...]
    variables: tuple[str, ...]


class BodyMeter:
    """Measures bodies.

    Parameters
    ----------
    is_dual_port_narrow : bool
        Count the banks that need both ports in one cycle.
    """

    def __init__(self, *, is_dual_port_narrow: bool) -> None:
        self._is_dual_port_narrow = is_dual_port_narrow
        self._facts: dict[int, _Facts] = {}
        self._contents: dict[tuple[object, ...], int] = {}
        self._known: dict[tuple[object, ...], tuple[tuple[Array, ...], BodyTerms]] = {}

    def terms(
        self,
        body: BodySchedule,
        arrays: Mapping[str, Array],
        steps: Mapping[str, int],
        ivs: frozenset[str],
    ) -> BodyTerms:
        """What a body adds (see :func:`pom.qor_model.resources_body.measure_body`)."""
        facts = self._facts.get(id(body)) or self._read(body)
        used = tuple([arrays[name] for name in facts.arrays])
        key = (
            facts.content,
            *map(id, used),
            *[(steps.get(name, 1), name in ivs) for name in facts.variables],
        )
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = used, self._measured(body, arrays, steps, ivs, facts)
        return found[1]

    def _read(self, body: BodySchedule) -> _Facts:
        parts = (body,) if body.fold is None else [part for part, _ in body.fold.corners]
        # copies of an operation share its access
        found = {id(a): a for part in parts for op in part.ops if (a := op.op.access) is not None}
        accesses = found.values()
        names = {n for a in accesses for s in a.subscripts if s is not None for n, _ in s.terms}
        content: tuple[object, ...] = (id(body),)
        if body.fold is None:
            content = (
                body.length, body.ii, body.is_pipelined, body.is_eager, body.limit,
                *[
                    (id(o.op), o.copy, o.start_cycle, o.end_cycle, o.bank, o.operands, o.key)
                    for o in body.ops
                ],
            )  # fmt: skip
        number = self._contents.setdefault(content, len(self._contents))
        facts = _Facts(
            body, number, tuple(sorted({a.array for a in accesses})), tuple(sorted(names))
        )
        self._facts[id(body)] = facts
        return facts

    def _measured(
        self,
        body: BodySchedule,
        arrays: Mapping[str, Array],
        steps: Mapping[str, int],
        ivs: frozenset[str],
        facts: _Facts,
    ) -> BodyTerms:
        if body.fold is None:
            cost = measure_body(body, arrays, steps, ivs)
        else:
            cost = measure_folded(body.fold, arrays, steps, ivs)
        dual: dict[str, int] = {}
        if self._is_dual_port_narrow:
            dual = dual_port_banks(body, {n: bank_count(arrays[n]) for n in facts.arrays})
        return BodyTerms(cost, operations_by_key(body), _lut(cost), _ff(cost), tuple(dual.items()))


def _lut(cost: BodyCost) -> Amounts:
    found: dict[str, float] = {
        "operand_muxes": sum(mux_lut(n) for n in cost.operand_mux),
        "bank_muxes": sum(bank_mux_lut(n) for n in cost.bank_mux),
        "shift_registers": 32 * cost.shift_registers,
        "accumulators": 9 * cost.accumulators,
        "address_adders": sum(w + 7 for w in cost.address_adders),
        "address_offsets": cost.address_or_bits,
        "run_time_banks": cost.demux_bits,
        "port_muxes": sum(bank_mux_lut(n) for n in cost.hoisted_mux),
        "accesses": cost.other_banks,
    }
    if cost.is_pipelined:
        found["pipelined_control"] = mux_lut(cost.states + 1)
        found["shared_pipelines"] = cost.states > 1
        found["pipeline_stages"] = cost.stages
    return tuple((name, amount) for name, amount in found.items() if amount)


def _ff(cost: BodyCost) -> Amounts:
    found: dict[str, float] = {
        "shift_registers": 64 * cost.shift_registers,
        "hoisted": cost.hoisted_bits,
        "values": cost.register_bits,
        "addresses": cost.address_bits,
        "accumulators": cost.accumulators,
        "register_elements": cost.element_bits,
        "chained_accumulators": cost.chained_accumulators,
        "select_muxes": len(cost.bank_mux),
        "run_time_banks": cost.demux_bits,
    }
    if cost.is_pipelined:
        found["pipelined_control"] = cost.states
        found["pipelined_carried"] = cost.accumulator_bits
        found["shared_pipelines"] = cost.states > 1
        found["pipeline_stages"] = cost.stages
    else:
        found["sequential_carried"] = cost.accumulator_bits
    return tuple((name, amount) for name, amount in found.items() if amount)
