"""Hypothesis strategies: random kernels as level-1 values.

The kernels are valid: every access is within its array, every value has the type that
`pom.ir.ops` gives, integers are cast where they are stored. They have several statements, nests of
depth one to four, triangular and trapezoidal bounds, steps, guards, negative coefficients,
data-dependent subscripts and all kinds of types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from hypothesis import strategies as st

from pom.ir.affine import Affine, Constraint
from pom.ir.convert import conversion_problem
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, Scalar, When
from pom.ir.location import Location
from pom.ir.ops import TypeRuleError, result_type
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType

FLOATS = (FloatType(16), FloatType(32), FloatType(64))
BINARY = ("add", "sub", "mul", "min", "max")


def scalar_types() -> st.SearchStrategy[ScalarType]:
    """Every kind of type."""
    widths = st.integers(1, 40)
    return st.one_of(
        st.sampled_from(FLOATS),
        st.builds(IntType, widths, st.booleans()),
        st.builds(FixedType, widths, st.integers(-4, 24), st.booleans()),
        st.just(BoolType()),
    )


def locations() -> st.SearchStrategy[Location | None]:
    """None or a span on a line."""
    spans = st.builds(
        lambda line, column, length: Location(
            "kernel.py", line, column, length and column + length
        ),
        st.integers(1, 500),
        st.integers(0, 80),
        st.integers(0, 20),
    )
    return st.none() | spans


@st.composite
def literals(draw: st.DrawFn, kind: ScalarType) -> Const:
    """A literal of a type, special floats included."""
    match kind:
        case BoolType():
            return Const(draw(st.booleans()), kind)
        case IntType():
            return Const(draw(st.integers(kind.minimum, kind.maximum)), kind)
        case FixedType():
            bits = IntType(kind.width, kind.signed)
            raw = draw(st.integers(bits.minimum, bits.maximum))
            return Const(Fraction(raw) / Fraction(2) ** kind.fraction_bits, kind)
        case FloatType():
            return Const(draw(st.floats(width=kind.width)), kind)


@dataclass
class _Scope:
    """What a statement can use: the range of every iterator, and the arrays and scalars."""

    arrays: tuple[Array, ...]
    scalars: tuple[Scalar, ...]
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    def bounds(self, affine: Affine) -> tuple[int, int]:
        """Least and greatest value over the box of the iterators."""
        names = sorted(affine.variables)
        values = [
            affine.evaluate(dict(zip(names, corner, strict=True)))
            for corner in product(*(self.ranges[n] for n in names))
        ]
        return min(values), max(values)


@st.composite
def _affines(draw: st.DrawFn, scope: _Scope) -> Affine:
    result = Affine.const(draw(st.integers(-3, 3)))
    names = sorted(scope.ranges)
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else ():
        result += Affine.var(name) * draw(st.sampled_from((-2, -1, 1, 1, 2)))
    match draw(st.integers(0, 7)):
        case 0:
            return result // draw(st.integers(2, 4))
        case 1:
            return result % draw(st.integers(2, 4))
    return result


@st.composite
def _subscripts(draw: st.DrawFn, scope: _Scope, extent: int) -> Affine:
    """An affine function of the iterators that stays in ``[0, extent)``."""
    affine = draw(_affines(scope))
    if any(not isinstance(atom, str) for atom, _ in affine.terms):
        return affine % extent
    low, high = scope.bounds(affine)
    if high - low >= extent:
        return affine % extent
    return affine - low + draw(st.integers(0, extent - 1 - (high - low)))


@st.composite
def _accesses(draw: st.DrawFn, scope: _Scope, array: Array) -> Access:
    subscripts: list[Affine | Expr] = []
    for extent in array.type.shape:
        subscript: Affine | Expr = draw(_subscripts(scope, extent))
        if isinstance(subscript, Affine) and extent >= 8 and draw(st.integers(0, 9)) == 0:
            # A one-element range in data: `index` wrapped to three bits is always below eight.
            subscript = Index(subscript, IntType(3, False))
        subscripts.append(subscript)
    return Access(array.name, tuple(subscripts))


@st.composite
def _leaves(draw: st.DrawFn, scope: _Scope) -> Expr:
    location = draw(locations())
    choice = draw(st.integers(0, 9))
    if choice < 6:
        array = draw(st.sampled_from(scope.arrays))
        return Load(draw(_accesses(scope, array)), array.type.element, location)
    if choice < 7 and scope.scalars:
        scalar = draw(st.sampled_from(scope.scalars))
        return Argument(scalar.name, scalar.type, location)
    if choice < 8:
        return Index(draw(_affines(scope)), IntType(draw(st.integers(2, 16))), location)
    return draw(literals(draw(scalar_types())))


def cast(value: Expr, kind: ScalarType) -> Expr:
    """`value` as `kind`; by way of int32 where there is no direct conversion."""
    if value.type == kind:
        return value
    if conversion_problem(value.type, kind):
        value = Apply("cast", (value,), IntType(32))
    return Apply("cast", (value,), kind)


@st.composite
def expressions(draw: st.DrawFn, scope: _Scope, depth: int) -> Expr:
    """An expression of any type."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(_leaves(scope))
    left = draw(expressions(scope, depth - 1))
    if draw(st.integers(0, 4)) == 0:
        return cast(left, draw(scalar_types()))
    if isinstance(left.type, BoolType):
        return Apply("invert", (left,), left.type, draw(locations()))
    right = cast(draw(expressions(scope, depth - 1)), left.type)
    if draw(st.integers(0, 4)) == 0:
        condition = Apply("lt", (left, right), BoolType(), draw(locations()))
        return Apply(
            "select",
            (condition, left, right),
            result_type("select", [BoolType(), left.type, left.type]),
        )
    op = draw(st.sampled_from(BINARY))
    try:
        return Apply(op, (left, right), result_type(op, [left.type, right.type]), draw(locations()))
    except TypeRuleError:
        return left


@dataclass
class _Names:
    statements: int = 0
    loops: int = 0


@st.composite
def _loops(draw: st.DrawFn, scope: _Scope, names: _Names, depth: int) -> For:
    var = f"i{names.loops}"
    names.loops += 1
    low = Affine.const(draw(st.integers(-2, 2)))
    high = low + draw(st.integers(1, 5))
    lowers, uppers = (low,), (high,)
    if scope.ranges and draw(st.booleans()):
        outer = Affine.var(draw(st.sampled_from(sorted(scope.ranges))))
        extra = outer * draw(st.sampled_from((-1, 1))) + draw(st.integers(-1, 3))
        if draw(st.booleans()):
            lowers = (*lowers, extra)
        else:
            uppers = (*uppers, extra)
    step = 1 if len(lowers) > 1 else draw(st.sampled_from((1, 1, 1, 2, 3)))
    inner = _Scope(
        scope.arrays,
        scope.scalars,
        {**scope.ranges, var: (low.constant, high.constant - 1)},
    )
    body = draw(_bodies(inner, names, depth - 1))
    return For(var, var, lowers, uppers, body, step, draw(locations()))


@st.composite
def _bodies(draw: st.DrawFn, scope: _Scope, names: _Names, depth: int) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for _ in range(draw(st.integers(1, 2))):
        choice = draw(st.integers(0, 5)) if depth > 0 else 0
        if choice > 2 or not scope.ranges:
            nodes.append(draw(_loops(scope, names, depth)))
        elif choice == 2:
            constraint = Constraint(draw(_affines(scope)), draw(st.integers(0, 3)) == 0)
            body = draw(_bodies(scope, names, depth - 1))
            nodes.append(When((constraint,), body, draw(locations())))
        else:
            nodes.append(draw(_statements(scope, names)))
    return tuple(nodes)


@st.composite
def _statements(draw: st.DrawFn, scope: _Scope, names: _Names) -> Assign:
    name = f"S{names.statements}"
    names.statements += 1
    array = draw(st.sampled_from(scope.arrays))
    value = cast(draw(expressions(scope, 2)), array.type.element)
    return Assign(name, draw(_accesses(scope, array)), value, draw(locations()))


@st.composite
def kernels(draw: st.DrawFn, types: tuple[ScalarType, ...] = ()) -> Kernel:
    """A kernel of one to three arrays, nests of depth up to four.

    Parameters
    ----------
    types : tuple of ScalarType
        Types of the arrays and scalars; empty for any.
    """
    kinds = st.sampled_from(types) if types else scalar_types()
    shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
    arrays = tuple(
        Array(f"A{k}", ArrayType(draw(kinds), draw(shapes)), draw(locations()))
        for k in range(draw(st.integers(1, 3)))
    )
    scalars = tuple(
        Scalar(f"s{k}", draw(kinds), draw(locations())) for k in range(draw(st.integers(0, 2)))
    )
    names = _Names()
    body = tuple(
        draw(_loops(_Scope(arrays, scalars), names, draw(st.integers(1, 4))))
        for _ in range(draw(st.integers(1, 2)))
    )
    params: tuple[Scalar | Array, ...] = tuple(draw(st.permutations((*scalars, *arrays))))
    return Kernel("kernel", params, (), body, (), draw(locations()))
