"""TIFF: axes, voxel sizes, lazy reading."""

from __future__ import annotations

import tracemalloc

import h5py
import numpy as np
import pytest
import tifffile
from image_files import numbers, save

from physrecon.errors import ArgumentError
from physrecon.io import open_image

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
    "planes listed from above": (imagej("um", -0.3), UM, "um", "taken as positive"),
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


def test_only_the_first_series_is_read_and_that_is_said(tmp_path, caplog, capsys):
    with tifffile.TiffWriter(tmp_path / "i.tif") as file:
        file.write(numbers(5, 6))
        file.write(numbers(7, 8))
    with open_image(tmp_path / "i.tif") as image:
        assert image.shape == (5, 6) and "first of 2" in str(image.notes)
    assert not capsys.readouterr().err


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
