"""What does not change inside a loop moves in front of it; sums move into registers."""

from __future__ import annotations

from collections.abc import Sequence

from pom.qor_model.expand import Accumulator, Body, Element, Linear, Node
from pom.qor_model.region import Op, OpKind

_PURE_EXCLUDED = frozenset({OpKind.LOAD, OpKind.STORE, OpKind.CALL})


def split_invariants(
    nodes: list[Node], ivs: Sequence[str], *, promote: bool, inner: frozenset[str] = frozenset()
) -> Body:
    """Move what does not depend on `ivs` in front, and registers for accumulated elements.

    Parameters
    ----------
    nodes : list of Node
        Expanded body, in program order.
    ivs : sequence of str
        Induction variables of the loop that will execute the body.
    promote : bool
        Whether elements that stay the same may move into registers.
    inner : frozenset of str
        Induction variables of loops that were unrolled: what moves with them is not promoted.
    """
    stores: dict[str, list[int]] = {}
    loads: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        if node.element is not None:
            table = stores if node.op.kind is OpKind.STORE else loads
            table.setdefault(node.element.array, []).append(index)
    promoted: dict[int, Element] = {}
    registers: dict[Element, tuple[int | None, int]] = {}
    for array, written in sorted(stores.items()) if promote else ():
        for index in written:
            element = nodes[index].element
            if element is None or element.depends_on(ivs) or not _is_fixed(nodes[index].op, inner):
                continue
            others = [i for i in (*written, *loads.get(array, ())) if i != index]
            same = [i for i in others if nodes[i].element == element]
            clash = [
                i
                for i in others
                if i not in same
                and (other := nodes[i].element) is not None
                and _may_meet(other, element, ivs)
            ]
            if clash or any(nodes[i].op.kind is OpKind.STORE for i in same):
                continue
            load = same[0] if same else None
            registers[element] = (load, index)
            promoted[index] = element
            if load is not None:
                promoted[load] = element
    return _partition(nodes, ivs, stores, promoted, registers)


def _is_fixed(op: Op, inner: frozenset[str]) -> bool:
    if op.access is None or not inner:
        return True
    return all(
        subscript is not None and not any(iv in inner for iv, _ in subscript.terms)
        for subscript in op.access.subscripts
    )


def _may_meet(other: Element, element: Element, ivs: Sequence[str]) -> bool:
    if other.linear is None or element.linear is None:
        return True
    for mine, theirs, a, b in zip(
        other.linear, element.linear, other.const, element.const, strict=True
    ):
        if mine == theirs and a != b and not any(iv in ivs for iv, _ in mine):
            return False
    return True


def _partition(
    nodes: list[Node],
    ivs: Sequence[str],
    stores: dict[str, list[int]],
    promoted: dict[int, Element],
    registers: dict[Element, tuple[int | None, int]],
) -> Body:
    written: dict[str, dict[Linear | None, dict[tuple[int, ...], Element]]] = {}
    for array, indices in stores.items():
        for index in indices:
            if (stored := nodes[index].element) is not None:
                by_const = written.setdefault(array, {}).setdefault(stored.linear, {})
                by_const[stored.const] = stored
    names = set(ivs)
    place = [-1] * len(nodes)
    front = [-1] * len(nodes)
    kept: list[Node] = []
    hoisted: list[Node] = []
    for index, node in enumerate(nodes):
        if index in promoted:
            continue
        kind = node.op.kind
        if kind is OpKind.LOAD and node.element is not None:
            fixed = not node.element.depends_on(ivs) and not any(
                node.element.const in consts
                if linear == node.element.linear
                else any(_may_meet(other, node.element, ivs) for other in consts.values())
                for linear, consts in written.get(node.element.array, {}).items()
            )
        elif kind in _PURE_EXCLUDED or node.final is not None:
            fixed = False
        else:
            fixed = not any(s.partition(":")[2] in names for s in node.op.scalars)
        fixed = fixed and all(front[o] >= 0 for o in node.operands)
        if fixed and kind is not OpKind.CONST:
            operands = [front[o] for o in node.operands]
            front[index] = len(hoisted)
            hoisted.append(Node(node.op, node.copy, operands, node.element))
        elif fixed:
            front[index] = len(hoisted)
            hoisted.append(Node(node.op, node.copy, [], None))
        else:
            place[index] = len(kept)
            kept.append(node)
    body = Body(kept, hoisted)
    users: dict[int, list[int]] = {}
    for position, node in enumerate(kept):
        for operand in node.operands:
            if operand in promoted:
                users.setdefault(operand, []).append(position)
    for element, (load, store) in registers.items():
        final = nodes[store].operands[0] if nodes[store].operands else -1
        body.accumulators.append(
            Accumulator(
                element,
                nodes[load] if load is not None else None,
                users.get(load, []) if load is not None else [],
                place[final] if final >= 0 else -1,
                nodes[store],
            )
        )
    for node in kept:
        if node.final is not None:
            node.final = place[node.final]
        node.operands = [place[o] for o in node.operands if place[o] >= 0]
        node.after = [(place[p], d) for p, d in node.after if place[p] >= 0]
    return body
