"""Frames of a stored stack seen as one array (view, row, column).

A scan may store its frames as θ:y:x or y:θ:x, and may mix projections, flats and darks in one
stack.  `Frames` hides both: indexing reads exactly the wanted rows, one hyperslab per run of
consecutive frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.io.opened import LazyArray, bounded_key, key_for_each, numbers, read_errors

THETA_FIRST = "theta:y:x"
ROW_FIRST = "y:theta:x"
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

    index: (n,) numbers of the frames in storage.  order: "theta:y:x" or "y:theta:x".
    where: names the stack in errors."""

    ndim = 3

    def __init__(
        self,
        stack: StoredArray,
        index: NDArray[np.intp],
        order: str = THETA_FIRST,
        where: str = "Frames",
    ) -> None:
        self._stack = stack
        self._index = index
        self._row_first = order == ROW_FIRST
        self._where = where
        rows = stack.shape[0 if self._row_first else 1]
        self.shape: tuple[int, int, int] = (len(index), rows, stack.shape[2])
        self.dtype = stack.dtype.newbyteorder("=")

    @property
    def chunk_rows(self) -> int:
        """Rows per chunk of the storage; slabs of a multiple of it read no chunk twice."""
        chunks = getattr(self._stack, "chunks", None)
        return chunks[0 if self._row_first else 1] if chunks else 1

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read [views, rows, columns]: views an int, slice, mask or indices; the others int or
        slice.  Raises ArgumentError for other keys and ReadError if the file cannot be read."""
        view_key, row_key, column_key = key_for_each("Frames", key, 3)
        frames = np.atleast_1d(self._index[view_key])
        rows = _range("row", row_key, self.shape[1])
        columns = _range("column", column_key, self.shape[2])
        out = np.empty((len(frames), len(rows), len(columns)), self.dtype)
        if out.size:
            with read_errors(self._where):
                self._read(out, frames, rows, _slice(columns))
        return out[
            0 if isinstance(view_key, (int, np.integer)) else slice(None),
            slice(None) if isinstance(row_key, slice) else 0,
            slice(None) if isinstance(column_key, slice) else 0,
        ]

    def _read(self, out: NDArray[Any], frames: NDArray[np.intp], rows: range, cols: slice) -> None:
        direct = getattr(self._stack, "read_direct", None)
        most = 0 if self._row_first else max(1, READ_BYTES // out[:1].nbytes)
        for start, stop in _runs(frames, 1, most):
            cancellation_point()
            stored = slice(int(frames[start]), int(frames[stop - 1]) + 1)
            if not self._row_first:
                source = np.s_[stored, _slice(rows), cols]
                if direct:
                    direct(out, source, np.s_[start:stop])
                else:
                    out[start:stop] = self._stack[source]
                continue
            for first, last in _runs(np.asarray(rows) // self.chunk_rows, 0):
                cancellation_point()
                block = self._stack[_slice(rows[first:last]), stored, cols]
                out[start:stop, first:last] = np.moveaxis(block, 1, 0)


def no_frames(like: Frames) -> Frames:
    """Zero frames of the same rows and columns."""
    empty = np.empty(0, np.intp)
    return Frames(like._stack, empty, ROW_FIRST if like._row_first else THETA_FIRST)


def _range(name: str, key: Any, count: int) -> range:
    return numbers(bounded_key("Frames", f"a {name}", "a rising slice of them", key, count))


def _slice(run: range) -> slice:
    return slice(run.start, run.stop, run.step)


def _runs(index: NDArray[np.intp], step: int, most: int = 0) -> Iterator[tuple[int, int]]:
    """(start, stop) of each stretch in which the index rises by `step`, cut to `most` elements."""
    cuts = np.flatnonzero(np.diff(index) != step) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(index)]):
        size = most or stop - start
        yield from ((i, min(i + size, stop)) for i in range(start, stop, size))
