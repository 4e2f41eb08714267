"""Weights of views and rays: quantitative volumes from any angles and from half a detector."""

from __future__ import annotations

import numpy as np
import pytest
from discs import disc

import physrecon as pr
from physrecon.analytic.view_weights import (
    FULL_TURN,
    angle_weights,
    extension,
    full_turn,
    missing_wedge,
    ray_weights,
)

HALF = np.linspace(0, 180, 120, endpoint=False)
TURN = np.linspace(0, 360, 240, endpoint=False)
RNG = np.random.default_rng(3)
JITTER = 1e-4 * RNG.standard_normal(1200)
ANGLES = {
    "unsorted": RNG.permutation(HALF),
    "negative turn": -HALF * 2,
    "360": TURN,
    "540": np.linspace(0, 540, 360, endpoint=False),
    "nearly closed": np.linspace(0, 179, 121),
    "both ends": np.linspace(0, 180, 121),
    "two densities": np.r_[np.linspace(0, 60, 80, False), np.linspace(60, 180, 60, False)],
    "step 0.5, step 3": np.r_[np.arange(0, 150, 0.5), np.arange(150, 180, 3)],
    "step 0.01, step 1": np.r_[np.arange(0, 10, 0.01), np.arange(10, 180, 1)],
    "golden": np.arange(150) * 111.246,
    "ten turns": np.arange(0, 3600, 1.5),
    "ten turns with jitter": np.tile(HALF, 10) + JITTER,
    "interlaced": np.concatenate([np.arange(0, 360, 6) + k for k in (0, 3, 1.5, 4.5)]),
    "each thrice": np.repeat(HALF, 3),
    "first half twice": np.r_[HALF, HALF[:60]],
    "random": RNG.uniform(0, 180, 400),
    "7 views lost": np.delete(np.arange(180.0), np.arange(60, 67)),
}


@pytest.mark.parametrize("name", ANGLES)
def test_any_angles_keep_the_value(name):
    scan = pr.ParallelBeam(ANGLES[name], (1, 65), angle_unit="deg")
    x = pr.fbp(disc(scan, 14, 1.0, x=4, y=7), scan)[0]
    assert angle_weights(scan.radians).sum() == pytest.approx(np.pi)
    assert x[inside(scan.default_grid(), 10, 4, 7)].mean() == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("missing", [1, 3, 8, 15, 30, 60, 90])
@pytest.mark.parametrize("step", [0.25, 1.0])
def test_a_missing_wedge_does_not_scale_the_volume(step, missing):
    angles = np.arange(20, 200 - missing, step)
    scan = pr.ParallelBeam(angles, (1, 65), angle_unit="deg")
    x = pr.fbp(disc(scan, 20, 1.0), scan)[0]
    assert x[inside(scan.default_grid(), 17)].mean() == pytest.approx(1.0, rel=0.004)
    lost, (first, last) = missing_wedge(scan.radians)
    assert np.rad2deg(lost) == pytest.approx(missing if missing + step > 10 else 0, abs=1e-6)
    if lost:
        assert np.rad2deg(last - first) == pytest.approx(missing + step)
        assert np.rad2deg(last) % 180 == pytest.approx(20)


def test_views_represent_their_voronoi_cells():
    angles = np.deg2rad([0.0, 4.0, 6.0, 9.0])
    cells = angle_weights(angles, np.deg2rad(12.0))
    np.testing.assert_allclose(np.rad2deg(cells), [3.5, 3.0, 2.5, 3.0])
    np.testing.assert_allclose(angle_weights(np.deg2rad([0.0, 90, 180, 270]), FULL_TURN), np.pi / 2)


def test_views_of_one_direction_share_its_weight():
    np.testing.assert_allclose(angle_weights(np.deg2rad([30.0, 30.0, 210.0])), np.pi / 3)
    # 0°, 180° and -1e-12° are one direction of three
    weights = angle_weights(np.deg2rad([0.0, 60.0, 120.0, 180.0, -1e-12]))
    np.testing.assert_allclose(weights, np.pi / 3 / np.array([3, 1, 1, 3, 3]))


def test_the_wedge_is_shared_by_all_views_and_bridged_near_its_ends():
    weights = np.rad2deg(angle_weights(np.deg2rad(np.arange(0, 120, 1.0))))
    scale = 180 / (119 + 10)  # 119 gaps of 1°, and 5° on either side of the wedge
    np.testing.assert_allclose(weights[1:-1], scale)
    np.testing.assert_allclose(weights[[0, -1]], 5.5 * scale)
    many = np.rad2deg(angle_weights(np.deg2rad(np.tile(np.arange(0, 120, 1.0), 20))))
    np.testing.assert_allclose(many, np.tile(weights / 20, 20))


@pytest.mark.parametrize(
    ("angles", "full"),
    [
        (TURN, True),
        (TURN[:60], False),
        (TURN[:120], False),
        (TURN[:150], False),
        (TURN[:220], True),
        (ANGLES["golden"], True),
        (ANGLES["interlaced"], True),
        ([0.0, 90, 180, 270], True),
        ([0.0, 60, 120], False),
        ([7.0], False),
    ],
)
def test_what_is_a_full_turn(angles, full):
    assert full_turn(np.deg2rad(angles)) == full


# --- redundancy of rays ---------------------------------------------------------------------------

CENTERS = [-3.0, 0.0, 10.0, 10.37, 24.5, 25.0, 31.9, 32.0, 32.1, 40.0, 53.7, 64.0, 70.2]


@pytest.mark.parametrize("center", CENTERS)
def test_a_ray_and_its_opposite_sum_to_one_measurement(center):
    scan = pr.ParallelBeam(TURN, (1, 65), angle_unit="deg", center=center)
    rays = ray_weights(scan)
    if center == 32:
        assert rays is None and extension(scan) == (0, 0)
        return
    np.testing.assert_allclose(
        angle_weights(scan.radians, FULL_TURN), 2 * angle_weights(scan.radians)
    )
    weight = rays[0] + 2 * rays[1]  # of a ray, in units of one that counts half
    t, short = np.arange(65) - center, min(center, 64 - center)
    opposite = 2 * center - np.arange(65)  # the column that sees the same line half a turn later
    both = (opposite == np.round(opposite)) & (np.abs(t) <= short)
    assert both.any() == (2 * center == round(2 * center) and short >= 0)
    partner = weight[opposite[both].astype(int)]
    np.testing.assert_allclose(weight[both] + partner, 2, rtol=1e-12)
    inner = (short - min(short, 64 - 2 * short)) * (1 - 1e-9)
    np.testing.assert_allclose(weight[np.abs(t) <= inner], 1)
    np.testing.assert_allclose(weight[np.abs(t) > max(short, 0)], 2)
    assert (weight >= 0).all() and (weight <= 2).all()
    more = extension(scan)
    reach = center + more[0], 64 + more[1] - center
    assert min(more) == 0 and abs(reach[0] - reach[1]) < 1


def head(scan):
    return sum(disc(scan, *one) for one in ((56, 0.01), (7, 0.01, 3, 20), (9, 0.02, 30, -8)))


def error(angles, center, columns=81, **more):
    """Mean and rms difference from a whole detector in the head of radius 56, of its value."""
    scan = pr.ParallelBeam(angles, (1, columns), angle_unit="deg", center=center)
    grid = scan.default_grid(scan.turn_width)
    wide = pr.ParallelBeam(TURN, (1, columns + 160), angle_unit="deg", center=center + 80)
    whole = pr.fbp(head(wide).astype(np.float32), wide, grid)[0]
    x = pr.fbp(head(scan).astype(np.float32), scan, grid, **more)[0]
    e = (x - whole)[inside(grid, min(53, (grid.shape[1] - 3) / 2))] / 0.01
    return abs(e.mean()), np.sqrt((e**2).mean())


@pytest.mark.parametrize("center", [4.0, 12.0, 12.37, 20.5, 57.6, 63.0, 76.9])
@pytest.mark.parametrize("padding", ["zero", "edge"])
def test_half_acquisition_equals_the_whole_detector(center, padding):
    """Object cut off at one edge of 81 columns; opposite views complete it."""
    mean, rms = error(TURN, center, padding=padding)
    assert mean < 0.001 and rms < (1e-5 if 2 * center == round(2 * center) else 0.03)


@pytest.mark.parametrize("center", [40.0, 40.5, 41.0, 38.6, 44.3])
def test_an_axis_near_the_middle_is_no_special_case(center):
    mean, rms = error(TURN, center + 20, columns=121)
    assert mean < 0.001 and rms < (1e-5 if 2 * center == round(2 * center) else 0.03)


@pytest.mark.parametrize(
    ("angles", "mean", "rms"),
    [
        (np.linspace(0, 360, 241), 1e-3, 0.02),
        (RNG.permutation(TURN) - 720, 1e-3, 0.02),
        (np.arange(300) * 222.4922, 1e-3, 0.03),
        (np.concatenate([np.arange(0, 360, 6) + k for k in (0, 3, 1.5, 4.5)]), 1e-3, 0.02),
        (np.r_[TURN, TURN[:100]], 1e-3, 0.02),
        (np.r_[np.arange(0, 200, 1), np.arange(200, 360, 3)], 2e-3, 0.05),
        (np.delete(TURN, np.arange(50, 55)), 2e-3, 0.1),
    ],
    ids=["both ends", "shuffled", "golden", "interlaced", "a part twice", "two steps", "5 lost"],
)
def test_half_acquisition_at_any_angles(angles, mean, rms):
    found = error(angles, 14.2)
    assert found[0] < mean and found[1] < rms


def test_views_of_a_half_turn_count_as_before():
    scan = pr.ParallelBeam(HALF, (1, 81), angle_unit="deg", center=14.2)
    assert ray_weights(scan) is None and extension(scan) == (0, 0)


@pytest.mark.parametrize("center", [12.0, 12.37, 60.5])
def test_iterations_on_the_wide_grid(center):
    scan = pr.ParallelBeam(TURN, (1, 81), angle_unit="deg", center=center)
    A = pr.Projector(scan, scan.default_grid(scan.turn_width))
    assert pr.check_adjoint(A) < 1e-6
    problem = pr.Problem(pr.LeastSquares(A, head(scan).astype(np.float32)))
    x = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(iterations=25)).x[0]
    assert x[inside(A.grid, 6, 3, 20)].mean() == pytest.approx(0.02, rel=0.01)
    assert x[inside(A.grid, 8, 30, -8)].mean() == pytest.approx(0.03, rel=0.01)


@pytest.mark.parametrize("columns", [80, 81])
@pytest.mark.parametrize("center", [0.0, 12.0, 12.37, 39.5, 40.0, 40.3, 70.5, 80.0])
def test_the_grid_of_a_full_turn_reaches_as_far_as_the_rays(columns, center):
    scan = pr.ParallelBeam(TURN, (2, columns), angle_unit="deg", center=center, pixel_size=0.5)
    reach, width = max(center, columns - 1 - center), scan.turn_width
    assert 2 * reach + 1 <= width < 2 * reach + 3 and (width - columns) % 2 == 0
    wide, usual = scan.default_grid(width), scan.default_grid()
    margin = (width - columns) // 2
    np.testing.assert_array_equal(wide.axis(2)[margin : margin + columns], usual.axis(2))


def inside(grid, radius, x=0.0, y=0.0):
    return (grid.axis(1)[:, None] - y) ** 2 + (grid.axis(2) - x) ** 2 < radius**2
