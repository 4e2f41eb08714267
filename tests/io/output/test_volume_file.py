"""Volumes in other formats: one TIFF or MRC file, a folder of slices; the metadata of HDF5."""

from __future__ import annotations

import json
import os
import struct

import h5py
import numpy as np
import pytest
import tifffile
from discs import CENTER, write_scan
from volume_files import DATA, GRID, SHAPE, SLABS, WHOLE, files, write

from physrecon.cli.main import main
from physrecon.errors import ArgumentError, OutputError
from physrecon.io import open_image, open_volume
from physrecon.io.output.volume_file import VolumeFile, format_of, volume_bytes
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import run

NAMES = {"tiff": "v.tif", "mrc": "v.mrc", "slices": "v"}


def writer(path, format, slabs=SLABS, **options):
    settings = {"length_unit": "um", "configuration": {"method": "fbp", "job": "a = 1\n"}}
    return VolumeFile(path, GRID, "f4", slabs, format=format, **(settings | options))


def write_all(path, format, slabs=SLABS, only=None, **options):
    with writer(path, format, slabs, **options) as out:
        todo = [i for i in range(len(slabs)) if not out.done(i)]
        for i in todo if only is None else only:
            out.write(i, DATA[slabs[i]], {"fact": "found"} if i == 0 else None)
        if only is None:
            out.finish()
    return todo


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
@pytest.mark.parametrize("format", NAMES)
def test_each_format_reads_back(tmp_path, format, slabs):
    path = tmp_path / NAMES[format]
    write_all(path, format, slabs)
    expected = {NAMES[format]}
    if format == "slices":
        expected = {"v/volume.json", *(f"v/slice_0000{i}.tif" for i in range(7))}
    assert files(tmp_path) == expected
    with open_image(path) as image:
        np.testing.assert_array_equal(image[...], DATA)
        unit = {"mrc": "angstrom"}.get(format, "um")
        scale = {"angstrom": 1e4, "um": 1}[unit]
        assert image.axes == "ZYX" and image.length_unit == unit
        assert image.voxel_size == pytest.approx([2 * scale, scale, 1.5 * scale])


@pytest.mark.parametrize("format", NAMES)
def test_a_run_that_is_killed_goes_on(tmp_path, format):
    path = tmp_path / NAMES[format]
    write_all(path, format, only=[0, 2])
    assert not path.exists() and (tmp_path / f"{path.name}.slabs").is_dir()
    assert write_all(path, format) == [1]
    write_all(tmp_path / f"again{path.suffix}", format)
    for name in files(path) if format == "slices" else [""]:
        other = tmp_path / f"again{path.suffix}" / name
        assert other.read_bytes() == (path / name).read_bytes()
    assert all("slabs" not in name for name in files(tmp_path))


@pytest.mark.parametrize("format", NAMES)
def test_a_finished_volume_is_replaced_when_asked(tmp_path, format):
    path = tmp_path / NAMES[format]
    write_all(path, format)
    with pytest.raises(OutputError, match="--overwrite"):
        writer(path, format)
    write_all(path, format, WHOLE, overwrite=True, configuration={"method": "sirt"})
    with open_image(path) as image:
        np.testing.assert_array_equal(image[...], DATA)
    assert not [name for name in os.listdir(tmp_path) if name != path.name]


def test_a_folder_with_other_files_is_never_touched(tmp_path):
    (tmp_path / "v").mkdir()
    write_all(tmp_path / "v", "slices")
    (tmp_path / "v/mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="one with other files"):
        writer(tmp_path / "v", "slices", overwrite=True)
    (tmp_path / "v/volume.json").unlink()
    (tmp_path / "v/mine.txt").unlink()
    with pytest.raises(OutputError, match="one with other files"):
        writer(tmp_path / "v", "slices", overwrite=True)
    (tmp_path / "link").symlink_to(tmp_path / "v")
    with pytest.raises(OutputError, match="a file or a link"):
        writer(tmp_path / "link", "slices", overwrite=True)


@pytest.mark.parametrize("unit", ["um", "mm"])
def test_metadata_of_tiff(tmp_path, unit):
    """Resolution in pixels per cm; lengths of OME in µm."""
    um = {"um": 1.0, "mm": 1e3}[unit]
    write_all(tmp_path / "v", "slices", length_unit=unit)
    with tifffile.TiffFile(tmp_path / "v/slice_00003.tif") as file:
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == 3
        for name, size in (("XResolution", 1.5), ("YResolution", 1.0)):
            count, length = tags[name].value
            assert count / length == pytest.approx(1e4 / (size * um))
    stated = json.loads((tmp_path / "v/volume.json").read_text())
    assert stated["voxel_size"] == [2, 1, 1.5] and "fact found" in stated["description"]
    write_all(tmp_path / "v.ome.tif", "tiff", length_unit=unit)
    with tifffile.TiffFile(tmp_path / "v.ome.tif") as file:
        xml = file.ome_metadata
        assert f'PhysicalSizeZ="{2 * um}" PhysicalSizeZUnit="µm"' in xml
        assert "values 1/" in xml and file.pages[0].tags["ResolutionUnit"].value == 3
    write_all(tmp_path / "v.tif", "tiff", length_unit=unit)
    with tifffile.TiffFile(tmp_path / "v.tif") as file:
        assert file.imagej_metadata["spacing"] == 2 and "method fbp" in file.imagej_metadata["Info"]


def test_a_large_volume_is_one_big_tiff(tmp_path, monkeypatch):
    monkeypatch.setattr("physrecon.io.output.tiff_file.LARGEST", 100)
    write_all(tmp_path / "v.tif", "tiff")
    with tifffile.TiffFile(tmp_path / "v.tif") as file:
        assert file.is_bigtiff and file.is_ome
        np.testing.assert_array_equal(file.asarray(), DATA)


def test_metadata_of_mrc(tmp_path):
    write_all(tmp_path / "v.mrc", "mrc")
    head = (tmp_path / "v.mrc").read_bytes()[:1024]
    assert struct.unpack("<4i", head[:16]) == (5, 4, 7, 2)
    np.testing.assert_allclose(struct.unpack("<3f", head[40:52]), [7.5e4, 4e4, 14e4])
    assert head[208:212] == b"MAP " and len((tmp_path / "v.mrc").read_bytes()) == 1024 + 4 * 140
    write_all(tmp_path / "w.mrc", "mrc", length_unit=None)
    with open_image(tmp_path / "w.mrc") as image:
        assert image.length_unit is None


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_metadata_of_hdf5(tmp_path, slabs):
    """Dimension scales for xarray and MATLAB, the size of nabu in cm."""
    write(tmp_path / "v.h5", slabs)
    with h5py.File(tmp_path / "v.h5") as file:
        data = file["entry/reconstruction/results/data"]
        assert [dim.label for dim in data.dims] == ["z", "y", "x"]
        assert [dim[0].name.rpartition("/")[2] for dim in data.dims] == ["z", "y", "x"]
        assert data.dims[0][0].shape == (7,) and data.dims[0][0].is_scale
        assert data.parent["title"].asstr()[()] == "attenuation [1/um]"
        nabu = "entry/reconstruction/configuration/processing_options/reconstruction/voxel_size_cm"
        np.testing.assert_allclose(file[nabu], [2e-4, 1e-4, 1.5e-4])
    with open_volume(tmp_path / "v.h5") as volume:
        assert volume.configuration.keys() == {"method", "input"}


@pytest.mark.parametrize(
    ("name", "wanted", "format"),
    [
        ("v.h5", None, "hdf5"), ("v.tif", None, "tiff"), ("v.ome.tif", "tiff", "tiff"),
        ("v.mrc", None, "mrc"), ("v", "tiff", "slices"), ("v", "mrc", "mrc"), ("v", None, "hdf5"),
    ],
)  # fmt: skip
def test_the_format_of_a_name(tmp_path, name, wanted, format):
    assert format_of(tmp_path / name, wanted) == format
    assert volume_bytes(tmp_path / name, format, SHAPE, 3) >= DATA.nbytes


@pytest.mark.parametrize(
    ("name", "wanted"), [("v.h5", "tiff"), ("v.tif", "hdf5"), ("a.mrc", "tiff")]
)
def test_a_format_against_the_name(tmp_path, name, wanted):
    with pytest.raises(ArgumentError, match="format: expected"):
        format_of(tmp_path / name, wanted)


@pytest.mark.parametrize("output", ["v.tif", "v.mrc", "v", "folder/"])
def test_recon_writes_what_it_writes_to_hdf5(tmp_path, output, capsys):
    scan = write_scan(tmp_path / "scan.h5")
    run(ScanJob.build({"input": scan, "output": tmp_path / "v.h5", "center": CENTER}, "test"))
    words = ["recon", str(scan), "-o", f"{tmp_path}/{output}", "--center", str(CENTER)]
    words += ["--format", "tiff"] * (output == "v") + ["--slab-rows", "1"]
    (tmp_path / "folder").mkdir()
    assert main(words) == 0
    made = tmp_path / (output if output != "folder/" else "folder/scan_rec.h5")
    assert f"open with `physrecon view {made}`" in capsys.readouterr().out
    with open_volume(tmp_path / "v.h5") as volume, open_image(made) as image:
        np.testing.assert_array_equal(image[...], volume[:])
    assert main(["view", str(made), "-o", str(tmp_path / "v.png")]) == 0
    before = contents(made)
    assert main(words) == 0 and contents(made) == before  # done already
    assert main([*words, "--slices", "0:2"]) == 73 and contents(made) == before


def contents(made) -> dict:
    """Name → bytes of the files of a result."""
    files = sorted(made.iterdir()) if made.is_dir() else [made]
    return {file.name: file.read_bytes() for file in files}


def test_outputs_in_folders_by_every_door(tmp_path):
    given = {"input": "a/scan.h5::/x", "output": "out/"}
    assert str(ScanJob.build(given, "test").output) == "out/scan_rec.h5"
    assert str(ScanJob.build(given | {"format": "mrc"}, "test").output) == "out/scan_rec.mrc"
    assert str(ScanJob.build(given | {"format": "tiff"}, "test").output) == "out"
    (tmp_path / "job.toml").write_text('input = "scan.h5"\noutput = "out/"\n')
    job = ScanJob.from_toml(tmp_path / "job.toml")
    assert job.output == tmp_path / "out/scan_rec.h5"
