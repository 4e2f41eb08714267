"""The words of the command line: what may be said, checked as far as words can be checked.

Only argparse is imported here, so that help and usage errors answer at once."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from physrecon.blocks import parse_bytes, parse_slices
from physrecon.errors import ArgumentError
from physrecon.names import (
    ANGLE_UNITS,
    BOUNDARIES,
    COUNT_LIKELIHOODS,
    DEMOS,
    DEVICES,
    DIRECT,
    FILTERS,
    IMAGE_DIRECT,
    IMAGE_ITERATIVE,
    IMAGE_LIKELIHOODS,
    IMAGE_METHODS,
    ITERATIVE,
    LENGTH_UNITS,
    LIKELIHOODS,
    METHODS,
    PADDINGS,
    PHANTOMS,
    PRIORS,
    PSF_MODELS,
    RINGS,
    UNCONSTRAINED,
    expected,
)

COMMANDS = ("demo", "recon", "deconvolve", "plan", "run", "info", "find-center", "simulate", "view")
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


class Parser(argparse.ArgumentParser):
    """Raises ArgumentError instead of leaving the process, and guesses what was meant."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **settings)
        # `--window -0.1:2` is a value, not an option
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def error(self, message: str) -> NoReturn:
        where = self.prog.removeprefix("physrecon ")
        stray = re.match(r"unrecognized arguments: ([^\s=]+)", message)
        command = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if stray and stray[1].startswith("-"):
            names = (name for action in self._actions for name in action.option_strings)
            options = tuple(name for name in names if name.startswith("--"))
            message = f"{where}: {expected(stray[1], options)}"
        elif stray:
            message = f"{where}: expected no further argument, got {stray[1]!r}"
        elif command:
            message = f"{where}: {expected(command[1], COMMANDS)}"
        elif message.startswith("argument "):
            message = f"{where} " + message.removeprefix("argument ")
        else:
            missing = message.replace("the following arguments are required:", "expected")
            message = f"{where}: {missing}, got none"
        raise ArgumentError(f"{message}\n`{self.prog} --help` shows how it is used")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Unknown options are reported by the command they were given to: it knows its own."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in names:
            raise argparse.ArgumentTypeError(expected(value, tuple(names)))
        return value

    return check


def _checked(parse: Callable[[str], Any], keep: bool = False) -> Callable[[str], Any]:
    """An argparse type from a function that raises ArgumentError; `keep` the text as it was."""

    def check(value: str) -> Any:
        try:
            parsed = parse(value)
        except ArgumentError as problem:
            # the option's name stands before it already
            raise argparse.ArgumentTypeError(str(problem).partition(": ")[2]) from None
        return value if keep else parsed

    return check


def _number(kind: Callable[[str], Any], what: str, least: float) -> Callable[[str], Any]:
    def check(value: str) -> Any:
        try:
            number = kind(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise argparse.ArgumentTypeError(f"expected {what}, got {value!r}")
        return number

    return check


_count = _number(int, "a whole number >= 1", 1)
_natural = _number(int, "a whole number >= 0", 0)


_column = _number(float, "a column such as 296.0", -math.inf)


def _center(value: str) -> float | str:
    if value == "auto":
        return value
    return _number(float, "a column such as 296.0, or auto", -math.inf)(value)


def _level(value: str) -> float | str:
    if value == "auto":
        return value
    return _number(float, "a grey value >= 0, or auto", 0)(value)


def _fraction(value: str) -> float:
    number = _number(float, "a number between 0 and 1, such as 1e-3", 0)(value)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(
            f"expected a number between 0 and 1, such as 1e-3, got {value!r}"
        )
    return number


def _lengths(value: str) -> tuple[float, ...]:
    """`0.3,0.1,0.1`, or one length for all axes."""
    try:
        lengths = tuple(float(part) for part in value.split(","))
    except ValueError:
        lengths = ()
    if not 1 <= len(lengths) <= 3 or not all(math.isfinite(n) and n > 0 for n in lengths):
        raise argparse.ArgumentTypeError(
            f"expected lengths > 0 along z,y,x such as 0.3,0.1,0.1, got {value!r}"
        )
    return lengths


def _psf_center(value: str) -> tuple[int, ...] | str:
    if value == "peak":
        return value
    if not re.fullmatch(r"\d+(,\d+){0,2}", value):
        raise argparse.ArgumentTypeError(
            f"expected an index along z,y,x such as 8,15,15, or peak, got {value!r}"
        )
    return tuple(int(part) for part in value.split(","))


def _weight(value: str) -> float | str:
    if value == "auto":
        return value
    weight = _number(float, "a number > 0, or auto", 0)(value)
    if not weight:
        raise argparse.ArgumentTypeError(f"expected a number > 0, or auto, got {value!r}")
    return weight


def _setting(text: str) -> dict[str, Any]:
    """`solver.step=0.9` as {"solver": {"step": 0.9}}."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"expected key=value, got {text!r}")
    try:
        setting: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        setting = value.strip()  # a bare word is a string
    for name in reversed(key.strip().split(".")):
        setting = {name: setting}
    return setting


def _shape(value: str) -> tuple[int, ...]:
    shape = tuple(_count(n) for n in value.split(","))
    if len(shape) != 3:
        raise argparse.ArgumentTypeError(f"expected z,y,x such as 64,256,256, got {value!r}")
    return shape


def _window(value: str) -> tuple[float, float]:
    low, _, high = value.partition(":")
    try:
        window = float(low), float(high)
    except ValueError:
        window = (1.0, 0.0)
    if not window[0] < window[1]:
        raise argparse.ArgumentTypeError(f"expected lo:hi with lo < hi, got {value!r}")
    return window


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="physrecon", description=SUMMARY, epilog=EXAMPLES)
    top.add_argument("--version", action="store_true", help="print the version and leave")
    _debug(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def command(name: str, text: str) -> Parser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        _debug(sub)
        return sub

    demo = command("demo", "simulate, reconstruct in several ways, compare with the truth")
    demo.add_argument(
        "subject", metavar="SUBJECT", nargs="?", type=_one_of(DEMOS), default=DEMOS[0],
        help=f"{DEMOS[0]} (default) or {', '.join(DEMOS[1:])}",
    )  # fmt: skip
    demo.add_argument("-o", "--output", metavar="DIR", default="physrecon-demo")
    _execution(demo, "--overwrite", "--device", "--threads")

    recon = command("recon", "reconstruct a scan into a volume")
    recon.add_argument("input", metavar="SCAN", help="HDF5: Data Exchange, NXtomo or NeXus")
    recon.add_argument("-o", "--output", metavar="OUT", required=True, help="the volume, HDF5")
    _reconstruction(recon)

    deconvolve = command("deconvolve", "take the blur off an image, a stack, or a series of them")
    deconvolve.add_argument(
        "input", metavar="IMAGE", help="TIFF, HDF5 (FILE.h5::/path), PNG or JPEG"
    )
    _psf(deconvolve, required=True)
    deconvolve.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="the result, TIFF or HDF5 by its name"
    )
    deconvolve.add_argument(
        "--method", type=_one_of(IMAGE_METHODS), metavar="NAME",
        help=f"rl (default), {' '.join(IMAGE_DIRECT)} (direct), or "
        f"{' '.join(m for m in IMAGE_ITERATIVE if m != 'rl')}",
    )  # fmt: skip
    deconvolve.add_argument(
        "--likelihood", type=_one_of(IMAGE_LIKELIHOODS), metavar="NAME",
        help="what the noise is: poisson (counts; of rl and mlem), least-squares (of the others)",
    )  # fmt: skip
    _prior(deconvolve, "rl with it where it can")
    _images(deconvolve)
    _execution(deconvolve, *(name for name in _EXECUTION if name != "--slab-rows"))

    plan = command("plan", "explain memory, disk and pieces of a job, without computing")
    plan.add_argument("input", metavar="SCAN|IMAGE|JOB.toml", help="an image is told by --psf")
    plan.add_argument("-o", "--output", metavar="OUT")
    _reconstruction(plan, (*METHODS, *IMAGE_DIRECT))
    images = plan.add_argument_group("images")
    _psf(images)
    _images(images)

    run = command("run", "carry out a job file; running it again goes on where it stopped")
    run.add_argument("job", metavar="JOB.toml")
    run.add_argument("-o", "--output", metavar="OUT")
    _execution(run, "--overwrite", "--device", "--threads", "--memory", "--slab-rows", "--set")

    info = command("info", "say what a file is, or what is wrong with it")
    info.add_argument("files", metavar="FILE", nargs="+")
    _angle_unit(info)
    _allow_root(info)

    center = command(
        "find-center", "find the rotation axis, in up to three ways that check each other"
    )
    center.add_argument("input", metavar="SCAN")
    _reading(center)
    _execution(center, "--threads")

    simulate = command("simulate", "write a scan of a phantom as raw counts")
    simulate.add_argument("-o", "--output", metavar="SCAN", required=True)
    simulate.add_argument("--shape", type=_shape, metavar="z,y,x", required=True)
    simulate.add_argument("--views", type=_count, metavar="N", required=True)
    simulate.add_argument(
        "--phantom", type=_one_of(PHANTOMS), metavar="NAME",
        help=f"{PHANTOMS[0]} (default), {', '.join(PHANTOMS[1:])}",
    )  # fmt: skip
    simulate.add_argument(
        "--counts", type=_number(float, "a number >= 1", 1), help="photons a pixel (default 1e4)"
    )
    simulate.add_argument("--seed", type=_natural, metavar="N")
    simulate.add_argument(
        "--center", type=_column, metavar="COLUMN", help="rotation axis (default: off the middle)"
    )
    simulate.add_argument("--dead-pixels", type=_natural, metavar="N")
    _execution(simulate, "--overwrite")

    view = command("view", "draw a slice of a volume or an image as PNG, with scale bar")
    view.add_argument("input", metavar="VOLUME|IMAGE")
    view.add_argument("-o", "--output", metavar="PNG", help="default: beside the volume")
    view.add_argument("--axis", type=_one_of("zyx"), default="z", help="z (default), y or x")
    view.add_argument(
        "--slice", dest="index", type=_natural, metavar="K",
        help="default: the middle one",
    )  # fmt: skip
    view.add_argument("--window", type=_window, metavar="LO:HI", help="grey values to show")
    _execution(view, "--overwrite")
    return top


def _debug(into: Parser) -> None:
    into.add_argument("--debug", action="store_true", help="show tracebacks")


def _angle_unit(into: Parser) -> None:
    into.add_argument("--angle-unit", type=_one_of(ANGLE_UNITS), metavar="UNIT", help="deg or rad")


def _reading(into: Parser) -> None:
    _angle_unit(into)
    into.add_argument(
        "--line-integrals", action="store_true", help="the data are -log(transmission) already"
    )
    _allow_root(into)
    into.add_argument(
        "--slices", type=_checked(parse_slices, keep=True), metavar="a:b",
        help="detector rows, b not included (default: all)",
    )  # fmt: skip


def _allow_root(into: Parser) -> None:
    into.add_argument(
        "--allow-root", metavar="DIR", help="a further folder in which linked files may lie"
    )


_EXECUTION: dict[str, dict[str, Any]] = {
    "--overwrite": {"action": "store_true", "help": "replace a finished output"},
    "--device": {"type": _one_of(DEVICES), "metavar": "NAME", "help": "cpu (default) or cuda"},
    "--threads": {"type": _count, "metavar": "N", "help": "default: all cores"},
    "--memory": {
        "type": _checked(parse_bytes), "metavar": "SIZE",
        "help": "such as 4GB (default: half of what is free)",
    },
    "--slab-rows": {"type": _count, "metavar": "N", "help": "rows in one go (default: by memory)"},
    "--set": {
        "dest": "settings", "action": "append", "type": _setting, "metavar": "KEY=VALUE",
        "help": "any field of the job, e.g. solver.step=0.9, stop.rtol=1e-4, prior.rule=l-curve",
    },
}  # fmt: skip


def _execution(into: Parser, *options: str) -> None:
    for option in options:
        into.add_argument(option, **_EXECUTION[option])


def _reconstruction(into: Parser, methods: Sequence[str] = METHODS) -> None:
    """The options that make a Job."""
    into.add_argument(
        "--method", type=_one_of(methods), metavar="NAME",
        help=f"{' '.join(DIRECT)} (default), or iterative: {' '.join(ITERATIVE)}",
    )  # fmt: skip
    into.add_argument(
        "--center", type=_center, metavar="COLUMN", help="rotation axis, 0-based (default: auto)"
    )
    into.add_argument(
        "--filter",
        type=_one_of(FILTERS),
        metavar="NAME",
        help=f"{FILTERS[0]} (default), {', '.join(FILTERS[1:])} (fbp)",
    )
    into.add_argument(
        "--padding", type=_one_of(PADDINGS), metavar="NAME",
        help="zero (default), or edge for an object wider than the detector (fbp)",
    )  # fmt: skip
    into.add_argument(
        "--likelihood", type=_one_of(LIKELIHOODS), metavar="NAME",
        help="what the data are: least-squares (default), weighted by the counts (default with a "
        "prior), transmission (raw counts), poisson (default of mlem and osem), huber or student-t "
        "(outliers)",
    )  # fmt: skip
    _prior(
        into, f"unless --method is named it is then {PRIORS['tv']}, for wavelet {PRIORS['wavelet']}"
    )
    into.add_argument(
        "--rings", nargs="?", const="sort", type=_one_of(RINGS), metavar="NAME",
        help="remove ring artefacts: sort (Vo 2018)",
    )  # fmt: skip
    _reading(into)
    _execution(into, *_EXECUTION)


def _prior(into: Parser, method: str) -> None:
    """The options of iterative methods of both kinds of job."""
    into.add_argument(
        "--prior", type=_one_of(tuple(PRIORS)), metavar="NAME",
        help=f"what is known of the object: {', '.join(PRIORS)}; {method}",
    )  # fmt: skip
    into.add_argument(
        "--weight", type=_weight, metavar="W",
        help="how much the prior counts: a number > 0, or auto (default), found from the data",
    )  # fmt: skip
    into.add_argument("--iterations", type=_count, metavar="N", help="default: as suits the method")
    into.add_argument(
        "--nonnegative", action="store_true",
        help=f"no value below 0 (iterative, but for {', '.join(UNCONSTRAINED)}; always with "
        f"{' and '.join(COUNT_LIKELIHOODS)})",
    )  # fmt: skip


def _psf(into: Any, required: bool = False) -> None:
    into.add_argument(
        "--psf", metavar="PSF", required=required,
        help=f"the blur of a point: a file, or a model ({', '.join(PSF_MODELS)}) with its "
        "parameters in the unit of the voxels, such as gaussian:sigma=0.2",
    )  # fmt: skip


def _images(into: Any) -> None:
    """The options that only an ImageJob has."""
    into.add_argument(
        "--boundary", type=_one_of(BOUNDARIES), metavar="NAME",
        help="what lies beyond the frame: unknown (default: found along with the rest), zero, "
        "reflect or periodic",
    )  # fmt: skip
    into.add_argument(
        "--background", type=_level, metavar="B",
        help="grey value that lies under the whole image, or auto (default: 0)",
    )  # fmt: skip
    into.add_argument(
        "--psf-background", type=_level, metavar="LEVEL",
        help="grey value taken off a measured PSF, or auto (default: 0)",
    )  # fmt: skip
    into.add_argument(
        "--psf-center", type=_psf_center, metavar="z,y,x",
        help="index of the centre of the PSF, or peak (default: n // 2 of every axis)",
    )  # fmt: skip
    into.add_argument(
        "--no-normalize", dest="normalize", action="store_false",
        help="do not divide the PSF by its sum",
    )  # fmt: skip
    into.add_argument("--oversize", action="store_true", help="allow a PSF larger than the image")
    into.add_argument(
        "--accuracy", type=_fraction, metavar="A",
        help="how far the PSF may be replaced by few separable ones, for speed (default: rounding)",
    )  # fmt: skip
    into.add_argument(
        "--blind", action="store_true", help="improve the PSF along with the image (rl)"
    )
    into.add_argument(
        "--no-acceleration", dest="accelerate", action="store_false",
        help="plain Richardson-Lucy steps (rl)",
    )  # fmt: skip
    into.add_argument(
        "--planewise", action="store_true", help="a PSF of a plane for each plane of a stack"
    )
    into.add_argument(
        "--frames", type=_checked(parse_slices, keep=True), metavar="a:b",
        help="times or channels, b not included (default: all)",
    )  # fmt: skip
    for name, what in (("", "voxels"), ("psf-", "voxels of the PSF")):
        into.add_argument(
            f"--{name}voxel-size", type=_lengths, metavar="z,y,x",
            help=f"size of the {what}, instead of what the file says",
        )  # fmt: skip
    into.add_argument(
        "--length-unit", type=_one_of(LENGTH_UNITS), metavar="UNIT",
        help=f"of --voxel-size: {', '.join(LENGTH_UNITS)}",
    )  # fmt: skip
