"""Arrays of other programs: FITS, MRC, NumPy, MATLAB, raw binary."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from array_files import fits, fits_unit, mrc
from image_files import numbers, refused
from scipy.io import savemat

from physrecon.errors import ArgumentError, DataError, PhysreconError
from physrecon.io import open_image
from physrecon.io.file_array import FileArray

DATA = numbers(3, 4, 5)


def check(path, expected, axes="ZYX", **options):
    """The image reads as `expected`, whole and in parts."""
    with open_image(path, **options) as image:
        assert image.axes == axes and image.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(image[...], expected)
        np.testing.assert_array_equal(image[..., 1:4:2, 2], expected[..., 1:4:2, 2])
        np.testing.assert_array_equal(image[..., 1, ::3], expected[..., 1, ::3])
        return image.voxel_size, image.length_unit, image.notes


def test_any_part_of_a_file_array(tmp_path, monkeypatch):
    rng, path = np.random.default_rng(1), tmp_path / "a"
    for trial in range(200):
        monkeypatch.setattr("physrecon.io.file_array.GAP", [1, 8, 1 << 16][trial % 3])
        shape = rng.integers(1, 6, rng.integers(1, 5))
        whole = rng.integers(0, 200, shape).astype([">u2", "<f4", "u1", ">f8"][trial % 4])
        path.write_bytes(b"head" + whole.tobytes())
        key = []
        for n in shape:
            start, step = int(rng.integers(n)), int(rng.integers(1, 4))
            part = slice(start, int(rng.integers(start, n + 1)), step)
            key.append(start if rng.random() < 0.3 else part)
        found = FileArray(path, 4, shape, whole.dtype)[tuple(key)]
        np.testing.assert_array_equal(found, whole[tuple(key)])


def test_a_file_that_is_cut_while_it_is_read(tmp_path):
    path = tmp_path / "a"
    DATA.tofile(path)
    array = FileArray(path, 0, DATA.shape, DATA.dtype)
    path.write_bytes(b"cut")
    with pytest.raises(DataError, match="end of the file"):
        array[(slice(0, 3, 1), slice(0, 4, 1), slice(0, 5, 1))]


@pytest.mark.parametrize(("order", "dtype"), [("<", "u2"), (">", "i2"), ("<", "f4"), (">", "f2")])
def test_mrc(tmp_path, order, dtype):
    data = DATA.astype(dtype)
    path = mrc(tmp_path / "a.mrc", data, cell=(50.0, 80.0, 90.0), order=order, extended=b"x" * 80)
    assert check(path, data)[:2] == ((30.0, 20.0, 10.0), "angstrom")
    assert check(mrc(tmp_path / "a.mrc", data), data)[1] is None


def test_mrc_of_imod_and_of_other_axes(tmp_path):
    path = mrc(tmp_path / "a.mrc", numbers(3, 4, 5, dtype="u1"), stamp=1146047817)
    assert "unsigned, as IMOD says" in check(path, numbers(3, 4, 5, dtype="u1"))[2][0]
    path = mrc(tmp_path / "a.mrc", DATA, axes=(2, 1, 3))  # columns along y
    with open_image(path) as image:
        np.testing.assert_array_equal(image[...], DATA.transpose(0, 2, 1))


def test_mrc_files_that_are_refused(tmp_path):
    for change in ({"mode": 4}, {"axes": (1, 1, 3)}, {"nz": -1}):
        refused(mrc(tmp_path / "a.mrc", DATA, **change), "an MRC file of real numbers")
    refused(mrc(tmp_path / "a.mrc", DATA, nz=10**9), "bytes for an array", "got 1144")


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_fits(tmp_path, dtype):
    path = fits(tmp_path / "a.fits", fits_unit(DATA.astype(dtype)))
    check(path, DATA.astype(dtype))
    fits(path, fits_unit(DATA[0].astype(dtype)))
    check(path, DATA[0].astype(dtype), "YX")


def test_fits_of_unsigned_and_scaled_numbers(tmp_path):
    whole = (DATA.astype("i4") * 1000).astype("u2")
    stored = (whole.astype("i4") - 32768).astype("i2")
    path = fits(tmp_path / "a.fits", fits_unit(stored, BZERO=32768, BSCALE=1))
    check(path, whole)
    fits(path, fits_unit(DATA.astype("i2"), BZERO=-3.5, BSCALE="1.25E-1", BLANK=7))
    expected = (DATA * 0.125 - 3.5).astype("f4")
    expected[DATA == 7] = np.nan
    check(path, expected)
    signed = np.arange(-8, 8, dtype="i1").reshape(4, 4)
    fits(path, fits_unit((signed.astype("i2") + 128).astype("u1"), BZERO=-128))
    check(path, signed, "YX")


def test_fits_of_several_images(tmp_path):
    units = [fits_unit(DATA.astype("i2") + k, "XTENSION", EXTNAME=n) for k, n in enumerate("AB")]
    path = fits(tmp_path / "a.fits", fits_unit(None), *units)
    assert check(path, DATA.astype("i2"))[2] == ["images: A is read; also here: B"]
    check(f"{path}::/2", DATA.astype("i2") + 1)
    check(f"{path}::/b", DATA.astype("i2") + 1)
    with pytest.raises(DataError, match=r"expected an image C, got 1 A \(3, 4, 5\), 2 B"):
        open_image(f"{path}::/C")


def test_fits_files_that_are_refused(tmp_path):
    path, sound = tmp_path / "a.fits", fits_unit(DATA.astype("i2"))
    for content, words in (
        (sound[:2880], ["3000 bytes for the image 0", "got 2880"]),
        (fits_unit(DATA.astype("i2"), NAXIS3=10**12), ["for the image 0"]),
        (fits_unit(DATA.astype("i2"), NAXIS3=-1), ["sound FITS header"]),
        (fits_unit(DATA.astype("i2"), NAXIS=10**6), ["sound FITS"]),
        (fits_unit(DATA.astype("i2"), BITPIX=7), ["sound FITS header"]),
        (fits_unit(DATA.astype("i2"), BITPIX="x"), ["sound FITS"]),
        (sound[:100], ["without an end"]),
        (fits_unit(None), ["an image of two or more axes, got none"]),
    ):
        path.write_bytes(content)
        refused(path, *words)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy(tmp_path, save):
    for data in (DATA, np.asfortranarray(DATA.astype(">f4")), DATA[0]):
        np.save(tmp_path / "a.npy", data)
        check(tmp_path / "a.npy", data, "ZYX"[-data.ndim :])
        save(tmp_path / "a.npz", data=data, theta=np.arange(3.0))
        check(tmp_path / "a.npz", data, "ZYX"[-data.ndim :])
    save(tmp_path / "b.npz", one=DATA, two=DATA + 1)
    check(f"{tmp_path}/b.npz::/two", DATA + 1)
    refused(tmp_path / "b.npz", "expected one array of 2 to 5 dimensions, got one (3, 4, 5), two")


def test_numpy_files_that_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    for data in (np.array([[{}]]), np.zeros((2, 2), complex), np.zeros((2, 2), "U3"), np.zeros(3)):
        np.save(path, data, allow_pickle=True)
        refused(path, "real numbers")
    np.save(path, DATA)
    content = path.read_bytes()
    for broken in (content[:-1], content.replace(b"(3,", b"(9,"), content[:40], content[:9]):
        path.write_bytes(broken)
        refused(path, "a.npy")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
    refused(tmp_path / "a.npz", "sound NumPy file")


def test_matlab(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"proj": DATA.transpose(1, 2, 0), "theta": np.arange(3.0), "text": "hello"})
    check(path, DATA)
    savemat(path, {"a": DATA[0], "b": DATA[1]}, do_compression=True)
    check(f"{path}::/b", DATA[1], "YX")
    refused(path, "array of real numbers, got a (4, 5) uint16, b (4, 5) uint16", "a.mat::/NAME")
    path.write_bytes(path.read_bytes()[:200])
    refused(path, "a.mat")


def test_matlab_of_version_7_3(tmp_path):
    """It is HDF5 with the axes in reverse."""
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["proj"] = DATA.transpose(1, 2, 0).T
        file["proj"].attrs["MATLAB_class"] = np.bytes_("uint16")
        file["theta"] = np.arange(3.0)[:, None]
    check(tmp_path / "a.mat", DATA)


@pytest.mark.parametrize(
    ("stated", "dtype", "head"),
    [("uint16", "<u2", 0), (">u2", ">u2", 0), ("float32:7", "<f4", 7), ("<i4:512", "<i4", 512)],
)
def test_raw(tmp_path, stated, dtype, head):
    path = tmp_path / "a.raw"
    path.write_bytes(b"." * head + DATA.astype(dtype).tobytes())
    check(f"{path}::3,4,5:{stated}", DATA.astype(dtype))


def test_raw_files_that_are_refused(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(b"." * 8 + DATA.tobytes())
    for stated, words in {
        "3,4,5:uint16": "skip a header: ::3,4,5:uint16:8",
        "30,4,5:uint16": "expected 1200 bytes",
        "3,4,5:object": "expected a shape and one of",
        "3,4,0:uint8": "expected a shape and one of",
        "99999,99999,99999:float64": "bytes for an array",
    }.items():
        with pytest.raises(PhysreconError, match=words):
            open_image(f"{path}::{stated}")
    np.save(tmp_path / "a.npy", DATA)
    with pytest.raises(ArgumentError, match="expected no dataset in NumPy"):
        open_image(f"{tmp_path}/a.npy::/x")


@pytest.mark.parametrize(
    ("head", "kind", "way"),
    [
        (b"ObjectType = Image", "MetaImage", "SimpleITK"),
        (b"NRRD0005\n", "NRRD", "ReadImage('{path}'), 'x.tif'"),
        (b"\0" * 344 + b"n+1\0", "NIfTI", "SimpleITK"),
        (b"# vtk DataFile Version 3.0", "VTK", "SimpleITK"),
        (b'<?xml version="1.0"?>\n<VTKFile type="ImageData">', "VTK XML", "ParaView"),
        (b"\0" * 128 + b"DICM", "DICOM", "SimpleITK"),
        (b"\xd0\xcf\x11\xe0", "OLE", "TIFF"),
    ],
)
def test_formats_that_are_named(tmp_path, head, kind, way):
    path = tmp_path / "x.dat"
    path.write_bytes(head + b"\0" * 300)
    refused(path, kind, way.format(path=path))


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        (".zarray", "{}", "x.zarr')"),
        (".zgroup", "{}", "x.zarr/0')"),
        ("zarr.json", '{"node_type": "array"}', "x.zarr')"),
        ("zarr.json", '{"node_type": "group"}', "x.zarr/0')"),
    ],
)
def test_zarr_is_named(tmp_path, name, text, source):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / name).write_text(text)
    refused(tmp_path / "x.zarr", "Zarr", source)
