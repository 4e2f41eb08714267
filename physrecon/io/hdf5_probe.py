"""Have a child process read an HDF5 file before this process opens it.

A damaged file can make HDF5 loop for ever in C, overwrite the stack or fill the memory, and no
exception handler of Python helps.  `probe` therefore asks a child (`hdf5_probe_child.py`) that has
limits of time and memory.  Only objects that the child has read may be opened here.

One child serves a process for many files.  It starts at the first file, ends when idle, and starts
anew after a file has ended it.  It is a plain subprocess: a notebook and a script without
`if __name__ == "__main__"` work.  A fork of this process starts its own."""

from __future__ import annotations

import atexit
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

from physrecon.errors import DataError, DeviceError, ReadError

ANSWER_SECONDS = 7  # for one request, which is one object or a second of them
START_SECONDS = 60  # for importing numpy and h5py, on a cold network disk
MAX_ANSWER = 1 << 24  # bytes
MAX_REMEMBERED = 1000  # files
MAX_SECONDS = 30  # of the child for one file: 20 000 objects take 10
YOUNG_NS = 2_000_000_000  # a file may change again within one tick of its time stamp
MAGIC = b"\x89HDF\r\n\x1a\n"  # at the start of most HDF5 files
BARE = ("-I", "-S", "-B")  # flags of Python: without site-packages' hooks, which take time
CHILD = Path(__file__).with_name("hdf5_probe_child.py")
KEPT = (
    "PATH",
    "SYSTEMROOT",
    "HOME",
    "TMPDIR",
    "TEMP",
    "LANG",
    "LC_ALL",
)  # environment of the child
KEPT_STARTS = ("LD_", "DYLD_", "CONDA_")
ADDED = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPI4PY_RC_INITIALIZE": "0",  # an h5py with MPI must not join the parent's ranks
}
# Signals that end a child without a word on its file: its own alarm, the end of a whole job.
OTHERS = {getattr(signal, name, 0) for name in ("SIGALRM", "SIGTERM", "SIGINT", "SIGHUP")} - {0}

Identity = tuple[int, int, int, int]  # device, inode, size, mtime_ns


class FatalDamage(DataError):
    """A file that would crash HDF5, or take endless time or all memory."""


class Findings:
    """What the child found in one file: the objects that can be read, by address."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self.identity = identity
        self._verdicts: dict[int, str] = {}
        self._growing: set[int] = set()
        self._indexed: set[int] = set()
        self._fatal: list[FatalDamage] = []  # at most one; to find it again would take seconds
        self._seconds = 0.0

    def error(self, name: str, address: int) -> str:
        """Why the object `name` cannot be read, "" if it can.  Raises FatalDamage, ReadError."""
        if address not in self._verdicts:
            self.ask(name, address)
        return self._verdicts[address]

    def grows(self, address: int) -> bool:
        """Whether a virtual dataset has the shape of its sources, which HDF5 opens to find it."""
        return address in self._growing

    def index_error(self, name: str, address: int) -> str:
        """Why the chunk index of a dataset cannot be read, "" if it can."""
        if address not in self._indexed:
            self.ask(name, address, index=True)
        return self._verdicts[address]

    def ask(self, name: str, address: int | None = None, index: bool = False) -> None:
        """Have the child read the object `name`, and others that may be wanted next."""
        request = {"path": str(self.path), "start": name, "address": address, "index": index}
        self.check_harmless()
        try:
            answer = _answer(self.path, request)
        except FatalDamage as damage:
            self._fatal.append(damage)
            raise
        self.check_unchanged()
        if "error" in answer:
            raise self._damage(answer["error"])
        self._seconds += answer["seconds"]
        if self._seconds > MAX_SECONDS:
            raise FatalDamage(
                f"{self.path}: expected an HDF5 file whose headers can be read within "
                f"{MAX_SECONDS} s, got one that takes longer; copy it again from the source."
            )
        self._verdicts.update(answer["objects"])
        ((_, root), *_) = answer["objects"]
        if address is None and root:
            raise self._damage(root)
        self._growing.update(answer["growing"])
        self._indexed.update(answer["indexed"])

    def check_harmless(self) -> None:
        """Raise FatalDamage if it was found before."""
        if self._fatal:
            raise self._fatal[0].with_traceback(None)

    def _damage(self, error: str) -> DataError:
        if "open for write" in error:
            return DataError(
                f"{self.path}: expected a file that no program is writing, got one that is open "
                "for writing; wait for the scan to end, or run `h5clear -s` on it if its program "
                "has crashed."
            )
        got = "a truncated one" if "truncated" in error else f"a damaged one ({error})"
        return DataError(
            f"{self.path}: expected a whole HDF5 file, got {got} of {self.identity[2]} bytes; "
            "copy it again from the source."
        )

    def check_unchanged(self) -> None:
        """Raise ReadError if the file is not the one that the child has read."""
        if not self.path.is_file() or identity_of(self.path) != self.identity:
            raise ReadError(
                f"{self.path}: expected a file at rest, got one that was changed while it was "
                "opened; wait until it is complete and run again."
            )


_remembered: dict[Identity, Findings] = {}


def identity_of(path: Path) -> Identity:
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def probe(path: Path) -> Findings:
    """The findings of the child in the file at `path`, an absolute path.

    Remembered as long as device, inode, size and time of the file are the same.
    Raises DataError for a damaged file, DeviceError where no child can be started."""
    identity = identity_of(path)
    if identity in _remembered:
        findings = copy(_remembered[identity])
        findings.path = path  # of a file that was renamed, or has two names
        findings.check_harmless()
        return findings
    findings = Findings(path, identity)
    try:
        findings.ask("/")
    except FatalDamage:
        _remember(findings)
        raise
    _remember(findings)
    return findings


def _remember(findings: Findings) -> None:
    if time.time_ns() - findings.identity[3] > YOUNG_NS:
        if len(_remembered) >= MAX_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[findings.identity] = findings


class _Ended(Exception):
    """The child ended without an answer; the text says how."""


class _Child:
    """A child that starts, and the pipes to it."""

    def __init__(self, *flags: str) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.upper() in KEPT or name.startswith(KEPT_STARTS)
        }
        self.process = subprocess.Popen(
            [interpreter(), *flags, str(CHILD), *filter(os.path.isabs, sys.path)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=CHILD.parent,
            env={**kept, **ADDED},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,  # Ctrl-C is for this process alone
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self.late = False

    def ready(self) -> _Child:
        """The child once it has loaded its libraries.  Raises _Ended if it does not start."""
        self._receive(START_SECONDS)
        return self

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request.  Raises _Ended."""
        body = json.dumps(request).encode()
        with suppress(OSError):  # where the child has ended, no answer comes
            self.pipes[0].write(struct.pack("<I", len(body)) + body)
        return self._receive(ANSWER_SECONDS)

    def _receive(self, seconds: float) -> dict[str, Any]:
        clock = threading.Timer(seconds, self._too_late)
        clock.daemon = True
        clock.start()
        try:
            (length,) = struct.unpack("<I", self._read(4))
            return json.loads(self._read(min(length, MAX_ANSWER)))
        except (ValueError, struct.error) as error:  # the pipe is closed
            raise _Ended(self.end()) from error
        except BaseException:  # the rest of the answer would be taken for the next one
            self.end()
            raise
        finally:
            clock.cancel()

    def _read(self, length: int) -> bytes:
        content = b""
        while len(content) < length and (part := self.pipes[1].read(length - len(content))):
            content += part
        return content

    def _too_late(self) -> None:
        self.late = True
        self.process.kill()

    def end(self) -> str:
        """End the child, if it still runs; how it ended."""
        self.process.kill()
        status = self.process.wait()
        words = self.pipes[2].read().decode(errors="replace").strip().splitlines()
        self.close()
        if self.late:
            return "gives no answer, for damage or for a disk that does not answer"
        if status < 0 and -status == getattr(signal, "SIGXCPU", 0):
            return "does not come to an end"
        if status < 0:
            return f"ends with signal {-status}"
        return words[-1] if words else f"ends with status {status}"

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()

    def ended_by_others(self) -> bool:
        """Whether it ended by its own alarm, or by a signal to all processes of a job."""
        return -(self.process.poll() or 0) in OTHERS


def interpreter() -> str:
    """The Python of this process; `sys.executable` is another program where Python is embedded.

    Raises DeviceError if there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = Path(sys.base_exec_prefix)
    places = [home / "bin" / version, home / "bin" / "python3", home / "python.exe"]
    own = Path(sys.executable or "none")
    if own.name.lower().startswith(("python", "pypy")) and not getattr(sys, "frozen", False):
        places.insert(0, own)
    for place in places:
        if place.is_file():
            return str(place)
    raise DeviceError(
        f"HDF5: expected a Python interpreter to try files in, got {sys.executable!r}; set "
        f"sys.executable to a {version} that imports h5py."
    )


def start_early(path: str | Path) -> None:
    """Start the child for an HDF5 file that is opened soon.

    It loads numpy and h5py while this process loads its own libraries."""
    global _child, _early
    with suppress(OSError, ValueError), open(path, "rb") as file:  # told when it is opened
        if file.read(len(MAGIC)) == MAGIC and not (_child or _early):
            _early = _Child(*BARE)


def _start() -> _Child:
    global _early
    try:
        try:
            early, _early = _early, None
            return (early or _Child(*BARE)).ready()
        except _Ended:
            return _Child("-I", "-B").ready()  # where h5py is found by a hook of site-packages
    except (_Ended, OSError) as error:
        raise DeviceError(
            f"HDF5: expected a child process that imports h5py, got {interpreter()}, which "
            f"{error}; repair that Python, or set sys.executable to one that imports h5py."
        ) from error


_lock = threading.Lock()
_child: _Child | None = None
_early: _Child | None = None  # started, not yet asked


def _answer(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    global _child
    with _lock:
        while True:
            if _child is not None and _child.process.poll() is not None:  # ended when idle
                _child.end()
                _child = None
            child = _child = _child or _start()
            try:
                return child.ask(request)
            except BaseException as error:
                _child = None
                if not isinstance(error, _Ended):
                    raise
                if not child.ended_by_others():
                    raise FatalDamage(
                        f"{path}: expected a sound HDF5 file, got one on which HDF5 {error} (tried "
                        "in a process of its own); copy it again from the source."
                    ) from error


def _stop() -> None:
    global _child, _early
    for child in filter(None, (_child, _early)):
        child.end()
    _child = _early = None


def _forget() -> None:
    """In a fork: the child and its pipes are the parent's."""
    global _child, _early, _lock
    for child in filter(None, (_child, _early)):
        child.close()
        child.process.returncode = 0  # not to be waited for
    _child, _early, _lock = None, None, threading.Lock()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
