"""A PSF of another width or direction, told from the image alone."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.pipeline.image.psf_doubt import better_psf


def motion(length: float, angle: float):
    return pr.psf.motion((31, 31), length, angle, angle_unit="deg")


def scene(psf, shape=(120, 120)):
    """Opaque discs of all sizes, blurred, with counts."""
    rng, n = np.random.default_rng(5), 320
    x, (rows, columns) = np.full((n, n), 0.5), np.mgrid[:n, :n]
    for _ in range(600):
        radius = min(5 * rng.random() ** -0.6, 80)
        y, z = rng.uniform(0, n, 2)
        x[(rows - y) ** 2 + (columns - z) ** 2 < radius**2] = rng.random()
    x = 1000 * (0.05 + x.reshape(n // 2, 2, n // 2, 2).mean((1, 3)))
    blurred = pr.Blur(psf, shape, "unknown") @ np.ascontiguousarray(x[:150, :150])
    return np.random.default_rng(6).poisson(blurred).astype(float)


@pytest.mark.parametrize(
    "given, cause",
    [((9, 30), None), ((12, 30), "psf-wide"), ((6.5, 30), "psf-narrow"), ((9, 50), "psf-angle")],
)
def test_width_and_direction_of_motion(given, cause):
    found = better_psf(scene(motion(9, 30)), motion(*given))
    assert list(found) == ([] if cause is None else [cause])


def test_a_turned_psf_is_turned_back():
    # 20° were given too many: the sign is that of the correction
    ((_, words),) = better_psf(scene(motion(9, 30)), motion(9, 50)).values()
    assert words in ("by about -16°", "by about -23°")


def test_the_sum_of_a_stack_is_that_of_a_plane():
    psf = pr.psf.defocus((21, 21), radius=4.0)
    y = scene(psf, (130, 130))
    stack, thick = np.stack([0.3 * y, 0.7 * y]), np.stack([0.3 * psf, 0.7 * psf])
    wide = np.stack([0 * psf, pr.psf.defocus((21, 21), radius=5.0)])
    assert better_psf(stack, thick) == {}
    assert list(better_psf(stack, wide)) == ["psf-wide"]
