"""The producer/consumer graph of level 1."""

from __future__ import annotations

from hypothesis import given, settings

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Load
from pom.ir.graph import Array, Assign, For, Kernel
from pom.ir.types import ArrayType, IntType, f32
from pom.passes.graph_networkx import to_networkx
from tests.strategies import kernels

IDX = Affine.var("i")


def test_edges_carry_array_and_relation() -> None:
    small = IntType(2, False)
    arrays = (Array("A", ArrayType(f32, (9,))), Array("c", ArrayType(small, (8,))))
    local = Array("t", ArrayType(f32, (8,)))
    total = Apply("add", (Load(Access("A", (IDX,)), f32), Load(Access("A", (IDX + 1,)), f32)), f32)
    gathered = Load(Access("t", (Load(Access("c", (IDX,)), small),)), f32)
    body = (
        Assign("first", Access("t", (IDX,)), total),
        Assign("second", Access("A", (IDX,)), gathered),
    )
    loop = For("i", "i", (Affine.const(0),), (Affine.const(8),), body)
    graph = to_networkx(Kernel("k", arrays, (local,), (loop,)))
    t, first, second = ("array", "t"), ("statement", "first"), ("statement", "second")
    assert graph.nodes[t] == {"type": "f32[8]", "role": "local"}
    assert graph.nodes[("array", "A")]["role"] == "argument"
    assert graph.nodes[first]["domain"] == "{ first[i] : 0 <= i <= 7 }"
    assert list(graph.successors(t)) == [second]
    assert list(graph.predecessors(t)) == [first]
    (write,) = graph.get_edge_data(first, t).values()
    assert write["relation"] == "{ first[i] -> t[a0 = i] : 0 <= i <= 7 }"
    assert not write["is_may"]
    (read,) = graph.get_edge_data(t, second).values()
    assert read["is_may"]
    assert read["access"] == "t[c[i]]"
    reads = graph.get_edge_data(("array", "A"), first).values()
    assert sorted(e["access"] for e in reads) == ["A[i + 1]", "A[i]"]


@settings(max_examples=20, deadline=None)
@given(kernels())
def test_every_access_is_an_edge(kernel: Kernel) -> None:
    graph = to_networkx(kernel)
    for statement, _ in kernel.statements():
        assert isinstance(statement, Assign)
        node = ("statement", statement.name)
        written = {array for _, (_, array) in graph.out_edges(node)}
        read = {array for (_, array), _ in graph.in_edges(node)}
        assert written == {statement.target.array}
        assert read == {access.array for access in statement.reads}
