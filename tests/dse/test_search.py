"""How a search shares evaluations between its own process and helpers."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from pom.dse.evaluation import Evaluation, evaluate
from pom.dse.executor import SerialExecutor, Workers
from pom.dse.plan import NestPlan, Plan
from pom.dse.search import Search
from pom.dse.store import Store
from pom.dse.strategies.exact import Exact
from pom.errors import PomError
from tests.dse.problems import example


class _Late(Future):
    """An answer that is there when somebody waits for it."""

    def __init__(self, call) -> None:
        super().__init__()
        self.call = call

    def result(self, timeout=None):
        return self.call()


class _BusyHelpers(Workers):
    """Helpers that are never done before they are waited for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.futures: list[_Late] = []

    @property
    def helpers(self) -> int:
        return self.count

    def submit(self, fn, /, *args, **kwargs):
        assert fn is evaluate
        self.futures.append(_Late(lambda: fn(*args)))
        return self.futures[-1]


def _plans(search: Search, count: int) -> list[tuple[Plan, str]]:
    nest = search.local.structure("written").nests[-1]
    found = []
    for factor in range(1, count + 1):
        factors = (1,) * (len(nest.band) - 1) + (factor,)
        plan = Plan("written", (NestPlan(nest.handle, nest.orders[0], factors),))
        found.append((plan, nest.handle))
    return found


@pytest.mark.parametrize("count", [1, 2, 7])
def test_answers_come_in_the_order_of_the_questions(count):
    problem = example("polybench/gemm")
    alone = Search(problem, Store(None), SerialExecutor())
    shared = Search(problem, Store(None), _BusyHelpers(3))
    plans = _plans(alone, count)
    expected: list[Evaluation] = alone.evaluate(plans)
    assert shared.evaluate(plans) == expected
    assert [answer.plan for answer in expected] == [plan for plan, _ in plans]
    assert shared.evaluated == count
    assert shared.evaluate(plans) == expected
    assert shared.from_store == count


def test_this_process_goes_on_while_helpers_are_busy():
    """Of seven plans two busy helpers have one each, and the last is never left to a helper."""
    helpers = _BusyHelpers(2)
    search = Search(example("polybench/gemm"), Store(None), helpers)
    search.evaluate(_plans(search, 7))
    assert len(helpers.futures) == 2
    search.evaluate(_plans(search, 8))
    assert len(helpers.futures) == 2


def test_what_is_left_is_given_up_after_an_error():
    class Failing(_BusyHelpers):
        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args)
            future.call = _fail
            return future

    helpers = Failing(2)
    search = Search(example("polybench/gemm"), Store(None), helpers)
    with pytest.raises(PomError, match="POM-X122"):
        search.evaluate(_plans(search, 4))
    assert [future.cancelled() for future in helpers.futures] == [False, True]


def _fail():
    raise PomError("POM-X122", "a worker ended")


class _ForwardHelper(SerialExecutor):
    """A helper that is done with everything as soon as it is told."""

    def __init__(self) -> None:
        self.begun = 0

    @property
    def helpers(self) -> int:
        return 1

    def submit(self, fn, /, *args, **kwargs):
        self.begun += 1
        return super().submit(fn, *args, **kwargs)


def test_what_is_foreseen_is_begun_with_and_is_no_answer_yet():
    search = Search(example("polybench/gemm"), Store(None), _ForwardHelper())
    plans = _plans(search, 9)
    search.foresee(plans)
    begun = search.executor.begun
    assert begun > 0
    assert search.evaluated == search.judged_by_model == 0
    assert not search.store.get(list(search._foreseen))
    alone = Search(example("polybench/gemm"), Store(None), SerialExecutor())
    assert search.evaluate(plans[:1]) == alone.evaluate(plans[:1])
    assert search.evaluated == 1
    # a known plan is not begun with again
    search.foresee(plans[:1])
    search.forget_foreseen()
    assert search.evaluate(plans) == alone.evaluate(plans)
    assert search.evaluated == 9


def test_without_helpers_nothing_is_looked_ahead_for():
    search = Search(example("polybench/gemm"), Store(None), SerialExecutor())
    search.foresee(pytest.fail("a plan was looked at") for _ in range(2))
    search.evaluate(_plans(search, 2))


def test_this_process_does_what_is_likely_while_it_waits():
    """What a busy helper has is waited for, the next two plans are done meanwhile."""
    helpers = _BusyHelpers(1)
    search = Search(example("polybench/gemm"), Store(None), helpers)
    plans = _plans(search, 4)
    search.foresee(plans)
    begun = len(helpers.futures)
    assert 0 < begun < len(plans)
    answers = search.evaluate(plans[:1])
    assert [a.plan for a in answers] == [plans[0][0]]
    assert search.evaluate(plans) == Search(
        example("polybench/gemm"), Store(None), SerialExecutor()
    ).evaluate(plans)
    assert len(helpers.futures) == begun


class _ShortSearch(Search):
    """Out of time after some answers, and not by a clock."""

    @property
    def is_out_of_time(self) -> bool:
        return self.judged_by_model > 60


@pytest.mark.parametrize("name", ["polybench/k2mm", "polybench/trisolv", "polybench/covariance"])
def test_helpers_do_not_change_a_search(name):
    problem = example(name, "mini", "lut=30000")
    alone = _ShortSearch(problem, Store(None), SerialExecutor())
    helped = _ShortSearch(problem, Store(None), _ForwardHelper())
    for search in (alone, helped):
        Exact().run(search)
    assert helped.executor.begun
    assert helped.best == alone.best
    assert helped.lower_bound == alone.lower_bound
    assert helped.designs == alone.designs
    assert helped.evaluated == alone.evaluated
