"""Unoptimised POM benchmarks against the cycles that C synthesis reported for them.

    python benchmarks/bench_baselines.py --published results.csv [--all-sizes] [--json]

`results.csv` needs the columns kernel, size, framework and cycles; rows whose framework is
``VitisHLS-baseline(POM repo)`` are compared (Vitis HLS 2022.2, xc7z020-1, 10 ns, nothing pipelined).
Without it the estimates alone are printed. A C++ literal is double, so the stencils with decimal
factors are estimated with double factors.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import pom
from pom import devices
from pom.dsl.load import load_module
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.inline import inline_functions
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.settings import UNOPTIMISED

EXAMPLES = Path(__file__).parent.parent / "examples" / "pom"
FRAMEWORK = "VitisHLS-baseline(POM repo)"
PUBLISHED_NAME = {
    "gemm": "gemm", "bicg": "bicg", "gesummv": "gesummv", "k2mm": "2mm", "k3mm": "3mm",
    "jacobi_1d": "jacobi", "jacobi_2d": "jacobi2d", "heat_1d": "heat", "seidel": "seidel",
    "blur": "blur", "edge_detect": "edgeDetect", "gaussian": "gaussian",
}  # fmt: skip
DOUBLE_FACTOR = frozenset({"jacobi_1d", "jacobi_2d"})
LARGE = 4096


def estimate(name: str, n: int) -> int:
    """Cycles of one benchmark at problem size `n`, as it is written."""
    module: Any = load_module(EXAMPLES / f"{name}.py")
    module.SIZES["n"] = tuple(n for _ in module.SIZES["large"])
    extra = {"factor": pom.f64} if name in DOUBLE_FACTOR else {}
    level3 = poly_to_affine(graph_to_poly(module.make("n", **extra).graph))
    library = OperatorLibrary.for_device(devices.load("xc7z020"), 10.0)
    design = inline_functions(design_from_affine(level3))
    return int(estimate_latency(design, library, UNOPTIMISED).latency_cycles)


def published(path: Path) -> dict[tuple[str, int], int]:
    """Reported cycles by kernel and size; of two reports of one design the smaller."""
    found: dict[tuple[str, int], int] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["framework"] == FRAMEWORK and row["size"].isdigit():
                key = (row["kernel"], int(row["size"]))
                found[key] = min(int(row["cycles"]), found.get(key, int(row["cycles"])))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path)
    parser.add_argument("--all-sizes", action="store_true", help="every published size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    reported = published(options.published) if options.published else {}
    rows = []
    for name, label in PUBLISHED_NAME.items():
        sizes = {n for kernel, n in reported if kernel == label} if options.all_sizes else set()
        for n in sorted(sizes | {LARGE}):
            cycles, truth = estimate(name, n), reported.get((label, n))
            error = None if truth is None else 100 * (cycles / truth - 1)
            rows.append(
                {"kernel": name, "n": n, "cycles": cycles, "reported": truth, "error": error}
            )
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'kernel':12}{'n':>6}{'estimated':>20}{'reported':>20}{'error %':>10}")
    for row in rows:
        truth = "-" if row["reported"] is None else f"{row['reported']:,}"
        error = "-" if row["error"] is None else f"{row['error']:+.3f}"
        print(f"{row['kernel']:12}{row['n']:6}{row['cycles']:20,}{truth:>20}{error:>10}")


if __name__ == "__main__":
    main()
