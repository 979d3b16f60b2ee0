"""How fast a design is estimated, by stage and by lanes.

    python benchmarks/bench_estimate.py [--lanes 1,16,64] [--kernels gemm,atax] [--repeat N]
        [--unfolded]

Takes the way of the search: a plan for the heaviest nest of a PolyBench kernel (medium size,
xcu280 at 300 MHz) becomes schedule primitives, level 3, a region tree, a schedule and resources.
The columns are the processor time of each stage in ms, the smallest of the repetitions, each with
nothing kept from before ("cold"); the last lines are designs per second, cold and when only
directives change. `parallel` has its lanes along loops that carry nothing, innermost; `reduction`
has them along the loops that carry a dependence where there are some, `mixed` along all loops.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pom
from pom import devices
from pom.dialects.context import new_context
from pom.dse.evaluation import Evaluator, only
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Problem, limits_of
from pom.dse.realise import realise, with_partitions
from pom.errors import PomError
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import LatencyModel
from pom.qor_model.leaf import all_loops, has_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives, Partition, PartitionKind
from pom.qor_model.resources import ResourceModel

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "polybench"
KERNELS = "tile,gemm,k2mm,atax,jacobi_2d,heat_3d"
DIRECTIVES = ("gemm", "k2mm", "syr2k")
STAGES = ("realise", "level 3", "region", "schedule", "resources")


@pom.kernel
def tile(A: pom.f32[1024, 1024], B: pom.f32[1024, 1024], C: pom.f32[1024, 1024]):
    """gemm with the sum outermost: lanes along i and j make a tile of C."""
    for k in pom.loop("k", 0, 1024):
        for i in pom.loop("i", 0, 1024):
            for j in pom.loop("j", 0, 1024):
                C[i, j] += A[i, k] * B[k, j]


def heaviest(nests: tuple[Nest, ...]) -> Nest:
    """The nest with most work."""
    return max(nests, key=lambda n: (n.box, len(n.work)))


def plan_for(nest: Nest, lanes: int, along: str) -> NestPlan:
    """Up to `lanes` lanes along one kind of loops, in factors that divide the trip counts."""
    carried = {loop for r in nest.recurrences for loop, low, high in r.distance if low or high}
    names = [loop.name for loop in nest.band]
    free = [name for name in names if name not in carried]
    last = [name for name in names if name in carried]
    wide = {"parallel": free, "reduction": last, "mixed": [*last, *free]}[along]
    order = next((o for o in nest.orders if o[len(o) - len(wide) :] == tuple(wide)), nest.orders[0])
    factors = dict.fromkeys(order, 1)
    rest = lanes
    while grown := [
        (name, factor)
        for name in reversed(order)
        if name in wide
        for factor in range(factors[name] + 1, nest.loop(name).extent + 1)
        if nest.loop(name).extent % factor == 0 and factor // factors[name] <= rest
    ]:
        # all loops grow together, the one with fewest lanes first
        name, factor = min(grown, key=lambda item: (item[1], -order.index(item[0])))
        others = lanes
        for other, value in factors.items():
            others //= 1 if other == name else value
        if factor > others:
            break
        factors[name] = factor
        rest = lanes
        for value in factors.values():
            rest //= value
    return NestPlan(nest.handle, order, tuple(factors[n] for n in order))


def timed(times: dict[str, float], stage: str, run: Callable[[], Any]) -> Any:
    """Run a stage and keep the smallest processor time."""
    start = time.process_time()
    result = run()
    times[stage] = min(times.get(stage, 1e9), 1e3 * (time.process_time() - start))
    return result


def measure(evaluator: Evaluator, nest: Nest, chosen: NestPlan, repeat: int, folds: bool) -> str:
    """One line: lanes, what the model says, and the time of each stage."""
    structure = evaluator.structure("written")
    program = only(structure.program, nest.statements)
    plan = with_partitions(program, (nest,), Plan("written", (chosen,)))
    times: dict[str, float] = {}
    context = new_context()

    def transformed() -> object:
        result = program
        for primitive in realise(program, (nest,), plan, False):
            result = primitive.run(result)
        return result

    for _ in range(repeat):
        final = timed(times, "realise", transformed)
        module = timed(times, "level 3", lambda final=final: poly_to_affine(final, context))
        design = timed(times, "region", lambda module=module: design_from_affine(module))
        model = LatencyModel(design, evaluator.library, folds=folds)
        result = timed(times, "schedule", model.estimate)
        resources = ResourceModel(evaluator.library)
        report = timed(times, "resources", lambda d=design, r=result, m=resources: m.estimate(d, r))
    stages = "".join(f"{times[s]:11.1f}" for s in STAGES)
    total = asdict(report.total)
    return (
        f"{chosen.lanes:6d} {stages} {sum(times.values()):9.1f}   {result.latency_cycles:12.0f}"
        f" dsp={total['dsp']} lut={total['lut']} ff={total['ff']}"
    )


def changing_directives(name: str, cold: bool, repeat: int) -> float:
    """Designs per second (MEDIUM, xc7z020, 10 ns) when only directives change, at best.

    Every repetition begins with new models. `cold` makes new models for every design.
    """
    kernel = pom.load_kernel(EXAMPLES / f"{name}.py", size="medium")
    library = OperatorLibrary.for_device(devices.load("xc7z020"), 10.0)
    design = design_from_affine(poly_to_affine(graph_to_poly(kernel.graph), new_context()))
    top = design.function(design.top)
    loops = [loop.name for loop in all_loops(top.body) if not has_loops(loop.body)]
    first, last = loops[0], loops[-1]
    arrays = [array.name for array in top.arrays if len(array.shape) > 1]
    choices = [
        ({last: LoopDirectives(True, unroll=u), first: LoopDirectives(True, unroll=v)},
         {a: (Partition(1, PartitionKind.CYCLIC, b),) for a in arrays[-2:]})
        for u in (1, 2, 4, 5, 10, 20) for v in (1, 2, 4, 5, 10) for b in (1, 2, 4, 5, 10, 20)
    ]  # fmt: skip
    best = 0.0
    for _ in range(repeat):
        model, resources = LatencyModel(design, library), ResourceModel(library)
        start = time.process_time()
        for directives, partitions in choices:
            if cold:
                model, resources = LatencyModel(design, library), ResourceModel(library)
            result = model.estimate(directives, partitions)
            resources.estimate(model.design, result, partitions)
        best = max(best, len(choices) / (time.process_time() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", default="1,16,64,256,1024")
    parser.add_argument("--kernels", default=KERNELS, help="empty: only the last lines")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--unfolded", action="store_true", help="lay out every lane")
    chosen = parser.parse_args()
    device = devices.load("xcu280")
    print(f"{'':10s}{'lanes':>6s} " + "".join(f"{s:>11s}" for s in STAGES) + f" {'ms':>9s}")
    for name in filter(None, chosen.kernels.split(",")):
        if name == "tile":
            graph = tile.graph
        else:
            graph = pom.load_kernel(EXAMPLES / f"{name}.py", size="medium").graph
        evaluator = Evaluator(Problem(graph, device, 1e3 / 300, limits_of(device, ())))
        nest = heaviest(evaluator.structure("written").nests)
        for along in ("parallel", "reduction", "mixed"):
            print(f"{name}, {along}")
            done = set()
            for lanes in map(int, chosen.lanes.split(",")):
                plan = plan_for(nest, lanes, along)
                if plan in done:
                    continue
                done.add(plan)
                try:
                    line = measure(evaluator, nest, plan, chosen.repeat, not chosen.unfolded)
                    print(f"{'':10s}{line}", flush=True)
                except PomError as error:
                    print(f"{'':10s}{plan.lanes:6d} {error.code} {error.summary}", flush=True)
    for name in DIRECTIVES:
        warm, cold = (changing_directives(name, each, chosen.repeat + 1) for each in (False, True))
        print(f"{name}, directives only: {warm:.0f} designs/s warm, {cold:.0f} cold")


if __name__ == "__main__":
    main()
