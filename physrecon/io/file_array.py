"""An uncompressed array in a file, read in parts.

The declared size is compared with that of the file before anything is allocated.  Parts are read by
ordinary reads, not through a memory map, in which a file that is cut short ends the process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.errors import DataError
from physrecon.io.opened import numbers, read_errors

GAP = 1 << 16  # bytes between wanted rows; below it one read with the gaps is faster than many


class FileArray:
    """An array of `shape` that begins at `offset` of a file, the last axis fastest.

    Raises DataError if the file is too short for it."""

    def __init__(self, path: Path, offset: int, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.path, self.offset = path, offset
        self.shape, self.dtype = tuple(int(n) for n in shape), np.dtype(dtype)
        end = offset + math.prod(self.shape) * self.dtype.itemsize
        size = path.stat().st_size
        if offset < 0 or min(self.shape, default=0) < 1 or end > size:
            raise DataError(
                f"{path}: expected {end} bytes for an array of {self.shape} {self.dtype} from byte "
                f"{offset} on, got {size}; copy it again from the source."
            )

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        """Read one int or bounded rising slice per axis.  Raises ReadError."""
        wanted = [numbers(each) for each in key]
        out = np.empty([len(each) for each in wanted], self.dtype)
        if out.size:
            with read_errors(self.path), self.path.open("rb", buffering=0) as file:
                self._fill(file, out, self.offset, wanted, 0)
        return out[tuple(0 if isinstance(each, int) else slice(None) for each in key)]

    def _fill(
        self, file: FileIO, out: NDArray[Any], offset: int, wanted: list[range], axis: int
    ) -> None:
        """Read the wanted part of the sub-array of the axes from `axis` on, at `offset`."""
        step = math.prod(self.shape[axis + 1 :]) * self.dtype.itemsize  # bytes
        run, rest = wanted[axis], wanted[axis + 1 :]
        whole = all(len(each) == n for each, n in zip(rest, self.shape[axis + 1 :], strict=True))
        if whole and run.step == 1:
            file.seek(offset + run.start * step)
            _read_into(file, out)
        elif len(rest) <= 1 and run.step * step < GAP:  # a block of rows or values, with gaps
            block = np.empty((run[-1] - run[0] + 1, *self.shape[axis + 1 :]), self.dtype)
            file.seek(offset + run.start * step)
            _read_into(file, block)
            columns = tuple(slice(each.start, each.stop, each.step) for each in rest)
            out[...] = block[(slice(None, None, run.step), *columns)]
        elif not rest:
            for place, number in enumerate(run):
                file.seek(offset + number * step)
                _read_into(file, out[place : place + 1])
        else:
            for place, number in enumerate(run):
                self._fill(file, out[place], offset + number * step, wanted, axis + 1)


def _read_into(file: FileIO, out: NDArray[Any]) -> None:
    """Fill a contiguous array from the position of the file.  Raises OSError at its end."""
    left = out.reshape(-1).view(np.uint8).data
    while left:
        count = file.readinto(left)
        if not count:
            raise OSError(f"the end of the file {len(left)} bytes too early")
        left = left[count:]
