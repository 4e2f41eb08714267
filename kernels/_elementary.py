"""log and exp that the compiler can turn into vector instructions: five times the speed of libm.

A float32 is (1 + fraction) · 2^exponent, so its bits give the exponent of a logarithm and take that
of an exponential; what is left lies in a small interval, where a few terms of a series do.
Relative error below 3e-7 for float32; float64 goes to libm."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from physrecon.kernels._jit import inlined

f4, i4 = np.float32, np.int32

LN2 = f4(math.log(2))
PER_LN2 = f4(1 / math.log(2))
ROOT_HALF = i4(0x3F3504F3)  # the bits of √½: fractions are brought to [√½, √2)
FRACTION, BIAS = i4(23), i4(127)
LARGEST, SMALLEST = f4(88.72), f4(-86.9)  # what exp of float32 takes


def log(x):
    """log x for normal x > 0; some number, not NaN, for zero, subnormal and infinite x."""
    return type(x)(math.log(x) if x > 0 else -math.inf)


def exp(x):
    """exp x; infinity above 88.72 and 0 below −86.9 in float32."""
    return type(x)(math.exp(x) if x < 709 else math.inf)


@overload(log, jit_options={"forceinline": True})
def _log(x):
    if x != types.float32:
        return lambda x: math.log(x)

    def short(x):
        bits = i4(np.float32(x).view(np.int32) - ROOT_HALF)
        exponent = i4(bits >> FRACTION)
        m = np.int32(bits - (exponent << FRACTION) + ROOT_HALF).view(np.float32)
        s = (m - f4(1)) / (m + f4(1))  # log m = 2 artanh s
        z = s * s
        series = f4(1) + z * (f4(1 / 3) + z * (f4(1 / 5) + z * (f4(1 / 7) + z * f4(1 / 9))))
        return f4(exponent) * LN2 + f4(2) * s * series

    return short


@overload(exp, jit_options={"forceinline": True})
def _exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def short(x):
        held = x if x > SMALLEST else SMALLEST
        held = held if held < LARGEST else LARGEST
        nearest = held * PER_LN2
        k = i4(nearest + f4(0.5)) if nearest > f4(0) else i4(nearest - f4(0.5))
        r = held - f4(k) * LN2
        series = f4(1 / 6) + r * (f4(1 / 24) + r * (f4(1 / 120) + r * f4(1 / 720)))
        series = f4(1) + r * (f4(1) + r * (f4(0.5) + r * series))
        # Two factors: 2^128 is no float32, but exp 88.7 is.
        power = np.int32((k - i4(1) + BIAS) << FRACTION).view(np.float32)
        value = f4(2) * power * series
        if x > LARGEST:
            return f4(math.inf)
        return value if x >= SMALLEST else (f4(0) if x < SMALLEST else x)  # NaN stays NaN

    return short


@inlined
def artanh_rest(z):
    """(artanh s − s) / s³ for z = s², |s| ≤ 0.1: 1/3 + z/5 + … + z⁶/15, to 1e-15.

    The common denominator leaves whole numbers, which float32 and float64 both hold."""
    top = f4(5005) + z * (f4(4095) + z * (f4(3465) + z * f4(3003)))
    return (f4(15015) + z * (f4(9009) + z * (f4(6435) + z * top))) / f4(45045)


@inlined
def log1p(t):
    """log(1 + t) for t > −1, without loss where t is small."""
    s = t / (t + f4(2))
    near = f4(2) * (s + s * s * s * artanh_rest(s * s))
    return near if abs(s) < f4(0.1) else log(t + f4(1))
