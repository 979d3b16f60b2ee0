"""Findings as text: the kernel in words, and Python that shows the failure again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pom.ir.graph import Assign, For, Kernel, Node, When
from pom.passes.base import PolyPass
from pom.schedule import python_call
from tests.fuzz.reproduce import reproduce
from tests.fuzz.shrink import shrink
from tests.fuzz.trial import Finding


def described(finding: Finding, index: int, shrinks: bool) -> dict[str, Any]:
    """A finding as JSON, made smaller."""
    small = _shrunk(finding) if shrinks else finding
    return {
        "program": index,
        "kind": finding.failure.kind,
        "detail": finding.failure.detail.splitlines()[0],
        "python": as_python(small),
    }


def _shrunk(finding: Finding) -> Finding:
    with_cpp = finding.failure.kind.startswith("g++")

    def fails(kernel: Kernel, primitives: tuple[PolyPass, ...]) -> bool:
        found = reproduce(kernel, primitives, finding.fast_math, finding.refused, with_cpp)
        return (
            found is not None
            and found.kind == finding.failure.kind
            and found.detail[:24] == finding.failure.detail[:24]
        ) or (found is not None and found.kind == finding.failure.kind == "mismatch")

    if not fails(finding.kernel, finding.primitives):
        return finding  # it takes the other schedules of its kernel, or other inputs
    kernel, primitives = shrink(finding.kernel, finding.primitives, fails)
    return replace(finding, kernel=kernel, primitives=primitives)


def as_python(finding: Finding) -> str:
    """Runnable Python that shows the failure."""
    lines = [f"# {finding.failure.kind}: {finding.failure.detail.splitlines()[0]}"]
    lines += [f"#   {line}" for line in _lines(finding.kernel.body)]
    lines += [f"#   {python_call(p)}" for p in finding.primitives]
    if finding.refused is not None:
        lines.append(f"#   {python_call(finding.refused)}  # refused")
    lines += [
        "from fractions import Fraction",
        *(f"from pom.ir.{name} import *" for name in ("affine", "expr", "graph", "types")),
        "from tests.fuzz.reproduce import *",
        f"kernel = {finding.kernel!r}",
        f"primitives = {finding.primitives!r}",
        f"refused = {finding.refused!r}",
        f"print(reproduce(kernel, primitives, {finding.fast_math}, refused))",
    ]
    return "\n".join(lines) + "\n"


def _lines(nodes: tuple[Node, ...], indent: str = "") -> Iterator[str]:
    for node in nodes:
        match node:
            case For():
                low = ", ".join(map(str, node.lowers))
                high = ", ".join(map(str, node.uppers))
                step = f" step {node.step}" if node.step != 1 else ""
                yield f"{indent}for {node.var} in max({low}) .. min({high}){step}:"
                yield from _lines(node.body, indent + "    ")
            case When():
                tests = " and ".join(
                    f"{c.expression} {'==' if c.is_equality else '>='} 0" for c in node.constraints
                )
                yield f"{indent}when {tests}:"
                yield from _lines(node.body, indent + "    ")
            case Assign():
                yield f"{indent}{node.name}: {node.target} = {node.value}"
