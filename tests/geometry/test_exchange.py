"""Geometries of other programs: dictionaries by hand, and round trips."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.geometry import from_astra, to_astra

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
    assert type(free) is pr.VectorBeam and free.shape == by_angles.shape
    one, other = by_angles.rays(), free.rays()
    in_plane = POINTS * [0.0 if "Width" in str(given) else 1.0, 1.0, 1.0]
    close(one.pixels(in_plane), other.pixels(in_plane))
    sign = -1 if one.parallel else 1  # ASTRA's parallel rays point to the source
    close(one.source, sign * other.source)


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
