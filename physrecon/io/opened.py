"""Open files: arrays read on demand, files that must not change, and files closed in any case."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.errors import ArgumentError, PhysreconError, ReadError
from physrecon.notebook import html


class Closing:
    """A context manager that calls `close` at its end."""

    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileState(NamedTuple):
    """What changes when a file is replaced, truncated or written to."""

    inode: int
    size: int  # bytes
    mtime: int  # ns


class UnchangedFiles:
    """Files that are read piece by piece, and must stay as they are when this is made.

    HDF5 reads zeros beyond the end of a file that was truncated after it was opened."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._states = {path: _state(path) for path in sorted(set(files))}

    def require(self) -> None:
        """Raise ReadError if one of the files has changed or is gone."""
        for path, before in self._states.items():
            now = _state(path)
            if now != before:
                raise ReadError(
                    f"{path}: expected a file that stays as it is while it is read, got "
                    f"{_change(before, now)}; run again when it is complete."
                )

    @contextmanager
    def while_read(self) -> Iterator[None]:
        """Check the files after the block, which may have failed because they changed."""
        try:
            yield
        except Exception:
            self.require()
            raise
        self.require()


def _state(path: Path) -> FileState | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return FileState(state.st_ino, state.st_size, state.st_mtime_ns)


def _change(before: FileState | None, now: FileState | None) -> str:
    if before is None or now is None:
        return "one that can no longer be found" if before else "one that was not there before"
    if now.size != before.size:
        return f"{now.size} bytes instead of {before.size}"
    if now.inode != before.inode:
        return "another file of that name"
    return "one that was written to"


class LazyArray:
    """An array in a file, read when indexed; conversion to a NumPy array reads all of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {tuple(self.shape)} {self.dtype}"

    def _repr_html_(self) -> str:
        return html(repr(self), middle_plane(self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        raise NotImplementedError


def middle_plane(array: LazyArray) -> NDArray[Any] | None:
    """The middle plane of an array in a file; None if there is none, or the file cannot be read."""
    if array.ndim < 2 or 0 in array.shape:
        return None
    with suppress(PhysreconError, OSError, ValueError, RuntimeError):  # closed by now, say
        return array[(*(n // 2 for n in array.shape[:-2]), ...)]
    return None


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
