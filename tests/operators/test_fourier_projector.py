"""Projections by Fourier transforms: the sums that define them, their transposes, closed forms."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from tiers import thorough

import physrecon as pr
from physrecon.operators.projection.polar_points import polar_points

DEGREES = np.arange(0, 180, 14.7) - 20
CASES = {
    "square": (pr.ParallelBeam(DEGREES, (3, 17), angle_unit="deg"), None),
    "off centre": (
        pr.ParallelBeam(DEGREES, (2, 33), angle_unit="deg", center=17.3, pixel_size=(1, 0.7)),
        pr.Grid((2, 29, 31), (1, 0.8, 0.9), (0, 1.3, -2.0)),
    ),
    "full turn": (pr.ParallelBeam(2 * DEGREES, (1, 16), angle_unit="deg", center=3.2), None),
    "narrow": (pr.ParallelBeam(DEGREES, (1, 9), angle_unit="deg"), pr.Grid((1, 21, 20))),
    "wide": (pr.ParallelBeam(DEGREES, (1, 40), angle_unit="deg"), pr.Grid((1, 9, 12))),
    "fine columns": (
        pr.ParallelBeam(DEGREES, (1, 40), angle_unit="deg", pixel_size=(1.0, 0.4)),
        pr.Grid((1, 15, 16)),
    ),
    "one view": (pr.ParallelBeam([33.0], (5, 17), angle_unit="deg"), None),
    "one voxel": (pr.ParallelBeam(DEGREES, (1, 5), angle_unit="deg"), pr.Grid((1, 1, 1))),
    "many slices": (pr.ParallelBeam(DEGREES, (18, 17), angle_unit="deg"), None),
}


def operator(name, dtype, accuracy=None):
    scan, grid = CASES[name]
    return pr.FourierProjector(scan, grid, accuracy or (1e-6 if dtype == np.float32 else 1e-11))


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def by_definition(A, x):
    """Squares of the volume, in the frequencies of the detector, one by one."""
    scan, grid, length = A.scan, A.grid, A._engine.length
    f = np.fft.fftfreq(length, scan.column_pitch)
    u = (np.arange(scan.shape[2]) - scan.center) * scan.column_pitch
    there = np.exp(2j * np.pi * np.multiply.outer(f, u)) / (length * scan.column_pitch)
    y = np.zeros(A.out_shape)
    for v, angle in enumerate(scan.radians):
        ways = f * np.sin(angle), f * np.cos(angle)
        spectrum = x.astype(np.float64)
        for k, (way, axis) in enumerate(zip(ways, (1, 2), strict=True)):
            pitch = grid.pitch[axis]
            square = pitch * np.sinc(way * pitch)
            wave = np.exp(-2j * np.pi * np.multiply.outer(grid.axis(axis), way)) * square
            spectrum = np.einsum("zyx,yf->zxf", spectrum, wave) if k == 0 else np.einsum(
                "zxf,xf->zf", spectrum, wave
            )  # fmt: skip
        y[v] = (spectrum @ there).real
    return y


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_sum_that_defines_it(name, dtype, close):
    A = operator(name, dtype)
    x = random(A.in_shape, dtype)
    expected = by_definition(A, x)
    np.testing.assert_allclose(A @ x, expected, atol=close * np.abs(expected).max())


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", CASES)
def test_the_adjoint_is_exact(name, dtype, close):
    A = operator(name, dtype, 1e-3)  # of any accuracy
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    Ax, Aty = (v.astype(np.float64) for v in (A @ x, A.T @ y))
    size = np.linalg.norm(Ax) * np.linalg.norm(y)
    assert abs((Ax * y).sum() - (x * Aty).sum()) <= close * size


@pytest.mark.parametrize("accuracy", [1e-3, 1e-4, 1e-5])
def test_the_accuracy_is_kept(accuracy):
    A = operator("off centre", np.float64, accuracy)
    x = random(A.in_shape, np.float64)
    expected = by_definition(A, x)
    assert np.linalg.norm(A @ x - expected) <= accuracy * np.linalg.norm(expected)


def balls(scan):
    """(slice, line integrals) of Gaussians, in closed form."""
    grid, rng = scan.default_grid(), np.random.default_rng(2)
    y, x = np.meshgrid(grid.axis(1), grid.axis(2), indexing="ij")
    u = (np.arange(scan.shape[2]) - scan.center) * scan.column_pitch
    half = grid.shape[1] * grid.pitch[1] / 2
    made, views = np.zeros(grid.shape), np.zeros(scan.shape)
    for _ in range(6):
        b, a = rng.uniform(-0.4, 0.4, 2) * half
        s, value = rng.uniform(0.08, 0.2) * half, rng.uniform(0.5, 1)
        made += value * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s * s))
        t = u - (a * np.cos(scan.radians) + b * np.sin(scan.radians))[:, None]
        views += (value * s * np.sqrt(2 * np.pi) * np.exp(-(t**2) / (2 * s * s)))[:, None]
    return made, views


def test_smooth_objects_have_the_line_integrals_of_closed_forms():
    scan = pr.ParallelBeam(np.arange(0, 180, 3.1), (1, 96), angle_unit="deg", center=46.3)
    x, expected = balls(scan)
    found, direct = (kind(scan) @ x for kind in (pr.FourierProjector, pr.Projector))
    top = expected.max()
    assert np.abs(found - expected).max() <= 5e-3 * top
    assert np.linalg.norm(found - expected) <= np.linalg.norm(direct - expected)
    assert np.linalg.norm(found - direct) <= 3e-3 * np.linalg.norm(direct)


def test_a_slice_is_the_same_whatever_is_beside_it_and_whoever_computes_it(monkeypatch):
    scan = pr.ParallelBeam(DEGREES, (21, 17), angle_unit="deg")
    A = pr.FourierProjector(scan)
    x, y = random(A.in_shape, np.float32), random(A.out_shape, np.float32, 1)
    whole = A @ x, A.T @ y
    for part in (slice(0, 1), slice(3, 7), slice(5, 21)):
        some = pr.FourierProjector(scan.part(part), A.grid.part(part))
        np.testing.assert_array_equal(some @ x[part], whole[0][:, part])
        np.testing.assert_array_equal(some.T @ y[:, part], whole[1][part])
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = A @ x, A.T @ y
    finally:
        numba.set_num_threads(threads)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_tiles_of_one_colour_share_no_cell():
    scan, grid = CASES["many slices"]
    points = polar_points(scan, grid or scan.default_grid(), 64, 1e-12, np.float64)
    order, starts, tiles = points.tiles()
    assert sorted(order) == list(range(len(points.cells))) and starts[-1] == len(order)
    for colour in range(4):
        owned = {}
        for n in range(tiles[colour], tiles[colour + 1]):
            for p in order[starts[n] : starts[n + 1]]:
                row, column = points.cells[p, :2]
                for i in range(points.window.taps):
                    for j in range(points.window.taps):
                        assert owned.setdefault((row + i, column + j), n) == n


def test_what_it_does_not_take():
    scan = CASES["square"][0]
    with pytest.raises(pr.ArgumentError, match=r"expected a pr\.ParallelBeam"):
        pr.FourierProjector(pr.TiltedBeam(DEGREES, (3, 17), angle_unit="deg"))
    with pytest.raises(pr.ArgumentError, match=r"accuracy: expected 1e-12 to 0\.01"):
        pr.FourierProjector(scan, accuracy=1.0)
    with pytest.raises(pr.ArgumentError, match="grid"):
        pr.FourierProjector(scan, 3)
    none = pr.FourierProjector(scan[:0])
    assert (none.T @ np.zeros(none.out_shape, np.float32) == 0).all()


@pytest.mark.parametrize("padding", ["zero", thorough("edge")])
@pytest.mark.parametrize("center", [63.5, thorough(20.0)])
def test_filtered_backprojection_by_transforms_is_the_direct_one(center, padding):
    """Of a smooth object; over a full turn with the axis anywhere."""
    scan = pr.ParallelBeam(
        np.arange(0, 360, 1.5), (2, 128), angle_unit="deg", center=center, pixel_size=0.3
    )
    y = balls(scan)[1]
    grid = pr.Grid((2, 120, 120), 0.3)
    found, direct = (
        pr.fbp(y, scan, grid, padding=padding, backprojection=kind)
        for kind in ("fourier", "direct")
    )
    yy, xx = np.meshgrid(grid.axis(1), grid.axis(2), indexing="ij")
    inside = np.hypot(yy, xx) < 0.45 * 128 * 0.3
    assert np.abs(found - direct)[:, inside].max() <= 3e-3 * direct.max()


def test_backprojections_that_are_no_choice():
    tilted = pr.TiltedBeam(DEGREES, (3, 17), angle_unit="deg")
    with pytest.raises(pr.ArgumentError, match="one of direct, fourier, got 'fft'"):
        pr.fbp(np.zeros((len(DEGREES), 3, 17)), CASES["square"][0], backprojection="fft")
    with pytest.raises(pr.ArgumentError, match="tilted axis"):
        pr.fbp(np.zeros(tilted.shape), tilted, backprojection="fourier")
