"""Arguments and result of every scan reader, and the checks common to all formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.scans.frames import Frames, StoredArray


@dataclass(frozen=True)
class ReadOptions:
    """The user's options for a scan: the arguments of `open_scan`."""

    angle_unit: str | None = None
    line_integrals: bool = False
    allow_root: str | Path | None = None
    transmission: bool = False


@dataclass(frozen=True)
class ScanReading:
    """A scan as stored, before units are resolved.

    angles: (views,) as stored.  angle_unit: as stated, "" if it is not.
    pixel_size: ((row, column), unit) or None.  flat_positions: (flats,) in 0..1 or None.
    files: all files that hold the scan, in a fixed order.  close: closes them."""

    kind: str
    projections: Frames
    flats: Frames
    darks: Frames
    angles: NDArray[np.float64]
    angle_unit: str
    pixel_size: tuple[tuple[float, float], str] | None = None
    center: float | None = None
    flat_positions: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    close: Callable[[], None] = lambda: None


def detector_stack(data: StoredArray, where: str) -> None:
    """Raise DataError unless `data` is a stack of images of real numbers."""
    if len(data.shape or ()) != 3 or 0 in data.shape or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected a stack of projections, 3-D real numbers, "
            f"got shape {data.shape} of {data.dtype}."
        )


def angle_values(
    data: StoredArray, where: str, views: int, frames: int | None = None
) -> NDArray[np.float64]:
    """The angles in a dataset, (views,) or (frames,) float64.

    Raises DataError unless it holds one finite number per projection (or per frame)."""
    if len(data.shape or ()) != 1 or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected a list of angles, got shape {data.shape} of {data.dtype}."
        )
    if data.shape[0] not in (views, frames or views):
        expected = f"{views} angles, one per projection"
        expected += f", or {frames}, one per frame" if frames else ""
        raise DataError(f"{where}: expected {expected}, got {data.shape[0]}; correct the file.")
    angles = data[()].astype(np.float64)
    bad = np.count_nonzero(~np.isfinite(angles))
    if bad:
        raise DataError(
            f"{where}: expected finite angles, got {bad} NaN or infinite of {angles.size}."
        )
    return angles
