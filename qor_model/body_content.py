"""Bodies known by what is in them, and by what is in them but for the numbers of banks.

A search, and a batch of designs, schedule most bodies again and again in the same way: the code
around a loop each time that something inside the loop changes, and a body for another partition of
an array whose banks its accesses share among themselves as before.  Nothing that is counted of a
schedule depends on which number a bank has, only on which accesses have the same one.
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
    shape : int
        The same for bodies that differ in nothing but the numbers of banks.
    exact : int
        The same for bodies that do not differ.
    arrays, variables : tuple of str
        Arrays that are accessed and loop variables in their subscripts, sorted.
    kinds : frozenset of OpKind
        Of its operations.
    """

    body: BodySchedule
    shape: int
    exact: int
    arrays: tuple[str, ...]
    variables: tuple[str, ...]
    kinds: frozenset[OpKind]


@dataclass(slots=True)
class Contents:
    """Numbers the contents of bodies; a folded body is alike only to itself."""

    _known: dict[int, BodyContent] = field(default_factory=dict)
    _ops: dict[int, tuple[Op, int]] = field(default_factory=dict)
    _numbers: dict[Op, int] = field(default_factory=dict)
    _shapes: dict[tuple[object, ...], int] = field(default_factory=dict)
    _exact: dict[tuple[object, ...], int] = field(default_factory=dict)

    def of(self, body: BodySchedule) -> BodyContent:
        """The content of a body, looked at once."""
        found = self._known.get(id(body))
        return self._read(body) if found is None else found

    def _read(self, body: BodySchedule) -> BodyContent:
        parts = (body,) if body.fold is None else [part for part, _ in body.fold.corners]
        # copies of an operation share its access
        ops = {id(op.op): op.op for part in parts for op in part.ops}.values()
        accesses = [op.access for op in ops if op.access is not None]
        names = {n for a in accesses for s in a.subscripts if s is not None for n, _ in s.terms}
        shape, banks = self._shape(body)
        found = BodyContent(
            body, shape, self._exact.setdefault((shape, *banks), len(self._exact)),
            tuple(sorted({a.array for a in accesses})), tuple(sorted(names)),
            frozenset(op.kind for op in ops),
        )  # fmt: skip
        self._known[id(body)] = found
        return found

    def _shape(self, body: BodySchedule) -> tuple[int, tuple[int, ...]]:
        """The number of the shape, and the numbers of the banks in the order of appearance."""
        banks: dict[tuple[str, int], int] = {}
        content: list[object]
        numbers = self._ops
        if body.fold is not None:
            content = [id(body)]
        else:
            content = [body.length, body.ii, body.is_pipelined, body.is_eager, body.limit]
            for o in body.ops:
                access, bank = o.op.access, o.bank
                if access is not None:
                    place = banks.setdefault((access.array, bank), len(banks))
                    # whether it is chosen at run time is no matter of numbers
                    bank = place if bank >= 0 else -2 - place
                op = numbers.get(id(o.op))
                content.append(
                    (
                        self._number(o.op) if op is None else op[1], o.copy, o.start_cycle,
                        o.end_cycle, bank, o.operands, o.key,
                    )
                )  # fmt: skip
        number = self._shapes.setdefault(tuple(content), len(self._shapes))
        return number, tuple(bank for _, bank in banks)

    def _number(self, op: Op) -> int:
        """A number for an operation: constants are made anew for every body that stores them."""
        number = self._numbers.setdefault(op, len(self._numbers))
        self._ops[id(op)] = op, number
        return number
