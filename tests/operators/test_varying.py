"""Blur by PSFs that change with the place: equal PSFs are `Blur`, light is kept, ways agree."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from naive import matrix
from zoo import random_matrix

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.operators.blur import patch_engines

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


@pytest.mark.parametrize(("dtype", "bound"), CLOSE.items())
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_both_ways_agree_and_their_adjoints_are_exact(boundary, dtype, bound):
    def make(method):
        rng = np.random.default_rng(3)
        return [
            pr.PatchBlur(
                rng.uniform(size=(4, 3, 9, 12)), (41, 37), boundary, center=(1, 9), method=method
            ),
            pr.DepthBlur(
                rng.uniform(size=(3, 4, 5, 7)),
                (7, 11, 17),
                boundary,
                depths=[1, 2.5, 9],
                method=method,
            ),
            pr.DepthBlur(rng.uniform(size=(5, 13, 17)), (5, 13, 17), boundary, method=method),
        ]

    for A, B in zip(make("direct"), make("fft"), strict=True):
        for one, other, shape in ((A, B, A.in_shape), (A.T, B.T, A.out_shape)):
            a, b = one @ noise(shape, dtype), other @ noise(shape, dtype)
            assert np.linalg.norm(a - b) <= bound * np.linalg.norm(b)
        assert pr.check_adjoint(A, dtype) <= bound
        assert pr.check_adjoint(B, dtype) <= bound


@pytest.mark.parametrize("method", METHODS)
def test_a_point_shows_the_psf_of_its_place(method):
    psfs = random_matrix(2, 1, 3, 4)
    A = pr.PatchBlur(psfs, (9, 11), centers=([2, 6], [5]), method=method)
    for row, wanted in ((1, psfs[0, 0]), (2, psfs[0, 0]), (7, psfs[1, 0]), (4, psfs.mean((0, 1)))):
        point = np.zeros((9, 11))
        point[row, 5] = 1
        image = (A @ point)[row - 1 : row + 2, 3:7]  # the centre of the PSF is element (1, 2)
        np.testing.assert_allclose(image, wanted, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_a_plane_spreads_its_light_by_its_own_psf(method):
    psfs = random_matrix(4, 3, 1, 2)
    A = pr.DepthBlur(psfs, (4, 1, 3), center=(0, 0, 0), method=method)
    point = np.zeros((4, 1, 3))
    point[1, 0, 1] = 2
    np.testing.assert_allclose((A @ point)[1:, :, 1:], 2 * psfs[1], atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_no_light_is_lost_between_psfs(method):
    options = {"normalize": True, "method": method}
    A = pr.PatchBlur(random_matrix(3, 2, 4, 5), (13, 8), "periodic", **options)
    np.testing.assert_allclose(A.column_sums(np.empty(0)), 1, rtol=1e-13)
    B = pr.DepthBlur(random_matrix(2, 5, 3, 2), (9, 5, 4), "unknown", depths=[2, 6], **options)
    inside = B.column_sums(np.empty(0))[4:-4, 2:-2, 1:-1]  # they reach the frame only
    np.testing.assert_allclose(inside, 1, rtol=1e-13)


def test_results_do_not_depend_on_the_threads():
    import numba

    A = pr.PatchBlur(random_matrix(2, 3, 5, 5), (33, 47), method="direct")
    x, threads = noise(A.in_shape, np.float32), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = A @ x, A.T @ x
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(alone, (A @ x, A.T @ x))


def test_slices_have_norms_of_their_own():
    from physrecon.operators.checks import slice_norm_bounds

    psfs = np.ones((3, 3, 3)) * np.array([1, 4, 2]).reshape(3, 1, 1)
    A = pr.DepthBlur(psfs, (3, 8, 8))
    assert A.slices == (0, 0)
    lower, upper = slice_norm_bounds(A)
    norm = np.array([np.linalg.norm(matrix(pr.Blur(p, (8, 8))), 2) for p in psfs])
    assert (lower <= norm).all()
    assert (norm <= upper).all()
    assert (upper <= 1.05 * lower).all()


def test_small_psfs_are_direct_and_large_ones_are_not():
    chosen = [pr.PatchBlur(np.ones((4, 4, k, k)), (512, 512))._engine for k in (5, 41)]
    assert [type(engine) for engine in chosen] == [
        patch_engines.DirectBlur,
        patch_engines.FourierBlur,
    ]


@pytest.mark.parametrize("psfs", [(3, 7, 21, 21), (3, 21, 21)])
def test_transforms_take_the_memory_they_say(psfs, monkeypatch):
    monkeypatch.setattr(patch_engines, "CHUNK_BYTES", 1 << 16)
    A = pr.DepthBlur(np.ones(psfs), (24, 96, 120), depths=[0, 9, 20], method="fft")
    x = np.ones(A.in_shape, np.float32)
    y = A.forward(x)
    A = pickle.loads(pickle.dumps(A))  # tables are left behind
    tracemalloc.start()
    A.forward(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.7 * A.work_bytes() <= peak <= 1.2 * A.work_bytes()


GOOD = np.ones((2, 2, 3, 3))
WRONG = {
    "rank": (lambda: pr.PatchBlur(GOOD[0], (8, 8)), "expected .gy, gx, ky, kx. or"),
    "frame": (lambda: pr.PatchBlur(np.ones((1, 1, 1, 3, 3, 3)), (8, 8)), "no more than the image"),
    "empty": (lambda: pr.PatchBlur(GOOD[:0], (8, 8)), "expected PSFs"),
    "nan": (lambda: pr.PatchBlur(GOOD * np.nan, (8, 8)), "finite"),
    "long": (lambda: pr.PatchBlur(GOOD, (8, 2)), "oversize"),
    "zero sum": (lambda: pr.PatchBlur(GOOD - 1, (8, 8), normalize=True), "zeros only"),
    "center": (lambda: pr.PatchBlur(GOOD, (8, 8), center=(3, 0)), "center"),
    "boundary": (lambda: pr.PatchBlur(GOOD, (8, 8), "mirror"), "PatchBlur.boundary: expected"),
    "method": (lambda: pr.DepthBlur(GOOD[0], (2, 8, 8), method="fast"), "DepthBlur.method"),
    "centers": (lambda: pr.PatchBlur(GOOD, (8, 8), centers=([1, 2],)), "each of 2 axes"),
    "falling": (lambda: pr.PatchBlur(GOOD, (8, 8), centers=([2, 1], [1, 2])), "rising"),
    "planes": (lambda: pr.DepthBlur(GOOD[0], (3, 8, 8)), "depths="),
    "depths": (lambda: pr.DepthBlur(GOOD[0], (3, 8, 8), depths=[0, 1, 2]), "2 rising"),
    "image": (lambda: pr.DepthBlur(GOOD[0], (8, 8)), "expected psfs .d, ky, kx."),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_with_a_sentence(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
