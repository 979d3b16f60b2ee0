"""Operator library: cycles, delay and area of every operation on a device at a clock.

The numbers live in ``data/operators/*.toml``, one file per family, speed grade and clock, each
with its source.  A device or clock without a file of its own takes the nearest one of the same
technology; everything that it returns is then marked `extrapolated`.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from pom.devices import Device
from pom.errors import PomError
from pom.qor_model.region import OpKind, ScalarKind, ScalarType
from pom.qor_model.schedule_result import OperatorKey, OperatorTiming

_TECHNOLOGY = {
    "zynq": "7series",
    "artix7": "7series",
    "kintex7": "7series",
    "virtex7": "7series",
    "zynquplus": "ultrascale_plus",
    "kintexuplus": "ultrascale_plus",
    "virtexuplus": "ultrascale_plus",
    "virtexuplushbm": "ultrascale_plus",
}
_IMPLEMENTATIONS = {
    "fabric": "no_dsp", "nodsp": "no_dsp", "fulldsp": "full_dsp", "meddsp": "medium_dsp",
    "maxdsp": "max_dsp",
}  # fmt: skip
"""Names of `bind_op` as the tool writes them, and as its modules are called."""

_SAME_FABRIC = {"virtexuplushbm": "virtexuplus"}
_FREE = frozenset({OpKind.CONST, OpKind.INDEX, OpKind.CALL})
_LOGIC = frozenset({OpKind.AND, OpKind.OR, OpKind.XOR, OpKind.NOT})
_SIGNIFICAND = {"f16": 11, "f32": 24, "f64": 53}
"""Bits, the leading one included."""
_ADDERS = frozenset({OpKind.ADD, OpKind.SUB, OpKind.NEG})


@dataclass(frozen=True, slots=True)
class Operator:
    """One hardware operator.

    Attributes
    ----------
    kind, type, impl : str
        Operation, operand type and implementation (``full_dsp``, ``no_dsp`` …).
    stages : int
        States it occupies, as the last number but one of a generated module's name
        (``fadd_32ns_32ns_32_4_full_dsp_1`` has 4); 1 is combinational.
    delay_in_ns, delay_out_ns : float
        Path before the first and after the last register (both the whole delay if combinational).
    dsp, lut, ff : float
        Area of one instance.
    source : str
        Where the numbers come from.
    extrapolated : bool
        Whether they were not measured at this device and clock.
    area_assumed : bool
        Whether LUT and FF (and DSP where the source does not say so) were not measured, though
        the stages were.
    """

    kind: str
    type: str
    impl: str
    stages: int
    delay_in_ns: float
    delay_out_ns: float
    dsp: int
    lut: float
    ff: float
    source: str
    extrapolated: bool
    area_assumed: bool = False

    @property
    def latency(self) -> int:
        """Cycles from the start to the cycle in which the result exists."""
        return self.stages - 1

    @property
    def delay_ns(self) -> float:
        """Longest path inside one cycle."""
        return max(self.delay_in_ns, self.delay_out_ns)


@dataclass(frozen=True, slots=True)
class MemoryTiming:
    """Access time of a synchronous memory, by where it is placed."""

    stages: int
    bram_in_ns: float
    bram_out_ns: float
    lutram_in_ns: float
    lutram_out_ns: float
    lutram_bits: int
    lutram_depth: int


@dataclass(frozen=True, slots=True)
class _IntegerRules:
    dsp_a: int
    dsp_b: int
    fabric_bits: int
    stages_by_tiles: tuple[tuple[int, int, float], ...]
    add_lut_base: float
    add_delay_base_ns: float
    add_delay_per_bit_ns: float
    compare_lut: tuple[float, float]
    compare_delay_base_ns: float
    compare_delay_per_bit_ns: float
    logic_delay_ns: float
    select_delay_ns: float
    divide_stages: int
    divide_lut_per_bit: float
    divide_ff_per_bit: float
    pipelined_divide_lut: float
    pipelined_divide_ff: float
    shift_lut_per_bit: float
    root_stages: int
    root_lut: float
    root_ff: float
    mac_stages: int
    mac_delay_ns: float
    source: str
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """One data file."""

    family: str
    speed_grade: str
    clock_ns: float
    clock_uncertainty: float
    tool: str
    operators: tuple[Operator, ...]
    integer: _IntegerRules
    memory: MemoryTiming


@cache
def _tables() -> tuple[_Table, ...]:
    folder = resources.files("pom.qor_model").joinpath("data", "operators")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_parse(tomllib.loads(f.read_text(encoding="utf-8"))) for f in files)


def _parse(data: dict[str, Any]) -> _Table:
    rules = dict(data["integer"])
    rules["stages_by_tiles"] = tuple(
        (int(a), int(b), float(c)) for a, b, c in rules["stages_by_tiles"]
    )
    rules["compare_lut"] = tuple(rules["compare_lut"])
    memory = {k: v for k, v in data["memory"].items() if k not in ("source", "extrapolated")}
    return _Table(
        family=data["family"],
        speed_grade=data["speed_grade"],
        clock_ns=float(data["clock_ns"]),
        clock_uncertainty=float(data["clock_uncertainty"]),
        tool=data["tool"],
        operators=tuple(Operator(**row) for row in data["operator"]),
        integer=_IntegerRules(**rules),
        memory=MemoryTiming(**memory),
    )


def _built(row: Operator) -> Operator:
    """`row` with an area, if it is a divider or a root whose area the tool does not report.

    Both are made of a row of subtractors per bit of the result, as wide as the remainder, which grows
    with the bits that are known in a root; what is known and the remainder are kept in every state.
    That is derived from the algorithm, not measured.
    """
    bits = _SIGNIFICAND.get(row.type, 0)
    if row.kind not in (OpKind.DIV, OpKind.SQRT) or row.lut or not bits:
        return row
    share = 1.0 if row.kind == OpKind.DIV else 0.5
    return replace(
        row, lut=share * bits * (bits + 2), ff=share * 2 * bits * row.latency, area_assumed=True,
        source=f"{row.source}; the tool reports no area: a row of subtractors per bit of the result",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OperatorLibrary:
    """Operators of one device at one clock; build it with :meth:`for_device`.

    Attributes
    ----------
    device : str
        Device name.
    clock_ns : float
        Clock period asked for.
    uncertainty : float
        Share of the period that is kept back (the tool's default is 27 %).
    extrapolated : bool
        Whether the data file is another device's or another clock's.
    """

    device: str
    clock_ns: float
    uncertainty: float
    extrapolated: bool
    _table: _Table
    _rows: dict[tuple[str, str, str], Operator] = field(repr=False, compare=False)
    _cache: dict[OperatorKey, Operator] = field(default_factory=dict, repr=False, compare=False)
    _timings: dict[OperatorKey, OperatorTiming] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def for_device(
        cls, device: Device, clock_ns: float | None = None, *, as_reported: bool = False
    ) -> OperatorLibrary:
        """Return the library for `device` at `clock_ns` (the device's own clock by default).

        Parameters
        ----------
        device : Device
        clock_ns : float, optional
        as_reported : bool
            The area that the HLS tool reports, which is none for floating-point dividers and square
            roots. Otherwise these have the area that they are built with (see `_built`).
        """
        clock = device.clock_ns if clock_ns is None else clock_ns
        if not 0 < clock < math.inf:
            raise PomError("POM-Q010", f"a clock period must be positive, got {clock} ns")
        family = _SAME_FABRIC.get(device.family, device.family)
        technology = _TECHNOLOGY.get(family, "ultrascale_plus")

        def distance(table: _Table) -> tuple[bool, float, bool, bool]:
            return (
                _TECHNOLOGY[table.family] != technology,
                round(abs(math.log(table.clock_ns / clock)), 2),
                table.family != family,
                table.speed_grade != device.speed_grade,
            )

        table = min(_tables(), key=distance)
        exact = distance(table) == (False, 0.0, False, False)
        rows: dict[tuple[str, str, str], Operator] = {}
        for row in table.operators:
            scaled = _rescale(row, table.clock_ns, clock)
            if not exact:
                scaled = replace(scaled, extrapolated=True)
            if not as_reported:
                scaled = _built(scaled)
            rows[row.kind, row.type, row.impl] = scaled
            rows.setdefault((row.kind, row.type, ""), scaled)
        return cls(device.name, clock, table.clock_uncertainty, not exact, table, rows)

    @property
    def effective_clock_ns(self) -> float:
        """What is left of the period after the uncertainty."""
        return self.clock_ns * (1.0 - self.uncertainty)

    @property
    def origin(self) -> str:
        """Family, speed grade, clock and tool that the operators were measured with."""
        table = self._table
        return f"{table.family} {table.speed_grade} at {table.clock_ns:g} ns, {table.tool}"

    @property
    def tool(self) -> str:
        """Vendor tool and version that the operators were measured with."""
        return self._table.tool

    @property
    def memory(self) -> MemoryTiming:
        """Access times of memories."""
        return self._table.memory

    def lookup(
        self,
        kind: OpKind | str,
        dtype: ScalarType,
        impl: str = "",
        operand_types: tuple[ScalarType, ...] = (),
        constant_operands: int = 0,
    ) -> Operator:
        """Return the operator for one operation.

        Parameters
        ----------
        kind : OpKind or str
            The operation.
        dtype : ScalarType
            Type of its result.
        impl : str
            ``full_dsp``, ``medium_dsp``, ``max_dsp``, ``no_dsp`` (also ``fabric`` and ``dsp``);
            empty for what the tool chooses.
        operand_types : tuple of ScalarType
            Operand types, if they differ from `dtype`.
        constant_operands : int
            How many operands are compile-time constants.

        Raises
        ------
        PomError
            ``POM-Q011`` if the operation does not exist for this type or implementation.
        """
        key = OperatorKey(OpKind(kind), dtype, operand_types, constant_operands, impl)
        return self.operator(key)

    def implementations(self, kind: str, dtype: ScalarType) -> tuple[str, ...]:
        """Return what ``bind_op`` can ask for of a floating-point operator, sorted: ``full_dsp``, …;
        nothing where the tool alone chooses."""
        return tuple(
            sorted(i for k, t, i in self._rows if k == OpKind(kind) and t == str(dtype) and i)
        )

    def operator(self, key: OperatorKey) -> Operator:
        """Return the operator for `key` (cached)."""
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = self._build(key)
        return found

    def timing(self, op: OperatorKey) -> OperatorTiming:
        """Return the operator's timing, as the scheduler wants it (cached)."""
        timing = self._timings.get(op)
        if timing is None:
            found = self.operator(op)
            timing = self._timings[op] = OperatorTiming(
                latency_cycles=found.latency,
                delay_in_ns=found.delay_in_ns,
                delay_out_ns=found.delay_out_ns if found.stages > 1 else 0.0,
                is_shared=found.type.startswith("f") or found.dsp > 0 or found.stages > 1,
            )
        return timing

    def mac(self, width: int) -> Operator:
        """Return a multiply-add in one DSP block (``mac_muladd``), which addresses use."""
        rules = self._table.integer
        return self._integer("mac", f"i{width}", rules.mac_stages, rules.mac_delay_ns, 1, 0, 0)

    def _build(self, key: OperatorKey) -> Operator:
        operands = key.operand_types or (key.dtype,)
        if key.kind in _FREE:
            return self._integer(str(key.kind), str(key.dtype), 1, 0.0, 0, 0, 0)
        if key.kind in (OpKind.LOAD, OpKind.STORE):
            memory = self.memory
            stages = memory.stages if key.kind is OpKind.LOAD else 1
            row = self._integer(str(key.kind), str(key.dtype), stages, memory.lutram_in_ns, 0, 0, 0)
            return replace(row, delay_out_ns=memory.lutram_out_ns)
        if key.kind is OpKind.CAST:
            return self._cast(key.dtype, operands[0])
        if key.kind is OpKind.SELECT or key.kind in _LOGIC:
            return self._bitwise(key)
        widest = max(operands, key=lambda t: (t.is_float, t.width))
        if widest.is_float:
            return self._float(key, widest)
        return self._fixed(key, operands)

    def _float(self, key: OperatorKey, dtype: ScalarType) -> Operator:
        impl = _IMPLEMENTATIONS.get(key.impl, key.impl)
        if key.kind is OpKind.NEG:
            return self._integer("neg", str(dtype), 1, self._table.integer.logic_delay_ns, 0, 2, 0)
        if key.kind is OpKind.ABS:
            return self._integer("abs", str(dtype), 1, 0.0, 0, 0, 0)
        if impl == "dsp":
            impl = ""
        row = self._rows.get((str(key.kind), str(dtype), impl))
        if row is not None:
            return row
        impls = self.implementations(key.kind, dtype)
        if impls:
            raise PomError(
                "POM-Q011",
                f"no implementation '{key.impl}' of {key.kind} on {dtype}",
                hint=f"choose one of {', '.join(impls)}",
            )
        return self._from_f32(key, dtype)

    def _from_f32(self, key: OperatorKey, dtype: ScalarType) -> Operator:
        """A math function that has no row of this type: scaled from single precision."""
        row = self._rows.get((str(key.kind), "f32", ""))
        if row is None:
            raise PomError(
                "POM-Q011",
                f"no operator {key.kind} on {dtype} is known for {self.device}",
                hint="rewrite the expression with add, sub, mul, div, sqrt, exp or log",
            )
        area = (dtype.width / 32) ** 2
        return replace(
            row,
            type=str(dtype),
            stages=max(2, math.ceil(row.stages * math.sqrt(area))),
            dsp=math.ceil(row.dsp * area),
            lut=row.lut * area,
            ff=row.ff * area,
            source="scaled from f32 with the square of the width",
            extrapolated=True,
        )

    def _fixed(self, key: OperatorKey, operands: tuple[ScalarType, ...]) -> Operator:
        """Integers of any width and fixed point, which is integer arithmetic on raw values."""
        rules = self._table.integer
        kind, width, text = key.kind, key.dtype.width, str(key.dtype)
        widest = max(t.width for t in operands)
        adder_ns = rules.add_delay_base_ns + rules.add_delay_per_bit_ns * widest
        match kind:
            case _ if kind in _ADDERS or kind is OpKind.ABS:
                return self._integer(
                    str(kind), text, 1, adder_ns, 0, rules.add_lut_base + widest, 0
                )
            case OpKind.MIN | OpKind.MAX:
                lut = rules.add_lut_base + 2 * widest
                return self._integer(str(kind), text, 1, adder_ns + 0.5, 0, lut, 0)
            case OpKind.CMP:
                base, slope = rules.compare_lut
                delay = rules.compare_delay_base_ns + rules.compare_delay_per_bit_ns * widest
                return self._integer("cmp", text, 1, delay, 0, base + slope * widest, 0)
            case OpKind.SHL | OpKind.SHR:
                lut = 0.0 if key.constant_operands else rules.shift_lut_per_bit * widest
                delay = 0.0 if key.constant_operands else 2 * rules.select_delay_ns
                return self._integer(str(kind), text, 1, delay, 0, lut, 0)
            case OpKind.MUL:
                widths = [t.width for t in operands] * (2 if len(operands) == 1 else 1)
                return self._multiplier(max(widths), min(widths), text, key.impl)
            case OpKind.DIV | OpKind.REM:
                dividend = widest + (key.dtype.fraction_bits if key.dtype.is_fixed else 0)
                lut, ff = rules.divide_lut_per_bit * dividend, rules.divide_ff_per_bit * dividend
                stages = dividend + rules.divide_stages
                if key.impl == "pipelined":
                    divisor = min(t.width for t in operands)
                    lut = rules.pipelined_divide_lut * dividend * divisor
                    ff = rules.pipelined_divide_ff * dividend * (dividend + divisor)
                return self._integer(str(kind), text, stages, adder_ns, 0, lut, ff)
            case OpKind.FLOOR | OpKind.CEIL | OpKind.ROUND:
                return self._integer(str(kind), text, 1, adder_ns, 0, width, 0)
            case OpKind.SQRT:
                lut, ff = rules.root_lut * width * width, rules.root_ff * width * width
                stages = max(1, width + rules.root_stages)
                return self._integer("sqrt", text, stages, adder_ns, 0, lut, ff)
            case _:
                f32 = ScalarType(ScalarKind.FLOAT, 32)
                row = self._from_f32(key, ScalarType(ScalarKind.FLOAT, max(16, width)))
                return replace(row, type=text, source=f"as {f32} of that width")

    def _multiplier(self, wide: int, narrow: int, text: str, impl: str) -> Operator:
        rules = self._table.integer
        if impl == "mac":
            return self._integer("mac", text, rules.mac_stages, rules.mac_delay_ns, 1, 0, 0)
        product = wide + narrow
        if wide <= rules.fabric_bits or impl in ("fabric", "no_dsp"):
            lut = 0.62 * wide * narrow + 5
            delay = 1.2 + 0.2 * product
            return self._integer("mul", text, self._stages(delay), min(delay, 4.2), 0, lut, 0)
        steps_a = math.ceil(wide / (rules.dsp_a - 1))
        steps_b = math.ceil(narrow / (rules.dsp_b - 1))
        swapped = math.ceil(wide / (rules.dsp_b - 1)) * math.ceil(narrow / (rules.dsp_a - 1))
        tiles = min(steps_a * steps_b, swapped)
        rows = rules.stages_by_tiles
        limit = next((row for row in rows if tiles <= row[0]), rows[-1])
        ff = 0 if limit[1] == 1 else 165 if tiles <= 4 else 441
        lut = 5 if tiles == 1 else 50 if tiles <= 4 else 256
        return self._integer("mul", text, limit[1], limit[2], tiles, lut, ff)

    def _bitwise(self, key: OperatorKey) -> Operator:
        rules = self._table.integer
        width = key.dtype.width
        if key.kind is OpKind.NOT:
            return self._integer("not", str(key.dtype), 1, rules.logic_delay_ns, 0, 2, 0)
        delay = rules.select_delay_ns if key.kind is OpKind.SELECT else rules.logic_delay_ns
        return self._integer(str(key.kind), str(key.dtype), 1, delay, 0, max(2, width), 0)

    def _cast(self, result: ScalarType, operand: ScalarType) -> Operator:
        if result.is_float and operand.is_float:
            name = "widen" if result.width > operand.width else "narrow"
            row = self._rows.get((name, str(operand), ""))
        elif result.is_float:
            row = self._rows.get(("cast_from_int", str(result), ""))
            row = row or self._rows["cast_from_int", "f32", ""]
        elif operand.is_float:
            row = self._rows.get(("cast_to_int", str(operand), ""))
            row = row or self._rows["cast_to_int", "f32", ""]
        else:
            row = None
        return row or self._integer("cast", str(result), 1, 0.0, 0, 0, 0)

    def _stages(self, delay_ns: float) -> int:
        return max(1, math.ceil(delay_ns / self.effective_clock_ns))

    def _integer(
        self, kind: str, text: str, stages: int, delay_ns: float, dsp: int, lut: float, ff: float
    ) -> Operator:
        rules = self._table.integer
        ratio = self._table.clock_ns / self.clock_ns
        if stages > 1 and not 0.98 < ratio < 1.02:
            stages = max(2, 1 + math.ceil((stages - 1) * ratio))
        delay = delay_ns
        return Operator(
            kind, text, "", stages, delay, delay, dsp, lut, ff, rules.source,
            self.extrapolated or rules.extrapolated,
        )  # fmt: skip


def _rescale(row: Operator, measured_ns: float, clock_ns: float) -> Operator:
    """The same operator at another clock: its path is cut into more or fewer stages."""
    ratio = measured_ns / clock_ns
    if 0.98 < ratio < 1.02 or row.stages == 1:
        return row
    stages = max(2, 1 + math.ceil((row.stages - 1) * ratio))
    shrink = min(1.0, 1.0 / ratio)
    return replace(
        row,
        stages=stages,
        delay_in_ns=row.delay_in_ns * shrink,
        delay_out_ns=row.delay_out_ns * shrink,
        ff=row.ff * stages / row.stages,
        extrapolated=True,
    )
