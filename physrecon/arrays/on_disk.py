"""Arrays on the disk: NumPy arrays over temporary files, for arrays larger than the memory.

All code treats them as NumPy arrays; `arrays.like` of one is on the disk as well.  The system moves
their pages in and out; `resident_limit` moves pages out early, so that a program stays within its
budget even while more memory is free."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from physrecon.errors import WriteError

LEAST_BYTES = 1 << 20  # smaller arrays stay in memory
INTERVAL = 0.002  # seconds between two checks of the memory in use


class _Pages(mmap.mmap):
    """The pages of an unlinked file, which exists as long as they do."""

    folder: str


_open: weakref.WeakSet[_Pages] = weakref.WeakSet()


def mapped(shape: Sequence[int], dtype: DTypeLike, folder: str | Path) -> np.ndarray:
    """Array of zeros on the disk, in an unlinked file of `folder`.

    The file is allocated in full: a full disk raises WriteError here, not a crash later.  Its space
    is free again when the array is deleted, or the process ends, even if killed."""
    dtype = np.dtype(dtype)
    size = max(1, math.prod(shape) * dtype.itemsize)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            pages = _Pages(file.fileno(), size)
    except OSError as error:
        raise WriteError(
            f"{folder}: expected room for {size} bytes of work on the disk, got "
            f"{error.strerror or error}; make room, or give more --memory"
        ) from None
    pages.folder = str(folder)
    _open.add(pages)
    return np.frombuffer(pages, dtype, math.prod(shape)).reshape(shape)


def folder_of(array: Any) -> str | None:
    """Folder of the file of an array, None for an array in memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    if isinstance(array, memoryview):
        array = array.obj
    return array.folder if isinstance(array, _Pages) else None


@contextmanager
def resident_limit(limit: int) -> Iterator[None]:
    """Hold at most `limit` bytes of pages of disk arrays in memory, within the block.

    Released pages keep their content on the disk.  Where the system does not report the number of
    pages, the limit has no effect."""
    statm = Path("/proc/self/statm")
    if not statm.exists() or not hasattr(mmap, "MADV_DONTNEED"):
        yield
        return

    def mapped_pages() -> int:
        return int(statm.read_text().split()[2]) * mmap.PAGESIZE

    before = mapped_pages()  # of libraries
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            if mapped_pages() - before > limit:
                for pages in list(_open):
                    pages.madvise(mmap.MADV_DONTNEED)

    thread = threading.Thread(target=watch, name="physrecon-pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
