"""What the estimator and its commands refuse, and that they say so."""

from __future__ import annotations

import json

import pytest

from pom.cli import run
from pom.errors import PomError
from pom.qor_model.banks import Ports
from pom.qor_model.expand import Node
from pom.qor_model.modulo import Carried, Task, pipeline
from pom.qor_model.nest import emit_access
from pom.qor_model.region import F32, Op, OpKind

HEAD = (
    "set,kernel,config,top_loop,loops,partition,latency,II,IL,lut,ff,dsp,"
    "latency_pred,lut_pred,ff_pred,dsp_pred\n"
)
KERNEL = """import pom

@pom.kernel
def tiny(A: pom.f32[64]):
    for lp1 in pom.loop("lp1", 0, 64):
        A[lp1] = A[lp1] * 2.0
"""


def test_an_interval_beyond_the_limit_is_refused() -> None:
    tasks = [Task([], [], 3, 6.4, 6.4, 0), Task([0], [], 3, 6.4, 6.4, 0)]
    with pytest.raises(PomError, match="POM-Q005"):
        pipeline(tasks, {"A": Ports(1, 1, False)}, [Carried(1, 0, 4, 1, "s")], 7.3, 1, max_ii=2)


def test_only_an_access_can_be_moved_out_of_a_loop() -> None:
    with pytest.raises(PomError, match="POM-Q004"):
        emit_access(None, Node(Op(0, OpKind.ADD, F32), 0, []), {}, 0)


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "tiny.py").write_text(KERNEL)

    def write(kernel: str, loop: str) -> list[str]:
        path = tmp_path / "labels.csv"
        path.write_text(
            f"{HEAD}p,{kernel},A_1_1__{loop}_p_1_f,{loop},{loop}:p:1:f,A.1=1,70,1,8,1,1,1,1,1,1,1\n"
        )
        return ["qor", "eval", "--labels", str(path), "--kernels", str(tmp_path / "kernels")]

    return write


def test_a_label_of_an_unknown_loop_is_listed_as_refused(labels, capsys) -> None:
    run([*labels("tiny", "lp9"), "--json"])
    assert "POM-Q023" in capsys.readouterr().out


def test_a_label_of_an_unknown_kernel_is_listed_as_refused(labels, capsys) -> None:
    run([*labels("huge", "lp1"), "--json"])
    assert "POM-Q024" in capsys.readouterr().out


def test_constants_cannot_be_fitted_to_labels_without_resources() -> None:
    from types import SimpleNamespace

    from pom.qor_model.resources_samples import collect_samples

    label = SimpleNamespace(values=(("latency", 70.0),), design="tiny")
    with pytest.raises(PomError, match="POM-Q025"):
        collect_samples(SimpleNamespace(labels=[label]), None, None)


def test_a_picture_of_an_unknown_loop_is_refused(tmp_path, capsys) -> None:
    (tmp_path / "tiny.py").write_text(KERNEL)
    picture = tmp_path / "x.svg"
    code = run(["estimate", str(tmp_path / "tiny.py"), "--gantt", str(picture), "--loop", "none"])
    assert code == 1
    assert "POM-Q030" in capsys.readouterr().err
    assert not picture.exists()


HGNN = (
    "kernel,config,lp1_pipe,lp1_unroll,lp1_flat,partition,banks,latency,lut,ff,dsp,II,IL\n"
    "{kernel},a,{pipe},{unroll},0,{partition},1,{latency},1,1,1,1,1\n"
)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"kernel": "other"}, "POM-Q023"),
        ({"partition": "B.1=2"}, "POM-Q027"),
        ({"partition": "A.3=2"}, "POM-Q027"),
        ({"partition": "A.0=2"}, "POM-Q027"),
        ({"partition": "rubbish"}, "POM-Q026"),
        ({"unroll": "many"}, "POM-Q026"),
        ({"latency": "soon"}, "POM-Q026"),
        ({"kernel": "broken"}, "POM-D071"),
        ({"kernel": "failing"}, "POM-D072"),
        ({"kernel": "empty"}, "POM-D073"),
    ],
)
def test_a_label_that_does_not_fit_is_listed_and_the_others_are_evaluated(
    row, code, tmp_path, capsys
) -> None:
    good = {"kernel": "tiny", "pipe": 1, "unroll": 1, "partition": "A.1=1", "latency": 70}
    lines = HGNN.format(**good) + HGNN.format(**{**good, **row}).splitlines()[1] + "\n"
    (tmp_path / "labels.csv").write_text(lines)
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    (kernels / "tiny.py").write_text(KERNEL)
    (kernels / "other.py").write_text(KERNEL.replace('"lp1"', '"i"'))
    (kernels / "broken.py").write_text("def (")
    (kernels / "failing.py").write_text("raise ValueError('no')")
    (kernels / "empty.py").write_text("")
    command = ["qor", "eval", "--labels", str(tmp_path / "labels.csv"), "--kernels", str(kernels)]
    run([*command, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["designs"] == 1
    assert [item["reason"].split(":")[0] for item in found["refused"]] == [code]


def test_labels_that_are_no_text_are_refused(tmp_path, capsys) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00" * 9)
    run(["qor", "eval", "--labels", str(tmp_path / "labels.csv"), "--kernels", str(tmp_path)])
    assert "POM-Q020" in capsys.readouterr().err


def test_a_missing_column_is_named(tmp_path, capsys) -> None:
    (tmp_path / "labels.csv").write_text("kernel,config,lp1_pipe,latency\ntiny,a,1,70\n")
    run(["qor", "eval", "--labels", str(tmp_path / "labels.csv"), "--kernels", str(tmp_path)])
    assert "there is no column lp1_unroll" in capsys.readouterr().out
