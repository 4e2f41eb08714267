"""Units of angles and lengths in files: read as stated, never guessed.

A name may be long or short, in any case, and in brackets.  There is one exception: angles without a
unit that span more than 7 exceed a full turn in radians; they are taken as degrees, with a note."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import text

DEGREES = {"deg", "degs", "degree", "degrees", "°", "º", "arc_degree", "angular_degree"}
RADIANS = {"rad", "rads", "radian", "radians"}
LENGTHS = {
    "m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "pm": 1e-12,
    "angstrom": 1e-10, "inch": 2.54e-2,
}  # fmt: skip
LENGTH_NAMES = {
    "meter": "m", "metre": "m", "meters": "m", "metres": "m", "µm": "um", "μm": "um",
    "micron": "um", "microns": "um", "micrometer": "um", "micrometre": "um", "micrometers": "um",
    "millimeter": "mm", "millimetre": "mm", "nanometer": "nm", "nanometre": "nm",
    "millimeters": "mm", "millimetres": "mm", "nanometers": "nm", "nanometres": "nm",
    "micrometres": "um", "centimeter": "cm", "centimetre": "cm", "picometer": "pm", "å": "angstrom",
    "centimeters": "cm", "centimetres": "cm", "picometre": "pm", "picometers": "pm",
    "picometres": "pm", "angstroms": "angstrom", "ångström": "angstrom",
    "inches": "inch", "in": "inch",
}  # fmt: skip
PRINTED = {None: "pixel", "": "pixel", "um": "µm", "angstrom": "Å"}  # where people read
BRACKETS = " []()<>."
PER_PIXEL = ("/pixel", "/px", "per pixel")
MOST_RADIANS = 7.0  # rad; a larger span exceeds a full turn


def printed(unit: str | None) -> str:
    """A unit of length as it is written on a screen or in a picture."""
    return PRINTED.get(unit, unit or "")


def as_printed(text: str) -> str:
    """A text of a file, with units as they are written on a screen."""
    return text.replace("1/um", "1/µm").replace("1/angstrom", "1/Å")


def angle_unit(
    where: str, angles: NDArray[np.float64], stated: str | None, asked: str | None
) -> tuple[str, list[str]]:
    """("deg" | "rad", notes) for the angles of a file.

    stated: the unit in the file; asked: the unit given by the user, which wins.
    Raises DataError if the unit is unknown, or absent and the span does not decide it."""
    name = (stated or "").strip(BRACKETS)
    known = unit_of_angles(name)
    span = float(np.ptp(angles)) if angles.size else 0.0
    if asked is not None:
        clash = known is not None and known != asked
        return asked, [f"angles: taken as {asked}, the file says {stated}"] if clash else []
    if known == "rad" and span > 10 * MOST_RADIANS:
        return known, [f"angles: the file says radians but they span {span:.4g}; --angle-unit deg?"]
    if known:
        return known, []
    if name:
        raise DataError(
            f'{where}: expected angles in degrees or radians, got the unit "{stated}"; '
            "say which with --angle-unit deg or --angle-unit rad."
        )
    if span > MOST_RADIANS:
        return "deg", [f"angles: no unit in the file, taken as degrees (they span {span:.4g})"]
    raise DataError(
        f"{where}: expected a unit of the angles, got none, and a span of {span:.4g} could be "
        "degrees or radians; say which with --angle-unit deg or --angle-unit rad."
    )


def unit_of_angles(name: str) -> str | None:
    """ "deg" or "rad" for a name of these units, None for any other."""
    plain = name.strip(BRACKETS).lower()
    return "deg" if plain in DEGREES else "rad" if plain in RADIANS else None


def stated(dataset: Any) -> str:
    """The attribute `units` of a dataset, or `unit` as some writers call it; "" without either."""
    return text(dataset.attrs.get("units", dataset.attrs.get("unit", "")))


def length(dataset: Any) -> tuple[float, str] | None:
    """(value, unit) of a scalar length such as a pixel size; None unless > 0 with a known unit."""
    value = number(dataset)
    if value is None or value <= 0:
        return None
    unit = length_unit(stated(dataset))
    return (value, unit) if unit in LENGTHS else None


def unknown_length(dataset: Any, name: str) -> str:
    """The sentence on a length that is stated without a known unit."""
    unit = stated(dataset) if hasattr(dataset, "attrs") else ""
    return f"pixel size {name}: " + (
        f'its unit "{unit}" is no known length' if unit else "it has no unit"
    )


def number(dataset: Any) -> float | None:
    """The value of a dataset of one finite number; None for anything else."""
    if dataset is None or dataset.size != 1 or dataset.dtype.kind not in "iuf":
        return None
    value = float(np.asarray(dataset[()]).ravel()[0])
    return value if np.isfinite(value) else None


def length_unit(name: str) -> str:
    """The short name of a unit of length; an unknown name is returned unchanged."""
    plain = name.strip(BRACKETS).lower()
    for per_pixel in PER_PIXEL:
        plain = plain.removesuffix(per_pixel).rstrip()
    short = LENGTH_NAMES.get(plain, plain)
    return short if short in LENGTHS else name.strip()


def pixel_size(
    row: tuple[float, str] | None, column: tuple[float, str] | None
) -> tuple[tuple[float, float], str] | None:
    """((row pitch, column pitch), unit) from two lengths; one alone means square pixels."""
    if row is None and column is None:
        return None
    row, column = row or column, column or row
    assert row is not None and column is not None
    scale = LENGTHS[row[1]] / LENGTHS[column[1]]
    return (row[0] * scale, column[0]), column[1]
