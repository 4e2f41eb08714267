"""PDHG and ADMM on  min_v g(K (x, v)):  both variables at once, without an inner iteration."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat
from tiers import thorough
from zoo import noise

import physrecon as pr
from physrecon.kernels import generalised_variation
from physrecon.priors.tgv_operator import GradientAndStrain

splittings = pytest.mark.parametrize("solver", zoo.PROXIMAL[1:])


@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 2)])
def test_the_operator_has_its_adjoint_and_a_certified_norm(shape):
    K = GradientAndStrain(shape, (1.0,) * len(shape), tuple(range(len(shape))))
    assert pr.check_adjoint(K, np.float64) < 1e-12
    columns = []
    for part, size in enumerate(map(np.prod, K.in_shape)):
        for unit in np.eye(size):
            x = [np.zeros(s) for s in K.in_shape]
            x[part] = unit.reshape(K.in_shape[part])
            columns.append(flat(K @ tuple(x)))
    largest = np.linalg.norm(columns, 2)
    assert largest <= pr.norm_bounds(K)[1] <= 1.2 * largest


def step_and_ramp(shape):
    y, x = np.indices(shape) / shape[0]
    return x + y + 2 * (x > 0.5) + 0.1 * noise(shape)


@splittings
@pytest.mark.parametrize("constraint", [thorough(None), pr.Box(0.2, 2.5)], ids=str)
def test_denoising_is_the_proximal_map(solver, constraint, monkeypatch):
    y, prior = step_and_ramp((9, 7)), pr.TGV(0.15, 1.5, tolerance=1e-7, iterations=20000)
    problem = pr.Problem(pr.LeastSquares(pr.Identity(y.shape), y), prior, constraint)
    best = problem.objective(prior.prox(y.copy(), 1.0, constraint))[0]
    with monkeypatch.context() as only:
        only.delattr(generalised_variation, "primal")
        x = pr.solve(problem, solver, stop=pr.Stop(600)).x
    assert problem.objective(x)[0] <= best * (1 + 1e-4)
    assert constraint is None or (x.min() >= 0.2 and x.max() <= 2.5)


@splittings
def test_slices_are_problems_of_their_own(solver):
    y = np.stack([step_and_ramp((6, 5)), 3 * noise((6, 5), seed=1)])
    prior = pr.TGV(0.2, axes=(1, 2))

    def solved(data):
        A = pr.Blur(np.ones((3, 3)) / 9, data.shape, "reflect")
        problem = pr.Problem(pr.LeastSquares(A, data), prior)
        assert problem.count == len(data)
        return pr.solve(problem, solver, stop=pr.Stop(40)).x

    whole = solved(y)
    for i in range(2):
        np.testing.assert_array_equal(solved(y[i : i + 1])[0], whole[i])


@splittings
def test_a_state_with_a_second_variable_resumes_bit_for_bit(solver, tmp_path):
    y = step_and_ramp((6, 5))
    A = pr.Blur(np.ones((3, 3)) / 9, y.shape, "reflect")
    problem = pr.Problem(pr.LeastSquares(A, y), pr.TGV(0.2))
    whole = pr.solve(problem, solver, stop=pr.Stop(20)).x
    half = pr.solve(problem, solver, stop=pr.Stop(9))
    pr.save_state(tmp_path / "state.h5", half.state)
    state = pr.load_state(tmp_path / "state.h5")
    np.testing.assert_array_equal(pr.solve(problem, solver, stop=pr.Stop(20), state=state).x, whole)


@splittings
@pytest.mark.parametrize("axes", [None, (1, 2)])
def test_convergence_is_judged_without_an_inner_iteration(solver, axes, monkeypatch):
    """By the objective of (x, v), which is the least one in the end."""
    y = np.stack([step_and_ramp((9, 7)), 3 * step_and_ramp((9, 7))])
    problem = pr.Problem(pr.LeastSquares(pr.Identity(y.shape), y), pr.TGV(0.15, axes=axes))
    with monkeypatch.context() as only:
        only.delattr(generalised_variation, "primal")
        result = pr.solve(problem, solver, stop=pr.Stop(600, gain=1e-3))
    assert result.reason.startswith("converged") and result.iterations > 16
    values = result.state.objectives[-1]
    exact = problem.objective(result.x)
    assert len(values) == len(exact) == (1 if axes is None else 2)
    np.testing.assert_allclose(values, exact, rtol=5e-3)
    assert (values >= exact * (1 - 1e-4)).all()  # the tolerance of the value
