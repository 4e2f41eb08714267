"""Making a file appear whole or not at all: temporary name, sync, rename, sync the folder.

HDF5 itself never writes to the disk: when a disk ran full under it, HDF5 2.0 crashed the process
(default driver) or kept the dead file's space (core driver with a backing store).  A Python buffer
as its file costs one copy of the content and reports a full disk as an ordinary error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import uuid
from pathlib import Path

from physrecon.errors import OutputError, WriteError

PIECE = 1 << 26  # bytes written at a time


def publish(buffer: io.BytesIO, path: Path) -> None:
    """Make a file appear whole or not at all: temporary name, sync, rename, sync the folder.

    Raises WriteError and leaves no temporary file."""
    temporary = temporary_name(path)
    try:
        with temporary.open("xb", buffering=0) as file:
            content = buffer.getbuffer()
            for start in range(0, len(content), PIECE):
                _write_all(file, content[start : start + PIECE])
            os.fsync(file.fileno())
        take_name(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A new name beside `path`, hidden, that `remove_temporary` knows."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")


def take_name(temporary: Path, path: Path) -> None:
    """Give a file that is on the disk its name, durably.  Raises OSError."""
    temporary.replace(path)
    _sync_folder(path.parent)


def _write_all(file: io.FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[file.write(piece) :]


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder say EINVAL.

    Windows has no way to."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def write_error(path: Path, error: OSError, kept: str = ": finished slabs are kept") -> WriteError:
    return WriteError(
        f"{path}: expected to write it, got {error.strerror or error}; "
        f"make room or mend the disk and run again{kept}."
    )


def check_writable(folder: Path) -> None:
    probe = folder / f".physrecon.{uuid.uuid4().hex[:8]}.part"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder}: expected a folder that can be written, got {error.strerror}; "
            "create it, change its permissions or choose another."
        ) from error


def remove_temporary(folder: Path, name: str | None = None) -> None:
    """Remove what killed runs left in a folder: of the file `name`, or of any."""
    pattern = re.compile(rf"\.{re.escape(name) if name else '.+'}\.[0-9a-f]{{8}}\.part")
    for path in folder.iterdir() if folder.is_dir() else ():
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)
