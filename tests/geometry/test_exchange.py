"""Geometries of TIGRE, CIL, LEAP and RTK: their own formulas by hand, and round trips."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry import (
    from_cil,
    from_leap,
    from_rtk,
    from_tigre,
    to_astra,
    to_cil,
    to_leap,
    to_rtk,
    to_tigre,
)
from physrecon.geometry.exchange.circle import circle_of

TURNS = np.array([0.0, 0.3, 2.0, -1.1])
POINTS = np.random.default_rng(2).uniform(-2, 2, (20, 3))
OFF = dict(angle_unit="rad", pixel_size=(0.5, 0.25), center=1.25, row_offset=0.75)
FAR = dict(source_origin=30.0, source_detector=90.0)
SCANS = {
    "cone": pr.ConeBeam(TURNS, (4, 6), **OFF, **FAR),
    "rolled": pr.ConeBeam(TURNS, (4, 6), **OFF, **FAR, roll=0.2),
    "tilted cone": pr.ConeBeam(TURNS, (4, 6), **OFF, **FAR, roll=0.2, pitch=-0.1, yaw=0.3),
    "offset": pr.ConeBeam(TURNS, (4, 6), **OFF, **FAR, source_offset=(0.5, 0.2, -0.3)),
    "jitter": pr.ConeBeam(TURNS, (4, 6), **OFF, **FAR, shifts=POINTS[:4]),
    "helix": pr.HelicalCone(TURNS, (4, 6), **OFF, **FAR, rise=3.0),
    "parallel": pr.ParallelBeam(TURNS, (4, 6), **OFF),
    "laminography": pr.TiltedBeam(TURNS, (4, 6), **OFF, tilt=0.4, roll=0.1),
}
CONES = ("cone", "rolled", "tilted cone", "offset", "jitter", "helix")
TAKEN = {
    "tigre": ("cone", "rolled", "parallel"),
    "cil": ("cone", "rolled", "tilted cone", "offset", "parallel", "laminography"),
    "leap": CONES,
    "rtk": tuple(SCANS),
}
WAYS = {
    "tigre": lambda scan: from_tigre(SimpleNamespace(**to_tigre(scan))),
    "cil": lambda scan: from_cil(to_cil(scan)),
    "leap": lambda scan: from_leap(to_leap(scan)),
    "rtk": lambda scan: from_rtk(to_rtk(scan), scan.detector_shape, scan.pixel_size),
}


@pytest.mark.parametrize("program, name", [(p, n) for p, names in TAKEN.items() for n in names])
def test_round_trips_keep_the_rays(program, name):
    scan = SCANS[name]
    back = WAYS[program](scan)
    assert back.shape == scan.shape
    tolerance = 1e-5 if program == "leap" else 1e-9  # float32 there
    one, other = back.rays(), scan.rays()
    np.testing.assert_allclose(one.pixels(POINTS), other.pixels(POINTS), rtol=0, atol=tolerance)
    places = (np.arange(4), np.arange(6))
    ways = one.directions(*places), other.directions(*places)
    np.testing.assert_allclose(*ways, rtol=0, atol=tolerance)


@pytest.mark.parametrize("program, name, words", [
    ("tigre", "tilted cone", "without pitch, yaw"),
    ("tigre", "helix", "expected a ConeBeam"),
    ("cil", "jitter", "views on a circle"),
    ("cil", "helix", "views on a circle"),
    ("leap", "parallel", "set_parallelbeam"),
])  # fmt: skip
def test_what_a_program_does_not_describe_is_refused(program, name, words):
    with pytest.raises(pr.ArgumentError, match=words):
        WAYS[program](SCANS[name])


@pytest.mark.parametrize("name", ["cone", "rolled"])
def test_tigre_places_source_and_detector_by_its_angle(name):
    """Its source is at DSO (cos α, sin α); the detector is rolled, moved and then turned."""
    made, scan = SimpleNamespace(**to_tigre(SCANS[name])), SCANS[name]
    rows, columns = made.nDetector
    for k, turn in enumerate(made.angles):
        z, u = np.meshgrid(
            (np.arange(rows) - (rows - 1) / 2) * made.dDetector[0],
            (np.arange(columns) - (columns - 1) / 2) * made.dDetector[1], indexing="ij",
        )  # fmt: skip
        roll = made.rotDetector[0]
        across = u * np.cos(roll) - z * np.sin(roll) + made.offDetector[1]
        up = u * np.sin(roll) + z * np.cos(roll) + made.offDetector[0]
        away = np.full_like(up, made.DSO - made.DSD)
        y = away * np.sin(turn) + across * np.cos(turn)
        x = away * np.cos(turn) - across * np.sin(turn)
        rays = scan.rays()[k]
        found = rays.points(np.arange(rows), np.arange(columns))[0]
        np.testing.assert_allclose(found, np.stack([up, y, x], axis=-1), atol=1e-12)
        source = made.DSO * np.array([0, np.sin(turn), np.cos(turn)])
        np.testing.assert_allclose(rays.source[0], source, atol=1e-12)


@pytest.mark.parametrize("name", ["cone", "tilted cone", "parallel", "laminography"])
def test_cil_turns_the_vectors_of_astra_by_minus_its_angle(name):
    made, vectors = to_cil(SCANS[name]), to_astra(SCANS[name].part(slice(0, 4)))["Vectors"]
    create = next(value for key, value in made.items() if key.startswith("create"))
    names = [n for n in create if not n.startswith("rotation")]
    width, height = made["set_panel"]["pixel_size"]
    for k, turn in enumerate(-made["set_angles"]["angles"]):
        cos, sin = np.cos(turn), np.sin(turn)
        about = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        parts = [about @ create[n] * s for n, s in zip(names, (1, 1, width, height), strict=True)]
        np.testing.assert_allclose(np.concatenate(parts), vectors[k], atol=1e-9)


@pytest.mark.parametrize("name", SCANS)
def test_the_matrices_of_rtk_project_to_our_pixels(name):
    scan = SCANS[name]
    p = POINTS[:, ::-1] @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T  # (x, z, -y)
    for k, view in enumerate(ElementTree.fromstring(to_rtk(scan)).iter("Projection")):
        matrix = np.array(view.find("Matrix").text.split(), float).reshape(3, 4)
        u, v, w = matrix @ np.c_[p, np.ones(len(p))].T
        found = np.stack([1.5 + v / w / 0.5, 2.5 + u / w / 0.25], axis=1)
        np.testing.assert_allclose(found, scan.rays().pixels(POINTS)[k], atol=1e-9)


@pytest.mark.parametrize("text, words", [
    ("<a/>", "expected RTKThreeDCircularGeometry, got 'a'"),
    ("nowhere.xml", "expected a file of RTK"),
    ("<RTKThreeDCircularGeometry/>", "expected projections"),
    ("<RTKThreeDCircularGeometry><Tilt>1</Tilt></RTKThreeDCircularGeometry>", "got Tilt"),
])  # fmt: skip
def test_what_is_no_geometry_of_rtk(text, words):
    with pytest.raises(pr.ArgumentError, match=words):
        from_rtk(text, (4, 6))


def python_of(variable, module):
    """The interpreter that has a program; skips where none is named."""
    path = os.environ.get(variable)
    if not path or not Path(path).exists():
        pytest.skip(f"{variable} names no Python with {module}")
    return path


READ = """
import json, sys, itk
from itk import RTK as rtk
found = []
for name in sys.argv[1:]:
    reader = rtk.ThreeDCircularProjectionGeometryXMLFileReader.New()
    reader.SetFilename(name)
    reader.GenerateOutputInformation()
    g = reader.GetOutputObject()
    count = len(g.GetGantryAngles())
    found.append([itk.array_from_matrix(g.GetMatrix(k)).tolist() for k in range(count)])
    writer = rtk.ThreeDCircularProjectionGeometryXMLFileWriter.New()
    writer.SetObject(g)
    writer.SetFilename(name + ".again")
    writer.WriteFile()
print(json.dumps(found))
"""


@pytest.mark.long
def test_rtk_reads_what_we_write_and_we_what_it_writes(tmp_path):
    python = python_of("PHYSRECON_PYTHON_RTK", "itk-rtk")
    files = [tmp_path / f"{k}.xml" for k in range(len(SCANS))]
    for file, scan in zip(files, SCANS.values(), strict=True):
        file.write_text(to_rtk(scan))
    said = subprocess.run(
        [python, "-c", READ, *map(str, files)], capture_output=True, text=True, cwd=tmp_path,
        check=True,
    )  # fmt: skip
    matrices = json.loads(said.stdout)
    for file, scan, theirs in zip(files, SCANS.values(), matrices, strict=True):
        ours = [m.text.split() for m in ElementTree.fromstring(to_rtk(scan)).iter("Matrix")]
        np.testing.assert_allclose(np.reshape(theirs, (-1, 12)), np.array(ours, float), atol=1e-6)
        back = from_rtk(Path(f"{file}.again"), (4, 6), (0.5, 0.25))
        np.testing.assert_allclose(
            back.rays().pixels(POINTS), scan.rays().pixels(POINTS), atol=1e-6
        )


UPRIGHT = {"angle_unit": "deg", "pixel_size": (0.3, 0.4), "center": 2.2, "row_offset": 1.5}
AWAY = {"source_origin": 200.0, "source_detector": 300.0}
TURN = np.arange(30.0, 390.0, 40.0)


@pytest.mark.parametrize(
    "scan", [pr.ConeBeam(TURN, (6, 8), **UPRIGHT, **AWAY), pr.ParallelBeam(TURN, (6, 8), **UPRIGHT)]
)
def test_vectors_of_a_circle_are_the_circle(scan):
    found = circle_of(pr.VectorBeam.of(scan))
    assert type(found) is type(scan)
    np.testing.assert_allclose(found.radians, scan.radians, atol=1e-12)
    np.testing.assert_allclose(found.center, scan.center, atol=1e-9)
    one, other = scan.rays(), found.rays()
    for points in np.random.default_rng(0).uniform(-3, 3, (4, 1, 3)):
        np.testing.assert_allclose(one.pixels(points), other.pixels(points), atol=1e-9)


@pytest.mark.parametrize(
    "scan",
    [
        pr.ConeBeam(TURN, (6, 8), **UPRIGHT, **AWAY, roll=0.01),
        pr.ConeBeam(TURN, (6, 8), **UPRIGHT, **AWAY, shifts=(0.1, 0, 0)),
        pr.HelicalCone(TURN, (6, 8), **UPRIGHT, **AWAY, rise=1.0),
        pr.ConeBeam(TURN, (6, 8), **UPRIGHT, **AWAY, detector="curved"),
        pr.TiltedBeam(TURN, (6, 8), **UPRIGHT, tilt=1.0),
    ],
    ids=["rolled", "raised", "helix", "curved", "tilted"],
)
def test_other_vectors_stay_vectors(scan):
    beam = pr.VectorBeam.of(scan)
    assert circle_of(beam) is beam


def test_tigre_has_radians_and_needs_angles():
    made = pr.geometry.to_tigre(pr.ConeBeam(TURN, (6, 8), **UPRIGHT, **AWAY))
    with pytest.raises(pr.ArgumentError, match=r"if they are degrees, give np\.deg2rad"):
        pr.geometry.from_tigre(made, np.arange(0, 3600, 360.0 / 7))
    del made["angles"]
    with pytest.raises(pr.ArgumentError, match="in radians, got none"):
        pr.geometry.from_tigre(made)
