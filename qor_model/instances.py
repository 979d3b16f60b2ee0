"""Operator instances by class, to compare an estimate with the modules of generated RTL.

Vitis names a module after what it computes: ``dmul_64ns_64ns_64_7_max_dsp_1`` multiplies doubles
in 7 states, ``mul_32s_32s_48_2_1`` integers in 2, ``mac_muladd_…`` multiplies and adds in one DSP
block, ``sdiv_48ns_32s_32_52_1`` divides.  What the tool writes inline has no module: additions,
comparisons and choices of integers, small products, and dividers that take one input at a time.
"""

from __future__ import annotations

import re
from collections import Counter

from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import OpKind
from pom.qor_model.schedule_result import OperatorKey

_PREFIX = {"h": "f16", "f": "f32", "d": "f64"}
_FLOAT = {
    "add": "add", "sub": "add", "addsub": "add", "adddsub": "add", "addfsub": "add", "mul": "mul",
    "div": "div", "sqrt": "sqrt", "rsqrt": "rsqrt", "exp": "exp", "log": "log", "cmp": "cmp",
}  # fmt: skip
_INLINE = frozenset({OpKind.SELECT, OpKind.NEG, OpKind.ABS, OpKind.CAST, OpKind.FLOOR})


def measured_instances(modules: str) -> Counter[str]:
    """Classes of the modules in ``name=count name=count …``; names of no known class stay."""
    found: Counter[str] = Counter()
    for entry in modules.split():
        name, _, count = entry.partition("=")
        found[_class_of_module(name)] += int(count)
    return found


def _class_of_module(name: str) -> str:
    parts = name.split("_")
    head = parts[0]
    if head[0] in _PREFIX and head[1:] in _FLOAT:
        return f"{_PREFIX[head[0]]} {_FLOAT[head[1:]]}"
    if head == "mac":
        return "multiply-add"
    stages = re.search(r"_(\d+)(?:_seq)?_\d+$", name)
    is_inside_state = stages is not None and stages.group(1) == "1"
    if head == "mul":
        return "small multiplier" if is_inside_state else "multiplier"
    return "divider" if head in ("sdiv", "udiv", "srem", "urem") else name


def estimated_instances(
    operators: tuple[tuple[OperatorKey, int], ...], library: OperatorLibrary
) -> Counter[str]:
    """The same classes of the operators of a resource estimate."""
    found: Counter[str] = Counter()
    for key, count in operators:
        name = _class_of_key(key, library)
        if name:
            found[name] += count
    return found


def _class_of_key(key: OperatorKey, library: OperatorLibrary) -> str:
    types = [t for t in (*key.operand_types, key.dtype) if t.is_float]
    if types:
        kind = "add" if key.kind is OpKind.SUB else str(key.kind)
        return "" if key.kind in _INLINE else f"{types[0]} {kind}"
    match key.kind:
        case OpKind.MUL if key.impl == "mac":
            return "multiply-add"
        case OpKind.MUL:
            operator = library.operator(key)
            if operator.stages > 1:
                return "multiplier"
            return "small multiplier" if operator.dsp or key.impl == "address" else ""
        case OpKind.DIV | OpKind.REM:
            return "divider" if key.impl == "pipelined" else ""
    return ""
