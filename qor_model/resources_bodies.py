"""What loop bodies add to the counts of a function, measured once for each content of a body.

Bodies are known by what is in them and not by their identity (`pom.qor_model.body_content`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from pom.qor_model.body_content import Contents
from pom.qor_model.region import Array
from pom.qor_model.resources_body import BodyCost, measure_body
from pom.qor_model.resources_constants import CostConstants, bank_mux_lut, mux_lut
from pom.qor_model.resources_fold import measure_folded, operations_by_key
from pom.qor_model.resources_memory import DualBanks, dual_port_banks, stores_move
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
    dual_banks: tuple[tuple[str, DualBanks], ...] = ()

    @property
    def states(self) -> int:
        """States of the function's controller: a pipeline has one of its own."""
        return 1 if self.cost.is_pipelined else self.cost.states

    @cached_property
    def ports(self) -> dict[Port, int]:
        """Accesses by port."""
        return {(p.array, p.bank, p.is_store): p.accesses for p in self.cost.ports}


class BodyMeter:
    """Measures bodies.

    Parameters
    ----------
    contents : Contents
    constants : CostConstants
        Of the tool.
    """

    def __init__(self, contents: Contents, constants: CostConstants) -> None:
        self._contents = contents
        self._constants = constants
        self._known: dict[tuple[object, ...], tuple[tuple[Array, ...], BodyTerms]] = {}

    def terms(
        self,
        body: BodySchedule,
        arrays: Mapping[str, Array],
        steps: Mapping[str, int],
        ivs: tuple[str, ...],
    ) -> BodyTerms:
        """What a body adds (see :func:`pom.qor_model.resources_body.measure_body`)."""
        content = self._contents.of(body)
        used = tuple([arrays[name] for name in content.arrays])
        key = (
            content.number,
            *map(id, used),
            *ivs[-1:],
            *[(steps.get(name, 1), name in ivs) for name in content.variables],
        )
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = used, self._measured(body, arrays, steps, ivs)
        return found[1]

    def _measured(
        self,
        body: BodySchedule,
        arrays: Mapping[str, Array],
        steps: Mapping[str, int],
        ivs: tuple[str, ...],
    ) -> BodyTerms:
        moving = frozenset(ivs)
        if body.fold is None:
            cost = measure_body(body, arrays, steps, moving)
        else:
            cost = measure_folded(body.fold, arrays, steps, moving)
        dual: dict[str, DualBanks] = {}
        inner = ivs[-1] if ivs else ""
        if self._constants.is_dual_port_narrow:
            dual = dual_port_banks(body, arrays, steps, inner)
        ordered = cost.shift_registers > 0 and self._constants.orders_moving_stores
        if ordered and stores_move(body, arrays, steps, inner):
            cost = replace(cost, shift_registers=0)
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
