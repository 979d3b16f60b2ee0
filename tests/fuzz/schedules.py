"""Random primitives with arguments that make sense, over everything that a schedule can say."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from pom.ir.expr import Apply, walk
from pom.ir.graph import Array, Assign
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.loop_ranges import value_range
from pom.passes.poly_after import After, fused
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_bind_storage import BindStorage
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_buffer_reads import BufferReads
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_dependence_aware import DependenceAware
from pom.passes.poly_distribute import Distribute, distribute
from pom.passes.poly_distribute_all import DistributeAll
from pom.passes.poly_double_buffer import DoubleBuffer
from pom.passes.poly_expand import Expand
from pom.passes.poly_flatten import Flatten
from pom.passes.poly_guard import Guard
from pom.passes.poly_inline import Inline
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_peel import Peel
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_reorder import Reorder, reordered
from pom.passes.poly_reshape import Reshape
from pom.passes.poly_reuse_at import ReuseAt
from pom.passes.poly_reverse import Reverse, reversed_loop
from pom.passes.poly_scalar_promotion import ScalarPromotion
from pom.passes.poly_shift import Shift, shifted
from pom.passes.poly_skew import Skew, skew
from pom.passes.poly_split import Split
from pom.passes.poly_stream import Stream
from pom.passes.poly_tile import Tile, tiled
from pom.passes.poly_unroll import Unroll
from pom.passes.reductions import reductions
from pom.passes.statement_text import operator_names
from tests.passes.random_schedules import random_primitive

REMAINDERS = ("isolate", "isolate", "separate", "guard")


def rewrites_of(primitive: PolyPass, program: PolyProgram) -> tuple[PolyProgram, ...]:
    """What a primitive may rewrite `program` to, legal or not.

    Empty where it has no legality by order, or its result depends on more than its arguments.
    """
    match primitive:
        case Shift(statement=s, loop=loop, amount=amount):
            return (shifted(program, s, loop, amount),)
        case Reverse(statement=s, loop=loop):
            return (reversed_loop(program, s, loop),)
        case Distribute(statement=s, loop=loop):
            return (distribute(program, s, loop),)
        case After(statement=s, other=other, loop=loop):
            return fused(program, s, other, loop)
        case Interchange(statement=s, outer=outer, inner=inner):
            return reordered(program, s, (inner, outer))
        case Tile(statement=s, loops=loops, sizes=sizes):
            return tiled(program, s, loops, sizes)
        case Skew(statement=s, outer=outer, inner=inner, factor=factor):
            return (skew(program, s, outer, inner, factor),)
        case Reorder(statement=s, loops=loops):
            return reordered(program, s, loops)
    return ()


@dataclass(frozen=True, slots=True)
class _Site:
    """A statement chosen in a program, and a loop around it."""

    rng: random.Random
    program: PolyProgram
    fast_math: bool
    statement: str
    loops: tuple[str, ...]
    loop: str

    def span(self) -> int:
        """Values that the loop goes through, at most."""
        node = next(n for n in self.program.loops(self.statement) if n.name == self.loop)
        low, high = value_range(self.program, node)
        return max(1, high - low + 1)

    def array(self) -> Array:
        """An array that the statement touches, mostly."""
        body = self.program.statement(self.statement).body
        arrays = self.program.arrays
        if isinstance(body, Assign) and self.rng.random() < 0.8:
            return arrays[self.rng.choice([body.target, *body.reads]).array]
        return self.rng.choice(list(arrays.values()))


def propose(rng: random.Random, program: PolyProgram, fast_math: bool) -> PolyPass | None:
    """A random primitive for `program`; None where it has no loops."""
    sites = [s.name for s in program.statements if program.loops(s.name)]
    if not sites:
        return None
    statement = rng.choice(sites)
    loops = tuple(n.name for n in program.loops(statement))
    site = _Site(rng, program, fast_math, statement, loops, rng.choice(loops))
    chance = rng.random()
    if chance < 0.45:
        return random_primitive(rng, program, fast_math)[0]
    if chance < 0.70:
        return rng.choice(_SHAPES)(site)
    if chance < 0.80:
        return rng.choice(_LOOPS)(site)
    if chance < 0.88:
        return rng.choice(_ARRAYS)(site)
    if chance < 0.98:
        return rng.choice(_DATA)(site)
    if chance < 0.985:
        return DependenceAware(fast_math)
    return DistributeAll(fast_math) if chance < 0.99 else _auto(site)


def _split(site: _Site) -> PolyPass:
    factor = site.rng.randint(1, min(4, site.span()))
    return Split(site.statement, site.loop, factor, remainder=site.rng.choice(REMAINDERS))


def _tile(site: _Site) -> PolyPass:
    count = min(len(site.loops), site.rng.choice((1, 2, 2, 3)))
    loops = tuple(site.rng.sample(site.loops, count))
    if site.rng.random() < 0.7:
        loops = tuple(sorted(loops, key=site.loops.index))
    sizes = tuple(site.rng.randint(1, 3) for _ in loops)
    kind = site.rng.choice(REMAINDERS)
    return Tile(site.statement, loops, sizes, kind, site.fast_math)


def _guard(site: _Site) -> PolyPass:
    return Guard(site.statement, site.loop, site.rng.random() < 0.9)


def _peel(site: _Site) -> PolyPass:
    names = [n.name for n in site.program.loops(site.statement)]
    outer = names[: names.index(site.loop)]
    rest = f"R{site.rng.randrange(1000)}"
    if outer and site.rng.random() < 0.5:
        of = site.rng.choice(outer)
        return Peel(site.statement, site.loop, site.rng.randint(-2, 2), rest, of)
    node = site.program.loops(site.statement)[len(outer)]
    low, high = value_range(site.program, node)
    at = site.rng.randint(low, max(low, high) + 1)
    return Peel(site.statement, site.loop, at, rest)


def _unroll(site: _Site) -> PolyPass:
    return Unroll(site.statement, site.loop, site.rng.choice((0, 1, 2, 2, 3, site.span())))


def _pipeline(site: _Site) -> PolyPass:
    return Pipeline(site.statement, site.loop, site.rng.choice((0, 1, 1, 2)))


def _flatten(site: _Site) -> PolyPass:
    return Flatten(site.statement, site.loop, site.rng.random() < 0.8)


def _dataflow(site: _Site) -> PolyPass:
    if site.rng.random() < 0.5:
        return Dataflow()
    return Dataflow(site.statement, site.loop)


def _cut(site: _Site) -> tuple[str, int, str, int]:
    array = site.array()
    dim = site.rng.randint(0, array.type.rank)
    kind = site.rng.choice(("cyclic", "block", "complete"))
    factor = 0 if kind == "complete" else site.rng.randint(2, 4)
    return array.name, dim, kind, factor


def _partition(site: _Site) -> PolyPass:
    return PartitionArray(*_cut(site))  # type: ignore[arg-type]


def _reshape(site: _Site) -> PolyPass:
    return Reshape(*_cut(site))  # type: ignore[arg-type]


def _bind_storage(site: _Site) -> PolyPass:
    type = site.rng.choice(("ram_1p", "ram_2p", "ram_s2p", "ram_t2p", "rom_1p", "fifo"))
    impl = site.rng.choice(("auto", "bram", "lutram", "uram"))
    return BindStorage(site.array().name, type, impl, site.rng.choice((0, 0, 2)))


def _bind_op(site: _Site) -> PolyPass:
    body = site.program.statement(site.statement).body
    value = body.value if isinstance(body, Assign) else None
    names = [n for e in walk(value) if isinstance(e, Apply) for n in operator_names(e)] if value else []  # fmt: skip
    op = site.rng.choice(names or ["add"])
    return BindOp(site.statement, op, site.rng.choice(("fabric", "dsp", "fulldsp")))


def _interface(site: _Site) -> PolyPass:
    mode = site.rng.choice(("m_axi", "s_axilite", "ap_memory", "bram", "axis", "ap_fifo"))
    return Interface(site.array().name, mode)


def _stream(site: _Site) -> PolyPass:
    return Stream(site.array().name, site.rng.randint(1, 8))


def _inline(site: _Site) -> PolyPass:
    return Inline(site.rng.random() < 0.5)


def _fresh(site: _Site, stem: str) -> str:
    return f"{stem}{site.rng.randrange(1000)}"


def _buffer_at(site: _Site) -> PolyPass:
    loop = "" if site.rng.random() < 0.15 else site.loop
    return BufferAt(site.statement, site.array().name, loop, _fresh(site, "buf"))


def _buffer_reads(site: _Site) -> PolyPass:
    loop = "" if site.rng.random() < 0.15 else site.loop
    read = site.rng.choice((0, 0, 0, 1, 2))
    return BufferReads(site.statement, site.array().name, loop, read, _fresh(site, "in"))


def _expand(site: _Site) -> PolyPass:
    return Expand(site.statement, _local(site), site.loop, _fresh(site, "x"))


def _coalesce(site: _Site) -> PolyPass:
    return Coalesce(site.statement, _local(site))


def _local(site: _Site) -> str:
    names = [a.name for a in site.program.locals]
    return site.rng.choice(names) if names else site.array().name


def _reuse_at(site: _Site) -> PolyPass:
    addressing = site.rng.choice(("shift", "circular"))
    return ReuseAt(site.statement, site.array().name, site.loop, addressing, _fresh(site, "win"))


def _promotion(site: _Site) -> PolyPass:
    return ScalarPromotion(site.statement, site.array().name, site.loop, _fresh(site, "reg"))


def _interleave(site: _Site) -> PolyPass:
    found = sorted(reductions(site.program))
    statement, loop = site.statement, site.loop
    if found:
        statement = site.rng.choice(found)
        loop = site.rng.choice([n.name for n in site.program.loops(statement)] or [loop])
    return InterleaveReduction(
        statement,
        loop,
        site.rng.randint(2, 4),
        site.rng.random() < 0.4,
        _fresh(site, "part"),
        site.fast_math,
    )


def _double_buffer(site: _Site) -> PolyPass:
    names = [a.name for a in site.program.locals]
    array = site.rng.choice(names) if names else site.array().name
    users = [
        s.name
        for s in site.program.statements
        if isinstance(s.body, Assign)
        and array in {s.body.target.array, *(a.array for a in s.body.reads)}
        and site.program.loops(s.name)
    ]
    statement = site.rng.choice(users or [site.statement])
    loop = site.rng.choice([n.name for n in site.program.loops(statement)])
    return DoubleBuffer(statement, array, loop)


def _auto(site: _Site) -> PolyPass:
    algorithm = site.rng.choice(("pluto", "feautrier"))
    fuse, wavefront = site.rng.random() < 0.5, site.rng.random() < 0.4
    return AutoSchedule(algorithm, fuse, wavefront, site.fast_math)


_SHAPES: tuple[Callable[[_Site], PolyPass], ...] = (_split, _split, _tile, _tile, _guard, _peel)
_LOOPS: tuple[Callable[[_Site], PolyPass], ...] = (
    _unroll, _unroll, _pipeline, _pipeline, _flatten, _dataflow,
)  # fmt: skip
_ARRAYS: tuple[Callable[[_Site], PolyPass], ...] = (
    _partition, _partition, _reshape, _bind_storage, _bind_op, _interface, _stream, _inline,
)  # fmt: skip
_DATA: tuple[Callable[[_Site], PolyPass], ...] = (
    _buffer_at, _buffer_at, _buffer_reads, _buffer_reads, _reuse_at, _promotion, _promotion, _interleave, _interleave,
    _double_buffer, _expand, _coalesce,
)  # fmt: skip
