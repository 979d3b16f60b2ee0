"""Expressions that a lane computes for another: equal but for where in the arrays they are.

In ``y[i] = a*x[i-1] + b*x[i] + a*x[i+1]`` the last product of one lane is the first one of the lane two
iterations further, so that `f` lanes need ``f + 2`` of these products and not ``2 f``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Expr, Index, Load, rebuild, walk

_Ints = NDArray[np.int64]
_Key = tuple[Expr, tuple[int, ...]]


@dataclass(slots=True)
class Windows:
    """Expressions that were seen, without their places.

    Parameters
    ----------
    any_load : bool
        Whether iterations hand each other values through arrays, so that a load may give what another
        one, of any array, gives in a lane further on.
    """

    any_load: bool = False
    _seen: dict[_Key, list[_Ints]] = field(default_factory=dict)

    def has_moved(self, expr: Apply, iterators: tuple[str, ...]) -> bool:
        """Whether an expression like this one, some iterations away, was seen before.

        Parameters
        ----------
        expr : Apply
        iterators : tuple of str
            Of its statement. Those of several statements in a nest correspond in their order.
        """
        if self.any_load:
            key: _Key = _without_loads(expr), ()
            is_known = key in self._seen
            self._seen.setdefault(key, [])
            return is_known
        names = {name: Affine.var(f"#{n}") for n, name in enumerate(iterators)}
        subscripts = tuple(s.substitute(names) for s in _subscripts(expr))
        rows = np.array(
            [[s.coefficient(f"#{n}") for n in range(len(iterators))] for s in subscripts],
            dtype=np.int64,
        ).reshape(len(subscripts), len(iterators))
        places = np.array([s.constant for s in subscripts], dtype=np.int64)
        key = _without_places(expr), tuple(rows.ravel().tolist())
        known = self._seen.setdefault(key, [])
        if any(_is_reached(rows, places - other) for other in known):
            return True
        known.append(places)
        return False


def _subscripts(expr: Expr) -> list[Affine]:
    """Subscripts and other values of iterators, without those that are rounded."""
    found: list[Affine] = []
    for part in walk(expr):
        match part:
            case Load():
                found += [s for s in part.access.subscripts if isinstance(s, Affine)]
            case Index():
                found.append(part.affine)
    return [s for s in found if all(isinstance(atom, str) for atom, _ in s.terms)]


def _without_places(expr: Expr) -> Expr:
    """The expression with nothing left of where it is."""

    def change(part: Expr) -> Expr:
        match part:
            case Load():
                subscripts = tuple(
                    Affine() if isinstance(s, Affine) else s for s in part.access.subscripts
                )
                return replace(part, access=replace(part.access, subscripts=subscripts))
            case Index():
                return replace(part, affine=Affine())
        return part

    return rebuild(expr, change)


def _without_loads(expr: Expr) -> Expr:
    """The expression with every load from the same place."""

    def change(part: Expr) -> Expr:
        if isinstance(part, Load):
            return replace(part, access=Access("", ()))
        return replace(part, affine=Affine()) if isinstance(part, Index) else part

    return rebuild(expr, change)


def _is_reached(rows: _Ints, moved: _Ints) -> bool:
    """Whether going some iterations further moves all subscripts like this."""
    if not moved.any():
        return True
    steps = np.linalg.lstsq(rows.astype(np.float64), moved.astype(np.float64), rcond=None)[0]
    return bool(np.allclose(rows @ steps, moved))
