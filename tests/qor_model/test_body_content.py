"""What is measured once for many bodies is what each of them has alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pom import devices
from pom.qor_model.body_content import Contents
from pom.qor_model.design_graph import GraphMaker, flat_nodes
from pom.qor_model.gnn.lazy_graph import categories
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, LoopDirectives, OpKind, Partition, PartitionKind
from pom.qor_model.resources import ResourceModel
from pom.qor_model.schedule_result import BodySchedule, DesignResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS, ToolSettings
from tests.qor_model.regions import (
    array,
    compute,
    design,
    dot_row,
    iv,
    load,
    loop,
    scale_row,
    store,
)

LIBRARY = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
_row = [load("D", iv("j", 3)), load("D", iv("j", 4))]
_row += [total := compute(OpKind.ADD, *_row), store(total, "E", iv("i"), iv("j"))]
NEST = design(
    loop("i", 8, loop("j", 24, *dot_row(), *scale_row(), *_row)),
    arrays=(
        array("tmp", 8), array("A", 8, 24), array("x", 24), array("C", 8, 24), array("D", 48),
        array("E", 8, 24),
    ),
)  # fmt: skip

MODEL = LatencyModel(NEST, LIBRARY, DIRECTIVES_ONLY)

_splits = st.fixed_dictionaries(
    {
        name: st.lists(
            st.tuples(st.sampled_from(list(PartitionKind)), st.sampled_from([2, 3, 4, 8, 24])),
            min_size=0, max_size=dims,
        )
        for name, dims in (("tmp", 1), ("A", 2), ("x", 1), ("C", 2), ("D", 1))
    }
)  # fmt: skip
_asked = st.builds(
    LoopDirectives, st.booleans(), st.none(), st.sampled_from([1, 2, 3, 4, 6, 24]), st.booleans()
)
Splits = dict[str, list[tuple[PartitionKind, int]]]


def _partitions(splits: Splits) -> dict[str, tuple[Partition, ...]]:
    return {
        name: tuple(Partition(dim, kind, factor) for dim, (kind, factor) in enumerate(parts))
        for name, parts in splits.items()
    }


def _bodies(result: DesignResult) -> list[BodySchedule]:
    loops = [body for item in result.all_loops() for body in item.schedules]
    return loops + [body for f in result.functions for body in f.schedules]


def test_bodies_that_do_not_differ_have_one_number() -> None:
    """Also where a constant was made anew for each of them."""
    written = loop("k", 8, store(None, "tmp", iv("k")))
    made = replace(NEST.functions[0], body=(written, *NEST.functions[0].body))
    what = Design("top", (made,))
    contents = Contents()
    pairs = [_bodies(LatencyModel(what, LIBRARY, DIRECTIVES_ONLY).estimate()) for _ in range(2)]
    for first, second in zip(*pairs, strict=True):
        assert first is not second
        assert contents.of(first).number == contents.of(second).number
        if first.ops:
            other = replace(second, ops=(second.ops[0]._replace(bank=99), *second.ops[1:]))
            assert contents.of(first).number != contents.of(other).number


@given(_splits, _splits, _asked)
@settings(max_examples=40, deadline=None)
def test_designs_measured_before_change_no_count(
    before: Splits, splits: Splits, inner: LoopDirectives
) -> None:
    kept = ResourceModel(LIBRARY)
    for parts in (_partitions(before), _partitions(splits)):
        result = MODEL.estimate({"j": inner}, parts)
        assert kept.estimate(NEST, result, parts) == ResourceModel(LIBRARY).estimate(
            NEST, result, parts
        )


@given(_splits, _asked, st.sampled_from([DIRECTIVES_ONLY, VITIS_DEFAULTS]))
@settings(max_examples=40, deadline=None)
def test_the_categories_are_those_of_the_graph(
    splits: Splits, inner: LoopDirectives, tool: ToolSettings
) -> None:
    model = LatencyModel(NEST, LIBRARY, tool)
    parts = _partitions(splits)
    result, made = model.estimate({"j": inner}, parts), model.with_directives({"j": inner}, parts)
    maker = GraphMaker(LIBRARY, tool)
    banks = {f.name: maker.banks(made, f.name) for f in result.functions}
    nodes = (node for _, _, node in flat_nodes(maker.graph(made, result)))
    assert categories(result, banks, Contents()) == {n.category for n in nodes if n.category}
