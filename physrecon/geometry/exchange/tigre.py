"""Geometries of TIGRE: the attributes of its geometry, and the angles.

TIGRE orders arrays (z, y, x) and detectors (v, u).  At its angle 0 the source stands on +x; it
turns counter-clockwise, so its angles are ours less a quarter of a turn.  offDetector moves the
middle of the detector along rows and columns, and rotDetector = (roll, pitch, yaw) turns the
detector about its middle before that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physrecon.errors import ArgumentError, brief
from physrecon.foreign import floats
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.parallel_beam import ParallelBeam

QUARTER = np.pi / 2
MOST_TURNS = 4  # of a circle; more are degrees taken for radians


def to_tigre(scan: ConeBeam | ParallelBeam) -> dict[str, Any]:
    """A scan as the attributes of TIGRE's geometry, and "angles" in radians.

    Args:
        scan: a ConeBeam with a flat detector, its roll included, or a ParallelBeam.
    Returns:
        mode, DSO, DSD, nDetector, dDetector, sDetector, offDetector, rotDetector, nVoxel, dVoxel,
        sVoxel and offOrigin (of `default_grid`), COR, accuracy, and angles (views,) [rad].
    Raises:
        ArgumentError: for another scan, pitch, yaw, shifts, or a curved detector.

    Example:
        >>> scan = pr.ConeBeam([90], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100, center=2.5)
        >>> made = pr.geometry.to_tigre(scan)
        >>> made["DSO"], made["offDetector"].tolist(), made["angles"].tolist()
        (50.0, [0.0, -0.5], [0.0])
    """
    if isinstance(scan, ConeBeam) and scan.detector == "flat":
        distances = {"DSO": scan.source_origin, "DSD": scan.source_detector}
        roll = float(np.deg2rad(scan.roll) if scan.angle_unit == "deg" else scan.roll)
    elif isinstance(scan, ParallelBeam):
        far = float(max(scan.shape[1:]) * max(scan.row_pitch, scan.column_pitch))
        distances, roll = {"DSO": far, "DSD": 2 * far}, 0.0
    else:
        raise ArgumentError(
            "to_tigre.scan: expected a ConeBeam with a flat detector or a ParallelBeam, got "
            f"{brief(scan)}"
        )
    odd = ("pitch", "yaw", "shifts", "source_offset")
    if some := [name for name in odd if np.any(getattr(scan, name, 0.0))]:
        raise ArgumentError(f"to_tigre.scan: expected a circle without {', '.join(some)}")
    grid = scan.default_grid()
    (rows, columns), (dv, du) = scan.detector_shape, (scan.row_pitch, scan.column_pitch)
    across = ((columns - 1) / 2 - float(scan.center or 0)) * du
    up = scan.row_offset * dv
    offset = np.array([
        up * np.cos(roll) + across * np.sin(roll), across * np.cos(roll) - up * np.sin(roll)
    ])  # fmt: skip
    return {
        "mode": "parallel" if isinstance(scan, ParallelBeam) else "cone",
        **distances,
        "nDetector": np.array([rows, columns]),
        "dDetector": np.array([dv, du]),
        "sDetector": np.array([rows * dv, columns * du]),
        "offDetector": offset,
        "rotDetector": np.array([roll, 0.0, 0.0]),
        "nVoxel": np.array(grid.shape),
        "dVoxel": np.array(grid.pitch),
        "sVoxel": np.array(grid.shape) * grid.pitch,
        "offOrigin": np.array(grid.center),
        "COR": 0.0,
        "accuracy": 0.5,
        "angles": scan.radians - QUARTER,
    }


def from_tigre(geometry: Any, angles: Any = None) -> ConeBeam | ParallelBeam:
    """The scan of a geometry of TIGRE.

    Args:
        geometry: its geometry, or a dictionary of the attributes.
        angles: (views,) in radians; None takes those of `geometry`.
    Raises:
        ArgumentError: for attributes that are missing, numbers that differ from view to view, and
            pitch, yaw or COR, which are not 0, no angles, and degrees.

    Example:
        >>> scan = pr.ConeBeam([0, 90], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100, center=2.5)
        >>> pr.geometry.from_tigre(pr.geometry.to_tigre(scan)).center
        2.5
    """

    mode = _entry(geometry, "mode")
    turns = _angles(_entry(geometry, "angles") if angles is None else angles)
    roll, *tilts = _numbers(geometry, "rotDetector", 3, np.zeros(3))
    (cor,) = _numbers(geometry, "COR", 1, 0.0)
    if cor or any(tilts):
        raise ArgumentError(
            f"from_tigre: expected no pitch, yaw and COR, got {tilts[0]:g}, {tilts[1]:g}, {cor:g}"
        )
    (dv, du), (rows, columns) = (
        _numbers(geometry, "dDetector", 2),
        _numbers(geometry, "nDetector", 2),
    )
    up, across = _numbers(geometry, "offDetector", 2, np.zeros(2))
    up, across = (
        up * np.cos(roll) - across * np.sin(roll), up * np.sin(roll) + across * np.cos(roll)
    )  # fmt: skip
    given: dict[str, Any] = {
        "angles": turns + QUARTER, "detector_shape": (int(rows), int(columns)),
        "angle_unit": "rad", "pixel_size": (float(dv), float(du)),
        "center": (columns - 1) / 2 - across / du, "row_offset": up / dv,
    }  # fmt: skip
    if mode == "parallel" and not roll:
        return ParallelBeam(**given)
    if mode not in ("cone", None):
        raise ArgumentError(f"from_tigre.mode: expected cone or parallel, got {mode!r}")
    (near,), (far,) = _numbers(geometry, "DSO", 1), _numbers(geometry, "DSD", 1)
    return ConeBeam(**given, source_origin=near, source_detector=far, roll=float(roll))


def _angles(given: Any) -> Any:
    if given is None:
        raise ArgumentError(
            "from_tigre.angles: expected the angles of the views in radians, got none; give them: "
            "from_tigre(geometry, angles)"
        )
    turns = floats("from_tigre.angles", given)
    if turns.size and not np.ptp(turns) <= MOST_TURNS * 2 * np.pi:
        raise ArgumentError(
            f"from_tigre.angles: expected radians over {MOST_TURNS} turns at most, got "
            f"{np.ptp(turns) / (2 * np.pi):.3g} turns; if they are degrees, give np.deg2rad(angles)"
        )
    return turns


def _entry(geometry: Any, name: str) -> Any:
    return geometry.get(name) if isinstance(geometry, Mapping) else getattr(geometry, name, None)


def _numbers(geometry: Any, name: str, count: int, default: Any = None) -> Any:
    """`count` numbers that all views have alike."""
    held = _entry(geometry, name)
    try:
        found = np.asarray(default if held is None else held, float)
        found = np.unique(found.reshape(-1, count), axis=0)
    except (TypeError, ValueError):
        found = np.empty((0, count))
    if len(found) != 1 or not np.isfinite(found).all():
        raise ArgumentError(
            f"from_tigre.{name}: expected {count} finite numbers, the same in all views, got "
            f"{brief(held)}"
        )
    return found[0]
