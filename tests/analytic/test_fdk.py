"""FDK and fan-beam FBP against objects in closed form."""

import numpy as np
import pytest
from cuts import same_from_any_cut

import physrecon as pr
from physrecon.analytic.fdk import fdk_slices, parker
from physrecon.errors import ArgumentError

RADIUS, PLACE = 9.0, np.array([1.0, -4.0, 5.0])  # of a ball or disc of value 2, (z, y, x)


def chords(scan, fan=False):
    """2 × the lengths of the rays of a scan in the ball; of fans, in the disc of each slice."""
    rows, columns = scan.shape[1:]
    rays = scan.rays()
    points = rays.points(np.arange(rows), np.arange(columns))
    source = np.broadcast_to(rays.source[:, None, None], points.shape).copy()
    place = PLACE.copy()
    if fan:
        points[..., 0] = source[..., 0] = place[0] = 0
    way = points - source
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    off = np.linalg.norm(np.cross(place - source, way), axis=-1)
    return (4 * np.sqrt(np.maximum(RADIUS**2 - off**2, 0))).astype(np.float32)


def cone(degrees=360, views=180, columns=48, **more):
    settings = dict(angle_unit="deg", source_origin=90.0, source_detector=150.0, pixel_size=5 / 3)
    angles = np.arange(views) * degrees / views + 17
    return pr.ConeBeam(angles, (32, columns), **{**settings, **more})


def fan(degrees=360, views=180, columns=48, **more):
    settings = dict(angle_unit="deg", source_origin=90.0, source_detector=150.0, pixel_size=5 / 3)
    angles = np.arange(views) * degrees / views - 120
    return pr.FanBeam(angles, (2, columns), **{**settings, **more})


SCANS = {
    "full": cone(),
    "short": cone(212, 106),
    "more than short": cone(280, 140),
    "backwards": cone(-212, 106),
    "off-centre": cone(center=20.3),
    "half a detector": cone(columns=34, center=6.0),
    "rows off the middle": cone(row_offset=3.0),
    "fan": fan(),
    "short fan": fan(212, 106),
    "half a fan": fan(columns=34, center=27.0),
    "curved": cone(detector="curved"),
    "short curved": cone(212, 106, detector="curved"),
    "half a curved detector": cone(columns=34, center=6.0, detector="curved"),
    "curved fan": fan(detector="curved"),
}


@pytest.mark.parametrize("name", SCANS)
def test_values_and_place_of_a_ball(name):
    """Within 1 % inside, nothing outside; mirrored, it would lie elsewhere."""
    scan = SCANS[name]
    wide = pr.Grid((24, 48, 48)) if isinstance(scan, pr.ConeBeam) else scan.default_grid(48)
    x = pr.fdk(chords(scan, isinstance(scan, pr.FanBeam)), scan, wide)
    z, y, at = (wide.axis(i) for i in range(3))
    plane = int(np.argmin(abs(z - PLACE[0]))) if isinstance(scan, pr.ConeBeam) else 0
    away = np.hypot(y[:, None] - PLACE[1], at - PLACE[2])
    seen = np.hypot(y[:, None], at) < 20
    inside, outside = x[plane][away < RADIUS - 3], x[plane][(away > RADIUS + 3) & seen]
    assert abs(inside.mean() / 2 - 1) < 0.01
    assert inside.std() < 0.05 and abs(outside).max() < 0.25 and abs(outside.mean()) < 0.02


@pytest.mark.parametrize("name", ["short", "half a detector", "fan", "curved"])
def test_voxels_of_a_part_are_those_of_the_whole(name):
    """A part far from the axis, where the detector is brought to another plane."""
    scan = SCANS[name]
    fans = isinstance(scan, pr.FanBeam)
    dz = scan.row_pitch if fans else 1.0
    slices = 2 if fans else 4
    whole, part = (
        pr.Grid((slices, 40, 40), (dz, 1, 1)),
        pr.Grid((slices, 8, 6), (dz, 1, 1), (0, 16, -17)),
    )
    y = chords(scan, fans)
    x, expected = pr.fdk(y, scan, part), pr.fdk(y, scan, whole)[:, 32:, :6]
    np.testing.assert_allclose(x, expected, atol=2e-5)


@pytest.mark.parametrize("name", ["full", "half a detector", "curved", "steep"])
@pytest.mark.parametrize("part", [slice(0, 3), slice(5, 22), slice(8, 16)])
def test_slices_from_the_rows_that_they_need_are_the_same(name, part):
    scan = SCANS.get(name, cone(source_detector=150.0, row_offset=2.0, pixel_size=(9.0, 5 / 3)))
    grid = pr.Grid((24, 20, 21))
    same_from_any_cut(fdk_slices, pr.fdk, scan, grid, part, "hann", "zero")


def test_opposite_rays_share_what_one_has():
    """parker(β, γ) + parker(β + π - 2γ, -γ) = 1 where both views are measured, in any views."""
    fan, over = np.linspace(-0.3, 0.3, 13), 0.37
    beta = np.linspace(0, np.pi + 2 * over, 50)
    for gamma in fan:
        first = parker(beta, np.array([gamma]), over)[:, 0]
        other = beta + np.pi - 2 * gamma
        second = parker(other, np.array([-gamma]), over)[:, 0]
        both = other <= np.pi + 2 * over
        np.testing.assert_allclose((first + second)[both], 1, atol=1e-9)


def test_a_far_source_is_a_parallel_beam():
    angles, shape = np.arange(0, 360, 4), (6, 33)
    near = {"angle_unit": "deg", "center": 15.2}
    far = pr.ConeBeam(angles, shape, source_origin=1e7, source_detector=1e7, **near)
    flat = pr.ParallelBeam(angles, shape, **near)
    y = np.random.default_rng(0).random(flat.shape)
    x, expected = pr.fdk(y, far, flat.default_grid()), pr.fbp(y, flat)
    inner = np.hypot(*np.indices((33, 33)) - 16) < 14
    scale = abs(expected).max()
    np.testing.assert_allclose(x[:, inner], expected[:, inner], atol=2e-3 * scale)


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (cone(150, 50), "half turn and the angle of the fan = 209"),
        (cone(roll=1.0, yaw=2.0), "upright detector without shifts, got roll, yaw"),
        (pr.ParallelBeam([0.0], (2, 3), angle_unit="deg"), "pr.fbp"),
    ],
)
def test_what_it_cannot_do_is_refused(scan, words):
    with pytest.raises(ArgumentError, match=words):
        pr.fdk(np.zeros(scan.shape, np.float32), scan)


def test_a_source_among_the_voxels_is_refused():
    scan = pr.ConeBeam(
        np.arange(0, 360, 30), (3, 9), angle_unit="deg", source_origin=3, source_detector=40
    )
    with pytest.raises(pr.ArgumentError, match=r"outside of the grid, got that of view 0 inside"):
        pr.fdk(np.ones(scan.shape, np.float32), scan, pr.Grid((3, 9, 9)))
