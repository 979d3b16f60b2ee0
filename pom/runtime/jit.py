"""Level 3 compiled in memory by LLVM and run on numpy arrays."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlir import ir
from mlir.execution_engine import ExecutionEngine

from pom.errors import PomError
from pom.ir.graph import Array, Direction, Scalar
from pom.ir.libm import function
from pom.ir.types import ArrayType, parse_scalar_type
from pom.passes.affine_expand_numeric import DIVISION_BY_ZERO, REPORT, operations
from pom.passes.affine_to_llvm import LIBM_PREFIX, SUBSCRIPT_OUT_OF_BOUNDS, AffineToLlvm
from pom.runtime.arrays import AnyArray, check_arguments, container
from pom.runtime.buffers import Buffer, pack

OPTIMIZATION_LEVEL = 3
WIDE_OPTIMIZATION_LEVEL = 0
"""For integers above 64 bits: LLVM 22 miscompiles vectorized selections of them on x86 (seen with
``select(sign, -x, x)`` of i70, where elements take the sign of their neighbours)."""

_FAULTS = {
    DIVISION_BY_ZERO: ("POM-R021", "division by zero"),
    SUBSCRIPT_OUT_OF_BOUNDS: ("POM-R020", "a data-dependent subscript is outside its array"),
}

_faults = threading.local()


def _note_fault(fault: int) -> None:
    """Called by compiled code: an exception cannot pass through it, so the fault is noted."""
    _faults.first = getattr(_faults, "first", 0) or fault


_report = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_note_fault)


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a level-3 function."""

    params: tuple[Scalar | Array, ...]
    directions: dict[str, Direction]


def signature(module: ir.Module, name: str) -> Signature:
    """Read the parameters of function `name` from its argument attributes.

    Raises
    ------
    PomError
        POM-R022 where the module has no such function or an argument lacks its attributes.
    """
    with module.context:
        for op in operations(module, "func.func"):
            if ir.StringAttr(op.attributes["sym_name"]).value == name:
                return _signature(op, name)
    raise PomError("POM-R022", f"the module has no function '{name}'")


def _signature(op: ir.Operation, name: str) -> Signature:
    inputs = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value).inputs
    attributes = list(op.attributes["arg_attrs"]) if "arg_attrs" in op.attributes else []
    if len(attributes) != len(inputs):
        raise PomError("POM-R022", f"the arguments of '{name}' have no hls.name and hls.type")
    params: list[Scalar | Array] = []
    directions: dict[str, Direction] = {}
    for type, entry in zip(inputs, attributes, strict=True):
        texts = {
            a.name: a.attr.value for a in ir.DictAttr(entry) if isinstance(a.attr, ir.StringAttr)
        }
        if "hls.name" not in texts or "hls.type" not in texts:
            raise PomError("POM-R022", f"an argument of '{name}' has no hls.name or hls.type")
        scalar = parse_scalar_type(texts["hls.type"])
        if not isinstance(type, ir.MemRefType):
            params.append(Scalar(texts["hls.name"], scalar))
            continue
        params.append(Array(texts["hls.name"], ArrayType(scalar, tuple(type.shape))))
        directions[texts["hls.name"]] = texts.get("hls.direction", "inout")
    return Signature(tuple(params), directions)


def _has_wide_integers(module: ir.Module) -> bool:
    return any(
        isinstance(result.type, ir.IntegerType) and result.type.width > 64
        for op in operations(module, "llvm.")
        for result in op.results
    )


class JitModule:
    """Functions of a level-3 module, compiled together.

    Parameters
    ----------
    module : mlir.ir.Module
        Level 3; not modified.
    names : sequence of str
        The functions that will be called.

    Raises
    ------
    PomError
        POM-R022 where there is no such function, POM-A2xx where it cannot be lowered.
    """

    def __init__(self, module: ir.Module, names: Sequence[str]) -> None:
        self.signatures = {name: signature(module, name) for name in names}
        with module.context:
            lowered = ir.Module.parse(module.operation.get_asm(print_generic_op_form=True))
            for op in operations(lowered, "func.func"):
                if ir.StringAttr(op.attributes["sym_name"]).value in self.signatures:
                    op.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
            AffineToLlvm().run(lowered)
            called = {
                ir.StringAttr(op.attributes["sym_name"]).value
                for op in operations(lowered, "llvm.func")
            }
            is_wide = _has_wide_integers(lowered)
            level = WIDE_OPTIMIZATION_LEVEL if is_wide else OPTIMIZATION_LEVEL
            self._engine = ExecutionEngine(lowered, opt_level=level)
        self._keep = self._bind(called)

    def _bind(self, called: set[str]) -> list[Any]:
        """Give the compiled code the functions of the runtime that it calls."""
        kept: list[Any] = []
        for symbol in sorted(called):
            bound: Any = None
            if symbol == REPORT:
                bound = _report
            elif symbol.startswith(LIBM_PREFIX):
                stem = symbol.removeprefix(LIBM_PREFIX)
                is_single = stem.endswith("f")
                bound = function(stem.removesuffix("f"), 32 if is_single else 64)
            if bound is not None:
                self._engine.raw_register_runtime(symbol, ctypes.cast(bound, ctypes.c_void_p))
                kept.append(bound)
        return kept

    def address(self, name: str) -> int:
        """Where the compiled function `name` is."""
        address = self._engine.raw_lookup(f"_mlir_ciface_{name}")
        if not address:
            raise PomError("POM-R022", f"the compiled module has no function '{name}'")
        return int(address)


class JitFunction:
    """A function of a level-3 module, compiled.

    Parameters
    ----------
    module : mlir.ir.Module
        Level 3; not modified.
    name : str
        The function to call.
    compiled : JitModule, optional
        `module` with `name`, where several functions were compiled together.

    Raises
    ------
    PomError
        POM-R022 where there is no such function, POM-A2xx where it cannot be lowered.
    """

    def __init__(self, module: ir.Module, name: str, compiled: JitModule | None = None) -> None:
        self.name = name
        self._module = compiled or JitModule(module, (name,))
        self._signature = self._module.signatures[name]
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._module.address(name))

    def __call__(self, arguments: Mapping[str, Any]) -> dict[str, AnyArray]:
        """Run the function.

        Parameters
        ----------
        arguments : mapping
            As for `pom.runtime.reference.run`; not modified.

        Returns
        -------
        dict
            Every array that the function writes, by name.

        Raises
        ------
        PomError
            POM-R001 to R003 for wrong arguments, POM-R020 for a data-dependent subscript out of
            bounds, POM-R021 for an integer division by zero.
        """
        params, directions = self._signature.params, self._signature.directions
        checked = check_arguments(self.name, params, directions, arguments)
        buffers: dict[str, Buffer] = {}
        kept: list[AnyArray | ctypes.c_void_p] = []
        pointers = (ctypes.c_void_p * max(len(params), 1))()
        for position, param in enumerate(params):
            value = checked[param.name]
            if isinstance(param, Array):
                buffer = Buffer.of(value, param.type)
                buffers[param.name] = buffer
                holder = ctypes.c_void_p(ctypes.addressof(buffer.descriptor))
                kept.append(holder)
                pointers[position] = ctypes.addressof(holder)
            else:
                one = np.empty(1, dtype=container(param.type))
                one[0] = value
                packed = pack(one, param.type)
                kept.append(packed)
                pointers[position] = packed.ctypes.data
        _faults.first = 0
        self._call(ctypes.addressof(pointers))
        if _faults.first:
            code, what = _FAULTS[_faults.first]
            raise PomError(code, f"{what}, in {self.name}")
        return {
            name: buffer.read()
            for name, buffer in buffers.items()
            if directions[name] in ("out", "inout")
        }
