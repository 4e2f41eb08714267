"""Operators of physrecon, each with its matrix number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from naive import blur_matrix, downsample_matrix, joseph_matrix, variant_blur_matrix

import physrecon as pr
from zoo.matrices import SliceWise, random_matrix, slice_matrix


def beam(views: int, rows: int, center: float | None = None) -> tuple[pr.Projector, np.ndarray]:
    """A projector of 5 columns on 4 × 3 voxels, and its matrix ray by ray."""
    angles = 20 + 50 * np.arange(views)
    scan = pr.ParallelBeam(angles, (rows, 5), angle_unit="deg", pixel_size=0.8, center=center)
    grid = pr.Grid((rows, 4, 3), 1.1)
    one = joseph_matrix(scan, grid).reshape(1, views, 5, 12)
    return pr.Projector(scan, grid), slice_matrix(SliceWise(np.repeat(one, rows, 0), (4, 3)))


def blur(
    shape: Any, psf: Any, boundary: str, center: Any = None, signed: bool = False, **options: Any
) -> tuple[pr.Blur, np.ndarray]:
    values = random_matrix(*psf, signed=signed, seed=6)
    options.setdefault("method", "fft")
    B = pr.Blur(values, shape, boundary, center=center, oversize=True, **options)
    return B, blur_matrix(values, shape, boundary, center)


def cells(shape: Any, grid: Any) -> list[np.ndarray]:
    """The middles of equal cells."""
    return [(np.arange(g) + 0.5) * n / g - 0.5 for n, g in zip(shape, grid, strict=True)]


def patches(
    shape: Any,
    grid: Any,
    psf: Any,
    boundary: str = "zero",
    center: Any = None,
    places: Any = None,
    signed: bool = False,
    method: str = "direct",
) -> tuple[pr.PatchBlur, np.ndarray]:
    psfs = random_matrix(*grid, *psf, signed=signed, seed=7)
    options: Any = {"centers": places, "center": center, "oversize": True, "method": method}
    B = pr.PatchBlur(psfs, shape, boundary, **options)
    return B, variant_blur_matrix(psfs, places or cells(shape, grid), shape, boundary, center)


def depths(
    shape: Any,
    psf: Any,
    boundary: str,
    planes: Any = None,
    center: Any = None,
    signed: bool = False,
    method: str = "direct",
) -> tuple[pr.DepthBlur, np.ndarray]:
    known = range(shape[0]) if planes is None else planes
    psfs = random_matrix(len(known), *psf, signed=signed, seed=7)
    given = psfs[:, 0] if psf[0] == 1 else psfs
    options: Any = {"depths": planes, "center": center, "oversize": True, "method": method}
    B = pr.DepthBlur(given, shape, boundary, **options)
    return B, variant_blur_matrix(psfs, [known], shape, boundary, center)


def downsample(
    shape: Any, factor: Any, psf_shape: Any = None, signed: bool = False
) -> tuple[pr.Downsample, np.ndarray]:
    """The operator, with a random PSF or none, and its matrix number by number."""
    psf = None if psf_shape is None else random_matrix(*psf_shape, signed=signed, seed=6)
    D = pr.Downsample(shape, factor, psf)
    box = np.ones(D.factor) / np.prod(D.factor)
    return D, downsample_matrix(shape, D.factor, box if psf is None else psf)


def _difference(n: int, h: float) -> np.ndarray:
    """Forward differences of n numbers, 0 for the last."""
    return np.eye(n, k=1)[:, :n] / h - np.diag([1 / h] * (n - 1) + [0.0])


def gradient_matrix(A: pr.Gradient) -> np.ndarray:
    """Kronecker products of differences along one axis with identities."""
    rows = []
    for axis, h in zip(A.axes, A.spacing, strict=True):
        M = np.eye(1)
        for a, n in enumerate(A.in_shape):
            M = np.kron(M, _difference(n, h) if a == axis else np.eye(n))
        rows.append(M)
    return np.vstack(rows)


def strain_matrix(A: pr.SymmetricGradient) -> np.ndarray:
    """(∂_b w_a)[i] = (w_a[i] − w_a[i − e_b]) / h_b where both exist, not at the end of axis a."""
    d, shape = A.in_shape[0], A.in_shape[1:]
    size = int(np.prod(shape))

    def backward(a: int, b: int) -> np.ndarray:
        M, axis, end = np.zeros((size, d, size)), A.axes[b], A.axes[a]
        for i in np.ndindex(*shape):
            behind = tuple(k - (j == axis) for j, k in enumerate(i))
            if behind[axis] >= 0 and i[end] < shape[end] - 1:
                M[np.ravel_multi_index(i, shape), a, np.ravel_multi_index(i, shape)] = 1
                M[np.ravel_multi_index(i, shape), a, np.ravel_multi_index(behind, shape)] = -1
        return M.reshape(size, d * size) / A.spacing[b]

    rows = [backward(a, a) for a in range(d)]
    pairs = [(a, b) for a in range(d) for b in range(a + 1, d)]
    rows += [(backward(a, b) + backward(b, a)) / np.sqrt(2) for a, b in pairs]
    return np.vstack(rows)
