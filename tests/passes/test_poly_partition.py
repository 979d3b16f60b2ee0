from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.directives import Partition
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_reshape import Reshape
from tests.passes.nests import gemm


def test_directive() -> None:
    new = PartitionArray("C", 2, "cyclic", 4).run(gemm())
    new = PartitionArray("C", 1, "complete").run(new)
    assert new.directives_of("C").partitions == (
        Partition(1, "complete"),
        Partition(2, "cyclic", 4),
    )
    again = PartitionArray("C", 2, "block", 2).run(new)
    assert again.directives_of("C").partitions[1] == Partition(2, "block", 2)
    every = PartitionArray("C", 0, "cyclic", 2).run(again)
    assert every.directives_of("C").partitions == (Partition(0, "cyclic", 2),)
    one = PartitionArray("C", 1, "cyclic", 2).run(every)
    assert one.directives_of("C").partitions == (Partition(1, "cyclic", 2),)


@pytest.mark.parametrize("make", [PartitionArray, Reshape])
@pytest.mark.parametrize(
    ("dim", "kind", "factor", "code"),
    [
        (3, "cyclic", 2, "S021"),
        (-1, "cyclic", 2, "S021"),
        (True, "cyclic", 2, "S021"),
        (1, "cyclic", 65, "S022"),
        (1, "cyclic", 1, "S022"),
        (1, "block", 0, "S022"),
        (1, "complete", 4, "S022"),
        (1, "diagonal", 4, "S023"),
    ],
)
def test_wrong_arguments(make: type, dim: int, kind: str, factor: int, code: str) -> None:
    with pytest.raises(PomError, match=f"POM-{code}"):
        make("C", dim, kind, factor).run(gemm())


def test_unknown_array() -> None:
    with pytest.raises(PomError, match=r"POM-S020(?s:.*)its arrays are"):
        PartitionArray("D", 1, "cyclic", 2).run(gemm())


def test_not_on_a_bus() -> None:
    with pytest.raises(PomError, match="POM-S026"):
        PartitionArray("C", 1, "cyclic", 2).run(Interface("C", "m_axi").run(gemm()))
