"""Operators whose matrices are given: what algorithms are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

import physrecon as pr


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


def slice_matrix(A: SliceWise) -> np.ndarray:
    """The matrix of a slice-wise operator, from its definition as blocks."""
    nz, views, columns, n = A.matrices.shape
    M = np.zeros((views, nz, columns, nz, n))
    for z in range(nz):
        M[:, z, :, z] = A.matrices[z]
    return M.reshape(views * nz * columns, nz * n)
