"""Whether the storage of an HDF5 dataset is whole, inside its file and readable.

A chunk that was never written reads as zeros, a declared shape may exceed any memory, and raw data
may be declared to be in any file of the machine."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import h5py

from physrecon.errors import DataError


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
    expected = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    stored = dataset.id.get_num_chunks()
    if stored < expected:
        raise DataError(
            f"{where}: expected {expected} chunks for the declared shape {dataset.shape}, "
            f"got {stored}: {expected - stored} were never written and would read as zeros; "
            "wait for the scan to end or copy the file again."
        )


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
