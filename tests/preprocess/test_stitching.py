"""A full turn stitched to a half turn agrees with closed forms and with fbp of the full turn."""

from __future__ import annotations

import numpy as np
import pytest
from discs import disc

import physrecon as pr

TURN = np.arange(0, 360, 1.5)


def body(scan):
    return (disc(scan, 56, 0.01) + disc(scan, 7, 0.01, 3, 20)).astype(np.float64)


@pytest.mark.parametrize("center", [12.0, 12.5, 12.3, 68.0, 67.8, 39.0])
@pytest.mark.parametrize("order", ["rising", "falling", "shuffled"])
def test_stitched_views_are_those_of_a_wider_detector(center, order):
    turn = {"rising": TURN, "falling": 90 - TURN, "shuffled": np.random.default_rng(0)}[order]
    turn = turn if order != "shuffled" else turn.permutation(TURN)
    scan = pr.ParallelBeam(turn, (2, 81), angle_unit="deg", center=center, pixel_size=0.5)
    y, half = pr.stitch(body(scan), scan)
    assert half.shape == y.shape and len(half) == 120
    assert 0 <= scan.turn_width - half.shape[2] <= 1
    between = 2 * center != round(2 * center)
    at = (np.arange(half.shape[2]) - half.center) * 0.5
    inside = np.abs(at) < min(27, max(center, 80 - center) / 2 - 1)  # edges of the disc are steep
    error = np.abs(y - body(half))[..., inside].max()
    assert error < (0.01 if between else 1e-12)
    x, grid = pr.fbp(y, half), half.default_grid()
    turned = pr.fbp(body(scan), scan, grid)
    middle = np.hypot(grid.axis(1)[:, None], grid.axis(2)) < 26
    assert np.abs(x - turned)[:, middle].mean() < (2e-4 if between else 1e-7)


def test_flat_views_stay_flat():
    for center in (0.0, 7.3, 20.0, 39.0):
        scan = pr.ParallelBeam(TURN, (1, 40), angle_unit="deg", center=center)
        y, half = pr.stitch(np.ones(scan.shape), scan)
        inside = np.abs(np.arange(half.shape[2]) - half.center) <= max(center, 39 - center)
        np.testing.assert_allclose(y[..., inside], 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("angles", "center", "message"),
    [
        (TURN[:120], 12, "expected a full turn"),
        (TURN, 40, "off its middle"),
        (TURN, -3, "on the detector"),
        (TURN[1:], 12, "opposite pairs"),
        (np.linspace(0, 360, 241), 12, "opposite pairs"),
        (np.arange(240) * 111.246, 12, "opposite pairs"),
    ],
)
def test_what_cannot_be_stitched_is_refused(angles, center, message):
    scan = pr.ParallelBeam(angles, (1, 81), angle_unit="deg", center=center)
    with pytest.raises(pr.ArgumentError, match=message):
        pr.stitch(np.zeros(scan.shape), scan)


def test_other_shapes_are_refused():
    scan = pr.ParallelBeam(TURN, (1, 81), angle_unit="deg", center=12)
    with pytest.raises(pr.ArgumentError, match="expected line integrals"):
        pr.stitch(np.zeros((240, 81)), scan)
