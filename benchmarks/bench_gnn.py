"""How fast the shipped models load and predict, in processor time on one thread.

    python benchmarks/bench_gnn.py [--designs N] [--model routed|synthesis] [--labels CSV]

The designs are directive settings of the kernels in qor_model/data/kernels/hgnn, or with --labels
the first so many of a label file (with --kernels its kernels).  "schedule" is the estimator's
latency, "features" counting resources, "predict" one batch of all designs; "together" is the whole
way from directives to intervals.  Graphs are made where the networks of the weights have a say, as
part of "predict".  "4,096 lanes" is one design with so many copies of a row operation, by a loop that
is laid out and by an unroll directive, from its region tree to its prediction.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from pom import devices
from pom.cli.qor import KernelFiles, library_of
from pom.qor_model.collection import paused_collection
from pom.qor_model.evaluate import label_settings, library_part, outline_nests, partitions_of
from pom.qor_model.gnn.model import Model
from pom.qor_model.gnn.predict import predict
from pom.qor_model.gnn.samples import Sample, SampleMaker, choose
from pom.qor_model.gnn.targets import read_measured
from pom.qor_model.gnn.weights import load, shipped
from pom.qor_model.labels import LabelKind
from pom.qor_model.latency import LatencyModel, estimate_latency
from pom.qor_model.leaf import all_loops, has_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    F32,
    Access,
    Array,
    Block,
    Design,
    Function,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    affine,
)
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS

KERNELS = Path(__file__).resolve().parents[1] / "qor_model" / "data" / "kernels"
LANES = 4096

Job = tuple[LatencyModel, SampleMaker, dict[str, LoopDirectives], dict[str, tuple[Partition, ...]]]


def _split(array: Array, factor: int) -> tuple[Partition, ...]:
    last = len(array.shape) - 1
    return (Partition(last, PartitionKind.CYCLIC, factor),) if factor > 1 else ()


def _drawn(count: int) -> Iterator[Job]:
    """Directives at random."""
    rng = random.Random(0)
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    maker = SampleMaker(library, DIRECTIVES_ONLY)
    files = KernelFiles(KERNELS / "hgnn")
    models = [
        LatencyModel(files.design(path.stem, "", ""), library, DIRECTIVES_ONLY, folds=True)
        for path in sorted((KERNELS / "hgnn").glob("*.py"))
    ]
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
        yield model, maker, chosen, {a.name: _split(a, unroll) for a in arrays}


def _labelled(path: Path, kernels: Path, count: int) -> Iterator[Job]:
    """Designs of a label file."""
    file = read_measured(path)
    kinds = len({(row.label.kernel, row.label.part) for row in file.rows})
    libraries, files = library_of(), KernelFiles(kernels)
    models: dict[str, LatencyModel] = {}
    makers: dict[str, SampleMaker] = {}
    for row in choose(file, -(-count // kinds)).rows[:count]:
        label = row.label
        settings = label_settings(file.kind, label)
        library = libraries(library_part(file.kind, label.part), label.clock_ns)
        if label.kernel not in models:
            design = files.design(label.kernel, label.size, label.dtype)
            if file.kind is LabelKind.HGNN_DESIGNS:
                design = outline_nests(design)
            models[label.kernel] = LatencyModel(design, library, settings, folds=True)
        maker = makers.setdefault(label.part, SampleMaker(library, settings))
        model = models[label.kernel]
        yield model, maker, dict(label.loops), partitions_of(model.design, label)


def _wide(*, by_directive: bool) -> Design:
    """``C[i, j] = beta * C[i, j]`` with 4,096 lanes of `j`, an inner loop or unrolled."""
    column = affine({"j": 1}) if by_directive else affine({"j": LANES, "lane": 1})
    place = (affine({"i": 1}), column)
    old = Op(1, OpKind.LOAD, F32, access=Access("C", place))
    new = Op(2, OpKind.MUL, F32, (1,), (F32, F32), scalars=("0:beta",))
    last = Op(3, OpKind.STORE, F32, (2,), access=Access("C", place))
    block = Block((old, new, last))
    start = (affine({}),)
    lanes = Loop("lane", start, (affine({}, LANES),), (block,))
    inner = Loop("j", start, (affine({}, 16),), (lanes,), directives=LoopDirectives(True))
    if by_directive:
        asked = LoopDirectives(True, None, LANES)
        inner = Loop("j", start, (affine({}, 16 * LANES),), (block,), directives=asked)
    outer = Loop("i", (affine({}),), (affine({}, 8),), (inner,))
    part = Partition(1, PartitionKind.CYCLIC, LANES)
    return Design(
        "wide", (Function("wide", (Array("C", (8, 16 * LANES), F32, (part,)),), (outer,)),)
    )


def _one_wide(model: Model, *, by_directive: bool) -> float:
    """Seconds from the region tree of a wide design to its prediction."""
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    design = _wide(by_directive=by_directive)
    start = time.process_time()
    result = estimate_latency(design, library, VITIS_DEFAULTS, folds=True)
    predict([SampleMaker(library).sample(design, result)], model)
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=500)
    parser.add_argument("--model", choices=["routed", "synthesis"], default="routed")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--kernels", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    model = load(shipped(options.model))
    loaded = time.process_time()
    if options.labels is None:
        jobs = list(_drawn(options.designs))
    else:
        jobs = list(_labelled(options.labels, options.kernels, options.designs))
    with paused_collection():
        begin = time.process_time()
        results = [model_.estimate(loops, parts) for model_, _, loops, parts in jobs]
        scheduled = time.process_time()
        samples: list[Sample] = [
            replace(
                maker.sample(timing.with_directives(loops, parts), result, str(number)),
                device="xczu9eg-ffvb1156-2-i",
            )
            for number, ((timing, maker, loops, parts), result) in enumerate(
                zip(jobs, results, strict=True)
            )
        ]
    made = time.process_time()
    predict(samples[:8], model)
    warm = time.process_time()
    predict(samples, model)
    end = time.process_time()
    count = len(jobs)
    print(f"load {loaded - start:.2f} s")
    print(f"schedule {count / (scheduled - begin):.0f} designs/s")
    print(f"features {count / (made - scheduled):.0f} designs/s")
    print(f"predict {count / (end - warm):.0f} designs/s")
    print(f"together {count / (made - begin + end - warm):.0f} designs/s")
    for text, by_directive in (("by a loop", False), ("by a directive", True)):
        took = min(_one_wide(model, by_directive=by_directive) for _ in range(2))
        print(f"{LANES:,} lanes {text} {1000 * took:.0f} ms")


if __name__ == "__main__":
    main()
