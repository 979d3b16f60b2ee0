"""The ``hls`` dialect of level 3: exact integer and fixed-point arithmetic, statement instances.

There is one numeric operation per entry of `pom.ir.ops.OPS` that takes integers, fixed point or
bool. The values are signless integers; what they mean is in ``types`` (of the operands) and
``result``. IRDL checks the counts and the kinds of the attributes, `pom.dialects.hls_verify` the
rest. Directives are discardable attributes ``hls.*``: `pom.dialects.hls_attributes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pom.dialects import irdl
from pom.ir.ops import OPS
from pom.ir.types import ArrayType, FloatType, ScalarType

if TYPE_CHECKING:
    from mlir.ir import Context, MemRefType, Module, Operation, Type, Value

NUMERIC_OPS: tuple[str, ...] = tuple(
    name
    for name, spec in OPS.items()
    if not (spec.float_op or "").startswith("math.") or name in ("abs", "sqrt")
)
"""Operations of the table that level 3 has as ``hls.<name>``; functions of floats are ``math``."""


@lru_cache(maxsize=1)
def definition() -> str:
    """The dialect as IRDL text."""
    numeric = [
        irdl.OpDefinition(
            name,
            operands={f"operand{k}": irdl.ANY for k in range(OPS[name].arity)},
            results={"value": irdl.ANY},
            attributes={"types": irdl.ARRAY, "result": irdl.STRING},
        )
        for name in NUMERIC_OPS
    ]
    statement = irdl.OpDefinition(
        "statement",
        operands={"iterators": f"variadic {irdl.INDEX}"},
        attributes={"name": irdl.STRING},
    )
    index = irdl.OpDefinition(
        "index",
        operands={"operand0": irdl.INDEX},
        results={"value": irdl.ANY},
        attributes={"result": irdl.STRING},
    )
    return irdl.dialect_text("hls", (), (statement, index, *numeric))


def register(context: Context) -> None:
    """Load the dialect into `context`, unless it is there."""
    irdl.load(context, "hls", definition(), "statement")


def mlir_type(scalar: ScalarType) -> Type:
    """The type of a value of `scalar` at level 3: floats as they are, else a signless integer."""
    from mlir.ir import F16Type, F32Type, F64Type, IntegerType

    if isinstance(scalar, FloatType):
        return {16: F16Type, 32: F32Type, 64: F64Type}[scalar.width].get()
    return IntegerType.get_signless(scalar.width)


def memref_type(array: ArrayType) -> MemRefType:
    """The type of an array at level 3."""
    from mlir.ir import MemRefType

    return MemRefType.get(list(array.shape), mlir_type(array.element))


def statement(name: str, iterators: Sequence[Value]) -> Operation:
    """Mark that instance `iterators` of statement `name` starts here."""
    from mlir.ir import Operation, StringAttr

    return Operation.create(
        "hls.statement", operands=list(iterators), attributes={"name": StringAttr.get(name)}
    )


def index(value: Value, result: ScalarType) -> Value:
    """An index value as data, wrapped into the integer type `result`."""
    from mlir.ir import Operation, StringAttr

    return Operation.create(
        "hls.index",
        operands=[value],
        results=[mlir_type(result)],
        attributes={"result": StringAttr.get(str(result))},
    ).result


def numeric(
    op: str, operands: Sequence[Value], types: Sequence[ScalarType], result: ScalarType
) -> Value:
    """``hls.<op>`` on operands of scalar `types`, at the current insertion point and location."""
    from mlir.ir import ArrayAttr, Operation, StringAttr

    return Operation.create(
        f"hls.{op}",
        operands=list(operands),
        results=[mlir_type(result)],
        attributes={
            "types": ArrayAttr.get([StringAttr.get(str(t)) for t in types]),
            "result": StringAttr.get(str(result)),
        },
    ).result


def cast(value: Value, source: ScalarType, result: ScalarType) -> Value:
    """``hls.cast`` between any two scalar types."""
    return numeric("cast", [value], [source], result)


def verify_affine(module: Module) -> None:
    """Check the rules of level 3, `pom.dialects.hls_verify`."""
    from pom.dialects.hls_verify import verify

    verify(module)
