"""Slow, obvious truth: what the fast code must agree with."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def flat(vector: Any) -> np.ndarray:
    """An array, or a tuple of arrays, as one float64 vector."""
    if isinstance(vector, tuple):
        return np.concatenate([flat(part) for part in vector])
    return np.asarray(vector, np.float64).reshape(-1)


def same(a, b) -> bool:
    """Whether two values are equal to the last bit, their types too."""
    if isinstance(a, tuple):
        return all(same(p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


def matrix(A: Any) -> np.ndarray:
    """The matrix of an operator whose domain is an array, column by column, in float64."""
    columns = []
    for i in range(int(np.prod(A.in_shape))):
        unit = np.zeros(A.in_shape)
        unit.reshape(-1)[i] = 1
        columns.append(flat(A @ unit))
    return np.array(columns).reshape(len(columns), -1).T


def slope(function: Any, x: np.ndarray, direction: np.ndarray, step: float = 1e-4) -> float:
    """Derivative of a function of an array along a direction, by central differences."""
    ahead, behind = function(x + step * direction), function(x - step * direction)
    return (ahead - behind) / (2 * step)


def joseph_matrix(scan: Any, grid: Any) -> np.ndarray:
    """Matrix (views·columns, ny·nx) of one slice of a parallel beam: Joseph (1982), ray by ray.

    A ray steps over the lines of the axis it runs along; on each it takes the linear interpolation
    between the two voxels it passes, times the length of the step."""
    ny, nx = grid.shape[1:]
    dy, dx = grid.pitch[1:]
    ys, xs = grid.axis(1), grid.axis(2)
    A = np.zeros((scan.shape[0], scan.shape[2], ny, nx))
    for v, angle in enumerate(scan.radians):
        c, s = np.cos(angle), np.sin(angle)
        for u in range(scan.shape[2]):
            t = (u - scan.center) * scan.column_pitch
            if abs(s) * dy <= abs(c) * dx:  # crosses every line y = const between two x
                for iy, y in enumerate(ys):
                    at = ((t - y * s) / c - xs[0]) / dx
                    _interpolate(A[v, u, iy], at, dy / abs(c))
            else:
                for ix, x in enumerate(xs):
                    at = ((t - x * c) / s - ys[0]) / dy
                    _interpolate(A[v, u, :, ix], at, dx / abs(s))
    return A.reshape(scan.shape[0] * scan.shape[2], ny * nx)


def _interpolate(line: np.ndarray, at: float, length: float) -> None:
    """Adds length · (linear interpolation at index `at`) to the weights of a line of voxels."""
    below = int(np.floor(at))
    for i, weight in ((below, below + 1 - at), (below + 1, at - below)):
        if 0 <= i < len(line):
            line[i] += weight * length


def downsample_matrix(shape: Any, factor: Any, psf: np.ndarray) -> np.ndarray:
    """PSF ∗ x once per cell, number by number: y[k] = Σ_j psf[j] x[f k + (f−1)//2 + n//2 − j]."""
    coarse = [n // f for n, f in zip(shape, factor, strict=True)]
    A = np.zeros((*coarse, *shape))
    for k in np.ndindex(*coarse):
        for j in np.ndindex(psf.shape):
            axes = zip(k, j, factor, psf.shape, strict=True)
            at = tuple(f * a + (f - 1) // 2 + n // 2 - b for a, b, f, n in axes)
            if all(0 <= i < n for i, n in zip(at, shape, strict=True)):
                A[k + at] += psf[j]
    return A.reshape(int(np.prod(coarse)), int(np.prod(shape)))


def blur_matrix(psf: np.ndarray, shape: Any, boundary: str, center: Any = None) -> np.ndarray:
    """y[i] = Σ_j psf[j] x̃[i + c − j], number by number; x̃ is what the boundary makes of x."""
    c = [n // 2 for n in psf.shape] if center is None else center
    margin = [(k - 1 - m, m) for k, m in zip(psf.shape, c, strict=True)]
    wide = [n + k - 1 for n, k in zip(shape, psf.shape, strict=True)]
    if boundary == "unknown":
        which, columns = np.arange(np.prod(wide)).reshape(wide), int(np.prod(wide))
    else:
        which, columns = np.arange(np.prod(shape)).reshape(shape), int(np.prod(shape))
        mode = {"zero": "constant", "reflect": "symmetric", "periodic": "wrap"}[boundary]
        beyond: Any = {"constant_values": -1} if boundary == "zero" else {}
        which = np.pad(which, margin, mode=mode, **beyond)
    A = np.zeros((int(np.prod(shape)), columns))
    for row, i in enumerate(np.ndindex(*shape)):
        for j in np.ndindex(psf.shape):
            column = which[tuple(a + k - 1 - b for a, k, b in zip(i, psf.shape, j, strict=True))]
            if column >= 0:
                A[row, column] += psf[j]
    return A


def blended_psf(psfs: np.ndarray, places: Any, voxel: Any) -> np.ndarray:
    """The PSF of a voxel: linear between those at `places`, axis by axis, constant beyond them."""
    for place, at in zip(places, voxel, strict=False):
        shares = [np.interp(at, place, one) for one in np.eye(len(place))]
        psfs = np.tensordot(shares, psfs, 1)
    return psfs


def variant_blur_matrix(
    psfs: np.ndarray, places: Any, shape: Any, boundary: str, center: Any = None
) -> np.ndarray:
    """Every voxel has the column that it has in the matrix of a blur by its own PSF."""
    k = psfs.shape[len(places) :]
    c = [n // 2 for n in k] if center is None else center
    unknown = boundary == "unknown"
    domain = [n + unknown * (m - 1) for n, m in zip(shape, k, strict=True)]
    columns = []
    for i, v in enumerate(np.ndindex(*domain)):
        voxel = [a - unknown * (m - 1 - b) for a, m, b in zip(v, k, c, strict=True)]
        psf = blended_psf(psfs, places, voxel)
        columns.append(blur_matrix(psf, shape, boundary, c)[:, i])
    return np.array(columns).T


def wavelet_matrix(W: Any) -> np.ndarray:
    """PyWavelets' own periodic transform of each unit image, bordered by zeros."""
    import pywt

    columns = []
    border = [(0, m - n) for n, m in zip(W.in_shape, W.out_shape, strict=True)]
    for i in range(int(np.prod(W.in_shape))):
        unit = np.zeros(W.in_shape)
        unit.reshape(-1)[i] = 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it finds images of a few pixels small
            parts = pywt.wavedecn(
                np.pad(unit, border), W.wavelet, "periodization", W.levels, W.axes
            )
        columns.append(pywt.coeffs_to_array(parts, axes=W.axes)[0].reshape(-1))
    return np.array(columns).reshape(len(columns), -1).T


def soft(x: np.ndarray, t: float) -> np.ndarray:
    """Soft thresholding: x moved towards 0 by t."""
    return np.sign(x) * np.maximum(abs(x) - t, 0)
