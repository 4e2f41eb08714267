"""Images in: axes, voxel sizes, lazy reading, and files that are damaged or hostile."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from physrecon.errors import ArgumentError, DataError, MissingInputError, PhysreconError
from physrecon.io import defects, describe, open_image


def numbers(*shape: int, dtype: str = "u2") -> np.ndarray:
    """Distinct numbers, so that a swapped axis cannot pass."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save(path, data, **options):
    tifffile.imwrite(path, data, **({"photometric": "minisblack"} | options))
    return path


RGB = {"photometric": "rgb"}
AXES = {  # how it is written: (shape, options, our axes, the array in our order)
    "plain 2-D": ((5, 6), {"metadata": None}, "YX", None),
    "plain pages": ((4, 5, 6), {"metadata": None}, "ZYX", None),
    "one page in two more axes": ((1, 1, 5, 6), {}, "YX", lambda a: a[0, 0]),
    "shaped 4-D": ((2, 4, 5, 6), {}, "TZYX", None),
    "shaped 5-D": ((2, 3, 4, 5, 6), {}, "TCZYX", None),
    "shaped, named": ((3, 4, 5, 6), {"metadata": {"axes": "CZYX"}}, "CZYX", None),
    "deflate, tiles, big-endian": (
        (4, 37, 41), {"compression": "zlib", "tile": (16, 16), "byteorder": ">"}, "ZYX", None,
    ),
    "ImageJ": ((2, 4, 3, 5, 6), {"imagej": True}, "TCZYX", lambda a: a.swapaxes(1, 2)),
    "ImageJ series": ((4, 5, 6), {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX", None),
    "OME": ((2, 3, 4, 5, 6), {"ome": True, "metadata": {"axes": "TCZYX"}}, "TCZYX", None),
    "OME, z before c": (
        (4, 3, 5, 6), {"ome": True, "metadata": {"axes": "ZCYX"}}, "CZYX",
        lambda a: a.swapaxes(0, 1),
    ),
    "RGB": ((5, 6, 3), RGB, "SYX", lambda a: np.moveaxis(a, -1, 0)),
    "RGB, planar": ((3, 5, 6), RGB | {"planarconfig": "separate"}, "SYX", None),
    "RGBA stack": (
        (4, 5, 6, 4), RGB | {"metadata": {"axes": "ZYXS"}, "extrasamples": ["unassalpha"]}, "SZYX",
        lambda a: np.moveaxis(a[..., :3], -1, 0),
    ),
    "grey with alpha": (
        (5, 6, 2), {"planarconfig": "contig", "extrasamples": ["unassalpha"]}, "YX",
        lambda a: a[..., 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AXES)
def test_axes_of_tiff(tmp_path, case):
    shape, options, axes, order = AXES[case]
    data = numbers(*shape)
    expected = order(data) if order else data
    with open_image(save(tmp_path / "i.tif", data, **options)) as image:
        assert (image.axes, image.shape, image.dtype) == (axes, expected.shape, data.dtype)
        assert image.axes.endswith(image.frame_axes) and set(image.frame_axes) <= set("ZYX")
        np.testing.assert_array_equal(np.asarray(image), expected)
        for index in image.frames:
            np.testing.assert_array_equal(image.read(index), expected[index])
        assert image[...].dtype.isnative and image.saturation == 65535
        assert ("not stated" in str(image.notes)) == (case in ("shaped 4-D", "shaped 5-D"))
        assert ("alpha" in str(image.notes)) == ("alpha" in case or "RGBA" in case)


def imagej(unit, spacing=0.3, x=0.065, y=0.13, **more):
    meta = {"axes": "ZYX", "unit": unit, "spacing": spacing, **more}
    meta = {name: value for name, value in meta.items() if value is not None}
    return {"imagej": True, "resolution": (1 / x, 1 / y), "resolutionunit": 1, "metadata": meta}


def ome(**sizes):
    metadata = {"axes": "ZYX"}
    for name, (value, unit) in sizes.items():
        metadata |= {f"PhysicalSize{name}": value, f"PhysicalSize{name}Unit": unit}
    return {"ome": True, "metadata": metadata}


def plain(per_unit, unit):
    return {"resolution": (per_unit, per_unit), "resolutionunit": unit, "metadata": None}


UM, NONE = (0.3, 0.13, 0.065), (1.0, 1.0, 1.0)
LENGTHS = {  # how it is written: (options, voxel size, unit, a word of the notes)
    "escape": (imagej(r"\u00B5m"), UM, "um", ""),
    "um": (imagej("um"), UM, "um", ""),
    "micron": (imagej("micron"), UM, "um", ""),
    "microns": (imagej("microns"), UM, "um", ""),
    "nm": (imagej("nm", 300, 65, 130), (300, 130, 65), "nm", ""),
    "plane spacing in nm": (imagej("um", 300.0, zunit="nm"), UM, "um", ""),
    "ImageJ leaves out 1": (imagej("um", None), (1.0, 0.13, 0.065), "um", ""),
    "pixels": (imagej("pixel", 3.0, 1, 1), (3, 1, 1), None, ""),
    "furlong": (imagej("furlong"), UM, None, "furlong"),
    "OME": (ome(X=(0.065, "µm"), Y=(0.13, "µm"), Z=(0.3, "µm")), UM, "um", ""),
    "OME units": (ome(X=(65, "nm"), Y=(0.13, "µm"), Z=(3e-4, "mm")), (300, 130, 65), "nm", ""),
    "OME Å": (ome(X=(2, "Å"), Y=(2, "Å"), Z=(1, "nm")), (10, 2, 2), "angstrom", ""),
    "OME without z": (ome(X=(65, "nm"), Y=(65, "nm")), NONE, None, "none for Z"),
    "OME, nothing": (ome(), NONE, None, ""),
    "72 dpi": (plain(72, 2), NONE, None, "screens and printers"),
    "cm, planes": (plain(1e4 / 0.065, 3), NONE, None, "none for Z"),
    "no unit": (plain(100, 1), NONE, None, ""),
}


@pytest.mark.parametrize("case", LENGTHS)
def test_voxel_sizes(tmp_path, case):
    options, size, unit, word = LENGTHS[case]
    with open_image(save(tmp_path / "i.tif", numbers(4, 5, 6), **options)) as image:
        assert image.voxel_size == pytest.approx(size, rel=1e-5) and image.length_unit == unit
        assert word in str(image.notes) and bool(image.notes) == bool(word)


def test_voxel_size_of_a_plain_photograph_of_small_things(tmp_path):
    path = save(tmp_path / "i.tif", numbers(5, 6), **plain(1e4 / 0.065, 3))
    with open_image(path) as image:
        assert image.voxel_size == pytest.approx((0.065, 0.065)) and image.length_unit == "um"
        assert "per cm in the file" in str(image.notes)


KEYS = [
    0, -1, np.int64(1), slice(1, 2), slice(None, None, 2), slice(3, 1), ..., (..., 2), (1, ..., 3),
    (slice(None), 1, slice(1, 4, 2), slice(2, 4), 5), (1, slice(None), 0, ..., slice(0, 1)),
    (0, 1, 2, 3, 4),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_is_that_of_numpy(tmp_path, key):
    data = numbers(2, 4, 3, 5, 6)
    save(tmp_path / "i.tif", data, imagej=True)
    save(tmp_path / "p.tif", data, compression="zlib", metadata={"axes": "TZCYX"})
    with h5py.File(tmp_path / "i.h5", "w") as file:
        file["a"] = data.swapaxes(1, 2)
    for name in ("i.tif", "p.tif", "i.h5"):
        with open_image(tmp_path / name) as image:
            np.testing.assert_array_equal(image[key], data.swapaxes(1, 2)[key])


@pytest.mark.parametrize("key", [[0, 1], slice(None, None, -1), None, True, (0,) * 6, "a"])
def test_other_keys_are_refused(tmp_path, key):
    path = save(tmp_path / "i.tif", numbers(2, 4, 3, 5, 6), imagej=True)
    with open_image(path) as image:
        with pytest.raises(ArgumentError):
            image[key]
        with pytest.raises(IndexError):
            image[2]
        with pytest.raises(ArgumentError, match="index of the axes TC below"):
            image.read((0, 3))


@pytest.mark.parametrize("name", ["plain.tif", "packed.tif", "series.h5"])
def test_no_more_is_held_than_is_asked_for(tmp_path, name):
    shape, plane = (6, 16, 256, 256), 256 * 256 * 2
    data = np.broadcast_to(np.arange(shape[1], dtype="u2")[:, None, None], shape)
    if name.endswith("h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("a", data=data, chunks=(1, 1, 256, 256))
    else:
        save(tmp_path / name, data, compression="zlib" if name == "packed.tif" else None)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", "f4", shape[1:])
    open_image(tmp_path / name).close()  # what is imported is not counted
    tracemalloc.start()
    try:
        with open_image(tmp_path / name) as image:
            assert image.read((5,))[7, 0, 0] == 7
            assert tracemalloc.get_traced_memory()[1] < 32 * plane  # a frame is 16, the file 96
            tracemalloc.reset_peak()
            image.read_into(out, (4,), nbytes=2 * plane)
            sizes = [len(values) for _, values in image.blocks((0,), 3 * plane)]
        assert tracemalloc.get_traced_memory()[1] < 14 * plane  # of 16: a frame is never whole
    finally:
        tracemalloc.stop()
    assert sizes == [3, 3, 3, 3, 3, 1]
    np.testing.assert_array_equal(out[:, 5, 5], np.arange(16))


def refused(path, *words, **options):
    with pytest.raises(DataError) as raised, open_image(path, **options) as image:
        image[...]
    assert all(word in str(raised.value) for word in words), raised.value


SOUND = {
    "ImageJ": {"imagej": True},
    "OME": {"ome": True},
    "pages": {"metadata": None},
    "BigTIFF": {"bigtiff": True, "metadata": None},
    "packed": {"compression": "zlib", "metadata": None},
}


@pytest.mark.parametrize("case", SOUND)
def test_truncated(tmp_path, case):
    content = save(tmp_path / "whole.tif", numbers(7, 20, 30), **SOUND[case]).read_bytes()
    for fraction in (0.003, 0.1, 0.5, 0.9, 0.99):
        path = tmp_path / "cut.tif"
        path.write_bytes(content[: int(fraction * len(content))])
        refused(path, "copy it again")


@pytest.mark.parametrize("case", SOUND)
def test_damaged_bytes_give_an_image_or_a_clear_error(tmp_path, case):
    rng = np.random.default_rng(0)
    content = save(tmp_path / "whole.tif", numbers(3, 8, 9), **SOUND[case]).read_bytes()
    path, refusals = tmp_path / "i.tif", 0
    for _ in range(100):
        harmed = np.frombuffer(content, "u1").copy()
        where = rng.integers(0, min(len(harmed), 600), 4)
        harmed[where] = rng.integers(0, 256, 4)
        path.write_bytes(harmed.tobytes())
        try:
            with open_image(path) as image:
                image.read(image.frames[0])
        except PhysreconError:
            refusals += 1
    assert refusals


def directories(path):
    """Offset of each directory, and of the pointer to the next."""
    content = path.read_bytes()
    (offset,) = struct.unpack("<I", content[4:8])
    found = []
    while offset:
        (tags,) = struct.unpack("<H", content[offset : offset + 2])
        found.append((offset, offset + 2 + 12 * tags))
        (offset,) = struct.unpack("<I", content[found[-1][1] : found[-1][1] + 4])
    return found


def overwrite(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def test_pages_in_a_ring(tmp_path):
    path = save(tmp_path / "i.tif", numbers(200, 2, 3), metadata=None)
    pages = directories(path)
    overwrite(path, pages[-1][1], struct.pack("<I", pages[150][0]))
    refused(path, "ring")


def tag(path, page, number, value):
    """Overwrite the first value of a tag with one value in it."""
    offset, end = directories(path)[page]
    content = path.read_bytes()
    places = range(offset + 2, end, 12)
    (place,) = (p for p in places if struct.unpack("<H", content[p : p + 2])[0] == number)
    overwrite(path, place + 8, struct.pack("<I", value))


def test_a_plane_that_was_never_stored_is_not_zero(tmp_path):
    path = save(tmp_path / "i.tif", numbers(3, 20, 30), metadata=None, compression="zlib")
    tag(path, 1, 279, 0)  # StripByteCounts
    refused(path, "none for plane 1")


@pytest.mark.parametrize("compression", ["zlib", None])
def test_a_plane_that_lies_beyond_the_file(tmp_path, compression):
    path = save(tmp_path / "i.tif", numbers(3, 20, 30), metadata=None, compression=compression)
    tag(path, 1, 273, path.stat().st_size - 5)  # StripOffsets
    refused(path, "copy it again")


def test_a_small_file_with_a_huge_plane(tmp_path):
    path = save(tmp_path / "i.tif", numbers(20, 30), metadata=None, compression="zlib")
    for number in (256, 257, 278):  # width, length, rows of a strip
        tag(path, 0, number, 60_000)
    refused(path, "7.20 GB", "uncompressed")


def test_what_tiff_may_hold_and_we_do_not(tmp_path):
    path = tmp_path / "i.tif"
    refused(save(path, numbers(5, 6).astype("c8")), "real numbers")
    refused(save(path, np.eye(8, dtype=bool)), "real numbers")
    path.write_bytes(b"II*\0" + bytes(300))
    refused(path, "copy it again")
    save(path, numbers(5, 6, dtype="u1"), metadata=None, compression="zlib")
    tag(path, 0, 259, 5)  # LZW
    refused(path, "LZW", "pip install imagecodecs")


def test_an_ome_set_of_files_is_refused(tmp_path):
    path = save(tmp_path / "a.ome.tif", numbers(4, 5, 6), ome=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">u:{z}</UUID>'
        "</TiffData>"
        for z, name in enumerate(("a.ome.tif", "../../secret.tif"))
    )
    text = text.replace('<TiffData IFD="0" PlaneCount="4"/>', planes)
    assert "secret" in text
    save(path, numbers(4, 5, 6), description=text.encode(), metadata=None)
    refused(path, "set of 2 files")


def test_only_the_first_series_is_read_and_that_is_said(tmp_path, caplog, capsys):
    with tifffile.TiffWriter(tmp_path / "i.tif") as file:
        file.write(numbers(5, 6))
        file.write(numbers(7, 8))
    with open_image(tmp_path / "i.tif") as image:
        assert image.shape == (5, 6) and "first of 2" in str(image.notes)
    assert not capsys.readouterr().err


# --- photos ---------------------------------------------------------------------------------------


GREY, COLOUR = numbers(5, 6, dtype="u1"), numbers(5, 6, 3, dtype="u1")
ALPHA = np.full((5, 6, 1), 9, "u1")
PHOTOS = {  # (pixels, mode, the array, a word of the notes)
    "grey": (GREY, "L", GREY, "sRGB"),
    "grey 16": (numbers(5, 6) * 999, "I;16", numbers(5, 6) * 999, ""),
    "grey, alpha": (np.dstack([GREY, ALPHA]), "LA", GREY, "alpha"),
    "RGB": (COLOUR, "RGB", np.moveaxis(COLOUR, -1, 0), "sRGB"),
    "RGBA": (np.dstack([COLOUR, ALPHA]), "RGBA", np.moveaxis(COLOUR, -1, 0), "alpha"),
    "bits": (GREY % 2 == 0, "1", (GREY % 2 == 0) * np.uint8(255), ""),
}


@pytest.mark.parametrize("case", PHOTOS)
def test_png(tmp_path, case):
    pixels, mode, expected, word = PHOTOS[case]
    photo = Pillow.fromarray(pixels)
    assert photo.mode == mode
    photo.save(tmp_path / "p.png")
    with open_image(tmp_path / "p.png") as image:
        assert image.axes == ("CYX" if expected.ndim == 3 else "YX") and image.format == "png"
        np.testing.assert_array_equal(image[...], expected)
        assert image[...].dtype == expected.dtype and word in str(image.notes)
        assert image.voxel_size == (1, 1) and image.length_unit is None


def test_palette_and_orientation(tmp_path):
    Pillow.fromarray(COLOUR).quantize(256).save(tmp_path / "p.png")
    with open_image(tmp_path / "p.png") as image:
        np.testing.assert_allclose(image[...], np.moveaxis(COLOUR, -1, 0), atol=4)
        assert "palette" in str(image.notes)
    half = np.zeros((16, 32), "u1")
    half[:, 16:] = 255  # right half bright
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: the right goes to the bottom
    Pillow.fromarray(half).save(tmp_path / "p.jpg", exif=exif, quality=95)
    with open_image(tmp_path / "p.jpg") as image:
        assert image.shape == (32, 16) and "EXIF" in str(image.notes) and image.format == "jpeg"
        assert image[:16].max() < 20 and image[16:].min() > 235


def test_photos_that_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "p.png"
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60), "u1")).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(path, "copy it again")
    path.write_bytes(content[:100] + b"abc" + content[103:])
    refused(path, "copy it again")
    path.write_bytes(content)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 1000)
    refused(path, "2000 pixels", "3000 pixels")


def test_sixteen_bits_of_colour_are_not_cut_to_eight(tmp_path):
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers(2, 3, 3))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    )
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*p) for p in (*parts, (b"IEND", b"")))
    (tmp_path / "p.png").write_bytes(content)
    assert np.asarray(Pillow.open(tmp_path / "p.png")).dtype == np.uint8  # what would be read
    refused(tmp_path / "p.png", "16 bits", "TIFF")


# --- HDF5 -----------------------------------------------------------------------------------------


def hdf5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[f"g/{name}"] = value
        file["link"] = h5py.SoftLink(f"/g/{next(iter(datasets))}")
    return path


def test_dataset_by_name_or_the_only_one(tmp_path):
    data = numbers(4, 5, 6)
    path = hdf5(tmp_path / "i.h5", a=data, words="text", list=numbers(7), z=numbers(2, 2) + 1j)
    for found in (open_image(path), open_image(path, "/g/a"), open_image(f"{path}::/link")):
        with found as image:
            assert image.axes == "ZYX" and image.format == "hdf5"
            np.testing.assert_array_equal(image[...], data)
    hdf5(path, a=data, b=data[0])
    refused(path, "/g/a (4, 5, 6) uint16; /g/b (5, 6) uint16", "::")
    refused(path, "dataset /g/c", "/g/a", dataset="/g/c")
    refused(hdf5(path, z=numbers(5, 6) + 1j), "got none")
    refused(path, "real numbers", dataset="g/z")
    refused(hdf5(path, z=np.zeros((0, 6))), "real numbers", dataset="g/z")
    with pytest.raises(ArgumentError, match="not HDF5"):
        open_image(save(tmp_path / "i.tif", data), "/g/a")
    with pytest.raises(MissingInputError):
        open_image(f"{tmp_path}/absent.h5::/g/a")


@pytest.mark.parametrize(
    ("shape", "axes", "squeezed"),
    [((2, 4, 5, 6), "TZYX", None), ((1, 4, 5, 6, 1), "ZYX", (4, 5, 6)), ((1, 6), "YX", None)],
)
def test_axes_of_hdf5_without_names(tmp_path, shape, axes, squeezed):
    with open_image(hdf5(tmp_path / "i.h5", a=numbers(*shape))) as image:
        assert image.axes == axes and image.shape == (squeezed or shape)
        np.testing.assert_array_equal(image[...], numbers(*(squeezed or shape)))


def test_voxel_sizes_of_hdf5(tmp_path):
    path = hdf5(tmp_path / "i.h5", a=numbers(4, 5, 6), b=numbers(2, 3))
    with h5py.File(path, "a") as file:
        file["g/a"].attrs["element_size_um"] = [0.3, 0.1, 0.1]
        file["g/b"].attrs.update({"voxel_size": [5.0], "length_unit": "nm"})
    with open_image(path, "/g/a") as image:
        assert image.voxel_size == (0.3, 0.1, 0.1) and image.length_unit == "um"
    refused(path, "expected 2 positive numbers in voxel_size", dataset="/g/b")


# --- all formats ----------------------------------------------------------------------------------


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "i.tif"
    path.write_text("hello")
    refused(path, "TIFF, PNG, JPEG or HDF5", "another kind")
    for place in (tmp_path, tmp_path / "absent.tif"):
        with pytest.raises(MissingInputError, match="image"):
            open_image(place)


def test_defects_are_counted(monkeypatch):
    monkeypatch.setattr("physrecon.io.images.saturation.PIECE", 7)  # many pieces
    a = numbers(3, 4, 5).astype("f4")
    assert defects(a).lines() == []
    a[0, 0, :3], a[1, 1, 1], a[2, 2, :2] = np.nan, -np.inf, 4095
    found = defects(a)
    assert (found.nan, found.infinite, found.saturated, found.level) == (3, 1, 2, 4095)
    assert "12-bit saturation: 2 of 60 values are 4095" in found.lines()
    assert defects(np.full((2, 2), np.nan)).nan == 4
    once = np.zeros((3, 4), "u2")
    for value, count in ((4095, 0), (4094, 0), (65535, 1)):  # once in a camera's 12 bits is chance
        once[1, 1] = value
        assert defects(once).saturated == count
    assert defects(np.full((2, 3), 255, "u1")).lines() == [
        "8-bit saturation: 6 of 6 values are 255"
    ]


def test_info_of_an_image(tmp_path):
    data = np.clip(numbers(2, 4, 5, 6), 0, 100).astype("u1")
    data[:, 0, 0, :2] = 255
    path = save(tmp_path / "i.tif", data, imagej=True, resolution=(10, 10), resolutionunit=1,
                metadata={"axes": "TZYX", "unit": "um", "spacing": 0.3})  # fmt: skip
    first, size, frames, saturated = describe(path)
    assert first == "i.tif: ImageJ TIFF image TZYX (2, 4, 5, 6) uint8, 0.00024 MB"
    assert size == "voxel size: 0.3 × 0.1 × 0.1 um (z × y × x)"
    assert frames == "frames: 2, each ZYX (4, 5, 6)"
    assert saturated == "8-bit saturation: 2 of 120 values are 255 (first frame)"
    path = hdf5(tmp_path / "i.h5", a=data)
    assert "HDF5 image TZYX (2, 4, 5, 6)" in describe(f"{path}::/g/a")[0]


REAL = {
    "confocal_beads_grid/Bead_Image1_crop.tif": ("ZYX", (0.125, 0.0224919, 0.0224919), "um"),
    "confocal_beads_grid/psf_distilled_normalised.tif": ("ZYX", NONE, None),
    "diffusercam/psf_sample.tif": ("YX", (1, 1), None),
    "epfl_bars/bars-25pct-data.tif": ("ZYX", NONE, None),
    "pyotf_psf/psf_wl520nm_z300nm_x130nm_na0.85_n1.0.tif": ("ZYX", NONE, None),
    "sdeconv/celegans.tif": ("YX", (0.0426137, 0.0426137), "um"),
    "sdeconv/pollen.tif": ("ZYX", NONE, None),
}


@pytest.mark.parametrize("name", REAL)
def test_measured_images(shared_data, name):
    axes, size, unit = REAL[name]
    with open_image(shared_data / name) as image:
        assert (image.axes, image.length_unit) == (axes, unit)
        assert image.voxel_size == pytest.approx(size, rel=1e-5)
        np.testing.assert_array_equal(image[...], tifffile.imread(shared_data / name))


def test_axes_may_be_named_where_the_file_names_them_wrongly(tmp_path):
    stack = numbers(4, 5, 6)
    path = save(tmp_path / "series.tif", stack, metadata={"axes": "TYX"})
    with open_image(path) as image:
        assert image.axes == "TYX" and len(image.frames) == 4
    with open_image(path, axes="zyx") as image:
        assert image.axes == "ZYX" and image.frames == [()]
        np.testing.assert_array_equal(image[:], stack)
    with open_image(path, axes="YXZ") as image:
        np.testing.assert_array_equal(image[:], stack.transpose(2, 0, 1))
    for axes in ("YX", "ZZX", "TZX", "Z-YX"):
        with pytest.raises(ArgumentError, match=r"3 different letters.*\(4, 5, 6\)"):
            open_image(path, axes=axes)


def test_the_voxels_of_axes_named_otherwise_are_not_guessed(tmp_path):
    path = save(
        tmp_path / "i.tif", numbers(4, 5, 6), imagej=True, resolution=(10, 10),
        metadata={"axes": "TYX", "unit": "um"},
    )  # fmt: skip
    with open_image(path) as image:
        assert image.length_unit and image.voxel_size == pytest.approx((0.1, 0.1))
    with open_image(path, axes="ZYX") as image:
        assert image.length_unit is None and image.voxel_size == (1, 1, 1)
        assert any("give it" in note for note in image.notes)
