"""Geometries of LEAP: the arguments of `set_modularbeam`.

Its vectors are (x, y, z); row vectors point from row to row, column vectors from column to column,
both of length 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.exchange.views import Views, beam_of, views_of
from physrecon.geometry.grid import checked_numbers
from physrecon.geometry.scan_geometry import ScanGeometry

VECTORS = ("sourcePositions", "moduleCenters", "colVectors", "rowVectors")
NUMBERS = ("numAngles", "numRows", "numCols", "pixelHeight", "pixelWidth")


def to_leap(scan: ScanGeometry) -> dict[str, Any]:
    """A scan as the arguments of LEAP's `set_modularbeam`, by name.

    Args:
        scan: any scan from a source, with a flat detector.
    Returns:
        numAngles, numRows, numCols, pixelHeight, pixelWidth, and sourcePositions, moduleCenters,
        rowVectors, colVectors, (views, 3) float32 each.
    Raises:
        ArgumentError: for parallel rays, a curved detector, and pixels that are no rectangles.

    Example:
        >>> scan = pr.ConeBeam([0], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> made = pr.geometry.to_leap(scan)
        >>> made["sourcePositions"].tolist(), made["colVectors"].tolist()
        ([[0.0, -50.0, 0.0]], [[1.0, 0.0, 0.0]])
    """
    views = views_of("to_leap", scan)
    if views.parallel:
        raise ArgumentError(
            "to_leap.scan: expected a source, as set_modularbeam takes, got parallel rays; use "
            "set_parallelbeam"
        )
    made = zip(VECTORS, views[:4], strict=True)
    sizes = (len(views.source), *views.shape, *views.pixel_size)
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in made}
    return dict(zip(NUMBERS, sizes, strict=True)) | arrays


def from_leap(arguments: Mapping[str, Any]) -> ScanGeometry:
    """The scan of the arguments of LEAP's `set_modularbeam`, by name.

    Args:
        arguments: those that `to_leap` returns.
    Raises:
        ArgumentError: for one that is missing, or vectors of another shape.

    Example:
        >>> scan = pr.ConeBeam([0, 90], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> pr.geometry.from_leap(pr.geometry.to_leap(scan)).shape
        (2, 4, 5)
    """
    if not isinstance(arguments, Mapping) or (lost := {*NUMBERS, *VECTORS} - {*arguments}):
        got = brief(arguments) if not isinstance(arguments, Mapping) else f"no {', '.join(lost)}"
        raise ArgumentError(f"from_leap: expected arguments of set_modularbeam by name, got {got}")
    views, rows, columns, height, width = (arguments[name] for name in NUMBERS)
    made = "finite vectors (numAngles, 3)"
    source, middle, u, v = (
        checked_numbers(f"from_leap.{name}", arguments[name], (views, 3), made) for name in VECTORS
    )
    size = (float(height), float(width))
    return beam_of(Views(source, middle, u, v, size, (rows, columns), False))
