"""Facts about a scan that the user supplies: angles, flats, darks, pixel size, views left out."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange

from physrecon.errors import ArgumentError, DataError, MissingInputError, PhysreconError
from physrecon.io import open_scan
from physrecon.jobs.scan_job import ScanJob

ANGLES = np.linspace(0, 90, VIEWS)
TABLE = "# degrees\n" + "\n".join(f"{angle:.17g}" for angle in ANGLES)


def scan_file(tmp_path, **changes):
    return data_exchange(tmp_path / "scan.h5", **changes)


def angles_file(tmp_path, kind):
    path = tmp_path / f"angles.{kind}"
    if kind == "npy":
        np.save(path, ANGLES[:, None])
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["scan/angles"] = ANGLES
            file["scan/angles"].attrs["units"] = "degree"
        return f"{path}::/scan/angles"
    else:
        path.write_text(TABLE if kind == "txt" else ",".join(map(str, ANGLES)))
    return path


@pytest.mark.parametrize("kind", ["span", "array", "txt", "csv", "npy", "h5"])
@pytest.mark.parametrize("stated", [True, False])
def test_angles_that_are_given_are_used(tmp_path, kind, stated):
    given = {"span": f"0..90/{VIEWS}", "array": ANGLES}.get(kind)
    given = angles_file(tmp_path, kind) if given is None else given
    path = scan_file(tmp_path, **({} if stated else {"theta": None}))
    with open_scan(path, angles=given) as scan:
        np.testing.assert_allclose(scan.angles, ANGLES, atol=1e-12)
        assert scan.angle_unit == "deg"
        said = "\n".join(scan.notes)
        assert "angles: 0, 15, 30 … 90 (7 given)" in said
        assert ("those of the file are not used" in said) == stated
        assert kind in ("span", "array") or any("angles." in str(file) for file in scan.files)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("0..180/8", DataError, ["7 angles, one per view", "got 8"]),
        ("0..180/0", ArgumentError, ["FIRST..LAST/COUNT"]),
        (np.zeros((7, 2)), DataError, ["a list of angles", "(7, 2)"]),
        (np.array(["a"] * 7), DataError, ["a list of angles"]),
        ([0.0, 1, 2, 3, 4, 5, np.nan], DataError, ["finite", "1 NaN"]),
        ("0..180", MissingInputError, ["FIRST..LAST/COUNT, such as 0..180/721"]),
        ("absent.txt", MissingInputError, ["absent.txt"]),
    ],
)
def test_angles_that_do_not_fit_are_refused(tmp_path, given, error, words):
    with pytest.raises(error) as raised, open_scan(scan_file(tmp_path), angles=given):
        pass
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize("content", ["one two", "", "1 2 3", "\0\1\2"])
def test_files_that_hold_no_angles_are_refused(tmp_path, content):
    (tmp_path / "angles.txt").write_text(content)
    with pytest.raises(DataError, match="angles"):
        open_scan(scan_file(tmp_path), angles=tmp_path / "angles.txt")
    np.save(tmp_path / "angles.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        open_scan(scan_file(tmp_path), angles=tmp_path / "angles.npy")
    with pytest.raises(ArgumentError, match="::/PATH"):
        open_scan(scan_file(tmp_path), angles=scan_file(tmp_path))


def test_flats_and_darks_from_images(tmp_path):
    flats = counts(3) + 1000
    tifffile.imwrite(tmp_path / "flats.tif", flats, photometric="minisblack")
    tifffile.imwrite(tmp_path / "dark.tif", flats[0] - 999, photometric="minisblack")
    given = {"flats": tmp_path / "flats.tif", "darks": tmp_path / "dark.tif"}
    with open_scan(scan_file(tmp_path, data_white=None), **given) as scan:
        np.testing.assert_array_equal(scan.flats[:, 1:3, 2:], flats[:, 1:3, 2:])
        np.testing.assert_array_equal(scan.darks[...], flats[:1] - 999)
        scan.require_flats()
        assert {file.name for file in scan.files} == {"scan.h5", "flats.tif", "dark.tif"}
        said = "\n".join(scan.notes)
        assert "flats: 3 from flats.tif" in said and "the 3 of the scan are not used" in said
        assert "flats: none" not in said
    with open_scan(
        scan_file(tmp_path), flats=f"{scan_file(tmp_path)}::/exchange/data_dark"
    ) as scan:
        np.testing.assert_array_equal(scan.flats[...], np.full((3, ROWS, COLUMNS), 10))
    tifffile.imwrite(tmp_path / "flats.tif", flats[:, :, 1:], photometric="minisblack")
    with pytest.raises(DataError, match=f"flats of {ROWS} rows × {COLUMNS} columns"):
        open_scan(scan_file(tmp_path), **given)
    with pytest.raises(MissingInputError):
        open_scan(scan_file(tmp_path), flats=tmp_path / "absent.tif")


@pytest.mark.parametrize(
    ("given", "size", "unit"),
    [
        ("0.65um", (0.65, 0.65), "um"),
        ("0.65,1.3 µm", (0.65, 1.3), "um"),
        ("1e-3 mm", (1e-3, 1e-3), "mm"),
    ],
)
def test_pixel_size(tmp_path, given, size, unit):
    with open_scan(scan_file(tmp_path), pixel_size=given) as scan:
        assert scan.pixel_size == size and scan.length_unit == unit
        assert scan.geometry.pixel_size == size


@pytest.mark.parametrize("given", ["0.65", "um", "-1um", "0um", "1,2,3um", "nan um", "3 furlongs"])
def test_pixel_sizes_that_are_refused(tmp_path, given):
    with pytest.raises(ArgumentError, match="pixel_size"):
        open_scan(scan_file(tmp_path), pixel_size=given)


def test_views_left_out(tmp_path):
    with open_scan(scan_file(tmp_path), exclude_views="1:3,5") as scan:
        left = [0, 3, 4, 6]
        np.testing.assert_array_equal(scan.projections[:, 2], counts()[left, 2])
        np.testing.assert_array_equal(scan.angles, np.linspace(0, 180, VIEWS, endpoint=False)[left])
        assert scan.shape == (4, ROWS, COLUMNS)
        assert "views: 3 of 7 left out (1:3,5)" in "\n".join(scan.notes)
    for given in ("0:8", "7", "3:2", "a", "", "0:7", "-1"):
        with pytest.raises(PhysreconError, match="views"):
            open_scan(scan_file(tmp_path), exclude_views=given)


@pytest.mark.parametrize("masks", [1, VIEWS])
def test_masked_data_are_missing(tmp_path, masks):
    mask = np.zeros((masks, ROWS, COLUMNS), "u1")
    mask[-1, 1, 2:4] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    given = {"data_mask": tmp_path / "mask.tif", "exclude_views": "1:3"}
    expected = np.where(np.broadcast_to(mask, counts().shape) != 0, np.nan, counts())
    with open_scan(scan_file(tmp_path), **given) as scan:
        left = [0, 3, 4, 5, 6]
        assert scan.dtype == np.float32 and "data mask" in "\n".join(scan.notes)
        np.testing.assert_array_equal(scan.projections[:, 1:3], expected[left, 1:3])
        np.testing.assert_array_equal(scan.projections[4, 1, 1:], expected[6, 1, 1:])
        np.testing.assert_array_equal(scan.projections[[0, 2], 1], expected[[0, 4], 1])
    tifffile.imwrite(
        tmp_path / "mask.tif", np.zeros((3, ROWS, COLUMNS), "u1"), photometric="minisblack"
    )
    with pytest.raises(DataError, match="one mask, or 7"):
        open_scan(scan_file(tmp_path), **given)


def test_paths_in_a_job_file_start_from_its_folder(tmp_path):
    job = 'input = "scan.h5"\noutput = "v.h5"\nflats = "flats.tif"\nangles = '
    (tmp_path / "job.toml").write_text(job + '"angles.txt"')
    read = ScanJob.from_toml(tmp_path / "job.toml")
    assert read.angles == str(tmp_path / "angles.txt") and read.flats == tmp_path / "flats.tif"
    (tmp_path / "job.toml").write_text(job + '"0..180/7"')
    assert ScanJob.from_toml(tmp_path / "job.toml").angles == "0..180/7"
