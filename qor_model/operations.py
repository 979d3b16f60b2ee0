"""Which kind of operation each MLIR operation of level 3 is."""

from __future__ import annotations

from pom.qor_model.region import OpKind

_ARITH = {
    "addf": OpKind.ADD, "subf": OpKind.SUB, "mulf": OpKind.MUL, "divf": OpKind.DIV,
    "remf": OpKind.REM, "negf": OpKind.NEG, "cmpf": OpKind.CMP, "select": OpKind.SELECT,
    "maximumf": OpKind.MAX, "minimumf": OpKind.MIN, "maxnumf": OpKind.MAX, "minnumf": OpKind.MIN,
    "addi": OpKind.ADD, "subi": OpKind.SUB, "muli": OpKind.MUL, "divsi": OpKind.DIV,
    "divui": OpKind.DIV, "remsi": OpKind.REM, "remui": OpKind.REM, "cmpi": OpKind.CMP,
    "maxsi": OpKind.MAX, "minsi": OpKind.MIN, "maxui": OpKind.MAX, "minui": OpKind.MIN,
    "andi": OpKind.AND, "ori": OpKind.OR, "xori": OpKind.XOR, "shli": OpKind.SHL,
    "shrsi": OpKind.SHR, "shrui": OpKind.SHR, "extf": OpKind.CAST, "truncf": OpKind.CAST,
    "extsi": OpKind.CAST, "extui": OpKind.CAST, "trunci": OpKind.CAST, "sitofp": OpKind.CAST,
    "uitofp": OpKind.CAST, "fptosi": OpKind.CAST, "fptoui": OpKind.CAST, "bitcast": OpKind.CAST,
}  # fmt: skip

_MATH = {
    "sqrt": OpKind.SQRT, "rsqrt": OpKind.RSQRT, "exp": OpKind.EXP, "log": OpKind.LOG,
    "powf": OpKind.POW, "sin": OpKind.SIN, "cos": OpKind.COS, "tanh": OpKind.TANH,
    "absf": OpKind.ABS, "absi": OpKind.ABS, "floor": OpKind.FLOOR, "ceil": OpKind.CEIL,
    "round": OpKind.ROUND, "roundeven": OpKind.ROUND, "trunc": OpKind.ROUND, "fma": OpKind.ADD,
}  # fmt: skip

_HLS = {
    "add": OpKind.ADD, "sub": OpKind.SUB, "mul": OpKind.MUL, "div": OpKind.DIV,
    "mod": OpKind.REM, "neg": OpKind.NEG, "abs": OpKind.ABS, "min": OpKind.MIN,
    "max": OpKind.MAX, "lt": OpKind.CMP, "le": OpKind.CMP, "gt": OpKind.CMP, "ge": OpKind.CMP,
    "eq": OpKind.CMP, "ne": OpKind.CMP, "and": OpKind.AND, "or": OpKind.OR, "xor": OpKind.XOR,
    "invert": OpKind.NOT, "shl": OpKind.SHL, "shr": OpKind.SHR, "select": OpKind.SELECT,
    "cast": OpKind.CAST, "sqrt": OpKind.SQRT,
}  # fmt: skip

FLOAT_KINDS = {
    **{f"arith.{name}": kind for name, kind in _ARITH.items()},
    **{f"math.{name}": kind for name, kind in _MATH.items()},
}
HLS_KINDS = {f"hls.{name}": kind for name, kind in _HLS.items()}
