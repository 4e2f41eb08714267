"""Parameters of PSF models beyond the range of their formulas, and what comes of those within."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physrecon import psf
from physrecon.errors import ArgumentError

HUGE = 10**400  # no float64
BEYOND = {
    "gaussian shape": lambda: psf.gaussian((1e308, 9), 1.0),
    "gaussian shape of inf": lambda: psf.gaussian((math.inf, 9), 1.0),
    "gaussian shape of 21 digits": lambda: psf.gaussian((10**21, 9), 1.0),
    "gaussian shape too large": lambda: psf.gaussian((99999999, 99999999), 1.0),
    "gaussian sigma": lambda: psf.gaussian((9, 9), 1e308),
    "gaussian sigma of 400 digits": lambda: psf.gaussian((9, 9), HUGE),
    "gaussian sigma in metres": lambda: psf.gaussian((9, 9), 2e-7, 100),
    "gaussian voxel": lambda: psf.gaussian((9, 9), 1.0, 1e-308),
    "moffat beta": lambda: psf.moffat((9, 9), 2.0, 1e308),
    "moffat width": lambda: psf.moffat((9, 9), 1e-308, 3.0),
    "moffat points": lambda: psf.moffat((9, 9), 2.0, 3.0, oversampling=10**9),
    "defocus": lambda: psf.defocus((9, 9), 1e-308),
    "motion length": lambda: psf.motion((9, 9), 5e-324, 0.0, angle_unit="deg"),
    "motion angle": lambda: psf.motion((9, 9), 5.0, 1e308, angle_unit="deg"),
    "airy aperture": lambda: psf.airy((9, 9), 0.5, 1e308, 0.1),
    "airy wavelength in metres": lambda: psf.airy((9, 9), 5e-7, 0.8, 0.1),
    "born-wolf wavelength": lambda: psf.born_wolf((3, 9, 9), 1e-308, 0.8, 0.1, 1.33),
    "born-wolf index": lambda: psf.born_wolf((3, 9, 9), 0.5, 0.8, 0.1, 1e308),
    "born-wolf planes": lambda: psf.born_wolf((3, 9, 9), 0.5, 0.8, (1e9, 0.1, 0.1), 1.33),
    "gibson-lanni depth": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 0.8, 0.1, 1.33, sample_index=1.4, depth=1e308
    ),
    "gibson-lanni depth of a metre": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 0.8, 0.1, 1.33, sample_index=1.4, depth=1e6
    ),
    "gibson-lanni glass": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 0.8, 0.1, 1.5, coverslip=(1e300, 1.5), nominal_coverslip=(170, 1.5)
    ),
    "gibson-lanni focus": lambda: psf.gibson_lanni((3, 9, 9), 0.5, 0.8, 0.1, 1.33, focus=1e308),
}  # fmt: skip


@pytest.mark.parametrize("case", BEYOND)
@pytest.mark.filterwarnings("error")
def test_beyond_its_range_a_parameter_is_refused_before_arrays_are_made(case):
    with pytest.raises(ArgumentError, match=r"expected .*, got ") as refused:
        BEYOND[case]()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("beta", [1.0001, 50.0, 1000.0])
def test_moffat_over_its_range_tends_to_a_gaussian(beta):
    h = psf.moffat((65, 65), 12.0, beta, oversampling=1)
    alpha = 6 / math.sqrt(math.expm1(math.log(2) / beta))
    x = np.arange(65) - 32
    truth = np.exp(-beta * np.log1p((x[:, None] ** 2 + x**2) / alpha**2))
    np.testing.assert_allclose(h / h[32, 32], truth, rtol=1e-9)
    if beta == 1000:
        gauss = np.exp(-math.log(2) * (x[:, None] ** 2 + x**2) / 36)
        np.testing.assert_allclose(h / h[32, 32], gauss, atol=1e-3)


def test_lengths_of_any_unit_give_one_psf():
    """Metres or picometres: only the ratio to the voxel counts."""
    for unit in (1e-60, 1e-9, 1e12, 1e60):
        for model, *lengths in (
            (psf.gaussian, 2.0),
            (psf.defocus, 3.0),
            (lambda shape, wavelength, pixel: psf.airy(shape, wavelength, 0.8, pixel), 5.0),
        ):
            scaled = model((9, 9), *(unit * n for n in lengths), unit)
            np.testing.assert_allclose(scaled, model((9, 9), *lengths, 1.0), atol=1e-15)
