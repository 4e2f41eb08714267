"""Every geometry as a value: parts keep their place, rays are where closed forms put them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry.scan_geometry import ScanGeometry

ANGLES = [-30.0, 0.0, 77.0, 400.0]
LENGTHS = {"source_origin": 40.0, "source_detector": 100.0, "angle_unit": "deg"}
PIXEL = {"pixel_size": (0.5, 0.25), "center": 3.25, "row_offset": 0.5}
RNG = np.random.default_rng(3)
JITTER = RNG.normal(0, 0.3, (4, 3))
SHAPE = (6, 9)
TILTED = {"roll": 3.0, "pitch": -8.0, "yaw": 12.0}

SCANS = {
    "parallel": pr.ParallelBeam(ANGLES, SHAPE, angle_unit="deg", **PIXEL),
    "radians": pr.ParallelBeam([0.1, 0.2], SHAPE, angle_unit="rad"),
    "tilted beam": pr.TiltedBeam(
        ANGLES, SHAPE, angle_unit="deg", **PIXEL, tilt=30.0, roll=-4.0, shifts=JITTER
    ),
    "fan": pr.FanBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL),
    "curved fan": pr.FanBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL, detector="curved"),
    "cone": pr.ConeBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL),
    "curved cone": pr.ConeBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL, detector="curved", roll=4.0),
    "tilted cone": pr.ConeBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL, **TILTED),
    "shifted cone": pr.ConeBeam(
        ANGLES, SHAPE, **LENGTHS, **PIXEL, shifts=JITTER, source_offset=(0.2, 1.0, -0.3)
    ),
    "helix": pr.HelicalCone(ANGLES, SHAPE, **LENGTHS, **PIXEL, rise=2.5),
    "heights": pr.HelicalCone(ANGLES, SHAPE, **LENGTHS, heights=[0, 1, 2, 4], detector="curved"),
    "vectors": pr.VectorBeam.of(
        pr.ConeBeam(ANGLES, SHAPE, **LENGTHS, **PIXEL, **TILTED, source_offset=JITTER)
    ),
    "directions": pr.VectorBeam(
        direction=RNG.normal(0, 1, (4, 3)), detector_center=JITTER, u=RNG.normal(0, 1, (4, 3)),
        v=RNG.normal(0, 1, (4, 3)), detector_shape=SHAPE, center=1.5,
    ),
}  # fmt: skip
every_scan = pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
ROWS, COLUMNS = np.arange(SHAPE[0]), np.arange(SHAPE[1])
POINTS = RNG.uniform(-2, 2, (30, 3))


def close(found, expected, error=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)


@every_scan
def test_it_is_a_geometry(scan):
    geometry: ScanGeometry = scan
    assert geometry.shape == (len(scan), *SHAPE) and isinstance(geometry.separable, bool)
    assert geometry.with_center(2.5).rays().column == 2.5
    assert all(n > 0 for n in geometry.default_grid().shape)
    assert geometry.default_grid(width=5).shape[1:] == (5, 5)


@every_scan
def test_it_round_trips(scan):
    assert eval(repr(scan), vars(pr)) == scan
    assert pickle.loads(pickle.dumps(scan)) == scan
    none = scan[[]]
    assert none.shape == (0, *SHAPE) and eval(repr(none), vars(pr)) == none
    many = scan[np.arange(12) % len(scan)]
    assert len(repr(many).splitlines()) <= 5 and "12 views" in repr(many)


@every_scan
def test_equal_scans_have_one_hash(scan):
    again = scan[:]
    assert again == scan and hash(again) == hash(scan)
    assert scan[1:] != scan and scan.with_center(0.0) != scan
    assert scan not in [other for other in SCANS.values() if other is not scan]


@every_scan
def test_a_value_cannot_be_changed(scan):
    arrays = [value for value in vars(scan).values() if isinstance(value, np.ndarray)]
    assert arrays and not any(array.flags.writeable for array in arrays)
    with pytest.raises(AttributeError):
        scan.center = 1.0


@every_scan
@pytest.mark.parametrize("views", [0, -1, slice(1, None), [1, 0], "mask"])
def test_some_views_have_their_rays(scan, views):
    views = np.arange(len(scan)) % 2 == 0 if views == "mask" else views
    some = scan[views].rays()
    close(some.points(ROWS, COLUMNS), scan.rays()[views].points(ROWS, COLUMNS), 0)
    close(some.source, scan.rays()[views].source, 0)


@every_scan
def test_part_of_the_rows_stay_where_they_are(scan):
    for part in (slice(0, 2), slice(1, 6), slice(3, 3)):
        some, rays = scan.part(part), scan.rays()
        places = some.rays().points(np.arange(some.shape[1]), COLUMNS)
        close(places, rays.points(ROWS[part], COLUMNS))
        assert scan.part(slice(1, None)).part(slice(1, 3)) == scan.part(slice(2, 4))
        if not scan.separable:
            close(some.rays().source, rays.source, 0)


@every_scan
def test_pixels_are_where_points_are_projected(scan):
    """Points on the way to a pixel are projected on it."""
    rays = scan.rays()
    ends = rays.points(ROWS, COLUMNS)
    for view in range(len(scan)):
        one, pixel = rays[view], ends[view].reshape(-1, 3)
        start = pixel - 7 * one.source if rays.parallel else one.source
        close(one.directions(ROWS, COLUMNS)[0], unit(pixel - start).reshape(*SHAPE, 3))
        found = one.pixels(0.3 * start + 0.7 * pixel)[0].reshape(*SHAPE, 2)
        close(found, np.stack(np.meshgrid(ROWS, COLUMNS, indexing="ij"), -1), 1e-9)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@every_scan
def test_a_moved_scan_sees_a_moved_volume(scan):
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))[0]
    turn, shift = turn * np.linalg.det(turn), [0.5, -1.0, 3.0]
    rays = scan.rays()
    moved = rays.moved(turn, shift)
    close(moved.pixels(POINTS @ turn.T + shift), rays.pixels(POINTS), 1e-9)
    back = moved.moved(turn.T, -turn.T @ shift)
    close(back.points(ROWS, COLUMNS), rays.points(ROWS, COLUMNS), 1e-10)


@every_scan
def test_junk_is_refused_by_an_error_of_ours(scan):
    for name in vars(scan):
        for junk in ("x", -3, object(), np.ones(2), pr.SIRT, {}, (1, "a"), np.nan, [[1.0]]):
            try:
                replace(scan, **{name: junk})
            except pr.PhysreconError as error:
                assert str(error).startswith(f"{type(scan).__name__}.") and len(str(error)) < 400


def test_moved_vectors_are_moved_rays():
    scan = SCANS["vectors"]
    quarter, shift = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), [1.0, 2.0, 3.0]
    moved = scan.moved(quarter, shift)
    close(moved.rays().source, scan.rays().source @ quarter.T + shift)
    assert type(moved) is pr.VectorBeam and moved.center == scan.center
    close(moved.moved(quarter.T, -quarter.T @ np.array(shift)).rays().centre, scan.rays().centre)


@every_scan
def test_vectors_are_the_same_rays(scan):
    if scan.separable and not scan.rays().parallel:
        with pytest.raises(pr.ArgumentError, match=r"take a row by scan\.part"):
            pr.VectorBeam.of(scan)
        scan = scan.part(slice(4, 5))
    vectors, rows = pr.VectorBeam.of(scan), np.arange(scan.shape[1])
    close(vectors.rays().points(rows, COLUMNS), scan.rays().points(rows, COLUMNS), 0)
    close(vectors.rays().source, scan.rays().source)
    assert vectors.shape == scan.shape and vectors.center == scan.center
    if not scan.rays().bend and scan.separable:
        assert vectors.default_grid().shape == scan.default_grid().shape


@every_scan
def test_the_table_is_the_rays_in_indices(scan):
    grid = pr.Grid((4, 5, 6), (0.5, 0.25, 2.0), (1.0, -3.0, 0.5))
    source, centre, u, v = np.split(scan.rays().table(grid), 4, axis=1)
    rays, pitch = scan.rays(), np.array(grid.pitch)
    first = np.array([grid.axis(i)[0] for i in range(3)])  # where index (0, 0, 0) lies
    close(first + centre * pitch, rays.centre)
    close(source * pitch + (0 if rays.parallel else first), rays.source)
    close(centre * pitch + u * pitch + first, rays.centre + rays.u)
    close(centre * pitch + v * pitch + first, rays.centre + rays.v)


@every_scan
def test_rows_seen_hold_all_rays_through_slices(scan):
    grid = pr.Grid((5, 6, 7), (0.5, 0.4, 0.3), (0.3, 0.1, -0.2))
    for slices in (slice(0, 5), slice(1, 2), slice(3, 5)):
        seen = scan.rows_seen(grid, slices)
        assert 0 <= seen.start <= seen.stop <= SHAPE[0]
        if scan.separable:
            continue
        box = grid.part(slices)
        inside = RNG.uniform(-0.5, 0.5, (400, 3)) * box.shape * box.pitch + box.center
        rows = scan.rays().pixels(inside)[..., 0]
        reached = np.unique(np.clip(np.concatenate([np.floor(rows), np.ceil(rows)]), -1, 6))
        assert {*reached.astype(int).tolist()} - {-1, 6} <= {*range(SHAPE[0])[seen]}
    assert scan.rows_seen(grid, slice(2, 2)).start == scan.rows_seen(grid, slice(2, 2)).stop


def test_rows_seen_are_few():
    """A slab of a tenth is not projected on the whole detector."""
    scan = pr.ConeBeam(range(0, 360, 10), (200, 100), **LENGTHS, pixel_size=0.1)
    grid = scan.default_grid()
    seen = scan.rows_seen(grid, slice(90, 110))
    assert 20 <= seen.stop - seen.start <= 26 and seen.start + seen.stop == 200
    edge = scan.rows_seen(grid, slice(0, 20))
    assert edge.start == 0 and edge.stop <= 40
    inside = pr.Grid((200, 900, 900), 0.1)  # the source is in the grid
    assert scan.rows_seen(inside, slice(90, 110)) == slice(0, 200)
