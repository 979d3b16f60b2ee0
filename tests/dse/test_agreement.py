"""Designs near a choice of rows whose nests do not agree on banks."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pom.dse.agreement import Relaxed
from pom.dse.dual import no_help
from pom.dse.shared_banks import Part, lut_of
from tests.dse.problems import branches, example
from tests.dse.test_bank_nodes import shared_banks


def relaxed(search, branch, rng, per_lut):
    """Nothing is decided, and every nest chooses some row."""
    parts = []
    for n, table in enumerate(branch.tables):
        rows = np.flatnonzero(table.lanes <= 24)
        cycles = table.least_cycles()[rows]
        parts.append(
            Part(n, rows, cycles, table.own_lut[rows], table.by_operator[rows], *no_help(len(rows)))
        )
    values = [part.cycles + per_lut * part.own for part in parts]
    choice = tuple(rng.randrange(len(part.rows)) for part in parts)
    shared = shared_banks(search, branch)
    nests = tuple(n for n in range(len(parts)) if shared.keys[n])
    return Relaxed(shared, parts, values, choice, {}, nests, per_lut)


@pytest.mark.parametrize("name", ["polybench/k2mm", "polybench/gemver", "polybench/ludcmp"])
def test_a_design_fits_under_the_banks_that_its_rows_want(name):
    search, found = branches(example(name, "small"))
    rng = random.Random(3)
    agreed = 0
    for branch in found[:2]:
        for limit in (8_000.0, 20_000.0, 53_200.0, 53_200.0):
            question = relaxed(search, branch, rng, 0.5)
            parts = question.parts
            known = [rng.random() < 0.5 or part.cycles < np.median(part.cycles) for part in parts]
            masks = [np.ones(len(p.rows), bool) & m for m, p in zip(known, parts, strict=True)]
            cells = question.agreed(masks, limit, float("inf"))
            if cells is None:
                continue
            agreed += 1
            chosen = list(zip(parts, cells, strict=True))
            banks = question.shared.wanted_by({p.n: int(p.rows[cell]) for p, cell in chosen})
            own = [p.own + question.shared.extra_lut(p.n, banks, p.rows) for p in parts]
            assert lut_of(parts, own, cells) <= limit
            total = sum(float(p.cycles[cell]) for p, cell in chosen)
            # sums in another order differ in the last place
            faster = question.agreed(masks, limit, total * (1 - 1e-9))
            if faster is not None:
                pairs = zip(parts, faster, strict=True)
                assert sum(float(p.cycles[cell]) for p, cell in pairs) < total
    assert agreed


def test_nests_regret_what_they_cannot_avoid():
    search, found = branches(example("polybench/k2mm", "small"))
    rng = random.Random(5)
    free = relaxed(search, found[0], rng, 0.0)
    # where logic costs nothing, neither do banks
    assert all(cost == 0.0 for cost, _ in free.regrets())
    dear = relaxed(search, found[0], rng, 5.0)
    costs = [cost for cost, _ in dear.regrets()]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0
