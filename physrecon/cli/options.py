"""The words of the command line: what may be said, checked as far as words can be checked.

Only argparse is imported here, so that help and usage errors answer at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from physrecon.catalog import (
    ANGLE_UNITS,
    BOUNDARIES,
    DEMOS,
    DEVICES,
    DIRECT,
    FILTERS,
    IMAGE_DIRECT,
    IMAGE_LIKELIHOODS,
    LENGTH_UNITS,
    LIKELIHOODS,
    METHODS,
    PADDINGS,
    PHANTOMS,
    PRIORS,
    PSF_MODELS,
    RINGS,
    SOLVERS,
    find_all,
    image_methods,
)
from physrecon.cli import parser as types
from physrecon.cli.parser import Parser
from physrecon.sizes import parse_bytes, parse_slices

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
        "subject", metavar="SUBJECT", nargs="?", type=types.one_of(DEMOS), default=DEMOS[0],
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
    method = deconvolve.add_argument("--method", type=types.one_of(image_methods), metavar="NAME")
    deconvolve.later[method] = _image_methods_help
    deconvolve.add_argument(
        "--likelihood", type=types.one_of(IMAGE_LIKELIHOODS), metavar="NAME",
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
    simulate.add_argument("--shape", type=types.shape, metavar="z,y,x", required=True)
    simulate.add_argument("--views", type=types.count, metavar="N", required=True)
    simulate.add_argument(
        "--phantom", type=types.one_of(PHANTOMS), metavar="NAME",
        help=f"{PHANTOMS[0]} (default), {', '.join(PHANTOMS[1:])}",
    )  # fmt: skip
    simulate.add_argument(
        "--counts",
        type=types.number(float, "a number >= 1", 1),
        help="photons a pixel (default 1e4)",
    )
    simulate.add_argument("--seed", type=types.natural, metavar="N")
    simulate.add_argument(
        "--center",
        type=types.column,
        metavar="COLUMN",
        help="rotation axis (default: off the middle)",
    )
    simulate.add_argument("--dead-pixels", type=types.natural, metavar="N")
    _execution(simulate, "--overwrite")

    view = command("view", "draw a slice of a volume or an image as PNG, with scale bar")
    view.add_argument("input", metavar="VOLUME|IMAGE")
    view.add_argument("-o", "--output", metavar="PNG", help="default: beside the volume")
    view.add_argument("--axis", type=types.one_of("zyx"), default="z", help="z (default), y or x")
    view.add_argument(
        "--slice", dest="index", type=types.natural, metavar="K",
        help="default: the middle one",
    )  # fmt: skip
    view.add_argument("--window", type=types.window, metavar="LO:HI", help="grey values to show")
    _execution(view, "--overwrite")
    return top


def _debug(into: Parser) -> None:
    into.add_argument("--debug", action="store_true", help="show tracebacks")


def _angle_unit(into: Parser) -> None:
    into.add_argument(
        "--angle-unit", type=types.one_of(ANGLE_UNITS), metavar="UNIT", help="deg or rad"
    )


def _reading(into: Parser) -> None:
    _angle_unit(into)
    into.add_argument(
        "--line-integrals", action="store_true", help="the data are -log(transmission) already"
    )
    _allow_root(into)
    into.add_argument(
        "--slices", type=types.checked(parse_slices, keep=True), metavar="a:b",
        help="detector rows, b not included (default: all)",
    )  # fmt: skip


def _allow_root(into: Parser) -> None:
    into.add_argument(
        "--allow-root", metavar="DIR", help="a further folder in which linked files may lie"
    )


_EXECUTION: dict[str, dict[str, Any]] = {
    "--overwrite": {"action": "store_true", "help": "replace a finished output"},
    "--device": {"type": types.one_of(DEVICES), "metavar": "NAME", "help": "cpu (default) or cuda"},
    "--threads": {"type": types.count, "metavar": "N", "help": "default: all cores"},
    "--memory": {
        "type": types.checked(parse_bytes), "metavar": "SIZE",
        "help": "such as 4GB (default: half of what is free)",
    },
    "--slab-rows": {
        "type": types.count, "metavar": "N", "help": "rows in one go (default: by memory)",
    },
    "--set": {
        "dest": "settings", "action": "append", "type": types.setting, "metavar": "KEY=VALUE",
        "help": "any field of the job, e.g. solver.step=0.9, stop.rtol=1e-4, prior.rule=l-curve",
    },
}  # fmt: skip


def _execution(into: Parser, *options: str) -> None:
    for option in options:
        into.add_argument(option, **_EXECUTION[option])


def _reconstruction(into: Parser, methods: Sequence[str] = METHODS) -> None:
    """The options that make a Job."""
    into.add_argument(
        "--method", type=types.one_of(methods), metavar="NAME",
        help=f"{' '.join(DIRECT)} (default), or iterative: {' '.join(SOLVERS)}",
    )  # fmt: skip
    into.add_argument(
        "--center",
        type=types.center,
        metavar="COLUMN",
        help="rotation axis, 0-based (default: auto)",
    )
    into.add_argument(
        "--filter",
        type=types.one_of(FILTERS),
        metavar="NAME",
        help=f"{FILTERS[0]} (default), {', '.join(FILTERS[1:])} (fbp)",
    )
    into.add_argument(
        "--padding", type=types.one_of(PADDINGS), metavar="NAME",
        help="zero (default), or edge for an object wider than the detector (fbp)",
    )  # fmt: skip
    into.add_argument(
        "--likelihood", type=types.one_of(LIKELIHOODS), metavar="NAME",
        help="what the data are: least-squares (default), weighted by the counts (default with a "
        "prior), transmission (raw counts), poisson (default of mlem and osem), huber or student-t "
        "(outliers)",
    )  # fmt: skip
    _prior(into, "unless --method is named it is then {tv}, for wavelet {wavelet}")
    into.add_argument(
        "--rings", nargs="?", const="sort", type=types.one_of(RINGS), metavar="NAME",
        help="remove ring artefacts: sort (Vo 2018)",
    )  # fmt: skip
    _reading(into)
    _execution(into, *_EXECUTION)


def _prior(into: Parser, method: str) -> None:
    """The options of iterative methods of both kinds of job."""
    prior = into.add_argument("--prior", type=types.one_of(PRIORS), metavar="NAME")
    into.later[prior] = lambda: (
        f"what is known of the object: {', '.join(PRIORS)}; "
        + method.format(**{word: prior.solver for word, prior in find_all(PRIORS).items()})
    )
    into.add_argument(
        "--weight", type=types.weight, metavar="W",
        help="how much the prior counts: a number > 0, or auto (default), found from the data",
    )  # fmt: skip
    into.add_argument(
        "--iterations", type=types.count, metavar="N", help="default: as suits the method"
    )
    into.later[into.add_argument("--nonnegative", action="store_true")] = _nonnegative_help


def _image_methods_help() -> str:
    iterative = (m for m in image_methods() if m in SOLVERS and m != "rl")
    return f"rl (default), {' '.join(IMAGE_DIRECT)} (direct), or {' '.join(iterative)}"


def _nonnegative_help() -> str:
    free = (word for word, one in find_all(SOLVERS).items() if not one.takes_constraint)
    counts = (word for word, one in find_all(LIKELIHOODS).items() if one.counts)
    return (
        f"no value below 0 (iterative, but for {', '.join(free)}; always with "
        f"{' and '.join(counts)})"
    )


def _psf(into: Any, required: bool = False) -> None:
    into.add_argument(
        "--psf", metavar="PSF", required=required,
        help=f"the blur of a point: a file, or a model ({', '.join(PSF_MODELS)}) with its "
        "parameters in the unit of the voxels, such as gaussian:sigma=0.2",
    )  # fmt: skip


def _images(into: Any) -> None:
    """The options that only an ImageJob has."""
    into.add_argument(
        "--boundary", type=types.one_of(BOUNDARIES), metavar="NAME",
        help="what lies beyond the frame: unknown (default: found along with the rest), zero, "
        "reflect or periodic",
    )  # fmt: skip
    into.add_argument(
        "--background", type=types.level, metavar="B",
        help="grey value that lies under the whole image, or auto (default: 0)",
    )  # fmt: skip
    into.add_argument(
        "--psf-background", type=types.level, metavar="LEVEL",
        help="grey value taken off a measured PSF, or auto (default: 0)",
    )  # fmt: skip
    into.add_argument(
        "--psf-center", type=types.psf_center, metavar="z,y,x",
        help="index of the centre of the PSF, or peak, or mass, where its light balances, to "
        "fractions of a voxel (default: n // 2 of every axis)",
    )  # fmt: skip
    into.add_argument(
        "--no-normalize", dest="normalize", action="store_false",
        help="do not divide the PSF by its sum",
    )  # fmt: skip
    into.add_argument("--oversize", action="store_true", help="allow a PSF larger than the image")
    into.add_argument(
        "--accuracy", type=types.fraction, metavar="A",
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
        "--axes", metavar="ZYX", help="letters of the axes, instead of what the file says"
    )
    into.add_argument(
        "--frames", type=types.checked(parse_slices, keep=True), metavar="a:b",
        help="times or channels, b not included (default: all)",
    )  # fmt: skip
    for name, what in (("", "voxels"), ("psf-", "voxels of the PSF")):
        into.add_argument(
            f"--{name}voxel-size", type=types.lengths, metavar="z,y,x",
            help=f"size of the {what}, instead of what the file says",
        )  # fmt: skip
    into.add_argument(
        "--length-unit", type=types.one_of(LENGTH_UNITS), metavar="UNIT",
        help=f"of --voxel-size: {', '.join(LENGTH_UNITS)}",
    )  # fmt: skip
