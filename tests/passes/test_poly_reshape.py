from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.directives import Partition
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_reshape import Reshape
from tests.passes.nests import gemm


def test_directive() -> None:
    new = Reshape("A", 2, "cyclic", 8).run(gemm())
    assert new.directives_of("A").reshapes == (Partition(2, "cyclic", 8),)


def test_not_together_with_a_partition() -> None:
    partitioned = PartitionArray("A", 2, "cyclic", 4).run(gemm())
    with pytest.raises(PomError, match="POM-S024"):
        Reshape("A", 2, "cyclic", 4).run(partitioned)
    with pytest.raises(PomError, match="POM-S024"):
        Reshape("A", 0, "cyclic", 4).run(partitioned)
    both = Reshape("A", 1, "cyclic", 4).run(partitioned)
    with pytest.raises(PomError, match="POM-S024"):
        PartitionArray("A", 1, "cyclic", 4).run(both)


def test_not_on_a_bus() -> None:
    with pytest.raises(PomError, match="POM-S026"):
        Reshape("C", 1, "cyclic", 2).run(Interface("C", "m_axi").run(gemm()))
