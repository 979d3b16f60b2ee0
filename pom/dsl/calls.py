"""Kernels that call kernels: the callee's body is copied in, or stays a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pom.dsl.arrays import ArrayValue, converted
from pom.dsl.literals import as_number, constant
from pom.dsl.locate import user_location
from pom.dsl.recorder import Recorder, current, is_recording
from pom.dsl.values import EMPTY, Symbolic, Value
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Argument, Expr, Index, Load, rebuild
from pom.ir.graph import Array, Assign, Call, For, Kernel, Node, Scalar, When
from pom.ir.location import Location


def call(
    callee: Kernel, inline: bool, positional: Sequence[object], named: Mapping[str, object]
) -> None:
    """Record a call of `callee` in the kernel that is being recorded.

    Raises
    ------
    PomError
        Outside a kernel, or where the arguments do not fit the callee's.
    """
    location = user_location()
    if not is_recording():
        raise PomError(
            "POM-D001",
            f"kernel {callee.name!r} is called outside a kernel",
            location,
            f"a kernel is no function of arrays: pom.build({callee.name})(…) runs it",
        )
    recorder = current(f"kernel {callee.name!r}")
    arrays, scalars = _bind(recorder, callee, positional, named, location)
    origin = EMPTY
    for value in scalars.values():
        origin = origin | value.origin
    recorder.check_use(origin, "the call", location)
    recorder.note_reads(origin, location)
    for param, use in callee.directions().items():
        if use in ("out", "inout"):
            recorder.note_write(arrays[param].name, location)
    if inline:
        # The copied body would read a scalar argument again after the callee's own writes.
        recorder.note_reads(origin, location)
        _inline(recorder, callee, {k: v.name for k, v in arrays.items()}, scalars, location)
    else:
        _keep(recorder, callee, arrays, scalars, location)


def _bind(
    recorder: Recorder,
    callee: Kernel,
    positional: Sequence[object],
    named: Mapping[str, object],
    location: Location | None,
) -> tuple[dict[str, ArrayValue], dict[str, Value]]:
    names = [p.name for p in callee.params]
    given = dict(zip(names, positional, strict=False))
    wrong = [n for n in named if n not in names or n in given]
    given |= named
    missing = [n for n in names if n not in given]
    if wrong or missing or len(positional) > len(names):
        problem = (
            f"{wrong[0]!r} is not one of them, or is given twice"
            if wrong
            else f"{missing[0]!r} is missing"
            if missing
            else f"{len(positional)} are given"
        )
        raise PomError(
            "POM-D063",
            f"kernel {callee.name!r} takes ({', '.join(names)}): {problem}",
            location,
        )
    arrays: dict[str, ArrayValue] = {}
    scalars: dict[str, Value] = {}
    for param in callee.params:
        value = given[param.name]
        match param:
            case Array():
                arrays[param.name] = _array(recorder, callee, param, value, location)
            case Scalar():
                scalars[param.name] = _scalar(callee, param, value, location)
    return arrays, scalars


def _array(
    recorder: Recorder, callee: Kernel, param: Array, value: object, location: Location | None
) -> ArrayValue:
    if not isinstance(value, ArrayValue) or value.type != param.type:
        shown = f"{value.name}: {value.type}" if isinstance(value, ArrayValue) else repr(value)
        raise PomError(
            "POM-D063",
            f"argument {param.name!r} of {callee.name!r} is {param.type}, not {shown}",
            location,
            "pass a whole array of exactly this type",
        )
    recorder.check_owner(value.origin, "the call", location)
    return value


def _scalar(callee: Kernel, param: Scalar, value: object, location: Location | None) -> Value:
    if isinstance(value, Symbolic):
        what = f"argument {param.name!r} of {callee.name!r}"
        return converted(value.data(), param.type, what, location)
    number = as_number(value)
    if number is None:
        raise PomError(
            "POM-D063",
            f"argument {param.name!r} of {callee.name!r} is {param.type}, not {value!r}",
            location,
        )
    return Value(constant(number, param.type, location), EMPTY)


def _keep(
    recorder: Recorder,
    callee: Kernel,
    arrays: Mapping[str, ArrayValue],
    scalars: Mapping[str, Value],
    location: Location | None,
) -> None:
    passed = [a.name for a in arrays.values()]
    directions = callee.directions()
    for name in sorted(set(passed)):
        uses = [directions[p] for p, a in arrays.items() if a.name == name]
        if len(uses) > 1 and any(u in ("out", "inout") for u in uses):
            raise PomError(
                "POM-D064",
                f"array {name!r} is passed to {callee.name!r} twice, and is written",
                location,
                "let the kernel be inlined, or pass a copy",
            )
    arguments = tuple(
        arrays[p.name].name if isinstance(p, Array) else scalars[p.name].expr for p in callee.params
    )
    name = recorder.statement_name(recorder.fresh(f"call_{callee.name}"), location)
    recorder.add_call(name, callee, arguments, location)


class _Inliner:
    """Copies a callee's body with the caller's names."""

    def __init__(
        self,
        recorder: Recorder,
        callee: Kernel,
        arrays: Mapping[str, str],
        scalars: Mapping[str, Value],
    ) -> None:
        self.recorder = recorder
        self.callee = callee
        self.arrays = dict(arrays)
        self.scalars = {name: value.expr for name, value in scalars.items()}
        self.open = {v.name for v in recorder.open_variables}

    def node(self, node: Node, variables: dict[str, Affine]) -> Node:
        match node:
            case For():
                return self._loop(node, variables)
            case When():
                constraints = tuple(
                    replace(c, expression=c.expression.substitute(variables))
                    for c in node.constraints
                )
                body = tuple(self.node(n, variables) for n in node.body)
                return replace(node, constraints=constraints, body=body)
            case Assign():
                return replace(
                    node,
                    name=self._statement(node),
                    target=self._access(node.target, variables),
                    value=self._expr(node.value, variables),
                )
            case Call():
                arguments = tuple(
                    self.arrays[a] if isinstance(a, str) else self._expr(a, variables)
                    for a in node.arguments
                )
                return replace(node, name=self._statement(node), arguments=arguments)

    def _loop(self, node: For, variables: dict[str, Affine]) -> For:
        # Loops side by side may share a name; loops around, arrays and statements may not.
        var, number = node.var, 0
        while var in self.open or var in self.recorder.declared:
            var = f"{self.callee.name}_{node.var}{number or ''}"
            number += 1
        self.recorder.declare_loop(var, node.location)
        inner = {**variables, node.var: Affine.var(var)}
        self.open.add(var)
        body = tuple(self.node(n, inner) for n in node.body)
        self.open.discard(var)
        return replace(
            node,
            name=var,
            var=var,
            lowers=tuple(e.substitute(variables) for e in node.lowers),
            uppers=tuple(e.substitute(variables) for e in node.uppers),
            body=body,
        )

    def _statement(self, node: Assign | Call) -> str:
        name = self.recorder.fresh(f"{self.callee.name}_{node.name}")
        return self.recorder.statement_name(name, node.location)

    def _access(self, access: Access, variables: dict[str, Affine]) -> Access:
        return Access(
            self.arrays[access.array],
            tuple(
                s.substitute(variables) if isinstance(s, Affine) else self._expr(s, variables)
                for s in access.subscripts
            ),
        )

    def _expr(self, expr: Expr, variables: dict[str, Affine]) -> Expr:
        def change(e: Expr) -> Expr:
            match e:
                case Argument():
                    return self.scalars[e.name]
                case Index():
                    return replace(e, affine=e.affine.substitute(variables))
                case Load():
                    # Data-dependent subscripts are rebuilt already: operands come first.
                    subscripts = tuple(
                        s.substitute(variables) if isinstance(s, Affine) else s
                        for s in e.access.subscripts
                    )
                    return replace(e, access=Access(self.arrays[e.access.array], subscripts))
            return e

        return rebuild(expr, change)


def _inline(
    recorder: Recorder,
    callee: Kernel,
    arrays: Mapping[str, str],
    scalars: Mapping[str, Value],
    location: Location | None,
) -> None:
    inliner = _Inliner(recorder, callee, arrays, scalars)
    for local in callee.locals:
        name = recorder.fresh(f"{callee.name}_{local.name}")
        recorder.declare(name, "a local array", local.location)
        recorder.locals.append(replace(local, name=name))
        inliner.arrays[local.name] = name
    for inner in callee.callees:
        recorder.add_callee(inner, location)
    recorder.scopes[-1].children += [inliner.node(n, {}) for n in callee.body]
