"""The fit of slices to rows: what a slice can explain is gone, what none can explain stays."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.pipeline.scan.patterns import axis_shift, lines, scan_patterns, shadows
from physrecon.pipeline.scan.row_fit import RowFit, _Preconditioner

VIEWS, COLUMNS, CENTER = 60, 48, 24.6


def scan(rows: int = 1):
    angles = np.arange(VIEWS) * (180 / VIEWS)
    return pr.ParallelBeam(angles, (rows, COLUMNS), angle_unit="deg", center=CENTER)


def disc(radius: float, x: float, y: float, center: float = CENTER):
    """Chords (views, 1, columns) of a disc of value 0.05."""
    radians = scan().radians[:, None]
    away = np.arange(COLUMNS) - center - x * np.cos(radians) - y * np.sin(radians)
    return 0.1 * np.sqrt(np.maximum(radius**2 - away**2, 0))[:, None].astype(np.float32)


def fit(y):
    return RowFit(scan(), np.exp(-y), COLUMNS)


def test_the_preconditioner_is_a_matrix_and_its_transpose():
    scale = np.random.default_rng(0).uniform(0.5, 2, (12, 12)).astype(np.float32)
    assert pr.check_adjoint(_Preconditioner((2, 12, 12), scale)) < 1e-6


def test_a_slice_explains_its_projections():
    y = disc(14, 3, -4)
    weights = np.exp(-y)
    left = fit(y).unexplained(fit(y).start(y))
    # voxels have no sharp rim
    assert (weights * left**2).mean() < 2e-4 * (weights * y**2).mean()


def test_rows_are_fitted_one_by_one():
    y = disc(14, 3, -4)
    rows = np.concatenate([y, y[::-1], np.cos(y)], axis=1)
    together = fit(y).unexplained(rows)
    alone = [fit(y).unexplained(rows[:, i : i + 1]) for i in range(3)]
    assert together == pytest.approx(np.concatenate(alone, axis=1), abs=1e-4)


def test_no_slice_explains_a_beam_that_drifts():
    y = disc(14, 3, -4)
    drift = 0.02 * np.cos(np.arange(VIEWS) * 0.7)[:, None, None] + 0 * y
    left = fit(y).unexplained(drift)
    assert np.linalg.norm(left) > 0.9 * np.linalg.norm(drift)


def gaussian(center: float, turn: float = 0.0):
    """Projections (views, columns) of a Gaussian 8 columns off the axis."""
    radians = scan().radians[:, None] * (1 + turn)
    return np.exp(-((np.arange(COLUMNS) - center - 8 * np.cos(radians)) ** 2) / 32)


def test_patterns_are_the_changes_they_stand_for():
    """A displaced axis and stretched angles, by their projections."""
    p = gaussian(CENTER)
    patterns = scan_patterns(p, [], scan(), COLUMNS, cut_off=False)
    assert "columns" not in patterns and "truncation" not in patterns
    shift, turn = gaussian(CENTER + 0.2) - p, gaussian(CENTER, 0.01) - p
    assert 0.1 * patterns["axis"][0] == pytest.approx(shift, abs=0.06 * np.abs(shift).max())
    # about the middle view; the rest is a turn of the object
    turned = gaussian(CENTER, 1e-6) - p
    middle = scan().radians.mean() / scan().radians[:, None].clip(1e-9)
    expected = turn - turned / 1e-6 * 0.01 * middle
    inner = slice(2, -2)
    found = 0.01 * patterns["angles"][0]
    assert found[inner] == pytest.approx(expected[inner], abs=0.12 * np.abs(expected).max())
    assert axis_shift(np.array([0.1, 0.0])) == pytest.approx(0.2)


def test_shadows_are_chords_of_discs_outside():
    chords = shadows(scan(), COLUMNS)
    radians, far = scan().radians, 1.2 * COLUMNS / 2
    radius = np.pi * far / len(chords)
    # the first disc is on the x axis: at 90° it is seen at the axis, through its middle
    middle = chords[0, VIEWS // 2]
    assert radians[VIEWS // 2] == pytest.approx(np.pi / 2)
    u = np.arange(COLUMNS) - CENTER
    assert middle == pytest.approx(2 * np.sqrt(np.maximum(radius**2 - u**2, 0)))


def fan(**more):
    return pr.FanBeam(
        np.arange(60) * 6.0, (1, COLUMNS), angle_unit="deg", pixel_size=2, center=CENTER,
        source_origin=70, source_detector=140, **more,
    )  # fmt: skip


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_lines_of_a_fan_are_those_of_its_rays(detector):
    """The source and the pixel lie on the line x cos a + y sin a = d."""
    scan = fan(detector=detector)
    angles, away = lines(scan)
    rays, u = scan.rays(), 7
    source, pixel = rays.source, rays.points([0], [u])[:, 0, 0]
    for point in (source, pixel):
        found = point[:, 2] * np.cos(angles[:, u]) + point[:, 1] * np.sin(angles[:, u])
        assert found == pytest.approx(away[:, u], abs=1e-9)


def test_a_slice_explains_a_fan_and_no_other_axis():
    scan = fan()
    angles, away = lines(scan)
    off = away - 3 * np.cos(angles) + 4 * np.sin(angles)
    y = 0.1 * np.sqrt(np.maximum(12.0**2 - off**2, 0))[:, None].astype(np.float32)
    squares = []
    for center in (CENTER, CENTER + 1):
        rows = RowFit(scan.with_center(center), np.exp(-y), COLUMNS)
        squares.append(float((rows.unexplained(rows.start(y)) ** 2).sum()))
    assert squares[0] < 5e-4 * float((y**2).sum()) and squares[1] > 20 * squares[0]


def test_a_row_thickens_along_its_rays_as_it_does_about_a_small_body():
    """A bend at one depth d behind the axis counts (1 + d / 70)² - 1."""
    scan = fan()
    rows = RowFit(scan, np.ones(scan.shape, np.float32), COLUMNS)
    grid = rows.grid(scan)
    at = grid.axis(1)
    x = np.exp(-((at[:, None] - 6) ** 2 + (at - 9) ** 2) / 8)[None].astype(np.float32)
    bend = pr.Projector(scan, grid) @ x
    depth = (6 * np.cos(scan.radians) - 9 * np.sin(scan.radians))[:, None, None]
    expected = bend * ((1 + depth / 70) ** 2 - 1)
    assert np.linalg.norm(rows.thickness(bend) - expected) < 0.3 * np.linalg.norm(expected)
