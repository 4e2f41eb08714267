"""What every solver does: states, stopping, slabs, resuming, refusals."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import zoo
from zoo.problems import overdetermined

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

every_solver = pytest.mark.parametrize("solver", zoo.SOLVERS)
LONG = pr.Stop(iterations=20_000, rtol=1e-13)


# The loop --------------------------------------------------------------------------------------


def problem_of(nz=None, dtype=np.float64):
    A, y = overdetermined(nz=nz)
    return pr.Problem(pr.LeastSquares(A, y.astype(dtype)))


@every_solver
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_volume_has_the_dtype_of_the_data_and_x0_is_left_alone(solver, dtype):
    problem = problem_of(dtype=dtype)
    x0 = np.full((2, 3), 0.5, np.float64)
    result = pr.solve(problem, solver, x0, pr.Stop(iterations=3))
    assert result.x.dtype == dtype
    assert (x0 == 0.5).all()
    zeros = pr.solve(problem, solver, np.zeros((2, 3), dtype), pr.Stop(iterations=3))
    none = pr.solve(problem, solver, stop=pr.Stop(iterations=3))
    np.testing.assert_array_equal(zeros.x, none.x)


@every_solver
def test_iterate_gives_the_states_of_solve(solver):
    problem = problem_of(nz=3)
    for state in itertools.islice(pr.iterate(problem, solver), 5):
        last = state
    result = pr.solve(problem, solver, stop=pr.Stop(iterations=5))
    assert last.iteration == 5
    np.testing.assert_array_equal(last.x, result.x)


@every_solver
def test_history_tells_what_happened(solver):
    problem = problem_of(nz=3)
    result = pr.solve(problem, solver, stop=pr.Stop(iterations=5))
    assert [record.iteration for record in result.history] == [1, 2, 3, 4, 5]
    if solver.name == "fista":  # it does not compute f(x)
        assert np.isnan(result.history[-1].value)
    else:
        assert result.history[-1].value == pytest.approx(problem.f.value(result.x), rel=1e-8)
    assert result.history[0].change == pytest.approx(1)  # from zero
    assert result.iterations == 5
    assert result.reason.startswith("stopped at the limit of 5 iterations, x still changing by")
    seconds = [record.seconds for record in result.history]
    assert seconds == sorted(seconds)


@every_solver
def test_rtol_is_the_relative_change_of_x(solver):
    problem = problem_of()
    result = pr.solve(problem, solver, stop=pr.Stop(iterations=1000, rtol=1e-3))
    assert result.reason.startswith(f"stopped after {result.iterations} iterations: x changed by")
    assert "no bound of its error" in result.reason
    before = pr.solve(problem, solver, stop=pr.Stop(iterations=result.iterations - 1)).x
    change = np.linalg.norm(result.x - before) / np.linalg.norm(result.x)
    assert change <= 1e-3
    assert result.history[-1].change == pytest.approx(change, rel=1e-6)
    assert result.history[-2].change > 1e-3


@every_solver
def test_discrepancy_is_the_norm_of_the_weighted_residual(solver):
    A, y = overdetermined()
    w = np.linspace(0.5, 2, 12).reshape(4, 3)
    problem = pr.Problem(pr.LeastSquares(A, y, w))

    def residual(x):
        return np.linalg.norm(np.sqrt(w) * (A @ x - y))

    floor = residual(pr.solve(problem, solver, stop=LONG).x)
    result = pr.solve(problem, solver, stop=pr.Stop(discrepancy=1.05 * floor))
    before = pr.solve(problem, solver, stop=pr.Stop(iterations=result.iterations - 1)).x
    assert result.reason.startswith("fitted")
    assert residual(result.x) <= 1.05 * floor < residual(before)
    assert pr.solve(problem, solver, stop=pr.Stop(discrepancy=1e3)).iterations == 0


def test_one_discrepancy_is_that_of_the_whole_data():
    A, y = overdetermined(nz=4)
    problem = pr.Problem(pr.LeastSquares(A, y))
    wanted = 0.3 * np.linalg.norm(y)
    one = pr.solve(problem, pr.SIRT(), stop=pr.Stop(discrepancy=wanted))
    assert np.linalg.norm(A @ one.x - y) <= wanted
    each = pr.solve(problem, pr.SIRT(), stop=pr.Stop(discrepancy=np.full(4, wanted / 2)))
    np.testing.assert_array_equal(each.x, one.x)
    with pytest.raises(ArgumentError, match=r"one number or 4"):
        pr.solve(problem, pr.SIRT(), stop=pr.Stop(discrepancy=[1, 2]))


def test_seconds_and_callback_stop():
    problem = problem_of()
    result = pr.solve(
        problem, pr.SIRT(), stop=pr.Stop(seconds=0.05), callback=lambda state: time.sleep(0.02)
    )
    assert 1 <= result.iterations <= 3
    assert result.reason.startswith("stopped at the limit of 0.05 s")
    seen = []
    result = pr.solve(
        problem, pr.SIRT(), callback=lambda state: seen.append(state.iteration) or len(seen) == 3
    )
    assert seen == [1, 2, 3]
    assert result.reason.startswith("stopped by the callback after 3 iterations")
    assert result.iterations == 3


@every_solver
@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("rule", ["rtol", "discrepancy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_volume_does_not_depend_on_the_slabs(solver, cut, rule, dtype):
    nz = 7
    A, y = overdetermined(nz=nz)
    y = y.astype(dtype)
    weights = np.linspace(0.5, 1, 12 * nz).reshape(A.out_shape)
    norms = np.sqrt((y**2).sum((0, 2))) * np.geomspace(0.6, 0.1, nz)

    def solve(part):
        f = pr.LeastSquares(A.slab(part), y[:, part], weights[:, part])
        stop = pr.Stop(30, rtol=2e-2) if rule == "rtol" else pr.Stop(30, discrepancy=norms[part])
        return pr.solve(pr.Problem(f), solver, stop=stop)

    whole = solve(slice(None))
    slabs = [solve(slice(z, z + cut)) for z in range(0, nz, cut)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert len({record.active for record in whole.history}) > 1  # they stopped one by one
    assert whole.iterations == max(slab.iterations for slab in slabs)


@every_solver
def test_slabs_of_projections_give_the_bytes_of_the_volume(solver):
    nz, views = 5, 20
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=(nz, 15, 15)).astype(np.float32)

    def projector(rows):
        return pr.Projector(
            pr.ParallelBeam(np.arange(views) * 9.0, (rows, 15), angle_unit="deg", center=6.7)
        )

    y = projector(nz) @ truth
    norms = np.sqrt((y**2).sum((0, 2))) * np.geomspace(0.2, 0.02, nz)

    def solve(part):
        f = pr.LeastSquares(projector(y[:, part].shape[1]), y[:, part])
        return pr.solve(pr.Problem(f), solver, stop=pr.Stop(30, discrepancy=norms[part]))

    whole = solve(slice(None))
    slabs = [solve(slice(z, z + 2)) for z in range(0, nz, 2)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert len({record.active for record in whole.history}) > 1


@every_solver
def test_a_resumed_run_is_the_uninterrupted_one(solver):
    A, y = overdetermined(nz=5)
    problem = pr.Problem(pr.LeastSquares(A, y.astype(np.float32)))
    stop = pr.Stop(iterations=60, rtol=1e-3)
    whole = pr.solve(problem, solver, stop=stop)
    first = next(record.iteration for record in whole.history if record.active < 5)
    part = pr.solve(problem, solver, stop=pr.Stop(iterations=first, rtol=1e-3))
    assert not part.state.active.all()  # some slices had stopped at the break
    assert first < whole.iterations
    rest = pr.solve(problem, solver, stop=stop, state=part.state)
    np.testing.assert_array_equal(rest.x, whole.x)
    assert (rest.iterations, rest.reason) == (whole.iterations, whole.reason)
    again = pr.solve(problem, solver, stop=stop, state=rest.state)
    assert (again.iterations, again.history) == (whole.iterations, [])


def test_a_stricter_rule_sets_stopped_slices_moving_again():
    problem = problem_of(nz=5)
    loose = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(rtol=1e-1))
    strict = pr.solve(problem, pr.ConjugateGradient(), stop=LONG, state=loose.state)
    direct = pr.solve(problem, pr.ConjugateGradient(), stop=LONG)
    np.testing.assert_allclose(strict.x, direct.x, rtol=1e-12, atol=1e-14)


class Treacherous(zoo.SliceWise):
    """Its adjoint is far too long in slice 1, which no honest bound foresees."""

    proved_adjoint = True  # it is not: `solve` shall not see it at once

    def _adjoint(self, y, out):
        super()._adjoint(y, out)
        out[1] *= 1e200


@every_solver
def test_divergence_is_named_and_keeps_to_its_slice(solver):
    A, y = overdetermined(nz=3)
    bad = Treacherous(A.matrices, A.plane)
    bad._norm_bounds = lambda bounds: (1, 2)
    bad.nonnegative = isinstance(solver, pr.SIRT)
    if bad.nonnegative:
        bad.column_sums = A.column_sums
    stop = pr.Stop(iterations=400, rtol=1e-6)
    result = pr.solve(pr.Problem(pr.LeastSquares(bad, y)), solver, stop=stop)
    assert "1 diverged" in result.reason
    A._norm_bounds = bad._norm_bounds
    A.nonnegative = bad.nonnegative
    good = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=stop)
    np.testing.assert_array_equal(result.x[[0, 2]], good.x[[0, 2]])


@every_solver
def test_nothing_to_do(solver):
    A = zoo.unlike(0)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, zoo.data_for(A))), solver)
    assert result.x.shape == (0, 2, 3)
    assert result.reason == "nothing to do: there are no slices"
    empty = zoo.Dense(np.zeros((0, 6)))
    result = pr.solve(pr.Problem(pr.LeastSquares(empty, np.zeros(0))), solver)
    assert result.x.tolist() == [0] * 6


# Refusals --------------------------------------------------------------------------------------


def test_constraints_are_refused_with_the_names_of_those_that_take_them():
    A, y = overdetermined()
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    with pytest.raises(ArgumentError, match=r"GradientDescent.*, Landweber.*, SIRT"):
        pr.solve(problem, pr.ConjugateGradient())
    with pytest.raises(ArgumentError, match="NonNegative"):
        next(pr.iterate(problem, pr.ConjugateGradient()))


@pytest.mark.parametrize("solver", zoo.ALL_SOLVERS, ids=lambda solver: solver.name)
def test_priors_that_a_solver_cannot_use_are_refused(solver):
    class Odd(pr.Prior):
        capabilities = ("odd",)

        def couples(self, axis, shape):
            return False

    A, y = overdetermined()
    with pytest.raises(ArgumentError, match="without a Odd prior"):
        pr.solve(pr.Problem(pr.LeastSquares(A, y), prior=Odd(1.0)), solver)


def test_sirt_refuses_negative_entries_and_landweber_an_infinite_norm():
    A = zoo.signed()
    A._norm_bounds = lambda bounds: (0, np.inf)
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A)))
    with pytest.raises(ArgumentError, match="without negative entries"):
        pr.solve(problem, pr.SIRT())
    with pytest.raises(ArgumentError, match="_norm_bounds"):
        pr.solve(problem, pr.Landweber())


@pytest.mark.parametrize(
    "make",
    [
        lambda: pr.Stop(iterations=-1),
        lambda: pr.Stop(iterations=2.5),
        lambda: pr.Stop(iterations="many"),
        lambda: pr.Stop(rtol=-1e-3),
        lambda: pr.Stop(rtol=float("nan")),
        lambda: pr.Stop(rtol=None),
        lambda: pr.Stop(rtol=[1, 2]),
        lambda: pr.Stop(discrepancy=-1),
        lambda: pr.Stop(discrepancy=[1, float("inf")]),
        lambda: pr.Stop(seconds="soon"),
        lambda: pr.GradientDescent(step=2),
        lambda: pr.GradientDescent(step=0),
        lambda: pr.Landweber(step=1),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ArgumentError):
        make()


@every_solver
@pytest.mark.parametrize(
    "x0", [np.zeros((3, 2)), np.full((2, 3), np.nan), np.zeros((2, 3), int), "zeros"]
)
def test_x0_that_does_not_fit_is_refused(solver, x0):
    with pytest.raises(ArgumentError):
        pr.solve(problem_of(), solver, x0)


def test_x0_and_state_exclude_each_other():
    problem = problem_of()
    state = pr.solve(problem, pr.SIRT(), stop=pr.Stop(2)).state
    with pytest.raises(ArgumentError, match="both"):
        pr.solve(problem, pr.SIRT(), np.zeros((2, 3)), state=state)


def test_start_is_inside_the_constraint():
    A, y = overdetermined()
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    result = pr.solve(problem, pr.SIRT(), np.full((2, 3), -1.0), pr.Stop(iterations=0))
    assert result.x.tolist() == np.zeros((2, 3)).tolist()


def test_a_state_of_something_else_is_refused():
    problem = pr.Problem(pr.LeastSquares(A := zoo.positive(), zoo.data_for(A)))
    state = pr.solve(problem, pr.SIRT(), stop=pr.Stop(iterations=2)).state
    with pytest.raises(ArgumentError, match="expected a ConjugateGradientState, got SIRTState"):
        pr.solve(problem, pr.ConjugateGradient(), state=state)
    other = pr.Problem(pr.LeastSquares(B := zoo.alike(), zoo.data_for(B)))
    with pytest.raises(ArgumentError, match="belongs to another problem"):
        pr.solve(other, pr.SIRT(), state=state)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_sums_of_float32_do_not_overflow(scale):
    x = np.full(50_000, scale, np.float32)
    exact = float(np.float32(scale)) ** 2 * x.size
    one = [np.ones(1)] * 2
    assert vectors.dots(x, x)[0] == pytest.approx(exact, rel=1e-12)
    assert vectors.distances(x, 0 * x)[0] == pytest.approx(exact, rel=1e-12)
    assert vectors.scale_add(0 * x, *one, x, None, [True])[0] == pytest.approx(exact, rel=1e-12)
    bounds = (-np.inf, np.inf)
    moved, size = vectors.step_within(0 * x, one[0], x, bounds, None, [True])
    assert moved[0] == size[0] == pytest.approx(exact, rel=1e-12)
