"""Vectors of 16 numbers for functions that numba compiles: vectors.h once more.

LLVM turns loops over hidden units into vectors by itself, but behind checks of every address that take longer than a short loop.
Addresses are counted in bytes. Importing needs numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from .polynomials import EXP2, LOG2_1P

LANES = 16
BYTES = 4 * LANES
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_BITS = ir.VectorType(ir.IntType(32), LANES)
_LOG2_E = 1.44269504


class Floats(types.Type):
    """Of 16 float32."""


floats = Floats("floats")


@register_model(Floats)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Floats):
        super().__init__(manager, kind, _VECTOR)


@intrinsic
def load(context, address):
    def build(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], _VECTOR.as_pointer()), align=4)

    return floats(types.intp), build


@intrinsic
def store(context, address, value):
    def build(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, floats), build


@intrinsic
def all_of(context, number):
    """The same number 16 times."""

    def build(context, builder, signature, arguments):
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_BITS, [0] * LANES))

    return floats(types.float32), build


@intrinsic
def fused(context, a, b, c):
    """a * b + c"""
    return floats(floats, floats, floats), lambda context, builder, signature, arguments: _fused(builder, *arguments)


@intrinsic
def softplus_2(context, x):
    """log2(1 + 2^x)"""

    def build(context, builder, signature, arguments):
        (x,) = arguments
        negative = builder.or_(builder.bitcast(x, _BITS), _all(_BITS, -(2**31)))
        e = _power_of_2(builder, builder.bitcast(negative, _VECTOR))
        return _fused(builder, e, _polynomial(builder, LOG2_1P, e), _larger(builder, x, _all(_VECTOR, 0.0)))

    return floats(floats), build


@intrinsic
def colour(context, x):
    """1.002 / (1 + exp(-x)) - 0.001: the decoder's last step."""

    def build(context, builder, signature, arguments):
        power = builder.fmul(arguments[0], _all(_VECTOR, -_LOG2_E))
        highest = _all(_VECTOR, 120.0)
        e = _power_of_2(builder, builder.select(builder.fcmp_ordered("<", power, highest), power, highest))
        share = builder.fdiv(_all(_VECTOR, 1.002), builder.fadd(_all(_VECTOR, 1.0), e))
        return builder.fsub(share, _all(_VECTOR, 0.001))

    return floats(floats), build


@intrinsic
def sum_of(context, x):
    def build(context, builder, signature, arguments):
        (x,) = arguments
        for half in (8, 4, 2, 1):
            turned = ir.Constant(_BITS, [(lane + half) % LANES for lane in range(LANES)])
            x = builder.fadd(x, builder.shuffle_vector(x, x, turned))
        return builder.extract_element(x, ir.Constant(ir.IntType(32), 0))

    return types.float32(floats), build


def _all(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * LANES)


def _fused(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _polynomial(builder: ir.IRBuilder, coefficients: tuple[float, ...], x: ir.Value) -> ir.Value:
    value: ir.Value = _all(_VECTOR, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = _fused(builder, value, x, _all(_VECTOR, coefficient))
    return value


def _larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """b where a is not a number."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _power_of_2(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """2^x; x must not pass 127; what is below -126 becomes 2^-126."""
    shift = _all(_VECTOR, 12582912.0)  # adding it rounds to a whole number, which then stands in the lowest bits
    power = _larger(builder, x, _all(_VECTOR, -126.0))
    shifted = builder.fadd(power, shift)
    value = _polynomial(builder, EXP2, builder.fsub(power, builder.fsub(shifted, shift)))
    exponent = builder.shl(builder.bitcast(shifted, _BITS), _all(_BITS, 23))
    return builder.bitcast(builder.add(builder.bitcast(value, _BITS), exponent), _VECTOR)
