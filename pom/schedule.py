"""Schedules: how a kernel's statement instances are ordered and built, as a value.

    s = pom.schedule(gemm)
    s["mac"].reorder("k", "i", "j").tile("i", "j", 4, 4).pipeline("j0", ii=1)
    s.array("C").partition(dim=1, kind="cyclic", factor=4)

A schedule is a kernel and the primitives recorded so far. Each primitive is a pass of
`pom.passes`, checked when it is recorded; one that is refused leaves the schedule as it was. The
kernel itself never changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pom.dsl.locate import traceback_location, user_location
from pom.dsl.names import did_you_mean
from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.conflicts import conflicts
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.legality import illegal_dependences
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_inline import Inline
from pom.passes.poly_interface import Interface
from pom.passes.reductions import reductions, relaxed_statements
from pom.passes.schedule_tree import require_statement
from pom.schedule_handles import ArrayHandle, LoopHandle, StatementHandle, loop_handle

if TYPE_CHECKING:
    from pom.api import Design
    from pom.devices import Device
    from pom.dsl.kernel import KernelFunction


class Schedule:
    """A kernel and recorded primitives.

    Parameters
    ----------
    kernel : KernelFunction or Kernel
    fast_math : bool
        Floating-point reductions may be reassociated, which changes their rounding. Applies to the
        primitives recorded after it is set.

    Attributes
    ----------
    kernel : pom.ir.graph.Kernel
    primitives : tuple of PolyPass
        What was recorded, in order.
    program : PolyProgram
        The transformed program.
    unscheduled : PolyProgram
        The program in the order in which the kernel was written.
    """

    def __init__(self, kernel: KernelFunction | Kernel, fast_math: bool = False) -> None:
        self.kernel: Kernel = kernel if isinstance(kernel, Kernel) else kernel.graph
        self.fast_math = fast_math
        self.unscheduled: PolyProgram = graph_to_poly(self.kernel)
        self.program = self.unscheduled
        self.primitives: tuple[PolyPass, ...] = ()
        self._anchor = self.unscheduled
        self._is_exact_before_anchor = True

    def record(self, make: Callable[[bool], PolyPass]) -> Schedule:
        """Apply and record the primitive that `make` gives for the schedule's ``fast_math``.

        Raises
        ------
        PomError
            The primitive is refused; located at the user's line.
        """
        try:
            return self.apply(make(self.fast_math))
        except PomError as error:
            raise _at_call(error) from None

    def apply(self, *primitives: PolyPass) -> Schedule:
        """Apply and record passes of level 2, all or none."""
        result = self.copy()
        for primitive in primitives:
            result._run(primitive)
        self.__dict__.update(result.__dict__)
        return self

    def _run(self, primitive: PolyPass) -> None:
        program = primitive.run(self.program)
        if program.statements != self.program.statements:
            # Its own check compared the values; what follows is compared with its result.
            self._is_exact_before_anchor = self.is_exact and not self._reassociates(primitive)
            self._anchor = program
        self.program = program
        self.primitives = (*self.primitives, primitive)

    def _reassociates(self, primitive: PolyPass) -> bool:
        """Whether a primitive that changes statements made use of ``fast_math``."""
        if not getattr(primitive, "fast_math", False):
            return False
        reduction = reductions(self.program).get(getattr(primitive, "statement", ""))
        return reduction is None or not reduction.is_exact

    def copy(self) -> Schedule:
        """A schedule with the same primitives that can go its own way."""
        result = object.__new__(Schedule)
        result.__dict__.update(self.__dict__)
        return result

    def __getitem__(self, statement: str) -> StatementHandle:
        """The handle of a statement."""
        try:
            require_statement(self.program, statement)
        except PomError as error:
            raise error.at(user_location()) from None
        return StatementHandle(self, statement)

    def loop(self, name: str) -> LoopHandle:
        """The handle of a loop whose name is unique in the program."""
        try:
            return loop_handle(self, name)
        except PomError as error:
            raise error.at(user_location()) from None

    def array(self, name: str) -> ArrayHandle:
        """The handle of an array."""
        from pom.passes.array_directives import require_array

        try:
            require_array(self.program, name)
        except PomError as error:
            raise error.at(user_location()) from None
        return ArrayHandle(self, name)

    def dataflow(self) -> Schedule:
        """See `pom.passes.poly_dataflow.Dataflow`."""
        return self.record(lambda _: Dataflow())

    def inline(self, enabled: bool = True) -> Schedule:
        """See `pom.passes.poly_inline.Inline`."""
        return self.record(lambda _: Inline(enabled))

    def auto_schedule(
        self,
        algorithm: Literal["pluto", "feautrier"] = "pluto",
        fuse: bool = False,
        wavefront: bool = False,
        local: bool = True,
    ) -> Schedule:
        """See `pom.passes.poly_auto_schedule.AutoSchedule`."""
        from pom.passes.poly_auto_schedule import AutoSchedule

        return self.record(lambda fast: AutoSchedule(algorithm, fuse, wavefront, fast, local))

    def dependence_aware(self, fuse: bool = True, skew: bool = True) -> Schedule:
        """Record the primitives of `pom.passes.poly_dependence_aware.DependenceAware`."""
        from pom.passes.poly_dependence_aware import DependenceAware

        transformation = DependenceAware(fuse, skew, self.fast_math)
        return self.apply(*transformation.primitives(self.program))

    def distribute_all(self) -> Schedule:
        """See `pom.passes.poly_distribute_all.DistributeAll`."""
        from pom.passes.poly_distribute_all import DistributeAll

        return self.record(DistributeAll)

    @property
    def statements(self) -> tuple[str, ...]:
        """The names of the statements, in the order of the kernel."""
        return tuple(s.name for s in self.program.statements)

    @property
    def keeps_order(self) -> bool:
        """Whether every dependence, those within reductions included, keeps its order."""
        return self._is_exact_before_anchor and self._keeps(frozenset())

    @property
    def is_exact(self) -> bool:
        """Whether the result is the reference's to the last bit, floats included.

        Reductions whose arithmetic is exact may have been reordered.
        """
        relaxed = relaxed_statements(self._anchor)
        return self._is_exact_before_anchor and self._keeps(relaxed)

    def _keeps(self, relaxed: frozenset[str]) -> bool:
        return not illegal_dependences(self.program, conflicts(self._anchor, relaxed))

    @property
    def reference_program(self) -> PolyProgram:
        """The program whose dependences the lowered code must keep.

        The kernel as it was written, after the primitives that change statements; or, where a
        reduction was reordered on purpose, the scheduled program.
        """
        return self._anchor if self._keeps(frozenset()) else self.program

    def as_python(self) -> str:
        """Source of a function ``schedule(s)`` that makes an equal schedule.

        `load_schedule` reads it back, and so does the command line's ``--schedule``.
        """
        lines = ["def schedule(s):"]
        fast = False
        for primitive in self.primitives:
            wanted = bool(getattr(primitive, "fast_math", fast))
            if wanted != fast:
                lines.append(f"    s.fast_math = {wanted}")
                fast = wanted
            lines.append(f"    {python_call(primitive)}")
        if fast != self.fast_math:
            lines.append(f"    s.fast_math = {self.fast_math}")
        if len(lines) == 1:
            lines.append("    pass")
        return "\n".join(lines) + "\n"

    def build(self, target: str | Device = "xczu9eg", clock_ns: float | None = None) -> Design:
        """See `pom.api.build`."""
        from pom.api import build

        return build(self, target, clock_ns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.kernel, self.primitives) == (other.kernel, other.primitives)

    def __hash__(self) -> int:
        return hash((self.kernel, self.primitives))

    def __repr__(self) -> str:
        return f"<schedule of {self.kernel.name}, {len(self.primitives)} primitives>"


def _at_call(error: PomError) -> PomError:
    """`error` at the user's call of a primitive; what it is about in the kernel becomes a note."""
    here = user_location()
    if here is None or error.location is None or error.location == here:
        return error.at(here)
    notes = (*error.notes, f"this is about {error.location}")
    return type(error)(error.code, error.summary, here, error.hint, notes)


def python_call(primitive: PolyPass) -> str:
    """The call on a schedule `s` that records `primitive`.

    The fields of a primitive are the arguments of its method: `statement`, or else `array`, chooses
    the handle, required fields are positional (tuples spread out), the others are named unless they
    go without saying.
    """
    handle = "s"
    positional: list[str] = []
    named: list[str] = []
    for item in fields(primitive):  # type: ignore[arg-type]  # every pass is a dataclass
        value: Any = getattr(primitive, item.name)
        if item.name == "statement":
            handle = f"s[{_literal(value)}]" if value else "s"
        elif item.name == "array" and handle == "s":
            handle = f"s.array({_literal(value)})"
        elif item.name == "fast_math":
            continue
        elif item.default is MISSING:
            positional += map(_literal, value if isinstance(value, tuple) else (value,))
        elif value == item.default and (not value or item.name in ("remainder", "enabled")):
            continue
        elif isinstance(primitive, Interface) and item.name == "options":
            pairs = (text.partition("=") for text in value)
            named += [f"{k}={v if v.isdigit() else _literal(v)}" for k, _, v in pairs]
        else:
            named.append(f"{item.name}={_literal(value)}")
    method = primitive.name.removeprefix("poly-").replace("-", "_")
    return f"{handle}.{method}({', '.join([*positional, *named])})"


def _literal(value: object) -> str:
    """Python source of a string, number, truth value or tuple of them, in double quotes."""
    if isinstance(value, tuple):
        inside = ", ".join(map(_literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


_HANDLES = (Schedule, StatementHandle, LoopHandle, ArrayHandle)


def schedule(kernel: KernelFunction | Kernel, fast_math: bool = False) -> Schedule:
    """A schedule of `kernel` without primitives; see `Schedule`."""
    return Schedule(kernel, fast_math)


def load_schedule(path: str | Path, kernel: KernelFunction | Kernel) -> Schedule:
    """The schedule that a Python file describes.

    Parameters
    ----------
    path : str or Path
        Defines a function ``schedule(s)``, or works on the name ``s`` at module level.
    kernel : KernelFunction or Kernel

    Raises
    ------
    PomError
        POM-D07x where the file cannot be run, POM-S040 where it schedules nothing or its function
        raises, and what the primitives raise.
    """
    from pom.dsl.load import load_module

    result = Schedule(kernel)
    try:
        module = load_module(Path(path), {"s": result})
    except PomError as error:
        hint = error.hint or _misspelt(error.__cause__)
        raise PomError(error.code, error.summary, error.location, hint, error.notes) from error
    function = vars(module).get("schedule")
    if callable(function) and not isinstance(function, ModuleType) and function is not schedule:
        try:
            function(result)
        except PomError:
            raise
        except Exception as error:
            # The file is the user's code: whatever it raises is reported at its line.
            raise PomError(
                "POM-S040",
                f"schedule(s) of {Path(path).name} raised {type(error).__name__}: {error}",
                traceback_location(error.__traceback__, str(path)),
                _misspelt(error),
            ) from error
    elif not result.primitives:
        raise PomError(
            "POM-S040",
            f"{Path(path).name} neither defines schedule(s) nor uses s",
            hint="define a function schedule(s) that calls primitives on s",
        )
    return result


def _misspelt(error: BaseException | None) -> str | None:
    """The primitive that was meant, where `error` is about one that a handle does not have."""
    if not isinstance(error, AttributeError) or not isinstance(error.obj, _HANDLES):
        return None
    known = [name for name in dir(error.obj) if not name.startswith("_")]
    return did_you_mean(str(error.name), known) or f"it has {', '.join(known)}"


class _CallableModule(ModuleType):
    """Lets ``pom.schedule(kernel)`` work although ``pom.schedule`` is this module too."""

    def __call__(self, kernel: KernelFunction | Kernel, fast_math: bool = False) -> Schedule:
        return schedule(kernel, fast_math)


sys.modules[__name__].__class__ = _CallableModule
