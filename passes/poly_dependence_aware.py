"""Reshape nests so that inner loops carry no dependence.

What the published POM calls dependence-aware transformation (HPCA 2024, section on DSE stage 1):
carried loops go outward and free ones inward; statements that want different orders get nests of
their own (split – interchange – merge); where every loop carries one, the inner two are skewed into
wavefronts; and neighbouring independent nests of one shape are fused. Here every step is one of the
checked primitives, so that the result is a schedule that a user can read and change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import Loop, PolyProgram, ScheduleNode, Sequence, walk_loops
from pom.passes.base import PolyPass
from pom.passes.carried import legal_permutations, parallel_loops
from pom.passes.dependences import common_loops
from pom.passes.legality import kept_order
from pom.passes.loop_ranges import value_range
from pom.passes.poly_after import After
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_reorder import Reorder, is_reorderable
from pom.passes.poly_skew import Skew
from pom.passes.schedule_tree import prune

_SKEWS = (1, 2, 3, 4)
_ORDERS = 24


@dataclass(frozen=True)
class DependenceAware(PolyPass):
    """Every nest gets an order whose inner loops carry no dependence, where there is one.

    ::

        for i:                              for k:
            for j:                 →            for i:
                for k:                              for j:
                    C[i,j] += A[i,k]*B[k,j]             C[i,j] += A[i,k]*B[k,j]

    Legal by construction: it applies `poly-distribute`, `poly-reorder`, `poly-skew` and
    `poly-after`, and skips what they refuse.

    Parameters
    ----------
    fuse : bool
        Fuse neighbouring independent nests of one shape.
    skew : bool
        Skew where every loop of a nest carries a dependence.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-dependence-aware"
    summary: ClassVar[str] = "move loops that carry dependences outward"
    fuse: bool = True
    skew: bool = True
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        for primitive in self.primitives(program):
            program = primitive.run(program)
        return program

    def primitives(self, program: PolyProgram) -> tuple[PolyPass, ...]:
        """The primitives that it applies to `program`, in order."""
        recorder = _Recorder(program)
        _distribute_conflicting(recorder, self.fast_math)
        for statement in program.statements:
            _permute(recorder, statement.name, self.fast_math)
        if self.skew:
            for statement in program.statements:
                _wavefront(recorder, statement.name, self.fast_math)
        if self.fuse:
            _fuse_neighbours(recorder)
        return tuple(recorder.applied)


class _Recorder:
    """A program and the primitives applied to it."""

    def __init__(self, program: PolyProgram) -> None:
        self.program = program
        self.applied: list[PolyPass] = []

    def attempt(self, *primitives: PolyPass) -> bool:
        """Apply all of `primitives`, or none where one is refused."""
        program = self.program
        try:
            for primitive in primitives:
                program = primitive.run(program)
        except PomError:
            return False
        self.program = program
        self.applied += primitives
        return True


def _inner_parallel(program: PolyProgram, statement: str) -> int:
    """How many of the innermost loops of a statement carry no dependence."""
    free = parallel_loops(program)[statement]
    count = 0
    for loop in reversed(program.loops(statement)):
        if loop.name not in free:
            break
        count += 1
    return count


def _best_order(
    program: PolyProgram, statement: str, fast_math: bool
) -> tuple[tuple[str, ...], int]:
    """The legal order with most free inner loops; of several the nearest to the present one."""
    names = tuple(n.name for n in program.loops(statement))
    best, most = names, _inner_parallel(program, statement)
    is_free = len(parallel_loops(program)[statement]) == len(names)
    # A dependence that loops carry is carried in every order, so one loop is never free.
    possible = len(names) if is_free else len(names) - 1
    if most >= possible:
        return best, most
    for order in legal_permutations(program, statement, fast_math, _ORDERS):
        if order == names:
            continue
        changed = Reorder(statement, order, fast_math).run(program)
        count = _inner_parallel(changed, statement)
        if count > most:
            best, most = order, count
        if most >= possible:
            break
    return best, most


def _permute(recorder: _Recorder, statement: str, fast_math: bool) -> None:
    names = tuple(n.name for n in recorder.program.loops(statement))
    if len(names) < 2:
        return
    order, _ = _best_order(recorder.program, statement, fast_math)
    if order != names:
        recorder.attempt(Reorder(statement, order, fast_math))


def _alone(program: PolyProgram, statement: str) -> PolyProgram:
    """The program that has this statement only."""
    schedule = prune(program.schedule, (statement,))
    if schedule is None:
        raise KeyError(statement)
    return replace(program, statements=(program.statement(statement),), schedule=schedule)


def _distribute_conflicting(recorder: _Recorder, fast_math: bool) -> None:
    """Give statements of one nest that want different orders nests of their own."""
    program = recorder.program
    wanted = {
        s.name: _best_order(_alone(program, s.name), s.name, fast_math)[0]
        for s in program.statements
        if len(program.loops(s.name)) >= 2
    }
    for first, second in pairwise(wanted):
        shared = common_loops(recorder.program, first, second)
        if len(shared) < 2 or set(wanted[first]) != set(wanted[second]):
            continue
        if wanted[first] == wanted[second]:
            continue
        trial = _Recorder(recorder.program)
        while common_loops(trial.program, first, second):
            if not trial.attempt(Distribute(second, shared[0].name, fast_math)):
                break
        else:
            recorder.attempt(*trial.applied)


def _wavefront(recorder: _Recorder, statement: str, fast_math: bool) -> None:
    """Skew the inner two loops so that the innermost carries nothing."""
    program = recorder.program
    loops = program.loops(statement)
    if len(loops) < 2 or _inner_parallel(program, statement):
        return
    outer, inner = loops[-2].name, loops[-1].name
    for factor in _SKEWS:
        steps = (
            Skew(statement, outer, inner, factor),
            Reorder(statement, (inner, outer), fast_math),
        )
        trial = _Recorder(program)
        if not trial.attempt(steps[0]):
            continue
        if not is_reorderable(trial.program, statement, (inner, outer), fast_math):
            continue
        if trial.attempt(steps[1]) and _inner_parallel(trial.program, statement):
            recorder.attempt(*steps)
            return


def _fuse_neighbours(recorder: _Recorder) -> None:
    """Fuse neighbouring outermost nests that have one shape and no conflict."""
    changed = True
    while changed:
        changed = False
        program = recorder.program
        if not isinstance(program.schedule, Sequence):
            return
        children = program.schedule.children
        linked = {frozenset((c.source, c.target)) for c in kept_order(program, frozenset())}
        for first, second in pairwise(children):
            if not _same_shape(program, first, second):
                continue
            if any(
                frozenset((a, b)) in linked for a in first.statements for b in second.statements
            ):
                continue
            host = first.statements[-1]
            depth = [n.name for n in program.loops(host)]
            if recorder.attempt(After(second.statements[0], host, depth[-1])):
                changed = True
                break


def _same_shape(program: PolyProgram, first: ScheduleNode, second: ScheduleNode) -> bool:
    """Whether both are perfect nests over the same ranges."""
    shapes = []
    for node in (first, second):
        loops = list(walk_loops(node))
        deepest: ScheduleNode = node
        for _ in loops:
            if not isinstance(deepest, Loop):
                return False
            deepest = deepest.child
        if not loops or isinstance(deepest, Loop):
            return False
        shapes.append([value_range(program, n) for n in loops])
    return shapes[0] == shapes[1]
