"""The rotation axis of a scan of any kind that tells it without a reconstruction."""

from __future__ import annotations

from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.errors import ArgumentError, brief
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.preprocess.conjugate_rays import axis_of_plane, plane_rows
from physrecon.preprocess.detector_roll import rows_for_roll, views_for_roll, with_roll
from physrecon.preprocess.rotation_axis import Center, axis_of_parallel


def find_center(line_integrals: ArrayLike, scan: ScanGeometry | ArrayLike) -> Center:
    """Find the detector column of the rotation axis, and how well it is known.

    A parallel beam: several methods check each other.  A full turn is searched from edge to edge,
    fewer views in the middle half of the detector.  A fan or cone beam: rays that two views
    measure, of a cone those in the plane of its source, so its row_offset must be right within a
    few rows.  The roll of its detector, up to 3° about the pixel of the central ray, is found where
    the object differs enough between the rows; `pr.align` finds it more exactly.

    Args:
        line_integrals: (views, rows, columns), of a parallel beam (views, columns) too; finite.
        scan: a ParallelBeam, FanBeam or ConeBeam, whose center is not used; or the angles of a
            parallel beam (views,) in radians, in any order and range.
    Returns:
        Center: column and ±, the methods, and notes; of a cone beam the roll and its ±.
    Raises:
        ArgumentError: for shapes that do not fit, and another kind of scan.
        DataError: NaN, no object in any row, views of one direction only, a result outside the
            search, no rays that are measured twice, or an axis that these views do not tell.

    Example:
        >>> angles = np.deg2rad(np.arange(0, 360, 10))
        >>> middle = 16.5 + 6 * np.cos(angles)[:, None, None]  # a disc goes round column 16.5
        >>> y = np.sqrt(np.maximum(4**2 - (np.arange(33) - middle) ** 2, 0))
        >>> center = pr.find_center(y, pr.ParallelBeam(angles, (1, 33), angle_unit="rad"))
        >>> round(center.column, 1), center.uncertainty < 0.3
        (16.5, True)
    """
    if isinstance(scan, ParallelBeam):
        _require_shape(line_integrals, scan, (scan.shape, scan.shape[::2]))
        return axis_of_parallel(line_integrals, scan.radians)
    if isinstance(scan, FanBeam | ConeBeam):
        _require_shape(line_integrals, scan, (scan.shape,))
        y = arrays.plain("find_center(line_integrals)", line_integrals)
        plane = y[:, plane_rows(scan)].mean(axis=1, dtype="float64")
        found = axis_of_plane(plane, scan.radians, scan)
        if isinstance(scan, FanBeam):
            return found
        rows, views = rows_for_roll(scan), views_for_roll(len(y))
        return with_roll(found, y[views, rows], rows, scan.radians[views], scan)
    if hasattr(scan, "rays"):
        raise ArgumentError(
            "find_center.scan: expected a ParallelBeam, FanBeam or ConeBeam, or angles, got "
            f"{brief(scan)}; pr.align finds the axis of a TiltedBeam or HelicalCone"
        )
    return axis_of_parallel(line_integrals, scan)


def _require_shape(
    line_integrals: ArrayLike, scan: ScanGeometry, shapes: tuple[tuple[int, ...], ...]
) -> None:
    y = arrays.plain("find_center(line_integrals)", line_integrals)
    views, rows, columns = scan.shape
    if y.shape not in shapes or views < 4 or rows < 1 or columns < 8:
        raise ArgumentError(
            f"find_center: expected line integrals {scan.shape}, of at least 4 views and 8 "
            f"columns, got {y.shape}"
        )
