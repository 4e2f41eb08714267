"""f(s · y) = s · f(y): a result has the unit of the data, if all that has a unit scales along."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import zoo
from tiers import thorough
from zoo.problems import bell

import physrecon as pr
from physrecon.catalog import WEIGHT_RULES

SCALES = [1e-30, 1e-20, 1e-10, 1e10, 1e20, 1e30]
POWERS = [-100, -57, -3, 40, 99]  # of two
STOP = pr.Stop(iterations=4)  # later ones amplify the rounding of the data, which 1e-10 changes


SCAN = pr.ParallelBeam(range(0, 180, 20), (2, 13), angle_unit="deg")


def sinogram(dtype: Any) -> tuple[Any, Any]:
    A = pr.Projector(SCAN)
    x = np.zeros(A.in_shape, np.float32)
    x[:, 3:9, 4:8] = [[[3]], [[0.7]]]
    noise = 0.05 * np.random.default_rng(0).standard_normal(A.out_shape)
    return A, (A @ x + noise).astype(dtype)


def problem(solver: Any, dtype: Any, s: float) -> pr.Problem:
    """Least squares, or counts, of data in other units: 1 becomes s."""
    A, y = sinogram(dtype)
    y = (y.astype(np.float64) * s).astype(dtype)
    if solver.counts_only:
        return pr.Problem(pr.PoissonLikelihood(A, abs(y), background=0.01 * s))
    return pr.Problem(pr.LeastSquares(A, y))


def with_step(solver: Any, s: float) -> Any:
    """A step that the user gives has the unit of x."""
    given = isinstance(solver, pr.Adam | pr.RMSprop) and solver.step is not None
    return type(solver)(step=solver.step * s) if given else solver


EACH = [
    *(pytest.param(solver, id=solver.name) for solver in zoo.ALL_SOLVERS),
    *(pytest.param(pr.GradientDescent(rule=r), id=r) for r in ("nesterov", "armijo", "bb")),
    pytest.param(pr.Adam(step=0.02), id="adam, step"),
    pytest.param(pr.RMSprop(step=0.02), id="rmsprop, step"),
    pytest.param(pr.Landweber(preconditioner="jacobi"), id="landweber, jacobi"),
    pytest.param(pr.ConjugateGradient(preconditioner="jacobi"), id="cgls, jacobi"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", EACH)
def test_a_solution_has_the_unit_of_the_data(solver):
    def solved(s):
        return pr.solve(problem(solver, np.float32, s), with_step(solver, s), stop=STOP)

    x = solved(1.0).x.astype(np.float64)
    assert np.linalg.norm(x) > 0
    for s in SCALES:
        found = solved(s).x / s
        assert np.linalg.norm(found - x) <= 1e-5 * np.linalg.norm(x), s


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", EACH)
def test_a_power_of_two_changes_no_bit(solver, dtype):
    def solved(s):
        return pr.solve(problem(solver, dtype, s), with_step(solver, s), stop=STOP)

    result = solved(1.0)
    degree = 1 if solver.counts_only else 2
    for k in POWERS if dtype == np.float32 else [-300, 9, 300]:
        other = solved(2.0**k)
        normal = abs(other.x) >= np.finfo(dtype).tiny
        assert (other.x == (result.x * dtype(2.0**k)))[normal].all(), k
        np.testing.assert_allclose(other.x, result.x * dtype(2.0**k), atol=np.finfo(dtype).tiny)
        values = [record.value for record in result.history]
        scaled = [record.value / 2.0 ** (k * degree) for record in other.history]
        np.testing.assert_array_equal(values, scaled)


# Priors ------------------------------------------------------------------------------------------

DEGREES: dict[str, tuple[Any, int]] = {
    "tv": (lambda s: pr.TotalVariation(0.05), 1),
    "anisotropic": (lambda s: pr.TotalVariation(0.05, isotropic=False), 1),
    "tgv": (lambda s: pr.TGV(0.05), 1),
    "l1": (lambda s: pr.L1(0.1), 1),
    "wavelet": (lambda s: pr.WaveletL1(0.1, "haar", levels=1, axes=(1, 2)), 1),
    "huber tv": (lambda s: pr.HuberTV(0.05, delta=0.1 * s), 1),
    "joint": (lambda s: pr.JointTotalVariation(0.05), 1),
    "nuclear": (lambda s: pr.NuclearNorm(0.1), 1),
    "nuclear tv": (lambda s: pr.NuclearTotalVariation(0.05), 1),
    "tikhonov": (lambda s: pr.Tikhonov(0.1, pr.Gradient), 2),
    "sum": (lambda s: pr.TotalVariation(0.05) + pr.L1(0.1), 1),
    "denoiser": (lambda s: pr.PlugAndPlay(lambda x, sigma: x / (1 + (sigma / s) ** 2), 0.1), 0),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", [pr.FISTA(), pr.PDHG(), pr.ADMM(), pr.LBFGS()], ids=type)
@pytest.mark.parametrize("name", DEGREES)
def test_a_weight_has_the_unit_of_f_over_that_of_the_prior(solver, name):
    make, degree = DEGREES[name]
    prior = make(1.0)
    shape = sinogram(np.float32)[0].in_shape
    usable = any(kind in solver.accepts for kind in prior.capabilities)
    if not usable or (solver.name == "fista" and not prior.has_prox(shape, None)):
        pytest.skip("the solver does not use it")

    def solved(s):
        A, y = sinogram(np.float32)
        prior = make(s)
        if degree:
            prior = prior.with_weight(prior.weight * s ** (2 - degree))
        else:
            prior = pr.PlugAndPlay(prior.denoiser, prior.weight * s**2)
        f = pr.LeastSquares(A, (y.astype(np.float64) * s).astype(np.float32))
        box = None if isinstance(solver, pr.LBFGS) or "uclear" in type(prior).__name__ else True
        bounds = pr.Box(0, 2.5 * s) if box and not isinstance(solver, pr.FISTA) else None
        return pr.solve(pr.Problem(f, prior, bounds), solver, stop=STOP).x.astype(np.float64)

    x = solved(1.0)
    for s in SCALES:
        assert np.linalg.norm(solved(s) / s - x) <= 1e-5 * np.linalg.norm(x), s


@pytest.mark.parametrize("name", [name for name in DEGREES if name != "denoiser"])
def test_values_and_proximal_maps_of_priors_scale(name):
    make, degree = DEGREES[name]
    x = np.random.default_rng(0).standard_normal((3, 8, 8)).astype(np.float32)
    prior = make(1.0)
    for s in SCALES:
        scaled = make(s)
        y = (x.astype(np.float64) * s).astype(np.float32)
        assert scaled.value(y) == pytest.approx(prior.value(x) * s**degree, rel=1e-5)
        if "prox" in prior.capabilities:
            step = 0.5 * s ** (2 - degree)
            found, wanted = scaled.prox(y, step) / s, prior.prox(x.copy(), 0.5)
            np.testing.assert_allclose(found, wanted, atol=2e-5)
        if "composed" in prior.capabilities and name != "sum":
            image = scaled.operator(y.shape) @ y
            step, unit = s ** (2 - degree), s if degree == 1 else 1.0
            q = (image / s).astype(np.float32)
            wanted = prior.with_weight(prior.weight).conjugate_prox(q.copy(), 1.0)
            at = scaled.with_weight(prior.weight * unit)
            found = at.conjugate_prox(
                (q * unit).astype(np.float32), 1 / step if degree == 1 else 1.0
            )
            if name != "huber tv":
                np.testing.assert_allclose(found / unit, wanted, atol=2e-5)


# Everything else that has a unit -----------------------------------------------------------------


@pytest.mark.parametrize("s", SCALES)
def test_robust_likelihoods_weights_and_noise_scale(s):
    A, y = sinogram(np.float32)
    data = (y.astype(np.float64) * s).astype(np.float32)
    weights = np.linspace(0.5, 2, 13)

    def pairs(scale, y):
        yield pr.Huber(A, y, 0.1 * scale)
        yield pr.StudentT(A, y, 0.1 * scale)
        yield pr.LeastSquares(A, y, weights)
        if 1e-18 < scale < 1e18:  # 1/variance itself is a float32
            yield pr.LeastSquares(A, y, weights / scale**2, inverse_variance=True)

    for f, g in zip(pairs(1.0, y), pairs(s, data), strict=False):
        x, z = (pr.solve(pr.Problem(h), pr.LBFGS(), stop=STOP).x for h in (f, g))
        assert np.linalg.norm(z / s - x) <= 1e-5 * np.linalg.norm(x)


@pytest.mark.parametrize("s", SCALES)
def test_a_discrepancy_and_an_automatic_one_stop_at_the_same_iteration(s):
    A, y = sinogram(np.float32)
    data = (y.astype(np.float64) * s).astype(np.float32)
    for rule, scaled in ((1.0, s), ("auto", "auto")):
        one = pr.solve(
            pr.Problem(pr.LeastSquares(A, y)), pr.SIRT(), stop=pr.Stop(300, discrepancy=rule)
        )
        other = pr.solve(
            pr.Problem(pr.LeastSquares(A, data)),
            pr.SIRT(),
            stop=pr.Stop(300, discrepancy=scaled if scaled == "auto" else rule * s),
        )
        assert one.reason.startswith("fitted")
        assert other.reason == one.reason


def test_callbacks_states_and_x0_are_in_the_units_of_the_user(tmp_path):
    A, y = sinogram(np.float32)
    s = 2.0**-90
    f = pr.LeastSquares(A, y * np.float32(s))
    seen = []
    stop = pr.Stop(iterations=8)
    whole = pr.solve(
        pr.Problem(f), pr.LBFGS(), stop=stop, callback=lambda state: seen.append(state.x.copy())
    )
    assert (seen[-1] == whole.x).all()
    assert (whole.x == pr.solve(pr.Problem(f), pr.LBFGS(), stop=stop).x).all()
    steps = [
        state.x.copy()
        for state, _ in zip(pr.iterate(pr.Problem(f), pr.LBFGS()), range(8), strict=False)
    ]
    assert all((a == b).all() for a, b in zip(seen, steps, strict=True))
    half = pr.solve(pr.Problem(f), pr.LBFGS(), stop=pr.Stop(iterations=4))
    pr.save_state(tmp_path / "state.h5", half.state)
    state = pr.load_state(tmp_path / "state.h5")
    resumed = pr.solve(pr.Problem(f), pr.LBFGS(), stop=stop, state=state)
    assert (resumed.x == whole.x).all()
    again = pr.solve(pr.Problem(f), pr.SIRT(), x0=whole.x, stop=pr.Stop(iterations=0))
    assert (again.x == whole.x).all()


@pytest.mark.parametrize("rule", [WEIGHT_RULES[0], *map(thorough, WEIGHT_RULES[1:])])
def test_the_weight_that_is_found_has_its_unit(rule):
    (A, y), found = sinogram(np.float32), []
    for s in (1.0, 2.0**-70, 2.0**10, 1e-20, 1000.0):
        f = pr.LeastSquares(A, (y.astype(np.float64) * s).astype(np.float32))
        stop = pr.Stop(iterations=10)
        choice = pr.choose_weight(pr.Problem(f, pr.TotalVariation(1.0)), rule, stop=stop)
        found.append(choice.weight / s)
    np.testing.assert_allclose(found[:3], found[0], rtol=1e-12)  # the search is in log weight
    np.testing.assert_allclose(found, found[0], rtol=0.15)  # as exactly as it is searched for


# In one step -------------------------------------------------------------------------------------


def frame(dtype: Any = np.float32) -> tuple[Any, Any]:
    psf = bell(7, 7)
    x = np.zeros((40, 36))
    x[9:20, 8:25] = 10
    x[30, 30] = 90
    noise = 0.2 * np.random.default_rng(1).standard_normal(x.shape)
    return psf, (pr.Blur(psf, x.shape, boundary="reflect") @ x + noise).astype(dtype)


FILTERS = {
    "wiener": lambda y, psf, s: pr.wiener(y, psf),
    "wiener, noise": lambda y, psf, s: pr.wiener(y, psf, noise=0.2 * s, boundary="zero"),
    "wiener, balance": lambda y, psf, s: pr.wiener(y, psf, balance=0.01),
    "tikhonov": lambda y, psf, s: pr.tikhonov_filter(y, psf),
    "tikhonov, weight": lambda y, psf, s: pr.tikhonov_filter(y, psf, 0.01, operator="laplacian"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_scale(name):
    psf, y = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = FILTERS[name](y, psf, 1.0)
        for s in SCALES:
            found = FILTERS[name]((y.astype(np.float64) * s).astype(np.float32), psf, s) / s
            limit = 1e-4 if name == "tikhonov" else 1e-5  # the weight that is found has 4 digits
            assert np.linalg.norm(found - x) <= limit * np.linalg.norm(x), s
        for k in POWERS:
            found = FILTERS[name](y * np.float32(2.0**k), psf, 2.0**k)
            normal = abs(found) >= np.finfo(np.float32).tiny
            assert (found == x * np.float32(2.0**k))[normal].all(), k


def test_filtered_backprojection_scales():
    _, y = sinogram(np.float32)
    x = pr.fbp(y, SCAN)
    for s in SCALES:
        found = pr.fbp((y.astype(np.float64) * s).astype(np.float32), SCAN) / s
        assert np.linalg.norm(found - x) <= 1e-5 * np.linalg.norm(x), s
    for k in (-64, -3, 40, 99):
        assert (pr.fbp(y * np.float32(2.0**k), SCAN) == x * np.float32(2.0**k)).all()


# At the ends of the range ------------------------------------------------------------------------

EXTREME = {
    "zeros": np.zeros((12, 12)),
    "one": np.pad([[1.0]], ((3, 8), (4, 7))),
    "huge": np.linspace(1, 3e38, 144).reshape(12, 12),
    "mixed": np.linspace(-3e38, 3e38, 144).reshape(12, 12),
    "denormal": np.linspace(1e-44, 1e-40, 144).reshape(12, 12),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXTREME)
def test_extreme_data_end_without_a_warning(name):
    psf, y = bell(5, 5), EXTREME[name].astype(np.float32)
    A = pr.Blur(psf, y.shape, boundary="reflect")
    for solver in (pr.Adam(), pr.RMSprop(), pr.LSQR(), pr.LBFGS(), pr.ADMM(), pr.GaussNewton()):
        result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=STOP)
        assert np.isfinite(result.x).all() or "too large for float32" in result.reason
    for call in (pr.wiener, pr.tikhonov_filter):
        try:
            assert np.isfinite(call(y, psf, boundary="zero")).all()
        except pr.ArgumentError as refusal:
            assert "overflows float32" in str(refusal)
