"""Orders, conflicts and verdicts by enumeration, for programs small enough.

Nothing here uses isl: instances come from running the loops of the level-1 kernel, times from
evaluating the schedule tree.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import islpy as isl

from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Apply, Expr, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, When
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence
from pom.ir.types import ArrayType, ScalarType, f32

Instance = tuple[str, tuple[int, ...]]
Element = tuple[str, tuple[int, ...]]


def instances(kernel: Kernel) -> list[Instance]:
    """Every statement instance in program order."""
    found: list[Instance] = []

    def run(nodes: tuple[Node, ...], point: dict[str, int]) -> None:
        for node in nodes:
            match node:
                case For():
                    low = max(e.evaluate(point) for e in node.lowers)
                    high = min(e.evaluate(point) for e in node.uppers)
                    for value in range(low, high, node.step):
                        run(node.body, {**point, node.var: value})
                case When():
                    if all(c.holds(point) for c in node.constraints):
                        run(node.body, point)
                case _:
                    found.append((node.name, tuple(point.values())))

    run(kernel.body, {})
    return found


def time_of(node: ScheduleNode, statement: str, point: dict[str, int]) -> tuple[int, ...]:
    """When an instance runs: alternating places in sequences and values of loops."""
    match node:
        case Leaf():
            return (0,)
        case Sequence():
            for place, child in enumerate(node.children):
                if statement in child.statements:
                    return (place, *_placed(child, statement, point))
            raise AssertionError(statement)
        case Loop():
            return (0, *_placed(node, statement, point))


def _placed(node: ScheduleNode, statement: str, point: dict[str, int]) -> tuple[int, ...]:
    if isinstance(node, Loop):
        return (node.expr(statement).evaluate(point), *time_of(node.child, statement, point))
    return ()


class Enumerated:
    """A kernel with everything about its order listed."""

    def __init__(self, kernel: Kernel, program: PolyProgram) -> None:
        self.order = instances(kernel)
        self.rank = {instance: k for k, instance in enumerate(self.order)}
        self.iterators = {s.name: s.iterators for s in program.statements}
        self.bodies = {s.name: s.body for s in program.statements}

    def point(self, instance: Instance) -> dict[str, int]:
        return dict(zip(self.iterators[instance[0]], instance[1], strict=True))

    def element(self, access: Access, instance: Instance) -> Element:
        point = self.point(instance)
        subscripts = [s.evaluate(point) for s in access.subscripts if isinstance(s, Affine)]
        return access.array, tuple(subscripts)

    def reads(self, instance: Instance) -> set[Element]:
        body = self.bodies[instance[0]]
        return {self.element(a, instance) for a in body.reads}  # type: ignore[union-attr]

    def write(self, instance: Instance) -> Element:
        return self.element(self.bodies[instance[0]].target, instance)  # type: ignore[union-attr]

    def conflicting_pairs(
        self, commuting: Mapping[str, object] = MappingProxyType({})
    ) -> set[tuple[Instance, Instance]]:
        """Pairs in program order of which one writes what the other touches.

        Instances of statements with one class in `commuting` do not conflict through the element of
        their targets, where neither reaches it by another access.
        """
        found = set()
        for k, a in enumerate(self.order):
            for b in self.order[k + 1 :]:
                same = a[0] in commuting and commuting[a[0]] == commuting.get(b[0])
                if self._conflict(a, b, same):
                    found.add((a, b))
        return found

    def _conflict(self, a: Instance, b: Instance, commute: bool) -> bool:
        reads_a, reads_b = self.reads(a), self.reads(b)
        if commute:
            if self.write(a) == self.write(b):
                reads_a, reads_b = self._other_reads(a), self._other_reads(b)
                return self.write(a) in reads_b or self.write(b) in reads_a
        elif self.write(a) == self.write(b):
            return True
        return self.write(a) in reads_b or self.write(b) in reads_a

    def _other_reads(self, instance: Instance) -> set[Element]:
        body = self.bodies[instance[0]]
        return {
            self.element(a, instance)
            for a in body.reads  # type: ignore[union-attr]
            if a != body.target  # type: ignore[union-attr]
        }

    def nearest(self) -> dict[str, set[tuple[Instance, Instance]]]:
        """Last write → read, last write → write, read → next write."""
        result: dict[str, set[tuple[Instance, Instance]]] = {
            "flow": set(),
            "anti": set(),
            "output": set(),
        }
        last: dict[Element, Instance] = {}
        for instance in self.order:
            for element in self.reads(instance):
                if element in last:
                    result["flow"].add((last[element], instance))
            if self.write(instance) in last:
                result["output"].add((last[self.write(instance)], instance))
            last[self.write(instance)] = instance
        following: dict[Element, Instance] = {}
        for instance in reversed(self.order):
            for element in self.reads(instance):
                if element in following:
                    result["anti"].add((instance, following[element]))
            following[self.write(instance)] = instance
        return result

    def reversed_pairs(
        self, program: PolyProgram, commuting: Mapping[str, object] = MappingProxyType({})
    ) -> set[tuple[Instance, Instance]]:
        """Conflicting pairs that the schedule of `program` does not keep in order."""

        @cache
        def time(instance: Instance) -> tuple[int, ...]:
            return time_of(program.schedule, instance[0], self.point(instance))

        return {(a, b) for a, b in self.conflicting_pairs(commuting) if time(b) <= time(a)}


def random_kernel(
    rng: random.Random, element: ScalarType = f32, most_statements: int = 3
) -> Kernel:
    """A small kernel with imperfect, triangular and guarded nests over a few shared arrays."""
    arrays = (Array("A", ArrayType(element, (64, 64))), Array("B", ArrayType(element, (64,))))
    maker = _Maker(rng, element, rng.randint(1, most_statements))
    body: list[Node] = []
    while maker.left:
        body.append(maker.loop([], 1))
    return Kernel("random", arrays, (), tuple(body))


class _Maker:
    def __init__(self, rng: random.Random, element: ScalarType, statements: int) -> None:
        self.rng = rng
        self.element = element
        self.left = statements
        self.made = 0

    def loop(self, around: list[str], depth: int) -> For:
        rng = self.rng
        var = "ijk"[len(around)]
        low, high = Affine.const(0), Affine.const(rng.randint(2, 4))
        if around and rng.random() < 0.4:
            outer = Affine.var(rng.choice(around))
            if rng.random() < 0.5:
                low, high = outer, Affine.const(4)
            else:
                high = outer + 1
        step = 2 if rng.random() < 0.1 else 1
        inside: list[Node] = []
        for _ in range(rng.randint(1, 2)):
            if depth < 3 and rng.random() < 0.6:
                inside.append(self.loop([*around, var], depth + 1))
            elif self.left:
                inside.append(self.statement([*around, var]))
            if not self.left:
                break
        if not inside:
            inside.append(self.statement([*around, var]))
        return For(var, var, (low,), (high,), tuple(inside), step)

    def statement(self, around: list[str]) -> Node:
        rng = self.rng
        self.left -= 1
        self.made += 1
        target = self.access(around)
        value: Expr = Load(self.access(around), self.element)
        if rng.random() < 0.5:
            value = Apply(
                rng.choice(("add", "mul")), (Load(target, self.element), value), self.element
            )
        elif rng.random() < 0.3:
            value = Apply("add", (value, Load(self.access(around), self.element)), self.element)
        node: Node = Assign(f"S{self.made}", target, value)
        if rng.random() < 0.2:
            condition = Affine.var(rng.choice(around)) - rng.randint(0, 2)
            node = When((Constraint(condition, rng.random() < 0.2),), (node,))
        return node

    def access(self, around: list[str]) -> Access:
        if self.rng.random() < 0.5:
            return Access("B", (self.subscript(around),))
        return Access("A", (self.subscript(around), self.subscript(around)))

    def subscript(self, around: list[str]) -> Affine:
        rng = self.rng
        result = Affine.const(rng.randint(0, 2) + 8)
        for var in around:
            chance = rng.random()
            if chance < 0.55:
                result += Affine.var(var)
            elif chance < 0.62:
                result -= Affine.var(var)
            elif chance < 0.66:
                result += Affine.var(var) * 2
        return result


def pairs_of(relation: isl.Map) -> set[tuple[Instance, Instance]]:
    """The pairs of an isl map between statements, listed."""
    source = relation.get_tuple_name(isl.dim_type.in_)
    target = relation.get_tuple_name(isl.dim_type.out)
    depth = relation.dim(isl.dim_type.in_)
    found: list[tuple[Instance, Instance]] = []

    def add(point: isl.Point) -> None:
        count = depth + relation.dim(isl.dim_type.out)
        values = [point.get_coordinate_val(isl.dim_type.set, k).to_python() for k in range(count)]
        found.append(((source, tuple(values[:depth])), (target, tuple(values[depth:]))))

    relation.wrap().foreach_point(add)
    return set(found)
