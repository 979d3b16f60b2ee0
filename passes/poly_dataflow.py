"""Overlap the nests of a kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram, ScheduleNode, Sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import accesses
from pom.passes.loop_directives import with_directives
from pom.passes.schedule_tree import require_loop


@dataclass(frozen=True)
class Dataflow(PolyPass):
    """The nests of the kernel, or of a loop's body, run at the same time on streams of data.

    ::

        void f(…) {            →        void f(…) {
            nest 1; nest 2;             #pragma HLS DATAFLOW
        }                                   nest 1; nest 2;
                                        }

    Refused where Vitis could not: every local array needs exactly one nest that writes it and one
    later nest that reads it, and an argument may be touched by one nest only.

    Parameters
    ----------
    statement, loop : str, optional
        A loop whose body overlaps; empty for the whole kernel.
    """

    name: ClassVar[str] = "poly-dataflow"
    summary: ClassVar[str] = "overlap the nests of a kernel or of a loop"
    statement: str = ""
    loop: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        if not self.loop:
            check_dataflow(program, program.schedule, f"kernel {program.name!r}")
            return replace(program, function=replace(program.function, dataflow=True))
        node = require_loop(program, self.statement, self.loop)
        check_dataflow(program, node.child, f"loop {self.loop!r}")
        return with_directives(program, self.statement, self.loop, dataflow=True)


def check_dataflow(program: PolyProgram, body: ScheduleNode, where: str) -> None:
    """Raise POM-S031 unless the children of `body` can overlap as Vitis' DATAFLOW does."""
    if not isinstance(body, Sequence):
        raise PomError(
            "POM-S031",
            f"{where} has a single nest: there is nothing to overlap",
            hint="pipeline the loops instead: that overlaps the iterations of one nest",
        )
    readers: dict[str, list[int]] = {}
    writers: dict[str, list[int]] = {}
    for position, child in enumerate(body.children):
        for name in child.statements:
            for info in accesses(program, program.statement(name)):
                users = (writers if info.is_write else readers).setdefault(info.array, [])
                if position not in users:
                    users.append(position)
    nests = [child.statements[0] for child in body.children]
    local = {a.name for a in program.locals}
    for array in sorted(readers.keys() | writers.keys()):
        reads, writes = readers.get(array, []), writers.get(array, [])
        problem = (
            _local_problem(reads, writes, nests)
            if array in local
            else _argument_problem(sorted({*reads, *writes}), nests)
        )
        if problem:
            raise PomError(
                "POM-S031",
                f"{where} cannot be a dataflow region: array {array!r} {problem}",
                hint="fuse these nests with after(), or give each consumer its own copy of the array",
            )


def _named(positions: list[int], nests: list[str]) -> str:
    return ", ".join(f"the nest of {nests[p]!r}" for p in positions)


def _local_problem(reads: list[int], writes: list[int], nests: list[str]) -> str:
    if len(writes) != 1:
        return f"is written by {_named(writes, nests) or 'no nest'}; it needs one producer"
    others = [p for p in reads if p != writes[0]]
    if len(others) > 1:
        return f"is read by {_named(others, nests)}; it needs one consumer"
    if others and others[0] < writes[0]:
        return f"is read by {_named(others, nests)} before {_named(writes, nests)} writes it"
    return ""


def _argument_problem(users: list[int], nests: list[str]) -> str:
    return f"is an argument used by {_named(users, nests)}" if len(users) > 1 else ""
