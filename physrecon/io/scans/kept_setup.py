"""The set-up of a scan in a file of ours: Data Exchange has no field for most of it.

One dataset a field in `/physrecon/geometry`: a word, or numbers with the attribute `units`, as
stated.  Distances stand also where Data Exchange has them, in metres from the sample, for other
programs."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from physrecon.errors import ArgumentError, DataError
from physrecon.io import units
from physrecon.io.hdf5_safety import SafeHDF5
from physrecon.io.scans.setup import NOTHING_STATED, PER_VIEW, ScanSetup, setup_of

GROUP = "/physrecon/geometry"
ROW_OFFSET = "row_offset"
DISTANCES = "measurement/instrument/{}/geometry/translation/distances"
MOST_NUMBERS = 3_000_000  # of one field


def write_setup(file: h5py.File, setup: ScanSetup, row_offset: float) -> None:
    """Keep what is stated; nothing is written of a parallel beam without anything stated."""
    stated = setup.stated()
    if not stated and not row_offset:
        return
    group = file.create_group(GROUP)
    group[ROW_OFFSET] = float(row_offset)
    for name, value in stated.items():
        if isinstance(value, tuple):
            group[name] = np.asarray(value[0], np.float64)
            group[name].attrs["units"] = value[1]
        else:
            group[name] = str(value)
    far, near = (_metres(setup, name) for name in ("source_detector", "source_origin"))
    if far is not None and near is not None:
        for part, along in (("source", -near), ("detector", far - near)):
            file[DISTANCES.format(part)] = np.array([0.0, 0.0, along])
            file[DISTANCES.format(part)].attrs["units"] = "m"


def read_setup(h5: SafeHDF5) -> tuple[ScanSetup, float] | None:
    """(the set-up, rows from the height of the source to the middle of the frames), if kept.

    Raises DataError for values that make none."""
    group = h5.find(GROUP)
    if not isinstance(group, h5py.Group):
        return None
    words: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    row_offset = 0.0
    for name in group:
        data = h5.dataset(f"{GROUP}/{name}")
        if data is None or data.size > MOST_NUMBERS:
            raise DataError(
                f"{h5.path.name}: {GROUP}/{name}: expected a word or numbers, got none."
            )
        if data.dtype.kind not in "iuf":
            words[name] = h5.string(data, f"{GROUP}/{name}")
        elif name == ROW_OFFSET:
            row_offset = units.number(data) or 0.0
        elif name in PER_VIEW and data.size > 3:
            tables[name] = (np.asarray(data[()], np.float64), units.stated(data))
        else:
            numbers = np.ravel(np.asarray(data[()], np.float64)).tolist()
            words[name] = f"{','.join(map(repr, numbers))}{units.stated(data)}"
    try:
        setup = setup_of(words)
    except ArgumentError as error:
        raise DataError(f"{h5.path.name}: {GROUP}: {error}") from None
    return ScanSetup(**{**setup.stated(), **tables}), row_offset


def _metres(setup: ScanSetup, name: str) -> float | None:
    """A distance in metres, if it is stated in a unit of length."""
    value = getattr(setup, name)
    unit = None if value is None else units.length_unit(value[1])
    return value[0] * units.LENGTHS[unit] if unit in units.LENGTHS else None


def given_setup(geometry: Any) -> tuple[ScanSetup, float]:
    """(set-up, row_offset) of the table that `open_scan` takes, or of the kind alone."""
    if not geometry:
        return NOTHING_STATED, 0.0
    table = {"kind": geometry} if isinstance(geometry, str) else dict(geometry)
    offset = float(table.pop(ROW_OFFSET, 0.0))
    return setup_of(table), offset
