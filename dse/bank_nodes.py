"""Branch and bound over the banks that nests share.

An array has one partition for the whole design, and rows of different nests may want different ones.
Then it gets their least common multiple, and a load whose lanes do not decide on its bank selects
among those that it may reach: every one of them is an access to a port. A bound that takes every nest
alone knows nothing of that. So the designs are split by what the rows of one nest want, then of the
next one: a *node* is a class of rows for some nests, in which all rows of a nest want the
same banks, and every nest pays for the banks of these (`shared_banks`).

Nodes are looked at lowest bound first. A bound that was found stays one, since what is learnt of rows
only raises it; so a node is bounded again when it is the lowest one and something is new, and is split
when its rows are all known.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pom.dse.agreement import Relaxed
from pom.dse.choices import fastest_sharing
from pom.dse.shared_banks import Key, Part, SharedBanks, joined, lut_of

LOOKED_AT, BREADTH = 40, 3
"""Nodes that are split on the way to a leaf, and how many of the parts of each are looked at."""
CHOICES = 1000
"""Most choices of rows that are looked at in a leaf."""
TRIED, AGAIN, FACTOR = 7, 2, 2.5
"""Prices that are tried in a node, at first and later, and by how much they grow or shrink."""
WORTH = 0.05
"""Share of the cycles that the LUT of the device are worth at the least where nests agree on banks."""
GRAIN = 1e-4
"""Share of the cycles that choices of rows need not be told apart by."""

Version = tuple[float, ...]
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


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
    """Designs in which some nests have rows of given classes.

    Parameters
    ----------
    bound : float
    number : int
        Tells apart nodes with equal bounds.
    classes : tuple of (int, int)
        Nests that are decided, and the class of each.
    banks : dict
        What these want together.
    prices : Prices, optional
        Which gave the bound.
    version : tuple, optional
        State of knowledge that the bound is from.
    values : tuple of array
        Per nest, what every row of it adds to the bound; infinite for rows of other classes.
    choice : tuple of int
        Per nest the cell of the fastest choice that may fit.
    lut : float
        What the chosen cells need together, at the least.
    """

    bound: float
    number: int
    classes: tuple[tuple[int, int], ...] = field(compare=False, default=())
    banks: dict[Key, int] = field(compare=False, default_factory=dict)
    prices: Prices | None = field(compare=False, default=None)
    version: Version | None = field(compare=False, default=None)
    values: tuple[_Floats, ...] = field(compare=False, default=())
    choice: tuple[int, ...] = field(compare=False, default=())
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
        self._dived: set[tuple[tuple[int, int], ...]] = set()
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
            if node.version != version:
                # prices that were good once are good enough to see what is new
                tried = AGAIN if node.values else TRIED
                self._bounded(node, parts, limit, prices, best, tried)
                node.version, node.choice = version, ()
            elif node.choice:
                return node
            else:
                self._choose(node, parts, limit, best)
            if node.bound < best:
                heapq.heapreplace(self._heap, node)
            else:
                heapq.heappop(self._heap)
        return Node(best, 0)

    def split(self, node: Node, parts: Sequence[Part], limit: float, best: float) -> None:
        """Replace the lowest node by one per class of rows of the next nest."""
        heapq.heappop(self._heap)
        _, n = self._relaxed(node, parts, limit).regrets()[0]
        for child in self._children(node, n, parts, limit):
            if child.bound < best:
                heapq.heappush(self._heap, child)

    def agreed(
        self,
        node: Node,
        parts: Sequence[Part],
        known: Sequence[NDArray[np.bool_]],
        limit: float,
        best: float,
    ) -> tuple[int, ...] | None:
        """The rows of a design near the choice of a node, whose nests agree on banks; None for none.

        Parameters
        ----------
        known : sequence of mask
            By nest, the rows of which the answer is known.
        """
        masks = [mask[part.rows] for mask, part in zip(known, parts, strict=True)]
        cells = self._relaxed(node, parts, limit).agreed(masks, limit, best)
        if cells is None:
            return None
        return tuple(int(part.rows[cell]) for part, cell in zip(parts, cells, strict=True))

    def _relaxed(self, node: Node, parts: Sequence[Part], limit: float) -> Relaxed:
        decided = dict(node.classes)
        price = node.prices.per_lut if node.prices else 0.0
        return Relaxed(
            self._shared,
            parts,
            node.values,
            node.choice,
            node.banks,
            tuple(n for n in self.order if n not in decided),
            # logic that is left in the bound may be short once nests agree
            max(price, WORTH * node.bound / limit),
        )

    def _children(self, node: Node, n: int, parts: Sequence[Part], limit: float) -> Iterator[Node]:
        """A node per class of rows of a nest, bounded as far as nothing has to be computed."""
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
            yield Node(bound, self._made, (*node.classes, (n, number)), banks, node.prices)
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
                self._choose(node, parts, limit, best)
                if node.choice:
                    return node
                continue
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
        n = self.order[len(node.classes)]
        for child in self._children(node, n, parts, limit):
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
        decided = dict(node.classes)
        return all(m == n or m in decided or not self._shared.shares(n, m) for m in self.order)

    def fails(self, design: tuple[int, ...]) -> None:
        """Leave out a choice of rows, which does not fit as a whole."""
        self._failed.add(design)

    def _choose(self, node: Node, parts: Sequence[Part], limit: float, best: float) -> None:
        """Raise the bound of a node to the fastest choice of rows that may fit.

        Operators that nests share count by the shares of the prices where it does not matter, and in a
        leaf as they are.
        """
        kinds = parts[0].operators.shape[1]
        shares = node.prices.shares if node.prices else np.zeros((len(parts), kinds))
        inside, own = self._beside(node, parts)
        cycles = [
            np.where(values < np.inf, part.cycles, np.inf)
            for part, values in zip(inside, node.values, strict=True)
        ]
        operators = [part.operators for part in inside]
        found = fastest_sharing(cycles, own, operators, shares, limit, best, GRAIN * best)
        if found is None:
            node.bound = np.inf
            return
        node.bound, node.choice = max(node.bound, found.cycles), found.cells
        node.lut = lut_of(inside, own, node.choice)
        design = tuple(int(p.rows[c]) for p, c in zip(parts, node.choice, strict=True))
        if self.is_leaf(node) and (node.lut > limit or design in self._failed):
            self._chosen(node, inside, own, limit)
            node.lut = lut_of(inside, own, node.choice)

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
                lut = lut_of(parts, own, chosen)
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
        node.bound, node.choice = max(node.bound, total), tuple(chosen)

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

    def _beside(self, node: Node, parts: Sequence[Part]) -> tuple[list[Part], list[_Floats]]:
        """The rows under the banks of a node, and their LUT besides operators."""
        inside, own = [], []
        for part in parts:
            extra = self._shared.extra_lut(part.n, node.banks, part.rows)
            own.append(np.maximum(part.own + extra, part.least_own))
            inside.append(self._known_inside(node, part, own[-1]))
        return inside, own

    def _others(self, node: Node, parts: Sequence[Part]) -> list[NDArray[np.bool_] | None]:
        """Per nest the cells that are out of the question: rows of other classes than it has decided
        for, and rows that are helped where no banks help."""
        decided = dict(node.classes)
        masks: list[NDArray[np.bool_] | None] = []
        for part in parts:
            mask = None
            if part.n in decided:
                mask = self._shared.classes[part.n][part.rows] != decided[part.n]
            if part.is_helped.any() and self._is_decided(node, part.n):
                may = self._shared.may_help(part.n, node.banks)
                idle = part.is_helped & ~may[part.rows]
                mask = idle if mask is None else mask | idle
            masks.append(mask)
        return masks

    def _bounded(
        self,
        node: Node,
        parts: Sequence[Part],
        limit: float,
        prices: Prices,
        enough: float = float("inf"),
        tries: int = TRIED,
    ) -> None:
        """Raise the bound of a node as far as a few prices do, or to `enough`."""
        parts, own = self._beside(node, parts)
        masks = self._others(node, parts)
        start = node.prices or prices
        best, found = -np.inf, (start, node.values)
        tried, low, high = start, 0.0, 0.0
        for _ in range(tries):
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
            if lut_of(parts, own, [int(v.argmin()) for v in values]) > limit:
                low = tried.per_lut
                per_lut = (low * high) ** 0.5 if high else FACTOR * low
            else:
                high = tried.per_lut
                per_lut = (low * high) ** 0.5 if low else high / FACTOR
            tried = Prices(per_lut, followed(tried.shares, parts, values))
        node.prices, node.values = found
        node.bound = max(node.bound, best)


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
