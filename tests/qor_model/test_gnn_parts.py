"""Nests as numbers, designs as sums of parts, and trees on the parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pom.qor_model.gnn.nests import GROUPS, NEST, _structure
from pom.qor_model.gnn.samples import TERMS, Sample
from pom.qor_model.gnn.sums import PARTS, Parts, SumForest, grow_sum, take_apart
from pom.qor_model.region import (
    F32,
    Access,
    Array,
    Block,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    affine,
)
from tests.qor_model.regions import array, compute, design, dot_row, iv, load, loop, store
from tests.qor_model.test_gnn import METRICS, _maker, _sample, all_samples

pytest.importorskip("sklearn")

from pom.qor_model.gnn.grove import grow_grove, is_sum, with_prediction


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return all_samples()


def test_a_nest_has_the_same_numbers_whatever_stands_beside_it() -> None:
    arrays = (array("C", 8, 64), array("tmp", 8), array("A", 8, 64), array("x", 64))
    old = load("C", iv("k"), iv("l"))
    product = compute(OpKind.MUL, old, scalars=("0:beta",))
    body = (old, product, store(product, "C", iv("k"), iv("l")))
    scale = loop("k", 8, loop("l", 64, *body))
    dot = loop("i", 8, loop("j", 64, *dot_row()))
    both = _sample(design(scale, dot, arrays=arrays), "both", _maker())
    alone = _sample(design(dot, arrays=arrays), "alone", _maker())
    assert both.nests[1] == alone.nests[0]
    assert both.nests[0] != alone.nests[0]


def test_a_nest_says_how_its_loops_and_accesses_are_built(samples: list[Sample]) -> None:
    wide = next(s for s in samples if s.kernel == "dot")
    numbers = dict(zip(NEST, wide.nests[0], strict=True))
    assert numbers["depth"] == 2
    assert numbers["muls"] == numbers["adds"] == 1
    assert numbers["loads"] == 3
    # tmp[i] is moved by the outer loop alone, x[j] by the inner one alone
    assert numbers["fixed_loads_0"] == 1
    assert numbers["fixed_loads_1"] == 1
    assert numbers["fixed_stores_0"] == 1


def _parts(rng: np.random.Generator, lent: bool = False) -> tuple[Parts, np.ndarray]:
    """Designs of two nests each, of twelve kinds, and by which factor each kind differs."""
    nests = rng.normal(size=(12, 5))
    factors = np.exp(0.5 * (nests[:, 0] > 0))
    pairs = np.array([(a, b) for a in range(12) for b in range(12) if a != b])
    counts = {"nest_lut": rng.uniform(100, 400, 12), "operators_lut": np.full(len(pairs), 50.0)}
    counts |= {"banks": np.full(len(pairs), 8.0), "constant": np.ones(len(pairs))}
    if lent:
        counts = {"nest_dsp": rng.integers(1, 30, (12, len(GROUPS))).astype(float)}
        counts["other_dsp"] = np.zeros(len(pairs))
    design_of = np.repeat(np.arange(len(pairs)), 2)
    parts = Parts(nests, np.zeros((len(pairs), 2)), design_of, pairs.ravel(), counts)
    return parts, factors


def test_what_is_wrong_with_a_kind_of_nest_is_found_from_totals_alone() -> None:
    parts, factors = _parts(np.random.default_rng(0))
    truth = parts.spread(parts.counts["nest_lut"] * factors, "nest_lut") + 58.0
    seen = np.arange(len(truth)) % 3 > 0
    forest = grow_sum(parts, "lut", np.where(seen, np.log1p(truth), np.nan), 150, 1, 0)
    found = np.expm1(forest.predict(parts))[~seen]
    assert np.mean(np.abs(found / truth[~seen] - 1)) < 0.05


def test_lent_operators_are_the_most_that_a_nest_needs() -> None:
    parts, factors = _parts(np.random.default_rng(1), lent=True)
    wanted = parts.counts["nest_dsp"] * factors[:, None]
    truth = np.maximum(wanted[parts.nest[::2]], wanted[parts.nest[1::2]]).sum(1)
    np.testing.assert_allclose(parts.spread(wanted, "nest_dsp"), truth)
    forest = grow_sum(parts, "dsp", np.log1p(truth), 150, 1, 0)
    before = np.abs(parts.spread(parts.counts["nest_dsp"], "nest_dsp") / truth - 1).mean()
    after = np.abs(np.expm1(forest.predict(parts)) / truth - 1).mean()
    assert after < 0.4 * before


def test_without_measurements_the_parts_stay_as_they_were_counted() -> None:
    parts, _ = _parts(np.random.default_rng(2))
    forest = grow_sum(parts, "lut", np.full(len(parts.designs), np.nan), 5, 1, 0)
    total = parts.spread(parts.counts["nest_lut"], "nest_lut") + 59.0
    np.testing.assert_allclose(np.expm1(forest.predict(parts)), total)


def test_registers_that_nests_share_count_once(samples: list[Sample]) -> None:
    parts = take_apart(samples)
    alone = np.bincount(parts.design, parts.counts["nest_ff"][parts.nest])
    together = parts.spread(parts.counts["nest_ff"], "nest_ff")
    terms = [[s.term(n) for n in ("ff", "ff_operators", "ff_memory")] for s in samples]
    for whole, found, (total, operators, memory) in zip(alone, together, terms, strict=True):
        wanted = min(max(total - operators - memory, 0.3 * whole), whole)
        assert found == pytest.approx(wanted)


def test_some_designs_predict_as_all_do(samples: list[Sample]) -> None:
    grove = grow_grove(samples, METRICS, 10, 1, 0)
    np.testing.assert_allclose(grove.predict(samples)[:3], grove.predict(samples[:3]))
    chosen = take_apart(samples).chosen(np.arange(len(samples)) < 3)
    assert len(chosen.designs) == 3
    np.testing.assert_array_equal(
        chosen.spread(chosen.counts["nest_lut"], "nest_lut"),
        take_apart(samples[:3]).spread(take_apart(samples[:3]).counts["nest_lut"], "nest_lut"),
    )


def test_power_starts_from_the_predicted_logic(samples: list[Sample]) -> None:
    metrics = ("power_mw", "lut", "ff", "dsp")
    made = [
        replace(s, labels=(0.01 * lut + 5, 0.5 * lut, 0.8 * ff, dsp))
        for s in samples
        for lut, ff, dsp in [[s.term(name) for name in metrics[1:]]]
    ]
    assert is_sum("power_mw", metrics)
    assert not is_sum("power_mw", ("power_mw", "lut"))
    grove = grow_grove(made, metrics, 60, 1, 0)
    found = np.expm1(grove.predict(made))
    np.testing.assert_array_equal(np.expm1(grove.predict(made, ["power_mw"])), found)
    alone = np.expm1(grove.predict(made, ["lut"]))
    np.testing.assert_array_equal(alone, found * [0.0, 1.0, 0.0, 0.0])
    truth = np.array([s.labels for s in made])
    assert np.all(np.mean(np.abs(found[:, :2] / truth[:, :2] - 1), axis=0) < 0.1)


def test_power_is_a_few_microwatts_a_lut_and_depends_on_the_family(samples: list[Sample]) -> None:
    lut, family = TERMS.index("lut"), TERMS.index("is_7series")
    both = [
        replace(s, terms=(*s.terms[:family], float(f), *s.terms[family + 1 :]))
        for s in samples
        for f in (0, 1)
    ]
    truth = np.array([0.003 * s.terms[lut] + 8 + 6 * s.terms[family] for s in both])
    made = [
        replace(s, labels=(p, s.terms[lut], s.term("ff"), s.term("dsp")))
        for s, p in zip(both, truth, strict=True)
    ]
    grove = grow_grove(made, ("power_mw", "lut", "ff", "dsp"), 60, 1, 0)
    found = np.expm1(grove.predict(made))[:, 0]
    assert np.mean(np.abs(found / truth - 1)) < 0.05
    forest = grove.forests[0]
    assert isinstance(forest, SumForest)
    assert forest.ratios[0][0] < 0.01
    assert forest.ratios[1][-1] > 3
    assert PARTS["power_mw"][1][-1] == "constant_7series"


def test_the_trees_of_power_read_size_and_activity_alone(samples: list[Sample]) -> None:
    def read(designs: list[Sample]) -> np.ndarray:
        parts = take_apart(designs)
        for number, metric in enumerate(("lut", "ff", "dsp")):
            parts = with_prediction(parts, metric, np.arange(len(designs)) + 5.0 + number)
        return parts.inputs("routed_lut")

    def more_of(name: str) -> list[Sample]:
        place = TERMS.index(name)
        return [
            replace(s, terms=(*s.terms[:place], s.terms[place] + 7, *s.terms[place + 1 :]))
            for s in samples
        ]

    before = read(samples)
    for name in TERMS:
        is_same = np.array_equal(before, read(more_of(name)))
        seen = ("latency", "ff_pipelined_control", "is_7series", "banks", "bram_18k")
        assert is_same == (name not in seen), name


def test_a_design_without_nests_has_parts(samples: list[Sample]) -> None:
    parts = take_apart([replace(s, nests=()) for s in samples[:2]])
    assert parts.spread(parts.counts["nest_lut"], "nest_lut").tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("unroll", "trips", "banks"),
    [(1, 64, 8), (2, 64, 4), (8, 64, 1), (0, 64, 1), (2, None, 4), (1, None, 8)],
)
def test_a_nest_knows_among_how_many_banks_it_chooses(
    unroll: int, trips: int | None, banks: int
) -> None:
    """``C[i] = A[i]`` with both in eight banks, in a loop of 64 trips or of as many as `n` says."""
    place = (affine({"i": 1}),)
    load = Op(1, OpKind.LOAD, F32, access=Access("A", place))
    store = Op(2, OpKind.STORE, F32, (1,), access=Access("C", place))
    part = (Partition(0, PartitionKind.CYCLIC, 8),)
    arrays = {name: Array(name, (64,), F32, part) for name in "AC"}
    end = affine({}, trips) if trips is not None else affine({"n": 1})
    inner = Loop(
        "i", (affine({}),), (end,), (Block((load, store)),),
        directives=LoopDirectives(False, None, unroll),
    )  # fmt: skip
    nest = Loop("n", (affine({}),), (affine({}, 64),), (inner,))
    found = _structure(nest, arrays)
    assert found["load_choice"] == found["store_choice"] == math.log2(banks)
    assert found["chosen_loads"] == (banks > 1)
