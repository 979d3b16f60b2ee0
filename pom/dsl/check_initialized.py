"""No element of a local array is read before it was written, decided exactly.

For each local array: the flow from its (sure) writes to its reads in program order; a read that no
write reaches has no value. A write with a data-dependent subscript is not sure, and a read with one
may read any element. Most reads need no isl: the same element was written by a statement that stands
before them in the same body or in one around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pom.dsl.check_bounds import _coordinates
from pom.dsl.domain import Instances, instances
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, loads
from pom.ir.graph import Array, Assign, Call, For, Kernel, Node, When
from pom.ir.location import Location

if TYPE_CHECKING:
    import islpy as isl


@dataclass(frozen=True, slots=True)
class _Use:
    """One access by one statement: which elements, as an isl map text from its instances."""

    entry: Instances
    map_text: str
    location: Location | None


def check_initialized(kernel: Kernel) -> None:
    """Raise where an element of a local array is read before it is written.

    Raises
    ------
    PomError
        With the element and the iteration.
    """
    if not kernel.locals:
        return
    found = instances(kernel)
    plain = _plainly_written(kernel)
    for array in kernel.locals:
        reads, writes = _uses(kernel, found, array, plain)
        if reads:
            _check(array, reads, writes)


def _check(array: Array, reads: Sequence[_Use], writes: Sequence[_Use]) -> None:
    missing = _unreached(reads, writes)
    for use in reads:
        import islpy as isl

        here = missing.intersect(isl.UnionMap(use.map_text))
        if here.is_empty():
            continue
        domain = here.domain().as_set().lexmin()
        point = domain.sample_point()
        element = here.intersect_domain(isl.UnionSet.from_set(domain)).range()
        where = element.as_set().lexmin().sample_point()
        names = [f"d{k}" for k in range(array.type.rank)]
        at = ", ".join(map(str, _coordinates(where, names).values()))
        iteration = _coordinates(point, use.entry.iterators)
        raise PomError(
            "POM-D023",
            f"{array.name}[{at}] is read before it is written",
            use.location,
            f"write {array.name!r} first; a local array holds nothing at the start",
            (
                "at " + ", ".join(f"{k} = {v}" for k, v in iteration.items())
                if iteration
                else "in the only iteration",
            ),
        )


def exposed_reads(kernel: Kernel, array: Array) -> isl.Set | None:
    """Elements of `array` that `kernel` may read before it has written them; None if none."""
    reads, writes = _uses(kernel, instances(kernel), array, _plainly_written(kernel))
    if not reads:
        return None
    elements = _unreached(reads, writes).range()
    return None if elements.is_empty() else elements.as_set()


def sure_writes(kernel: Kernel, array: Array) -> isl.Set | None:
    """Elements of `array` that `kernel` certainly writes; None if none."""
    import islpy as isl

    _, writes = _uses(kernel, instances(kernel), array, _plainly_written(kernel))
    union = isl.UnionSet("{ }")
    for use in writes:
        union = union.union(isl.UnionMap(use.map_text).range())
    return None if union.is_empty() else union.as_set()


def _unreached(reads: Sequence[_Use], writes: Sequence[_Use]) -> isl.UnionMap:
    import islpy as isl

    from pom.passes.isl_build import unwritten

    sinks, sources, schedule = isl.UnionMap("{ }"), isl.UnionMap("{ }"), isl.UnionMap("{ }")
    entries = {u.entry.statement.name: u.entry for u in (*reads, *writes)}
    depth = max(len(e.order) for e in entries.values())
    for entry in entries.values():
        padded = (*entry.order, *["0"] * (depth - len(entry.order)))
        schedule = schedule.union(isl.UnionMap(entry.map_text(f"[{', '.join(padded)}]")))
    for use in reads:
        sinks = sinks.union(isl.UnionMap(use.map_text))
    for use in writes:
        sources = sources.union(isl.UnionMap(use.map_text))
    return unwritten(sinks, sources, schedule)


def _plainly_written(kernel: Kernel) -> frozenset[tuple[str, Access]]:
    """Reads, by statement and access, of what has certainly been written before.

    Either the same iteration has written the same element, or a nest of constant loops before it
    has written the whole array.
    """
    found: set[tuple[str, Access]] = set()
    shapes = {a.name: a.type.shape for a in kernel.locals}

    def visit(nodes: tuple[Node, ...], written: set[Access], whole: set[str]) -> None:
        for node in nodes:
            match node:
                case For() | When():
                    # What the body writes is not sure afterwards: it may not run.
                    visit(node.body, set(written), set(whole))
                    whole |= _filled(node, {}, shapes)
                case Assign():
                    found.update(
                        (node.name, a) for a in node.reads if a in written or a.array in whole
                    )
                    if node.target.is_affine:
                        written.add(node.target)

    visit(kernel.body, set(), set())
    return frozenset(found)


def _filled(
    node: Node, extents: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> set[str]:
    """Arrays that `node` writes as a whole, below loops from 0 to `extents`."""
    match node:
        case For(lowers=(Affine(terms=(), constant=0),), uppers=(Affine(terms=()) as upper,)):
            inner = {**extents, node.var: upper.constant}
            if node.step > 1 or upper.constant < 1:
                return set()
            return {a for child in node.body for a in _filled(child, inner, shapes)}
        case Assign(target=Access(array=array, subscripts=subscripts)) if array in shapes:
            names = [str(s) for s in subscripts]
            covered = [extents.get(name, 0) for name in names]
            is_whole = len(set(names)) == len(names) and all(
                have >= need for have, need in zip(covered, shapes[array], strict=True)
            )
            return {array} if is_whole else set()
    return set()


def _uses(
    kernel: Kernel,
    found: Sequence[Instances],
    array: Array,
    plain: frozenset[tuple[str, Access]],
) -> tuple[list[_Use], list[_Use]]:
    reads: list[_Use] = []
    writes: list[_Use] = []
    for entry in found:
        statement = entry.statement
        expressions: list[Expr] = []
        match statement:
            case Assign():
                expressions += [s for s in statement.target.subscripts if not isinstance(s, Affine)]
                expressions.append(statement.value)
                if statement.target.array == array.name and statement.target.is_affine:
                    text = _access_text(entry, statement.target, array)
                    writes.append(_Use(entry, text, statement.location))
            case Call():
                expressions += [a for a in statement.arguments if not isinstance(a, str)]
                _call_uses(kernel, entry, statement, array, reads, writes)
        for expression in expressions:
            for load in _loads_of(expression, array.name):
                if (statement.name, load.access) in plain:
                    continue
                text = _access_text(entry, load.access, array)
                reads.append(_Use(entry, text, load.location))
    return reads, writes


def _call_uses(
    kernel: Kernel,
    entry: Instances,
    statement: Call,
    array: Array,
    reads: list[_Use],
    writes: list[_Use],
) -> None:
    callee = kernel.callee(statement.callee)
    for param, argument in zip(callee.params, statement.arguments, strict=True):
        if not isinstance(param, Array) or argument != array.name:
            continue
        for elements, uses in (
            (exposed_reads(callee, param), reads),
            (sure_writes(callee, param), writes),
        ):
            if elements is not None:
                text = _elements_text(entry, elements, array.name)
                uses.append(_Use(entry, text, statement.location))


def _elements_text(entry: Instances, elements: isl.Set, array: str) -> str:
    import islpy as isl

    domain = isl.Set(entry.set_text())
    return str(isl.Map.from_domain_and_range(domain, elements.set_tuple_name(array)))


def _loads_of(expression: Expr, array: str) -> list[Load]:
    return [load for load in loads(expression) if load.access.array == array]


def _access_text(entry: Instances, access: Access, array: Array) -> str:
    # User names never begin with an underscore.
    dims = [f"_{k}" for k in range(array.type.rank)]
    extra = [
        f"{dim} = {subscript}" if isinstance(subscript, Affine) else f"0 <= {dim} < {extent}"
        for dim, subscript, extent in zip(dims, access.subscripts, array.type.shape, strict=True)
    ]
    return entry.map_text(f"{array.name}[{', '.join(dims)}]", extra)
