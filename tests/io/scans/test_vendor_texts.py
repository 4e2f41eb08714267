"""Texts of settings beside TIFF images: Nikon's .xtekct and SkyScan's .log."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from cone_files import (
    ANGLES,
    COLUMNS,
    FAR,
    NEAR,
    PITCH,
    ROWS,
    VIEWS,
    WHITE,
    assert_is_fdk,
    assert_same,
    cone,
    integrals,
    told,
)

from physrecon.errors import DataError, PhysreconError
from physrecon.io import open_scan

NIKON = {
    "Name": "ball", "VoxelSizeX": 7.5, "SrcToObject": NEAR, "SrcToDetector": FAR,
    "DetectorPixelsX": COLUMNS, "DetectorPixelsY": ROWS, "DetectorPixelSizeX": PITCH,
    "DetectorPixelSizeY": PITCH, "DetectorOffsetX": 0, "CentreOfRotationTop": 0,
    "CentreOfRotationBottom": 0, "WhiteLevel": WHITE, "Projections": VIEWS, "InitialAngle": 0,
    "AngularStep": 15, "InputSeparator": "_", "InputFolderName": "", "ObjectTilt": 0,
}  # fmt: skip
SKYSCAN = {
    "Filename Prefix": "ball_", "Number Of Files": VIEWS, "Number Of Rows": ROWS,
    "Number Of Columns": COLUMNS, "Object to Source (mm)": NEAR, "Camera to Source (mm)": FAR,
    "Image Pixel Size (um)": 1000 * PITCH * NEAR / FAR, "Rotation Step (deg)": "15.000",
    "Camera binning": "2x2", "Rotation Direction": "CC", "Optical Axis (line)": 3.5,
    "Filter": "Al 1mm",
}  # fmt: skip


def images(folder, y, white=WHITE):
    folder.mkdir(exist_ok=True)
    for number, view in enumerate(np.float32(white) * np.exp(-y)):
        tifffile.imwrite(folder / f"ball_{number:04d}.tif", view.astype("f4"))


def nikon(here, scan, where="", **changes):
    images(here / where, integrals(scan))
    lines = [f"{name}={value}" for name, value in (NIKON | changes).items() if value is not None]
    path = here / "ball.xtekct"
    path.write_text("\r\n".join(["[XTekCT]", *lines, "[Xrays]", "XraykV=120", ""]))
    return path


def skyscan(here, scan, white=WHITE, **changes):
    images(here, integrals(scan), white)
    stated = SKYSCAN | changes
    camera = stated.pop("Camera Pixel Size (um)", 500 * PITCH)
    lines = [f"{name}={value}" for name, value in stated.items() if value is not None]
    top = ["[System]", "Scanner=SkyScan1172", f"Camera Pixel Size (um)= {camera}"]
    path = here / "ball_.log"
    path.write_text("\n".join([*top, "[Acquisition]", *lines, "[Reconstruction]", "Sections=8"]))
    return path


@pytest.mark.parametrize("named", ["file", "folder"])
def test_nikon(here, named):
    scan = cone(-1)
    path = nikon(here, scan)
    name = path if named == "file" else here
    found, said = told(name)
    assert found == scan
    for words in ("Nikon, cone beam, 24 views", "WhiteLevel 50000", "not used: XraykV 120"):
        assert words in said, said
    assert_is_fdk(name, scan, integrals(scan))


@pytest.mark.parametrize("axis", [0.0, 0.3])
def test_nikon_sees_points_where_cil_does(here, axis):
    """CIL's system of the format: source at 0, x to the right of the beam y, the first pixel at
    the upper right, the object turned by 180° − InitialAngle − k · AngularStep."""
    path = nikon(
        here, cone(), InitialAngle=20, CentreOfRotationTop=axis, CentreOfRotationBottom=axis
    )
    found, _ = told(path)
    points = np.random.default_rng(2).uniform(-3, 3, (4, 3))
    at = np.array([-axis * NEAR / FAR, NEAR, 0])
    expected = []
    for angle in np.deg2rad(180 - 20 - ANGLES):
        turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        x, y, z = (points @ np.transpose(turn) + at).T
        middle = (ROWS - 1) / 2, (COLUMNS - 1) / 2
        expected.append(
            np.stack([middle[0] - z * FAR / y / PITCH, middle[1] - x * FAR / y / PITCH])
        )
    x, y, z = points.T  # turned by 180° and upside down
    seen = found.rays().pixels(np.stack([-z, -y, x], -1))
    off = 1e-9 if not axis else 0.05  # of a column, as the detector is not turned to the axis
    np.testing.assert_allclose(seen, np.transpose(expected, (0, 2, 1)), atol=off)


def test_nikon_with_an_axis_beside_the_middle_and_a_folder(here):
    path = nikon(
        here, cone(), "views", CentreOfRotationTop=1.2, CentreOfRotationBottom=1.8,
        InputFolderName="views", InitialAngle=30, ObjectTilt=0.5,
    )  # fmt: skip
    found, said = told(path)
    assert found.center == pytest.approx(3.5 + 1.5 / PITCH)
    np.testing.assert_allclose(found.angles, -30 - ANGLES)
    assert "ObjectTilt 0.5" in said and "the axis leans by -2.86" in said


@pytest.mark.parametrize("name", ["ball_ctdata.txt", "ball.ang"])
@pytest.mark.parametrize("sense", [1, -1])
def test_nikon_takes_the_list_of_angles(here, name, sense):
    path = nikon(here, cone())
    off = 0.01 * np.sin(np.arange(VIEWS))
    listed = (sense * (ANGLES + off) + 77) % 360
    rows = (f"{k}\t{angle:.6f}\t0.1" for k, angle in enumerate(listed, 1))
    (here / name).write_text("\n".join(["Projection\tAngle(deg)\tTime(s)", *rows]))
    found, said = told(path)
    np.testing.assert_allclose(found.angles, -ANGLES - off, atol=2e-6)
    assert f"angles: from {name}" in said
    (here / name).write_text("\n".join(f"{k} {2 * angle}" for k, angle in enumerate(ANGLES)))
    found, said = told(path)
    np.testing.assert_array_equal(found.angles, -ANGLES)
    assert f"not used: angles: those of {name}" in said


@pytest.mark.parametrize("named", ["file", "folder"])
def test_skyscan(here, named):
    scan = cone(pixel_size=1000 * PITCH, source_origin=1000 * NEAR, source_detector=1000 * FAR)
    path = skyscan(here, scan, white=1.0)
    name = path if named == "file" else here
    found, said = told(name, transmission=True)
    assert_same(found, scan)
    for words in ("SkyScan, cone beam, 24 views", "Rotation Direction CC", "from the bottom"):
        assert words in said, said
    assert_is_fdk(name, scan, integrals(scan), "--transmission", "--rotation", "counterclockwise")


def test_skyscan_finds_the_row_of_the_source_and_says_that_views_repeat(here):
    path = skyscan(here, cone(), **{"Optical Axis (line)": 5, "Rotation Step (deg)": 16})
    found, said = told(path)
    assert found.row_offset == 1.5 and found.axis_row == ROWS - 1 - 5
    assert "--exclude-views 22:24" in said


@pytest.mark.parametrize("changes, far, pixel", [
    ({"Camera to Source (mm)": None}, FAR, PITCH),
    ({"Camera Pixel Size (um)": ""}, FAR, PITCH),
    ({"Camera Pixel Size (um)": 1000 * PITCH, "Camera binning": None}, FAR, PITCH),
])  # fmt: skip
def test_skyscan_takes_what_follows_from_the_rest(here, changes, far, pixel):
    found, _ = told(skyscan(here, cone(), **changes))
    assert found.source_detector == pytest.approx(1000 * far)
    assert found.pixel_size == pytest.approx((1000 * pixel, 1000 * pixel))


def test_pixels_that_contradict_each_other_are_not_taken(here):
    path = skyscan(here, cone(), **{"Image Pixel Size (um)": 1050.0})
    with pytest.raises(DataError, match=r"pixels that agree.*give --pixel-size"):
        open_scan(path)
    with open_scan(path, pixel_size="1.5mm") as scan:
        assert scan.geometry == cone()


@pytest.mark.parametrize("maker, changes, words", [
    (nikon, {"SrcToObject": None}, "SrcToObject"),
    (nikon, {"SrcToObject": "forty"}, "a number as SrcToObject"),
    (nikon, {"Projections": 30}, "30 images"),
    (nikon, {"DetectorPixelSizeX": 0, "CentreOfRotationTop": 1}, "a length as Detector"),
    (skyscan, {"Object to Source (mm)": 0}, "a length as Object"),
    (nikon, {"DetectorPixelsX": 16}, "8 rows × 16 columns"),
    (nikon, {"Units": "inch"}, "Units=inch"),
    (skyscan, {"Number Of Files": 30}, "30 images"),
    (skyscan, {"Rotation Step (deg)": None}, "Rotation Step"),
])  # fmt: skip
def test_what_lacks_is_named(here, maker, changes, words):
    path = maker(here, cone(), **changes)
    for call in (open_scan, told):
        with pytest.raises(PhysreconError, match=words):
            call(path)


def test_a_folder_of_two_scans_asks_for_one(here):
    path = nikon(here, cone())
    (here / "again.xtekct").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="settings of one scan, got 2"):
        open_scan(here)
    with open_scan(path) as scan:
        assert len(scan.projections) == VIEWS
    with open_scan(f"{here}::ball_#.tif", angles=ANGLES, angle_unit="deg") as scan:
        assert scan.beam_kind == "parallel"
