"""A model that has estimated other designs answers as one that has not: nothing kept is stale."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import pom
from pom import devices
from pom.dialects.context import new_context
from pom.errors import PomError
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import LatencyModel
from pom.qor_model.leaf import all_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, LoopDirectives, Partition, PartitionKind
from pom.qor_model.resources import ResourceModel, ResourceReport
from pom.qor_model.schedule_result import DesignResult
from pom.qor_model.settings import Effort

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "polybench"
EFFORT = Effort(operations=400, placements=20_000)
Change = tuple[dict[str, LoopDirectives], dict[str, tuple[Partition, ...]]]


def _design(name: str) -> Design:
    kernel = pom.load_kernel(EXAMPLES / f"{name}.py", size="mini")
    return design_from_affine(poly_to_affine(graph_to_poly(kernel.graph), new_context()))


def _changes(design: Design, rng: random.Random, count: int) -> list[Change]:
    """Designs that differ in a few pragmas from the one before, some of them as an earlier one."""
    function = design.function(design.top)
    loops = [loop.name for loop in all_loops(function.body)]
    arrays = [array for array in function.arrays if array.shape]
    found: list[Change] = [({}, {})]
    while len(found) < count:
        directives, partitions = (dict(item) for item in rng.choice(found[-3:]))
        loop = rng.choice(loops)
        directives[loop] = LoopDirectives(
            rng.choice((None, True, False)), unroll=rng.choice((1, 1, 2, 3, 4, 0))
        )
        array = rng.choice(arrays)
        kind = rng.choice((PartitionKind.CYCLIC, PartitionKind.BLOCK))
        dim = rng.randrange(len(array.shape))
        partitions[array.name] = (Partition(dim, kind, rng.choice((2, 3, 4))),)
        found.append((directives, partitions))
    return found


def _answer(
    model: LatencyModel, resources: ResourceModel, change: Change
) -> tuple[DesignResult, ResourceReport] | str:
    try:
        result = model.estimate(*change)
        return result, resources.estimate(model.design, result, change[1])
    except PomError as error:
        return error.code


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("name", ["gemm", "k2mm", "atax", "syr2k", "jacobi_1d", "covariance", "lu"])
def test_pragmas_changed_one_after_the_other_give_the_answers_of_fresh_models(
    name: str, folds: bool
) -> None:
    design = _design(name)
    library = OperatorLibrary.for_device(devices.load("xc7z020"), 10.0)
    model = LatencyModel(design, library, effort=EFFORT, folds=folds)
    resources = ResourceModel(library)
    changes = _changes(model.design, random.Random(name), 12)
    answered = 0
    for change in (*changes, *changes[::-1]):
        fresh = LatencyModel(design, library, effort=EFFORT, folds=folds)
        expected = _answer(fresh, ResourceModel(library), change)
        assert _answer(model, resources, change) == expected
        answered += not isinstance(expected, str)
    assert answered


def test_arrays_partitioned_otherwise_are_measured_again() -> None:
    """The same schedule on banks of another number needs other multiplexers."""
    design = _design("gemm")
    library = OperatorLibrary.for_device(devices.load("xc7z020"), 10.0)
    model, resources = LatencyModel(design, library), ResourceModel(library)
    found = set()
    for factor in (1, 2, 4):
        partitions = {"A": (Partition(1, PartitionKind.CYCLIC, factor),)}
        result = model.estimate(partitions=partitions)
        found.add(resources.estimate(model.design, result, partitions).total)
    assert len(found) == 3
