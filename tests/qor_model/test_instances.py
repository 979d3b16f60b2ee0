"""Operator instances by class: names of generated modules, and what an estimate shares."""

from __future__ import annotations

from collections import Counter

import pom
from pom import devices
from pom.dsl.kernel import KernelFunction
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.instances import estimated_instances, measured_instances
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.resources import ResourceModel

LIBRARY = OperatorLibrary.for_device(devices.load("xc7z020"))
Q = pom.fixed(32, 16)


def _instances(kernel: KernelFunction) -> Counter[str]:
    design = design_from_affine(poly_to_affine(graph_to_poly(kernel.graph)))
    result = estimate_latency(design, LIBRARY)
    report = ResourceModel(LIBRARY).estimate(design, result)
    return estimated_instances(report.operators, LIBRARY)


def test_modules_are_told_apart_by_their_names() -> None:
    found = measured_instances(
        "dadddsub_64ns_64ns_64_7_full_dsp_1=2 dsub_64ns_64ns_64_7_full_dsp_1=1 "
        "fmul_32ns_32ns_32_4_max_dsp_1=3 mul_32s_32s_48_2_1=4 mul_8ns_9ns_16_1_1=5 "
        "mac_muladd_8ns_8ns_8ns_16_4_1=6 sdiv_48ns_32s_32_52_1=7 other_1=8"
    )
    assert found == {
        "f64 add": 3, "f32 mul": 3, "multiplier": 4, "small multiplier": 5, "multiply-add": 6,
        "divider": 7, "other_1": 8,
    }  # fmt: skip


def test_two_products_of_a_full_update_are_not_shared() -> None:
    """An interval of 2 that updates memory in place leaves no slack to share multipliers."""

    @pom.kernel
    def rank2(A: Q[80], B: Q[80], C: Q[80], a: Q, b: Q):
        for _ in pom.loop("i", 0, 80):
            for j in pom.loop("j", 0, 79):
                C[j] += A[j] * a + B[j] * b + C[j + 1]

    @pom.kernel
    def alone(A: Q[80], a: Q, C: Q[80]):
        for j in pom.loop("j", 0, 80):
            C[j] = A[j] * a

    assert _instances(rank2)["multiplier"] == 2
    assert _instances(alone)["multiplier"] == 1


def test_dividers_of_different_pipelines_are_not_shared() -> None:
    @pom.kernel
    def scale(A: Q[80], B: Q[80], a: Q):
        for i in pom.loop("i", 0, 80):
            A[i] = A[i] / a
        for j in pom.loop("j", 0, 80):
            B[j] = B[j] / a

    assert _instances(scale) == {"divider": 2}


def test_products_of_different_pipelines_are_shared() -> None:
    @pom.kernel
    def scale(A: pom.f64[80], B: pom.f64[80], a: pom.f64):
        for i in pom.loop("i", 0, 80):
            A[i] = A[i] * a
        for j in pom.loop("j", 0, 80):
            B[j] = B[j] * a + 1.0

    assert _instances(scale) == {"f64 mul": 1, "f64 add": 1}


def test_constants_are_as_wide_as_their_value() -> None:
    """A product with a constant of few bits fits fewer DSP blocks; powers of two are shifts."""

    @pom.kernel
    def weights(A: pom.int32[80], B: pom.int32[80], C: pom.int32[80]):
        for i in pom.loop("i", 0, 80):
            B[i] = A[i] * 1000
        for j in pom.loop("j", 0, 80):
            C[j] = A[j] * 16

    @pom.kernel
    def variable(A: pom.int32[80], B: pom.int32[80], a: pom.int32):
        for i in pom.loop("i", 0, 80):
            B[i] = A[i] * a

    few, many = (_dsp(kernel) for kernel in (weights, variable))
    assert 0 < few < many


def test_only_divisors_that_are_constant_spare_the_divider() -> None:
    @pom.kernel
    def by_constant(A: Q[80], B: Q[80]):
        for i in pom.loop("i", 0, 80):
            B[i] = A[i] / 9 + A[i] / 8

    @pom.kernel
    def of_constant(A: Q[80], B: Q[80]):
        for i in pom.loop("i", 0, 80):
            B[i] = 8 / A[i]

    assert _instances(by_constant) == {"multiplier": 1}
    assert _instances(of_constant) == {"divider": 1}


def _dsp(kernel: KernelFunction) -> int:
    design = design_from_affine(poly_to_affine(graph_to_poly(kernel.graph)))
    result = estimate_latency(design, LIBRARY)
    return ResourceModel(LIBRARY).estimate(design, result).total.dsp


def test_a_full_update_loads_right_before_it_stores() -> None:
    """Products that wait for one value start together, sums when both operands are there.

    The factor is there in cycle 9, and so are 8 pairs of B. C is read and written in all 2 * 25
    places of the interval, so its loads end where the first sum (cycles 16 to 22) is stored; 5 of
    their pairs are there in cycle 16. Measured: 16 multipliers, 10 adders (gemm, mini, in double).
    """

    @pom.kernel
    def update(a: pom.f64, A: pom.f64[30], B: pom.f64[30, 25], C: pom.f64[25]):
        for k in pom.loop("k", 0, 30):
            for j in pom.loop("j", 0, 25):
                C[j] += a * A[k] * B[k, j]

    assert _instances(update) == {"f64 mul": 16, "f64 add": 10}


def test_a_burst_stands_beside_what_starts_in_its_slot() -> None:
    """Measured in atax, mini, in double: 42 products at once beside two, and 26 sums beside 7."""

    @pom.kernel
    def two_sweeps(A: pom.f64[38, 42], x: pom.f64[42], y: pom.f64[42], tmp: pom.f64[38]):
        for i in pom.loop("i", 0, 38):
            tmp[i] = 0
            for j in pom.loop("j1", 0, 42):
                tmp[i] = tmp[i] + A[i, j] * x[j]
            for j in pom.loop("j2", 0, 42):
                y[j] = y[j] + A[i, j] * tmp[i]

    assert _instances(two_sweeps) == {"f64 mul": 44, "f64 add": 33}
