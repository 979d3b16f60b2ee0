"""isl objects made from level-2 values: domains, access relations, schedule maps.

Everything is built through the isl API and by position, never by pasting names into isl text, so
that an iterator may be called ``mod`` or ``floor``. Results are cached on the immutable values they
are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import islpy as isl

from pom.ir.affine import Affine, Constraint, FloorDiv
from pom.ir.expr import Access, loads
from pom.ir.graph import Array, Assign, Call
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode
from pom.ir.poly import Sequence as Sequential

T = TypeVar("T")

RESERVED = frozenset(
    [
        "and",
        "ceild",
        "div",
        "exists",
        "false",
        "floor",
        "floord",
        "implies",
        "infty",
        "infinity",
        "max",
        "min",
        "mod",
        "nan",
        "not",
        "or",
        "rat",
        "true",
        "NaN",
    ]
)
"""Words of isl's text syntax, which are legal names for a user's iterators."""

_SET, _IN, _OUT = isl.dim_type.set, isl.dim_type.in_, isl.dim_type.out


def isl_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` as isl text can hold them: reserved words get underscores until they are unique."""
    given = tuple(names)
    taken = set(given)
    result: list[str] = []
    for name in given:
        while name.lower() in RESERVED or (name != given[len(result)] and name in taken):
            name += "_"
        taken.add(name)
        result.append(name)
    return tuple(result)


def domain_text(name: str, iterators: Sequence[str], constraints: Iterable[Constraint]) -> str:
    """The canonical isl text of a statement's domain.

    Parameters
    ----------
    name : str
        The statement's name.
    iterators : sequence of str
        Outermost first.
    constraints : iterable of Constraint
        Over the iterators.

    Returns
    -------
    str
        Text that `parse_domain` reads back, also where the domain is empty.
    """
    names = isl_names(iterators)
    space = space_of(name, names)
    result = isl.BasicSet.universe(space)
    for constraint in constraints:
        value = affine_on(space, tuple(iterators), constraint.expression)
        zero = isl.Aff.zero_on_domain(value.get_domain_local_space())
        holds = value.eq_basic_set if constraint.is_equality else value.ge_basic_set
        part = holds(zero)
        result = result.intersect(part)
    return set_text(result.to_set())


def set_text(domain: isl.Set) -> str:
    """Canonical text of a domain, whatever its tuple is called."""
    name = domain.get_tuple_name() or ""
    safe = isl_names((name,))[0]
    for position, dim in enumerate(isl_names(_dim_names(domain))):
        domain = domain.set_dim_name(_SET, position, dim)
    return str(domain.set_tuple_name(safe).coalesce().detect_equalities())


def _dim_names(domain: isl.Set) -> tuple[str, ...]:
    count = domain.dim(_SET)
    return tuple(domain.get_dim_name(_SET, k) or f"c{k}" for k in range(count))


@lru_cache(maxsize=4096)
def parse_domain(name: str, iterators: tuple[str, ...], text: str) -> isl.Set:
    """The set that `text` describes, its tuple called `name` and its dims `iterators`."""
    result = isl.Set(text)
    if result.dim(_SET) != len(iterators):
        raise ValueError(f"domain {text} of {name!r} does not have dims {iterators}")
    for position, iterator in enumerate(iterators):
        result = result.set_dim_name(_SET, position, iterator)
    return result.set_tuple_name(name)


def domain(statement: PolyStatement) -> isl.Set:
    """The instances of `statement`."""
    return parse_domain(statement.name, statement.iterators, statement.domain)


@lru_cache(maxsize=4096)
def space_of(name: str, iterators: tuple[str, ...]) -> isl.Space:
    """The set space of a tuple called `name` with dims `iterators`."""
    space = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(iterators))
    for position, iterator in enumerate(iterators):
        space = space.set_dim_name(_SET, position, iterator)
    return space.set_tuple_name(_SET, name)


def statement_space(statement: PolyStatement) -> isl.Space:
    """The set space of the instances of `statement`."""
    return space_of(statement.name, statement.iterators)


def affine_on(space: isl.Space, iterators: tuple[str, ...], expression: Affine) -> isl.Aff:
    """`expression` as an isl function on `space`, whose dims are `iterators`.

    Raises
    ------
    ValueError
        `expression` uses a variable that is not an iterator.
    """
    local = isl.LocalSpace.from_space(space)
    result = isl.Aff.zero_on_domain(local).set_constant_val(_val(expression.constant))
    for atom, coefficient in expression.terms:
        if isinstance(atom, FloorDiv):
            inner = affine_on(space, iterators, atom.numerator)
            quotient = inner.scale_down_val(_val(atom.denominator)).floor()
            result = result.add(quotient.scale_val(_val(coefficient)))
        else:
            position = iterators.index(atom)
            result = result.add_coefficient_val(_IN, position, _val(coefficient))
    return result


@lru_cache(maxsize=4096)
def _val(value: int) -> isl.Val:
    return isl.Val(value)


@lru_cache(maxsize=16384)
def _affine(name: str, iterators: tuple[str, ...], expression: Affine) -> isl.Aff:
    return affine_on(space_of(name, iterators), iterators, expression)


def affine(statement: PolyStatement, expression: Affine) -> isl.Aff:
    """`expression` as a function on the instances of `statement`."""
    return _affine(statement.name, statement.iterators, expression)


@dataclass(frozen=True, slots=True)
class AccessInfo:
    """One access of a statement as isl sees it.

    Parameters
    ----------
    text : str
        As the user wrote it: ``A[i, k]``; for a call, ``A (in f)``.
    relation : isl.Map
        Instances (within the domain) to array elements.
    may_reason : str
        Why the relation is only an upper bound; empty where it is exact.
    access : Access, optional
        None for the arrays of a call.
    """

    array: str
    text: str
    is_write: bool
    relation: isl.Map
    may_reason: str = ""
    access: Access | None = None

    @property
    def is_may(self) -> bool:
        return bool(self.may_reason)


@lru_cache(maxsize=8192)
def _access_map(
    name: str, iterators: tuple[str, ...], domain: str, access: Access, shape: tuple[int, ...]
) -> isl.Map:
    target = space_of(access.array, tuple(f"a{k}" for k in range(len(shape))))
    space = space_of(name, iterators).map_from_domain_and_range(target)
    function = isl.MultiAff.zero(space)
    unknown = []
    for position, subscript in enumerate(access.subscripts):
        if isinstance(subscript, Affine):
            function = function.set_aff(position, _affine(name, iterators, subscript))
        else:
            unknown.append(position)
    relation = isl.Map.from_multi_aff(function)
    for position in unknown:
        relation = relation.eliminate(_OUT, position, 1)
        relation = relation.lower_bound_val(_OUT, position, _val(0))
        relation = relation.upper_bound_val(_OUT, position, _val(shape[position] - 1))
    return relation.intersect_domain(parse_domain(name, iterators, domain))


def access_relation(statement: PolyStatement, access: Access, array: Array) -> isl.Map:
    """``{ instance -> element }`` within the domain; the whole dim where a subscript is data."""
    return _access_map(
        statement.name, statement.iterators, statement.domain, access, array.type.shape
    )


def _whole(statement: PolyStatement, array: Array) -> isl.Map:
    target = space_of(array.name, tuple(f"a{k}" for k in range(array.type.rank)))
    elements = isl.Set.universe(target)
    for position, extent in enumerate(array.type.shape):
        elements = elements.lower_bound_val(_SET, position, _val(0))
        elements = elements.upper_bound_val(_SET, position, _val(extent - 1))
    return isl.Map.from_domain_and_range(domain(statement), elements)


def accesses(program: PolyProgram, statement: PolyStatement) -> tuple[AccessInfo, ...]:
    """Every distinct access of `statement`, reads before writes."""
    arrays = program.arrays
    found: list[AccessInfo] = []

    def one(access: Access, is_write: bool) -> None:
        reason = "" if access.is_affine else f"the subscripts of {access} depend on data"
        relation = access_relation(statement, access, arrays[access.array])
        found.append(AccessInfo(access.array, str(access), is_write, relation, reason, access))

    match statement.body:
        case Assign(target=target, reads=reads):
            for access in dict.fromkeys(reads):
                one(access, False)
            one(target, True)
        case Call(callee=callee, arguments=arguments):
            inner = next(p for p in program.callees if p.name == callee)
            reason = f"{callee} is a function: each of its arrays counts as a whole"
            read, written = directions(inner)
            for param, argument in zip(inner.params, arguments, strict=True):
                if not isinstance(argument, str):
                    for access in dict.fromkeys(load.access for load in loads(argument)):
                        one(access, False)
                    continue
                text = f"{argument} (in {callee})"
                relation = _whole(statement, arrays[argument])
                for is_write, used in ((False, read), (True, written)):
                    if param.name in used:
                        found.append(AccessInfo(argument, text, is_write, relation, reason))
    return tuple(sorted(found, key=lambda a: a.is_write))


def directions(program: PolyProgram) -> tuple[frozenset[str], frozenset[str]]:
    """The arrays that a program reads, and those that it writes."""
    read: set[str] = set()
    written: set[str] = set()
    for statement in program.statements:
        for info in accesses(program, statement):
            (written if info.is_write else read).add(info.array)
    return frozenset(read), frozenset(written)


Time = tuple[Affine, ...]


def schedule_times(program: PolyProgram) -> dict[str, Time]:
    """The 2d+1 schedule of every statement, padded with zeros to one length.

    Entries at even positions are constants (the place in a `Sequence`, 0 where there is none), those
    at odd positions the loops' values.
    """
    return dict(_cached_times(program.schedule))


@lru_cache(maxsize=1024)
def _cached_times(root: ScheduleNode) -> tuple[tuple[str, Time], ...]:
    found: dict[str, list[Affine]] = {}

    def visit(node: ScheduleNode, prefix: tuple[int | dict[str, Affine], ...]) -> None:
        match node:
            case Sequential(children=children):
                for position, child in enumerate(children):
                    visit_placed(child, (*prefix, position))
            case _:
                visit_placed(node, (*prefix, 0))

    def visit_placed(node: ScheduleNode, prefix: tuple[int | dict[str, Affine], ...]) -> None:
        match node:
            case Loop(exprs=exprs, child=child):
                visit(child, (*prefix, dict(exprs)))
            case Leaf(statement=name):
                found[name] = [Affine.const(p) if isinstance(p, int) else p[name] for p in prefix]

    visit(root, ())
    length = max(len(t) for t in found.values())
    return tuple((s, (*t, *[Affine()] * (length - len(t)))) for s, t in found.items())


def compact_times(program: PolyProgram) -> dict[str, Time]:
    """`schedule_times` without the dims that have one constant value for all statements."""
    times = schedule_times(program)
    columns = list(zip(*times.values(), strict=True))
    kept = [k for k, column in enumerate(columns) if any(v != column[0] for v in column)]
    kept += [k for k, column in enumerate(columns) if k not in kept and column[0].terms]
    return {s: tuple(t[k] for k in sorted(kept)) for s, t in times.items()}


def time_map(statement: PolyStatement, time: Time) -> isl.Map:
    """``{ statement[i…] -> [time] }`` within the domain."""
    return _schedule_map(statement.name, statement.iterators, statement.domain, time, True)


@lru_cache(maxsize=4096)
def _schedule_map(
    name: str, iterators: tuple[str, ...], domain: str, time: Time, within: bool
) -> isl.Map:
    target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(time))
    function = isl.MultiAff.zero(space_of(name, iterators).map_from_domain_and_range(target))
    for position, value in enumerate(time):
        function = function.set_aff(position, _affine(name, iterators, value))
    relation = isl.Map.from_multi_aff(function)
    return relation.intersect_domain(parse_domain(name, iterators, domain)) if within else relation


def schedule_map(program: PolyProgram, statement: str, within: bool = True) -> isl.Map:
    """``{ statement[i…] -> [2d+1 time] }``, within the domain unless `within` is false."""
    s = program.statement(statement)
    time = schedule_times(program)[statement]
    return _schedule_map(s.name, s.iterators, s.domain, time, within)


def schedule_union(program: PolyProgram, within: bool = True) -> isl.UnionMap:
    """The schedule of the whole program."""
    times = schedule_times(program)
    result = isl.UnionMap("{ }")
    for s in program.statements:
        part = _schedule_map(s.name, s.iterators, s.domain, times[s.name], within)
        result = result.union(isl.UnionMap.from_map(part))
    return result


@dataclass(frozen=True)
class Difference:
    """How much later one function is at the target of a pair than another at its source.

    Parameters
    ----------
    value : isl.Aff
        On ``[source[i…] -> target[j…]]``.
    constant : int, optional
        Its value, where that is the same for all pairs.
    """

    value: isl.Aff
    constant: int | None

    @cached_property
    def _zero(self) -> isl.Aff:
        return isl.Aff.zero_on_domain(self.value.get_domain_local_space())

    @cached_property
    def earlier(self) -> isl.Set:
        """The pairs where it is negative."""
        return self.value.lt_set(self._zero)

    @cached_property
    def same(self) -> isl.Set:
        """The pairs where it is zero."""
        return self.value.eq_set(self._zero)

    @cached_property
    def later(self) -> isl.Set:
        """The pairs where it is positive."""
        return self.value.gt_set(self._zero)


Tuple = tuple[str, tuple[str, ...]]
"""The name of a statement and its iterators."""


@lru_cache(maxsize=1024)
def pair_space(source: Tuple, target: Tuple) -> isl.Space:
    """The set space ``[source[i…] -> target[j…]]``."""
    return space_of(*source).map_from_domain_and_range(space_of(*target)).wrap()


@lru_cache(maxsize=8192)
def difference_on(source: Tuple, target: Tuple, before: Affine, after: Affine) -> Difference:
    """`difference`, of statements that are given by their tuples."""
    space = pair_space(source, target)
    # An empty name stands for the dims of the other end, which an expression cannot mean.
    at_source = affine_on(space, (*source[1], *[""] * len(target[1])), before)
    function = affine_on(space, (*[""] * len(source[1]), *target[1]), after).sub(at_source)
    is_constant = before.is_constant and after.is_constant
    return Difference(function, after.constant - before.constant if is_constant else None)


def difference(
    source: PolyStatement, target: PolyStatement, before: Affine, after: Affine
) -> Difference:
    """``after(j) - before(i)`` on pairs of an instance ``i`` of `source` and ``j`` of `target`."""
    return difference_on(
        (source.name, source.iterators), (target.name, target.iterators), before, after
    )


def union_domain(program: PolyProgram) -> isl.UnionSet:
    """Every instance of the program."""
    result = isl.UnionSet("{ }")
    for s in program.statements:
        result = result.union(isl.UnionSet.from_set(domain(s)))
    return result


def sample(part: isl.Set) -> tuple[int, ...] | None:
    """An integer point of `part`, or None where it is empty."""
    point = part.sample_point()
    if point.is_void():
        return None
    count = part.dim(_SET)
    return tuple(point.get_coordinate_val(_SET, k).to_python() for k in range(count))


def has_remainders(relation: isl.UnionMap) -> bool:
    """Whether some part of `relation` has existential variables."""
    maps = relation.get_map_list()
    parts = (p for k in range(maps.n_map()) for p in maps.get_at(k).get_basic_maps())
    return any(p.dim(isl.dim_type.div) for p in parts)


def may_lose_pairs(
    sinks: isl.UnionMap, must: isl.UnionMap, may: isl.UnionMap, schedule: isl.UnionMap
) -> bool:
    """Whether isl's dataflow analysis of these accesses may leave out pairs.

    It can among remainders, be they in subscripts, domains or times: of writes to one element in
    different blocks of a split loop it may take one that is not the last.
    """
    return any(map(has_remainders, (sinks, must, may, schedule))) or _rounds(schedule)


def _rounds(schedule: isl.UnionMap) -> bool:
    """Whether a time is a rounded quotient, which isl writes without existential variables."""
    maps = schedule.get_map_list()
    parts = (p for k in range(maps.n_map()) for p in maps.get_at(k).get_basic_maps())
    return any(
        abs(constraint.get_coefficient_val(isl.dim_type.out, dim).to_python()) > 1
        for part in parts
        for constraint in part.get_constraints()
        for dim in range(part.dim(isl.dim_type.out))
    )


_MOST_OPERATIONS = 300_000
"""Of isl, for one answer among remainders: about a tenth of a second."""


def within_budget(compute: Callable[[], T]) -> T | None:
    """`compute()`; None where it takes isl long, as subtraction or extrema among remainders can."""
    context = isl.DEFAULT_CONTEXT
    before = context.get_max_operations()
    context.reset_operations()
    context.set_max_operations(_MOST_OPERATIONS)
    try:
        return compute()
    except isl.Error:
        return None
    finally:
        context.reset_operations()
        context.set_max_operations(before)


def unwritten(reads: isl.UnionMap, writes: isl.UnionMap, schedule: isl.UnionMap) -> isl.UnionMap:
    """The part of `reads` whose elements none of `writes` has written before.

    Parameters
    ----------
    reads, writes : isl.UnionMap
        ``{ instance -> element }``; the writes certain.
    schedule : isl.UnionMap
        ``{ instance -> time }``.
    """
    if not (has_remainders(reads) or has_remainders(writes)):
        info = isl.UnionAccessInfo.from_sink(reads).set_must_source(writes)
        return info.set_schedule_map(schedule).compute_flow().get_must_no_source()
    # isl's analysis leaves out pairs among remainders: from the definition
    earlier = reads.domain_map().apply_range(schedule.lex_gt_union_map(schedule))
    same = reads.range_map().apply_range(writes.reverse())
    return reads.wrap().subtract(earlier.intersect(same).domain()).unwrap()
