"""How the rays of a scan move with a number of its geometry.

The parameters of a scan are its fields of numbers: `center`, `roll`, `source_origin` … for all
views, and those of every view, `angles`, `shifts` …  Rays are smooth functions of them, linear of
most.  Differences of second order, from one side as a distance may have a bound on the other, are
right to some 1e-10: the table of a scan is short and computed in float64."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.rays import Rays
from physrecon.geometry.scan_geometry import ScanGeometry

VECTORS = ("source", "direction", "detector_center", "u", "v", "source_offset", "shifts")
PER_VIEW = ("angles", "heights", *VECTORS)
TURNS = ("angles", "roll", "pitch", "yaw", "tilt")  # in the angle unit of the scan
STEP = 1e-5  # radians, or of the length: rounding and curvature then both err by some 1e-10


def parameters(scan: ScanGeometry) -> tuple[str, ...]:
    """The names of the numbers that the rays of a scan depend on."""
    names = [f.name for f in fields(scan)]  # type: ignore[arg-type]
    held = {name: getattr(scan, name) for name in names}
    # Row r of a separable scan sees slice r, wherever the two are; a flat detector stays flat.
    fixed = ["row_offset"] if scan.separable else []
    fixed += ["bend"] if held.get("bend") == 0 else []
    if held.get("detector") == "curved":  # about its source
        fixed += ["pitch", "yaw", "source_offset"]
    return tuple(
        name for name, value in held.items()
        if name not in fixed and value is not None and (name in PER_VIEW or _is_number(value))
    )  # fmt: skip


def parameter_shape(scan: ScanGeometry, name: str) -> tuple[int, ...]:
    """(1,) of a number, (views,) or (views, 3) of what every view may have of its own.

    Raises ArgumentError for what is no parameter of the scan."""
    known = parameters(scan)
    if name not in known:
        raise ArgumentError(
            f"wrt.name: expected a parameter of {type(scan).__name__}, one of "
            f"{', '.join(known)}; got {brief(name)}"
        )
    if name not in PER_VIEW:
        return (1,)
    return (scan.shape[0], 3) if name in VECTORS else (scan.shape[0],)


def moved_by(scan: Any, name: str, change: Any) -> Any:
    """The scan with a change added to one parameter; change: of its `parameter_shape`."""
    shape, value = parameter_shape(scan, name), np.asarray(getattr(scan, name))
    if shape == (1,) and name not in PER_VIEW:
        return replace(scan, **{name: float(value) + float(np.reshape(change, ()))})
    return replace(scan, **{name: np.broadcast_to(value, shape) + change})


def motions(scan: ScanGeometry, name: str) -> list[tuple[Any, float]]:
    """[(scans, h)] for every direction of a parameter: three places for `difference`.

    All views move at once: a parameter of every view has as many directions as it has axes."""
    shape, h = parameter_shape(scan, name), _step(scan, name)
    ways: list[Any] = [np.ones(shape)] if len(shape) == 1 else list(np.eye(3))
    return [
        ([scan, moved_by(scan, name, h * way), moved_by(scan, name, 2 * h * way)], h)
        for way in ways
    ]


def difference(three: list[NDArray[Any]], h: float) -> NDArray[np.float64]:
    """The derivative at the first of three places 0, h, 2h, to second order."""
    at, near, far = three
    return np.asarray((4 * (near - at) - (far - at)) / (2 * h))


def _step(scan: Any, name: str) -> float:
    if name in TURNS:
        return STEP * (180 / np.pi if scan.angle_unit == "deg" else 1.0)
    if name in ("center", "row_offset"):
        return 100 * STEP
    if name == "bend":
        return STEP / max(scan.shape[2], 1)
    rays: Rays = scan.rays()
    if name in ("u", "v"):
        return STEP * _size(getattr(rays, name))
    if name == "direction":
        return STEP * _size(np.asarray(scan.direction))
    if name == "source_origin":  # not beyond the detector
        return -STEP * float(scan.source_origin)
    reach = scan.shape[1] * _size(rays.v) + scan.shape[2] * _size(rays.u)
    return STEP * (reach + (0.0 if rays.parallel else _size(rays.axis)))


def _size(vectors: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean()) if vectors.size else 1.0


def _is_number(value: Any) -> bool:
    return isinstance(value, float)
