"""Sums, products and stacks of operators."""

from __future__ import annotations

import numpy as np
import pytest
import zoo

import physrecon as pr


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
    with pytest.raises(pr.errors.ArgumentError, match="use A @ x"):
        A * np.ones(3)
    with pytest.raises(TypeError):
        iter(A)


def test_an_operator_has_the_shape_of_its_matrix_and_is_not_taken_for_an_array():
    A = zoo.unlike()
    assert A.shape == pr.as_scipy(A).shape == A.T.shape[::-1]
    both = pr.vstack([A, pr.Identity((3, 2, 3))])  # y is a tuple
    assert both.shape == (A.shape[0] + 18, 18) and pr.Gradient((2, 3)).shape == (12, 6)
    with pytest.raises(pr.errors.ArgumentError, match="use A @ B"):
        A * A
    with pytest.raises(pr.errors.ArgumentError, match=f"got {type(A).__name__}$"):
        A.forward(A)


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
