"""How far predicted data p lie from measured data y: φ(p; y), its slope and a curvature above it.

One pass over the data writes the slopes (or curvatures, or losses) over p and adds up the losses.
Data are seen as (outer, slices, inner); a parameter that belongs to data, such as a background,
comes as (1 | outer, 1 | slices, inner), so that one number, or one per view or per pixel, takes
little memory.  Sums leave as in `kernels.vectors`, as `partial` (outer, slices, pieces).

A curvature c majorises: the parabola φ(p) + φ'(p)(t − p) + ½ c (t − p)² lies above φ(t) for all t
that p may take (t ≥ 0 for counts)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._elementary import artanh_rest, exp, log, log1p
from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner, shared
from physrecon.kernels.vectors import PIECE

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

SLOPES, CURVATURES, RESIDUALS, RATIOS, LOSSES = range(5)  # what a pass leaves in place of p

EPSILON = f4(2**-23)
LEAST_RATIO = f4(2**-46)  # least mean per count: bounds y / mean, far above what 1e9 counts need
HUGE = f4(3e38)
OPAQUE = f4(80)  # attenuation beyond which e^−p would leave float32


@inner
def _place(k, partial):
    """(outer, slice, piece) of partial sum number k, and where its elements begin and end."""
    _, slices, count = partial.shape
    piece = k % count
    return k // (slices * count), k // count % slices, piece, piece * PIECE, (piece + 1) * PIECE


@shared
def _owner(parameter, o, s):
    """Where the numbers of a parameter are that belong to a line of the data."""
    return min(o, parameter.shape[0] - 1), min(s, parameter.shape[1] - 1)


# Residuals: least squares and Huber -----------------------------------------------------------


@inlined
def huber(p, y, root, delta):
    """(value, slope) of w · (½ r² for |r| ≤ δ, else δ (|r| − ½ δ)), r = p − y, w = root².

    Huber, Ann. Math. Statist. 35 (1964) 73.  δ = ∞ is least squares."""
    r = p - y
    held = -delta if r < -delta else (delta if r > delta else r)
    slope = root * root * held
    return slope * (r - f4(0.5) * held), slope


@inlined
def huber_curvature(p, y, root, delta):
    """Slope over residual, which majorises a loss that grows slower than r²."""
    return root * root * min(root * f4(0) + f4(1), delta / abs(p - y))


@inner
def _huber_piece(k, p, y, root, delta, what, partial):
    o, s, c, begin, end = _place(k, partial)
    u, v = _owner(root, o, s)
    q, d, w = p[o, s, begin:end], y[o, s, begin:end], root[u, v, begin:end]
    total = 0.0
    if what == CURVATURES:
        for i in range(q.size):
            q[i] = huber_curvature(q[i], d[i], w[i], delta)
    elif what == RESIDUALS:
        for i in range(q.size):
            value, _ = huber(q[i], d[i], w[i], delta)
            q[i] = w[i] * (q[i] - d[i])
            total += float(value)
    elif what == LOSSES:
        for i in range(q.size):
            q[i], _ = huber(q[i], d[i], w[i], delta)
            total += float(q[i])
    else:
        for i in range(q.size):
            value, slope = huber(q[i], d[i], w[i], delta)
            q[i] = slope
            total += float(value)
    partial[o, s, c] = total


@cpu
def _huber_cpu(p, y, root, delta, what, partial):
    for k in prange(partial.size):
        _huber_piece(np.int64(k), p, y, root, delta, what, partial)


@gpu
def _huber_gpu(p, y, root, delta, what, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    u, v = _owner(root, o, s)
    total = root[u, v, c] * f4(0)
    for i in range(c, p.shape[2], count):
        value, slope = huber(p[o, s, i], y[o, s, i], root[u, v, i], delta)
        if what == CURVATURES:
            slope = huber_curvature(p[o, s, i], y[o, s, i], root[u, v, i], delta)
        elif what == RESIDUALS:
            slope = root[u, v, i] * (p[o, s, i] - y[o, s, i])
        p[o, s, i] = value if what == LOSSES else slope
        total += value
    partial[o, s, c] = total


# Residuals: Student's t -----------------------------------------------------------------------


@inlined
def student(p, y, spread, half):
    """(value, slope) of half · log(1 + r²/spread), half = ½ (ν + 1), spread = ν scale²."""
    r = p - y
    return half * log1p(r * r / spread), f4(2) * half * r / (spread + r * r)


@inlined
def student_curvature(p, y, spread, half):
    """Slope over residual: the weight of iteratively reweighted least squares.

    Lange, Little and Taylor, J. Amer. Statist. Assoc. 84 (1989) 881."""
    r = p - y
    return f4(2) * half / (spread + r * r)


@inner
def _student_piece(k, p, y, spread, half, what, partial):
    o, s, c, begin, end = _place(k, partial)
    q, d = p[o, s, begin:end], y[o, s, begin:end]
    total = 0.0
    if what == CURVATURES:
        for i in range(q.size):
            q[i] = student_curvature(q[i], d[i], spread, half)
    elif what == LOSSES:
        for i in range(q.size):
            q[i], _ = student(q[i], d[i], spread, half)
            total += float(q[i])
    else:
        for i in range(q.size):
            value, slope = student(q[i], d[i], spread, half)
            q[i] = slope
            total += float(value)
    partial[o, s, c] = total


@cpu
def _student_cpu(p, y, spread, half, what, partial):
    for k in prange(partial.size):
        _student_piece(np.int64(k), p, y, spread, half, what, partial)


@gpu
def _student_gpu(p, y, spread, half, what, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    total = spread * f4(0)
    for i in range(c, p.shape[2], count):
        value, slope = student(p[o, s, i], y[o, s, i], spread, half)
        if what == CURVATURES:
            slope = student_curvature(p[o, s, i], y[o, s, i], spread, half)
        p[o, s, i] = value if what == LOSSES else slope
        total += value
    partial[o, s, c] = total


# Counts ---------------------------------------------------------------------------------------


@inlined
def deviance(y, m):
    """m − y + y log(y/m) ≥ 0 for y ≥ 0 and a mean m > 0; y = 0 gives m; m ≤ 0 < y gives infinity.

    Without cancellation where m is near y: C. Loader, *Fast and accurate computation of binomial
    probabilities* (2000), eq. 5."""
    d = m - y
    s = d / (y + m)
    near = d * s - f4(2) * y * s * s * s * artanh_rest(s * s)
    far = d + y * log(y / m if y > f4(0) else f4(1))
    value = near if abs(s) < f4(0.1) else far
    return f4(math.inf) if m <= f4(0) and y > f4(0) else value


@inlined
def poisson(p, y, background):
    """(value, slope) for counts y of mean m = p + background: half the deviance.

    The slope is 1 − y / max(m, ε y): finite where the value is not."""
    m = p + background
    least = EPSILON * y
    held = least if m < least else m
    slope = f4(1) - (y / held if y > f4(0) else f4(0))
    return deviance(y, m), slope


@inlined
def poisson_ratio(p, y, background):
    """(value, y / m) of `poisson`; 0 for y = 0, and at most 2⁴⁶ for m > 0, 2²³ for m ≤ 0.

    Not 1 − slope, whose rounding loses small ratios; a transform leaves m ≤ 0 where it is 0."""
    m = p + background
    least = (LEAST_RATIO if m > f4(0) else EPSILON) * y
    held = least if m < least else m
    return deviance(y, m), (y / held if y > f4(0) else f4(0))


@inlined
def poisson_curvature(p, y, background):
    """The smallest parabola above the loss for all t ≥ 0:  2 (φ(0) − φ(p) + p φ'(p)) / p².

    It is y/b² at p = 0 (b is the background, > 0).  Erdoğan and Fessler, IEEE Trans. Med. Imaging
    18 (1999) 801, eq. 28."""
    p = p if p > f4(0) else p * f4(0)
    r = f4(1) / (p + background + background)
    s = p * r  # log(m/b) = 2 artanh s, p/m = 2 s / (1 + s)
    near = f4(4) * y * r * r * (f4(1) / (f4(1) + s) + s * artanh_rest(s * s))
    m = p + background
    far = f4(2) * y * (log(m / background) - p / m) / (p * p)
    curvature = near if s < f4(0.1) else far
    return curvature if y > f4(0) else f4(0)


@inner
def _poisson_piece(k, p, y, background, what, partial):
    o, s, c, begin, end = _place(k, partial)
    u, v = _owner(background, o, s)
    q, d, b = p[o, s, begin:end], y[o, s, begin:end], background[u, v, begin:end]
    total = 0.0
    if what == CURVATURES:
        for i in range(q.size):
            q[i] = poisson_curvature(q[i], d[i], b[i])
    elif what == RATIOS:
        for i in range(q.size):
            value, q[i] = poisson_ratio(q[i], d[i], b[i])
            total += float(value)
    elif what == LOSSES:
        for i in range(q.size):
            q[i], _ = poisson(q[i], d[i], b[i])
            total += float(q[i])
    else:
        for i in range(q.size):
            value, slope = poisson(q[i], d[i], b[i])
            q[i] = slope
            total += float(value)
    partial[o, s, c] = total


@cpu
def _poisson_cpu(p, y, background, what, partial):
    for k in prange(partial.size):
        _poisson_piece(np.int64(k), p, y, background, what, partial)


@gpu
def _poisson_gpu(p, y, background, what, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    u, v = _owner(background, o, s)
    total = y[o, s, c] * f4(0)
    for i in range(c, p.shape[2], count):
        value, slope = poisson(p[o, s, i], y[o, s, i], background[u, v, i])
        if what == CURVATURES:
            slope = poisson_curvature(p[o, s, i], y[o, s, i], background[u, v, i])
        elif what == RATIOS:
            value, slope = poisson_ratio(p[o, s, i], y[o, s, i], background[u, v, i])
        p[o, s, i] = value if what == LOSSES else slope
        total += value
    partial[o, s, c] = total


# Counts behind an absorber --------------------------------------------------------------------


@inlined
def _transmitted(p, blank, dark):
    """e^−p, u = blank e^−p, the mean m = u + dark and the share u/m of light in it."""
    e = exp(-p)
    u = blank * e
    m = u + dark
    return e, u, m, (u / m if dark > f4(0) else f4(1))


@inlined
def transmission(p, y, blank, dark):
    """(value, slope) for counts y of mean blank e^−p + dark: half the deviance.

    Beyond p = 80 the value goes straight on.  A pixel without blank is dead: both are 0."""
    held = OPAQUE if p > OPAQUE else p
    _, u, m, share = _transmitted(held, blank, dark)
    slope = y * (share if u < HUGE else f4(1)) - u
    value = deviance(y, m) + slope * (p - held) if m < HUGE else m
    alive = blank > f4(0)
    return (value if alive else f4(0)), (slope if alive else f4(0))


@inlined
def transmission_curvature(p, y, blank, dark):
    """The smallest parabola above the loss for all t ≥ 0:  2 (φ(0) − φ(p) + p φ'(p)) / p², or 0.

    Erdoğan and Fessler, IEEE Trans. Med. Imaging 18 (1999) 801, eq. 28.  Here it is
    blank E(p) − y S(p) with E = 2 (1 − (1 + p) e^−p) / p² and, q being the share of light,
    S = 2 (log(1 − q + q e^p) − q p) / p²; below p = 0.15 both are their series, S that of the
    cumulants of a coin of probability q."""
    p = p if p > f4(0) else p * f4(0)
    e, _, m, q = _transmitted(OPAQUE if p > OPAQUE else p, blank, dark)
    v, w = q * (f4(1) - q), f4(1) - f4(2) * q
    E = f4(630) - p * (f4(168) - p * (f4(35) - p * f4(6)))
    E = (f4(2520) - p * (f4(1680) - p * E)) / f4(2520)
    S = w * (f4(1) - f4(12) * v) + p * (f4(1) - f4(30) * v + f4(120) * v * v) / f4(6)
    S = v * (f4(60) + p * (f4(20) * w + p * (f4(5) - f4(30) * v + p * S))) / f4(60)
    near = blank * E - y * S
    seen = log1p(blank * (f4(1) - e) / m) - p * q if dark > f4(0) else f4(0)
    far = f4(2) * (blank * (f4(1) - e - p * e) - y * seen) / (p * p)
    curvature = near if p < f4(0.15) else far
    return curvature if blank > f4(0) and curvature > f4(0) else f4(0)


@inner
def _transmission_piece(k, p, y, blank, dark, what, partial):
    o, s, c, begin, end = _place(k, partial)
    t, u = _owner(blank, o, s)
    v, w = _owner(dark, o, s)
    q, d = p[o, s, begin:end], y[o, s, begin:end]
    b, n = blank[t, u, begin:end], dark[v, w, begin:end]
    total = 0.0
    if what == CURVATURES:
        for i in range(q.size):
            q[i] = transmission_curvature(q[i], d[i], b[i], n[i])
    elif what == LOSSES:
        for i in range(q.size):
            q[i], _ = transmission(q[i], d[i], b[i], n[i])
            total += float(q[i])
    else:
        for i in range(q.size):
            value, slope = transmission(q[i], d[i], b[i], n[i])
            q[i] = slope
            total += float(value)
    partial[o, s, c] = total


@cpu
def _transmission_cpu(p, y, blank, dark, what, partial):
    for k in prange(partial.size):
        _transmission_piece(np.int64(k), p, y, blank, dark, what, partial)


@gpu
def _transmission_gpu(p, y, blank, dark, what, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    t, u = _owner(blank, o, s)
    v, w = _owner(dark, o, s)
    total = y[o, s, c] * f4(0)
    for i in range(c, p.shape[2], count):
        value, slope = transmission(p[o, s, i], y[o, s, i], blank[t, u, i], dark[v, w, i])
        if what == CURVATURES:
            slope = transmission_curvature(p[o, s, i], y[o, s, i], blank[t, u, i], dark[v, w, i])
        p[o, s, i] = value if what == LOSSES else slope
        total += value
    partial[o, s, c] = total


residuals = Twin(_huber_cpu, _huber_gpu)
"""(p, y, root, delta, what, partial): least squares and Huber.  p, y (outer, slices, inner),
p written · root (1 | outer, 1 | slices, inner), root of the weights · delta a number of the type
of p, infinite for least squares · what: SLOPES, CURVATURES, LOSSES, RESIDUALS (root · (p − y))."""

student_t = Twin(_student_cpu, _student_gpu)
"""(p, y, spread, half, what, partial): Student's t; spread and half are numbers of p's type."""

counts = Twin(_poisson_cpu, _poisson_gpu)
"""(p, y, background, what, partial): Poisson counts; background as root of `residuals`.  what may
be RATIOS too: y / (p + background)."""

transmitted_counts = Twin(_transmission_cpu, _transmission_gpu)
"""(p, y, blank, dark, what, partial): Poisson counts behind an absorber of p mean free paths."""
