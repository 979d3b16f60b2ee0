"""Numpy arrays as memory that JIT-compiled code reads and writes, and back.

`pom.passes.affine_widen_storage` keeps an integer in the next of 1, 2, 4, 8 or n times 16 bytes,
with zeros above its bits.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.ir.convert import wrap_bits
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType
from pom.passes.affine_widen_storage import storage_width
from pom.runtime.arrays import AnyArray, container


def element_bytes(type: ScalarType) -> int:
    """Distance between two elements in memory."""
    return storage_width(type.width) // 8


def pack(array: AnyArray, type: ScalarType) -> AnyArray:
    """A fresh buffer (bytes in one dimension) with the elements as LLVM lays them out."""
    size = element_bytes(type)
    flat = np.ascontiguousarray(array).reshape(-1)
    if isinstance(type, (FloatType, BoolType)):
        return np.asarray(flat.astype(container(type), copy=True).view(np.uint8))
    mask = (1 << type.width) - 1
    if type.width <= 64:
        unsigned = flat.astype(f"uint{8 * size}", casting="unsafe", copy=True)
        return np.asarray((unsigned & np.array(mask, unsigned.dtype)).view(np.uint8))
    words = b"".join((v & mask).to_bytes(size, "little") for v in flat.tolist())
    return np.frombuffer(bytearray(words), dtype=np.uint8)


def unpack(buffer: AnyArray, type: ArrayType) -> AnyArray:
    """The inverse of `pack`."""
    element = type.element
    dtype = container(element)
    if isinstance(element, (FloatType, BoolType)):
        return buffer.view(dtype).reshape(type.shape)
    size = element_bytes(element)
    if element.width <= 64:
        unsigned = buffer.view(f"uint{8 * size}")
        if element.signed:
            up = np.array(8 * size - element.width, unsigned.dtype)
            unsigned = ((unsigned << up).view(dtype) >> up.view(dtype)).astype(dtype)
        return unsigned.astype(dtype, copy=False).reshape(type.shape)
    return _unpack_wide(buffer, element, size).reshape(type.shape)


def _unpack_wide(buffer: AnyArray, element: IntType | FixedType, size: int) -> AnyArray:
    raw = buffer.tobytes()
    values = [
        wrap_bits(int.from_bytes(raw[k : k + size], "little"), element.width, element.signed)
        for k in range(0, len(raw), size)
    ]
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array argument in memory, and the memref descriptor that points to it."""

    type: ArrayType
    memory: AnyArray
    descriptor: ctypes.Array[Any]

    @staticmethod
    def of(array: AnyArray, type: ArrayType) -> Buffer:
        """A copy of `array`."""
        memory = pack(array, type.element)
        address = memory.ctypes.data
        strides = [int(np.prod(type.shape[k + 1 :], dtype=np.int64)) for k in range(type.rank)]
        # allocated pointer, aligned pointer, offset, sizes, strides: all of 64 bits
        fields = [address, address, 0, *type.shape, *strides]
        descriptor = (ctypes.c_int64 * len(fields))(*fields)
        return Buffer(type, memory, descriptor)

    def read(self) -> AnyArray:
        """The elements as they are now, copied."""
        return unpack(self.memory, self.type).copy()
