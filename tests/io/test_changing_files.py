"""Files that change after they were opened: no value of theirs is believed."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_files import COLUMNS, ROWS, VIEWS, data_exchange, nexus
from volume_files import DATA, write

import physrecon as pr
from physrecon.errors import DataError, ReadError
from physrecon.io import fingerprint
from physrecon.io.opened import UnchangedFiles


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 4)


def rewrite(path: Path) -> None:
    """Other content of the same size, a moment later."""
    with path.open("r+b") as file:
        file.write(path.read_bytes())
    later(path)


def later(path: Path) -> None:
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1000))


def exchange(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    state, other = path.stat(), path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


CHANGES = {
    truncate: "bytes instead of",
    rewrite: "written to",
    exchange: "another file of that name",
    Path.unlink: "no longer be found",
}
changes = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


def sources_of(folder: Path) -> Path:
    """A scan whose projections are in another file."""
    data = np.random.default_rng(0).integers(0, 1000, (VIEWS, ROWS, COLUMNS), np.uint16)
    with h5py.File(folder / "raw.h5", "w") as file:
        file["data"] = data
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource("raw.h5", "data", data.shape)
    path = data_exchange(folder / "scan.h5", data=None)
    with h5py.File(path, "a") as file:
        file["exchange"].create_virtual_dataset("data", layout)
        file["exchange/data"].attrs["axes"] = "theta:y:x"
    return path


def linked(folder: Path) -> Path:
    nexus(folder / "raw.h5", [1, 0, 0, 2])
    with h5py.File(folder / "scan.h5", "w") as file:
        file["entry"] = h5py.ExternalLink("raw.h5", "/entry")
    return folder / "scan.h5"


SCANS = {
    "contiguous": (lambda f: data_exchange(f / "scan.h5"), "scan.h5"),
    "chunked": (lambda f: data_exchange(f / "scan.h5", chunks=(1, ROWS, COLUMNS)), "scan.h5"),
    "virtual": (sources_of, "raw.h5"),
    "linked": (linked, "raw.h5"),
}


@changes
@pytest.mark.parametrize("kind", SCANS)
def test_a_scan_that_changed_is_not_read(tmp_path, kind, change):
    make, name = SCANS[kind]
    with pr.open_scan(make(tmp_path)) as scan:
        stacks = (scan.projections, scan.flats, scan.darks)
        before = [stack[:] for stack in stacks]
        assert before[0].any()
        change(tmp_path / name)
        for stack in stacks:
            with pytest.raises(ReadError, match=rf"{name}.*{CHANGES[change]}"):
                stack[:1]


@changes
@pytest.mark.parametrize("name", ["i.tif", "i.h5", "i.png"])
def test_an_image_that_changed_is_not_read(tmp_path, name, change):
    path = tmp_path / name
    if name == "i.png":
        from PIL import Image

        Image.fromarray(np.full((40, 40), 7, np.uint8)).save(path)
    else:
        pr.write_image(path, np.ones((40, 40), np.float32), "YX")
    with pr.open_image(path) as image:
        assert image[0, 0] > 0
        change(path)
        with pytest.raises(ReadError, match=CHANGES[change]):
            image.read()


@changes
@pytest.mark.parametrize("name", ["v.h5", "v.h5.slabs/00001.h5"])
def test_a_volume_that_changed_is_not_read(tmp_path, name, change):
    write(tmp_path / "v.h5")
    with pr.open_volume(tmp_path / "v.h5") as volume:
        np.testing.assert_array_equal(volume[4], DATA[4])
        change(tmp_path / name)
        with pytest.raises(ReadError, match=CHANGES[change]):
            volume[4]


def test_a_read_that_fails_because_of_the_change_says_so(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    files = UnchangedFiles([path])
    with pytest.raises(DataError, match="bad page"), files.while_read():
        raise DataError("bad page")
    truncate(path)
    with pytest.raises(ReadError, match="1 bytes instead of 4"), files.while_read():
        raise DataError("bad page")


# The fingerprint ------------------------------------------------------------------------------


def print_of(path: Path) -> str:
    with pr.open_scan(path) as scan:
        return scan.fingerprint()


@pytest.mark.parametrize("order", ["theta:y:x", "y:theta:x"])
@pytest.mark.parametrize("name", ["data", "data_white", "data_dark"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_fingerprint_sees_other_values_of_the_same_time(
    tmp_path, monkeypatch, order, name, whole
):
    if not whole:  # as in a large file, whose samples miss the change
        monkeypatch.setattr(fingerprint, "_blocks", lambda *_: ())
    path = data_exchange(tmp_path / "scan.h5", order=order)
    first, state = print_of(path), path.stat()
    assert first == print_of(path)
    with h5py.File(path, "a") as file:
        last = file[f"exchange/{name}"]
        last[tuple(n - 1 if whole else n // 2 for n in last.shape)] += 1
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size and print_of(path) != first


def test_a_fingerprint_of_a_large_file_reads_little_of_every_chunk(tmp_path):
    path, chunk, count = tmp_path / "large", 256_000, 1000
    with path.open("wb") as file:
        file.truncate(count * chunk)  # zeros that take no space
    size = count * chunk
    blocks = fingerprint._blocks(path, size, -(-size // fingerprint.BLOCKS))
    assert sum(map(len, blocks)) <= 17 << 20
    first, state = fingerprint.fingerprint([path], [], []), path.stat()
    for number in (0, 1, 500, 998, 999):
        with path.open("r+b") as file:
            file.seek(number * chunk)
            file.write(b"1" * chunk)
            file.flush()
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
            changed = fingerprint.fingerprint([path], [], [])
            file.seek(number * chunk)
            file.write(bytes(chunk))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert changed != first == fingerprint.fingerprint([path], [], [])
