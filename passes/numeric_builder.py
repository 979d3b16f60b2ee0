"""Arithmetic of any width and of fixed point, built from ``arith`` and ``math`` operations.

A `NumericBuilder` inserts before one operation. Its integers are signless MLIR values of any width;
whether one is signed is said by the type that comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlir import ir
from mlir.dialects import arith, math

from pom.ir.convert import MANTISSA_BITS, MAX_EXPONENT, wrap_bits
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType, f32, f64

Numeric = IntType | FixedType

EQ, NE, SLT, SLE, SGT, SGE, ULT, ULE, UGT, UGE = range(10)
"""Predicates of ``arith.cmpi``."""

_FLOAT_ONE, _FLOAT_OGT, _FLOAT_UNE = 6, 2, 13
"""Predicates of ``arith.cmpf``: ordered and different, ordered greater, unordered or different."""


def fraction_of(type: Numeric) -> int:
    """Fraction bits; none for an integer."""
    return type.fraction_bits if isinstance(type, FixedType) else 0


def as_numeric(type: ScalarType) -> Numeric:
    """Integers and fixed point as they are; a bool is an unsigned integer of one bit."""
    match type:
        case BoolType():
            return IntType(1, False)
        case FloatType():
            raise TypeError(f"{type} is not an integer")
        case _:
            return type


def mlir_type(type: ScalarType) -> ir.Type:
    """The level-3 type of a scalar type, in the current context."""
    match type:
        case FloatType(width=16):
            return ir.F16Type.get()
        case FloatType(width=32):
            return ir.F32Type.get()
        case FloatType():
            return ir.F64Type.get()
        case _:
            return ir.IntegerType.get_signless(type.width)


@dataclass(frozen=True, slots=True)
class NumericBuilder:
    """Operations inserted at one place with one location; both are set by the caller's context."""

    def constant(self, value: int, width: int) -> ir.Value:
        """An integer of `width` bits."""
        type = ir.IntegerType.get_signless(width)
        value = wrap_bits(value, width, signed=True)
        if width <= 64:
            return arith.constant(type, ir.IntegerAttr.get(type, value))
        return arith.constant(type, ir.Attribute.parse(f"{value} : i{width}"))

    def float_constant(self, value: float, type: FloatType) -> ir.Value:
        mlir = mlir_type(type)
        return arith.constant(mlir, ir.FloatAttr.get(mlir, value))

    def resize(self, value: ir.Value, signed: bool, width: int) -> ir.Value:
        """Extended by sign or by zeros, or cut, to `width` bits."""
        have = ir.IntegerType(value.type).width
        if have == width:
            return value
        type = ir.IntegerType.get_signless(width)
        if width < have:
            return arith.trunci(type, value)
        return arith.extsi(type, value) if signed else arith.extui(type, value)

    def shift_left(self, value: ir.Value, amount: int) -> ir.Value:
        """By a constant; zero where every bit leaves."""
        width = ir.IntegerType(value.type).width
        if amount == 0:
            return value
        if amount >= width:
            return self.constant(0, width)
        return arith.shli(value, self.constant(amount, width))

    def shift_right(self, value: ir.Value, signed: bool, amount: int) -> ir.Value:
        """By a constant, rounding towards minus infinity."""
        width = ir.IntegerType(value.type).width
        if amount == 0:
            return value
        if signed:
            return arith.shrsi(value, self.constant(min(amount, width - 1), width))
        if amount >= width:
            return self.constant(0, width)
        return arith.shrui(value, self.constant(amount, width))

    def align(self, value: ir.Value, source: Numeric, target: Numeric) -> ir.Value:
        """The same number in `target`, which has at least the fraction bits and the range."""
        wide = self.resize(value, source.signed, target.width)
        return self.shift_left(wide, fraction_of(target) - fraction_of(source))

    def is_negative(self, value: ir.Value) -> ir.Value:
        return arith.cmpi(SLT, value, self.constant(0, ir.IntegerType(value.type).width))

    def negate(self, value: ir.Value) -> ir.Value:
        return arith.subi(self.constant(0, ir.IntegerType(value.type).width), value)

    def shift_by(self, value: ir.Value, amount: ir.Value, kind: str) -> ir.Value:
        """A shift by an unsigned amount that may exceed the width; `kind`: left, arith, logical."""
        width = ir.IntegerType(value.type).width
        common = max(width, ir.IntegerType(amount.type).width, 2)
        amount = self.resize(amount, False, common)
        is_over = arith.cmpi(UGE, amount, self.constant(width, common))
        limit = self.constant(width - 1, common)
        inside = self.resize(arith.select(is_over, limit, amount), False, width)
        match kind:
            case "arith":
                return arith.shrsi(value, inside)
            case "left":
                shifted = arith.shli(value, inside)
            case _:
                shifted = arith.shrui(value, inside)
        return arith.select(is_over, self.constant(0, width), shifted)

    def convert(self, value: ir.Value, source: ScalarType, target: ScalarType) -> ir.Value:
        """``cast``: what `pom.ir.convert.convert` does."""
        if source == target:
            return value
        match source, target:
            case FloatType(), FloatType():
                return self._float_to_float(value, source, target)
            case FloatType(), BoolType():
                return arith.cmpf(_FLOAT_UNE, value, self.float_constant(0.0, source))
            case FloatType(), _:
                return self._float_to_numeric(value, source, as_numeric(target))
            case _, FloatType():
                return self._numeric_to_float(value, as_numeric(source), target)
            case _, BoolType():
                return arith.cmpi(NE, value, self.constant(0, source.width))
        return self._rescale(value, as_numeric(source), as_numeric(target))

    def _rescale(self, value: ir.Value, source: Numeric, target: Numeric) -> ir.Value:
        down = fraction_of(source) - fraction_of(target)
        if down <= 0:
            return self.shift_left(self.resize(value, source.signed, target.width), -down)
        if isinstance(target, IntType) and source.signed:
            # Towards zero: a negative value is lifted by all the bits that are cut off.
            width = max(source.width, down) + 1
            wide = self.resize(value, True, width)
            lift = arith.select(
                self.is_negative(wide),
                self.constant((1 << down) - 1, width),
                self.constant(0, width),
            )
            value = arith.addi(wide, lift)
        shifted = self.shift_right(value, source.signed, down)
        return self.resize(shifted, source.signed, target.width)

    def _float_to_float(self, value: ir.Value, source: FloatType, target: FloatType) -> ir.Value:
        if source.width == 16 and target.width == 64:
            value, source = arith.extf(mlir_type(f32), value), f32
        if source.width < target.width:
            return arith.extf(mlir_type(target), value)
        if source.width == 64 and target.width == 16:
            value = self._round_to_odd(value)
        return arith.truncf(mlir_type(target), value)

    def _round_to_odd(self, value: ir.Value) -> ir.Value:
        """f64 → f32 such that a second rounding to f16 gives what a single one would."""
        i32 = ir.IntegerType.get_signless(32)
        near = arith.truncf(mlir_type(f32), value)
        back = arith.extf(mlir_type(f64), near)
        is_inexact = arith.cmpf(_FLOAT_ONE, back, value)
        bits = arith.bitcast(i32, near)
        one, zero = self.constant(1, 32), self.constant(0, 32)
        is_even = arith.cmpi(EQ, arith.andi(bits, one), zero)
        is_above = arith.cmpf(_FLOAT_OGT, math.absf(back), math.absf(value))
        step = arith.select(is_above, self.constant(-1, 32), one)
        step = arith.select(arith.andi(is_inexact, is_even), step, zero)
        return arith.bitcast(mlir_type(f32), arith.addi(bits, step))

    def _float_to_numeric(self, value: ir.Value, source: FloatType, target: Numeric) -> ir.Value:
        """From the bits of the float, since ``fptosi`` is undefined where the value does not fit."""
        if source.width == 16:
            value, source = arith.extf(mlir_type(f32), value), f32
        bits_width, precision = source.width, MANTISSA_BITS[source.width]
        width = max(target.width, precision + 2)
        bits = arith.bitcast(ir.IntegerType.get_signless(bits_width), value)
        mantissa_mask = (1 << (precision - 1)) - 1
        exponent_mask = (1 << (bits_width - precision)) - 1
        exponent = arith.andi(
            self.shift_right(bits, False, precision - 1), self.constant(exponent_mask, bits_width)
        )
        mantissa = arith.andi(bits, self.constant(mantissa_mask, bits_width))
        zero = self.constant(0, bits_width)
        is_normal = arith.cmpi(NE, exponent, zero)
        hidden = arith.select(is_normal, self.constant(1 << (precision - 1), bits_width), zero)
        is_finite = arith.cmpi(NE, exponent, self.constant(exponent_mask, bits_width))
        magnitude = self.resize(arith.ori(mantissa, hidden), False, width)
        magnitude = arith.select(is_finite, magnitude, self.constant(0, width))
        # value = mantissa * 2**(max(exponent, 1) - bias - precision + 1)
        exponent = arith.maxui(exponent, self.constant(1, bits_width))
        offset = fraction_of(target) - (MAX_EXPONENT[source.width] - 1) - (precision - 1)
        shift = arith.addi(exponent, self.constant(offset, bits_width))
        is_right = self.is_negative(shift)
        left = arith.select(is_right, zero, shift)
        right = arith.select(is_right, self.negate(shift), zero)
        is_minus = self.is_negative(bits)
        truncates = isinstance(target, IntType)
        if not truncates:
            magnitude = arith.select(is_minus, self.negate(magnitude), magnitude)
        result = self.shift_by(magnitude, right, "logical" if truncates else "arith")
        result = self.shift_by(result, left, "left")
        if truncates:
            result = arith.select(is_minus, self.negate(result), result)
        return self.resize(result, True, target.width)

    def _numeric_to_float(self, value: ir.Value, source: Numeric, target: FloatType) -> ir.Value:
        if target.width == 16:
            return arith.truncf(mlir_type(target), self._numeric_to_float(value, source, f32))
        scale = -fraction_of(source)
        if source.width > 64:
            return self._wide_to_float(value, source, target)
        width = 32 if source.width <= 32 else 64
        wide = self.resize(value, source.signed, width)
        to_float = arith.sitofp if source.signed else arith.uitofp
        result = to_float(mlir_type(target), wide)
        if scale == 0:
            return result
        # The scaling is exact in f64: no result is subnormal (`conversion_problem`).
        result = self._float_to_float(result, target, f64) if target != f64 else result
        result = arith.mulf(result, self.float_constant(2.0**scale, f64))
        return result if target == f64 else self._float_to_float(result, f64, target)

    def _wide_to_float(self, value: ir.Value, source: Numeric, target: FloatType) -> ir.Value:
        """Reduced to 64 bits, the lowest of which says whether any bit below was set."""
        width = source.width
        i64 = ir.IntegerType.get_signless(64)
        is_minus = self.is_negative(value) if source.signed else self.constant(0, 1)
        magnitude = arith.select(is_minus, self.negate(value), value)
        zeros = math.ctlz(magnitude)
        # A shift by the whole width is undefined; zero has that many leading zeros.
        zeros = arith.minui(zeros, self.constant(width - 1, width))
        normal = arith.shli(magnitude, zeros)
        top = self.resize(self.shift_right(normal, False, width - 64), False, 64)
        rest = self.resize(normal, False, width - 64)
        is_sticky = arith.cmpi(NE, rest, self.constant(0, width - 64))
        top = arith.ori(top, arith.extui(i64, is_sticky))
        result = arith.uitofp(mlir_type(target), top)
        result = self._float_to_float(result, target, f64) if target != f64 else result
        result = arith.mulf(result, self.float_constant(2.0 ** -fraction_of(source), f64))
        # 2**(width - 64 - zeros), made from its bits.
        exponent = arith.subi(self.constant(width - 64 + 1023, 64), self.resize(zeros, False, 64))
        power = arith.bitcast(mlir_type(f64), self.shift_left(exponent, 52))
        result = arith.mulf(result, power)
        result = arith.select(is_minus, arith.negf(result), result)
        return result if target == f64 else self._float_to_float(result, f64, target)
