"""What a schedule's user holds: a statement, a loop, an array. Methods record primitives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from pom.errors import PomError
from pom.passes.base import PolyPass
from pom.passes.poly_after import After
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_bind_storage import BindStorage
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_buffer_reads import BufferReads
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_double_buffer import DoubleBuffer
from pom.passes.poly_expand import Expand
from pom.passes.poly_flatten import Flatten
from pom.passes.poly_guard import Guard
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_peel import Peel
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_reshape import Reshape
from pom.passes.poly_reuse_at import ReuseAt
from pom.passes.poly_reverse import Reverse
from pom.passes.poly_scalar_promotion import ScalarPromotion
from pom.passes.poly_shift import Shift
from pom.passes.poly_skew import Skew
from pom.passes.poly_split import Split
from pom.passes.poly_stream import Stream
from pom.passes.poly_tile import Tile
from pom.passes.poly_unite import Unite
from pom.passes.poly_unroll import Unroll

if TYPE_CHECKING:
    from pom.schedule import Schedule


def _refuse_tile(
    given: tuple[str | int, ...], sorted_: tuple[str | int, ...], fast_math: bool
) -> PolyPass:
    """Raise: the arguments of `tile` are not loops and then as many sizes."""
    is_swapped = sum(isinstance(a, str) for a in given) * 2 == len(given)
    call = sorted_ if is_swapped and given else ("i", "j", 4, 4)
    raise PomError(
        "POM-S007",
        f"tile takes loops, then one size for each, not {', '.join(map(repr, given))}",
        hint=f"{'write' if is_swapped else 'for example'} tile({', '.join(map(repr, call))})",
    )


class StatementHandle:
    """A statement of a schedule, and the loops around it. Every method returns the handle."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self._schedule = schedule
        self.name = name

    def _record(self, make: Callable[[bool], PolyPass]) -> Self:
        self._schedule.record(make)
        return self

    @property
    def loops(self) -> tuple[str, ...]:
        """The names of the loops around the statement, outermost first."""
        return tuple(n.name for n in self._schedule.program.loops(self.name))

    def split(
        self,
        loop: str,
        factor: int,
        names: tuple[str, ...] = (),
        remainder: str = "isolate",
    ) -> Self:
        """See `pom.passes.poly_split.Split`."""
        return self._record(
            lambda _: Split(self.name, loop, factor, tuple(names), remainder)  # type: ignore[arg-type]
        )

    def tile(self, *loops_and_sizes: str | int, remainder: str = "isolate") -> Self:
        """See `pom.passes.poly_tile.Tile`; loops first, then as many sizes."""
        loops = tuple(a for a in loops_and_sizes if isinstance(a, str))
        sizes = tuple(a for a in loops_and_sizes if not isinstance(a, str))
        if loops_and_sizes != (*loops, *sizes) or len(loops) != len(sizes):
            self._record(partial(_refuse_tile, loops_and_sizes, (*loops, *sizes)))
        return self._record(
            lambda fast: Tile(self.name, loops, sizes, remainder, fast)  # type: ignore[arg-type]
        )

    def interchange(self, first: str, second: str) -> Self:
        """See `pom.passes.poly_interchange.Interchange`."""
        return self._record(lambda fast: Interchange(self.name, first, second, fast))

    def reorder(self, *order: str) -> Self:
        """See `pom.passes.poly_reorder.Reorder`."""
        return self._record(lambda fast: Reorder(self.name, order, fast))

    def skew(self, outer: str, inner: str, factor: int = 1) -> Self:
        """See `pom.passes.poly_skew.Skew`."""
        return self._record(lambda _: Skew(self.name, outer, inner, factor))

    def shift(self, loop: str, amount: int) -> Self:
        """See `pom.passes.poly_shift.Shift`."""
        return self._record(lambda fast: Shift(self.name, loop, amount, fast))

    def reverse(self, loop: str) -> Self:
        """See `pom.passes.poly_reverse.Reverse`."""
        return self._record(lambda fast: Reverse(self.name, loop, fast))

    def after(self, other: str, loop: str = "") -> Self:
        """See `pom.passes.poly_after.After`."""
        return self._record(lambda fast: After(self.name, other, loop, fast))

    def fuse(self, other: str, loop: str) -> Self:
        """The same as `after`: share the loops of `other` down to `loop`."""
        return self.after(other, loop)

    def distribute(self, loop: str) -> Self:
        """See `pom.passes.poly_distribute.Distribute`."""
        return self._record(lambda fast: Distribute(self.name, loop, fast))

    def peel(self, loop: str, at: int, rest: str = "", of: str = "") -> Self:
        """See `pom.passes.poly_peel.Peel`."""
        return self._record(lambda _: Peel(self.name, loop, at, rest, of))

    def unite(self, other: str) -> Self:
        """See `pom.passes.poly_unite.Unite`."""
        return self._record(lambda _: Unite(self.name, other))

    def unroll(self, loop: str, factor: int = 0) -> Self:
        """See `pom.passes.poly_unroll.Unroll`."""
        return self._record(lambda _: Unroll(self.name, loop, factor))

    def pipeline(self, loop: str, ii: int = 1) -> Self:
        """See `pom.passes.poly_pipeline.Pipeline`."""
        return self._record(lambda _: Pipeline(self.name, loop, ii))

    def flatten(self, loop: str, enabled: bool = True) -> Self:
        """See `pom.passes.poly_flatten.Flatten`."""
        return self._record(lambda _: Flatten(self.name, loop, enabled))

    def guard(self, loop: str, enabled: bool = True) -> Self:
        """See `pom.passes.poly_guard.Guard`."""
        return self._record(lambda _: Guard(self.name, loop, enabled))

    def dataflow(self, loop: str) -> Self:
        """See `pom.passes.poly_dataflow.Dataflow`."""
        return self._record(lambda _: Dataflow(self.name, loop))

    def buffer_at(self, array: str, loop: str = "", buffer: str = "") -> Self:
        """See `pom.passes.poly_buffer_at.BufferAt`."""
        return self._record(lambda _: BufferAt(self.name, array, loop, buffer))

    def buffer_reads(
        self, array: str, loop: str = "", read: int = 0, buffer: str = "", is_box: bool = False
    ) -> Self:
        """See `pom.passes.poly_buffer_reads.BufferReads`."""
        return self._record(lambda _: BufferReads(self.name, array, loop, read, buffer, is_box))

    def coalesce(self, array: str) -> Self:
        """See `pom.passes.poly_coalesce.Coalesce`."""
        return self._record(lambda _: Coalesce(self.name, array))

    def expand(self, array: str, loop: str, expanded: str = "") -> Self:
        """See `pom.passes.poly_expand.Expand`."""
        return self._record(lambda _: Expand(self.name, array, loop, expanded))

    def reuse_at(self, array: str, loop: str, addressing: str = "shift", buffer: str = "") -> Self:
        """See `pom.passes.poly_reuse_at.ReuseAt`."""
        return self._record(
            lambda _: ReuseAt(self.name, array, loop, addressing, buffer)  # type: ignore[arg-type]
        )

    def double_buffer(self, array: str, loop: str) -> Self:
        """See `pom.passes.poly_double_buffer.DoubleBuffer`."""
        return self._record(lambda _: DoubleBuffer(self.name, array, loop))

    def scalar_promotion(self, array: str, loop: str, scalar: str = "") -> Self:
        """See `pom.passes.poly_scalar_promotion.ScalarPromotion`."""
        return self._record(lambda _: ScalarPromotion(self.name, array, loop, scalar))

    def interleave_reduction(
        self, loop: str, factor: int, tree: bool = False, partial: str = ""
    ) -> Self:
        """See `pom.passes.poly_reduction.InterleaveReduction`."""
        return self._record(
            lambda fast: InterleaveReduction(self.name, loop, factor, tree, partial, fast)
        )

    def bind_op(self, op: str, impl: str, latency: int = 0) -> Self:
        """See `pom.passes.poly_bind_op.BindOp`."""
        return self._record(lambda _: BindOp(self.name, op, impl, latency))

    def __repr__(self) -> str:
        return f"<statement {self.name} in {' '.join(self.loops)}>"


class LoopHandle:
    """A loop whose name is unique in the program. Every method returns the handle.

    Once a loop is split, its name is gone: take a new handle for the loops that replace it.
    """

    def __init__(self, schedule: Schedule, name: str, statement: str) -> None:
        self._statement = StatementHandle(schedule, statement)
        self.name = name

    def split(self, factor: int, names: tuple[str, ...] = (), remainder: str = "isolate") -> Self:
        """See `pom.passes.poly_split.Split`."""
        self._statement.split(self.name, factor, names, remainder)
        return self

    def reverse(self) -> Self:
        """See `pom.passes.poly_reverse.Reverse`."""
        self._statement.reverse(self.name)
        return self

    def interchange(self, other: str) -> Self:
        """See `pom.passes.poly_interchange.Interchange`."""
        self._statement.interchange(self.name, other)
        return self

    def unroll(self, factor: int = 0) -> Self:
        """See `pom.passes.poly_unroll.Unroll`."""
        self._statement.unroll(self.name, factor)
        return self

    def pipeline(self, ii: int = 1) -> Self:
        """See `pom.passes.poly_pipeline.Pipeline`."""
        self._statement.pipeline(self.name, ii)
        return self

    def flatten(self, enabled: bool = True) -> Self:
        """See `pom.passes.poly_flatten.Flatten`."""
        self._statement.flatten(self.name, enabled)
        return self

    def guard(self, enabled: bool = True) -> Self:
        """See `pom.passes.poly_guard.Guard`."""
        self._statement.guard(self.name, enabled)
        return self

    def dataflow(self) -> Self:
        """See `pom.passes.poly_dataflow.Dataflow`."""
        self._statement.dataflow(self.name)
        return self

    def __repr__(self) -> str:
        return f"<loop {self.name}>"


class ArrayHandle:
    """An array of a schedule. Every method returns the handle."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self._schedule = schedule
        self.name = name

    def _record(self, primitive: PolyPass) -> Self:
        self._schedule.record(lambda _: primitive)
        return self

    def partition(self, dim: int = 1, kind: str = "cyclic", factor: int = 0) -> Self:
        """See `pom.passes.poly_partition.PartitionArray`."""
        return self._record(PartitionArray(self.name, dim, kind, factor))  # type: ignore[arg-type]

    def reshape(self, dim: int = 1, kind: str = "cyclic", factor: int = 0) -> Self:
        """See `pom.passes.poly_reshape.Reshape`."""
        return self._record(Reshape(self.name, dim, kind, factor))  # type: ignore[arg-type]

    def bind_storage(self, type: str = "ram_2p", impl: str = "auto", latency: int = 0) -> Self:
        """See `pom.passes.poly_bind_storage.BindStorage`."""
        return self._record(BindStorage(self.name, type, impl, latency))

    def interface(self, mode: str, **options: str | int) -> Self:
        """See `pom.passes.poly_interface.Interface`."""
        pairs = tuple(sorted(f"{k}={v}" for k, v in options.items()))
        return self._record(Interface(self.name, mode, pairs))

    def stream(self, depth: int = 2) -> Self:
        """See `pom.passes.poly_stream.Stream`."""
        return self._record(Stream(self.name, depth))

    def __repr__(self) -> str:
        return f"<array {self.name}>"


def loop_handle(schedule: Schedule, name: str) -> LoopHandle:
    """The handle of the only loop called `name`.

    Raises
    ------
    PomError
        POM-S003 where there is none, or several.
    """
    from pom.ir.poly import walk_loops

    loops = list(walk_loops(schedule.program.schedule))
    found = [n for n in loops if n.name == name]
    if len(found) == 1:
        return LoopHandle(schedule, name, found[0].statements[0])
    if found:
        first = found[0].statements[0]
        raise PomError(
            "POM-S003",
            f"{len(found)} loops are called {name!r}",
            hint=f"name a statement inside the one that you mean: s[{first!r}]",
        )
    known = ", ".join(dict.fromkeys(repr(n.name) for n in loops))
    raise PomError("POM-S003", f"there is no loop {name!r}", hint=f"the loops are {known}")
