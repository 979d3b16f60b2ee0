"""Local memories: block RAM, UltraRAM, distributed RAM or registers, as synthesis maps them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pom.qor_model.operators import MemoryTiming
from pom.qor_model.region import Access, Array, OpKind, PartitionKind
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


@dataclass(frozen=True, slots=True)
class DualBanks:
    """Banks of an array of which both ports are used in one cycle.

    Attributes
    ----------
    number : int
    is_written : bool
        A write is among what happens in one cycle, so that LUTs cannot hold such a bank: their
        second port only reads.
    """

    number: int = 0
    is_written: bool = False

    def joined(self, other: DualBanks) -> DualBanks:
        """Of code that runs at different times."""
        return DualBanks(max(self.number, other.number), self.is_written or other.is_written)


_SINGLE = DualBanks()


def memory_cost(array: Array, timing: MemoryTiming, dual: DualBanks = _SINGLE) -> MemoryCost:
    """Cost of a local array; an argument's memory lies outside the design and costs nothing.

    Parameters
    ----------
    array : Array
    timing : MemoryTiming
        Carries the size up to which a bank is built from LUTs.
    dual : DualBanks
        Those of the banks that are true dual-port memories.

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
    if impl in ("lutram", "srl") or (small and impl != "bram" and not dual.is_written):
        per_lut = 2 * math.ceil(words / _LUTRAM_DEPTH)
        return MemoryCost(lut=banks * math.ceil(width / 4) * per_lut / 2, ff=banks * 2 * width)
    both = min(dual.number, banks)
    simple = (banks - both) * block_rams(words, width)
    return MemoryCost(bram_18k=simple + both * block_rams(words, width, is_dual_port=True))


def block_rams(words: int, width: int, *, is_dual_port: bool = False) -> int:
    """18 Kbit block RAMs of one bank, in the best of the shapes that the block offers.

    A block whose two ports both read and write has no shape wider than 18 bits.
    """
    shapes = _BRAM18_SHAPES[1:] if is_dual_port else _BRAM18_SHAPES
    return min(math.ceil(words / d) * math.ceil(width / w) for d, w in shapes)


def dual_port_banks(
    body: BodySchedule, arrays: Mapping[str, Array], steps: Mapping[str, int], inner: str
) -> dict[str, DualBanks]:
    """Banks of each array that a body accesses twice in one cycle.

    Parameters
    ----------
    body : BodySchedule
    arrays : mapping of str to Array
        With their partitions.
    steps : mapping of str to int
        By which every loop's variable advances.
    inner : str
        Innermost loop of the body.

    Notes
    -----
    Behind a store of a pipeline that chooses another bank in every iteration the tool (Vivado HLS
    2018) starts no load of that array in the same cycle: such stores do not share a cycle with
    loads, only with each other (ml4accel_postroute.csv: maps of gemm and syrk, updates of atax).
    """
    ii = max(1, body.ii) if body.is_pipelined else max(1, body.length)
    busy: Counter[tuple[str, int, int]] = Counter()
    branched: Counter[tuple[str, int, int]] = Counter()
    written: set[tuple[str, int, int]] = set()
    groups: dict[str, set[int]] = {}
    for op, start in zip(body.ops, _access_starts(body), strict=True):
        access = op.op.access
        if access is None:
            continue
        slot = access.array, op.bank, start % ii
        is_store = op.op.kind is OpKind.STORE
        apart = is_store and body.is_pipelined and op.bank < 0
        if apart and _moves_bank(access, arrays[access.array], steps, inner):
            branched[slot] += 1
        else:
            busy[slot] += 1
        if is_store:
            written.add(slot)
        groups.setdefault(access.array, set()).add(op.bank)
    busy |= branched
    for array, bank, is_store, number in body.fold.ports if body.fold else ():
        busy[array, bank, 0] += number
        if is_store:
            written.add((array, bank, 0))
        groups.setdefault(array, set()).add(bank)
    twice = {slot for slot, number in busy.items() if number > 1}
    dual = {(array, bank) for array, bank, _ in twice}
    mixed = {array for array, _, _ in twice & written}
    found: dict[str, DualBanks] = {}
    for name, seen in groups.items():
        both = sum((name, bank) in dual for bank in seen)
        if both and any(bank < 0 for bank in seen):
            both = math.ceil(bank_count(arrays[name]) * both / len(seen))
        if both:
            found[name] = DualBanks(both, name in mixed)
    return found


def stores_move(
    body: BodySchedule, arrays: Mapping[str, Array], steps: Mapping[str, int], inner: str
) -> bool:
    """Whether a store chooses its bank at run time, and another one in the next iteration.

    Parameters are those of `dual_port_banks`.
    """
    parts = (body,) if body.fold is None else tuple(part for part, _ in body.fold.corners)
    return any(
        op.bank < 0
        and op.op.kind is OpKind.STORE
        and op.op.access is not None
        and _moves_bank(op.op.access, arrays[op.op.access.array], steps, inner)
        for part in parts
        for op in part.ops
    )


def _moves_bank(access: Access, array: Array, steps: Mapping[str, int], inner: str) -> bool:
    """Whether the next iteration of a loop reaches another bank, or one that is not known."""
    for part in array.partitions:
        subscript = access.subscripts[part.dim]
        if subscript is None:
            return True
        size = array.shape[part.dim]
        factor = size if part.kind is PartitionKind.COMPLETE else min(part.factor, size)
        if subscript.coef(inner) * steps.get(inner, 1) % factor:
            return True
    return False


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
