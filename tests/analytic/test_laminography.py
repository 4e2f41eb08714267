"""FBP about a tilted axis against Gaussian balls in closed form.

Frequencies nearer to the axis than the tilt α are in no view.  Of a Gaussian ball these are the
share 1 − cos α, in any direction alike: its middle has cos α times its value."""

import numpy as np
import pytest
from cuts import same_from_any_cut

import physrecon as pr
from physrecon.analytic.fbp import fbp_slices
from physrecon.errors import ArgumentError

WIDTH = 7.0
GRID = pr.Grid((48, 56, 56))
PLACE = np.array([6.5, -8.5, 10.5])  # (z, y, x), the centre of a voxel
AT = tuple(np.rint(PLACE + GRID.origin).astype(int))
SHIFTS = np.random.default_rng(0).normal(0, 2, (180, 3))


def integrals(scan):
    """Along the rays, of a ball exp(−r² / 2 WIDTH²)."""
    pixels = map(np.arange, scan.shape[1:])
    rows, columns = pixels
    rays = scan.rays()
    way, points = rays.directions(rows, columns), rays.points(rows, columns)
    off = np.linalg.norm(np.cross(PLACE - points, way), axis=-1)
    return (WIDTH * np.sqrt(2 * np.pi) * np.exp(-(off**2) / 2 / WIDTH**2)).astype(np.float32)


def beam(tilt, views=180, turn=360.0, shape=(112, 112), **more):
    angles = np.arange(views) * turn / views + 7
    return pr.TiltedBeam(angles, shape, angle_unit="deg", tilt=tilt, **more)


SCANS = {
    "30°": beam(30.0),
    "the other way": beam(-30.0),
    "60°": beam(60.0),
    "backwards": beam(30.0, turn=-360.0),
    "shifts": beam(30.0, shifts=SHIFTS),
    "off the middle": beam(30.0, center=52.3, row_offset=2.2),
    "other pixels": beam(30.0, shape=(96, 124), pixel_size=(1.2, 0.9)),
    "rolled": beam(30.0, roll=1.0),
    "upright": beam(0.0, 90, 180.0),
    "upright and rolled": beam(0.0, 90, 180.0, roll=1.0),
    "nearly upright": beam(1.0, 90, 180.0),
    "half a detector": beam(0.0, shape=(112, 70), center=10.0),
}


@pytest.mark.parametrize("name", SCANS)
def test_value_and_place_of_a_ball(name):
    scan = SCANS[name]
    x = pr.fbp(integrals(scan), scan, GRID)
    assert np.unravel_index(x.argmax(), x.shape) == AT
    assert x[AT] == pytest.approx(np.cos(np.deg2rad(scan.tilt)), rel=0.01)
    near = x[tuple(slice(i - 4, i + 5) for i in AT)]
    middle = [(near * along).sum() / near.sum() for along in np.indices(near.shape) - 4]
    np.testing.assert_allclose(middle, 0, atol=0.05)


def test_the_ball_lacks_the_cone_of_frequencies():
    """Its profile is that of the Gaussian spectrum beyond the cone, summed in double precision."""
    scan, n, step = SCANS["30°"], 96, 1.0
    x = pr.fbp(integrals(scan), scan, GRID)
    k = 2 * np.pi * np.fft.fftfreq(n, step)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij", sparse=True)
    across = np.hypot(ky, kx)
    measured = (across > abs(kz) * np.tan(np.pi / 6)) | (across + abs(kz) == 0)
    power = np.exp(-(kz**2 + ky**2 + kx**2) * WIDTH**2 / 2) * (2 * np.pi) ** 1.5 * WIDTH**3
    ball = np.fft.ifftn(power * measured).real / step**3
    for axis in range(3):
        along = [slice(i, i + 1) for i in AT]
        along[axis] = slice(AT[axis] - 12, AT[axis] + 13)
        expected = np.roll(ball, 12, axis)[tuple(
            slice(0, 25) if a == axis else slice(0, 1) for a in range(3)
        )]  # fmt: skip
        np.testing.assert_allclose(x[tuple(along)], expected, atol=0.012)


@pytest.mark.parametrize("name", ["30°", "rolled", "upright"])
@pytest.mark.parametrize("part", [slice(0, 5), slice(13, 40)])
def test_slices_are_the_same_from_any_cut(name, part):
    grid = pr.Grid((48, 20, 21))
    same_from_any_cut(fbp_slices, pr.fbp, SCANS[name], grid, part, "hann", "edge")


def test_an_upright_axis_is_that_of_a_parallel_beam():
    leaning = beam(0.0, 60, 180.0, (9, 33), center=15.2)
    straight = pr.ParallelBeam(leaning.angles, (9, 33), angle_unit="deg", center=15.2)
    y = np.random.default_rng(0).random(straight.shape)
    expected = pr.fbp(y, straight)
    np.testing.assert_allclose(pr.fbp(y, leaning), expected, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize(
    "scan, words",
    [
        (beam(30.0, 90, 180.0), "full turn for an axis that is tilted by 30°, got views over 18"),
        (beam(0.0, roll=5.0), "a roll of at most 2°, got a roll of 5°"),
    ],
)
def test_what_it_cannot_do_is_refused(scan, words):
    with pytest.raises(ArgumentError, match=words):
        pr.fbp(np.zeros(scan.shape, np.float32), scan, GRID)
