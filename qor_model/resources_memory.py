"""Local memories: block RAM, UltraRAM, distributed RAM or registers, as synthesis maps them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pom.qor_model.operators import MemoryTiming
from pom.qor_model.region import Array, PartitionKind
from pom.qor_model.resources_body import bank_count, bank_words, is_register_file

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


def memory_cost(array: Array, timing: MemoryTiming) -> MemoryCost:
    """Cost of a local array; an argument's memory lies outside the design and costs nothing.

    Parameters
    ----------
    array : Array
    timing : MemoryTiming
        Carries the size up to which a bank is built from LUTs.

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
    return MemoryCost(bram_18k=banks * block_rams(words, width))


def block_rams(words: int, width: int) -> int:
    """18 Kbit block RAMs of one bank, in the best of the shapes that the block offers."""
    return min(math.ceil(words / d) * math.ceil(width / w) for d, w in _BRAM18_SHAPES)


def _reshape_factor(array: Array) -> int:
    factors = (
        array.shape[p.dim] if p.kind is PartitionKind.COMPLETE else p.factor for p in array.reshapes
    )
    return math.prod(factors)
