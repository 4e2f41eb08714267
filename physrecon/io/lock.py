"""One writer at a time for an output: an advisory lock that dies with its process.

The lock is on a hidden file beside the output.  The system lets go of it however the process ends,
so a kill blocks nobody; the file itself goes when the writer is done, or with the next one."""

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

    Raises OutputError where another process has it, and where its file is a link or has content.
    Where the file system knows no locks, or the folder cannot be written, there is none."""

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
                pass  # its last holder removed it in between: once more
            except OSError:  # a file system without locks
                self._remove()
                return
            finally:
                if self._handle is None:
                    os.close(handle)

    def release(self) -> None:
        """Let others write; the file goes first, so that nobody locks one that is about to go."""
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
