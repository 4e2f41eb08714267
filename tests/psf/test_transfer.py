"""The transfer function of a stretched or turned PSF is that of the PSF drawn so."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import physrecon as pr
from physrecon.pipeline.image.psf_doubt import TURNS, WIDTHS
from physrecon.psf.transfer import Transfer

FY, FX = (f.ravel() for f in np.meshgrid(np.fft.fftfreq(64), np.fft.rfftfreq(64), indexing="ij"))
ROUND = np.hypot(FY, FX) < 0.5


def power(psf):
    return np.abs(np.fft.rfft2(psf, (64, 64))).ravel() ** 2


@pytest.mark.parametrize("shape", [(21, 21), (9, 16), (1, 9)])
def test_the_psf_itself(shape):
    psf = np.random.default_rng(0).random(shape)
    psf /= psf.sum()
    # splines between the frequencies of a PSF that reaches far
    np.testing.assert_allclose(Transfer(3 * psf).power(FY, FX), power(psf), atol=2e-3)


@pytest.mark.parametrize(
    "name, own, other, far",
    [("gaussian", 2.0, 1.2, 1e-3), ("gaussian", 1.5, 2.4, 1e-3), ("defocus", 5, 3, 4e-3),
     ("defocus", 3, 5, 4e-3)],
)  # fmt: skip
def test_a_model_of_another_width(name, own, other, far):
    model = getattr(pr.psf, name)
    found = Transfer(model((41, 41), own)).power(FY, FX, other / own)
    np.testing.assert_allclose(found[ROUND], power(model((41, 41), other))[ROUND], atol=far)


@pytest.mark.parametrize("length, angle", [(9, 30), (4.4, 25), (13, 117)])
@pytest.mark.parametrize("stretch, turn", [(2.0, 0.0), (0.6, 0.0), (1.0, 20.0), (1.0, -35.0)])
def test_a_line_is_drawn_anew(length, angle, stretch, turn):
    """An interpolated line would be wider, and what it shows beyond half a period is no zero."""

    def motion(length, angle):
        return pr.psf.motion((31, 31), length, angle, angle_unit="deg")

    found = Transfer(motion(length, angle)).power(FY, FX, stretch, turn)
    expected = power(motion(stretch * length, angle + turn))
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.abs(found - expected).mean() < 2e-3


@pytest.mark.parametrize("factor", [*WIDTHS["psf-wide"], *WIDTHS["psf-narrow"]])
@pytest.mark.parametrize("shape", [(21, 21), (1, 9), (6, 7)])
def test_a_stretched_psf_keeps_its_light_wherever_it_is(shape, factor):
    """A sum of 1, also of a PSF that shrinks between two pixels, and s² (v − 1/12) + 1/12."""
    f, zero, ends = np.full(1, 5e-3), np.zeros(1), [(0, n // 2, n - 1) for n in shape]
    for row, column in product(*ends):
        psf = np.zeros(shape)
        psf[row, column] = 2.0
        assert Transfer(psf).power(zero, zero, factor) == pytest.approx(1)
        psf[shape[0] // 2, shape[1] // 2] += 2.0
        transfer = Transfer(psf)
        assert np.isfinite([transfer.power(f, f, factor, turn) for turn in TURNS]).all()
    psf = np.random.default_rng(1).random(shape)
    places, light = np.arange(shape[1]), psf.sum(0) / psf.sum()
    variance = light @ (places - light @ places) ** 2
    # log |H(f)|² = −(2π f)² v at the lowest frequencies
    found = -np.log(Transfer(psf).power(zero, f, factor)) / (2 * np.pi * f) ** 2
    assert found == pytest.approx(factor**2 * (variance - 1 / 12) + 1 / 12, rel=0.06)
