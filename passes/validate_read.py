"""Level 3 read back for the validator: where each statement instance runs, and what it computes.

A function is walked once. Every ``hls.statement`` starts a segment, the operations up to and with
the first store or call; a segment with the loops and conditions around it is an `Occurrence`.
Anything else that could have an effect is refused, so that nothing in the module goes unread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlir.ir import Block, Operation, Value

from pom.errors import PomError
from pom.ir.location import Location
from pom.passes.validate_linear import (
    Linear,
    number,
    parse_map,
    parse_set,
    plus,
    text,
    variable,
)

_PURE = ("arith.", "math.", "hls.")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One ``hls.statement`` with what is around it.

    Parameters
    ----------
    time : tuple of int or str
        Position in the block, loop variable, position, …: execution order is lexicographic.
    condition : tuple of str
        isl conditions on the loop variables: bounds, steps and guards.
    iterators : tuple of Linear
        The claimed instance.
    operations : tuple of Operation
        The segment, the marker excluded; its last is the store or the call.
    """

    statement: str
    time: tuple[int | str, ...]
    condition: tuple[str, ...]
    iterators: tuple[Linear, ...]
    operations: tuple[Operation, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(v for v in self.time if isinstance(v, str))

    @property
    def where(self) -> str:
        """The condition as isl text."""
        return " and ".join(self.condition) or "true"


@dataclass(slots=True)
class FunctionReader:
    """Reads one function.

    Parameters
    ----------
    name : str
        The function's name.
    location : Location, optional
        Of the program, for errors.
    """

    name: str
    location: Location | None
    occurrences: list[Occurrence] = field(default_factory=list)
    allocations: list[Operation] = field(default_factory=list)
    indices: dict[Value, Linear] = field(default_factory=dict)
    count: int = 0

    def read(self, block: Block) -> None:
        """Read the body of the function."""
        self._block(block, (), (), is_body=True)

    def refuse(self, code: str, summary: str) -> PomError:
        """The error for a module that cannot be read or is not the program."""
        return PomError(
            code,
            f"{self.name}: {summary}",
            self.location,
            "the lowering is at fault, not the kernel: report it with the kernel and the schedule",
        )

    def index(self, value: Value) -> Linear:
        """The form of an index value over loop variables."""
        found = self.indices.get(value)
        if found is None:
            found = self._computed_index(value)
            self.indices[value] = found
        return found

    def _computed_index(self, value: Value) -> Linear:
        if not isinstance(value.owner, Block):
            op = value.owner
            match op.name:
                case "affine.apply":
                    (result,) = self.map_results(op, "map", tuple(op.operands))
                    return result
                case "arith.constant":
                    return number(int(str(op.attributes["value"]).partition(" ")[0]))
        raise self.refuse("POM-A101", f"an index is not an affine function of loops: {value}")

    def map_results(
        self, op: Operation, attribute: str, operands: Sequence[Value]
    ) -> tuple[Linear, ...]:
        """The results of an operation's map at its operands."""
        return parse_map(str(op.attributes[attribute])).apply(
            tuple(self.index(v) for v in operands)
        )

    def _block(
        self,
        block: Block,
        prefix: tuple[int | str, ...],
        condition: tuple[str, ...],
        is_body: bool = False,
        position: int = 0,
    ) -> int:
        """Read a block at time `prefix`; returns the next free position in it."""
        operations = (o.operation for o in block.operations)
        for op in operations:
            match op.name:
                case "hls.statement":
                    self._segment(op, operations, (*prefix, position), condition)
                    position += 1
                case "affine.for":
                    self._for(op, (*prefix, position), condition)
                    position += 1
                case "affine.if":
                    position = self._if(op, prefix, condition, position)
                case "affine.yield" | "func.return":
                    if len(op.operands):
                        raise self.refuse("POM-A101", "values leave a block")
                case "memref.alloc" if is_body:
                    self.allocations.append(op)
                case name if not name.startswith(("affine.apply", "arith.constant")):
                    raise self.refuse("POM-A101", f"{name} is outside of every statement")
        return position

    def _for(
        self, op: Operation, prefix: tuple[int | str, ...], condition: tuple[str, ...]
    ) -> None:
        segments = [int(n) for n in _array(str(op.attributes["operandSegmentSizes"]))]
        operands = tuple(op.operands)
        if len(operands) != segments[0] + segments[1] or len(op.results):
            raise self.refuse("POM-A101", "a loop carries values")
        step = int(str(op.attributes["step"]).partition(" ")[0])
        lowers = self.map_results(op, "lowerBoundMap", operands[: segments[0]])
        uppers = self.map_results(op, "upperBoundMap", operands[segments[0] :])
        if step < 1:
            raise self.refuse("POM-A101", f"a loop has step {step}")
        name = f"v{self.count}"
        self.count += 1
        (body,) = op.regions[0].blocks
        self.indices[body.arguments[0]] = variable(name)
        inside = [f"{name} >= {text(e)}" for e in lowers] + [f"{name} < {text(e)}" for e in uppers]
        if step > 1:
            inside.append(_on_step(name, lowers, step))
        self._block(body, (*prefix, name), (*condition, *inside))

    def _if(
        self,
        op: Operation,
        prefix: tuple[int | str, ...],
        condition: tuple[str, ...],
        position: int,
    ) -> int:
        if len(op.results):
            raise self.refuse("POM-A101", "a condition gives values")
        parsed = parse_set(str(op.attributes["condition"]))
        operands = tuple(self.index(v) for v in op.operands)
        held = " and ".join(
            f"{text(e)} {'=' if equal else '>='} 0" for e, equal in parsed.apply(operands)
        )
        for region, guard in zip(op.regions, (f"({held})", f"not ({held})"), strict=True):
            for block in region.blocks:
                position = self._block(block, prefix, (*condition, guard), position=position)
        return position

    def _segment(
        self,
        marker: Operation,
        following: Iterator[Operation],
        time: tuple[int | str, ...],
        condition: tuple[str, ...],
    ) -> None:
        name = str(marker.attributes["name"]).strip('"')
        iterators = tuple(self.index(v) for v in marker.operands)
        operations: list[Operation] = []
        for op in following:
            operations.append(op)
            kind = op.name
            if kind in ("affine.store", "memref.store", "func.call"):
                self.occurrences.append(
                    Occurrence(name, time, condition, iterators, tuple(operations))
                )
                return
            pure = kind.startswith(_PURE) and kind != "hls.statement"
            if not pure and kind not in ("affine.load", "memref.load", "affine.apply"):
                raise self.refuse("POM-A101", f"{kind} is inside of statement {name!r}")
        raise self.refuse("POM-A101", f"statement {name!r} neither stores nor calls")


def _array(listed: str) -> list[str]:
    """The numbers of ``array<i32: 1, 2, 3>``."""
    return listed.partition(":")[2].rstrip("> ").split(",")


def _on_step(name: str, lowers: tuple[Linear, ...], step: int) -> str:
    """`name` is a whole number of steps above the largest lower bound."""
    cases = []
    for k, e in enumerate(lowers):
        largest = [f"{text(plus(e, o, -1))} >= 0" for j, o in enumerate(lowers) if j != k]
        distance = text(plus(variable(name), e, -1))
        cases.append("(" + " and ".join([*largest, f"({distance}) mod {step} = 0"]) + ")")
    return f"({' or '.join(cases)})"
