"""Designs as the networks and the baselines take them: graph, analytical terms, and labels."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pom.errors import PomError
from pom.qor_model.collection import paused_collection
from pom.qor_model.design_graph import GraphMaker
from pom.qor_model.evaluate import (
    DesignSource,
    LibraryOf,
    check_names,
    label_settings,
    library_part,
    outline_nests,
    partitions_of,
    resource_model,
)
from pom.qor_model.gnn.encode import EncodedDesign, GraphArrays, encode_design
from pom.qor_model.gnn.lazy_graph import LazyGraph, categories
from pom.qor_model.gnn.nests import NestMaker
from pom.qor_model.gnn.shape import SHAPE, BodyShape, shape_terms
from pom.qor_model.gnn.targets import Measured, MeasuredFile
from pom.qor_model.label_doubts import is_7series
from pom.qor_model.labels import Label, LabelKind
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, Partition
from pom.qor_model.resources import ResourceModel
from pom.qor_model.resources_constants import FF_TERMS, LUT_TERMS, load_constants
from pom.qor_model.schedule_result import DesignResult
from pom.qor_model.settings import VITIS_DEFAULTS, ToolSettings

TOTALS = ("latency", "lut", "ff", "dsp", "bram_18k")
MEMORY = ("arrays", "banks", "memory_bits", "argument_banks", "register_bits", "small_banks")
TERMS = (
    *TOTALS, *(f"lut_{n}" for n in LUT_TERMS), *(f"ff_{n}" for n in FF_TERMS), *MEMORY, *SHAPE,
    "is_7series",
)  # fmt: skip
"""Names of the analytical features: totals, counts per mechanism, memories."""
_SMALL_BITS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One design.

    Attributes
    ----------
    name, kernel, device : str
    clock_ns : float
    terms : tuple of float
        Analytical features, in the order of `TERMS`.
    lazy_graph : LazyGraph
    categories : frozenset of str
        Those of the graph's nodes.
    labels : tuple of float
        Measured values (NaN where none), empty for a design that was not measured.
    tokens : tuple of (str, float)
        The directives as numbers by name, for the baseline that reads nothing else.
    nests : tuple of tuple of float
        Numbers of every top-level nest, in the order of `pom.qor_model.gnn.nests.NEST`.
    """

    name: str
    kernel: str
    device: str
    clock_ns: float
    terms: tuple[float, ...]
    lazy_graph: LazyGraph
    categories: frozenset[str]
    labels: tuple[float, ...] = ()
    tokens: tuple[tuple[str, float], ...] = ()
    nests: tuple[tuple[float, ...], ...] = ()

    @property
    def graph(self) -> EncodedDesign:
        """The design graph as arrays."""
        return self.lazy_graph.graph

    def term(self, name: str) -> float:
        """One analytical feature by name."""
        return self.terms[TERMS.index(name)]


@dataclass(slots=True)
class SampleMaker:
    """Makes samples of scheduled designs on one device and clock.

    Parameters
    ----------
    library : OperatorLibrary
    settings : ToolSettings
    """

    library: OperatorLibrary
    settings: ToolSettings = VITIS_DEFAULTS
    _graphs: GraphMaker = field(init=False)
    _resources: ResourceModel = field(init=False)
    _nests: NestMaker = field(init=False)
    _shapes: dict[int, BodyShape] = field(default_factory=dict)
    _encoded: dict[int, tuple[object, GraphArrays]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._resources = resource_model(self.library, self.settings)
        self._graphs = GraphMaker(self.library, self.settings, self._resources.contents)
        constants = load_constants(self.settings.resource_constants or self.library.tool)
        self._nests = NestMaker(self.library, constants, self._resources)

    def sample(
        self,
        design: Design,
        result: DesignResult,
        name: str = "",
        kernel: str = "",
    ) -> Sample:
        """Return the sample of a design (with its directives in it) and its schedule."""
        counts = self._resources.count(design, result)
        total, contents = self._resources.total(counts), self._resources.contents
        terms = (
            result.latency_cycles, total.lut, total.ff, total.dsp, total.bram_18k,
            *(counts.lut[n] for n in LUT_TERMS), *(counts.ff[n] for n in FF_TERMS),
            *_memory_terms(design), *shape_terms(result, contents, self._shapes),
            float(is_7series(self.library.device)),
        )  # fmt: skip
        banks = {
            timing.name: self._graphs.banks(design, timing.name) for timing in result.functions
        }
        return Sample(
            name or design.top, kernel or design.top, self.library.device, self.library.clock_ns,
            tuple(float(t) for t in terms), LazyGraph(lambda: self._graph(design, result)),
            categories(result, banks, contents), nests=self._nests.nests(design, result),
        )  # fmt: skip

    def _graph(self, design: Design, result: DesignResult) -> EncodedDesign:
        readable = self._graphs.readable(design, result)
        return encode_design(self._graphs.graph(design, readable), self._encoded)


def _memory_terms(design: Design) -> tuple[float, ...]:
    arrays = {a.name: a for f in design.functions for a in f.arrays}
    found = dict.fromkeys(MEMORY, 0.0)
    for array in arrays.values():
        elements = 1
        for size in array.shape:
            elements *= size
        banks = 1
        for part in (*array.partitions, *array.reshapes):
            banks *= min(part.factor, array.shape[part.dim])
        bits = elements * array.dtype.width
        found["arrays"] += 1
        found["argument_banks" if array.is_argument else "banks"] += banks
        if array.is_argument:
            continue
        if banks == elements:
            found["register_bits"] += bits
        else:
            found["memory_bits"] += bits
            found["small_banks"] += banks * (bits / banks <= _SMALL_BITS)
    return tuple(found[n] for n in MEMORY)


def labelled_samples(
    file: MeasuredFile,
    source: DesignSource,
    library_of: LibraryOf,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Sample, ...], tuple[tuple[str, str], ...]]:
    """Samples of measured designs, and the designs that were refused with the reason.

    Parameters
    ----------
    file : MeasuredFile
    source : DesignSource
        Builds a kernel through the front end.
    library_of : callable
        Operator library for a part name and a clock in ns.
    progress : callable, optional
        Called with how many designs are done, and how many there are.
    """
    runner = _Runner(file.kind, source, library_of)
    samples: list[Sample] = []
    refused: list[tuple[str, str]] = []
    with paused_collection():
        for number, row in enumerate(file.rows):
            try:
                samples.append(runner.sample(row))
            except PomError as error:
                hint = f" ({error.hint})" if error.hint else ""
                refused.append((row.label.design, f"{error.code}: {error.summary}{hint}"))
            if progress is not None:
                progress(number + 1, len(file.rows))
    return tuple(samples), tuple(refused)


def choose(file: MeasuredFile, per_kernel: int, seed: int = 0) -> MeasuredFile:
    """At most so many designs of each kernel and device, drawn with a fixed seed."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in file.rows:
        groups.setdefault((row.label.kernel, row.label.part), []).append(row)
    rng = random.Random(seed)
    chosen: list[Measured] = []
    for key in sorted(groups):
        rows = groups[key]
        chosen += rng.sample(rows, min(per_kernel, len(rows)))
    return replace(file, rows=tuple(chosen))


class _Runner:
    """Keeps one latency model per kernel, size, type and operator library."""

    def __init__(self, kind: LabelKind, source: DesignSource, library_of: LibraryOf) -> None:
        self._kind = kind
        self._source = source
        self._library_of = library_of
        self._models: dict[tuple[object, ...], LatencyModel] = {}
        self._makers: dict[tuple[str, float, ToolSettings], SampleMaker] = {}

    def sample(self, row: Measured) -> Sample:
        label = row.label
        model, maker = self._model(label), self._maker(label)
        check_names(model.design, label)
        loops, partitions = dict(label.loops), partitions_of(model.design, label)
        result = model.estimate(loops, partitions)
        design = model.with_directives(loops, partitions)
        found = maker.sample(design, result, label.design, label.kernel)
        terms = (*found.terms[:-1], float(is_7series(label.part)))
        return replace(
            found, device=label.part, clock_ns=label.clock_ns, terms=terms, labels=row.values,
            tokens=_tokens(label, partitions),
        )  # fmt: skip

    def _model(self, label: Label) -> LatencyModel:
        library, settings = self._library(label), label_settings(self._kind, label)
        key = (label.kernel, label.size, label.dtype, library.device, label.clock_ns, settings)
        if key not in self._models:
            design = self._source.design(label.kernel, label.size, label.dtype)
            if self._kind is LabelKind.HGNN_DESIGNS:
                design = outline_nests(design)
            self._models[key] = LatencyModel(design, library, settings, folds=True)
        return self._models[key]

    def _maker(self, label: Label) -> SampleMaker:
        library, settings = self._library(label), label_settings(self._kind, label)
        key = (library.device, label.clock_ns, settings)
        if key not in self._makers:
            self._makers[key] = SampleMaker(library, settings)
        return self._makers[key]

    def _library(self, label: Label) -> OperatorLibrary:
        """Operators of the part that stands for the label's: parts may share one."""
        return self._library_of(library_part(self._kind, label.part), label.clock_ns)


def _tokens(
    label: Label, partitions: Mapping[str, Iterable[Partition]]
) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    for name, loop in label.loops:
        found.append((f"{name}.pipeline", float(bool(loop.pipeline))))
        found.append((f"{name}.unroll", float(loop.unroll)))
        found.append((f"{name}.flatten", float(loop.flatten is not False)))
    found += [
        (f"{array}.{part.dim}", float(part.factor))
        for array, parts in sorted(partitions.items())
        for part in parts
    ]
    return tuple(found)
