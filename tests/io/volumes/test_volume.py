"""Volumes in again, ours and others."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_files import data_exchange
from volume_files import DATA, SHAPE, SLABS, WHOLE, write

from physrecon.errors import DataError, MissingInputError
from physrecon.io import describe, open_image, open_scan, open_volume, write_image


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_open_volume_gives_back_what_was_written(tmp_path, slabs):
    write(tmp_path / "v.h5", slabs)
    with open_volume(tmp_path / "v.h5") as volume:
        assert (volume.shape, volume.dtype, len(volume)) == (SHAPE, np.dtype("f4"), 7)
        assert volume.voxel_size == (2.0, 1.0, 1.5) and volume.length_unit == "um"
        assert volume.configuration == {"method": "fbp", "input": "scan.h5 1234"}
        np.testing.assert_array_equal(volume[2:5, 1], DATA[2:5, 1])
        np.testing.assert_array_equal(np.asarray(volume), DATA)
    text = "\n".join(describe(tmp_path / "v.h5"))
    assert "reconstructed volume (7, 4, 5) float32" in text and "2 × 1 × 1.5 µm" in text
    with pytest.raises(DataError, match="reconstructed volume"):
        open_scan(tmp_path / "v.h5")


def test_open_volume_reads_others_and_refuses_the_rest(tmp_path):
    other = tmp_path / "o.h5"
    with h5py.File(other, "w") as file:
        file["data"] = DATA.astype("f8")
    with open_volume(other) as volume:
        assert volume.voxel_size == (1, 1, 1) and volume.length_unit is None
        assert volume[0].dtype == np.float64
    with h5py.File(other, "w") as file:
        file["picture"] = DATA[0]
    with pytest.raises(DataError, match="expected a volume"):
        open_volume(other)
    with pytest.raises(MissingInputError):
        open_volume(tmp_path / "absent.h5")


def test_a_missing_slab_is_reported_and_never_reads_as_air(tmp_path):
    write(tmp_path / "v.h5")
    (tmp_path / "v.h5.slabs/00001.h5").unlink()
    with pytest.raises(DataError, match=r"00001\.h5"):
        open_volume(tmp_path / "v.h5")
    with pytest.raises(DataError, match=r"00001\.h5"):
        describe(tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5") as file:
        assert np.isnan(file["data"][3:6]).all()
    with pytest.raises(DataError, match="one slab of an unfinished or virtual volume"):
        describe(tmp_path / "v.h5.slabs/00000.h5")


def readers_refuse(path: Path, words: str) -> None:
    for read in (open_volume, open_image, describe):
        with pytest.raises(DataError, match=words):
            read(path)


def test_a_volume_moved_without_its_slabs_is_refused_and_says_what_belongs_to_it(tmp_path):
    write(tmp_path / "v.h5")
    (tmp_path / "there").mkdir()
    moved = Path(shutil.copy(tmp_path / "v.h5", tmp_path / "there"))
    readers_refuse(moved, r"expected 3 slab files beside it, got 0: v\.h5\.slabs/00000\.h5 is")
    with h5py.File(moved) as file:  # what other programs show beside the NaN
        assert b"3 files in v.h5.slabs; move or copy that folder" in file["data"].attrs["stored_in"]
    shutil.copytree(tmp_path / "v.h5.slabs", tmp_path / "there/v.h5.slabs")
    with open_volume(moved) as volume, open_image(moved) as image:
        np.testing.assert_array_equal(volume[:], DATA)
        np.testing.assert_array_equal(image.read(), DATA)
    assert any("3 slab files beside it, all present" in line for line in describe(moved))


@pytest.mark.parametrize("harm", ["another volume", "exchanged"])
def test_slabs_that_are_not_its_own_are_refused(tmp_path, harm):
    """They have the right names and shapes."""
    write(tmp_path / "v.h5")
    folder = tmp_path / "v.h5.slabs"
    if harm == "exchanged":
        shutil.move(folder / "00000.h5", folder / "x")
        shutil.move(folder / "00001.h5", folder / "00000.h5")
        shutil.move(folder / "x", folder / "00001.h5")
    else:
        write(tmp_path / "w.h5", configuration={"method": "sirt"})
        shutil.copytree(tmp_path / "w.h5.slabs", folder, dirs_exist_ok=True)
    readers_refuse(tmp_path / "v.h5", r"expected slab 0 of this volume in v\.h5\.slabs/00000\.h5")


def test_a_volume_in_slabs_becomes_one_file(tmp_path):
    """As the guide advises before a volume is handed on."""
    write(tmp_path / "v.h5")
    with open_volume(tmp_path / "v.h5") as volume:
        write_image(tmp_path / "one.h5", volume, "ZYX", volume.voxel_size, volume.length_unit)
    (tmp_path / "v.h5").unlink()
    shutil.rmtree(tmp_path / "v.h5.slabs")
    with open_volume(tmp_path / "one.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)
        assert volume.voxel_size == (2.0, 1.0, 1.5) and volume.length_unit == "um"


def test_a_scan_is_no_volume_by_accident(tmp_path):
    """`/exchange/data` serves both; `info` tells them apart by the angles."""
    path = data_exchange(tmp_path / "scan.h5")
    assert "Data Exchange" in describe(path)[0]


@pytest.mark.parametrize("name", ["50%bin.h5", "a%%b.h5", "%d%s.h5"])
def test_a_name_with_a_percent_sign(tmp_path, name):
    write(tmp_path / name)
    with open_volume(tmp_path / name) as volume:
        np.testing.assert_array_equal(volume[:], DATA)
    with h5py.File(tmp_path / name) as file:  # what other programs see
        np.testing.assert_array_equal(file["data"][()], DATA)


def test_voxel_size_of_a_volume_with_coordinates_alone(tmp_path):
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((3, 5, 7))
        file.attrs.update({"NX_class": "NXdata", "signal": "data", "axes": ["z", "y", "x"]})
        for name, n, step in zip("zyx", (3, 5, 7), (2.0, 0.5, 0.25), strict=True):
            file[name] = step * np.arange(n)
            file[name].attrs["units"] = "micrometer"
    with open_volume(path) as volume:
        assert volume.voxel_size == (2.0, 0.5, 0.25) and volume.length_unit == "um"
