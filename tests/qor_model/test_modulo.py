"""Scheduling of bodies."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom.errors import PomError
from pom.qor_model.banks import Ports
from pom.qor_model.modulo import Carried, Task, earliest, pipeline, place, port_bound

PORTS = {"A": Ports(1, 1, False)}


def _read(bank: int) -> Task:
    return Task([], [], 1, 1.2, 1.2, array="A", mask=1 << bank)


def test_combinational_operations_chain_within_the_clock() -> None:
    tasks = [Task([], [], 0, 3.0, 3.0), Task([0], [], 0, 3.0, 3.0), Task([1], [], 0, 3.0, 3.0)]
    assert earliest(tasks, 7.3)[0] == [0, 0, 1]


def test_registered_operators_do_not_chain_when_the_delays_do_not_fit() -> None:
    tasks = [Task([], [], 3, 6.4, 6.4, 0), Task([0], [], 3, 6.4, 6.4, 0)]
    assert earliest(tasks, 7.3)[0] == [0, 4]


def test_reads_of_one_bank_take_turns() -> None:
    found = place([_read(0), _read(0), _read(1)], PORTS, 7.3, 0)
    assert found is not None
    assert found.cycles == [0, 1, 0]
    assert port_bound([_read(0)] * 5, PORTS) == (5, "A")


def test_a_recurrence_sets_the_interval() -> None:
    tasks = [Task([], [], 3, 6.4, 6.4, 0), Task([0], [], 3, 6.4, 6.4, 0)]
    found, edge = pipeline(tasks, {}, [Carried(1, 0, 4, 1, "s")], 7.3, 1)
    assert found.ii == 8
    assert edge is not None
    assert edge.array == "s"


def test_the_longest_recurrence_decides_among_many_that_share_their_sink() -> None:
    """A chain of four operators (4 cycles each): element n is needed again n + 1 iterations later."""
    tasks = [Task([n - 1] if n else [], [], 3, 6.4, 6.4, 0) for n in range(4)]
    edges = [Carried(n, 0, 4, n + 1, f"a{n}") for n in range(4)]
    assert pipeline(tasks, {}, edges, 7.3, 1)[0].ii == 4
    found, edge = pipeline(tasks, {}, [*edges, Carried(3, 0, 4, 2, "b")], 7.3, 1)
    assert found.ii == 8
    assert edge is not None
    assert edge.array == "b"


def test_the_interval_does_not_rise_because_many_operators_are_missing() -> None:
    """900 operations that are ready together and wait 8 cycles at most need 100 operators."""
    tasks = [Task([], [], 1, 1.2, 1.2)] + [Task([0], [], 3, 6.4, 6.4, 0) for _ in range(900)]
    found, _ = pipeline(tasks, {}, [], 7.3, 50)
    busy = Counter(cycle % found.ii for cycle in found.cycles[1:])
    assert (found.ii, max(busy.values())) == (50, 100)


def test_the_work_that_one_estimate_may_take_is_limited() -> None:
    tasks = [Task([], [], 1, 1.2, 1.2)] + [Task([0], [], 3, 6.4, 6.4, 0) for _ in range(900)]
    with pytest.raises(PomError, match="POM-Q007"):
        pipeline(tasks, {}, [], 7.3, 50, most_placements=5000)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 30), max_size=3), st.integers(0, 4), st.integers(0, 2)),
        min_size=1, max_size=25,
    ),
    st.integers(1, 6),
)  # fmt: skip
def test_modulo_schedules_respect_operands_ports_and_operators(
    shape: list[tuple[list[int], int, int]], wanted: int
) -> None:
    tasks: list[Task] = []
    for number, (preds, latency, kind) in enumerate(shape):
        sources = sorted({p % number for p in preds}) if number else []
        if kind == 0:
            tasks.append(Task(sources, [], 1, 1.2, 1.2, array="A", mask=1 << latency % 2))
        else:
            tasks.append(Task(sources, [], latency, 3.0, 3.0, kind if latency else -1))
    bound, _ = port_bound(tasks, PORTS)
    found, _ = pipeline(tasks, PORTS, [], 7.3, max(bound, wanted))
    for number, task in enumerate(tasks):
        for pred in task.preds:
            assert found.cycles[number] >= found.cycles[pred] + tasks[pred].latency
    slots = [(t.mask, c % found.ii) for t, c in zip(tasks, found.cycles, strict=True) if t.mask]
    assert len(slots) == len(set(slots))
