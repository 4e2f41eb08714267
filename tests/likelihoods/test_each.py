"""What one likelihood alone has, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from scipy.special import kl_div

import physrecon as pr
from physrecon.errors import ArgumentError

DOUBLE, SINGLE = np.float64, np.float32


def test_flats_and_darks_make_a_transmission_likelihood():
    A = pr.Identity((6, 2, 4), 1)
    rng = np.random.default_rng(3)
    flats, darks = rng.poisson(90, (5, 2, 4)), rng.poisson(4, (3, 2, 4)).astype(SINGLE)
    flats[:, 1, 2] = 0  # a dead pixel
    counts = rng.poisson(20, A.out_shape).astype(SINGLE)
    f = pr.TransmissionLikelihood.from_scan(A, counts, flats, darks)
    wanted = np.maximum(flats.mean(0) - darks.mean(0), 0)
    np.testing.assert_allclose(f.blank, wanted, rtol=1e-6)
    np.testing.assert_allclose(f.dark, darks.mean(0), rtol=1e-6)
    gradient = f.gradient(np.ones(A.in_shape, SINGLE))
    assert (gradient[:, 1, 2] == 0).all()
    assert (gradient != 0).sum() == 6 * 7
    assert not f.convex
    assert pr.TransmissionLikelihood.from_scan(A, counts, flats).convex
    with pytest.raises(ArgumentError, match="flats"):
        pr.TransmissionLikelihood.from_scan(A, counts, flats[0])


def test_read_noise_shifts_counts():
    A = pr.Identity((4,))
    y = np.array([7.0, 1.0, 4.0, -9.0])
    f = pr.PoissonGaussianLikelihood(A, y, gain=2, offset=1, read_noise=4)
    assert f.y.tolist() == [7, 4, 5.5, 0]
    assert f.clipped == 1
    assert f.background.tolist() == 4
    x = np.array([1.0, 2, 3, 4])
    assert f.value(x) == pytest.approx(kl_div([7, 4, 5.5, 0], x + 4).sum())


def test_outliers_pull_less():
    A = pr.Identity((3,))
    y = np.array([0.0, 0.0, 1e3])
    x = np.zeros(3)
    assert pr.LeastSquares(A, y).gradient(x)[2] == -1e3
    assert pr.Huber(A, y, 2.0).gradient(x)[2] == -2
    assert abs(pr.StudentT(A, y, 1.0).gradient(x)[2]) < 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda A, y: pr.LeastSquares(A, y[0]),
        lambda A, y: pr.LeastSquares(A, np.where(y > 1, np.nan, y)),
        lambda A, y: pr.LeastSquares(A, y.astype(int)),
        lambda A, y: pr.LeastSquares(np.eye(3), y),
        lambda A, y: pr.LeastSquares(A, y, -np.ones(3)),
        lambda A, y: pr.LeastSquares(A, y, np.full(3, np.inf)),
        lambda A, y: pr.LeastSquares(A, y, np.ones((2, 5, 3))),
        lambda A, y: pr.LeastSquares(A, y, "heavy"),
        lambda A, y: pr.LeastSquares(A, y).value(np.full(A.in_shape, np.nan)),
        lambda A, y: pr.LeastSquares(A, y).gradient(np.ones(12)),
        lambda A, y: pr.LeastSquares(zoo.bent(), y).adjoint_of_residual(y),
        lambda A, y: pr.LeastSquares(zoo.bent(), y).lipschitz,
        lambda A, y: pr.PoissonLikelihood(A, y),
        lambda A, y: pr.PoissonLikelihood(A, abs(y), -1),
        lambda A, y: pr.PoissonLikelihood(A, abs(y), np.nan),
        lambda A, y: pr.TransmissionLikelihood(A, abs(y), -1.0),
        lambda A, y: pr.TransmissionLikelihood(A, abs(y), 1.0, -1.0),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, gain=0),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, read_noise=-1),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, offset=np.inf),
        lambda A, y: pr.Huber(A, y, 0),
        lambda A, y: pr.Huber(A, y, np.inf),
        lambda A, y: pr.StudentT(A, y, -1),
        lambda A, y: pr.StudentT(A, y, 1, dof="many"),
        lambda A, y: pr.Problem(A),
        lambda A, y: pr.Problem(pr.LeastSquares(A, y), constraint="positive"),
        lambda A, y: pr.Problem(pr.LeastSquares(A, y), prior=3),
    ],
)
def test_nonsense_is_refused(make):
    A = zoo.signed()
    with pytest.raises(ArgumentError):
        make(A, zoo.data_for(A))
