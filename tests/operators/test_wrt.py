"""Derivatives of a projection with respect to the geometry of its scan."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import physrecon as pr
from physrecon.geometry.ray_motions import moved_by, parameters

ANGLES = np.arange(7) * 51.0 + 3
POINT = dict(angle_unit="deg", source_origin=40.0, source_detector=90.0, pixel_size=(2.2, 2.0))
MOVED = dict(shifts=np.sin(np.arange(21.0)).reshape(7, 3), center=9.3)
SCANS = {
    "parallel": pr.ParallelBeam(ANGLES, (3, 21), (1.3, 0.9), 9.3, angle_unit="deg"),
    "fan": pr.FanBeam(ANGLES, (2, 21), center=9.3, **POINT),
    "curved fan": pr.FanBeam(ANGLES, (2, 21), detector="curved", **POINT),
    "cone": pr.ConeBeam(
        ANGLES, (11, 21), roll=3.0, pitch=2.0, yaw=1.0, source_offset=(0.1, 0.2, 0.3), **MOVED,
        **POINT,
    ),
    "curved cone": pr.ConeBeam(ANGLES, (11, 21), detector="curved", **MOVED, **POINT),
    "helix": pr.HelicalCone(ANGLES, (11, 21), rise=3.1, row_offset=0.2, **POINT),
    "tilted": pr.TiltedBeam(ANGLES, (11, 21), tilt=30.0, roll=2.0, angle_unit="deg", **MOVED),
}  # fmt: skip
SCANS["vectors"] = pr.VectorBeam.of(SCANS["cone"])
SCANS["directions"] = pr.VectorBeam.of(SCANS["tilted"])
CASES = [(name, parameter) for name, scan in SCANS.items() for parameter in parameters(scan)]


def grid_of(scan):
    if scan.separable:
        return pr.Grid((scan.shape[1], 13, 12), (scan.row_pitch, 1.1, 0.9), (0.0, 0.3, 0.2))
    return pr.Grid((9, 13, 12), (1.2, 1.1, 0.9), (0.1, 0.3, 0.2))


def smooth(grid):
    return gaussian_filter(np.random.default_rng(1).random(grid.shape), 1.5)


@pytest.mark.parametrize("name, parameter", CASES)
def test_it_is_the_derivative(name, parameter):
    """Of steps so small that hardly a ray crosses the centre of a voxel, where the slope jumps."""
    scan, h = SCANS[name], 1e-7
    grid = grid_of(scan)
    x = smooth(grid)
    J = pr.Projector(scan, grid).wrt(parameter, x)
    way = np.random.default_rng(0).standard_normal(J.in_shape)
    after, before = (
        pr.Projector(moved_by(scan, parameter, sign * h * way), grid) @ x for sign in (1, -1)
    )
    expected = (after - before) / (2 * h)
    np.testing.assert_allclose(J @ way, expected, atol=1e-5 * np.abs(expected).max())
    assert pr.check_adjoint(J, np.float64) < 1e-12


def test_the_remainder_of_taylor_falls_faster_than_the_step():
    """As h^1.5: a part h of the rays meets a kink of Joseph's sum, and errs by h there."""
    scan = SCANS["cone"]
    grid = pr.Grid((18, 26, 24), (0.6, 0.55, 0.45))
    x = gaussian_filter(smooth(grid), 2.5)
    A, way = pr.Projector(scan, grid), np.random.default_rng(0).standard_normal((7, 3))
    y, dy = A @ x, A.wrt("shifts", x) @ way
    steps = np.array([0.1, 0.01, 0.001])
    rest = [
        np.linalg.norm(pr.Projector(moved_by(scan, "shifts", h * way), grid) @ x - y - h * dy)
        for h in steps
    ]
    order = np.diff(np.log(rest)) / np.diff(np.log(steps))
    assert (order > 1.35).all(), order


def test_a_ball_moves_as_its_shadow():
    """A Gaussian of width s: a shift of source and detector by e moves its image by -e."""
    scan = pr.TiltedBeam(np.arange(0, 180, 13) + 0.5, (25, 31), angle_unit="deg")
    grid, s = scan.default_grid(), 3.0
    z, y, x = np.meshgrid(*(grid.axis(k) for k in range(3)), indexing="ij")
    ball = np.exp(-(z**2 + (y - 2) ** 2 + (x + 3) ** 2) / (2 * s**2))
    change = pr.Projector(scan, grid).wrt("shifts", ball).columns[[0, 2]]
    turn, up = scan.radians[:, None, None], np.arange(25)[:, None] - 12
    across = np.arange(31) - 15 - (2 * np.sin(turn) - 3 * np.cos(turn))
    image = np.sqrt(2 * np.pi) * s * np.exp(-(up**2 + across**2) / (2 * s**2))
    for got, far in zip(change, (up, across), strict=True):
        expected = -far / s**2 * image
        assert np.linalg.norm(got - expected) < 0.06 * np.linalg.norm(expected)


def test_one_pass_gives_all_parameters_and_the_projection():
    from physrecon.operators.projection.ray_derivatives import ray_derivatives

    scan = SCANS["cone"]
    A = pr.Projector(scan, grid_of(scan))
    x = smooth(A.grid).astype(np.float32)
    y, both = ray_derivatives(scan, A.grid, ("roll", "shifts"), x)
    np.testing.assert_allclose(y, A @ x, rtol=1e-4, atol=1e-5)
    assert both[0].columns.dtype == np.float32
    assert np.array_equal(both[1].columns, A.wrt("shifts", x).columns)


def test_what_moves_no_ray():
    A = pr.Projector(SCANS["parallel"])
    x = np.zeros(A.in_shape, np.float32)
    for name in ("row_offset", "pixel_size", "detector_shape", "tilt", 3):
        with pytest.raises(pr.ArgumentError, match="one of angles, center; got"):
            A.wrt(name, x)
    with pytest.raises(pr.ArgumentError, match=r"Projector\.wrt\.x"):
        A.wrt("center", x[:1])
    empty = pr.Projector(SCANS["parallel"][:0])
    assert (empty.wrt("angles", np.zeros(empty.in_shape)) @ np.zeros(0)).size == 0
