"""Every linear operator of the zoo: its matrix, its adjoint, its norm, its manners."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse.linalg
import zoo
from naive import flat, matrix
from zoo import noise

import physrecon as pr
from physrecon.arrays import vectors as arrays_vectors
from physrecon.errors import ArgumentError

every_operator = pytest.mark.parametrize("make", zoo.OPERATORS)


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
    like = np.empty(0)
    for sums, shape, wanted in (
        (A.row_sums(like), A.out_shape, M.sum(1)),
        (A.column_sums(like), A.in_shape, M.sum(0)),
    ):
        pairs = zip(arrays_vectors.leaves(sums), arrays_vectors.leaf_shapes(shape), strict=True)
        full = tuple(np.broadcast_to(s, t) for s, t in pairs)
        np.testing.assert_allclose(flat(full), wanted, atol=1e-12)


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
    "masked": (np.ma.masked_array(GOOD, np.ones(GOOD.shape, bool)), "a mask"),
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
