"""Total generalised variation against closed forms and bounds."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import noise

import physrecon as pr


@pytest.mark.parametrize("shape", [(11,), (9, 8), (5, 4, 6)])
def test_affine_images_have_no_generalised_variation(shape):
    x = sum((a - 0.7) * grid for a, grid in enumerate(np.indices(shape)))
    assert pr.TotalVariation(1).value(x) > 1
    assert pr.TGV(1, spacing=0.5).value(x) <= 1e-10
    np.testing.assert_allclose(pr.TGV(1).prox(x.copy(), 1.0), x, atol=1e-6)


def test_generalised_variation_lies_below_both_of_its_bounds():
    """w = 0 gives total variation, w = ∇x gives ratio · |E ∇x|."""
    x = noise((9, 8))
    second = np.sqrt(((pr.SymmetricGradient((9, 8)) @ (pr.Gradient((9, 8)) @ x)) ** 2).sum(axis=0))
    for ratio in (0.05, 1.0, 20.0):
        value = pr.TGV(1, ratio, tolerance=1e-5).value(x)
        first = pr.TotalVariation(1).value(x)
        assert value <= min(first, ratio * second.sum()) * (1 + 1e-5)
    assert pr.TGV(1, 20.0).value(x) > 0.8 * first


def test_generalised_variation_of_a_parabola_in_one_dimension():
    """ratio so small that w = ∇x: the second differences of n² are 2."""
    x = np.arange(12.0) ** 2
    assert pr.TGV(1, 0.01, tolerance=1e-6).value(x) == pytest.approx(0.01 * 2 * 10, rel=1e-5)


def test_generalised_variation_scales_with_the_voxels():
    x = noise((9, 8))
    fine = pr.TGV(0.1, 2.0, tolerance=1e-6).value(x)
    assert pr.TGV(0.7, 14.0, spacing=7.0, tolerance=1e-6).value(x) == pytest.approx(fine, rel=1e-5)


@pytest.mark.parametrize("constraint", [None, pr.Box(0, 0.8)], ids=str)
def test_prox_of_generalised_variation_is_the_minimum(constraint):
    """No point nearby or far is better, by values of TGV to 1e-7."""
    f = np.indices((9, 8)).sum(0) / 17 + 0.2 * noise((9, 8))
    prior = pr.TGV(0.1, tolerance=1e-7, iterations=20000)
    u = prior.prox(f.copy(), 0.8, constraint)

    def objective(v):
        return 0.8 * prior.value(v) + 0.5 * ((v - f) ** 2).sum()

    lowest = objective(u)
    assert lowest < 0.8 * objective(np.clip(f, 0, 0.8))
    for seed, size in enumerate((1e-3, 1e-2, 0.1, 1)):
        v = u + size * noise(u.shape, seed=seed)
        v = v if constraint is None else constraint.project(v)
        apart = ((v - u) ** 2).sum()
        assert objective(v) >= lowest + 0.5 * apart - 1e-6 - 1e-3 * np.sqrt(apart)
    if constraint is not None:
        assert u.min() >= 0 and u.max() <= 0.8


def test_ramps_are_restored_better_than_by_total_variation():
    y, x = np.indices((48, 48)) / 48
    image = np.where((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1, 1 - x, 0.5 * y)
    f = image + 0.1 * noise(image.shape)

    def best(kind):
        weights = (0.06, 0.09, 0.13)
        return min(((kind(w).prox(f.copy(), 1.0) - image) ** 2).mean() for w in weights)

    gain = 10 * np.log10(best(pr.TotalVariation) / best(pr.TGV))
    assert gain > 1


def test_slices_of_generalised_variation_are_alone():
    f = noise((3, 12, 11)).astype(np.float32)
    prior = pr.TGV(0.2, axes=(1, 2), tolerance=1e-3)
    whole = prior.prox(f.copy(), 1.0)
    for z in range(3):
        np.testing.assert_array_equal(prior.prox(f[z : z + 1].copy(), 1.0)[0], whole[z])
