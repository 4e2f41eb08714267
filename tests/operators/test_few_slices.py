"""A few slices: every variant of the kernels of registers against the scalar one, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometries import GEOMETRIES, geometry

import physrecon as pr
from physrecon.geometry.view_tables import view_table
from physrecon.kernels import _resample
from physrecon.kernels.parallel_slices import TAPS
from physrecon.operators.projection import few_slices, slice_plans

FORCED = pytest.mark.thorough if _resample.LANES == 8 else ()
LANES = [pytest.param(8, id="AVX2"), pytest.param(16, id="AVX-512", marks=FORCED)]
needs_fused = pytest.mark.skipif(
    not _resample.FEATURES.get("fma", False), reason="the scalar kernel rounds twice here"
)


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def with_lanes(monkeypatch, lanes, call):
    monkeypatch.setattr(_resample, "LANES", lanes)
    return call()


def both(scan, grid):
    """Forward and back of a fresh operator."""
    A = pr.Projector(scan, grid)
    return A @ random(A.in_shape), A.T @ random(A.out_shape, 1)


@needs_fused
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(("scan", "grid"), GEOMETRIES)
def test_every_variant_is_the_scalar_kernel(scan, grid, lanes, monkeypatch):
    scalar = with_lanes(monkeypatch, 0, lambda: both(scan, grid))
    registers = with_lanes(monkeypatch, lanes, lambda: both(scan, grid))
    for one, other in zip(scalar, registers, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_fused
@pytest.mark.parametrize(
    ("angle", "forward", "back"), [(0, 3, 3), (10, 3, 3), (35, 4, 4), (40, 5, 4), (44, 5, 0)]
)
def test_a_ray_takes_the_voxels_of_a_window_and_a_voxel_the_rays(angle, forward, back, monkeypatch):
    """As many as the pitches ask for; on both sides of the axis, both ways round."""
    angles = [angle, 90 - angle, 90 + angle, 180 - angle, 180 + angle, -angle]
    scan = pr.ParallelBeam(angles, (1, 70), angle_unit="deg", center=31.4)
    grid = pr.Grid((1, 61, 67))
    steps, origins, _ = view_table(scan, grid).lowered(np.float32)
    assert (slice_plans.forward_plan(steps, origins, 70, 8)[0][:, TAPS] == forward).all()
    assert (slice_plans.back_plan(steps, origins, 8, 2)[0][:, TAPS] == back).all()
    scalar = with_lanes(monkeypatch, 0, lambda: both(scan, grid))
    registers = with_lanes(monkeypatch, 8, lambda: both(scan, grid))
    for one, other in zip(scalar, registers, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_fused
@pytest.mark.parametrize("slices", [1, 2, 7, 8, 9])
def test_a_slice_does_not_depend_on_how_many_there_are(slices, monkeypatch):
    """Up to 8 the registers hold neighbours, above a slice each."""
    scan, grid = geometry("many slices")
    whole = both(scan, grid)
    A = pr.Projector(scan.part(slice(slices)), grid.part(slice(slices)))
    np.testing.assert_array_equal(A @ random(grid.shape)[:slices], whole[0][:, :slices])
    y = np.ascontiguousarray(random(scan.shape, 1)[:, :slices])
    np.testing.assert_array_equal(A.T @ y, whole[1][:slices])


@pytest.mark.parametrize("name", ["plain", "off-centre", "several tiles", "one view across"])
def test_memory_of_an_earlier_call_leaves_no_trace(name):
    scan, grid = geometry(name)
    A = pr.Projector(scan, grid)
    x, y = random(A.in_shape), random(A.out_shape, 1)
    before = A @ x, A.T @ y
    for _ in range(2):
        A._engine.project(np.full_like(x, np.nan), np.empty_like(y))
        A._engine.backproject(np.full_like(y, np.nan), np.empty_like(x))
    np.testing.assert_array_equal(A @ x, before[0])
    np.testing.assert_array_equal(A.T @ y, before[1])


@needs_fused
@pytest.mark.parametrize("lanes", LANES)
def test_filtered_backprojection_takes_them_too(lanes, monkeypatch):
    for name in ("plain", "off-centre", "coarse pixels", "fine pixels"):
        scan, grid = geometry(name)
        y = random(scan.shape)
        scalar = with_lanes(monkeypatch, 0, lambda: pr.fbp(y, scan, grid))  # noqa: B023
        registers = with_lanes(monkeypatch, lanes, lambda: pr.fbp(y, scan, grid))  # noqa: B023
        np.testing.assert_array_equal(scalar, registers)


def test_a_disc_that_the_detector_cuts_off():
    """Chords 2 sqrt(r² - s²), the axis and the disc off the middle, and half of it unseen."""
    angles = np.linspace(0, 360, 25)
    scan = pr.ParallelBeam(angles, (1, 61), angle_unit="deg", pixel_size=0.1, center=11.3)
    grid, r, x0, y0 = pr.Grid((1, 111, 117), 0.1), 3.0, 1.2, -0.7
    disc = pr.datasets.Ellipses([[1.0, r, r, x0, y0, 0.0]]).volume(grid, supersample=8)
    u = (np.arange(61) - 11.3) * 0.1
    s = u - (x0 * np.cos(scan.radians) + y0 * np.sin(scan.radians))[:, None]
    exact = 2 * np.sqrt(np.maximum(r * r - s * s, 0))
    error = (pr.Projector(scan, grid) @ disc)[:, 0] - exact
    assert few_slices.suits(view_table(scan, grid))
    assert np.abs(error[np.abs(s) < r - 0.5]).max() < 0.1
    assert not error[np.abs(s) > r + 0.2].any()


def test_the_rays_that_the_registers_take():
    """Pixels of half a voxel to two voxels."""
    scan, grid = geometry("plain")
    for pixel, suited in ((0.49, False), (0.5, True), (1.0, True), (2.0, True), (2.2, False)):
        assert few_slices.suits(view_table(replace(scan, pixel_size=pixel), grid)) == suited
