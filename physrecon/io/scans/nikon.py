"""Cone-beam scans of Nikon: settings in a text `.xtekct` beside a folder of TIFF images.

The format has lengths in mm and angles in degrees.  Images are corrected for darks and flats, and
`WhiteLevel` is the level of the open beam.  The first row is the upper one, and columns are as the
source sees them from right to left: with them source and detector turn clockwise, seen from the
last row, while angles rise.  `CentreOfRotation…` is the place of the axis on the detector in mm
from its middle, positive to the right in the image.  These are the conventions that the Core
Imaging Library found for this format.

The pixels are those of the detector; voxel sizes in the file are those of another program's
volume."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import XTEKCT, Content
from physrecon.io.scans.frames import level_frame, no_frames
from physrecon.io.scans.reading import ReadOptions, ScanReading
from physrecon.io.scans.settings_file import Settings, projections_of, settings_of
from physrecon.io.scans.setup import ScanSetup
from physrecon.io.units import length_unit

SUFFIX, SECTIONS = ".xtekct", ("Xrays", "CTPro", "XTekCT")
NOT_USED = (
    "DetectorOffsetX", "DetectorOffsetY", "ObjectTilt", "ObjectRoll", "ObjectOffsetX",
    "Scattering", "XraykV", "XrayuA", "Filter_ThicknessMM",
)  # fmt: skip


def read(path: Path, content: Content, options: ReadOptions) -> ScanReading | None:
    """The scan of such a file, or of a folder that holds one; None for others.

    Raises DataError for what lacks or contradicts itself."""
    settings = settings_of(path, content, options, XTEKCT, SUFFIX, SECTIONS)
    if settings is None:
        return None
    unit = settings.text("Units") or "mm"
    if length_unit(unit) != "mm":
        raise DataError(f"{settings.path}: expected lengths in mm, got Units={unit}; correct it.")
    shape = views, _, columns = settings.wholes("Projections", "DetectorPixelsY", "DetectorPixelsX")
    projections, series = projections_of(settings, _folder(settings), _prefix(settings), shape)
    pitch = settings.length("DetectorPixelSizeX")
    white = settings.number("WhiteLevel")
    angles, notes, unused = _angles(settings, views)
    top, bottom = (settings.number(f"CentreOfRotation{end}") or 0 for end in ("Top", "Bottom"))
    return ScanReading(
        kind="Nikon",
        projections=projections,
        flats=level_frame(white, projections) if white else no_frames(projections),
        darks=no_frames(projections),
        angles=angles,
        angle_unit="deg",
        pixel_size=((settings.length("DetectorPixelSizeY"), pitch), "mm"),
        center=(columns - 1) / 2 + (top + bottom) / 2 / pitch if top or bottom else None,
        setup=ScanSetup(
            "cone",
            (settings.length("SrcToObject"), "mm"),
            (settings.length("SrcToDetector"), "mm"),
            rotation="clockwise",
        ),
        notes=(
            f"projections: {views} in {series.files[0].parent.name}",
            *([f"flats: WhiteLevel {white:g}; the images are corrected already"] * bool(white)),
            *notes,
            *series.notes,
        ),
        unused=(*unused, *_unused(settings, top, bottom)),
        files=(settings.path, *series.files),
    )


def _folder(settings: Settings) -> Path:
    """The folder of the images: the one that is named, or that of the settings."""
    beside = settings.path.parent
    named = PureWindowsPath(settings.text("InputFolderName")).name
    return beside / named if named and (beside / named).is_dir() else beside


def _prefix(settings: Settings) -> str:
    name = settings.text("Name")
    return name + (settings.text("InputSeparator") or "_") if name else ""


def _angles(settings: Settings, views: int) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """(angles, notes, facts that are not used): those of a list beside the settings, or of steps.

    A list is taken if it goes along with the steps, in either sense and from any start."""
    step = settings.required("AngularStep")
    steps = step * np.arange(views, dtype=np.float64)
    first = settings.number("InitialAngle") or 0.0
    stem = settings.path.with_suffix("")
    for beside in (stem.with_name(f"{stem.name}_ctdata.txt"), stem.with_suffix(".ang")):
        if not beside.is_file():
            continue
        listed = _listed(beside)
        if listed.size != views:
            return first + steps, [], [f"angles: {beside.name} has {listed.size} for {views} views"]
        turned = listed - listed[0]
        off = {sign: (sign * turned - steps + 180) % 360 - 180 for sign in (1, -1)}
        sign = min(off, key=lambda s: float(np.abs(off[s]).max()))
        most = float(np.abs(off[sign]).max())
        if most > abs(step) / 2:
            fact = f"angles: those of {beside.name} are up to {most:.3g}° off AngularStep"
            return first + steps, [], [fact]
        said = f"angles: from {beside.name}, up to {most:.3g}° off the steps of {step:g}°"
        return first + steps + off[sign], [said], []
    return first + steps, [f"angles: from {first:g}° in steps of {step:g}°"], []


def _listed(path: Path) -> NDArray[np.float64]:
    """The second column of a list, whose lines begin with the number of the view."""
    found = []
    for line in path.read_text("latin-1").replace(":", " ").splitlines():
        words = line.split()
        try:
            float(words[0])
            found.append(float(words[1]))
        except (ValueError, IndexError):
            continue
    return np.array(found)


def _unused(settings: Settings, top: float, bottom: float) -> list[str]:
    facts = settings.not_zero(*NOT_USED)
    if top != bottom:
        height = settings.required("DetectorPixelsY") * settings.length("DetectorPixelSizeY")
        lean = np.degrees(np.arctan2(top - bottom, height))
        facts.append(f"CentreOfRotationTop − Bottom, so the axis leans by {lean:.3g}°")
    return [", ".join(facts)] if facts else []
