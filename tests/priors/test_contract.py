"""Every prior of the zoo: its value, its gradient, its proximal maps, its manners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pywt
import zoo
from naive import flat, matrix, slope

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.priors import nuclear
from physrecon.priors.sum import SUMMABLE

SHAPE = zoo.PRIOR_SHAPE
STEP = 0.7
STEPS = np.array([0.2, 0.7, 3.0]).reshape(3, 1, 1)  # one a slice
BOX = pr.Box(-0.4, 0.9)

every_prior = pytest.mark.parametrize("make", zoo.PRIORS)
every_proximable = pytest.mark.parametrize("make", zoo.priors_of("prox"))
every_split = pytest.mark.parametrize("make", zoo.priors_of("split"))
every_smooth = pytest.mark.parametrize("make", zoo.priors_of("smooth"))
every_quadratic = pytest.mark.parametrize("make", zoo.priors_of("quadratic"))
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def noise(shape=SHAPE, seed=0, dtype=np.float64):
    """Noise some elements of which are zero, so that kinks are met."""
    rng = np.random.default_rng(seed)

    def one(s):
        return np.where(rng.uniform(size=s) < 0.2, 0, rng.standard_normal(s)).astype(dtype)

    return vectors.build(shape, one)


def prox(prior, x, step=STEP, constraint=None):
    return prior.prox(vectors.copy(x), step, constraint)


def convex(cases):
    return pytest.mark.parametrize("make", [c for c in cases if c.values[0]().convex])


def uncertainty(prior, x, step=STEP):
    """How far a prox that is iterated up to a tolerance of its objective may end from the true one.

    ½ ‖u − true u‖² is at most what the objective of u exceeds its minimum by."""
    return math.sqrt(2 * getattr(prior, "tolerance", 0) * step * max(prior.value(x), 1))


def inner(a, b):
    return float(flat(a) @ flat(b))


def nearby(x, seed=1):
    """Points around x: far and near, along axes and across."""
    rng = np.random.default_rng(seed)
    directions = [*np.eye(x.size), *rng.standard_normal((20, x.size)), x.reshape(-1)]
    for direction in directions:
        for length in (-10, -0.1, -1e-3, 1e-3, 0.1, 10):
            yield x + length * direction.reshape(x.shape)


# Values ---------------------------------------------------------------------------------------


@every_prior
def test_values_of_slices_sum_to_the_value(make):
    prior, x = make(), noise()
    assert prior.values(x).shape == (1,)
    assert prior.value(x) == prior.values(x)[0]
    if not prior.couples(0, SHAPE):
        values = prior.values(x, 0)
        assert values.shape == (3,) and values.dtype == np.float64
        assert values.sum() == pytest.approx(prior.value(x), rel=1e-14)
        alone = [prior.values(x[i : i + 1], 0)[0] for i in range(3)]
        np.testing.assert_array_equal(values, alone)


@every_prior
def test_slices_that_are_not_coupled_add_up(make):
    """R(x) = Σ R(slice) has no mixed differences of two slices."""
    prior, x = make(), noise()
    if prior.kinds == ("prox",) and not prior.convex:
        return  # nobody knows its value
    y, z = x.copy(), x.copy()
    y[0] += noise(SHAPE[1:], 1)
    z[1] += noise(SHAPE[1:], 2)  # beside it: differences reach no further
    mixed = prior.value(y + z - x) - prior.value(y) - prior.value(z) + prior.value(x)
    assert (abs(mixed) > 1e-12) == prior.couples(0, SHAPE)


@every_prior
def test_value_refuses_nan(make):
    x = noise()
    x[0, 0, 0] = np.nan
    with pytest.raises(ArgumentError, match="expected finite"):
        make().value(x)


@every_prior
def test_weight_is_a_factor(make):
    prior, x = make(), noise()
    other = prior.with_weight(3 * prior.weight)
    assert type(other) is type(prior) and other.weight == 3 * prior.weight
    assert other.kinds == prior.kinds
    assert other.value(x) == pytest.approx(3 * prior.value(x), rel=1e-13)
    if "prox" in prior.kinds:
        atol = 1e-12 + 2 * uncertainty(other, x)
        np.testing.assert_allclose(prox(other, x), prox(prior, x, 3 * STEP), atol=atol)


@every_prior
@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, "1", None, 1j])
def test_senseless_weights_are_refused(make, weight):
    with pytest.raises(ArgumentError, match="weight: expected a finite number > 0"):
        make().with_weight(weight)


def test_weight_of_numpy_does_not_widen_float32():
    assert type(pr.L1(np.float64(0.5)).weight) is float


@both_dtypes
@every_proximable
def test_prox_keeps_dtype_and_works_in_place(make, dtype):
    prior, x = make(), noise(dtype=dtype)
    y = x.copy()
    result = prior.prox(y, STEP)
    assert result is y and y.dtype == dtype
    atol = 1e-6 + 2 * uncertainty(prior, x)
    np.testing.assert_allclose(y, prox(prior, x.astype(np.float64)), rtol=1e-5, atol=atol)


@both_dtypes
@every_split
def test_conjugate_prox_keeps_dtype_and_works_in_place(make, dtype):
    prior = make()
    q = noise(prior.operator(SHAPE).out_shape, dtype=dtype)
    p = vectors.copy(q)
    assert prior.conjugate_prox(p, STEP) is p
    assert {leaf.dtype for leaf in vectors.leaves(p)} == {np.dtype(dtype)}
    wide = prior.conjugate_prox(vectors.transform(lambda a: a.astype(np.float64), q), STEP)
    np.testing.assert_allclose(flat(p), flat(wide), rtol=1e-5, atol=1e-6)


# Proximal maps --------------------------------------------------------------------------------


@convex(zoo.priors_of("prox"))
@pytest.mark.parametrize("constraint", [None, BOX, pr.NonNegative()], ids=str)
def test_prox_is_the_minimum(make, constraint):
    """A strongly convex F has its minimum over a set at u if and only if there

    F(v) ≥ F(u) + ½ ‖v − u‖²  for every v of the set."""
    prior, x = make(), noise()
    try:
        u = prox(prior, x, STEP, constraint)
    except ArgumentError as error:
        assert constraint is not None and "PDHG" in str(error)
        return

    def F(v):
        return STEP * prior.value(v) + 0.5 * np.sum((v - x) ** 2)

    lowest, off = F(u), uncertainty(prior, x)
    if constraint is not None:
        np.testing.assert_array_equal(constraint.project(u.copy()), u)
    for v in nearby(u):
        v = v if constraint is None else constraint.project(v)
        distance = np.linalg.norm(v - u)
        assert F(v) >= lowest + 0.5 * distance**2 - off * (distance + off) - 1e-12


@convex(zoo.priors_of("prox"))
def test_prox_is_firmly_nonexpansive(make):
    prior = make()
    for seed in range(5):
        x, y = 3 * noise(seed=seed), noise(seed=seed + 10)
        difference = prox(prior, x) - prox(prior, y)
        slack = 1e-12 + 2 * uncertainty(prior, x) * np.linalg.norm(2 * difference + y - x)
        assert inner(difference, difference) <= inner(difference, x - y) + slack


@every_proximable
def test_prox_treats_slices_alone(make):
    prior, x = make(), noise()
    if prior.couples(0, SHAPE):
        return
    whole, stepwise = prox(prior, x), prox(prior, x, STEPS)
    for i in range(3):
        one = x[i : i + 1]
        np.testing.assert_array_equal(whole[i : i + 1], prox(prior, one))
        np.testing.assert_array_equal(stepwise[i : i + 1], prox(prior, one, STEPS[i : i + 1]))
        np.testing.assert_array_equal(stepwise[i : i + 1], prox(prior, one, float(STEPS[i, 0, 0])))


@every_proximable
def test_prox_hides_no_nan(make):
    prior, x = make(), noise()
    x[1, 0, 0] = np.nan
    try:
        y = prox(prior, x)
    except ArgumentError as error:
        assert "NaN" in str(error)
        return
    assert np.isnan(y[1]).any()
    if not prior.couples(0, SHAPE):
        np.testing.assert_array_equal(y[[0, 2]], prox(prior, x[[0, 2]]))


# Splitting ------------------------------------------------------------------------------------


@every_split
def test_moreau_identity(make):
    """z = prox_{t g}(z) + t prox_{g*/t}(z / t)"""
    prior = make()
    z = noise(prior.operator(SHAPE).out_shape)
    ahead = prior.split_prox(vectors.copy(z), STEP)
    back = prior.conjugate_prox(vectors.transform(lambda a: a / STEP, z), 1 / STEP)
    np.testing.assert_allclose(flat(ahead) + STEP * flat(back), flat(z), atol=1e-12)


@every_split
def test_both_proximal_maps_are_firmly_nonexpansive(make):
    prior = make()
    shape = prior.operator(SHAPE).out_shape
    for seed in range(5):
        x = vectors.transform(lambda a: 3 * a, noise(shape, seed))
        y = noise(shape, seed + 10)
        apart = flat(x) - flat(y)
        for call in (prior.split_prox, prior.conjugate_prox):
            moved = flat(call(vectors.copy(x), STEP)) - flat(call(vectors.copy(y), STEP))
            assert moved @ moved <= moved @ apart + 1e-12


@every_split
def test_conjugate_prox_belongs_to_the_value(make):
    """q = prox_{σ g*}(q + σ K x) makes Kᵀ q a subgradient of the prior at x."""
    prior, x = make(), noise()
    K = prior.operator(SHAPE)
    z, q = K @ x, vectors.fill(vectors.empty(K.out_shape, x), 0)
    sigma = 30.0
    for _ in range(200):
        for a, b in zip(vectors.leaves(q), vectors.leaves(z), strict=True):
            a += sigma * b
        prior.conjugate_prox(q, sigma)
    slope_at_x, value = K.T @ q, prior.value(x)
    for y in nearby(x):
        assert prior.value(y) >= value + inner(slope_at_x, y - x) - 1e-9


@every_split
def test_steps_may_be_one_a_slice(make):
    prior = make()
    K = prior.operator(SHAPE)
    if prior.couples(0, SHAPE) or K.slices is None:
        return
    z = noise(K.out_shape)

    def steps(a, axis):
        return STEPS.reshape([3 if i == axis else 1 for i in range(a.ndim)])

    axes = vectors.leaf_axes(K.slices[1], z)
    each = [steps(a, axis) for a, axis in zip(vectors.leaves(z), axes, strict=True)]
    each = tuple(each) if isinstance(z, tuple) else each[0]
    for name in ("split_prox", "conjugate_prox"):
        whole = getattr(prior, name)(vectors.copy(z), each)
        for i, step in enumerate(STEPS.ravel().tolist()):
            alone = getattr(prior, name)(vectors.copy(z), step)
            for a, b, axis in zip(vectors.leaves(whole), vectors.leaves(alone), axes, strict=True):
                np.testing.assert_allclose(a.take(i, axis), b.take(i, axis), rtol=1e-13, atol=1e-15)


@every_split
def test_split_operator_has_a_certified_norm(make):
    K = make().operator(SHAPE)
    assert K.in_shape == SHAPE
    assert np.linalg.norm(matrix(K), 2) <= pr.norm_bounds(K)[1] * (1 + 1e-12) < np.inf


# Gradients ------------------------------------------------------------------------------------


@every_smooth
def test_gradient_is_the_slope(make):
    prior, x, direction = make(), noise(), noise(seed=1)
    values, gradient = prior.values_and_gradient(x, None, np.zeros(SHAPE))
    assert values[0] == pytest.approx(prior.value(x), rel=1e-14)
    expected = slope(prior.value, x, direction)
    assert inner(gradient, direction) == pytest.approx(expected, rel=1e-7)


@both_dtypes
@every_smooth
def test_gradient_is_added(make, dtype):
    prior, x, before = make(), noise(dtype=dtype), noise(seed=2, dtype=dtype)
    axis = None if prior.couples(0, SHAPE) else 0
    values, alone = prior.values_and_gradient(x, axis, np.zeros_like(x))
    out = before.copy()
    again, result = prior.values_and_gradient(x, axis, out)
    assert result is out and out.dtype == dtype
    np.testing.assert_array_equal(again, values)
    np.testing.assert_allclose(values, prior.values(x, axis), rtol=1e-6)
    np.testing.assert_allclose(out, before + alone, atol=1e-6 if dtype == np.float32 else 1e-13)


@every_smooth
def test_lipschitz_bounds_the_curvature(make):
    prior = make()
    bound = prior.lipschitz(SHAPE)
    for x in (np.zeros(SHAPE), noise(), 1e-3 * noise(seed=1)):
        at = prior.values_and_gradient(x, None, np.zeros(SHAPE))[1]
        columns = []
        for unit in np.eye(x.size):
            shifted = x + 1e-6 * unit.reshape(SHAPE)
            ahead = prior.values_and_gradient(shifted, None, np.zeros(SHAPE))[1]
            columns.append((ahead - at).reshape(-1) / 1e-6)
        assert np.linalg.norm(np.array(columns), 2) <= bound * (1 + 1e-6)


@every_quadratic
def test_root_is_the_root(make):
    prior, x = make(), noise()
    L = prior.root(SHAPE)
    assert prior.value(x) == pytest.approx(0.5 * np.sum(flat(L @ x) ** 2), rel=1e-13)
    gradient = prior.values_and_gradient(x, None, np.zeros(SHAPE))[1]
    np.testing.assert_allclose(gradient, L.T @ (L @ x), atol=1e-13)
    assert {"smooth", "split"} <= set(prior.kinds)


# Closed forms ---------------------------------------------------------------------------------


def test_tikhonov_by_the_normal_equations():
    """argmin ½ ‖A x − y‖² + ½ w ‖K x‖² solves (AᵀA + w KᵀK) x = Aᵀ y."""
    A = zoo.alike(3)
    K = zoo.differences((3, 2, 3))
    y = zoo.data_for(A)
    M = matrix(A)
    expected = np.linalg.solve(M.T @ M + 0.3 * matrix(K).T @ matrix(K), M.T @ flat(y))
    problem = pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(0.3, K))
    result = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(100))
    np.testing.assert_allclose(flat(result.x), expected, atol=1e-10)


@pytest.mark.parametrize(
    "prior",
    [
        pr.Tikhonov(0.3),
        pr.Tikhonov(0.1) + pr.Tikhonov(0.2),
        pr.Tikhonov(0.3, lambda s: pr.Wavelet(s, "haar", 1, (0,))),
    ],
)
def test_quadratic_priors_take_their_slices_where_the_data_have_them(prior):
    """WᵀW = 1, so all three are 0.15 ‖x‖²; the volume's slices lie along axis 1."""
    A = zoo.alike(3).T
    y = zoo.data_for(A)
    M = matrix(A)
    expected = np.linalg.solve(M.T @ M + 0.3 * np.eye(M.shape[1]), M.T @ flat(y))
    problem = pr.Problem(pr.LeastSquares(A, y), prior)
    assert problem.count == 3
    result = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(100))
    np.testing.assert_allclose(flat(result.x), expected, atol=1e-12)


@pytest.mark.parametrize("K", [3, "identity", (2, 3)])
def test_tikhonov_refuses_what_is_no_operator(K):
    with pytest.raises(ArgumentError, match=r"Tikhonov\.K: expected"):
        pr.Tikhonov(1, K)


def test_tikhonov_refuses_an_operator_of_another_shape():
    prior = pr.Tikhonov(1, zoo.differences((3, 2, 3)))
    for call in (prior.value, lambda x: prior.root(x.shape), lambda x: prior.couples(0, x.shape)):
        with pytest.raises(ArgumentError, match=r"expected a linear operator on x of \(3, 4, 2\)"):
            call(noise())
    with pytest.raises(ArgumentError, match="expected a linear operator"):
        pr.Tikhonov(1, lambda shape: np.eye(24)).value(noise())


def test_tikhonov_without_a_certified_norm_has_no_lipschitz():
    with pytest.raises(ArgumentError, match="certified norm"):
        pr.Tikhonov(1, zoo.signed()).lipschitz((3, 4))
    with pytest.raises(ArgumentError, match="K=None"):
        pr.Tikhonov(1, zoo.signed()).prox(np.zeros((3, 4)), 1)


def test_tikhonov_of_tuples():
    x = (noise((2, 3)), noise((4,)))
    prior = pr.Tikhonov(0.5)
    assert prior.value(x) == pytest.approx(0.25 * np.sum(flat(x) ** 2))
    out = prior.values_and_gradient(x, None, vectors.transform(np.zeros_like, x))[1]
    np.testing.assert_allclose(flat(out), 0.5 * flat(x))
    np.testing.assert_allclose(flat(prox(prior, x, 2.0)), flat(x) / 2)
    np.testing.assert_allclose(flat(prox(pr.L1(0.5), x, 2.0)), soft(flat(x), 1))
    assert pr.L1(0.5).value(x) == pytest.approx(0.5 * abs(flat(x)).sum())


def soft(x, t):
    return np.sign(x) * np.maximum(abs(x) - t, 0)


def test_l1_shrinks():
    x = noise()
    np.testing.assert_allclose(prox(pr.L1(0.6), x), soft(x, 0.42), atol=1e-15)
    assert (prox(pr.L1(0.6), x)[abs(x) <= 0.42] == 0).all()


def test_l1_knows_only_constraints_with_bounds():
    class Ball:
        def project(self, x):
            x /= max(1, np.linalg.norm(x))
            return x

    with pytest.raises(ArgumentError, match="PDHG or ADMM"):
        pr.L1(1).prox(noise(), 1, Ball())


@pytest.mark.filterwarnings("ignore:Level value")  # periodic filters have no boundary effects
@pytest.mark.parametrize(("wavelet", "axes"), [("haar", (1, 2)), ("db2", None), ("sym4", (-1,))])
def test_wavelet_l1_shrinks_the_details(wavelet, axes):
    x, prior = noise((4, 8, 12)), pr.WaveletL1(0.6, wavelet, 2, axes)
    options = {"wavelet": wavelet, "mode": "periodization", "axes": axes}
    coarse, *levels = pywt.wavedecn(x, level=2, **options)
    total = sum(abs(d).sum() for level in levels for d in level.values())
    assert prior.value(x) == pytest.approx(0.6 * total, rel=1e-12)
    shrunk = [{name: soft(d, 0.6 * STEP) for name, d in level.items()} for level in levels]
    expected = pywt.waverecn([coarse, *shrunk], **options)
    np.testing.assert_allclose(prox(prior, x), expected, atol=1e-12)


def test_wavelet_l1_with_a_border_is_split():
    """Sides that are no multiples of 2^levels: the prox is refused, the split goes on."""
    x, prior = noise((3, 5, 7)), pr.WaveletL1(0.6, "db2", 2)
    with pytest.raises(ArgumentError, match=r"multiples of 4, got \(3, 5, 7\).*PDHG"):
        prior.prox(x, 1.0)
    wide = np.zeros((4, 8, 8))
    wide[:3, :5, :7] = x
    assert prior.value(x) == pytest.approx(prior.value(wide), rel=1e-12)
    assert prior.couples(0, x.shape) and not pr.WaveletL1(1, axes=(1, 2)).couples(0, x.shape)
    z = noise((4, 8, 8))
    q = prior.conjugate_prox(z.copy(), 1.0)
    assert (q[:1, :2, :2] == 0).all()
    np.testing.assert_array_equal(q[1:], z[1:].clip(-0.6, 0.6))


@pytest.mark.parametrize(
    "settings", [("no",), ("bior2.2",), ("db4", 0), ("db4", None), ("db4", 1, "z"), ("db4", 1, ())]
)
def test_wavelet_l1_refuses_nonsense(settings):
    with pytest.raises(ArgumentError, match="expected"):
        pr.WaveletL1(1, *settings)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_nuclear_norm_shrinks_singular_values(axis):
    x, prior = noise(), pr.NuclearNorm(0.8, axis)
    M = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    U, s, V = np.linalg.svd(M, full_matrices=False)
    assert prior.value(x) == pytest.approx(0.8 * s.sum())
    for call, new in (
        (prior.split_prox, np.maximum(s - 0.8 * STEP, 0)),
        (prior.conjugate_prox, np.minimum(s, 0.8)),
    ):
        result = np.moveaxis(call(x.copy(), STEP), axis, 0).reshape(M.shape)
        np.testing.assert_allclose(result, (U * new) @ V, atol=1e-13)


def test_nuclear_norm_wants_one_step_and_an_axis_of_x():
    with pytest.raises(ArgumentError, match="expected one step"):
        pr.NuclearNorm(1).prox(noise(), STEPS)
    for axis in (3, -4):
        with pytest.raises(ArgumentError, match="expected an axis of x"):
            pr.NuclearNorm(1, axis).value(noise())
    for axis in (0.5, "z", None):
        with pytest.raises(ArgumentError, match="expected whole numbers"):
            pr.NuclearNorm(1, axis)


@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 3, 5)), (2, (3, 5, 4)), (1, (2, 3, 4, 5))])
def test_jacobians_lose_singular_values_above_the_weight(axis, shape, monkeypatch):
    """In pieces that do not divide the image, against the SVD of one Jacobian after the other."""
    monkeypatch.setattr(nuclear, "CHUNK", 4)
    prior, spread = pr.NuclearTotalVariation(0.6, axis), 10.0 ** np.arange(-3, 5)
    directions = len(shape) - 1
    q = noise((directions, *shape)) * np.resize(spread, shape)
    q[:, :, 1] = 0
    q[0] = q[-1]  # one of the singular values is zero
    result = np.moveaxis(prior.conjugate_prox(q.copy(), STEP), axis + 1, 1)
    J = np.moveaxis(q, axis + 1, 1)
    for voxel in np.ndindex(J.shape[2:]):
        U, s, V = np.linalg.svd(J[(..., *voxel)], full_matrices=False)
        expected = (U * np.minimum(s, 0.6)) @ V
        error = abs(result[(..., *voxel)] - expected).max()
        assert error < 1e-14 * max(1, s.max())


def test_nuclear_tv_is_the_sum_over_voxels():
    """Forward differences over the spacing, 0 at the far end."""
    x, prior = noise((2, 3, 4)), pr.NuclearTotalVariation(0.6, spacing=(0.5, 2))
    J = np.zeros((2, *x.shape))
    J[0, :, :-1] = np.diff(x, axis=1) / 0.5
    J[1, :, :, :-1] = np.diff(x, axis=2) / 2
    norms = np.linalg.norm(J.transpose(2, 3, 0, 1), "nuc", axis=(2, 3))
    assert prior.value(x) == pytest.approx(0.6 * norms.sum(), rel=1e-12)


def test_nuclear_tv_of_one_channel_is_total_variation():
    x = noise((5, 7, 1))
    J = np.zeros((2, 5, 7))
    J[0, :-1], J[1, :, :-1] = np.diff(x[..., 0], axis=0), np.diff(x[..., 0], axis=1)
    expected = 0.6 * np.hypot(*J).sum()
    assert pr.NuclearTotalVariation(0.6, -1).value(x) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "settings",
    [{"axes": (0, 1)}, {"axes": (1, 1)}, {"axes": ()}, {"axes": (3,)}, {"channel_axis": 3}],
)
def test_jacobians_refuse_wrong_axes(settings):
    with pytest.raises(ArgumentError, match=r"expected an axis|expected one to three axes"):
        pr.NuclearTotalVariation(1, **settings).couples(0, SHAPE)
    for senseless in ({"channel_axis": 0.5}, {"axes": "yx"}, {"axes": 1}, {"axes": (0.5,)}):
        with pytest.raises(ArgumentError, match="expected whole numbers"):
            pr.NuclearTotalVariation(1, **senseless)
    for spacing in (0, -1, math.nan, (1, math.inf), ("a", "b")):
        with pytest.raises(ArgumentError, match="spacing: expected numbers > 0"):
            pr.NuclearTotalVariation(1, spacing=spacing)


# Plug and play --------------------------------------------------------------------------------


def test_plug_and_play_calls_with_the_deviation_of_the_noise():
    seen = []

    def denoiser(image, sigma):
        seen.append((image.shape, sigma))
        return np.zeros(image.shape)

    prox(pr.PlugAndPlay(denoiser, 0.5), noise(), 2.0)
    prox(pr.PlugAndPlay(denoiser, 0.5, axis=1), noise(), 8.0)
    prox(pr.PlugAndPlay(denoiser, axis=0), noise(), STEPS**2)
    assert seen == [(SHAPE, 1.0)] + 4 * [((3, 2), 2.0)] + [
        ((4, 2), pytest.approx(s)) for s in (0.2, 0.7, 3.0)
    ]


def test_plug_and_play_with_a_proximal_map_is_that_prior():
    prior, x = pr.L1(0.6), noise()
    stand_in = pr.PlugAndPlay(lambda image, sigma: soft(image, sigma**2), 0.6)
    np.testing.assert_allclose(prox(stand_in, x), prox(prior, x), atol=1e-15)
    assert not stand_in.convex and stand_in.value(x) == 0


@pytest.mark.parametrize(
    ("denoiser", "words"),
    [
        (lambda x, sigma: x[0], "return a real array"),
        (lambda x, sigma: x.astype(complex), "return a real array"),
        (lambda x, sigma: x.tolist(), "return a real array"),
        (lambda x, sigma: None, "return a real array"),
        (lambda x, sigma: x.astype(int), "return a real array"),
        (lambda x, sigma: np.full_like(x, np.nan), "expected finite values"),
    ],
)
def test_plug_and_play_looks_at_what_it_gets(denoiser, words):
    with pytest.raises(ArgumentError, match=words):
        pr.PlugAndPlay(denoiser).prox(noise(), 1.0)


def test_plug_and_play_refuses_nonsense():
    with pytest.raises(ArgumentError, match="denoiser: expected a function"):
        pr.PlugAndPlay(0.3)
    for axis in (-1, 0.5, "z"):
        with pytest.raises(ArgumentError, match="axis: expected None or a number"):
            pr.PlugAndPlay(lambda x, sigma: x, axis=axis)
    with pytest.raises(ArgumentError, match="expected an axis of x"):
        pr.PlugAndPlay(lambda x, sigma: x, axis=3).prox(noise(), 1.0)
    for axis in (None, 1):
        with pytest.raises(ArgumentError, match="expected one step"):
            pr.PlugAndPlay(lambda x, sigma: x, axis=axis).prox(noise(), STEPS)


def test_plug_and_play_projects_afterwards():
    y = prox(pr.PlugAndPlay(lambda x, sigma: x), noise(), 1.0, BOX)
    np.testing.assert_array_equal(y, BOX.project(noise()))


# Sums -----------------------------------------------------------------------------------------


def test_a_sum_is_the_sum_of_its_terms():
    a, b, c = pr.L1(0.4), pr.Tikhonov(0.2, zoo.differences), pr.Tikhonov(3)
    total, x = a + (b + c), noise()
    assert total.priors == (a, b, c) == ((a + b) + c).priors
    assert total.value(x) == pytest.approx(a.value(x) + b.value(x) + c.value(x))
    assert total.kinds == ("split", "surrogate") and (b + c).kinds == SUMMABLE
    K = total.operator(SHAPE)
    assert K.out_shape == (SHAPE, (3, 4, 1), SHAPE)  # a tuple even where shapes agree
    gradient = (b + c).values_and_gradient(x, None, np.zeros(SHAPE))[1]
    D = matrix(zoo.differences(SHAPE))
    np.testing.assert_allclose(flat(gradient), 0.2 * D.T @ D @ flat(x) + 3 * flat(x), atol=1e-13)


def test_a_heavier_sum_keeps_its_proportions():
    total = (pr.L1(0.4) + pr.Tikhonov(0.2)).with_weight(2)
    assert total.weight == 2
    assert [p.weight for p in total.priors] == [2, pytest.approx(1)]


def test_a_sum_couples_when_a_term_does():
    assert (pr.L1(1) + pr.NuclearNorm(1)).couples(0, SHAPE)
    assert not (pr.L1(1) + pr.Tikhonov(1, zoo.differences)).couples(0, SHAPE)


def test_sums_without_a_common_kind_are_refused():
    with pytest.raises(ArgumentError, match="PriorSum: expected priors that are all"):
        pr.L1(1) + pr.PlugAndPlay(lambda x, sigma: x)
    with pytest.raises(TypeError):
        pr.L1(1) + 1
    for priors in ((), (1,), (pr.L1(1), None)):
        with pytest.raises(ArgumentError, match="expected a sequence of priors"):
            pr.PriorSum(priors)


# Constraints ----------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("constraint", [BOX, pr.NonNegative(), pr.Box(upper=0.5), pr.Box(0.1)])
def test_projection_is_the_nearest_point(constraint, dtype):
    x = noise(dtype=dtype)
    lower, upper = constraint.bounds
    y = x.copy()
    assert constraint.project(y) is y and y.dtype == dtype
    np.testing.assert_array_equal(constraint.project(y.copy()), y)
    np.testing.assert_array_equal(y, np.minimum(np.maximum(x, dtype(lower)), dtype(upper)))
    x[0, 0, 0] = np.nan
    assert np.isnan(constraint.project(x)).sum() == 1


def test_projection_of_tuples():
    x = (noise((2, 3)), noise((4,)))
    expected = np.maximum(flat(x), 0)
    np.testing.assert_array_equal(flat(pr.NonNegative().project(x)), expected)


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (math.nan, 1), (0, math.nan), ("a", "b")])
def test_boxes_with_nothing_in_them_are_refused(ends):
    with pytest.raises(ArgumentError, match="Box: expected numbers lower < upper"):
        pr.Box(*ends)
