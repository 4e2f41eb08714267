"""Scans stored as images: stacks in one file, folders with one file a view."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
import tifffile
from array_files import fits, fits_unit, mrc
from discs import CENTER, write_scan
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange
from scipy.io import savemat

import physrecon as pr
from physrecon.analytic.fbp import fbp
from physrecon.errors import ArgumentError, DataError, MissingInputError
from physrecon.io import describe, open_scan, open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import run

DATA = counts()
SPAN = f"0..180/{VIEWS}"


def tiff(path, data=DATA, **options):
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    return path


def numpy(path, data=DATA):
    np.save(path.with_suffix(".npy"), data)
    return path.with_suffix(".npy")


def npz(path, data=DATA):
    np.savez_compressed(path.with_suffix(".npz"), proj=data, theta=np.arange(VIEWS))
    return path.with_suffix(".npz")


def matlab(path, data=DATA):
    savemat(path, {"proj": data.transpose(1, 2, 0)})
    return path


def matlab_7_3(path, data=DATA):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["proj"] = data.transpose(0, 2, 1)  # (rows, columns, views) for MATLAB
        file["proj"].attrs["MATLAB_class"] = np.bytes_("uint16")
    return f"{path}::/proj"


def hdf5(path, data=DATA):
    with h5py.File(path, "w") as file:
        file["some/where"] = data
        file["other"] = data
    return f"{path}::/some/where"


def raw(path, data=DATA):
    path.write_bytes(data.tobytes())
    return f"{path}::{VIEWS},{ROWS},{COLUMNS}:uint16"


def one_fits(path, data=DATA):
    stored = (data.astype("i4") - 32768).astype("i2")
    return fits(path, fits_unit(stored, BZERO=32768))


STACKS = (tiff, mrc, one_fits, numpy, npz, matlab, matlab_7_3, hdf5, raw)


@pytest.mark.parametrize("write", STACKS)
def test_a_stack_with_angles_is_a_scan(tmp_path, write):
    path = write(tmp_path / "a.dat", DATA)
    flats = tiff(tmp_path / "flats.tif", DATA[:3] + 1000)
    with open_scan(path, angles=SPAN, flats=flats, pixel_size="0.65um") as scan:
        assert scan.shape == DATA.shape and scan.dtype == np.uint16
        np.testing.assert_array_equal(scan.projections[:, 1:3], DATA[:, 1:3])
        np.testing.assert_array_equal(scan.projections[[5, 1], ::2, 2], DATA[[5, 1], ::2, 2])
        np.testing.assert_array_equal(scan.flats[:], DATA[:3] + 1000)
        assert scan.angles[-1] == 180 and scan.angle_unit == "deg"
        assert len(scan.fingerprint()) == 64
    assert "7 views over" in describe(path, angles=SPAN)[0]
    with pytest.raises(DataError, match=r"(?s)angles of 7 projections.*--angles FIRST\.\.LAST/7"):
        open_scan(path)


def test_info_of_a_stack_without_angles_describes_the_image(tmp_path):
    assert describe(tiff(tmp_path / "a.tif"))[0].startswith("a.tif: TIFF image ZYX (7, 5, 6)")
    assert "MRC image ZYX" in describe(mrc(tmp_path / "a.mrc", DATA))[0]


@pytest.mark.parametrize("unit", ["deg", "rad"])
def test_a_unit_is_never_guessed(tmp_path, unit):
    path = tiff(tmp_path / "a.tif")
    with pytest.raises(DataError, match="expected a unit of the angles"):
        open_scan(path, angles=f"0..3.1/{VIEWS}")
    with open_scan(path, angle_unit=unit, angles=f"0..3.1/{VIEWS}") as scan:
        assert scan.angle_unit == unit


@pytest.mark.parametrize("suffix", [".tlt", ".rawtlt"])
def test_mrc_with_the_tilts_of_imod(tmp_path, suffix):
    path = mrc(tmp_path / "a.st", DATA, cell=(60.0, 50.0, 70.0))
    (tmp_path / f"a{suffix}").write_text("\n".join(f"{angle:7.2f}" for angle in range(-3, 4)))
    with open_scan(path) as scan:
        assert scan.angles.tolist() == [*range(-3, 4)] and scan.angle_unit == "deg"
        assert scan.pixel_size == (10.0, 10.0) and scan.length_unit == "angstrom"
    assert "7 views" in describe(path)[0]
    (tmp_path / f"a{suffix}").write_text("1 2 3")
    with pytest.raises(DataError, match="expected 7 angles, one per view, got 3"):
        open_scan(path)


def test_a_tilt_series_turns_about_the_upright_axis_of_its_images(tmp_path, monkeypatch):
    """The list of the aligned stack comes first, and row r of all views is slice r."""
    monkeypatch.chdir(tmp_path)
    angles = np.arange(-60, 61, 3.0)
    geometry = pr.ParallelBeam(angles, (3, 24), angle_unit="deg", pixel_size=10.0)
    disc = np.hypot(*np.mgrid[-12:12, -12:12]) < 6
    truth = np.arange(1, 4)[:, None, None] * disc.astype(np.float32) / 100
    y = pr.Projector(geometry) @ truth
    mrc(tmp_path / "a.ali", y.astype("f4"), cell=(240.0, 30.0, 10.0 * len(angles)))
    (tmp_path / "a.tlt").write_text("\n".join(map(str, angles)))
    (tmp_path / "a.rawtlt").write_text("\n".join(map(str, angles + 1)))
    with open_scan("a.ali") as scan:
        assert scan.geometry == geometry
        assert any("a.tlt" in note for note in scan.notes)
        assert any("upright in the images" in note for note in scan.notes)
    job = {"input": "a.ali", "output": "o.h5", "line_integrals": True, "zingers": "none"}
    run(ScanJob.build(job | {"center": 11.5}, "test"))
    with open_volume("o.h5") as volume:
        found = volume[:]
    np.testing.assert_allclose(found[1:], found[:1] * [[[2]], [[3]]], atol=1e-4 * found.max())
    expected = fbp(y, geometry)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["npz", "mat"])
def test_angles_in_files_of_arrays(tmp_path, kind):
    angles = np.arange(VIEWS) * 20.0
    if kind == "npz":
        np.savez(tmp_path / "t.npz", theta=angles, other=DATA)
    else:
        savemat(tmp_path / "t.mat", {"theta": angles, "other": DATA})
    with open_scan(tiff(tmp_path / "a.tif"), angles=f"{tmp_path}/t.{kind}::/theta") as scan:
        np.testing.assert_array_equal(scan.angles, angles)


@pytest.mark.parametrize("write", [numpy, hdf5, raw])
def test_other_orders_of_axes(tmp_path, write):
    for axes, places in {"y:theta:x": (1, 0, 2), "y,x,theta": (1, 2, 0)}.items():
        stored = np.ascontiguousarray(DATA.transpose(places))
        name = str(write(tmp_path / "a.dat", stored))
        name = (
            f"{name.partition('::')[0]}::{','.join(map(str, stored.shape))}:u2" * (write is raw)
            or name
        )
        with open_scan(name, angles=SPAN, axes=axes) as scan:
            np.testing.assert_array_equal(scan.projections[:, 1:4], DATA[:, 1:4])
    with pytest.raises(ArgumentError, match="theta, y and x once each"):
        open_scan(name, axes="x:x:y")


def test_a_sinogram(tmp_path):
    path = tiff(tmp_path / "a.tif", DATA[:, 0])
    with pytest.raises(DataError, match="--axes theta:x"):
        open_scan(path, angles=SPAN)
    for axes, data in {"theta:x": DATA[:, 0], "x:theta": DATA[:, 0].T}.items():
        with open_scan(tiff(path, data), angles=SPAN, axes=axes) as scan:
            np.testing.assert_array_equal(scan.projections[:], DATA[:, :1])


def test_a_dataset_of_a_known_layout_is_the_scan_around_it(tmp_path):
    path = data_exchange(tmp_path / "scan.h5")
    with open_scan(f"{path}::/exchange/data") as scan, open_scan(path) as whole:
        assert len(scan.flats) == len(whole.flats) > 0 and scan.kind == "Data Exchange"
        np.testing.assert_array_equal(scan.angles, whole.angles)
    assert describe(f"{path}::/exchange/data") == describe(path)


def test_info_lists_the_arrays_of_hdf5(tmp_path):
    path = hdf5(tmp_path / "a.h5").partition("::")[0]
    lines = describe(path)
    assert lines[:2] == ["a.h5: HDF5, 2 arrays", f"  {path}::/other (7, 5, 6) uint16"]
    with h5py.File(path, "a") as file:
        del file["other"]
    lines = describe(path)
    assert lines[0].startswith("a.h5: HDF5 image ZYX (7, 5, 6) uint16")
    assert f"array: {path}::/some/where" in lines


def folder(path, names, suffix=".tif", first=0, **options):
    """Files of frames by the pattern of their names: names: {pattern: frames}."""
    for name, frames in names.items():
        for number, frame in enumerate(frames, first):
            file = path / f"{name}{number:04d}{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            if suffix == ".fits":
                one_fits(file, frame)
            else:
                tiff(file, frame, **options)
    return path


LAYOUTS = {
    "by name": ("tomo_", "flat_", "dark_"),
    "subfolders": ("proj/img_", "flats/img_", "darks/img_"),
    "beside": ("r", "refs/r", "DF/r"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["plain", "packed", "fits"])
def test_a_folder(tmp_path, layout, kind):
    frames = dict(zip(LAYOUTS[layout], (DATA, DATA[:2] + 500, DATA[:1]), strict=True))
    suffix, options = (".fits", {}) if kind == "fits" else (".tif", {})
    options |= {"compression": "zlib"} if kind == "packed" else {}
    path = folder(tmp_path / "scan", frames, suffix, first=8, **options)
    (path / "log.txt").write_text("no image")
    with open_scan(path, angles=SPAN) as scan:
        for _ in range(2):  # read anew, and by what is known of the files
            np.testing.assert_array_equal(scan.projections[2:, 1:4, ::2], DATA[2:, 1:4, ::2])
            np.testing.assert_array_equal(scan.flats[:], DATA[:2] + 500)
            np.testing.assert_array_equal(scan.darks[:, 1], DATA[:1, 1])
        assert len(scan.files) == VIEWS + 3
        assert any("compressed" in note for note in scan.notes) == (kind == "packed")
        first = scan.fingerprint()
    with open_scan(path, angles=SPAN) as scan:
        assert scan.fingerprint() == first
    with pytest.raises(DataError, match="angles of 7 projections, got images without"):
        open_scan(path)
    (path / "angles.txt").write_text("0 30 60 90 120 150 180")
    with pytest.raises(DataError, match=r"--angles .*angles\.txt may be them"):
        open_scan(path)
    with open_scan(path, angles=path / "angles.txt") as scan:
        assert scan.angles[1] == 30


def test_flats_at_both_ends(tmp_path):
    path = folder(tmp_path, {"v": DATA, "flat_before": DATA[:2], "flat_post": DATA[4:]})
    with open_scan(path, angles=SPAN) as scan:
        np.testing.assert_array_equal(scan.flats[:, 2], DATA[[0, 1, 4, 5, 6], 2])
        np.testing.assert_array_equal(scan.flats[1:4], DATA[[1, 4, 5]])
        assert scan.flat_positions.tolist() == [0, 0, 1, 1, 1]


def test_flats_and_darks_given_as_folders(tmp_path):
    views = folder(tmp_path / "views", {"v_": DATA})
    flats = folder(tmp_path / "other", {"a_": DATA[:3] + 9})
    with open_scan(views, angles=SPAN, flats=flats, darks=f"{flats}::a_#.tif") as scan:
        np.testing.assert_array_equal(scan.flats[:, 1:3], DATA[:3, 1:3] + 9)
        np.testing.assert_array_equal(scan.darks[1], DATA[1] + 9)


def test_folders_that_are_refused(tmp_path):
    path = folder(tmp_path / "two", {"a_": DATA, "b_": DATA[:3]})
    with pytest.raises(DataError, match=r"got a_#\.tif \(7\), b_#\.tif \(3\); name one as"):
        open_scan(path, angles=SPAN)
    with open_scan(f"{path}::a_#.tif", angles=SPAN) as scan:
        assert scan.shape == DATA.shape and "not used: images b_#.tif (3)" in scan.notes
    (path / "b_0001.tif").unlink()
    with open_scan(f"{path}::b_#.tif", angles="0..90/2") as scan:
        assert any("1 numbers are missing between the files (1)" in note for note in scan.notes)
    tiff(path / "a_0003.tif", DATA[0, 1:])
    with open_scan(f"{path}::a_#.tif", angles=SPAN) as scan:
        scan.projections[:3]
        with pytest.raises(DataError, match=r"a_0003\.tif: expected an image of \(5, 6\)"):
            scan.projections[:]
    tiff(path / "a_0000.tif", np.zeros((3, 4, 5), "u1"), planarconfig="separate")
    with pytest.raises(MissingInputError, match="got a folder"):
        (tmp_path / "none").mkdir()
        open_scan(tmp_path / "none")


def test_results_in_the_folder_are_no_views(tmp_path):
    path = folder(tmp_path / "scan", {"v": DATA, "other/a": DATA[:2], "rec/slice_": DATA[:3]})
    (path / "rec/volume.json").write_text("{}")
    tiff(path / "rec.tif", DATA)
    with open_scan(path, angles=SPAN) as scan:
        np.testing.assert_array_equal(scan.projections[:], DATA)
        assert scan.unused == ["images rec.tif (1)", "images other/a#.tif (2)"]


@pytest.mark.skipif(os.getuid() == 0, reason="this user may read everything")
def test_a_folder_that_cannot_be_read(tmp_path):
    path = folder(tmp_path / "scan", {"v": DATA})
    path.chmod(0)
    try:
        with pytest.raises(MissingInputError, match="permissions"):
            open_scan(path)
    finally:
        path.chmod(0o755)


def test_a_folder_that_changes_while_it_is_read(tmp_path):
    path = folder(tmp_path / "scan", {"v": DATA})
    with open_scan(path, angles=SPAN) as scan:
        scan.projections[:]
        tiff(path / "v0002.tif", DATA[0] + 1, description="longer")
        with pytest.raises(DataError, match="stays as it is"):
            scan.projections[:]


def test_a_folder_is_reconstructed_as_hdf5_is(tmp_path):
    with h5py.File(write_scan(tmp_path / "scan.h5")) as file:
        data, flats, darks = (file[f"exchange/data{n}"][()] for n in ("", "_white", "_dark"))
        np.savetxt(tmp_path / "theta.txt", file["exchange/theta"][()])
    path = folder(tmp_path / "scan", {"v_": data, "flat_": flats, "dark_": darks})
    given = {"angles": str(tmp_path / "theta.txt"), "angle_unit": "deg", "center": CENTER}
    for name, more in (("scan", given), ("scan.h5", {"center": CENTER})):
        job = {"input": tmp_path / name, "output": tmp_path / f"{name}.v.h5", **more}
        run(ScanJob.build(job, "test"))
    with open_volume(f"{path}.v.h5") as ours, open_volume(f"{path}.h5.v.h5") as hdf5:
        assert np.array_equal(ours[:], hdf5[:]) and ours[:].max() > 0


@pytest.mark.parametrize("name", ["flats", "Flat_field", "OB", "gain", "ref"])
def test_flats_in_a_folder_beside_the_scan_are_named_with_their_option(name, tmp_path):
    views = folder(tmp_path / "proj", {"img_": DATA})
    flats = folder(tmp_path / name, {"img_": DATA[:2] + 500})
    folder(tmp_path / "dark_fields", {"img_": DATA[:2]})
    folder(tmp_path / "other", {"img_": DATA})
    with open_scan(views, angles=SPAN) as scan:
        assert scan.beside == (f"--darks {tmp_path / 'dark_fields'}", f"--flats {flats}") or (
            scan.beside == (f"--flats {flats}", f"--darks {tmp_path / 'dark_fields'}")
        )
        assert f"not used: frames beside the scan; add --flats {flats}" in scan.notes
        with pytest.raises(DataError, match=r"add them \(--flats"):
            scan.require_flats()
    with open_scan(views, angles=SPAN, flats=str(flats)) as scan:  # as it says
        assert len(scan.flats) == 2 and not any("--flats" in option for option in scan.beside)


def test_flats_in_files_beside_the_scan_are_named_with_their_option(tmp_path):
    stack = tiff(tmp_path / "proj.tif", DATA)
    tiff(tmp_path / "dark.tif", DATA[:3])
    folder(tmp_path, {"ob_": DATA[:2] + 500})
    with open_scan(stack, angles=SPAN) as scan:
        ways = dict(option.split(" ") for option in scan.beside)
    assert ways["--darks"] == str(tmp_path / "dark.tif")
    flats = ways["--flats"].strip("'")
    with open_scan(stack, angles=SPAN, flats=flats, darks=ways["--darks"]) as scan:
        assert len(scan.flats) == 2 and len(scan.darks) == 3 and scan.beside == ()
