"""Images in HDF5."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from image_files import hdf5, numbers, refused, save

from physrecon.errors import ArgumentError, MissingInputError
from physrecon.io import open_image


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
    with pytest.raises(ArgumentError, match="no dataset in TIFF"):
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


def nxdata(path, values, axes, signal="image", **attributes):
    """An NXdata group as silx writes it: coordinates by name, each with its unit."""
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/image")
        group.attrs.update({"NX_class": "NXdata", "signal": signal, "axes": list(axes)})
        group[signal] = values
        for name, (at, unit) in axes.items():
            group[name] = at
            group[name].attrs["units"] = unit
        group[signal].attrs.update(attributes)
    return path


def test_voxel_sizes_from_coordinates(tmp_path):
    z, y, x = 0.3 * np.arange(4), 0.1 * np.arange(5) - 7, (100 * np.arange(6)).astype("f4")
    axes = {"z": (z, "µm"), "y": (y, "um"), "x": (x, "nm")}
    with open_image(nxdata(tmp_path / "i.h5", numbers(4, 5, 6), axes)) as image:
        assert image.axes == "ZYX" and image.length_unit == "nm"
        np.testing.assert_allclose(image.voxel_size, (300, 100, 100), rtol=1e-6)
    stated = nxdata(tmp_path / "i.h5", numbers(4, 5, 6), axes, voxel_size=[1.0, 2, 3])
    with open_image(stated) as image:
        assert image.voxel_size == (1, 2, 3)
    names = {"depth": (z, "mm"), "row": (y[::-1], "mm"), "column": (x / 1e3, "mm")}
    with open_image(nxdata(tmp_path / "i.h5", numbers(4, 5, 6), names)) as image:
        assert image.axes == "ZYX" and image.length_unit == "mm" and "fall" in str(image.notes)
        np.testing.assert_allclose(image.voxel_size, (0.3, 0.1, 0.1), rtol=1e-6)
    uneven = axes | {"y": (y**2, "um")}
    with open_image(nxdata(tmp_path / "i.h5", numbers(4, 5, 6), uneven)) as image:
        assert image.length_unit is None
        assert "not even" in str(image.notes) and "none for Y" in str(image.notes)
