"""Counts from 1e-3 to 1e9 a pixel against the textbook's iteration in float64."""

from __future__ import annotations

import numpy as np
import pytest
from naive import matrix

import physrecon as pr

COUNTS = [1e-3, 1.0, 1e3, 1e6, 1e8, 1e9]


def counted(counts: float, dtype=np.float32):
    A = pr.Projector(pr.ParallelBeam(range(0, 180, 15), (1, 15), angle_unit="deg"))
    x = np.zeros(A.in_shape, np.float32)
    x[:, 4:11, 5:9] = 1
    x[:, 6, 6] = 20
    p = (A @ x).astype(np.float64)
    p *= counts / p.max()
    y = np.random.default_rng(0).poisson(p) if counts > 1 else p
    return A, y.astype(dtype)


def textbook(M, y, x, iterations):
    """Shepp and Vardi's iteration."""
    seen = M.sum(0) > 0
    for _ in range(iterations):
        p = M @ x
        ratio = np.divide(y, p, out=np.zeros_like(p), where=y > 0)
        x[seen] *= (M.T @ ratio)[seen] / M.sum(0)[seen]
    return x


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("x0", [None, 1.0])
def test_mlem_is_the_textbook_and_keeps_all_counts(counts, x0):
    A, y = counted(counts)
    M, data = matrix(A), y.astype(np.float64).ravel()
    M = M * (M.sum(0) > 0)
    x0 = None if x0 is None else np.ones(A.in_shape, np.float32)
    for iterations in (1, 10):
        stop = pr.Stop(iterations=iterations)
        x = pr.solve(pr.Problem(pr.PoissonLikelihood(A, y)), pr.MLEM(), x0, stop=stop).x
        assert (A @ x).sum(dtype=np.float64) == pytest.approx(data.sum(), rel=2e-6)
        level = data.sum() / M.sum()
        wanted = textbook(
            M, data, np.full(M.shape[1], 1.0 if x0 is not None else level), iterations
        )
        seen = M.sum(0) > 0
        error = np.linalg.norm((x.ravel() - wanted)[seen]) / np.linalg.norm(wanted[seen])
        assert error < 2e-5


def test_a_start_far_too_bright_keeps_all_counts():
    A, y = counted(1.0)
    x0 = np.full(A.in_shape, 1e9, np.float32)
    stop = pr.Stop(iterations=1)
    x = pr.solve(pr.Problem(pr.PoissonLikelihood(A, y)), pr.MLEM(), x0, stop=stop).x
    assert (A @ x).sum(dtype=np.float64) == pytest.approx(y.sum(dtype=np.float64), rel=2e-6)


@pytest.mark.parametrize("counts", COUNTS)
def test_richardson_lucy_keeps_all_counts_of_a_periodic_blur(counts):
    psf = pr.psf.gaussian((5, 5), sigma=1)
    x = np.full((20, 20), 0.2)
    x[4:9, 6:12] = 1
    x[15, 15] = 40
    A = pr.Blur(psf, x.shape, boundary="periodic")
    y = ((A @ x) * (counts / x.max())).astype(np.float32)
    for accelerate in (True, False):
        solver = pr.RichardsonLucy(accelerate=accelerate)
        result = pr.solve(
            pr.Problem(pr.PoissonLikelihood(A, y)), solver, stop=pr.Stop(iterations=12)
        )
        tolerance = 1e-5 if not accelerate else 1e-2  # an extrapolation changes the sum a little
        total = y.sum(dtype=np.float64)
        assert result.x.sum(dtype=np.float64) == pytest.approx(total, rel=tolerance)


def test_a_subset_without_counts_does_not_erase_the_volume():
    A, y = counted(1e4)
    y[::4] = 0  # a shutter that was closed for every fourth view
    problem = pr.Problem(pr.PoissonLikelihood(A, y))
    result = pr.solve(problem, pr.OSEM(subsets=4), stop=pr.Stop(iterations=20))
    assert result.reason.endswith("1 of 4 subsets without counts in a slice were left out there")
    some = [v for v in range(len(y)) if v % 4]
    rest = pr.Problem(pr.PoissonLikelihood(A[some], y[some]))
    wanted = pr.solve(rest, pr.MLEM(), stop=pr.Stop(iterations=60)).x
    assert np.linalg.norm(result.x - wanted) < 0.1 * np.linalg.norm(wanted)


def test_slices_without_any_count_are_zero():
    A = pr.Projector(pr.ParallelBeam(range(0, 180, 30), (2, 9), angle_unit="deg"))
    x = np.zeros(A.in_shape, np.float32)
    x[0, 3:6, 3:6] = 5
    for solver in (pr.MLEM(), pr.OSEM(subsets=2), pr.RichardsonLucy()):
        result = pr.solve(pr.Problem(pr.PoissonLikelihood(A, A @ x)), solver)
        assert (result.x[1] == 0).all()
        assert result.x[0].sum() > 40


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [[5, 0, 3], [0, 0, 0]])
@pytest.mark.parametrize("solver", [pr.LBFGS(), pr.GradientDescent(rule="armijo")])
def test_expectations_below_0_are_no_convergence(y, dtype, solver):
    """φ(p) = p + b for y = 0 has no minimum; a constraint and a prior provide one."""
    f = pr.PoissonLikelihood(pr.Identity(3), np.array(y, dtype), background=0.5)
    result = pr.solve(pr.Problem(f), solver, stop=pr.Stop(iterations=100))
    assert result.reason.startswith("unbounded after") and "NonNegative()" in result.reason
    bounded = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), solver)
    assert "unbounded" not in bounded.reason
    np.testing.assert_allclose(bounded.x, np.maximum(np.array(y) - 0.5, 0), atol=1e-3)
    smooth = pr.solve(pr.Problem(f, pr.Tikhonov(1.0)), solver)
    assert "unbounded" not in smooth.reason
    dual = pr.solve(pr.Problem(f), pr.PDHG(), stop=pr.Stop(iterations=50, discrepancy=1e-9))
    assert "unbounded" not in dual.reason  # its φ* is that of p + b >= 0
