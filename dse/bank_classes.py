"""Rows of a nest that want the same banks are of one class, and classes of two nests agree or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Key = tuple[str, int]
"""An array and a dim of it."""
LARGEST = 1 << 62
"""Of the numbers that stand for rows."""
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Mask = NDArray[np.bool_]


class BankClasses:
    """What the rows of a nest want of the dims that its lanes split.

    Parameters
    ----------
    banks : mapping of (array, dim) to array of int, shape (rows,)
        What the rows want.
    dims : collection of (array, dim)
        Which of them others are bound by.
    every : sequence of (array, dim)
        Those of all nests.

    Attributes
    ----------
    dims : tuple of (array, dim)
    columns : array of int, shape (len(dims),)
        Where they are among those of all nests.
    banks : array of int, shape (classes, len(dims))
    of : array of int, shape (rows,)
        The class of every row.
    kinds : array of int, shape (rows,)
        A number per choice of banks in all dims, bound by them or not.
    """

    def __init__(
        self, banks: Mapping[Key, _Ints], dims: Collection[Key], every: Sequence[Key]
    ) -> None:
        self.dims = tuple(sorted(dims))
        self.columns = np.array([every.index(key) for key in self.dims], dtype=np.int64)
        count = len(next(iter(banks.values()), ()))
        self.banks, self.of = different_rows([banks[key] for key in self.dims], count)
        self.kinds = different_rows(list(banks.values()), count)[1]
        self._width = len(every)
        self._bound: dict[tuple[int, bool], _Ints] = {}

    def bound_by(self, row: int, is_strict: bool) -> _Ints:
        """Per dim of all nests, the banks that a row binds others to; 0 where it does not.

        Parameters
        ----------
        row : int
        is_strict : bool
            Whether a single bank binds others, too.
        """
        key = (int(self.of[row]), is_strict)
        found = self._bound.get(key)
        if found is None:
            banks = self.banks[key[0]]
            found = np.zeros(self._width, dtype=np.int64)
            found[self.columns] = banks if is_strict else np.where(banks > 1, banks, 0)
            self._bound[key] = found
        return found

    def agrees(self, bound: _Ints) -> _Mask:
        """Rows that want the banks that they are bound to, or a divisor of their number, in every dim.

        With a divisor, lanes select among the banks that are so many apart.

        Parameters
        ----------
        bound : array of int, shape (len(dims),)
            0 where they are free.
        """
        of_class = (bound % self.banks == 0).all(axis=1)
        found: _Mask = of_class[self.of]
        return found


class Agreement:
    """Which classes of rows of another nest go with every class of a nest: those that want the same
    banks, or a single one, in every dim.

    Parameters
    ----------
    mine, theirs : BankClasses
    keys : sequence of (array, dim)
        Dims that count, which both have.

    Notes
    -----
    For every set of dims in which the other nest may want a single bank, classes that want the same
    banks in the other dims have the same slot.
    """

    def __init__(self, mine: BankClasses, theirs: BankClasses, keys: Sequence[Key]) -> None:
        wanted = mine.banks[:, [mine.dims.index(key) for key in keys]]
        offered = theirs.banks[:, [theirs.dims.index(key) for key in keys]]
        self._classes = len(offered)
        self._slots = 1
        here, there, which = [], [], []
        for is_one in product((False, True), repeat=len(keys)):
            single = np.array(is_one)
            usable = np.flatnonzero((offered[:, single] == 1).all(axis=1))
            both = np.concatenate((offered[usable], wanted))
            columns = np.where(single, 0, both).T
            slots = different_rows(list(columns), len(both))[1] + self._slots
            here.append(slots[len(usable) :])
            there.append(slots[: len(usable)])
            which.append(usable)
            self._slots += len(both)
        self._mine = np.stack(here)
        self._theirs = np.concatenate(there)
        self._which = np.concatenate(which)

    def least_beside(self, classes: _Ints, values: _Floats) -> _Floats:
        """The least value of what goes with each of my classes; infinite where nothing does.

        Parameters
        ----------
        classes : array of int, shape (rows,)
            Of some rows of the other nest.
        values : array of float, shape (rows,)
        """
        of_class = np.full(self._classes, np.inf)
        np.minimum.at(of_class, classes, values)
        least = np.full(self._slots, np.inf)
        np.minimum.at(least, self._theirs, of_class[self._which])
        found: _Floats = least[self._mine].min(axis=0)
        return found


def different_rows(columns: Sequence[_Ints], count: int) -> tuple[_Ints, _Ints]:
    """The different rows of a matrix in lexicographic order, and which of them each row is.

    Parameters
    ----------
    columns : sequence of array of int, shape (count,)
        Of numbers that are not negative.
    count : int
        Rows.
    """
    # a number per row is sorted many times faster than the rows
    code, size = np.zeros(count, dtype=np.int64), 1
    for column in columns:
        values = int(column.max(initial=0)) + 1
        if size * values > LARGEST:
            code = np.unique(code, return_inverse=True)[1].reshape(-1)
            size = int(code.max(initial=0)) + 1
        code, size = code * values + column, size * values
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    different = [column[first] for column in columns]
    if not different:
        return np.zeros((len(first), 0), dtype=np.int64), which.reshape(-1)
    return np.stack(different, axis=1), which.reshape(-1)
