"""Pareto fronts of minimised objectives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def is_dominated(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `b` is at least as good as `a` everywhere and better somewhere (smaller is better)."""
    return all(y <= x for x, y in zip(a, b, strict=True)) and any(
        y < x for x, y in zip(a, b, strict=True)
    )


def pareto_front(items: Iterable[T], key: Callable[[T], Sequence[float]]) -> list[T]:
    """The items that no other dominates, sorted by their objectives; equal ones keep the first.

    Parameters
    ----------
    items : iterable
    key : callable
        Item to a tuple of objectives, all minimised.

    Notes
    -----
    Sorting first means that an item can be dominated only by one before it, so one pass suffices.
    """
    front: list[tuple[tuple[float, ...], T]] = []
    seen: set[tuple[float, ...]] = set()
    for objectives, item in sorted(((tuple(key(i)), i) for i in items), key=lambda pair: pair[0]):
        if objectives in seen or any(is_dominated(objectives, o) for o, _ in front):
            continue
        seen.add(objectives)
        front.append((objectives, item))
    return [item for _, item in front]


def adrs(reference: Sequence[Sequence[float]], found: Sequence[Sequence[float]]) -> float:
    """Average distance from reference set, as a fraction.

    Parameters
    ----------
    reference : sequence of objective tuples
        The true Pareto set, every objective positive.
    found : sequence of objective tuples
        The true objectives of the designs that were picked.

    Returns
    -------
    float
        ``1/|R| * sum over r of min over f of max over k of max(0, (f_k - r_k) / r_k)``.

    Raises
    ------
    ValueError
        One of the sets is empty.

    Notes
    -----
    Palermo, Silvano, Zaccaria: ReSPIR, IEEE TCAD 28(12), 2009.
    """
    if not reference or not found:
        raise ValueError("adrs of an empty set")
    total = 0.0
    for r in reference:
        total += min(
            max(max(0.0, (f - g) / g) if g else max(0.0, f) for f, g in zip(point, r, strict=True))
            for point in found
        )
    return total / len(reference)
