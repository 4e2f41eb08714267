"""Rays by hand and by closed forms: which way everything points."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr

RNG = np.random.default_rng(11)
POINTS = RNG.uniform(-2, 2, (30, 3))
TURN = np.array([0.0, 33.0, 90.0, 200.0])
NEAR = {"source_origin": 100.0, "source_detector": 300.0, "angle_unit": "deg"}


def close(found, expected, error=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)


def of_parallel_beam(points, turn, center, axis_row, pixel):
    """(views, points, 2) rows and columns: x cos θ + y sin θ = (u - center) · pixel."""
    z, y, x = points.T
    t = np.deg2rad(turn)[:, None]
    columns = center + (x * np.cos(t) + y * np.sin(t)) / pixel[1]
    return np.stack([np.broadcast_to(axis_row + z / pixel[0], columns.shape), columns], -1)


def test_a_parallel_beam():
    scan = pr.ParallelBeam(
        TURN, (4, 7), angle_unit="deg", pixel_size=(0.5, 0.2), center=2.2, row_offset=1.5
    )
    expected = of_parallel_beam(POINTS, TURN, 2.2, 0.0, (0.5, 0.2))
    close(scan.rays().pixels(POINTS), expected)
    close(scan.rays().source[[0, 2]], [[0, 1, 0], [0, 0, -1]])  # +y at 0°, -x at 90°


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", [pr.ConeBeam, pr.FanBeam])
def test_a_far_source_is_a_parallel_beam(kind, detector):
    """Pixels of pitch p · magnification see the rays of pixels of pitch p."""
    far, factor = 1e8, 2.0
    flat = kind(
        TURN, (4, 7), angle_unit="deg", source_origin=far, source_detector=factor * far,
        pixel_size=(0.5 * factor, 0.2 * factor), center=2.2, row_offset=1.5, detector=detector,
    )  # fmt: skip
    expected = of_parallel_beam(POINTS, TURN, 2.2, 0.0, (0.5, 0.2))
    found = flat.rays().pixels(POINTS)
    close(found[..., 1], expected[..., 1], 3e-6)
    if kind is pr.ConeBeam:
        close(found[..., 0], expected[..., 0], 3e-6)


def test_a_cone_by_hand():
    scan = pr.ConeBeam([0, 90], (5, 11), **NEAR, pixel_size=(0.5, 0.25), center=4.0, row_offset=1.0)
    rays = scan.rays()
    close(rays.source, [[0, -100, 0], [0, 0, 100]])
    close(rays.centre, [[0, 200, 0], [0, 0, -200]])
    assert (rays.row, rays.column, scan.magnification) == (1.0, 4.0, 3.0)
    # (z, y, x) = (1, 0, 2) is magnified three times at 0°: 6 / 0.5 rows and 3 / 0.25 columns
    close(rays.pixels([[1, 0, 2]])[0], [[1 + 3 / 0.5, 4 + 6 / 0.25]])
    # at 90° columns run along y; the point is 2 nearer to the source at x = 100
    close(rays.pixels([[1, 1, 2]])[1], [[1 + 300 / 98 / 0.5, 4 + 300 / 98 / 0.25]])


@pytest.mark.parametrize("kind", [pr.ConeBeam, pr.FanBeam])
def test_columns_of_a_curved_detector_have_equal_angles(kind):
    scan = kind(TURN, (1, 9), **NEAR, pixel_size=3.0, center=3.5, detector="curved")
    ways = scan.rays().points([0], range(9))[:, 0] - scan.rays().source[:, None]
    close(np.linalg.norm(ways, axis=-1), 300.0, 1e-10)
    turned = np.arctan2(ways[0, :, 2], ways[0, :, 1])
    close(turned, (np.arange(9) - 3.5) * 3.0 / 300.0)


TILTS = {  # (roll, pitch, yaw) → (z, y, x) of the steps u and v at 0°
    (90, 0, 0): ([1, 0, 0], [0, 0, -1]),
    (0, 30, 0): ([0, 0, 1], [np.cos(np.pi / 6), 0.5, 0]),
    (0, 0, 30): ([0, 0.5, np.cos(np.pi / 6)], [1, 0, 0]),
    (90, 0, 30): ([1, 0, 0], [0, -0.5, -np.cos(np.pi / 6)]),  # roll comes first
    (90, 30, 0): ([np.cos(np.pi / 6), 0.5, 0], [0, 0, -1]),
    (0, 30, 30): (
        [0, 0.5, np.cos(np.pi / 6)],
        [np.cos(np.pi / 6), 0.5 * np.cos(np.pi / 6), -0.25],  # pitch before yaw
    ),
}


@pytest.mark.parametrize("tilts", TILTS)
def test_tilts_of_the_detector(tilts):
    turns = dict(zip(("roll", "pitch", "yaw"), tilts, strict=True))
    rays = pr.ConeBeam([0, 90], (3, 3), **NEAR, **turns, pixel_size=(2.0, 1.0)).rays()
    u, v = TILTS[tilts]
    close(rays.u[0], u)
    close(rays.v[0], np.multiply(2.0, v))
    close(rays.points([1], [1])[0, 0, 0], [0, 200, 0])  # about the central ray
    quarter = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # of a turn: x → y, y → -x
    close(rays.u[1], quarter @ u)
    close(rays.v[1], 2.0 * quarter @ v)


def test_shifts_move_source_and_detector_and_an_offset_the_source():
    turned = {"angles": [0, 90], "detector_shape": (3, 3), **NEAR}
    plain = pr.ConeBeam(**turned).rays()
    ways = [[1, 2, 3], [-1, 0.5, 4]]  # (z, b, u); at 90° b is -x and u is y
    world = [[1, 2, 3], [-1, 4, -0.5]]
    both = pr.ConeBeam(**turned, shifts=ways).rays()
    close(both.source - plain.source, world)
    close(both.centre - plain.centre, world)
    for view in (0, 1):  # as an object that moves the other way
        moved = both[view].pixels(np.add(POINTS, world[view]))
        close(moved, plain[view].pixels(POINTS), 1e-10)
    alone = pr.ConeBeam(**turned, source_offset=ways).rays()
    close(alone.source - plain.source, world)
    close(alone.centre, plain.centre)


def test_a_helix_rises():
    turns = [0, 90, 360, 720]
    scan = pr.HelicalCone(turns, (8, 16), **NEAR, pixel_size=0.3, rise=4.0)
    rays = scan.rays()
    for vectors in (rays.source, rays.centre):
        close(vectors[:, 0], [0, 1, 4, 8])
    flat = pr.ConeBeam(turns, (8, 16), **NEAR, pixel_size=0.3).rays()
    close(rays.pixels(np.add(POINTS, [8, 0, 0]))[3], flat.pixels(POINTS)[3], 1e-10)
    grid = scan.default_grid()
    close(grid.pitch, (0.1,) * 3)
    assert grid.center[0] == 4.0 and grid.shape == (88, 16, 16)
    same = pr.HelicalCone(turns, (8, 16), **NEAR, pixel_size=0.3, heights=[0, 1, 4, 8])
    close(same.rays().points([0, 7], [0, 15]), rays.points([0, 7], [0, 15]))


def test_a_tilted_axis_by_hand():
    """At 0° and a tilt of 30° rays fall by 1/2 on each length; rows lean by 30°."""
    half = np.sqrt(3) / 2
    scan = pr.TiltedBeam([0, 90], (3, 5), angle_unit="deg", pixel_size=(2.0, 0.5), tilt=30.0)
    rays = scan.rays()
    close(rays.source, [[-0.5, half, 0], [-0.5, 0, -half]])
    close(rays.v[0], [2 * half, 1.0, 0])
    close(rays.u, [[0, 0, 0.5], [0, 0.5, 0]])
    # a point of the axis at z = 1 is seen at the height cos 30°, at any angle
    close(rays.pixels([[1, 0, 0]]), np.broadcast_to([1 + half / 2, 2], (2, 1, 2)))
    rolled = pr.TiltedBeam([0], (3, 5), angle_unit="deg", tilt=30.0, roll=90.0).rays()
    close(rolled.u, [[half, 0.5, 0]])
    close(rolled.v, [[0, 0, -1]])
    offset = pr.TiltedBeam([0], (3, 5), angle_unit="deg", tilt=30.0, row_offset=2.0)
    on_axis = [[offset.default_grid().center[0], 0, 0]]
    close(offset.rays().pixels(on_axis), [[[1, 2]]])  # the middle row and column


def test_an_upright_axis_is_a_parallel_beam():
    given = {"angle_unit": "deg", "pixel_size": (0.5, 0.2), "center": 2.2, "row_offset": 1.5}
    tilted, upright = (kind(TURN, (4, 7), **given) for kind in (pr.TiltedBeam, pr.ParallelBeam))
    close(tilted.rays().pixels(POINTS), upright.rays().pixels(POINTS))
    close(tilted.rays().source, upright.rays().source)
    assert tilted.default_grid() == upright.default_grid()


@pytest.mark.parametrize("offset", [0.0, 2.5])
def test_the_grid_of_a_cone_is_what_the_detector_sees(offset):
    scan = pr.ConeBeam([0], (6, 8), **NEAR, pixel_size=(0.6, 0.3), row_offset=offset)
    grid = scan.default_grid()
    close(grid.pitch, (0.2, 0.1, 0.1))
    assert grid.shape == (6, 8, 8)
    on_axis = np.stack([grid.axis(0), np.zeros(6), np.zeros(6)], axis=1)
    close(scan.rays().pixels(on_axis)[0, :, 0], np.arange(6))
    vectors = pr.VectorBeam.of(scan).default_grid()
    close(vectors.pitch, grid.pitch)
    close(vectors.center, grid.center)
    assert vectors.shape == grid.shape


def test_every_slice_of_a_fan_has_a_source_at_its_height():
    scan = pr.FanBeam([0, 90], (4, 5), **NEAR, pixel_size=(0.5, 0.25), row_offset=1.0)
    heights = scan.default_grid().axis(0)
    close(heights, [-0.25, 0.25, 0.75, 1.25])
    for row in range(4):
        one = scan.part(slice(row, row + 1)).rays()
        close(one.source[:, 0], heights[row])
        close(one.points([0], range(5))[..., 0], heights[row])


LENGTHS = {"source_origin": 10.0, "source_detector": 20.0, "angle_unit": "deg"}
WAYS = {
    "detector_center": [[0, 1, 0]],
    "u": [[0, 0, 1]],
    "v": [[1, 0, 0]],
    "detector_shape": (2, 2),
}
WRONG = {
    "nearer than the axis": (
        lambda: pr.ConeBeam([0], (2, 2), **{**LENGTHS, "source_detector": 9.0}),
        r"ConeBeam\.source_detector: expected at least source_origin = 10, got 9; .* add",
    ),
    "no length": (
        lambda: pr.FanBeam([0], (2, 2), **{**LENGTHS, "source_detector": 0}),
        r"FanBeam\.source_detector: expected one positive length, got 0",
    ),
    "infinite": (
        lambda: pr.ConeBeam([0], (2, 2), **{**LENGTHS, "source_origin": np.inf}),
        r"ConeBeam\.source_origin: expected one positive length",
    ),
    "angles": (
        lambda: pr.ConeBeam([0, np.nan], (2, 2), **LENGTHS),
        r"ConeBeam\.angles: expected a finite 1-D array",
    ),
    "unit": (
        lambda: pr.HelicalCone([0], (2, 2), **{**LENGTHS, "angle_unit": "°"}, rise=1),
        r'HelicalCone\.angle_unit: expected "deg" or "rad"',
    ),
    "detector": (
        lambda: pr.FanBeam([0], (2, 2), **LENGTHS, detector="round"),
        r'FanBeam\.detector: expected "flat" or "curved", got \'round\'',
    ),
    "bent and tilted": (
        lambda: pr.ConeBeam([0], (2, 2), **LENGTHS, detector="curved", yaw=1),
        r"ConeBeam\.detector: expected the source on the axis of a curved detector",
    ),
    "on its edge": (
        lambda: pr.ConeBeam([0], (2, 2), **LENGTHS, pitch=-90),
        r"ConeBeam\.pitch: expected less than a quarter of a turn, got -90 deg",
    ),
    "shifts": (
        lambda: pr.ConeBeam([0, 1], (2, 2), **LENGTHS, shifts=np.zeros((3, 3))),
        r"ConeBeam\.shifts: expected finite \(z, beam, u\), or one for each of 2 views",
    ),
    "offset": (
        lambda: pr.ConeBeam([0], (2, 2), **LENGTHS, source_offset=(0, 20, 0)),
        r"ConeBeam\.source_offset: expected a source before the detector",
    ),
    "lying axis": (
        lambda: pr.TiltedBeam([0], (2, 2), angle_unit="deg", tilt=90),
        r"TiltedBeam\.tilt: expected less than a quarter of a turn, got 90 deg",
    ),
    "no rise": (
        lambda: pr.HelicalCone([0], (2, 2), **LENGTHS),
        r"HelicalCone\.rise: expected either rise or heights, got none",
    ),
    "heights": (
        lambda: pr.HelicalCone([0], (2, 2), **LENGTHS, heights=[0, 1]),
        r"HelicalCone\.heights: expected one finite z for each of 1 views",
    ),
    "source and direction": (
        lambda: pr.VectorBeam(source=[[0, 0, 0]], direction=[[0, 1, 0]], **WAYS),
        r"VectorBeam\.source: expected either source or direction, got both",
    ),
    "views": (
        lambda: pr.VectorBeam(source=[[0, 0, 0]] * 2, **WAYS),
        r"VectorBeam\.source: expected finite \(z, y, x\) for each of 1 views",
    ),
    "along the detector": (
        lambda: pr.VectorBeam(direction=[[1, 0, 1]], **WAYS),
        r"VectorBeam\.u, v: expected a plane that the rays cross",
    ),
    "bent and parallel": (
        lambda: pr.VectorBeam(direction=[[0, 1, 0]], **WAYS, bend=0.1),
        r"VectorBeam\.bend: expected 0 for parallel rays, got 0\.1",
    ),
    "no scan": (lambda: pr.VectorBeam.of(3), r"VectorBeam\.of: expected a scan, got 3"),
    "behind": (
        lambda: pr.ConeBeam([0], (2, 2), **LENGTHS).rays().pixels([[0, -11, 0]]),
        r"Rays\.pixels: expected points between source and detector, got 1",
    ),
    "no rotation": (
        lambda: pr.ConeBeam([0], (2, 2), **LENGTHS).rays().moved(np.diag([1, 1, -1])),
        r"Rays\.moved\.rotation: expected a rotation",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_says_what_to_pass(case):
    call, message = WRONG[case]
    with pytest.raises(pr.ArgumentError, match=message):
        call()
