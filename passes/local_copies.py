"""What the data primitives share: a part of the tree works on a local copy of an array's elements.

`Region` is a node of the schedule tree with the loops around it. `Footprint` is what the statements
below it touch of one array, for each combination of values of the loops around; `Window` is a box
that holds it, at an offset that is affine in those loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Array, Assign
from pom.ir.poly import (
    Leaf,
    Loop,
    PolyProgram,
    PolyStatement,
    ScheduleNode,
    Sequence,
    sequence,
)
from pom.ir.types import ArrayType
from pom.passes.array_directives import require_array
from pom.passes.isl_build import (
    access_relation,
    affine,
    affine_on,
    domain,
    schedule_union,
    set_text,
    statement_space,
    unwritten,
)
from pom.passes.loop_directives import check_loop_directives
from pom.passes.schedule_tree import require_loop, require_statement
from pom.passes.value_flow import different_values

_SET, _IN, _OUT, _DIV = (
    isl.dim_type.set,
    isl.dim_type.in_,
    isl.dim_type.out,
    isl.dim_type.div,
)


T = TypeVar("T")

_MOST_OPERATIONS = 2_000_000
"""Bound on isl's work on one question, some seconds: with many strides it can take for ever."""


@dataclass(frozen=True, slots=True)
class Region:
    """A node of the tree and the loops around it, outermost first."""

    outer: tuple[Loop, ...]
    node: ScheduleNode

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(n.name for n in self.outer)

    def values(self, statement: str) -> dict[str, Affine]:
        """The outer loops' values at an instance of `statement`."""
        return {n.name: n.expr(statement) for n in self.outer}


def region_inside(program: PolyProgram, statement: str, loop: str) -> Region:
    """The body of `loop` around `statement`; the whole program where `loop` is empty."""
    if not loop:
        require_statement(program, statement)
        return Region((), program.schedule)
    node = require_loop(program, statement, loop)
    return Region((*_outer(program, statement, loop), node), node.child)


def region_of(program: PolyProgram, statement: str, loop: str) -> Region:
    """The loop itself, whole."""
    node = require_loop(program, statement, loop)
    return Region(_outer(program, statement, loop), node)


def _outer(program: PolyProgram, statement: str, loop: str) -> tuple[Loop, ...]:
    around = program.loops(statement)
    return around[: [n.name for n in around].index(loop)]


def require_plain_accesses(program: PolyProgram, region: Region, array: str) -> None:
    """Raise POM-P060 or P061 unless the region accesses `array`, by affine subscripts only."""
    require_array(program, array)
    touched = False
    for name in region.node.statements:
        statement = program.statement(name)
        body = statement.body
        if not isinstance(body, Assign):
            if array in body.arguments:
                raise PomError(
                    "POM-P061",
                    f"{name!r} passes {array!r} to {body.callee!r}, which needs the array itself",
                    statement.location,
                    "choose a loop that does not contain the call",
                )
            continue
        for access in (*body.reads, body.target):
            if access.array == array:
                touched = True
                if not access.is_affine:
                    raise PomError(
                        "POM-P061",
                        f"{access} in {name!r} depends on data: its elements are not known",
                        statement.location,
                        "only arrays with affine subscripts can have a local copy",
                    )
    if not touched:
        raise PomError(
            "POM-P060",
            f"no statement in this place accesses {array!r}",
            program.arrays[array].location,
            "choose a loop around a statement that does",
        )


@dataclass(frozen=True, slots=True)
class Footprint:
    """Maps ``[outer values] -> [element]``: all accessed, read before written, and written."""

    accessed: isl.Map
    exposed: isl.Map
    written: isl.Map


def outer_values(program: PolyProgram, region: Region, name: str) -> isl.Map:
    """``{ S[i] -> [outer values] }``."""
    statement = program.statement(name)
    target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(region.outer))
    function = isl.MultiAff.zero(statement_space(statement).map_from_domain_and_range(target))
    for position, loop in enumerate(region.outer):
        function = function.set_aff(position, affine(statement, loop.expr(name)))
    return isl.Map.from_multi_aff(function)


def footprint(program: PolyProgram, region: Region, array: str) -> Footprint:
    """What the region touches of `array`, exactly."""
    declared = program.arrays[array]
    space = isl.Space.alloc(isl.DEFAULT_CONTEXT, 0, len(region.outer), declared.type.rank)
    accessed = written = exposed = isl.Map.empty(space)
    reads, writes = isl.UnionMap("{ }"), isl.UnionMap("{ }")
    for name in region.node.statements:
        statement = program.statement(name)
        if not isinstance(statement.body, Assign):
            continue
        times = outer_values(program, region, name)
        for access in dict.fromkeys((*statement.body.reads, statement.body.target)):
            if access.array != array:
                continue
            relation = access_relation(statement, access, declared)
            part = times.reverse().apply_range(relation).reset_tuple_id(_OUT)
            accessed = accessed.union(part)
            tagged = isl.UnionMap.from_map(times.range_product(relation))
            if access in statement.body.reads:
                reads = reads.union(tagged)
            if access == statement.body.target:
                writes = writes.union(tagged)
                written = written.union(part)
    unmet = decided(
        f"the footprint of {array!r}", lambda: unwritten(reads, writes, schedule_union(program))
    )
    listed = unmet.range().get_set_list()
    for position in range(listed.n_set()):
        part = listed.get_at(position).unwrap().reset_tuple_id(_OUT)
        exposed = exposed.union(part)
    return Footprint(accessed.coalesce(), exposed.coalesce(), written.coalesce())


@dataclass(frozen=True, slots=True)
class Window:
    """A box of `extents` at `offsets` (over the outer loops' names) that holds a footprint."""

    offsets: tuple[Affine, ...]
    extents: tuple[int, ...]

    @property
    def kept(self) -> tuple[int, ...]:
        """The dims that the local copy has: those of more than one element."""
        return tuple(k for k, n in enumerate(self.extents) if n > 1)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.extents[k] for k in self.kept)

    def subscripts(
        self, element: tuple[Affine, ...], values: Mapping[str, Affine]
    ) -> tuple[Affine, ...]:
        """Where `element` is in the copy, at outer loop `values`."""
        return tuple(element[k] - self.offsets[k].substitute(dict(values)) for k in self.kept)


def window(region: Region, accessed: isl.Map) -> Window:
    """The smallest box found for a footprint.

    Raises
    ------
    PomError
        POM-P060 where the footprint is empty.
    """
    if accessed.is_empty():
        raise PomError(
            "POM-P060",
            "the statements in this place never run",
            region.outer[-1].location if region.outer else None,
            "choose a loop that runs",
        )
    found = [_bounds(region, accessed, k) for k in range(accessed.dim(_OUT))]
    return Window(tuple(o for o, _ in found), tuple(n for _, n in found))


def _bounds(region: Region, accessed: isl.Map, dim: int) -> tuple[Affine, int]:
    """An affine lower bound of one dim, and how many elements reach from it."""
    rank = accessed.dim(_OUT)
    one = accessed.project_out(_OUT, dim + 1, rank - dim - 1).project_out(_OUT, 0, dim)
    points = one.wrap().flatten()
    names = (*region.names, "a")
    space = points.get_space()
    candidates = {Affine()}
    one.lexmin_pw_multi_aff().foreach_piece(
        lambda _, piece: candidates.add(_to_affine(piece.get_aff(0), region.names) or Affine())
    )
    best: tuple[Affine, int] | None = None
    for candidate in sorted(candidates, key=lambda e: (len(e.terms), str(e))):
        distance = affine_on(space, names, Affine.var("a") - candidate)
        low, high = points.min_val(distance).to_python(), points.max_val(distance).to_python()
        if best is None or high - low + 1 < best[1]:
            best = candidate + low, high - low + 1
    if best is None:
        raise ValueError("an empty footprint")
    return best


def _to_affine(aff: isl.Aff, names: tuple[str, ...]) -> Affine | None:
    """An isl function of the outer loops as a value; None where it has fractions."""
    denominator = aff.get_denominator_val().to_python()
    scaled = aff.scale_val(isl.Val(denominator))
    result = Affine.const(scaled.get_constant_val().to_python())
    for position, name in enumerate(names):
        result += Affine.var(name) * scaled.get_coefficient_val(_IN, position).to_python()
    for position in range(aff.dim(_DIV)):
        coefficient = scaled.get_coefficient_val(_DIV, position).to_python()
        if coefficient == 0:
            continue
        inner = aff.get_div(position)
        bottom = inner.get_denominator_val().to_python()
        top = _to_affine(inner.scale_val(isl.Val(bottom)), names)
        if top is None:
            return None
        result += (top // bottom) * coefficient
    return result if denominator == 1 else None


def fresh_name(program: PolyProgram, wanted: str) -> str:
    """`wanted`, with a number where it is taken."""
    taken = {p.name for p in program.params} | {a.name for a in program.locals}
    taken |= {s.name for s in program.statements} | {program.name}
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}{count}"
    return name


def require_fresh_name(program: PolyProgram, name: str) -> None:
    """Raise POM-P064 where `name` cannot be the name of a new array or statement."""
    if not (name.isascii() and name.isidentifier()) or fresh_name(program, name) != name:
        raise PomError(
            "POM-P064",
            f"{name!r} cannot be the name of a new local array",
            program.location,
            "choose an identifier that no array, argument or statement has",
        )


def nest_statement(
    region: Region,
    name: str,
    points: isl.Map,
    dims: tuple[str, ...],
    body: Assign,
    starts: tuple[Affine, ...] = (),
) -> tuple[PolyStatement, ScheduleNode]:
    """A statement that runs once for each pair of `points`, in loops over the second part.

    Parameters
    ----------
    points : isl.Map
        ``[outer values] -> [values]``.
    dims : tuple of str
        Names of the inner iterators and their loops.
    starts : tuple of Affine, optional
        Where the inner loops count from, over the outer loops' names; from zero without it. Loops
        that count from the first element of a window have constant bounds and can be unrolled.
    """
    iterators = (*region.names, *dims)
    domain = points.wrap().flatten().set_tuple_name(name)
    for position, iterator in enumerate(iterators):
        domain = domain.set_dim_name(_SET, position, iterator)
    statement = PolyStatement(name, iterators, set_text(domain), body, body.location)
    node: ScheduleNode = Leaf(name)
    starts = starts or tuple(Affine() for _ in dims)
    for dim, start in reversed(tuple(zip(dims, starts, strict=True))):
        node = Loop(dim, ((name, Affine.var(dim) - start),), node, location=body.location)
    return statement, node


def element_names(region: Region, array: str, rank: int) -> tuple[str, ...]:
    """Names for loops over the elements of `array`, unlike those around the region."""
    names = []
    for dim in range(rank):
        name = f"{array}_{dim}"
        while name in region.names:
            name += "_"
        names.append(name)
    return tuple(names)


def copy_body(name: str, target: Access, source: Access, array: Array) -> Assign:
    """``target = source``."""
    element = array.type.element
    return Assign(name, target, Load(source, element, array.location), array.location)


def redirected(
    statement: PolyStatement, array: str, change: Mapping[str, Affine], local: str, box: Window
) -> PolyStatement:
    """`statement` with its accesses to `array` going to `local`.

    One that never runs keeps its accesses: nothing is copied for it, and the directions of the
    kernel's arguments stay as they are written.
    """
    body = statement.body
    if not isinstance(body, Assign) or domain(statement).is_empty():
        return statement

    def move(access: Access) -> Access:
        if access.array != array:
            return access
        element = tuple(s for s in access.subscripts if isinstance(s, Affine))
        subscripts: tuple[Affine | Expr, ...] = box.subscripts(element, change)
        return Access(local, subscripts)

    def change_load(expr: Expr) -> Expr:
        return replace(expr, access=move(expr.access)) if isinstance(expr, Load) else expr

    def change_subscript(subscript: Affine | Expr) -> Affine | Expr:
        return subscript if isinstance(subscript, Affine) else rebuild(subscript, change_load)

    target = move(body.target)
    target = replace(target, subscripts=tuple(change_subscript(s) for s in target.subscripts))
    return replace(
        statement, body=replace(body, target=target, value=rebuild(body.value, change_load))
    )


def covering(
    region: Region, box: Window, elements: isl.Map, array: Array, *, is_box: bool = False
) -> isl.Map:
    """`elements` themselves where they are one convex set, else, or with `is_box`, the box around them.

    More elements than are used may be copied in, never out, and never from outside of the array;
    loops over a box have constant bounds and no guards, also where a loop around them runs over its
    whole range with its body guarded.
    """
    if elements.n_basic_map() <= 1 and not is_box:
        return elements
    names = (*region.names, *(f"a{k}" for k in range(len(box.extents))))
    around = elements.domain()
    for position, loop in enumerate(region.outer if is_box else ()):
        if loop.part == "guard":
            low, high = around.dim_min_val(position), around.dim_max_val(position)
            around = around.project_out(isl.dim_type.set, position, 1)
            around = around.insert_dims(isl.dim_type.set, position, 1)
            around = around.lower_bound_val(isl.dim_type.set, position, low)
            around = around.upper_bound_val(isl.dim_type.set, position, high)
    points = isl.Map.from_domain_and_range(around, isl.Set.universe(elements.get_space().range()))
    flat = points.wrap().flatten()
    space = flat.get_space()
    zero = affine_on(space, names, Affine())
    for position, (offset, extent) in enumerate(zip(box.offsets, box.extents, strict=True)):
        element = Affine.var(names[len(region.names) + position])
        for value, size in ((element - offset, extent), (element, array.type.shape[position])):
            place = affine_on(space, names, value)
            last = affine_on(space, names, Affine.const(size - 1))
            flat = flat.intersect(place.ge_set(zero)).intersect(place.le_set(last))
    return isl.Map.from_range(flat).move_dims(_IN, 0, _OUT, 0, len(region.names))


@dataclass(frozen=True, slots=True)
class Insertion:
    """Statements to put before and after a region, each with its nest."""

    before: tuple[tuple[PolyStatement, ScheduleNode], ...] = ()
    after: tuple[tuple[PolyStatement, ScheduleNode], ...] = ()


def with_insertion(
    program: PolyProgram,
    region: Region,
    inserted: Insertion,
    changed: Mapping[str, PolyStatement],
    local: Array | None = None,
) -> PolyProgram:
    """`program` with statements around a region, `changed` statements and one more local array."""
    new = {s.name: s for s, _ in (*inserted.before, *inserted.after)}
    node = sequence(
        (*(n for _, n in inserted.before), region.node, *(n for _, n in inserted.after))
    )
    schedule = _replaced(program.schedule, region.node, node, frozenset(new))
    statements: list[PolyStatement] = []
    inside = set(region.node.statements)
    present = [s.name for s in program.statements if s.name in inside]
    for statement in program.statements:
        if statement.name == present[0]:
            statements += [s for s, _ in inserted.before]
        statements.append(changed.get(statement.name, statement))
        if statement.name == present[-1]:
            statements += [s for s, _ in inserted.after]
    return replace(
        program,
        locals=program.locals if local is None else (*program.locals, local),
        statements=tuple(statements),
        schedule=schedule,
    )


def _replaced(
    node: ScheduleNode, old: ScheduleNode, new: ScheduleNode, added: frozenset[str]
) -> ScheduleNode:
    """The tree with `new` in the place of `old`; loops around it run `added` at their own values."""
    if node is old:
        return new
    match node:
        case Loop():
            child = _replaced(node.child, old, new, added)
            if child is node.child:
                return node
            values = dict(node.exprs) | {name: Affine.var(node.name) for name in added}
            exprs = tuple((s, values[s]) for s in child.statements)
            return replace(node, child=child, exprs=exprs)
        case Sequence():
            children = tuple(_replaced(c, old, new, added) for c in node.children)
            unchanged = all(a is b for a, b in zip(children, node.children, strict=True))
            return node if unchanged else sequence(children)
    return node


def local_array(name: str, like: Array, shape: tuple[int, ...]) -> Array:
    """A local array of the element type of `like`."""
    return Array(name, ArrayType(like.type.element, shape), like.location)


def decided(what: str, compute: Callable[[], T]) -> T:
    """`compute()`; POM-P076 where isl gives up, as it does on some sets with many strides."""
    context = isl.DEFAULT_CONTEXT
    context.reset_operations()
    context.set_max_operations(_MOST_OPERATIONS)
    try:
        return compute()
    except isl.Error as error:
        raise PomError(
            "POM-P076",
            f"{what} cannot be decided exactly",
            hint="apply it before the loops around it are split or skewed",
            notes=(str(error),),
        ) from None
    finally:
        context.set_max_operations(0)
        context.reset_operations()


def checked(
    old: PolyProgram,
    new: PolyProgram,
    arrays: Iterable[str],
    copies: Iterable[str],
    what: str,
    dropped: Iterable[str] = (),
) -> PolyProgram:
    """`new`, if every read sees the value that it saw in `old`; see `different_values`.

    Raises
    ------
    PomError
        POM-P062 with an instance that sees another value; what `check_loop_directives` raises.
    """
    difference = decided(what, lambda: different_values(old, new, arrays, copies, dropped))
    if difference is not None:
        raise PomError(
            "POM-P062",
            f"{what} would change what is computed",
            hint="choose a loop within which no other statement changes these elements",
            notes=(difference,),
        )
    check_loop_directives(new, what)
    return new
