"""argv → Job → run: exit codes, signals, and no traceback for a user's mistake.

Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from physrecon.cli.options import parser
from physrecon.errors import Interrupted, PhysreconError


class _Terminated(KeyboardInterrupt):
    """SIGTERM: a batch system wants the machine back, and will run the job again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on `argv`; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    _print_any_character()
    try:
        with _terminate_like_interrupt():
            return _command(arguments)
    except SystemExit as leaving:  # --help
        return int(leaving.code or 0)
    except PhysreconError as problem:
        return _complain(str(problem), problem.exit_code, debug)
    except BrokenPipeError:  # `| head` is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _Terminated:  # before a first slab was finished
        return _complain(
            "stopped with nothing finished; run it again", Interrupted.exit_code, debug
        )
    except KeyboardInterrupt:
        return _complain("interrupted", 130, debug)
    except MemoryError:
        return _complain("out of memory; give a smaller --memory or --slab-rows", 70, debug)
    except Exception as problem:
        text = f"{type(problem).__name__}: {problem}\nthis is a fault of ours; --debug shows where"
        return _complain(text, 70, debug)


def _command(arguments: list[str]) -> int:
    top = parser()
    options = vars(top.parse_args(arguments))
    options.pop("debug", None)
    if options.pop("version", False):
        from physrecon import __version__

        print(f"physrecon {__version__}")
        return 0
    name = options.pop("command", None)
    if name is None:
        top.print_help()
        return 0
    from physrecon.cli import commands

    return getattr(commands, name.replace("-", "_"))(**options)


def _complain(text: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"error: {text}", file=sys.stderr)
    return code


def _print_any_character() -> None:
    """A terminal without ° or ± gets their code, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """A batch system's SIGTERM ends a run as tidily as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
