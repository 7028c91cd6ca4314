"""Vectors of numbers for functions that numba compiles: vectors.h once more.

LLVM turns loops over hidden units into vectors by itself, but behind checks of every address that take longer than a short loop.
Addresses are counted in bytes. Importing needs numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from .polynomials import EXP2, LOG2_1P

_LOG2_E = 1.44269504
_HIGHEST = 30.0  # of a colour's power: what is left of its light is 1e-9, and the product of four denominators is finite


class Floats(types.Type):
    """Of so many float32."""

    def __init__(self, lanes: int):
        super().__init__(f"floats{lanes}")
        self.lanes = lanes
        self.vector = ir.VectorType(ir.FloatType(), lanes)
        self.bits = ir.VectorType(ir.IntType(32), lanes)

    def all(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [value] * self.lanes)

    def all_bits(self, value: int) -> ir.Constant:
        return ir.Constant(self.bits, [value] * self.lanes)


@register_model(Floats)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Floats):
        super().__init__(manager, kind, kind.vector)


NARROW, BROAD, WIDE = Floats(16), Floats(32), Floats(64)


def loads(kind: Floats) -> Callable[..., Any]:
    """(address) -> numbers from there on."""

    @intrinsic
    def load(context, address):
        def build(context, builder, signature, arguments):
            return builder.load(builder.inttoptr(arguments[0], kind.vector.as_pointer()), align=4)

        return kind(types.intp), build

    return load


def repeats(kind: Floats) -> Callable[..., Any]:
    """(number) -> the same number in every lane."""

    @intrinsic
    def all_of(context, number):
        def build(context, builder, signature, arguments):
            undefined = ir.Constant(kind.vector, ir.Undefined)
            one = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, undefined, kind.all_bits(0))

        return kind(types.float32), build

    return all_of


@intrinsic
def number_at(context, address):
    """The float32 at an address."""

    def build(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()), align=4)

    return types.float32(types.intp), build


@intrinsic
def store(context, address, value):
    def build(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], value.vector.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, value), build


@intrinsic
def fused(context, a, b, c):
    """a * b + c"""
    return c(a, b, c), lambda context, builder, signature, arguments: _fused(builder, *arguments)


@intrinsic
def softplus_2(context, x):
    """log2(1 + 2^x)"""
    return x(x), lambda context, builder, signature, arguments: _softplus_2(builder, x, *arguments)


@intrinsic
def taken(context, z, density):
    """The part of the light that intervals take; z and density, two each: at their beginnings and at their ends."""
    kind = z[0]

    def build(context, builder, signature, arguments):
        (nearer, farther), (before, after) = (cgutils.unpack_tuple(builder, pair) for pair in arguments)
        mean = builder.fmul(builder.fadd(before, after), kind.all(0.5))
        opaqueness = _softplus_2(builder, kind, builder.fmul(builder.fsub(mean, kind.all(1.0)), kind.all(_LOG2_E)))
        left = _power_of_2(builder, kind, builder.fmul(opaqueness, builder.fsub(nearer, farther)))
        return builder.fsub(kind.all(1.0), left)

    return kind(z, density), build


@intrinsic
def mixed_colour(context, raw, shares):
    """The sum over four samples of share * (1.002 / (1 + exp(-raw)) - 0.001), the decoder's last step: raw and shares, four each.

    All over one denominator: a division takes as long as 16 products.
    """
    kind = raw[0]

    def build(context, builder, signature, arguments):
        terms = [
            (share, builder.fadd(kind.all(1.0), _power_of_2(builder, kind, _smaller(builder, power, kind.all(_HIGHEST)))))
            for power, share in zip(
                (builder.fmul(one, kind.all(-_LOG2_E)) for one in cgutils.unpack_tuple(builder, arguments[0])),
                cgutils.unpack_tuple(builder, arguments[1]),
                strict=True,
            )
        ]
        while len(terms) > 1:
            terms = [_sum_of_fractions(builder, *pair) for pair in zip(terms[::2], terms[1::2], strict=True)]
        sums = builder.fadd
        first, second, third, fourth = cgutils.unpack_tuple(builder, arguments[1])
        total = sums(sums(first, second), sums(third, fourth))
        return _fused(builder, builder.fdiv(*terms[0]), kind.all(1.002), builder.fmul(total, kind.all(-0.001)))

    return kind(raw, shares), build


@intrinsic
def sum_of(context, x):
    def build(context, builder, signature, arguments):
        total, lanes = arguments[0], x.lanes
        while lanes > 1:
            lanes //= 2
            halves = (ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(first, first + lanes))) for first in (0, lanes))
            total = builder.fadd(*(builder.shuffle_vector(total, total, half) for half in halves))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(x), build


def _softplus_2(builder: ir.IRBuilder, kind: Floats, x: ir.Value) -> ir.Value:
    negative = builder.or_(builder.bitcast(x, kind.bits), kind.all_bits(-(2**31)))
    e = _power_of_2(builder, kind, builder.bitcast(negative, kind.vector))
    return _fused(builder, e, _polynomial(builder, kind, LOG2_1P, e), _larger(builder, kind.all(0.0), x))


def _fused(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _polynomial(builder: ir.IRBuilder, kind: Floats, coefficients: tuple[float, ...], x: ir.Value) -> ir.Value:
    value: ir.Value = kind.all(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = _fused(builder, value, x, kind.all(coefficient))
    return value


def _sum_of_fractions(builder: ir.IRBuilder, one: tuple[ir.Value, ir.Value], other: tuple[ir.Value, ir.Value]) -> tuple[ir.Value, ir.Value]:
    (a, b), (c, d) = one, other
    return _fused(builder, a, d, builder.fmul(c, b)), builder.fmul(b, d)


def _smaller(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """b where a is not a number."""
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """b where a is not a number."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _power_of_2(builder: ir.IRBuilder, kind: Floats, x: ir.Value) -> ir.Value:
    """2^x; x must not pass 127; what is below -126 becomes 2^-126."""
    shift = kind.all(12582912.0)  # adding it rounds to a whole number, which then stands in the lowest bits
    power = _larger(builder, kind.all(-126.0), x)
    shifted = builder.fadd(power, shift)
    value = _polynomial(builder, kind, EXP2, builder.fsub(power, builder.fsub(shifted, shift)))
    exponent = builder.shl(builder.bitcast(shifted, kind.bits), kind.all_bits(23))
    return builder.bitcast(builder.add(builder.bitcast(value, kind.bits), exponent), kind.vector)
