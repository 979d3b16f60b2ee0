"""How fast the shipped models load and predict, in processor time on one thread.

    python benchmarks/bench_gnn.py [--designs N] [--model routed|synthesis]

The designs are directive settings of the kernels in qor_model/data/kernels/hgnn. "features" is
scheduling, counting and making the graph; "predict" one batch of all designs.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path

import torch

from pom import devices
from pom.cli.qor import KernelFiles
from pom.qor_model.gnn.predict import predict
from pom.qor_model.gnn.samples import Sample, SampleMaker
from pom.qor_model.gnn.weights import load, shipped
from pom.qor_model.latency import LatencyModel
from pom.qor_model.leaf import all_loops, has_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Array, LoopDirectives, Partition, PartitionKind
from pom.qor_model.settings import DIRECTIVES_ONLY

KERNELS = Path(__file__).resolve().parents[1] / "qor_model" / "data" / "kernels" / "hgnn"


def _split(array: Array, factor: int) -> tuple[Partition, ...]:
    last = len(array.shape) - 1
    return (Partition(last, PartitionKind.CYCLIC, factor),) if factor > 1 else ()


def _samples(count: int) -> list[Sample]:
    rng = random.Random(0)
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    maker = SampleMaker(library, DIRECTIVES_ONLY)
    files = KernelFiles(KERNELS)
    models = [
        LatencyModel(files.design(path.stem, "", ""), library, DIRECTIVES_ONLY)
        for path in sorted(KERNELS.glob("*.py"))
    ]
    found = []
    for number in range(count):
        model = models[number % len(models)]
        loops = [loop for f in model.design.functions for loop in all_loops(f.body)]
        unroll = rng.choice((1, 2, 4, 8))
        chosen = {
            loop.name: LoopDirectives(rng.random() < 0.5, None, rng.choice((1, unroll)))
            for loop in loops
            if not has_loops(loop.body)
        }
        arrays = [a for f in model.design.functions for a in f.arrays if a.shape]
        split = {a.name: _split(a, unroll) for a in arrays}
        result = model.estimate(chosen, split)
        sample = maker.sample(model.with_directives(chosen, split), result, str(number))
        found.append(replace(sample, device="xczu9eg-ffvb1156-2-i"))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=500)
    parser.add_argument("--model", choices=["routed", "synthesis"], default="routed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    model = load(shipped(options.model))
    loaded = time.process_time()
    samples = _samples(options.designs)
    made = time.process_time()
    predict(samples[:8], model)
    warm = time.process_time()
    predict(samples, model)
    end = time.process_time()
    print(f"load {loaded - start:.2f} s")
    print(f"features {options.designs / (made - loaded):.0f} designs/s")
    print(f"predict {options.designs / (end - warm):.0f} designs/s")


if __name__ == "__main__":
    main()
