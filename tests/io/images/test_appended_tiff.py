"""TIFF files that grew page by page, and files read by several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import tifffile
from image_files import numbers
from PIL import Image, TiffImagePlugin

from physrecon.io import open_image


def appended(path, parts, **options):
    for part in parts:
        tifffile.imwrite(path, part, append=True, photometric="minisblack", **options)


def one_writer(path, parts, **options):
    with tifffile.TiffWriter(path) as file:
        for part in parts:
            file.write(part, photometric="minisblack", **options)


@pytest.mark.parametrize("write", [appended, one_writer])
@pytest.mark.parametrize("options", [{}, {"metadata": None}, {"compression": "zlib"}], ids=str)
def test_pages_written_one_by_one_are_planes(tmp_path, write, options):
    data = numbers(6, 5, 7)
    write(tmp_path / "i.tif", data, **options)
    with open_image(tmp_path / "i.tif") as image:
        assert (image.axes, image.shape) == ("ZYX", data.shape)
        np.testing.assert_array_equal(np.asarray(image), data)
        np.testing.assert_array_equal(image[4, 1:3], data[4, 1:3])
        assert ("6 of one shape" in str(image.notes)) == (options != {"metadata": None})


def test_stacks_written_one_by_one_are_a_series_of_stacks(tmp_path):
    data = numbers(3, 2, 5, 7)
    appended(tmp_path / "i.tif", data)
    with open_image(tmp_path / "i.tif") as image:
        assert (image.axes, image.shape) == ("TZYX", data.shape)
        np.testing.assert_array_equal(np.asarray(image), data)
        assert "not stated" in str(image.notes)


def test_unlike_series_are_not_joined_and_said(tmp_path):
    appended(tmp_path / "i.tif", [numbers(5, 7), numbers(4, 7)])
    with open_image(tmp_path / "i.tif") as image:
        assert image.shape == (5, 7)
        assert "the first of 2 is used" in str(image.notes)


def test_pages_beyond_the_metadata_are_said(tmp_path):
    path, data = tmp_path / "i.tif", numbers(3, 5, 7)
    tifffile.imwrite(path, data[0], ome=True)
    with TiffImagePlugin.AppendingTiffWriter(str(path), False) as file:
        for plane in data[1:]:
            Image.fromarray(plane).save(file, format="TIFF")
            file.newFrame()
    with open_image(path) as image:
        assert image.shape == (5, 7)
        assert "2 more are not used" in str(image.notes)


@pytest.mark.parametrize("kind", ["tif", "h5"])
def test_threads_that_share_an_image_read_their_own_planes(tmp_path, kind):
    planes = np.stack([np.full((64, 64), i, np.uint16) for i in range(240)])
    path = tmp_path / f"i.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, planes, compression="zlib", tile=(16, 16))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=planes, chunks=(3, 16, 16), compression="gzip")
    with open_image(path) as image, ThreadPoolExecutor(4) as pool:
        read = pool.map(lambda i: bool((image[i] == i).all()), [*range(240)] * 4)
        assert list(read).count(True) == 960
