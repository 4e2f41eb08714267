"""`solve` refuses a user's operator whose adjoint is wrong, and trusts those that are proved."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import ArgumentError


class Pair(pr.LinearOperator):
    """A matrix and a transpose that the user wrote."""

    def __init__(self, M, transpose):
        self.M, self.transpose, self.calls = M, transpose, 0
        self.in_shape, self.out_shape = (M.shape[1],), (M.shape[0],)

    def _forward(self, x, out):
        self.calls += 1
        out[...] = self.M @ x

    def _adjoint(self, y, out):
        self.calls += 1
        out[...] = self.transpose @ y


M = np.random.default_rng(0).standard_normal((60, 40))
WRONG = {
    "factor": 1.001 * M.T,
    "sign": -M.T,
    "shift": np.roll(M.T, 1, axis=0),
    "one element": M.T + np.eye(40, 60, k=7) * (np.arange(40)[:, None] == 3),
    "nothing": 0 * M.T,
}
SOLVERS = [pr.ConjugateGradient(), pr.LSQR(), pr.LBFGS(), pr.ADMM(), pr.GradientDescent(rule="bb")]


def problem(A, dtype):
    return pr.Problem(pr.LeastSquares(A, np.ones(A.out_shape, dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_adjoint_is_refused_with_both_numbers(name, dtype):
    A = Pair(M, WRONG[name])
    for solver in SOLVERS:
        with pytest.raises(ArgumentError, match=r"Pair: expected an adjoint .* got .* and .*mend"):
            pr.solve(problem(A, dtype), solver)
    with pytest.raises(ArgumentError, match="Pair: expected an adjoint"):
        next(pr.iterate(problem(A, dtype), pr.LBFGS()))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_one_is_tried_once(dtype, scale):
    A = Pair(scale * M, scale * M.T)
    for _ in range(3):
        pr.solve(problem(A, dtype), pr.LBFGS(), stop=pr.Stop(iterations=0))
    assert A.calls == 2 + 3 * 2  # of each solution the gradient at the start


def test_parts_of_expressions_are_tried():
    A = Pair(M, WRONG["shift"])
    for whole in (2 * A, A.T, A + A, pr.Identity(60) @ A, pr.vstack([A, pr.Identity(40)])):
        f = pr.LeastSquares(whole, pr.arrays.vectors.build(whole.out_shape, np.ones))
        with pytest.raises(ArgumentError, match="Pair: expected an adjoint"):
            pr.solve(pr.Problem(f), pr.LBFGS())


def test_a_pair_that_differs_on_purpose_is_let_through():
    class Unmatched(Pair):
        proved_adjoint = True

    pr.solve(problem(Unmatched(M, WRONG["factor"]), np.float32), pr.LBFGS())


def test_a_subclass_that_changes_a_proved_operator_is_tried():
    class Shifted(pr.Blur):
        def _adjoint(self, y, out):
            super()._adjoint(np.roll(y, 1, axis=0), out)

    class Named(pr.Blur):
        pass

    psf = np.ones((3, 3)) / 9
    with pytest.raises(ArgumentError, match="Shifted: expected an adjoint"):
        pr.solve(problem(Shifted(psf, (9, 9), boundary="zero"), np.float32), pr.LBFGS())
    assert Named(psf, (9, 9)).unproved_parts() == []


def test_a_wrong_jacobian_is_refused():
    F = pr.Function(lambda x: x**2, lambda x, dx: 2 * x * dx, lambda x, dy: x * dy, (9,), (9,))
    x0 = np.linspace(1, 2, 9)
    with pytest.raises(ArgumentError, match="FunctionJacobian: expected an adjoint"):
        pr.solve(problem(F, np.float64), pr.GaussNewton(), x0)


def test_operators_of_the_package_are_proved_by_the_tests_of_the_package():
    A = pr.Projector(pr.ParallelBeam([0.0, 1.0], (2, 5), angle_unit="rad"))
    for operator in (A, A.T @ A, pr.Gradient((4, 5)), pr.Wavelet((8, 8)), 2 * A + A):
        assert operator.unproved_parts() == []
