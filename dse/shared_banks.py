"""What rows of nests want of the banks of arrays that they share, and what it costs others.

An array has one partition for the whole design. Where rows of different nests want different numbers
of banks it gets their least common multiple, and a load whose lanes do not decide on its bank selects
among those that it may reach: every one of them is an access to a port. So rows of a nest need

    own + access * (banks reached, with those of the design - banks reached, with their own)

besides operators. The number of banks that a load reaches is ``B / gcd(B, step)`` in every dim, which
no multiple of ``B`` lowers; a dim that is split completely has as many banks as elements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_classes import different_rows
from pom.dse.bank_selection import BankSelection, SelectionCosts
from pom.dse.nest_table import NestTable
from pom.dse.other_banks import relief
from pom.ir.poly import PolyProgram

Key = tuple[str, int]
"""An array and a dim of it."""
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


class SharedBanks:
    """What rows of the nests want of arrays that several nests use.

    Parameters
    ----------
    program : PolyProgram
    tables : sequence of NestTable
    costs : SelectionCosts

    Attributes
    ----------
    sizes : dict of (array, dim) to int
        Of the arrays that several nests use.
    keys : list of tuple of (array, dim)
        By nest, those that it splits.
    classes : list of array of int, shape (rows,)
        By nest, a number per choice of banks.
    """

    def __init__(
        self,
        program: PolyProgram,
        tables: Sequence[NestTable],
        costs: SelectionCosts,
    ) -> None:
        self._program = program
        self._tables = tables
        self._wants = [table.banks for table in tables]
        users: dict[str, set[int]] = {}
        for n, of_nest in enumerate(self._wants):
            for array, _ in of_nest:
                users.setdefault(array, set()).add(n)
        self.sizes = {
            (name, dim): size
            for name, which in users.items()
            if len(which) > 1
            for dim, size in enumerate(program.arrays[name].type.shape)
        }
        self.keys = [tuple(sorted(set(of_nest) & set(self.sizes))) for of_nest in self._wants]
        self.classes: list[_Ints] = []
        self._banks: list[_Ints] = []
        for table, keys, wants in zip(tables, self.keys, self._wants, strict=True):
            columns = [wants[key] for key in keys] or [np.ones(len(table), dtype=np.int64)]
            different, which = different_rows(columns, len(table))
            self.classes.append(which)
            self._banks.append(different)
        self._selections = [
            BankSelection(
                table.footprint,
                table.lists,
                {key: (self._banks_of(n, key), self.sizes[key]) for key in keys},
                self.classes[n],
                costs,
            )
            for n, (table, keys) in enumerate(zip(tables, self.keys, strict=True))
        ]
        self._may_help: dict[tuple[int, tuple[int, ...]], NDArray[np.bool_]] = {}

    def of_class(self, n: int, number: int) -> dict[Key, int]:
        """The banks that a class of rows of a nest wants."""
        values = self._banks[n][number].tolist()
        return dict(zip(self.keys[n], values, strict=False))

    def wanted_by(self, rows: Mapping[int, int]) -> dict[Key, int]:
        """The banks that rows of some nests want together."""
        banks: dict[Key, int] = {}
        for n, row in rows.items():
            banks = joined(banks, self.of_class(n, int(self.classes[n][row])))
        return banks

    def agrees(self, n: int, banks: Mapping[Key, int]) -> NDArray[np.bool_]:
        """Which classes of rows of a nest want no other banks than there are."""
        found = np.ones(len(self._banks[n]), dtype=bool)
        for key in self.keys[n]:
            found &= banks.get(key, 1) % self._banks_of(n, key) == 0
        return found

    def shares(self, n: int, m: int) -> bool:
        """Whether two nests use an array in common."""
        return bool({a for a, _ in self.keys[n]} & {a for a, _ in self.keys[m]})

    def extra_lut(self, n: int, banks: Mapping[Key, int], rows: _Ints) -> _Floats:
        """LUT that rows of a nest need at the least because of banks that other nests want."""
        if all(banks.get(key, 1) == 1 for key in self.keys[n]):
            return np.zeros(len(rows))
        return self._selections[n].more_lut(banks, rows)

    def register_lut(self, n: int, array: str, rows: _Ints) -> _Floats:
        """LUT that rows of a nest need at the least where an array becomes registers."""
        shape = self._program.arrays[array].type.shape
        return self.extra_lut(n, {(array, dim): size for dim, size in enumerate(shape)}, rows)

    def may_help(self, n: int, banks: Mapping[Key, int]) -> NDArray[np.bool_]:
        """The rows of a nest that banks which other nests want may help.

        Arrays count, too, for whose ports a row does not wait.
        """
        wanted = tuple(banks.get(key, 1) for key in self.keys[n])
        if (n, wanted) not in self._may_help:
            table = self._tables[n]
            others = {
                key: np.array([number])
                for key, number in zip(self.keys[n], wanted, strict=True)
                if number > 1
            }
            found = relief(self._program, len(table), self._wants[n], others, table.steps)
            self._may_help[n, wanted] = found.rows if others else np.zeros(len(table), dtype=bool)
        return self._may_help[n, wanted]

    def _banks_of(self, n: int, key: Key) -> _Ints:
        """What every class of rows of a nest wants of a dim."""
        found: _Ints = self._banks[n][:, self.keys[n].index(key)]
        return found


def joined(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    """The banks that arrays get where rows of different nests want different ones."""
    return {key: lcm(one.get(key, 1), other.get(key, 1)) for key in {**one, **other}}


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one nest in a bound.

    Parameters
    ----------
    n : int
    rows : array of int, shape (m,)
    cycles, own : array of float, shape (m,)
        Cycles, and LUT besides operators.
    operators : array of float, shape (m, k)
        LUT of operators, by kind.
    is_helped : array of bool, shape (m,)
        Whether the cell is what a row takes where banks of other nests help it.
    least_own : array of float, shape (m,)
        LUT besides operators that it needs where they do, those of more banks included.
    """

    n: int
    rows: _Ints
    cycles: _Floats
    own: _Floats
    operators: _Floats
    is_helped: NDArray[np.bool_]
    least_own: _Floats


def of_rows(part: Part, mask: NDArray[np.bool_]) -> Part:
    """Some of the rows of a part."""
    return Part(
        part.n, part.rows[mask], part.cycles[mask], part.own[mask], part.operators[mask],
        part.is_helped[mask], part.least_own[mask],
    )  # fmt: skip


def lut_of(parts: Sequence[Part], own: Sequence[_Floats], cells: Sequence[int]) -> float:
    """LUT of one cell per nest: operators of a kind are those of the nest that needs most."""
    most = np.max([p.operators[at] for p, at in zip(parts, cells, strict=True)], axis=0)
    return float(most.sum()) + sum(float(o[at]) for o, at in zip(own, cells, strict=True))
