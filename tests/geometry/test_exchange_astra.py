"""Geometries of other programs: dictionaries by hand, and round trips."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry import from_astra, to_astra

AGREE = 0.01  # of ‖y‖: both are sums along lines, of other weights at edges
TURNS = np.array([0.0, 0.3, 2.0, -1.1])
POINTS = np.random.default_rng(2).uniform(-2, 2, (20, 3))
COS, SIN, ZERO, ONE = np.cos(TURNS), np.sin(TURNS), 0 * TURNS, 0 * TURNS + 1

# What `astra.geom_2vec` makes of these, in (x, y, z)
CONE = {
    "type": "cone", "DetectorSpacingX": 0.5, "DetectorSpacingY": 0.25, "DetectorRowCount": 4,
    "DetectorColCount": 6, "ProjectionAngles": TURNS, "DistanceOriginSource": 40.0,
    "DistanceOriginDetector": 60.0,
}  # fmt: skip
CONE_VECTORS = [
    40 * SIN, -40 * COS, ZERO, -60 * SIN, 60 * COS, ZERO, 0.5 * COS, 0.5 * SIN, ZERO,
    ZERO, ZERO, 0.25 * ONE,
]  # fmt: skip
PARALLEL = {k: v for k, v in CONE.items() if "Distance" not in k} | {"type": "parallel3d"}
PARALLEL_VECTORS = [
    SIN, -COS, ZERO, ZERO, ZERO, ZERO, 0.5 * COS, 0.5 * SIN, ZERO, ZERO, ZERO, 0.25 * ONE,
]  # fmt: skip
FAN = {
    "type": "fanflat", "DetectorWidth": 0.5, "DetectorCount": 6, "ProjectionAngles": TURNS,
    "DistanceOriginSource": 40.0, "DistanceOriginDetector": 60.0,
}  # fmt: skip
FAN_VECTORS = [40 * SIN, -40 * COS, -60 * SIN, 60 * COS, 0.5 * COS, 0.5 * SIN]
FLAT = {k: v for k, v in FAN.items() if "Distance" not in k} | {"type": "parallel"}
FLAT_VECTORS = [SIN, -COS, ZERO, ZERO, 0.5 * COS, 0.5 * SIN]
KINDS = {
    "cone": (CONE, CONE_VECTORS), "parallel3d": (PARALLEL, PARALLEL_VECTORS),
    "fanflat": (FAN, FAN_VECTORS), "parallel": (FLAT, FLAT_VECTORS),
}  # fmt: skip


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_angles_and_vectors_are_the_same_rays(kind):
    given, vectors = KINDS[kind]
    counts = {name: value for name, value in given.items() if name.endswith("Count")}
    by_angles = from_astra(given)
    free = from_astra({"type": f"{kind}_vec", "Vectors": np.transpose(vectors), **counts})
    assert free.shape == by_angles.shape
    assert type(free) is (pr.ParallelBeam if by_angles.rays().parallel else pr.ConeBeam)
    one, other = by_angles.rays(), free.rays()
    in_plane = POINTS * [0.0 if "Width" in str(given) else 1.0, 1.0, 1.0]
    close(one.pixels(in_plane), other.pixels(in_plane))
    close(one.source, other.source)


@pytest.mark.parametrize("kind", ["cone", "fanflat"])
def test_what_we_write_is_what_astra_makes(kind):
    given, vectors = KINDS[kind]
    made = to_astra(from_astra(given))
    assert made.pop("type") == f"{kind}_vec"
    close(made.pop("Vectors"), np.transpose(vectors))
    assert made == {name: value for name, value in given.items() if name.endswith("Count")}


def test_parallel_rays_are_written_with_the_beam():
    made = to_astra(from_astra(PARALLEL))
    close(made["Vectors"], np.transpose(PARALLEL_VECTORS) * ([-1] * 3 + [1] * 9))


@pytest.mark.parametrize("kind", [pr.ConeBeam, pr.FanBeam, pr.ParallelBeam, pr.TiltedBeam])
def test_round_trips_keep_detectors_off_the_middle(kind):
    distances = {"source_origin": 30, "source_detector": 90}
    lengths = {} if kind in (pr.ParallelBeam, pr.TiltedBeam) else distances
    rows = 1 if kind is pr.FanBeam else 4
    scan = kind(
        TURNS, (rows, 6), angle_unit="rad", **lengths, center=1.25, row_offset=rows // 4 * 1.5
    )
    back = from_astra(to_astra(scan))
    points = POINTS * [0.0 if rows == 1 else 1.0, 1.0, 1.0]
    close(back.rays().pixels(points), scan.rays().pixels(points))
    assert back.shape == scan.shape


ASTRA = """
import sys, numpy as np, astra
v, x = np.load("vectors.npy"), np.load("x.npy")
n = x.shape[0]
grid = astra.create_vol_geom(n, n, -n / 2, n / 2, -n / 2, n / 2)
scan = astra.create_proj_geom(sys.argv[1], int(sys.argv[2]), v)
matrix = astra.projector.matrix(astra.create_projector(sys.argv[3], scan, grid))
line = astra.matrix.get(matrix) @ x[::-1].ravel()
np.save("y.npy", line.reshape(len(v), -1))
"""


@pytest.mark.long
@pytest.mark.parametrize("kind, center", [("fan", 61.3), ("fan", 20.0)])
def test_astra_projects_along_the_rays_that_we_write(kind, center, tmp_path):
    """Its model line_fanflat, with a disc and a square off the axis."""
    python = os.environ.get("PHYSRECON_PYTHON_ASTRA", "")
    if not Path(python).is_file():
        pytest.skip("PHYSRECON_PYTHON_ASTRA names no Python with astra-toolbox")
    scan = pr.FanBeam(
        np.arange(0, 360, 7), (1, 128), angle_unit="deg", pixel_size=2.0, source_origin=200,
        source_detector=400, center=center,
    )  # fmt: skip
    A = pr.Projector(scan, pr.Grid((1, 96, 96)))
    y, x = np.mgrid[:96, :96] - 47.5
    volume = ((y - 9) ** 2 + (x + 14) ** 2 < 23**2).astype(np.float32)
    volume[30:41, 60:80] = 2
    made = to_astra(scan)
    np.save(tmp_path / "vectors.npy", made["Vectors"])
    np.save(tmp_path / "x.npy", volume)
    command = [python, "-c", ASTRA, made["type"], "128", "line_fanflat"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    ours, theirs = (A @ volume[None])[:, 0], np.load(tmp_path / "y.npy")
    assert np.linalg.norm(ours - theirs) < AGREE * np.linalg.norm(ours)
    assert np.linalg.norm(ours[:, ::-1] - theirs) > 0.1 * np.linalg.norm(ours)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**CONE, "type": "sparse"}, r"from_astra\.type: expected cone_vec, .* got 'sparse'"),
        ({"type": "cone"}, r"from_astra: expected a dictionary .* with 'DetectorRowCount'"),
        (3, r"from_astra: expected a dictionary of astra\.create_proj_geom"),
        (
            {"type": "fanflat_vec", "DetectorCount": 3, "Vectors": np.ones((2, 12))},
            r"from_astra\.Vectors: expected finite vectors of shape \(views, 6\)",
        ),
    ],
)
def test_what_is_no_geometry(given, message):
    with pytest.raises(pr.ArgumentError, match=message):
        from_astra(given)


def test_a_curved_detector_is_refused():
    scan = pr.FanBeam(
        TURNS, (1, 6), angle_unit="rad", source_origin=30, source_detector=90, detector="curved"
    )
    with pytest.raises(pr.ArgumentError, match="expected a flat detector"):
        to_astra(scan)
