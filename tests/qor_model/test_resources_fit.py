"""Fitting the constants of the resource model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.cli.qor import KernelFiles, library_of, qor
from pom.qor_model.labels import read_labels
from pom.qor_model.resources_constants import FF_TERMS, LUT_TERMS, CostConstants, load_constants
from pom.qor_model.resources_fit import (
    Sample,
    fit_constants,
    leave_one_out,
    mape,
    non_negative_least_squares,
    write_constants,
)
from pom.qor_model.resources_samples import collect_samples
from tests.qor_model.labels_data import KERNELS


def _samples(seed: int, count: int) -> tuple[list[Sample], CostConstants]:
    random = np.random.default_rng(seed)
    lut_true = random.uniform(0.5, 3.0, len(LUT_TERMS))
    ff_true = random.uniform(0.5, 3.0, len(FF_TERMS))
    fixed = [LUT_TERMS.index(n) for n in ("operators", "logic", "memory")]
    lut_true[fixed] = 1.0
    ff_true[[FF_TERMS.index(n) for n in ("operators", "memory")]] = 1.0
    samples = []
    for number in range(count):
        lut = random.integers(0, 200, len(LUT_TERMS)).astype(float)
        ff = random.integers(0, 200, len(FF_TERMS)).astype(float)
        samples.append(
            Sample(
                f"k{number % 3}",
                tuple(lut),
                tuple(ff),
                max(1, round(float(lut @ lut_true))),
                max(1, round(float(ff @ ff_true))),
            )
        )
    return samples, CostConstants(tuple(lut_true), tuple(ff_true), "")


def test_known_constants_are_found_again() -> None:
    samples, truth = _samples(1, 400)
    found = fit_constants(samples, "made up", pull=1e-6, fits_all=True)
    assert max(mape(samples, found)) < 1.0
    assert np.allclose(found.lut, truth.lut, rtol=0.25)


def test_what_is_counted_bit_by_bit_is_not_fitted() -> None:
    samples, _ = _samples(1, 100)
    found = fit_constants(samples, "made up")
    lut, ff = (
        dict(zip(LUT_TERMS, found.lut, strict=True)),
        dict(zip(FF_TERMS, found.ff, strict=True)),
    )
    physical = ("operators", "address_adders", "bank_muxes", "port_muxes", "run_time_banks")
    assert {lut[n] for n in physical} == {1.0}
    assert {ff[n] for n in ("operators", "values", "shift_registers")} == {1.0}
    assert lut["sequential_control"] == ff["accesses"] == 0.0
    assert lut["accesses"] > 0.0


def test_left_out_errors_are_reported_per_kernel() -> None:
    samples, _ = _samples(2, 300)
    rows = leave_one_out(samples, pull=1e-6, fits_all=True)
    assert [r.kernel for r in rows] == ["k0", "k1", "k2"]
    assert all(r.lut_mape_left_out < 2.0 for r in rows)
    assert sum(r.designs for r in rows) == 300


def test_constants_are_written_as_they_are_read(tmp_path: Path) -> None:
    import tomllib

    samples, _ = _samples(3, 100)
    found = fit_constants(samples, "made up")
    path = tmp_path / "2030.1.toml"
    write_constants(found, path)
    data = tomllib.loads(path.read_text())
    assert data["source"] == "made up"
    assert [round(v, 4) for v in found.lut] == [data["lut"][n] for n in LUT_TERMS]


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_least_squares_are_non_negative_and_optimal(seed: int) -> None:
    random = np.random.default_rng(seed)
    system, goal = random.normal(size=(12, 5)), random.normal(size=12)
    found = non_negative_least_squares(system, goal)
    assert (found >= 0).all()
    gradient = system.T @ (goal - system @ found)
    assert (gradient <= 1e-6).all()
    assert abs(float(gradient @ found)) < 1e-6


LABELS = """kernel,config,lp1_pipe,lp1_unroll,lp1_flat,lp2_pipe,lp2_unroll,lp2_flat,lp3_pipe,lp3_unroll,lp3_flat,lp4_pipe,lp4_unroll,lp4_flat,partition,latency,lut,ff,dsp,II,IL
atax,a,0,1,1,0,1,1,0,1,1,0,1,1,tmp.1=1 A.1=1 A.2=1 x.1=1 y.1=1,78213,846,754,5,579,579
atax,b,0,1,1,0,1,1,0,1,1,1,1,1,tmp.1=1 A.1=1 A.2=1 x.1=1 y.1=1,41166,904,817,5,579,579
"""


def test_the_command_fits_labelled_designs(tmp_path: Path) -> None:
    labels, output = tmp_path / "labels.csv", tmp_path / "out.toml"
    labels.write_text(LABELS)
    arguments = ["refit-resources", "--labels", str(labels), "--kernels", str(KERNELS / "hgnn")]
    arguments += ["--near", "Vitis HLS 2022.1", "--all", "--every", "1", "-o", str(output)]
    found = CliRunner().invoke(qor, arguments)
    assert found.exit_code == 0, found.output
    assert [line.split()[:2] for line in found.output.splitlines()[1:]] == [
        ["atax", "2"],
        ["all", "2"],
    ]
    assert "labels.csv, 2 designs" in output.read_text()


def test_counts_of_labelled_designs(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(LABELS)
    first, second = collect_samples(
        read_labels(labels), KernelFiles(KERNELS / "hgnn"), library_of()
    )
    assert (first.kernel, first.lut, first.ff) == ("atax", 846, 754)
    assert first.lut_terms != second.lut_terms
    constants = load_constants("Vitis HLS 2022.1")
    assert max(mape([first, second], constants)) < 20.0
