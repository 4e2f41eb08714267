"""Blind deconvolution: the PSF is found beside the image."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from tiers import thorough
from zoo.problems import bell

import physrecon as pr
from physrecon.errors import ArgumentError


def beads(sigma, boundary="reflect", side=11):
    rng = np.random.default_rng(3)
    A = pr.Blur(bell(side, side, sigma=1.5), (48, 48), boundary)
    truth = np.zeros(A.in_shape)
    truth[tuple(rng.integers(8, 40, (2, 12)))] = 3000
    y = rng.poisson(A @ truth + 5).astype(np.float32)
    first = pr.Blur(bell(side, side, sigma=sigma), (48, 48), boundary)
    return A.psf, pr.Problem(pr.PoissonLikelihood(first, y, 5))


@pytest.mark.parametrize("boundary", ["zero", "unknown", "reflect", "periodic"])
def test_a_psf_that_is_too_wide_becomes_the_true_one(boundary):
    truth, problem = beads(3.0, boundary)
    result = pr.solve(problem, pr.BlindRichardsonLucy(), stop=pr.Stop(15))
    psf = result.state.psf
    assert abs(psf - truth).sum() < 0.4 * abs(problem.f.A.psf - truth).sum()
    assert psf.sum() == pytest.approx(1, rel=1e-5) and psf.min() >= 0
    values = [record.value for record in result.history]
    assert (np.diff(values) <= 1e-6 * values[0]).all()
    again = pr.PoissonLikelihood(problem.f.A.with_psf(psf), problem.f.y, 5)
    assert values[-1] == pytest.approx(again.value(result.x), rel=1e-4)


def test_a_symmetric_psf_stays_so():
    _, problem = beads(2.5)
    psf = pr.solve(problem, pr.BlindRichardsonLucy(2, 2, True), stop=pr.Stop(4)).state.psf
    np.testing.assert_allclose(psf, psf[::-1, ::-1], rtol=1e-5)
    lopsided = problem.f.A.psf.copy()
    lopsided[0, 0] *= 2
    f = pr.PoissonLikelihood(problem.f.A.with_psf(lopsided), problem.f.y, 5)
    with pytest.raises(ArgumentError, match="symmetric"):
        pr.solve(pr.Problem(f), pr.BlindRichardsonLucy(symmetric=True))


def test_a_blind_run_resumes_with_the_same_bytes(tmp_path):
    _, problem = beads(2.5)
    solver = pr.BlindRichardsonLucy(2, 1)
    whole = pr.solve(problem, solver, stop=pr.Stop(5))
    half = pr.solve(problem, solver, stop=pr.Stop(2))
    pr.save_state(tmp_path / "state.h5", half.state)
    rest = pr.solve(problem, solver, stop=pr.Stop(5), state=pr.load_state(tmp_path / "state.h5"))
    assert rest.x.tobytes() == whole.x.tobytes()
    assert rest.state.psf.tobytes() == whole.state.psf.tobytes()


@pytest.mark.parametrize("boundary", ["zero", "unknown", "reflect", "periodic"])
@pytest.mark.parametrize(("shape", "side"), [((9, 11), (3, 4)), ((5, 7, 6), (3, 2, 5))])
def test_a_blur_as_an_operator_on_its_psf(shape, side, boundary):
    rng = np.random.default_rng(0)
    A = pr.Blur(rng.uniform(size=side), shape, boundary, center=(1,) * len(side))
    x, h = rng.uniform(size=A.in_shape), rng.standard_normal(side)
    B = A.as_function_of_psf(x)
    np.testing.assert_allclose(B @ h, A.with_psf(h) @ x, atol=1e-12)
    y = rng.standard_normal(shape)
    assert np.vdot(B @ h, y) == pytest.approx(np.vdot(h, B.T @ y), rel=1e-11)


def test_what_is_no_blind_problem_is_refused():
    y = np.ones((4, 9, 9), np.float32)
    stack = pr.Blur(bell(3, 3), y.shape)
    for A, data in ((stack, y), (zoo.positive(), np.ones((5, 3)))):
        with pytest.raises(ArgumentError, match="BlindRichardsonLucy: expected a Blur"):
            pr.solve(pr.Problem(pr.PoissonLikelihood(A, data)), pr.BlindRichardsonLucy())
    with pytest.raises(ArgumentError, match="psf_updates: expected a whole number"):
        pr.BlindRichardsonLucy(psf_updates=0)


@pytest.mark.parametrize("accelerate", [thorough(False), True])
def test_tiles_and_dtypes_do_not_part_in_an_unknown_world(accelerate):
    """Voxels that hardly any light reaches the frame from would follow the rounding of transforms,
    and through the step that all voxels share lead the others astray."""
    rng = np.random.default_rng(0)
    psf = pr.psf.gaussian((9, 11, 11), 2.0) * rng.uniform(0.9, 1.1, (9, 11, 11))
    truth = np.zeros((12, 40, 40), np.float32)
    truth[:, :, 18:21], truth[6, 5:30, 30] = 40, 300
    y = rng.poisson(pr.Blur(psf, truth.shape) @ truth + 2).astype(np.float32)
    found = []
    for dtype, memory in ((np.float32, None), (np.float32, 300_000), (np.float64, None)):
        A = pr.Blur(psf, y.shape, "unknown", method="fft", memory=memory)
        problem = pr.Problem(pr.PoissonLikelihood(A, y.astype(dtype), 2.0))
        solver = pr.RichardsonLucy(accelerate=accelerate)
        found.append(pr.solve(problem, solver, stop=pr.Stop(iterations=15)).x[A.frame])
    whole, tiles, double = found
    size = np.linalg.norm(double)
    assert np.linalg.norm(tiles - whole) < (2e-4 if accelerate else 1e-5) * size
    assert np.linalg.norm(whole - double) < (2e-4 if accelerate else 1e-5) * size
