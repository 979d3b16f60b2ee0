"""How many statement instances a kernel executes."""

from __future__ import annotations

from pom.ir.affine import Affine
from pom.ir.graph import Call, For, Kernel, Node, When


class _TooMany(Exception):
    """The limit is passed."""


def _variables(node: Node) -> frozenset[str]:
    """Loop variables on which the number of instances in `node` depends."""
    match node:
        case For():
            found: frozenset[str] = frozenset()
            for bound in (*node.lowers, *node.uppers):
                found |= bound.variables
            return found | (_body_variables(node.body) - {node.var})
        case When():
            found = frozenset().union(*(c.expression.variables for c in node.constraints))
            return found | _body_variables(node.body)
    return frozenset()


def _body_variables(body: tuple[Node, ...]) -> frozenset[str]:
    return frozenset().union(*(_variables(n) for n in body))


class _Counter:
    def __init__(self, kernel: Kernel, limit: int) -> None:
        self.kernel = kernel
        self.limit = limit
        self.steps = 0
        self.callees: dict[str, int] = {}
        self.depends: dict[int, bool] = {}

    def body(self, nodes: tuple[Node, ...], point: dict[str, int]) -> int:
        total = sum(self.node(n, point) for n in nodes)
        if total > self.limit:
            raise _TooMany
        return total

    def node(self, node: Node, point: dict[str, int]) -> int:
        match node:
            case For():
                return self.loop(node, point)
            case When():
                is_run = all(c.holds(point) for c in node.constraints)
                return self.body(node.body, point) if is_run else 0
            case Call():
                if node.callee not in self.callees:
                    callee = self.kernel.callee(node.callee)
                    self.callees[node.callee] = _Counter(callee, self.limit).body(callee.body, {})
                return self.callees[node.callee]
        return 1

    def loop(self, node: For, point: dict[str, int]) -> int:
        low = max(b.evaluate(point) for b in node.lowers)
        high = min(b.evaluate(point) for b in node.uppers)
        values = range(low, high, node.step)
        if id(node) not in self.depends:
            self.depends[id(node)] = node.var in _body_variables(node.body)
        if not values:
            return 0
        if not self.depends[id(node)]:
            return len(values) * self.body(node.body, {**point, node.var: low})
        self.steps += len(values)
        if self.steps > self.limit:
            raise _TooMany
        total = 0
        for value in values:
            total += self.body(node.body, {**point, node.var: value})
            if total > self.limit:
                raise _TooMany
        return total


def count_instances(kernel: Kernel, limit: int) -> int | None:
    """The number of statement instances that a run executes, those of callees included.

    Returns
    -------
    int or None
        None where there are more than `limit`; finding that out takes at most about `limit` steps.
    """
    try:
        total = _Counter(kernel, limit).body(kernel.body, {})
    except _TooMany:
        return None
    return total if total <= limit else None


def interval(expression: Affine, ranges: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """The least and greatest value that `expression` can have, from ranges of its variables."""
    low = high = expression.constant
    for atom, coefficient in expression.terms:
        if isinstance(atom, str):
            first, last = ranges[atom]
        else:
            first, last = interval(atom.numerator, ranges)
            first, last = first // atom.denominator, last // atom.denominator
        ends = (first * coefficient, last * coefficient)
        low, high = low + min(ends), high + max(ends)
    return low, high
