"""HDF5 files of a few kilobytes that reach for other files, or multiply work."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange

from physrecon.errors import DataError
from physrecon.io import open_image, open_scan, open_volume

SHAPE = (VIEWS, ROWS, COLUMNS)
CANARY = 0xBEEF  # in every value of the files that are not to be read


def canary(path: Path) -> Path:
    """A raw file of the size of a scan, outside of what may be read."""
    path.write_bytes(np.full(SHAPE, CANARY, np.uint16).tobytes())
    return path


def virtual(group: h5py.Group, name: str, sources: list[tuple[str, str]], grow=False) -> None:
    """A virtual dataset of the shape of a scan, one source per (file, dataset) in equal shares.

    grow: one source per block of an unlimited axis, as patterns of names want it."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole = h5py.h5s.create_simple(SHAPE, (h5py.h5s.UNLIMITED, *SHAPE[1:]) if grow else SHAPE)
    for number, (file, dataset) in enumerate(sources):
        place = h5py.h5s.create_simple(SHAPE, whole.get_simple_extent_dims(maxdims=True))
        share = (1, *SHAPE[1:]) if len(sources) > 1 else SHAPE
        source = h5py.h5s.create_simple(share)
        if grow:
            source.select_hyperslab((0, 0, 0), (1, 1, 1), block=SHAPE)
            place.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), SHAPE, block=SHAPE)
        elif len(sources) > 1:
            place.select_hyperslab((number % VIEWS, 0, 0), (1, 1, 1), block=share)
        plist.set_virtual(place, file.encode(), dataset.encode(), source)
    kind = h5py.h5t.NATIVE_UINT16
    h5py.h5d.create(group.id, name.encode(), kind, whole, plist)


def scan_of(path: Path, sources: list[tuple[str, str]], grow=False) -> Path:
    """A scan whose projections are virtual."""
    data_exchange(path, data=None)
    with h5py.File(path, "a") as file:
        virtual(file["exchange"], "data", sources, grow)
    return path


def values(path: Path) -> np.ndarray:
    with open_scan(path) as scan:
        return scan.projections[:]


class TestPatterns:
    """HDF5 replaces %b in the names of virtual sources by 0, 1, …"""

    def test_of_datasets(self, tmp_path):
        (tmp_path / "in").mkdir()
        path = scan_of(tmp_path / "in/scan.h5", [(".", "/d%b")], grow=True)
        with h5py.File(path, "a") as file:
            file["d%b"] = counts()
            secret = [(str(canary(tmp_path / "secret")), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("d0", SHAPE, "u2", external=secret)
        with pytest.raises(DataError, match="pattern '/d%b'"):
            values(path)

    def test_of_files(self, tmp_path):
        (tmp_path / "in").mkdir()
        for name, content in (("in/src%b.h5", counts()), ("secret.h5", np.full(SHAPE, CANARY))):
            with h5py.File(tmp_path / name, "w") as file:
                file["d"] = content.astype(np.uint16)
        (tmp_path / "in/src0.h5").symlink_to(tmp_path / "secret.h5")
        path = scan_of(tmp_path / "in/scan.h5", [("src%b.h5", "/d")], grow=True)
        with pytest.raises(DataError, match=r"pattern 'src%b\.h5'"):
            values(path)

    def test_a_doubled_percent_is_a_percent(self, tmp_path):
        with h5py.File(tmp_path / "50%b.h5", "w") as file:
            file["d%b"] = counts()
        path = scan_of(tmp_path / "scan.h5", [("50%%b.h5", "/d%%b")])
        np.testing.assert_array_equal(values(path), counts())

    @pytest.mark.parametrize("name", ["%%%b", "a%%b%b"])
    def test_between_other_percents(self, tmp_path, name):
        path = scan_of(tmp_path / "scan.h5", [(".", name)], grow=True)
        with pytest.raises(DataError, match="pattern"):
            values(path)


def test_every_door_refuses_patterns(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        virtual(file, "data", [(".", "/d%b")], grow=True)
        file["d%b"] = counts()
        file.create_dataset("d0", SHAPE, "u2", external=[(str(canary(tmp_path / "s")), 0, 420)])
    for door in (open_volume, lambda path: open_image(f"{path}::/data"), open_image):
        with pytest.raises(DataError):
            door(tmp_path / "v.h5")


def test_the_shape_is_not_asked_of_sources_outside(tmp_path):
    """HDF5 opens the sources of a growing dataset to tell its shape: here a file elsewhere."""
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file.create_dataset("d", (VIEWS + 3, ROWS, COLUMNS), "u2", maxshape=(None, ROWS, COLUMNS))
    shape, grown, more = SHAPE, (None, ROWS, COLUMNS), h5py.h5s.UNLIMITED
    layout = h5py.VirtualLayout(shape, "u2", maxshape=grown)
    source = h5py.VirtualSource(str(tmp_path / "secret.h5"), "d", shape, "u2", maxshape=grown)
    layout[:more] = source[:more]
    with h5py.File(tmp_path / "in/v.h5", "w") as file:
        file["a/b"] = counts()
        file.create_virtual_dataset("a/c", layout)
    with open_image(tmp_path / "in/v.h5") as image:  # the one dataset that can be had
        assert image.shape == SHAPE
    with pytest.raises(DataError, match="allow-root"):
        open_image(f"{tmp_path}/in/v.h5::/a/c")


class TestMultiplied:
    """Names that lead to names, so that work grows as a power of the size of the file."""

    def ends(self, path: Path, *words: str) -> None:
        clock = time.monotonic()
        with pytest.raises(DataError) as raised:
            values(path)
        assert time.monotonic() - clock < 10
        assert all(word in str(raised.value) for word in words), raised.value

    def test_soft_links(self, tmp_path):
        path = data_exchange(tmp_path / "scan.h5", data=None)
        with h5py.File(path, "a") as file:
            file["l0"] = file["/"]
            for n in range(1, 15):
                file[f"l{n}"] = h5py.SoftLink(f"/l{n - 1}" * 60)
            file["exchange/data"] = h5py.SoftLink("/l14/d")
        self.ends(path, "chain of links")

    def test_many_links_of_many_steps(self, tmp_path, monkeypatch):
        monkeypatch.setattr("physrecon.io.hdf5_safety.MAX_STEPS", 5000)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["s"] = file["/"]
            for n in range(10):
                file[f"l{n}"] = h5py.SoftLink("/s" * 1000)
        self.ends(tmp_path / "a.h5", "steps along links")

    def test_virtual_datasets_by_many_names(self, tmp_path):
        path = data_exchange(tmp_path / "a.h5", data=None)
        with h5py.File(path, "a") as file:
            file["d0"] = counts()[:1]
            names = ["./" * n + "a.h5" for n in range(VIEWS)]
            for n in range(1, 15):
                plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                one = h5py.h5s.create_simple((1, ROWS, COLUMNS))
                for row, name in enumerate(names[:ROWS]):
                    place = h5py.h5s.create_simple((1, ROWS, COLUMNS))
                    place.select_hyperslab((0, row, 0), (1, 1, 1), block=(1, 1, COLUMNS))
                    plist.set_virtual(place, name.encode(), f"d{n - 1}".encode(), place)
                kind = h5py.h5t.NATIVE_UINT16
                h5py.h5d.create(file.id, f"d{n}".encode(), kind, one, plist)
            virtual(file["exchange"], "data", [(name, "/d14") for name in names])
        self.ends(path, "at most 100000 parts")

    def test_a_virtual_dataset_of_itself(self, tmp_path):
        path = scan_of(tmp_path / "a.h5", [("./" * n + "a.h5", "/exchange/data") for n in range(7)])
        self.ends(path, "contains itself")

    def test_two_of_each_other(self, tmp_path):
        path = scan_of(tmp_path / "a.h5", [(".", "/d")] * VIEWS)
        with h5py.File(path, "a") as file:
            virtual(file, "d", [("a.h5", "/exchange/data")] * VIEWS)
        self.ends(path, "contains itself")

    def test_sources_beyond_number(self, tmp_path, monkeypatch):
        monkeypatch.setattr("physrecon.io.hdf5_safety.MAX_SOURCES", 5)
        path = scan_of(tmp_path / "a.h5", [(".", "/d")] * VIEWS)
        with h5py.File(path, "a") as file:
            file["d"] = counts()[:1]
        self.ends(path, "at most 5 virtual sources")
