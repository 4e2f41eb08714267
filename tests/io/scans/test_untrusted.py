"""Files that lie, are damaged, half-written, or reach for what is not theirs."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange, nexus, told

from physrecon.errors import DataError, MissingInputError
from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter, open_scan


def refused(path: Path, *words: str, **options) -> None:
    """The scan is refused as bad data, by name and with a hint; `info` says the same."""
    with pytest.raises(DataError) as raised:
        open_scan(path, **options)
    message = str(raised.value)
    assert path.name in message and "expected" in message and "got" in message, message
    assert all(word in message for word in words), message
    assert all(part in told(path) for part in words)


def replace_data(path: Path, create) -> Path:
    """A sound scan whose /exchange/data is made by `create(group)`."""
    data_exchange(path)
    with h5py.File(path, "a") as file:
        del file["exchange/data"]
        create(file["exchange"])
    return path


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"hello, this is text\n" * 20, "another kind"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_not_hdf5(tmp_path, content, kind):
    path = tmp_path / "scan.h5"
    path.write_bytes(content)
    refused(path, kind, "git lfs pull" if kind == "Git LFS" else "convert")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"MATLAB 5.0 MAT-file, Platform" + b" " * 200, "MATLAB"),
        (b"PK\3\4" + bytes(300), "NumPy"),
    ],
)
def test_cut_files_of_arrays(tmp_path, content, kind):
    path = tmp_path / "scan.h5"
    path.write_bytes(content)
    refused(path, f"sound {kind} file", "copy it again")


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.95])
def test_truncated(tmp_path, fraction):
    path = data_exchange(tmp_path / "scan.h5", data=counts(50))
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    refused(path, "copy it again")


@pytest.mark.parametrize("signature", [b"SNOD", b"HEAP", b"TREE"])
def test_damaged_insides(tmp_path, signature):
    for path in (data_exchange(tmp_path / "a.h5"), nexus(tmp_path / "a.nxs", [1, 0, 0, 2])):
        path.write_bytes(path.read_bytes().replace(signature, b"XXXX"))
        refused(path, "copy it again")


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "scan.h5")
    with pytest.raises(MissingInputError, match="pipe"):
        open_scan(tmp_path / "scan.h5")


def test_unreadable(tmp_path):
    path = data_exchange(tmp_path / "scan.h5")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MissingInputError, match="permissions"):
        open_scan(path)


def test_external_raw_storage_is_refused(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(VIEWS * ROWS * COLUMNS * 2))

    def create(group):
        where = [(str(secret), 0, h5py.h5f.UNLIMITED)]
        group.create_dataset("data", (VIEWS, ROWS, COLUMNS), "u2", external=where)

    refused(replace_data(tmp_path / "scan.h5", create), "external raw storage", "secret.bin")


def test_no_other_text_of_the_file_is_read_from_elsewhere(tmp_path):
    """A definition or a setting could otherwise show any file of the machine in `info`."""
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    where = [(str(secret), 0, 8)]
    scan, volume = tmp_path / "a.nxs", tmp_path / "v.h5"
    nexus(scan, [1, 0, 0, 2], definition=None)
    with h5py.File(scan, "a") as file:
        file["entry"].create_dataset("definition", (1,), "S8", external=where)
    with VolumeWriter(volume, Grid((1, 2, 2)), "f4", [slice(0, 1)]) as out:
        out.write(0, np.zeros((1, 2, 2)))
        out.finish()
    with h5py.File(volume, "a") as file:
        settings = file["entry/reconstruction/configuration"]
        settings.create_dataset("method", (1,), "S8", external=where)
    for path in (scan, volume):
        text = told(path)
        assert "external raw storage" in text and "password" not in text


@pytest.mark.parametrize("chunks", [None, (1, 1000, 1000)])
def test_a_declared_shape_beyond_all_memory(tmp_path, chunks):
    def create(group):
        group.create_dataset("data", (10**6, 10**6, 10**6), "f4", chunks=chunks)

    path = replace_data(tmp_path / "scan.h5", create)
    assert path.stat().st_size < 100_000
    refused(path, "declared shape (1000000, 1000000, 1000000)")


def test_a_huge_list_of_angles_is_not_read(tmp_path):
    """A terabyte of zeros compresses well; its length is compared before it is read."""
    path = data_exchange(tmp_path / "scan.h5", theta=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("exchange/theta", data=np.zeros(10**6), compression="gzip")
    refused(path, "got 1000000")


def test_chunks_that_were_never_written(tmp_path):
    def create(group):
        data = group.create_dataset("data", (VIEWS, ROWS, COLUMNS), "u2", chunks=(1, ROWS, 3))
        data[:4] = counts()[:4]

    refused(
        replace_data(tmp_path / "scan.h5", create), "expected 14 chunks", "got 8", "6 were never"
    )


def test_contiguous_data_that_were_never_written(tmp_path):
    def create(group):
        group.create_dataset("data", (VIEWS, ROWS, COLUMNS), "u2")

    refused(replace_data(tmp_path / "scan.h5", create), "never written")


def test_an_unknown_filter_is_named_at_opening(tmp_path):
    def create(group):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((VIEWS, ROWS, COLUMNS))
        plist.set_filter(32765, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((VIEWS, ROWS, COLUMNS))
        data = h5py.h5d.create(group.id, b"data", h5py.h5t.NATIVE_UINT16, space, plist)
        data.write_direct_chunk((0, 0, 0), counts().tobytes())

    refused(replace_data(tmp_path / "scan.h5", create), "32765", "plugin")


def test_compressed_scans_are_read(tmp_path):
    import hdf5plugin

    path = data_exchange(tmp_path / "scan.h5", data=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("exchange/data", data=counts(), chunks=(2, 3, 3), **hdf5plugin.Zstd())
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.projections[:, 2:], counts()[:, 2:])


def test_a_damaged_chunk_is_an_error_not_numbers(tmp_path):
    path = data_exchange(tmp_path / "scan.h5", data=None)
    with h5py.File(path, "a") as file:
        data = file.create_dataset(
            "exchange/data", data=counts(), chunks=(1, 5, 6), fletcher32=True
        )
        at = data.id.get_chunk_info(3).byte_offset
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff\xff")
    with open_scan(path) as scan:
        scan.projections[:3]
        with pytest.raises(DataError, match="readable data"):
            scan.projections[:, 0:1]


class TestLinks:
    def scan(self, folder: Path, target: str, inner: str = "/d") -> Path:
        folder.mkdir(exist_ok=True)
        link = h5py.ExternalLink(target, inner)
        return replace_data(folder / "scan.h5", lambda group: group.__setitem__("data", link))

    def data(self, path: Path) -> Path:
        path.parent.mkdir(exist_ok=True, parents=True)
        with h5py.File(path, "w") as file:
            file["d"] = counts()
        return path

    @pytest.mark.parametrize("absolute", [False, True])
    def test_beneath_the_folder(self, tmp_path, absolute):
        data = self.data(tmp_path / "scan/raw/data.h5")
        path = self.scan(tmp_path / "scan", str(data) if absolute else "raw/data.h5")
        with open_scan(path) as scan:
            np.testing.assert_array_equal(scan.projections[:], counts())
            one = scan.fingerprint()
        os.utime(data, ns=(1, 1))
        with open_scan(path) as scan:
            assert scan.fingerprint() != one  # the linked file is part of the input

    @pytest.mark.parametrize("target", ["../other/data.h5", "{}/other/data.h5", "link.h5"])
    def test_outside_the_folder(self, tmp_path, target):
        data = self.data(tmp_path / "other/data.h5")
        path = self.scan(tmp_path / "scan", target.format(tmp_path))
        (tmp_path / "scan/link.h5").symlink_to(data)
        refused(path, "--allow-root")
        with open_scan(path, allow_root=tmp_path / "other") as scan:
            np.testing.assert_array_equal(scan.projections[:], counts())

    def test_dangling(self, tmp_path):
        refused(self.scan(tmp_path / "scan", "gone.h5"), "gone.h5", "not there")
        self.data(tmp_path / "scan/data.h5")
        refused(self.scan(tmp_path / "scan", "data.h5", "/other"), "/other", "not there")

    def test_circles_end(self, tmp_path):
        path = replace_data(
            tmp_path / "scan.h5",
            lambda group: group.__setitem__("data", h5py.SoftLink("/exchange/data")),
        )
        refused(path, "without an end")

    def test_a_needless_dangling_link_is_only_noted(self, tmp_path):
        path = nexus(tmp_path / "a.nxs", [1, 0, 0, 2])
        with h5py.File(path, "a") as file:
            file["entry/extra"] = h5py.ExternalLink("gone.h5", "/x")
            file["entry/loop"] = file["entry"]
        with open_scan(path) as scan:
            assert any("1 lead to data that are not here" in note for note in scan.notes)

    def test_detector_behind_a_dangling_link(self, tmp_path):
        path = nexus(tmp_path / "a.nxs", [1, 0, 0, 2], definition=None)
        with h5py.File(path, "a") as file:
            del file["entry/instrument/detector/data"]
            file["entry/instrument/detector/data"] = h5py.ExternalLink("raw/det.h5", "/d")
        refused(path, "raw/det.h5", "copy that file")


class TestVirtualData:
    def scan(self, folder: Path, source: str = "part.h5", views: int = VIEWS) -> Path:
        folder.mkdir(exist_ok=True)
        layout = h5py.VirtualLayout((VIEWS, ROWS, COLUMNS), "u2")
        layout[:views] = h5py.VirtualSource(source, "d", (views, ROWS, COLUMNS), "u2")
        return replace_data(
            folder / "scan.h5", lambda group: group.create_virtual_dataset("data", layout)
        )

    def part(self, path: Path, views: int = VIEWS) -> None:
        with h5py.File(path, "w") as file:
            file["d"] = counts(views)

    def test_whole(self, tmp_path):
        path = self.scan(tmp_path)
        self.part(tmp_path / "part.h5")
        with open_scan(path) as scan:
            np.testing.assert_array_equal(scan.projections[:, 1:3], counts()[:, 1:3])

    def test_missing_source_does_not_read_as_zeros(self, tmp_path):
        refused(self.scan(tmp_path), "part.h5", "not there")

    def test_source_that_is_too_short(self, tmp_path):
        path = self.scan(tmp_path)
        self.part(tmp_path / "part.h5", VIEWS - 1)
        refused(path, "part.h5", "only shape (6, 5, 6)")

    def test_source_that_grows(self, tmp_path):
        more = h5py.h5s.UNLIMITED
        shape, grown = (VIEWS, ROWS, COLUMNS), (None, ROWS, COLUMNS)
        layout = h5py.VirtualLayout(shape, "u2", maxshape=grown)
        layout[:more] = h5py.VirtualSource("part.h5", "d", shape, "u2", maxshape=grown)[:more]
        path = replace_data(
            tmp_path / "scan.h5", lambda group: group.create_virtual_dataset("data", layout)
        )
        with h5py.File(tmp_path / "part.h5", "w") as file:
            file.create_dataset("d", data=counts(), maxshape=grown)
        with open_scan(path) as scan:
            np.testing.assert_array_equal(scan.projections[:], counts())

    def test_uncovered_frames(self, tmp_path):
        path = self.scan(tmp_path, views=VIEWS - 2)
        self.part(tmp_path / "part.h5", VIEWS - 2)
        refused(path, "not finished")

    def test_source_outside_the_folder(self, tmp_path):
        (tmp_path / "other").mkdir()
        self.part(tmp_path / "other/part.h5")
        path = self.scan(tmp_path / "scan", "../other/part.h5")
        refused(path, "--allow-root")
        # a file of the same name within does not hide what HDF5 itself would open
        absolute = self.scan(tmp_path / "scan", str(tmp_path / "other/part.h5"))
        self.part(tmp_path / "scan/part.h5")
        refused(absolute, "--allow-root")

    def test_raw_storage_behind_a_source(self, tmp_path):
        path = self.scan(tmp_path)
        (tmp_path / "raw.bin").write_bytes(bytes(counts().nbytes))
        with h5py.File(tmp_path / "part.h5", "w") as file:
            where = [("raw.bin", 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("d", (VIEWS, ROWS, COLUMNS), "u2", external=where)
        refused(path, "external raw storage")
