"""The scan of a cone beam whose source turns on a circle."""

from __future__ import annotations

from dataclasses import dataclass

from physrecon.geometry.point_source import ConeScan


@dataclass(frozen=True, eq=False, repr=False)
class ConeBeam(ConeScan):
    """Rays from a source to a detector, both turning about the z axis from view to view.

    As for `ParallelBeam`, source and detector turn counter-clockwise seen from +z: at angle θ the
    source stands at source_origin · (sin θ, -cos θ) in (x, y), and rows grow with z.  The frame of
    a view is (z, b, u): b along the central ray, u along the columns; at angle 0 it is (z, y, x).

    Args:
        angles: (views,) in `angle_unit`, any order, sign or range.
        detector_shape: (rows, columns).
        angle_unit: "deg" or "rad", for all angles here; there is no default.
        pixel_size: one length or (row pitch, column pitch) on the detector, in the unit of all
            lengths here; by default 1.  Volumes are then in 1/length.
        center: detector column on which the axis of rotation is projected, counted from 0; by
            default the middle, (columns - 1)/2.
        row_offset: rows from the height of the source to the middle of the detector.
        source_origin: distance from the source to the axis of rotation.
        source_detector: distance from the source to the detector.
        detector: "flat", or "curved": a cylinder about the source, with columns of equal angles.
        roll: angle that turns the columns to the rows, about the central ray.
        pitch: angle by which higher rows lean away from the source, about the columns.
        yaw: angle by which higher columns lean away from the source, about z.  Roll comes first,
            then pitch, then yaw; all about the pixel of the central ray.
        source_offset: (3,) or (views, 3) displacement (z, b, u) of the source alone.
        shifts: (3,) or (views, 3) displacement (z, b, u) of source and detector together; that of
            the object is its negative.
    Raises:
        ArgumentError: for numbers that are not finite, lengths that are not > 0, a detector nearer
            to the source than the axis, and a curved detector that is not centred on the source.

    Example:
        >>> scan = pr.ConeBeam(np.arange(0, 360, 3), (48, 64), angle_unit="deg", pixel_size=0.4,
        ...                    source_origin=100, source_detector=400)
        >>> scan.magnification, scan.default_grid().pitch
        (4.0, (0.1, 0.1, 0.1))
        >>> scan.rays().source[30].round(3).tolist()  # (z, y, x) at 90°
        [0.0, -0.0, 100.0]
    """
