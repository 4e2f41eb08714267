"""Open files: arrays read on demand, and files closed whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.errors import ArgumentError, ReadError


class Closing:
    """A context manager that calls `close` at its end."""

    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LazyArray:
    """An array in a file, read when indexed; conversion to a NumPy array reads all of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        raise NotImplementedError


def key_for_each(where: str, key: Any, ndim: int) -> tuple[Any, ...]:
    """Expand a key to one per axis: an ellipsis and missing keys become full slices.

    Raises ArgumentError for too many keys."""
    keys: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys = keys[:at] + (slice(None),) * (ndim + 1 - len(keys)) + keys[at + 1 :]
    if len(keys) > ndim:
        raise ArgumentError(f"{where}: expected at most {ndim} indices, got {len(keys)}.")
    return keys + (slice(None),) * (ndim - len(keys))


def bounded_key(where: str, number: str, part: str, key: Any, count: int) -> int | slice:
    """An int below `count`, or a slice with bounds and a positive step.

    number, part: names of the two in errors.  Raises ArgumentError for other keys, IndexError."""
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if not -count <= key < count:
            raise IndexError(f"{where}: expected {number} in 0..{count - 1}, got {key}.")
        return int(key) % count
    if not isinstance(key, slice) or (key.step is not None and key.step < 1):
        raise ArgumentError(f"{where}: expected {number} or {part}, got {key!r}.")
    start, stop, step = key.indices(count)
    return slice(start, max(start, stop), step)


def numbers(key: int | slice) -> range:
    """The indices that a bounded key selects."""
    return range(key, key + 1) if isinstance(key, int) else range(key.start, key.stop, key.step)


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if the block raises anything."""
    try:
        yield
    except BaseException:
        undo()
        raise


@contextmanager
def read_errors(where: object) -> Iterator[None]:
    """Turn an OSError, or a RuntimeError of HDF5, in the block into a ReadError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise ReadError(
            f"{where}: expected readable data, got {error}; run again if the disk "
            "was away for a while, else copy the file again."
        ) from error
