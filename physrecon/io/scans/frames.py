"""Frames of a stored stack seen as one array (view, row, column).

A scan may store its frames in any order of θ, y and x, may mix projections, flats and darks in one
stack, and may have a camera that is mirrored.  `Frames` hides all three: indexing reads exactly the
wanted rows, one hyperslab per run of consecutive frames."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.io.opened import (
    LazyArray,
    UnchangedFiles,
    bounded_key,
    key_for_each,
    numbers,
    read_errors,
)

THETA_FIRST = "theta:y:x"
ROW_FIRST = "y:theta:x"
AXES = ("theta", "y", "x")
READ_BYTES = 1 << 28  # of frames read at a time, so that a run can be stopped


class StoredArray(Protocol):
    """An array in a file: an HDF5 dataset, a NumPy memmap, or a reader's own.

    It may have `chunks`, the shape of a block of its storage, and `read_direct(out, source,
    destination)`, which saves a copy."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, key: Any, /) -> Any:
        """Read slices with positive steps, or all by ()."""


class Frames(LazyArray):
    """Selected frames of a stored stack: an array (n, rows, columns), read when indexed.

    index: (n,) numbers of the frames in storage.  order: that of the stored axes, "theta:y:x",
    "y:theta:x" or another.  mirrored: whether rows and columns are stored in reverse.
    where: names the stack in errors."""

    def __init__(
        self,
        stack: StoredArray,
        index: NDArray[np.intp],
        order: str = THETA_FIRST,
        where: str = "Frames",
        mirrored: tuple[bool, bool] = (False, False),
    ) -> None:
        self._stack = stack
        self._index = index
        self.order = order
        self._stored = tuple(order.split(":").index(name) for name in AXES)  # ours → stored axis
        self.where = where
        self.mirrored = mirrored
        self._files = UnchangedFiles(())
        _, rows, columns = (stack.shape[axis] for axis in self._stored)
        self.shape: tuple[int, int, int] = (len(index), rows, columns)
        self.dtype = stack.dtype.newbyteorder("=")

    def within(self, files: UnchangedFiles) -> Frames:
        """The same frames; a read fails if one of the files that hold them has changed."""
        frames = copy.copy(self)
        frames._files = files
        return frames

    @property
    def chunk_rows(self) -> int:
        """Rows per chunk of the storage; slabs of a multiple of it read no chunk twice."""
        chunks = getattr(self._stack, "chunks", None)
        return chunks[self._stored[1]] if chunks else 1

    def some(self, frames: NDArray[np.intp]) -> Frames:
        """The frames with these numbers."""
        chosen = copy.copy(self)
        chosen._index = self._index[frames]
        chosen.shape = (len(frames), *self.shape[1:])
        return chosen

    def masked(self, key: Any) -> NDArray[np.bool_] | None:
        """Mask of the values of a key that are NaN because they are masked; None without a mask."""
        return None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read [views, rows, columns]: views an int, slice, mask or indices; the others int or
        slice.  Raises ArgumentError for other keys and ReadError if the file cannot be read."""
        view_key, row_key, column_key = key_for_each("Frames", key, 3)
        frames = np.atleast_1d(self._index[view_key])
        rows = _range("row", row_key, self.shape[1])
        columns = _range("column", column_key, self.shape[2])
        out = np.empty((len(frames), len(rows), len(columns)), self.dtype)
        if out.size:
            with self._files.while_read(), read_errors(self.where):
                self._read(out, frames, rows, columns)
        return out[
            0 if isinstance(view_key, (int, np.integer)) else slice(None),
            slice(None) if isinstance(row_key, slice) else 0,
            slice(None) if isinstance(column_key, slice) else 0,
        ]

    def _read(self, out: NDArray[Any], frames: NDArray[np.intp], rows: range, cols: range) -> None:
        up_down, left_right = self.mirrored
        rows = _reversed(rows, self.shape[1]) if up_down else rows
        cols = _reversed(cols, self.shape[2]) if left_right else cols
        self._read_stored(out, frames, rows, _slice(cols))
        if up_down or left_right:
            turned = np.s_[:: -1 if up_down else 1, :: -1 if left_right else 1]
            for frame in out:  # one by one, as a copy of all may not fit the memory
                frame[...] = frame[turned].copy()

    def _read_stored(
        self, out: NDArray[Any], frames: NDArray[np.intp], rows: range, cols: slice
    ) -> None:
        direct = getattr(self._stack, "read_direct", None) if self.order == THETA_FIRST else None
        most = max(1, READ_BYTES // out[:1].nbytes) if self.order == THETA_FIRST else 0
        for start, stop in _runs(frames, 1, most):
            cancellation_point()
            stored = slice(int(frames[start]), int(frames[stop - 1]) + 1)
            if direct:
                direct(out, np.s_[stored, _slice(rows), cols], np.s_[start:stop])
                continue
            if self.order == THETA_FIRST:
                out[start:stop] = self._stack[stored, _slice(rows), cols]
                continue
            for first, last in _runs(np.asarray(rows) // self.chunk_rows, 0):
                cancellation_point()
                ours = (stored, _slice(rows[first:last]), cols)
                block = self._stack[tuple(ours[self._stored.index(axis)] for axis in range(3))]
                out[start:stop, first:last] = np.transpose(block, self._stored)


class MaskedFrames(Frames):
    """Frames as floats, NaN where a mask is not 0.

    mask: one frame for all, or as many."""

    def __init__(self, frames: Frames, mask: Frames) -> None:
        vars(self).update(vars(frames))
        self._mask = mask
        self.dtype = np.dtype(np.float64 if frames.dtype == np.float64 else np.float32)

    def some(self, frames: NDArray[np.intp]) -> Frames:
        mask = self._mask.some(frames) if len(self._mask) > 1 else self._mask
        return MaskedFrames(super().some(frames), mask)

    def within(self, files: UnchangedFiles) -> Frames:
        return MaskedFrames(super().within(files), self._mask.within(files))

    def masked(self, key: Any) -> NDArray[np.bool_]:
        """Mask of the values of a key, or of one view if it is the same for all."""
        view, rows, columns = key_for_each("Frames", key, 3)
        view = slice(None) if len(self._mask) == 1 and not is_one(view) else view
        return self._mask[0 if len(self._mask) == 1 and is_one(view) else view, rows, columns] != 0

    def __getitem__(self, key: Any) -> NDArray[Any]:
        values = super().__getitem__(key)
        return np.where(self.masked(key), np.array(np.nan, self.dtype), values)


def is_one(key: Any) -> bool:
    return isinstance(key, (int, np.integer))


class Unsqueezed:
    """A stored array of fewer axes, as a stack of three: a sinogram (θ, x), an image (y, x).

    absent: the axes of the stack that the array lacks; their length is 1."""

    def __init__(self, data: StoredArray, *absent: int) -> None:
        self._data, self._absent = data, absent
        self._present = tuple(axis for axis in range(3) if axis not in absent)
        self.shape = self._with_ones(data.shape)
        self.dtype = data.dtype
        chunks = getattr(data, "chunks", None)
        self.chunks = self._with_ones(chunks) if chunks else None

    def _with_ones(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        each = iter(lengths)
        return tuple(1 if axis in self._absent else next(each) for axis in range(3))

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        return np.expand_dims(self._data[tuple(key[axis] for axis in self._present)], self._absent)


class Level:
    """One frame (1, rows, columns) of the same value everywhere."""

    dtype = np.dtype(np.float64)

    def __init__(self, value: float, rows: int, columns: int) -> None:
        self._value = value
        self.shape = (1, rows, columns)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        lengths = (range(n)[part] for n, part in zip(self.shape, key, strict=True))
        return np.full([len(along) for along in lengths], self._value)


def level_frame(value: float, like: Frames) -> Frames:
    """One frame of the rows and columns of `like`, with the same value in every pixel."""
    return Frames(Level(value, *like.shape[1:]), np.zeros(1, np.intp))


def no_frames(like: Frames) -> Frames:
    """Zero frames of the same rows and columns."""
    return Frames(like._stack, np.empty(0, np.intp), like.order)


def _range(name: str, key: Any, count: int) -> range:
    return numbers(bounded_key("Frames", f"a {name}", "a rising slice of them", key, count))


def _reversed(run: range, count: int) -> range:
    """The same lines, counted from the other end, rising."""
    return range(count - 1 - run[-1], count - run[0], run.step)


def _slice(run: range) -> slice:
    return slice(run.start, run.stop, run.step)


def _runs(index: NDArray[np.intp], step: int, most: int = 0) -> Iterator[tuple[int, int]]:
    """(start, stop) of each stretch in which the index rises by `step`, cut to `most` elements."""
    cuts = np.flatnonzero(np.diff(index) != step) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(index)]):
        size = most or stop - start
        yield from ((i, min(i + size, stop)) for i in range(start, stop, size))
