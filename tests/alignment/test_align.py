"""Shifts of every view, axis and tilts, found from simulated scans of balls."""

from dataclasses import replace

import numpy as np
import pytest

import physrecon as pr
from physrecon.alignment.coarser import binned, coarser

BEAMS = {
    "parallel": lambda shape, views: pr.TiltedBeam(
        np.arange(views) * 180 / views, shape, angle_unit="deg"
    ),
    "cone": lambda shape, views: pr.ConeBeam(
        np.arange(views) * 360 / views, shape, angle_unit="deg", pixel_size=2.0,
        source_origin=120.0, source_detector=240.0,
    ),
}  # fmt: skip


def balls(grid, rng, count):
    """A volume of twice the resolution: what the grid of the alignment cannot show exactly."""
    fine = pr.Grid(tuple(2 * n for n in grid.shape), tuple(p / 2 for p in grid.pitch))
    z, y, x = np.meshgrid(*(fine.axis(k) for k in range(3)), indexing="ij")
    volume = np.zeros(fine.shape, np.float32)
    reach = np.array([0.3 * grid.shape[0], 0.2 * grid.shape[2], 0.2 * grid.shape[2]])
    for _ in range(count):
        middle, radius = rng.uniform(-1, 1, 3) * reach, rng.uniform(1.5, 4)
        away = np.sqrt(sum((c - m) ** 2 for c, m in zip((z, y, x), middle, strict=True)))
        volume += rng.uniform(0.3, 1) * np.clip(0.5 + 2 * (radius - away), 0, 1).astype(np.float32)
    return fine, volume


def jitter(scan, rng, pixels):
    """Shifts by which pictures move so many pixels, without the part that no data tell."""
    turn, size = scan.radians, pixels * scan.default_grid().pitch[2]
    shifts = rng.standard_normal((len(scan), 2)) * size
    fixed = np.stack([np.ones(len(turn)), np.cos(turn), np.sin(turn)], axis=1)
    shifts[:, 0] -= shifts[:, 0].mean()
    shifts[:, 1] -= fixed @ np.linalg.lstsq(fixed, shifts[:, 1], rcond=None)[0]
    return np.insert(shifts, 1, 0.0, axis=1)


def measured(true, grid, rng, noise=0.01):
    fine, volume = balls(grid, rng, 25)
    y = pr.Projector(true, fine) @ volume
    return y + noise * y.max() * rng.standard_normal(y.shape).astype(np.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("name", BEAMS)
def test_a_jitter_of_two_pixels_is_found_to_a_tenth(name):
    rng, scan = np.random.default_rng(3), BEAMS[name]((24, 36), 48)
    true = replace(scan, shifts=jitter(scan, rng, 2.0), center=scan.center + 1.3)
    y = measured(true, scan.default_grid(), rng)
    found = pr.align(y, scan)
    wrong = (found.scan.shifts - true.shifts)[:, [0, 2]] / scan.default_grid().pitch[2]
    assert (np.sqrt((wrong**2).mean(axis=0)) < 0.1).all()
    assert abs(found.scan.center - true.center) < 0.1
    claimed = found.errors["shifts"][[0, 2]] / scan.default_grid().pitch[2]
    assert (claimed < 0.1).all() and (wrong.std(axis=0) < 3 * claimed).all()
    assert found.residual[1] < 0.3 * found.residual[0]
    assert "no mean height" in found.notes[0]


def test_an_axis_and_a_turned_detector_are_found_together():
    rng, scan = np.random.default_rng(4), BEAMS["cone"]((14, 24), 30)
    true = replace(scan, roll=2.0, center=12.6)
    y = measured(true, scan.default_grid(), rng)
    found = pr.align(y, scan, free=("center", "roll"), reach=2)
    assert abs(found.scan.roll - 2.0) < 0.3
    assert abs(found.scan.center - 12.6) < 0.1
    assert found.notes == [] and set(found.errors) == {"center", "roll"}


@pytest.mark.parametrize("name", BEAMS)
def test_larger_pixels_see_along_the_middle_of_theirs(name):
    scan = replace(BEAMS[name]((9, 14), 5), center=5.2, row_offset=0.7)
    rays, large = scan.rays(), coarser(scan, 4)
    assert large.shape == (5, 2, 3)
    here = rays.points(np.arange(2) * 4 + 1.5, np.arange(3) * 4 + 1.5)
    np.testing.assert_allclose(large.rays().points(np.arange(2), np.arange(3)), here, atol=1e-12)
    y = np.arange(5 * 9 * 14, dtype=np.float32).reshape(5, 9, 14)
    assert binned(y, 4)[1, 1, 2] == y[1, 4:8, 8:12].mean()


def test_what_cannot_be_aligned():
    scan = BEAMS["parallel"]((4, 9), 6)
    y = np.zeros(scan.shape, np.float32)
    with pytest.raises(pr.ArgumentError, match=r"align\.scan"):
        pr.align(y, "scan")
    with pytest.raises(pr.ArgumentError, match="one of angles, center"):
        pr.align(y, scan, free=("yaw",))
    with pytest.raises(pr.ArgumentError, match=r"align\.y"):
        pr.align(y[:, :2], scan)
    with pytest.raises(pr.ArgumentError, match=r"align\.free"):
        pr.align(y, scan, free=())
