"""What one scheduled loop body needs besides its operators: registers and multiplexers.

The numbers are counts of hardware things (bits of registers, shift registers, multiplexers with
so many inputs, accesses per memory port), not LUTs: the costs are constants of
`pom.qor_model.resources_constants` and are fitted over all designs at once.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pom.qor_model.region import Access, Array, Op, OpKind, Partition, PartitionKind
from pom.qor_model.resources_lifetimes import (
    SHIFT_REGISTER_MIN,
    bind,
    last_uses,
    late_starts,
    value_registers,
)
from pom.qor_model.resources_sharing import operator_instances
from pom.qor_model.schedule_result import BodySchedule, OperatorKey, ScheduledOp

_FREE = frozenset({OpKind.CONST, OpKind.INDEX, OpKind.CALL})


@dataclass(frozen=True, slots=True)
class PortUse:
    """Accesses of one body to one port of one bank.

    `candidates` is how many banks the access may fall into (1 when it is known which).
    """

    array: str
    bank: int
    is_store: bool
    accesses: int


@dataclass(frozen=True, slots=True)
class BodyCost:
    """Counts for one loop body (or straight-line block).

    Attributes
    ----------
    states : int
        States of the controller: the interval of a pipelined body, otherwise its length.
    stages : int
        Pipeline stages (1 when not pipelined).
    instances : tuple of (OperatorKey, int)
        Operators needed at the same time.
    register_bits, address_bits : int
        Flip-flops that hold values and addresses between states.
    shared_bits : dict
        Bits per operator instance or memory port that bodies of one controller share.
    shift_registers : int
        Values that are delayed so long that a shift register holds them.
    accumulators : int
        Values kept in a register from one iteration to the next.
    operand_mux : tuple of int
        Numbers of inputs of the multiplexers before shared operators.
    bank_mux : tuple of int
        Numbers of inputs of the multiplexers behind memory banks.
    ports : tuple of PortUse
    address_adders : tuple of int
        Widths of the adders that compute addresses.
    address_or_bits : int
        Bits of constant offsets merged into addresses.
    demux_bits : int
        Bits of the banks that a store may write, where its bank is decided at run time.
    hoisted_bits : int
        Bits of elements that are loaded in front of the loop and selected inside.
    accumulator_bits : int
        Bits that live from one iteration to the next.
    element_bits : int
        Bits of array elements that are registers and are written here.
    chained_accumulators : int
        Accumulations of which one iteration holds several steps.
    hoisted_mux : tuple of int
        Numbers of inputs of the multiplexers behind elements that are loaded in front of the loop.
    other_banks : int
        Banks that loads address beyond the first, where their bank is decided at run time.
    """

    states: int
    stages: int
    is_pipelined: bool
    instances: tuple[tuple[OperatorKey, int], ...]
    register_bits: int
    shared_bits: dict[tuple[object, ...], int]
    address_bits: int
    shift_registers: int
    accumulators: int
    operand_mux: tuple[int, ...]
    bank_mux: tuple[int, ...]
    ports: tuple[PortUse, ...]
    address_adders: tuple[int, ...]
    address_or_bits: int
    demux_bits: int
    hoisted_bits: int
    accumulator_bits: int
    element_bits: int
    chained_accumulators: int
    hoisted_mux: tuple[int, ...]
    other_banks: int


def measure_body(
    body: BodySchedule,
    arrays: Mapping[str, Array],
    steps: Mapping[str, int],
    ivs: frozenset[str] = frozenset(),
) -> BodyCost:
    """Count what `body` needs.

    Parameters
    ----------
    body : BodySchedule
    arrays : mapping of name to Array
    steps : mapping of induction variable to its stride
        After unrolling; 0 for a loop that is completely unrolled.
    ivs : frozenset of str
        Induction variables of the loop (or flattened loops) that the body belongs to.
    """
    ii = max(1, body.ii) if body.is_pipelined else max(1, body.length)
    instances = operator_instances(body)
    starts = late_starts(body, ii, dict(instances))
    # with an interval of 1 every operation has an operator and registers of its own
    binding = bind(body.ops, starts, ii) if ii > 1 else []
    last_use = last_uses(body.ops, starts)
    sites = _sites(body.ops, arrays, steps, ivs)
    candidates = [
        1
        if op.op.access is None or op.op.kind is OpKind.STORE
        else sites[id(op.op.access)].candidates
        for op in body.ops
    ]
    values = value_registers(body, starts, binding, last_use, candidates)
    memory = _memory(body, arrays, steps, sites, starts, ii)
    return BodyCost(
        states=ii,
        stages=math.ceil(max(1, body.length) / ii),
        is_pipelined=body.is_pipelined,
        instances=instances,
        register_bits=values.bits,
        shared_bits=values.shared_bits,
        address_bits=memory.register_bits,
        shift_registers=values.shifts + memory.shift_registers,
        accumulators=values.accumulators,
        operand_mux=_operand_muxes(body.ops, binding, values.identity) if ii > 1 else (),
        bank_mux=memory.bank_mux,
        ports=memory.ports,
        address_adders=memory.adders,
        address_or_bits=memory.or_bits,
        demux_bits=memory.demux_bits,
        hoisted_bits=memory.hoisted_bits,
        accumulator_bits=values.accumulator_bits,
        element_bits=memory.element_bits,
        chained_accumulators=values.chained,
        hoisted_mux=memory.hoisted_mux,
        other_banks=memory.other_banks,
    )


def _operand_muxes(
    ops: tuple[ScheduledOp, ...], binding: list[int], identity: list[object]
) -> tuple[int, ...]:
    sources: dict[tuple[OperatorKey, int, int], set[object]] = defaultdict(set)
    for index, op in enumerate(ops):
        if op.op.is_memory or op.op.kind in _FREE:
            continue
        for position in range(max(2, len(op.operands))):
            known = position < len(op.operands)
            source = identity[op.operands[position]] if known else "invariant"
            sources[op.key, binding[index], position].add(source)
    return tuple(sorted(len(s) for s in sources.values() if len(s) > 1))


@dataclass(frozen=True, slots=True)
class _Memory:
    register_bits: int
    shift_registers: int
    bank_mux: tuple[int, ...]
    ports: tuple[PortUse, ...]
    adders: tuple[int, ...]
    or_bits: int
    demux_bits: int
    hoisted_bits: int
    element_bits: int
    hoisted_mux: tuple[int, ...]
    other_banks: int


@dataclass(frozen=True, slots=True)
class _Site:
    """What all copies of an access have in common."""

    array: Array
    unresolved: tuple[int, ...]
    candidates: int
    muxes: list[int]
    selects: int
    moving_selects: int
    width: int
    is_register: bool
    is_hoisted: bool


def _sites(
    ops: tuple[ScheduledOp, ...],
    arrays: Mapping[str, Array],
    steps: Mapping[str, int],
    ivs: frozenset[str],
) -> dict[int, _Site]:
    """The accesses of a body, by identity: copies of an operation share theirs."""
    found: dict[int, _Site] = {}
    for op in ops:
        access = op.op.access
        if access is None or id(access) in found:
            continue
        array = arrays[access.array]
        unresolved = unresolved_banks(access, array, steps)
        found[id(access)] = _Site(
            array, unresolved, math.prod(unresolved), nested_muxes(unresolved),
            sum(1 for n in unresolved if n > 1),
            _moving_selects(access, array, unresolved, ivs), address_bits(array),
            is_register_file(array), is_hoisted(access, array, unresolved, ivs),
        )  # fmt: skip
    return found


def _memory(
    body: BodySchedule,
    arrays: Mapping[str, Array],
    steps: Mapping[str, int],
    sites: Mapping[int, _Site],
    starts: list[int],
    ii: int,
) -> _Memory:
    ports: Counter[tuple[str, int, bool]] = Counter()
    muxes: list[int] = []
    hoisted: list[int] = []
    demux = other_banks = 0
    seen: Counter[tuple[object, ...]] = Counter()
    held: dict[tuple[object, ...], _Held] = {}
    offsets: dict[tuple[str, Access], Counter[int]] = defaultdict(Counter)
    registers: dict[tuple[str, Access], int] = {}
    elements = 0
    for index, op in enumerate(body.ops):
        access = op.op.access
        if access is None:
            continue
        site = sites[id(access)]
        is_store = op.op.kind is OpKind.STORE
        if is_store and site.is_register:
            elements += site.array.dtype.width
        if not is_store and site.is_hoisted:
            banks = _all_banks(site.array, site.unresolved)
            hoisted += nested_muxes(banks)
            registers[access.array, access] = math.prod(banks) * site.array.dtype.width
            continue
        if not is_store:
            muxes += site.muxes
            other_banks += site.candidates - 1
        elif site.candidates > 1:
            demux += site.candidates * site.array.dtype.width
        ports[access.array, op.bank, is_store] += 1
        port = (access, op.copy, op.bank, is_store)
        address = (access, op.copy, op.bank, seen[port])
        seen[port] += 1
        if address not in held:
            offsets[access.array, access][op.bank] += 1
        start = starts[index]
        known = held.get(address)
        if known is None:
            held[address] = _Held(
                start, start, site.candidates, is_store, site.selects, site.moving_selects,
                site.width,
            )  # fmt: skip
        else:
            known.first, known.last = min(start, known.first), max(start, known.last)
            known.is_stored = known.is_stored or is_store
    bits, shifts = _address_registers(held.values(), body.is_pipelined, ii)
    adders, or_bits = _address_logic(offsets, arrays, steps)
    uses = [PortUse(a, b, s, n) for (a, b, s), n in sorted(ports.items())]
    return _Memory(
        bits, shifts, tuple(sorted(muxes)), tuple(uses), adders, or_bits, demux,
        sum(registers.values()), elements, tuple(sorted(hoisted)), other_banks,
    )  # fmt: skip


def is_hoisted(
    access: Access, array: Array, unresolved: tuple[int, ...], ivs: frozenset[str]
) -> bool:
    """Whether all candidate elements are loaded in front of the innermost loop.

    The tool does so when only completely split dimensions follow that loop: then the address
    within the banks does not change, and a multiplexer of registers replaces the memory.
    """
    if math.prod(unresolved) <= 1:
        return False
    whole = {p.dim for p in array.partitions if partition_factor(array, p) >= array.shape[p.dim]}
    for dim, subscript in enumerate(access.subscripts):
        if subscript is None:
            return False
        if any(name in ivs for name, _ in subscript.terms) and dim not in whole:
            return False
    return bool(whole) and any(
        name in ivs for s in access.subscripts if s is not None for name, _ in s.terms
    )


def _all_banks(array: Array, unresolved: tuple[int, ...]) -> tuple[int, ...]:
    parts = sorted(array.partitions, key=lambda p: p.dim)
    return tuple(
        partition_factor(array, part) if factor > 1 else 1
        for part, factor in zip(parts, unresolved, strict=True)
    )


@dataclass(slots=True)
class _Held:
    """An address and the states between which it is needed."""

    first: int
    last: int
    banks: int
    is_stored: bool
    selects: int
    moving_selects: int
    width: int


def _moving_selects(
    access: Access, array: Array, unresolved: tuple[int, ...], ivs: frozenset[str]
) -> int:
    """Bank selects that change from one iteration of the loop to the next."""
    count = 0
    for part, factor in zip(sorted(array.partitions, key=lambda p: p.dim), unresolved, strict=True):
        subscript = access.subscripts[part.dim]
        count += factor > 1 and (subscript is None or any(n in ivs for n, _ in subscript.terms))
    return count


def _address_registers(held: Iterable[_Held], is_pipelined: bool, ii: int) -> tuple[int, int]:
    bits = shifts = 0
    for item in held:
        if not item.is_stored:
            bits += item.width * item.banks if is_pipelined and item.first else 0
            continue
        # an address that is loaded from and stored to is kept from the load on
        begin = 0 if is_pipelined and item.first == item.last else item.first
        if item.last <= begin:
            continue
        chain = max(0, math.ceil((item.last - begin) / ii) - 1) if is_pipelined else 0
        bits += item.width * item.banks + item.selects
        if chain >= SHIFT_REGISTER_MIN:
            shifts += item.banks + item.moving_selects
        else:
            bits += chain * (item.width * item.banks + item.moving_selects)
    return bits, shifts


def _address_logic(
    offsets: Mapping[tuple[str, Access], Counter[int]],
    arrays: Mapping[str, Array],
    steps: Mapping[str, int],
) -> tuple[tuple[int, ...], int]:
    """Adders, and bits of constant offsets, behind the addresses of a body.

    Copies in different banks share one address; copies in the same bank differ by an offset.
    """
    adders: list[int] = []
    or_bits = 0
    for (name, access), banks in offsets.items():
        array = arrays[name]
        width = address_bits(array)
        copies = max(banks.values())
        if is_concatenated(access, array, steps):
            or_bits += width * (copies - 1)
        else:
            adders += [width] * max(1, len(array.shape) - 1) * copies
    return tuple(sorted(adders)), or_bits


def is_concatenated(access: Access, array: Array, steps: Mapping[str, int]) -> bool:
    """Whether the address is subscripts side by side (power-of-two rows, partial strides)."""
    if len(array.shape) < 2:
        return True
    if any(extent & (extent - 1) for extent in array.shape[1:]):
        return False
    inner = access.subscripts[-1]
    if inner is None or len(inner.terms) > 1:
        return False
    factor = {p.dim: p.factor for p in array.partitions}.get(len(array.shape) - 1, 1)
    if not inner.terms:
        return True
    return steps.get(inner.terms[0][0], 1) != 1 or factor > 1


def is_register_file(array: Array) -> bool:
    """Whether every element is a register of its own (complete partition of all dimensions)."""
    if not array.shape:
        return True
    whole = {p.dim for p in array.partitions if partition_factor(array, p) >= array.shape[p.dim]}
    return len(whole) == len(array.shape)


def partition_factor(array: Array, partition: Partition) -> int:
    """Banks along one dimension."""
    extent = array.shape[partition.dim]
    if partition.kind is PartitionKind.COMPLETE:
        return extent
    return min(partition.factor, extent)


def bank_count(array: Array) -> int:
    """Banks of an array after partitioning."""
    return math.prod(partition_factor(array, p) for p in array.partitions)


def bank_words(array: Array) -> int:
    """Words of the largest bank, after partitioning and reshaping."""
    factors = {p.dim: partition_factor(array, p) for p in array.partitions}
    for p in array.reshapes:
        factors[p.dim] = factors.get(p.dim, 1) * partition_factor(array, p)
    return math.prod(math.ceil(n / factors.get(d, 1)) for d, n in enumerate(array.shape))


def address_bits(array: Array) -> int:
    """Bits of an address within one bank."""
    return max(0, math.ceil(math.log2(max(1, bank_words(array)))))


def unresolved_banks(access: Access, array: Array, steps: Mapping[str, int]) -> tuple[int, ...]:
    """For every partitioned dimension, between how many banks a run-time value decides."""
    result = []
    for part in sorted(array.partitions, key=lambda p: p.dim):
        factor = partition_factor(array, part)
        subscript = access.subscripts[part.dim]
        if subscript is None or part.kind is PartitionKind.BLOCK:
            moving = subscript is None or any(steps.get(n, 1) for n, _ in subscript.terms)
            result.append(factor if moving else 1)
            continue
        common = factor
        for name, coefficient in subscript.terms:
            common = math.gcd(common, abs(coefficient) * steps.get(name, 1))
        result.append(factor // common if common else 1)
    return tuple(result)


def bank_shift(
    access: Access,
    array: Array,
    steps: Mapping[str, int],
    copy: Mapping[str, int],
) -> tuple[int, ...]:
    """How far the bank of an access in a copy of a loop is from the one in the first copy.

    Where the bank is decided at run time every copy selects for itself.

    Parameters
    ----------
    copy : mapping
        Which value the variable of each unrolled loop around it has more than in its first copy.
    """
    if not any(copy.values()):
        return (0,) * len(array.partitions)
    found = []
    parts = sorted(array.partitions, key=lambda p: p.dim)
    for part, choices in zip(parts, unresolved_banks(access, array, steps), strict=True):
        subscript = access.subscripts[part.dim]
        if subscript is None or choices > 1:
            found.append(sum(copy.values()))
        else:
            shift = sum(subscript.coef(name) * more for name, more in copy.items())
            found.append(shift % partition_factor(array, part))
    return tuple(found)


def nested_muxes(unresolved: Iterable[int]) -> list[int]:
    """Multiplexers that choose among the banks: the last dimension first, then the ones before."""
    factors = [f for f in unresolved if f > 1]
    muxes: list[int] = []
    for position, factor in enumerate(factors):
        muxes += [factor] * math.prod(factors[:position])
    return muxes


def operations(ops: Iterable[Op]) -> Counter[OpKind]:
    """How many operations of each kind."""
    return Counter(op.kind for op in ops)
