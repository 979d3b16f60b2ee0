"""What every top-level nest of a design asks for: its counts, its bodies, and its structure.

Nests run one after the other, so that what the routed design is made of is their sum but for the
operators, which they lend to each other: routed LUTs and flip-flops are additive over nests within
two percent (ml4accel_postroute.csv).  A nest is described by what it is, not by its name: the same
nest in another kernel has the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pom.qor_model.defaults import operations
from pom.qor_model.gnn.shape import SHAPE, BodyShape, shape_terms
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    Array,
    Design,
    Function,
    If,
    Loop,
    Op,
    OpKind,
    PartitionKind,
    Region,
)
from pom.qor_model.resources import ResourceModel
from pom.qor_model.resources_body import bank_count, unresolved_banks
from pom.qor_model.resources_constants import FF_TERMS, LUT_TERMS, CostConstants
from pom.qor_model.schedule_result import DesignResult, FunctionResult, LoopResult

LEVELS = 3
"""Loops of a nest that are described one by one, innermost first; outer ones join the last."""
GROUPS = ("mul", "add", "other")
"""Operators that nests share, by what they do."""
_PER_LEVEL = (
    "trips", "unroll", "is_pipelined", "is_whole", "load_banks", "store_banks", "fixed_loads",
    "fixed_stores",
)  # fmt: skip
_BODY = (
    "loads",
    "stores",
    "muls",
    "adds",
    "others",
    "arguments",
    "locals",
    "depth",
    "children",
    "started_banks",
    "load_choice",
    "store_choice",
    "chosen_loads",
)
STRUCTURE = (*(f"{n}_{level}" for level in range(LEVELS) for n in _PER_LEVEL), *_BODY)
SCHEDULE = ("ii", "iteration_latency", "latency")
SHARED = (*(f"{g}_units" for g in GROUPS), *(f"{g}_dsp" for g in GROUPS))
NEST = (
    "lut", "ff", *SHARED, *(f"lut_{n}" for n in LUT_TERMS), *(f"ff_{n}" for n in FF_TERMS), *SHAPE,
    *STRUCTURE, *SCHEDULE,
)  # fmt: skip
"""Names of the numbers of a nest; ``lut`` and ``ff`` are the analytical ones without operators."""
_MULTIPLIERS = frozenset({OpKind.MUL})
_ADDERS = frozenset({OpKind.ADD, OpKind.SUB})


@dataclass(slots=True)
class NestMaker:
    """Describes nests, each once: designs share most of theirs.

    Parameters
    ----------
    library : OperatorLibrary
    constants : CostConstants
    resources : ResourceModel
    """

    library: OperatorLibrary
    constants: CostConstants
    resources: ResourceModel
    _known: dict[tuple[object, ...], tuple[LoopResult, tuple[float, ...]]] = field(
        default_factory=dict
    )
    _shapes: dict[int, BodyShape] = field(default_factory=dict)

    def nests(self, design: Design, result: DesignResult) -> tuple[tuple[float, ...], ...]:
        """Numbers of every top-level nest, in the order of `NEST`."""
        found = []
        for timing in result.functions:
            function = design.function(timing.name)
            splits = tuple(a.partitions for a in function.arrays)
            regions = {r.name: r for r in _top_loops(function.body)}
            for loop in timing.loops:
                key = (id(loop), splits)
                known = self._known.get(key)
                if known is None:
                    region = regions.get(loop.names[0])
                    numbers = self._nest(function, timing, loop, region, result)
                    known = self._known[key] = (loop, numbers)
                found.append(known[1])
        return tuple(found)

    def _nest(
        self,
        function: Function,
        timing: FunctionResult,
        loop: LoopResult,
        region: Loop | None,
        result: DesignResult,
    ) -> tuple[float, ...]:
        alone = timing
        if timing.schedules or len(timing.loops) > 1:
            alone = replace(timing, loops=(loop,), schedules=())
        counts = self.resources.count_function(function, alone)
        lut = sum(counts.lut[n] * c for n, c in zip(LUT_TERMS, self.constants.lut, strict=True))
        ff = sum(counts.ff[n] * c for n, c in zip(FF_TERMS, self.constants.ff, strict=True))
        units, blocks = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
        for key, number in counts.instances.items():
            group = "mul" if key.kind in _MULTIPLIERS else "add" if key.kind in _ADDERS else "other"
            operator = self.library.operator(key)
            if operator.dsp:
                units[group] += number
                blocks[group] += number * operator.dsp
        nest = replace(result, functions=(alone,))
        shape = shape_terms(nest, self.resources.contents, self._shapes)
        arrays = {a.name: a for a in function.arrays}
        structure = _structure(region, arrays) if region else dict.fromkeys(STRUCTURE, 0.0)
        inner = _inner_pipeline(loop)
        schedule = (float(inner.ii or 0), inner.iteration_latency, loop.latency_cycles)
        return tuple(
            float(x)
            for x in (
                lut, ff, *units.values(), *blocks.values(), *(counts.lut[n] for n in LUT_TERMS),
                *(counts.ff[n] for n in FF_TERMS), *shape, *(structure[n] for n in STRUCTURE),
                *schedule,
            )
        )  # fmt: skip


def _top_loops(regions: tuple[Region, ...]) -> list[Loop]:
    found: list[Loop] = []
    for region in regions:
        if isinstance(region, Loop):
            found.append(region)
        elif isinstance(region, If):
            found += _top_loops(region.then_body) + _top_loops(region.else_body)
    return found


def _inner_pipeline(loop: LoopResult) -> LoopResult:
    """The pipelined loop inside that runs longest, or the innermost loop without one."""
    if loop.is_pipelined or not loop.children:
        return loop
    return _inner_pipeline(max(loop.children, key=lambda c: c.latency_cycles))


def _structure(nest: Loop, arrays: Mapping[str, Array]) -> dict[str, float]:
    """The numbers of `STRUCTURE`: directives and accesses by loop level, innermost first."""
    path = _path(nest)
    found = dict.fromkeys(STRUCTURE, 0.0)
    ops = operations((nest,))
    accesses = [op for op in ops if op.access is not None]
    whole = False
    steps: dict[str, int] = {}
    for place, loop in enumerate(path):
        level = min(len(path) - 1 - place, LEVELS - 1)
        trips = loop.constant_trip_count or 0
        found[f"trips_{level}"] = math.log2(trips + 1)
        factor = trips if whole else min(loop.directives.unroll or trips, trips)
        steps[loop.name] = 0 if whole or 0 < factor == trips else loop.directives.unroll
        found[f"unroll_{level}"] += math.log2(max(1, factor))
        found[f"is_whole_{level}"] = float(whole)
        found[f"is_pipelined_{level}"] = float(bool(loop.directives.pipeline) and not whole)
        whole = whole or bool(loop.directives.pipeline)
        for op in accesses:
            kind = "stores" if op.kind is OpKind.STORE else "loads"
            banks = _banks_along(op, loop.name, arrays)
            if banks is None:
                found[f"fixed_{kind}_{level}"] += 1
            else:
                found[f"{kind[:-1]}_banks_{level}"] += math.log2(banks)
    for op in accesses:
        is_store = op.kind is OpKind.STORE
        choice = _choice(op, arrays, steps)
        name = "store_choice" if is_store else "load_choice"
        found[name] = max(found[name], choice)
        found["chosen_loads"] += choice > 0.0 and not is_store
    kinds = {"loads": _of(ops, {OpKind.LOAD}), "stores": _of(ops, {OpKind.STORE})}
    kinds |= {"muls": _of(ops, _MULTIPLIERS), "adds": _of(ops, _ADDERS)}
    found.update(kinds)
    found["others"] = sum(not op.is_memory for op in ops) - kinds["muls"] - kinds["adds"]
    used = {op.access.array for op in accesses if op.access is not None}
    found["arguments"] = float(sum(arrays[name].is_argument for name in used))
    found["locals"] = len(used) - found["arguments"]
    found["depth"] = float(len(path))
    started = {op.access.array for op in accesses if op.access and _starts_local(op, arrays)}
    found["started_banks"] = float(sum(bank_count(arrays[name]) for name in started))
    found["children"] = float(sum(1 for r in nest.body if isinstance(r, Loop)))
    return found


def _choice(op: Op, arrays: Mapping[str, Array], steps: Mapping[str, int]) -> float:
    """Logarithm of the number of banks among which an access chooses at run time."""
    if op.access is None:
        return 0.0
    return math.log2(math.prod(unresolved_banks(op.access, arrays[op.access.array], steps)))


def _of(ops: list[Op], kinds: set[OpKind] | frozenset[OpKind]) -> float:
    return float(sum(op.kind in kinds for op in ops))


def _starts_local(op: Op, arrays: Mapping[str, Array]) -> bool:
    """Whether this writes a constant into a memory inside of the design."""
    is_constant = op.kind is OpKind.STORE and op.constant_operands > 0 and not op.operands
    return is_constant and op.access is not None and not arrays[op.access.array].is_argument


def _path(nest: Loop) -> list[Loop]:
    """The loops down to the body with most operations, outermost first."""
    below = _top_loops(nest.body)
    if not below:
        return [nest]
    return [nest, *_path(max(below, key=lambda loop: len(operations((loop,)))))]


def _banks_along(op: Op, iv: str, arrays: Mapping[str, Array]) -> int | None:
    """Banks among which a loop moves an access; None where the loop does not move it at all."""
    if op.access is None:
        return None
    array = arrays[op.access.array]
    moved = False
    banks = 1
    for dim, subscript in enumerate(op.access.subscripts):
        if subscript is None or subscript.coef(iv) == 0:
            continue
        moved = True
        for part in array.partitions:
            if part.dim == dim:
                size = array.shape[dim]
                is_whole = part.kind is PartitionKind.COMPLETE
                banks *= size if is_whole else min(part.factor, size)
    return banks if moved else None
