"""What the banks that other nests want may do for a nest.

An array has one partition in a design, the least common multiple of what the nests want. A nest that
was asked about alone had the banks that its own row wants. With more of them it waits less for ports;
and an array that is split completely becomes registers, which are read without a state of their own.
So where ports are what a row waits for, or where its arrays may become registers, the answer for the
nest alone is no lower bound of what the row takes in a design. Such a row is asked about a second time,
with all that other nests may do for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pom.dse.realise import MAX_BANKS
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import accesses

Key = tuple[str, int]
"""An array and a dim of it."""
_Ints = NDArray[np.int64]


def other_banks(
    program: PolyProgram,
    statements: Sequence[Sequence[str]],
    wants: Sequence[Mapping[Key, _Ints]],
) -> tuple[dict[Key, _Ints], ...]:
    """By nest: the numbers of banks that the others may want of each dim of its arrays, beside 1.

    Parameters
    ----------
    program : PolyProgram
    statements : sequence of sequence of str
        Of every nest.
    wants : sequence of mapping from (array, dim) to array of int
        By nest, what its rows want.

    Returns
    -------
    tuple of dict
        Without dims of which others want no banks; a dim's size stands for a complete split.
    """
    found = []
    for n, names in enumerate(statements):
        used = {a.array for name in names for a in accesses(program, program.statement(name))}
        of_nest: dict[Key, _Ints] = {}
        for array in sorted(used):
            for dim, size in enumerate(program.arrays[array].type.shape):
                others = [
                    w[array, dim] for m, w in enumerate(wants) if m != n and (array, dim) in w
                ]
                together = _multiples(others, size)
                if together.max(initial=1) > 1:
                    of_nest[array, dim] = together
        found.append(of_nest)
    return tuple(found)


def joint_banks(one: _Ints | int, other: _Ints | int, size: int) -> _Ints:
    """The banks that a dim gets where nests want different numbers."""
    together = np.lcm(one, other)
    banks: _Ints = np.where(together >= size, size, np.minimum(together, MAX_BANKS))
    return banks


def _multiples(wants: Sequence[_Ints], size: int) -> _Ints:
    """The least common multiples of one number of each nest."""
    found = np.ones(1, dtype=np.int64)
    for of_nest in wants:
        found = np.unique(joint_banks(found[:, None], np.unique(of_nest)[None, :], size))
    return found


@dataclass(frozen=True, slots=True)
class Relief:
    """Where other nests may help the rows of a nest.

    Parameters
    ----------
    banks : mapping from array name to tuple of array of int, shape (rows,)
        Per dim, as many banks as help most, of those that the array may get.
    is_less_busy : mapping from array name to array of bool, shape (rows,)
        Whether these help where ports are what a row waits for.
    is_register : mapping from array name to array of bool, shape (rows,)
        Whether it may become registers, which it is not by what the row wants.
    """

    banks: Mapping[str, tuple[_Ints, ...]]
    is_less_busy: Mapping[str, NDArray[np.bool_]]
    is_register: Mapping[str, NDArray[np.bool_]]

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Rows that may be helped, if they wait for ports; of shape (rows,)."""
        found = [*self.is_less_busy.values(), *self.is_register.values()]
        return np.logical_or.reduce(found) if found else np.zeros(0, dtype=bool)

    def registers_of(self, row: int) -> set[str]:
        """Arrays that may become registers beside a row."""
        return {array for array, may in self.is_register.items() if may[row]}

    def is_one(self, row: int, busy: Collection[str]) -> bool:
        """Whether registers of one array are all that helps a row: what it needs is known then, too."""
        return len(self.registers_of(row)) == 1 and not self.is_waiting(row, busy)

    def helps(self, row: int, busy: Collection[str]) -> bool:
        """Whether the answer for a row alone is no bound of what it takes in a design.

        Parameters
        ----------
        row : int
        busy : collection of str
            Arrays whose ports it waits for.
        """
        return self.is_waiting(row, busy) or any(may[row] for may in self.is_register.values())

    def frees(self, row: int, array: str) -> bool:
        """Whether other nests may make ports of an array less busy, or registers of it."""
        may = self.is_register.get(array)
        return self.is_waiting(row, (array,)) or (may is not None and bool(may[row]))

    def is_waiting(self, row: int, busy: Collection[str]) -> bool:
        """Whether a row waits for ports for which it may wait less."""
        return any(self.is_less_busy[array][row] for array in busy if array in self.is_less_busy)


NO_RELIEF = Relief({}, {}, {})


def relief(
    program: PolyProgram,
    rows: int,
    wants: Mapping[Key, _Ints],
    others: Mapping[Key, _Ints],
    steps: Sequence[tuple[str, Sequence[_Ints]]],
) -> Relief:
    """Where the banks of other nests may help.

    Parameters
    ----------
    program : PolyProgram
    rows : int
        How many there are.
    wants, others : mapping from (array, dim) to array of int
        What every row wants, and what the other nests may want (`other_banks`).
    steps : sequence of (array, steps)
        Of every access, see `realise.steps_by_rows`. More banks help where an access stays with fewer
        of them.
    """
    none = np.ones(rows, dtype=np.int64)
    banks: dict[str, tuple[_Ints, ...]] = {}
    less: dict[str, NDArray[np.bool_]] = {}
    registers: dict[str, NDArray[np.bool_]] = {}
    for array in sorted({name for name, _ in others}):
        shape = program.arrays[array].type.shape
        own = [
            joint_banks(wants.get((array, dim), none), 1, size) for dim, size in enumerate(shape)
        ]
        may = [others.get((array, dim), none[:1]) for dim in range(len(shape))]
        complete = [
            _for_each(lambda o, m=m, size=size: (_joint(o, m, size) >= size).any(axis=1), o)
            for o, m, size in zip(own, may, shape, strict=True)
        ]
        is_now = [o >= size for o, size in zip(own, shape, strict=True)]
        registers[array] = np.logical_and.reduce(complete) & ~np.logical_and.reduce(is_now)
        less[array], best = np.zeros(rows, dtype=bool), own
        for of_access in (each for name, each in steps if name == array):
            chosen = [
                _for_each(lambda o, s, m=m, size=size: _most_apart(o, _joint(o, m, size), s), o, s)
                for o, m, s, size in zip(own, may, of_access, shape, strict=True)
            ]
            best = [joint_banks(b, c, size) for b, c, size in zip(best, chosen, shape, strict=True)]
            less[array] |= np.logical_or.reduce([c != o for c, o in zip(chosen, own, strict=True)])
        banks[array] = tuple(best)
    return Relief(banks, less, {name: may for name, may in registers.items() if may.any()})


def _joint(own: _Ints, others: _Ints, size: int) -> _Ints:
    """What a dim may get, a row for each of what a nest wants, a column for each of what others do."""
    return joint_banks(own[:, None], others[None, :], size)


def _for_each(find: Callable[..., NDArray[Any]], *columns: _Ints) -> NDArray[Any]:
    """What is found for every row, asked for once where rows are equal: they differ in few numbers."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes = codes * (int(column.max(initial=0)) + 1) + column
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    found: NDArray[Any] = find(*(column[first] for column in columns))[which.reshape(-1)]
    return found


def _most_apart(own: _Ints, joint: _Ints, step: _Ints) -> _Ints:
    """Of the numbers of banks in each row of `joint`, the first of which an access stays with the
    smallest part; `own` where none is better."""
    apart = np.gcd(joint, step[:, None])
    best = joint[np.arange(len(joint)), apart.argmax(axis=1)]
    found: _Ints = np.where(apart.max(axis=1, initial=1) > np.gcd(own, step), best, own)
    return found
