"""Banks and ports: which memory of a partitioned array an access reaches, and how many ports.

A dimension of size S that is split cyclically over P banks puts index x into bank x mod P, a
block split into bank x div ceil(S/P), a complete one into bank x.  A subscript a·iv + c advances
by a·stride from one iteration to the next, so its bank is known modulo g = gcd(a·stride, P): with
g = P there is one bank, otherwise P/g candidates among which hardware selects at run time, and a
port of every candidate is taken.  Sets of banks are bit masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, gcd, lcm

from pom.qor_model.expand import Element, Linear
from pom.qor_model.region import Array, Loop, PartitionKind

SMALL = 1024
"""Bits of numbers that are divided as fast as they are shifted."""
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
class Split:
    """How one dimension is split."""

    kind: PartitionKind
    factor: int
    size: int

    @property
    def is_complete(self) -> bool:
        """Whether every index has a bank of its own."""
        return self.factor >= self.size


@dataclass(frozen=True, slots=True)
class Reach:
    """Banks that an access can reach.

    Parameters
    ----------
    bank : int
        The bank, -1 when it is selected at run time.
    candidates : int
        How many banks it may be in.
    mask : int
        The candidates as bits.
    dynamic_dims : tuple of int
        Dimensions whose bank is selected at run time.
    """

    bank: int
    candidates: int
    mask: int
    dynamic_dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArrayBanks:
    """An array's split, prepared for asking where accesses go."""

    array: Array
    splits: tuple[Split, ...]
    ports: Ports
    is_register: bool
    _masks: dict[tuple[tuple[int, int], ...], int] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def banks(self) -> int:
        """Number of banks."""
        total = 1
        for split in self.splits:
            total *= split.factor
        return total

    def mask(self, residues: tuple[tuple[int, int], ...]) -> int:
        """Banks whose coordinate in every dimension is residue modulo modulus."""
        found = self._masks.get(residues)
        if found is None:
            found, stride = 1, 1
            for split, (residue, modulus) in zip(
                reversed(self.splits), reversed(residues), strict=True
            ):
                first = residue % modulus
                count = len(range(first, split.factor, modulus))
                found *= _every(modulus * stride, count) << first * stride
                stride *= split.factor
            self._masks[residues] = found
        return found


def _every(step: int, count: int) -> int:
    """The bits 0, step, 2 step … of a number, `count` of them."""
    if step == 1 or step * count < SMALL:
        return ((1 << step * count) - 1) // ((1 << step) - 1)
    found, done = 1, 1
    # shifts of doubled ranges take far less than a division of numbers with as many bits as banks
    while done < count:
        more = min(done, count - done)
        found |= found << step * more
        done += more
    return found


def array_banks(array: Array, default_ports: str) -> ArrayBanks:
    """Prepare an array; `default_ports` is the memory type the tool chooses by itself."""
    splits: list[Split] = []
    for dim, size in enumerate(array.shape):
        kind, factor = PartitionKind.CYCLIC, 1
        for item in (*array.partitions, *array.reshapes):
            if item.dim == dim:
                kind = item.kind
                factor = size if kind is PartitionKind.COMPLETE else item.factor
        if factor >= size:
            kind, factor = PartitionKind.COMPLETE, size
        splits.append(Split(kind, factor, size))
    is_register = all(s.is_complete for s in splits)
    name = (array.storage.type or array.interface.storage_type or default_ports).lower()
    reads, writes, shared = _PORTS.get(name, _PORTS["ram_2p"])
    return ArrayBanks(array, tuple(splits), Ports(reads, writes, shared), is_register)


class ReachPattern:
    """Where the copies of an access go, which differ in constants only.

    Parameters
    ----------
    banks : ArrayBanks
    linear : Linear or None
        What their subscripts have in common.
    strides : mapping
        Each induction variable's step in the hardware; one that is absent advances by one.
    """

    __slots__ = ("_banks", "_known", "_moduli", "linear")

    def __init__(
        self, banks: ArrayBanks, linear: Linear | None, strides: Mapping[str, int]
    ) -> None:
        self.linear = linear
        self._banks = banks
        self._known: dict[tuple[int, ...], Reach] = {}
        self._moduli: list[tuple[int, int, int]] = []
        for dim, split in enumerate(banks.splits if linear is not None else ()):
            step = 0
            for iv, coef in linear[dim] if linear is not None and split.factor > 1 else ():
                step = gcd(step, coef * strides.get(iv, 1))
            if split.factor == 1:
                self._moduli.append((dim, 1, 1))
            elif split.kind is PartitionKind.BLOCK:
                whole = split.factor if step == 0 else 1
                self._moduli.append((dim, ceil(split.size / split.factor), whole))
            else:
                self._moduli.append((dim, 1, gcd(step, split.factor)))

    def at(self, const: tuple[int, ...]) -> Reach:
        """Where the access with these constants goes."""
        residues = tuple([const[d] // width % modulus for d, width, modulus in self._moduli])
        found = self._known.get(residues)
        if found is None:
            found = self._known[residues] = self._reach(residues)
        return found

    def _reach(self, residues: tuple[int, ...]) -> Reach:
        banks = self._banks
        if self.linear is None:
            everything = tuple((0, 1) for _ in banks.splits)
            dims = tuple(d for d, s in enumerate(banks.splits) if s.factor > 1)
            return Reach(-1 if dims else 0, banks.banks, banks.mask(everything), dims)
        dynamic: list[int] = []
        bank, candidates = 0, 1
        for residue, split, (dim, _, modulus) in zip(
            residues, banks.splits, self._moduli, strict=True
        ):
            if modulus == split.factor:
                bank = bank * split.factor + residue
            else:
                dynamic.append(dim)
                candidates *= split.factor // modulus
        mask = banks.mask(
            tuple((r, m) for r, (_, _, m) in zip(residues, self._moduli, strict=True))
        )
        return Reach(-1 if dynamic else bank, candidates, mask, tuple(dynamic))


def reach(banks: ArrayBanks, element: Element, strides: Mapping[str, int]) -> Reach:
    """Where an access goes; `strides` gives each induction variable's step in the hardware.

    An induction variable that is absent from `strides` advances by one.
    """
    return ReachPattern(banks, element.linear, strides).at(element.const)


def stride_of_copies(loop: Loop, unroll: int, arrays: Iterable[Array]) -> int:
    """Step of an induction variable whose loop is unrolled.

    A loop that its copies replace has a constant for a variable: its step is rounded up to one
    that leaves every bank as it is, so that the bank of each copy is known.
    """
    stride = loop.step * unroll
    count = loop.constant_trip_count
    if unroll == 1 or count is None or count > unroll:
        return stride
    sizes = ((a, p) for a in arrays for p in (*a.partitions, *a.reshapes))
    period = lcm(
        *(a.shape[p.dim] if p.kind is PartitionKind.COMPLETE else p.factor for a, p in sizes)
    )
    return -(-stride // period) * period


def is_distinct_by_compiler(
    banks: ArrayBanks, first: Element, second: Element, masks: tuple[int, int]
) -> bool:
    """Whether the tool sees that two different elements do not share an address.

    `masks` are the banks that each of them can be in.
    Within one bank of a cyclic split the address is a shifted subscript, and the tool does not
    compare shifted subscripts below a row offset: two accesses of one bank that differ only along
    a split dimension of an array with further moving subscripts are kept in order.
    """
    if first.linear is None or second.linear is None or first.linear != second.linear:
        return not first.may_alias(second)
    if not masks[0] & masks[1]:
        return True
    for dim, split in enumerate(banks.splits):
        if first.const[dim] == second.const[dim]:
            continue
        is_shifted = split.factor > 1 and not split.is_complete and first.linear[dim]
        if not is_shifted or not any(p for d, p in enumerate(first.linear) if d != dim):
            return True
    return False


class PortTable:
    """Reservation of memory ports per slot; `ii` 0 means that no slot comes back.

    Per array and slot there are sets of banks: those of which at least one port is taken for reading,
    those of which at least two are, and so on; the same for writing, and for both together. What is
    taken stays taken, so slots that were in vain for some banks are passed over at once later.
    """

    __slots__ = ("_ii", "_passed", "_slots")

    def __init__(self, ii: int) -> None:
        self._ii = ii
        self._slots: dict[str, dict[int, tuple[list[int], list[int], list[int]]]] = {}
        self._passed: dict[tuple[str, int, bool], dict[int, int]] = {}

    def take_first(
        self,
        array: str,
        ports: Ports,
        mask: int,
        is_write: bool,
        cycle: int,
        limit: int = 1 << 30,
    ) -> int:
        """Reserve a port of every bank of `mask` in the first cycle, from `cycle` on, in which each has
        one; -1 where there is none within `limit` cycles."""
        slots = self._slots.get(array)
        if slots is None:
            slots = self._slots[array] = {}
        passed = self._passed.get((array, mask, is_write))
        if passed is None:
            passed = self._passed[array, mask, is_write] = {}
        ii, start, last = self._ii, cycle, cycle + limit
        most = ports.writes if is_write else ports.reads
        shared = ports.reads if ports.is_shared else 0
        while cycle <= last:
            slot = cycle % ii if ii else cycle
            step = passed.get(slot)
            if step is not None:
                cycle += step
                continue
            levels = slots.get(slot)
            if levels is None:
                levels = slots[slot] = ([], [], [])
            own, both = levels[is_write], levels[2]
            is_taken = shared and len(both) >= shared and both[shared - 1] & mask
            if not is_taken and (not shared or is_write):
                is_taken = len(own) >= most and own[most - 1] & mask
            if is_taken:
                passed[slot] = 1
                cycle += 1
                continue
            if cycle > start:
                passed[start % ii if ii else start] = cycle - start
            _add(own, mask)
            if shared:
                _add(both, mask)
            return cycle
        return -1


def _add(levels: list[int], mask: int) -> None:
    for position, level in enumerate(levels):
        levels[position] = level | mask
        mask &= level
        if not mask:
            return
    levels.append(mask)


def busiest(masks: list[int]) -> int:
    """Most accesses that meet in one bank."""
    levels: list[int] = []
    for mask in masks:
        _add(levels, mask)
    return len(levels)
