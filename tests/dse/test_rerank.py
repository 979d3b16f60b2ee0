"""The networks' word on the finalists: used where they were trained, and said to be unused elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pom.dse.executor import SerialExecutor
from pom.dse.plan import NestPlan, Plan
from pom.dse.run import Run, _outcome, explore
from pom.dse.store import Store
from pom.dsl.load import load_kernel
from pom.errors import PomError
from pom.exploration.prediction import prediction_text, trained_devices
from pom.exploration.rerank import RIGID, rerank
from pom.exploration.run import finish, make_problem
from tests.dse.kernels import gemm, scale_add
from tests.qor_model.labels_data import KERNELS

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@pytest.fixture(scope="module")
def trained():
    """Designs as the training set has them: one nest pipelined and unrolled, the others neither."""
    kernel = load_kernel(str(KERNELS / "ml4accel" / "gemm.py"))
    problem = make_problem(kernel, "xczu9eg", clock_ns=10.0)
    with Store(None) as store:
        search = Run("pom", store, SerialExecutor()).search(problem, 1)
        nests = search.local.structure("written").nests
        main = max(nests, key=lambda nest: len(nest.band))
        plans = []
        for lanes in (1, 2, 4, 8):
            chosen = tuple(
                NestPlan(
                    nest.handle,
                    nest.orders[0],
                    (1,) * (len(nest.orders[0]) - 1) + (lanes if nest == main else 1,),
                    ii=1 if nest == main else 0,
                )
                for nest in nests
            )
            plans.append((Plan("written", chosen), ""))
        search.evaluate(plans)
        return _outcome(problem, "pom", [(search, True)], 0.0)


def test_designs_like_the_training_set_are_predicted(trained):
    order, found = rerank(trained.problem, trained.ranked, "gnn")
    assert found.is_used
    assert sorted(e.plan.text for e in order) == sorted(e.plan.text for e in trained.ranked)
    first = found.of(order[0])
    assert first.is_trusted
    assert not first.excess
    faster = [v for v in found.verdicts if v.evaluation.latency_cycles < order[0].latency_cycles]
    assert all(v.excess or not v.is_trusted for v in faster)


def test_a_design_beyond_the_device_gives_way(trained):
    _, found = rerank(trained.problem, trained.ranked, "gnn")
    trusted = [v for v in found.verdicts if v.is_trusted]
    highs = [v.prediction.estimate("lut").high for v in trusted]
    room = int(sorted(highs)[len(highs) // 2])
    small = replace(trained.problem, device=replace(trained.problem.device, lut=room))
    order, again = rerank(small, trained.ranked, "gnn")
    expected = next(v.evaluation for v, high in zip(trusted, highs, strict=True) if high <= room)
    assert order[0] == expected
    none = replace(trained.problem, device=replace(trained.problem.device, lut=10))
    order, again = rerank(none, trained.ranked, "gnn")
    assert again.is_used
    assert "no finalist fits" in again.reason
    assert again.of(order[0]).overrun == min(v.overrun for v in again.verdicts)


def test_blocks_do_not_grow_beyond_synthesis(trained):
    evaluation = trained.ranked[0]
    for name in RIGID:
        used = getattr(evaluation.resources, name)
        device = replace(trained.problem.device, **{name: used})
        _, found = rerank(replace(trained.problem, device=device), (evaluation,), "gnn")
        assert name not in [n for n, _, _ in found.verdicts[0].excess]


def test_result_and_report_show_the_prediction(trained):
    result = finish(trained, 0.0, "gnn")
    verdict = result.reranking.of(result.finalist.evaluation)
    shown = f"{verdict.prediction.estimate('lut').value:,.0f}"
    assert shown in str(result)
    assert shown in result.report_html()
    assert result.to_json()["reranking"]["is_used"] is True
    assert "LUT" in prediction_text(verdict.prediction, {"lut": 3.0})


def test_an_unknown_device_is_said_to_be_one():
    problem = make_problem(scale_add(), "xc7z020")
    with Store(None) as store:
        outcome = explore(problem, Run("pom", store, SerialExecutor()))
    for mode in ("auto", "gnn"):
        order, found = rerank(problem, outcome.ranked, mode)
        assert order == outcome.ranked
        assert not found.is_used
        assert "xc7z020" in found.reason
    assert rerank(problem, outcome.ranked, "none") == (outcome.ranked, None)
    assert "not used" in finish(outcome, 0.0, "auto").report_html()
    assert "xc7z020" not in trained_devices()


def test_missing_packages(monkeypatch):
    import sys

    problem = make_problem(gemm(), "xczu9eg")
    with Store(None) as store:
        outcome = explore(problem, Run("pom", store, SerialExecutor()))
    for name in [n for n in sys.modules if n.startswith("pom.qor_model.gnn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(PomError, match="POM-X180"):
        rerank(problem, outcome.ranked, "gnn")
    order, found = rerank(problem, outcome.ranked, "auto")
    assert order == outcome.ranked
    assert "torch" in found.reason
    with pytest.raises(PomError, match="POM-X181"):
        rerank(problem, outcome.ranked, "tarot")


def test_a_design_of_the_tool_has_the_features_that_it_would_have_in_training(tmp_path):
    """The same directives, once as a label of the training collection and once as a design."""
    from pom.cli.qor import KernelFiles, library_of
    from pom.qor_model.evaluate import partitions_of
    from pom.qor_model.gnn.designs import design_samples
    from pom.qor_model.gnn.origin import Origin
    from pom.qor_model.gnn.samples import labelled_samples
    from pom.qor_model.gnn.targets import Stage, read_measured
    from pom.qor_model.latency import LatencyModel
    from pom.qor_model.settings import VITIS_DEFAULTS, VIVADO_2018

    path = tmp_path / "labels.csv"
    path.write_text(
        "kernel,part,prj,io,hls_lut,hls_ff,hls_dsp,impl_lut,impl_lutram,impl_srl,impl_ff,"
        "impl_ramb36,impl_ramb18,impl_dsp,impl_dyn_mW\n"
        "gemm,{},io4_l2n1n1p4_l4n1p2,4,1,1,1,1,1,1,1,1,1,1,1\n"
        "gemm,{},io4_l2n1n1p4_l4n1p2,4,1,1,1,1,1,1,1,1,1,1,1\n".format("xczu9eg", "xc7v585t")
    )
    file, source = read_measured(path), KernelFiles(KERNELS / "ml4accel")
    learned, refused = labelled_samples(file, source, library_of())
    assert not refused
    for row, sample in zip(file.rows, learned, strict=True):
        library = library_of()("xczu9eg", 10.0)
        model = LatencyModel(source.design("gemm", "", ""), library, VIVADO_2018)
        parts = partitions_of(model.design, row.label)
        design = model.with_directives(dict(row.label.loops), parts)
        library = replace(library, device=row.label.part)
        (found,) = design_samples([design], library, Origin.of_stage(Stage.ROUTED), VITIS_DEFAULTS)
        assert found.terms == sample.terms
        assert (found.graph.application.nodes == sample.graph.application.nodes).all()
