"""Overlap of tasks."""

from __future__ import annotations

from dataclasses import replace

from pom import devices
from pom.qor_model.dataflow import DataflowTask, overlap
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import F32, Array, Design, Function, LoopDirectives, OpKind, Storage
from pom.qor_model.resources import ResourceModel
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import compute, iv, load, loop, store


def _task(reads: str, writes: str, states: float, first: float = 5.0) -> DataflowTask:
    return DataflowTask(frozenset(reads), frozenset(writes), states, first)


def test_a_buffer_is_handed_over_when_it_is_full() -> None:
    tasks = [_task("a", "b", 100), _task("b", "c", 60)]
    assert overlap(tasks, lambda _: False) == (160, 100)


def test_a_stream_is_read_while_it_is_written() -> None:
    tasks = [_task("a", "b", 100), _task("b", "c", 60)]
    assert overlap(tasks, lambda _: True) == (101, 100)
    assert overlap([_task("a", "b", 60), _task("b", "c", 100)], lambda _: True) == (105, 100)


def test_independent_tasks_run_together() -> None:
    assert overlap([_task("a", "b", 100), _task("c", "d", 60)], lambda _: False) == (100, 100)
    assert overlap([], lambda _: False) == (0, 0)


def _chain(*, storage: str, is_dataflow: bool) -> Design:
    nests = []
    for name, source, target in (("i", "a", "b"), ("k", "b", "c")):
        old = load(source, iv(name))
        new = compute(OpKind.MUL, old, scalars=("1:s",))
        nests.append(
            loop(name, 64, old, new, store(new, target, iv(name)), directives=LoopDirectives(True))
        )
    arrays = tuple(
        Array(n, (64,), F32, storage=Storage(storage if n == "b" else "")) for n in "abc"
    )
    return Design("top", (Function("top", arrays, tuple(nests), dataflow=is_dataflow),))


def test_a_dataflow_function_has_an_interval_of_its_own() -> None:
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)

    def run(storage: str, *, is_dataflow: bool) -> tuple[float, float]:
        item = _chain(storage=storage, is_dataflow=is_dataflow)
        result = estimate_latency(item, library, DIRECTIVES_ONLY)
        return result.latency_cycles, result.interval_cycles

    sequential = run("", is_dataflow=False)
    buffered = run("", is_dataflow=True)
    streamed = run("fifo", is_dataflow=True)
    assert streamed[0] < buffered[0] <= sequential[0] + 1
    assert buffered[1] == streamed[1] < sequential[1]


def test_tasks_have_their_own_operators_and_two_buffers_between_them() -> None:
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)

    def amounts(*, is_dataflow: bool) -> tuple[int, int]:
        item = _chain(storage="ram_2p", is_dataflow=is_dataflow)
        (function,) = item.functions
        large = tuple(
            replace(
                array,
                is_argument=array.name != "b",
                storage=Storage("ram_2p", "bram") if array.name == "b" else array.storage,
            )
            for array in function.arrays
        )
        item = replace(item, functions=(replace(function, arrays=large),))
        result = estimate_latency(item, library, DIRECTIVES_ONLY)
        total = ResourceModel(library).estimate(item, result).total
        return total.dsp, total.bram_18k

    shared, overlapped = amounts(is_dataflow=False), amounts(is_dataflow=True)
    assert min(shared) > 0
    assert overlapped == (2 * shared[0], 2 * shared[1])
