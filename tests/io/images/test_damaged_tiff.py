"""TIFF files that are damaged, lie, or hold what we do not read."""

from __future__ import annotations

import struct
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from image_files import numbers, refused, save

from physrecon.errors import PhysreconError
from physrecon.io import open_image

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


def tag(path, page, number, value, kind=None):
    """Overwrite the first value of a tag with one value in it, and its type."""
    offset, end = directories(path)[page]
    content = path.read_bytes()
    places = range(offset + 2, end, 12)
    (place,) = (p for p in places if struct.unpack("<H", content[p : p + 2])[0] == number)
    overwrite(path, place + 8, struct.pack("<I", value))
    if kind is not None:
        overwrite(path, place + 2, struct.pack("<H", kind))


@pytest.mark.parametrize("number", [256, 257, 273, 278, 279])
@pytest.mark.parametrize("kind", [5, 11, 12, 2])  # rational, float, double, text
def test_sizes_and_positions_that_are_no_whole_numbers(tmp_path, number, kind):
    for metadata in (None, {"axes": "ZYX"}):
        options = {"imagej": True} if metadata else {"metadata": None}
        path = save(tmp_path / f"{bool(metadata)}.tif", numbers(3, 20, 30), **options)
        tag(path, 0, number, 8, kind)
        refused(path, f"whole number in tag {number}")


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


def test_lzw_without_its_library_names_the_extra(tmp_path):
    if find_spec("imagecodecs") is not None:
        pytest.skip("imagecodecs is installed (extra [images]): LZW is read")
    path = save(tmp_path / "i.tif", numbers(5, 6, dtype="u1"), metadata=None, compression="zlib")
    tag(path, 0, 259, 5)  # LZW
    refused(path, "LZW", "pip install imagecodecs", "[images]")


@pytest.mark.parametrize("compression", ["lzw", "jpeg2000", "zstd", "packbits"])
def test_packed_planes_are_read_with_the_extra(tmp_path, compression):
    reason = "imagecodecs is not installed (extra [images])"
    pytest.importorskip("imagecodecs", reason=reason)
    data = numbers(3, 20, 30)
    path = save(tmp_path / "i.tif", data, metadata=None, compression=compression)
    with open_image(path) as image:
        np.testing.assert_array_equal(image[...], data)


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
