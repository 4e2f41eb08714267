"""Lines of numbers resampled at an even step: the step of the kernels of upright detectors.

A line holds the voxels above a point of the plane, or the pixels of a column of the detector.  Row
r of a column stands at start + r · step of the line, and takes from it what lies there, linearly
between neighbours.  The transpose gives number z of the line all rows nearer than one to it, with
the weights that they took.

A register holds LANES neighbours of the result.  Since the step is near to 1, they stand between a
few neighbours of the line, which follow from the first one: all are loaded, none is permuted or
gathered, and of their weights at most two are not zero.  So the code is the same on every
processor, but for the length of a register."""

from __future__ import annotations

import math

import numpy as np

from physrecon.kernels._jit import inlined, inner, shared
from physrecon.kernels._lanes import load, store
from physrecon.kernels._registers import (
    floored,
    fused,
    larger,
    put,
    rounded,
    size,
    smaller,
    spread,
    vector,
    whole,
)
from physrecon.kernels._resample import FEATURES

LANES = 16 if FEATURES.get("avx512f", False) else 8


@shared
def taps_taken(step):
    """Neighbours of a line that the rows of a register stand between, from the first one on."""
    return 2 + int(math.ceil((LANES - 1) * abs(step - 1) - 1e-9))


@shared
def taps_given(step):
    """(first, count): the rows around the one before number z of a line that may reach it, for the
    numbers of a register, each counted from its own."""
    drift = (LANES - 1) * (1 / step - 1)
    first = int(math.floor(min(0.0, drift) - 1 / step + 1e-9)) + 1
    last = int(math.ceil(1 + max(0.0, drift) + 1 / step - 1e-9)) - 1
    return first, last - first + 1


@inlined
def mark(start, step, first, last, like, heights, wholes, rests):
    """Whole part and rest of start + c · LANES · step, for the registers c of first:last and a few
    around.

    heights: 0, LANES, 2 LANES, …  Groups of LANES registers are counted from register 0, so that
    rounding does not depend on `first`."""
    rungs = spread(like, step) * vector(like, heights, 0)
    for c in range(first // LANES * LANES, last, LANES):
        at = rungs + spread(like, start + step * (c * LANES))
        low = floored(at)
        put(wholes, c, whole(low))
        put(rests, c, rounded(rests, at - low))


@inlined
def _pair(sums, source, n, lines):
    """Registers of the blend of two lines, n numbers after their beginning."""
    one, other, near, far = lines
    return fused(near, vector(sums, source, one + n), far * vector(sums, source, other + n))


@inlined
def _hop(total, q, left, right, top):
    """A neighbour further: (total, what is left of the way q, neighbour)."""
    share = smaller(q, top)
    return fused(share, right - left, total), q - share, right


@inlined
def _begun(sums, n, left, shares):
    """What a register of sums begins with: what it holds, unless a share of the rest is added."""
    if shares is None:
        return load(sums, n) + left
    return left


@inlined
def _ended(sums, n, total, shares, c):
    """The register c of sums, at n, with the total or its shares."""
    if shares is None:
        return total
    numbers, before = shares
    return fused(vector(sums, numbers, c * LANES - before), total, load(sums, n))


@inlined
def _take(taps, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares):
    top = spread(sums, source.dtype.type(1))
    for c in range(np.uint64(first), np.uint64(last)):
        i = np.int64(c)
        q, n = rungs + spread(sums, rests[c]), np.int64(wholes[c]) - back
        left = _pair(sums, source, n, lines)
        total = _begun(sums, at + i, left, shares)
        if taps > 2:
            total, q, left = _hop(total, q, left, _pair(sums, source, n + 1, lines), top)
        if taps > 3:
            total, q, left = _hop(total, q, left, _pair(sums, source, n + 2, lines), top)
        if taps > 4:
            total, q, left = _hop(total, q, left, _pair(sums, source, n + 3, lines), top)
        for m in range(4, taps - 1):
            total, q, left = _hop(total, q, left, _pair(sums, source, n + m, lines), top)
        total = fused(q, _pair(sums, source, n + taps - 1, lines) - left, total)
        store(sums, at + i, _ended(sums, at + i, total, shares, i))


@inner
def take(sums, at, first, last, source, one, other, near, far, ladder, step, wholes, rests, shares):
    """Rows of the registers first:last of sums, from `at` on, += what they see of the blend
    near · line + far · other line of source, which begin at `one` and `other`.

    wholes, rests: the places of the first rows of the registers.  ladder: 0, 1, … LANES - 1.
    shares: None, or (numbers, before): row r takes numbers[r - before] times as much."""
    taps, number = taps_taken(step), source.dtype.type
    back = taps - 2 if step < 1 else 0
    drift, begin = spread(sums, number(step - 1)), spread(sums, number(back))
    rungs = fused(drift, vector(sums, ladder, 0), begin)
    lines = one, other, spread(sums, near), spread(sums, far)
    if taps == 2:
        _take(2, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares)
    elif taps == 3:
        _take(3, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares)
    elif taps == 4:
        _take(4, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares)
    elif taps == 5:
        _take(5, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares)
    else:
        _take(taps, sums, at, first, last, source, lines, rungs, back, wholes, rests, shares)


@inlined
def _near(total, d, tap, top, nothing):
    """total + what a row at distance d gives."""
    return fused(larger(top - size(d), nothing), tap, total)


@inlined
def _give(taps, source, at, first, last, like, sums, lines, rungs, step, wholes, rests):
    one, other, near, far = lines
    number = source.dtype.type
    top, nothing = spread(like, number(1)), spread(like, number(0))
    for c in range(np.uint64(first), np.uint64(last)):
        o, n = np.int64(c) * LANES, at + np.int64(wholes[c])
        d = fused(step, spread(like, rests[c]), rungs)
        total = larger(top - size(d), nothing) * vector(like, source, n)
        if taps > 1:
            d = d - step
            total = _near(total, d, vector(like, source, n + 1), top, nothing)
        if taps > 2:
            d = d - step
            total = _near(total, d, vector(like, source, n + 2), top, nothing)
        if taps > 3:
            d = d - step
            total = _near(total, d, vector(like, source, n + 3), top, nothing)
        if taps > 4:
            d = d - step
            total = _near(total, d, vector(like, source, n + 4), top, nothing)
        for m in range(5, taps):
            d = d - step
            total = _near(total, d, vector(like, source, n + m), top, nothing)
        put(sums, one + o, fused(near, total, vector(like, sums, one + o)))
        put(sums, other + o, fused(far, total, vector(like, sums, other + o)))


@inner
def give(source, at, first, last, like, sums, one, other, near, far, ladder, step, wholes, rests):
    """Numbers of the registers first:last of two lines of sums += near and far · what the rows of
    the column of source at `at` give them: the transpose of `take`.

    wholes, rests: places of the first numbers of the registers among the rows."""
    begin, taps = taps_given(step)
    number = source.dtype.type
    fall, away = spread(like, number(1 - step)), spread(like, number(-step * begin))
    rungs = fused(fall, vector(like, ladder, 0), away)
    lines = one, other, spread(like, near), spread(like, far)
    at, stride = at + begin, spread(like, number(step))
    if taps == 2:
        _give(2, source, at, first, last, like, sums, lines, rungs, stride, wholes, rests)
    elif taps == 3:
        _give(3, source, at, first, last, like, sums, lines, rungs, stride, wholes, rests)
    elif taps == 4:
        _give(4, source, at, first, last, like, sums, lines, rungs, stride, wholes, rests)
    elif taps == 5:
        _give(5, source, at, first, last, like, sums, lines, rungs, stride, wholes, rests)
    else:
        _give(taps, source, at, first, last, like, sums, lines, rungs, stride, wholes, rests)
