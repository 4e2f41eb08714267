"""Every linear operator with its matrix.  A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
from naive import blur_matrix, variant_blur_matrix, wavelet_matrix

import physrecon as pr
from physrecon.operators import Diagonal
from zoo.matrices import (
    KEEP,
    VALUES,
    Dense,
    SliceWise,
    alike,
    positive,
    random_matrix,
    signed,
    slice_matrix,
    unlike,
    with_empty_rows,
)
from zoo.pairs import beam, blur, cells, depths, downsample, gradient_matrix, patches, strain_matrix


def _normal(A: SliceWise) -> np.ndarray:
    return (M := slice_matrix(A)).T @ M


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
