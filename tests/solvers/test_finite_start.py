"""Solvers that search along a line, on counts that the start makes impossible."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat
from zoo.solvers import SEARCHING

import physrecon as pr
from physrecon.errors import ArgumentError

searching = pytest.mark.parametrize("solver", SEARCHING)


@pytest.mark.parametrize("x0", [None, 0.0], ids=["no x0", "zeros"])
def test_lbfgs_finds_the_likeliest_counts_from_zeros(x0):
    """The optimality conditions of ½ deviance over x ≥ 0: slope ≥ 0, and 0 where x > 0."""
    A = zoo.positive()
    y = np.random.default_rng(0).poisson(A @ np.full(A.in_shape, 3.0)).astype(float)
    problem = pr.Problem(pr.PoissonLikelihood(A, y), constraint=pr.NonNegative())
    x0 = None if x0 is None else np.zeros(A.in_shape)
    x = flat(pr.solve(problem, pr.LBFGS(), x0, stop=pr.Stop(300)).x)
    slope = A.M.T @ (1 - flat(y) / (A.M @ x))
    assert slope.min() >= -1e-6
    assert abs(x * slope).max() <= 1e-6


@searching
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_from_zeros_are_fitted_as_well_as_by_mlem(solver, dtype):
    """Rays that miss the grid hold no counts; x stays 0 where no ray passes."""
    A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    truth = np.zeros(A.in_shape, dtype)
    truth[:, 2:6, 3:7] = 9
    y = np.random.default_rng(1).poisson(A @ truth).astype(dtype)
    f = pr.PoissonLikelihood(A, y)
    problem = pr.Problem(f, constraint=pr.NonNegative())
    x = pr.solve(problem, solver, stop=pr.Stop(400)).x
    mlem = pr.solve(pr.Problem(f), pr.MLEM(), stop=pr.Stop(400)).x
    assert f.value(x) <= f.value(mlem) * 1.005


@searching
def test_only_slices_with_impossible_counts_start_elsewhere(solver):
    A = pr.Identity((3, 2, 2))
    A.slices = (0, 0)
    y = np.array([2.0, 0.0, 5.0]).reshape(3, 1, 1) * np.ones((3, 2, 2))
    x0 = np.zeros((3, 2, 2))
    x0[2] = 5
    problem = pr.Problem(pr.PoissonLikelihood(A, y), constraint=pr.NonNegative())
    state = solver.start(problem, x0)
    np.testing.assert_allclose(state.x, y)


@searching
def test_counts_that_no_voxel_gives_are_refused(solver):
    A = zoo.Dense(np.array([[1.0, 2.0], [0.0, 0.0]]))
    problem = pr.Problem(pr.PoissonLikelihood(A, np.array([3.0, 1.0])))
    with pytest.raises(ArgumentError, match="where no voxel can give counts"):
        pr.solve(problem, solver)
