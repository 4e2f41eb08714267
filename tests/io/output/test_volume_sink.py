"""Volumes out: the layout, what is refused, what a full disk leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from volume_files import DATA, GRID, MANY, SHAPE, SLABS, WHOLE, files, write, writer

from physrecon.errors import (
    ArgumentError,
    DataError,
    Interrupted,
    OutputError,
    PhysreconError,
    WriteError,
)
from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter, open_volume, stored_bytes


@pytest.mark.parametrize(("slabs", "expected"), [(WHOLE, {"v.h5"}), (SLABS, MANY)])
def test_layout_opens_in_viewers(tmp_path, slabs, expected):
    write(tmp_path / "v.h5", slabs)
    assert files(tmp_path) == expected
    with h5py.File(tmp_path / "v.h5") as file:
        node = file
        while "default" in node.attrs:  # the way a NeXus viewer finds what to plot
            node = node[node.attrs["default"]]
        assert node.name == "/entry/reconstruction/results"
        assert node.attrs["NX_class"] == "NXdata" and file["entry"].attrs["NX_class"] == "NXentry"
        data = node[node.attrs["signal"]]
        assert list(node.attrs["axes"]) == ["z", "y", "x"]
        assert data.attrs["interpretation"] == "image" and data.attrs["units"] == "1/um"
        for axis, (name, pitch) in enumerate(zip("zyx", (2.0, 1.0, 1.5), strict=True)):
            n = SHAPE[axis]
            np.testing.assert_allclose(node[name], (np.arange(n) - (n - 1) / 2) * pitch)
            assert node[name].attrs["units"] == "um"
        for place in (data, file["exchange/data"], file["data"]):
            np.testing.assert_array_equal(place[:], DATA)
        assert file["entry/reconstruction/configuration/method"].asstr()[()] == "fbp"
        if slabs is SLABS:
            assert data.is_virtual and np.isnan(data.fillvalue)
            assert all(not Path(s.file_name).is_absolute() for s in data.virtual_sources())
        else:
            assert data.fletcher32 and data.compression is None


def test_a_volume_may_move_with_its_slabs(tmp_path):
    write(tmp_path / "v.h5")
    (tmp_path / "elsewhere").mkdir()
    for name in ("v.h5", "v.h5.slabs"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    with open_volume(tmp_path / "elsewhere/v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_finished_output_is_refused_until_overwritten(tmp_path, slabs):
    path = tmp_path / "v.h5"
    write(path, slabs)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite") as raised:
        writer(path, slabs)
    assert raised.value.exit_code == 73 and path.read_bytes() == before
    write(path, slabs, overwrite=True, configuration={"method": "sirt"})
    with open_volume(path) as volume:
        assert volume.configuration == {"method": "sirt"}


def test_overwriting_many_slabs_by_one_leaves_no_old_slabs(tmp_path):
    write(tmp_path / "v.h5", SLABS)
    write(tmp_path / "v.h5", WHOLE, overwrite=True)
    assert files(tmp_path) == {"v.h5"}
    write(tmp_path / "v.h5", SLABS, overwrite=True)
    assert files(tmp_path) == MANY


def test_overwriting_touches_nothing_before_the_first_slab_is_there(tmp_path):
    write(tmp_path / "v.h5")
    with (
        pytest.raises(DataError),
        writer(tmp_path / "v.h5", overwrite=True, configuration={}) as out,
    ):
        assert not out.done(0)
        raise DataError("all-NaN")
    with open_volume(tmp_path / "v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


@pytest.mark.parametrize("name", ["", "absent/v.h5", "/proc/v.h5", "v.h5"])
def test_places_that_cannot_be_written(tmp_path, name):
    if name == "v.h5":
        (tmp_path / "v.h5.slabs").write_text("in the way")
    if name.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("no read-only folder here")
    with pytest.raises(OutputError) as raised:
        writer(tmp_path / name)
    assert raised.value.exit_code == 73 and "expected" in str(raised.value)


def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="permissions"):
            writer(tmp_path / "v.h5")
    finally:
        tmp_path.chmod(0o755)


def test_too_little_space_is_said_before_the_run(tmp_path):
    with pytest.raises(OutputError, match="PB of free space"):
        VolumeWriter(tmp_path / "v.h5", Grid((10**6, 10**5, 10**5)), "f4", [slice(0, 10**6)])
    assert files(tmp_path) == set()


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_a_full_disk_leaves_no_half_written_file(tmp_path, monkeypatch, slabs):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        pytest.raises(WriteError, match="No space left") as raised,
        writer(tmp_path / "v.h5", slabs) as out,
    ):
        if len(slabs) > 1:
            out.write(0, DATA[slabs[0]])
        monkeypatch.setattr(os, "fsync", full)
        out.write(len(slabs) - 1, DATA[slabs[-1]])
    assert raised.value.exit_code == 74
    kept = {"v.h5.slabs/job.json", "v.h5.slabs/00000.h5"} if len(slabs) > 1 else set()
    assert files(tmp_path) == kept
    monkeypatch.undo()
    write(tmp_path / "v.h5", slabs)


@pytest.mark.parametrize(
    ("error", "kept"), [(DataError, 0), (Interrupted, 2), (KeyboardInterrupt, 2), (WriteError, 2)]
)
def test_errors_in_the_data_leave_nothing_and_stops_leave_finished_slabs(tmp_path, error, kept):
    with pytest.raises(error), writer(tmp_path / "v.h5") as out:
        out.write(0, DATA[:3])
        out.write(1, DATA[3:6])
        raise error("stop")
    assert sum(name.endswith(".h5") for name in files(tmp_path)) == kept
    assert (tmp_path / "v.h5.slabs").exists() == bool(kept)


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    write(tmp_path / "v.h5")
    assert files(tmp_path) == MANY


@pytest.mark.parametrize(
    ("shape", "slabs"), [((2, 640, 641), 1), ((3, 640, 640), 3), ((2, 1025, 2100), 1)]
)
def test_a_volume_takes_the_room_that_is_foretold(tmp_path, shape, slabs):
    cuts = [slice(i * shape[0] // slabs, (i + 1) * shape[0] // slabs) for i in range(slabs)]
    with VolumeWriter(tmp_path / "v.h5", Grid(shape), "f4", cuts) as out:
        for i, rows in enumerate(cuts):
            out.write(i, np.ones((rows.stop - rows.start, *shape[1:]), "f4"))
        out.finish()
    real = sum((tmp_path / name).stat().st_size for name in files(tmp_path))
    assert real == pytest.approx(stored_bytes(shape, "f4", slabs), rel=0.01)
    assert real < 1.02 * 4 * np.prod(shape)


def test_misuse_is_an_argument_error(tmp_path):
    path = tmp_path / "v.h5"
    for slabs in ([slice(0, 3)], [slice(0, 3), slice(4, 7)], []):
        with pytest.raises(ArgumentError):
            writer(path, slabs)
    with pytest.raises(ArgumentError, match="float"):
        VolumeWriter(path, GRID, "i4", SLABS)
    with pytest.raises(ArgumentError, match="slab 1"), writer(path) as out:
        out.write(1, DATA)
    with pytest.raises(PhysreconError, match="all 3 slabs"), writer(path) as out:
        out.finish()
    assert files(tmp_path) == set()


def test_float64_is_kept(tmp_path):
    data = DATA.astype("f8")
    with VolumeWriter(tmp_path / "v.h5", Grid(SHAPE), "f8", WHOLE) as out:
        out.write(0, data)
        out.finish()
    with open_volume(tmp_path / "v.h5") as volume:
        assert volume.dtype == np.float64 and (volume[:] == data).all()
        assert volume.voxel_size == (1, 1, 1) and volume.length_unit is None


def test_a_part_knows_its_place(tmp_path):
    grid = Grid((17, 4, 5), GRID.pitch, (0.0, 0.5, -20.0)).part(slice(10, None))
    write(tmp_path / "v.h5", grid=grid)
    with h5py.File(tmp_path / "v.h5") as file:
        z, y, x = (file[f"entry/reconstruction/results/{name}"][()] for name in "zyx")
    np.testing.assert_array_equal(z, (np.arange(17)[10:] - 8) * 2.0)
    np.testing.assert_array_equal(y, np.arange(4) - 1.0)
    np.testing.assert_array_equal(x, (np.arange(5) - 2) * 1.5 - 20)
