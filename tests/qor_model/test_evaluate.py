"""Label files and the evaluation; against measured designs where they are at hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from pom import devices
from pom.cli.qor import KernelFiles, table
from pom.errors import PomError
from pom.qor_model.evaluate import Evaluation, evaluate, outline_nests, summarise
from pom.qor_model.labels import LabelFile, LabelKind, read_labels
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives, Partition, PartitionKind
from tests.qor_model.labels_data import KERNELS, labels
from tests.qor_model.regions import array, design, loop, scale_row

HGNN = """kernel,config,lp1_pipe,lp1_unroll,lp1_flat,lp2_pipe,lp2_unroll,lp2_flat,lp3_pipe,lp3_unroll,lp3_flat,lp4_pipe,lp4_unroll,lp4_flat,partition,latency,lut,ff,dsp,II,IL
atax,a,0,1,1,0,1,1,0,1,1,0,1,1,tmp.1=1 A.1=1 A.2=1 x.1=1 y.1=1,78213,846,754,5,579,579
unknown,b,0,1,1,0,1,1,0,1,1,0,1,1,A.1=2,1,1,1,1,1,1
"""


@cache
def _library(part: str, clock_ns: float) -> OperatorLibrary:
    return OperatorLibrary.for_device(devices.load(part), clock_ns, as_reported=True)


def _evaluate(file: LabelFile, folder: str) -> Evaluation:
    return evaluate(file, KernelFiles(KERNELS / folder), _library)


def test_a_design_file_is_read_and_an_unknown_kernel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HGNN)
    file = read_labels(path)
    assert file.kind is LabelKind.HGNN_DESIGNS
    assert file.labels[1].partitions == (("A", (Partition(0, PartitionKind.CYCLIC, 2),)),)
    assert dict(file.labels[0].loops)["lp2"] == LoopDirectives(False, None, 1, None)
    found = _evaluate(file, "hgnn")
    assert found.statistics("latency") == summarise([("latency", 78213.0, 78213.0)])
    assert [d for d, _ in found.refused] == ["unknown/b"]
    written = found.to_json()
    assert set(written) == {"overall", "kernels", "shares", "kernel_shares", "designs", "refused"}
    assert set(written["overall"]["latency"]) == {"mape", "median", "p99", "worst", "exact"}
    assert json.loads(json.dumps(written))["designs"] == 1
    assert "overall" in table(found)


def test_unknown_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(PomError, match="POM-Q021"):
        read_labels(path)
    with pytest.raises(PomError, match="POM-Q020"):
        read_labels(tmp_path / "none.csv")


def test_statistics_are_of_absolute_relative_errors() -> None:
    found = summarise([("lut", 100.0, 90.0), ("lut", 100.0, 100.0), ("lut", 50.0, 60.0)])
    assert found is not None
    assert (found.mape, found.median, found.worst) == pytest.approx((10.0, 10.0, 20.0))
    assert found.exact == pytest.approx(100 / 3)


def test_top_level_nests_become_functions() -> None:
    nests = (loop("a", 4, *scale_row()), loop("b", 4, *scale_row()))
    found = outline_nests(design(*nests, arrays=(array("C", 4, 4),)))
    assert [f.name for f in found.functions] == ["top_0", "top_1", "top"]
    assert outline_nests(found) is found


def _every(file: LabelFile, step: int) -> LabelFile:
    return LabelFile(file.kind, file.labels[::step])


def test_schedule_primitives_build_the_same_designs(tmp_path: Path) -> None:
    rows = [
        "atax,a,0,1,1,1,4,0,0,1,1,1,8,1,tmp.1=1 A.1=1 A.2=4 x.1=4 y.1=8,1,1,1,1,1,1",
        "atax,b,1,1,1,1,64,1,0,2,1,0,1,1,tmp.1=2 A.1=2 A.2=64 x.1=64 y.1=1,1,1,1,1,1,1",
    ]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([HGNN.splitlines()[0], *rows]) + "\n")
    source = KernelFiles(KERNELS / "hgnn")
    found = evaluate(read_labels(path), source, _library, check_every=1)
    assert not found.refused
    assert len(found.outcomes) == 2


def test_measured_designs() -> None:
    found = _evaluate(_every(read_labels(labels("hgnn_designs.csv")), 9), "hgnn")
    latency = found.statistics("latency")
    assert latency is not None
    assert not found.refused
    assert latency.mape <= 0.3
    assert latency.worst <= 5.0
    share = found.share("is_ii_exact")
    assert share is not None
    assert share >= 99.0


def test_measured_inner_loops() -> None:
    found = _evaluate(_every(read_labels(labels("hgnn_inner_loops.csv")), 3), "hgnn")
    assert not found.refused
    shares = found.share("is_ii_exact"), found.share("is_depth_close")
    assert shares[0] is not None
    assert shares[1] is not None
    assert shares[0] >= 99.0
    assert shares[1] >= 98.0


def test_measured_defaults_of_the_tool() -> None:
    found = _evaluate(read_labels(labels("hlsfactory_polybench.csv")), "polybench")
    latency = found.statistics("latency")
    share = found.share("is_pipelining_exact")
    assert latency is not None
    assert share is not None
    assert not found.refused
    assert latency.mape <= 3.0
    assert share >= 95.0
    shares = found.to_json()["shares"]
    assert shares["operator_instances_exact"] >= 95.0
    assert found.to_json()["kernel_shares"]["syr2k"]["operator_instances_exact"] == 100.0
