"""Random kernels as level-1 values, from a `random.Random`.

One to six statements in nests of depth one to four: imperfect, triangular and strided loops,
guards, negative coefficients, shared arrays, reductions, subscripts that depend on data, local
arrays. Floats, integers and fixed point of odd widths. Every access stays within its array, and a
kernel runs few enough instances to enumerate.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product

from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, Scalar, When
from pom.ir.ops import TypeRuleError, result_type
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.work import count_instances
from tests.strategies import cast

MOST_INSTANCES = 160
"""Statement instances of a kernel: few, since every pair is executed and many are enumerated."""


def random_kernel(rng: random.Random, name: str = "kernel") -> Kernel:
    """A kernel of at most `MOST_INSTANCES` and at least one instance."""
    while True:
        kernel = _Maker(rng).kernel(name)
        if count_instances(kernel, MOST_INSTANCES):
            return kernel


def random_type(rng: random.Random) -> ScalarType:
    """Floats half of the time; otherwise integers and fixed point of any width up to 40."""
    width = rng.randint(3, 40)
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            return FloatType(32)
        case 4:
            return FloatType(rng.choice((16, 64)))
        case 5 | 6 | 7:
            return IntType(width, True)
        case 8:
            return IntType(width, False)
        case 9:
            return IntType(32, True)
    return FixedType(width, rng.randint(-1, width), rng.random() < 0.7)


@dataclass
class _Maker:
    rng: random.Random
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    made: int = 0
    left: int = 0

    def kernel(self, name: str) -> Kernel:
        rng = self.rng
        kinds = [random_type(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
        self.arrays = [
            Array(f"A{k}", ArrayType(rng.choice(kinds), self.shape()))
            for k in range(rng.randint(1, 3))
        ]
        self.scalars = [Scalar("s", kinds[0])] if rng.random() < 0.3 else []
        self.left = rng.choice((1, 2, 2, 3, 3, 4, 5, 6))
        body: list[Node] = []
        locals_: tuple[Array, ...] = ()
        if rng.random() < 0.15 and self.left > 1:
            local = Array("T", ArrayType(rng.choice(kinds), (rng.randint(2, 5),)))
            body.append(self.filling(local))
            self.arrays.append(local)
            locals_ = (local,)
        while self.left:
            body.append(self.loop(1, rng.randint(1, 4)))
        params = tuple(a for a in self.arrays if a not in locals_)
        return Kernel(name, (*self.scalars, *params), locals_, tuple(body))

    def shape(self) -> tuple[int, ...]:
        rank = self.rng.choice((1, 1, 2, 2, 2, 3))
        return tuple(self.rng.randint(3, 9 if rank < 3 else 5) for _ in range(rank))

    def filling(self, local: Array) -> For:
        """A nest that writes every element of a local array."""
        self.left -= 1
        self.made += 1
        extent = local.type.shape[0]
        self.ranges["i"] = (0, extent - 1)
        target = Access(local.name, (Affine.var("i"),))
        value = cast(self.leaf(local.type.element), local.type.element)
        del self.ranges["i"]
        body = (Assign(f"S{self.made}", target, value),)
        return For("i", "i", (Affine.const(0),), (Affine.const(extent),), body)

    def loop(self, depth: int, deepest: int) -> For:
        rng = self.rng
        var = "ijkl"[depth - 1]
        low = rng.choice((0, 0, 0, 1, -2))
        high = low + rng.choice((1, 2, 3, 3, 4, 5, 7) if depth < 3 else (1, 2, 3, 4))
        lowers, uppers = (Affine.const(low),), (Affine.const(high),)
        if self.ranges and rng.random() < 0.35:
            outer = Affine.var(rng.choice(sorted(self.ranges))) * rng.choice((1, 1, 1, -1))
            outer += rng.randint(-1, 3)
            first, last = self.bounds(outer)
            match rng.randrange(4):
                case 0:
                    lowers, low = (outer,), first
                case 1:
                    uppers, high = (outer,), last
                case 2:
                    lowers = (*lowers, outer)
                case 3:
                    uppers = (*uppers, outer)
        step = rng.choice((2, 3)) if len(lowers) == 1 and rng.random() < 0.12 else 1
        self.ranges[var] = (low, max(high - 1, low))
        body: list[Node] = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            if self.left and depth < deepest and rng.random() < 0.6:
                body.append(self.guarded(self.loop(depth + 1, deepest), 0.08))
            elif self.left:
                body.append(self.guarded(self.statement(), 0.2))
        if not body:
            body.append(self.statement())
        del self.ranges[var]
        return For(var, var, lowers, uppers, tuple(body), step)

    def guarded(self, node: Node, chance: float) -> Node:
        rng = self.rng
        if rng.random() >= chance:
            return node
        constraints = []
        for _ in range(rng.choice((1, 1, 2))):
            expression = self.affine()
            if rng.random() < 0.2:
                expression %= rng.randint(2, 3)
            constraints.append(Constraint(expression, rng.random() < 0.25))
        return When(tuple(constraints), (node,))

    def affine(self) -> Affine:
        rng = self.rng
        result = Affine.const(rng.randint(-2, 2))
        names = sorted(self.ranges)
        for name in rng.sample(names, min(len(names), rng.choice((1, 1, 2)))):
            result += Affine.var(name) * rng.choice((1, 1, 1, -1, 2))
        return result

    def bounds(self, affine: Affine) -> tuple[int, int]:
        names = sorted(affine.variables)
        values = [
            affine.evaluate(dict(zip(names, corner, strict=True)))
            for corner in product(*(self.ranges[n] for n in names))
        ]
        return min(values), max(values)

    def subscript(self, position: int, extent: int) -> Affine:
        """Mostly an iterator plus a constant; always within ``[0, extent)``."""
        rng = self.rng
        names = sorted(self.ranges)
        chance = rng.random()
        if chance < 0.65 and names:
            affine = Affine.var(names[(position + rng.choice((0, 0, 0, 1))) % len(names)])
            affine *= rng.choice((1, 1, 1, 1, -1))
        elif chance < 0.9:
            affine = self.affine()
        else:
            affine = Affine.const(0)
        low, high = self.bounds(affine)
        if high - low < extent:
            return affine - low + rng.randint(0, extent - 1 - (high - low))
        if rng.random() < 0.5:
            return affine % extent
        return (affine - low) // -(-(high - low + 1) // extent)

    def access(self, array: Array, with_data: bool = True) -> Access:
        rng = self.rng
        subscripts: list[Affine | Expr] = [
            self.subscript(k, extent) for k, extent in enumerate(array.type.shape)
        ]
        if with_data and array.type.shape[0] >= 4 and rng.random() < 0.03:
            # an index wrapped to two bits is below four
            subscripts[0] = Index(self.affine(), IntType(2, False))
        return Access(array.name, tuple(subscripts))

    def leaf(self, kind: ScalarType) -> Expr:
        rng = self.rng
        choice = rng.random()
        if choice < 0.8:
            array = rng.choice(self.arrays)
            return Load(self.access(array), array.type.element)
        if choice < 0.87 and self.scalars:
            return Argument("s", self.scalars[0].type)
        if choice < 0.95:
            return Index(self.affine(), IntType(rng.randint(3, 12), True))
        return Const(float(rng.randint(-3, 3)), kind) if isinstance(kind, FloatType) else Const(
            rng.randint(-3, 3), IntType(4, True)
        )  # fmt: skip

    def expression(self, kind: ScalarType, depth: int) -> Expr:
        rng = self.rng
        if depth == 0 or rng.random() < 0.3:
            return cast(self.leaf(kind), kind)
        left, right = self.expression(kind, depth - 1), self.expression(kind, depth - 1)
        if rng.random() < 0.12:
            left, right = cast(left, kind), cast(right, kind)
            test = Apply(rng.choice(("lt", "le", "eq")), (left, right), BoolType())
            return Apply("select", (test, left, right), kind)
        op = rng.choice(("add", "add", "sub", "sub", "mul", "min", "max"))
        try:
            value = Apply(op, (left, right), result_type(op, [left.type, right.type]))
        except TypeRuleError:
            return left
        return cast(value, kind) if rng.random() < 0.5 else self.narrowed(value)

    def narrowed(self, value: Expr) -> Expr:
        """Exact results grow; keep them below what compilers treat as wide."""
        width = getattr(value.type, "width", 1)
        if width <= 60 or isinstance(value.type, FloatType):
            return value
        kind = value.type
        if isinstance(kind, FixedType):
            return cast(value, FixedType(40, 20, kind.signed))
        return cast(value, IntType(40, True))

    def statement(self) -> Assign:
        rng = self.rng
        self.left = max(self.left - 1, 0)
        self.made += 1
        array = rng.choice(self.arrays)
        element = array.type.element
        target = self.access(array)
        if rng.random() < 0.4:
            op = rng.choice(("add", "add", "add", "sub", "min", "max", "mul"))
            other = self.expression(element, 1)
            value: Expr = self.combined(op, Load(target, element), other)
        else:
            value = self.expression(element, 2)
        return Assign(f"S{self.made}", target, cast(value, element))

    def combined(self, op: str, left: Expr, right: Expr) -> Expr:
        right = cast(right, left.type)
        try:
            return Apply(op, (left, right), result_type(op, [left.type, right.type]))
        except TypeRuleError:
            return right


__all__ = ["random_kernel", "random_type"]
