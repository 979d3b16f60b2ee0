"""The analytical model against measured designs: errors per kernel and overall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pom.errors import PomError
from pom.qor_model.defaults import operations
from pom.qor_model.instances import estimated_instances, measured_instances
from pom.qor_model.labels import (
    EVERY_DIM,
    METRICS,
    NO_DIM,
    Label,
    LabelFile,
    LabelKind,
)
from pom.qor_model.latency import LatencyModel
from pom.qor_model.leaf import all_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    INDEX,
    Block,
    Design,
    Function,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    Region,
)
from pom.qor_model.resources import ResourceModel
from pom.qor_model.resources_constants import load_constants
from pom.qor_model.schedule_result import DesignResult, LoopResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS, VIVADO_2018, ToolSettings

_EXACT = 0.5
_FIRST_VITIS_HLS = 2020
_FLATTENS_IMPERFECT = 2023


class DesignSource(Protocol):
    """Where the designs of labels come from: a kernel file through the front end.

    `scheduled` builds the labelled design itself with schedule primitives.
    """

    def design(self, kernel: str, size: str, dtype: str) -> Design:
        """The kernel without directives."""

    def scheduled(self, label: Label) -> Design:
        """The kernel with the label's directives applied by schedule primitives."""


LibraryOf = Callable[[str, float], OperatorLibrary]

CHECKS = {
    "ii_exact": "is_ii_exact",
    "iteration_latency_within_one": "is_depth_close",
    "pipelined_loops_exact": "is_pipelining_exact",
    "operator_instances_exact": "is_operators_exact",
}
"""Checks of an outcome that holds or not, by their names in JSON."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One label with what was estimated: metric, truth and estimate."""

    label: Label
    pairs: tuple[tuple[str, float, float], ...]
    is_ii_exact: bool | None = None
    is_depth_close: bool | None = None
    is_pipelining_exact: bool | None = None
    is_operators_exact: bool | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Absolute relative errors in percent, and the share of exact estimates in percent."""

    mape: float
    median: float
    p99: float
    worst: float
    exact: float

    def to_json(self) -> dict[str, float]:
        """As numbers."""
        return {
            "mape": self.mape, "median": self.median, "p99": self.p99, "worst": self.worst,
            "exact": self.exact,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcomes of a label file, and the designs that were refused with the reason."""

    kind: LabelKind
    outcomes: tuple[Outcome, ...]
    refused: tuple[tuple[str, str], ...]

    def kernels(self) -> tuple[str, ...]:
        """Kernels with at least one outcome."""
        return tuple(sorted({o.label.kernel for o in self.outcomes}))

    def statistics(self, metric: str, kernel: str | None = None) -> Statistics | None:
        """Errors of one metric, of one kernel or overall; None where nothing was measured."""
        chosen = [o for o in self.outcomes if kernel is None or o.label.kernel == kernel]
        return summarise([p for o in chosen for p in o.pairs if p[0] == metric])

    def share(self, name: str, kernel: str | None = None) -> float | None:
        """Share in percent of outcomes where a check (``is_…``) holds; None where it is open."""
        values = [
            getattr(o, name) for o in self.outcomes if kernel is None or o.label.kernel == kernel
        ]
        known = [v for v in values if v is not None]
        return 100.0 * sum(known) / len(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """The evaluation as JSON values."""

        def metrics(kernel: str | None) -> dict[str, Any]:
            found = {m: self.statistics(m, kernel) for m in METRICS}
            return {m: None if s is None else s.to_json() for m, s in found.items()}

        def shares(kernel: str | None) -> dict[str, float]:
            found = {name: self.share(field, kernel) for name, field in CHECKS.items()}
            return {name: share for name, share in found.items() if share is not None}

        return {
            "overall": metrics(None),
            "kernels": {k: metrics(k) for k in self.kernels()},
            "shares": shares(None),
            "kernel_shares": {k: shares(k) for k in self.kernels()},
            "designs": len(self.outcomes),
            "refused": [{"design": d, "reason": r} for d, r in self.refused],
        }


def summarise(pairs: Iterable[tuple[str, float, float]]) -> Statistics | None:
    """Statistics of (metric, truth, estimate) triples."""
    listed = list(pairs)
    if not listed:
        return None
    errors = sorted(100.0 * abs(e - t) / t if t else 100.0 * (e != 0) for _, t, e in listed)
    count = len(errors)
    middle = errors[count // 2]
    if count % 2 == 0:
        middle = (middle + errors[count // 2 - 1]) / 2
    last = min(count - 1, max(0, -(-99 * count // 100) - 1))
    exact = sum(abs(e - t) < _EXACT for _, t, e in listed)
    return Statistics(sum(errors) / count, middle, errors[last], errors[-1], 100.0 * exact / count)


def evaluate(
    file: LabelFile,
    source: DesignSource,
    library_of: LibraryOf,
    settings: ToolSettings | None = None,
    check_every: int = 0,
) -> Evaluation:
    """Estimate every labelled design.

    Parameters
    ----------
    file : LabelFile
    source : DesignSource
        Builds a kernel through the front end.
    library_of : callable
        Operator library for a part name and a clock in ns.
    settings : ToolSettings, optional
        Other settings of the tool than those that the collection was made with; then only
        latency is estimated.
    check_every : int
        Build every n-th design through the schedule primitives as well, and refuse it if its
        latency is another one; 0 for none.

    Notes
    -----
    Designs of one kernel differ in directives only.  The kernel is lowered once, and the
    directives are put on its region tree.
    """
    runner = _Runner(file.kind, source, library_of, settings)
    outcomes: list[Outcome] = []
    refused: list[tuple[str, str]] = list(file.unread)
    for number, label in enumerate(file.labels):
        try:
            found = runner.outcome(label)
            if check_every and number % check_every == 0:
                runner.check(label)
            outcomes.append(found)
        except PomError as error:
            refused.append((label.design, str(error).splitlines()[0]))
    return Evaluation(file.kind, tuple(outcomes), tuple(refused))


class _Runner:
    """Estimates labels, keeping one latency model per kernel, size, type and device."""

    def __init__(
        self,
        kind: LabelKind,
        source: DesignSource,
        library_of: LibraryOf,
        settings: ToolSettings | None,
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.source = source
        self.library_of = library_of
        self.models: dict[tuple[object, ...], LatencyModel] = {}
        self.failed: dict[tuple[object, ...], PomError] = {}
        self.resources: dict[tuple[str, float, str], ResourceModel] = {}

    def outcome(self, label: Label) -> Outcome:
        model = self._model(label)
        loops = dict(label.loops)
        check_names(model.design, label)
        partitions = partitions_of(model.design, label)
        if label.top_loop:
            return self._alone(model, label, loops)
        result = model.estimate(loops, partitions)
        truths = dict(label.values)
        pairs = []
        if "latency" in truths:
            pairs.append(("latency", truths["latency"], result.latency_cycles))
        wanted = [m for m in METRICS[1:] if m in truths and self.settings is None]
        operators = None
        if wanted:
            settings = model.settings
            measured = self._resource_model(label, settings).estimate(
                model.with_directives(loops, partitions), result
            )
            total = measured.total
            found = {"lut": total.lut, "ff": total.ff, "dsp": total.dsp}
            pairs += [(m, truths[m], float(found[m])) for m in wanted]
            if label.operators is not None:
                estimated = estimated_instances(measured.operators, model.library)
                operators = estimated == measured_instances(label.operators)
        ii = None if label.ii is None else _first_ii(result, loops, label.ii)
        pipelined = None
        if label.pipelined is not None:
            pipelined = _is_same_pipelining(result, model.design, label.pipelined)
        return Outcome(label, tuple(pairs), ii, None, pipelined, operators)

    def check(self, label: Label) -> None:
        """Compare with the design that the schedule primitives make."""
        model = self._model(label)
        if any(name == "*" for name, _ in label.partitions) or label.top_loop:
            return
        partitions = partitions_of(self._model(label).design, label)
        design = self.source.scheduled(replace(label, partitions=tuple(partitions.items())))
        if self.kind is LabelKind.HGNN_DESIGNS:
            design = outline_nests(design)
        direct = model.estimate(dict(label.loops), partitions).latency_cycles
        built = LatencyModel(design, model.library, model.settings).estimate().latency_cycles
        if built != direct:
            raise PomError(
                "POM-Q025",
                f"the design built by schedule primitives takes {built:.0f} cycles, "
                f"the one with directives on its region tree {direct:.0f}",
            )

    def _model(self, label: Label) -> LatencyModel:
        settings = self.settings or label_settings(self.kind, label)
        key = (
            label.kernel,
            label.size,
            label.dtype,
            label.part,
            str(label.clock_ns),
            str(settings),
        )
        if key in self.failed:
            raise self.failed[key]
        found = self.models.get(key)
        if found is None:
            try:
                design = self.source.design(label.kernel, label.size, label.dtype)
            except PomError as error:
                self.failed[key] = error
                raise
            if self.kind in (LabelKind.HGNN_DESIGNS, LabelKind.HGNN_INNER):
                design = outline_nests(design)
            library = self.library_of(library_part(self.kind, label.part), label.clock_ns)
            found = LatencyModel(design, library, settings)
            self.models[key] = found
        return found

    def _resource_model(self, label: Label, settings: ToolSettings) -> ResourceModel:
        part = library_part(self.kind, label.part)
        key = (part, label.clock_ns, settings.resource_constants)
        if key not in self.resources:
            library = self.library_of(part, label.clock_ns)
            self.resources[key] = resource_model(library, settings)
        return self.resources[key]

    def _alone(
        self, model: LatencyModel, label: Label, loops: dict[str, LoopDirectives]
    ) -> Outcome:
        """A loop that was measured alone: its function, nothing asked of the loops around it."""
        name = next(
            (
                f.name
                for f in model.design.functions
                if any(i.name == label.top_loop for i in all_loops(f.body))
            ),
            None,
        )
        if name is None:
            raise PomError("POM-Q023", f"the kernel has no loop {label.top_loop}")
        for item in all_loops(model.design.function(name).body):
            loops.setdefault(item.name, LoopDirectives(False, None, 1, False))
        result = model.estimate(loops, dict(label.partitions)).function(name)
        path = _path(result.loops, label.top_loop)
        found = path[-1]
        inner = next((i for i in _all(found.children, found) if i.ii is not None), found)
        ii = inner.ii if inner.ii is not None else int(inner.iteration_latency)
        latency = _measured_latency(path, result.interval_cycles)
        truth = dict(label.values)["latency"]
        depth = abs(inner.iteration_latency - (label.iteration_latency or 0)) <= 1
        return Outcome(label, (("latency", truth, latency),), ii == label.ii, depth)


def settings_of(kind: LabelKind) -> ToolSettings:
    """How the tool was set when a collection was made."""
    match kind:
        case LabelKind.HLSFACTORY:
            return VITIS_DEFAULTS
        case LabelKind.ML4ACCEL:
            return VIVADO_2018
        case _:
            return DIRECTIVES_ONLY


def label_settings(kind: LabelKind, label: Label) -> ToolSettings:
    """How the tool was set when a label was made, which in reports of one's own differs.

    Raises
    ------
    PomError
        ``POM-Q026`` if the label does not say which version of the tool it is from.
    """
    if kind is not LabelKind.REPORTS:
        return settings_of(kind)
    year = label.tool.partition(".")[0]
    if not year.isdigit():
        raise PomError(
            "POM-Q026", f"{label.design} does not say which version of the tool made it",
            hint="write it into the column tool, such as 2022.1",
        )  # fmt: skip
    if int(year) < _FIRST_VITIS_HLS:
        return VIVADO_2018
    settings = replace(VITIS_DEFAULTS, flatten_imperfect=int(year) >= _FLATTENS_IMPERFECT)
    if label.pipeline_loops is not None:
        settings = replace(settings, pipeline_loops=label.pipeline_loops)
    return settings


def partitions_of(design: Design, label: Label) -> dict[str, tuple[Partition, ...]]:
    """The partitions of a label by array and dimension of the kernel.

    Raises
    ------
    PomError
        ``POM-Q027`` if it leaves open which dimension of a matrix is meant.
    """
    found = dict(label.partitions)
    if "*" in found:
        return every_array(design, found["*"])
    shapes = {a.name: a.shape for function in design.functions for a in function.arrays}
    return {
        name: tuple(one for part in parts for one in _dims(name, part, shapes.get(name, ())))
        for name, parts in found.items()
    }


def _dims(name: str, part: Partition, shape: tuple[int, ...]) -> tuple[Partition, ...]:
    dims: tuple[int, ...] = (part.dim,)
    if part.dim == EVERY_DIM:
        dims = tuple(range(len(shape)))
    elif part.dim == NO_DIM:
        if len(shape) != 1:
            raise PomError(
                "POM-Q027", f"the partition of {name} does not say which of {len(shape)} dimensions",
                hint="give dim in the directive, or in the column partitions as NAME.DIM",
            )  # fmt: skip
        dims = (0,)
    is_complete = part.kind is PartitionKind.COMPLETE
    return tuple(Partition(d, part.kind, shape[d] if is_complete else part.factor) for d in dims)


def resource_model(library: OperatorLibrary, settings: ToolSettings) -> ResourceModel:
    """The resource model with the constants of the tool version that `settings` describe."""
    version = settings.resource_constants
    return ResourceModel(library, load_constants(version) if version else None)


def library_part(kind: LabelKind, part: str) -> str:
    """The part whose operators stand for those of a label.

    Vivado HLS 2018 reports the same operators for both devices of ml4accel_postroute.csv (DSP
    equal in 98 % of the designs, flip-flops within 1 %): those of the UltraScale+ table.
    """
    return "xczu9eg" if kind is LabelKind.ML4ACCEL else part


def check_names(design: Design, label: Label) -> None:
    """Refuse a label that speaks of loops or arrays that the kernel does not have.

    Raises
    ------
    PomError
        ``POM-Q023`` for a loop, ``POM-Q027`` for an array or a dimension of one.
    """
    known = {loop.name for function in design.functions for loop in all_loops(function.body)}
    known_or_not = known.union(label.optional_loops)
    missing = [name for name, _ in label.loops if name not in known_or_not]
    if missing:
        raise PomError(
            "POM-Q023",
            f"the kernel has no loop {', '.join(missing)}",
            hint=f"name its loops as the labels do; it has {', '.join(sorted(known)) or 'none'}",
        )
    ranks = {a.name: len(a.shape) for function in design.functions for a in function.arrays}
    for name, splits in label.partitions:
        if name == "*":
            continue
        if name not in ranks:
            raise PomError("POM-Q027", f"the kernel has no array {name}")
        given = [item for item in splits if item.dim not in (NO_DIM, EVERY_DIM)]
        wrong = [item.dim + 1 for item in given if not 0 <= item.dim < ranks[name]]
        if wrong:
            raise PomError(
                "POM-Q027", f"array {name} has {ranks[name]} dimensions, not a dimension {wrong[0]}"
            )


def every_array(design: Design, split: tuple[Partition, ...]) -> dict[str, tuple[Partition, ...]]:
    """The same partition of every array; dimension -1 is the last one."""
    found: dict[str, tuple[Partition, ...]] = {}
    for function in design.functions:
        for array in function.arrays:
            rank = len(array.shape)
            wanted = {p.dim % rank if rank else 0: p for p in split if p.dim < rank}
            found[array.name] = tuple(
                Partition(dim, p.kind, p.factor) for dim, p in sorted(wanted.items())
            )
    return found


def outline_nests(design: Design) -> Design:
    """Make a function of every top-level nest of a kernel that has several and calls nothing.

    The collections of H-GNN are made of functions that run one after the other.
    """
    top = design.function(design.top)
    nests = [r for r in top.body if isinstance(r, Loop)]
    if len(design.functions) > 1 or len(nests) < 2 or len(nests) != len(top.body):
        return design
    functions: list[Function] = []
    calls: list[Region] = []
    for number, nest in enumerate(nests):
        name = f"{top.name}_{number}"
        used = {op.access.array for op in operations((nest,)) if op.access is not None}
        arrays = tuple(a for a in top.arrays if a.name in used)
        functions.append(Function(name, arrays, (nest,), False, loc=nest.loc))
        op = Op(-1 - number, OpKind.CALL, INDEX, callee=name)
        calls.append(Block((op,)))
    body = Function(top.name, top.arrays, tuple(calls), scalars=top.scalars, loc=top.loc)
    return Design(design.top, (*functions, body))


def _all(loops: tuple[LoopResult, ...], *first: LoopResult) -> list[LoopResult]:
    found = list(first)
    for loop in loops:
        found += _all(loop.children, loop)
    return found


def _path(loops: tuple[LoopResult, ...], name: str) -> list[LoopResult]:
    for loop in loops:
        if name in loop.names:
            return [loop]
        below = _path(loop.children, name)
        if below:
            return [loop, *below]
    return []


def _measured_latency(path: list[LoopResult], function_states: float) -> float:
    """What the collection calls a loop's latency: its function, or the iteration around it."""
    if len(path) == 1:
        return function_states
    parent, loop = path[-2], path[-1]
    is_bare = not parent.schedules and loop.is_pipelined
    return parent.iteration_latency - is_bare


def _first_ii(
    result: DesignResult, loops: Mapping[str, LoopDirectives], measured: int
) -> bool | None:
    """Whether the interval of the first nest's pipelined loop is right; None without one."""
    nests = [f for f in result.functions if f.loops]
    if not nests:
        return None
    inner = [i for i in _all(nests[0].loops) if i.ii is not None]
    return inner[0].ii == measured if inner else None


def _is_same_pipelining(result: DesignResult, design: Design, measured: tuple[str, ...]) -> bool:
    order = {
        loop.name: str(number + 1)
        for number, loop in enumerate(all_loops(design.function(design.top).body))
    }
    function = result.function(design.top)
    found = tuple(
        "_".join(order[n] for n in loop.names)
        for loop in _all(function.loops)
        if loop.ii is not None
    )
    is_alone = len(function.loops) == 1 and function.loops[0].ii is not None
    return found == measured or (is_alone and not measured)
