"""What tests/solvers/test_loop.py asks of the others, of solvers that follow the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from zoo.solvers import NESTEROV, SEARCHING, STEPPING

import physrecon as pr
from physrecon.errors import ArgumentError


def sliced_problem(part=slice(None), dtype=np.float32):
    nz = 5
    A = zoo.SliceWise(zoo.random_matrix(nz, 4, 3, 6, seed=4), (2, 3))
    y = zoo.data_for(A, dtype=dtype) * np.geomspace(1, 30, nz).astype(dtype)[:, None]
    return pr.Problem(pr.LeastSquares(A.slab(part), np.ascontiguousarray(y[:, part])))


@pytest.mark.parametrize("solver", STEPPING)
@pytest.mark.parametrize("cut", [1, 2])
def test_volume_does_not_depend_on_the_slabs(solver, cut):
    stop = pr.Stop(60, rtol=0.03)
    whole = pr.solve(sliced_problem(), solver, stop=stop)
    slabs = [
        pr.solve(sliced_problem(slice(z, z + cut)), solver, stop=stop) for z in range(0, 5, cut)
    ]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert len({record.active for record in whole.history}) > 1


@pytest.mark.parametrize("solver", [*STEPPING, *SEARCHING, pr.GaussNewton(inner=1)])
def test_slices_that_set_off_again_do_not_depend_on_the_slabs(solver):
    """They stopped at different times by a loose rule; a strict one sets them moving."""

    def solve(part):
        problem = sliced_problem(part)
        loose = pr.solve(problem, solver, stop=pr.Stop(40, rtol=0.05))
        iterations = loose.iterations + 15
        return pr.solve(problem, solver, stop=pr.Stop(iterations, rtol=1e-4), state=loose.state)

    whole = solve(slice(None))
    assert max(record.active for record in whole.history) > 1
    slabs = [solve(slice(z, z + 1)) for z in range(5)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))


@pytest.mark.parametrize("solver", STEPPING)
def test_a_saved_run_goes_on_bit_for_bit(solver, tmp_path):
    stop = pr.Stop(40, rtol=0.01)
    whole = pr.solve(sliced_problem(), solver, stop=stop)
    part = pr.solve(sliced_problem(), solver, stop=pr.Stop(17, rtol=0.01))
    pr.save_state(tmp_path / "state.h5", part.state)
    state = pr.load_state(tmp_path / "state.h5")
    rest = pr.solve(sliced_problem(), solver, stop=stop, state=state)
    np.testing.assert_array_equal(rest.x, whole.x)
    assert rest.iterations == whole.iterations


@pytest.mark.parametrize("solver", STEPPING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_x0_left_alone(solver, dtype):
    x0 = np.full((5, 2, 3), 0.5)
    result = pr.solve(sliced_problem(dtype=dtype), solver, x0, pr.Stop(3))
    assert result.x.dtype == dtype
    assert (x0 == 0.5).all()
    zeros = pr.solve(sliced_problem(dtype=dtype), solver, 0 * x0, pr.Stop(3))
    none = pr.solve(sliced_problem(dtype=dtype), solver, stop=pr.Stop(3))
    np.testing.assert_array_equal(zeros.x, none.x)


@pytest.mark.parametrize("solver", [*STEPPING, *SEARCHING])
def test_nothing_moves_at_a_solution(solver):
    A = zoo.positive()
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, A @ x)), solver, x)
    np.testing.assert_array_equal(result.x, x)
    assert result.reason.startswith("converged after 1 ")


def test_a_state_of_another_rule_is_refused():
    state = pr.solve(sliced_problem(), NESTEROV, stop=pr.Stop(2)).state
    with pytest.raises(ArgumentError, match="expected a ArmijoState, got NesterovState"):
        pr.solve(sliced_problem(), pr.GradientDescent(rule="armijo"), state=state)


def test_what_has_no_bound_is_refused_with_the_names_of_those_that_need_none():
    A = zoo.positive()
    problem = pr.Problem(pr.TransmissionLikelihood(A, zoo.counts_for(A), 9.0))
    for rule in ("certified", "nesterov"):
        with pytest.raises(ArgumentError, match=r"LBFGS or GradientDescent\(rule='armijo'\)"):
            pr.solve(problem, pr.GradientDescent(rule=rule))
    assert np.isfinite(pr.solve(problem, pr.GradientDescent(rule="armijo")).x).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: pr.GradientDescent(rule="steepest"),
        lambda: pr.GradientDescent(rule=["bb"]),
        lambda: pr.GradientDescent("1"),
        lambda: pr.GradientDescent(1.5, "nesterov"),
        lambda: pr.GradientDescent(0, "armijo"),
        lambda: pr.GradientDescent(np.inf, "bb"),
        lambda: pr.GradientDescent(np.nan),
        lambda: pr.LBFGS(0),
        lambda: pr.LBFGS(2.5),
        lambda: pr.Adam(0),
        lambda: pr.Adam("small"),
        lambda: pr.Adam(beta1=1),
        lambda: pr.Adam(beta2=np.nan),
        lambda: pr.RMSprop(-1),
        lambda: pr.RMSprop(decay=2),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
