"""One list per concept: every case of a list is tested for every property it must have.

Adding an operator, a likelihood or a solver to the tests is adding one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from naive import (
    blur_matrix,
    downsample_matrix,
    joseph_matrix,
    variant_blur_matrix,
    wavelet_matrix,
)

import physrecon as pr
from physrecon.catalog import COUNT_METHODS
from physrecon.operators import Diagonal


class Dense(pr.LinearOperator):
    """The operator of a matrix, between arrays of any shapes."""

    def __init__(self, M: np.ndarray, in_shape: Any = None, out_shape: Any = None) -> None:
        self.M = np.asarray(M, np.float64)
        self.in_shape = (M.shape[1],) if in_shape is None else in_shape
        self.out_shape = (M.shape[0],) if out_shape is None else out_shape
        self.nonnegative = bool((self.M >= 0).all())

    def _forward(self, x: np.ndarray, out: np.ndarray) -> None:
        out[...] = (self.M @ x.reshape(-1)).reshape(self.out_shape)

    def _adjoint(self, y: np.ndarray, out: np.ndarray) -> None:
        out[...] = (self.M.T @ y.reshape(-1)).reshape(self.in_shape)

    def __getitem__(self, views: Any) -> Dense:
        chosen = np.atleast_1d(np.arange(self.out_shape[0])[views])
        rows = self.M.reshape(*self.out_shape, self.M.shape[1])[chosen]
        return Dense(rows.reshape(-1, self.M.shape[1]), self.in_shape, rows.shape[:-1])


class SliceWise(pr.LinearOperator):
    """A matrix for each slice, laid out like a parallel beam: (nz, ny, nx) → (views, nz, columns).

    matrices: (nz, views, columns, ny * nx); with alike=True all are the first one."""

    slices = (0, 1)

    def __init__(self, matrices: np.ndarray, plane: Any, alike: bool = False) -> None:
        nz, views, columns, _ = matrices.shape
        self.matrices = np.repeat(matrices[:1], nz, axis=0) if alike else matrices
        self.plane, self.alike = plane, alike
        self.in_shape = (nz, *plane)
        self.out_shape = (views, nz, columns)
        self.nonnegative = bool((matrices >= 0).all())

    def _forward(self, x: np.ndarray, out: np.ndarray) -> None:
        for z, M in enumerate(self.matrices):
            out[:, z] = M @ x[z].reshape(-1)

    def _adjoint(self, y: np.ndarray, out: np.ndarray) -> None:
        for z, M in enumerate(self.matrices):
            out[z] = np.tensordot(y[:, z], M, axes=2).reshape(self.plane)

    def one_slice(self) -> SliceWise | None:
        return self.slab(slice(0, 1)) if self.alike else None

    def slab(self, part: slice) -> SliceWise:
        """The operator of some of the slices."""
        return SliceWise(self.matrices[part], self.plane, self.alike)

    def __getitem__(self, views: Any) -> SliceWise:
        return SliceWise(self.matrices[:, views], self.plane, self.alike)


class FastNormal(Dense):
    """A dense operator that knows a short cut to AᵀWA."""

    def normal(self, weights: Any = None) -> pr.LinearOperator:
        W = 1 if weights is None else np.broadcast_to(weights, self.out_shape).reshape(-1, 1)
        return Dense(self.M.T @ (W * self.M), self.in_shape, self.in_shape)


def random_matrix(*shape: int, signed: bool = False, seed: int = 0) -> np.ndarray:
    """Uniform numbers in (0, 1), a third of them zero; signed: in (−1, 1)."""
    rng = np.random.default_rng(seed)
    M = rng.uniform(-1 if signed else 0, 1, shape)
    return np.where(rng.uniform(size=shape) < 1 / 3, 0, M)


def signed() -> Dense:
    return Dense(random_matrix(15, 12, signed=True), (3, 4), (5, 3))


def positive(seed: int = 1) -> Dense:
    return Dense(random_matrix(15, 12, seed=seed), (3, 4), (5, 3))


def with_empty_rows() -> Dense:
    """Rays that miss the grid, voxels that no ray crosses."""
    M = random_matrix(15, 12, seed=2)
    M[[0, 7]] = 0
    M[:, [3, 11]] = 0
    return Dense(M, (3, 4), (5, 3))


def alike(nz: int = 3) -> SliceWise:
    return SliceWise(random_matrix(nz, 4, 3, 6, seed=3), (2, 3), alike=True)


def unlike(nz: int = 3, signed: bool = False) -> SliceWise:
    return SliceWise(random_matrix(nz, 4, 3, 6, signed=signed, seed=4), (2, 3))


VALUES = np.linspace(-1, 2, 15).reshape(5, 3)
KEEP = np.arange(36).reshape(4, 3, 3) % 5 != 2

# name → (operator, its matrix by ordinary linear algebra)
_OPERATORS: dict[str, Callable[[], tuple[pr.LinearOperator, np.ndarray]]] = {
    "dense": lambda: (A := signed(), A.M),
    "dense >= 0": lambda: (A := positive(), A.M),
    "empty rows": lambda: (A := with_empty_rows(), A.M),
    "slices alike": lambda: (A := alike(), slice_matrix(A)),
    "slices unlike": lambda: (A := unlike(), slice_matrix(A)),
    "identity": lambda: (pr.Identity((2, 3)), np.eye(6)),
    "diagonal": lambda: (Diagonal(VALUES, (5, 3)), np.diag(VALUES.ravel())),
    "2 A": lambda: (2 * (A := positive()), 2 * A.M),
    "-A / 4": lambda: (-(A := positive()) / 4, A.M / -4),
    "A + B": lambda: ((A := positive()) + (B := positive(5)), A.M + B.M),
    "A - B": lambda: ((A := positive()) - (B := positive(5)), A.M - B.M),
    "A B": lambda: ((A := positive()).T @ (B := positive(5)), A.M.T @ B.M),
    "A B signed": lambda: (signed().T @ (B := positive(5)), signed().M.T @ B.M),
    "A.T": lambda: ((A := positive()).T, A.M.T),
    "A.T of slices": lambda: ((A := alike()).T, slice_matrix(A).T),
    "normal": lambda: ((A := alike()).normal(), (M := slice_matrix(A)).T @ M),
    "weighted normal": lambda: (
        signed().normal(VALUES**2),
        signed().M.T @ np.diag(VALUES.ravel() ** 2) @ signed().M,
    ),
    "views": lambda: ((A := unlike())[[2, 0]], slice_matrix(A).reshape(4, 9, 18)[[2, 0]]),
    "views of 2 A I": lambda: (
        (2 * (A := unlike()) @ pr.Identity((3, 2, 3)))[1:3],
        2 * slice_matrix(A).reshape(4, 9, 18)[1:3],
    ),
    "vstack of views": lambda: (
        pr.vstack([(A := unlike())[:3], A[3:]]),
        slice_matrix(A),
    ),
    "vstack of unlike": lambda: (
        pr.vstack([A := alike(), 0.5 * pr.Identity((3, 2, 3))]),
        np.vstack([slice_matrix(A), 0.5 * np.eye(18)]),
    ),
    "vstack of cubes": lambda: (
        pr.vstack([A := SliceWise(random_matrix(3, 2, 3, 9), (3, 3)), pr.Identity((3, 3, 3))]),
        np.vstack([slice_matrix(A), np.eye(27)]),
    ),
    "vstack of signed": lambda: (
        pr.vstack([A := signed(), pr.Identity((3, 4)), signed()]),
        np.vstack([A.M, np.eye(12), A.M]),
    ),
    "vstack in vstack": lambda: (
        pr.vstack([2 * pr.vstack([A := positive(), pr.Identity((3, 4))]), A]),
        np.vstack([2 * A.M, 2 * np.eye(12), A.M]),
    ),
    "normal of vstack": lambda: (
        pr.vstack([A := alike(), pr.Identity((3, 2, 3))]).normal(),
        (M := slice_matrix(A)).T @ M + np.eye(18),
    ),
    "no rows": lambda: (Dense(np.zeros((0, 12)), (3, 4), (0, 3)), np.zeros((0, 12))),
    "no columns": lambda: (Dense(np.zeros((15, 0)), (0, 4), (5, 3)), np.zeros((15, 0))),
    "no slices": lambda: (unlike(0), np.zeros((0, 0))),
    "through nothing": lambda: (unlike()[:0].normal() + alike().normal(), _normal(alike())),
    "projector": lambda: beam(views=5, rows=1),
    "projector off centre": lambda: beam(views=4, rows=3, center=1.3),
    "projector of one view": lambda: beam(views=1, rows=2),
    "projector of no view": lambda: beam(views=0, rows=2),
    "diagonal of slices": lambda: (
        Diagonal(np.array([-3, 0, 2]).reshape(3, 1, 1), (3, 2, 3), axis=0),
        np.diag(np.repeat([-3, 0, 2], 6)),
    ),
    "diagonal on slices": lambda: (
        Diagonal(VALUES[:4].reshape(4, 1, 3), (4, 3, 3)) @ (A := alike()),
        np.repeat(VALUES[:4], 3, axis=0).reshape(-1, 1) * slice_matrix(A),
    ),
    "views of diagonals": lambda: (
        (Diagonal(VALUES[:4].reshape(4, 1, 3), (4, 3, 3)) @ (3 * pr.Mask(KEEP)) @ (A := unlike()))[
            [3, 1]
        ],
        3
        * (VALUES[[3, 1]].reshape(2, 1, 3) * KEEP[[3, 1]]).reshape(-1, 1)
        * slice_matrix(A).reshape(4, 9, 18)[[3, 1]].reshape(18, 18),
    ),
    "mask": lambda: (pr.Mask(VALUES > 0.3), np.diag(VALUES.ravel() > 0.3)),
    "mask of slices": lambda: (pr.Mask(KEEP), np.diag(KEEP.ravel())),
    "mask of columns": lambda: (
        pr.Mask(np.array([True, False, True]), (4, 3, 3)) @ (A := alike()),
        np.tile([1, 0, 1], 12)[:, None] * slice_matrix(A),
    ),
    "mask of all": lambda: (pr.Mask(np.zeros((3, 1), bool)), np.zeros((3, 3))),
    "cells": lambda: downsample((6, 9), (2, 3)),
    "cells of slices": lambda: downsample((3, 4, 2), (1, 4, 1)),
    "one row of cells": lambda: downsample((3, 2), (3, 1)),
    "no cell": lambda: downsample((0, 4), 2),
    "cells, odd psf": lambda: downsample((6, 9), (2, 3), (3, 5)),
    "cells, even psf": lambda: downsample((4, 6), 2, (2, 4)),
    "cells, wide psf": lambda: downsample((2, 3), (2, 1), (7, 6)),
    "cells, signed psf": lambda: downsample((3, 4, 6), (1, 2, 2), (1, 3, 4), signed=True),
    "psf alone": lambda: downsample((5, 7), 1, (3, 3)),
    "transposed cells on slices": lambda: (
        pr.Downsample((3, 4, 6), (1, 2, 2)).T @ (2 * pr.Identity((3, 2, 3))),
        2 * downsample((3, 4, 6), (1, 2, 2))[1].T,
    ),
    "cells of views": lambda: (
        (pr.Downsample((4, 3, 3), (1, 1, 3)) @ (A := unlike()))[1::2],
        slice_matrix(A).reshape(4, 3, 3, 18)[1::2].mean(axis=2).reshape(-1, 18),
    ),
    "blur": lambda: blur((5, 6), (3, 3), "zero"),
    "blur, even psf": lambda: blur((4, 5), (4, 2), "zero"),
    "blur, off centre": lambda: blur((5, 7), (3, 4), "zero", (0, 3)),
    "blur, long psf": lambda: blur((3, 4), (7, 9), "zero"),
    "blur, signed": lambda: blur((4, 5), (3, 2), "zero", signed=True),
    "blur, reflected": lambda: blur((4, 5), (3, 4), "reflect"),
    "blur, reflected often": lambda: blur((2, 3), (7, 8), "reflect", (1, 6)),
    "blur, signed reflected": lambda: blur((3, 4), (3, 2), "reflect", (2, 0), signed=True),
    "blur, periodic": lambda: blur((5, 4), (3, 2), "periodic"),
    "blur, periodic long": lambda: blur((3, 2), (7, 5), "periodic", (6, 0)),
    "blur of an unknown world": lambda: blur((4, 3), (3, 4), "unknown"),
    "blur, unknown off centre": lambda: blur((3, 4), (2, 5), "unknown", (0, 4)),
    "blur of a volume": lambda: blur((3, 4, 5), (3, 2, 3), "zero"),
    "blur of a volume, reflected": lambda: blur((2, 3, 4), (3, 3, 2), "reflect"),
    "blur of a volume, unknown": lambda: blur((2, 3, 3), (2, 3, 2), "unknown"),
    "blur of a row": lambda: blur((9,), (4,), "zero"),
    "blur of one pixel": lambda: blur((1, 1), (3, 3), "reflect"),
    "blur of nothing": lambda: blur((0, 3), (3, 2), "zero"),
    "blur in space": lambda: blur((5, 6), (3, 3), "zero", method="direct"),
    "blur in space, long psf": lambda: blur((3, 4), (7, 9), "zero", (1, 8), method="direct"),
    "blur in space, reflected": lambda: blur((4, 5), (3, 4), "reflect", method="direct"),
    "blur in space, signed": lambda: blur(
        (5, 4), (3, 2), "periodic", (0, 1), signed=True, method="direct"
    ),
    "blur of a volume in space": lambda: blur((3, 4, 5), (3, 2, 3), "unknown", method="direct"),
    "blur of a row in space": lambda: blur((9,), (4,), "reflect", method="direct"),
    "blur of slices": lambda: (
        pr.Blur(p := random_matrix(3, 2), (3, 4, 5), "unknown"),
        np.kron(np.eye(3), blur_matrix(p, (4, 5), "unknown")),
    ),
    "blur of rows": lambda: (
        pr.Blur(p := random_matrix(4), (3, 5), "reflect"),
        np.kron(np.eye(3), blur_matrix(p, (5,), "reflect")),
    ),
    "blur in tiles": lambda: blur((17, 19), (3, 4), "zero", memory=5000),
    "blur in tiles, unknown": lambda: blur((11, 18), (4, 3), "unknown", memory=5000),
    "blur in tiles, periodic": lambda: blur((16, 17), (5, 4), "periodic", (0, 3), memory=5000),
    "blur on slices": lambda: (
        pr.Blur(p := np.array([0.3, 1.0]), (4, 3, 3)) @ (A := alike()),
        np.kron(np.eye(12), blur_matrix(p, (3,), "zero")) @ slice_matrix(A),
    ),
    "patches": lambda: patches((5, 6), (2, 2), (3, 3)),
    "patches, fft": lambda: patches((5, 6), (3, 2), (3, 3), method="fft"),
    "patches, even psfs": lambda: patches((4, 5), (2, 3), (2, 4), "reflect", method="direct"),
    "patches, off centre": lambda: patches((5, 4), (2, 1), (3, 4), "periodic", center=(2, 0)),
    "patches of an unknown world": lambda: patches(
        (4, 3), (2, 2), (3, 2), "unknown", places=([-1.5, 2], [0.25, 9]), method="fft"
    ),
    "patches, signed": lambda: patches((4, 5), (2, 2), (4, 5), "unknown", signed=True),
    "patches, long psfs": lambda: patches((3, 2), (2, 2), (5, 6), "reflect", (4, 1), method="fft"),
    "patches of a volume": lambda: patches((3, 3, 4), (2, 1, 2), (2, 3, 2)),
    "patches of a volume, fft": lambda: patches(
        (3, 4, 3), (2, 2, 1), (3, 2, 2), "reflect", (0, 1, 1), method="fft"
    ),
    "patches of slices": lambda: (
        pr.PatchBlur(p := random_matrix(2, 2, 3, 2), (3, 4, 5), "unknown"),
        np.kron(np.eye(3), variant_blur_matrix(p, cells((4, 5), (2, 2)), (4, 5), "unknown")),
    ),
    "patches on slices": lambda: (
        pr.PatchBlur(p := random_matrix(1, 3, 1, 2), (4, 3, 3), method="fft") @ (A := alike()),
        np.kron(np.eye(4), variant_blur_matrix(p, cells((3, 3), (1, 3)), (3, 3), "zero"))
        @ slice_matrix(A),
    ),
    "patches of nothing": lambda: patches((0, 4), (2, 2), (3, 2)),
    "depths": lambda: depths((4, 3, 3), (3, 2, 3), "zero", (0.5, 1, 5)),
    "depths, fft": lambda: depths((3, 3, 4), (4, 3, 2), "unknown", (-2, 3.5), method="fft"),
    "depths, reflected": lambda: depths((3, 2, 4), (3, 3, 2), "reflect", (0, 2), (2, 0, 1)),
    "depths, signed": lambda: depths((3, 2, 2), (2, 3, 2), "periodic", (1, 2), signed=True),
    "planes": lambda: depths((4, 3, 2), (1, 3, 3), "unknown"),
    "planes, fft": lambda: depths((3, 4, 3), (1, 2, 4), "zero", method="fft"),
    "planes, signed": lambda: depths((3, 2, 4), (1, 2, 3), "reflect", signed=True),
    "one plane": lambda: depths((1, 3, 4), (1, 3, 2), "zero"),
    "haar": lambda: (W := pr.Wavelet((5, 3), "haar"), wavelet_matrix(W)),
    "db4": lambda: (W := pr.Wavelet((8, 12), levels=2), wavelet_matrix(W)),
    "sym4 of slices": lambda: (W := pr.Wavelet((3, 5, 6), "sym4", 1, (1, 2)), wavelet_matrix(W)),
    "db2 of a volume": lambda: (W := pr.Wavelet((3, 2, 5), "db2"), wavelet_matrix(W)),
    "db3 of columns": lambda: (W := pr.Wavelet((7, 2), "db3", 2, (0,)), wavelet_matrix(W)),
    "haar back": lambda: ((W := pr.Wavelet((5, 3), "haar")).T, wavelet_matrix(W).T),
    "haar of nothing": lambda: (pr.Wavelet((0, 4), "haar"), np.zeros((0, 0))),
    "wavelet on slices": lambda: (
        (W := pr.Wavelet((4, 3, 3), "haar", 1, (0, 2))) @ (A := alike()),
        wavelet_matrix(W) @ slice_matrix(A),
    ),
    "hstack": lambda: (pr.hstack([A := positive(), B := signed()]), np.hstack([A.M, B.M])),
    "hstack of slices": lambda: (
        pr.hstack([A := alike(), 2 * (B := unlike())]),
        np.hstack([slice_matrix(A), 2 * slice_matrix(B)]),
    ),
    "hstack of blocks": lambda: (
        pr.hstack([A := positive(), B := positive(5)])
        @ pr.block_diagonal([2 * pr.Identity((3, 4)), B.T @ B]),
        np.hstack([2 * A.M, B.M @ B.M.T @ B.M]),
    ),
    "block diagonal": lambda: (
        pr.block_diagonal([A := positive(), signed().T]),
        scipy.linalg.block_diag(A.M, signed().M.T),
    ),
    "block diagonal of slices": lambda: (
        pr.block_diagonal([A := alike(), 2 * pr.Identity((3, 2, 2))]),
        scipy.linalg.block_diag(slice_matrix(A), 2 * np.eye(12)),
    ),
    "views of a vstack": lambda: (
        pr.vstack([(A := unlike())[:3], A[3:], A[:0], A])[[7, 3, 1, 0, 5, 4]],
        slice_matrix(A).reshape(4, 9, 18)[[3, 3, 1, 0, 1, 0]],
    ),
}


def slice_matrix(A: SliceWise) -> np.ndarray:
    """The matrix of a slice-wise operator, from its definition as blocks."""
    nz, views, columns, n = A.matrices.shape
    M = np.zeros((views, nz, columns, nz, n))
    for z in range(nz):
        M[:, z, :, z] = A.matrices[z]
    return M.reshape(views * nz * columns, nz * n)


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


def _normal(A: SliceWise) -> np.ndarray:
    return (M := slice_matrix(A)).T @ M


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


_OPERATORS |= {
    "gradient": lambda: (A := pr.Gradient((3, 5), (0.5, 2)), gradient_matrix(A)),
    "gradient of slices": lambda: (
        A := pr.Gradient((2, 4, 3), 0.7, (1, 2)),
        gradient_matrix(A),
    ),
    "gradient of a volume": lambda: (A := pr.Gradient((3, 2, 4), (2, 1, 0.5)), gradient_matrix(A)),
    "gradient of channels": lambda: (A := pr.Gradient((3, 2, 4), 1, (0, 2)), gradient_matrix(A)),
    "gradient of thin axes": lambda: (A := pr.Gradient((1, 4, 1)), gradient_matrix(A)),
    "strain": lambda: (A := pr.SymmetricGradient((3, 5), (0.5, 2)), strain_matrix(A)),
    "strain of slices": lambda: (
        A := pr.SymmetricGradient((2, 4, 3), 0.7, (1, 2)),
        strain_matrix(A),
    ),
    "strain of a volume": lambda: (
        A := pr.SymmetricGradient((3, 2, 4), (2, 1, 0.5)),
        strain_matrix(A),
    ),
}
OPERATORS = [pytest.param(make, id=name) for name, make in _OPERATORS.items()]


def square(shape: Any) -> pr.Pointwise:
    return pr.Pointwise(np.square, lambda x: 2 * x, shape)


def waves(shape: Any, a: Any, b: Any) -> pr.Pointwise:
    """y = b sin(a x)"""
    return pr.Pointwise(
        lambda x, a, b: b * np.sin(a * x), lambda x, a, b: a * b * np.cos(a * x), shape, (a, b)
    )


def products() -> pr.Function:
    """x ↦ x[1:] · x[:-1], row by row, for rows of 4."""

    def vjp(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(x)
        dx[:, 1:] += dy * x[:, :-1]
        dx[:, :-1] += dy * x[:, 1:]
        return dx

    return pr.Function(
        lambda x: x[:, 1:] * x[:, :-1],
        lambda x, dx: dx[:, 1:] * x[:, :-1] + x[:, 1:] * dx[:, :-1],
        vjp,
        (3, 4),
        (3, 3),
    )


def _times(A: Any, x: np.ndarray) -> np.ndarray:
    """A x by ordinary linear algebra."""
    M = slice_matrix(A) if isinstance(A, SliceWise) else A.M
    return (M @ x.reshape(-1)).reshape(A.out_shape)


FLATS = np.linspace(1, 2, 12).reshape(4, 1, 3)

# name → (operator that is not linear, the same by NumPy alone)
_NONLINEAR: dict[str, Callable[[], tuple[pr.Operator, Callable[[Any], Any]]]] = {
    "exponential": lambda: (pr.Exponential((5, 3), VALUES), lambda x: VALUES * np.exp(-x)),
    "transmission": lambda: (
        pr.Exponential((4, 3, 3), 100) @ (A := alike()),
        lambda x: 100 * np.exp(-_times(A, x)),
    ),
    "flats": lambda: (
        pr.Exponential((4, 3, 3), FLATS) @ (A := unlike()),
        lambda x: FLATS * np.exp(-_times(A, x)),
    ),
    "views of flats": lambda: (
        (pr.Mask(KEEP) @ (2 * pr.Exponential((4, 3, 3), FLATS)) @ (A := unlike()))[[3, 1]],
        lambda x: (KEEP * 2 * FLATS * np.exp(-_times(A, x)))[[3, 1]],
    ),
    "square": lambda: (square((2, 5)), np.square),
    "waves": lambda: (waves((4, 3), FLATS[:, 0], 2), lambda x: 2 * np.sin(FLATS[:, 0] * x)),
    "waves of views": lambda: (
        (waves((4, 3, 3), 0.5, FLATS) @ (A := alike()))[:3],
        lambda x: (FLATS * np.sin(0.5 * _times(A, x)))[:3],
    ),
    "products": lambda: (products(), lambda x: x[:, 1:] * x[:, :-1]),
    "between matrices": lambda: (
        signed().T @ square((5, 3)) @ (-0.5 * square((5, 3))) @ (A := signed()),
        lambda x: (A.M.T @ (0.25 * (A.M @ x.reshape(-1)) ** 4)).reshape(3, 4),
    ),
    "sum": lambda: (
        (pr.Exponential((5, 3)) @ (A := positive()) - square((5, 3)) @ (B := signed())) / 2 + A,
        lambda x: (np.exp(-_times(A, x)) - _times(B, x) ** 2) / 2 + _times(A, x),
    ),
    "stack": lambda: (
        pr.vstack([square((4, 3, 3)) @ (A := alike()), pr.Identity((3, 2, 3))]),
        lambda x: (_times(A, x) ** 2, x),
    ),
    "views of a stack": lambda: (
        pr.vstack([square((4, 3, 3)) @ (A := alike()), B := unlike()])[[6, 5, 2]],
        lambda x: np.concatenate([_times(A, x) ** 2, _times(B, x)])[[6, 5, 2]],
    ),
    "blocks": lambda: (
        pr.block_diagonal([square((4, 3, 3)) @ (A := alike()), pr.Exponential((3, 2))]),
        lambda x: (_times(A, x[0]) ** 2, np.exp(-x[1])),
    ),
    "sum of blocks": lambda: (
        pr.hstack([A := positive(), pr.Identity((5, 3))])
        @ pr.block_diagonal([square((3, 4)), pr.Exponential((5, 3))]),
        lambda x: _times(A, x[0] ** 2) + np.exp(-x[1]),
    ),
    "nothing": lambda: (pr.Exponential((0, 3)), lambda x: x),
}
NONLINEAR = [pytest.param(make, id=name) for name, make in _NONLINEAR.items()]


def data_for(A: Any, seed: int = 0, dtype: Any = np.float64) -> Any:
    """Random data of the operator's range, of both signs."""
    rng = np.random.default_rng(seed)

    def one(shape: Any) -> Any:
        if shape and isinstance(shape[0], tuple):
            return tuple(one(s) for s in shape)
        return rng.standard_normal(shape).astype(dtype)

    return one(A.out_shape)


def counts_for(A: Any, level: float = 3.0, seed: int = 0, dtype: Any = np.float64) -> Any:
    """Poisson counts of the operator's range, some of them zero."""
    rng = np.random.default_rng(seed)

    def one(shape: Any) -> Any:
        if shape and isinstance(shape[0], tuple):
            return tuple(one(s) for s in shape)
        return rng.poisson(level, shape).astype(dtype)

    return one(A.out_shape)


def tower() -> pr.LinearOperator:
    """Non-negative, with a tuple as its range."""
    return pr.vstack([unlike(), pr.Identity((3, 2, 3))])


def bent() -> pr.Operator:
    """Not linear: e^{−A x}."""
    return pr.Exponential((5, 3), 4.0) @ positive()


PER_VIEW = np.linspace(0.5, 2, 4).reshape(4, 1, 1)

# name → f for data of a dtype, to be compared with finite differences and formulas
_LIKELIHOODS: dict[str, Callable[[Any], Any]] = {
    "least squares": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d)),
    "weighted": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d), VALUES**2),
    "weights a column": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d), [1, 0, 2]),
    "slices": lambda d: pr.LeastSquares(
        A := unlike(), data_for(A, dtype=d), np.arange(12).reshape(4, 3, 1)
    ),
    "tuple": lambda d: pr.LeastSquares(A := tower(), data_for(A, dtype=d), (np.ones(3), 0.1)),
    "bent": lambda d: pr.LeastSquares(A := bent(), data_for(A, dtype=d), VALUES**2),
    "fast normal": lambda d: pr.LeastSquares(A := FastNormal(signed().M), data_for(A, dtype=d)),
    "fast weighted": lambda d: pr.LeastSquares(
        A := FastNormal(signed().M), data_for(A, dtype=d), np.arange(15)
    ),
    "poisson": lambda d: pr.PoissonLikelihood(A := positive(), counts_for(A, dtype=d), 0.7),
    "poisson slices": lambda d: pr.PoissonLikelihood(
        A := unlike(), counts_for(A, dtype=d), PER_VIEW
    ),
    "poisson tuple": lambda d: pr.PoissonLikelihood(
        A := tower(), counts_for(A, dtype=d), (PER_VIEW, 0.2)
    ),
    "poisson, no background": lambda d: pr.PoissonLikelihood(
        A := positive(), counts_for(A, dtype=d)
    ),
    "poisson bent": lambda d: pr.PoissonLikelihood(A := bent(), counts_for(A, dtype=d), 0.1),
    "poisson-gaussian": lambda d: pr.PoissonGaussianLikelihood(
        A := unlike(), counts_for(A, dtype=d), 1.5, [0.4, 0, 0.4], 0.8, 0.1
    ),
    "transmission": lambda d: pr.TransmissionLikelihood(
        A := positive(), counts_for(A, dtype=d), np.linspace(3, 9, 3)
    ),
    "transmission, dark": lambda d: pr.TransmissionLikelihood(
        A := unlike(), counts_for(A, dtype=d), 8 * PER_VIEW, [[0.0, 0.5, 2.0]]
    ),
    "transmission tuple": lambda d: pr.TransmissionLikelihood(
        A := tower(), counts_for(A, dtype=d), (8.0, PER_VIEW[:3]), (1e-3, 0.0)
    ),
    "transmission bent": lambda d: pr.TransmissionLikelihood(
        A := bent(), counts_for(A, dtype=d), 9.0
    ),
    "huber": lambda d: pr.Huber(A := signed(), data_for(A, dtype=d), 0.6, VALUES**2),
    "huber slices": lambda d: pr.Huber(A := unlike(), data_for(A, dtype=d), 0.6),
    "huber bent": lambda d: pr.Huber(A := bent(), data_for(A, dtype=d), 0.6),
    "student": lambda d: pr.StudentT(A := unlike(), data_for(A, dtype=d), 0.3, 2),
    "student tuple": lambda d: pr.StudentT(A := tower(), data_for(A, dtype=d), 0.5),
    "student bent": lambda d: pr.StudentT(A := bent(), data_for(A, dtype=d), 0.5),
}
LIKELIHOODS = [pytest.param(make, id=name) for name, make in _LIKELIHOODS.items()]

# Priors of an x of PRIOR_SHAPE; where couples(0, …) is false they also take some of its slices.
PRIOR_SHAPE = (3, 4, 2)


def differences(shape: Any) -> Dense:
    """Differences of neighbours along the last axis, each slice of axis 0 on its own."""
    nz, ny, nx = shape
    M = np.kron(np.eye(nz * ny), np.eye(nx)[1:] - np.eye(nx)[:-1])
    D = Dense(M, shape, (nz, ny, nx - 1))
    D.slices = (0, 0)
    D._norm_bounds = lambda bounds: (0, 2)  # type: ignore[method-assign]
    return D


# How far inner iterations go.
EXACT: dict[str, Any] = {"tolerance": 1e-12, "iterations": 3000}

_PRIORS: dict[str, Callable[[], Any]] = {
    "tikhonov": lambda: pr.Tikhonov(0.7),
    "tikhonov differences": lambda: pr.Tikhonov(0.7, differences),
    "tikhonov matrix": lambda: pr.Tikhonov(0.3, lambda shape: 2 * pr.Identity(shape)),
    "l1": lambda: pr.L1(0.6),
    "wavelet l1": lambda: pr.WaveletL1(0.6, "haar", 1, axes=(1, 2)),
    "nuclear norm": lambda: pr.NuclearNorm(0.8),
    "nuclear norm, middle axis": lambda: pr.NuclearNorm(0.8, channel_axis=1),
    "nuclear tv": lambda: pr.NuclearTotalVariation(0.5, spacing=(1.0, 0.5)),
    "nuclear tv, slices": lambda: pr.NuclearTotalVariation(0.5, channel_axis=2, axes=(1,)),
    "plug and play": lambda: pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma**2), 0.5),
    "plug and play, slices": lambda: pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma), axis=0),
    "sum of splits": lambda: pr.L1(0.4) + pr.NuclearNorm(0.3) + pr.Tikhonov(0.2, differences),
    "sum of splits, slices": lambda: pr.L1(0.4) + pr.Tikhonov(0.2, differences),
    "sum of quadratics": lambda: pr.Tikhonov(0.4) + pr.Tikhonov(2, differences),
    "total variation": lambda: pr.TotalVariation(0.3, **EXACT),
    "total variation, slices": lambda: pr.TotalVariation(0.3, axes=(1, 2), **EXACT),
    "total variation, anisotropic": lambda: pr.TotalVariation(
        0.3, axes=(1, 2), spacing=(0.5, 2), isotropic=False, **EXACT
    ),
    "huber tv": lambda: pr.HuberTV(0.6, 0.3),
    "huber tv, slices": lambda: pr.HuberTV(0.6, 0.3, axes=(-2, -1), isotropic=False),
    "tgv, slices": lambda: pr.TGV(0.5, 1.5, axes=(1, 2), spacing=(2, 1), tolerance=1e-4),
    "joint total variation": lambda: pr.JointTotalVariation(0.6),
}
PRIORS = [pytest.param(make, id=name) for name, make in _PRIORS.items()]


def priors_of(kind: str) -> list[Any]:
    """The priors of a kind."""
    return [pytest.param(m, id=n) for n, m in _PRIORS.items() if kind in m().kinds]


# Every solver of the package once.
ALL_SOLVERS: list[Any] = [
    pr.Adam(),
    pr.ADMM(steps=1),  # small steps, so that slices stop one by one
    pr.ConjugateGradient(),
    pr.FISTA(),
    pr.GaussNewton(inner=1),  # small steps, so that slices stop one by one
    pr.GradientDescent(),
    pr.Kaczmarz(),
    pr.Landweber(),
    pr.LBFGS(),
    pr.LSQR(),
    pr.MLEM(),
    pr.OSEM(),
    pr.PDHG(),
    pr.RichardsonLucy(),
    pr.RMSprop(),
    pr.SAGA(),
    pr.SART(),
    pr.SIRT(),
]


def problem_for(solver: Any, A: Any, y: Any, constraint: Any = None) -> Any:
    """Least squares, or for the solvers of counts the likelihood of |y|."""
    counts = solver.name in COUNT_METHODS
    f = pr.PoissonLikelihood(A, abs(y)) if counts else pr.LeastSquares(A, y)
    return pr.Problem(f, constraint=constraint)


# Those that reach the solution of least squares within some thousand cheap iterations.
_OTHERS = ("adam", "kaczmarz", "rmsprop", "saga", "sart", *COUNT_METHODS)
_SOLVERS = [s for s in ALL_SOLVERS if s.name not in _OTHERS]
_SOLVERS += [pr.GradientDescent(rule="armijo"), pr.GradientDescent(rule="bb")]


def _label(solver: Any) -> str:
    rule = getattr(solver, "rule", "certified")
    return solver.name if rule == "certified" else rule


SOLVERS = [pytest.param(solver, id=_label(solver)) for solver in _SOLVERS]
CONSTRAINED = [pytest.param(s, id=_label(s)) for s in _SOLVERS if s.takes_constraint]
