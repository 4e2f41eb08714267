"""Operators of elsewhere, against dense algebra: they are taken, with exact real adjoints."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse import linalg

import physrecon as pr
from physrecon.errors import ArgumentError

RNG = np.random.default_rng(3)
M = RNG.standard_normal((12, 8))
C = M + 1j * RNG.standard_normal((12, 8))
X, Y = RNG.standard_normal(8), RNG.standard_normal(12)


class Lops:
    """As an operator of PyLops: flat vectors, and the shapes they stand for."""

    def __init__(self, M, dims, dimsd):
        self.M, self.shape, self.dtype, self.dims, self.dimsd = M, M.shape, M.dtype, dims, dimsd

    def matvec(self, x):
        assert x.shape == (self.shape[1],)
        return self.M @ x

    def rmatvec(self, y):
        return self.M.conj().T @ y


GIVEN = {
    "array": M,
    "lists": M.tolist(),
    "csr": sparse.csr_array(M),
    "coo matrix": sparse.coo_matrix(M),
    "scipy": linalg.aslinearoperator(M),
    "pylops": Lops(M, (8,), (12,)),
    "pair": (lambda x: M @ x, lambda y: M.T @ y),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_likelihood_takes_it(name):
    f = pr.LeastSquares(GIVEN[name], Y)
    np.testing.assert_allclose(f.gradient(X), M.T @ (M @ X - Y), rtol=1e-10)
    assert pr.check_adjoint(f.A, np.float64) < 1e-12
    x = pr.solve(pr.Problem(f), pr.ConjugateGradient(), stop=pr.Stop(iterations=30)).x
    np.testing.assert_allclose(x, np.linalg.lstsq(M, Y)[0], rtol=1e-8)
    single = f.A.forward(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, M @ X, rtol=1e-4, atol=1e-5)


def test_images_and_their_shapes():
    image = X.reshape(2, 4)
    for A in (
        pr.as_operator(Lops(M, (2, 4), (3, 4))),
        pr.as_operator(M, in_shape=(2, 4), out_shape=(3, 4)),
        pr.LeastSquares(pr.as_operator(M, in_shape=(2, 4), out_shape=(3, 4)), Y.reshape(3, 4)).A,
    ):
        np.testing.assert_allclose(A @ image, (M @ X).reshape(3, 4))
        np.testing.assert_allclose(A.T @ Y.reshape(3, 4), (M.T @ Y).reshape(2, 4))
    assert pr.LeastSquares(M, Y.reshape(3, 4)).A.out_shape == (3, 4)


def test_entries_of_one_sign_are_seen():
    for positive in (abs(M), sparse.csr_array(abs(M))):
        assert pr.as_operator(positive).nonnegative
    cancelling = sparse.coo_array(([2.0, -1.0], ([0, 0], [0, 0])), shape=(1, 1))  # 2 − 1 = 1
    A = pr.as_operator(cancelling)
    assert A.nonnegative and (A @ np.ones(1)) == 1
    assert not pr.as_operator(M).nonnegative
    pr.solve(pr.Problem(pr.LeastSquares(abs(M), abs(Y))), pr.SIRT(), stop=pr.Stop(3))


def in_parts(A, complex_x):
    """The real matrix of a complex one, (Re, Im) last."""
    full = np.stack([np.stack([A.real, -A.imag], -1), np.stack([A.imag, A.real], -1)], 1)
    full = full.reshape(2 * A.shape[0], 2 * A.shape[1])
    return full if complex_x else full[:, ::2]


@pytest.mark.parametrize("complex_x", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda **more: pr.as_operator(C, **more),
        lambda **more: pr.as_operator(sparse.csr_array(C), **more),
        lambda **more: pr.as_operator(linalg.aslinearoperator(C), **more),
        lambda **more: pr.as_operator(
            lambda x: C @ x, lambda y: C.conj().T @ y, in_shape=8, dtype=complex, **more
        ),
    ],
)
def test_a_complex_operator_is_real_in_its_parts(make, complex_x):
    A, real = make(complex_x=complex_x), in_parts(C, complex_x)
    x, y = RNG.standard_normal(A.in_shape), RNG.standard_normal((12, 2))
    np.testing.assert_allclose((A @ x).ravel(), real @ x.ravel())
    np.testing.assert_allclose((A.T @ y).ravel(), real.T @ y.ravel())
    if not complex_x:
        np.testing.assert_allclose(A.T @ y, (C.conj().T @ pr.as_complex(y)).real)


def test_fourier_data_of_a_real_image():
    """Half of the frequencies of a real image determine it: x from F x by least squares."""
    image = RNG.standard_normal((4, 5))
    keep = np.zeros((4, 5), bool)
    keep[:3, :] = True
    A = pr.as_operator(
        lambda x: np.fft.fft2(x, norm="ortho") * keep,
        lambda y: np.fft.ifft2(y * keep, norm="ortho"),
        in_shape=(4, 5),
        dtype=np.complex128,
    )
    f = pr.LeastSquares(A, pr.as_real(np.fft.fft2(image, norm="ortho") * keep))
    x = pr.solve(pr.Problem(f), pr.ConjugateGradient(), stop=pr.Stop(iterations=60)).x
    np.testing.assert_allclose(x, image, atol=1e-6)
    with pytest.raises(ArgumentError, match="as_real"):
        pr.LeastSquares(A, np.fft.fft2(image))
    np.testing.assert_array_equal(pr.as_complex(pr.as_real(C)), C)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pr.LeastSquares("A", Y), r"LeastSquares\.A: expected a pr\.LinearOperator, a mat"),
        (lambda: pr.LeastSquares(lambda x: x, Y), "without its adjoint"),
        (lambda: pr.LeastSquares(M, X), r"expected an array of \(12,\)"),
        (lambda: pr.LeastSquares(np.full((2, 2), np.nan), X[:2]), "NaN or infinity"),
        (lambda: pr.as_operator(M, in_shape=7), "in_shape of 8 elements"),
        (lambda: pr.as_operator([[1, 2], [3]]), "expected a pr.LinearOperator"),
        (lambda: pr.as_operator(np.fft.fft, np.fft.ifft), "in_shape for functions"),
        (lambda: pr.as_operator(np.sum, np.cumsum, in_shape=3, out_shape=(4,)) @ X[:3], "of (4,)"),
        (lambda: pr.as_operator(np.fft.fft, np.fft.ifft, in_shape=8) @ X, "np.complex64"),
        (lambda: pr.as_operator(linalg.LinearOperator((2, 2), lambda x: x)).T @ X[:2], "rmatvec"),
        (lambda: pr.sum_over([pr.Identity(2), pr.Identity(3)]), "one in_shape"),
        (lambda: pr.sum_over([]), "expected a list"),
    ],
)
def test_what_is_no_operator_is_said(call, message):
    with pytest.raises(ArgumentError, match=message.replace("(4,)", r"\(4,\)")):
        call()


def test_the_adjoint_of_a_pair_is_tried():
    wrong = pr.as_operator(np.cumsum, np.cumsum, in_shape=8)
    with pytest.raises(ArgumentError, match="expected an adjoint"):
        pr.solve(pr.Problem(pr.LeastSquares(wrong, X)), pr.ConjugateGradient())


def test_a_sum_over_depths():
    parts = [RNG.standard_normal((12, 8)) for _ in range(3)]
    A, x = pr.sum_over(parts), RNG.standard_normal((3, 8))
    full = np.hstack(parts)
    np.testing.assert_allclose(A @ x, full @ x.ravel())
    np.testing.assert_allclose((A.T @ Y).ravel(), full.T @ Y)
    norm = np.linalg.norm(full, 2)
    lower, upper = pr.norm_bounds(A)
    assert lower <= norm <= upper
    slices = pr.sum_over([pr.Identity((4, 2, 2)), 2 * pr.Identity((4, 2, 2))])
    assert slices.slices == (1, 0) and slices.slice_count == 4


def test_scipy_operators_are_pickled_and_take_a_dtype():
    A = pr.Downsample((3, 4), (1, 2))
    x = RNG.standard_normal(12)
    whole = pickle.loads(pickle.dumps(pr.as_scipy(A)))
    np.testing.assert_array_equal(whole @ x, pr.as_scipy(A) @ x)
    double = pr.as_scipy(A, dtype=np.float64)
    assert double.dtype == np.float64
    assert (double @ x.astype(np.float32)).dtype == np.float64
    assert (double.T @ np.ones(double.shape[0], int)).dtype == np.float64
    with pytest.raises(ArgumentError, match="float32 or float64"):
        pr.as_scipy(A, complex)
    with pytest.raises(ArgumentError, match="LinearOperator"):
        pr.as_scipy(M)
