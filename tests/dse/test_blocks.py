"""Iterations of tiled nests that are no boxes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import pom
from pom.dse import block_ranges
from pom.dse.blocks import BlockCounts
from pom.dse.nests import find_nests
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_skew import Skew


@pom.kernel
def triangle(A: pom.f32[12, 12, 5], x: pom.f32[12, 5]):
    for i in pom.loop("i", 0, 12):
        for j in pom.loop("j", 0, i + 1):
            for k in pom.loop("k", 0, 5):
                x[i, k] += A[i, j, k]


POINTS = [(i, j, k) for i in range(12) for j in range(i + 1) for k in range(5)]


def counts():
    program = graph_to_poly(triangle.graph)
    (nest,) = find_nests(program)
    return BlockCounts(program, nest)


@pytest.mark.parametrize("factors", list(product((1, 2, 5, 12), (1, 3, 4), (1, 2, 5))))
def test_no_more_iterations_are_counted_than_blocks_have_instances(factors):
    found = counts().least(("i", "j", "k"), factors)
    blocks = {tuple(v // f for v, f in zip(p, factors, strict=True)) for p in POINTS}
    if found is not None:
        # a trip count that varies may be taken by the middle of its range, rounded down
        assert 0.7 * len(blocks) <= found.iterations <= len(blocks)


def test_blocks_with_rounded_ends_are_counted_by_their_mean():
    """Of the middle of the range, which is lower, the model knows nothing where a bound is rounded."""
    found = counts().least(("i", "j", "k"), (1, 5, 5))
    blocks = {(i, j // 5) for i in range(12) for j in range(i + 1)}
    assert found.iterations == pytest.approx(len(blocks), rel=2e-3)
    # j goes up to i: the middle of 1 and 12 is 6, the mean 6.5
    assert counts().least(("i", "j", "k"), (1, 1, 5)).iterations == pytest.approx(12 * 6, rel=2e-3)


def test_a_loop_is_flattened_into_those_that_do_not_decide_on_its_range():
    found = counts()
    # j goes up to i: the loops below i run for each i anew
    assert found.least(("i", "j", "k"), (1, 1, 1)).entries == 12
    assert found.least(("i", "j", "k"), (1, 1, 1)).inside == ("j", "k")
    assert found.least(("i", "k", "j"), (1, 1, 1)).entries == 12
    # k decides on nothing
    assert found.least(("k", "i", "j"), (1, 1, 1)).entries == 60
    assert found.least(("k", "i", "j"), (5, 1, 1)).entries == 12
    # a sum that stays in a register is not flattened
    assert found.least(("i", "k", "j"), (1, 1, 1), is_flat=False).entries == 60


def test_nothing_is_known_where_no_loop_remains():
    assert counts().least(("i", "j", "k"), (12, 12, 5)) is None


def test_chains_along_a_loop():
    found = counts()
    # k is there for every i and j; the chain is as often entered as the nest
    assert found.chain("k") == (1.0, 5.0)
    # how far j goes depends on i, another loop of the band
    assert found.chain("j") is None


@pom.kernel
def wavefronts(A: pom.f32[12, 12]):
    for i in pom.loop("i", 1, 12):
        for j in pom.loop("j", 1, 12):
            A[i, j] = A[i, j - 1] + A[i - 1, j]


def test_blocks_of_skewed_loops():
    """Every wavefront enters the loop along it: i goes over j - 11 … j - 1 of those from 1 to 11."""
    program = graph_to_poly(wavefronts.graph)
    for primitive in (Skew("S0", "i", "j", 1), Reorder("S0", ("j", "i"))):
        program = primitive.run(program)
    (nest,) = find_nests(program)
    found = BlockCounts(program, nest).least(("j", "i"), (1, 4))
    blocks = {(i + j, (i - 1) // 4) for i in range(1, 12) for j in range(1, 12)}
    assert found.entries == 21
    assert found.iterations == pytest.approx(len(blocks), rel=2e-3)
    # two wavefronts at once
    assert BlockCounts(program, nest).least(("j", "i"), (2, 4)).entries == 11


def test_a_design_is_counted_when_the_work_for_all_is_used_up(monkeypatch):
    order, factors = ("i", "j", "k"), (2, 3, 1)
    expected = counts().least(order, factors)
    monkeypatch.setattr(block_ranges, "WORK", 0)
    block_ranges._shared.cache_clear()
    short = counts()
    assert short.least(order, factors) is None
    many = np.array([factors]), np.array([True])
    assert short.least_of(order, *many, is_single=True).first == expected
    block_ranges._shared.cache_clear()
