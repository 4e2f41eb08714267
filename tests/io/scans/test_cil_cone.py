"""Cone beams of CIL: vectors of source, detector and axis, compared with projected points."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from cone_files import ANGLES, COLUMNS, FAR, NEAR, PITCH, ROWS, assert_is_fdk, cone, integrals, told

import physrecon as pr
from physrecon.errors import DataError
from physrecon.io import open_scan

POINTS = np.random.default_rng(3).uniform(-4, 4, (5, 3))  # (x, y, z)


def unit(*vector):
    return np.array(vector) / np.linalg.norm(vector)


def cil(path, data, *, two=False, attributes=None, **changes):
    """A file as CIL's NEXUSDataWriter stores a cone beam."""
    labels = ("angle", "horizontal") if data.ndim == 2 else ("angle", "vertical", "horizontal")
    stated = {
        "data_type": "AcquisitionData", "geometry": "cone", "dimension": "2D" if two else "3D",
        "num_channels": 1, "panel_origin": "bottom-left", "pixel_size_h": PITCH,
        "num_pixels_h": data.shape[-1], **{f"dim{i}": name for i, name in enumerate(labels)},
    }  # fmt: skip
    stated |= {} if two else {"pixel_size_v": PITCH, "num_pixels_v": ROWS}
    config = {
        "source/position": (0, -NEAR, 0), "detector/position": (0, FAR - NEAR, 0),
        "detector/direction_x": (1, 0, 0), "rotation_axis/position": (0, 0, 0),
    }  # fmt: skip
    if not two:
        config |= {"detector/direction_y": (0, 0, 1), "rotation_axis/direction": (0, 0, 1)}
    config |= {name.replace("__", "/"): value for name, value in changes.items()}
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry1/tomo_entry")
        entry["data/data"] = data.astype("f4")
        entry["data/data"].attrs.update(stated | (attributes or {}))
        for name, value in config.items():
            entry[f"config/{name}"] = np.array(value[:2] if two else value, "f8")
        entry["config/angles"] = ANGLES
        entry["config/angles"].attrs.update(angle_unit="degree", initial_angle=0.0)
    return path


def projected(source, detector, columns, rows, on_axis, axis):
    """(views, points, 2) row and column of points that turn by +θ about the axis."""
    found = []
    for angle in np.deg2rad(ANGLES):
        away = POINTS - on_axis
        cross = np.cross(axis, away)
        turned = (
            away + np.sin(angle) * cross + (1 - np.cos(angle)) * np.cross(axis, cross)
        )  # Rodrigues
        ray = on_axis + turned - source
        normal = np.cross(columns, rows)
        hit = source + ray * ((normal @ (detector - source)) / (ray @ normal))[:, None] - detector
        found.append(np.stack([hit @ rows, hit @ columns], -1) / PITCH)
    return np.array(found) + np.array([ROWS - 1, COLUMNS - 1]) / 2


SYSTEMS = {
    "upright": {},
    "axis beside the middle": {"rotation_axis__position": (3.0, 0, 0)},
    "detector beside the middle": {"detector__position": (2.0, FAR - NEAR, -1.0)},
    "everything": {
        "source__position": (1.0, -NEAR, 2.0), "detector__position": (-1.5, FAR - NEAR, 0.7),
        "detector__direction_x": unit(1, 0.05, 0.1), "rotation_axis__position": (0.4, 0.3, 1.0),
        "detector__direction_y": unit(*np.cross(unit(1, 0.05, 0.1), unit(0.02, 1, -0.04)) * -1),
        "rotation_axis__direction": unit(0.05, -0.1, 1),
    },
    "another turn": {
        "source__position": (NEAR, 0, 0), "detector__position": (NEAR - FAR, 0, 0),
        "detector__direction_x": (0, 1, 0),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_points_are_seen_where_cil_sees_them(tmp_path, name):
    system = dict(SYSTEMS[name])
    stack = np.zeros((len(ANGLES), ROWS, COLUMNS))
    with open_scan(cil(tmp_path / "a.nxs", stack, **system), line_integrals=True) as scan:
        geometry = scan.geometry
        assert scan.setup.rotation == "counterclockwise"
        mirrored = scan.projections.mirrored
    usual = {
        "source__position": (0, -NEAR, 0), "detector__position": (0, FAR - NEAR, 0),
        "detector__direction_x": (1, 0, 0), "detector__direction_y": (0, 0, 1),
        "rotation_axis__position": (0, 0, 0), "rotation_axis__direction": (0, 0, 1),
    }  # fmt: skip
    order = (
        *("source__position", "detector__position", "detector__direction_x"),
        *("detector__direction_y", "rotation_axis__position", "rotation_axis__direction"),
    )
    source, detector, columns, rows, on_axis, axis = (
        np.array((usual | system)[key], float) for key in order
    )
    expected = projected(source, detector, columns, rows, on_axis, axis)
    for flip, size, each in zip(mirrored, (ROWS, COLUMNS), (0, 1), strict=True):
        if flip:
            expected[..., each] = size - 1 - expected[..., each]
    # our origin is on the axis at the height of the source, and our z the axis
    origin = on_axis + ((source - on_axis) @ axis) * axis
    w = np.cross(axis, (0, 0, 1))
    k = np.cross(np.eye(3), w)
    turn = np.eye(3) + k + k @ k / (1 + axis[2])
    ours = ((POINTS - origin) @ turn.T)[:, ::-1] / PITCH
    np.testing.assert_allclose(geometry.rays().pixels(ours), expected, atol=1e-5)


def test_a_small_offset_leaves_the_detector_upright(tmp_path):
    y = integrals(cone(-1))
    path = cil(tmp_path / "a.nxs", y, rotation_axis__position=(0.3, 0, 0))
    found, said = told(path)
    assert not (found.roll or found.pitch or found.yaw)
    assert found.center == pytest.approx((COLUMNS - 1) / 2 + 0.3 * FAR / NEAR / PITCH)
    assert "taken as upright" in said and "without a unit" in said


def test_recon_is_fdk(here):
    y = integrals(cone(-1))
    cil(here / "a.nxs", y)
    scan = cone(-1)
    found, said = told("a.nxs", pixel_size=f"{PITCH}mm")
    np.testing.assert_allclose(found.rays().source, scan.rays().source, atol=1e-6)
    assert "cone beam" in said
    assert_is_fdk("a.nxs", scan, y, "--pixel-size", f"{PITCH}mm", "--line-integrals")


@pytest.mark.parametrize("flipped", ["detector__direction_x", "detector__direction_y"])
def test_a_panel_that_is_described_from_its_other_side_is_the_same(tmp_path, flipped):
    y = np.arange(len(ANGLES) * ROWS * COLUMNS, dtype=float).reshape(-1, ROWS, COLUMNS)
    along = {"detector__direction_x": (-1, 0, 0), "detector__direction_y": (0, 0, -1)}[flipped]
    origin = "bottom-right" if flipped.endswith("x") else "top-left"
    cil(tmp_path / "a.nxs", y)
    cil(tmp_path / "b.nxs", y, attributes={"panel_origin": origin}, **{flipped: along})
    with open_scan(tmp_path / "a.nxs") as one, open_scan(tmp_path / "b.nxs") as other:
        np.testing.assert_array_equal(one.projections[:], other.projections[:])
        assert one.geometry == other.geometry


def test_cone2d_is_a_fan(tmp_path):
    found, _ = told(cil(tmp_path / "a.nxs", np.zeros((len(ANGLES), COLUMNS)), two=True))
    assert isinstance(found, pr.FanBeam) and found.magnification == pytest.approx(FAR / NEAR)


@pytest.mark.parametrize("changes, words", [
    ({"rotation_axis__direction": (0, 0, -1)}, "points up"),
    ({"source__position": (0, 0, 1)}, "beside an axis"),
    ({"detector__position": (0, -NEAR - 5, 0)}, "behind the axis"),
    ({"attributes": {"pixel_size_v": 2.0}}, "square pixels"),
    ({"attributes": {"pixel_size_h": 0.0}}, "a size > 0"),
    ({"source__position": (np.nan, 0, 0)}, "expected a vector"),
])  # fmt: skip
def test_what_is_no_cone_beam_is_named(tmp_path, changes, words):
    with pytest.raises(DataError, match=words):
        open_scan(cil(tmp_path / "a.nxs", np.zeros((len(ANGLES), ROWS, COLUMNS)), **changes))
