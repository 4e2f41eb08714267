"""Geometries of CIL: the arguments of AcquisitionGeometry.create_Cone3D or create_Parallel3D.

CIL's vectors are (x, y, z), at its angle 0: the source on -y, z along the axis.  It turns the
object, so its angles are ours negated.  direction_x runs from column to column, direction_y from
row to row, and the panel's origin "bottom-left" is our row 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.exchange.views import Views, beam_of, views_of
from physrecon.geometry.grid import checked_lengths, checked_numbers
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.geometry.turning_scan import TurningScan

AGREE = 1e-6  # of the largest length; views that differ by more are not on one circle
Z = (0.0, 0.0, 1.0)


def to_cil(scan: TurningScan) -> dict[str, dict[str, Any]]:
    """A scan as the arguments of CIL's `AcquisitionGeometry`.

    Args:
        scan: a scan on a circle, with a flat detector: all views alike but for the angle.
    Returns:
        "create_Cone3D" or "create_Parallel3D", "set_panel" and "set_angles": the arguments of each.
    Raises:
        ArgumentError: for a helix, shifts of single views, or a curved detector.

    Example:
        >>> scan = pr.ConeBeam([0, 90], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> made = pr.geometry.to_cil(scan)
        >>> made["create_Cone3D"]["detector_position"], made["set_angles"]["angles"].tolist()
        ([0.0, 50.0, 0.0], [-0.0, -90.0])
    """
    if not isinstance(scan, TurningScan) or not len(scan):
        raise ArgumentError(f"to_cil.scan: expected views on a circle, got {brief(scan)}")
    views = views_of("to_cil", scan)
    turned = [_turned(vector, -scan.radians) for vector in views[:4]]
    for vectors in turned:
        size = max(float(np.abs(vectors).max()), 1.0)
        if np.abs(vectors - vectors[0]).max() > AGREE * size:
            raise ArgumentError(
                "to_cil.scan: expected views on a circle, got others, which CIL does not describe "
                "by angles; write each view by itself"
            )
    source, middle, u, v = (_plain(vectors[0]) for vectors in turned)
    start = "ray_direction" if views.parallel else "source_position"
    create = {
        start: source, "detector_position": middle, "detector_direction_x": u,
        "detector_direction_y": v, "rotation_axis_position": [0.0, 0.0, 0.0],
        "rotation_axis_direction": [*Z],
    }  # fmt: skip
    height, width = views.pixel_size
    return {
        "create_Parallel3D" if views.parallel else "create_Cone3D": create,
        "set_panel": {
            "num_pixels": views.shape[::-1], "pixel_size": (width, height),
            "origin": "bottom-left",
        },
        "set_angles": {
            "angles": -np.asarray(scan.angles),
            "angle_unit": "degree" if scan.angle_unit == "deg" else "radian",
        },
    }  # fmt: skip


def from_cil(arguments: Mapping[str, Mapping[str, Any]]) -> ScanGeometry:
    """The scan of arguments of CIL's `AcquisitionGeometry`.

    Args:
        arguments: "create_Cone3D" or "create_Parallel3D", "set_panel" and "set_angles", as
            `to_cil` returns them; what has a default in CIL may be left out.
    Raises:
        ArgumentError: for arguments that are missing, or an axis that is not along z.

    Example:
        >>> scan = pr.ConeBeam([0, 90], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> pr.geometry.from_cil(pr.geometry.to_cil(scan)).rays().source.round(9).tolist()
        [[0.0, -50.0, 0.0], [0.0, -0.0, 50.0]]
    """
    kinds = ("create_Cone3D", "create_Parallel3D")
    known = isinstance(arguments, Mapping) and {"set_panel", "set_angles"} <= {*arguments}
    kind = next((k for k in kinds if known and k in arguments), None)
    if kind is None:
        raise ArgumentError(
            f"from_cil: expected {' or '.join(kinds)}, set_panel and set_angles, got "
            f"{brief([*arguments] if isinstance(arguments, Mapping) else arguments)}"
        )
    create, panel, turn = (arguments[k] for k in (kind, "set_panel", "set_angles"))
    parallel = kind == "create_Parallel3D"

    def vector(name: str, default: Any = None) -> NDArray[np.float64]:
        return checked_numbers(f"from_cil.{name}", create.get(name, default), (3,))

    axis = vector("rotation_axis_position", (0.0, 0.0, 0.0))
    if np.abs(np.cross(vector("rotation_axis_direction", Z), Z)).max() > AGREE:
        raise ArgumentError("from_cil.rotation_axis_direction: expected (0, 0, 1), got another")
    source = vector("ray_direction", (0, 1, 0)) if parallel else vector("source_position") - axis
    u, v = (
        direction / np.linalg.norm(direction)
        for direction in (
            vector("detector_direction_x", (1, 0, 0)),
            vector("detector_direction_y", Z),
        )
    )
    origin = panel.get("origin", "bottom-left")
    u, v = (-u if "right" in origin else u), (-v if "top" in origin else v)
    angles = np.asarray(turn["angles"], float) + turn.get("initial_angle", 0.0)
    radians = -(np.deg2rad(angles) if turn.get("angle_unit", "degree") == "degree" else angles)
    frame = (source, vector("detector_position") - axis, u, v)
    made = [_turned(np.tile(one, (len(radians), 1)), radians) for one in frame]
    width, height = checked_lengths("from_cil.pixel_size", panel.get("pixel_size", 1.0), 2)
    columns, rows = panel["num_pixels"]
    source, middle, u, v = made
    return beam_of(
        Views(source, middle, u, v, (height, width), (int(rows), int(columns)), parallel)
    )


def _turned(vectors: NDArray[np.float64], radians: NDArray[np.float64]) -> NDArray[np.float64]:
    """(views, 3) in (x, y, z), turned counter-clockwise about z."""
    cos, sin = np.cos(radians), np.sin(radians)
    x, y, z = vectors.T
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)


def _plain(vector: NDArray[np.float64]) -> list[float]:
    """Numbers without the rounding of a turn."""
    return [float(n) + 0.0 for n in np.round(vector, 12)]
