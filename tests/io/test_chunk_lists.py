"""HDF5 datasets whose list of chunks is damaged: nothing is read beyond a chunk."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest

from physrecon.errors import DataError
from physrecon.io import open_image

STORAGE = {
    "plain": {},
    "checksums": {"fletcher32": True},
    "shuffled": {"shuffle": True, "fletcher32": True},
    "packed": {"compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
}
VALUES = np.arange(5 * 9 * 11, dtype="u2").reshape(5, 9, 11) // 40


def stored(path, userblock=0, libver=None, **storage):
    with h5py.File(path, "w", userblock_size=userblock, libver=libver) as file:
        file.create_dataset("data", data=VALUES, chunks=(1, 9, 11), **storage)
        info = file["data"].id.get_chunk_info(2)
    return path, info.size, info.byte_offset


def rewrite(path, size, place, /, **new):
    """Change what the list states of the third chunk: size, corner, place."""
    old = struct.pack("<II4QQ", size, 0, 2, 0, 0, 0, place)
    content = path.read_bytes()
    assert content.count(old) == 1
    fields = {"size": size, "corner": 2, "place": place} | new
    new = struct.pack("<II4QQ", fields["size"], 0, fields["corner"], 0, 0, 0, fields["place"])
    path.write_bytes(content.replace(old, new))


def refused(path):
    with (
        pytest.raises(DataError, match=r"expected .*chunks.*copy") as raised,
        open_image(path) as i,
    ):
        i[...]
    assert "cannot be read" not in str(raised.value)  # refused before HDF5 was asked


@pytest.mark.parametrize("name", STORAGE)
def test_chunks_that_are_too_short(tmp_path, name):
    path, size, place = stored(tmp_path / "a.h5", **STORAGE[name])
    least = {"packed": 5, "lzf": 1}.get(name, size - 4 * ("fletcher32" in STORAGE[name]))
    content = path.read_bytes()
    for short in {0, 1, 3, 4, least - 1}:
        if short < least:
            path.write_bytes(content)
            rewrite(path, size, place, size=short)
            refused(path)


@pytest.mark.parametrize("name", STORAGE)
@pytest.mark.parametrize(
    "change",
    [
        {"corner": 1},  # twice, and one is missing
        {"corner": 2**63},
        {"place": 0},
        {"place": 2**63},
        {"size": 2**32 - 1},
    ],
)
def test_chunks_that_are_elsewhere(tmp_path, name, change):
    path, size, place = stored(tmp_path / "a.h5", **STORAGE[name])
    rewrite(path, size, place, **change)
    refused(path)


def test_chunks_that_share_their_bytes(tmp_path):
    path, size, place = stored(tmp_path / "a.h5")
    rewrite(path, size, place, place=place - size // 2)
    refused(path)


@pytest.mark.parametrize("libver", [None, "latest"])
@pytest.mark.parametrize("userblock", [0, 1024])
@pytest.mark.parametrize("name", [*STORAGE, "integers", "growing", "edges"])
def test_sound_ones_are_read(tmp_path, name, userblock, libver):
    others = {"integers": {"scaleoffset": 0}, "growing": {"maxshape": (None, 9, 11)}}
    storage = others.get(name, STORAGE.get(name, {}))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=userblock, libver=libver) as file:
        shape = (3, 4, 4) if name == "edges" else (1, 9, 11)
        file.create_dataset("data", data=VALUES, chunks=shape, **storage)
        if name == "growing":
            file["data"].resize(4, axis=0)
    with open_image(path) as image:
        assert np.array_equal(image[...], VALUES[: 4 if name == "growing" else 5])
