"""The body of a generated function: blocks, loops, guards, stores, and named intermediate values.

A value that is used once, in the block that computes it, becomes part of its user's expression.
Any other value, and any load that would otherwise move past a write to its array, becomes a named
constant where it is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate

import mlir.ir as mlir

from pom.codegen import hlscpp_expr as expr
from pom.codegen.hlscpp_expr import Cpp
from pom.codegen.hlscpp_index import IndexRanges, index_text
from pom.codegen.hlscpp_names import Scope
from pom.codegen.hlscpp_pragmas import bind_op_pragma
from pom.codegen.hlscpp_types import cpp_type
from pom.codegen.level3 import Signature, attributes_of, location_of, walk
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.types import IntType, ScalarType

INDENT = "    "
LINE_WIDTH = 100

_HINTS = {
    "add": "sum",
    "sub": "difference",
    "mul": "product",
    "div": "quotient",
    "mod": "remainder",
    "neg": "negated",
    "abs": "magnitude",
    "min": "smallest",
    "max": "largest",
    "select": "chosen",
    "sqrt": "root",
    "pow": "power",
    "shl": "shifted",
    "shr": "shifted",
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), "holds"),
}
"""Names of intermediate values by operation; others are called after the operation."""


@dataclass(frozen=True, slots=True)
class ArrayVariable:
    """An array in C++."""

    name: str
    user_name: str
    type: ScalarType
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant whose type its user states."""

    value: bool | int | float


Operand = Cpp | Constant | Affine


class Body:
    """Writes one function. `pom.codegen.hlscpp_ops` has a handler per operation.

    Parameters
    ----------
    callees : dict
        C++ name and parameters of every function of the module, by its name there.
    """

    def __init__(self, scope: Scope, callees: dict[str, Signature]) -> None:
        self.lines: list[str] = []
        self.scope = scope
        self.ranges = IndexRanges()
        self.wide_names: frozenset[str] = frozenset()
        self.values: dict[mlir.Value, Operand] = {}
        self.arrays: dict[mlir.Value, ArrayVariable] = {}
        self.callees = callees
        self.absorbed: set[mlir.Operation] = set()
        self.types: set[ScalarType] = set()
        self.state_lines = False
        self._pending: dict[mlir.Value, str] = {}
        self._depth = 1

    # Text

    def line(self, text: str) -> None:
        """A line at the current depth, continued where it is long."""
        self.lines += wrapped(f"{INDENT * self._depth}{text}", INDENT * (self._depth + 1))

    def pragma(self, text: str) -> None:
        """A pragma, at the left margin as Vitis itself inserts them."""
        self.lines.append(f"#pragma HLS {text}")

    def gap(self) -> None:
        """An empty line, but not at the start of a block."""
        if self.lines and self.lines[-1] and not self.lines[-1].endswith("{"):
            self.lines.append("")

    @property
    def is_outermost(self) -> bool:
        """Whether the next line stands directly in the function's body."""
        return self._depth == 1

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """``head {`` … ``}`` with a scope of its own."""
        self.line(f"{head} {{")
        outer, self.scope = self.scope, self.scope.inner()
        self._depth += 1
        yield
        self._depth -= 1
        self.scope = outer
        self.line("}")

    # Values

    def array(self, value: mlir.Value) -> ArrayVariable:
        """The array that a memref is."""
        if value not in self.arrays:
            raise PomError("POM-C001", f"{value} is neither an argument nor a memref.alloc")
        return self.arrays[value]

    def affine(self, value: mlir.Value) -> Affine:
        """An index value as an affine expression of the loop variables."""
        found = self.values.get(value)
        match found:
            case Affine():
                return found
            case Constant():
                return Affine.const(int(found.value))
        raise PomError("POM-C006", f"{value} is not affine in the loop variables")

    def affines(self, values: Sequence[mlir.Value]) -> list[Affine]:
        """Several index values."""
        return [self.affine(v) for v in values]

    def index(self, e: Affine) -> Cpp:
        """An affine expression as C++ text."""
        text = index_text(e, self.ranges, self.wide_names)
        width = 64 if text.is_wide or e.variables & self.wide_names else 32
        return Cpp(text.text, text.precedence, IntType(width), is_native=True, is_tight=False)

    def subscript(self, value: mlir.Value) -> Cpp:
        """An index value, affine or from data, as C++ text."""
        found = self.values.get(value)
        if isinstance(found, Cpp):
            self._pending.pop(value, None)
            return found
        return self.index(self.affine(value))

    def operand(self, value: mlir.Value, type: ScalarType | None = None) -> Cpp:
        """A scalar value as C++; a constant takes `type`."""
        found = self.values.get(value)
        match found:
            case Cpp():
                self._pending.pop(value, None)
                return found
            case Constant():
                if type is None:
                    raise PomError("POM-C003", f"the type of the constant {found.value} is open")
                self.types.add(type)
                return expr.literal(found.value, type)
        raise PomError("POM-C003", f"{value} is not a scalar of level 3")

    def define(self, op: mlir.Operation, value: Cpp, hint: str) -> None:
        """`value` is the result of `op`: part of its only user, or a named constant."""
        result = op.results[0]
        self.types.add(value.type)
        users = [use.owner for use in result.uses if use.owner not in self.absorbed]
        binding = attributes_of(op).get("bind_op")
        if binding is not None:
            self.values[result] = self._bound(value, hint, binding)
        elif not users:
            return
        elif len(users) == 1 and users[0].operation.block == op.block:
            self.values[result] = value
            if value.reads:
                self._pending[result] = hint
        elif value.precedence == expr.PRIMARY and not value.reads and "(" not in value.text:
            self.values[result] = value
        else:
            self.values[result] = self.named(value, hint)

    def named(self, value: Cpp, hint: str) -> Cpp:
        """`value` as a constant with a name."""
        name = self.scope.fresh(_HINTS.get(hint, hint))
        self.line(f"const {cpp_type(value.type)} {name} = {assigned(value)};")
        return Cpp(name, expr.PRIMARY, value.type)

    def _bound(self, value: Cpp, hint: str, binding: dict[str, object]) -> Cpp:
        name = self.scope.fresh(_HINTS.get(hint, hint))
        self.line(f"{cpp_type(value.type)} {name};")
        self.pragma(bind_op_pragma(name, binding))
        self.line(f"{name} = {assigned(value)};")
        return Cpp(name, expr.PRIMARY, value.type)

    def before_write(self, arrays: frozenset[str]) -> None:
        """Name every value that reads one of `arrays` and has no user so far."""
        for value, hint in list(self._pending.items()):
            found = self.values[value]
            if isinstance(found, Cpp) and found.reads & arrays:
                self.values[value] = self.named(found, hint)
                del self._pending[value]

    def before_region(self, op: mlir.Operation) -> None:
        """The same for everything that a nested region writes."""
        if self._pending:
            self.before_write(frozenset(self._written(op)))

    def _written(self, op: mlir.Operation) -> Iterator[str]:
        for inner in walk(op):
            if inner.name in ("affine.store", "memref.store"):
                memref = inner.operands[1]
                yield from [self.arrays[memref].name] if memref in self.arrays else []
            elif inner.name == "func.call":
                yield from (self.arrays[v].name for v in inner.operands if v in self.arrays)

    def place(self, array: ArrayVariable, subscripts: Sequence[Cpp]) -> Cpp:
        """``A[i][j]``, which reads what its subscripts read and the array itself."""
        reads = frozenset({array.name}).union(*(s.reads for s in subscripts))
        text = array.name + "".join(f"[{s.text}]" for s in subscripts)
        return Cpp(text, expr.PRIMARY, array.type, reads=reads, is_place=True)

    def store(self, place: Cpp, value: Cpp) -> None:
        """``place = value;``, or ``place += operand;`` where the value is such an update."""
        source = (
            value.stripped if value.stripped is not None and value.type == place.type else value
        )
        if source.update is not None and source.update[0] == place.text:
            _, symbol, operand = source.update
            self.line(f"{place.text} {symbol}= {operand.text};")
        else:
            self.line(f"{place.text} = {assigned(replace(value, type=place.type))};")

    def run(self, block: mlir.Block) -> None:
        """Every operation of a block."""
        from pom.codegen.hlscpp_ops import handle

        for op in block.operations:
            try:
                handle(self, op.operation)
            except PomError as error:
                raise error.at(location_of(op.operation)) from None


_BREAKS = re.compile(r" (?=[-+*/%&|^?:<>=!]+ )|(?<=;) ")
"""Where a line may continue: before an operator with spaces around it, after a semicolon."""


def wrapped(text: str, indent: str) -> list[str]:
    """`text` as lines of at most `LINE_WIDTH`, broken where the fewest parentheses are open."""
    if len(text) <= LINE_WIDTH or text.lstrip().startswith("//"):
        return [text]
    depths = list(accumulate((c in "([") - (c in ")]") for c in text))
    start = len(text) - len(text.lstrip())
    places = [m.start() for m in _BREAKS.finditer(text) if start < m.start() < LINE_WIDTH]
    # An assignment itself is not a place to break: its right-hand side is.
    places = [p for p in places if not re.match(r" [-+*/]?= ", text[p:])]
    if not places:
        return [text]
    ranks = {p: (depths[p], _rank(text[p + 1 :])) for p in places}
    cut = max(p for p in places if ranks[p] == min(ranks.values()))
    return [text[:cut], *wrapped(indent + text[cut + 1 :], indent)]


def _rank(rest: str) -> int:
    """How readily a line continues before `rest`: the loosest operator first."""
    order = (("?", ":"), ("||",), ("&&",), ("|", "^", "&"), ("+", "-"), ("<<", ">>"))
    symbol = rest.split(" ", 1)[0]
    return next((k for k, symbols in enumerate(order) if symbol in symbols), len(order))


def assigned(value: Cpp) -> str:
    """The text where an assignment converts to the type by itself."""
    if value.stripped is not None and value.stripped.type.__class__ is value.type.__class__:
        return value.stripped.text
    return value.text
