"""Richardson–Lucy against its formula, the laws it obeys, and other solvers of the same problem."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import zoo
from naive import matrix, slope
from scipy.optimize import minimize_scalar
from zoo.problems import bell

import physrecon as pr
from physrecon.likelihoods import expectation

BOTH = pytest.mark.parametrize("accelerate", [True, False])


def scene(shape, level=200.0, seed=0):
    """Boxes and points on a dim ground."""
    rng = np.random.default_rng(seed)
    x = np.full(shape, 0.02 * level)
    for _ in range(6):
        begin = [rng.integers(0, n) for n in shape]
        part = tuple(
            slice(b, b + rng.integers(1, max(2, n // 3))) for b, n in zip(begin, shape, strict=True)
        )
        x[part] += level * rng.uniform(0.2, 1)
    return x


def blurred(shape, psf_shape, boundary="zero", background=5.0, dtype=np.float64, seed=0):
    A = pr.Blur(bell(*psf_shape), shape, boundary)
    mean = A @ scene(A.in_shape, seed=seed) + background
    y = np.random.default_rng(seed).poisson(mean).astype(dtype)
    return pr.PoissonLikelihood(A, y, background)


def objective(f, prior, x):
    return f.value(x) + (prior.value(x) if prior is not None else 0)


# The method -------------------------------------------------------------------------------------


def naive_rl(M, y, b, n, accelerate):
    """Richardson (1972), and the steps of Biggs and Andrews (1997), number by number."""
    sums = M.sum(0)
    x = np.where(sums > 1e-9, (y - b).sum() / M.sum(), 0)
    before, last = x, None
    for _ in range(n):
        u = x * (M.T @ (y / (M @ x + b))) / sums
        step = u - x
        alpha = 0.0
        if accelerate and last is not None:
            alpha = np.clip((step @ last) / (last @ last), 0, 1)
        x, before, last = np.maximum(u + alpha * (u - before), u / 2), u, step
    return x


@BOTH
@pytest.mark.parametrize("boundary", ["zero", "unknown", "periodic"])
def test_it_is_its_formula(accelerate, boundary):
    f = blurred((9, 8), (3, 4), boundary)
    result = pr.solve(pr.Problem(f), pr.RichardsonLucy(accelerate), stop=pr.Stop(iterations=6))
    wanted = naive_rl(matrix(f.A), f.y.ravel(), 5.0, 6, accelerate)
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-8)
    assert result.history[-1].value == pytest.approx(f.value(result.x), rel=1e-9)


def test_the_first_image_is_flat_and_gives_the_counts():
    f = blurred((9, 8), (3, 4))
    x = pr.RichardsonLucy().start(pr.Problem(f)).x
    assert np.ptp(x) == 0
    assert (f.A @ x + 5).sum() == pytest.approx(f.y.sum(), rel=1e-12)
    dark = pr.PoissonLikelihood(f.A, f.y, 1000.0)
    x = pr.RichardsonLucy().start(pr.Problem(dark)).x
    assert (f.A @ x).sum() == pytest.approx(0.01 * f.y.sum(), rel=1e-12)


def test_slices_have_levels_of_their_own():
    A = zoo.unlike()
    y = zoo.counts_for(A, 9.0) * np.array([1, 5, 0]).reshape(1, 3, 1)
    x = pr.RichardsonLucy().start(pr.Problem(pr.PoissonLikelihood(A, y))).x
    np.testing.assert_allclose((A @ x).sum((0, 2)), y.sum((0, 2)), rtol=1e-12)


def reached(f, target, iterations=20, problem=None):
    """The iteration at which accelerated steps are at the target."""
    history = pr.solve(pr.Problem(f), pr.RichardsonLucy(), stop=pr.Stop(iterations)).history
    return next((r.iteration for r in history if r.value <= target), None)


@pytest.mark.parametrize(
    ("shape", "psf"), [((60, 50), (9, 9)), ((16, 30, 28), (5, 7, 7)), ((4, 40, 40), (9, 9))]
)
@pytest.mark.parametrize("boundary", ["zero", "unknown"])
def test_twenty_accelerated_iterations_do_what_fifty_plain_ones_do(shape, psf, boundary):
    f = blurred(shape, psf, boundary, dtype=np.float32)
    plain = pr.solve(pr.Problem(f), pr.RichardsonLucy(False), stop=pr.Stop(50))
    assert reached(f, plain.history[-1].value) is not None


@pytest.mark.thorough
def test_measured_bars_in_twenty_iterations(shared_data):
    tifffile = pytest.importorskip("tifffile")
    read = (
        tifffile.imread(shared_data / f"epfl_bars/bars-25pct-{n}.tif") for n in ("data", "kernel")
    )
    y, psf = (a.astype(np.float32) for a in read)
    f = pr.PoissonLikelihood(pr.Blur(psf, y.shape, normalize=True), y, 1e-3 * float(y.mean()))
    plain = pr.solve(pr.Problem(f), pr.RichardsonLucy(False), stop=pr.Stop(50))
    assert reached(f, plain.history[-1].value) <= 20


def random_problems(count, prior=None):
    rng = np.random.default_rng(5)
    for _ in range(count):
        M = rng.uniform(size=(20, 12)) * (rng.uniform(size=(20, 12)) < 0.3)
        A = zoo.Dense(M, (3, 4), (20,))
        y = rng.poisson(rng.uniform(0, 9, 20)).astype(np.float64)
        f = pr.PoissonLikelihood(A, y, rng.uniform(0.01, 1, 20))
        yield pr.Problem(f, prior=prior)


PRIORS = [
    None,
    pr.Tikhonov(0.3),
    pr.Tikhonov(0.3, pr.Gradient),
    pr.L1(0.4),
    pr.HuberTV(0.5, 0.2),
    pr.HuberTV(3.0, 0.2, isotropic=False, spacing=(0.5, 2)),
    pr.HuberTV(0.5, 0.2, axes=(1,)) + pr.L1(0.1),
]


@BOTH
@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_objective_never_rises_and_x_stays_positive(prior, accelerate):
    restarts = 0
    for problem in random_problems(5, prior):
        solver, state = pr.RichardsonLucy(accelerate), None
        values = [np.inf]
        for i, state in enumerate(pr.iterate(problem, solver)):
            values.append(objective(problem.f, prior, state.x))
            assert (state.x >= 0).all()
            restarts += accelerate and i > 0 and state.length[0] == 0
            if i == 40:
                break
        assert (np.diff(values) <= 1e-12 * abs(values[1])).all()
    assert restarts > 0 or not accelerate or prior is not None


def test_a_step_that_goes_too_far_is_taken_back():
    """Where extrapolation alone would raise f, x is what maximisation gave."""
    risen = []
    for problem in random_problems(40):
        f = problem.f
        states = pr.iterate(problem, pr.RichardsonLucy())
        for i, state in zip(range(80), states, strict=False):
            if i and state.length[0] == 0 and state.change[0] > 0:
                np.testing.assert_array_equal(state.x, state.before)
                risen.append(f.value(state.x))
    assert risen


def test_bounds_are_honoured():
    f = blurred((9, 8), (3, 3))
    for accelerate in (True, False):
        problem = pr.Problem(f, constraint=pr.Box(20, 90))
        result = pr.solve(problem, pr.RichardsonLucy(accelerate), stop=pr.Stop(3000, rtol=1e-12))
        gradient, x = f.gradient(result.x), result.x
        assert x.min() == 20 and x.max() == 90
        assert np.abs(gradient[(x > 20) & (x < 90)]).max() < 1e-4
        assert gradient[x == 20].min() > -1e-9 and gradient[x == 90].max() < 1e-9


def test_voxels_behind_the_zeros_of_a_psf_are_left_alone():
    """What a transform leaves there is rounding, which must not grow."""
    psf = np.zeros((7, 7))
    psf[2:5, 2:5] = bell(3, 3)
    A = pr.Blur(psf, (20, 20), "unknown", method="fft")
    y = (A @ scene(A.in_shape)).astype(np.float32)
    problem = pr.Problem(pr.PoissonLikelihood(A, y))
    for solver in (pr.RichardsonLucy(), pr.MLEM()):
        x = pr.solve(problem, solver, stop=pr.Stop(100)).x
        assert (x[0] == 0).all() and (x[:, -1] == 0).all()
        assert x.max() < 2000
    for prior in (pr.HuberTV(1e-10, 100), pr.HuberTV(1e-7, 1000)):  # which move them from 0
        problem, last = pr.Problem(problem.f, prior), np.inf
        for state, _ in zip(pr.iterate(problem, pr.RichardsonLucy()), range(100), strict=False):
            value = float(problem.objective(state.x).sum())
            assert value <= last * (1 + 1e-5)
            last = value
        assert state.x.max() < 2000


# Priors -----------------------------------------------------------------------------------------

SHAPE = zoo.PRIOR_SHAPE
SCALE = np.array([0.7])
every_surrogate = pytest.mark.parametrize("make", zoo.priors_of("surrogate"))


def surrogate(prior, x, axis=None, scale=SCALE):
    g, c = np.zeros_like(x), np.zeros_like(x)
    prior.surrogate(x, axis, scale, g, c)
    return g, c


@every_surrogate
def test_surrogates_touch_the_prior_and_lie_above_it(make):
    prior, rng = make(), np.random.default_rng(0)
    for _ in range(40):
        x = rng.uniform(0, 1, SHAPE) * (rng.uniform(size=SHAPE) < 0.8)
        g, c = surrogate(prior, x)
        assert (c >= 0).all()

        def value(u):
            return prior.surrogate_values(u, None, SCALE)[0]

        direction = rng.standard_normal(SHAPE)
        inside = x + 0.5
        at_inside, _ = surrogate(prior, inside)
        wanted = slope(value, inside, direction, 1e-6)
        assert (at_inside * direction).sum() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        step = 10.0 ** rng.integers(-3, 1)
        u = np.maximum(x + step * rng.standard_normal(SHAPE), 0)
        above = value(x) + (g * (u - x)).sum() + 0.5 * (c * (u - x) ** 2).sum()
        assert value(u) <= above + 1e-10


@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 5), (1, 6, 1)])
@pytest.mark.parametrize("isotropic", [True, False])
def test_curvature_of_the_parabola_is_twice_the_diagonal(shape, isotropic):
    """c is 2 diag(∇ᵀ D ∇) with D the diffusivity, by the matrix of the differences."""
    spacing = (0.5, 2.0, 0.8)[: len(shape)]
    prior, x = pr.HuberTV(0.7, 0.3, isotropic=isotropic, spacing=spacing), scene(shape, 1.0)
    D = prior.operator(shape)
    K, rises = matrix(D), D @ x
    norms = np.sqrt((rises**2).sum(0, keepdims=True)) if isotropic else abs(rises)
    d = np.broadcast_to(0.7 / np.maximum(norms, 0.3), rises.shape).ravel()
    g, c = surrogate(prior, x)
    np.testing.assert_allclose(c.ravel(), 2 * (K**2 * d[:, None]).sum(0), rtol=1e-12)
    np.testing.assert_allclose(g.ravel(), K.T @ (d * rises.ravel()), rtol=1e-10, atol=1e-12)


def test_every_voxel_takes_the_minimum_of_its_own_function():
    rng = np.random.default_rng(0)
    x, F, a = rng.uniform(0.1, 3, (3, 40))
    g, c = rng.standard_normal(40), rng.uniform(0, 4, 40)
    F[:5] = 0
    c[5:10], g[5:10] = 0, abs(g[5:10])
    u = x.copy()
    expectation.multiply(u, F.copy(), a, (g, c), (0.0, np.inf), None, [True])
    for i in range(40):

        def function(v, i=i):
            entropy = x[i] * F[i] * np.log(v) if F[i] else 0
            return a[i] * v - entropy + g[i] * (v - x[i]) + 0.5 * c[i] * (v - x[i]) ** 2

        best = minimize_scalar(
            function, bounds=(1e-12, 60), method="bounded", options={"xatol": 1e-9}
        )
        assert u[i] == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("prior", [pr.HuberTV(2.0, 0.5, spacing=(1, 0.7)), pr.Tikhonov(0.05)])
def test_it_ends_where_pdhg_ends(prior):
    f = blurred((7, 8), (3, 3))
    problem = pr.Problem(f, prior=prior, constraint=pr.NonNegative())
    ours = pr.solve(problem, pr.RichardsonLucy(), stop=pr.Stop(4000, rtol=1e-10)).x
    other = pr.solve(problem, pr.PDHG(), stop=pr.Stop(20_000, rtol=1e-11)).x
    np.testing.assert_allclose(ours, other, atol=2e-3 * other.max())
    assert objective(f, prior, ours) <= objective(f, prior, other) * (1 + 1e-8)


def test_total_variation_ends_near_that_without_rounding():
    """Huber's function is at most δ/2 below the norm, so the minima are no farther apart."""
    f = blurred((7, 8), (3, 3))
    prior = pr.TotalVariation(2.0)
    problem = pr.Problem(f, prior=prior, constraint=pr.NonNegative())
    result = pr.solve(problem, pr.RichardsonLucy(), stop=pr.Stop(6000, rtol=1e-10))
    other = pr.solve(problem, pr.PDHG(), stop=pr.Stop(20_000, rtol=1e-11)).x
    rounding = 2.0 * 0.01 * result.state.level[0] / 2 * f.y.size
    least = objective(f, prior, other)
    assert least * (1 - 1e-9) <= objective(f, prior, result.x) <= least + rounding
    np.testing.assert_allclose(result.x, other, atol=0.02 * other.max())


@BOTH
@pytest.mark.parametrize("prior", [pr.TotalVariation(0.2, axes=(1, 2)), pr.L1(0.3)], ids=repr)
def test_slices_do_not_depend_on_their_neighbours(prior, accelerate):
    A = zoo.unlike(5)
    y = zoo.counts_for(A, 20.0).astype(np.float32) * np.arange(1, 6, dtype=np.float32)[:, None]

    def solve(part):
        f = pr.PoissonLikelihood(A.slab(part), y[:, part], 0.3)
        stop = pr.Stop(30, rtol=1e-2)
        return pr.solve(pr.Problem(f, prior=prior), pr.RichardsonLucy(accelerate), stop=stop).x

    parts = [solve(slice(z, z + 2)) for z in (0, 2, 4)]
    np.testing.assert_array_equal(solve(slice(None)), np.concatenate(parts))


@BOTH
def test_a_resumed_run_with_a_prior_ends_with_the_same_bytes(tmp_path, accelerate):
    f = blurred((4, 12, 11), (3, 3), dtype=np.float32)
    problem = pr.Problem(f, prior=pr.TotalVariation(0.1))
    solver = pr.RichardsonLucy(accelerate)
    whole = pr.solve(problem, solver, stop=pr.Stop(12))
    half = pr.solve(problem, solver, stop=pr.Stop(5))
    pr.save_state(tmp_path / "state.h5", half.state)
    rest = pr.solve(problem, solver, stop=pr.Stop(12), state=pr.load_state(tmp_path / "state.h5"))
    assert rest.x.tobytes() == whole.x.tobytes()


def test_stops_at_the_discrepancy():
    f = blurred((40, 40), (7, 7), dtype=np.float32)
    result = pr.solve(pr.Problem(f), pr.RichardsonLucy(), stop=pr.Stop(100, discrepancy="auto"))
    assert result.reason.startswith("fitted")
    assert 2 <= result.iterations < 60


@pytest.mark.parametrize(
    ("accelerate", "prior", "most"),
    [(False, None, 5), (True, None, 7), (True, pr.TotalVariation(0.01), 9)],
)
def test_memory_is_what_it_says(accelerate, prior, most):
    """At the peak: y, the ratio and the volumes; the identity needs no memory to work."""
    y = scene((40, 64, 64)).astype(np.float32)
    f = pr.PoissonLikelihood(pr.Identity(y.shape), y, 1)
    problem, solver = pr.Problem(f, prior=prior), pr.RichardsonLucy(accelerate)
    pr.solve(problem, solver, stop=pr.Stop(1))
    tracemalloc.start()
    pr.solve(problem, solver, stop=pr.Stop(2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sets, volumes = solver.holds
    assert sets + volumes + 2 * (prior is not None) == most
    assert peak / y.nbytes <= most - 1 + 0.3  # y was there before
