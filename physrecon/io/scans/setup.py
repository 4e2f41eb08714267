"""The set-up of a scan: source, detector and axis of rotation, as a file or a user states them.

Lengths and angles keep the unit in which they are stated.  They meet the angles, the pixels and the
axis of the scan in `geometry`, which is the value that operators take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.point_source import DETECTORS
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io.units import LENGTHS, length_unit, unit_of_angles
from physrecon.sizes import parse_quantity

TurningGeometry = ParallelBeam | TiltedBeam | FanBeam | ConeBeam | HelicalCone
Quantity = tuple[float, str]  # a number and its unit; "" or "px" counts columns of the detector
Vectors = tuple[ArrayLike, str]  # (3,) or (views, 3) along (z, beam, columns), and the unit

PIXELS = ("", "px", "pixel", "pixels")
SENSES = ("counterclockwise", "clockwise")
_DISTANCES = ("source_origin", "source_detector")
_POINT_SOURCE = (*_DISTANCES, "detector")
_CONE = (*_POINT_SOURCE, "roll", "pitch", "yaw", "source_offset", "shifts")
# kind → the class of its geometry, and the fields that it takes
KINDS: dict[str, tuple[type[TurningGeometry], tuple[str, ...]]] = {
    "parallel": (ParallelBeam, ()),
    "tilted": (TiltedBeam, ("tilt", "roll", "shifts")),
    "fan": (FanBeam, _POINT_SOURCE),
    "cone": (ConeBeam, _CONE),
    "helical": (HelicalCone, (*_CONE, "rise", "heights")),
}
ANGLES = ("tilt", "roll", "pitch", "yaw")
VECTORS = ("source_offset", "shifts")
PER_VIEW = ("shifts", "source_offset", "heights")


@dataclass(frozen=True, eq=False)
class ScanSetup:
    """What is stated of a scan besides its angles, pixels and axis; None is not stated.

    The classes of `physrecon.geometry` explain the fields; there they have one unit, here each has
    its own, as stated.  A plain number for a vertical detector shift is `ScanReading.row_offset`,
    for a horizontal one `ScanReading.center`, both in pixels.

    kind: "parallel", "tilted", "fan", "cone" or "helical"; None is parallel, or follows from the
    distances: a helix with a rise, a fan of one row, else a cone.
    rotation: the sense in which source and detector turn with rising angles, seen from the last
    row, "counterclockwise" as in `ConeBeam`, or "clockwise".  A turntable turns the other way."""

    kind: str | None = None
    source_origin: Quantity | None = None
    source_detector: Quantity | None = None
    detector: str | None = None
    tilt: Quantity | None = None
    roll: Quantity | None = None
    pitch: Quantity | None = None
    yaw: Quantity | None = None
    source_offset: Vectors | None = None
    shifts: Vectors | None = None
    rise: Quantity | None = None
    heights: tuple[ArrayLike, str] | None = None
    rotation: str | None = None

    def stated(self) -> dict[str, Any]:
        """The fields that are stated."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def kind_of(self, rows: int) -> str:
        """The kind of beam of a detector of `rows` rows."""
        if self.kind is not None:
            return self.kind
        if self.source_origin is None and self.source_detector is None:
            return "parallel" if self.tilt is None and self.roll is None else "tilted"
        if self.rise is not None or self.heights is not None:
            return "helical"
        return "fan" if rows == 1 else "cone"

    @property
    def magnification(self) -> float | None:
        """Of what lies on the axis, if both distances are stated in units that can be compared."""
        near, far = self.source_origin, self.source_detector
        if near is None or far is None or not near[0]:
            return None
        one, other = (LENGTHS.get(length_unit(unit)) for _, unit in (near, far))
        if near[1] == far[1]:
            return far[0] / near[0]
        return far[0] * other / (near[0] * one) if one and other else None

    def overridden_by(self, given: ScanSetup, rows: int) -> tuple[ScanSetup, list[str]]:
        """The set-up with the values that a user gives, and notes on those that change.

        Stated values that the given kind does not take are left out.  Raises ArgumentError for
        given ones that it does not take."""
        mine, new = self.stated(), given.stated()
        notes = [
            f"geometry: {name} {_words(value)} as given; the file says {_words(mine[name])}"
            for name, value in new.items()
            if name in mine and _words(mine[name]) != _words(value)
        ]
        merged = replace(self, **new)
        kind = merged.kind_of(rows)
        takes = ("kind", "rotation", *KINDS[kind][1])
        for name in new:
            if name not in takes:
                able = [k for k, (_, known) in KINDS.items() if name in known]
                raise ArgumentError(
                    f"geometry.{name}: expected a {' or '.join(able)} beam for it, got {kind}; "
                    f"drop it, or give --geometry {'|'.join(able)}"
                )
        lost = [name for name in mine if name not in takes]
        notes += [f"not used: {name} {_words(mine[name])}, of a {kind} beam" for name in lost]
        return replace(merged, **dict.fromkeys(lost)), notes

    def of_views(self, views: NDArray[np.intp]) -> ScanSetup:
        """The set-up with these views only."""
        some: dict[str, Any] = {n: (v[views], unit) for n, v, unit in self._of_each_view()}
        return replace(self, **some)

    def _of_each_view(self) -> Iterator[tuple[str, NDArray[np.float64], str]]:
        for name in PER_VIEW:
            if (found := getattr(self, name)) is not None:
                values = np.asarray(found[0], np.float64)
                if values.ndim == (1 if name == "heights" else 2):
                    yield name, values, found[1]

    def binned(self, columns: int) -> ScanSetup:
        """The set-up with lengths in pixels counted in bins of so many columns."""
        stated, changed = self.stated(), dict[str, Any]()
        for name in (*_DISTANCES, "rise", *PER_VIEW):
            if name in stated and stated[name][1] in PIXELS:
                changed[name] = np.asarray(stated[name][0]) / columns, stated[name][1]
        return replace(self, **changed)

    def geometry(
        self,
        angles: ArrayLike,
        detector_shape: tuple[int, int],
        *,
        angle_unit: str,
        pixel_size: tuple[float, float] | None = None,
        unit: str | None = None,
        center: float | None = None,
        row_offset: float = 0.0,
    ) -> TurningGeometry:
        """The geometry of a scan, lengths in the unit of its pixels.

        angles: (views,) in `angle_unit`.  pixel_size: (row, column) in `unit`; None counts
        lengths in pixels.  center: column of the axis; None is the middle of the detector.
        Raises ArgumentError for values that are missing, without a unit, or make no scan."""
        kind = self.kind_of(detector_shape[0])
        make, takes = KINDS[kind]
        sign = -1.0 if self.rotation == "clockwise" else 1.0
        pixels = pixel_size or (1.0, 1.0)
        for name in _DISTANCES:
            if name in takes and getattr(self, name) is None:
                raise ArgumentError(
                    f"geometry.{name}: expected the distance of a {kind} beam, got none; give "
                    f"--{name.replace('_', '-')} LENGTH, such as 410mm"
                )
        given: dict[str, Any] = {}
        for name, value in self.stated().items():
            if name not in takes:
                continue
            if name in ANGLES:
                given[name] = _angle(name, value, angle_unit)
            elif isinstance(value, tuple):
                scale = _scale(name, value, pixels[1], unit if pixel_size else None)
                given[name] = np.asarray(value[0], np.float64) * scale
            else:
                given[name] = value
        if "rise" in given:
            given["rise"] = sign * given["rise"]  # the same way up with rising stated angles
        try:
            return make(
                sign * np.asarray(angles, np.float64), detector_shape, angle_unit=angle_unit,
                pixel_size=pixels, center=center, row_offset=row_offset, **given,
            )  # fmt: skip
        except ArgumentError as error:
            raise ArgumentError(str(error).replace(f"{make.__name__}.", "geometry.", 1)) from None


def setup_of(given: Mapping[str, Any]) -> ScanSetup:
    """The set-up that a user gives: the fields of `ScanSetup`, lengths and angles as texts.

    Lengths are "410.66mm", or numbers of pixels; vectors "0,0,1.5mm"; angles "0.3deg".  Raises
    ArgumentError for an unknown field or value."""
    known = [field.name for field in fields(ScanSetup) if field.name != "heights"]
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ArgumentError(
                f"geometry: expected fields {', '.join(known)}, got {brief(name)}; drop it"
            )
        words = {"kind": tuple(KINDS), "detector": DETECTORS, "rotation": (*SENSES, "auto")}
        if name in words and value not in words[name]:
            raise ArgumentError(
                f"geometry.{name}: expected one of {', '.join(words[name])}, got {brief(value)}"
            )
        if name in words:
            values[name] = None if value == "auto" else value
            continue
        numbers, unit = parse_quantity(f"geometry.{name}", value, 3 if name in VECTORS else 1)
        values[name] = (numbers if name in VECTORS else numbers[0], unit)
        if name in ANGLES and unit_of_angles(unit) is None:
            raise ArgumentError(f"geometry.{name}: expected an angle as 0.3deg, got {brief(value)}")
    return ScanSetup(**values)


def _words(value: Any) -> str:
    """A stated value as a user would give it."""
    if not isinstance(value, tuple):
        return str(value)
    numbers = np.asarray(value[0], np.float64)
    if numbers.size > 3:
        return f"{len(numbers)} values {value[1]}".strip()
    return f"{','.join(f'{n:.8g}' for n in numbers.ravel())} {value[1]}".strip()


def _angle(name: str, stated: Quantity, wanted: str) -> float:
    unit = unit_of_angles(stated[1])
    if unit is None:
        raise ArgumentError(
            f"geometry.{name}: expected an angle in deg or rad, got {_words(stated)}"
        )
    degrees = stated[0] if unit == "deg" else float(np.rad2deg(stated[0]))
    return degrees if wanted == "deg" else float(np.deg2rad(degrees))


def _scale(name: str, value: Any, pixel: float, unit: str | None) -> float:
    """The factor that turns a stated length to the unit of the pixels."""
    stated, number = value[1], _words((value[0], ""))
    if stated in PIXELS:
        if stated == "" and unit is not None:
            raise ArgumentError(
                f"geometry.{name}: expected a unit, as the pixels are in {unit}, got {number} "
                f"alone; write {number}mm if it is in mm, or {number}px for columns of the detector"
            )
        return pixel
    found = length_unit(stated)
    if found not in LENGTHS:
        raise ArgumentError(
            f"geometry.{name}: expected a unit of length ({', '.join(LENGTHS)}, px), got {stated!r}"
        )
    if unit not in LENGTHS:
        raise ArgumentError(
            f"geometry.{name}: expected the size of the pixels for a length in {found}, got none; "
            "give --pixel-size SIZE, or the length in columns of the detector such as 2050px"
        )
    return LENGTHS[found] / LENGTHS[unit]


NOTHING_STATED = ScanSetup()
