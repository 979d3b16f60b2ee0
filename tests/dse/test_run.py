"""`pom.auto_dse`: the answer is built and executed, and bad questions get clear answers."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

import pom
from pom import devices
from pom.dse.evaluation import Evaluation, evaluate
from pom.dse.executor import LocalProcesses, SerialExecutor
from pom.dse.explain_space import explain_space
from pom.dse.problem import Resources
from pom.dse.run import Run, does_not_fit, explore
from pom.dse.store import Store
from pom.errors import PomError
from pom.exploration.finalist import Refusal, build_finalist, first_finalist
from pom.exploration.run import finish, make_problem, search_budget
from pom.schedule import load_schedule
from tests.dse.kernels import gemm, scale_add
from tests.dse.problems import example

TARGET = "xc7z020"


@pytest.fixture(scope="module")
def result():
    return pom.auto_dse(gemm(), TARGET, limits={"dsp": 40, "lut": "60%"})


def test_the_answer_is_within_the_limits_and_above_the_bound(result):
    assert not result.finalist.evaluation.resources.exceeded(result.outcome.problem.limits)
    assert result.lower_bound <= result.latency_cycles
    assert 0.0 <= result.gap < 1.0
    assert result.speedup > result.speedup_over_defaults > 1.0
    assert result.finalist.check.passed


def test_the_estimate_of_the_built_design_is_the_one_of_the_search(result):
    assert result.estimate.timing.latency_cycles == result.latency_cycles
    for name, used, _ in result.usage:
        assert getattr(result.estimate.resources.total, name) == used


def test_the_design_computes_what_the_kernel_says(result):
    rng = np.random.default_rng(1)
    a, b, c = (rng.random((12, 12), dtype=np.float32) for _ in range(3))
    np.testing.assert_allclose(result.design(a, b, c)["C"], c + a @ b, rtol=1e-5)


def test_the_schedule_file_replays(result, tmp_path):
    path = tmp_path / "best.py"
    path.write_text(result.schedule_source())
    again = load_schedule(path, gemm())
    assert again.build(TARGET).cpp == result.cpp


def test_the_front_is_a_front(result):
    limits = result.outcome.problem.limits
    points = [
        (p.evaluation.latency_cycles, p.evaluation.resources.share(limits)) for p in result.front
    ]
    assert points == sorted(points)
    assert len(points) >= 3
    for p in points:
        assert not any(q != p and all(x <= y for x, y in zip(q, p, strict=True)) for q in points)
    assert [p.is_checked for p in result.front].count(True) >= 1


def test_text_html_and_json_say_the_same(result):
    cycles = f"{result.latency_cycles:,.0f} cycles"
    assert cycles in str(result)
    assert cycles in result._repr_html_()
    frame = re.search(r'srcdoc="([^"]*)"', result._repr_html_())
    assert unescape(frame.group(1)) == result.report_html()
    record = json.loads(json.dumps(result.to_json()))
    assert record["latency_cycles"] == result.latency_cycles
    assert record["check"]["passed"] is True
    assert [b["latency_cycles"] for b in record["baselines"]] == [
        b.latency_cycles for b in result.baselines
    ]


class Helpers(LocalProcesses):
    """Local processes that count what they are asked, and of which one dies in mid-run."""

    asked = victim = 0

    def submit(self, fn, /, *args, **kwargs):
        if fn is evaluate:
            self.asked += 1
            if self.asked == 2:
                os.kill(self.victim, signal.SIGKILL)
        return super().submit(fn, *args, **kwargs)


def test_processes_find_the_same_even_when_one_dies():
    problem = example("polybench/mvt")
    with Store(None) as store:
        alone = explore(problem, Run("exact", store, SerialExecutor()))
    helpers = Helpers(1)
    helpers.victim = helpers.submit(os.getpid).result()
    try:
        with Store(None) as store:
            both = explore(problem, Run("exact", store, helpers))
    finally:
        helpers.shutdown()
    assert helpers.asked > 2
    assert replace(both, seconds=0.0) == replace(alone, seconds=0.0)


def test_progress_goes_on_after_the_search():
    seen = []
    found = pom.auto_dse(scale_add(), TARGET, progress=seen.append)
    phases = list(dict.fromkeys(p.phase for p in seen))
    assert phases[-2:] == ["predicting", "building and executing the design"]
    assert [p.seconds for p in seen] == sorted(p.seconds for p in seen)
    assert seen[-1].best_cycles == found.latency_cycles


def test_pareto_checks_every_design_on_the_front():
    found = pom.auto_dse(scale_add(), TARGET, objective="pareto")
    assert len(found.front) >= 3
    assert all(p.is_checked for p in found.front)
    assert len({p.evaluation.resources.dsp for p in found.front}) >= 2


def test_pareto_says_which_designs_there_was_no_time_for():
    found = pom.auto_dse(scale_add(), TARGET, objective="pareto", time_budget_s=0.5)
    assert len(found.front) >= 2
    assert any(p.is_checked for p in found.front)
    late = finish(found.outcome, 0.0, deadline=0.0)
    assert [p.is_checked for p in late.front].count(True) == 1
    assert "not executed" in late.report_html()
    shares = [p["share"] for p in late.to_json()["front"]]
    assert shares == sorted(shares, reverse=True)


@pom.kernel
def nothing(x: pom.f32[8]):
    for i in pom.loop("i", 5, 5):
        x[i] = 1.0


@pom.kernel
def one_state(x: pom.f32[2]):
    x[0] = x[1] * 3.0


@pytest.mark.parametrize("kernel", [nothing, one_state])
def test_kernels_without_iterations_have_a_complete_answer(kernel):
    found = pom.auto_dse(kernel, TARGET)
    assert (found.gap, found.outcome.is_complete) == (0.0, True)
    assert found.speedup >= 1.0
    assert "gap" in found.report_html()
    assert str(found)


def test_the_answer_is_built_within_the_time_budget_too():
    assert search_budget(None, "latency") is None
    assert search_budget(8.0, "latency") == 6.0
    assert search_budget(8.0, "pareto") == 4.0
    problem = make_problem(scale_add(), TARGET)
    with Store(None) as store:
        outcome = explore(problem, Run("exact", store, SerialExecutor()))
    late, _ = first_finalist(problem, outcome.ranked, 0.0)
    timely, _ = first_finalist(problem, outcome.ranked)
    runs = [sum(r.cases for r in f.check.results) for f in (late, timely)]
    assert 0 < runs[0] < runs[1]


def test_latency_cap_shapes_the_front(result):
    cap = int(result.latency_cycles * 2)
    found = pom.auto_dse(gemm(), TARGET, limits={"dsp": 40, "lut": "60%"}, latency_cap=cap)
    assert all(p.evaluation.latency_cycles <= cap for p in found.front)


def test_cap_below_the_bound_is_impossible():
    with pytest.raises(PomError, match="POM-X162") as caught:
        pom.auto_dse(scale_add(), TARGET, latency_cap=1)
    assert "lower bound" in caught.value.summary


def test_cap_that_was_not_met():
    problem = make_problem(gemm(), TARGET)
    with Store(None) as store:
        outcome = explore(problem, Run("exact", store, SerialExecutor(), time_budget_s=0.0))
    between = int((outcome.lower_bound + outcome.best.latency_cycles) / 2)
    capped = replace(problem, latency_cap_cycles=between)
    with Store(None) as store, pytest.raises(PomError, match="POM-X163"):
        explore(capped, Run("exact", store, SerialExecutor(), time_budget_s=0.0))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"latency_cap": 0}, "POM-X112"),
        ({"objective": "fame"}, "POM-X113"),
        ({"time_budget_s": -1.0}, "POM-X114"),
        ({"time_budget_s": float("nan")}, "POM-X114"),
        ({"clock_ns": float("nan")}, "POM-Q010"),
        ({"clock_ns": float("inf")}, "POM-Q010"),
    ],
)
def test_questions_without_sense(options, code):
    with pytest.raises(PomError, match=code):
        pom.auto_dse(scale_add(), TARGET, **options)


def test_unknown_device_gets_a_suggestion():
    with pytest.raises(PomError, match="POM-D080") as caught:
        pom.auto_dse(scale_add(), "xc7z002")
    assert "xc7z020" in str(caught.value.hint)


def test_unknown_strategy():
    with pytest.raises(PomError, match="POM-X140"):
        pom.auto_dse(scale_add(), TARGET, strategy="luck")


def test_kernel_that_does_not_fit_says_by_how_much():
    with pytest.raises(PomError, match="POM-X160") as caught:
        pom.auto_dse(scale_add(), TARGET, limits={"lut": 50})
    assert "LUT" in caught.value.summary
    assert "more than the limit of 50" in caught.value.summary
    assert "raise the limits to" in str(caught.value.hint)
    needs = str(caught.value.hint).split("raise the limits to ")[1].split()
    assert pom.auto_dse(scale_add(), TARGET, limits=needs).latency_cycles > 0


def test_what_fits_only_unpipelined_is_found():
    """As written, the tool pipelines and copies operators: that needs several times as much."""
    limits = {"dsp": 0, "lut": 2500}
    found = pom.auto_dse(gemm(), TARGET, limits=limits)
    assert found.finalist.evaluation.resources.lut <= 2500
    assert found.finalist.check.passed
    with pytest.raises(PomError, match="POM-X160") as caught:
        pom.auto_dse(gemm(), TARGET, limits={"dsp": 0, "lut": 100})
    needed = re.search(r"lut=(\d+)", caught.value.notes[0])
    assert int(needed.group(1)) <= 2500


def test_kernel_that_no_limit_helps_is_offered_a_device():
    problem = make_problem(scale_add(), TARGET)
    device = devices.load(TARGET)
    design = Evaluation(plan_of_nothing(), "", 5.0, Resources(dsp=device.dsp + 1))
    error = does_not_fit(problem, [design])
    assert f"{device.dsp + 1} DSP, 1 more than the limit of {device.dsp}" in error.summary
    offered = str(error.hint).split("--target ")[1]
    assert devices.load(offered).dsp > device.dsp
    huge = Evaluation(plan_of_nothing(), "", 5.0, Resources(dsp=10**9))
    assert "no device" in str(does_not_fit(problem, [huge]).hint)


def plan_of_nothing():
    from pom.dse.plan import Plan

    return Plan("written", ())


def test_statement_outside_of_the_model(monkeypatch):
    def refuse(request):
        return Evaluation(request.plan, "", float("inf"), Resources(), "POM-Q001: unknown")

    monkeypatch.setattr("pom.dse.search.evaluate", refuse)
    with pytest.raises(PomError, match=r"POM-X161.*POM-Q001"):
        pom.auto_dse(scale_add(), TARGET)


def test_refused_finalists_give_way_to_the_next():
    problem = make_problem(scale_add(), TARGET)
    with Store(None) as store:
        outcome = explore(problem, Run("exact", store, SerialExecutor()))
    broken = replace(outcome.best, plan=replace(outcome.best.plan, structure="dependence-aware"))
    wrong = replace(
        broken, plan=replace(broken.plan, nests=(), partitions=(("y", outcome_partition()),))
    )
    assert isinstance(build_finalist(problem, wrong), Refusal)
    found = finish(replace(outcome, ranked=(wrong, *outcome.ranked)), 0.0)
    assert found.finalist.evaluation == outcome.best
    assert len(found.refused) == 1
    assert "refused" in str(found)
    with pytest.raises(PomError, match="POM-X165"):
        first_finalist(problem, [wrong])


def outcome_partition():
    """More dims than the array has."""
    from pom.ir.directives import Partition

    return (Partition(7, "cyclic", 2),)


def test_explain_space_counts_every_dimension():
    found = explain_space(make_problem(gemm(), TARGET))
    written = next(s for s in found.structures if s.name == "written")
    assert written.implementations == 4
    (nest,) = written.nests
    assert dict(nest.loops) == {"i": 12, "j": 12, "k": 12}
    assert nest.orders == 6
    assert found.designs == sum(s.designs for s in found.structures)
    assert "6 orders" in found.text()
    assert found.to_json()["designs"] == found.designs
