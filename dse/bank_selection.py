"""What loads pay for banks that they choose among at run time, for all rows of a nest at once.

A loop that remains moves the bank of a load by its stride times its block, and nothing else is known
of it when the circuit is made; so the banks that a load selects from are those that multiples of the
greatest common divisor of the steps reach. Steps do not depend on the number of banks: they are told
once, and every number of banks that other nests want takes a few operations on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_classes import different_rows
from pom.dse.bounds import Candidates
from pom.dse.footprint import Footprint
from pom.dse.other_banks import joint_banks

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


MOST_KNOWN = 8_000_000
"""Numbers that are kept, one a row for every combination of a load and banks."""


@dataclass(frozen=True, slots=True)
class SelectionCosts:
    """LUT of selecting.

    Parameters
    ----------
    access : float
        What a bank costs that a load may reach.
    register : float
        What an element costs that a load selects from registers, where dims are split completely, or
        may be by other nests.
    """

    access: float
    register: float


@dataclass(frozen=True, slots=True)
class _Dim:
    """A dim of an array that is split, for a load.

    Parameters
    ----------
    key : (array, dim)
    step, of : array of int, shape (pairs,)
        Different steps with the classes of their rows: the bank moves by multiples of the step; 0
        where it does not move.
    pair : array of int, shape (rows,)
        Which of them every row has.
    most : array of int, shape (rows,)
        Elements that the load selects from where every one is a register.
    """

    key: tuple[str, int]
    step: _Ints
    of: _Ints
    pair: _Ints
    most: _Ints


@dataclass(frozen=True, slots=True)
class _Load:
    """The different loads of one access in an iteration, and the dims of its array that are split."""

    number: _Ints
    dims: tuple[_Dim, ...]


@dataclass(frozen=True, slots=True)
class _OfOrder:
    """The same for the rows of one loop order; per dim its key, and per row its step and `most`."""

    number: _Ints
    dims: tuple[tuple[tuple[str, int], _Ints, _Ints], ...]


def _joined(same: Sequence[_OfOrder], classes: _Ints) -> _Load:
    """One load in all loop orders."""
    dims = []
    for of_orders in zip(*(load.dims for load in same), strict=True):
        steps = np.concatenate([step for _, step, _ in of_orders])
        most = np.concatenate([most for _, _, most in of_orders])
        different, pair = different_rows([classes, steps], len(steps))
        dims.append(_Dim(of_orders[0][0], different[:, 1], different[:, 0], pair, most))
    return _Load(np.concatenate([load.number for load in same]), tuple(dims))


class BankSelection:
    """LUT of the banks that the loads of one iteration of a nest may reach, at the least.

    Parameters
    ----------
    footprint : Footprint
        Of the nest.
    lists : sequence of Candidates
        One per loop order; rows are those of all lists, one after the other.
    wants : mapping of (array, dim) to (banks, size)
        Of the dims that other nests may split: what every class of rows wants, and elements.
    classes : array of int, shape (rows,)
        Rows of a class have equal banks.
    costs : SelectionCosts
    """

    def __init__(
        self,
        footprint: Footprint,
        lists: Sequence[Candidates],
        wants: Mapping[tuple[str, int], tuple[_Ints, int]],
        classes: _Ints,
        costs: SelectionCosts,
    ) -> None:
        self._rows = sum(len(chosen.bound) for chosen in lists)
        self._wants = wants
        self._costs = costs
        of_lists = [_loads(footprint, chosen, frozenset(wants)) for chosen in lists]
        joined = [_joined(same, classes) for same in zip(*of_lists, strict=True)]
        self._loads = tuple(load for load in joined if load.number.any())
        self._known: dict[tuple[int, ...], _Floats] = {}
        self._alone: dict[int, _Floats] = {}

    def more_lut(self, banks: Mapping[tuple[str, int], int], rows: _Ints) -> _Floats:
        """LUT that some rows need because of the banks that other nests want of a dim."""
        total = np.zeros(len(rows))
        for number, load in enumerate(self._loads):
            total += self._more(number, load, tuple(banks.get(d.key, 1) for d in load.dims))[rows]
        return np.maximum(total, 0.0)

    def _more(self, number: int, load: _Load, others: tuple[int, ...]) -> _Floats:
        """What one load needs more in every row: it depends on the banks of its own array only."""
        key = (number, *others)
        if key not in self._known:
            if number not in self._alone:
                self._alone[number] = self._lut(load, (1,) * len(others), float("inf"))
            if len(self._known) * self._rows >= MOST_KNOWN:
                self._known.clear()
            beside = self._lut(load, others, self._costs.register)
            self._known[key] = beside - self._alone[number]
        return self._known[key]

    def _lut(self, load: _Load, others: tuple[int, ...], register_lut: float) -> _Floats:
        """LUT of one load per row, with registers where dims are split completely."""
        number = load.number.astype(np.float64)
        # how much larger or smaller the number of banks becomes where dims are split completely
        larger, smaller = np.full(self._rows, np.inf), np.ones(self._rows)
        for dim, other in zip(load.dims, others, strict=True):
            wants, size = self._wants[dim.key]
            here = joint_banks(wants, other, size)[dim.of]
            reached = (here // np.gcd(here, dim.step))[dim.pair]
            number *= reached
            if register_lut < float("inf"):
                ratio = dim.most / reached
                larger = np.minimum(larger, ratio)
                smaller *= np.minimum(ratio, 1.0)
        if register_lut == float("inf"):
            return number * self._costs.access
        ratio = np.where(larger > 1.0, larger, smaller)
        found: _Floats = number * np.minimum(self._costs.access, register_lut * ratio)
        return found


def _loads(
    footprint: Footprint, chosen: Candidates, keys: frozenset[tuple[str, int]]
) -> list[_OfOrder]:
    """The loads of the rows of one loop order whose bank is in question."""
    nest, order, factors = footprint.nest, chosen.order, chosen.factors
    extents = np.array([nest.loop(name).extent for name in order], dtype=np.int64)
    blocks = extents // factors if nest.is_box else -(-extents // factors)
    remains = blocks > 1
    inner = remains.shape[1] - 1 - np.argmax(remains[:, ::-1], axis=1)
    found = []
    for kind, use in footprint.uses:
        split = [d for d in range(len(use.coefficients)) if (use.array, d) in keys]
        if kind or not split or len(use.around) != len(use.coefficients):
            continue
        matrix = np.array(use.coefficients, dtype=np.int64)
        moving = [n for n in range(len(footprint.loops)) if matrix[:, n].any()]
        columns = [order.index(footprint.loops[n]) for n in moving]
        lanes = factors[:, columns]
        is_independent = np.linalg.matrix_rank(matrix[:, moving]) == len(moving)
        number = lanes.prod(axis=1) if is_independent else lanes.max(axis=1, initial=1)
        number = number * (np.isin(inner, columns) & remains.any(axis=1))
        dims = []
        for dim in split:
            step = np.full(len(factors), use.around[dim], dtype=np.int64)
            for n, column in zip(moving, columns, strict=True):
                if matrix[dim, n]:
                    stride = abs(int(matrix[dim, n])) * factors[:, column]
                    step = np.gcd(step, np.where(remains[:, column], stride, 0))
            size = footprint.program.arrays[use.array].type.shape[dim]
            # registers are selected from all of a dim that moves: they are read in front of the loop
            dims.append(((use.array, dim), step, np.where(np.gcd(size, step) < size, size, 1)))
        found.append(_OfOrder(number, tuple(dims)))
    return found
