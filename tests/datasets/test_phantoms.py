"""Phantoms against closed forms and naive sums."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from physrecon import datasets
from physrecon.datasets import Ellipses, Ellipsoids
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam

ANGLES = np.array([0.0, 17.0, 90.0, 201.0, -53.0, 400.0])
# No symmetry: turned, off the middle, of unlike axes, overlapping, one of them a hole.
ODD = Ellipsoids(
    [
        (1.0, 7.0, 4.5, 5.0, 2.0, -1.5, 0.7, 25.0),
        (-0.4, 1.5, 3.0, 2.0, 3.0, -2.0, -0.5, -70.0),
        (0.8, 2.0, 0.9, 1.2, -5.0, 4.0, 2.1, 140.0),
    ]
)


def scan_of(angles, shape, **keywords) -> ParallelBeam:
    return ParallelBeam(angles, shape, angle_unit="deg", **keywords)


def value_at(bodies: Ellipsoids, x, y, z):
    """The object at points, body by body from the definition of a turned ellipsoid."""
    total = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z)))
    for value, a, b, c, x0, y0, z0, degrees in bodies.solids:
        turn = np.exp(-1j * np.deg2rad(degrees)) * ((x - x0) + 1j * (y - y0))
        inside = (turn.real / a) ** 2 + (turn.imag / b) ** 2 + ((z - z0) / c) ** 2 <= 1
        total += value * inside
    return total


# --- line integrals -------------------------------------------------------------------------


def test_projection_of_a_disc_is_its_chord():
    scan = scan_of(ANGLES, (2, 21), pixel_size=(3.0, 0.5), center=8.25)
    sino = Ellipses([(2.0, 3.0, 3.0, 0.0, 0.0, 33.0)]).projections(scan, supersample=1)
    t = (np.arange(21) - 8.25) * 0.5
    chord = 2.0 * 2.0 * np.sqrt(np.maximum(9.0 - t**2, 0))
    np.testing.assert_allclose(sino, np.broadcast_to(chord, sino.shape), atol=1e-6)


def test_supersampling_averages_parts_of_a_pixel():
    bodies = Ellipses([(1.0, 2.0, 2.0, 0.0, 0.0, 0.0)])
    fine = bodies.projections(scan_of([0.0], (1, 24), pixel_size=0.25), supersample=1)
    coarse = bodies.projections(scan_of([0.0], (1, 6), pixel_size=1.0), supersample=4)
    np.testing.assert_allclose(coarse[0, 0], fine[0, 0].reshape(6, 4).mean(axis=1), rtol=1e-6)


def test_shadow_of_a_body_off_the_axis_follows_the_rotation():
    x, y, center = 6.0, -9.0, 170.5
    bodies = Ellipses([(1.0, 2.0, 0.7, x, y, 40.0)])
    sino = bodies.projections(scan_of(ANGLES, (1, 401), pixel_size=0.1, center=center))[:, 0]
    theta = np.deg2rad(ANGLES)
    centroid = (sino * (np.arange(401) - center)).sum(axis=1) * 0.1 / sino.sum(axis=1)
    np.testing.assert_allclose(centroid, x * np.cos(theta) + y * np.sin(theta), atol=2e-3)


def test_every_view_holds_the_whole_mass():
    scan = scan_of(ANGLES, (33, 61), pixel_size=(0.5, 0.4))
    mass = ODD.projections(scan).sum(axis=(1, 2)) * 0.5 * 0.4
    value, a, b, c = ODD.solids[:, :4].T
    np.testing.assert_allclose(mass, (value * 4 / 3 * np.pi * a * b * c).sum(), rtol=1e-3)


def test_line_integrals_agree_with_sums_along_the_rays():
    scan = scan_of([17.0, -53.0, 250.0], (7, 23), pixel_size=(1.3, 0.9), center=9.4)
    theta = np.deg2rad(scan.angles)[:, None, None, None]
    s = ((np.arange(23) - 9.4) * 0.9)[:, None]
    z = ((np.arange(7) - 3) * 1.3)[:, None, None]
    t, step = np.linspace(-20, 20, 8001, retstep=True)
    along = value_at(
        ODD,
        s * np.cos(theta) - t * np.sin(theta),
        s * np.sin(theta) + t * np.cos(theta),
        z,
    )
    sino = ODD.projections(scan, supersample=1)
    assert sino.max() > 3
    np.testing.assert_allclose(sino, along.sum(axis=-1) * step, atol=4 * step)


def test_rows_of_an_ellipsoid_are_ellipses():
    body = (1.5, 7.0, 4.0, 5.0, 1.0, -2.0, 0.0, 30.0)
    sino = Ellipsoids([body]).projections(scan_of(ANGLES, (7, 25)), supersample=1)
    for row, z in enumerate(range(-3, 4)):
        k = np.sqrt(1 - (z / 5.0) ** 2)
        ellipse = Ellipses([(1.5, 7.0 * k, 4.0 * k, 1.0, -2.0, 30.0)])
        alone = ellipse.projections(scan_of(ANGLES, (1, 25)), supersample=1)
        np.testing.assert_allclose(sino[:, row], alone[:, 0], atol=1e-5)


def test_the_middle_of_the_3d_head_has_the_outline_of_the_2d_one():
    flat, solid = datasets.shepp_logan_phantom(2), datasets.shepp_logan_phantom(3)
    columns = [0, 1, 2, 4, 5, 7]
    np.testing.assert_array_equal(solid.solids[:, columns], flat.solids[:, columns])
    scan, still = scan_of(ANGLES, (1, 31), pixel_size=2 / 31), [0, 1, 2, 3, 7, 8, 9]
    middle = Ellipsoids(solid.solids[still]).projections(scan, supersample=1)
    plane = Ellipses(np.asarray(flat.table)[still]).projections(scan, supersample=1)
    np.testing.assert_allclose(middle, plane, atol=1e-6)


def test_blocks_of_views_and_rows_do_not_show(monkeypatch):
    scan = scan_of(ANGLES, (9, 23))
    whole = ODD.projections(scan)
    monkeypatch.setattr("physrecon.datasets.ellipses._BLOCK", 50)
    np.testing.assert_allclose(ODD.projections(scan), whole, atol=1e-5)


# --- volumes --------------------------------------------------------------------------------


@pytest.mark.parametrize("supersample", [1, 3, 4])
def test_volume_is_the_mean_over_points_of_each_voxel(supersample):
    grid = Grid((5, 13, 17), (1.7, 1.1, 0.9))
    points = [
        (np.arange(n * supersample) + 0.5) / supersample * p - n * p / 2
        for n, p in zip(grid.shape, grid.pitch, strict=True)
    ]
    z, y, x = np.meshgrid(*points, indexing="ij")
    shape = [m for n in grid.shape for m in (n, supersample)]
    naive = value_at(ODD, x, y, z).reshape(shape).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(ODD.volume(grid, supersample), naive, atol=1e-6)


def test_volume_and_projections_look_at_the_same_object():
    grid = Grid((9, 25, 27), (1.5, 0.8, 0.7))
    volume = ODD.volume(grid)
    along_y = ODD.projections(scan_of([0.0], (9, 27), pixel_size=(1.5, 0.7)))[0]
    along_x = ODD.projections(scan_of([90.0], (9, 25), pixel_size=(1.5, 0.8)))[0]
    error = np.linalg.norm(volume.sum(axis=1) * 0.8 - along_y) / np.linalg.norm(along_y)
    assert error < 0.01
    error = np.linalg.norm(volume.sum(axis=2) * 0.7 - along_x) / np.linalg.norm(along_x)
    assert error < 0.01


def test_some_slices_are_those_of_the_whole():
    grid = Grid((9, 14, 15))
    np.testing.assert_array_equal(ODD.volume(grid, slices=slice(2, 7)), ODD.volume(grid)[2:7])


def test_lengths_scale_together():
    scan, large = scan_of(ANGLES, (5, 19)), scan_of(ANGLES, (5, 19), pixel_size=2.5)
    big = ODD.scaled(2.5, value=0.1)
    np.testing.assert_allclose(big.projections(large), 0.25 * ODD.projections(scan), atol=1e-6)
    grid, grown = Grid((5, 19, 19)), Grid((5, 19, 19), 2.5)
    np.testing.assert_allclose(big.volume(grown), 0.1 * ODD.volume(grid), atol=1e-6)


def test_rows_see_the_slices_of_a_grid_of_another_pitch():
    scan = scan_of(ANGLES, (5, 19))
    tall = ODD.projections(scan, Grid((5, 19, 19), (2.0, 1.0, 1.0)))
    same = ODD.projections(scan_of(ANGLES, (5, 19), pixel_size=(2.0, 1.0)))
    np.testing.assert_array_equal(tall, same)
    assert not np.allclose(tall, ODD.projections(scan))


def test_fitted_keeps_spheres_round_in_flat_grids():
    ball = Ellipsoids([(1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)])
    fitted = ball.fitted(Grid((3, 20, 40), (1.0, 0.5, 0.5)))
    np.testing.assert_allclose(fitted.solids[0, 1:4], 5.0)


def test_nothing_is_a_case_too():
    nothing, grid = Ellipsoids([]), Grid((2, 5, 6))
    assert len(nothing) == 0
    assert not nothing.volume(grid).any() and not nothing.projections(scan_of([3.0], (2, 6))).any()
    assert ODD.projections(scan_of([], (2, 6))).shape == (0, 2, 6)
    assert ODD.projections(scan_of([3.0], (0, 6))).shape == (1, 0, 6)
    assert ODD.volume(Grid((0, 5, 6))).shape == (0, 5, 6)
    assert ODD.volume(Grid((2, 5, 0))).shape == (2, 5, 0)
    away = Ellipses([(1.0, 2.0, 2.0, 50.0, 0.0, 0.0)])
    assert not away.volume(grid).any() and not away.projections(scan_of([0.0], (2, 6))).any()


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (Ellipses, [(1, 2, 3)]),
        (Ellipses, [(1.0, 0.0, 1.0, 0.0, 0.0, 0.0)]),
        (Ellipses, [(1.0, np.inf, 1.0, 0.0, 0.0, 0.0)]),
        (Ellipsoids, [(np.nan, 1, 1, 1, 0, 0, 0, 0)]),
        (Ellipsoids, [(1.0, 1, 1, -1, 0, 0, 0, 0)]),
        (Ellipsoids, [(1.0, 1, 1, np.nan, 0, 0, 0, 0)]),
    ],
)
def test_bad_tables_are_refused(kind, table):
    with pytest.raises(ArgumentError, match=kind.__name__):
        kind(table)


def test_bad_arguments_are_refused():
    for call in (
        lambda: ODD.volume(Grid((1, 4, 4)), supersample=0),
        lambda: ODD.projections(scan_of([0.0], (1, 4)), supersample=1.5),
        lambda: datasets.shepp_logan((4,)),
        lambda: datasets.shepp_logan_phantom(4),
        lambda: datasets.foam(-1),
        lambda: datasets.random_ellipses(1.5),
    ):
        with pytest.raises(ArgumentError):
            call()


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        ODD.table[0, 0] = 5.0


# --- the phantoms ---------------------------------------------------------------------------


def test_shepp_logan_has_the_published_grey_values_in_the_right_places():
    image = datasets.shepp_logan((63, 63))
    assert image.dtype == np.float32 and image.min() == 0.0 and image.max() == 1.0

    def at(x, y):
        return image[round(31 + y * 0.95 * 31.5), round(31 + x * 0.95 * 31.5)]

    assert at(0, 0.9) == 1.0  # skull
    assert at(0, -0.35) == pytest.approx(0.2)  # brain
    assert at(0, 0.35) == pytest.approx(0.3)  # the large grey body lies at +y
    assert at(-0.22, 0) == 0.0 and at(0.22, 0) == 0.0  # ventricles
    # The larger ventricle lies at -x, and both lean outwards with growing y.
    assert at(-0.22 - 0.11, 0.34) == 0.0 and at(0.22 + 0.11, 0.34) > 0.1
    assert at(0.22 + 0.08, 0.25) == 0.0 and at(0.22 - 0.08, 0.25) > 0.1
    assert at(0.9, 0.9) == 0.0


def test_shepp_logan_shapes():
    assert datasets.shepp_logan((5, 9)).shape == (5, 9)
    wide = datasets.shepp_logan((24, 40))
    np.testing.assert_allclose(wide[:, 8:32], datasets.shepp_logan((24, 24)), atol=1e-6)
    solid = datasets.shepp_logan((24, 24, 24))
    assert solid.shape == (24, 24, 24) and not solid[0].any() and solid[12].any()
    np.testing.assert_allclose(datasets.shepp_logan((4, 24, 24)), solid[10:14], atol=1e-6)


@pytest.mark.parametrize("make", [datasets.random_ellipses, datasets.random_ellipsoids])
def test_random_bodies_stay_in_the_field_and_repeat(make):
    bodies = make(50, seed=3)
    _, a, b, c, x, y, z, _ = bodies.solids.T
    assert len(bodies) == 50
    assert (np.hypot(x, y) + np.maximum(a, b) <= 0.85 + 1e-12).all()
    assert (np.isinf(c) | (np.abs(z) + c <= 1 + 1e-12)).all()
    np.testing.assert_array_equal(make(50, seed=3).table, bodies.table)
    assert not np.array_equal(make(50, seed=4).table, bodies.table)
    assert bodies.volume(Grid((3, 21, 21), 0.1)).min() >= 0


def test_foam_has_voids_that_do_not_touch():
    bodies = datasets.foam(80, seed=1).solids
    void = bodies[1:]
    centre, radius = void[:, 4:7], void[:, 1]
    gap = np.linalg.norm(centre[:, None] - centre, axis=2) - radius[:, None] - radius
    assert gap[~np.eye(80, dtype=bool)].min() > 0
    assert (np.hypot(centre[:, 0], centre[:, 1]) + radius < bodies[0, 1]).all()
    volume = datasets.foam(80, seed=1).volume(Grid((9, 33, 33), 2 / 33))
    assert volume.min() == 0.0 and volume.max() == 1.0


def test_phantoms_load_neither_numba_nor_h5py():
    code = (
        "import sys, physrecon.datasets as d; d.shepp_logan((8, 8));"
        "assert not {'numba', 'h5py', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bodies_of_a_specimen_are_round_in_lengths_and_keep_off_the_margin():
    voxel = (0.2, 0.1, 0.1)
    bead = datasets.specimen((40, 200, 400), voxel, seed=3, filaments=0, shells=0, beads=1)
    light = bead.sum(dtype=np.float64) / 1.5 * np.prod(voxel)
    radius = 0.012 * 20
    one = datasets.specimen((80, 200, 400), 0.1, seed=3, filaments=0, shells=0, beads=1)
    fine = one.sum(dtype=np.float64) / 1.5 * 0.001
    assert fine == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.1)
    assert light == pytest.approx(fine, rel=0.15)
    shell = datasets.specimen((60, 60, 60), seed=1, filaments=0, shells=1, beads=0)
    inside = np.argwhere(shell > 0)
    middle = tuple(((inside.min(axis=0) + inside.max(axis=0)) // 2).tolist())
    assert shell[middle] == 0
    assert 0.5 < shell.max() <= np.float32(0.6)
    full = datasets.specimen((30, 70, 80), (2, 1, 1), seed=5)
    lit = np.argwhere(full > 0) / full.shape
    assert lit.min() > 0.05
    assert lit.max() < 0.95
    np.testing.assert_array_equal(full, datasets.specimen((30, 70, 80), (2, 1, 1), seed=5))
    assert full.dtype == np.float32
    assert (full >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(((4, 5),), "shape"), (((4, 5, 6), 0), "voxel_size"), (((4, 5, 6), 1, 0, -1), "bodies")],
)
def test_what_is_no_specimen_is_refused(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        datasets.specimen(*arguments)
