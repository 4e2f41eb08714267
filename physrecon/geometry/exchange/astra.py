"""Geometries of ASTRA: its dictionaries.

ASTRA orders vectors (x, y, z), measures detectors from their middle, and turns as we do.  Its
sinograms of 3-D geometries are (row, view, column).  The first row of its 2-D images lies at the
largest y, that of ours at the smallest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.exchange.circle import circle_of
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import checked_numbers
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.geometry.vector_beam import VectorBeam

IN_SPACE = ("cone_vec", "parallel3d_vec")
IN_PLANE = ("fanflat_vec", "parallel_vec")
BY_ANGLES = ("parallel", "parallel3d", "fanflat", "cone")


def to_astra(scan: ScanGeometry) -> dict[str, Any]:
    """A scan as the dictionary that `astra.create_proj_geom` makes.

    Args:
        scan: any scan with a flat detector; a fan beam becomes that of each of its slices.
    Returns:
        "cone_vec", "parallel3d_vec", or "fanflat_vec" of a `FanBeam`.
    Raises:
        ArgumentError: for a curved detector, which ASTRA's vectors do not describe.

    Example:
        >>> scan = pr.ConeBeam([0], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> made = pr.geometry.to_astra(scan)
        >>> made["type"], made["Vectors"][0, :6].tolist()  # source and detector, (x, y, z)
        ('cone_vec', [0.0, -50.0, 0.0, 0.0, 50.0, 0.0])
    """
    rays, (rows, columns) = scan.rays(), scan.shape[1:]
    if rays.bend:
        raise ArgumentError(
            "to_astra.scan: expected a flat detector, got a curved one; resample it to a flat one"
        )
    middle = rays.points([(rows - 1) / 2], [(columns - 1) / 2])[:, 0, 0]
    if scan.separable and not rays.parallel:
        flat = [vectors[:, :0:-1] for vectors in (rays.source, middle, rays.u)]
        vectors = np.concatenate(flat, axis=1)
        return {"type": "fanflat_vec", "DetectorCount": columns, "Vectors": vectors}
    vectors = np.concatenate(
        [vectors[:, ::-1] for vectors in (rays.source, middle, rays.u, rays.v)], axis=1
    )
    return {
        "type": "parallel3d_vec" if rays.parallel else "cone_vec",
        "DetectorRowCount": rows, "DetectorColCount": columns, "Vectors": vectors,
    }  # fmt: skip


def from_astra(geometry: Mapping[str, Any]) -> ScanGeometry:
    """The scan of a dictionary of `astra.create_proj_geom`.

    Args:
        geometry: of any kind with vectors, and "parallel", "parallel3d", "fanflat" and "cone".
    Returns:
        The scan of the kind; of vectors a `ConeBeam` or `ParallelBeam` where they are an upright
        circle about z, else a `VectorBeam`.  2-D geometries get one row, at z = 0, as high as
        a column is wide.
    Raises:
        ArgumentError: for another kind, entries that are missing, and vectors of another shape.

    Example:
        >>> pr.geometry.from_astra({"type": "fanflat", "DetectorCount": 5, "DetectorWidth": 0.5,
        ...     "ProjectionAngles": [0.0], "DistanceOriginSource": 40, "DistanceOriginDetector": 60}
        ... ).magnification
        2.5
    """
    kind = _entry(geometry, "type")
    if kind in BY_ANGLES:
        return _by_angles(kind, geometry)
    if kind in IN_SPACE:
        source, middle, u, v = _vectors(geometry, 3)
        shape = (_entry(geometry, "DetectorRowCount"), _entry(geometry, "DetectorColCount"))
    elif kind in IN_PLANE:
        source, middle, u = _vectors(geometry, 2)
        v = np.linalg.norm(u, axis=1, keepdims=True) * [1.0, 0.0, 0.0]
        shape = (1, _entry(geometry, "DetectorCount"))
    else:
        kinds = ", ".join((*IN_SPACE, *IN_PLANE, *BY_ANGLES))
        raise ArgumentError(f"from_astra.type: expected {kinds}, got {brief(kind)}")
    start: Any = {"direction" if kind.startswith("parallel") else "source": source}
    return circle_of(VectorBeam(**start, detector_center=middle, u=u, v=v, detector_shape=shape))


def _by_angles(kind: str, geometry: Mapping[str, Any]) -> ScanGeometry:
    if kind in ("parallel", "fanflat"):
        shape, pixel = (1, _entry(geometry, "DetectorCount")), _entry(geometry, "DetectorWidth")
    else:
        shape = (_entry(geometry, "DetectorRowCount"), _entry(geometry, "DetectorColCount"))
        pixel = (_entry(geometry, "DetectorSpacingY"), _entry(geometry, "DetectorSpacingX"))
    given = {
        "angles": _entry(geometry, "ProjectionAngles"), "angle_unit": "rad",
        "detector_shape": shape, "pixel_size": pixel,
    }  # fmt: skip
    if kind.startswith("parallel"):
        return ParallelBeam(**given)
    near, far = _entry(geometry, "DistanceOriginSource"), _entry(geometry, "DistanceOriginDetector")
    beam = FanBeam if kind == "fanflat" else ConeBeam
    return beam(**given, source_origin=near, source_detector=near + far)


def _vectors(geometry: Mapping[str, Any], axes: int) -> list[NDArray[np.float64]]:
    """(views, 3) in (z, y, x) of every vector of a view; z = 0 where there are two axes."""
    vectors = np.asarray(_entry(geometry, "Vectors"))
    width = 12 if axes == 3 else 6
    shape = (vectors.shape[0] if vectors.ndim else 0, width)
    made = f"finite vectors of shape (views, {width})"
    vectors = checked_numbers("from_astra.Vectors", vectors, shape, made)
    parts = np.split(vectors[:, ::-1], width // axes, axis=1)[::-1]
    return [np.pad(part, ((0, 0), (3 - axes, 0))) for part in parts]


def _entry(geometry: Mapping[str, Any], name: str) -> Any:
    if not isinstance(geometry, Mapping) or name not in geometry:
        raise ArgumentError(
            f"from_astra: expected a dictionary of astra.create_proj_geom with {name!r}, got "
            f"{brief(geometry if not isinstance(geometry, Mapping) else [*geometry])}"
        )
    return geometry[name]
