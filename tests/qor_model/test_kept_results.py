"""A long evaluation that is killed goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pom.errors import PomError
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import base

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from pom.qor_model.gnn import leave_out  # noqa: E402
from pom.qor_model.gnn.kept_results import KeptResults  # noqa: E402
from pom.qor_model.gnn.leave_out import (  # noqa: E402
    Protocol,
    evaluate_predictor,
    learning_curve,
    leave_one_kernel_out,
    with_few_shots,
)
from tests.qor_model.test_gnn import METRICS, SMALL, all_samples  # noqa: E402

OPTIONS = replace(SMALL, epochs=2, members=1, boosters=0)
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.qor_model.test_gnn import METRICS, all_samples
from tests.qor_model.test_kept_results import OPTIONS
from pom.qor_model.gnn.kept_results import KeptResults
from pom.qor_model.gnn.leave_out import leave_one_kernel_out

def stop(line):
    if " dot2 left out" in line:
        os.kill(os.getpid(), signal.SIGKILL)

kept = KeptResults(Path(sys.argv[1]))
leave_one_kernel_out(all_samples(), METRICS, OPTIONS, progress=stop, kept=kept)
"""


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return all_samples()


@pytest.fixture(scope="module")
def protocol(samples: list[Sample]) -> Protocol:
    return leave_one_kernel_out(samples, METRICS, OPTIONS)


def _trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many designs each training from here on has."""
    seen: list[int] = []
    train = leave_out.train

    def counted(chosen, *arguments, **named):  # type: ignore[no-untyped-def]
        seen.append(len(chosen))
        return train(chosen, *arguments, **named)

    monkeypatch.setattr(leave_out, "train", counted)
    return seen


def test_a_killed_evaluation_does_only_the_kernels_that_are_left(
    samples: list[Sample], protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 2
    trained = _trained(monkeypatch)
    kept = KeptResults(folder)
    assert leave_one_kernel_out(samples, METRICS, OPTIONS, kept=kept) == protocol
    assert len(trained) == 1
    kept.forget()
    assert not folder.exists()


def test_what_is_damaged_or_of_other_designs_is_done_again(
    samples: list[Sample], protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptResults(tmp_path)
    assert leave_one_kernel_out(samples, METRICS, OPTIONS, kept=kept) == protocol
    files = sorted(tmp_path.iterdir())
    files[0].write_text("[[1.0")
    files[1].write_text('{"a": 1}')
    trained = _trained(monkeypatch)
    assert leave_one_kernel_out(samples, METRICS, OPTIONS, kept=kept) == protocol
    assert len(trained) == 2
    fewer = [s for n, s in enumerate(samples) if n % 8]
    leave_one_kernel_out(fewer, METRICS, OPTIONS, kept=kept)
    leave_one_kernel_out(samples, METRICS, replace(OPTIONS, seed=1), kept=kept)
    assert len(trained) == 8


def test_other_predictors_and_curves_are_kept_too(samples: list[Sample], tmp_path: Path) -> None:
    calls: list[int] = []

    def analytical(seen: list[Sample], left: list[Sample]) -> np.ndarray:
        calls.append(len(left))
        return base(left, METRICS)

    kept = KeptResults(tmp_path)
    found = [evaluate_predictor(samples, METRICS, "a", analytical, kept=kept) for _ in range(2)]
    assert found[0] == found[1]
    assert calls == [8, 8, 8]
    before = len(list(tmp_path.iterdir()))
    first = learning_curve(samples, METRICS, OPTIONS, kept=kept)
    assert len(list(tmp_path.iterdir())) == before + 3 * len(first)
    assert learning_curve(samples, METRICS, OPTIONS, kept=kept) == first


def test_few_shots_are_of_one_model_and_tested_on_the_same_designs(
    samples: list[Sample], protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = _trained(monkeypatch)
    none, five, six = with_few_shots(samples, METRICS, OPTIONS, (0, 5, 6))
    assert len(trained) == 3
    assert none.rows == protocol.rows
    assert six.rows == leave_one_kernel_out(samples, METRICS, OPTIONS, shots=6).rows
    assert five.name == "gnn, 5 designs of the kernel"
    with pytest.raises(PomError, match="POM-Q045"):
        with_few_shots(samples, METRICS, OPTIONS, (0, 8))


def test_results_that_cannot_be_kept_are_an_error(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PomError, match="POM-Q043"):
        KeptResults(tmp_path / "file").of(samples).put(((1.0,),), "part")
