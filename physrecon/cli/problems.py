"""How a command ends that fails, and the file that its messages are appended to."""

from __future__ import annotations

import logging
import shlex
import sys
from contextlib import suppress
from typing import Self

from physrecon.errors import Interrupted, OutputError, PhysreconError

LOG = logging.getLogger("physrecon")
LOG.addHandler(logging.NullHandler())  # errors are printed here, and not by logging as well
FORMAT = "%(asctime)s %(levelname)s %(message)s"
OUR_FAULT = 70


class Log:
    """The log of a command; a context manager, which closes its file if there is one."""

    def __init__(self) -> None:
        self._handler: LogFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            LOG.removeHandler(self._handler)
            LOG.setLevel(logging.NOTSET)
            self._handler.close()

    def append_to(self, path: str, details: bool, arguments: list[str]) -> None:
        """Append all messages to a file, and first the command.  Raises OutputError."""
        try:
            self._handler = LogFile(path, encoding="utf-8")
        except OSError as problem:
            raise OutputError(
                f"log: expected a file that can be written, got {problem.strerror} for {path}; "
                "choose another"
            ) from None
        self._handler.setFormatter(logging.Formatter(FORMAT))
        LOG.addHandler(self._handler)
        LOG.setLevel(logging.DEBUG if details else logging.INFO)
        LOG.info("physrecon %s", shlex.join(arguments))


class LogFile(logging.FileHandler):
    """A file that lines are appended to.  A full disk ends the log, said once, and not the run."""

    _works = True

    def emit(self, record: logging.LogRecord) -> None:
        if self._works:
            super().emit(record)

    def close(self) -> None:
        with suppress(OSError):  # of lines that a full disk has kept
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        self._works = False
        print(f"warning: {self.baseFilename}: {sys.exc_info()[1]}; the log ends", file=sys.stderr)


def complain(problem: BaseException, as_record: bool) -> int:
    """Print an error on stderr, as a record if wanted, and return the exit code."""
    text, code = _sentence(problem)
    LOG.error("%s", text)
    if as_record:
        from physrecon.pipeline.messages import as_json

        kind = type(problem).__name__
        text = as_json({"record": "error", "error": text, "kind": kind, "exit_code": code})
    print(text if as_record else f"error: {text}", file=sys.stderr)
    return code


def _sentence(problem: BaseException) -> tuple[str, int]:
    if isinstance(problem, PhysreconError):
        return str(problem), problem.exit_code
    if isinstance(problem, KeyboardInterrupt):  # not within a piece of a run
        return "stopped; run it again, files that are finished stay", Interrupted.exit_code
    if isinstance(problem, MemoryError):
        return "out of memory; give a smaller --memory or --slab-rows", OUR_FAULT
    text = f"{type(problem).__name__}: {problem}"
    return f"{text}\nthis is a fault of ours; --debug shows where", OUR_FAULT
