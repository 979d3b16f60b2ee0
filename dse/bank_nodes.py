"""Branch and bound over the banks that nests share.

An array has one partition for the whole design, and rows of different nests may want different ones.
Then it gets their least common multiple, and a load whose lanes do not decide on its bank selects
among those that it may reach: every one of them is an access to a port. A bound that takes every nest
alone knows nothing of that. So the designs are split by what the rows of one nest want, then of the
next one: a *node* is a class of rows for the first few nests, in which all rows of a nest want the
same banks. In a node, the rows of every nest need

    own + access * (banks reached, with those of the node - banks reached, with their own)

besides operators. The number of banks that a load reaches is ``B / gcd(B, step)`` in every dim, which
no multiple of ``B`` lowers; a dim that is split completely has as many banks as elements.

Nodes are looked at lowest bound first. A bound that was found stays one, since what is learnt of rows
only raises it; so a node is bounded again when it is the lowest one and something is new, and is split
when its rows are all known.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import lcm

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_classes import different_rows
from pom.dse.bank_selection import BankSelection
from pom.dse.nest_table import NestTable
from pom.dse.other_banks import joint_banks, relief
from pom.ir.poly import PolyProgram

Key = tuple[str, int]
"""An array and a dim of it."""
LOOKED_AT, BREADTH = 40, 3
"""Nodes that are split on the way to a leaf, and how many of the parts of each are looked at."""
FEW_ROWS = 8
"""Rows of which it is not worth to know the others, too."""
CHOICES = 1000
"""Most choices of rows that are looked at in a leaf."""
TRIED, FACTOR = 7, 2.5
"""Prices that are tried in a node, and by how much they grow or shrink at first."""

Version = tuple[float, ...]
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


class SharedBanks:
    """What rows of the nests want of arrays that several nests use.

    Parameters
    ----------
    program : PolyProgram
    tables : sequence of NestTable
    access_lut, register_lut : float
        See `BankSelection.lut`.
    """

    def __init__(
        self,
        program: PolyProgram,
        tables: Sequence[NestTable],
        access_lut: float,
        register_lut: float,
    ) -> None:
        self._program = program
        self._tables = tables
        self._access_lut = access_lut
        self._register_lut = register_lut
        self._wants = [table.banks for table in tables]
        users: dict[str, set[int]] = {}
        for n, of_nest in enumerate(self._wants):
            for array, _ in of_nest:
                users.setdefault(array, set()).add(n)
        self._sizes = {
            (name, dim): size
            for name, which in users.items()
            if len(which) > 1
            for dim, size in enumerate(program.arrays[name].type.shape)
        }
        self.keys = [tuple(sorted(set(of_nest) & set(self._sizes))) for of_nest in self._wants]
        self.classes: list[_Ints] = []
        self._banks: list[_Ints] = []
        for table, keys, wants in zip(tables, self.keys, self._wants, strict=True):
            columns = [wants[key] for key in keys] or [np.ones(len(table), dtype=np.int64)]
            different, which = different_rows(columns, len(table))
            self.classes.append(which)
            self._banks.append(different)
        self._selections = [
            BankSelection(table.footprint, table.lists, keys, classes)
            for table, keys, classes in zip(tables, self.keys, self.classes, strict=True)
        ]
        self._extra: dict[tuple[int, tuple[int, ...]], _Floats] = {}
        self._alone: dict[int, _Floats] = {}
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

    def shares(self, n: int, m: int) -> bool:
        """Whether two nests use an array in common."""
        return bool({a for a, _ in self.keys[n]} & {a for a, _ in self.keys[m]})

    def extra_lut(self, n: int, banks: Mapping[Key, int], rows: _Ints) -> _Floats:
        """LUT that rows of a nest need at the least because of banks that other nests want."""
        wanted = tuple(banks.get(key, 1) for key in self.keys[n])
        if all(number == 1 for number in wanted):
            return np.zeros(len(rows))
        key = (n, wanted)
        if key not in self._extra:
            if n not in self._alone:
                self._alone[n] = self._selection(n, (1,) * len(wanted), float("inf"))
            if len(rows) < FEW_ROWS:
                beside = self._selection(n, wanted, self._register_lut, rows)
                return np.maximum(beside - self._alone[n][rows], 0.0)
            beside = self._selection(n, wanted, self._register_lut)
            self._extra[key] = np.maximum(beside - self._alone[n], 0.0)
        found: _Floats = self._extra[key][rows]
        return found

    def _selection(
        self, n: int, banks: tuple[int, ...], register_lut: float, rows: _Ints | None = None
    ) -> _Floats:
        """LUT of what the loads of some rows of a nest select from, all by default."""
        joint = {}
        for key, number in zip(self.keys[n], banks, strict=True):
            joint[key] = joint_banks(self._banks_of(n, key), number, self._sizes[key])
        return self._selections[n].lut(joint, self._access_lut, register_lut, rows)

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


@dataclass(frozen=True, slots=True)
class Prices:
    """Multipliers of the dual: cycles per LUT, and the shares of nests in every kind of operator.

    Parameters
    ----------
    per_lut : float
    shares : array of float, shape (n, k)
    """

    per_lut: float
    shares: _Floats


@dataclass(order=True, slots=True)
class Node:
    """Designs whose first few nests have rows of given classes.

    Parameters
    ----------
    bound : float
    number : int
        Tells apart nodes with equal bounds.
    classes : tuple of int
        Of the first nests, in the order in which they are split.
    banks : dict
        What these want together.
    prices : Prices, optional
        Which gave the bound.
    version : tuple, optional
        State of knowledge that the bound is from.
    values : tuple of array
        Per nest, what every row of it adds to the bound; infinite for rows of other classes.
    lut : float
        What the rows with the least of these need together, at the least.
    """

    bound: float
    number: int
    classes: tuple[int, ...] = field(compare=False, default=())
    banks: dict[Key, int] = field(compare=False, default_factory=dict)
    prices: Prices | None = field(compare=False, default=None)
    version: Version | None = field(compare=False, default=None)
    values: tuple[_Floats, ...] = field(compare=False, default=())
    lut: float = field(compare=False, default=0.0)


class BankNodes:
    """The nodes of a program, lowest bound first.

    Parameters
    ----------
    shared : SharedBanks
    weights : sequence of float
        Cycles of the nests, about: those that share arrays with heavy ones are split first.
    """

    def __init__(self, shared: SharedBanks, weights: Sequence[float]) -> None:
        self._shared = shared
        self._heap = [Node(0.0, 0)]
        self._made = 1
        self._dived: set[tuple[int, ...]] = set()
        self._failed: set[tuple[int, ...]] = set()
        self._inside: dict[tuple[int, tuple[int, ...]], dict[int, tuple[float, float]]] = {}
        nests = [n for n in range(len(weights)) if shared.keys[n]]
        common = {
            n: sum(min(weights[n], weights[m]) for m in nests if m != n and shared.shares(n, m))
            for n in nests
        }
        self.order = sorted(nests, key=lambda n: (-common[n], n))

    def lowest(
        self, parts: Sequence[Part], limit: float, version: Version, prices: Prices, best: float
    ) -> Node:
        """The node with the lowest bound, by what is known now.

        Parameters
        ----------
        parts : sequence of Part
            Per nest, rows that may be in a design faster than `best`.
        limit : float
            LUT.
        version : tuple
            Differs whenever `parts` do.
        prices : Prices
            Which are good for all designs together.
        best : float
            Nodes that are not below are left out.
        """
        while self._heap:
            node = self._heap[0]
            if node.version == version:
                return node
            self._bounded(node, parts, limit, prices, best)
            node.version = version
            if node.bound < best:
                heapq.heapreplace(self._heap, node)
            else:
                heapq.heappop(self._heap)
        return Node(best, 0)

    def split(self, node: Node, parts: Sequence[Part], limit: float, best: float) -> None:
        """Replace the lowest node by one per class of rows of the next nest."""
        heapq.heappop(self._heap)
        for child in self._children(node, parts, limit):
            if child.bound < best:
                heapq.heappush(self._heap, child)

    def _children(self, node: Node, parts: Sequence[Part], limit: float) -> Iterator[Node]:
        """A node per class of rows of the next nest, bounded as far as nothing has to be computed."""
        n = self.order[len(node.classes)]
        per_lut = node.prices.per_lut if node.prices else 0.0
        least = [float(values.min(initial=np.inf)) for values in node.values]
        others = sum(least) - least[n] - per_lut * limit
        which = self._shared.classes[n][parts[n].rows]
        lowest = np.full(int(which.max(initial=-1)) + 1, np.inf)
        np.minimum.at(lowest, which, node.values[n])
        for number in np.argsort(lowest, kind="stable").tolist():
            if lowest[number] == np.inf:
                return
            banks = joined(node.banks, self._shared.of_class(n, number))
            bound = max(node.bound, others + float(lowest[number]))
            yield Node(bound, self._made, (*node.classes, number), banks, node.prices)
            self._made += 1

    def dive(self, parts: Sequence[Part], limit: float, prices: Prices, best: float) -> Node | None:
        """The leaf that promises most of those that were not returned before; None for none.

        Parameters
        ----------
        parts : sequence of Part
            With what is expected of rows, not with what is proved.
        """
        root = Node(0.0, 0)
        self._bounded(root, parts, limit, prices)
        stack = [root]
        for _ in range(LOOKED_AT):
            if not stack:
                return None
            node = stack.pop()
            if node.bound >= best:
                continue
            if self.is_leaf(node):
                self._dived.add(node.classes)
                return node
            children = []
            for child in self._likely(node, parts, limit):
                if child.classes not in self._dived and child.bound < best:
                    self._bounded(child, parts, limit, prices, best)
                    children.append(child)
            # the most promising one comes last, and is followed first
            stack += sorted(children, reverse=True)
        return None

    def _likely(self, node: Node, parts: Sequence[Part], limit: float) -> list[Node]:
        """The best parts of a node: a few of all, and a few that want no other banks than are there."""
        every: list[Node] = []
        agreeing: list[Node] = []
        for child in self._children(node, parts, limit):
            if len(every) < BREADTH:
                every.append(child)
            elif len(agreeing) == BREADTH:
                break
            elif all(child.banks[key] == number for key, number in node.banks.items()):
                agreeing.append(child)
        return [*every, *agreeing]

    def is_leaf(self, node: Node) -> bool:
        """Whether the banks of all arrays are decided."""
        return len(node.classes) == len(self.order)

    def learn(self, node: Node, n: int, row: int, cycles: float, own_lut: float) -> None:
        """Take in what a row of a nest needs under the banks of a leaf.

        Parameters
        ----------
        node : Node
        n, row : int
        cycles : float
        own_lut : float
            Besides operators, and besides what other nests share.
        """
        key = (n, self._wanted(node, n))
        self._inside.setdefault(key, {})[row] = (cycles, own_lut)
        node.version = None

    def is_known(self, node: Node, n: int, row: int) -> bool:
        """Whether `learn` was told of a row under the banks of a node."""
        return row in self._inside.get((n, self._wanted(node, n)), {})

    def _is_decided(self, node: Node, n: int) -> bool:
        """Whether the other nests that share arrays with a nest have banks in a node."""
        decided = self.order[: len(node.classes)]
        return all(m == n or m in decided or not self._shared.shares(n, m) for m in self.order)

    def fails(self, design: tuple[int, ...]) -> None:
        """Leave out a choice of rows, which does not fit as a whole."""
        self._failed.add(design)

    def _chosen(
        self, node: Node, parts: Sequence[Part], own: Sequence[_Floats], limit: float
    ) -> None:
        """The fastest choice in a leaf that may fit, one cell per part: the bound is exact.

        Choices are looked at by their cycles.
        """
        cells = []
        for part, values in zip(parts, node.values, strict=True):
            usable = np.flatnonzero((values < np.inf) & (part.cycles < np.inf))
            order = usable[np.argsort(part.cycles[usable], kind="stable")]
            cells.append(order)
            if not len(order):
                node.bound = np.inf
                return
        start = (0,) * len(parts)
        cycles = [p.cycles[c] for p, c in zip(parts, cells, strict=True)]
        heap = [(sum(float(c[0]) for c in cycles), start)]
        seen = {start}
        for _ in range(CHOICES):
            if not heap:
                node.bound = np.inf
                return
            total, at = heapq.heappop(heap)
            chosen = [int(c[k]) for c, k in zip(cells, at, strict=True)]
            if total >= node.bound:
                lut = _lut_of(parts, own, chosen)
                design = tuple(int(p.rows[c]) for p, c in zip(parts, chosen, strict=True))
                if lut <= limit and design not in self._failed:
                    break
            for n, of_part in enumerate(cycles):
                following = (*at[:n], at[n] + 1, *at[n + 1 :])
                if following[n] < len(of_part) and following not in seen:
                    seen.add(following)
                    heapq.heappush(
                        heap, (total + float(of_part[at[n] + 1] - of_part[at[n]]), following)
                    )
        node.bound = max(node.bound, total)
        node.values = tuple(
            np.where(np.arange(len(v)) == c, v, np.inf)
            for v, c in zip(node.values, chosen, strict=True)
        )

    def _wanted(self, node: Node, n: int) -> tuple[int, ...]:
        return tuple(node.banks.get(key, 1) for key in self._shared.keys[n])

    def _known_inside(self, node: Node, part: Part, own: _Floats) -> Part:
        """A part with what is known of its rows under the banks of a leaf; `own` changes, too."""
        known = self._inside.get((part.n, self._wanted(node, part.n)), {})
        if not known or not self.is_leaf(node):
            return part
        cycles = part.cycles.copy()
        for row, (found, lut) in known.items():
            at = (part.rows == row) & (cycles < np.inf)
            cycles[at] = found
            own[at] = lut
        return replace(part, cycles=cycles)

    def _bounded(
        self,
        node: Node,
        parts: Sequence[Part],
        limit: float,
        prices: Prices,
        enough: float = float("inf"),
    ) -> None:
        """Raise the bound of a node as far as a few prices do, or to `enough`."""
        fixed = dict(zip(self.order, node.classes, strict=False))
        own, masks, inside = [], [], []
        for part in parts:
            extra = self._shared.extra_lut(part.n, node.banks, part.rows)
            own.append(np.maximum(part.own + extra, part.least_own))
            inside.append(self._known_inside(node, part, own[-1]))
            mask = None
            if part.n in fixed:
                mask = self._shared.classes[part.n][part.rows] != fixed[part.n]
            if part.is_helped.any() and self._is_decided(node, part.n):
                may = self._shared.may_help(part.n, node.banks)
                idle = part.is_helped & ~may[part.rows]
                mask = idle if mask is None else mask | idle
            masks.append(mask)
        parts = inside
        start = node.prices or prices
        best, found = -np.inf, (start, node.values)
        tried, low, high = start, 0.0, 0.0
        for _ in range(TRIED):
            values = [
                _values(part, lut, mask, tried.per_lut, share)
                for part, lut, mask, share in zip(parts, own, masks, tried.shares, strict=True)
            ]
            value = sum(float(v.min(initial=np.inf)) for v in values)
            if value == np.inf:
                node.bound = np.inf
                return
            value -= tried.per_lut * limit
            if value > best:
                best, found = value, (tried, tuple(values))
            if best >= enough:
                break
            # where the rows need too much, LUT have to cost more
            if _lut_of(parts, own, [int(v.argmin()) for v in values]) > limit:
                low = tried.per_lut
                per_lut = (low * high) ** 0.5 if high else FACTOR * low
            else:
                high = tried.per_lut
                per_lut = (low * high) ** 0.5 if low else high / FACTOR
            tried = Prices(per_lut, followed(tried.shares, parts, values))
        node.prices, node.values = found
        node.bound = max(node.bound, best)
        if self.is_leaf(node):
            self._chosen(node, parts, own, limit)
        least = [int(v.argmin()) for v in node.values]
        node.lut = _lut_of(parts, own, least)


def _lut_of(parts: Sequence[Part], own: Sequence[_Floats], cells: Sequence[int]) -> float:
    """LUT of one cell per nest: operators of a kind are those of the nest that needs most."""
    most = np.max([p.operators[at] for p, at in zip(parts, cells, strict=True)], axis=0)
    return float(most.sum()) + sum(float(o[at]) for o, at in zip(own, cells, strict=True))


def _values(
    part: Part, own: _Floats, mask: NDArray[np.bool_] | None, per_lut: float, shares: _Floats
) -> _Floats:
    values: _Floats = part.cycles + per_lut * (own + part.operators @ shares)
    if mask is not None:
        values[mask] = np.inf
    return values


def followed(shares: _Floats, parts: Sequence[Part], values: Sequence[_Floats]) -> _Floats:
    """Shares that follow the operators of the rows with the least values."""
    used = [p.operators[v.argmin()] for p, v in zip(parts, values, strict=True)]
    found = shares * (np.array(used) + 1.0)
    result: _Floats = found / found.sum(axis=0)
    return result
