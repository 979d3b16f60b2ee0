"""The nests of a program: what the search parallelises, one at a time.

A nest is a maximal chain of loops whose body is straight-line: one statement or several. Its
*band* is the chain; the loops around the chain, where it sits inside an imperfect nest, are its
*prefix* and run as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from math import prod

import islpy as isl

from pom.dse.chains import iterators_of, operator_name
from pom.dse.sums import Sum, find_sums
from pom.dse.windows import Windows
from pom.ir.expr import Apply, Expr, Load, walk
from pom.ir.graph import Assign
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.dependences import Dependence, dependences
from pom.passes.isl_build import domain, time_map
from pom.passes.legality import is_legal
from pom.passes.loop_ranges import value_range
from pom.passes.poly_reorder import reordered
from pom.passes.schedule_tree import prune

MAX_PERMUTED_LOOPS = 4
"""Of longer bands, orders are tried in which neighbours move together."""
MAX_CYCLE = 3
"""Most statements of a recurrence that is looked for."""


@dataclass(frozen=True, slots=True)
class BandLoop:
    """A loop: its name and the range of its values over the whole domain."""

    name: str
    minimum: int
    maximum: int

    @property
    def extent(self) -> int:
        """Iterations of the smallest constant loop that covers it."""
        return max(0, self.maximum - self.minimum + 1)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A flow dependence inside a nest.

    Parameters
    ----------
    operators : tuple of str
        Operators on the shortest way from the value read to the value written, by their tool
        names; what one step of the recurrence takes at the least.
    distance : tuple of (loop, minimum, maximum)
        Iterations between the write and the read, per loop of the band.
    trees : tuple of str
        Loops along which lanes are combined by a tree, so that one step of the recurrence passes
        through the operators once, however many lanes there are.
    """

    operators: tuple[str, ...]
    distance: tuple[tuple[str, int, int], ...]
    trees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """An operation in the body of a nest.

    Parameters
    ----------
    operator : str
        The tool's name: ``fadd``, ``mul`` …
    loops : tuple of str
        Band loops on which its value depends, sorted. Lanes along other loops share it.
    """

    operator: str
    loops: tuple[str, ...]

    def copies(self, factors: dict[str, int]) -> int:
        """How many different values `factors` lanes per loop need at a time."""
        return prod(factors.get(loop, 1) for loop in self.loops)


@dataclass(frozen=True, slots=True)
class Nest:
    """A chain of loops around straight-line code.

    Parameters
    ----------
    statements : tuple of str
        In program order; the first is the handle of the nest.
    prefix, band : tuple of BandLoop
    is_box : bool
        Whether the instances of every statement are exactly the box of the loops' extents.
    orders : tuple of tuple of str
        Legal orders of the band, as written first.
    work : tuple of Operation
        Arithmetic of one iteration; equal expressions once, and so are those of which lanes compute
        one for each other.
    recurrences : tuple of Recurrence
    values : tuple of Expr
        What the statements store.
    sums : tuple of Sum
        Statements whose lanes along some loops are combined by trees.
    apart : int
        How many loops of the prefix, outermost first, are around other loops, too: executions of
        the nest in different iterations of these do not follow each other in one pipeline.
    is_everywhere : bool
        Whether the nest runs in all iterations of the loops around it.
    company : tuple of str
        Statements beside a nest that is not apart, which are part of what runs again and again.
    is_permutable : bool
        Whether the loops of the band may be in any order.
    """

    statements: tuple[str, ...]
    prefix: tuple[BandLoop, ...]
    band: tuple[BandLoop, ...]
    is_box: bool
    orders: tuple[tuple[str, ...], ...]
    work: tuple[Operation, ...]
    recurrences: tuple[Recurrence, ...]
    values: tuple[Expr, ...] = ()
    sums: tuple[Sum, ...] = ()
    apart: int = 0
    is_everywhere: bool = True
    company: tuple[str, ...] = ()
    is_permutable: bool = False

    @property
    def handle(self) -> str:
        return self.statements[0]

    @property
    def is_apart(self) -> bool:
        """Whether other loops are directly beside the nest in its prefix."""
        return 0 < self.apart == len(self.prefix)

    @property
    def box(self) -> int:
        """Points of the box around one execution of the band."""
        return prod(loop.extent for loop in self.band)

    @property
    def free_loops(self) -> tuple[str, ...]:
        """Loops of the band that carry no recurrence where they are innermost."""
        alone: set[str] = set()
        for recurrence in self.recurrences:
            along = [loop for loop, low, high in recurrence.distance if low or high]
            if len(along) == 1:
                alone.update(along)
        return tuple(loop.name for loop in self.band if loop.name not in alone)

    def may_have_lanes(self, order: tuple[str, ...], loop: str) -> bool:
        """Whether iterations of a loop may run inside of the loops after it in `order`.

        A dependence that keeps the loop from going innermost is between iterations of one block, too.
        """
        if self.is_permutable:
            return True
        if len(self.band) > MAX_PERMUTED_LOOPS:
            return any(other[-1] == loop for other in self.orders)
        return (*(name for name in order if name != loop), loop) in self.orders

    def loop(self, name: str) -> BandLoop:
        return next(loop for loop in self.band if loop.name == name)


def find_nests(program: PolyProgram, fast_math: bool = False) -> tuple[Nest, ...]:
    """Every nest of `program`, in program order; statements outside of all loops are in none, nor are
    those without instances, of which nothing is built."""
    flows = tuple(d for d in dependences(program) if d.kind == "flow")
    found: list[Nest] = []

    def visit(
        node: ScheduleNode, prefix: tuple[Loop, ...], apart: int, company: tuple[str, ...]
    ) -> None:
        match node:
            case Loop():
                chain, end = _chain(node)
                if all(isinstance(c, Leaf) for c in _children(end)):
                    nest = _nest(program, prefix, chain, flows, fast_math)
                    if prefix:
                        own = (*nest.statements, *company)
                        nest = replace(
                            nest,
                            apart=apart,
                            is_everywhere=all(
                                run_everywhere(program, own, prefix[:depth])
                                for depth in range(1, apart + 1)
                            ),
                            company=company,
                        )
                    found.append(nest)
                else:
                    visit(end, (*prefix, *chain), apart, ())
            case Sequence():
                leaves = tuple(
                    s for c in node.children if isinstance(c, Leaf) for s in c.statements
                )
                is_one = sum(not isinstance(child, Leaf) for child in node.children) == 1
                for child in node.children:
                    around = apart if is_one else len(prefix)
                    visit(child, prefix, around, leaves if is_one else ())

    running = tuple(s.name for s in program.statements if not domain(s).is_empty())
    tree = prune(program.schedule, running)
    if tree is not None:
        visit(tree, (), 0, ())
    return tuple(found)


@lru_cache(maxsize=1024)
def run_everywhere(
    program: PolyProgram, statements: tuple[str, ...], loops: tuple[Loop, ...]
) -> bool:
    """Whether one of some statements runs in every iteration of the loops around that has another.

    Parameters
    ----------
    program : PolyProgram
    statements : tuple of str
        Below the innermost of `loops`.
    loops : tuple of Loop
        From the outermost one.
    """

    def iterations(names: Iterable[str]) -> isl.Set:
        found = None
        for name in names:
            values = tuple(loop.expr(name) for loop in loops)
            each = domain(program.statement(name)).apply(time_map(program.statement(name), values))
            found = each if found is None else found.union(each)
        return found

    return bool(iterations(loops[-1].statements).is_subset(iterations(statements)))


def _chain(loop: Loop) -> tuple[tuple[Loop, ...], ScheduleNode]:
    loops = [loop]
    while isinstance(loop.child, Loop):
        loop = loop.child
        loops.append(loop)
    return tuple(loops), loop.child


def _children(node: ScheduleNode) -> tuple[ScheduleNode, ...]:
    return node.children if isinstance(node, Sequence) else (node,)


def _nest(
    program: PolyProgram,
    prefix: tuple[Loop, ...],
    chain: tuple[Loop, ...],
    flows: tuple[Dependence, ...],
    fast_math: bool,
) -> Nest:
    statements = chain[-1].child.statements
    band = tuple(BandLoop(loop.name, *value_range(program, loop)) for loop in chain)
    around = tuple(BandLoop(loop.name, *value_range(program, loop)) for loop in prefix)
    names = tuple(loop.name for loop in chain)
    orders = _legal_orders(program, statements[0], tuple(n.name for n in prefix), names, fast_math)
    is_box = all(_is_box(program, s, (*around, *band)) for s in statements)
    sums = find_sums(program, statements, names, fast_math) if is_box else ()
    return Nest(
        statements=statements,
        prefix=around,
        band=band,
        is_box=is_box,
        orders=orders,
        work=_work(program, statements, names, is_box),
        recurrences=_recurrences(program, statements, names, flows, sums),
        values=tuple(
            body.value for s in statements if isinstance(body := program.statement(s).body, Assign)
        ),
        sums=sums,
        is_permutable=_is_permutable(names, orders),
    )


def _is_box(program: PolyProgram, statement: str, loops: tuple[BandLoop, ...]) -> bool:
    """Whether the instances fill the box of the loops; a skewed rectangle does not."""
    instances = domain(program.statement(statement))
    if not instances.is_box():
        return False
    return _box_count(instances) == prod(loop.extent for loop in loops)


def _box_count(instances: isl.Set) -> int:
    return prod(
        instances.dim_max_val(dim).to_python() - instances.dim_min_val(dim).to_python() + 1
        for dim in range(instances.n_dim())
    )


def _work(
    program: PolyProgram, statements: tuple[str, ...], band: tuple[str, ...], is_box: bool
) -> tuple[Operation, ...]:
    found = values_of(program, statements, band, is_box)
    return tuple(sorted(Operation(operator_name(value), loops) for value, loops in found))


def values_of(
    program: PolyProgram, statements: tuple[str, ...], band: tuple[str, ...], is_box: bool
) -> tuple[tuple[Apply, tuple[str, ...]], ...]:
    """What one iteration computes, with the loops of the band on which each value depends, sorted.

    Equal expressions once, and so are those of which lanes compute one for each other.

    Parameters
    ----------
    is_box : bool
        Whether every iteration of the band runs every statement.
    """
    found: list[tuple[Apply, tuple[str, ...]]] = []
    passed = _passed_on(program, statements, band) if is_box else {}
    seen = Windows(bool(passed))
    for name in statements:
        statement = program.statement(name)
        if not isinstance(statement.body, Assign):
            continue
        for expr in dict.fromkeys(walk(statement.body.value)):
            if not isinstance(expr, Apply) or expr.op == "cast":
                continue
            if not seen.has_moved(expr, statement.iterators):
                found.append((expr, tuple(sorted(_depends(program, name, expr, band, passed)))))
    return tuple(found)


def _depends(
    program: PolyProgram,
    statement: str,
    expr: Expr,
    band: tuple[str, ...],
    passed: Mapping[str, frozenset[str]],
) -> frozenset[str]:
    """Loops of the band on which a value depends, by subscripts and by what is passed on."""
    used = iterators_of(expr)
    own = (
        loop.name
        for loop in program.loops(statement)
        if loop.name in band and loop.expr(statement).variables & used
    )
    arrays = {part.access.array for part in walk(expr) if isinstance(part, Load)}
    return frozenset(own).union(*(passed[array] for array in arrays & {*passed}))


def _passed_on(
    program: PolyProgram, statements: tuple[str, ...], band: tuple[str, ...]
) -> dict[str, frozenset[str]]:
    """Arrays of which one element holds a value after the other, and the loops on which these depend.

    In a recursive filter, say, ``x_1 = x[j]`` hands an input to the next iteration, so that what lanes
    along ``j`` compute of ``x_1`` differs.
    """
    writers: dict[str, list[str]] = {}
    for name in statements:
        body = program.statement(name).body
        if isinstance(body, Assign) and body.target.is_affine:
            writers.setdefault(body.target.array, []).append(name)
    found: dict[str, frozenset[str]] = {}
    while True:
        before = dict(found)
        for array, (name, *others) in writers.items():
            body = program.statement(name).body
            if isinstance(body, Assign) and not others:
                found[array] = _depends(program, name, body.value, band, before)
        if found == before:
            break
    inside = tuple(program.statement(name) for name in statements)
    return {a: on for a, on in found.items() if _tells_apart(program, inside, a, on, band)}


def _tells_apart(
    program: PolyProgram,
    inside: tuple[PolyStatement, ...],
    array: str,
    loops: frozenset[str],
    band: tuple[str, ...],
) -> bool:
    """Whether some value depends on loops only by what it reads of an array.

    A sum, which reads its accumulator, too, depends on them by what it adds.
    """
    for statement in inside:
        body = statement.body
        if isinstance(body, Assign) and array in {access.array for access in body.reads}:
            for value in walk(body.value):
                reads = any(isinstance(e, Load) and e.access.array == array for e in walk(value))
                own = _depends(program, statement.name, value, band, {})
                if isinstance(value, Apply) and reads and not loops <= own:
                    return True
    return False


def _recurrences(
    program: PolyProgram,
    statements: tuple[str, ...],
    loops: tuple[str, ...],
    flows: tuple[Dependence, ...],
    sums: tuple[Sum, ...],
) -> tuple[Recurrence, ...]:
    """Cycles of flow dependences, through up to `MAX_CYCLE` statements."""
    steps: dict[str, list[_Step]] = {}
    for d in flows:
        step = _step(program, statements, loops, d)
        if step is not None:
            steps.setdefault(d.source, []).append(step)
    trees = {s.statement: s.loops for s in sums}
    found: list[Recurrence] = []

    def follow(start: str, path: tuple[_Step, ...]) -> None:
        for step in steps.get(path[-1].target if path else start, ()):
            whole = (*path, step)
            if step.target == start:
                recurrence = _cycle(whole, loops, trees.get(start, ()) if not path else ())
                if recurrence is not None:
                    found.append(recurrence)
            elif (
                len(whole) < MAX_CYCLE
                and step.target > start
                and all(step.target != earlier.target for earlier in path)
            ):
                follow(start, whole)

    for statement in sorted(steps):
        follow(statement, ())
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Step:
    """A flow dependence, with the operators from the value read to the value written."""

    target: str
    operators: tuple[str, ...]
    distance: tuple[tuple[str, int, int], ...]


def _step(
    program: PolyProgram, statements: tuple[str, ...], loops: tuple[str, ...], d: Dependence
) -> _Step | None:
    if d.source not in statements or d.target not in statements or d.is_may:
        return None
    if d.loop is not None and d.loop not in loops:
        return None
    body = program.statement(d.target).body
    chain = _shortest_chain(body.value, d.target_access) if isinstance(body, Assign) else None
    if chain is None:
        return None
    distance = tuple(
        (loop, bound.minimum, bound.maximum)
        for loop, bound in zip(d.loops, d.distance, strict=True)
        if loop in loops
    )
    return _Step(d.target, chain, distance)


def _cycle(
    path: tuple[_Step, ...], loops: tuple[str, ...], trees: tuple[str, ...]
) -> Recurrence | None:
    """The recurrence of a closed path; None where a distance is not bounded."""
    low, high = dict.fromkeys(loops, 0), dict.fromkeys(loops, 0)
    for step in path:
        for loop, least, most in step.distance:
            if least is None or most is None:
                return None
            low[loop], high[loop] = low[loop] + least, high[loop] + most
    operators = tuple(name for step in path for name in step.operators)
    return Recurrence(operators, tuple((n, low[n], high[n]) for n in loops), trees)


def _shortest_chain(value: Expr, access: str) -> tuple[str, ...] | None:
    """Operators from the load of `access` to the value, along the way with the fewest of them."""
    match value:
        case Load() if str(value.access) == access:
            return ()
        case Apply():
            ways = [c for o in value.operands if (c := _shortest_chain(o, access)) is not None]
            if not ways:
                return None
            shortest = min(ways, key=len)
            return shortest if value.op == "cast" else (*shortest, operator_name(value))
    return None


def _legal_orders(
    program: PolyProgram,
    statement: str,
    prefix: tuple[str, ...],
    band: tuple[str, ...],
    fast_math: bool,
) -> tuple[tuple[str, ...], ...]:
    """Orders of the band, as written first: all that are legal, or of a long band some."""
    tried = permutations(band) if len(band) <= MAX_PERMUTED_LOOPS else _moves(band)
    legal = [band]
    for order in tried:
        if order != band and any(
            is_legal(program, candidate, fast_math)
            for candidate in reordered(program, statement, (*prefix, *order))
        ):
            legal.append(order)
    return tuple(legal)


def _moves(band: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Neighbours of a band that move outside of all others, and loops that move inside of them.

    A sum over channels and a window has neighbouring loops.
    """
    count = len(band)
    outside = ((n, m) for n in range(1, count) for m in range(n + 1, count + 1))
    inside = (band[:n] + band[n + 1 :] + band[n : n + 1] for n in range(count - 1))
    return dict.fromkeys((*(band[n:m] + band[:n] + band[m:] for n, m in outside), *inside))


def _is_permutable(band: tuple[str, ...], orders: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the loops of a band may be in any order, by the orders that are legal.

    A loop may be outermost where no dependence goes backwards along it. If that holds for every
    loop, every dependence goes forwards along all of them, in whatever order they are.
    """
    return {order[0] for order in orders} == {*band}
