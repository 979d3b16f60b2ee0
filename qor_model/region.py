"""The estimator's input: a design as a tree of loops over straight-line blocks of operations.

A `Design` is a set of functions; the body of a function is a tree of `Loop`, `If` and `Block` regions;
a block holds `Op` values in program order, whose identifiers are unique within the function.
Directives live on loops and arrays, so designs that differ only in directives share their blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache


class ScalarKind(StrEnum):
    """What a scalar is."""

    FLOAT = "float"
    INT = "int"
    UINT = "uint"
    FIXED = "fixed"
    UFIXED = "ufixed"

    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True, order=True)
class ScalarType:
    """A scalar type.

    Parameters
    ----------
    kind : ScalarKind
        Number system.
    width : int
        Total width in bits.
    int_bits : int
        Integer bits of a fixed-point type (its sign included), otherwise equal to `width`.
    """

    kind: ScalarKind
    width: int
    int_bits: int = 0
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.kind, self.width, self.int_bits)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[ScalarType], tuple[object, ...]]:
        # the hash of a text differs between processes
        return ScalarType, (self.kind, self.width, self.int_bits)

    @property
    def is_float(self) -> bool:
        """Whether this is a floating-point type."""
        return self.kind is ScalarKind.FLOAT

    @property
    def is_fixed(self) -> bool:
        """Whether this is a fixed-point type."""
        return self.kind in (ScalarKind.FIXED, ScalarKind.UFIXED)

    @property
    def is_signed(self) -> bool:
        """Whether negative values exist."""
        return self.kind not in (ScalarKind.UINT, ScalarKind.UFIXED)

    @property
    def fraction_bits(self) -> int:
        """Bits to the right of the point (0 unless fixed point)."""
        return self.width - self.int_bits if self.is_fixed else 0

    def __str__(self) -> str:
        match self.kind:
            case ScalarKind.FLOAT:
                return f"f{self.width}"
            case ScalarKind.INT:
                return f"i{self.width}"
            case ScalarKind.UINT:
                return f"u{self.width}"
            case ScalarKind.FIXED:
                return f"fixed<{self.width},{self.int_bits}>"
            case ScalarKind.UFIXED:
                return f"ufixed<{self.width},{self.int_bits}>"


F16 = ScalarType(ScalarKind.FLOAT, 16)
F32 = ScalarType(ScalarKind.FLOAT, 32)
F64 = ScalarType(ScalarKind.FLOAT, 64)
I32 = ScalarType(ScalarKind.INT, 32)
I64 = ScalarType(ScalarKind.INT, 64)
BOOL = ScalarType(ScalarKind.UINT, 1)
INDEX = ScalarType(ScalarKind.INT, 64)


class OpKind(StrEnum):
    """The operation, whatever its type (the type says float, integer or fixed point)."""

    LOAD = "load"
    STORE = "store"
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    REM = "rem"
    NEG = "neg"
    ABS = "abs"
    MIN = "min"
    MAX = "max"
    CMP = "cmp"
    SELECT = "select"
    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"
    SHL = "shl"
    SHR = "shr"
    CAST = "cast"
    SQRT = "sqrt"
    RSQRT = "rsqrt"
    EXP = "exp"
    LOG = "log"
    POW = "pow"
    SIN = "sin"
    COS = "cos"
    TANH = "tanh"
    FLOOR = "floor"
    CEIL = "ceil"
    ROUND = "round"
    CALL = "call"
    CONST = "const"
    INDEX = "index"

    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True)
class SourceLoc:
    """A place in the user's source file."""

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """``floor(numerator / divisor)`` with a positive constant divisor."""

    numerator: Affine
    divisor: int

    def __str__(self) -> str:
        return f"floor(({self.numerator})/{self.divisor})"


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine expression over loop induction variables: sum of coef·iv plus a constant.

    `terms` is sorted by induction variable and holds no zero coefficient.  Bounds and guards may
    also hold `floors`, multiples of rounded quotients (skewed and tiled loops have them); the
    subscript of an access never does.
    """

    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0
    floors: tuple[tuple[FloorDiv, int], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.terms, self.const, self.floors)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Affine], tuple[object, ...]]:
        # the hash of a text differs between processes
        return Affine, (self.terms, self.const, self.floors)

    @property
    def is_constant(self) -> bool:
        """Whether no induction variable is in it."""
        return not self.terms and not self.floors

    @property
    def variables(self) -> frozenset[str]:
        """The induction variables in it."""
        found = {name for name, _ in self.terms}
        for item, _ in self.floors:
            found |= item.numerator.variables
        return frozenset(found)

    def floor_div(self, divisor: int) -> Affine:
        """The largest integer that is no more than this expression over a positive `divisor`."""
        exact = all(v % divisor == 0 for _, v in (*self.terms, *self.floors))
        if exact and (self.const % divisor == 0 or self.is_constant):
            return Affine(
                tuple((n, v // divisor) for n, v in self.terms), self.const // divisor,
                tuple((f, v // divisor) for f, v in self.floors),
            )  # fmt: skip
        return Affine((), 0, ((FloorDiv(self, divisor), 1),))

    def value(self, point: Mapping[str, int]) -> int | None:
        """The value at a point, None when the point does not name every variable."""
        total = self.const
        for name, coef in self.terms:
            at = point.get(name)
            if at is None:
                return None
            total += coef * at
        for item, coef in self.floors:
            inner = item.numerator.value(point)
            if inner is None:
                return None
            total += coef * (inner // item.divisor)
        return total

    def renamed(self, names: Mapping[str, str]) -> Affine:
        """The same expression over other names; those that are not in `names` stay."""
        floors = tuple((FloorDiv(f.numerator.renamed(names), f.divisor), c) for f, c in self.floors)
        return affine({names.get(n, n): c for n, c in self.terms}, self.const, dict(floors))

    def coef(self, iv: str) -> int:
        """Coefficient of one induction variable (0 when absent)."""
        for name, value in self.terms:
            if name == iv:
                return value
        return 0

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.terms, self.const + other, self.floors)
        total = dict(self.terms)
        for name, value in other.terms:
            total[name] = total.get(name, 0) + value
        floors = dict(self.floors)
        for item, value in other.floors:
            floors[item] = floors.get(item, 0) + value
        return affine(total, self.const + other.const, floors)

    def __mul__(self, factor: int) -> Affine:
        return affine(
            {n: v * factor for n, v in self.terms},
            self.const * factor,
            {f: v * factor for f, v in self.floors},
        )

    def __sub__(self, other: Affine | int) -> Affine:
        return self + (other * -1 if isinstance(other, Affine) else -other)

    def substitute(self, iv: str, value: Affine) -> Affine:
        """Replace one induction variable by an affine expression."""
        if iv not in self.variables:
            return self
        rest = Affine(tuple(t for t in self.terms if t[0] != iv), self.const)
        for item, coef in self.floors:
            rest += item.numerator.substitute(iv, value).floor_div(item.divisor) * coef
        return rest + value * self.coef(iv)

    def __str__(self) -> str:
        parts = [str(n) if v == 1 else f"{v}*{n}" for n, v in (*self.terms, *self.floors)]
        if self.const or not parts:
            parts.append(str(self.const))
        return " + ".join(parts)


def affine(
    terms: Mapping[str, int], const: int = 0, floors: Mapping[FloorDiv, int] | None = None
) -> Affine:
    """Build an `Affine` from mappings, dropping zero coefficients."""
    kept = tuple(sorted((n, v) for n, v in terms.items() if v))
    if not floors:
        return Affine(kept, const)
    items = ((f, v) for f, v in floors.items() if v)
    return Affine(kept, const, tuple(sorted(items, key=lambda item: str(item[0]))))


@dataclass(frozen=True, slots=True)
class Access:
    """Which element of which array a load or store touches.

    A subscript of None is not affine (data dependent): its bank and its distance are unknown.
    """

    array: str
    subscripts: tuple[Affine | None, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.array, self.subscripts)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Access], tuple[object, ...]]:
        # the hash of a text differs between processes
        return Access, (self.array, self.subscripts)

    @property
    def is_affine(self) -> bool:
        """Whether every subscript is affine."""
        return all(s is not None for s in self.subscripts)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    Parameters
    ----------
    id : int
        Identifier, unique in the function.
    kind : OpKind
        What it does.
    dtype : ScalarType
        Type of the result (of the stored value for a store).
    operands : tuple of int
        Identifiers of the operations whose results it reads.  Constants, scalar arguments and
        induction variables need no identifier and may be left out.
    operand_types : tuple of ScalarType
        Types of all operands, constants included.
    access : Access or None
        For a load or a store.
    callee : str
        For a call.
    constant_operands : int
        How many operands are compile-time constants (a multiplication by one costs less).
    impl : str
        Requested implementation (`bind_op`), empty when the tool chooses.
    impl_latency : int or None
        Requested latency (`bind_op latency=`).
    loc : SourceLoc or None
        Where the user wrote it.
    scalars : tuple of str
        Operands that are no operation, as ``position:name`` (scalar arguments, constants and
        induction variables): two operations that agree in all operands compute one value.
    """

    id: int
    kind: OpKind
    dtype: ScalarType
    operands: tuple[int, ...] = ()
    operand_types: tuple[ScalarType, ...] = ()
    access: Access | None = None
    callee: str = ""
    constant_operands: int = 0
    impl: str = ""
    impl_latency: int | None = None
    loc: SourceLoc | None = None
    scalars: tuple[str, ...] = ()

    @property
    def is_memory(self) -> bool:
        """Whether this is a load or a store."""
        return self.kind in (OpKind.LOAD, OpKind.STORE)


@dataclass(frozen=True, slots=True)
class Block:
    """Operations in program order, without control flow between them."""

    ops: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class If:
    """A guarded region.

    Parameters
    ----------
    conditions : tuple of Affine
        Every expression must be >= 0 (== 0 for the positions named in `equalities`).  Empty
        when the condition depends on data; then `condition_op` is its operation.
    """

    conditions: tuple[Affine, ...]
    then_body: tuple[Region, ...]
    else_body: tuple[Region, ...] = ()
    equalities: tuple[int, ...] = ()
    condition_op: int | None = None
    loc: SourceLoc | None = None


@dataclass(frozen=True, slots=True)
class LoopDirectives:
    """What the user (or the search) asked of a loop.

    Parameters
    ----------
    pipeline : bool or None
        True: requested; False: `pipeline off`; None: the tool decides.
    ii : int or None
        Requested initiation interval, None for as small as possible.
    unroll : int
        1: not unrolled; 0: completely; otherwise the factor.
    flatten : bool or None
        True: requested; False: `loop_flatten off`; None: the tool decides.
    dataflow : bool
        The tasks of the body overlap.
    """

    pipeline: bool | None = None
    ii: int | None = None
    unroll: int = 1
    flatten: bool | None = None
    dataflow: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """A counted loop: from the largest lower bound to below the smallest upper bound.

    Parameters
    ----------
    name : str
        Stable name; also the induction variable that subscripts and bounds refer to, unique in
        the function.
    lower, upper : tuple of Affine
        Bounds over enclosing induction variables (max of `lower`, min of `upper`, exclusive).
    step : int
        Stride, positive.
    body : tuple of Region
    directives : LoopDirectives
    loc : SourceLoc or None
    """

    name: str
    lower: tuple[Affine, ...]
    upper: tuple[Affine, ...]
    body: tuple[Region, ...]
    step: int = 1
    directives: LoopDirectives = LoopDirectives()
    loc: SourceLoc | None = None

    @property
    def constant_trip_count(self) -> int | None:
        """Trip count when every bound is a constant, otherwise None."""
        return _constant_trips(self.lower, self.upper, self.step)


Region = Block | If | Loop


@lru_cache(maxsize=4096)
def _constant_trips(lower: tuple[Affine, ...], upper: tuple[Affine, ...], step: int) -> int | None:
    if not all(b.is_constant for b in (*lower, *upper)):
        return None
    span = min(b.const for b in upper) - max(b.const for b in lower)
    return max(0, -(-span // step))


class PartitionKind(StrEnum):
    """How one dimension is split over banks."""

    CYCLIC = "cyclic"
    BLOCK = "block"
    COMPLETE = "complete"

    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True)
class Partition:
    """Split of one dimension (0-based) over `factor` banks."""

    dim: int
    kind: PartitionKind
    factor: int


@dataclass(frozen=True, slots=True)
class Storage:
    """`bind_storage`: memory type (ram_1p, ram_2p, ram_s2p, ram_t2p, rom_1p, fifo …) and place."""

    type: str = ""
    impl: str = ""
    latency: int | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """Port of an argument (ap_memory, m_axi, axis, s_axilite, ap_none, ap_fifo …)."""

    mode: str = ""
    bundle: str = ""
    storage_type: str = ""
    latency: int | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """An array (or a scalar argument, with an empty shape).

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : ScalarType
    partitions, reshapes : tuple of Partition
        One entry at most per dimension.
    storage, interface : Storage, Interface
    is_argument : bool
        Whether it lives outside the top function (otherwise a local buffer).
    is_read, is_written : bool
        Directions over the whole design.
    """

    name: str
    shape: tuple[int, ...]
    dtype: ScalarType
    partitions: tuple[Partition, ...] = ()
    reshapes: tuple[Partition, ...] = ()
    storage: Storage = Storage()
    interface: Interface = Interface()
    is_argument: bool = True
    is_read: bool = True
    is_written: bool = True
    loc: SourceLoc | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function: arrays it sees by name and a body.

    `array_args` maps the callee's array names to the caller's when it is called (empty when
    arrays are shared by name, as after extraction from one module).
    """

    name: str
    arrays: tuple[Array, ...]
    body: tuple[Region, ...]
    inline: bool | None = None
    dataflow: bool = False
    pipeline: bool = False
    scalars: tuple[tuple[str, ScalarType], ...] = ()
    loc: SourceLoc | None = None

    def array(self, name: str) -> Array:
        """The array of that name."""
        for item in self.arrays:
            if item.name == name:
                return item
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class CallBinding:
    """For one call operation: the caller's array behind each array of the callee."""

    op: int
    arrays: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Design:
    """Functions of a program; `top` names the one that becomes the accelerator."""

    top: str
    functions: tuple[Function, ...]
    calls: tuple[CallBinding, ...] = field(default=())

    def function(self, name: str) -> Function:
        """The function of that name."""
        for item in self.functions:
            if item.name == name:
                return item
        raise KeyError(name)


def with_loop_directives(
    regions: tuple[Region, ...], directives: dict[str, LoopDirectives]
) -> tuple[Region, ...]:
    """The same regions with other directives on the loops named; untouched parts are shared."""
    result: list[Region] = []
    for region in regions:
        match region:
            case Loop():
                body = with_loop_directives(region.body, directives)
                wanted = directives.get(region.name, region.directives)
                same = wanted == region.directives and body == region.body
                result.append(region if same else replace(region, body=body, directives=wanted))
            case If():
                result.append(
                    replace(
                        region,
                        then_body=with_loop_directives(region.then_body, directives),
                        else_body=with_loop_directives(region.else_body, directives),
                    )
                )
            case Block():
                result.append(region)
    return tuple(result)
