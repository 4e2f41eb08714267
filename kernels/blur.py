"""Blur by a PSF that changes with the place of the object, and its exact transpose.

PSFs stand on a lattice of patches (gz, gy, gx), one at the centre of each; a voxel between centres
has the blend of the PSFs around it, linear along every axis:

    y[i] = Σ_v Σ_p share_p(v) psf_p[i + shift − v] x[v],   Σ_p share_p = 1

with x zero outside its array; share_p is a product of hats, one per axis.  `back` asks for the
transpose.  psfs (gz, gy, gx, kz, ky, kx).  Tables: voxel i of axis a lies between patches
cells[a, i] and the next, fractions[a, i] of the way from the first.  spans (gx, 2): the first voxel
in which a column of patches has a part, the last plus 1.  shift (3,).

On the CPU a row of voxels and a row of pixels meet in a convolution of rows: blend the PSF's row
for the place in z and y, then, for each column of patches, multiply by its hat and convolve.

Large PSFs are convolved in y and x by Fourier transforms; `mix` does what is then left to do along
z, frequency by frequency:

    Y[z] = Σ_z' Σ_pz share_pz(z') otf_pz[z + shift − z'] X[z'],   otfs (gz, kz, fy, fx)"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@shared
def share(patch, cell, fraction):
    """Part of a patch in a voxel, along one axis."""
    if patch == cell:
        return f4(1) - fraction
    return fraction if patch == cell + 1 else f4(0) * fraction


@shared
def patches(cell, fraction):
    """The patches that have a part in a voxel, along one axis."""
    return range(cell, cell + (2 if fraction > f4(0) else 1))


@shared
def opposite(i, shift, j, back):
    """The voxel that element j of the PSF joins with pixel i; back: the pixel, with voxel i."""
    return i - shift + j if back else i + shift - j


# ------------------------------------------------------------------------------------------ CPU


@inner
def _blend(psfs, cells, fractions, z, y, column, jz, jy, taps):
    """taps ← a row of the PSF of a column of patches, at the place of a row of voxels."""
    taps[:] = f4(0)
    cell_z, t_z, cell_y, t_y = cells[0, z], fractions[0, z], cells[1, y], fractions[1, y]
    for pz in patches(cell_z, t_z):
        for py in patches(cell_y, t_y):
            part = share(pz, cell_z, t_z) * share(py, cell_y, t_y)
            row = psfs[pz, py, column, jz, jy]
            for j in range(taps.size):
                taps[j] += part * row[j]


@inner
def _add_part(column, cells, fractions, x, out):
    """out ← out + the part of a column of patches in a row x, whose tables begin with it."""
    for i in range(out.size):
        out[i] += share(column, cells[i], fractions[i]) * x[i]


@inner
def _correlate(taps, row, out):
    """out[i] ← out[i] + Σ_j taps[j] row[i + j], four taps for each pass over out."""
    n, fours = out.size, taps.size // 4 * 4
    for j in range(0, fours, 4):
        a, b, c, d = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
        p, q, r, s = row[j:], row[j + 1 :], row[j + 2 :], row[j + 3 :]
        for i in range(n):
            out[i] += a * p[i] + b * q[i] + c * r[i] + d * s[i]
    for j in range(fours, taps.size):
        a, p = taps[j], row[j:]
        for i in range(n):
            out[i] += a * p[i]


@inner
def _blur_row(k, psfs, cells, fractions, spans, shift, x, out):
    """Row k of y."""
    z, y = k // out.shape[1], k % out.shape[1]
    n, reach = out.shape[2], psfs.shape[5] - 1
    here = out[z, y]
    here[:] = f4(0)
    taps, source = np.empty(reach + 1, x.dtype), np.empty(n + reach, x.dtype)
    for jz in range(psfs.shape[3]):
        at_z = opposite(z, shift[0], jz, False)
        if at_z < 0 or at_z >= x.shape[0]:
            continue
        for jy in range(psfs.shape[4]):
            at_y = opposite(y, shift[1], jy, False)
            if at_y < 0 or at_y >= x.shape[1]:
                continue
            for column in range(psfs.shape[2]):
                first, last = spans[column, 0], spans[column, 1]
                begin, end = max(0, first - shift[2]), min(n, last + reach - shift[2])
                if begin >= end:
                    continue
                _blend(psfs, cells, fractions, at_z, at_y, column, jz, jy, taps)
                part = source[: end - begin + reach]
                part[:] = f4(0)
                before = begin + shift[2] - reach  # the voxel that the first of `part` stands for
                low, high = max(first, before), min(last, before + part.size)
                places = cells[2, low:high], fractions[2, low:high]
                inside = part[low - before : high - before]
                _add_part(column, *places, x[at_z, at_y, low:high], inside)
                _correlate(taps[::-1], part, here[begin:end])


@inner
def _adjoint_row(k, psfs, cells, fractions, spans, shift, y, out):
    """Row k of x."""
    at_z, at_y = k // out.shape[1], k % out.shape[1]
    n, reach = y.shape[2], psfs.shape[5] - 1
    here = out[at_z, at_y]
    here[:] = f4(0)
    taps, source = np.empty(reach + 1, y.dtype), np.empty(here.size + reach, y.dtype)
    sums = np.empty(here.size, y.dtype)
    for column in range(psfs.shape[2]):
        first, last = spans[column, 0], spans[column, 1]
        total, part = sums[: last - first], source[: last - first + reach]
        total[:] = f4(0)
        before = first - shift[2]  # the pixel that the first of `part` stands for
        low = min(max(0, before), n)
        high = max(min(n, before + part.size), low)
        for jz in range(psfs.shape[3]):
            z = opposite(at_z, shift[0], jz, True)
            if z < 0 or z >= y.shape[0]:
                continue
            for jy in range(psfs.shape[4]):
                row = opposite(at_y, shift[1], jy, True)
                if row < 0 or row >= y.shape[1] or low == high:
                    continue
                _blend(psfs, cells, fractions, at_z, at_y, column, jz, jy, taps)
                part[:] = f4(0)
                part[low - before : high - before] = y[z, row, low:high]
                _correlate(taps, part, total)
        places = cells[2, first:last], fractions[2, first:last]
        _add_part(column, *places, total, here[first:last])


@cpu
def _blur_cpu(psfs, cells, fractions, spans, shift, back, source, out):
    for k in prange(out.shape[0] * out.shape[1]):
        if back:
            _adjoint_row(np.int64(k), psfs, cells, fractions, spans, shift, source, out)
        else:
            _blur_row(np.int64(k), psfs, cells, fractions, spans, shift, source, out)


@inner
def _add_product(part, otf, row, back, out):
    if back:
        for i in range(out.size):
            out[i] += part * otf[i].conjugate() * row[i]
    else:
        for i in range(out.size):
            out[i] += part * otf[i] * row[i]


@cpu
def _mix_cpu(otfs, cells, fractions, shift, back, source, out):
    for y in prange(out.shape[1]):
        for z in range(out.shape[0]):
            here = out[z, y]
            here[:] = f4(0)
            for jz in range(otfs.shape[1]):
                there = opposite(z, shift, jz, back)
                if there < 0 or there >= source.shape[0]:
                    continue
                at_z = z if back else there
                for pz in patches(cells[at_z], fractions[at_z]):
                    part = share(pz, cells[at_z], fractions[at_z])
                    _add_product(part, otfs[pz, jz, y], source[there, y], back, here)


# ----------------------------------------------------------------------------------------- CUDA


@shared
def _weight(psfs, cells, fractions, z, y, x, jz, jy, jx):
    """Element of the PSF of a voxel."""
    total = f4(0) * fractions[2, x]
    for pz in patches(cells[0, z], fractions[0, z]):
        part_z = share(pz, cells[0, z], fractions[0, z])
        for py in patches(cells[1, y], fractions[1, y]):
            part_y = part_z * share(py, cells[1, y], fractions[1, y])
            for px in patches(cells[2, x], fractions[2, x]):
                part = part_y * share(px, cells[2, x], fractions[2, x])
                total += part * psfs[pz, py, px, jz, jy, jx]
    return total


@gpu
def _blur_gpu(psfs, cells, fractions, spans, shift, back, source, out):
    x, y, z = cuda.grid(3)
    if z >= out.shape[0] or y >= out.shape[1] or x >= out.shape[2]:
        return
    total = f4(0) * fractions[0, 0]
    for jz in range(psfs.shape[3]):
        to_z = opposite(z, shift[0], jz, back)
        if to_z < 0 or to_z >= source.shape[0]:
            continue
        for jy in range(psfs.shape[4]):
            to_y = opposite(y, shift[1], jy, back)
            if to_y < 0 or to_y >= source.shape[1]:
                continue
            for jx in range(psfs.shape[5]):
                to_x = opposite(x, shift[2], jx, back)
                if to_x < 0 or to_x >= source.shape[2]:
                    continue
                at = (z, y, x) if back else (to_z, to_y, to_x)
                weight = _weight(psfs, cells, fractions, at[0], at[1], at[2], jz, jy, jx)
                total += weight * source[to_z, to_y, to_x]
    out[z, y, x] = total


@gpu
def _mix_gpu(otfs, cells, fractions, shift, back, source, out):
    x, y, z = cuda.grid(3)
    if z >= out.shape[0] or y >= out.shape[1] or x >= out.shape[2]:
        return
    total = f4(0) * otfs[0, 0, y, x]
    for jz in range(otfs.shape[1]):
        there = opposite(z, shift, jz, back)
        if there < 0 or there >= source.shape[0]:
            continue
        at_z = z if back else there
        for pz in patches(cells[at_z], fractions[at_z]):
            otf = share(pz, cells[at_z], fractions[at_z]) * otfs[pz, jz, y, x]
            total += (otf.conjugate() if back else otf) * source[there, y, x]
    out[z, y, x] = total


blur = Twin(_blur_cpu, _blur_gpu)
mix = Twin(_mix_cpu, _mix_gpu)
