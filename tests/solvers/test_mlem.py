"""MLEM and OSEM against their formula, the laws they obey, and the conditions of the minimum."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import zoo
from naive import joseph_matrix
from tiers import thorough

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.pipeline.scan.measure import SlabData
from physrecon.pipeline.scan.problem import make_likelihood

LONG = pr.Stop(iterations=20_000, rtol=1e-13)


def counts(A, seed=0, level=20.0):
    """Poisson counts of a volume with empty places."""
    rng = np.random.default_rng(seed)
    truth = np.maximum(rng.standard_normal(A.in_shape), 0)
    return rng.poisson(level * (A @ truth)).astype(np.float64)


def naive_em(M, y, b, x, passes, subsets=((0, 1),)):
    """M (rays, voxels), y and b (rays,); subsets: slices (start, step) of the rays."""
    for _ in range(passes):
        for start, step in subsets:
            part = M[start::step]
            p = part @ x + b[start::step]
            ratio = np.where(p > 0, y[start::step] / np.where(p > 0, p, 1), 0)
            sums = part.sum(0)
            x = np.where(sums > 0, x * (part.T @ ratio) / np.where(sums > 0, sums, 1), x)
    return x


@pytest.mark.parametrize("background", [0, 0.7, np.linspace(0, 3, 15).reshape(5, 3)])
def test_mlem_is_its_formula(background):
    A = zoo.positive()
    y = counts(A)
    b = np.broadcast_to(np.asarray(background, float), y.shape).ravel()
    f = pr.PoissonLikelihood(A, y, background)
    result = pr.solve(pr.Problem(f), pr.MLEM(), np.ones(A.in_shape), pr.Stop(iterations=7))
    wanted = naive_em(A.M, y.ravel(), b, np.ones(12), 7)
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-12)
    assert result.history[-1].value == pytest.approx(f.value(result.x), rel=1e-12)


def test_osem_is_its_formula():
    A = zoo.Dense(zoo.random_matrix(15, 12, seed=1), (3, 4), (15,))
    y = counts(A)
    f = pr.PoissonLikelihood(A, y, 0.5)
    for solver, order in (
        (pr.OSEM(3, order="sequential"), [0, 1, 2]),
        (pr.OSEM(5), [0, 3, 1, 4, 2]),
    ):
        result = pr.solve(pr.Problem(f), solver, np.ones(A.in_shape), pr.Stop(iterations=4))
        cut = [(s, solver.subsets) for s in order]
        wanted = naive_em(A.M, y, np.full(15, 0.5), np.ones(12), 4, cut)
        np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-12)
    x = [pr.solve(pr.Problem(f), s, stop=pr.Stop(20)).x for s in (pr.OSEM(1), pr.MLEM())]
    np.testing.assert_allclose(x[0], x[1], rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "background"),
    [
        (zoo.positive, 0.7),
        (zoo.unlike, 0),
        thorough(zoo.positive, 0),
        thorough(zoo.unlike, 0.7),
    ],
)
def test_f_falls_in_every_iteration_to_the_conditions_of_the_minimum(make, background):
    A = make()
    f = pr.PoissonLikelihood(A, counts(A), background)
    result = pr.solve(pr.Problem(f), pr.MLEM(), stop=LONG)
    values = [f.value(np.ones(A.in_shape))] + [record.value for record in result.history]
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    gradient = f.gradient(result.x)
    assert (result.x * np.abs(gradient)).max() < 1e-8
    assert gradient.min() > -1e-5  # where x is 0 the way is up; it comes there slowly
    assert (result.x < 1e-6).any()


def test_counts_are_kept_without_a_background():
    """Σ A x = Σ y after every iteration, in every slice."""
    A = zoo.unlike()
    y = counts(A)
    problem = pr.Problem(pr.PoissonLikelihood(A, y))
    for state, _ in zip(pr.iterate(problem, pr.MLEM()), range(5), strict=False):
        np.testing.assert_allclose((A @ state.x).sum((0, 2)), y.sum((0, 2)), rtol=1e-12)


def test_osem_is_faster_than_mlem_by_its_subsets():
    A = pr.Projector(pr.ParallelBeam(np.arange(24) * 7.5, (1, 15), angle_unit="deg"))
    truth = np.zeros((1, 15, 15))
    truth[0, 4:9, 5:12] = 3
    f = pr.PoissonLikelihood(A, A @ truth)
    value = {
        (solver.name, passes): f.value(
            pr.solve(pr.Problem(f), solver, stop=pr.Stop(iterations=passes)).x
        )
        for solver, passes in ((pr.OSEM(6), 3), (pr.MLEM(), 12), (pr.MLEM(), 24))
    }
    assert value["mlem", 24] < value["osem", 3] < value["mlem", 12]


def test_the_shifted_counts_of_a_camera():
    """gain · counts + offset + read-out noise: counts y' = (y − offset)/gain + s, background s."""
    A = zoo.positive()
    rng = np.random.default_rng(3)
    y = 2.5 * counts(A) + 100 + 4 * rng.standard_normal(A.out_shape)
    f = pr.PoissonGaussianLikelihood(A, y, gain=2.5, offset=100, read_noise=4, background=0.3)
    s = (4 / 2.5) ** 2
    shifted = np.maximum((y - 100) / 2.5 + s, 0)
    for solver in (pr.MLEM(), pr.OSEM(1)):
        result = pr.solve(pr.Problem(f), solver, np.ones(A.in_shape), pr.Stop(iterations=9))
        wanted = naive_em(A.M, shifted.ravel(), np.full(15, s + 0.3), np.ones(12), 9)
        np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-12)


def test_bounds_are_honoured_up_to_the_conditions_of_the_minimum():
    A = zoo.positive()
    f = pr.PoissonLikelihood(A, counts(A), 0.5)
    free = pr.solve(pr.Problem(f), pr.MLEM(), stop=LONG).x
    upper = float(np.quantile(free, 0.7))
    boxed = pr.Problem(f, constraint=pr.Box(0.5, upper))
    result = pr.solve(boxed, pr.MLEM(), stop=LONG)
    gradient, x = f.gradient(result.x), result.x
    inside = (x > 0.5) & (x < upper)
    assert inside.any()
    assert np.abs(gradient[inside]).max() < 1e-8
    assert gradient[x == 0.5].min() > 0
    assert gradient[x == upper].max() < 0
    values = [record.value for record in result.history]
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    same = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), pr.MLEM(), stop=LONG)
    np.testing.assert_array_equal(same.x, free)


def test_zeros_of_x0_stay_and_unseen_voxels_too():
    A = zoo.with_empty_rows()
    y = counts(A)
    x0 = np.full(A.in_shape, 2.0)
    x0[0, 0] = 0
    f = pr.PoissonLikelihood(A, y, 0.1)
    for solver in (pr.MLEM(), pr.OSEM(2)):
        result = pr.solve(pr.Problem(f), solver, x0, pr.Stop(iterations=30))
        assert result.x[0, 0] == 0
        assert result.x.ravel()[[3, 11]].tolist() == [2, 2]
        assert pr.solve(pr.Problem(f), solver).x.ravel()[[3, 11]].tolist() == [0, 0]


def test_a_tuple_of_counts():
    A = zoo.tower()
    rng = np.random.default_rng(0)
    y = tuple(rng.poisson(5, shape).astype(np.float64) for shape in A.out_shape)
    f = pr.PoissonLikelihood(A, y)
    result = pr.solve(pr.Problem(f), pr.MLEM(), stop=LONG)
    assert (result.x * np.abs(f.gradient(result.x))).max() < 1e-7
    total = sum(part.sum() for part in vectors.leaves(A @ result.x))
    assert total == pytest.approx(sum(part.sum() for part in y), rel=1e-12)


def test_float32_is_kept_and_finite_over_many_counts():
    A = zoo.positive()
    y = counts(A, level=1e6).astype(np.float32)
    result = pr.solve(pr.Problem(pr.PoissonLikelihood(A, y)), pr.MLEM(), stop=pr.Stop(500))
    assert result.x.dtype == np.float32
    assert np.isfinite(result.x).all()
    assert (A @ result.x).sum() == pytest.approx(y.sum(), rel=1e-5)


def test_what_is_no_problem_of_counts_is_refused():
    A, signed = zoo.positive(), zoo.signed()
    y = counts(A)

    class Ball:
        bounds = None

        def project(self, x):
            return x

    refused = [
        (pr.Problem(pr.LeastSquares(A, y)), None, "expected PoissonLikelihood"),
        (pr.Problem(pr.PoissonLikelihood(signed, y)), None, "without negative entries"),
        (pr.Problem(pr.PoissonLikelihood(A, y)), -np.ones(A.in_shape), "x0 >= 0"),
        (pr.Problem(pr.PoissonLikelihood(A, y), constraint=Ball()), None, "NonNegative"),
        (pr.Problem(pr.PoissonLikelihood(A, y)), np.zeros(A.in_shape), "give a background"),
        (pr.Problem(pr.PoissonLikelihood(B := zoo.with_empty_rows(), y + 1)), None, "background"),
    ]
    assert B is not A
    for solver in (pr.MLEM(), pr.OSEM(2)):
        for problem, x0, words in refused:
            with pytest.raises(ArgumentError, match=words):
                pr.solve(problem, solver, x0)
    with pytest.raises(ArgumentError, match="counts >= 0"):
        pr.PoissonLikelihood(A, y - 1 - y.max())


def test_jobs_leave_out_rays_that_miss_the_grid():
    """Their noise is no count that any volume could explain."""
    scan = pr.ParallelBeam([0.0, 30.0, 90.0], (1, 9), angle_unit="deg", center=7)
    A = pr.Projector(scan, pr.Grid((1, 5, 5)))
    noise = np.abs(zoo.data_for(A)) + 0.1
    f = make_likelihood(SimpleNamespace(likelihood="poisson"), A, SlabData(noise))
    missed = joseph_matrix(scan, A.grid).sum(1).reshape(3, 1, 9) == 0
    assert missed.any()
    np.testing.assert_array_equal(f.y, np.where(missed, 0, noise))
    assert np.isfinite(pr.solve(pr.Problem(f), pr.MLEM(), stop=pr.Stop(5)).history[-1].value)
