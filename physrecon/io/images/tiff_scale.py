"""Voxel sizes in the metadata of TIFF files: OME, ImageJ, or plain resolution tags.

OME: PhysicalSizeX/Y/Z with their units (µm by default).  ImageJ: `spacing` is Z, 1 by default;
columns and rows are 1 / XResolution, 1 / YResolution, all in `unit`.  Plain tags state pixels per
inch or centimetre, nearly always a setting of screens and printers (72 dpi): they are used only
below 10 µm per pixel, finer than any print, and in our own slices."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

Lengths = dict[str, tuple[float, str]]

FINEST_PRINT = 10e-6  # m, 2540 dpi
TAG_UNITS = {2: ("inch", 2.54e-2), 3: ("cm", 1e-2)}


def lengths(file: Any, page: Any, notes: list[str]) -> Lengths:
    """(length, unit) by axis, as far as the file states them."""
    if file.is_ome:
        return _ome(file.ome_metadata)
    pitch = {axis: _pitch(page, f"{axis}Resolution") for axis in "YX"}
    meta = file.imagej_metadata or {}
    if file.is_imagej and ("unit" in meta or page.resolutionunit not in TAG_UNITS):
        return _imagej(meta, pitch, notes)
    return _plain(page, pitch, notes)


def _ome(text: str) -> Lengths:
    root = ElementTree.fromstring(text)
    pixels = next((node for node in root.iter() if node.tag.endswith("}Pixels")), None)
    found: Lengths = {}
    for axis in "ZYX":
        value = pixels.get(f"PhysicalSize{axis}") if pixels is not None else None
        if pixels is not None and value:
            found[axis] = (float(value), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return found


def _imagej(meta: dict[str, Any], pitch: dict[str, float | None], notes: list[str]) -> Lengths:
    unit = _unescaped(meta.get("unit", ""))
    spacing = float(meta.get("spacing", 1.0))
    if spacing < 0:  # ImageJ takes its absolute value
        notes.append(f"voxel size: spacing {spacing:g} of planes in the file, taken as positive")
    return {
        "Z": (abs(spacing), _unescaped(meta.get("zunit", unit))),
        "Y": (pitch["Y"] or 1.0, _unescaped(meta.get("yunit", unit))),
        "X": (pitch["X"] or 1.0, unit),
    }


def _plain(page: Any, pitch: dict[str, float | None], notes: list[str]) -> Lengths:
    row, column = pitch["Y"], pitch["X"]
    if page.resolutionunit not in TAG_UNITS or not row or not column:
        return {}
    name, metres = TAG_UNITS[page.resolutionunit]
    said = f"{1 / column:.6g} pixels per {name}"
    ours = str(page.tags.valueof("Software", "")).startswith("physrecon")
    if not ours and (column * metres > FINEST_PRINT or row * metres > FINEST_PRINT):
        notes.append(f"voxel size: {said} in the file is for screens and printers, not used")
        return {}
    notes.append(f"voxel size: from {said} in the file")
    micrometres = metres * 1e6
    return {"Y": (row * micrometres, "um"), "X": (column * micrometres, "um")}


def _pitch(page: Any, tag: str) -> float | None:
    """Length of a pixel in the unit of the resolution tags; None if they are absent or 0."""
    if tag not in page.tags:
        return None
    count, length = page.tags[tag].value
    return length / count if count and length else None


def _unescaped(unit: Any) -> str:
    r"""ImageJ escapes characters beyond ASCII, as in \u00B5."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), str(unit))
