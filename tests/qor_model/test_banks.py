"""Banks of accesses, and ports."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pom.qor_model.banks import Ports, PortTable, array_banks, busiest, reach
from pom.qor_model.expand import Element
from pom.qor_model.region import F32, Array, Partition, PartitionKind
from tests.qor_model.regions import array


def _element(coef: int, const: int) -> Element:
    return Element("A", ((("i", coef),) if coef else (),), (const,))


@given(
    size=st.integers(2, 40), factor=st.integers(1, 12), coef=st.integers(-4, 4),
    const=st.integers(0, 20), stride=st.integers(1, 8),
)  # fmt: skip
def test_candidate_banks_are_those_that_the_subscript_visits(
    size: int, factor: int, coef: int, const: int, stride: int
) -> None:
    banks = array_banks(array("A", size, d1=factor), "ram_s2p")
    real = banks.splits[0].factor
    where = reach(banks, _element(coef, const), {"i": stride})
    visited = {(coef * stride * n + const) % real for n in range(real * 2)}
    assert where.mask == sum(1 << b for b in visited)
    assert where.candidates == len(visited)
    assert (where.bank >= 0) == (len(visited) == 1)


def test_a_block_split_knows_only_constant_subscripts() -> None:
    split = Partition(0, PartitionKind.BLOCK, 4)
    banks = array_banks(Array("A", (64,), F32, (split,)), "ram_s2p")
    assert reach(banks, _element(0, 33), {}).bank == 2
    assert reach(banks, _element(1, 0), {"i": 1}).candidates == 4


def test_a_data_dependent_subscript_reaches_every_bank() -> None:
    banks = array_banks(array("A", 64, d1=4), "ram_s2p")
    assert reach(banks, Element("A", None, ()), {}).mask == 0b1111


def test_accesses_to_many_registers_reach_those_of_a_row_or_a_column() -> None:
    banks = array_banks(array("A", 24, 100, d1=24, d2=100), "ram_2p")
    column = reach(banks, Element("A", ((("i", 1),), ()), (0, 7)), {})
    assert column.mask == sum(1 << bank for bank in range(2400) if bank % 100 == 7)
    every_second = reach(banks, Element("A", ((), (("j", 2),)), (3, 1)), {})
    assert every_second.mask == sum(1 << 300 + n for n in range(100) if n % 2)


def test_a_fully_split_array_is_registers() -> None:
    assert array_banks(array("A", 8, d1=8), "ram_s2p").is_register
    assert not array_banks(array("A", 8, 8, d1=8), "ram_s2p").is_register


@given(st.lists(st.integers(1, 15), max_size=12))
def test_busiest_counts_the_fullest_bank(masks: list[int]) -> None:
    counts = [sum(m >> b & 1 for m in masks) for b in range(4)]
    assert busiest(masks) == max(counts, default=0)


def test_ports_are_taken_per_bank_and_slot() -> None:
    ports = array_banks(array("A", 64, d1=2), "ram_s2p").ports
    table = PortTable(4)
    for mask, cycle in itertools.product((0b01, 0b10), (0, 1)):
        assert table.take_first("A", ports, mask, False, cycle) == cycle
    # the slots of cycles 0 and 1 come back
    assert table.take_first("A", ports, 0b01, True, 4) == 4
    assert table.take_first("A", ports, 0b11, False, 4) == 6
    assert table.take_first("A", ports, 0b01, False, 4, limit=2) == -1
    assert table.take_first("A", ports, 0b01, False, 4) == 7


def test_reads_and_writes_share_ports_where_the_memory_says_so() -> None:
    table, ports = PortTable(2), Ports(2, 1, True)
    assert [table.take_first("A", ports, 1, True, 0) for _ in range(2)] == [0, 1]
    assert table.take_first("A", ports, 1, True, 0, limit=4) == -1
    assert [table.take_first("A", ports, 1, False, 0) for _ in range(2)] == [0, 1]
    assert table.take_first("A", ports, 1, False, 0, limit=4) == -1
    assert table.take_first("A", ports, 2, False, 0, limit=4) == 0
