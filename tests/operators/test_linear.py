"""Every operator of the zoo: its matrix, its adjoint, its norm, its manners."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse.linalg
import zoo
from naive import flat, matrix

import physrecon as pr
from physrecon.arrays import vectors as arrays_vectors
from physrecon.errors import ArgumentError, DeviceError

every_operator = pytest.mark.parametrize("make", zoo.OPERATORS)


def noise(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return arrays_vectors.build(shape, lambda s: rng.standard_normal(s).astype(dtype))


@every_operator
def test_operator_is_its_matrix(make):
    A, M = make()
    x, y = noise(A.in_shape), noise(A.out_shape)
    M = M.reshape(arrays_vectors.size(A.out_shape), arrays_vectors.size(A.in_shape))
    np.testing.assert_allclose(flat(A @ x), M @ flat(x), atol=1e-12)
    np.testing.assert_allclose(flat(A.T @ y), M.T @ flat(y), atol=1e-12)


@every_operator
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_adjoint_is_exact(make, dtype, bound):
    assert pr.check_adjoint(make()[0], dtype) <= bound


def test_dot_test_sees_a_shifted_index():
    class Shifted(zoo.Dense):
        def _adjoint(self, y, out):
            super()._adjoint(np.roll(y, 1), out)

    assert pr.check_adjoint(Shifted(zoo.signed().M)) > 1e-2


@every_operator
def test_transposing_twice_gives_the_operator_itself(make):
    A, _ = make()
    assert A.T.T is A
    assert (A.T.in_shape, A.T.out_shape) == (A.out_shape, A.in_shape)


@every_operator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(make, dtype):
    A, _ = make()
    ahead, back = A @ noise(A.in_shape, dtype), A.T @ noise(A.out_shape, dtype)
    assert all(leaf.dtype == dtype for leaf in arrays_vectors.leaves((ahead, back)))


@every_operator
def test_out_is_overwritten_and_returned(make):
    A, _ = make()
    x, y = noise(A.in_shape), noise(A.out_shape)
    ahead = arrays_vectors.fill(arrays_vectors.empty(A.out_shape, x), np.nan)
    back = arrays_vectors.fill(arrays_vectors.empty(A.in_shape, x), np.nan)
    assert A.forward(x, ahead) is ahead
    assert A.adjoint(y, back) is back
    np.testing.assert_array_equal(flat(ahead), flat(A @ x))
    np.testing.assert_array_equal(flat(back), flat(A.T @ y))


@every_operator
def test_layout_and_byte_order_do_not_matter(make):
    A, _ = make()
    x = noise(A.in_shape)
    spread = arrays_vectors.transform(lambda a: np.repeat(a, 2, axis=-1)[..., ::2], x)
    swapped = arrays_vectors.transform(lambda a: a.astype(a.dtype.newbyteorder("S")), x)
    for other in (spread, swapped, arrays_vectors.transform(np.asfortranarray, x)):
        np.testing.assert_array_equal(flat(A @ other), flat(A @ x))


@every_operator
def test_norm_bounds_hold(make):
    A, M = make()
    M = M.reshape(arrays_vectors.size(A.out_shape), arrays_vectors.size(A.in_shape))
    norm = np.linalg.svd(M, compute_uv=False).max(initial=0)
    lower, upper = pr.norm_bounds(A)
    assert lower <= norm * (1 + 1e-12)
    if not A.nonnegative and isinstance(A, zoo.Dense):
        assert upper == np.inf  # nothing certain is known of it
    else:
        assert norm <= upper * (1 + 1e-12)
    if A.nonnegative and norm:
        assert upper <= 1.05 * lower


def test_norm_bounds_of_the_known_ones():
    assert pr.norm_bounds(pr.Identity((2, 3))) == (1, 1)
    assert pr.norm_bounds(-3 * pr.Identity((2, 3))) == (3, 3)
    stack = pr.vstack([3 * pr.Identity((2, 3)), -4 * pr.Identity((2, 3))])
    assert pr.norm_bounds(stack)[1] == pytest.approx(5)


def test_norm_bound_survives_blocks_of_unequal_size():
    """The weaker block of a reducible AᵀA sinks to the floor of the iterated vector."""
    M = np.zeros((30, 30))
    M[:10, :10] = zoo.random_matrix(10, 10)
    M[10:, 10:] = 0.3 * zoo.random_matrix(20, 20)
    norm = np.linalg.norm(M, 2)
    lower, upper = pr.norm_bounds(zoo.Dense(M))
    assert lower <= norm <= upper <= 1.02 * norm


def test_norm_bounds_of_a_slice_do_not_see_its_neighbours():
    from physrecon.operators.checks import slice_norm_bounds

    A = zoo.unlike(5)
    _, upper = slice_norm_bounds(A)
    alone = [slice_norm_bounds(A.slab(slice(z, z + 1)))[1][0] for z in range(5)]
    for z in range(5):
        norm = np.linalg.norm(A.matrices[z].reshape(12, 6), 2)
        assert norm <= upper[z] <= 1.03 * alone[z]


@every_operator
def test_scipy_sees_the_same_matrix(make):
    A, M = make()
    x, y = flat(noise(A.in_shape)), flat(noise(A.out_shape))
    S = pr.as_scipy(A)
    M = M.reshape(S.shape)
    np.testing.assert_allclose(S @ x, M @ x, atol=1e-12)
    np.testing.assert_allclose(S.T @ y, M.T @ y, atol=1e-12)
    assert (S @ x.astype(np.float32)).dtype == np.float32


def test_scipy_solves_with_it():
    A = zoo.signed()
    y = zoo.data_for(A)
    solution = scipy.sparse.linalg.lsqr(pr.as_scipy(A), y.ravel(), atol=1e-14, btol=1e-14)[0]
    np.testing.assert_allclose(solution, np.linalg.lstsq(A.M, y.ravel())[0], rtol=1e-8)


@every_operator
def test_claims_about_the_matrix_are_true(make):
    A, M = make()
    if A.nonnegative:
        assert (M >= 0).all()
    if A.slices is None:
        return
    x, full = noise(A.in_shape), A @ noise(A.in_shape)
    for z in range(A.slice_count):
        only = arrays_vectors.fill(arrays_vectors.copy(x), 0)
        for part, whole, here in zip(*leaves_of(only, x), index_of(A, 0, z), strict=True):
            part[here] = whole[here]
        for alone, together, there in zip(
            *leaves_of(A @ only, full), index_of(A, 1, z), strict=True
        ):
            np.testing.assert_allclose(alone[there], together[there], atol=1e-12)
            alone[there] = 0
            assert not alone.any()


def leaves_of(*vectors):
    return map(arrays_vectors.leaves, vectors)


def index_of(A, side, z):
    """The index of slice z in each array of a vector of A's domain (side 0) or range (1)."""
    shape = (A.in_shape, A.out_shape)[side]
    axes = arrays_vectors.leaf_axes(A.slices[side], noise(shape))
    lengths = [s[axis] for s, axis in zip(arrays_vectors.leaf_shapes(shape), axes, strict=True)]
    assert set(lengths) == {A.slice_count}
    return [(slice(None),) * axis + (slice(z, z + 1),) for axis in axes]


@every_operator
def test_one_slice_is_what_happens_to_each(make):
    A, _ = make()
    one = A.one_slice()
    if one is None:
        return
    x = noise(A.in_shape)
    for z in range(A.slice_count):
        parts = iter([leaf[i] for leaf, i in zip(*leaves_of(x), index_of(A, 0, z), strict=True)])
        result = one @ arrays_vectors.build(A.in_shape, lambda _, parts=parts: next(parts))
        for alone, full, there in zip(*leaves_of(result, A @ x), index_of(A, 1, z), strict=True):
            np.testing.assert_allclose(alone, full[there], atol=1e-12)


@every_operator
def test_row_and_column_sums(make):
    A, M = make()
    M = M.reshape(arrays_vectors.size(A.out_shape), arrays_vectors.size(A.in_shape))
    beside = np.empty(0)
    for sums, shape, wanted in (
        (A.row_sums(beside), A.out_shape, M.sum(1)),
        (A.column_sums(beside), A.in_shape, M.sum(0)),
    ):
        pairs = zip(arrays_vectors.leaves(sums), arrays_vectors.leaf_shapes(shape), strict=True)
        full = tuple(np.broadcast_to(s, t) for s, t in pairs)
        np.testing.assert_allclose(flat(full), wanted, atol=1e-12)


# The algebra -----------------------------------------------------------------------------------


def test_like_shapes_are_joined_and_unlike_ones_are_tuples():
    A = zoo.unlike()
    assert pr.vstack([A, A[:2]]).out_shape == (6, 3, 3)
    assert pr.vstack([A, pr.Identity((3, 2, 3))]).out_shape == ((4, 3, 3), (3, 2, 3))
    assert isinstance(pr.vstack([A, pr.Identity((3, 2, 3))]) @ np.ones(A.in_shape), tuple)
    cube = zoo.SliceWise(zoo.random_matrix(3, 2, 3, 9), (3, 3))  # (2, 3, 3) beside (3, 3, 3):
    assert pr.vstack([cube, pr.Identity((3, 3, 3))]).slices == (0, (1, 0))  # not alike by chance


def test_what_the_algebra_passes_on():
    A, one = zoo.alike(), pr.Identity((3, 2, 3))
    assert (2 * A @ one).slices == (0, 1)
    assert A.T.slices == (1, 0)
    assert A.normal().slices == (0, 0)
    assert A.normal().nonnegative
    assert A.normal().one_slice().in_shape == (1, 2, 3)
    assert not (-A).nonnegative
    assert not (A - A).nonnegative
    assert (A - A).slices == (0, 1)
    assert pr.vstack([A, one]).slices == (0, (1, 0))
    assert pr.vstack([A, A]).slices == (0, 1)
    assert pr.vstack([one, one]).slices is None  # joined along the axis of the slices
    assert (A.normal(np.ones((4, 1, 3)))).one_slice() is not None
    assert (A.normal(np.ones((4, 3, 3)))).one_slice() is None


def test_an_identity_has_slices_where_a_volume_has_them():
    assert pr.Identity((4, 2, 3)).slices == (0, 0)
    assert pr.Identity((4, 2, 3), axis=1).one_slice().in_shape == (4, 1, 3)
    assert pr.Identity((2, 3)).slices is None
    assert pr.Identity(5).in_shape == (5,)


def test_numpy_leaves_arithmetic_to_the_operator():
    A = zoo.signed()
    assert isinstance(np.float32(2) * A, pr.LinearOperator)
    assert isinstance(A * np.float64(2), pr.LinearOperator)
    with pytest.raises(TypeError):
        np.ones((5, 3)) @ A
    with pytest.raises(TypeError):
        A + 1
    with pytest.raises(TypeError):
        A * np.ones(3)
    with pytest.raises(TypeError):
        iter(A)


# One by one -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (7,), (12,), (5, 9), (16, 8), (3, 4, 5), (2, 1, 6)])
@pytest.mark.parametrize("name", ["haar", "db2", "db10", "sym9", "coif1"])
@pytest.mark.parametrize("levels", [1, 3, None])
def test_wavelets_keep_lengths_for_every_shape(shape, name, levels):
    W = pr.Wavelet(shape, name, levels)
    x = noise(shape)
    c = W @ x
    np.testing.assert_allclose(W.T @ c, x, atol=1e-11)
    assert np.linalg.norm(c) == pytest.approx(np.linalg.norm(x), rel=1e-10)
    if W.orthogonal:
        y = noise(W.out_shape)
        np.testing.assert_allclose(W @ (W.T @ y), y, atol=1e-11)
    assert W.orthogonal == all(n % 2**W.levels == 0 for n in shape)


def test_wavelet_coefficients_by_hand():
    x = np.array([[1.0, 2, 5, 7], [3, 4, 6, 8]])
    W = pr.Wavelet((2, 4), "haar", 1)
    sums = np.array([[10, 26]]) / 2
    np.testing.assert_allclose((W @ x)[W.coarse], sums)
    assert abs((W @ np.ones((2, 4)))[:, 2:]).max() < 1e-15
    only_rows = pr.Wavelet((2, 4), "haar", 1, axes=(1,))
    np.testing.assert_allclose((only_rows @ x)[:, 0], np.array([3, 7]) / np.sqrt(2))


@pytest.mark.parametrize(("n", "levels"), [(512, 6), (640, 6), (181, 4), (33, 2), (5, 1)])
def test_wavelets_choose_levels_with_a_narrow_border(n, levels):
    assert pr.Wavelet((n, n)).levels == levels


def test_wavelets_on_the_gpu_are_refused():
    class OnDevice:
        __cuda_array_interface__ = None

    W = pr.Wavelet((4, 4))
    for call in (W._forward, W._adjoint):
        with pytest.raises(DeviceError, match="PyWavelets"):
            call(OnDevice(), None)


@pytest.mark.parametrize("psf_shape", [(3, 3), (5, 1), (2, 4), (9, 8)])
def test_downsampling_is_convolution_sampled_in_each_cell(psf_shape):
    x, psf = noise((6, 8)), noise(psf_shape, seed=1)
    blurred = scipy.ndimage.convolve(x, psf, mode="constant")
    np.testing.assert_allclose(
        pr.Downsample((6, 8), (3, 4), psf) @ x, blurred[1::3, 1::4], atol=1e-13
    )


def test_a_detector_cell_takes_the_mean_of_what_falls_on_it():
    x = noise((6, 8, 3))
    mean = x.reshape(3, 2, 2, 4, 3).mean(axis=(1, 3))
    box = pr.Downsample((6, 8, 3), (2, 4, 1))
    np.testing.assert_allclose(box @ x, mean, atol=1e-15)
    same = pr.Downsample((6, 8, 3), (2, 4, 1), np.full((2, 4, 1), 1 / 8))
    np.testing.assert_array_equal(same @ x, box @ x)
    assert pr.norm_bounds(box) == pytest.approx((8**-0.5, 8**-0.5))


def test_downsampling_does_not_see_the_other_slices():
    x = noise((5, 6, 8), np.float32)
    D = pr.Downsample((5, 6, 8), (1, 2, 2), noise((1, 3, 4)))
    for z in range(5):
        np.testing.assert_array_equal(D.one_slice() @ x[z : z + 1], (D @ x)[z : z + 1])


def test_a_mask_lets_nothing_through():
    x = np.array([1, np.nan, -np.inf, 2])
    np.testing.assert_array_equal(pr.Mask(x > 0).forward(x), [1, 0, 0, 2])
    assert pr.norm_bounds(pr.Mask(np.zeros((2, 3), bool))) == (0, 0)


def test_the_norm_of_a_diagonal_is_that_of_each_slice():
    from physrecon.operators.checks import slice_norm_bounds

    values = np.array([-3.0, 0, 2]).reshape(3, 1, 1) * np.ones((3, 2, 1))
    _, upper = slice_norm_bounds(pr.Diagonal(values, (3, 2, 4), axis=0))
    np.testing.assert_array_equal(upper, [3, 0, 2])


def test_norms_of_tuples_stay_in_their_slices():
    from physrecon.operators.checks import slice_norm_bounds

    def pair(part):
        A = zoo.unlike(5).slab(part)
        one = pr.Identity(A.in_shape)
        return pr.hstack([A, A]) @ pr.block_diagonal([one, 2 * one])  # iterated on a tuple

    _, upper = slice_norm_bounds(pair(slice(0, 5)))
    for z in range(5):
        norm = np.linalg.norm(zoo.unlike(5).matrices[z].reshape(12, 6), 2) * 5**0.5
        alone = slice_norm_bounds(pair(slice(z, z + 1)))[1][0]
        assert norm <= upper[z] <= 1.03 * alone


def test_products_keep_tuples_whatever_their_shapes():
    A = zoo.signed()
    assert pr.hstack([A, A]).in_shape == ((3, 4), (3, 4))
    assert pr.hstack([A, A]).T.out_shape == ((3, 4), (3, 4))
    assert pr.block_diagonal([A, A]).out_shape == ((5, 3), (5, 3))
    blocks = pr.block_diagonal([zoo.alike(), 2 * pr.Identity((3, 4, 4), axis=1)])
    assert blocks.slices is None  # three slices beside four
    assert pr.hstack([zoo.alike(), zoo.alike()]).slices == ((0, 0), 1)


# Manners ---------------------------------------------------------------------------------------

GOOD = np.ones((3, 4), np.float32)
WRONG_INPUT = {
    "shape": (GOOD.T, r"expected an array of \(3, 4\), got float32 of \(4, 3\)"),
    "rank": (GOOD[None], r"got float32 of \(1, 3, 4\)"),
    "flat": (GOOD.ravel(), r"got float32 of \(12,\)"),
    "list": ([[1.0] * 4] * 3, "got list"),
    "int": (GOOD.astype(int), "expected float32 or float64, got int64"),
    "bool": (GOOD > 0, "got bool"),
    "half": (GOOD.astype(np.float16), "got float16"),
    "complex": (GOOD.astype(complex), "got complex128"),
    "nan": (np.where(np.eye(3, 4), np.nan, GOOD), "got 3 NaN or infinite of 12"),
    "inf": (np.where(np.eye(3, 4), np.inf, GOOD), "got 3 NaN or infinite"),
    "masked": (np.ma.masked_equal(GOOD, 2), "masked"),
    "tuple": ((GOOD, GOOD), "expected an array"),
}


@pytest.mark.parametrize(("x", "message"), WRONG_INPUT.values(), ids=WRONG_INPUT)
def test_wrong_input_is_refused_with_a_sentence(x, message):
    with pytest.raises(ArgumentError, match=message):
        zoo.signed() @ x


def test_wrong_tuples_are_refused():
    back = pr.vstack([zoo.signed(), pr.Identity((3, 4))]).T
    y = noise(back.in_shape)
    for wrong in (y[0], y[:1], y[::-1], (y[0], y[1].astype(np.float32))):
        with pytest.raises(ArgumentError):
            back @ wrong


def test_infinity_passes_forward_for_loops_that_watch_their_sums():
    x = np.where(np.eye(3, 4), np.inf, GOOD)
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(zoo.signed().forward(x)).all()


def test_large_finite_values_are_not_called_infinite():
    assert np.isfinite(pr.Identity((4,)) @ np.full(4, 1e308)).all()


def test_wrong_out_is_refused():
    A, x = zoo.signed(), np.ones((3, 4))
    square = zoo.Dense(np.eye(12), (3, 4), (3, 4))
    for out in (np.empty((5, 3), np.float32), np.empty((3, 5)), np.empty((3, 5)).T, (1, 2)):
        with pytest.raises(ArgumentError, match="expected out"):
            A.forward(x, out)
    with pytest.raises(ArgumentError, match="overlapping"):
        square.forward(x, x)


def test_operators_that_do_not_fit_are_refused():
    A = zoo.signed()
    for wrong in (
        lambda: A @ A,
        lambda: A + A.T,
        lambda: pr.vstack([A, A.T]),
        lambda: pr.vstack([]),
        lambda: A / 0,
        lambda: A * float("nan"),
        lambda: pr.Identity((5, 3))[0],
        lambda: A.T[0],
        lambda: A.normal(np.ones((4, 3))),
        lambda: A.normal(np.full((5, 3), np.nan)),
        lambda: pr.hstack([A, A.T]),
        lambda: pr.block_diagonal([A, 3]),
        lambda: pr.vstack([A, A])[10],
        lambda: pr.Mask([0.0, 1.0]),
        lambda: pr.Mask(np.ones(3, bool), (2, 4)),
        lambda: pr.Downsample((5, 6), 2),
        lambda: pr.Downsample((4, 6), 0),
        lambda: pr.Downsample((4, 6), 1.5),
        lambda: pr.Downsample((4, 6), (2, 2, 2)),
        lambda: pr.Downsample((4, 6), 2, np.ones(3)),
        lambda: pr.Downsample((4, 6), 2, np.full((3, 3), np.inf)),
        lambda: pr.Wavelet((4, 6), "bior2.2"),
        lambda: pr.Wavelet((4, 6), "dmey"),
        lambda: pr.Wavelet((4, 6), "morl"),
        lambda: pr.Wavelet((4, 6), "nonsense"),
        lambda: pr.Wavelet((4, 6), levels=0),
        lambda: pr.Wavelet((4, 6), axes=(0, 2)),
        lambda: pr.Wavelet((4, 6), axes=(0, 0)),
    ):
        with pytest.raises(ArgumentError):
            wrong()


def test_naive_matrix_agrees_with_the_definition():
    np.testing.assert_array_equal(matrix(zoo.signed()), zoo.signed().M)
