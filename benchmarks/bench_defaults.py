"""PolyBench kernels without directives against reports of Vitis alone, which nothing is fitted to.

    python benchmarks/bench_defaults.py --published results.csv [--json]

`results.csv` needs the columns framework, kernel, dtype, device, clock_mhz, cycles, dsp, lut and ff;
rows whose framework is ``VitisHLS-auto`` are compared (Vitis HLS 2023.2, xcu280, 300 MHz, float,
medium sizes, co-simulated cycles).
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
from pom.qor_model.evaluate import resource_model
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.settings import VITIS_DEFAULTS

EXAMPLES = Path(__file__).parent.parent / "examples" / "polybench"
FRAMEWORK = "VitisHLS-auto"
METRICS = ("cycles", "dsp", "lut", "ff")


def estimate(name: str, library: OperatorLibrary) -> dict[str, int]:
    """Cycles and resources of a kernel as the tool makes it without directives."""
    module: Any = load_module(EXAMPLES / f"{name}.py")
    graph = module.make("medium", pom.f32).graph
    design = design_from_affine(poly_to_affine(graph_to_poly(graph)))
    result = LatencyModel(design, library, VITIS_DEFAULTS).estimate()
    total = resource_model(library, VITIS_DEFAULTS).estimate(design, result).total
    return {"cycles": int(result.latency_cycles), **{m: getattr(total, m) for m in METRICS[1:]}}


def published(path: Path) -> dict[str, dict[str, int]]:
    """What was reported, by the names of the example files."""
    found: dict[str, dict[str, int]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            is_wanted = row["framework"] == FRAMEWORK and "xcu280" in row["device"]
            if is_wanted and row["dtype"].startswith("f32") and row["lut"]:
                name = row["kernel"] if row["kernel"][0].isalpha() else f"k{row['kernel']}"
                if (EXAMPLES / f"{name}.py").exists():
                    found[name] = {m: int(row[m]) for m in METRICS}
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    library = OperatorLibrary.for_device(devices.load("xcu280"), 1000 / 300)
    reported = published(options.published)
    rows = {name: estimate(name, library) for name in sorted(reported)}
    if options.json:
        print(json.dumps({n: {"estimated": rows[n], "reported": reported[n]} for n in rows}))
        return
    print(f"{'kernel':10}" + "".join(f"{m:>14}{'error %':>9}" for m in METRICS))
    errors: dict[str, list[float]] = {m: [] for m in METRICS}
    for name, row in rows.items():
        for m in METRICS:
            errors[m].append(100 * (row[m] / reported[name][m] - 1))
        print(f"{name:10}" + "".join(f"{row[m]:14,}{errors[m][-1]:+9.1f}" for m in METRICS))
    means = (sum(map(abs, errors[m])) / max(1, len(rows)) for m in METRICS)
    print(f"{'mean':10}" + "".join(f"{'':14}{mean:9.1f}" for mean in means))


if __name__ == "__main__":
    main()
