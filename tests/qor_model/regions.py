"""Small region trees for tests."""

from __future__ import annotations

import itertools

from pom.qor_model.region import (
    F32,
    Access,
    Affine,
    Array,
    Block,
    Design,
    Function,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    Region,
    ScalarType,
)

_ids = itertools.count(1)


def iv(name: str, offset: int = 0, coef: int = 1) -> Affine:
    return Affine(((name, coef),), offset)


def load(array: str, *subscripts: Affine | None, dtype: ScalarType = F32) -> Op:
    return Op(next(_ids), OpKind.LOAD, dtype, access=Access(array, subscripts))


def store(value: Op | None, array: str, *subscripts: Affine | None) -> Op:
    operands = () if value is None else (value.id,)
    return Op(next(_ids), OpKind.STORE, F32, operands, access=Access(array, subscripts))


def compute(kind: OpKind, *operands: Op, scalars: tuple[str, ...] = ()) -> Op:
    ids = tuple(o.id for o in operands)
    return Op(next(_ids), kind, F32, ids, (F32, F32), scalars=scalars)


def loop(
    name: str, count: int, *body: Region | Op, directives: LoopDirectives | None = None
) -> Loop:
    regions: list[Region] = []
    for item in body:
        if not isinstance(item, Op):
            regions.append(item)
        elif regions and isinstance(regions[-1], Block):
            regions[-1] = Block((*regions[-1].ops, item))
        else:
            regions.append(Block((item,)))
    return Loop(
        name, (Affine((), 0),), (Affine((), count),), tuple(regions),
        directives=directives or LoopDirectives(),
    )  # fmt: skip


def array(name: str, *shape: int, **factors: int) -> Array:
    """`array("A", 64, 64, d1=2)` is split cyclically by two in its first dimension."""
    parts = tuple(
        Partition(int(key[1:]) - 1, PartitionKind.CYCLIC, factor)
        for key, factor in sorted(factors.items())
    )
    return Array(name, shape, F32, parts)


def design(*body: Region, arrays: tuple[Array, ...]) -> Design:
    return Design("top", (Function("top", arrays, body),))


def dot_row() -> list[Op]:
    """``tmp[i] += A[i, j] * x[j]``."""
    old = load("tmp", iv("i"))
    product = compute(
        OpKind.MUL, load_a := load("A", iv("i"), iv("j")), load_x := load("x", iv("j"))
    )
    total = compute(OpKind.ADD, old, product)
    return [old, load_a, load_x, product, total, store(total, "tmp", iv("i"))]


def scale_row() -> list[Op]:
    """``C[i, j] = beta * C[i, j]``."""
    old = load("C", iv("i"), iv("j"))
    product = compute(OpKind.MUL, old, scalars=("0:beta",))
    return [old, product, store(product, "C", iv("i"), iv("j"))]
