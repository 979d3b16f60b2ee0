"""Runs passes: checks every level's rules in between, prints, measures.

A pipeline may cross levels: its conversions (`pom.passes.conversions`) are passes too. Programs of
levels 1 and 2 are immutable; a module of level 3 is copied once, and passes edit the copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

from pom.errors import InternalError, PomError
from pom.ir.graph import Kernel
from pom.ir.location import Location
from pom.ir.poly import PolyProgram
from pom.passes.base import Conversion, Level, Pass
from pom.passes.parse import parse_pipeline

if TYPE_CHECKING:
    from mlir.ir import Context, Module

Program = Any
"""`Kernel`, `PolyProgram` or an MLIR `Module` of level 3."""

Report = Callable[[str], None]

_TOP_OPERATION: dict[str, Level] = {
    "graph.kernel": "graph",
    "poly.program": "poly",
    "func.func": "affine",
}


@dataclass(frozen=True, slots=True)
class PassTiming:
    """How long a pass ran, its verification apart."""

    name: str
    seconds: float
    verify_seconds: float


class PassManager:
    """A checked sequence of passes.

    Parameters
    ----------
    passes : sequence of Pass
        Each on the level that the one before it leaves.
    print_after : callable, optional
        Gets the text of the program after each pass.
    clock : callable
        Seconds.

    Attributes
    ----------
    timings : list of PassTiming
        Of the last run.

    Raises
    ------
    PomError
        POM-U007: a pass does not work on the level that it would get.
    """

    def __init__(
        self,
        passes: Sequence[Pass],
        print_after: Report | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.passes = tuple(passes)
        self.print_after = print_after
        self.clock = clock
        self.timings: list[PassTiming] = []
        if self.passes:
            self._check_levels(self.passes[0].level)

    def run(self, program: Program) -> Program:
        """The program after every pass; `program` itself is not changed.

        Raises
        ------
        PomError
            The program breaks a rule of its level, or a pass refuses it.
        InternalError
            A pass made a program that breaks a rule.
        """
        self._check_levels(level_of(program))
        self.timings = []
        verify(program)
        if any(p.level == "affine" and not isinstance(p, Conversion) for p in self.passes):
            program = _copy(program)
        for one in self.passes:
            start = self.clock()
            try:
                program = _apply(one, program)
            except PomError as error:
                note = f"in the pass {pass_text(one)}"
                raise PomError(
                    error.code, error.summary, error.location, error.hint, (*error.notes, note)
                ) from error
            ran = self.clock()
            try:
                verify(program)
            except PomError as error:
                raise InternalError(
                    f"the pass {pass_text(one)} broke the program: {error}"
                ) from error
            self.timings.append(PassTiming(one.name, ran - start, self.clock() - ran))
            if self.print_after is not None:
                self.print_after(f"// after {pass_text(one)}\n{to_text(program)}")
        return program

    def timing_table(self) -> str:
        """The timings as a table, milliseconds."""
        width = max((len(t.name) for t in self.timings), default=4)
        lines = [f"{'pass':{width}}  run ms  verify ms"]
        lines += [
            f"{t.name:{width}}  {1e3 * t.seconds:6.2f}  {1e3 * t.verify_seconds:9.2f}"
            for t in self.timings
        ]
        return "\n".join(lines)

    def _check_levels(self, level: Level) -> None:
        for one in self.passes:
            if one.level != level:
                raise PomError(
                    "POM-U007",
                    f"{one.name} works on the {one.level} level and would get the {level} level",
                    hint=_bridge(level, one.level),
                )
            if isinstance(one, Conversion):
                level = one.output_level


def _bridge(have: Level, want: Level) -> str:
    match have, want:
        case "graph", "poly":
            return "put graph-to-poly before it"
        case "poly", "affine":
            return "put poly-to-affine before it"
        case "graph", "affine":
            return "put graph-to-poly,poly-to-affine before it"
    return "there is no way back up: put the pass before the conversion"


def _apply(one: Pass, program: Program) -> Program:
    result = cast(Any, one).run(program)
    return program if result is None else result


def _copy(program: Program) -> Program:
    if isinstance(program, (Kernel, PolyProgram)):
        return program
    return parse(program.operation.get_asm(enable_debug_info=True), program.context)


def pass_text(one: Pass) -> str:
    """A pass as a pipeline writes it, read back by `pom.passes.parse`."""
    options = []
    for field in fields(cast(Any, one)):
        value = getattr(one, field.name)
        if field.init and value != field.default:
            options.append(f"{field.name}={_option_text(value)}")
    return f"{one.name}{{{' '.join(options)}}}" if options else one.name


def _option_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(_option_text(v) for v in value)
        case None:
            return "none"
    text = str(value)
    return f'"{text}"' if text == "" or set(text) & set(" {}\t\n") else text


def level_of(program: Program) -> Level:
    """The level of a program."""
    match program:
        case Kernel():
            return "graph"
        case PolyProgram():
            return "poly"
    return "affine"


def verify(program: Program) -> None:
    """Check the rules of the program's level."""
    from pom.dialects import graph, hls, poly

    match program:
        case Kernel():
            graph.verify(program)
        case PolyProgram():
            from pom.passes.verify_poly import verify_instances

            poly.verify(program)
            verify_instances(program)
        case _:
            hls.verify_affine(program)


def to_text(program: Program) -> str:
    """A program of any level as MLIR text."""
    from pom.dialects import graph, poly

    match program:
        case Kernel():
            return str(graph.to_mlir(program))
        case PolyProgram():
            return str(poly.to_mlir(program))
    return str(program)


def parse(text: str, context: Context) -> Module:
    """The module of `text`; POM-U008 where MLIR does not take it."""
    from mlir.ir import MLIRError, Module

    from pom.dialects.locations import from_mlir_location

    try:
        return Module.parse(text, context)
    except MLIRError as error:
        found = error.error_diagnostics
        place = from_mlir_location(found[0].location) if found else None
        summary = found[0].message if found else "MLIR does not take the text"
        notes = tuple(d.message for d in found[1:4])
        raise PomError("POM-U008", summary, place, notes=notes) from error


def from_text(text: str, context: Context) -> Program:
    """The program of any level that `text` holds.

    Raises
    ------
    PomError
        POM-U008: not MLIR. POM-U009: not a program of POM. Or what the level's reader refuses.
    """
    from pom.dialects import graph, poly

    module = parse(text, context)
    names = {op.operation.name for op in module.body.operations}
    levels = {_TOP_OPERATION.get(name) for name in names}
    if len(levels) != 1 or None in levels:
        listed = ", ".join(sorted(names)) or "nothing"
        raise PomError(
            "POM-U009",
            f"the module is of none of the three levels: it holds {listed}",
            hint=f"a module holds operations of one kind: {', '.join(_TOP_OPERATION)}",
        )
    match levels.pop():
        case "graph":
            return graph.from_mlir(module)
        case "poly":
            return poly.from_mlir(module)
    return module


def run_text_here(
    text: str,
    pipeline: str,
    file: str = "-",
    print_after: Report | None = None,
    report_timing: Report | None = None,
    on_parsed: Callable[[], None] = lambda: None,
) -> str:
    """`run_text` in this process, which MLIR can abort on text that it was not made for."""
    from pom.dialects.context import new_context

    manager = PassManager(parse_pipeline(pipeline), print_after)
    try:
        program = from_text(text, new_context())
        on_parsed()
        result = manager.run(program)
    except PomError as error:
        raise _in_file(error, file) from error
    if report_timing is not None:
        report_timing(manager.timing_table())
    return to_text(result)


def _in_file(error: PomError, file: str) -> PomError:
    # MLIR calls text without a file "-".
    if error.location is None or error.location.file != "-":
        return error
    place: Location = replace(error.location, file=file)
    return PomError(error.code, error.summary, place, error.hint, error.notes)


def run_text(
    text: str,
    pipeline: str,
    file: str = "-",
    print_after: Report | None = None,
    report_timing: Report | None = None,
    timeout_s: float = 600.0,
) -> str:
    """Run a pipeline over MLIR text of any level, in a worker process.

    Parameters
    ----------
    text : str
        A module of level 1, 2 or 3.
    pipeline : str
        As `pom.passes.parse` reads it; empty verifies and prints.
    file : str
        Name of the text in errors.
    print_after : callable, optional
        Gets the text after each pass.
    report_timing : callable, optional
        Gets a table of times.
    timeout_s : float
        The worker is stopped then (POM-U011).

    Returns
    -------
    str
        The resulting module.
    """
    from pom.passes.sandbox import run_in_worker

    parse_pipeline(pipeline)
    return run_in_worker(text, pipeline, file, print_after, report_timing, timeout_s)
