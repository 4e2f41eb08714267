"""FISTA, PDHG and ADMM: slices, resuming, safety."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from tiers import draws

import physrecon as pr
from physrecon.errors import ArgumentError

every_solver = pytest.mark.parametrize("solver", zoo.PROXIMAL)
every_splitting = pytest.mark.parametrize("solver", zoo.PROXIMAL[1:])


# Slices, tuples, precision, resume --------------------------------------------------------------

OF_SLICES = [
    pytest.param(lambda: pr.L1(0.05), None, id="l1"),
    pytest.param(lambda: pr.TotalVariation(0.05, axes=(1, 2)), pr.NonNegative(), id="tv"),
    pytest.param(lambda: pr.Tikhonov(0.2), pr.Box(-0.5, 0.5), id="tikhonov"),
    pytest.param(
        lambda: pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma), axis=0), None, id="denoiser"
    ),
]


@every_solver
@pytest.mark.parametrize(("prior", "constraint"), OF_SLICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slices_alone_are_slices_together(solver, prior, constraint, dtype):
    A = zoo.unlike(5)
    y = zoo.data_for(A, dtype=dtype) * np.geomspace(0.2, 5, 5).astype(dtype).reshape(5, 1)

    def solve(part):
        f = pr.LeastSquares(A.slab(part), np.ascontiguousarray(y[:, part]))
        return pr.solve(pr.Problem(f, prior(), constraint), solver, stop=pr.Stop(60, rtol=1e-2))

    whole = solve(slice(None))
    assert whole.x.dtype == dtype
    assert len({record.active for record in whole.history}) > 1  # they stopped one by one
    for cut in (1, 2):
        slabs = [solve(slice(z, z + cut)) for z in range(0, 5, cut)]
        np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))


@every_solver
def test_a_slice_that_stopped_goes_on_as_if_alone(solver):
    A = zoo.unlike(4)
    y = zoo.data_for(A) * np.geomspace(0.1, 10, 4).reshape(4, 1)

    def problem(part):
        f = pr.LeastSquares(A.slab(part), np.ascontiguousarray(y[:, part]))
        return pr.Problem(f, pr.TotalVariation(0.05, axes=(1, 2)))

    def twice(part):
        """Stopped by a loose rule, then set off again."""
        state = pr.solve(problem(part), solver, stop=pr.Stop(500, rtol=1e-2)).state
        assert not state.active.all() or part != slice(None)
        return pr.solve(problem(part), solver, stop=pr.Stop(1000, rtol=1e-4), state=state).x

    alone = [twice(slice(z, z + 1)) for z in range(4)]
    np.testing.assert_array_equal(twice(slice(None)), np.concatenate(alone))


@every_solver
@pytest.mark.parametrize(("prior", "constraint"), OF_SLICES)
def test_a_resume_from_a_file_is_the_uninterrupted_run(solver, prior, constraint, tmp_path):
    A = zoo.unlike(5)
    f = pr.LeastSquares(A, zoo.data_for(A, dtype=np.float32))
    problem = pr.Problem(f, prior(), constraint)
    whole = pr.solve(problem, solver, stop=pr.Stop(45))
    for k in (1, 17):
        part = pr.solve(problem, solver, stop=pr.Stop(k))
        pr.save_state(tmp_path / "state.h5", part.state)
        state = pr.load_state(tmp_path / "state.h5")
        rest = pr.solve(problem, solver, stop=pr.Stop(45), state=state)
        np.testing.assert_array_equal(rest.x, whole.x)


# Safety ----------------------------------------------------------------------------------------


def random_priors(rng, M, y):
    """None, and priors whose weights leave something of x, and nothing."""
    slope, curvature = abs(M.T @ y).max() + 1e-6, np.linalg.norm(M, 2) ** 2 + 1e-6
    weight = slope * 10 ** rng.uniform(-3, 0.3)
    return [None, pr.L1(weight), pr.TotalVariation(weight), pr.Tikhonov(weight * curvature / slope)]


@draws
@every_solver
def test_random_problems_do_not_diverge(solver, count):
    """In 20 iterations FISTA never ends above its start; the others, which do not go down in every
    iteration, are near or below it however ill the scales fit."""
    margin = 1e-5 if isinstance(solver, pr.FISTA) else 1
    rng = np.random.default_rng(11)
    for i in range(count):
        m, n = rng.integers(1, 9), 2 * rng.integers(1, 5)
        M = rng.uniform(0, 10 ** rng.uniform(-3, 3), (m, n)) * (rng.uniform(size=(m, n)) < 0.7)
        y = (rng.standard_normal(m) * 10 ** rng.uniform(-2, 2)).astype(np.float32)
        prior = random_priors(rng, M, y)[i % 4]
        constraint = [None, pr.NonNegative(), pr.Box(-0.1, 0.1)][i % 3]
        problem = pr.Problem(pr.LeastSquares(zoo.Dense(M, (2, n // 2)), y), prior, constraint)
        result = pr.solve(problem, solver, stop=pr.Stop(iterations=20, rtol=1e-6))
        assert "diverged" not in result.reason
        before, after = (problem.objective(x)[0] for x in (np.zeros_like(result.x), result.x))
        assert after <= before * (1 + margin), i


@pytest.mark.thorough
@every_splitting
def test_random_counts_do_not_diverge(solver):
    rng = np.random.default_rng(12)
    for i in range(50):
        m, n = rng.integers(1, 9), rng.integers(1, 9)
        A = zoo.Dense(rng.uniform(0, 10 ** rng.uniform(-3, 3), (m, n)))
        y = rng.poisson(10 ** rng.uniform(0, 4), m).astype(np.float32)
        prior = [None, pr.L1(A.M.sum(0).mean() * 10 ** rng.uniform(-3, -1))][i % 2]
        problem = pr.Problem(pr.PoissonLikelihood(A, y), prior, pr.NonNegative())
        x0 = np.ones(n, np.float32)
        result = pr.solve(problem, solver, x0, pr.Stop(iterations=80, rtol=1e-6))
        assert "diverged" not in result.reason
        assert problem.objective(result.x)[0] <= problem.objective(x0)[0] * (1 + 1e-5), i


def test_what_cannot_be_solved_is_refused_with_what_can():
    A = zoo.signed()
    y = zoo.data_for(A)
    A._norm_bounds = lambda bounds: (0, np.inf)
    infinite = pr.Problem(pr.LeastSquares(A, y), pr.L1(1))
    with pytest.raises(ArgumentError, match="_norm_bounds"):
        pr.solve(infinite, pr.FISTA())
    with pytest.raises(ArgumentError, match="finite norm"):
        pr.solve(infinite, pr.PDHG())
    assert pr.solve(infinite, pr.ADMM(), stop=pr.Stop(20)).iterations == 20  # needs no norms
    counts = pr.Problem(pr.PoissonLikelihood(zoo.positive(), abs(y)), constraint=pr.NonNegative())
    with pytest.raises(ArgumentError, match="background > 0"):
        pr.solve(counts, pr.FISTA())
    with pytest.raises(ArgumentError, match="closed proximal map"):
        pr.solve(pr.Problem(pr.StudentT(zoo.positive(), y, 1)), pr.ADMM())
    with pytest.raises(ArgumentError, match=r"solvers that take one: ADMM, PDHG"):
        prior = pr.NuclearTotalVariation(1, spacing=1.0)
        pr.solve(
            pr.Problem(pr.LeastSquares(zoo.alike(), zoo.data_for(zoo.alike())), prior), pr.FISTA()
        )
    for steps in (0, 1.5, "few"):
        with pytest.raises(ArgumentError, match=r"ADMM\.steps"):
            pr.ADMM(steps=steps)


def test_a_start_where_counts_are_impossible_is_no_divergence():
    A = zoo.positive()
    y = np.random.default_rng(0).poisson(A @ np.full(A.in_shape, 3.0)).astype(float)
    problem = pr.Problem(pr.PoissonLikelihood(A, y), constraint=pr.NonNegative())
    assert problem.f.value(np.zeros(A.in_shape)) == np.inf
    stop = pr.Stop(iterations=3000, discrepancy=1.2 * np.sqrt(y.size))
    assert pr.solve(problem, pr.PDHG(), stop=stop).reason.startswith("fitted")
