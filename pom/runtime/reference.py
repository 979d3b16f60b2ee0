"""The reference interpreter: level 1, in program order, with the semantics of `pom.ir.ops`.

A kernel is translated once into Python source over flat lists of scalar values. Floats are numpy
scalars of their own width, integers and raw fixed-point numbers are Python ints, so that nothing
overflows before a cast or a store wraps it. Only what level 1 itself does not prove is checked at
run time: data-dependent subscripts, integer division by zero, and reads of local elements that
were never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np

from pom.errors import PomError
from pom.ir.affine import Affine, FloorDiv
from pom.ir.convert import convert, numpy_float, wrap_bits
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Array, Assign, Call, For, Kernel, Node, When
from pom.ir.location import Location
from pom.ir.ops import OPS
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.arrays import AnyArray, check_arguments, from_values, to_values

_INLINE = {
    **{name: f"({{0}} {symbol} {{1}})" for name, symbol in (("add", "+"), ("sub", "-"))},
    **{
        name: f"({{0}} {symbol} {{1}})"
        for name, symbol in (
            ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!="),
        )
    },
    "min": "_min({0}, {1})",
    "max": "_max({0}, {1})",
}  # fmt: skip
"""Operations on equally scaled operands that Python computes as `pom.ir.ops` does."""

_FLOAT_INLINE = {"mul": "({0} * {1})", "div": "({0} / {1})", "neg": "(-{0})", "abs": "abs({0})"}
_EXACT_INLINE = {"mul": "({0} * {1})", "neg": "(-{0})", "abs": "abs({0})"}
_FILE = "<reference of a kernel>"


class _BadSubscript(Exception):
    """A data-dependent subscript outside its array: the value and the extent."""


class _NeverWritten(Exception):
    """A local array's element read before it was written."""


def _minimum(a: Any, b: Any) -> Any:
    return b if b < a else a


def _maximum(a: Any, b: Any) -> Any:
    return b if a < b else a


def _subscript(value: int, extent: int) -> int:
    if 0 <= value < extent:
        return value
    raise _BadSubscript(value, extent)


def _written(value: Any) -> Any:
    if value is None:
        raise _NeverWritten
    return value


@dataclass
class _Source:
    """Python text under construction, and the objects that it names."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    known: dict[Any, str] = field(default_factory=dict)
    statements: dict[int, tuple[Kernel, Assign | Call, tuple[str, ...]]] = field(
        default_factory=dict
    )

    def bind(self, key: Any, value: Any) -> str:
        """A name for `value`; the same `key` gives the same name."""
        if key not in self.known:
            self.known[key] = f"_k{len(self.known)}"
            self.names[self.known[key]] = value
        return self.known[key]


@dataclass
class _Translator:
    """One kernel to one Python function."""

    kernel: Kernel
    source: _Source
    function: str

    def run(self) -> None:
        """Append the function's text to the source."""
        parameters = ", ".join(f"v_{p.name}" for p in self.kernel.params)
        self.source.lines.append(f"def {self.function}({parameters}):")
        for local in self.kernel.locals:
            size = int(np.prod(local.type.shape, dtype=object))
            self.source.lines.append(f" v_{local.name} = [None] * {size}")
        self.nodes(self.kernel.body, 1, ())
        self.source.lines.append(" return None")

    def nodes(self, nodes: tuple[Node, ...], depth: int, iterators: tuple[str, ...]) -> None:
        pad = " " * depth
        for node in nodes:
            match node:
                case For():
                    low = _bound(node.lowers, "max")
                    high = _bound(node.uppers, "min")
                    step = "" if node.step == 1 else f", {node.step}"
                    self.source.lines.append(
                        f"{pad}for i_{node.var} in range({low}, {high}{step}):"
                    )
                    self.block(node.body, depth, (*iterators, node.var))
                case When():
                    test = " and ".join(
                        f"{_affine(c.expression)} {'==' if c.is_equality else '>='} 0"
                        for c in node.constraints
                    )
                    self.source.lines.append(f"{pad}if {test or 'True'}:")
                    self.block(node.body, depth, iterators)
                case Assign() | Call():
                    self.source.lines.append(pad + self.statement(node))
                    line = len(self.source.lines)
                    self.source.statements[line] = (self.kernel, node, iterators)

    def block(self, body: tuple[Node, ...], depth: int, iterators: tuple[str, ...]) -> None:
        if body:
            self.nodes(body, depth + 1, iterators)
        else:
            self.source.lines.append(" " * (depth + 1) + "pass")

    def statement(self, node: Assign | Call) -> str:
        if isinstance(node, Call):
            callee = self.kernel.callee(node.callee)
            passed = [
                f"v_{a}" if isinstance(a, str) else self.stored(a, p.type)  # type: ignore[arg-type]
                for a, p in zip(node.arguments, callee.params, strict=True)
            ]
            return f"{_callee_name(self.function, callee)}({', '.join(passed)})"
        element = self.kernel.arrays[node.target.array].type.element
        return f"{self.element(node.target)} = {self.stored(node.value, element)}"

    def stored(self, value: Expr, type: ScalarType) -> str:
        text = self.expr(value)
        return text if value.type == type else self.conversion(text, value.type, type)

    def element(self, access: Access) -> str:
        """``array[flat position]``."""
        shape = self.kernel.arrays[access.array].type.shape
        position = ""
        for subscript, extent in zip(access.subscripts, shape, strict=True):
            if isinstance(subscript, Affine):
                term = _affine(subscript)
            else:
                term = f"_subscript({self.expr(subscript)}, {extent})"
            position = f"({position})*{extent}+{term}" if position else term
        return f"v_{access.array}[{position or '0'}]"

    def expr(self, expr: Expr) -> str:
        match expr:
            case Const():
                value = constant_value(expr)
                text = repr(value)
                return (
                    f"({text})"
                    if isinstance(value, int)
                    else self.source.bind((expr.type, value.tobytes()), value)
                )
            case Index():
                return self.wrapped(_affine(expr.affine), expr.type)
            case Argument():
                return f"v_{expr.name}"
            case Load():
                text = self.element(expr.access)
                is_local = any(a.name == expr.access.array for a in self.kernel.locals)
                return f"_written({text})" if is_local else text
            case Apply():
                return self.apply(expr)

    def wrapped(self, text: str, type: ScalarType) -> str:
        width, signed = type.width, getattr(type, "signed", False)
        return f"_wrap({text}, {width}, {signed})"

    def conversion(self, text: str, source: ScalarType, target: ScalarType) -> str:
        if source == target:
            return text
        if isinstance(source, IntType) and isinstance(target, IntType):
            return self.wrapped(text, target)
        if isinstance(source, FloatType) and isinstance(target, FloatType):
            return f"{self.source.bind(('class', target), numpy_float(target))}({text})"
        names = [self.source.bind(t, t) for t in (source, target)]
        return f"_convert({text}, {names[0]}, {names[1]})"

    def apply(self, expr: Apply) -> str:
        operands = [self.expr(o) for o in expr.operands]
        types = tuple(o.type for o in expr.operands)
        if expr.op == "cast":
            return self.conversion(operands[0], types[0], expr.type)
        is_float = isinstance(types[0], FloatType)
        inline = _INLINE.get(expr.op) or (_FLOAT_INLINE if is_float else _EXACT_INLINE).get(expr.op)
        if inline is not None and not isinstance(types[0], BoolType):
            if isinstance(types[0], FixedType) and expr.op in _INLINE:
                fraction = max(t.fraction_bits for t in types)  # type: ignore[union-attr]
                shifts = [fraction - t.fraction_bits for t in types]  # type: ignore[union-attr]
                operands = [
                    f"({o} << {s})" if s else o for o, s in zip(operands, shifts, strict=True)
                ]
            return inline.format(*operands)
        return f"{self.evaluator(expr.op, types, expr.type)}(({', '.join(operands)},))"

    def evaluator(self, op: str, types: tuple[ScalarType, ...], result: ScalarType) -> str:
        evaluate = OPS[op].evaluate

        def compute(values: tuple[Any, ...]) -> Any:
            return evaluate(values, types, result)

        return self.source.bind((op, types, result), compute)


def constant_value(const: Const) -> Any:
    """A literal as a reference value."""
    match const.type:
        case FloatType():
            with np.errstate(all="ignore"):
                return numpy_float(const.type)(const.value)
        case BoolType():
            return bool(const.value)
        case IntType():
            return int(const.value)
        case FixedType(fraction_bits=fraction):
            scaled = const.value * 2**fraction if fraction >= 0 else const.value / 2**-fraction
            return int(scaled)


def _bound(bounds: tuple[Affine, ...], choose: str) -> str:
    texts = [_affine(b) for b in bounds]
    return texts[0] if len(texts) == 1 else f"{choose}({', '.join(texts)})"


def _affine(expr: Affine) -> str:
    parts = []
    for atom, coefficient in expr.terms:
        if isinstance(atom, FloorDiv):
            text = f"({_affine(atom.numerator)})//{atom.denominator}"
            text = f"({text})"
        else:
            text = f"i_{atom}"
        parts.append(text if coefficient == 1 else f"{coefficient}*{text}")
    if expr.constant or not parts:
        parts.append(str(expr.constant))
    return parts[0] if len(parts) == 1 else f"({'+'.join(parts)})"


def _callee_name(caller: str, callee: Kernel) -> str:
    return f"{caller}__{callee.name}"


@dataclass(frozen=True, slots=True)
class _Compiled:
    function: Callable[..., None]
    source: _Source
    text: str


def _translate(kernel: Kernel, function: str, source: _Source) -> None:
    for callee in kernel.callees:
        _translate(callee, _callee_name(function, callee), source)
    _Translator(kernel, source, function).run()


def _compile(kernel: Kernel) -> _Compiled:
    # Locations do not take part in equality, yet errors name them.
    return _compile_at(kernel, tuple(s.location for s, _ in kernel.statements()))


@lru_cache(maxsize=64)
def _compile_at(kernel: Kernel, locations: tuple[Location | None, ...]) -> _Compiled:
    source = _Source()
    source.names.update(
        _min=_minimum,
        _max=_maximum,
        _subscript=_subscript,
        _written=_written,
        _wrap=wrap_bits,
        _convert=convert,
    )
    name = f"f_{kernel.name}"
    _translate(kernel, name, source)
    text = "\n".join(source.lines) + "\n"
    namespace = dict(source.names)
    exec(compile(text, _FILE, "exec"), namespace)  # the text is made above, from checked names
    return _Compiled(namespace[name], source, text)


def python_source(kernel: Kernel) -> str:
    """The Python text that `run` executes."""
    return _compile(kernel).text


def _frame_of(traceback: TracebackType | None) -> tuple[int, Mapping[str, Any]]:
    """Line and variables of the innermost frame in translated text."""
    found: tuple[int, Mapping[str, Any]] = (0, {})
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _FILE:
            found = (traceback.tb_lineno, traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    return found


def _explain(error: Exception, source: _Source) -> PomError:
    line, variables = _frame_of(error.__traceback__)
    kernel, statement, iterators = source.statements[line]
    point = ", ".join(f"{i} = {variables[f'i_{i}']}" for i in iterators)
    where = f"statement '{statement.name}' of {kernel.name}" + (f" at {point}" if point else "")
    match error:
        case _BadSubscript(args=(value, extent)):
            code, what = "POM-R010", f"a subscript is {value}, outside an extent of {extent}"
        case ZeroDivisionError():
            code, what = "POM-R011", "division by zero"
        case _:
            code, what = "POM-R012", "a local array's element is read before it is written"
    return PomError(code, f"{what}: {where}", statement.location)


_LIST_LIMIT = 1 << 18
"""Elements above which a float array stays a numpy array: slower to index, faster to make."""


def _storage(array: AnyArray, type: ScalarType) -> Any:
    if isinstance(type, FloatType) and array.size > _LIST_LIMIT:
        return array.reshape(-1).copy()
    return to_values(array, type)


def run(kernel: Kernel, arguments: Mapping[str, Any]) -> dict[str, AnyArray]:
    """Run a kernel.

    Parameters
    ----------
    kernel : Kernel
    arguments : mapping
        Arrays and scalars by name, as `pom.runtime.arrays` lays down. Not modified. An array that
        the kernel only writes may be left out.

    Returns
    -------
    dict
        Every array that the kernel writes, by name, in the order of the parameters.

    Raises
    ------
    PomError
        POM-R001 to R003 for wrong arguments; POM-R010 for a data-dependent subscript out of
        bounds, POM-R011 for an integer division by zero, POM-R012 for a read of a local element
        that was never written, each with the statement and the iteration.
    """
    directions = kernel.directions()
    checked = check_arguments(kernel.name, kernel.params, directions, arguments)
    compiled = _compile(kernel)
    values = [
        _storage(checked[p.name], p.type.element) if isinstance(p, Array) else checked[p.name]
        for p in kernel.params
    ]
    try:
        with np.errstate(all="ignore"):
            compiled.function(*values)
    except (_BadSubscript, _NeverWritten, ZeroDivisionError) as error:
        raise _explain(error, compiled.source) from None
    return {
        p.name: from_values(v, p.type)
        for p, v in zip(kernel.params, values, strict=True)
        if isinstance(p, Array) and directions[p.name] in ("out", "inout")
    }
