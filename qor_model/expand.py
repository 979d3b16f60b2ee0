"""From a loop body to the operations that one iteration of its hardware executes.

Unrolled copies are laid out in program order and cleaned up as the compiler in front of the
scheduler does: equal values are computed once, a value that was just stored is not loaded again,
a store that is overwritten disappears, what does not change inside the loop moves in front of it,
and an element that every iteration reads and writes lives in a register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pom.errors import PomError
from pom.qor_model.region import Access, Affine, Block, If, Loop, Op, OpKind, Region
from pom.qor_model.settings import DEFAULT_EFFORT

Linear = tuple[tuple[tuple[str, int], ...], ...]
Env = dict[str, Affine]


@dataclass(frozen=True, slots=True)
class Element:
    """The element an access touches: per dimension a linear part and a constant.

    `linear` is None when a subscript is not affine.
    """

    array: str
    linear: Linear | None
    const: tuple[int, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.array, self.linear, self.const)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Element], tuple[object, ...]]:
        # the hash of a text differs between processes
        return Element, (self.array, self.linear, self.const)

    def may_alias(self, other: Element) -> bool:
        """Whether both can be the same element in the same iteration."""
        if self.array != other.array:
            return False
        if self.linear is None or other.linear is None:
            return True
        if self.linear == other.linear:
            return self.const == other.const
        for mine, theirs, a, b in zip(
            self.linear, other.linear, self.const, other.const, strict=True
        ):
            if mine == theirs and a != b:
                return False
        return True

    def depends_on(self, names: Sequence[str]) -> bool:
        """Whether a subscript mentions one of the induction variables."""
        if self.linear is None:
            return True
        return any(iv in names for part in self.linear for iv, _ in part)


@dataclass(slots=True)
class Node:
    """One operation of the expanded body.

    `after` holds memory-order predecessors with the cycles that must pass between the starts.
    `final` is the node whose value comes back to this one in the next iteration, `register` the
    array that it stands for.
    """

    op: Op
    copy: int
    operands: list[int]
    element: Element | None = None
    after: list[tuple[int, int]] = field(default_factory=list)
    final: int | None = None
    register: str = ""


@dataclass(slots=True)
class Accumulator:
    """An element kept in a register over the iterations: first users and the final value."""

    element: Element
    load: Node | None
    users: list[int]
    final: int
    store: Node


@dataclass(slots=True)
class Body:
    """An expanded body.

    Parameters
    ----------
    nodes : list of Node
        In program order; operands index this list.
    hoisted : list of Node
        Operations moved in front of the loop (operands index this list).
    accumulators : list of Accumulator
    values : dict
        Node index of every operation identifier of the last copy (for code after the body).
    """

    nodes: list[Node]
    hoisted: list[Node] = field(default_factory=list)
    accumulators: list[Accumulator] = field(default_factory=list)
    values: dict[int, int] = field(default_factory=dict)

    def copied(self) -> Body:
        """The same body, to which banks can add their order."""
        return Body(
            [Node(n.op, n.copy, n.operands, n.element, [*n.after], n.final, n.register)
             for n in self.nodes],
            [*self.hoisted],
            [Accumulator(a.element, a.load, a.users, a.final, a.store) for a in self.accumulators],
            self.values,
        )  # fmt: skip


def element_of(access: Access, env: Env) -> Element:
    """The element of an access with some induction variables shifted or replaced."""
    linear: list[tuple[tuple[str, int], ...]] = []
    const: list[int] = []
    for subscript in access.subscripts:
        if subscript is None:
            return Element(access.array, None, ())
        total = subscript.const
        terms: dict[str, int] | None = None
        plain = True
        for name, coef in subscript.terms:
            shift = env.get(name)
            if shift is None:
                continue
            total += coef * shift.const
            if len(shift.terms) != 1 or shift.terms[0] != (name, 1):
                plain = False
        if plain:
            linear.append(subscript.terms)
        else:
            terms = {}
            for name, coef in subscript.terms:
                shift = env.get(name)
                for inner, factor in ((name, 1),) if shift is None else shift.terms:
                    terms[inner] = terms.get(inner, 0) + coef * factor
            linear.append(tuple(sorted((n, v) for n, v in terms.items() if v)))
        const.append(total)
    return Element(access.array, tuple(linear), tuple(const))


class _Elements:
    """:func:`element_of` for many environments that differ in constants only.

    Under environments of one `shape` (how each induction variable depends on others, without
    constants) the linear part of an access is the same.
    """

    def __init__(self) -> None:
        self._shapes: dict[object, int] = {}
        self._patterns: dict[
            tuple[int, int], tuple[Access, Element, tuple[tuple[int, str, int], ...]]
        ] = {}

    def shape(self, env: Env) -> int:
        """A number for the shape of an environment."""
        key = frozenset((name, value.terms) for name, value in env.items())
        return self._shapes.setdefault(key, len(self._shapes))

    def of(self, access: Access, env: Env, shape: int) -> Element:
        """The element of an access under an environment of that shape."""
        key = (id(access), shape)
        known = self._patterns.get(key)
        if known is None:
            still = {name: Affine(value.terms) for name, value in env.items()}
            moves = tuple(
                (dim, name, coef)
                for dim, subscript in enumerate(access.subscripts)
                for name, coef in (subscript.terms if subscript is not None else ())
                if name in env
            )
            known = self._patterns[key] = access, element_of(access, still), moves
        _, first, moves = known
        if first.linear is None or not moves:
            return first
        const = list(first.const)
        for dim, name, coef in moves:
            const[dim] += coef * env[name].const
        return Element(first.array, first.linear, tuple(const))


class _Accesses:
    """Positions of accesses, found by the elements that may be theirs."""

    def __init__(self) -> None:
        self._forms: dict[str, dict[Linear | None, _Form]] = {}
        self._equal: dict[tuple[Linear, Linear], tuple[int, ...]] = {}

    def add(self, element: Element, position: int) -> None:
        """Note an access behind all others."""
        forms = self._forms.setdefault(element.array, {})
        form = forms.get(element.linear)
        if form is None:
            form = forms[element.linear] = _Form()
        form.add(element.const, position)

    def remove(self, element: Element, position: int) -> None:
        """Forget an access."""
        self._forms[element.array][element.linear].remove(position)

    def aliases(self, element: Element) -> list[int]:
        """Accesses that may be to the same element, see `Element.may_alias`."""
        found: list[int] = []
        mine = element.linear
        for linear, form in self._forms.get(element.array, {}).items():
            if mine is None or linear is None:
                found += form.within((), ())
                continue
            if mine == linear:
                dims = tuple(range(len(mine)))
            else:
                dims = self._equal_dims(mine, linear)
            found += form.within(dims, element.const)
        return found

    def _equal_dims(self, mine: Linear, theirs: Linear) -> tuple[int, ...]:
        """Dims in which elements of two forms are a constant apart."""
        dims = self._equal.get((mine, theirs))
        if dims is None:
            pairs = enumerate(zip(mine, theirs, strict=True))
            dims = self._equal[mine, theirs] = tuple(dim for dim, (a, b) in pairs if a == b)
        return dims


class _Form:
    """Accesses whose subscripts differ in constants only."""

    __slots__ = ("_by_dims", "_consts")

    def __init__(self) -> None:
        self._consts: dict[int, tuple[int, ...]] = {}
        self._by_dims: dict[tuple[int, ...], dict[tuple[int, ...], list[int]]] = {}

    def add(self, const: tuple[int, ...], position: int) -> None:
        """Note the constants of an access."""
        self._consts[position] = const
        for dims, places in self._by_dims.items():
            places.setdefault(tuple([const[d] for d in dims]), []).append(position)

    def remove(self, position: int) -> None:
        """Forget an access."""
        const = self._consts.pop(position)
        for dims, places in self._by_dims.items():
            places[tuple([const[d] for d in dims])].remove(position)

    def within(self, dims: tuple[int, ...], const: tuple[int, ...]) -> Sequence[int]:
        """Accesses with equal constants in some dims."""
        places = self._by_dims.get(dims)
        if places is None:
            places = self._by_dims[dims] = {}
            for position, known in self._consts.items():
                places.setdefault(tuple([known[d] for d in dims]), []).append(position)
        return places.get(tuple([const[d] for d in dims]), ())


def shifted(iv: str, offset: int) -> Affine:
    """The induction variable plus a constant."""
    return Affine(((iv, 1),), offset)


def loop_values(loop: Loop, env: Env) -> range | None:
    """Values of a loop's induction variable when they are known under `env`, otherwise None."""
    lows = [_evaluate(b, env) for b in loop.lower]
    highs = [_evaluate(b, env) for b in loop.upper]
    known_lows = [v for v in lows if v is not None]
    known_highs = [v for v in highs if v is not None]
    if len(known_lows) != len(lows) or len(known_highs) != len(highs):
        return None
    return range(max(known_lows), min(known_highs), loop.step)


def _evaluate(bound: Affine, env: Env) -> int | None:
    total = bound.const
    for name, coef in bound.terms:
        value = env.get(name)
        if value is None or value.terms:
            return None
        total += coef * value.const
    for item, coef in bound.floors:
        inner = _evaluate(item.numerator, env)
        if inner is None:
            return None
        total += coef * (inner // item.divisor)
    return total


TOO_LARGE = "POM-Q006"
"""Code of the error of a body that is too large."""


def refuse_size(most: int) -> PomError:
    """The error of a body that is too large."""
    return PomError(
        TOO_LARGE,
        f"a loop body has more than {most} operations after unrolling",
        hint="pipeline a loop further inside, or unroll less",
    )


class Expander:
    """Lays out operations in program order, one straight-line stretch at a time.

    Parameters
    ----------
    most_operations : int
        A longer body is refused.
    """

    def __init__(self, most_operations: int = DEFAULT_EFFORT.operations) -> None:
        self._most_operations = most_operations
        self.nodes: list[Node | None] = []
        self._known: dict[Element, int] = {}
        self._stored: dict[Element, int] = {}
        self._numbered: dict[tuple[object, ...], int] = {}
        self._loads = _Accesses()
        self._stores = _Accesses()
        self.values: dict[int, int] = {}
        self._copy = 0
        self._restarted: dict[Element, int] = {}
        self._forms: dict[str, set[Linear]] = {}
        self._elements = _Elements()

    def walk(self, regions: tuple[Region, ...], env: Env, copy: int) -> bool:
        """Emit `regions`; False when a loop inside has no constant trip count."""
        self._copy = copy
        return self._walk(regions, env, self._elements.shape(env))

    def _walk(self, regions: tuple[Region, ...], env: Env, shape: int) -> bool:
        for region in regions:
            match region:
                case Block():
                    for op in region.ops:
                        self._emit(op, env, shape)
                case Loop():
                    values = loop_values(region, env)
                    if values is None:
                        return False
                    inner = {**env, region.name: Affine()}
                    inside = self._elements.shape(inner)
                    for value in values:
                        inner[region.name] = Affine((), value)
                        if not self._walk(region.body, inner, inside):
                            return False
                case If():
                    if not self._walk_if(region, env, shape):
                        return False
        return True

    def _walk_if(self, region: If, env: Env, shape: int) -> bool:
        verdicts = [_evaluate(c, env) for c in region.conditions]
        if region.condition_op is None and all(v is not None for v in verdicts):
            holds = all(
                (v == 0 if n in region.equalities else v is not None and v >= 0)
                for n, v in enumerate(verdicts)
            )
            return self._walk(region.then_body if holds else region.else_body, env, shape)
        before = dict(self._known)
        if not self._walk(region.then_body, env, shape):
            return False
        if not self._walk(region.else_body, env, shape):
            return False
        self._known = {e: v for e, v in self._known.items() if before.get(e) == v}
        self._stored.clear()
        return True

    def _emit(self, op: Op, env: Env, shape: int) -> None:
        values = self.values
        operands = [values[o] for o in op.operands if o in values]
        if op.kind is OpKind.LOAD and op.access is not None:
            self._load(op, self._elements.of(op.access, env, shape), operands)
        elif op.kind is OpKind.STORE and op.access is not None:
            self._store(op, self._elements.of(op.access, env, shape), operands)
        elif op.kind is OpKind.CALL:
            self.values[op.id] = self._append(Node(op, self._copy, operands))
        else:
            is_inside = len(operands) == len(op.operands)
            outside = () if is_inside else tuple(o for o in op.operands if o not in values)
            iterators = tuple(env.get(s.partition(":")[2]) for s in op.scalars)
            number = (op.kind, op.dtype, tuple(operands), outside, op.scalars, iterators)
            known = self._numbered.get(number)
            if known is None:
                known = self._append(Node(op, self._copy, operands))
                self._numbered[number] = known
            self.values[op.id] = known

    def access(self, op: Op, element: Element, copy: int, operands: list[int] | None = None) -> int:
        """Emit one load or store of a known element; returns the node of its value."""
        self._copy = copy
        if op.kind is OpKind.STORE:
            self._store(op, element, operands or [])
        else:
            self._load(op, element, operands or [])
        return self.values[op.id]

    def pending_stores(self, copy: int) -> list[int]:
        """Stores of one copy that nothing has overwritten."""
        found: list[int] = []
        for index in self._stored.values():
            node = self.nodes[index]
            if node is not None and node.copy == copy:
                found.append(index)
        return sorted(found)

    def forget(self) -> None:
        """A loop was passed: what memory holds is not known any more."""
        self._stored.clear()
        self._known.clear()

    def append(self, node: Node) -> int:
        """Add a node as it is."""
        return self._append(node)

    def _append(self, node: Node) -> int:
        if len(self.nodes) >= self._most_operations:
            raise refuse_size(self._most_operations)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _load(self, op: Op, element: Element, operands: list[int]) -> None:
        known = self._known.get(element)
        if known is not None:
            self.values[op.id] = known
            return
        node = Node(op, self._copy, operands, element)
        for index in sorted(self._stores.aliases(element)):
            store = self.nodes[index]
            if store is not None and store.element is not None:
                node.after.append((index, 1))
                self._stored.pop(store.element, None)
        position = self._append(node)
        self._loads.add(element, position)
        self.values[op.id] = position
        if element.linear is not None:
            self._known[element] = position
            self._forms.setdefault(element.array, set()).add(element.linear)

    def _store(self, op: Op, element: Element, operands: list[int]) -> None:
        node = Node(op, self._copy, operands, element)
        dead = self._stored.get(element)
        if dead is not None:
            self.nodes[dead] = None
            self._stores.remove(element, dead)
        linear = element.linear
        before = [(index, 0) for index in self._loads.aliases(element)]
        before += [(index, 1) for index in self._stores.aliases(element)]
        node.after += [(i, wait) for i, wait in sorted(before) if self.nodes[i] is not None]
        if self._forms.get(element.array, set()) - {linear}:
            for known in [e for e in self._known if e.array == element.array]:
                if known.linear != linear and known.may_alias(element):
                    del self._known[known]
        position = self._append(node)
        self._stores.add(element, position)
        self.values[op.id] = position
        if linear is not None:
            self._stored[element] = position
            self._forms.setdefault(element.array, set()).add(linear)
            self._known[element] = operands[0] if operands else self._constant(op)
        else:
            for stored in [e for e in self._stored if e.array == element.array]:
                del self._stored[stored]

    def _constant(self, store: Op) -> int:
        """The constant or scalar argument that a store writes, as a value of its own."""
        op = Op(-store.id, OpKind.CONST, store.dtype, scalars=store.scalars, loc=store.loc)
        return self._append(Node(op, self._copy, []))

    def restart_values(self, choose: Callable[[Op], Op]) -> None:
        """From here on, stored elements hold a choice of their value and a carried one."""
        for element, index in sorted(self._stored.items(), key=lambda item: item[1]):
            store = self.nodes[index]
            if store is None:
                continue
            node = Node(choose(store.op), 0, list(store.operands), register=element.array)
            position = self._append(node)
            self._known[element] = position
            self._restarted[element] = position

    def close_values(self) -> None:
        """What the restarted elements hold now comes back to their choice."""
        for element, position in self._restarted.items():
            node = self.nodes[position]
            final = self._known.get(element)
            if node is not None and final is not None and final != position:
                node.final = final

    def finish(self) -> list[Node]:
        """The nodes without the dead ones, and without values that nobody uses."""
        return compact(self.nodes, self.values)


def compact(nodes: Sequence[Node | None], values: dict[int, int]) -> list[Node]:
    """Drop dead nodes and renumber."""
    live = [False] * len(nodes)
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if node is None:
            continue
        if node.op.kind in (OpKind.STORE, OpKind.CALL):
            live[index] = True
        if live[index]:
            for operand in node.operands:
                live[operand] = True
    place = [-1] * len(nodes)
    kept: list[Node] = []
    for index, node in enumerate(nodes):
        if node is not None and live[index]:
            place[index] = len(kept)
            kept.append(node)
    for node in kept:
        node.operands = [place[o] for o in node.operands]
        node.after = [(place[p], d) for p, d in node.after if place[p] >= 0]
        if node.final is not None:
            node.final = place[node.final]
    for key, index in list(values.items()):
        if place[index] >= 0:
            values[key] = place[index]
        else:
            del values[key]
    return kept
