"""The rotation axis of fan and cone beams from rays that are measured twice."""

from dataclasses import replace

import numpy as np
import pytest
from tiers import thorough

import physrecon as pr

POINT = dict(angle_unit="deg", pixel_size=2.0, source_origin=100.0, source_detector=200.0)


def chords(scan, rng):
    """Line integrals through ellipsoids in closed form."""
    rays = scan.rays()
    points = rays.points(np.arange(scan.shape[1]), np.arange(scan.shape[2]))
    way = rays.directions(np.arange(scan.shape[1]), np.arange(scan.shape[2]))
    y = np.zeros(scan.shape)
    for _ in range(8):
        size, value = rng.uniform(3, 9, 3), rng.uniform(0.5, 1)
        middle = rng.uniform(-1, 1, 3) * [4, 12, 12]
        p, d = (points - middle) / size, way / size
        a, b, c = (d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1) - 1
        y += value * 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a
    return y


SCANS = {
    "fan": lambda c: pr.FanBeam(np.arange(0, 360, 2.0), (3, 96), center=c, **POINT),
    "any order": lambda c: pr.FanBeam(-np.arange(0, 360, 2.0)[::-1], (3, 96), center=c, **POINT),
    "curved fan": lambda c: pr.FanBeam(
        np.arange(0, 360, 2.0), (3, 96), center=c, detector="curved", **POINT
    ),
    "short fan": lambda c: pr.FanBeam(np.arange(0, 244, 2.0), (3, 96), center=c, **POINT),
    "cone": lambda c: pr.ConeBeam(np.arange(0, 360, 2.0), (32, 96), center=c, **POINT),
    "low cone": lambda c: pr.ConeBeam(
        np.arange(0, 360, 2.0), (32, 96), center=c, row_offset=6.3, **POINT
    ),
    "short cone": lambda c: pr.ConeBeam(np.arange(0, 244, 2.0), (32, 96), center=c, **POINT),
}


@pytest.mark.parametrize("center", [43.6, thorough(47.5), thorough(52.27)])
@pytest.mark.parametrize("name", SCANS)
def test_the_axis_is_found_to_a_quarter_of_a_column(name, center):
    scan, rng = SCANS[name](center), np.random.default_rng(7)
    y = chords(scan, rng)
    y += 0.02 * y.max() * rng.standard_normal(y.shape)
    found = pr.find_center(y.astype(np.float32), scan.with_center(47.5))
    assert abs(found.column - center) <= 0.25
    assert abs(found.column - center) <= found.uncertainty
    assert found.uncertainty < 0.3  # 0.7 where the views turn wrongly
    assert ("short" in name) == any("measured twice" in note for note in found.notes)


def test_half_a_fan_is_enough_in_a_full_turn():
    """The axis near the edge of the detector: an object wider than the fan."""
    scan, rng = SCANS["fan"](20.3), np.random.default_rng(7)
    y = chords(scan, rng)
    found = pr.find_center(y, scan.with_center(47.5))
    assert abs(found.column - 20.3) <= 0.25
    assert any("edge of the detector" in note for note in found.notes)


def test_what_tells_no_axis():
    scan = SCANS["fan"](47.5)
    y = chords(scan, np.random.default_rng(7))
    with pytest.raises(pr.DataError, match="measure, got none"):
        pr.find_center(y[:20], scan[:20])
    with pytest.raises(pr.DataError, match="constant"):
        pr.find_center(np.ones(scan.shape), scan)
    with pytest.raises(pr.ArgumentError, match=r"pr\.align finds"):
        pr.find_center(y, pr.TiltedBeam(scan.angles, (3, 96), angle_unit="deg"))
    with pytest.raises(pr.ArgumentError, match="line integrals"):
        pr.find_center(y[:, :1], scan)
    y[3] = np.nan
    with pytest.raises(pr.DataError, match="NaN"):
        pr.find_center(y, scan)


@pytest.mark.parametrize(
    ("span", "roll"), [(360, -1.2), (360, 0.0), thorough(244, 1.2), thorough(360, 2.0)]
)
def test_the_roll_of_a_cone_beam_is_found(span, roll):
    """About the pixel of the central ray, which is neither in the middle row nor column."""
    stated = pr.ConeBeam(
        np.arange(0, span, 2.0), (64, 128), row_offset=2.0, **POINT | {"pixel_size": 1.5}
    )
    y = chords(replace(stated, roll=roll, center=61.3), np.random.default_rng(0))
    y += 0.02 * y.max() * np.random.default_rng(1).standard_normal(y.shape)
    found = pr.find_center(y.astype(np.float32), stated)
    assert abs(found.roll - roll) <= found.roll_uncertainty < 0.4
    assert abs(found.column - 61.3) <= min(found.uncertainty, 0.25)


def test_one_row_and_a_fan_tell_no_roll():
    scan = SCANS["fan"](43.6)
    assert pr.find_center(chords(scan, np.random.default_rng(7)), scan).roll is None
    row = SCANS["cone"](43.6).part(slice(15, 16))
    assert pr.find_center(chords(row, np.random.default_rng(7)), row).roll is None
