"""Cone-beam scans of SkyScan and Bruker: a text `.log` beside the TIFF images.

The names of the settings state their units: mm, µm and degrees.  `Camera Pixel Size` is that of the
camera before binning, `Image Pixel Size` that at the object; with the magnification they must
agree.  View k is at the start angle + k · Rotation Step.  `Optical Axis (line)` is the row in the
plane of the source, counted from the bottom of the image, as sections are.  The format defines no
sense of rotation and no level of the open beam."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from physrecon.io.content import SETTINGS, Content
from physrecon.io.scans.frames import no_frames
from physrecon.io.scans.reading import ReadOptions, ScanReading
from physrecon.io.scans.settings_file import Settings, contradiction, projections_of, settings_of
from physrecon.io.scans.setup import ScanSetup

SUFFIX, SECTIONS = ".log", ("System", "Acquisition")
NOT_USED = (
    "Rotation Direction", "Image Rotation", "Postalignment", "Reference Intensity",
    "Flat Field Correction", "Number of connected scans", "Source Voltage (kV)", "Filter",
)  # fmt: skip


def read(path: Path, content: Content, options: ReadOptions) -> ScanReading | None:
    """The scan of such a file, or of a folder that holds one; None for others.

    Raises DataError for what lacks or contradicts itself."""
    settings = settings_of(path, content, options, SETTINGS, SUFFIX, SECTIONS)
    if settings is None or settings.number("Object to Source (mm)") is None:
        return None
    shape = views, rows, _ = settings.wholes(
        "Number of Files", "Number of Rows", "Number of Columns"
    )
    projections, series = projections_of(
        settings, settings.path.parent, settings.text("Filename Prefix"), shape
    )
    first, step = (
        settings.number("Scanning Start Angle") or 0.0,
        settings.required("Rotation Step (deg)"),
    )
    angles = first + step * np.arange(views, dtype=np.float64)
    pixel, far, notes, trouble = _sizes(settings)
    line = settings.number("Optical Axis (line)")
    if line is not None:
        notes.append(f"row of the source: {rows - 1 - line:g}, line {line:g} from the bottom")
    if views > 1 and abs(step) * (views - 1) >= 360 - 1e-6 * abs(step):
        last = round(360 / abs(step))
        notes.append(
            f"views: those from {last} on repeat the first; --exclude-views {last}:{views} leaves "
            "them out"
        )
    return ScanReading(
        kind="SkyScan",
        projections=projections,
        flats=no_frames(projections),
        darks=no_frames(projections),
        angles=angles,
        angle_unit="deg",
        pixel_size=pixel,
        row_offset=0.0 if line is None else line - (rows - 1) / 2,
        setup=ScanSetup(
            "cone",
            (settings.length("Object to Source (mm)"), "mm"),
            None if far is None else (far, "mm"),
        ),
        notes=(
            f"projections: {views} named {settings.text('Filename Prefix')}#",
            f"angles: from {first:g}° in steps of {step:g}°",
            *notes,
            *series.notes,
        ),
        unused=tuple(_unused(settings)),
        no_pixel_size=trouble,
        files=(settings.path, *series.files),
    )


def _sizes(
    settings: Settings,
) -> tuple[tuple[tuple[float, float], str] | None, float | None, list[str], str]:
    """(pixel of the detector, distance from the source to it, notes, the error for no pixel)."""
    near = settings.length("Object to Source (mm)")
    far = settings.number("Camera to Source (mm)", "Camera to Source")
    camera, image = (settings.number(f"{name} Pixel Size (um)") for name in ("Camera", "Image"))
    ratio = settings.number("CameraXYRatio", "Camera X/Y Ratio") or 1.0
    across, along = _binning(settings)
    notes = []
    pitch = camera * across if camera else None
    if far is None and pitch and image and pitch > image:
        far = near * pitch / image
        notes.append(
            f"source to detector: {far:.6g} mm, from the pixel of the camera, {pitch:g} µm, and "
            f"that at the object, {image:g} µm"
        )
    if pitch is None and image and far is not None:
        pitch = image * far / near
        notes.append(f"pixel size: {pitch:.6g} µm on the detector, from {image:g} µm at the object")
    elif pitch and image and far is not None and contradiction(pitch, image, far / near):
        return (
            None, far, notes,
            f"{settings.path.name}: expected pixels that agree, got {pitch:g} µm on the camera, "
            f"and at the object {image:g} µm × magnification {far / near:.4g} = "
            f"{image * far / near:.5g} µm; give --pixel-size SIZE of the detector.",
        )  # fmt: skip
    if pitch is None:
        return None, far, notes, f"{settings.path.name}: expected Camera Pixel Size (um), got none."
    return ((pitch * along / across / ratio, pitch), "um"), far, notes, ""


def _binning(settings: Settings) -> tuple[float, float]:
    """Pixels of the camera in one of the images, along columns and rows."""
    found = re.fullmatch(r"([1-9]\d*)\s*x\s*([1-9]\d*)", settings.text("Camera binning").lower())
    return (float(found[1]), float(found[2])) if found else (1.0, 1.0)


def _unused(settings: Settings) -> list[str]:
    facts = settings.not_zero(*NOT_USED)
    return [", ".join(facts)] if facts else []
