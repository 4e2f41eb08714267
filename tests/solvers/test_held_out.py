"""Weights from data that are left out: blocks, correlated noise, every likelihood, cost, ends."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from scipy.ndimage import gaussian_filter
from tiers import thorough

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.solvers.held_out import ERRORS, FLOOR, Blocks, Losses, fitting, reach, wider, widths
from physrecon.solvers.weight_search import Search

SMOOTH = pr.Tikhonov(1.0, pr.Gradient)


def noise(shape, blur=0.0, seed=0):
    """Noise of variance 1, shared by neighbours if it is blurred."""
    white = np.random.default_rng(seed).standard_normal(shape)
    spread = gaussian_filter(white, blur, mode="wrap") if blur else white
    return spread / spread.std()


def test_the_reach_of_correlation_is_that_of_the_formula():
    """White noise blurred by σ has the autocorrelation exp(−d²/4σ²): above 0.1 for d < 3.03 σ."""
    for sigma in (1, 2):
        spread = gaussian_filter(noise((256, 256)), (sigma, 0), mode="wrap")
        assert reach(spread) == [int(3.03 * sigma), 0]
    assert reach(np.zeros((4, 5))) == [0, 0]
    stripes = np.broadcast_to(noise(64), (48, 64))  # a column is the same in all views
    assert reach(stripes)[0] == 24 and reach(stripes)[1] == 0


def test_blocks_cover_the_axis_along_which_noise_does_not_end():
    stripes = np.broadcast_to(noise(300), (48, 300))
    assert widths(stripes) == [(48, 2)]
    assert fitting((1000, 1, 640), [8, 8, 2]) == (8, 1, 2)


def test_one_block_of_four_is_left_out_whole():
    y = np.zeros((60, 64), np.float32)
    blocks = Blocks(y, [(6, 4)])
    share = blocks.keep.reshape(10, 6, 16, 4).mean((1, 3))
    assert set(np.unique(share)) == {0.0, 1.0} and blocks.count == (share == 0).sum()
    assert blocks.count == 160 / 4
    assert blocks.keep.dtype == y.dtype and blocks.data == blocks.count * 24
    assert (Blocks(y, [(6, 4)]).keep == blocks.keep).all()  # the same every time
    losses = np.arange(60 * 64.0).reshape(60, 64)
    assert blocks.means(losses).mean() == pytest.approx(losses[blocks.keep == 0].mean())


def test_draws_of_the_same_sizes_have_no_block_in_common():
    y = np.zeros((60, 64), np.float32)
    first, second = (Blocks(y, [(6, 4)], draw).keep == 0 for draw in (0, 1))
    assert first.sum() == second.sum() and not (first & second).any()
    square = np.zeros((64, 64))
    assert wider(square, [(2, 2)]) == [(5, 5)] and wider(square, [(6, 9)]) == [(6, 9)]


def test_a_tuple_of_data_has_blocks_in_each():
    y = (np.zeros((40, 40)), np.zeros(50))
    blocks = Blocks(y, [(4, 4), (5,)])
    assert [vectors.leaves(blocks.keep)[i].shape for i in (0, 1)] == [(40, 40), (50,)]
    assert blocks.count == len(blocks.means(y)) == 25 + 3


def test_a_fit_that_is_worse_by_chance_is_as_good():
    """Differences of mean m and deviation s in n blocks are m √n / s standard errors apart."""
    losses, n = Losses(), 100
    sign = np.where(np.arange(n) % 2, 1.0, -1.0)
    for place, errors in ((0, 0.0), (2, 0.5), (4, 2.5), (-2, 0.9)):  # in units of ERRORS
        errors *= ERRORS
        logs = 0.1 * (errors / np.sqrt(n) + sign) if place else np.zeros(n)
        losses.means[place] = (1 + FLOOR) * np.exp(logs) - FLOOR
    assert losses.score(0) == pytest.approx(1 + FLOOR)
    assert losses.alike(0, [2, 4]) == pytest.approx(2.5)  # 1 lies a quarter of 0.5 to 2.5
    assert losses.alike(0, [4]) == pytest.approx(1.6)  # −1 at 0 and 1.5 at 4
    assert losses.alike(0, [-2]) == -2 and losses.alike(0, []) == 0


def test_blocks_without_loss_are_no_matter():
    losses = Losses()
    losses.means = {k: np.array([0.0] * 3 + [loss] * 4) for k, loss in ((0, 1.0), (2, 4.0))}
    assert losses.score(2) > losses.score(0) > 0 and losses.alike(0, [2]) < 2


# The chosen weight ----------------------------------------------------------------------------


def blurred(blur, dtype=np.float64, size=48):
    """A smooth image behind a blur, with noise."""
    i = np.arange(size)
    x = np.sin(i / 9)[:, None] * np.cos(i / 7) + (i > 30)
    A = pr.Blur(pr.psf.gaussian((9, 9), sigma=1.5), x.shape, "reflect")
    y = A.forward(x) + 0.1 * noise(x.shape, blur, seed=3)
    return A, x.astype(dtype), y.astype(dtype)


def error(f, x, weight, prior=SMOOTH):
    one = pr.Problem(f, prior.with_weight(weight))
    return np.linalg.norm(pr.solve(one, pr.ConjugateGradient()).x - x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_noise_that_neighbours_share_does_not_mislead(blur, dtype):
    A, x, y = blurred(blur, dtype)
    f = pr.LeastSquares(A, y)
    best = min(error(f, x, w) for w in np.geomspace(1e-3, 1e2, 11))
    choice = pr.choose_weight(pr.Problem(f, SMOOTH))
    assert choice.rule == "held-out" and choice.result.x.dtype == dtype
    assert choice.low <= choice.weight <= choice.high
    assert np.linalg.norm(choice.result.x - x) < 1.2 * best
    if blur:  # generalised cross-validation takes the noise for the object
        with pytest.raises(ArgumentError, match="got the end"):
            pr.choose_weight(pr.Problem(f, SMOOTH), "gcv")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kind",
    ["poisson", "huber", thorough("transmission"), thorough("student"), thorough("counts, line")],
)
def test_every_likelihood_finds_nearly_the_best_weight(kind, dtype):
    i = np.arange(480)
    M = np.exp(-(((i[:, None] - i) / 3) ** 2)) / 6
    x = 1 + np.sin(i / 9) ** 2
    A, rng = zoo.Dense(M.astype(dtype)), np.random.default_rng(4)
    p = M @ x
    if kind == "poisson":
        f = pr.PoissonLikelihood(200 * A, rng.poisson(200 * p + 5).astype(dtype), 5)
    elif kind == "transmission":
        f = pr.TransmissionLikelihood(A, rng.poisson(900 * np.exp(-p)).astype(dtype), 900)
    else:
        y = p + 0.05 * rng.standard_normal(480)
        y[::17] += 1  # outliers
        kinds = {
            "huber": lambda y: pr.Huber(A, y, 0.07),
            "student": lambda y: pr.StudentT(A, y, 0.05),
        }
        f = kinds.get(kind, lambda y: pr.PoissonLikelihood(A, y, 0.1))(y.astype(dtype))
    solver, stop = pr.LBFGS(), pr.Stop(iterations=80)

    def wrong(w):
        problem = pr.Problem(f, SMOOTH.with_weight(w), pr.NonNegative())
        return np.linalg.norm(pr.solve(problem, solver, np.ones(480, dtype), stop=stop).x - x)

    problem = pr.Problem(f, SMOOTH, pr.NonNegative())
    choice = pr.choose_weight(problem, solver=solver, stop=stop)
    best = min(wrong(choice.weight * 4.0**k) for k in range(-2, 3))
    flat = kind == "student"  # its tails tell little of a larger weight
    assert np.linalg.norm(choice.result.x - x) < (1.8 if flat else 1.35) * best


def test_search_and_result_cost_three_solutions():
    class Counted(zoo.Dense):
        products = 0

        def _forward(self, x, out):
            Counted.products += 1
            super()._forward(x, out)

        def _adjoint(self, y, out):
            Counted.products += 1
            super()._adjoint(y, out)

    A, _, y = blurred(0.0, size=16)
    M = np.stack([A.forward(e.reshape(16, 16)).ravel() for e in np.eye(256)], 1)
    f = pr.LeastSquares(Counted(M), y.ravel())
    problem, stop = pr.Problem(f, pr.L1(1.0)), pr.Stop(iterations=200)
    one = 2 * 200  # A and its transpose in each iteration
    tried = []
    choice = pr.choose_weight(problem, "held-out", pr.FISTA(), stop, lambda *at: tried.append(at))
    search = Counted.products
    assert choice.result.iterations == 200  # from the fit of the nearest weight
    assert search <= 2 * one and Counted.products <= 3 * one
    fractions = [fraction for fraction, _ in tried]
    assert fractions == sorted(fractions) and fractions[-1] <= 1 and "weight" in tried[-1][1]


@pytest.mark.parametrize("solver", [pr.FISTA(), pr.ADMM()])
def test_a_state_that_outlives_the_weight_goes_on(solver):
    A, _, y = blurred(0.0, size=16)
    problem = pr.Problem(pr.LeastSquares(A, y), pr.L1(1.0))
    search = Search(problem, "discrepancy", solver, pr.Stop(iterations=200), None)
    search.at(0)
    first = search.fits[0].x.copy()
    search.at(-4)
    before = 2 * search.each if solver.outlives_weight else 0
    assert search.fits[-4].iteration == before + search.each
    assert (search.fits[0].x == first).all() and (search.fits[-4].x != first).any()


def test_data_that_tell_nothing_of_the_weight_are_refused():
    """Without neighbours that an operator or a prior joins, nothing foretells a datum."""
    f = pr.LeastSquares(pr.Identity(300), 5 + noise(300))
    with pytest.raises(ArgumentError, match=r"the end .*or give the weight"):
        pr.choose_weight(pr.Problem(f, pr.Tikhonov(1.0)))


def test_the_progress_of_a_search_without_end_is_bounded():
    """All weights of the scan are tried, and the bar does not stand at its end meanwhile."""
    f, tried = pr.LeastSquares(pr.Identity(300), 5 + noise(300)), []
    problem, stop = pr.Problem(f, pr.L1(1.0)), pr.Stop(iterations=100)
    with pytest.raises(ArgumentError, match=r"the end .*or give the weight"):
        pr.choose_weight(problem, "held-out", pr.ADMM(), stop, lambda *at: tried.append(at))
    fractions = [fraction for fraction, _ in tried]
    assert fractions == sorted(fractions) and 0.5 < fractions[-1] <= 1
    assert fractions.count(fractions[-1]) < 5


def test_a_noise_level_that_contradicts_is_told():
    A, _, y = blurred(1.0)
    choice = pr.choose_weight(pr.Problem(pr.LeastSquares(A, y), SMOOTH))
    assert 0.5 < choice.misfit < 1.2 and not choice.contradicted
    f = pr.LeastSquares(A, y, np.full(y.shape, 1e4), inverse_variance=True)  # ten times too small
    assert pr.choose_weight(pr.Problem(f, SMOOTH)).contradicted
