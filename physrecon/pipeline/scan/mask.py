"""The field of view of a slice: the disc about the axis whose voxels are seen by all views.

Of a half turn these are the voxels that lie on the detector in every view.  Of a full turn a voxel
counts that is seen from one side at least, since opposite views complete each other.  Of a fan or a
cone it is the disc in the plane of the source that the outermost rays touch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.analytic.view_weights import full_turn
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io.scans.setup import TurningGeometry


def field_of_view(scan: TurningGeometry) -> float:
    """Its radius, in the unit of the pixels.

    Raises ArgumentError for an axis beside the detector, about which no voxel is always seen."""
    assert scan.center is not None  # the middle unless given
    sides = scan.center + 0.5, scan.shape[2] - 0.5 - scan.center
    reach = max(sides) if full_turn(scan.radians) else min(sides)
    if isinstance(scan, ParallelBeam | TiltedBeam):
        radius = reach * scan.column_pitch
    else:
        along = reach * scan.column_pitch / scan.source_detector
        radius = scan.source_origin * np.sin(along if scan.bend else np.arctan(along))
    if reach <= 0:
        raise ArgumentError(
            f"mask: expected an axis on the detector, got column {scan.center:g} of "
            f"{scan.shape[2]}; drop --mask"
        )
    return float(radius)


def mask_outside(volume: NDArray[Any], grid: Grid, radius: float) -> None:
    """Set the voxels whose centres are outside of the circle to 0, in place."""
    y, x = grid.axis(1), grid.axis(2)
    volume[:, y[:, None] ** 2 + x[None] ** 2 > radius**2] = 0
