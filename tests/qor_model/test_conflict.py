"""The exact dependence test agrees with counting."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pom.qor_model.carried import Level, distance
from pom.qor_model.conflict import may_conflict
from pom.qor_model.expand import Element
from tests.qor_model.regions import loop


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    source=st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-3, 3)),
    sink=st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-3, 3)),
)
def test_a_conflict_is_found_exactly_when_two_iterations_meet(
    sizes: tuple[int, int], source: tuple[int, int, int], sink: tuple[int, int, int]
) -> None:
    def element(c: tuple[int, int, int]) -> Element:
        terms = tuple((n, v) for n, v in (("i", c[0]), ("j", c[1])) if v)
        return Element("A", (terms,), (c[2],))

    inner = loop("j", sizes[1])
    outer = loop("i", sizes[0], inner)
    points = list(itertools.product(range(sizes[0]), range(sizes[1])))
    meets = any(
        source[0] * a[0] + source[1] * a[1] + source[2] == sink[0] * b[0] + sink[1] * b[1] + sink[2]
        for a in points
        for b in points
        if a < b
    )
    assert may_conflict((outer, inner), element(source), element(sink)) == meets


@given(
    trips=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    source=st.tuples(st.integers(-2, 2), st.integers(-2, 2)),
    sink=st.tuples(st.integers(-2, 2), st.integers(-2, 2)),
    has_row=st.booleans(),
)
def test_uniform_distances_are_exact(
    trips: tuple[int, int], source: tuple[int, int], sink: tuple[int, int], has_row: bool
) -> None:
    """``A[i + a, j + b]`` (or ``A[j + b]``) against counting iterations."""
    linear = ((("i", 1),), (("j", 1),)) if has_row else ((("j", 1),),)
    first = Element("A", linear, source if has_row else source[1:])
    second = Element("A", linear, sink if has_row else sink[1:])
    levels = [Level("i", 1, trips[0], trips[0]), Level("j", 1, trips[1], trips[1])]
    points = list(itertools.product(range(trips[0]), range(trips[1])))

    def place(point: tuple[int, int], offset: tuple[int, int]) -> tuple[int, ...]:
        full = (point[0] + offset[0], point[1] + offset[1])
        return full if has_row else full[1:]

    gaps = [
        n - m
        for m, a in enumerate(points)
        for n, b in enumerate(points)
        if m < n and place(a, source) == place(b, sink)
    ]
    assert distance(levels, first, second) == (min(gaps) if gaps else None)
