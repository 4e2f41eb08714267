"""FDK of helices against balls in closed form, and against circles."""

from __future__ import annotations

import numpy as np
import pytest
from cuts import same_from_any_cut
from tiers import thorough

import physrecon as pr
from physrecon.analytic.fdk import fdk_slices
from physrecon.analytic.helix import FULL, NONE, SHORT, Helix, covered_in_words
from physrecon.errors import ArgumentError

# Two balls of radius and value, (z, y, x): no motion or mirror image of them is the same.
BALLS = [(9.0, 2.0, (7.0, -4.0, 5.0)), (5.0, 1.0, (-11.0, 9.0, -2.0))]
GRID = pr.Grid((64, 48, 48))


def chords(scan, balls=BALLS):
    rays = scan.rays()
    points = rays.points(*map(np.arange, scan.shape[1:]))
    source = np.broadcast_to(rays.source[:, None, None], points.shape)
    way = points - source
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    total = np.zeros(points.shape[:-1])
    for radius, value, place in balls:
        off = np.linalg.norm(np.cross(place - source, way), axis=-1)
        total += 2 * value * np.sqrt(np.maximum(radius**2 - off**2, 0))
    return total.astype(np.float32)


def helix(rise=12.0, turns=5, views=90, columns=48, rows=32, sense=1, **more):
    settings = dict(angle_unit="deg", source_origin=90.0, source_detector=150.0, pixel_size=5 / 3)
    count = int(turns * views)
    angles = sense * ((np.arange(count) + 0.3) * 360 / views - 180 * turns)
    stated = {"heights": more.pop("heights")} if "heights" in more else {"rise": rise}
    return pr.HelicalCone(angles, (rows, columns), **stated, **{**settings, **more})


def heights(count):
    """Of a helix whose rise grows from 8 to 16, with angles that begin anew every turn."""
    turns = (np.arange(count) - count / 2 + 0.5) / 90
    return 12 * turns + 0.8 * turns**2


SCANS = {
    "two turns seen": helix(),
    "five turns seen": helix(4.0, 9),
    "little more than a turn seen": helix(20.0, 4),
    "short windows": helix(25.0, 4),
    "sinks": helix(-20.0, 4),
    "backwards": helix(sense=-1),
    "short and backwards": helix(25.0, 4, sense=-1),
    "off-centre": helix(center=20.3),
    "half a detector": helix(columns=34, center=6.0),
    "rows off the middle": helix(row_offset=4.0),
    "curved": helix(detector="curved"),
    "short and curved": helix(25.0, 4, detector="curved"),
    "heights": helix(heights=heights(450)),
    "any order": helix()[np.random.default_rng(0).permutation(450)],
}
EVERY_DAY = ("two turns seen", "short windows", "half a detector", "curved", "any order")


def cases():
    return [name if name in EVERY_DAY else thorough(name) for name in SCANS]


def away_from(place, grid=GRID):
    z, y, x = (grid.axis(i) for i in range(3))
    return np.sqrt(
        (z[:, None, None] - place[0]) ** 2 + (y[:, None] - place[1]) ** 2 + (x - place[2]) ** 2
    )


@pytest.mark.parametrize("name", cases())
def test_values_and_places_of_balls(name):
    """Within 1 % inside, nothing outside; mirrored or upside down, they would lie elsewhere."""
    scan = SCANS[name]
    x = pr.fdk(chords(scan), scan, GRID)
    seen = np.hypot(GRID.axis(1)[:, None], GRID.axis(2)) < 20
    seen = seen & (Helix.of(scan, GRID).kinds > NONE)[:, None, None]
    for radius, value, place in BALLS:
        inside = x[away_from(place) < radius - 2.5]
        assert abs(inside.mean() / value - 1) < 0.01 and inside.std() < 0.02 * value
        seen &= away_from(place) > radius + 3
    assert abs(x[seen].mean()) < 0.005 and abs(x[seen]).max() < 0.35
    assert x[seen].std() < 0.03


def test_the_error_is_that_of_a_circle():
    """In the middle slice of a circle, where FDK is exact, and in the same slice of a helix."""
    balls = [(9.0, 2.0, (0.5, -4.0, 5.0)), (5.0, 1.0, (2.0, 9.0, -2.0))]
    middle = pr.Grid((1, 48, 48), 1.0, (0.5, 0, 0))
    truth = sum(v * (away_from(place, middle) < r) for r, v, place in balls)
    angles = np.arange(90) * 4.0
    circle = pr.ConeBeam(
        angles, (32, 48), angle_unit="deg", source_origin=90.0, source_detector=150.0,
        pixel_size=5 / 3,
    )  # fmt: skip
    scans = circle, helix(8.0), helix(25.0, 4)
    errors = [np.sqrt(np.mean((pr.fdk(chords(s, balls), s, middle) - truth) ** 2)) for s in scans]
    assert max(errors[1:]) < 1.1 * errors[0]


def test_more_turns_mean_less_noise():
    def noise(scan):
        y = np.random.default_rng(0).normal(size=scan.shape).astype(np.float32)
        return pr.fdk(y, scan, GRID)[30:34, 14:34, 14:34].std()

    one, two = helix(20.0, 4), helix(6.0, 11)
    turns = [np.ptp(Helix.of(s, GRID).own, axis=0)[32] / 90 for s in (one, two)]
    assert turns[1] > 3 * turns[0]
    assert noise(two) < 1.15 * noise(one) * np.sqrt(turns[0] / turns[1])


@pytest.mark.parametrize(
    "name", ["two turns seen", "short windows", "half a detector", "backwards"]
)
@pytest.mark.parametrize("part", [slice(0, 7), slice(13, 42), slice(24, 32)])
def test_slices_are_the_same_from_any_cut(name, part):
    grid = pr.Grid((64, 20, 21))
    same_from_any_cut(fdk_slices, pr.fdk, SCANS[name], grid, part, "hann", "zero")


def test_weights_of_views_a_turn_apart_sum_to_one():
    helix_of = Helix.of(SCANS["five turns seen"], GRID)
    part = slice(20, 44)
    assert (helix_of.kinds[part] == FULL).all()
    low, high, weights = helix_of.full_weights(part)
    directions = np.arange(low, high) % 90
    for column in weights.T:
        sums = np.bincount(directions, column, 90)
        np.testing.assert_allclose(sums, np.pi / 90, rtol=1e-6)
    assert weights.min() >= 0


def test_slices_that_lack_views_are_zero_and_named():
    scan = helix(12.0, 3)
    windows = Helix.of(scan, GRID)
    covered = np.flatnonzero(windows.kinds)
    x = pr.fdk(np.random.default_rng(0).random(scan.shape, np.float32), scan, GRID)
    assert covered[0] > 0 and covered[-1] < 63 and np.isfinite(x).all()
    assert not x[: covered[0]].any() and not x[covered[-1] + 1 :].any()
    assert x[covered].any(axis=(1, 2)).all()
    assert {SHORT, FULL} <= set(windows.kinds)
    said = covered_in_words(windows)
    assert f"slices {covered[0]}:{covered[-1] + 1} of 64" in said and "0 elsewhere" in said
    assert "Parker" in said


@pytest.mark.parametrize(
    "scan, words",
    [
        (
            helix(60.0, 4),
            r"a rise of at most [\d.]+ a turn for this detector.* got a rise of 60; .*cgls",
        ),
        (helix(30.0, 4, columns=34, center=6.0), "rise of at most"),
        (helix(12.0, 0.5), r"views that see a slice of the grid over \d+"),
        (helix(0.0, 2), "a source that rises, or falls"),
        (helix(roll=1.0), "upright detector without shifts, got roll"),
    ],
)
def test_what_it_cannot_do_is_refused(scan, words):
    with pytest.raises(ArgumentError, match=words):
        pr.fdk(np.zeros(scan.shape, np.float32), scan, GRID)


def test_the_largest_rise_that_is_named_is_taken():
    with pytest.raises(ArgumentError) as caught:
        pr.fdk(np.zeros((360, 32, 48), np.float32), helix(60.0, 4), GRID)
    most = float(str(caught.value).split("at most ")[1].split()[0])
    assert Helix.of(helix(most * 0.97, 4), GRID).kinds.any()
    assert not Helix.of(helix(most * 1.03, 4), GRID).kinds.any()
