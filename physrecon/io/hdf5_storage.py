"""Whether the storage of an HDF5 dataset is whole, inside its file and readable.

A chunk that was never written reads as zeros, a declared shape may exceed any memory, and raw data
may be declared to be in any file of the machine."""

from __future__ import annotations

import math
import re
from array import array
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError

SHUFFLE, FLETCHER32 = 2, 3  # numbers of filters that do not compress
CHECKSUM = 4  # bytes that FLETCHER32 appends


def check_inside(dataset: h5py.Dataset, where: str) -> None:
    """Raise DataError for raw data in other files."""
    plist = dataset.id.get_create_plist()
    if plist.get_external_count():
        name = plist.get_external(0)[0].decode("utf-8", "replace")[:200]
        raise DataError(
            f"{where}: expected data inside the HDF5 file, got external raw storage in "
            f"{name!r}, which could be any file; repack with `h5repack`."
        )


def check_filters(dataset: h5py.Dataset, where: str) -> None:
    """Raise DataError for a filter that is not installed."""
    plist = dataset.id.get_create_plist()
    for index in range(plist.get_nfilters()):
        number, _, _, name = plist.get_filter(index)
        if not filter_available(number):
            raise DataError(
                f"{where}: expected a filter of HDF5 or hdf5plugin, got number {number} "
                f"({name.decode('utf-8', 'replace')[:200]!r}), which is not installed; install its "
                "HDF5 plugin or repack the file with `h5repack`."
            )


def filter_available(number: int) -> bool:
    """Whether HDF5 can decode a filter, by itself or with hdf5plugin."""
    if not h5py.h5z.filter_avail(number):
        import hdf5plugin  # noqa: F401  registers its filters

    return h5py.h5z.filter_avail(number)


def check_chunks(dataset: h5py.Dataset, where: str) -> None:
    """Raise DataError unless the list of chunks states every chunk once, at a place of its own.

    HDF5 believes the list: it reads beyond a chunk that is too short, in memory or with a crash."""
    grid = tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    expected = math.prod(grid)
    corners, offsets, sizes, skipped = (array("Q") for _ in range(4))

    def note(chunk: Any) -> None:
        corners.extend(chunk.chunk_offset)
        offsets.append(chunk.byte_offset)
        sizes.append(chunk.size)
        skipped.append(chunk.filter_mask)

    dataset.id.chunk_iter(note)
    corner = np.frombuffer(corners, "i8").reshape(len(sizes), len(grid))
    inside = ((corner >= 0) & (corner < dataset.shape)).all(1)
    number = np.ravel_multi_index(tuple((corner[inside] // dataset.chunks).T), grid)
    stored = np.unique(number).size
    if stored < expected:
        raise DataError(
            f"{where}: expected {expected} chunks for the declared shape {dataset.shape}, "
            f"got {stored}: {expected - stored} were never written and would read as zeros; "
            "wait for the scan to end or copy the file again."
        )
    begin, size = np.frombuffer(offsets, "u8"), np.frombuffer(sizes, "u8")
    end = begin + size
    order = np.argsort(begin)
    if (
        (corner % dataset.chunks).any()
        or (size < _least_bytes(dataset, np.frombuffer(skipped, "u8"))).any()
        or (begin == 0).any()
        or (end < begin).any()
        or (end > Path(dataset.file.filename).stat().st_size).any()
        or (end[order][:-1] > begin[order][1:]).any()
    ):
        raise DataError(
            f"{where}: expected chunks that lie one beside the other in the file, got a damaged "
            "list of chunks; copy the file again from the source."
        )


def _least_bytes(dataset: h5py.Dataset, skipped: NDArray[Any]) -> NDArray[Any]:
    """Bytes that a stored chunk has at least; bit i of `skipped` means that filter i was not run.

    Filters of any other number may compress."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    whole = np.ones(skipped.size, bool)
    checksums = np.zeros(skipped.size, int)
    for index, number in enumerate(filters):
        run = skipped >> index & 1 == 0
        whole &= ~run | (number in (SHUFFLE, FLETCHER32))
        checksums += run & (number == FLETCHER32)
    unpacked = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    return np.maximum(np.where(whole, unpacked, 1), CHECKSUM * checksums + 1)


def check_contiguous(dataset: h5py.Dataset, where: str) -> None:
    if dataset.shape is None or dataset.size == 0:
        return
    expected = dataset.size * dataset.id.get_type().get_size()
    stored = dataset.id.get_storage_size()
    offset = dataset.id.get_offset() or 0  # compact data are in the header, without an offset
    if stored < expected or offset + stored > Path(dataset.file.filename).stat().st_size:
        raise DataError(
            f"{where}: expected {expected} bytes for the declared shape {dataset.shape}, "
            f"got {stored} stored in the file; the data were never written, copy the file again."
        )


def points(selection: h5py.h5s.SpaceID) -> float:
    """Number of selected points; infinite for an unlimited selection."""
    try:
        return selection.get_select_npoints()
    except RuntimeError:
        return math.inf


def source_name(stored: str, where: str) -> str:
    """The name of a virtual source: %% stands for %.

    Raises DataError for %b: HDF5 puts numbers there and opens names that stand nowhere."""
    if "b" in re.findall("%([%b])", stored):
        raise DataError(
            f"{where}: expected named sources, got the pattern {stored[:200]!r}; write a file that "
            "names every source, or copy the data into one dataset."
        )
    return stored.replace("%%", "%")


def check_long_enough(source: h5py.Dataset, mapping: Any, where: str) -> None:
    """Raise DataError if a virtual dataset uses more of its source than there is.

    mapping: one of `dataset.virtual_sources()`."""
    used = mapping.src_space
    if used.get_select_type() == h5py.h5s.SEL_ALL:
        short = source.size < points(mapping.vspace)
    elif points(used) == math.inf:
        short = False
    else:
        ends = used.get_select_bounds()[1]
        short = len(ends) != source.ndim or any(
            n <= i for n, i in zip(source.shape, ends, strict=True)
        )
    if short:
        raise DataError(
            f"{where}: expected all that is used of {mapping.dset_name!r}, got only shape "
            f"{source.shape}; the scan was not finished, or copy the file again."
        )
