"""Identity of an input, at a cost that does not grow with its size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.io.opened import read_errors

BLOCK = 4096  # bytes read at a place: a page
BLOCKS = 4096  # places in all files; a scan has about as many chunks, and a disk takes < 20 s


def fingerprint(files: Iterable[Path], facts: Iterable[str], values: Iterable[NDArray[Any]]) -> str:
    """SHA-256 of an input in 64 hex digits: names, sizes, times and samples of its files, stated
    facts, and values.

    The samples are all bytes of up to 16 MiB of files, else evenly spaced blocks of 4 KiB, 16 MiB
    together: at least one of each chunk, if there are fewer than 4096 and they are about equal.
    They show a file that was replaced by one of its size and time.  Raises ReadError."""
    digest = hashlib.sha256()
    paths = sorted(files)
    with read_errors(", ".join(path.name for path in paths)):
        sizes = [path.stat().st_size for path in paths]
        step = max(BLOCK, -(-sum(sizes) // BLOCKS))
        for path, size in zip(paths, sizes, strict=True):
            digest.update(f"{path.name} {size} {path.stat().st_mtime_ns}\n".encode())
            for block in _blocks(path, size, step):
                digest.update(block)
    for fact in facts:
        digest.update(f"{fact}\n".encode())
    for array in values:
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


def _blocks(path: Path, size: int, step: int) -> Iterator[bytes]:
    """Yield the block at every `step` bytes of a file, and the one at its end."""
    with path.open("rb", buffering=0) as file:
        for start in (*range(0, size, step), max(size - BLOCK, 0)):
            file.seek(start)
            yield file.read(BLOCK)
