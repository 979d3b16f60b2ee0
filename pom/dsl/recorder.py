"""The state of a recording: names, open loops and guards, statements so far."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from pom.dsl.locate import user_location
from pom.dsl.names import check_name
from pom.dsl.values import LoopVariable, Origin, Read, Value
from pom.errors import PomError
from pom.ir.affine import Constraint
from pom.ir.expr import Access, Expr
from pom.ir.graph import Array, Assign, Call, For, Kernel, Node, Scalar, When
from pom.ir.location import Location

_current: ContextVar[Recorder | None] = ContextVar("pom_recorder", default=None)


MAX_LOOPS = 16
"""Nesting of loops that every later stage handles."""


@dataclass(eq=False, slots=True)
class Scope:
    """An open loop (with a variable), an open guard (with constraints), or the whole kernel.

    The loops of `pom.compute` evaluate a formula at each point: what it reads is not hoisted.
    """

    moment: int
    location: Location | None
    variable: LoopVariable | None = None
    constraints: tuple[Constraint, ...] = ()
    is_formula: bool = False
    children: list[Node] = field(default_factory=list)
    hoisted: dict[str, Location | None] = field(default_factory=dict)

    def close(self) -> Node | None:
        """The finished node; None for one without statements, which does nothing."""
        body = tuple(self.children)
        if not body:
            return None
        if self.variable is None:
            return When(self.constraints, body, self.location)
        v = self.variable
        return For(v.name, v.name, v.lowers, v.uppers, body, v.step, self.location)


class Recorder:
    """Collects one kernel.

    Parameters
    ----------
    name : str
        The kernel's name.
    location : Location, optional
        Its ``def``.
    """

    def __init__(self, name: str, location: Location | None) -> None:
        self.name = check_name(name, "a kernel", location)
        self.location = location
        self.params: list[Scalar | Array] = []
        self.locals: list[Array] = []
        self.callees: dict[str, Kernel] = {}
        self.scopes = [Scope(0, location)]
        self.moment = 0
        self.left_early: LoopVariable | None = None
        self.is_finished = False
        self.declared: dict[str, tuple[str, Location | None]] = {name: ("the kernel", location)}
        self._loop_names: dict[str, Location | None] = {}
        self._written: dict[str, int] = {}
        self._automatic = 0

    def declare(self, name: object, what: str, location: Location | None) -> str:
        """Reserve `name` for an array, an argument or a statement."""
        checked = check_name(name, what, location)
        taken = self.declared.get(checked)
        if taken is None and checked in self._loop_names:
            taken = ("a loop", self._loop_names[checked])
        if taken is not None:
            raise PomError(
                "POM-D013" if what == taken[0] == "a statement" else "POM-D012",
                f"{what} cannot be called {checked!r}: that is the name of {taken[0]}",
                location,
                f"call it for example {self.fresh(checked)!r}",
                _first_at(taken[1]),
            )
        self.declared[checked] = (what, location)
        return checked

    def is_taken(self, name: str) -> bool:
        """Whether an array, an argument, a statement, a loop or the kernel has this name."""
        return name in self.declared or name in self._loop_names

    def fresh(self, stem: str) -> str:
        """`stem`, or `stem` with the first number that makes it free."""
        name, number = stem, 0
        while self.is_taken(name):
            number += 1
            name = f"{stem}_{number}" if stem[-1].isdigit() else f"{stem}{number}"
        return name

    def statement_name(self, name: object, location: Location | None) -> str:
        """The name of a new statement; ``S0``, ``S1`` … where the user gives none."""
        if name is not None:
            return self.declare(name, "a statement", location)
        while self.is_taken(f"S{self._automatic}"):
            self._automatic += 1
        return self.declare(f"S{self._automatic}", "a statement", location)

    def declare_loop(self, name: object, location: Location | None) -> str:
        """Check the name of a new loop; loops side by side may share one."""
        checked = check_name(name, "a loop", location)
        if checked in self.declared:
            what, first = self.declared[checked]
            raise PomError(
                "POM-D012",
                f"a loop cannot be called {checked!r}: that is the name of {what}",
                location,
                f"call it for example {self.fresh(checked)!r}",
                _first_at(first),
            )
        self._loop_names.setdefault(checked, location)
        return checked

    @property
    def open_variables(self) -> list[LoopVariable]:
        """Variables of the loops around, outermost first."""
        return [s.variable for s in self.scopes if s.variable is not None]

    def check_running(self, location: Location | None) -> None:
        """Refuse to go on after a recorded loop was left early."""
        if self.left_early is not None:
            raise PomError(
                "POM-D028",
                f"loop {self.left_early.name!r} was left early, by break or return",
                self.left_early.location,
                "a recorded loop's body runs once and stands for every iteration: "
                "shorten the range, or guard with pom.when",
            )
        if self.is_finished:
            raise PomError(
                "POM-D025",
                f"kernel {self.name!r} is already finished",
                location,
                "use its values only while it is recorded",
            )

    def enter_loop(self, variable: LoopVariable) -> Scope:
        """Open a loop."""
        self.check_running(variable.location)
        for other in self.open_variables:
            if other.name == variable.name:
                raise PomError(
                    "POM-D012",
                    f"loop {variable.name!r} stands inside another loop {variable.name!r}",
                    variable.location,
                    f"call the inner one for example {self.fresh(variable.name)!r}",
                    _first_at(other.location),
                )
        if len(self.open_variables) >= MAX_LOOPS:
            raise PomError(
                "POM-D051",
                f"more than {MAX_LOOPS} loops inside each other",
                variable.location,
                "split the kernel",
            )
        self.check_use(variable.origin, "a loop bound", variable.location)
        self.moment += 1
        variable.is_open = True
        scope = Scope(self.moment, variable.location, variable)
        self.scopes.append(scope)
        return scope

    def enter_guard(self, constraints: tuple[Constraint, ...], location: Location | None) -> Scope:
        """Open a guard."""
        self.check_running(location)
        self.moment += 1
        scope = Scope(self.moment, location, constraints=constraints)
        self.scopes.append(scope)
        return scope

    def leave(self, scope: Scope) -> None:
        """Close `scope`, which is the innermost one."""
        if scope.variable is not None:
            scope.variable.is_open = False
        if self.scopes[-1] is not scope:
            self.left_early = self.left_early or self.scopes[-1].variable or scope.variable
            return
        self.scopes.pop()
        node = scope.close()
        if node is not None:
            self.scopes[-1].children.append(node)

    def check_use(self, origin: Origin, what: str, location: Location | None) -> None:
        """Refuse values of other kernels and variables of loops that are not around."""
        self.check_owner(origin, what, location)
        for variable in sorted(origin.variables, key=lambda v: v.name):
            if not variable.is_open:
                raise PomError(
                    "POM-D024",
                    f"{what} uses {variable.name!r} outside its loop",
                    location,
                    f"list {variable.name!r} among the variables of pom.compute, or use pom.loop"
                    if variable.is_free
                    else "keep a result of the loop in a local array: "
                    "t = pom.array('t', pom.f32); t[()] = …",
                    (f"the loop is at {variable.location}",) if variable.location else (),
                )

    def check_owner(self, origin: Origin, what: str, location: Location | None) -> None:
        """Refuse values of other kernels."""
        if origin.recorder is not None and origin.recorder is not self:
            raise PomError(
                "POM-D025",
                f"{what} uses a value of the kernel {origin.recorder.name!r} in {self.name!r}",
                location,
                "pass what a kernel needs as an argument",
            )

    def note_reads(self, origin: Origin, location: Location | None) -> None:
        """Refuse reads whose array has changed, or will, between the read and its use."""
        for read in sorted(origin.reads, key=lambda r: (r.moment, r.array)):
            if read.is_free:
                continue
            if self._written.get(read.array, -1) >= read.moment:
                raise _stale(read.array, read.location, location)
            for scope in self.scopes[1:]:
                if scope.variable is None or scope.is_formula:
                    continue
                if read.moment < scope.moment:
                    scope.hoisted.setdefault(read.array, read.location)

    def note_write(self, array: str, location: Location | None) -> None:
        """Refuse a write that would change a value that was read before an open loop."""
        self.moment += 1
        for scope in self.scopes:
            if array in scope.hoisted:
                raise _stale(array, scope.hoisted[array], location)
        self._written[array] = self.moment

    def read(self, array: str, free: bool, location: Location | None) -> Read:
        """A read of `array` now."""
        self.moment += 1
        return Read(array, self.moment, location, free)

    def assign(
        self, name: object, target: Access, targets: Origin, value: Value, location: Location | None
    ) -> None:
        """Record ``target = value``; the types agree already."""
        self.check_running(location)
        self.check_use(targets, "the target", location)
        self.check_use(value.origin, "the statement", location)
        self.note_reads(targets | value.origin, location)
        self.note_write(target.array, location)
        statement = self.statement_name(name, location)
        self.scopes[-1].children.append(Assign(statement, target, value.expr, location))

    def add_call(
        self,
        name: str,
        callee: Kernel,
        arguments: tuple[str | Expr, ...],
        location: Location | None,
    ) -> None:
        """Record a call that is kept."""
        for inner in (*callee.callees, callee):
            self.add_callee(inner, location)
        self.scopes[-1].children.append(Call(name, callee.name, arguments, location))

    def add_callee(self, callee: Kernel, location: Location | None) -> None:
        """Note a kernel that stays a function; one name stands for one kernel."""
        known = self.callees.setdefault(callee.name, callee)
        if known is not callee and known != callee:
            raise PomError(
                "POM-D065",
                f"two different kernels are called {callee.name!r}",
                location,
                "give one of them another name: @pom.kernel(name=…)",
            )

    def finish(self) -> Kernel:
        """The recorded kernel."""
        if len(self.scopes) > 1 and self.left_early is None:
            self.left_early = next(
                (s.variable for s in self.scopes if s.variable is not None), None
            )
        self.check_running(self.location)
        self.is_finished = True
        body = tuple(self.scopes[0].children)
        if not body:
            raise PomError(
                "POM-D060",
                f"kernel {self.name!r} has no statements",
                self.location,
                "assign to an array: A[i] = …, or call pom.compute",
            )
        return Kernel(
            self.name,
            tuple(self.params),
            tuple(self.locals),
            body,
            tuple(self.callees.values()),
            self.location,
        )


def _first_at(location: Location | None) -> tuple[str, ...]:
    return (f"the other one is at {location}",) if location is not None else ()


def _stale(array: str, read: Location | None, location: Location | None) -> PomError:
    return PomError(
        "POM-D026",
        f"{array!r} changes between the place where it is read and the use of what was read",
        location,
        "read it where it is used, or keep the old value in a local: "
        "t = pom.array('t', pom.f32); t[()] = …",
        (f"it is read at {read}",) if read is not None else (),
    )


def current(what: str) -> Recorder:
    """The recorder of the running kernel.

    Raises
    ------
    PomError
        `what` is used outside a kernel.
    """
    recorder = _current.get()
    location = user_location()
    if recorder is None:
        raise PomError(
            "POM-D001",
            f"{what} is used outside a kernel",
            location,
            "call it in a function decorated with @pom.kernel",
        )
    recorder.check_running(location)
    return recorder


def is_recording() -> bool:
    """Whether a kernel is being recorded."""
    return _current.get() is not None
