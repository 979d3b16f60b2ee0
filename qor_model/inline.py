"""Functions that the tool copies into their callers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pom.qor_model.leaf import all_loops
from pom.qor_model.region import (
    Access,
    Array,
    Block,
    Design,
    Function,
    If,
    Loop,
    Op,
    OpKind,
    Region,
)


def inline_functions(design: Design) -> Design:
    """The design with the body of every function marked ``inline`` in place of its calls.

    Arrays of the copy are the caller's (by the call's binding) or become the caller's own; loops
    whose names are taken get a number.
    """
    wanted = {f.name: f for f in design.functions if f.inline and f.name != design.top}
    if not wanted:
        return design
    bindings = {item.op: dict(item.arrays) for item in design.calls}
    done: dict[str, Function] = {}
    for function in design.functions:
        writer = _Writer(function, done, wanted, bindings)
        done[function.name] = writer.function()
    kept = tuple(done[f.name] for f in design.functions if f.name not in wanted)
    return replace(design, functions=kept)


class _Writer:
    """Rewrites one function; `done` holds the rewritten functions that it may call."""

    def __init__(
        self,
        function: Function,
        done: Mapping[str, Function],
        wanted: Mapping[str, Function],
        bindings: Mapping[int, Mapping[str, str]],
    ) -> None:
        self._source = function
        self._done = done
        self._wanted = wanted
        self._bindings = bindings
        self._arrays = {a.name: a for a in function.arrays}
        self._names = {loop.name for loop in all_loops(function.body)}
        highest = max((op.id for op in _ops(function.body)), default=0)
        self._ids = itertools.count(max(highest, 0) + 1)

    def function(self) -> Function:
        body = self._regions(self._source.body)
        return replace(self._source, body=body, arrays=tuple(self._arrays.values()))

    def _regions(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        result: list[Region] = []
        for region in regions:
            match region:
                case Loop():
                    result.append(replace(region, body=self._regions(region.body)))
                case If():
                    result.append(
                        replace(
                            region,
                            then_body=self._regions(region.then_body),
                            else_body=self._regions(region.else_body),
                        )
                    )
                case Block():
                    result += self._block(region)
        return tuple(result)

    def _block(self, block: Block) -> list[Region]:
        result: list[Region] = []
        pending: list[Op] = []
        for op in block.ops:
            callee = self._done.get(op.callee) if op.kind is OpKind.CALL else None
            if callee is None or op.callee not in self._wanted:
                pending.append(op)
                continue
            if pending:
                result.append(Block(tuple(pending)))
                pending = []
            result += self._copy(callee, self._bindings.get(op.id, {}))
        if pending:
            result.append(Block(tuple(pending)))
        return result

    def _copy(self, callee: Function, binding: Mapping[str, str]) -> tuple[Region, ...]:
        arrays = {a.name: binding.get(a.name) or self._adopt(a) for a in callee.arrays}
        loops = {loop.name: self._fresh(loop.name) for loop in all_loops(callee.body)}
        ids = {op.id: next(self._ids) for op in _ops(callee.body)}
        return _renamed(callee.body, arrays, loops, ids)

    def _adopt(self, array: Array) -> str:
        name = array.name
        number = itertools.count(1)
        while name in self._arrays and self._arrays[name] != array:
            name = f"{array.name}_{next(number)}"
        self._arrays[name] = replace(array, name=name)
        return name

    def _fresh(self, name: str) -> str:
        number = itertools.count(1)
        found = name
        while found in self._names:
            found = f"{name}_{next(number)}"
        self._names.add(found)
        return found


def _ops(regions: tuple[Region, ...]) -> Iterator[Op]:
    for region in regions:
        match region:
            case Block():
                yield from region.ops
            case Loop():
                yield from _ops(region.body)
            case If():
                yield from _ops(region.then_body)
                yield from _ops(region.else_body)


def _renamed(
    regions: tuple[Region, ...],
    arrays: Mapping[str, str],
    loops: Mapping[str, str],
    ids: Mapping[int, int],
) -> tuple[Region, ...]:
    def operation(op: Op) -> Op:
        access = op.access
        if access is not None:
            subscripts = tuple(None if s is None else s.renamed(loops) for s in access.subscripts)
            access = Access(arrays.get(access.array, access.array), subscripts)
        operands = tuple(ids.get(o, o) for o in op.operands)
        return replace(op, id=ids[op.id], operands=operands, access=access)

    result: list[Region] = []
    for region in regions:
        match region:
            case Block():
                result.append(Block(tuple(operation(op) for op in region.ops)))
            case Loop():
                result.append(
                    replace(
                        region,
                        name=loops[region.name],
                        lower=tuple(b.renamed(loops) for b in region.lower),
                        upper=tuple(b.renamed(loops) for b in region.upper),
                        body=_renamed(region.body, arrays, loops, ids),
                    )
                )
            case If():
                result.append(
                    replace(
                        region,
                        conditions=tuple(c.renamed(loops) for c in region.conditions),
                        then_body=_renamed(region.then_body, arrays, loops, ids),
                        else_body=_renamed(region.else_body, arrays, loops, ids),
                    )
                )
    return tuple(result)
