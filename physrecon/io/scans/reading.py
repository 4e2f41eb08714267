"""What every format reader hands over, and the checks that are the same for all formats."""

from __future__ import annotations

from dataclasses import dataclass, field

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.scans.frames import Frames


@dataclass
class Reading:
    """A scan as its format states it, before units are settled.

    angles: (views,) as stored.  angle_unit: as stated, "" where it is not.
    pixel_size: ((row, column), unit) or None.  flat_positions: (flats,) in 0..1 or None."""

    kind: str
    projections: Frames
    flats: Frames
    darks: Frames
    angles: NDArray[np.float64]
    angle_unit: str
    pixel_size: tuple[tuple[float, float], str] | None = None
    center: float | None = None
    flat_positions: NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)


def detector_stack(data: h5py.Dataset, where: str) -> None:
    """Raise DataError unless `data` is a stack of images of real numbers."""
    if data.ndim != 3 or 0 in data.shape or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected a stack of projections, 3-D real numbers, "
            f"got shape {data.shape} of {data.dtype}."
        )


def angle_values(
    data: h5py.Dataset, where: str, views: int, frames: int | None = None
) -> NDArray[np.float64]:
    """The angles in a dataset, (views,) or (frames,) float64.

    Raises DataError unless it holds one finite number per projection (or per frame)."""
    if data.ndim != 1 or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected a list of angles, got shape {data.shape} of {data.dtype}."
        )
    if data.size not in (views, frames or views):
        expected = f"{views} angles, one per projection"
        expected += f", or {frames}, one per frame" if frames else ""
        raise DataError(f"{where}: expected {expected}, got {data.size}; correct the file.")
    angles = data[()].astype(np.float64)
    bad = np.count_nonzero(~np.isfinite(angles))
    if bad:
        raise DataError(
            f"{where}: expected finite angles, got {bad} NaN or infinite of {data.size}."
        )
    return angles
