"""Nuclear norms against singular value decompositions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import zoo
from zoo.priors import STEP, STEPS, with_zeros

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.priors import nuclear


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_nuclear_norm_shrinks_singular_values(axis):
    x, prior = with_zeros(), pr.NuclearNorm(0.8, axis)
    M = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    U, s, V = np.linalg.svd(M, full_matrices=False)
    assert prior.value(x) == pytest.approx(0.8 * s.sum())
    for call, new in (
        (prior.composed_prox, np.maximum(s - 0.8 * STEP, 0)),
        (prior.conjugate_prox, np.minimum(s, 0.8)),
    ):
        result = np.moveaxis(call(x.copy(), STEP), axis, 0).reshape(M.shape)
        np.testing.assert_allclose(result, (U * new) @ V, atol=1e-13)


def test_nuclear_norm_wants_one_step_and_an_axis_of_x():
    with pytest.raises(ArgumentError, match="expected one step"):
        pr.NuclearNorm(1).prox(with_zeros(), STEPS)
    for axis in (3, -4):
        with pytest.raises(ArgumentError, match="expected an axis of x"):
            pr.NuclearNorm(1, axis).value(with_zeros())
    for axis in (0.5, "z", None):
        with pytest.raises(ArgumentError, match="expected whole numbers"):
            pr.NuclearNorm(1, axis)


@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 3, 5)), (2, (3, 5, 4)), (1, (2, 3, 4, 5))])
def test_jacobians_lose_singular_values_above_the_weight(axis, shape, monkeypatch):
    """In pieces that do not divide the image, against the SVD of one Jacobian after the other."""
    monkeypatch.setattr(nuclear, "CHUNK", 4)
    prior, spread = pr.NuclearTotalVariation(0.6, axis), 10.0 ** np.arange(-3, 5)
    directions = len(shape) - 1
    q = with_zeros((directions, *shape)) * np.resize(spread, shape)
    q[:, :, 1] = 0
    q[0] = q[-1]  # one of the singular values is zero
    result = np.moveaxis(prior.conjugate_prox(q.copy(), STEP), axis + 1, 1)
    J = np.moveaxis(q, axis + 1, 1)
    for voxel in np.ndindex(J.shape[2:]):
        U, s, V = np.linalg.svd(J[(..., *voxel)], full_matrices=False)
        expected = (U * np.minimum(s, 0.6)) @ V
        error = abs(result[(..., *voxel)] - expected).max()
        assert error < 1e-14 * max(1, s.max())


def test_nuclear_tv_is_the_sum_over_voxels():
    """Forward differences over the spacing, 0 at the far end."""
    x, prior = with_zeros((2, 3, 4)), pr.NuclearTotalVariation(0.6, spacing=(0.5, 2))
    J = np.zeros((2, *x.shape))
    J[0, :, :-1] = np.diff(x, axis=1) / 0.5
    J[1, :, :, :-1] = np.diff(x, axis=2) / 2
    norms = np.linalg.norm(J.transpose(2, 3, 0, 1), "nuc", axis=(2, 3))
    assert prior.value(x) == pytest.approx(0.6 * norms.sum(), rel=1e-12)


def test_nuclear_tv_of_one_channel_is_total_variation():
    x = with_zeros((5, 7, 1))
    J = np.zeros((2, 5, 7))
    J[0, :-1], J[1, :, :-1] = np.diff(x[..., 0], axis=0), np.diff(x[..., 0], axis=1)
    expected = 0.6 * np.hypot(*J).sum()
    assert pr.NuclearTotalVariation(0.6, -1).value(x) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "settings",
    [{"axes": (0, 1)}, {"axes": (1, 1)}, {"axes": ()}, {"axes": (3,)}, {"channel_axis": 3}],
)
def test_jacobians_refuse_wrong_axes(settings):
    with pytest.raises(ArgumentError, match=r"expected an axis|expected one to three axes"):
        pr.NuclearTotalVariation(1, **settings).couples(0, zoo.PRIOR_SHAPE)
    for senseless in ({"channel_axis": 0.5}, {"axes": "yx"}, {"axes": 1}, {"axes": (0.5,)}):
        with pytest.raises(ArgumentError, match="expected whole numbers"):
            pr.NuclearTotalVariation(1, **senseless)
    for spacing in (0, -1, math.nan, (1, math.inf), ("a", "b")):
        with pytest.raises(ArgumentError, match="spacing: expected numbers > 0"):
            pr.NuclearTotalVariation(1, spacing=spacing)
