"""Distances of source and detector in files that may be of parallel beams as well.

The rays of a pixel spread over L² / 4 D of a detector of width L at a distance D from the source.
Where that is more than a pixel the beam is a cone, and the pixels are those of the detector: the
pixel at the sample is smaller by the magnification, and a file that states both must agree."""

from __future__ import annotations

from dataclasses import dataclass

from physrecon.io.scans.settings_file import SAME, contradiction
from physrecon.io.scans.setup import NOTHING_STATED, ScanSetup
from physrecon.io.units import LENGTHS, printed

Pixel = tuple[tuple[float, float], str]  # ((row, column), unit)


@dataclass(frozen=True)
class Diverging:
    """The set-up of a scan and its pixels; notes and facts that are not used."""

    pixel_size: Pixel | None
    setup: ScanSetup = NOTHING_STATED
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    no_pixel_size: str = ""


def divergence(columns: int, pitch: float, far: float) -> float:
    """Pixels by which the rays of a pixel spread over an object as wide as they all see.

    pitch: of the columns; far: from the source to the detector, in its unit."""
    return columns**2 * pitch / (4 * far)


def diverging(
    where: str,
    columns: int,
    source: float | None,
    camera: float | None,
    of_detector: Pixel | None,
    of_sample: Pixel | None,
) -> Diverging:
    """What distances say of a beam on a detector of so many columns.

    where: the name of the file.  source, camera: from the sample in m, on either side of it; None
    if unknown.  of_detector, of_sample: the pixel, as stated for the one or the other."""
    usual = of_sample or of_detector
    if not source or usual is None:
        return Diverging(usual)
    near, far = abs(source), abs(source) + abs(camera or 0.0)
    at_detector = of_detector or _scaled(usual, far / near)
    pitch = _metres(at_detector)
    spread = divergence(columns, pitch, far)
    if spread <= 1:
        if of_sample is not None or far / near < 1 + SAME:
            return Diverging(usual)
        note = f"pixel size: at the sample, that of the detector / {far / near:.5g}"
        return Diverging(_scaled(usual, near / far), notes=(note,))
    said = f"the rays diverge by {spread:.3g} pixels across the object"
    if camera is None:
        fact = f"source distance: {near:.4g} m, so {said}; they are taken as parallel, as there is"
        return Diverging(usual, unused=(f"{fact} no distance of the detector",))
    setup = ScanSetup("cone", (near, "m"), (far, "m"))
    note = f"geometry: a cone beam, for {said}; --geometry parallel takes them as parallel"
    trouble = ""
    if of_detector and of_sample and contradiction(pitch, _metres(of_sample), far / near):
        (_, one), unit = of_detector
        (_, other), other_unit = of_sample
        trouble = (
            f"{where}: expected pixels that agree, got {one:.6g} {printed(unit)} on the detector, "
            f"and at the sample {other:.6g} {printed(other_unit)} × magnification "
            f"{far / near:.5g}; give --pixel-size SIZE of the detector."
        )
    return Diverging(None if trouble else at_detector, setup, (note,), (), trouble)


def _metres(pixel: Pixel) -> float:
    """The pitch of the columns."""
    return pixel[0][1] * LENGTHS[pixel[1]]


def _scaled(pixel: Pixel, factor: float) -> Pixel:
    (row, column), unit = pixel
    return (row * factor, column * factor), unit
