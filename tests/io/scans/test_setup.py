"""Source, detector and axis as a file or a user states them, and the geometry they make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.io import open_scan
from physrecon.io.scans.setup import ScanSetup, setup_of

ANGLES = np.arange(0.0, 360, 30)
CONE = {"kind": "cone", "source_origin": "41.066cm", "source_detector": "553.74 mm"}


@pytest.fixture
def stack(here):
    np.save(here / "views.npy", np.ones((12, 6, 8), np.uint16))
    return here / "views.npy"


def opened(stack, **given):
    with open_scan(stack, "deg", angles=ANGLES, line_integrals=True, **given) as scan:
        return scan


def test_lengths_meet_the_unit_of_the_pixels(stack):
    scan = opened(stack, pixel_size="200um", geometry={**CONE, "roll": "0.01rad"})
    expected = pr.ConeBeam(
        ANGLES, (6, 8), angle_unit="deg", pixel_size=200.0, source_origin=410660.0,
        source_detector=553740.0, roll=np.rad2deg(0.01),
    )  # fmt: skip
    found = scan.geometry
    assert type(found) is pr.ConeBeam and found.shape == expected.shape
    for name in ("source_origin", "source_detector", "roll", "center", "row_offset"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12)
    assert "cone beam" in scan.summary() and "magnification 1.348" in "\n".join(scan.notes)


def test_lengths_in_columns_follow_the_bins(stack):
    given = {"kind": "fan", "source_origin": "100px", "source_detector": "400px"}
    whole = opened(stack, geometry=given).geometry
    binned = opened(stack, geometry=given, bin=2).geometry
    assert (whole.source_origin, binned.source_origin) == (100.0, 50.0)
    sized = opened(stack, geometry=given, bin=2, pixel_size="0.1mm").geometry
    assert sized.source_origin == pytest.approx(10.0) and sized.column_pitch == pytest.approx(0.2)


def test_the_middle_of_the_source_stays_through_crop_and_bin(stack):
    whole = opened(stack, pixel_size="1mm", geometry=CONE).geometry
    part = opened(stack, pixel_size="1mm", geometry=CONE, crop="2:6,0:8", bin=2).geometry
    assert part.row_offset * part.row_pitch == pytest.approx(1.0)  # rows 2:6 of 0:6
    heights = whole.rays().points(np.arange(6), [0])[0, :, 0, 0]
    binned = part.rays().points(np.arange(2), [0])[0, :, 0, 0]
    np.testing.assert_allclose(binned, heights[2:].reshape(2, 2).mean(1))


@pytest.mark.parametrize("kind, words", [
    ({"source_origin": "4mm", "source_detector": "9mm"}, pr.ConeBeam),
    ({"tilt": "20deg"}, pr.TiltedBeam),
    ({"kind": "helical", "source_origin": "4mm", "source_detector": "9mm", "rise": "2mm"},
     pr.HelicalCone),
    ({}, pr.ParallelBeam),
])  # fmt: skip
def test_the_kind_follows_from_what_is_stated(stack, kind, words):
    assert type(opened(stack, pixel_size="1mm", geometry=kind).geometry) is words


def test_clockwise_turns_the_angles_and_keeps_the_rise(stack):
    helix = {"kind": "helical", "source_origin": "4mm", "source_detector": "9mm", "rise": "2mm"}
    scans = [
        opened(stack, pixel_size="1mm", geometry={**helix, "rotation": sense}).geometry
        for sense in ("clockwise", "counterclockwise")
    ]
    one, other = (scan.rays().source for scan in scans)
    np.testing.assert_allclose(one[:, :2], other[:, :2], atol=1e-12)
    np.testing.assert_allclose(one[:, 2], -other[:, 2], atol=1e-12)


def test_views_that_are_left_out_leave_their_places():
    setup = ScanSetup("helical", heights=(np.arange(4.0), "mm"), shifts=((0, 0, 1.0), "mm"))
    some = setup.of_views(np.array([0, 3]))
    assert some.heights[0].tolist() == [0, 3] and some.shifts == setup.shifts


def test_given_values_win_and_are_said():
    stated = ScanSetup("cone", (100, "mm"), (50, "cm"), "curved", roll=(1, "deg"))
    given = setup_of({"kind": "fan", "source_origin": "90mm"})
    merged, notes = stated.overridden_by(given, 4)
    assert merged.source_origin == (90, "mm") and merged.detector == "curved"
    assert merged.roll is None and merged.kind == "fan"
    said = "\n".join(notes)
    assert "source_origin 90 mm as given; the file says 100 mm" in said
    assert "not used: roll 1 deg" in said


@pytest.mark.parametrize("given, words", [
    ({**CONE, "source_origin": "410"}, ["unit", "410mm"]),
    ({**CONE, "source_origin": "41lightyears"}, ["unit of length", "lightyears"]),
    ({"kind": "cone", "source_origin": "410mm"}, ["source_detector", "--source-detector"]),
    ({"kind": "fan", "tilt": "3deg"}, ["tilted", "got fan"]),
    ({**CONE, "roll": "3"}, ["angle", "0.3deg"]),
    ({**CONE, "roll": "3mm"}, ["angle", "0.3deg"]),
    ({"kind": "conebeam"}, ["one of parallel, tilted, fan, cone, helical"]),
    ({**CONE, "source_detector": "1mm"}, ["geometry.source_detector", "from the axis"]),
    ({**CONE, "distance": "1mm"}, ["fields kind, source_origin", "distance"]),
    ({**CONE, "source_origin": "far"}, ["a number and a unit"]),
])  # fmt: skip
def test_what_makes_no_scan_is_refused_in_words(stack, given, words):
    with pytest.raises(ArgumentError) as caught:
        opened(stack, pixel_size="1mm", geometry=given)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_length_needs_the_size_of_the_pixels(stack):
    with pytest.raises(ArgumentError, match="--pixel-size"):
        opened(stack, geometry=CONE)
    numbers = {name: value.rstrip(" cm") for name, value in CONE.items() if name != "kind"}
    assert opened(stack, geometry=numbers | {"source_detector": "600"}).geometry.column_pitch == 1


def test_a_setup_is_a_value():
    assert replace(ScanSetup("fan"), detector="flat").stated() == {
        "kind": "fan",
        "detector": "flat",
    }
