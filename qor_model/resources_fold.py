"""What a folded body needs: the weighted sum of what its narrow bodies need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pom.qor_model.region import Array
from pom.qor_model.resources_body import BodyCost, PortUse, measure_body
from pom.qor_model.schedule_result import BodySchedule, Fold, OperatorKey, key_text

_Key = TypeVar("_Key")


def measure_folded(
    fold: Fold,
    arrays: Mapping[str, Array],
    steps: Mapping[str, int],
    ivs: frozenset[str] = frozenset(),
) -> BodyCost:
    """Count what a folded body needs (see :func:`pom.qor_model.resources_body.measure_body`).

    Every narrow body has an interval of 1, so that nothing is shared: each field is a count, or a
    list of things of which each is counted.
    """
    costs = [measure_body(body, arrays, steps, ivs) for body, _ in fold.corners]
    weights = [weight for _, weight in fold.corners]
    last = costs[-1]
    # registers that are all read in front of the loop have no port
    used = {(p.array, p.is_store) for p in last.ports}

    def total(values: Iterable[int]) -> int:
        return sum(w * v for w, v in zip(weights, values, strict=True))

    return BodyCost(
        states=last.states,
        stages=last.stages,
        is_pipelined=last.is_pipelined,
        instances=_keys(weights, [c.instances for c in costs]),
        register_bits=total(c.register_bits for c in costs),
        shared_bits={},
        address_bits=total(c.address_bits for c in costs),
        shift_registers=total(c.shift_registers for c in costs),
        accumulators=total(c.accumulators for c in costs),
        operand_mux=_things(weights, [c.operand_mux for c in costs]),
        bank_mux=_things(weights, [c.bank_mux for c in costs]),
        ports=tuple(PortUse(a, b, s, n) for a, b, s, n in fold.ports if (a, s) in used),
        address_adders=_things(weights, [c.address_adders for c in costs]),
        address_or_bits=total(c.address_or_bits for c in costs),
        demux_bits=total(c.demux_bits for c in costs),
        hoisted_bits=total(c.hoisted_bits for c in costs),
        accumulator_bits=total(c.accumulator_bits for c in costs),
        element_bits=total(c.element_bits for c in costs),
        chained_accumulators=total(c.chained_accumulators for c in costs),
        hoisted_mux=_things(weights, [c.hoisted_mux for c in costs]),
        other_banks=total(c.other_banks for c in costs),
    )


def operations_by_key(body: BodySchedule) -> Counter[OperatorKey]:
    """Operations of a body, folded or not, that each operator executes."""
    if body.fold is None:
        return Counter(op.key for op in body.ops)
    counts = [operations_by_key(part) for part, _ in body.fold.corners]
    return _sum([weight for _, weight in body.fold.corners], counts)


def _things(weights: Sequence[int], lists: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(_sum(weights, [Counter(items) for items in lists]).elements()))


def _keys(
    weights: Sequence[int], lists: Sequence[tuple[tuple[OperatorKey, int], ...]]
) -> tuple[tuple[OperatorKey, int], ...]:
    total = _sum(weights, [Counter(dict(items)) for items in lists])
    return tuple(sorted(total.items(), key=lambda item: key_text(item[0])))


def _sum(weights: Sequence[int], counts: Sequence[Counter[_Key]]) -> Counter[_Key]:
    total: Counter[_Key] = Counter()
    for weight, count in zip(weights, counts, strict=True):
        for key, number in count.items():
            total[key] += weight * number
    return total
