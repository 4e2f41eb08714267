"""Iterations end where the objective has stopped falling, which closed forms foretell."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.jobs.settings import CONVERGED
from physrecon.solvers.convergence import is_mark, next_mark

D = np.array([1.0, 0.6, 0.3, 0.2])
Y = np.array([2.0, -1.0, 0.5, 1.0])
RIDGE = 0.05


def objective(d: np.ndarray, k: np.ndarray, step: float) -> np.ndarray:
    """½‖D x − y‖² + ½ w ‖x‖² of gradient descent from 0, per iteration: x_k = (1 − qᵏ) x*."""
    curvature = d**2 + RIDGE
    best = d * Y / curvature
    x = (1 - (1 - step * curvature) ** k[:, None]) * best
    return ((d * x - Y) ** 2 + RIDGE * x**2).sum(1) / 2


def wanted(d: np.ndarray, gain: float, step: float) -> int:
    """The first iteration of the rule, from the closed form."""
    k = np.arange(0, 2000)
    F = objective(d, k, step)
    marks = [n for n in k if is_mark(int(n)) and n >= 16]
    return int(next(n for n in marks if F[n // 2] - F[n] <= gain * F[n]))


def problem(d: np.ndarray) -> pr.Problem:
    A = pr.Diagonal(d, d.shape)
    y = np.broadcast_to(Y, d.shape).copy()
    return pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(RIDGE))


@pytest.mark.parametrize("gain", [1e-2, 1e-4, 1e-7])
def test_iterations_end_where_the_closed_form_says(gain):
    made = problem(D)
    stop = pr.Stop(iterations=2000, gain=gain)
    result = pr.solve(made, pr.GradientDescent(step=0.9), stop=stop)
    assert result.iterations == wanted(D, gain, 0.9 / float(made.lipschitz[0]))
    assert result.reason.startswith(f"converged after {result.iterations} iterations: the last")


def test_a_solver_that_does_not_compute_f_stops_alike():
    """FISTA is within the gain of the minimum, which is known."""
    made = problem(D)
    least = 0.5 * float((RIDGE * Y**2 / (D**2 + RIDGE)).sum())
    for gain in (1e-2, 1e-4):
        result = pr.solve(made, pr.FISTA(), stop=pr.Stop(iterations=2000, gain=gain))
        assert result.iterations < 2000
        assert 0 <= float(made.objective(result.x)[0]) / least - 1 <= gain


def test_nothing_is_judged_before_iteration_16_and_the_limit_stays():
    solver = pr.GradientDescent()
    assert pr.solve(problem(D), solver, stop=pr.Stop(iterations=99, gain=0.9)).iterations == 16
    result = pr.solve(problem(D), solver, stop=pr.Stop(iterations=20, gain=1e-9))
    assert result.reason.startswith("stopped at the limit of 20 iterations")


def test_a_resumed_run_stops_at_the_same_iteration(tmp_path):
    stop = pr.Stop(iterations=2000, gain=1e-5)
    whole = pr.solve(problem(D), pr.FISTA(), stop=stop)
    for cut in (7, 13, 16, 21):
        first = pr.solve(problem(D), pr.FISTA(), stop=pr.Stop(iterations=cut, gain=1e-5))
        pr.save_state(tmp_path / "s.h5", first.state)
        state = pr.load_state(tmp_path / "s.h5")
        rest = pr.solve(problem(D), pr.FISTA(), stop=stop, state=state)
        assert rest.iterations == whole.iterations
        assert np.array_equal(rest.x, whole.x)


def test_a_slice_stops_by_itself():
    """Three slices together give what each gives alone."""
    scan = pr.ParallelBeam(np.arange(0, 180, 12), (3, 12), angle_unit="deg")
    A = pr.Projector(scan)
    x = np.random.default_rng(0).random((3, 12, 12))
    y = A @ (x * np.array([1, 1, 0.01])[:, None, None])
    y[1] += np.random.default_rng(1).normal(0, 3, y[1].shape)

    def solved(y: np.ndarray, A: pr.Projector) -> pr.Result:
        made = pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(0.5))
        return pr.solve(made, pr.GradientDescent(), stop=pr.Stop(iterations=4000, gain=1e-3))

    together = solved(y, A)
    for i in range(3):
        alone = solved(y[:, i : i + 1].copy(), pr.Projector(scan.part(slice(i, i + 1))))
        assert np.allclose(alone.x[0], together.x[i], rtol=1e-12, atol=1e-14)
    assert "converged" in together.reason


def test_the_marks_are_four_an_octave():
    marks = [k for k in range(1, 200) if is_mark(k)]
    assert marks[:11] == [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48]
    assert all(next_mark(k) == min(m for m in marks if m >= k) for k in range(1, 190))


@pytest.mark.thorough
@pytest.mark.parametrize("solver", [pr.FISTA(), pr.PDHG(), pr.ADMM()], ids=lambda s: s.name)
@pytest.mark.parametrize("prior", [pr.TotalVariation(0.02), pr.WaveletL1(0.02)], ids=str)
def test_the_gain_of_jobs_ends_within_a_thousandth_of_the_least_objective(prior, solver):
    x = np.zeros((16, 16))
    x[4:11, 5:13] = 1
    A = pr.Blur(np.ones((3, 3)) / 9, x.shape, "reflect")
    y = A @ x + 0.05 * np.random.default_rng(0).standard_normal(x.shape)
    made = pr.Problem(pr.LeastSquares(A, y), prior)
    result = pr.solve(made, solver, stop=pr.Stop(iterations=1000, gain=CONVERGED))
    least = made.objective(pr.solve(made, pr.FISTA(), stop=pr.Stop(iterations=1500)).x)[0]
    assert result.iterations < 1000
    assert made.objective(result.x)[0] <= least * (1 + 1e-3)
