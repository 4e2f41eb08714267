"""Write scans as Data Exchange, the plainest of the layouts that are read.

`/exchange/data`, `data_white`, `data_dark` (frame, row, column), `/exchange/theta` with its unit,
and the size of the pixels in `/measurement/instrument/detector`.  De Carlo et al., J. Synchrotron
Rad. 21, 1224 (2014)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon import arrays, sizes
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError
from physrecon.io import atomic_file
from physrecon.io.output.hdf5_file import new_hdf5
from physrecon.io.scans.kept_setup import given_setup, write_setup
from physrecon.io.scans.scan import Scan
from physrecon.io.scans.setup import ScanSetup
from physrecon.io.units import LENGTHS, RADIANS, length_unit, unit_of_angles

BLOCK = 1 << 26  # bytes of frames held at a time
OVERHEAD = 1 << 16  # bytes of a file besides its frames


def write_scan(
    path: str | Path,
    projections: Any,
    angles: ArrayLike,
    *,
    flats: Any = None,
    darks: Any = None,
    pixel_size: str | None = None,
    angle_unit: str = "deg",
    center: float | None = None,
    geometry: Mapping[str, Any] | str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a scan as a Data Exchange file, which `open_scan` and other programs read.

    projections: (views, rows, columns), counts or other real numbers.  angles: (views,) in
    `angle_unit`, "deg" or "rad".  flats, darks: images of the open beam and without beam,
    (n, rows, columns) or one image; None for none.  All of them may be arrays on the disk; 64 MB
    are held.  pixel_size: "0.65um", or "0.65,0.7um" of rows and columns.  center: column of the
    rotation axis.  geometry: of a beam that is not parallel, as for `open_scan`: {"kind": "cone",
    "source_origin": "200mm", "source_detector": "300mm", …}; other programs read the distances
    only.  The file takes its name when it is complete.

    Raises ArgumentError for arrays that make no scan, OutputError if the file exists or cannot be
    created, WriteError if writing fails.

    >>> counts = np.full((4, 2, 8), 500, np.uint16)
    >>> pr.write_scan("scan.h5", counts, [0, 45, 90, 135], flats=counts[:1], pixel_size="2um")
    >>> with pr.open_scan("scan.h5") as scan:
    ...     scan.shape, scan.angle_unit, len(scan.flats), scan.pixel_size, scan.length_unit
    ((4, 2, 8), 'deg', 1, (2.0, 2.0), 'um')
    """
    setup, row_offset = given_setup(geometry)
    stated = _Stated(angles, angle_unit, pixel_size, center, setup, row_offset)
    _write(Path(path), _stacks(projections, flats, darks), stated, overwrite)


@dataclass(frozen=True)
class _Stated:
    """What a file states of a scan besides its frames."""

    angles: ArrayLike
    angle_unit: str
    pixel_size: str | None
    center: float | None
    setup: ScanSetup
    row_offset: float


def _write(path: Path, stacks: dict[str, Any], stated: _Stated, overwrite: bool) -> None:
    views, center = stacks["data"], stated.center
    theta, unit = np.asarray(stated.angles, np.float64), unit_of_angles(stated.angle_unit)
    if theta.shape != views.shape[:1] or not np.isfinite(theta).all() or unit is None:
        raise ArgumentError(
            f"write_scan: expected {views.shape[0]} finite angles in deg or rad, one per view, got "
            f"shape {theta.shape} in {stated.angle_unit!r}"
        )
    pitch = None if stated.pixel_size is None else _pixel_size(stated.pixel_size)
    size, length = pitch or (None, None)
    stated.setup.geometry(  # raises unless it makes a scan
        theta, views.shape[1:], angle_unit="rad" if unit in RADIANS else "deg", pixel_size=size,
        unit=length, center=center, row_offset=stated.row_offset,
    )  # fmt: skip
    atomic_file.check_new_file(path, overwrite)
    atomic_file.check_writable(path.parent)
    needed = sum(math.prod(s.shape) * np.dtype(s.dtype).itemsize for s in stacks.values())
    atomic_file.check_space(path, needed + 8 * theta.size + OVERHEAD)
    with atomic_file.write_errors(path, kept=""), new_hdf5(path) as file:
        file["implements"] = "exchange:measurement"
        exchange = file.create_group("exchange")
        exchange["theta"] = theta
        exchange["theta"].attrs["units"] = "radians" if unit in RADIANS else "degrees"
        if center is not None:
            exchange["center"] = float(center)
        for axis, pixel in zip("yx", size or (), strict=False):
            place = f"measurement/instrument/detector/{axis}_pixel_size"
            file[place] = pixel
            file[place].attrs["units"] = length
        write_setup(file, stated.setup, stated.row_offset)
        for name, stack in stacks.items():
            _copy(exchange, name, stack)


def convert_scan(path: str | Path, scan: Scan, overwrite: bool = False) -> list[str]:
    """Write an open scan as Data Exchange; returns what the file does not keep, in sentences."""
    size = None
    if scan.pixel_size is not None:
        size = f"{scan.pixel_size[0]!r},{scan.pixel_size[1]!r}{scan.length_unit}"
    stated = _Stated(
        scan.angles, scan.angle_unit, size, scan.center, scan.setup, scan.row_offset
    )  # fmt: skip
    _write(Path(path), _stacks(scan.projections, scan.flats, scan.darks), stated, overwrite)
    lost = {
        "when the flats were taken, which are taken as one": scan.flat_positions is not None,
        "the counts of the beam monitor and the counting times": scan.beam is not None,
        "that the data are line integrals: pass --line-integrals again": scan.line_integrals,
        "that the data are transmissions: pass --transmission again": scan.transmission,
    }
    return [f"not kept: {what}" for what, is_lost in lost.items() if is_lost]


def _stacks(projections: Any, flats: Any, darks: Any) -> dict[str, Any]:
    """The stacks of a scan by their names in the file.  Raises ArgumentError unless they fit."""
    stacks = {"data": _stack("projections", projections)}
    for name, kind, given in (("data_white", "flats", flats), ("data_dark", "darks", darks)):
        if given is not None and len(given):
            stacks[name] = _stack(kind, given)
    wanted = stacks["data"].shape[1:]
    for name, stack in stacks.items():
        if stack.shape[1:] != wanted:
            raise ArgumentError(
                f"write_scan: expected images of {wanted} as the projections are, got "
                f"{stack.shape[1:]} in {name}"
            )
    return stacks


def _stack(name: str, given: Any) -> Any:
    """An array (n, rows, columns), on the disk or in memory."""
    arrays.check_plain(f"write_scan({name})", given)
    stack = given if hasattr(given, "shape") else np.asarray(given)
    if name != "projections" and len(stack.shape) == 2:
        stack = np.asarray(stack)[None]
    if len(stack.shape) != 3 or 0 in stack.shape or np.dtype(stack.dtype).kind not in "iuf":
        raise ArgumentError(
            f"write_scan: expected {name} (n, rows, columns) of real numbers, got shape "
            f"{tuple(stack.shape)} of {stack.dtype}"
        )
    return stack


def _pixel_size(text: str) -> tuple[tuple[float, float], str]:
    size, name = sizes.parse_pixel_size(text)
    unit = length_unit(name)
    if unit not in LENGTHS:
        raise ArgumentError(
            f"write_scan: expected a pixel_size with a unit of length ({', '.join(LENGTHS)}), got "
            f"{text!r}"
        )
    return size, unit


def _copy(group: h5py.Group, name: str, stack: Any) -> None:
    """Store a stack in blocks of frames; contiguous, so that rows of all frames are read fast."""
    data = group.create_dataset(name, stack.shape, np.dtype(stack.dtype))
    data.attrs["axes"] = "theta:y:x"
    step = max(1, BLOCK // (math.prod(stack.shape[1:]) * data.dtype.itemsize))
    for start in range(0, stack.shape[0], step):
        cancellation_point()
        block: NDArray[Any] = np.asarray(stack[start : start + step])
        data[start : start + step] = block
