"""Do dependent instances keep their order? The third part of translation validation.

Memory-based dependences are computed from the accesses of the given program and its schedule tree:
of every element the last write before each read, the last write before each write, and the reads in
between. Every other conflicting pair follows from these by transitivity. None of them may run in
the module at an equal or an earlier time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, loads
from pom.ir.graph import Assign, Call
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.validate_linear import from_affine, substitute, text, variable
from pom.passes.validate_read import FunctionReader

Runs = Mapping[str, tuple[str, isl.Set, isl.Map]]
"""By statement: its name in isl text, its domain, and its runs (time to instance)."""

_IN, _OUT, _DIV = isl.dim_type.in_, isl.dim_type.out, isl.dim_type.div


def check_order(program: PolyProgram, reader: FunctionReader, runs: Runs) -> None:
    """Prove that the times in `runs` keep every dependence of `program`.

    Raises
    ------
    PomError
        POM-A107: with two dependent instances that changed places.
    """
    reference = _reference_times(program, runs)
    actual = {name: run.reverse() for name, (_, _, run) in runs.items()}
    if _same_order(reference, actual):
        return
    dependences = _dependences(_Question(program, frozenset(runs), runs, reference))
    new = isl.UnionMap("{ }")
    for one in actual.values():
        new = new.union(isl.UnionMap.from_map(one))
    in_time = dependences.apply_domain(new).apply_range(new)
    for part in _maps(in_time):
        reversed_ = part.intersect(isl.Map.lex_ge(part.get_space().domain()))
        if not reversed_.is_empty():
            raise _changed_places(reversed_, runs, reader)


def _changed_places(pairs: isl.Map, runs: Runs, reader: FunctionReader) -> PomError:
    pair = isl.Map.from_basic_map(pairs.sample())
    source = _instance(pair.domain(), runs)
    target = _instance(pair.range(), runs)
    return reader.refuse(
        "POM-A107", f"{source} must run before {target}, which depends on it, but runs after it"
    )


def _instance(time: isl.Set, runs: Runs) -> str:
    """The instance that runs at a time."""
    for name, (_, _, run) in runs.items():
        point = run.intersect_domain(time).range().sample_point()
        if not point.is_void():
            values = [
                str(point.get_coordinate_val(isl.dim_type.set, k).to_python())
                for k in range(point.get_space().dim(isl.dim_type.set))
            ]
            return f"{name}[{', '.join(values)}]"
    return "an instance"


def _maps(union: isl.UnionMap) -> list[isl.Map]:
    listed = union.get_map_list()
    return [listed.get_at(k) for k in range(listed.n_map())]


def _reference_times(program: PolyProgram, runs: Runs) -> dict[str, isl.Map]:
    """Instance to time by the schedule tree, constant dims included."""
    vectors: dict[str, tuple[int | Affine, ...]] = {}

    def visit(node: ScheduleNode, prefix: tuple[int | Loop, ...]) -> None:
        match node:
            case Leaf(statement=name):
                vectors[name] = tuple(p.expr(name) if isinstance(p, Loop) else p for p in prefix)
            case Loop(child=child):
                body = child.children if isinstance(child, Sequence) else (child,)
                for position, part in enumerate(body):
                    visit(part, (*prefix, node, position))
            case Sequence(children=children):
                for position, part in enumerate(children):
                    visit(part, (*prefix, position))

    root = program.schedule
    visit(root, () if isinstance(root, Sequence) else (0,))
    length = max(len(v) for v in vectors.values())
    found: dict[str, isl.Map] = {}
    for statement in program.statements:
        if statement.name not in runs:
            continue
        vector = [*vectors[statement.name], *[0] * (length - len(vectors[statement.name]))]
        time = ", ".join(str(v) if isinstance(v, int) else _over_dims(statement, v) for v in vector)
        head = _head(statement, runs)
        relation = isl.Map(f"{{ {head} -> [{time}] }}")
        found[statement.name] = relation.intersect_domain(runs[statement.name][1])
    return found


def _head(statement: PolyStatement, runs: Runs) -> str:
    dims = ", ".join(f"i{k}" for k in range(len(statement.iterators)))
    return f"{runs[statement.name][0]}[{dims}]"


def _over_dims(statement: PolyStatement, expression: Affine) -> str:
    names = {n: variable(f"i{k}") for k, n in enumerate(statement.iterators)}
    return text(substitute(from_affine(expression), names))


def _same_order(reference: Mapping[str, isl.Map], actual: Mapping[str, isl.Map]) -> bool:
    """Whether the times are literally equal, which is what an unscheduled program gives."""
    return all(
        actual[name].dim(_OUT) == expected.dim(_OUT) and actual[name].plain_is_equal(expected)
        for name, expected in reference.items()
    )


@dataclass(frozen=True, slots=True)
class _Question:
    """What the dependences depend on: a program and which of its statements have instances.

    The rest follows from these two; equal questions have one answer, which many schedules of one
    program share.
    """

    program: PolyProgram
    names: frozenset[str]
    runs: Runs = field(compare=False)
    reference: Mapping[str, isl.Map] = field(compare=False)


@lru_cache(maxsize=64)
def _dependences(question: _Question) -> isl.UnionMap:
    program, runs, reference = question.program, question.runs, question.reference
    reads, writes = _Accesses(), _Accesses()
    for statement in program.statements:
        if statement.name in runs:
            _collect(program, statement, runs, reads, writes)
    schedule = isl.UnionMap("{ }")
    for one in reference.values():
        schedule = schedule.union(isl.UnionMap.from_map(one))
    accesses = reads.union().union(writes.union())
    if _has_remainders(accesses) or (not writes.may.is_empty() and _has_remainders(schedule)):
        # isl's dataflow analysis can take for ever on subscripts that round; with writes that hide
        # nothing and remainders it leaves out pairs
        return _conflicting(reads, writes, schedule)
    try:
        return _nearest(reads, writes, schedule)
    except isl.Error:
        # isl gives up on some sets with many strides: every conflicting pair is asked for instead
        return _conflicting(reads, writes, schedule)


def _has_remainders(relation: isl.UnionMap) -> bool:
    """Apart from `isl_build.has_remainders` on purpose: validation shares no code with the passes."""
    maps = relation.get_map_list()
    return any(
        basics.get_at(k).dim(_DIV)
        for basics in (maps.get_at(n).get_basic_map_list() for n in range(maps.n_map()))
        for k in range(basics.n_basic_map())
    )


def _conflicting(reads: _Accesses, writes: _Accesses, schedule: isl.UnionMap) -> isl.UnionMap:
    """Every pair, in order, of which one writes what the other accesses."""
    written, read = writes.union(), reads.union()
    pairs = written.apply_range(written.union(read).reverse())
    pairs = pairs.union(read.apply_range(written.reverse()))
    return pairs.intersect(schedule.lex_lt_union_map(schedule))


def _nearest(reads: _Accesses, writes: _Accesses, schedule: isl.UnionMap) -> isl.UnionMap:
    """Last writes before reads and writes; the next write after a read, by time reversed.

    Reads are never sources that hide nothing: with such, isl's analysis can leave out pairs or end
    the process where there are remainders.
    """
    if schedule.is_empty():
        return schedule
    count = schedule.get_map_list().get_at(0).dim(_OUT)
    times = [f"t{k}" for k in range(count)]
    turn = isl.UnionMap(f"{{ [{', '.join(times)}] -> [{', '.join(f'-{t}' for t in times)}] }}")
    backwards = schedule.apply_range(turn)
    last = _last_writes(reads.union().union(writes.union()), writes, schedule)
    following = _last_writes(reads.union(), writes, backwards).reverse()
    # far fewer pieces, which multiply with those of the times
    return last.union(following).coalesce()


def _last_writes(sinks: isl.UnionMap, writes: _Accesses, schedule: isl.UnionMap) -> isl.UnionMap:
    # isl's analysis is two times faster where equalities are explicit
    info = isl.UnionAccessInfo.from_sink(sinks.detect_equalities())
    info = info.set_must_source(writes.must.detect_equalities()).set_may_source(writes.may)
    result = info.set_schedule_map(schedule.detect_equalities()).compute_flow()
    return result.get_must_dependence().union(result.get_may_dependence())


class _Accesses:
    """Access relations, exact ones and upper bounds apart."""

    def __init__(self) -> None:
        self.must = isl.UnionMap("{ }")
        self.may = isl.UnionMap("{ }")

    def union(self) -> isl.UnionMap:
        return self.must.union(self.may)

    def add(self, relation: isl.Map, is_exact: bool) -> None:
        part = isl.UnionMap.from_map(relation)
        if is_exact:
            self.must = self.must.union(part)
        else:
            self.may = self.may.union(part)


def _collect(
    program: PolyProgram, statement: PolyStatement, runs: Runs, reads: _Accesses, writes: _Accesses
) -> None:
    body = statement.body
    match body:
        case Assign():
            for access in dict.fromkeys(body.reads):
                reads.add(_relation(program, statement, access, runs), access.is_affine)
            target = body.target
            writes.add(_relation(program, statement, target, runs), target.is_affine)
        case Call():
            # which elements a callee touches is not looked into: all of them, perhaps
            for argument in body.arguments:
                if isinstance(argument, str):
                    if argument in program.arrays:
                        whole = _whole(program, statement, argument, runs)
                        reads.add(whole, False)
                        writes.add(whole, False)
                    continue
                for load in loads(argument):
                    relation = _relation(program, statement, load.access, runs)
                    reads.add(relation, load.access.is_affine)


def _array_name(program: PolyProgram, array: str) -> str:
    return f"A{list(program.arrays).index(array)}"


def _relation(
    program: PolyProgram, statement: PolyStatement, access: Access, runs: Runs
) -> isl.Map:
    shape = program.arrays[access.array].type.shape
    target, limits = [], []
    for position, subscript in enumerate(access.subscripts):
        if isinstance(subscript, Affine):
            target.append(_over_dims(statement, subscript))
        else:
            target.append(f"a{position}")
            limits.append(f"0 <= a{position} < {shape[position]}")
    where = f" : {' and '.join(limits)}" if limits else ""
    name = _array_name(program, access.array)
    relation = isl.Map(f"{{ {_head(statement, runs)} -> {name}[{', '.join(target)}]{where} }}")
    return relation.intersect_domain(runs[statement.name][1])


def _whole(program: PolyProgram, statement: PolyStatement, array: str, runs: Runs) -> isl.Map:
    shape = program.arrays[array].type.shape
    target = ", ".join(f"a{k}" for k in range(len(shape)))
    limits = " and ".join(f"0 <= a{k} < {n}" for k, n in enumerate(shape)) or "true"
    name = _array_name(program, array)
    relation = isl.Map(f"{{ {_head(statement, runs)} -> {name}[{target}] : {limits} }}")
    return relation.intersect_domain(runs[statement.name][1])
