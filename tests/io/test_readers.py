"""A new format is one function and one line: nothing behind a reader knows HDF5."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import h5py
import hdf5plugin
import numpy as np
import pytest
from discs import CENTER, write_scan
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange

from physrecon.errors import DataError, MissingInputError, ReadError
from physrecon.io import describe, open_image, open_scan, open_volume
from physrecon.io.content import FOLDER
from physrecon.io.images import image as image_module
from physrecon.io.images.stored_image import StoredImage
from physrecon.io.scans import scan as scan_module
from physrecon.io.scans.frames import ROW_FIRST, THETA_FIRST, Frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import run

PARTS = ("data", "data_white", "data_dark", "theta")


@pytest.mark.parametrize("order", [THETA_FIRST, ROW_FIRST])
def test_frames_of_a_memmap(tmp_path, order):
    truth = counts().astype(">u2")
    stored = truth.transpose(1, 0, 2) if order == ROW_FIRST else truth
    stored.tofile(tmp_path / "raw")
    stack = np.memmap(tmp_path / "raw", ">u2", "r", shape=stored.shape)
    index = np.array([0, 1, 2, 5, 4])
    frames = Frames(stack, index, order)
    assert frames.shape == (5, ROWS, COLUMNS) and frames.chunk_rows == 1
    assert frames.dtype.isnative
    for key in (3, np.s_[1:4, 1:3], np.s_[..., ::2], np.s_[:, ::2, 1], np.s_[[4, 0, 0], 2]):
        np.testing.assert_array_equal(frames[key], truth[index][key])


def test_an_error_of_reading_names_the_stack():
    class Unplugged:
        shape, dtype, chunks = (VIEWS, ROWS, COLUMNS), np.dtype("u2"), (1, 4, 6)

        def __getitem__(self, key):
            raise OSError("no such device")

    frames = Frames(Unplugged(), np.arange(VIEWS), where="scan.raw: views")
    assert frames.chunk_rows == 4
    with pytest.raises(ReadError, match=r"scan\.raw: views: .* got no such device"):
        frames[0]


def read_folder(path, content, options):
    """A toy format: a folder with one .npy file for each part of a scan."""
    if content.kind != FOLDER or not (path / "theta.npy").is_file():
        return None
    files = tuple(path / f"{name}.npy" for name in PARTS)
    data, flats, darks, theta = (np.load(file, mmap_mode="r") for file in files)
    detector_stack(data, f"{path.name}: data")
    return ScanReading(
        kind="folder of arrays",
        projections=Frames(data, np.arange(len(data))),
        flats=Frames(flats, np.arange(len(flats))),
        darks=Frames(darks, np.arange(len(darks))),
        angles=angle_values(theta, f"{path.name}: theta", len(data)),
        angle_unit="degrees",
        notes=(f"linked files: {options.allow_root}",),
        files=files,
        close=lambda: (path / "closed").touch(),
    )


def register(monkeypatch, module, table, read):
    """Put a format into a table of readers, as if its module `toy` lay beside the others."""
    package = module.__name__.rpartition(".")[0]
    monkeypatch.setitem(sys.modules, f"{package}.toy", SimpleNamespace(read=read))
    monkeypatch.setattr(module, table, ("toy", *getattr(module, table)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The scan of scan.h5, in the toy format, which `open_scan` knows."""
    with h5py.File(write_scan(tmp_path / "scan.h5")) as file:
        (tmp_path / "scan").mkdir()
        for name in PARTS:
            np.save(tmp_path / "scan" / f"{name}.npy", file[f"exchange/{name}"][()])
    register(monkeypatch, scan_module, "SCAN_READERS", read_folder)
    return tmp_path / "scan"


def test_a_toy_format_is_reconstructed_as_any_other(folder):
    for name in ("scan", "scan.h5"):
        path = folder.with_name(name)
        run(ScanJob.build({"input": path, "output": f"{path}-volume.h5", "center": CENTER}, "test"))
    with open_volume(f"{folder}-volume.h5") as ours, open_volume(f"{folder}.h5-volume.h5") as hdf5:
        assert np.array_equal(ours[:], hdf5[:]) and ours[:].max() > 0
        (mine, theirs) = (v.configuration["input_fingerprint"] for v in (ours, hdf5))
    assert mine != theirs
    assert "folder of arrays, 90 views" in describe(folder)[0]


def test_a_toy_scan_has_files_a_fingerprint_and_an_end(folder):
    with open_scan(folder, allow_root="elsewhere") as scan:
        assert scan.files == tuple(folder / f"{name}.npy" for name in PARTS)
        assert scan.notes == ["linked files: elsewhere"]
        first = scan.fingerprint()
        assert not (folder / "closed").exists()
    assert (folder / "closed").exists()
    np.save(folder / "data_dark.npy", np.zeros((1, 3, 48), np.uint16))
    with open_scan(folder) as scan:
        assert scan.fingerprint() != first


def test_a_scan_whose_angles_have_no_unit_is_closed(folder, monkeypatch):
    np.save(folder / "theta.npy", np.linspace(0, 3, 90))

    def unitless(*arguments):
        return replace(read_folder(*arguments), angle_unit="")

    register(monkeypatch, scan_module, "SCAN_READERS", unitless)
    with pytest.raises(DataError, match="expected a unit"):
        open_scan(folder)
    assert (folder / "closed").exists()


def test_content_that_no_reader_knows(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="got a folder"):
        open_scan(tmp_path / "empty")
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b0")
    for opener in (open_scan, open_image, describe):
        with pytest.raises(DataError, match="got a gzip archive; unpack it with gunzip"):
            opener(tmp_path / "a.gz")


def test_hdf5_may_begin_after_a_block_of_the_users(tmp_path):
    data_exchange(tmp_path / "plain.h5")
    late = h5py.File(tmp_path / "late.h5", "w", userblock_size=1024)
    with h5py.File(tmp_path / "plain.h5") as plain, late:
        plain.copy("exchange", late)
    with open_scan(tmp_path / "late.h5") as scan:
        np.testing.assert_array_equal(scan.projections[:], counts())


def test_a_toy_image_format(tmp_path, monkeypatch):
    def read(path, content, dataset):
        if content.kind != "a netCDF-3 file":
            return None
        values = np.frombuffer(path.read_bytes(), np.uint16, offset=4).reshape(counts().shape)
        dtype = values.dtype
        image = StoredImage(
            path, "raw", "QYX", values.shape, dtype, values.__getitem__, lambda: None
        )
        return image.with_named_axes()

    register(monkeypatch, image_module, "IMAGE_READERS", read)
    (tmp_path / "a.nc").write_bytes(b"CDF\1" + counts().tobytes())
    with open_image(tmp_path / "a.nc", axes="TYX") as image:
        assert image.axes == "TYX" and len(image.frames) == VIEWS
        np.testing.assert_array_equal(image.read((2,)), counts()[2])


def test_plugins_of_hdf5_are_loaded_for_a_filter_that_needs_one(tmp_path):
    """In a process of their own, for a filter stays registered."""
    plain = data_exchange(tmp_path / "plain.h5", data=None)
    packed = data_exchange(tmp_path / "packed.h5", data=None)
    for path, options in ((plain, {"compression": "gzip"}), (packed, hdf5plugin.Blosc2())):
        with h5py.File(path, "a") as file:
            file.create_dataset("exchange/data", data=counts(), chunks=(2, 3, 3), **options)
    code = (
        "import json, sys; from physrecon.io import open_scan\n"
        "for path in sys.argv[1:]:\n"
        "    with open_scan(path) as scan:\n"
        "        total = int(scan.projections[:].sum())\n"
        "    print(json.dumps([total, 'hdf5plugin' in sys.modules]))\n"
    )
    command = [sys.executable, "-c", code, str(plain), str(packed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    total = int(counts().sum())
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [total, False],
        [total, True],
    ]
