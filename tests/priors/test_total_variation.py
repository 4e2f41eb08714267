"""Total variation and its relatives against NumPy, closed forms and bounds."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from tiers import thorough
from zoo import noise

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.kernels import duality_gap

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def gradient(x, h):
    """All forward differences of x."""
    g = np.zeros((x.ndim, *x.shape))
    for a in range(x.ndim):
        g[(a, *(slice(None),) * a, slice(0, -1))] = np.diff(x, axis=a) / h[a]
    return g


def divergence(p, h):
    """The transpose of `gradient`."""
    out = np.zeros(p.shape[1:])
    for a in range(out.ndim):
        some = (slice(None),) * a
        inside = p[(a, *some, slice(0, -1))] / h[a]
        out[(*some, slice(0, -1))] -= inside
        out[(*some, slice(1, None))] += inside
    return out


def norms(g, isotropic):
    return np.sqrt((g**2).sum(axis=0)) if isotropic else abs(g).sum(axis=0)


def lower_bound(f, r, h, isotropic, bounds, iterations):
    """A value that r TV(u) + ½ ‖u − f‖² does not go below: dual FISTA (Beck & Teboulle 2009)."""
    p, before, best = np.zeros((f.ndim, *f.shape)), 0, -np.inf
    step = 1 / sum(4 / s**2 for s in h)
    for k in range(iterations):
        q = p + k / (k + 10) * (p - before)
        before = p
        p = q + step * gradient(np.clip(f - divergence(q, h), *bounds), h)
        p = p / np.maximum(1, norms(p, True) / r) if isotropic else np.clip(p, -r, r)
        if k % 50 == 49:
            v = f - divergence(p, h)
            dual = 0.5 * ((np.clip(v, *bounds) - v) ** 2 - v**2 + f**2).sum()
            best = max(best, dual)
    return best


# Values ---------------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("shape", [(9,), (5, 7), (3, 5, 7), (1, 5, 7), (4, 1, 6)])
def test_values_are_sums_of_norms(shape, isotropic, dtype):
    x, h, delta = noise(shape).astype(dtype), (0.5, 2.0, 1.0)[: len(shape)], 0.8
    g = gradient(x.astype(np.float64), h)
    close = pytest.approx if dtype == np.float64 else lambda v: pytest.approx(v, rel=1e-6)
    prior = pr.TotalVariation(0.7, isotropic=isotropic, spacing=h)
    assert prior.value(x) == close(0.7 * norms(g, isotropic).sum())
    s = norms(g, True) if isotropic else abs(g)
    expected = np.where(s < delta, s**2 / (2 * delta), s - delta / 2).sum()
    prior = pr.HuberTV(0.7, delta, isotropic=isotropic, spacing=h)
    assert prior.value(x) == close(0.7 * expected)


def test_slices_are_counted_alone_or_together():
    x = noise((3, 5, 7))
    flat = pr.TotalVariation(1, axes=(-2, -1))
    each = [pr.TotalVariation(1).value(one) for one in x]
    np.testing.assert_allclose(flat.values(x, 0), each)
    np.testing.assert_allclose(flat.values(x), [sum(each)])
    assert not flat.couples(0, x.shape)
    assert pr.TotalVariation(1).couples(0, x.shape)
    assert pr.TotalVariation(1).value(x) > sum(each)
    apart = pr.TotalVariation(1, axes=(0, 2))
    along_y = [pr.TotalVariation(1).value(x[:, y]) for y in range(5)]
    np.testing.assert_allclose(apart.values(x, 1), along_y)


def test_joint_variation_is_the_norm_over_channels():
    x = noise((4, 5, 7))
    each = np.array([gradient(channel, (1, 1)) for channel in x])
    expected = 0.7 * np.sqrt((each**2).sum(axis=(0, 1))).sum()
    assert pr.JointTotalVariation(0.7).value(x) == pytest.approx(expected)
    one = pr.JointTotalVariation(0.7).value(x[:1])
    assert one == pytest.approx(pr.TotalVariation(0.7).value(x[0]))
    volume = noise((2, 3, 5, 4))
    slices = pr.JointTotalVariation(0.7, axes=(2, 3))
    each = [pr.JointTotalVariation(0.7).value(volume[:, z]) for z in range(3)]
    np.testing.assert_allclose(slices.values(volume, 1), each)


def test_edges_in_one_place_cost_less_than_edges_in_two():
    edge = np.zeros((2, 4, 6))
    edge[:, :, 3:] = 1
    apart = edge.copy()
    apart[1] = np.roll(edge[1], 1, axis=1)
    apart[1, :, 0] = 0
    prior = pr.JointTotalVariation(1)
    assert prior.value(edge) == pytest.approx(np.sqrt(2) * 4)
    assert prior.value(apart) == pytest.approx(2 * 4)


# The proximal map of total variation ----------------------------------------------------------

PROBLEMS = [
    ((24, 21), (1.0, 1.0), True, None),
    ((24, 21), (1.0, 2.0), False, None),
    ((24, 21), (1.0, 1.0), True, pr.NonNegative()),
    ((24, 21), (1.0, 1.0), False, pr.Box(-0.2, 0.6)),
    ((19, 18, 5), (1.0, 1.0, 2.0), True, None),  # reaches over the pieces of the kernel
    ((4, 35, 3), (2.0, 1.0, 1.0), True, pr.NonNegative()),
    ((40,), (1.0,), True, None),
]


@pytest.mark.parametrize(("shape", "h", "isotropic", "constraint"), PROBLEMS)
def test_gap_is_as_small_as_asked(shape, h, isotropic, constraint):
    """The objective exceeds a lower bound from NumPy by no more than 1e-6 of itself."""
    f, r = np.where(np.indices(shape)[0] > shape[0] / 3, 1, 0) + 0.3 * noise(shape), 0.25
    prior = pr.TotalVariation(0.5, isotropic=isotropic, spacing=h, tolerance=1e-6)
    u = prior.prox(f.copy(), 0.5, constraint)
    bounds = (-np.inf, np.inf) if constraint is None else constraint.bounds
    assert (u >= bounds[0]).all() and (u <= bounds[1]).all()
    primal = r * norms(gradient(u, h), isotropic).sum() + 0.5 * ((u - f) ** 2).sum()
    dual = lower_bound(f, r, h, isotropic, bounds, 3000)
    assert primal - dual <= 1e-6 * primal


@both_dtypes
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (-0.3, 0.5)])
def test_gap_is_primal_less_dual_value(bounds, isotropic, dtype):
    """Of two problems of three planes, at points far from the solution."""
    h, r, active = (2.0, 1.0, 0.5), np.array([0.5, 2]), np.ones(2, bool)
    f, u = noise((2, 3, 5, 7)), np.clip(noise((2, 3, 5, 7), seed=1), *bounds)
    p = gradient(noise((6, 5, 7), seed=2), h).reshape(3, 2, 3, 5, 7)
    p[0, :, -1] = 0  # a plane before the other problem's
    size = np.sqrt((p**2).sum(axis=0)) if isotropic else abs(p)
    p *= r.reshape(2, 1, 1, 1) / np.maximum(r.reshape(2, 1, 1, 1), size)
    f, u, p = (a.astype(dtype) for a in (f, u, p))
    partial = np.full((18, 5, 1), np.nan)
    scales, limits = tuple(dtype(1 / s) for s in h), tuple(dtype(b) for b in bounds)
    planes = (a.reshape(-1, 5, 7) for a in (f, u, p))
    head = (scales, (3, 1, 1), limits, r.astype(dtype), active, isotropic)
    duality_gap.gap(*head, *planes, partial)
    for i, sums in enumerate(partial.reshape(3, 2, -1).sum(axis=2).T):
        g, v = gradient(u[i], h), f[i] - divergence(p[:, i], h)
        primal = r[i] * norms(g, isotropic).sum() + 0.5 * ((u[i] - f[i]) ** 2).sum()
        dual = 0.5 * ((np.clip(v, *bounds) - v) ** 2 - v**2 + f[i] ** 2).sum()
        expected = [primal - dual, primal, r[i] * abs(u[i]).sum()]
        np.testing.assert_allclose(sums, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_a_looser_tolerance_is_met_sooner_but_met():
    f = noise((24, 21))
    dual = lower_bound(f, 0.25, (1, 1), True, (-np.inf, np.inf), 3000)
    for tolerance in (1e-2, 1e-4):
        u = pr.TotalVariation(0.25, tolerance=tolerance).prox(f.copy(), 1.0)
        primal = pr.TotalVariation(0.25).value(u) + 0.5 * ((u - f) ** 2).sum()
        assert primal - dual <= tolerance * primal
        assert primal - dual > 1e-6 * primal  # it did stop


@both_dtypes
def test_a_step_shrinks_by_weight_over_length(dtype):
    """Of n voxels a side's level moves by weight / n: the only edge is as high as the sides."""
    x = np.repeat([0, 1], [5, 20]).astype(dtype)
    u = pr.TotalVariation(0.4, tolerance=0, iterations=3000).prox(x.copy(), 0.5)
    expected = np.repeat([0.2 / 5, 1 - 0.2 / 20], [5, 20])
    np.testing.assert_allclose(u, expected, atol=2e-5 if dtype == np.float32 else 1e-9)


def test_spacing_is_the_length_of_a_difference():
    """With voxels twice as long a difference counts half."""
    x = noise((7, 9))
    exact = {"tolerance": 1e-12, "iterations": 20000}
    coarse = pr.TotalVariation(0.6, spacing=2, **exact).prox(x.copy(), 1.0)
    np.testing.assert_allclose(
        coarse, pr.TotalVariation(0.3, **exact).prox(x.copy(), 1.0), atol=1e-5
    )


def test_huge_weights_leave_the_mean_of_each_slice():
    x = noise((3, 8, 9)) + np.array([0, 5, -3]).reshape(3, 1, 1)
    u = pr.TotalVariation(1e3, axes=(1, 2), tolerance=1e-12).prox(x.copy(), 1.0)
    np.testing.assert_allclose(u, x.mean(axis=(1, 2), keepdims=True) + 0 * x, atol=1e-6)
    u = pr.TotalVariation(1e3, tolerance=1e-12).prox(x.copy(), 1.0)
    np.testing.assert_allclose(u, np.full(x.shape, x.mean()), atol=1e-6)


@both_dtypes
def test_constants_are_left_alone(dtype):
    x = np.full((3, 5, 7), 0.3, dtype)
    for prior in (pr.TotalVariation(2), pr.TotalVariation(2, axes=(1, 2)), pr.TGV(2)):
        np.testing.assert_allclose(prior.prox(x.copy(), 1.0), x, rtol=1e-6)
        assert prior.value(x) == 0


def test_prox_of_float32_is_that_of_float64():
    f = noise((40, 50))
    prior = pr.TotalVariation(0.2, tolerance=1e-6)
    narrow = prior.prox(f.astype(np.float32), 1.0)
    np.testing.assert_allclose(narrow, prior.prox(f.copy(), 1.0), atol=3e-3)


def test_float32_far_from_zero_stops_where_rounding_does():
    """An offset of 1000 leaves float32 few digits; the iteration must see that and end."""
    f = (1000 + noise((64, 64))).astype(np.float32)
    u = pr.TotalVariation(0.2, tolerance=1e-6, iterations=10**6).prox(f.copy(), 1.0)
    exact = pr.TotalVariation(0.2, tolerance=1e-6).prox(f.astype(np.float64), 1.0)
    np.testing.assert_allclose(u, exact, atol=0.02)


@both_dtypes
@pytest.mark.parametrize("isotropic", [True, thorough(False)])
def test_neither_threads_nor_neighbours_change_a_bit(isotropic, dtype):
    """Also not the serial code for small images: a slice has 8100 voxels, three have 24300."""
    f = noise((3, 90, 90)).astype(dtype)
    prior = pr.TotalVariation(0.2, axes=(1, 2), isotropic=isotropic, tolerance=1e-3)
    whole = prior.prox(f.copy(), 1.0)
    for z in range(3):
        np.testing.assert_array_equal(prior.prox(f[z : z + 1].copy(), 1.0)[0], whole[z])
    volume = pr.TotalVariation(0.2, isotropic=isotropic, tolerance=1e-3)
    coupled = volume.prox(f.copy(), 1.0)
    smooth = pr.HuberTV(0.2, 0.1, isotropic=isotropic)
    before = numba.get_num_threads()
    values, slope = smooth.values_and_gradient(f, None, np.zeros_like(f))
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(prior.prox(f.copy(), 1.0), whole)
        np.testing.assert_array_equal(volume.prox(f.copy(), 1.0), coupled)
        alone = smooth.values_and_gradient(f, None, np.zeros_like(f))
        np.testing.assert_array_equal(alone[0], values)
        np.testing.assert_array_equal(alone[1], slope)
    finally:
        numba.set_num_threads(before)


def test_axes_in_any_place():
    """Channels last, slices in the middle: the same as with the axes moved."""
    f, exact = noise((9, 8, 3)), {"tolerance": 1e-6}
    last = pr.TotalVariation(0.3, axes=(0, 1), **exact).prox(f.copy(), 1.0)
    moved = np.ascontiguousarray(np.moveaxis(f, 2, 0))
    pr.TotalVariation(0.3, axes=(1, 2), **exact).prox(moved, 1.0)
    np.testing.assert_array_equal(np.moveaxis(moved, 0, 2), last)
    spread = np.repeat(f, 2, axis=0)[::2]
    pr.TotalVariation(0.3, axes=(0, 1), **exact).prox(spread, 1.0)
    np.testing.assert_array_equal(spread, last)


# Huber and joint variation --------------------------------------------------------------------


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("shape", [(35, 4), (3, 35, 4)])
def test_gradient_of_huber_by_its_definition(shape, isotropic):
    """w ∇ᵀ(∇x / max(|∇x|, δ)), over more rows than the kernel takes at a time."""
    x, h, w, delta = noise(shape), (2.0, 1.0, 0.5)[: len(shape)], 0.7, 0.8
    g = gradient(x, h)
    length = norms(g, True) if isotropic else abs(g)
    expected = divergence(w * g / np.maximum(length, delta), h)
    prior = pr.HuberTV(w, delta, isotropic=isotropic, spacing=h)
    _, slope = prior.values_and_gradient(x, None, np.zeros(shape))
    np.testing.assert_allclose(slope, expected, atol=1e-13)


def test_conjugate_of_huber_in_closed_form():
    """One difference d: prox_{t w h}(d) = d δ/(δ + t w) inside |d| ≤ δ + t w, else d ∓ t w."""
    d = np.linspace(-3, 3, 61).reshape(1, -1)
    w, delta, t = 0.7, 0.4, 0.9
    z = pr.HuberTV(w, delta).composed_prox(d.copy(), t)
    inside = d * delta / (delta + t * w)
    expected = np.where(abs(d) <= delta + t * w, inside, d - t * w * np.sign(d))
    np.testing.assert_allclose(z, expected, atol=1e-14)


def test_joint_balls_hold_all_channels_of_a_voxel():
    q = 3 * noise((2, 4, 5, 7))
    p = pr.JointTotalVariation(0.7).conjugate_prox(q.copy(), 1.0)
    length = np.sqrt((q**2).sum(axis=(0, 1)))
    np.testing.assert_allclose(p, q * np.minimum(1, 0.7 / length), atol=1e-14)


# Manners --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pr.TotalVariation(1, axes=(0.5,)), "axes: expected whole numbers"),
        (
            lambda: pr.TotalVariation(1, axes=(3,)).value(np.ones((2, 2))),
            "axes: expected axes of x",
        ),
        (lambda: pr.TotalVariation(1, spacing=-1).value(np.ones((2, 2))), "spacing: expected"),
        (lambda: pr.TotalVariation(1, tolerance=-1), "tolerance: expected"),
        (lambda: pr.TotalVariation(1, iterations=0), "iterations: expected"),
        (lambda: pr.TGV(1, 0), "ratio: expected a finite number > 0"),
        (lambda: pr.TGV(1, tolerance=2), "tolerance: expected"),
        (lambda: pr.HuberTV(1, 0), "delta: expected a finite number > 0"),
        (lambda: pr.JointTotalVariation(1, axes=(0, 1)).value(np.ones((2, 2, 2))), "channel axis"),
    ],
)
def test_senseless_arguments_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("prior", [pr.TotalVariation(1), pr.TGV(1)])
def test_steps_must_fit_the_problems(prior):
    x = np.ones((3, 4, 5))
    with pytest.raises(ArgumentError, match="one step for each slice"):
        prior.prox(x, np.ones((3, 1, 1)))
    for step in (0.0, -1.0, np.nan):
        with pytest.raises(ArgumentError, match="steps > 0"):
            prior.prox(x, step)


def test_constraints_must_be_intervals():
    class Ball:
        bounds = None

        def project(self, x):
            return x

    with pytest.raises(ArgumentError, match="PDHG or ADMM"):
        pr.TotalVariation(1).prox(np.ones((3, 4)), 1.0, Ball())
