"""The projector of every geometry: its adjoint, its limits, its values in closed form."""

import numpy as np
import pytest

import physrecon as pr

ANGLES = np.arange(7) * 51.0 + 3
POINT = dict(angle_unit="deg", source_origin=40.0, source_detector=90.0, pixel_size=(2.2, 2.0))
SCANS = {
    "cone": pr.ConeBeam(ANGLES, (7, 9), **POINT),
    "cone at right angles": pr.ConeBeam(np.arange(4) * 90.0, (7, 9), **POINT),
    "cone off centre": pr.ConeBeam(ANGLES, (7, 9), center=2.3, row_offset=1.4, **POINT),
    "cone off the detector": pr.ConeBeam(ANGLES, (7, 9), center=-4.0, **POINT),
    "curved cone": pr.ConeBeam(ANGLES, (7, 9), detector="curved", center=3.3, **POINT),
    "rolled": pr.ConeBeam(ANGLES, (7, 9), roll=7.0, **POINT),
    "pitched and yawed": pr.ConeBeam(ANGLES, (7, 9), pitch=5.0, yaw=-8.0, **POINT),
    "moving source": pr.ConeBeam(
        ANGLES, (7, 9), source_offset=np.arange(21.0).reshape(7, 3) / 10, **POINT
    ),
    "jitter": pr.ConeBeam(ANGLES, (7, 9), shifts=np.sin(np.arange(21.0)).reshape(7, 3), **POINT),
    "magnified 50 times": pr.ConeBeam(
        ANGLES, (7, 9), angle_unit="deg", source_origin=12.0, source_detector=600.0, pixel_size=50.0
    ),
    "hardly magnified": pr.ConeBeam(
        ANGLES, (7, 9), angle_unit="deg", source_origin=12.0, source_detector=12.0
    ),
    "near source": pr.ConeBeam(
        ANGLES, (7, 9), angle_unit="deg", source_origin=5.2, source_detector=20.0, pixel_size=4.0
    ),
    "one view": pr.ConeBeam(ANGLES[:1], (7, 9), **POINT),
    "one row": pr.ConeBeam(ANGLES, (1, 9), **POINT),
    "one pixel": pr.ConeBeam(ANGLES, (1, 1), **POINT),
    "no view": pr.ConeBeam([], (7, 9), **POINT),
    "no column": pr.ConeBeam(ANGLES, (7, 0), **POINT),
    "helix": pr.HelicalCone(ANGLES * 3, (7, 9), rise=3.0, **POINT),
    "curved helix": pr.HelicalCone(ANGLES * 3, (7, 9), rise=-3.0, detector="curved", **POINT),
    "laminography": pr.TiltedBeam(ANGLES, (7, 9), angle_unit="deg", tilt=30.0),
    "rolled parallel": pr.TiltedBeam(ANGLES, (7, 9), angle_unit="deg", tilt=0.0, roll=4.0),
    "fan": pr.FanBeam(ANGLES, (4, 9), **POINT),
    "curved fan": pr.FanBeam(ANGLES, (4, 9), detector="curved", center=1.0, **POINT),
    "fan at right angles": pr.FanBeam(np.arange(4) * 90.0, (4, 9), **POINT),
    "one fan": pr.FanBeam(ANGLES, (1, 9), **POINT),
}
GRID = pr.Grid((5, 6, 7), (1.2, 0.9, 1.0), (0.4, 0.3, -0.5))


def projector(name):
    scan = SCANS[name]
    grid = None if isinstance(scan, pr.FanBeam) or name == "no column" else GRID
    return pr.Projector(scan, grid)


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", SCANS)
def test_the_adjoint_is_exact(name, dtype, close):
    A = projector(name)
    assert pr.check_adjoint(A, dtype=dtype) <= close


@pytest.mark.parametrize("name", [n for n, s in SCANS.items() if not isinstance(s, pr.FanBeam)])
def test_a_vector_beam_is_what_a_scan_lowers_to(name):
    scan = SCANS[name]
    if 0 in scan.shape:
        assert (pr.Projector(scan, GRID) @ np.ones(GRID.shape)).size == 0
        return
    x = np.random.default_rng(0).random(GRID.shape)
    y = pr.Projector(scan, GRID) @ x
    same = pr.Projector(pr.VectorBeam.of(scan), GRID) @ x
    np.testing.assert_allclose(same, y, atol=1e-10 * max(abs(y).max(), 1))


def test_views_are_those_of_the_whole():
    A = pr.Projector(SCANS["jitter"], GRID)
    x = np.random.default_rng(0).random(GRID.shape)
    assert np.array_equal(A[[4, 1]] @ x, (A @ x)[[4, 1]])


@pytest.mark.parametrize("kind", [pr.ConeBeam, pr.FanBeam])
def test_a_far_source_is_a_parallel_beam(kind):
    """10⁵ object radii away."""
    shared = {"angle_unit": "deg", "center": 6.2, "pixel_size": 0.5}
    flat = pr.ParallelBeam(np.arange(0, 360, 23), (5, 13), **shared)
    far = kind(flat.angles, (5, 13), source_origin=4e5, source_detector=4e5, **shared)
    x = np.random.default_rng(0).random((5, 13, 13)).astype(np.float32)
    y, expected = pr.Projector(far, flat.default_grid()) @ x, pr.Projector(flat) @ x
    np.testing.assert_allclose(y, expected, atol=1e-4 * expected.max())


def test_a_parallel_beam_without_tilt_is_a_tilted_beam():
    flat = pr.ParallelBeam(np.arange(0, 360, 23), (5, 13), angle_unit="deg", center=5.6)
    lean = pr.TiltedBeam(flat.angles, (5, 13), angle_unit="deg", center=5.6, tilt=0.0)
    x = np.random.default_rng(0).random((5, 13, 13))
    expected = pr.Projector(flat) @ x
    y = pr.Projector(lean, flat.default_grid()) @ x
    np.testing.assert_allclose(y, expected, atol=1e-6 * expected.max())


@pytest.mark.parametrize("name", ["cone", "rolled", "helix", "laminography"])
def test_moving_the_scan_is_moving_the_volume(name):
    """A quarter turn about z and a shift by whole voxels, which need no interpolation."""
    rays = SCANS[name].rays()
    turn = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]])  # (z, y, x) → (z, x, -y)
    cube = pr.Grid((5, 5, 5))
    x = np.random.default_rng(0).random(cube.shape)
    x[:, [0, -1]] = x[:, :, [0, -1]] = x[[0, -1]] = 0
    moved = np.roll(np.rot90(x, k=1, axes=(2, 1)), (1, 0, -1), (0, 1, 2))
    A = pr.Projector(pr.VectorBeam.of(SCANS[name]), cube)
    B = pr.Projector(scan_of(rays.moved(turn, (1, 0, -1)), SCANS[name].shape[1:]), cube)
    np.testing.assert_allclose(B @ moved, A @ x, atol=1e-10)


def scan_of(rays, shape):
    where = {"direction" if rays.parallel else "source": rays.source}
    offset = (shape[0] - 1) / 2 - rays.row
    return pr.VectorBeam(
        **where, detector_center=rays.centre, u=rays.u, v=rays.v, detector_shape=shape,
        center=rays.column, row_offset=offset, bend=rays.bend,
    )  # fmt: skip


def test_solvers_take_a_cone_beam():
    """They find a block again: by gradients, proximal maps and view by view."""
    scan = pr.ConeBeam(np.arange(0, 360, 10), (12, 14), **POINT)
    A = pr.Projector(scan, pr.Grid((6, 10, 10)))
    truth = np.zeros((6, 10, 10), np.float32)
    truth[1:5, 2:6, 3:8] = 1
    y = A @ truth
    f = pr.LeastSquares(A, y)
    above = pr.NonNegative()
    for problem, solver, n in (
        (pr.Problem(f, constraint=above), pr.SIRT(), 150),
        (pr.Problem(f, pr.TV(0.01), above), pr.FISTA(), 60),
        (pr.Problem(f, pr.TV(0.01), above), pr.ADMM(), 25),
        (pr.Problem(f, constraint=above), pr.SART(), 6),
    ):
        x = pr.solve(problem, solver, stop=pr.Stop(iterations=n)).x
        assert np.linalg.norm(x - truth) < 0.25 * np.linalg.norm(truth), solver.name
