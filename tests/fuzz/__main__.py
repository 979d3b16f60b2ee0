"""Random testing of the whole tool.

    python -m tests.fuzz --programs 1000 --schedules 20 --seed 1 --jobs 2 --statistics fuzz.json

Every kernel gets several random schedules. What is accepted is lowered, validated, run by the JIT
and, for some kernels, as C++, and compared with the reference; what is refused as illegal is
confirmed by enumeration. Kernels run in worker processes, so that a crash or a hang is a finding
like any other. Findings are shrunk and written as runnable Python. A run that is continued with
the same statistics file goes on after the last kernel of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.analysis import DEPENDENCE_KINDS
from tests.fuzz.pool import Job, Pool, Result, worker


@dataclass(slots=True)
class Statistics:
    """What a run found so far; appended to by later runs of the same seed."""

    seed: int
    schedules: int
    next_program: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    primitives: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: Result) -> None:
        for name, counted in (
            ("counts", self.counts),
            ("primitives", self.primitives),
            ("refusals", self.refusals),
        ):
            counted.update(result.data.get(name, {}))
        self.findings += result.data.get("findings", [])

    @property
    def refused(self) -> int:
        return sum(self.refusals.values())

    @property
    def pairs(self) -> int:
        """Schedules that were accepted and executed, and schedules that were refused."""
        return self.counts["accepted"] + self.refused

    def of_kind(self, *kinds: str) -> int:
        return sum(f["kind"] in kinds for f in self.findings)

    def table(self) -> str:
        judged = self.counts["refused as illegal"]
        false = self.counts["false refusals"]
        share = 100 * false / judged if judged else 0.0
        rows = [
            ("kernels", self.counts["kernels"]),
            ("pairs", self.pairs),
            ("accepted and executed", self.counts["executed"]),
            ("of these also by g++", self.counts["g++"]),
            ("accepted, no input without a fault", self.counts["no accepted input"]),
            ("refused", self.refused),
            ("  as illegal, enumerated", judged),
            ("  because of data", self.counts["refused because of data"]),
            ("  as illegal, not enumerated", self.counts["refused, not enumerated"]),
            ("  by a rule on arguments or structure", self.counts["refused by a rule"]),
            ("programs whose dependences were enumerated", self.counts["analysed"]),
            ("missed or invented dependences", self.of_kind(*DEPENDENCE_KINDS)),
            ("mismatches", self.of_kind("mismatch", "g++ mismatch")),
            ("wrongly accepted", self.of_kind("wrongly accepted")),
            ("refused by lowering or validation", self.of_kind("refused lowering", "g++ refused")),
            ("internal errors", self.of_kind("exception")),
            ("crashes and hangs", self.of_kind("crash", "hang")),
            ("false refusals", f"{false} ({share:.2f} % of those enumerated)"),
            ("seconds", f"{self.seconds:.0f}"),
            ("pairs per second", f"{self.pairs / max(self.seconds, 1e-9):.1f}"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {value}" for name, value in rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "schedules": self.schedules,
            "next_program": self.next_program,
            "seconds": round(self.seconds, 1),
            "counts": dict(sorted(self.counts.items())),
            "primitives": dict(sorted(self.primitives.items())),
            "refusals": dict(sorted(self.refusals.items())),
            "findings": self.findings,
        }


def load(path: Path | None, seed: int, schedules: int) -> Statistics:
    """The statistics to continue; new ones where there are none."""
    if path is None or not path.is_file():
        return Statistics(seed, schedules)
    data = json.loads(path.read_text(encoding="utf-8"))
    if (data["seed"], data["schedules"]) != (seed, schedules):
        raise SystemExit(f"{path} is of seed {data['seed']} with {data['schedules']} schedules")
    return Statistics(
        seed,
        schedules,
        data["next_program"],
        data["seconds"],
        Counter(data["counts"]),
        Counter(data["primitives"]),
        Counter(data["refusals"]),
        data["findings"],
    )


def fuzz(options: argparse.Namespace) -> Statistics:
    """Run the kernels that `options` ask for."""
    path = Path(options.statistics) if options.statistics else None
    found = load(path, options.seed, options.schedules)
    before, start = found.seconds, time.monotonic()
    first = found.next_program

    def note(result: Result) -> None:
        found.add(result)
        found.next_program = max(found.next_program, result.job.index + 1)
        found.seconds = before + time.monotonic() - start
        for finding in result.data.get("findings", []):
            say(f"\n# seed {options.seed}, kernel {result.job.index}\n{finding['python']}")
        if path is not None and result.job.index % 10 == 0:
            path.write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")
            if result.job.index % 100 == 0:
                say(f"{found.pairs} pairs, {len(found.findings)} findings, {found.seconds:.0f} s")

    def jobs() -> Iterator[Job]:
        for index in range(first, first + options.programs):
            if options.pairs and found.pairs >= options.pairs:
                return
            yield Job(options.seed, index, options.schedules, options.cpp_every, options.shrink)

    deadline = start + options.seconds if options.seconds else None
    Pool(options.jobs, options.timeout_s).run(jobs(), note, deadline)
    found.seconds = before + time.monotonic() - start
    if path is not None:
        path.write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")
    return found


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=100, help="kernels (default: 100)")
    parser.add_argument("--schedules", type=int, default=20, help="schedules of each (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default: 1)")
    parser.add_argument(
        "--cpp-every", type=int, default=25, help="run every n-th kernel as C++; 0 for none"
    )
    parser.add_argument("--pairs", type=int, default=0, help="start no kernel after so many pairs")
    parser.add_argument("--seconds", type=float, default=0.0, help="start no kernel after this")
    parser.add_argument("--timeout-s", type=float, default=120.0, help="of one kernel")
    parser.add_argument("--statistics", default="", help="JSON file to write, and to continue")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        worker(sys.stdin, sys.stdout)
        return 0
    found = fuzz(options)
    say(found.table())
    return 1 if found.findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
