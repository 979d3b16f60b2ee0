"""Ranges and trip counts of schedule loops, exactly, from domains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine, FloorDiv
from pom.ir.poly import Loop, PolyProgram, PolyStatement
from pom.passes.isl_build import affine, affine_on, domain, statement_space
from pom.passes.schedule_tree import enclosing


@lru_cache(maxsize=8192)
def _extent(statement: PolyStatement, value: Affine) -> tuple[int, int] | None:
    instances = domain(statement)
    if instances.is_empty():
        return None
    function = affine(statement, value)
    if function.is_cst():
        constant = function.get_constant_val().to_python()
        return constant, constant
    return instances.min_val(function).to_python(), instances.max_val(function).to_python()


def value_range(program: PolyProgram, loop: Loop) -> tuple[int, int]:
    """The smallest and the largest value that `loop` takes; ``(0, -1)`` where it never runs."""
    found = [r for s, e in loop.exprs if (r := _extent(program.statement(s), e)) is not None]
    if not found:
        return 0, -1
    return min(low for low, _ in found), max(high for _, high in found)


def require_countable(
    program: PolyProgram, statement: str, loop: str, by: int, of: Affine | None, code: str
) -> None:
    """Raise `code` where the values of `loop` plus `by` (times `of`) do not fit a 32-bit counter."""
    node = next(n for n in program.loops(statement) if n.name == loop)
    steps = _extent(program.statement(statement), of) if of else (1, 1)
    low, high = value_range(program, node)
    largest = max(abs(low), abs(high)) + abs(by) * max(map(abs, steps or (0, 0)))
    if largest >= 2**31:
        raise PomError(
            code,
            f"{by} is too much: the values of {loop!r} would leave the range of a 32-bit counter",
            hint=f"{loop!r} runs from {low} to {high}; use a smaller number",
        )


def loop_bounds(program: PolyProgram, statement: str, loop: Loop) -> tuple[Affine, Affine] | None:
    """The first and the last value of `loop` over the names of the loops around it; None where one
    expression does not say it."""
    values = loop_values(program, statement, loop)
    names = tuple(outer.name for outer in enclosing(program, statement, loop.name))
    by_outer = isl.Map.from_range(values)
    by_outer = by_outer.move_dims(isl.dim_type.in_, 0, isl.dim_type.out, 0, len(names))
    ends = (by_outer.lexmin_pw_multi_aff(), by_outer.lexmax_pw_multi_aff())
    first, last = (_single_affine(end, names) for end in ends)
    return None if first is None or last is None else (first, last)


def _single_affine(function: isl.PwMultiAff, names: tuple[str, ...]) -> Affine | None:
    """The function as one expression without rounding; None for others."""
    pieces: list[isl.MultiAff] = []
    function.coalesce().foreach_piece(lambda _, piece: pieces.append(piece))
    if len(pieces) != 1:
        return None
    found = pieces[0].get_at(0)
    if found.dim(isl.dim_type.div) or found.get_denominator_val() != 1:
        return None
    result = Affine.const(found.get_constant_val().to_python())
    for position, name in enumerate(names):
        coefficient = found.get_coefficient_val(isl.dim_type.in_, position).to_python()
        result = result + Affine.var(name) * coefficient
    return result


@dataclass(frozen=True, slots=True)
class TripCount:
    """How many iterations one run of a loop has, over all runs."""

    minimum: int
    maximum: int

    @property
    def is_constant(self) -> bool:
        return self.minimum == self.maximum


def _values(statement: PolyStatement, functions: tuple[Affine, ...]) -> isl.Set:
    target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(functions))
    space = statement_space(statement).map_from_domain_and_range(target)
    result = isl.MultiAff.zero(space)
    for position, function in enumerate(functions):
        result = result.set_aff(position, affine(statement, function))
    return domain(statement).apply(isl.Map.from_multi_aff(result))


_Runs = tuple[tuple[PolyStatement, tuple[Affine, ...]], ...]
"""Statements, each with the values of the loops around it up to some loop: what its values are of."""


def _runs(program: PolyProgram, statement: str, loop: Loop) -> _Runs:
    outer = enclosing(program, statement, loop.name)
    return tuple(
        (program.statement(name), (*(n.expr(name) for n in outer), value))
        for name, value in loop.exprs
    )


def loop_values(program: PolyProgram, statement: str, loop: Loop) -> isl.Set:
    """Every ``[outer values…, value]`` at which an iteration of `loop` around `statement` runs."""
    if not loop.exprs:
        raise ValueError(f"loop {loop.name!r} runs no statement")
    return _values_of(_runs(program, statement, loop))


@lru_cache(maxsize=2048)
def _values_of(runs: _Runs) -> isl.Set:
    return reduce(isl.Set.union, [_values(*run) for run in runs]).coalesce()


def trip_count(program: PolyProgram, statement: str, loop: Loop) -> TripCount:
    """The trip counts of `loop` around `statement`, counting from its first to its last value."""
    return _trip_count(_runs(program, statement, loop))


@lru_cache(maxsize=8192)
def _trip_count(runs: _Runs) -> TripCount:
    values = _values_of(runs)
    if values.is_empty():
        return TripCount(0, 0)
    depth = values.dim(isl.dim_type.set) - 1
    step = _step(values)
    low = values.dim_min_val(depth).to_python()
    high = values.dim_max_val(depth).to_python()
    if depth == 0 or (step == 1 and _is_product(values, depth, low, high)):
        return TripCount((high - low) // step + 1, (high - low) // step + 1)
    found = isl.Map.from_pw_multi_aff(_spans(values)).range()
    shortest, longest = found.dim_min_val(0).to_python(), found.dim_max_val(0).to_python()
    return TripCount(shortest // step + 1, longest // step + 1)


def _step(values: isl.Set) -> int:
    step: int = values.get_stride(values.dim(isl.dim_type.set) - 1).to_python()
    return max(step, 1)


def loop_step(program: PolyProgram, statement: str, loop: Loop) -> int:
    """The distance of neighbouring values of `loop`: 1 but for loops with a step."""
    return _loop_step(_runs(program, statement, loop))


@lru_cache(maxsize=8192)
def _loop_step(runs: _Runs) -> int:
    values = _values_of(runs)
    return 1 if values.is_empty() else _step(values)


def _spans(values: isl.Set) -> isl.PwMultiAff:
    """``[outer…] -> [last - first]`` of ``[outer…, value]``."""
    depth = values.dim(isl.dim_type.set) - 1
    by_outer = isl.Map.from_range(values).move_dims(isl.dim_type.in_, 0, isl.dim_type.out, 0, depth)
    return by_outer.lexmax_pw_multi_aff().sub(by_outer.lexmin_pw_multi_aff())


def _is_product(values: isl.Set, depth: int, low: int, high: int) -> bool:
    outer = values.project_out(isl.dim_type.set, depth, 1)
    box = outer.add_dims(isl.dim_type.set, 1)
    box = box.lower_bound_val(isl.dim_type.set, depth, isl.Val(low))
    box = box.upper_bound_val(isl.dim_type.set, depth, isl.Val(high))
    return bool(box.is_subset(values))


def has_partial_tiles(
    program: PolyProgram, statement: str, loop: Loop, offset: int, step: int, factor: int
) -> bool:
    """Whether blocks of `factor` values from `offset`, `step` apart, leave a run with a part of one."""
    return _has_partial_tiles(_runs(program, statement, loop), offset, step, factor)


@lru_cache(maxsize=8192)
def _has_partial_tiles(runs: _Runs, offset: int, step: int, factor: int) -> bool:
    values = _values_of(runs)
    depth = values.dim(isl.dim_type.set) - 1
    space = values.get_space()
    names = tuple(f"v{k}" for k in range(depth + 1))
    index = (Affine.var(names[-1]) - offset) // step
    tile = index // factor
    to_tile = isl.MultiAff.zero(space.map_from_set())
    for position, name in enumerate(names):
        value = tile if position == depth else Affine.var(name)
        to_tile = to_tile.set_aff(position, affine_on(space, names, value))
    counted = affine_on(space, names, index * step + offset)
    taken = counted.eq_set(affine_on(space, names, Affine.var(names[-1])))
    mapping = isl.Map.from_multi_aff(to_tile).intersect_domain(taken)
    full = values.apply(mapping).apply(mapping.reverse())
    return not full.is_subset(values)


def is_block_bounded(loop: Loop) -> bool:
    """Whether the loop runs within a block of a split, so that only partial blocks run it less."""
    return all(_is_within_block(value) for _, value in loop.exprs)


def is_set_apart(program: PolyProgram, loop: Loop) -> bool:
    """Whether the code generator makes a nest of its own of the only partial block of `loop`.

    So it is where the block loop isolates its full blocks and one of its values alone has a partial
    block, always of the same length.
    """
    statement = loop.statements[0]
    block = _block_loop(program, statement, loop)
    if block is None or block.part != "isolate":
        return False
    outer = enclosing(program, statement, loop.name)
    position = outer.index(block)
    spans = _spans(loop_values(program, statement, loop))
    lengths = isl.Map.from_pw_multi_aff(spans)
    longest = lengths.range().dim_max_val(0)
    short = lengths.upper_bound_val(isl.dim_type.out, 0, longest.sub(isl.Val(1)))
    if short.is_empty():
        return True
    blocks = short.domain()
    return bool(
        short.range().dim_min_val(0).eq(short.range().dim_max_val(0))
        and blocks.dim_min_val(position).eq(blocks.dim_max_val(position))
    )


def _block_loop(program: PolyProgram, statement: str, loop: Loop) -> Loop | None:
    """The loop over the blocks that `loop` runs within."""
    atoms = {a for a, _ in loop.expr(statement).terms if isinstance(a, FloorDiv)}
    for outer in reversed(enclosing(program, statement, loop.name)):
        if any(a in atoms for a, c in outer.expr(statement).terms if c == 1):
            return outer
    return None


def _is_within_block(value: Affine) -> bool:
    if _modulus(value) is not None:
        return True
    match value:
        case Affine(terms=((FloorDiv(numerator=inner), 1),), constant=0):
            return _is_within_block(inner)
    return False


def _modulus(value: Affine) -> int | None:
    """The `f` of a value that is ``e mod f``, that is ``e - f * floor(e / f)``."""
    for atom, coefficient in value.terms:
        if isinstance(atom, FloorDiv) and coefficient == -atom.denominator:
            rest = value + Affine(((atom, atom.denominator),))
            if rest == atom.numerator:
                return atom.denominator
    return None
