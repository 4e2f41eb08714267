"""Write a file so that it appears whole or not at all: temporary name, sync, rename, sync folder.

Here HDF5 never writes to the disk directly.  On a full disk, HDF5 2.0 crashed the process (default
driver) or kept the space of the dead file (core driver with a backing store).  Writing HDF5 into a
Python buffer costs one copy of the content, and a full disk is then an ordinary error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

from physrecon.errors import OutputError, WriteError
from physrecon.sizes import format_bytes

PIECE = 1 << 26  # bytes written at a time


def publish(buffer: io.BytesIO, path: Path) -> None:
    """Write a buffer to `path`, which appears whole or not at all.

    Raises WriteError and leaves no temporary file."""
    with (
        write_errors(path),
        replacing(path) as temporary,
        temporary.open("r+b", buffering=0) as file,
    ):
        content = buffer.getbuffer()
        for start in range(0, len(content), PIECE):
            write_all(file, content[start : start + PIECE])


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty temporary file; if the block succeeds, sync it and rename it to `path`.

    If the block fails, the file is removed and `path` is unchanged.  Raises OSError."""
    if path.exists() and not path.is_file():
        raise IsADirectoryError(errno.EISDIR, "a folder or a device of that name", str(path))
    temporary = new_temporary(path)
    try:
        with _in_use(temporary):
            yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        rename_durably(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def new_temporary(path: Path) -> Path:
    """Create an empty hidden file in the folder of `path`; `remove_temporary` recognises its name.

    Never opens an existing file or the target of a link.  Raises OSError."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    temporary.touch(exist_ok=False)
    return temporary


def rename_durably(temporary: Path, path: Path) -> None:
    """Rename a file that is synced, and sync its folder.  Raises OSError."""
    temporary.replace(path)
    sync_folder(path.parent)


def write_all(file: io.FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[file.write(piece) :]


def sync_folder(folder: Path) -> None:
    """Make a rename durable.

    File systems that cannot sync a folder answer EINVAL, which is ignored.  Windows has no way."""
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


@contextlib.contextmanager
def write_errors(path: Path, kept: str = ": finished slabs are kept") -> Iterator[None]:
    """Turn an OSError in the block into a WriteError."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{path}: expected to write it, got {error.strerror or error}; "
            f"make room or mend the disk and run again{kept}."
        ) from error


def check_new_file(path: Path, overwrite: bool) -> None:
    """Raise OutputError unless a file may be created at `path` or, with `overwrite`, replaced."""
    if path.exists() and not path.is_file():
        raise OutputError(
            f"{path}: expected a name for a new file, got a folder or a device; "
            "choose another name."
        )
    if os.path.lexists(path) and not overwrite:
        raise OutputError(
            f"{path}: expected a new file, got one that exists; "
            "choose another name or pass --overwrite."
        )


def check_space(path: Path, needed: int, kept: str = "") -> None:
    """Raise OutputError unless `needed` bytes are free on the disk.  kept: added to the error."""
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OutputError(
            f"{path}: expected {format_bytes(needed)} of free space, "
            f"got {format_bytes(free)}{kept}; free some or choose another folder."
        )


def check_writable(folder: Path) -> None:
    try:
        new_temporary(folder / "physrecon").unlink()
    except OSError as error:
        raise OutputError(
            f"{folder}: expected a folder that can be written, got {error.strerror}; "
            "create it, change its permissions or choose another."
        ) from error


def remove_temporary(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files that killed runs left in a folder: those of `name`, or all."""
    for path in _temporaries(folder, name):
        path.unlink(missing_ok=True)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of `path` whose writers were killed, but none in use.

    An empty one stays: its writer may have created it just now."""
    for temporary in _temporaries(path.parent, path.name) if fcntl else ():
        with contextlib.suppress(OSError):
            if temporary.stat().st_size and not temporary.is_symlink():
                with _in_use(temporary) as locked:
                    if locked:
                        temporary.unlink()


def _temporaries(folder: Path, name: str | None) -> list[Path]:
    pattern = re.compile(rf"\.{re.escape(name) if name else '.+'}\.[0-9a-f]{{8}}\.part")
    names = os.listdir(folder) if folder.is_dir() else ()
    return [folder / name for name in names if pattern.fullmatch(name)]


@contextlib.contextmanager
def _in_use(temporary: Path) -> Iterator[bool]:
    """Lock a temporary file for the block, or until a kill; yield whether that was possible."""
    if not fcntl:
        yield False
        return
    handle = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW)
    try:
        locked = False
        with contextlib.suppress(OSError):  # in use, or a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        yield locked
    finally:
        os.close(handle)
