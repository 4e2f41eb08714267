"""One writer at a time for an output: an advisory lock that ends with its process.

The lock is on a hidden file beside the output.  The system releases it however the process ends, so
a kill blocks nobody.  The file is removed when this writer, or the next one, has finished."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

from physrecon.errors import OutputError


class Lock:
    """The right to write `path`, held until `release` or the end of the process.

    Raises OutputError if another process holds it, or if the lock file is a link or has content.
    No lock is taken if the file system has none or the folder cannot be written."""

    def __init__(self, path: Path) -> None:
        self._file = path.parent / f".{path.name}.lock"
        self._handle: int | None = None
        while fcntl and self._handle is None:
            try:
                handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            except OSError:
                if self._file.is_symlink():
                    raise self._not_a_lock("a symbolic link") from None
                return
            try:
                if os.fstat(handle).st_size:
                    raise self._not_a_lock("a file with content")
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle), os.stat(self._file)):
                    self._handle = handle
            except BlockingIOError:
                raise OutputError(
                    f"{path}: expected to be the only one to write it, got another run that is "
                    "writing it now; wait for that one or choose another name."
                ) from None
            except FileNotFoundError:
                pass  # the last holder has just removed the file: try again
            except OSError:  # a file system without locks
                self._remove()
                return
            finally:
                if self._handle is None:
                    os.close(handle)

    def release(self) -> None:
        """Release the lock; the file is removed first, so that nobody locks a file about to go."""
        if self._handle is not None:
            self._remove()
            os.close(self._handle)
            self._handle = None

    def _not_a_lock(self, found: str) -> OutputError:
        return OutputError(
            f"{self._file}: expected an empty lock file or none, got {found}; "
            "move it away or choose another name for the output."
        )

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
