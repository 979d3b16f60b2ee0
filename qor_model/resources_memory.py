"""Local memories: block RAM, UltraRAM, distributed RAM or registers, as synthesis maps them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pom.qor_model.operators import MemoryTiming
from pom.qor_model.region import Array, OpKind, PartitionKind
from pom.qor_model.resources_body import bank_count, bank_words, is_register_file
from pom.qor_model.resources_sharing import sequential_starts
from pom.qor_model.schedule_result import BodySchedule

_BRAM18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
_URAM_SHAPE = (4096, 72)
_LUTRAM_DEPTH = 64


@dataclass(frozen=True, slots=True)
class MemoryCost:
    """What one local array costs."""

    bram_18k: int = 0
    uram: int = 0
    lut: float = 0.0
    ff: float = 0.0


def memory_cost(array: Array, timing: MemoryTiming, dual_banks: int = 0) -> MemoryCost:
    """Cost of a local array; an argument's memory lies outside the design and costs nothing.

    Parameters
    ----------
    array : Array
    timing : MemoryTiming
        Carries the size up to which a bank is built from LUTs.
    dual_banks : int
        How many of the banks are true dual-port memories.

    Notes
    -----
    A bank below `lutram_bits` becomes distributed RAM with registered outputs: 64 flip-flops for
    two 32-bit ports (ml4accel_postroute.csv, arrays of 16 x 32 bits).
    """
    if array.is_argument:
        return MemoryCost()
    width = array.dtype.width * _reshape_factor(array)
    if is_register_file(array):
        elements = math.prod(array.shape)
        return MemoryCost(ff=elements * width)
    banks, words = bank_count(array), bank_words(array)
    impl = array.storage.impl.lower()
    if impl == "uram":
        depth, wide = _URAM_SHAPE
        return MemoryCost(uram=banks * math.ceil(words / depth) * math.ceil(width / wide))
    small = words * width < timing.lutram_bits
    if impl in ("lutram", "srl") or (small and impl != "bram"):
        per_lut = 2 * math.ceil(words / _LUTRAM_DEPTH)
        return MemoryCost(lut=banks * math.ceil(width / 4) * per_lut / 2, ff=banks * 2 * width)
    dual = min(dual_banks, banks)
    simple = (banks - dual) * block_rams(words, width)
    return MemoryCost(bram_18k=simple + dual * block_rams(words, width, is_dual_port=True))


def block_rams(words: int, width: int, *, is_dual_port: bool = False) -> int:
    """18 Kbit block RAMs of one bank, in the best of the shapes that the block offers.

    A block whose two ports both read and write has no shape wider than 18 bits.
    """
    shapes = _BRAM18_SHAPES[1:] if is_dual_port else _BRAM18_SHAPES
    return min(math.ceil(words / d) * math.ceil(width / w) for d, w in shapes)


def dual_port_banks(body: BodySchedule, banks: Mapping[str, int]) -> dict[str, int]:
    """Banks of each array that a body accesses twice in one cycle.

    Parameters
    ----------
    body : BodySchedule
    banks : mapping of str to int
        Number of banks by array.
    """
    ii = max(1, body.ii) if body.is_pipelined else max(1, body.length)
    starts = _access_starts(body)
    busy: Counter[tuple[str, int, int]] = Counter()
    groups: dict[str, set[int]] = {}
    for op, start in zip(body.ops, starts, strict=True):
        access = op.op.access
        if access is not None:
            busy[access.array, op.bank, start % ii] += 1
            groups.setdefault(access.array, set()).add(op.bank)
    for array, bank, _, number in body.fold.ports if body.fold else ():
        busy[array, bank, 0] += number
        groups.setdefault(array, set()).add(bank)
    dual = {(array, bank) for (array, bank, _), number in busy.items() if number > 1}
    found: dict[str, int] = {}
    for array, seen in groups.items():
        both = sum((array, bank) in dual for bank in seen)
        is_chosen = any(bank < 0 for bank in seen)
        if both:
            found[array] = math.ceil(banks[array] * both / len(seen)) if is_chosen else both
    return found


def _access_starts(body: BodySchedule) -> list[int]:
    """Start cycles; in a body that is not pipelined a load waits for who needs its value."""
    starts = sequential_starts(body) if not body.is_pipelined else [o.start_cycle for o in body.ops]
    if body.is_pipelined or body.is_eager:
        return starts
    needed: dict[int, int] = {}
    for index, op in enumerate(body.ops):
        for p in op.operands:
            needed[p] = min(needed.get(p, starts[index]), starts[index])
    for index, op in enumerate(body.ops):
        if op.op.kind is OpKind.LOAD and index in needed:
            length = op.end_cycle - op.start_cycle
            starts[index] = max(starts[index], needed[index] - length)
    return starts


def _reshape_factor(array: Array) -> int:
    factors = (
        array.shape[p.dim] if p.kind is PartitionKind.COMPLETE else p.factor for p in array.reshapes
    )
    return math.prod(factors)
