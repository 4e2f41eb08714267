"""Blur by PSFs that change with the place: equal PSFs are `Blur`, light is kept, ways agree."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import random_matrix

import physrecon as pr

BOUNDARIES = ["zero", "reflect", "periodic", "unknown"]
METHODS = ["direct", "fft"]
CLOSE = {np.float32: 1e-6, np.float64: 1e-12}


def noise(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def repeated(psf, *grid):
    return np.broadcast_to(psf, (*grid, *psf.shape))


# name → (operator with equal PSFs for a boundary and a method, the PSF, shape, center)
EQUAL = {
    "patches": lambda **o: (
        pr.PatchBlur(repeated(p := random_matrix(5, 4), 3, 2), (11, 13), **o),
        pr.Blur(p, (11, 13), o["boundary"]),
    ),
    "patches of a stack": lambda **o: (
        pr.PatchBlur(repeated(p := random_matrix(2, 3), 1, 4), (2, 3, 5, 9), center=(0, 2), **o),
        pr.Blur(p, (2, 3, 5, 9), o["boundary"], center=(0, 2)),
    ),
    "patches of a volume": lambda **o: (
        pr.PatchBlur(repeated(p := random_matrix(3, 2, 5), 2, 2, 3), (5, 6, 7), **o),
        pr.Blur(p, (5, 6, 7), o["boundary"]),
    ),
    "planes": lambda **o: (
        pr.DepthBlur(repeated(p := random_matrix(3, 4), 5), (5, 7, 9), **o),
        pr.Blur(p, (5, 7, 9), o["boundary"]),
    ),
    "depths": lambda **o: (
        pr.DepthBlur(
            repeated(p := random_matrix(4, 3, 2), 3), (2, 6, 4, 5), depths=[-1, 2.3, 4], **o
        ),
        pr.Blur(p, (2, 6, 4, 5), o["boundary"]),
    ),
}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("make", EQUAL.values(), ids=EQUAL)
def test_equal_psfs_are_the_invariant_blur(make, boundary, method, dtype):
    A, B = make(boundary=boundary, method=method)
    assert (A.in_shape, A.out_shape, A.frame) == (B.in_shape, B.out_shape, B.frame)
    for one, other, shape in ((A, B, A.in_shape), (A.T, B.T, A.out_shape)):
        wanted = other @ noise(shape, dtype)
        scale = np.linalg.norm(wanted)
        assert np.linalg.norm(one @ noise(shape, dtype) - wanted) <= CLOSE[dtype] * scale
