"""Every Python operator on symbolic values: which operation it records, operands in order."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pom
from pom.dsl.kernel import KernelFunction
from pom.dsl.values import Condition, Extremum, IndexValue
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.graph import Assign

BINARY: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("add", operator.add),
    ("sub", operator.sub),
    ("mul", operator.mul),
    ("div", operator.truediv),
    ("div", operator.floordiv),
    ("mod", operator.mod),
    ("and", operator.and_),
    ("or", operator.or_),
    ("xor", operator.xor),
    ("shl", operator.lshift),
    ("shr", operator.rshift),
]


@pytest.mark.parametrize(("op", "apply"), BINARY, ids=lambda v: getattr(v, "__name__", v))
def test_binary_operators_on_integers(op: str, apply: Callable[[Any, Any], Any]) -> None:
    seen = []

    @pom.kernel
    def k(a: pom.uint8, b: pom.uint8, out: pom.uint32[1]):
        seen.extend(str(v.expr) for v in (apply(a, b), apply(a, 5), apply(6, a)))
        out[0] = 0

    # Bitwise operators are commutative, and reflected they keep the value in front.
    reflected = f"{op}(a, 6)" if op in ("and", "or", "xor") else f"{op}(6, a)"
    assert seen == [f"{op}(a, b)", f"{op}(a, 5)", reflected]


@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons(op: str) -> None:
    apply = getattr(operator, op)
    mirrored = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}.get(op, op)
    seen = []

    @pom.kernel
    def k(a: pom.f32, b: pom.f32, out: pom.bool[1]):
        seen.extend(str(v.expr) for v in (apply(a, b), apply(a, 5), apply(6, a)))
        out[0] = apply(a, b)

    assert seen == [f"{op}(a, b)", f"{op}(a, 5.0)", f"{mirrored}(a, 6.0)"]


def test_unary_and_powers() -> None:
    seen = []

    @pom.kernel
    def k(a: pom.f32, n: pom.int8, t: pom.bool, out: pom.f32[1]):
        values = (-a, +a, abs(a), ~n, ~t, a**2, 2**a, pom.abs(n), pom.pow(a, a), pom.tanh(a))
        seen.extend(str(v.expr) for v in values)
        out[0] = a

    assert seen == [
        "neg(a)",
        "a",
        "abs(a)",
        "invert(n)",
        "invert(t)",
        "pow(a, 2.0)",
        "pow(2.0, a)",
        "abs(n)",
        "pow(a, a)",
        "tanh(a)",
    ]


def within_loops(use: Callable[[Any, Any], None]) -> KernelFunction:
    @pom.kernel
    def k(A: pom.f32[1]):
        for i in pom.loop("i", 0, 10):
            for j in pom.loop("j", 2, 7):
                use(i, j)
        A[0] = 1

    return k


@given(st.data())
def test_affine_arithmetic_is_exact(data: st.DataObject) -> None:
    """Operators on loop variables agree with Python's on integers."""
    built: list[tuple[Any, Callable[[int, int], int]]] = []

    def use(i: Any, j: Any) -> None:
        pool: list[tuple[Any, Callable[[int, int], int]]] = [
            (i, lambda a, b: a),
            (j, lambda a, b: b),
        ]
        for _ in range(data.draw(st.integers(1, 6))):
            value, meaning = data.draw(st.sampled_from(pool))
            other, other_meaning = data.draw(st.sampled_from(pool))
            n = data.draw(st.integers(-4, 4))
            d = data.draw(st.integers(1, 5))
            pool.append(
                data.draw(
                    st.sampled_from(
                        [
                            (
                                value + other,
                                lambda a, b, f=meaning, g=other_meaning: f(a, b) + g(a, b),
                            ),
                            (
                                value - other,
                                lambda a, b, f=meaning, g=other_meaning: f(a, b) - g(a, b),
                            ),
                            (n * value, lambda a, b, f=meaning, n=n: n * f(a, b)),
                            (n - value, lambda a, b, f=meaning, n=n: n - f(a, b)),
                            (-value + n, lambda a, b, f=meaning, n=n: -f(a, b) + n),
                            (value // d, lambda a, b, f=meaning, d=d: f(a, b) // d),
                            (value % d, lambda a, b, f=meaning, d=d: f(a, b) % d),
                        ]
                    )
                )
            )
        built.extend(pool)

    within_loops(use)
    for value, meaning in built:
        assert isinstance(value, IndexValue)
        assert value.origin.ranges.get("i", (0, 9)) == (0, 9)
        for a, b in ((0, 2), (9, 6), (4, 5), (7, 3)):
            assert value.affine.evaluate({"i": a, "j": b}) == meaning(a, b)


CONDITIONS: list[Callable[[Any, Any], Any]] = [
    lambda i, j: i < j,
    lambda i, j: i <= 2 * j - 3,
    lambda i, j: i + 1 > 4,
    lambda i, j: (i >= j) & (j > 3),
    lambda i, j: (i + j) % 3 == 1,
    lambda i, j: ~(i < j),
    lambda i, j: i < pom.min(j + 2, 6),
    lambda i, j: pom.max(j, 4) <= i + 1,
    lambda i, j: pom.min(j, 5) - 1 > i,
    lambda i, j: i >= 9 - pom.min(j, 5),
]


@pytest.mark.parametrize("number", range(len(CONDITIONS)))
def test_guards_hold_where_python_says(number: int) -> None:
    made: list[Any] = []
    within_loops(lambda i, j: made.append(CONDITIONS[number](i, j)))
    (condition,) = made
    assert isinstance(condition, Condition)
    assert condition.constraints is not None
    for i in range(10):
        for j in range(2, 7):
            found = all(c.holds({"i": i, "j": j}) for c in condition.constraints)
            plain = CONDITIONS[number](i, j)
            # ~ of a Python bool is -1 or -2.
            assert found == (plain if isinstance(plain, bool) else plain == -1), (i, j)


def test_extrema_move_with_sums() -> None:
    made: list[Any] = []
    within_loops(
        lambda i, j: made.extend(
            [pom.min(i, 4) + j, 1 + pom.max(i, j), -pom.min(i, j) - 1, 9 - pom.max(i, j, 3)]
        )
    )
    assert all(isinstance(m, Extremum) for m in made)
    i, j = Affine.var("i"), Affine.var("j")
    assert [(m.kind, m.operands) for m in made] == [
        ("min", (i + j, j + 4)),
        ("max", (i + 1, j + 1)),
        ("max", (-i - 1, -j - 1)),
        ("min", (-i + 9, -j + 9, Affine.const(6))),
    ]


def test_a_disjunction_is_no_guard() -> None:
    def use(i: Any, j: Any) -> None:
        with pom.when(i > pom.min(j, 3)):
            pass

    with pytest.raises(PomError, match="POM-D032"):
        within_loops(use)


def test_products_of_loop_variables_are_data() -> None:
    @pom.kernel
    def k(v: pom.f32[100], out: pom.f32[10]):
        for i in pom.loop("i", 0, 10):
            out[i] = v[i * i]

    statement = next(k.graph.statements())[0]
    assert isinstance(statement, Assign)
    assert not statement.reads[0].is_affine


def test_strangers_are_refused_by_python() -> None:
    with pytest.raises(PomError, match="POM-D062: kernel 'k' raised TypeError"):
        within_loops(lambda i, j: i + "x")  # type: ignore[operator]
