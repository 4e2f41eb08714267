"""What holds for every format; measured images."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from image_files import hdf5, numbers, refused, save

from physrecon.errors import MissingInputError
from physrecon.io import defects, describe, open_image


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "i.tif"
    path.write_text("hello")
    refused(path, "TIFF, PNG, JPEG, HDF5", "another kind", "FILE::100,512,512:uint16")
    with pytest.raises(MissingInputError, match="image"):
        open_image(tmp_path / "absent.tif")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "expected one series of numbered images, got none")


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
    assert size == "voxel size: 0.3 × 0.1 × 0.1 µm (z × y × x)"
    assert frames == "frames: 2, each ZYX (4, 5, 6)"
    assert saturated == "8-bit saturation: 2 of 120 values are 255 (first frame)"
    path = hdf5(tmp_path / "i.h5", a=data)
    assert "HDF5 image TZYX (2, 4, 5, 6)" in describe(f"{path}::/g/a")[0]


REAL = {
    "confocal_beads_grid/Bead_Image1_crop.tif": ("ZYX", (0.125, 0.0224919, 0.0224919), "um"),
    "confocal_beads_grid/psf_distilled_normalised.tif": ("ZYX", (1, 1, 1), None),
    "diffusercam/psf_sample.tif": ("YX", (1, 1), None),
    "epfl_bars/bars-25pct-data.tif": ("ZYX", (1, 1, 1), None),
    "pyotf_psf/psf_wl520nm_z300nm_x130nm_na0.85_n1.0.tif": ("ZYX", (1, 1, 1), None),
    "sdeconv/celegans.tif": ("YX", (0.0426137, 0.0426137), "um"),
    "sdeconv/pollen.tif": ("ZYX", (1, 1, 1), None),
}


@pytest.mark.parametrize("name", REAL)
def test_measured_images(shared_data, name):
    axes, size, unit = REAL[name]
    with open_image(shared_data / name) as image:
        assert (image.axes, image.length_unit) == (axes, unit)
        assert image.voxel_size == pytest.approx(size, rel=1e-5)
        np.testing.assert_array_equal(image[...], tifffile.imread(shared_data / name))
