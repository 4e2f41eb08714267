"""argv → job → run: exit codes, signals, and no traceback for a user's mistake.

Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import io
import keyword
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from physrecon.cancellation import cancel_on_signals
from physrecon.catalog import COMMANDS
from physrecon.cli.parser import Parser
from physrecon.cli.problems import Log, complain

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "h5py",
    "hdf5plugin",
    "numba-cuda",
    "cupy-cuda12x",
)
SUMMARY = "From a measured scan to a volume, from a blurred image to a sharp one."
EXAMPLES = """\
examples:
  physrecon demo                                  simulate, reconstruct, compare, draw
  physrecon info scan.h5                          what is in a file, or what is wrong with it
  physrecon recon scan.h5 -o volume.h5            filtered backprojection, axis found
  physrecon recon scan.h5 -o volume.h5 --method cgls --iterations 30
  physrecon recon scan.h5 -o volume.h5 --prior tv --nonnegative     few or noisy views
  physrecon deconvolve stack.tif --psf psf.tif -o sharp.tif         an image or a 3-D stack
  physrecon plan scan.h5 --memory 4GB             slabs, memory and disk, without computing
  physrecon view volume.h5                        a slice as PNG

exit codes: 0 ok, 64 usage, 65 bad data, 66 missing input, 69 no such device, 70 a bug of ours,
73 and 74 output, 75 stopped and can go on, 78 bad job file
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on `argv`, None for that of the process; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    _print_any_character()
    with Log() as log:
        try:
            with cancel_on_signals(at_end=argv is None), _warnings_to_log(debug):
                return _command(arguments, log)
        except SystemExit as leaving:  # --help
            return int(leaving.code or 0)
        except BrokenPipeError:  # `| head` is no error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except BaseException as problem:
            if debug:
                import traceback

                traceback.print_exc()
            return complain(problem, "--json" in arguments)


def parser(filled: str = "") -> Parser:
    """The whole command line; the options of a command are added when it is called.

    filled: a command whose options are there at once."""
    top = Parser(prog="physrecon", description=SUMMARY, epilog=EXAMPLES)
    top.add_argument(
        "--version",
        action="store_true",
        help="print the version, and those of libraries",
    )
    _add_debug(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.fill = partial(_fill, name)
        if name == filled:
            sub.add_own_options()
    return top


def _fill(name: str, command: Parser) -> None:
    from physrecon.cli import options

    getattr(options, _function(name))(command)
    _add_messages(command)


def _add_debug(into: Any) -> None:
    into.add_argument("--debug", action="store_true", help="show tracebacks")


def _add_messages(into: Parser) -> None:
    """The options of all commands about what they print."""
    group = into.add_argument_group("messages")
    levels = group.add_mutually_exclusive_group()
    levels.add_argument(
        "-q", "--quiet", action="store_true", help="print results, warnings and errors alone"
    )
    levels.add_argument(
        "-v", "--verbose", action="store_true", help="print the plan, and how far work is, too"
    )
    group.add_argument(
        "--log", metavar="FILE", help="append all messages, with date and time, to a file"
    )
    _add_debug(group)


def _command(arguments: list[str], log: Log) -> int:
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    top = parser()
    if arguments[:1] == ["help"]:  # `help recon` is `recon --help`
        arguments = [*arguments[1:2], "--help"]
    options = vars(top.parse_args(arguments))
    options.pop("debug", None)
    if options.pop("version", False):
        print(_versions())
        return 0
    name = options.pop("command", None)
    if name is None:
        top.print_help()
        return 0
    from physrecon.cli import commands
    from physrecon.pipeline.messages import Messages

    if path := options.pop("log", None):
        log.append_to(path, options.get("verbose", False), arguments)
    how = {key: options.pop(key) for key in ("quiet", "verbose", "json") if key in options}
    return getattr(commands, _function(name))(Messages(**how), **options)


def _complete() -> None:
    """Print what may follow the words in COMP_LINE, and end the program.

    A shell asks for it once `register-python-argcomplete physrecon` has told it to."""
    with suppress(ImportError):  # an extra: `pip install 'physrecon[completion]'`
        import argcomplete

        words = os.environ.get("COMP_LINE", "").split()
        argcomplete.autocomplete(parser(next(filter(COMMANDS.__contains__, words), "")))


def _function(command: str) -> str:
    """The name of the function of a command; `try` is a word of Python."""
    name = command.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _versions() -> str:
    """The version of this program, of Python, and of the libraries that results depend on."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import machine, python_version

    from physrecon import __version__

    found = [f"Python {python_version()} on {machine()}"]
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return f"physrecon {__version__}\n" + "\n".join(f"  {line}" for line in found)


@contextmanager
def _warnings_to_log(debug: bool) -> Iterator[None]:
    """Print our warnings in one line; those of libraries go to the log, which `debug` prints."""
    import logging
    import warnings

    def show(message: Any, category: Any, filename: str, lineno: int, *_: Any, **__: Any) -> None:
        if category.__module__.startswith("physrecon."):
            print(f"warning: {message}", file=sys.stderr)
            logging.getLogger("physrecon").warning("%s", message)
        else:
            text = warnings.formatwarning(message, category, filename, lineno)
            logging.getLogger("py.warnings").warning("%s", text.rstrip())

    handler = logging.StreamHandler(sys.stderr) if debug else logging.NullHandler()
    handler.addFilter(lambda record: record.name != "physrecon")  # printed already
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        logging.getLogger().removeHandler(handler)


def _print_any_character() -> None:
    """Print characters that the terminal lacks, such as °, as escapes; do not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
