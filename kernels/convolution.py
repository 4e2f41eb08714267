"""Convolution in space, with taps along one axis after another, or with a small PSF as it is.

    y[i] = Σ_j taps[j] x[i + shift − j],   x zero outside its array

x and y may differ in length.  The transpose is the same with the taps turned round and the shift
k − 1 − shift.  `tap` and `reach` are all there is to know of a convolution: which tap carries an
element of x to one of y, and which elements of x an element of y sees.

On the CPU two rows of y are summed at a time, a run of columns (`_runs`) in registers while the
taps pass by.  The rows of x that they see are copied close together first: rows that lie a power of
two apart share few places in a cache.  Each sum has an order of its own, whatever the threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import get_num_threads, prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner, shared
from physrecon.kernels._lanes import CACHE_LINE
from physrecon.kernels._runs import add_run, length, load, past_line, store, zero

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

STRIP = 32  # rows of y that are made together, an even number: what they need stays in L2
SHARE = 16  # a run that begins so many elements on is in registers already, but for its end


@shared
def tap(i, m, shift):
    """The tap that carries x[m] to y[i]."""
    return i + shift - m


@shared
def reach(i, shift, k, n):
    """The elements of x that y[i] sees: from the first up to, not including, the last."""
    return max(i + shift - (k - 1), 0), min(i + shift + 1, n)


# ------------------------------------------------------------------------------- pieces, CPU


@inner
def _scratch(count, like):
    """Zeros that begin on a cache line."""
    size = like.itemsize
    raw = np.zeros(count + CACHE_LINE // size, like.dtype)
    start = -past_line(raw) % CACHE_LINE // size
    return raw[start : start + count]


@inlined
def _begin(more, target, at, width, spare):
    """The run that a sum begins with: what is there if there is more to add to it, or zeros."""
    if not more:
        return zero(target)
    if width >= length(target):
        return load(target, at)
    for c in range(width):
        spare[c] = target[at + c]
    return load(spare, 0)


@inlined
def _put(run, target, at, width, spare):
    """The first `width` elements of a run, or all, go into target."""
    if width >= length(target):
        store(target, at, run)
    else:
        store(spare, 0, run)
        for c in range(width):
            target[at + c] = spare[c]


@inner
def _pack(x, first, pitch, rows, width, panel):
    """panel (rows, run) ← `width` columns of rows of x that lie `pitch` apart, and zeros."""
    n = length(panel)
    for r in range(rows):
        if width >= n:
            store(panel, r * n, load(x, first + r * pitch))
        else:
            for c in range(width):
                panel[r * n + c] = x[first + r * pitch + c]
            for c in range(width, n):
                panel[r * n + c] = f4(0)


@inlined
def _two_rows(i, shift, n, taps, source, origin, pitch, here, below):
    """Adds to the sums of y[i] and y[i + 1] what they see of the n rows of x.

    Row m of x is the run at source[origin + m · pitch]; it is loaded once for both."""
    first, end = reach(i, shift, taps.size, n)
    first_below, end_below = reach(i + 1, shift, taps.size, n)
    for m in range(first, min(first_below, end)):
        here = add_run(here, taps[tap(i, m, shift)], source, origin + m * pitch)
    for m in range(first_below, end):
        here = add_run(here, taps[tap(i, m, shift)], source, origin + m * pitch)
        below = add_run(below, taps[tap(i + 1, m, shift)], source, origin + m * pitch)
    for m in range(max(first_below, end), end_below):
        below = add_run(below, taps[tap(i + 1, m, shift)], source, origin + m * pitch)
    return here, below


@inlined
def _one_row(taps, source, at, total):
    """total + Σ_j taps[j] source[at − j:], runs SHARE elements apart side by side."""
    for first in range(0, taps.size, 2 * SHARE):
        left = taps.size - first
        both = min(max(left - SHARE, 0), SHARE)
        for j in range(first, first + both):
            total = add_run(total, taps[j], source, at - j)
            total = add_run(total, taps[j + SHARE], source, at - j - SHARE)
        for j in range(first + both, first + min(left, SHARE)):
            total = add_run(total, taps[j], source, at - j)
    return total


# ------------------------------------------------------------------ along columns only, CPU


@inner
def _column_block(o, left, taps, shift, x, out, panel, spare):
    """y[o, :, left:] as far as a run goes."""
    (_, n, pitch), rows, run = x.shape, out.shape[1], length(x)
    low, high = reach(0, shift, taps.size, n)[0], reach(rows - 1, shift, taps.size, n)[1]
    _pack(x.reshape(-1), (o * n + low) * pitch + left, pitch, high - low, pitch - left, panel)
    target, origin = out.reshape(-1), -low * run
    for i in range(0, rows, 2):
        here, below = zero(panel), zero(panel)
        here, below = _two_rows(i, shift, n, taps, panel, origin, run, here, below)
        at = (o * rows + i) * pitch + left
        _put(here, target, at, pitch - left, spare)
        if i + 1 < rows:
            _put(below, target, at + pitch, pitch - left, spare)


@cpu
def _columns_in(parts, taps, shift, x, out):
    outer, n, width = x.shape
    run = length(x)
    blocks = -(-width // run)
    tasks = outer * blocks
    for part in prange(parts):
        panel, spare = _scratch(n * run, x), _scratch(run, x)
        for task in range(tasks * part // parts, tasks * (part + 1) // parts):
            left = task % blocks * run
            _column_block(task // blocks, left, taps, shift, x, out, panel, spare)


def _columns_cpu(taps, shift, x, out):
    _columns_in(get_num_threads(), taps, shift, x, out)


# -------------------------------------------------------------- along columns and rows, CPU


@inner
def _margins(wide, width, k, shift, run):
    """(zeros before a row of x of `wide` elements, length with all that a row of y sees)."""
    before = -(-max(k - 1 - shift, 0) // SHARE) * SHARE
    seen = -(-width // run) * run + max(shift, 0)
    return before, before + -(-max(-(-wide // run) * run, seen) // SHARE) * SHARE


@inner
def _strip_columns(z, strip, taps, shift, place, x, panel, rows):
    """rows ← those of y[z, strip], as far as the taps over columns make them."""
    (_, n, wide), run = x.shape, length(x)
    before, pitch = place
    low = reach(strip[0], shift, taps.size, n)[0]
    high = reach(strip[1] - 1, shift, taps.size, n)[1]
    for left in range(0, wide, run):
        first = (z * n + low) * wide + left
        _pack(x.reshape(-1), first, wide, high - low, wide - left, panel)
        for i in range(strip[0], strip[1], 2):
            here, below = zero(panel), zero(panel)
            here, below = _two_rows(i, shift, n, taps, panel, -low * run, run, here, below)
            at = (i - strip[0]) * pitch + before + left
            store(rows, at, here)
            store(rows, at + pitch, below)


@inner
def _strip_rows(z, strip, taps, shift, place, more, rows, spare, out):
    """y[z, strip] from what `_strip_columns` left."""
    width, target = out.shape[2], out.reshape(-1)
    before, pitch = place
    for i in range(strip[0], strip[1]):
        source = (i - strip[0]) * pitch + before + shift
        at = (z * out.shape[1] + i) * width
        for left in range(0, width, length(out)):
            total = _begin(more, target, at + left, width - left, spare)
            total = _one_row(taps, rows, source + left, total)
            _put(total, target, at + left, width - left, spare)


@cpu
def _planes_in(parts, down, along, shifts, more, x, out):
    planes, height, width = out.shape
    run = length(x)
    place = _margins(x.shape[2], width, along.size, shifts[1], run)
    strips = -(-height // STRIP)
    tasks = planes * strips
    for part in prange(parts):
        panel, spare = _scratch((STRIP + down.size) * run, x), _scratch(run, x)
        rows = _scratch(STRIP * place[1], x)
        for task in range(tasks * part // parts, tasks * (part + 1) // parts):
            z, top = task // strips, task % strips * STRIP
            strip = (top, min(top + STRIP, height))
            _strip_columns(z, strip, down, shifts[0], place, x, panel, rows)
            _strip_rows(z, strip, along, shifts[1], place, more, rows, spare, out)


def planes(down: Any, along: Any, shifts: Any, more: bool, x: Any, out: Any) -> None:
    """Taps along both axes of planes, `columns` and `rows` in one, on the CPU.

    down, along: taps over the rows and along them · shifts: of both · x (planes, ny, nx) · out
    (planes, ny', nx'), written, or added to if `more`.  Between the two all stays in the cache."""
    _planes_in(get_num_threads(), down, along, shifts, more, x, out)


_NOTHING = {np.dtype(t): np.ones(1, t) for t in (np.float32, np.float64)}


def _rows_cpu(taps, shift, more, x, out):
    planes(_NOTHING[x.dtype], taps, (0, shift), more, x, out)


# ------------------------------------------------------------------------ a PSF as it is, CPU


@inner
def _gather(strip, psf, shifts, z, place, x, rows):
    """rows ← rows of x, with zeros around, that y[z, strip] sees: plane by plane."""
    depth, n, wide = x.shape
    before, pitch = place
    low = reach(strip[0], shifts[1], psf.shape[1], n)[0]
    high = reach(strip[1] - 1, shifts[1], psf.shape[1], n)[1]
    first, end = reach(z, shifts[0], psf.shape[0], depth)
    for p in range(end - first):
        for r in range(high - low):
            at = (p * (high - low) + r) * pitch + before
            rows[at : at + wide] = x[first + p, low + r]
    return low, max(high - low, 0)


@inner
def _dense_strip(z, strip, psf, shifts, place, x, rows, spare, out):
    (depth, n, _), (_, height, width) = x.shape, out.shape
    low, count = _gather(strip, psf, shifts, z, place, x, rows)
    before, pitch = place
    target = out.reshape(-1)
    first, end = reach(z, shifts[0], psf.shape[0], depth)
    for i in range(strip[0], strip[1], 2):
        for left in range(0, width, length(x)):
            here, below = zero(rows), zero(rows)
            for p in range(first, end):
                origin = ((p - first) * count - low) * pitch + before + shifts[2] + left
                for c in range(psf.shape[2]):
                    taps = psf[tap(z, p, shifts[0]), :, c]
                    here, below = _two_rows(
                        i, shifts[1], n, taps, rows, origin - c, pitch, here, below
                    )
            at = (z * height + i) * width + left
            _put(here, target, at, width - left, spare)
            if i + 1 < strip[1]:
                _put(below, target, at + width, width - left, spare)


@cpu
def _dense_in(parts, psf, shifts, x, out):
    depth, height, width = out.shape
    place = _margins(x.shape[2], width, psf.shape[2], shifts[2], length(x))
    strips = -(-height // STRIP)
    tasks = depth * strips
    for part in prange(parts):
        spare = _scratch(length(x), x)
        rows = _scratch(psf.shape[0] * (STRIP + psf.shape[1]) * place[1], x)
        for task in range(tasks * part // parts, tasks * (part + 1) // parts):
            z, top = task // strips, task % strips * STRIP
            strip = (top, min(top + STRIP, height))
            _dense_strip(z, strip, psf, shifts, place, x, rows, spare, out)


def _dense_cpu(psf, shifts, x, out):
    _dense_in(get_num_threads(), psf, shifts, x, out)


# --------------------------------------------------------------------------------------- CUDA


@gpu
def _columns_gpu(taps, shift, x, out):
    c, i, o = cuda.grid(3)
    if o >= out.shape[0] or i >= out.shape[1] or c >= out.shape[2]:
        return
    first, end = reach(i, shift, taps.size, x.shape[1])
    total = taps[0] * f4(0)
    for m in range(first, end):
        total += taps[tap(i, m, shift)] * x[o, m, c]
    out[o, i, c] = total


@gpu
def _rows_gpu(taps, shift, more, x, out):
    i, y, z = cuda.grid(3)
    if z >= out.shape[0] or y >= out.shape[1] or i >= out.shape[2]:
        return
    first, end = reach(i, shift, taps.size, x.shape[2])
    total = out[z, y, i] if more else taps[0] * f4(0)
    for m in range(first, end):
        total += taps[tap(i, m, shift)] * x[z, y, m]
    out[z, y, i] = total


@gpu
def _dense_gpu(psf, shifts, x, out):
    i, y, z = cuda.grid(3)
    if z >= out.shape[0] or y >= out.shape[1] or i >= out.shape[2]:
        return
    plane, last_plane = reach(z, shifts[0], psf.shape[0], x.shape[0])
    row, last_row = reach(y, shifts[1], psf.shape[1], x.shape[1])
    first, end = reach(i, shifts[2], psf.shape[2], x.shape[2])
    total = psf[0, 0, 0] * f4(0)
    for p in range(plane, last_plane):
        for r in range(row, last_row):
            taps = psf[tap(z, p, shifts[0]), tap(y, r, shifts[1])]
            for m in range(first, end):
                total += taps[tap(i, m, shifts[2])] * x[p, r, m]
    out[z, y, i] = total


columns = Twin(_columns_cpu, _columns_gpu)
"""(taps, shift, x, out): taps along the middle axis.  x (outer, n, inner) · out (outer, n', inner),
written.  All arrays C-contiguous and of one dtype."""

rows = Twin(_rows_cpu, _rows_gpu)
"""(taps, shift, more, x, out): taps along the last axis.  x (planes, ny, nx) · out (planes, ny,
nx'), written, or added to if `more`."""

dense = Twin(_dense_cpu, _dense_gpu)
"""(psf, shifts, x, out): a PSF of three axes as it is.  shifts (z, y, x) · x, out (nz, ny, nx),
written."""
