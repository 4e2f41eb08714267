"""CIL's files, arrays with a list of angles, and raw files that need another program first."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from discs import COLUMNS, MU, RADIUS
from scan_files import nexus, told

from physrecon.analytic.fbp import fbp
from physrecon.errors import DataError
from physrecon.io import describe, open_image, open_scan, open_volume

VIEWS, ROWS = 60, 4
ANGLES = np.arange(VIEWS) * 180 / VIEWS
PITCH, OFF = 0.1, 0.35  # of the panel, and of the axis from its middle, in CIL's unit
X, Y = 5.0, -3.0  # of a disc, in voxels from the axis


def projected(positions):
    """Line integrals (views, rows, columns) of a disc whose centre is at a column in every view."""
    s = np.arange(COLUMNS) - positions[:, None]
    chord = 2 * MU * np.sqrt(np.maximum(RADIUS**2 - s**2, 0))
    return (1 + np.arange(ROWS)[None, :, None]) * chord[:, None]


def cil(path, *, turn=0.0, initial=0.0, origin="bottom-left", unit="degree", **changes):
    """A CIL file: the object turns by +θ, the columns run along (cos turn, sin turn)."""
    theta = np.deg2rad(ANGLES + initial)
    x, y = X * np.cos(theta) - Y * np.sin(theta), X * np.sin(theta) + Y * np.cos(theta)
    along = np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn)), 0])
    middle = (COLUMNS - 1) / 2
    data = projected(x * along[0] + y * along[1] + middle + OFF / PITCH)
    data = data[:, ::-1] if "top" in origin else data
    data = data[:, :, ::-1] if "right" in origin else data
    labels = changes.pop("labels", ("angle", "vertical", "horizontal"))
    places = [("angle", "vertical", "horizontal").index(name) for name in labels]
    attributes = {
        "data_type": "AcquisitionData",
        "geometry": "parallel",
        "dimension": "3D",
        "num_channels": 1,
        "panel_origin": origin,
        "pixel_size_h": PITCH,
        "pixel_size_v": PITCH,
        **{f"dim{i}": name for i, name in enumerate(labels)},
        **changes.pop("attributes", {}),
    }
    config = {
        "detector/direction_x": along,
        "detector/direction_y": (0, 0, 1),
        "detector/position": -OFF * along,
        "ray/direction": (-along[1], along[0], 0),
        "rotation_axis/position": (0, 0, 0),
        "rotation_axis/direction": (0, 0, 1),
        **changes,
    }
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry1/tomo_entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["data/data"] = data.transpose(places).astype("f4")
        entry["data/data"].attrs.update(attributes)
        for name, value in config.items():
            entry[f"config/{name}"] = np.array(value, "f4")
        stored = np.deg2rad(ANGLES) if unit == "radian" else ANGLES
        entry["config/angles"] = stored.astype("f4")
        first = np.deg2rad(initial) if unit == "radian" else initial
        entry["config/angles"].attrs.update(angle_unit=unit, initial_angle=first)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"initial": 30.0},
        {"turn": 180.0},
        {"turn": 70.0, "unit": "radian", "initial": 20.0},
        {"origin": "top-left"},
        {"origin": "bottom-right"},
        {"origin": "top-right", "labels": ("vertical", "angle", "horizontal")},
    ],
)
def test_a_cil_scan_has_the_volume_of_cil(tmp_path, changes):
    """The disc is where CIL's coordinates have it: a mirrored volume would have it elsewhere."""
    with open_scan(cil(tmp_path / "a.nxs", **changes), line_integrals=True) as scan:
        assert scan.kind == "CIL" and scan.center == pytest.approx((COLUMNS - 1) / 2 + OFF / PITCH)
        volume = fbp(scan.projections[:], scan.geometry)
        assert len(scan.unused) == 1 and "without a unit of length" in scan.unused[0]
    middle = (COLUMNS - 1) / 2
    y, x = np.ogrid[:COLUMNS, :COLUMNS]
    inside = np.hypot(y - middle - Y, x - middle - X) < RADIUS - 2
    for row, values in enumerate(volume):
        assert values[inside].mean() == pytest.approx((1 + row) * MU, rel=0.02)
        assert values[inside].min() > 0.8 * (1 + row) * MU


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"attributes": {"geometry": "cone"}}, "config/source/position"),
        ({"attributes": {"geometry": ""}}, "an old CIL geometry"),
        ({"attributes": {"num_channels": 3}}, "several channels"),
        ({"attributes": {"scale": 120.0}}, "compressed values"),
        ({"rotation_axis/direction": (0.1, 0, 1)}, "a tilted system"),
        ({"attributes": {"dim1": "channel"}}, "angle, channel, horizontal"),
    ],
)
def test_a_cil_scan_of_another_kind_is_refused(tmp_path, changes, got):
    with pytest.raises(DataError, match=got) as raised:
        open_scan(cil(tmp_path / "a.nxs", **changes))
    assert raised.value.exit_code == 65


SINOGRAM = np.arange(VIEWS * COLUMNS, dtype="f4").reshape(VIEWS, COLUMNS)


def nxdata(path, data, axes, **coordinates):
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update(NX_class="NXdata", signal="values", axes=axes)
        group["values"] = data
        for name, (values, unit) in coordinates.items():
            group[name] = values
            group[name].attrs["units"] = unit
    return path


def test_angles_on_an_axis_of_nxdata(tmp_path):
    stack = np.arange(VIEWS * ROWS * COLUMNS, dtype="f4").reshape(VIEWS, ROWS, COLUMNS)
    along = {
        "y": (0.5 * np.arange(ROWS), "µm"),
        "x": (500.0 * np.arange(COLUMNS), "nm"),
        "srot": (ANGLES, "deg"),
    }
    for axes in (("srot", "y", "x"), ("y", "srot", "x"), ("x", "y", "srot")):
        data = stack.transpose([("srot", "y", "x").index(name) for name in axes])
        with open_scan(nxdata(tmp_path / "a.h5", data, axes, **along)) as scan:
            np.testing.assert_array_equal(scan.projections[:], stack)
            np.testing.assert_array_equal(scan.angles, ANGLES)
            assert scan.kind == "NXdata" and scan.angle_unit == "deg"
            assert (scan.pixel_size, scan.length_unit) == (pytest.approx((500, 500)), "nm")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_a_sinogram_in_hdf5_is_one_slice(tmp_path, turned, plain):
    data, path = (SINOGRAM.T if turned else SINOGRAM), tmp_path / "a.h5"
    if plain:
        with h5py.File(path, "w") as file:
            file["sinogram"], file["angles"] = data, np.deg2rad(ANGLES)
            file["angles"].attrs["units"] = "rad"
    else:
        angles = (np.deg2rad(ANGLES), "rad")
        nxdata(path, data, ("column", "theta") if turned else ("theta", "column"), theta=angles)
    with open_scan(path, line_integrals=True) as scan:
        assert scan.shape == (VIEWS, 1, COLUMNS) and scan.angle_unit == "rad"
        np.testing.assert_array_equal(scan.projections[:, 0], SINOGRAM)
        assert ("x:theta" if turned else "theta:x") in scan.notes[0]
        scan.require_flats()
    with open_scan(path) as scan, pytest.raises(DataError, match="--line-integrals"):
        scan.require_flats()


def test_two_arrays_are_not_chosen_between(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["two"], file["angles"] = SINOGRAM, SINOGRAM + 1, ANGLES
    with pytest.raises(DataError, match="expected projections"):
        open_scan(tmp_path / "a.h5")


def test_a_raw_file_of_bliss_names_the_way_out(tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        for scan in ("1.1", "2.1"):
            file[f"{scan}/instrument/camera/data"] = np.zeros((VIEWS, ROWS, COLUMNS), "u2")
            file[f"{scan}/measurement/srot"] = ANGLES
            file[scan].attrs["NX_class"] = "NXentry"
    words = "raw file of BLISS; convert it with nxtomomill (`nxtomomill h52nx raw.h5 raw.nx`)"
    assert words.replace("; ", "\n  ") in told(tmp_path / "raw.h5")
    with pytest.raises(DataError, match="nxtomomill"):
        open_scan(tmp_path / "raw.h5")


def test_info_says_what_is_absent_only_where_it_looked(tmp_path):
    lines = describe(cil(tmp_path / "a.nxs"))
    assert "pixel size: stated but not used, lengths are in pixels" in lines
    assert any(line.startswith("not used: pixel size: CIL stores 0.1") for line in lines)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["sinogram"], file["angles"] = SINOGRAM, ANGLES
    lines = describe(tmp_path / "b.h5")
    assert {"pixel size: none found, lengths are in pixels", "rotation axis: none found"} <= {
        *lines
    }


@pytest.mark.parametrize("name", ["voxel_size_cm", "pixel_size_cm"])
@pytest.mark.parametrize("entry", ["entry", "entry0000"])
def test_the_voxel_size_of_nabu(tmp_path, name, entry):
    sizes = [2e-4, 1e-4, 1e-4] if name == "voxel_size_cm" else 1e-4
    path, place = tmp_path / "a.h5", f"/{entry}/reconstruction/results/data"
    with h5py.File(path, "w") as file:
        file[place] = np.ones((3, 5, 7), "f4")
        options = f"{entry}/reconstruction/configuration/processing_options/reconstruction"
        file[f"{options}/{name}"] = sizes
    expected = tuple(np.broadcast_to(sizes, 3))
    with open_image(f"{path}::{place}") as image:
        assert (image.voxel_size, image.length_unit) == (expected, "cm")
    if entry == "entry":
        with open_volume(path) as volume:
            assert (volume.voxel_size, volume.length_unit) == (expected, "cm")
    else:
        assert f"look at it with `physrecon view a.h5::{place}`" in told(path)


def test_keyed_frames_with_angles_on_the_axis_of_their_nxdata(tmp_path):
    """Two lists could be angles; the group that shows the frames says which is."""
    key = [2, 1, 0, 0, 0]
    path = nexus(tmp_path / "a.nxs", key, definition=None, angle_path="entry/data/srot")
    with h5py.File(path, "a") as file:
        file["entry/data"].attrs.update(NX_class="NXdata", signal="data", axes=["srot", "y", "x"])
        file["entry/data/data"] = h5py.SoftLink("/entry/instrument/detector/data")
        file["entry/other/theta"] = np.arange(5.0) * 7
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.angles, [20, 30, 40])
