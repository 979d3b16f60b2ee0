"""The design graph that the networks read: from the region tree and its schedule.

Two levels, as in H-GNN (arXiv 2401.08696, section III): every inner region (a loop without loops
inside) is a graph of its own; the application graph has one super node for each, beside the
outer loops, the code between them and the memories.  Operations come from the schedule, so
unrolled copies and the banks that they reach are exact; copies that message passing cannot tell
apart are one node with a multiplicity (`pom.qor_model.graph_fold`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pom.qor_model.banks import ArrayBanks, array_banks
from pom.qor_model.body_content import Contents
from pom.qor_model.graph_fold import Folded, combine, fold
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Array, Design, OpKind, Partition
from pom.qor_model.schedule_result import (
    BodySchedule,
    DesignResult,
    Fold,
    FunctionResult,
    LoopResult,
    OperatorKey,
)
from pom.qor_model.settings import VITIS_DEFAULTS, ToolSettings


class NodeKind(StrEnum):
    """What a node stands for."""

    OPERATION = "operation"
    ARRAY = "array"
    BANK = "bank"
    CONSTANT = "constant"
    CONTROL = "control"
    LOOP = "loop"
    REGION = "region"


class EdgeKind(StrEnum):
    """What an edge stands for."""

    DATA = "data"
    CONTROL = "control"
    MEMORY = "memory access"
    NESTING = "nesting"


NUMBERS = (
    "width", "latency_cycles", "delay_ns", "lut", "ff", "dsp", "invocations", "in_degree",
    "out_degree", "start_cycle", "ii", "iteration_latency", "trip_count", "unroll", "copies",
    "loop_latency_cycles", "bits", "banks", "reads", "writes", "states", "is_pipelined",
    "is_argument",
)  # fmt: skip
"""Names of a node's numbers, in order; a number that means nothing for a node is 0."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Parameters
    ----------
    kind : NodeKind
    label : str
        For people.
    category : str
        Operation (`OpKind`), or what limits the interval of a loop (`LimitKind`).
    dtype : str
        Number system of an operation or a memory.
    multiplicity : int
        How many equal copies it stands for.
    numbers : tuple of float
        In the order of `NUMBERS`.
    region : int
        For a super node: index of its region; -1 otherwise.
    """

    kind: NodeKind
    label: str
    category: str = ""
    dtype: str = ""
    multiplicity: int = 1
    numbers: tuple[float, ...] = (0.0,) * len(NUMBERS)
    region: int = -1

    def number(self, name: str) -> float:
        """One of the numbers by name."""
        return self.numbers[NUMBERS.index(name)]


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge between nodes; `multiplicity` edges end in each copy of the target (mean)."""

    source: int
    target: int
    kind: EdgeKind
    multiplicity: float = 1.0


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """The graph of one inner region; which network reads it depends on `is_pipelined`."""

    name: str
    is_pipelined: bool
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class DesignGraph:
    """The application graph and the graphs of its inner regions."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    regions: tuple[RegionGraph, ...]


@dataclass(slots=True)
class _Builder:
    """Nodes and edges of one graph while it grows."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    arrays: dict[str, int] = field(default_factory=dict)

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def link(self, source: int, target: int, kind: EdgeKind, number: float = 1.0) -> None:
        self.edges.append(Edge(source, target, kind, number))


@dataclass(slots=True)
class GraphMaker:
    """Makes design graphs, keeping the graph of every scheduled loop that it has seen.

    Parameters
    ----------
    library : OperatorLibrary
        Latency, delay and area of operators.
    settings : ToolSettings
        Memory types of arrays without a storage directive.
    contents : Contents
        Those of a caller that looks at the same bodies.
    """

    library: OperatorLibrary
    settings: ToolSettings = VITIS_DEFAULTS
    contents: Contents = field(default_factory=Contents)
    _regions: dict[tuple[object, ...], tuple[LoopResult, RegionGraph]] = field(default_factory=dict)
    _bodies: dict[int, _Classes | None] = field(default_factory=dict)
    _memories: dict[Array, ArrayBanks] = field(default_factory=dict)
    _areas: dict[OperatorKey, tuple[float, ...]] = field(default_factory=dict)

    def graph(
        self,
        design: Design,
        result: DesignResult,
        partitions: Mapping[str, tuple[Partition, ...]] | None = None,
    ) -> DesignGraph:
        """Return the graph of a scheduled design.

        Parameters
        ----------
        design : Design
        result : DesignResult
        partitions : mapping, optional
            Partitions by array name, where they differ from those of the design.
        """
        app = _Builder()
        regions: dict[tuple[object, ...], int] = {}
        listed: list[RegionGraph] = []
        controls: dict[str, int] = {}
        for timing in result.functions:
            banks = self.banks(design, timing.name, partitions)
            control = app.add(_control(timing.name, timing.schedules, False, 1.0))
            controls[timing.name] = control
            for callee in timing.calls:
                app.link(controls[callee], control, EdgeKind.NESTING)
            self._function(app, timing, control, banks, regions, listed)
        return DesignGraph(result.top, tuple(app.nodes), tuple(app.edges), tuple(listed))

    def readable(self, design: Design, result: DesignResult) -> DesignResult:
        """A schedule of the design that `graph` can read: the given one wherever that is known.

        Lanes that were counted instead of laid out have a known graph if those of the narrow
        bodies are alike; otherwise the design is scheduled again with all of its lanes.
        """
        for loop in result.all_loops():
            for body in loop.schedules:
                if body.fold is not None and self._known_classes(body) is None:
                    return estimate_latency(design, self.library, self.settings)
        return result

    def _function(
        self,
        app: _Builder,
        timing: FunctionResult,
        control: int,
        banks: Mapping[str, ArrayBanks],
        regions: dict[tuple[object, ...], int],
        listed: list[RegionGraph],
    ) -> None:
        for body in timing.schedules:
            self._body(app, body, control, banks, 1.0)
        open_loops: list[tuple[LoopResult, int, float]] = [(x, control, 1.0) for x in timing.loops]
        while open_loops:
            loop, parent, runs = open_loops.pop(0)
            inside = runs * max(loop.trip_count, 0.0)
            if loop.children:
                node = app.add(_loop(loop, runs, NodeKind.LOOP))
                app.link(node, parent, EdgeKind.NESTING)
                for body in loop.schedules:
                    self._body(app, body, node, banks, inside)
                open_loops += [(child, node, inside) for child in loop.children]
                continue
            region = self._region(loop, inside, banks)
            key = (id(region), parent)
            if key not in regions:
                regions[key] = len(listed)
                listed.append(region)
            node = app.add(_loop(loop, runs, NodeKind.REGION, regions[key]))
            app.link(node, parent, EdgeKind.NESTING)
            for name in sorted({n.label for n in region.nodes if n.kind is NodeKind.ARRAY}):
                array = self._array(app, name, banks[name])
                app.link(array, node, EdgeKind.MEMORY)

    def region(self, design: Design, function: str, loop: LoopResult) -> RegionGraph:
        """Return the graph of one inner region that is entered once."""
        return self._region(loop, 1.0, self.banks(design, function))

    def banks(
        self,
        design: Design,
        function: str,
        partitions: Mapping[str, tuple[Partition, ...]] | None = None,
    ) -> dict[str, ArrayBanks]:
        """The banks of a function's arrays, by name."""
        found: dict[str, ArrayBanks] = {}
        for array in design.function(function).arrays:
            key = _split(array, partitions or {})
            banks = self._memories.get(key)
            if banks is None:
                ram = self.settings.default_ram if key.is_argument else self.settings.local_ram
                banks = self._memories[key] = array_banks(key, ram)
            found[array.name] = banks
        return found

    def _region(
        self, loop: LoopResult, runs: float, banks: Mapping[str, ArrayBanks]
    ) -> RegionGraph:
        bodies = [b if b.fold is None else b.fold.corners[-1][0] for b in loop.schedules]
        used = sorted(
            {op.op.access.array for b in bodies for op in b.ops if op.op.access is not None}
        )
        key = (id(loop), runs, tuple((name, banks[name].array.partitions) for name in used))
        found = self._regions.get(key)
        if found is None:
            made = _Builder()
            top = made.add(_loop(loop, runs, NodeKind.LOOP))
            for body in loop.schedules:
                control = made.add(_control("", (body,), body.is_pipelined, runs))
                made.link(control, top, EdgeKind.NESTING)
                self._body(made, body, control, banks, runs)
            name = "+".join(loop.names)
            region = RegionGraph(name, loop.is_pipelined, tuple(made.nodes), tuple(made.edges))
            found = self._regions[key] = (loop, region)
        return found[1]

    def _array(self, made: _Builder, name: str, banks: ArrayBanks) -> int:
        node = made.arrays.get(name)
        if node is None:
            node = made.arrays[name] = made.add(_memory(NodeKind.ARRAY, name, banks))
        return node

    def _body(
        self,
        made: _Builder,
        body: BodySchedule,
        control: int,
        banks: Mapping[str, ArrayBanks],
        runs: float,
    ) -> None:
        """Add one scheduled body: its operations, the banks that they reach, its constants."""
        classes = self._known_classes(body)
        if classes is None:
            raise ValueError("a folded body without a known graph; see GraphMaker.readable")
        place = self._nodes(made, classes, banks, runs)
        for source, target, kind, number in classes.folded.edges:
            made.link(place[source], place[target], EdgeKind(str(kind)), number)
        self._attach(made, classes, place, control, banks)

    def _known_classes(self, body: BodySchedule) -> _Classes | None:
        number = self.contents.of(body).number
        if number not in self._bodies:
            self._bodies[number] = _classes(body)
        return self._bodies[number]

    def _nodes(
        self,
        made: _Builder,
        classes: _Classes,
        banks: Mapping[str, ArrayBanks],
        runs: float,
    ) -> dict[int, int]:
        body, members = classes.body, classes.folded.members
        place: dict[int, int] = {}
        for index, number in enumerate(classes.folded.class_of):
            if number in place:
                continue
            if index < len(body.ops):
                node = self._operation(classes, index, runs)
            elif index in classes.bank_of:
                name = classes.bank_of[index]
                node = _memory(NodeKind.BANK, name, banks[name], members[number])
            else:
                node = Node(NodeKind.CONSTANT, "constant", multiplicity=members[number])
            place[number] = made.add(node)
        return place

    def _attach(
        self,
        made: _Builder,
        classes: _Classes,
        place: Mapping[int, int],
        control: int,
        banks: Mapping[str, ArrayBanks],
    ) -> None:
        """Control edges, banks to their arrays, and accesses whose bank is chosen at run time."""
        body, bank_of, members = classes.body, classes.bank_of, classes.folded.members
        seen: set[tuple[int, str]] = set()
        for index, number in enumerate(classes.folded.class_of):
            op = body.ops[index] if index < len(body.ops) else None
            name = (
                bank_of.get(index, "")
                if op is None
                else (op.op.access.array if op.op.access else "")
            )
            if (number, name) in seen:
                continue
            seen.add((number, name))
            if op is not None:
                made.link(control, place[number], EdgeKind.CONTROL)
            if name and op is None:
                array = self._array(made, name, banks[name])
                made.link(place[number], array, EdgeKind.NESTING, float(members[number]))
            elif name and op is not None and op.bank < 0:
                array = self._array(made, name, banks[name])
                reached = float(banks[name].banks)
                if op.op.kind is OpKind.STORE:
                    made.link(place[number], array, EdgeKind.MEMORY, members[number] * reached)
                else:
                    made.link(array, place[number], EdgeKind.MEMORY, reached)

    def _operation(self, classes: _Classes, index: int, runs: float) -> Node:
        body = classes.body
        number = classes.folded.class_of[index]
        # of a folded body these are the operations of a narrow one, which has its timing
        op = body.ops[index]
        area = self._areas.get(op.key)
        if area is None:
            area = (0.0, 0.0, 0.0, 0.0)
            if not op.op.is_memory and op.op.kind not in _NO_OPERATOR:
                found = self.library.operator(op.key)
                area = (found.delay_ns, found.lut, found.ff, float(found.dsp))
            self._areas[op.key] = area
        numbers = _numbers(
            width=op.op.dtype.width, latency_cycles=op.end_cycle - op.start_cycle,
            delay_ns=area[0], lut=area[1], ff=area[2], dsp=area[3], invocations=runs,
            in_degree=len(op.operands), out_degree=classes.fan_out[number], start_cycle=classes.start_cycle(op.op.id),
            ii=body.ii, iteration_latency=body.length, is_pipelined=body.is_pipelined,
        )  # fmt: skip
        return Node(
            NodeKind.OPERATION, str(op.op.kind), str(op.op.kind), str(op.op.dtype.kind),
            classes.folded.members[number], numbers,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Classes:
    """Equal nodes of a body, and a body in which each class has members.

    Attributes
    ----------
    body : BodySchedule
    folded : Folded
    bank_of : mapping
        Array of every node that stands for a bank.
    fan_out : tuple of int
        Operations that use the result of a member of a class.
    starts : mapping
        Number of copies of every operation, and the sum of their first cycles.
    """

    body: BodySchedule
    folded: Folded
    bank_of: Mapping[int, str]
    fan_out: tuple[int, ...]
    starts: Mapping[int, tuple[int, int]]

    def start_cycle(self, op: int) -> float:
        """Mean over all copies: lanes that wait for a port in turn are no less alike for it."""
        number, total = self.starts[op]
        return total / number


def _classes(body: BodySchedule) -> _Classes | None:
    """The classes of a body; None for a folded one whose narrow bodies do not tell them."""
    if body.fold is None:
        return _classes_of(body)
    parts = [_classes_of(part) for part, _ in body.fold.corners]
    weights = [weight for _, weight in body.fold.corners]
    if not _has_known_banks(body.fold):
        return None
    folded = combine([p.folded for p in parts], weights)
    if folded is None:
        return None
    fan_out = tuple(
        sum(w * p.fan_out[c] for p, w in zip(parts, weights, strict=True))
        for c in range(len(folded.members))
    )
    starts = {
        op: (
            sum(w * p.starts[op][0] for p, w in zip(parts, weights, strict=True)),
            sum(w * p.starts[op][1] for p, w in zip(parts, weights, strict=True)),
        )
        for op in parts[-1].starts
    }
    return _Classes(parts[-1].body, folded, parts[-1].bank_of, fan_out, starts)


def _has_known_banks(whole: Fold) -> bool:
    """Whether the banks of a wide body are used as often as the narrow bodies say.

    They are not where lanes too far apart to be in one narrow body share a bank.
    """
    told: Counter[tuple[str, int, int]] = Counter()
    for part, weight in whole.corners:
        uses = Counter(
            (op.op.access.array, op.bank, op.op.kind is OpKind.STORE)
            for op in part.ops
            if op.op.access is not None
        )
        for key, number in _bank_uses(uses).items():
            told[key] += weight * number
    real = _bank_uses({(array, bank, store): n for array, bank, store, n in whole.ports})
    return {k: n for k, n in told.items() if n} == real


def _bank_uses(uses: Mapping[tuple[str, int, bool], int]) -> dict[tuple[str, int, int], int]:
    """How many banks of an array have so many loads and stores."""
    places = {(array, bank) for array, bank, _ in uses}
    return dict(
        Counter(
            (array, uses.get((array, bank, False), 0), uses.get((array, bank, True), 0))
            for array, bank in places
        )
    )


def _classes_of(body: BodySchedule) -> _Classes:
    colours: list[Hashable] = [
        (op.op.id, op.key, op.bank < 0, op.end_cycle - op.start_cycle) for op in body.ops
    ]
    starts: dict[int, tuple[int, int]] = {}
    edges: list[tuple[int, int, Hashable]] = []
    first_of_bank: dict[tuple[str, int], int] = {}
    constants: dict[int, int] = {}
    fan_out = [0] * len(body.ops)
    for index, op in enumerate(body.ops):
        number, total = starts.get(op.op.id, (0, 0))
        starts[op.op.id] = (number + 1, total + op.start_cycle)
        for producer in op.operands:
            fan_out[producer] += 1
            edges.append((producer, index, EdgeKind.DATA))
        if op.op.constant_operands or op.op.scalars:
            node = constants.setdefault(op.op.id, len(colours))
            if node == len(colours):
                colours.append((NodeKind.CONSTANT, op.op.id))
            edges.append((node, index, EdgeKind.DATA))
        access = op.op.access
        if access is None or op.bank < 0:
            continue
        node = first_of_bank.setdefault((access.array, op.bank), len(colours))
        if node == len(colours):
            colours.append((NodeKind.BANK, access.array))
        is_store = op.op.kind is OpKind.STORE
        edges.append((index, node, EdgeKind.MEMORY) if is_store
                     else (node, index, EdgeKind.MEMORY))  # fmt: skip
    folded = fold(colours, edges)
    bank_of = {node: array for (array, _), node in first_of_bank.items()}
    shown = [0] * len(folded.members)
    for index in reversed(range(len(body.ops))):
        shown[folded.class_of[index]] = fan_out[index]
    return _Classes(body, folded, bank_of, tuple(shown), starts)


_NO_OPERATOR = frozenset({OpKind.CONST, OpKind.INDEX, OpKind.CALL})


_PLACES = {name: place for place, name in enumerate(NUMBERS)}


def _numbers(**values: float) -> tuple[float, ...]:
    found = [0.0] * len(NUMBERS)
    for name, value in values.items():
        found[_PLACES[name]] = float(value)
    return tuple(found)


def _split(array: Array, partitions: Mapping[str, tuple[Partition, ...]]) -> Array:
    wanted = partitions.get(array.name, array.partitions)
    return array if wanted == array.partitions else replace(array, partitions=wanted)


def _loop(loop: LoopResult, runs: float, kind: NodeKind, region: int = -1) -> Node:
    numbers = _numbers(
        ii=loop.ii or 0, iteration_latency=loop.iteration_latency, trip_count=loop.trip_count,
        unroll=loop.unroll, copies=loop.copies, loop_latency_cycles=loop.latency_cycles,
        invocations=runs, is_pipelined=loop.is_pipelined,
    )  # fmt: skip
    label = "+".join(loop.names)
    return Node(kind, label, str(loop.limit.kind), "", max(1, loop.copies), numbers, region)


def _control(name: str, bodies: tuple[BodySchedule, ...], is_pipelined: bool, runs: float) -> Node:
    states = sum(body.ii if body.is_pipelined else body.length for body in bodies)
    length = sum(body.length for body in bodies)
    numbers = _numbers(
        states=states, iteration_latency=length, is_pipelined=is_pipelined, invocations=runs
    )
    return Node(NodeKind.CONTROL, name or "controller", numbers=numbers)


def _memory(kind: NodeKind, name: str, banks: ArrayBanks, members: int = 1) -> Node:
    array = banks.array
    elements = 1
    for size in array.shape:
        elements *= size
    bits = elements * array.dtype.width
    share = 1 if kind is NodeKind.ARRAY else banks.banks
    numbers = _numbers(
        width=array.dtype.width, bits=bits / share, banks=banks.banks, reads=banks.ports.reads,
        writes=banks.ports.writes, is_argument=array.is_argument,
    )  # fmt: skip
    return Node(kind, name, "register" if banks.is_register else "memory",
                str(array.dtype.kind), members, numbers)  # fmt: skip


def flat_nodes(graph: DesignGraph) -> Iterator[tuple[int, int, Node]]:
    """Every node with its graph (-1: application) and its index there."""
    for index, node in enumerate(graph.nodes):
        yield -1, index, node
    for number, region in enumerate(graph.regions):
        for index, node in enumerate(region.nodes):
            yield number, index, node
