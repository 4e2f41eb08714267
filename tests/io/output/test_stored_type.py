"""Volumes in fewer bits: value = slope · stored + offset, in every format, and nothing clipped
in silence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

import physrecon as pr
from physrecon.cli.main import main
from physrecon.errors import DataError
from physrecon.geometry.grid import Grid
from physrecon.io.output.stored_type import StoredType, in_parts
from physrecon.io.output.volume_file import VolumeFile

DICE = np.random.default_rng(1)


def coded(values, dtype, limits=None):
    kind = StoredType(np.dtype(dtype), limits)
    coding = kind.coded(part for _, part in in_parts(values, 100))
    return coding, coding.stored(values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 3e7])
def test_integers_are_off_by_half_a_step_at_most(dtype, unit):
    values = (unit * DICE.normal(0.3, 1, (5, 9, 11))).astype(np.float32)
    coding, stored = coded(values, dtype)
    back = stored.astype(np.float64) * coding.slope + coding.offset
    assert stored.dtype == dtype and stored.min() == 0 and stored.max() == np.iinfo(dtype).max
    assert abs(back - values).max() <= 0.5001 * coding.slope
    assert coding.slope == pytest.approx(np.ptp(values.astype(float)) / np.iinfo(dtype).max)
    assert "clipped" not in coding.facts("1/mm")


def test_a_stated_range_clips_and_counts():
    values = np.linspace(-1, 3, 401, dtype=np.float32).reshape(1, 1, 401)
    coding, stored = coded(values, "uint8", (0.0, 2.0))
    assert stored[0, 0, 0] == 0 and stored[0, 0, -1] == 255
    assert coding.facts("1/mm")["clipped"] == "100 values below and 100 above the range, of 401"


@pytest.mark.parametrize("peak, slope", [(0.5, 1.0), (6e4, 1.0), (3e-6, 2.0**-19), (1e9, 2.0**29)])
def test_half_floats_keep_ten_bits(peak, slope):
    values = (peak * DICE.uniform(-1, 1, (3, 40, 40))).astype(np.float32)
    values[0, 0, 0] = peak
    coding, stored = coded(values, "float16")
    assert coding.slope == slope
    back = stored.astype(np.float64) * coding.slope
    assert abs(back - values).max() <= 2.0**-11 * peak


def test_constants_and_values_that_are_not_finite():
    coding, stored = coded(np.full((2, 3, 4), 7.5, np.float32), "uint16")
    assert (stored * coding.slope + coding.offset == 7.5).all()
    with pytest.raises(DataError, match="finite"):
        coded(np.array([[[1, np.nan]]], np.float32), "uint8")


# Files ----------------------------------------------------------------------------------------

GRID = Grid((6, 9, 11), (0.2, 0.1, 0.1), (0.7, 0, 0))
VALUES = DICE.normal(0.3, 1, GRID.shape).astype(np.float32)
SLABS = {1: [slice(0, 6)], 3: [slice(0, 2), slice(2, 5), slice(5, 6)]}


def write(path, format, dtype, slabs=3, limits=None):
    stored = StoredType(np.dtype(dtype), limits)
    settings = (GRID, "f4", SLABS[slabs], "mm", {"job": "j"})
    with VolumeFile(path, *settings, format=format, stored=stored) as out:
        for number, rows in enumerate(SLABS[slabs]):
            out.write(number, VALUES[rows])
        out.finish()
        return out.facts


def mrc(path):
    content = Path(path).read_bytes()
    nx, ny, nz, mode = np.frombuffer(content, "<i4", 4)
    labels = content[224:1024].decode("ascii")
    value = re.search(r"value = (\S+) \* stored \+ (\S+) 1/mm", labels)
    values = np.frombuffer(content, {6: "<u2", 12: "<f2"}[mode], offset=1024).reshape(nz, ny, nx)
    return values * float(value[1]) + float(value[2]) if value else values


def one_tiff(path):
    with tifffile.TiffFile(path) as file:
        facts = file.imagej_metadata
        assert facts["cf"] == 0 and facts["vunit"] == "1/mm"
        return file.asarray() * facts["c1"] + facts["c0"]


def slices(path):
    facts = json.loads(Path(path, "volume.json").read_text())
    raw = np.stack([tifffile.imread(f"{path}/slice_{i:05d}.tif") for i in range(6)])
    return raw * facts.get("slope", 1) + facts.get("offset", 0)


def hdf5(path):
    with pr.open_volume(path) as volume:
        assert volume.dtype == np.float32 and volume[0].dtype == np.float32
        return volume[:]


READERS = {"v.h5": hdf5, "v.tif": one_tiff, "v.mrc": mrc, "v": slices}


FORMATS = {"v.h5": "hdf5", "v.tif": "tiff", "v.mrc": "mrc", "v": "slices"}


@pytest.mark.parametrize("slabs", SLABS)
@pytest.mark.parametrize("name, dtype", [
    ("v.h5", "uint8"), ("v.h5", "float16"), ("v.tif", "uint16"), ("v.mrc", "uint16"),
    ("v.mrc", "float16"), ("v", "uint8"),
])  # fmt: skip
def test_each_format_gives_the_values_back(name, dtype, slabs, here):
    facts = write(name, FORMATS[name], dtype, slabs)
    assert facts["stored"].startswith(f"{dtype}, value = ") and "1/mm" in facts["stored"]
    back = READERS[name](name)
    step = np.ptp(VALUES) / {"uint8": 255, "uint16": 65535}.get(dtype, 2048)
    assert back.shape == VALUES.shape and abs(back - VALUES).max() <= 0.51 * step
    assert [path.name for path in here.iterdir()] == [name]  # the slabs are gone


def test_xarray_and_h5py_see_the_scale_and_the_heights(here):
    write("v.h5", "hdf5", "uint16")
    with h5py.File("v.h5") as file:
        data = file["/entry/reconstruction/results/data"]
        assert data.dtype == np.uint16 and data.attrs["units"] == "1/mm"
        back = data[:] * data.attrs["scale_factor"] + data.attrs["add_offset"]
        assert abs(back - VALUES).max() <= 0.51 * data.attrs["scale_factor"]
        assert file["/entry/reconstruction/results/z"][:] == pytest.approx(GRID.axis(0))
        assert "uint16" in file["/entry/reconstruction/configuration/stored"].asstr()[()]


def test_a_range_that_is_too_narrow_is_counted(here):
    facts = write("v.h5", "hdf5", "uint8", limits=(0.0, 1.0))
    below, above = int((VALUES < 0).sum()), int((VALUES > 1).sum())
    assert facts["clipped"].startswith(f"{below} values below and {above} above the range")
    assert hdf5("v.h5").min() == 0 and hdf5("v.h5").max() == pytest.approx(1)


def test_a_run_says_the_scale_and_what_is_clipped(here, capsys):
    pr.datasets.simulate_scan("s.h5", (3, 16, 16), views=8, center=7.5)
    command = ["recon", "s.h5", "--center", "7.5", "-o", "v.h5", "--slab-rows", "2"]
    assert main([*command, "--out-dtype", "uint8", "--out-range", "0:1e-3"]) == 0
    said = "".join(capsys.readouterr())
    assert "stored as uint8, value = 3.92156863e-06 × stored in 1/mm" in said
    assert "above the range" in said and "uint8, 1/mm — open with" in said


def test_screens_show_micrometres(here, capsys):
    pr.datasets.simulate_scan("s.h5", (2, 16, 16), views=8, center=7.5)
    command = ["recon", "s.h5", "--center", "7.5", "--pixel-size", "0.65um", "--out-dtype"]
    assert main([*command, "uint8", "-o", "v.h5"]) == 0
    assert main(["convert", "v.h5", "-o", "v.tif", "--out-dtype", "uint16"]) == 0
    assert main(["info", "v.tif"]) == 0
    said = "".join(capsys.readouterr())
    assert said.count(" in 1/µm") == 3 and "1/um" not in said


@pytest.mark.parametrize("words, message", [
    ("-o v.mrc --out-dtype uint8", "expected uint16, float16 or float32 for MRC"),
    ("-o v.tif --out-dtype float16", "expected uint8, uint16 or float32 for one TIFF"),
    ("-o v.h5 --out-range 0:1", "add --out-dtype uint16"),
    ("-o v.h5 --out-dtype uint8 --out-range 1:0", "LO:HI with LO < HI"),
])  # fmt: skip
def test_what_cannot_be_stored_is_refused_before_the_run(words, message, here, capsys):
    pr.datasets.simulate_scan("s.h5", (2, 16, 16), views=8, center=7.5)
    assert main(["recon", "s.h5", "--center", "7.5", *words.split()]) == 64
    assert message in capsys.readouterr().err
