"""Wavelets keep lengths; coefficients by hand."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import noise

import physrecon as pr
from physrecon.errors import DeviceError


@pytest.mark.parametrize("shape", [(1,), (7,), (12,), (5, 9), (16, 8), (3, 4, 5), (2, 1, 6)])
@pytest.mark.parametrize("name", ["haar", "db2", "db10", "sym9", "coif1"])
@pytest.mark.parametrize("levels", [1, 3, None])
def test_wavelets_keep_lengths_for_every_shape(shape, name, levels):
    W = pr.Wavelet(shape, name, levels)
    x = noise(shape)
    c = W @ x
    np.testing.assert_allclose(W.T @ c, x, atol=1e-11)
    assert np.linalg.norm(c) == pytest.approx(np.linalg.norm(x), rel=1e-10)
    if W.orthogonal:
        y = noise(W.out_shape)
        np.testing.assert_allclose(W @ (W.T @ y), y, atol=1e-11)
    assert W.orthogonal == all(n % 2**W.levels == 0 for n in shape)


def test_wavelet_coefficients_by_hand():
    x = np.array([[1.0, 2, 5, 7], [3, 4, 6, 8]])
    W = pr.Wavelet((2, 4), "haar", 1)
    sums = np.array([[10, 26]]) / 2
    np.testing.assert_allclose((W @ x)[W.coarse], sums)
    assert abs((W @ np.ones((2, 4)))[:, 2:]).max() < 1e-15
    only_rows = pr.Wavelet((2, 4), "haar", 1, axes=(1,))
    np.testing.assert_allclose((only_rows @ x)[:, 0], np.array([3, 7]) / np.sqrt(2))


@pytest.mark.parametrize(("n", "levels"), [(512, 6), (640, 6), (181, 4), (33, 2), (5, 1)])
def test_wavelets_choose_levels_with_a_narrow_border(n, levels):
    assert pr.Wavelet((n, n)).levels == levels


def test_wavelets_on_the_gpu_are_refused():
    class OnDevice:
        __cuda_array_interface__ = None

    W = pr.Wavelet((4, 4))
    for call in (W._forward, W._adjoint):
        with pytest.raises(DeviceError, match="PyWavelets"):
            call(OnDevice(), None)
