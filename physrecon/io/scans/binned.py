"""A part of the detector, and its pixels taken together: what `crop` and `bin` of a scan do.

Counts of the pixels of a bin are added up, so that they stay counts, with the noise of counts.
Transmissions and line integrals are averaged.  Views, flats and darks are binned alike, before any
correction."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError
from physrecon.io.opened import UnchangedFiles, key_for_each
from physrecon.io.scans.frames import Frames, is_one
from physrecon.io.scans.reading import ScanReading
from physrecon.sizes import counted, parse_bin, parse_crop

NAMES = ("row", "column")
READ_BYTES = 1 << 25  # of pixels read at a time


class BinnedFrames(Frames):
    """Frames of a part of the detector, with b × c pixels for each of theirs.

    rows, columns: of the detector, whole bins of them.  add: take the sum of a bin, else its mean.
    A bin with NaN is NaN.  A bin with a saturated pixel, at the largest value of an integer type,
    has the value of one in which all are saturated, so that it is seen to be."""

    def __init__(
        self, frames: Frames, rows: slice, columns: slice, bins: tuple[int, int], add: bool
    ) -> None:
        vars(self).update(vars(frames))
        self._frames, self._index = frames, np.arange(len(frames))
        self._first, self._bins, self._add = (rows.start, columns.start), bins, add
        size = (rows.stop - rows.start) // bins[0], (columns.stop - columns.start) // bins[1]
        self.shape = (len(frames), *size)
        self.dtype = _type_of_sum(frames.dtype) if add else _type_of_mean(frames.dtype)
        self.dtype = frames.dtype if bins == (1, 1) else self.dtype

    @property
    def chunk_rows(self) -> int:
        """Rows per chunk of the storage."""
        return max(1, self._frames.chunk_rows // self._bins[0])

    def within(self, files: UnchangedFiles) -> Frames:
        frames = copy.copy(self)
        frames._frames = self._frames.within(files)
        return frames

    def masked(self, key: Any) -> NDArray[np.bool_] | None:
        """Mask of the bins with a masked pixel."""
        view, *part = key_for_each("Frames", key, 3)
        at: Any = self._index[view]
        runs = [slice(k, k + 1) if is_one(k) else k for k in part]
        wide = [slice(*self._pixels(axis, run)) for axis, run in enumerate(runs)]
        pixels = self._frames.masked((int(at) if is_one(view) else at, *wide))
        if pixels is None:
            return None
        mask: NDArray[np.bool_] = np.any(self._in_bins(pixels), axis=(-3, -1))
        return mask[(..., *(0 if is_one(k) else slice(None, None, k.step) for k in part))]

    def _pixels(self, axis: int, run: slice) -> tuple[int, int]:
        """(first, end) of the pixels in a run of bins along rows (0) or columns (1)."""
        start, stop, _ = run.indices(self.shape[1 + axis])
        first, b = self._first[axis], self._bins[axis]
        return first + start * b, first + max(start, stop) * b

    def _in_bins(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(…, rows, columns) → (…, bins, pixels of a bin, bins, pixels of a bin)."""
        *lead, rows, columns = pixels.shape
        b, c = self._bins
        return pixels.reshape(*lead, rows // b, b, columns // c, c)

    def _read(self, out: NDArray[Any], frames: NDArray[np.intp], rows: range, cols: range) -> None:
        if rows.step > 1:
            for i, row in enumerate(rows):
                self._read(out[:, i : i + 1], frames, range(row, row + 1), cols)
            return
        wide = range(cols.start, cols.stop)
        first_row, end_row = self._pixels(0, slice(rows.start, rows.stop))
        first, end = self._pixels(1, slice(wide.start, wide.stop))
        frame = (end - first) * (end_row - first_row) * self._frames.dtype.itemsize
        step = max(1, READ_BYTES // max(frame, 1))
        for start in range(0, len(frames), step):
            some = frames[start : start + step]
            pixels = self._frames[_run(some), first_row:end_row, first:end]
            out[start : start + step] = self._binned(pixels)[..., :: cols.step]

    def _binned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self._bins == (1, 1):
            return pixels
        parts = self._in_bins(pixels)
        if not self._add:
            return parts.mean(axis=(-3, -1), dtype=np.float64).astype(self.dtype)
        total: Any = parts.sum(axis=(-3, -1), dtype=_type_of_sum(pixels.dtype, wide=True))
        stored = self._stack.dtype  # that of masked frames too, which are floats
        if stored.kind in "iu":
            largest = np.iinfo(stored).max
            total[(parts == largest).any(axis=(-3, -1))] = math.prod(self._bins) * largest
        return total.astype(self.dtype)


def _run(frames: NDArray[np.intp]) -> Any:
    """Consecutive numbers as a slice, which is read at once."""
    first, last = int(frames[0]), int(frames[-1])
    alike = len(frames) == last - first + 1 and bool((np.diff(frames) == 1).all())
    return slice(first, last + 1) if alike else frames


def _type_of_sum(dtype: Any, wide: bool = False) -> np.dtype[Any]:
    """The type of sums of pixels: integers of 32 bits for those of 16 at most, else floats."""
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return np.dtype(np.uint32 if dtype.kind == "u" else np.int32)
    return np.dtype(np.float64) if wide or dtype.kind in "iu" else _type_of_mean(dtype)


def _type_of_mean(dtype: Any) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def cropped_and_binned(
    reading: ScanReading, crop: str | None, bin: str | int | None, counts: bool
) -> ScanReading:
    """The reading of a part of the detector in larger pixels.

    Rows, columns, the axis and heights are those of the new pixels.  Raises ArgumentError."""
    if crop is None and bin is None:
        return reading
    bins = (1, 1) if bin is None else parse_bin(str(bin))
    whole = reading.projections.shape[1:]
    given = _cropped(crop, whole)
    rows, columns = (_whole_bins(*one) for one in zip(NAMES, given, bins, strict=True))

    def smaller(frames: Frames) -> Frames:
        return BinnedFrames(frames, rows, columns, bins, counts)

    pixel, axis, views = reading.pixel_size, reading.center, smaller(reading.projections)
    if pixel is not None:
        pixel = (pixel[0][0] * bins[0], pixel[0][1] * bins[1]), pixel[1]
    if axis is not None:
        axis = (axis - columns.start + 0.5) / bins[1] - 0.5
    said = [
        f"crop: rows {given[0].start}:{given[0].stop}, columns {given[1].start}:{given[1].stop}"
    ]
    said *= crop is not None
    if bin is not None:
        how = "counts summed" if counts else "values averaged"
        said.append(f"bin: {how} over {bins[0]} × {bins[1]} pixels{_left_out(given, bins)}")
    said[-1] += f"; --center, --slices and --air count in {views.shape[1]} rows × {views.shape[2]} "
    said[-1] += "columns"
    return replace(
        reading,
        projections=views,
        flats=smaller(reading.flats),
        darks=smaller(reading.darks),
        pixel_size=pixel,
        center=axis,
        row_offset=(reading.row_offset + (rows.start + rows.stop - whole[0]) / 2) / bins[0],
        bins=bins,
        setup=reading.setup.binned(bins[1]),
        notes=(*reading.notes, *said),
    )


def _cropped(crop: str | None, whole: tuple[int, int]) -> list[slice]:
    """The rows and columns to take.  Raises ArgumentError."""
    wanted = (slice(0, None), slice(0, None)) if crop is None else parse_crop(crop)
    parts = []
    for name, part, n in zip(NAMES, wanted, whole, strict=True):
        stop = n if part.stop is None else part.stop
        if not part.start < stop <= n:
            raise ArgumentError(f"crop: expected {name}s a:b within 0:{n}, got {crop}")
        parts.append(slice(part.start, stop))
    return parts


def _whole_bins(name: str, part: slice, b: int) -> slice:
    """The part without pixels at its end that fill no bin.  Raises ArgumentError."""
    count = part.stop - part.start
    if b > count:
        raise ArgumentError(f"bin: expected at most the {count} {name}s there are, got {b}")
    return slice(part.start, part.start + count // b * b)


def _left_out(parts: list[slice], bins: tuple[int, int]) -> str:
    """What fills no bin, in words."""
    rest = ((part.stop - part.start) % b for part, b in zip(parts, bins, strict=True))
    lost = [counted(n, name) for name, n in zip(NAMES, rest, strict=True) if n]
    return f", {' and '.join(lost)} left over" if lost else ""
