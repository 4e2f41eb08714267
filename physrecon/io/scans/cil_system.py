"""Where source, detector and axis are in a file of CIL, as vectors (x, y, z) of one unknown unit.

The object turns about the axis by the angles of the views, the rest stands still.  In our frame of
a view z is the axis, and the source stands on the line -b at z = 0."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import SafeHDF5, text
from physrecon.io.scans.setup import NOTHING_STATED, ScanSetup

Vector = NDArray[np.float64]

ENTRY = "/entry1/tomo_entry"
STRAIGHT = 1e-4  # by which a component of a unit vector may be off for a parallel beam around z
UPRIGHT = 0.05  # columns; a detector whose pixels are off by less is taken as upright
UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class System:
    """phi: direction of the columns [rad].  axis: its distance from the middle of the detector
    along them, in the unit of pitch, that of the columns.  mirrored: rows and columns of the
    frames.  row_offset: as of `ScanReading`; setup: lengths in columns."""

    phi: float
    axis: float
    pitch: float
    mirrored: tuple[bool, bool]
    row_offset: float = 0.0
    setup: ScanSetup = NOTHING_STATED
    notes: tuple[str, ...] = ()
    no_pixel_size: str = ""


def number(node: h5py.Dataset, name: str, default: float) -> float:
    """An attribute of one number."""
    value = np.ravel(node.attrs.get(name, default))
    return float(value[0]) if value.size == 1 and value.dtype.kind in "iuf" else default


class _Stated:
    """The vectors of the group `config`; in a plane those along z are as usual."""

    def __init__(self, h5: SafeHDF5, data: h5py.Dataset, where: str) -> None:
        self.h5, self.data, self.where = h5, data, where
        flat = text(data.attrs.get("dimension", "")) == "2D"
        self.columns = self.vector("detector/direction_x", (1, 0, 0))
        self.rows = np.array(UP) if flat else self.vector("detector/direction_y", UP)
        self.axis = np.array(UP) if flat else self.vector("rotation_axis/direction", UP)
        self.detector = self.vector("detector/position", (0, 0, 0))
        self.on_axis = self.vector("rotation_axis/position", (0, 0, 0))
        self.origin = text(data.attrs.get("panel_origin", "bottom-left"))
        self.pitch = number(data, "pixel_size_h", 1.0)
        self.row_pitch = self.pitch if flat else number(data, "pixel_size_v", self.pitch)
        if not (self.pitch > 0 and self.row_pitch > 0):
            raise DataError(
                f"{where}: expected pixels of a size > 0, got {self.row_pitch:g} × {self.pitch:g}."
            )

    def vector(self, name: str, usual: tuple[float, float, float] | None) -> Vector:
        found = self.h5.dataset(f"{ENTRY}/config/{name}")
        values = np.ravel(found[()]) if found is not None else np.array(usual or ())
        if (
            values.dtype.kind not in "iuf"
            or values.size not in (2, 3)
            or (not np.isfinite(values).all())
        ):
            raise DataError(f"{self.where}: expected a vector in config/{name}, got {values}.")
        return np.pad(values.astype(np.float64), (0, 3 - values.size))


def parallel(h5: SafeHDF5, data: h5py.Dataset, where: str) -> System:
    """Raises DataError unless the beam and the columns are horizontal and the axis is vertical."""
    s = _Stated(h5, data, where)
    ray = s.vector("ray/direction", (0, 1, 0))
    off = (s.columns[2], ray[2], s.columns @ ray, np.hypot(*s.rows[:2]), np.hypot(*s.axis[:2]))
    if max(map(abs, off)) > STRAIGHT or s.axis[2] < 0:
        raise DataError(
            f"{where}: expected a vertical axis and an upright detector, got a tilted system; "
            "reconstruct it with CIL."
        )
    mirrored = (("top" in s.origin) != bool(s.rows[2] < 0), "right" in s.origin)
    phi = float(np.arctan2(s.columns[1], s.columns[0]))
    return System(phi, float((s.on_axis - s.detector) @ s.columns), s.pitch, mirrored)


def cone(h5: SafeHDF5, data: h5py.Dataset, where: str, shape: tuple[int, int]) -> System:
    """A cone beam of any source, axis and flat detector of (rows, columns), exactly.

    A detector that is upright within a part of a pixel is taken as upright, and said so.  Raises
    DataError if the axis points down, and for a source on the axis or beside the detector."""
    s = _Stated(h5, data, where)
    source = s.vector("source/position", None)
    columns, rows, z = (each / np.linalg.norm(each) for each in (s.columns, s.rows, s.axis))
    out = (source - s.on_axis) - ((source - s.on_axis) @ z) * z
    near = float(np.linalg.norm(out))
    if not near or z[2] <= 0:
        raise DataError(
            f"{where}: expected a source beside an axis that points up, got the source "
            f"{near:g} from it and the axis {s.axis.tolist()}; reconstruct it with CIL."
        )
    b = -out / near
    u = np.cross(b, z)
    down, left = bool(rows @ z < 0), bool(columns @ u < 0)
    mirrored = (("top" in s.origin) != down, ("right" in s.origin) != left)
    rows, columns = -rows if down else rows, -columns if left else columns
    normal = np.cross(rows, columns)
    far = float(normal @ (s.detector - source) / (normal @ b)) if normal @ b > 0 else 0.0
    if far < near:
        raise DataError(
            f"{where}: expected a detector across the beam behind the axis, got one at "
            f"{s.detector.tolist()}; reconstruct it with CIL."
        )
    away = source + far * b - s.detector  # to the pixel of the central ray
    at = np.array([away @ rows / s.row_pitch, away @ columns / s.pitch])
    frame = np.stack([rows, normal, columns]) @ np.stack([z, b, u]).T
    off = _off_upright(frame, at, shape, far / s.pitch, s.row_pitch / s.pitch)
    turns = {} if off < UPRIGHT else _turns(frame)
    kind = "fan" if shape[0] == 1 and not turns else "cone"
    said = f"detector: upright within {off:.2g} columns, taken as upright"
    return System(
        phi=_direction(u, z),
        axis=float(away @ columns),
        pitch=s.pitch,
        mirrored=mirrored,
        row_offset=-float(at[0]) if kind == "cone" else 0.0,
        setup=ScanSetup(
            kind,
            (near / s.pitch, "px"),
            (far / s.pitch, "px"),
            "flat",
            rotation="counterclockwise",
            **turns,
        ),
        notes=(said,) if not turns and off > 1e-3 else (),
        no_pixel_size=_not_square(s, where),
    )


def _off_upright(
    frame: Vector, at: Vector, shape: tuple[int, int], far: float, aspect: float
) -> float:
    """Columns or rows by which pixels of the detector are off those of an upright one."""
    ends = [np.array([-0.5, 0.5]) * (n - 1) for n in shape]
    row, column = (g.ravel() for g in np.meshgrid(*ends))
    row, column = row - at[0], column - at[1]
    seen = (aspect * row)[:, None] * frame[0] + column[:, None] * frame[2]  # (z, b, u)
    hit = seen * (far / (far + seen[:, 1]))[:, None]
    return float(max(np.abs(hit[:, 0] / aspect - row).max(), np.abs(hit[:, 2] - column).max()))


def _turns(frame: Vector) -> dict[str, tuple[float, str]]:
    """Roll, pitch and yaw of (rows, normal, columns) in (z, b, u), as `ConeBeam` has them."""
    angles = {
        "roll": np.arctan2(frame[2, 0], frame[0, 0]),
        "pitch": -np.arcsin(np.clip(frame[1, 0], -1, 1)),
        "yaw": np.arctan2(-frame[1, 2], frame[1, 1]),
    }
    return {name: (float(angle), "rad") for name, angle in angles.items()}


def _direction(u: Vector, z: Vector) -> float:
    """The direction of u after the shortest turn that brings the axis upright (Rodrigues)."""
    x, y, _ = np.cross(z, UP)
    turn = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    turned = u + turn @ u + turn @ turn @ u / (1 + z[2])
    return float(np.arctan2(turned[1], turned[0]))


def _not_square(s: _Stated, where: str) -> str:
    if abs(s.row_pitch / s.pitch - 1) < STRAIGHT:
        return ""
    return (
        f"{where}: expected square pixels, as CIL states no unit of length, got {s.row_pitch:g} × "
        f"{s.pitch:g}; give --pixel-size ROW,COLUMN."
    )
