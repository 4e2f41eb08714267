"""The circulant inverse: exact where BᵀB is circulant, and few steps of ADMM where it is nearly."""

import numpy as np
import pytest

import physrecon as pr
from physrecon.solvers.circulant import Circulant


def normal(A):
    return lambda x: A.adjoint(A.forward(x))


@pytest.mark.parametrize("dtype, close", [(np.float32, 2e-4), (np.float64, 1e-11)])
def test_it_inverts_a_sum_of_periodic_blurs_in_each_slice(dtype, close):
    """Slices have weights of their own; 15 and 9 are lengths that transform fast, not padded."""
    rng = np.random.default_rng(0)
    wide, narrow = np.outer([1, 3, 1], [1, 3, 1]) / 25, np.array([[0.1, 0.8, 0.1]])
    shape = (3, 15, 9)
    A, B = (pr.Blur(psf, shape, "periodic") for psf in (wide, narrow))
    x = rng.standard_normal(shape).astype(dtype)
    weights = [np.array([1.0, 2.0, 0.5]), np.array([0.5, 3.0, 7.0])]
    each = [w.reshape(-1, 1, 1).astype(dtype) for w in weights]
    s = each[0] * normal(A)(x) + each[1] * normal(B)(x)
    inverse = Circulant([normal(A), normal(B)], shape, 0, x)
    found = inverse.divide(s, weights)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, x, atol=close * abs(x).max())


def test_it_is_symmetric_and_positive_for_any_operator():
    """Else conjugate gradients preconditioned by it would not converge.  The centre is masked."""
    rng = np.random.default_rng(0)
    shape = (11, 7)
    A = pr.Mask(rng.random(shape) < 0.5) @ pr.Blur(
        rng.random((5, 3)), shape, "zero", normalize=True
    )
    inverse = Circulant([normal(A), lambda x: 0 * x], shape, None, np.zeros(shape))
    weights = [np.ones(1), np.ones(1)]
    M = np.array([inverse.divide(e.reshape(shape), weights).ravel() for e in np.eye(77)])
    np.testing.assert_allclose(M, M.T, atol=1e-12 * abs(M).max())
    assert np.linalg.eigvalsh(M).min() > 0


def test_a_projector_and_a_gradient_are_better_conditioned_by_it():
    """The smallest eigenvalues are those of the edge of the grid."""
    n = 21
    scan = pr.ParallelBeam(np.arange(40) * 4.5, (1, n), angle_unit="deg")
    A = pr.Projector(scan, scan.default_grid())
    D = pr.Gradient((1, n, n), axes=(1, 2))
    rho, shape = 0.5, (1, n, n)
    H = np.array(
        [(normal(A)(e) + rho * normal(D)(e)).ravel() for e in np.eye(n * n).reshape(-1, *shape)]
    )
    inverse = Circulant([normal(A), normal(D)], shape, 0, np.zeros(shape))
    weights = [np.ones(1), np.full(1, rho)]
    M = np.array([inverse.divide(row.reshape(shape), weights).ravel() for row in H])
    plain = np.linalg.eigvalsh(H)
    ours = np.sort(np.linalg.eigvals(M).real)
    assert ours[-1] / ours[0] < 0.4 * plain[-1] / plain[0]
