"""Times of the polyhedral engine: dependences, legality of a primitive, automatic scheduling.

    python benchmarks/bench_polyhedral.py [--size large] [KERNEL …]

Every PolyBench kernel of the examples; milliseconds of processor time, the median of `--repeat`
runs. Dependences are found with cold caches, down to isl's objects for domains and accesses.
Legality is the verdict on one primitive for dependences that are known, the worst of: split,
interchange of the outer two loops, tile, skew and reverse on the statement in most loops. A refusal
is the whole error: every violation, a witness, and a hint that was tried. Validation is that of one
compilation with cold caches, without its code generation: of the kernel as it is, after
`auto_schedule`, and with the innermost loop of every statement split by 7 (full and remainder parts
everywhere, the worst case). Targets: dependences 20 ms, legality 2 ms, scheduling 1000 ms, validation
100 ms.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from mlir.ir import Module

import pom
from pom.ir.poly import PolyProgram
from pom.passes import (
    dependences,
    distances,
    isl_build,
    last_writes,
    legality,
    validate_order,
)
from pom.passes.base import PolyPass
from pom.passes.conflicts import find_conflicts
from pom.passes.dependences import dependences_from
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_reorder import reordered
from pom.passes.poly_reverse import Reverse, reversed_loop
from pom.passes.poly_skew import Skew, skew
from pom.passes.poly_split import Split, split
from pom.passes.poly_tile import Tile, tiled
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate
from pom.schedule import Schedule

POLYBENCH = Path(__file__).resolve().parents[1] / "examples" / "polybench"


def milliseconds(run: Callable[[], object], repeat: int) -> float:
    """Median processor time of `run`."""
    found = []
    for _ in range(repeat):
        start = time.process_time()
        run()
        found.append(1e3 * (time.process_time() - start))
    return statistics.median(found)


def analyse(program: PolyProgram) -> float:
    """Milliseconds of one dependence analysis with cold caches."""
    for module in (dependences, distances, isl_build, last_writes):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
    return milliseconds(lambda: dependences_from(program, find_conflicts(program)), 1)


def primitives(program: PolyProgram) -> list[tuple[PolyPass, PolyProgram]]:
    """Primitives on the statement in most loops, and what they rewrite the program to."""
    statement = max(program.statements, key=lambda s: len(program.loops(s.name))).name
    loops = [n.name for n in program.loops(statement)]
    found: list[tuple[PolyPass, PolyProgram]] = [
        (Split(statement, loops[0], 4), split(program, statement, loops[0], 4)),
        (Reverse(statement, loops[0]), reversed_loop(program, statement, loops[0])),
    ]
    if len(loops) > 1:
        outer, inner = loops[:2]
        found += [
            (
                Interchange(statement, outer, inner),
                reordered(program, statement, (inner, outer))[0],
            ),
            (Skew(statement, outer, inner, 1), skew(program, statement, outer, inner, 1)),
            (
                Tile(statement, (outer, inner), (4, 4)),
                tiled(program, statement, (outer, inner), (4, 4))[0],
            ),
        ]
    return found


def validations(path: Path, size: str, repeat: int) -> list[float]:
    """Milliseconds of validating the kernel as it is, scheduled by isl, and split everywhere."""
    kernel = pom.load_kernel(path, size=size)
    plain, scheduled, split_up = (Schedule(kernel) for _ in range(3))
    scheduled.apply(AutoSchedule())
    for statement in split_up.program.statements:
        for loop in split_up.program.loops(statement.name)[-1:]:
            attempt(Split(statement.name, loop.name, 7), split_up)
    found = []
    for s in (plain, scheduled, split_up):
        module, reference = poly_to_affine(s.program), s.reference_program

        def cold(reference: PolyProgram = reference, module: Module = module) -> None:
            validate_order._dependences.cache_clear()
            dependences._of_conflict.cache_clear()
            validate(reference, module)

        found.append(milliseconds(cold, repeat))
    return found


def verdict_on(program: PolyProgram, candidate: PolyProgram) -> bool:
    """Legality, decided anew."""
    legality._reversed.cache_clear()
    return legality.is_legal(program, candidate)


def attempt(primitive: PolyPass, to: PolyProgram | Schedule) -> None:
    """Run a primitive, whether it is accepted or not."""
    try:
        if isinstance(to, Schedule):
            to.apply(primitive)
        else:
            primitive.run(to)
    except pom.PomError:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*")
    parser.add_argument("--size", default="large")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    paths = sorted(p for p in POLYBENCH.glob("*.py") if not p.stem.startswith("_"))
    headings = (
        *("statements", "dependences", "ms", "legality", "refusal", "schedule"),
        *("validate", "scheduled", "split"),
    )
    widths = (10, 11, 8, 8, 8, 9, 9, 9, 9)
    columns = (f"{h:>{w}}" for h, w in zip(headings, widths, strict=True))
    print(f"{'kernel':16} {' '.join(columns)}")
    for path in paths:
        if options.kernels and path.stem not in options.kernels:
            continue
        program = graph_to_poly(pom.load_kernel(path, size=options.size).graph)
        found = dependences_from(program, find_conflicts(program))
        analysis = statistics.median(analyse(program) for _ in range(options.repeat))
        verdict = refusal = 0.0
        for primitive, candidate in primitives(program):
            is_accepted = verdict_on(program, candidate)
            verdict = max(
                verdict,
                milliseconds(lambda c=candidate, p=program: verdict_on(p, c), options.repeat),
            )
            if not is_accepted:
                refusal = max(
                    refusal, milliseconds(lambda q=primitive, p=program: attempt(q, p), 1)
                )
        scheduling = milliseconds(lambda p=program: AutoSchedule().run(p), 1)
        validation = " ".join(f"{v:9.1f}" for v in validations(path, options.size, options.repeat))
        print(
            f"{path.stem:16} {len(program.statements):10} {len(found):11} {analysis:8.1f} "
            f"{verdict:8.2f} {refusal:8.1f} {scheduling:9.1f} "
            f"{validation}",
            flush=True,
        )


if __name__ == "__main__":
    main()
