"""What the parts of a nest cost besides operators: never more than the model says."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from pom.dse.dual import CONTROL_LUT
from pom.dse.evaluation import own_lut
from pom.dse.operator_sharing import shared_operators
from pom.dse.parts import LutCosts, name_of_unit, rest_parts
from pom.dse.plan import NestPlan
from pom.dse.realise import nest_primitives
from pom.passes.poly_peel import Peel
from pom.qor_model.resources_constants import mux_lut
from tests.dse.problems import branches, example, random_designs

TOOL = "Vitis HLS 2023.1"


def operators_of(search, branch):
    library = search.local.library
    return shared_operators(branch.variant, library, LutCosts.of(library.tool))


def test_parts_are_the_nests_that_a_plan_becomes():
    _, found = branches(example("polybench/fdtd_2d"))
    table = found[0].tables[1]
    rng = random.Random(1)
    for chosen in table.lists:
        extents = chosen.chains.shape.extents
        counts = np.zeros(len(chosen.factors), dtype=int)
        for part in rest_parts(extents, chosen.factors):
            counts[part.rows] += 1
            assert ((part.trips > 1).any(axis=1)).all()
            assert (part.lanes * part.trips <= extents).all()
        for row in rng.sample(range(len(counts)), min(20, len(counts))):
            factors = chosen.factors[row]
            rests, blocks = extents % factors, extents // factors
            # of every combination of rests, those with a loop
            looped = sum(
                any(b > 1 for b, is_rest in zip(blocks, which, strict=True) if not is_rest)
                for which in product((False, True), repeat=len(extents))
                if any(which) and all(r for r, is_rest in zip(rests, which, strict=True) if is_rest)
            )
            assert counts[row] == looped
            plan = NestPlan(table.nest.handle, chosen.order, tuple(map(int, factors)))
            peels = [p for p in nest_primitives(table.nest, plan) if isinstance(p, Peel)]
            assert len(peels) >= looped


def test_an_interval_of_several_cycles_has_fewer_stages():
    costs = LutCosts.of(TOOL)
    trips = np.array([[5, 1], [5, 7], [1, 1]])
    few, many, none = costs.of_loops(trips, np.array([2.0, 100.0, 100.0]))
    assert few == pytest.approx(costs.loop + costs.control * mux_lut(2) + 2 * costs.stage)
    assert (
        many < 2 * costs.loop + costs.control * mux_lut(3) + costs.several_states + 2 * costs.stage
    )
    assert none == 0


def test_controllers_are_counted_once_for_every_part():
    costs = LutCosts.of(TOOL)
    parts = np.array([0, 1, 2, 4])
    # alone, an operator with one controller has nothing to share
    assert costs.operator(("fadd",), 100.0, 1).shared == 0
    np.testing.assert_allclose(
        costs.operator(("fadd",), 100.0, 1).of_parts(parts),
        costs.controller * np.array([0, 0, 2, 4]),
    )
    # what several nests have in one part each is counted for them together
    assert costs.operator(("fadd",), 100.0, 3).shared == 3 * costs.controller
    np.testing.assert_allclose(
        costs.operator(("fadd",), 100.0, 3).of_parts(parts),
        costs.controller * np.array([0, 0, 1, 3]),
    )


KERNELS = (
    "polybench/fdtd_2d", "polybench/gramschmidt", "polybench/cholesky", "polybench/durbin",
    "polybench/k2mm", "polybench/adi", "polybench/heat_3d", "polybench/atax",
    "polybench/jacobi_1d", "polybench/trisolv", "polybench/syrk", "pom/blur",
)  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_the_model_needs_no_less_logic_than_bounds_count(name):
    """Random rows of nests alone: own logic, and controllers for the operators that there are."""
    _, found = branches(example(name))
    rng = random.Random(11)
    compared = 0
    for _ in range(12):
        branch = rng.choice(found)
        n = rng.randrange(len(branch.tables))
        table = branch.tables[n]
        row = rng.choice(np.flatnonzero(table.lanes <= 30).tolist())
        table.refine(row)
        least, apart = float(table.own_lut[row]), float(table.apart[row])
        branch.ask([(n, row)])
        answer = table.answers[row]
        if answer.is_refused:
            continue
        compared += 1
        # an operator in several lanes may be shared as often as the interval has cycles
        used = sum(unit.count for unit in answer.units)
        lanes = sum(len(w.loops) == len(table.nest.band) for w in table.nest.work)
        share = min(used / max(lanes * int(table.lanes[row]), 1), 1.0)
        assert least + share * apart <= own_lut(answer) + 1, branch.plan_of((table.plan(row),))
    assert compared > 3


@pytest.mark.parametrize("name", ["polybench/fdtd_2d", "polybench/k2mm", "polybench/gramschmidt"])
def test_nests_add_up_to_no_more_than_the_whole_needs(name):
    """Whole designs of which nothing is known, at an interval of a cycle."""
    search, found = branches(example(name))
    compared = 0
    for branch, rows, whole in random_designs(search, found, seed=17, count=10):
        compared += 1
        own = sum(float(t.own_lut[r]) for t, r in zip(branch.tables, rows, strict=True))
        operators = sum(unit.count * unit.lut for unit in whole.units)
        assert own + operators <= whole.resources.lut
    assert compared > 3


def test_additions_and_subtractions_share_adders_of_one_implementation():
    search, found = branches(example("polybench/fdtd_2d"))
    by_choice = {branch.variant.implementations: branch for branch in found}
    alike = operators_of(search, by_choice[()])
    assert {name: o.executes for name, o in alike.items()} == {
        "fadd": ("fadd", "fsub"),
        "fmul": ("fmul",),
    }
    apart = operators_of(search, by_choice[(("fadd", "fabric"),)])
    assert {name: o.executes for name, o in apart.items()} == {
        "fadd": ("fsub",),
        "fadd fabric": ("fadd",),
        "fmul": ("fmul",),
    }
    # three nests have pipelines with subtractions, one with additions
    assert apart["fadd"].shared == 3 * apart["fadd"].controller
    assert apart["fadd fabric"].shared == 0


@pytest.mark.parametrize("name", ["polybench/fdtd_2d", "polybench/cholesky", "polybench/ludcmp"])
def test_operators_that_nests_share_are_counted_once(name):
    """Every kind by the nest that needs most, with the controllers of all of them."""
    search, found = branches(example(name))
    rng = random.Random(19)
    compared = 0
    for _ in range(8):
        branch = rng.choice(found)
        few = [np.flatnonzero(table.lanes <= 8).tolist() for table in branch.tables]
        rows = [rng.choice(of_nest) for of_nest in few]
        branch.ask(list(enumerate(rows)))
        (whole,) = search.evaluate([(branch.plan(rows), "")])
        pairs = list(zip(branch.tables, rows, strict=True))
        if whole.is_refused or any(t.answers[r].is_refused for t, r in pairs):
            continue
        compared += 1
        units = {name_of_unit(u.name): u.count * u.lut for u in whole.units}
        known = np.max([t.known.by_operator[r] for t, r in pairs], axis=0)
        own = sum(max(t.known.own[r] - t.known.shared[r] - CONTROL_LUT, 0.0) for t, r in pairs)
        for column, operator in enumerate(operators_of(search, branch)):
            assert known[column] >= units.get(operator, 0)
        assert own + known.sum() <= whole.resources.lut
    assert compared > 2
