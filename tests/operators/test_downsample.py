"""Detector cells take the mean of what falls on them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse.linalg
from zoo import noise

import physrecon as pr


@pytest.mark.parametrize("psf_shape", [(3, 3), (5, 1), (2, 4), (9, 8)])
def test_downsampling_is_convolution_sampled_in_each_cell(psf_shape):
    x, psf = noise((6, 8)), noise(psf_shape, seed=1)
    blurred = scipy.ndimage.convolve(x, psf, mode="constant")
    np.testing.assert_allclose(
        pr.Downsample((6, 8), (3, 4), psf) @ x, blurred[1::3, 1::4], atol=1e-13
    )


def test_a_detector_cell_takes_the_mean_of_what_falls_on_it():
    x = noise((6, 8, 3))
    mean = x.reshape(3, 2, 2, 4, 3).mean(axis=(1, 3))
    box = pr.Downsample((6, 8, 3), (2, 4, 1))
    np.testing.assert_allclose(box @ x, mean, atol=1e-15)
    same = pr.Downsample((6, 8, 3), (2, 4, 1), np.full((2, 4, 1), 1 / 8))
    np.testing.assert_array_equal(same @ x, box @ x)
    assert pr.norm_bounds(box) == pytest.approx((8**-0.5, 8**-0.5))


def test_downsampling_does_not_see_the_other_slices():
    x = noise((5, 6, 8), np.float32)
    D = pr.Downsample((5, 6, 8), (1, 2, 2), noise((1, 3, 4)))
    for z in range(5):
        np.testing.assert_array_equal(D.one_slice() @ x[z : z + 1], (D @ x)[z : z + 1])
