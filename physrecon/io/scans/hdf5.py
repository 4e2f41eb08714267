"""Scans in HDF5: open the file safely once, and try each known layout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py

from physrecon.errors import DataError
from physrecon.io import hdf5_kind
from physrecon.io.content import HDF5, Content
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported, where_in_file
from physrecon.io.opened import undone_by
from physrecon.io.scans import cil, exchange, htc, nexus, plain
from physrecon.io.scans.reading import ReadOptions, ScanReading

Layout = Callable[[SafeHDF5, str | None], ScanReading | None]

# Each takes the opened file and the group that the user names, None for any.
LAYOUTS: tuple[Layout, ...] = (exchange.read, cil.read, nexus.read, htc.read_hdf5, plain.read)


def read(path: Path, content: Content, options: ReadOptions) -> ScanReading | None:
    """The scan in an HDF5 file; None for other files.

    Raises DataError, with the file's contents, if it is damaged or holds no scan."""
    if content.kind != HDF5:
        return None
    h5 = SafeHDF5(path, options.allow_root)
    with undone_by(h5.close):
        with damage_reported(path):
            reading = _reading(h5, options)
        return replace(reading, files=tuple(sorted({*h5.files, *h5.sources})), close=h5.close)


def _reading(h5: SafeHDF5, options: ReadOptions) -> ScanReading:
    group = options.group
    named = None if group is None else h5.find(group)
    if isinstance(named, h5py.Dataset):
        return _around(h5, named) or plain.read_array(h5, named, options.axes)
    if group is not None and named is None:
        have = ", ".join(f"/{name}" for name in list(h5.file)[:8])
        raise DataError(f"{h5.path.name}: expected a scan in {group}, got none; it holds {have}.")
    if group is None and hdf5_kind.is_volume(h5):
        raise DataError(
            f"{h5.path.name}: expected a scan, got a reconstructed volume; "
            "give the file with the projections, or look at this one with `physrecon view`."
        )
    for layout in LAYOUTS:
        reading = layout(h5, group)
        if reading is not None:
            return reading
    raise hdf5_kind.not_a_scan(h5)


def _around(h5: SafeHDF5, data: h5py.Dataset) -> ScanReading | None:
    """The scan of a known layout whose projections are this dataset; None if there is none."""
    group = data.name
    while group := group.rpartition("/")[0]:
        for layout in LAYOUTS:
            with suppress(DataError):
                reading = layout(h5, group)
                if reading is not None and reading.projections.where == where_in_file(data):
                    return reading
    return None
