"""Arguments and result of every scan reader, and the checks common to all formats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from physrecon import sizes
from physrecon.errors import ArgumentError, DataError
from physrecon.geometry.turning_scan import ANGLE_UNITS
from physrecon.io.scans.frames import Frames, StoredArray
from physrecon.io.scans.setup import NOTHING_STATED, ScanSetup

SAID = 8  # numbers of frames that a note names
STANDS_OUT = 3.0  # times the beam of the views around


@dataclass(frozen=True)
class ReadOptions:
    """The user's options for a scan: the arguments of `open_scan`.

    group: of a file that holds several scans, as in `FILE.nx::/entry0001`; None for the first.
    axes: the order of an array whose file states none, such as "y:theta:x"."""

    angle_unit: str | None = None
    line_integrals: bool = False
    allow_root: str | Path | None = None
    group: str | None = None
    transmission: bool = False
    axes: str | None = None

    def __post_init__(self) -> None:
        if self.angle_unit not in (None, *ANGLE_UNITS):
            raise ArgumentError(
                f'open_scan: expected angle_unit "deg" or "rad", got {self.angle_unit!r}.'
            )


@dataclass(frozen=True)
class ScanReading:
    """A scan as stored, before units are resolved.

    angles: (views,) as stored, or None; `no_angles` is then the error for a scan without them.
    angle_unit: as stated, "" if it is not.  pixel_size: ((row, column), unit) or None.
    center: column of the axis of rotation.  row_offset: rows from the middle of the detector, or
    from the height of the source where a file states it, to the middle of these frames.  bins:
    pixels of the detector in one of theirs, along rows and columns.
    setup: source, detector and axis as stated.  line_integrals: the file states that the data are
    −log(transmission).
    flat_positions: (flats,) in 0..1 or None.  beam: counts of the open beam in the views (views,)
    and in the flats (flats,), in any unit, by a monitor and the counting times; NaN for the few
    that have none; or None.
    beside: (kind, path as `open_image` takes it) of flats and darks near the scan, not part of it.
    no_pixel_size: the error where the pixel size is needed and open; "" where it is not.
    notes: choices made in reading.  unused: facts in the file that the result does not rest on.
    files: all files that hold the scan, in a fixed order.  close: closes them."""

    kind: str
    projections: Frames
    flats: Frames
    darks: Frames
    angles: NDArray[np.float64] | None
    angle_unit: str
    pixel_size: tuple[tuple[float, float], str] | None = None
    center: float | None = None
    row_offset: float = 0.0
    bins: tuple[int, int] = (1, 1)
    setup: ScanSetup = NOTHING_STATED
    line_integrals: bool = False
    flat_positions: NDArray[np.float64] | None = None
    beam: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    beside: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    no_angles: str = ""
    no_pixel_size: str = ""
    files: tuple[Path, ...] = ()
    close: Callable[[], None] = lambda: None


def with_whole_beam(reading: ScanReading, kept: NDArray[np.bool_]) -> ScanReading:
    """The reading with a beam without NaN: linear between the frames of the same kind around.

    kept: mask of the views that are used; the others are not said."""
    if reading.beam is None:
        return reading
    filled, notes = [], []
    for name, beam in zip(("view", "flat"), reading.beam, strict=True):
        known = np.isfinite(beam)
        at = np.arange(beam.size)
        filled.append(np.interp(at, at[known], beam[known]))
        bad = np.flatnonzero(~known & (kept if name == "view" else True))
        if bad.size:
            which = _listed(bad)
            way = f"; --exclude-views {which} leaves it out" if name == "view" else ""
            way = way.replace("it out", "them out") if bad.size > 1 else way
            notes.append(
                f"beam: no positive number for {sizes.counted(bad.size, name)} of {beam.size} "
                f"({which}); that of the {name}s around is taken{way}"
            )
    odd = np.flatnonzero(_stands_out(filled[0]) & np.isfinite(reading.beam[0]) & kept)
    if odd.size:
        which = _listed(odd)
        notes.append(
            f"beam: in {sizes.counted(odd.size, 'view')} ({which}) it is {STANDS_OUT:g} times off "
            f"that of the views around; if the monitor failed there, pass --exclude-views {which}"
        )
    return replace(reading, beam=(filled[0], filled[1]), notes=(*reading.notes, *notes))


def _listed(frames: NDArray[np.intp]) -> str:
    return ",".join(map(str, frames[:SAID])) + ",…" * (frames.size > SAID)


def _stands_out(beam: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The views whose beam is far from the median of the five around."""
    around = (
        sliding_window_view(np.pad(beam, 2, mode="reflect"), 5) if beam.size > 4 else beam[:, None]
    )
    usual = np.median(around, axis=1)
    return (beam > STANDS_OUT * usual) | (beam * STANDS_OUT < usual)


def detector_stack(data: StoredArray, where: str) -> None:
    """Raise DataError unless `data` is a stack of images of real numbers, or one sinogram."""
    if len(data.shape or ()) not in (2, 3) or 0 in data.shape or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected a stack of projections, 3-D real numbers, or one sinogram, "
            f"got shape {data.shape} of {data.dtype}."
        )


def angle_values(data: StoredArray, where: str, *counts: int) -> NDArray[np.float64]:
    """The angles in a dataset, float64: a list of one of `counts` lengths, or a column of them.

    The first count is that of the projections.  Raises DataError for any other shape."""
    shape = tuple(data.shape or ())
    if data.dtype.kind not in "iuf" or not shape or math.prod(shape) != max(shape):
        raise DataError(f"{where}: expected a list of angles, got shape {shape} of {data.dtype}.")
    if max(shape) not in counts:
        expected = f"{counts[0]} angles, one per projection"
        expected += f", or {counts[1]}, one per frame" if counts[1:] else ""
        raise DataError(f"{where}: expected {expected}, got {max(shape)}; correct the file.")
    return np.asarray(data[()], np.float64).ravel()
