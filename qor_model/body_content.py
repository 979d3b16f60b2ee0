"""Bodies known by what is in them and not by their identity.

A search, and a batch of designs, schedule most bodies again and again in the same way: the code
around a loop, say, each time that something inside the loop changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pom.qor_model.region import Op, OpKind
from pom.qor_model.schedule_result import BodySchedule


@dataclass(frozen=True, slots=True)
class BodyContent:
    """What is in a body.

    Attributes
    ----------
    body : BodySchedule
        Kept, so that its identity stays its own.
    number : int
        The same for bodies that do not differ.
    arrays, variables : tuple of str
        Arrays that are accessed and loop variables in their subscripts, sorted.
    kinds : frozenset of OpKind
        Of its operations.
    """

    body: BodySchedule
    number: int
    arrays: tuple[str, ...]
    variables: tuple[str, ...]
    kinds: frozenset[OpKind]


@dataclass(slots=True)
class Contents:
    """Numbers the contents of bodies; a folded body is alike only to itself."""

    _known: dict[int, BodyContent] = field(default_factory=dict)
    _numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    _ops: dict[int, tuple[Op, int]] = field(default_factory=dict)
    _op_numbers: dict[Op, int] = field(default_factory=dict)

    def of(self, body: BodySchedule) -> BodyContent:
        """The content of a body, looked at once."""
        found = self._known.get(id(body))
        return self._read(body) if found is None else found

    def _read(self, body: BodySchedule) -> BodyContent:
        parts = (body,) if body.fold is None else [part for part, _ in body.fold.corners]
        # copies of an operation share its access
        ops = {id(op.op): op.op for part in parts for op in part.ops}
        numbers = {place: self._number(op) for place, op in ops.items()}
        accesses = [op.access for op in ops.values() if op.access is not None]
        names = {n for a in accesses for s in a.subscripts if s is not None for n, _ in s.terms}
        content: tuple[object, ...] = (id(body),)
        if body.fold is None:
            content = (
                body.length, body.ii, body.is_pipelined, body.is_eager, body.limit,
                *[
                    (numbers[id(o.op)], o.copy, o.start_cycle, o.end_cycle, o.bank, o.operands, o.key)
                    for o in body.ops
                ],
            )  # fmt: skip
        found = BodyContent(
            body, self._numbers.setdefault(content, len(self._numbers)),
            tuple(sorted({a.array for a in accesses})), tuple(sorted(names)),
            frozenset(op.kind for op in ops.values()),
        )  # fmt: skip
        self._known[id(body)] = found
        return found

    def _number(self, op: Op) -> int:
        """A number for an operation: constants are made anew for every body that stores them."""
        known = self._ops.get(id(op))
        if known is None:
            number = self._op_numbers.setdefault(op, len(self._op_numbers))
            known = self._ops[id(op)] = op, number
        return known[1]
