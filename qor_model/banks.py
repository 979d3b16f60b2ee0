"""Banks and ports: which memory of a partitioned array an access reaches, and how many ports.

A dimension of size S that is split cyclically over P banks puts index x into bank x mod P, a
block split into bank x div ceil(S/P), a complete one into bank x.  An access whose subscript is
a·iv + c reaches one known bank when a·stride is a multiple of P (cyclic) for every induction
variable; otherwise the bank is selected at run time and a port of every candidate is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, gcd

from pom.qor_model.expand import Element
from pom.qor_model.region import Array, PartitionKind

_PORTS = {
    "ram_1p": (1, 1, True),
    "rom_1p": (1, 0, True),
    "rom_2p": (2, 0, True),
    "rom_np": (8, 0, True),
    "ram_2p": (2, 1, True),
    "ram_s2p": (1, 1, False),
    "ram_t2p": (2, 2, True),
    "ram_1wnr": (8, 1, False),
    "fifo": (1, 1, False),
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one bank: reads and writes per cycle, or `reads` in all when they share."""

    reads: int
    writes: int
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """Banks an access can reach.

    Parameters
    ----------
    bank : int
        The bank, -1 when it is selected at run time.
    candidates : int
        How many banks it may be in.
    key : tuple
        What the port reservation is made on: the array and its fixed bank coordinates, None
        standing for a coordinate that is selected at run time.
    """

    bank: int
    candidates: int
    key: tuple[str, tuple[int | None, ...]]


@dataclass(frozen=True, slots=True)
class ArrayBanks:
    """An array's split, prepared for asking where accesses go."""

    array: Array
    splits: tuple[tuple[PartitionKind, int, int], ...]
    ports: Ports
    is_register: bool

    @property
    def banks(self) -> int:
        """Number of banks."""
        total = 1
        for _, factor, _ in self.splits:
            total *= factor
        return total


def array_banks(array: Array, default_ports: str) -> ArrayBanks:
    """Prepare an array; `default_ports` is the memory type the tool chooses by itself."""
    splits: list[tuple[PartitionKind, int, int]] = []
    for dim, size in enumerate(array.shape):
        kind, factor = PartitionKind.CYCLIC, 1
        for item in (*array.partitions, *array.reshapes):
            if item.dim == dim:
                kind, factor = item.kind, item.factor
        if kind is PartitionKind.COMPLETE or factor <= 0 or factor >= size:
            kind, factor = PartitionKind.COMPLETE, size if factor != 1 or size == 1 else 1
        splits.append((kind, factor, size))
    is_register = bool(array.shape) and all(f >= s for _, f, s in splits)
    name = (array.storage.type or array.interface.storage_type or default_ports).lower()
    reads, writes, shared = _PORTS.get(name, _PORTS["ram_2p"])
    if not array.shape:
        is_register = True
    return ArrayBanks(array, tuple(splits), Ports(reads, writes, shared), is_register)


def reach(banks: ArrayBanks, element: Element, strides: dict[str, int]) -> Reach:
    """Where an access goes; `strides` gives each induction variable's step in the hardware."""
    coordinates: list[int | None] = []
    bank, candidates = 0, 1
    if element.linear is None:
        coordinates = [None] * len(banks.splits)
        return Reach(-1, banks.banks, (element.array, tuple(coordinates)))
    for (kind, factor, size), part, const in zip(
        banks.splits, element.linear, element.const, strict=True
    ):
        if factor == 1:
            coordinates.append(0)
            continue
        step = 0
        for iv, coef in part:
            step = gcd(step, coef * strides.get(iv, 1))
        if kind is PartitionKind.BLOCK:
            width = ceil(size / factor)
            known = step == 0
            index = const // width
            options = factor
        else:
            known = step % factor == 0
            index = const % factor
            options = factor // gcd(step, factor) if step else 1
        if known:
            coordinates.append(index)
            bank = bank * factor + index
        else:
            coordinates.append(None)
            candidates *= options
            bank = -1 if bank < 0 else bank
    if None in coordinates:
        bank = -1
    return Reach(bank, candidates, (element.array, tuple(coordinates)))
