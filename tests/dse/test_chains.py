"""Chains of operators, and steps of recurrences."""

from __future__ import annotations

import pytest

from pom.dse.chains import FREE, Memory, OperatorCost, chain_latency, operator_name, step_latency
from pom.dse.evaluation import Evaluator
from pom.dse.space import operator_cost, problem_variants
from pom.ir.expr import Apply, Const, Load, walk
from pom.ir.types import FloatType
from tests.dse.problems import example

F32 = FloatType(32)


def gemm_value():
    """alpha * A[i, k] * B[k, j] + C[i, j]"""
    problem = example("polybench/gemm")
    nests = problem_variants(problem, Evaluator(problem))[0].candidates
    return next(v for nest, _ in nests for v in nest.values if v.op == "add")


def test_chain_is_the_slowest_way():
    costs = {"fadd": OperatorCost(5, 0, 0), "fmul": OperatorCost(4, 0, 0)}
    assert chain_latency(gemm_value(), costs) == 4 + 4 + 5


def test_registers_that_do_not_fit_into_a_cycle_together_take_one_more():
    slow = {"fadd": OperatorCost(5, 0, 0, 0.8, 0.8), "fmul": OperatorCost(4, 0, 0, 0.8, 0.8)}
    assert chain_latency(gemm_value(), slow) == 4 + 1 + 4 + 1 + 5
    assert step_latency(("fadd",), slow) == 6
    assert step_latency(("fmul", "fadd"), slow) == 11
    quick = {"fadd": OperatorCost(5, 0, 0, 0.4, 0.5)}
    assert step_latency(("fadd",), quick) == 5


def test_what_the_loop_does_not_move_is_computed_in_front_of_it():
    costs = {"fadd": OperatorCost(5, 0, 0), "fmul": OperatorCost(4, 0, 0)}
    assert chain_latency(gemm_value(), costs, frozenset({"k"})) == 13
    # alpha * A[i, k] stays the same in j
    assert chain_latency(gemm_value(), costs, frozenset({"j"})) == 9


@pytest.mark.parametrize(("divisor", "name"), [(0.5, "fmul"), (4.0, "fmul"), (3.0, "fdiv")])
def test_a_division_by_a_power_of_two_is_a_multiplication(divisor, name):
    load = next(e for e in gemm_value().operands if isinstance(e, Load))
    assert operator_name(Apply("div", (load, Const(divisor, F32)), F32)) == name


def test_the_model_waits_where_delays_do_not_fit():
    """A float sum on xc7z020 at 10 ns: four cycles in the adder, and one in front of it."""
    library = Evaluator(example("polybench/gemm")).library
    cost = operator_cost(library, "fadd", "fabric")
    assert step_latency(("fadd",), {"fadd": cost}) == cost.latency + 1


LOAD = OperatorCost(1, 0, 0, 0.2, 0.5)


def test_a_value_from_a_memory_exists_a_state_later():
    value = gemm_value()
    costs = {"fmul": OperatorCost(4, 3, 100), "fadd": OperatorCost(5, 2, 200)}
    first = next(e.access for e in walk(value) if isinstance(e, Load) and e.access.array == "A")
    plain = chain_latency(value, costs)
    loaded = Memory(LOAD, (first,))
    assert chain_latency(value, costs, memory=loaded) == plain + 1
    # what the pipelined loop does not move is loaded in front of it
    moving = frozenset({"j"})
    assert chain_latency(value, costs, moving, loaded) == chain_latency(value, costs, moving)


def test_a_load_and_the_first_register_take_two_states_where_they_do_not_fit_into_one():
    value = gemm_value()
    first = next(e.access for e in walk(value) if isinstance(e, Load) and e.access.array == "A")
    slow = OperatorCost(4, 0, 0, 0.6, 0.0)
    costs = {"fmul": slow, "fadd": OperatorCost(5, 0, 0)}
    plain = chain_latency(value, costs)
    assert chain_latency(value, costs, memory=Memory(LOAD, (first,))) == plain + 2


def test_a_store_waits_for_the_next_state_where_the_last_register_is_late():
    value = gemm_value()
    for delay_out, more in ((0.7, 0), (0.9, 1)):
        costs = {"fmul": FREE, "fadd": OperatorCost(5, 0, 0, 0.0, delay_out)}
        stored = Memory(LOAD, (), is_stored=True)
        assert chain_latency(value, costs, memory=stored) == 5 + more
