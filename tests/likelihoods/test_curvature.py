"""Curvature and its bounds against second differences."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import matrix
from textbook import full, truth
from zoo.likelihoods import volume_for

import physrecon as pr
from physrecon.errors import ArgumentError

every_likelihood = pytest.mark.parametrize("make", zoo.LIKELIHOODS)
DOUBLE, SINGLE = np.float64, np.float32
POINTS = np.concatenate([[0], np.geomspace(1e-6, 60, 25), [0.099, 0.101, 0.149, 0.151]])


def scalars(kind, dtype=DOUBLE, seed=3):
    """A likelihood of single numbers, without operator, and the p it is for."""
    rng = np.random.default_rng(seed)
    n = 200
    A = pr.Identity((n, 1, 1), 0)
    y = rng.poisson(rng.choice([0.3, 3, 300], (n, 1, 1))).astype(dtype)
    b = rng.choice([1e-3, 0.1, 1, 50], (n, 1, 1))
    if kind == "poisson":
        return pr.PoissonLikelihood(A, y, b), POINTS
    if kind == "transmission":
        return pr.TransmissionLikelihood(A, y, 10 * b), POINTS
    if kind == "transmission, dark":
        return pr.TransmissionLikelihood(A, y, rng.permutation(100 * b), b), POINTS
    both = np.concatenate([-POINTS, POINTS])
    if kind == "huber":
        return pr.Huber(A, y, 0.7, b), both
    if kind == "student":
        return pr.StudentT(A, y, 0.6, 3), both
    return pr.LeastSquares(A, y, b), both


every_kind = pytest.mark.parametrize(
    "kind", ["poisson", "transmission", "transmission, dark", "huber", "student", "squares"]
)


@every_kind
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_parabolas_of_the_curvature_lie_above_the_loss(kind, dtype):
    f, points = scalars(kind, dtype)
    exact = scalars(kind)[0]
    of = {t: exact.data_values(np.full(f.A.out_shape, t)) for t in points}
    steepest, tight = exact._max_curvature(), []
    for t in points:
        c = np.full(f.A.out_shape, t, dtype)
        f.data_curvatures(c)
        assert (c >= 0).all()
        assert (c <= f._max_curvature().max() * (1 + 1e-5)).all()
        slopes = np.full(f.A.out_shape, t)
        value = exact.data_slopes(slopes)
        c, slopes = c.ravel().astype(float), slopes.ravel()
        for u in points:
            above = value + slopes * (u - t) + c / 2 * (u - t) ** 2
            slack = 1e-5 if dtype == SINGLE else 1e-6
            scale = (c + steepest) * (u - t) ** 2
            rounding = 1e-13 * (abs(value) + abs(slopes * (u - t)) + 1)
            assert (above >= of[u] - slack * scale - rounding).all()
            if u == 0 and 0.01 < t < 1:
                tight.append(((above - of[u]) / (scale + 1e-7))[c > 0])
    if isinstance(f, pr.PoissonLikelihood | pr.TransmissionLikelihood):
        assert abs(np.concatenate(tight)).max() < (1e-4 if dtype == SINGLE else 1e-6)  # they touch


@every_kind
def test_no_second_difference_exceeds_the_bound(kind):
    f, points = scalars(kind)
    for t in points:
        ahead, behind = (np.full(f.A.out_shape, t + h) for h in (2e-6, 1e-6))
        f.data_slopes(ahead)
        f.data_slopes(behind)
        second = abs(ahead - behind) / 1e-6
        assert (second.ravel() <= f._max_curvature() * (1 + 1e-5) + 1e-6).all()


@every_likelihood
def test_lipschitz_bounds_the_curvature(make):
    f = make(DOUBLE)
    try:
        bound = f.lipschitz
    except ArgumentError as error:
        assert any(word in str(error) for word in ("linear", "background"))
        return
    if f.needs_nonnegative:
        assert f.A.nonnegative
    M = matrix(f.A)
    for scale in (1e-3, 0.1, 1, 10):
        x = abs(volume_for(f, 5, scale)) if f.needs_nonnegative else volume_for(f, 5, scale)
        p = M @ x.ravel()
        second = (truth(f, p + 1e-5)[1] - truth(f, p)[1]) / 1e-5
        hessian = M.T @ (second[:, None] * M)
        assert np.linalg.norm(hessian, 2) <= bound.max() * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_lipschitz_is_not_far_from_the_curvature(seed):
    """A bound that is always infinite would pass as one."""
    A = zoo.positive(seed)
    f = pr.TransmissionLikelihood(A, zoo.counts_for(A), 5.0)
    assert f.lipschitz == pytest.approx(5 * np.linalg.norm(A.M, 2) ** 2, rel=0.03)


@every_likelihood
def test_the_diagonal_of_curvature_majorises(make):
    f = make(DOUBLE)
    if not getattr(f.A, "nonnegative", False):
        with pytest.raises(ArgumentError, match=r"linear|negative entries"):
            f.curvature(volume_for(f))
        return
    if isinstance(f, pr.PoissonLikelihood) and not full(f.background, f).all():
        with pytest.raises(ArgumentError, match="MLEM, PDHG or LBFGS"):
            f.curvature(volume_for(f))
        return
    for seed in range(20):
        x, other = volume_for(f, seed, 0.5), volume_for(f, seed + 100, 2.0)
        other = np.maximum(other - 0.5, 0) if f.needs_nonnegative else other
        diagonal, step = f.curvature(x), other - x
        value, gradient = f.value_and_gradient(x)
        above = value + (gradient * step).sum() + (diagonal * step**2).sum() / 2
        assert f.value(other) <= above * (1 + 1e-9)


def test_without_background_there_is_no_bound():
    A = zoo.positive()
    y = zoo.counts_for(A)
    f = pr.PoissonLikelihood(A, y)
    with pytest.raises(ArgumentError, match="MLEM, PDHG or LBFGS"):
        f.lipschitz  # noqa: B018
    assert np.isfinite(pr.PoissonLikelihood(A, y, np.where(y > 0, 0.5, 0)).lipschitz).all()
