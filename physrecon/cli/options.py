"""The options of each command; those of a job are the fields of its model.

Each function adds the options of the command of its name.  Words are passed to the model as they
are; it checks them like the values of a job file."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any

from physrecon import jobs
from physrecon.catalog import DEMOS, OVERWRITE, PHANTOMS
from physrecon.cli.parser import Parser
from physrecon.jobs.checks import (
    Check,
    OneOf,
    column,
    natural,
    number,
    positive,
    several,
    shape,
    whole,
)
from physrecon.jobs.toml import merge, nested, read_word

if TYPE_CHECKING:
    from physrecon.jobs.options import Option


def add_options(parser: Parser, fields: Iterable[Option], group: Any = None) -> None:
    """Add a command-line option for every field that has one; the model demands what it requires.

    group: titled group of the parser."""
    for field in fields:
        settings: dict[str, Any] = {"dest": field.key}
        if not field.flags:
            continue
        if not field.flags[0].startswith("-"):
            settings = {"metavar": field.flags[0]}
        elif isinstance(field.field.default, bool):
            settings["action"] = "store_false" if field.field.default else "store_true"
        else:
            settings |= {"metavar": field.metavar}
        if alone := field.extra.get("alone"):
            settings |= {"nargs": "?", "const": alone}
        names = field.flags if "dest" in settings else (field.key,)
        action: Any = (group or parser).add_argument(*names, **settings)
        action.completer = _completer(field)
        parser.later[action] = field.help


def _completer(field: Option) -> Callable[..., Any] | None:
    """Gives a shell the names that an option takes; None for files, which shells complete."""
    return (lambda **_: field.names()) if field.names() else None


def values_of(given: dict[str, Any]) -> dict[str, Any]:
    """The values of a job from options; those of `--set` come last and win."""
    parts = [nested(key, value) for key, value in given.items() if key != "settings"]
    return reduce(merge, [*parts, *given.get("settings", ())], {})


def recon(parser: Parser) -> None:
    _job(parser, jobs.ScanJob)


def deconvolve(parser: Parser) -> None:
    _job(parser, jobs.ImageJob)
    _acceleration(parser)
    next(action for action in parser.later if action.dest == "psf").type = _psf


def plan(parser: Parser) -> None:
    parser.add_argument("input", metavar="SCAN|IMAGE|JOB.toml", help="an image is told by --psf")
    scan = [field for field in _fields(jobs.ScanJob) if field.key != "input"]
    add_options(parser, scan)
    _set(parser)
    _records(parser)
    group = parser.add_argument_group("images")
    known = {"input", *(field.key for field in scan)}
    add_options(parser, (f for f in _fields(jobs.ImageJob) if f.key not in known), group)
    _acceleration(group)


def run(parser: Parser) -> None:
    parser.add_argument("job", metavar="JOB.toml")
    parser.add_argument("-o", "--output", metavar="OUT", help="instead of that of the job")
    add_options(parser, _some("overwrite", "device", "threads", "memory", "slab_rows", "history"))
    _set(parser)
    _records(parser)


def info(parser: Parser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+")
    add_options(parser, _some("angle_unit", *jobs.SUPPLIED))
    _records(parser)


def find_center(parser: Parser) -> None:
    names = {"input", "angle_unit", "air", "slices", "threads", *jobs.SUPPLIED}
    add_options(parser, _some(*names))
    parser.add_argument(
        "--per-row-center", action="store_true",
        help="fit the axis of a parallel beam as a line over the rows: the roll of the detector",
    )  # fmt: skip
    parser.add_argument(
        "--plot",
        metavar="PNG",
        help="draw the search: scores of columns, slices at the best five",
    )
    add_options(parser, _some("overwrite"))
    _records(parser)


def align(parser: Parser) -> None:
    add = parser.add_argument
    names = ("input", "angle_unit", "air", "center", "threads", "memory", *jobs.SUPPLIED)
    add_options(parser, _some(*names))
    add("-o", "--output", metavar="JOB.toml", help="the job (by default SCAN_aligned.toml)")
    add(
        "--free", type=_word(several(str, "names", most=math.inf)), metavar="NAMES",
        help="what to find: center,shifts (default), roll, tilt of a parallel beam, pitch, yaw",
    )  # fmt: skip
    add(
        "--reach", type=_word(number("a number > 0", holds=positive)), metavar="PIXELS",
        help="displacement of views at most (default 8)",
    )  # fmt: skip
    add(
        "--finest", type=_word(whole), metavar="N",
        help="smallest pixels to use, N × N of the detector: 2 takes an eighth of the time",
    )  # fmt: skip
    add_options(parser, _some("overwrite"))
    _records(parser)


def check_geometry(parser: Parser) -> None:
    names = {"input", "angle_unit", "air", "threads", "center", *jobs.SUPPLIED}
    add_options(parser, _some(*names))
    _records(parser)


def demo(parser: Parser) -> None:
    parser.add_argument(
        "subject", metavar="SUBJECT", nargs="?", type=_word(OneOf(DEMOS)), default=DEMOS[0],
        help=f"{DEMOS[0]} (default) or {', '.join(DEMOS[1:])}",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="DIR", default="physrecon-demo")
    add_options(parser, _some("overwrite", "device", "threads"))


def simulate(parser: Parser) -> None:
    add, least_1 = parser.add_argument, lambda counts: counts >= 1
    add("-o", "--output", metavar="SCAN", required=True)
    add("--shape", type=_word(shape), metavar="z,y,x", required=True)
    add("--views", type=_word(whole), metavar="N", required=True)
    add(
        "--phantom", type=_word(OneOf(PHANTOMS)), metavar="NAME",
        help=f"{PHANTOMS[0]} (default), {', '.join(PHANTOMS[1:])}",
    )  # fmt: skip
    add(
        "--counts", type=_word(number("a number >= 1", holds=least_1)),
        help="photons a pixel (default 1e4)",
    )  # fmt: skip
    add("--seed", type=_word(natural), metavar="N")
    add(
        "--center", type=_word(column), metavar="COLUMN",
        help="rotation axis (default: off the middle)",
    )  # fmt: skip
    add("--dead-pixels", type=_word(natural), metavar="N")
    _overwrite(parser)


def convert(parser: Parser) -> None:
    add_options(parser, _some("input"))
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True,
        help="SCAN.h5 of a scan; .tif, .mrc or .h5 of a finished volume or image",
    )  # fmt: skip
    add_options(parser, _some("out_dtype", "out_range"), parser.add_argument_group("results"))
    add_options(
        parser,
        _some("angle_unit", *jobs.SUPPLIED),
        parser.add_argument_group("scans"),
    )
    add_options(parser, _some("overwrite"))


def pack(parser: Parser) -> None:
    parser.add_argument("volume", metavar="VOLUME")
    parser.add_argument("-o", "--output", metavar="ONE.h5", required=True)
    _overwrite(parser)


def view(parser: Parser) -> None:
    add = parser.add_argument
    add("input", metavar="VOLUME|IMAGE")
    add("-o", "--output", metavar="PNG", help="default: beside the volume")
    add(
        "--axis", type=_word(OneOf((*"zyx", "all"))), default="z",
        help="z (default), y, x, or all for three cuts through the middle",
    )  # fmt: skip
    add("--slice", dest="index", type=_word(natural), metavar="K", help="default: the middle one")
    add("--compare", metavar="OTHER", help="draw this volume beside it, and the difference")
    add("--window", type=_word(_window), metavar="LO:HI", help="grey values to show")
    _overwrite(parser)


def help(parser: Parser) -> None:
    parser.add_argument("topic", metavar="COMMAND", nargs="?", help="default: all of them")


def report(parser: Parser) -> None:
    parser.add_argument("input", metavar="OUT", help="a volume or an image")
    parser.add_argument("-o", "--output", metavar="HTML", help="default: beside the result")
    _overwrite(parser)


def try_(parser: Parser) -> None:
    parser.add_argument(
        "--vary", action="append", metavar="KEY=VALUES", required=True,
        help="center=280..284/0.5 (first, last, step), rings=none,sort, weight=0.1,0.3,1; twice "
        "for two settings",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="PNG", help="the contact sheet (by default SCAN_try.png)"
    )
    left_out = {"output", "memory", "slab_rows", "residuals", "history"}
    add_options(parser, (field for field in _fields(jobs.ScanJob) if field.key not in left_out))
    _set(parser)


def _job(parser: Parser, model: type[jobs.Job]) -> None:
    add_options(parser, _fields(model))
    _set(parser)
    _records(parser)


def _fields(model: type[jobs.Job]) -> Iterable[Option]:
    """All fields of a job."""
    from physrecon.jobs.options import options

    return options(model)


def _overwrite(parser: Parser) -> None:
    """The option of a command that has no job."""
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)


def _some(*names: str) -> list[Option]:
    """The named options of a scan."""
    return [field for field in _fields(jobs.ScanJob) if field.key.partition(".")[0] in names]


def _records(parser: Any) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print records as JSON, one a line, and nothing else"
    )


def _set(parser: Parser) -> None:
    parser.add_argument(
        "--set", dest="settings", action="append", type=_word(_setting), metavar="KEY=VALUE",
        help="any field of the job, e.g. solver.step=0.9, stop.rtol=1e-4, prior.rule=gcv",
    )  # fmt: skip


def _acceleration(into: Any) -> None:
    into.add_argument(
        "--no-acceleration", dest="solver.accelerate", action="store_false",
        help="plain Richardson-Lucy steps (rl)",
    )  # fmt: skip


def _word(check: Check) -> Callable[[str], Any]:
    """An argparse type from a check, with the check's error sentence."""

    def parse(text: str) -> Any:
        try:
            return check(text)
        except ValueError as problem:
            raise ArgumentTypeError(str(problem)) from None

    return parse


def _setting(text: str) -> dict[str, Any]:
    """`solver.step=0.9` as {"solver": {"step": 0.9}}."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"expected key=value, got {text!r}")
    return nested(key.strip(), read_word(value))


def _psf(text: str) -> str:
    """The value of --psf; `list` prints the models and ends the program, as --help does."""
    if text == "list":
        from physrecon.pipeline.image.psf_list import psf_list

        print("\n".join(psf_list()))
        raise SystemExit(0)
    return text


def _window(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        window = float(low), float(high)
    except ValueError:
        window = (1.0, 0.0)
    if not -math.inf < window[0] < window[1] < math.inf:
        raise ValueError(f"expected lo:hi with lo < hi, got {text!r}")
    return window
