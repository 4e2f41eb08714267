"""Geometries of RTK: the XML file of a ThreeDCircularProjectionGeometry.

RTK's axis of rotation is y.  Its (x, y, z) are our (x, z, -y); then its gantry angle is our angle.
In the frame of a detector, with x along the columns and y along the rows, R p are coordinates of p:
R = Rz(-InPlaneAngle) Rx(-OutOfPlaneAngle) Ry(-GantryAngle); the source is at (SourceOffsetX,
SourceOffsetY, SourceToIsocenterDistance), and the origin of the projection, here the middle of the
detector, at (ProjectionOffsetX, ProjectionOffsetY, SourceToIsocenterDistance -
SourceToDetectorDistance).  SourceToDetectorDistance = 0 means parallel rays."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.exchange.views import Views, beam_of, views_of
from physrecon.geometry.grid import checked_lengths, checked_shape
from physrecon.geometry.scan_geometry import ScanGeometry

Array = NDArray[np.float64]

ROOT = "RTKThreeDCircularGeometry"
TO_RTK = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) of ours to (x, y, z) of RTK
FIELDS = (
    *("SourceToIsocenterDistance", "SourceToDetectorDistance", "GantryAngle"),
    *("ProjectionOffsetX", "ProjectionOffsetY", "OutOfPlaneAngle", "InPlaneAngle"),
    *("SourceOffsetX", "SourceOffsetY"),
)
ACROSS = 1e-6  # of a unit vector: parallel rays that are not along the normal of the detector


def to_rtk(scan: ScanGeometry) -> str:
    """A scan as the XML of RTK, for projections whose middle is at (0, 0).

    Args:
        scan: any scan with a flat detector; parallel rays must meet it at right angles.
    Returns:
        The text of the file.  The projections then need the spacing of the pixels (column, row),
        and minus half their extent between the outermost pixels as origin.  The volume of RTK has
        the axes (x, y, z) = (x, z, -y) of ours.
    Raises:
        ArgumentError: for a curved detector, pixels that are no rectangles, oblique parallel rays.

    Example:
        >>> scan = pr.ConeBeam([30], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> xml = pr.geometry.to_rtk(scan)
        >>> "<GantryAngle>30</GantryAngle>" in xml, xml.count("<Projection>")
        (True, 1)
    """
    views = views_of("to_rtk", scan)
    source, middle, u, v = (a @ TO_RTK.T for a in views[:4])
    text = ['<?xml version="1.0"?>', "<!DOCTYPE RTKGEOMETRY>", f'<{ROOT} version="3">']
    for k in range(len(u)):
        turn = np.stack([u[k], v[k], np.cross(u[k], v[k])])
        if views.parallel and np.abs(turn @ source[k] + [0, 0, 1]).max() > ACROSS:
            raise ArgumentError(
                "to_rtk.scan: expected parallel rays at right angles to the detector, got oblique "
                f"ones in view {k}"
            )
        values = _numbers(turn, None if views.parallel else source[k], middle[k])
        text.append("  <Projection>")
        text += [f"    <{n}>{x:.15g}</{n}>" for n, x in zip(FIELDS, values, strict=True)]
        rows = ("  ".join(f"{x:.15g}" for x in row) for row in _matrix(turn, values))
        text += ["    <Matrix>", *(f"      {row}" for row in rows), "    </Matrix>"]
        text.append("  </Projection>")
    return "\n".join([*text, f"</{ROOT}>", ""])


def from_rtk(
    xml: str | Path, detector_shape: tuple[int, int], pixel_size: float | tuple[float, float] = 1.0
) -> ScanGeometry:
    """The scan of an XML file of RTK.

    Args:
        xml: the text of the file, or its path.
        detector_shape: (rows, columns) of the projections, whose middle is at (0, 0).
        pixel_size: one length or (row, column), their spacing.
    Raises:
        ArgumentError: for another file, numbers that are missing, and a cylindrical detector.

    Example:
        >>> scan = pr.ConeBeam([30], (4, 5), angle_unit="deg", source_origin=50,
        ...                    source_detector=100)
        >>> pr.geometry.from_rtk(pr.geometry.to_rtk(scan), (4, 5)).rays().source.round(6).tolist()
        [[0.0, -43.30127, 25.0]]
    """
    root = _root(xml)
    whole = _values(root)
    if whole.pop("RadiusCylindricalDetector", 0.0):
        raise ArgumentError("from_rtk.xml: expected a flat detector, got a cylindrical one")
    each = [{**whole, **_values(view)} for view in root.iter("Projection")]
    if not each:
        raise ArgumentError("from_rtk.xml: expected projections, got none")
    parallel = [not view.get("SourceToDetectorDistance") for view in each]
    if len({*parallel}) > 1:
        raise ArgumentError("from_rtk.xml: expected one kind of rays, got parallel ones and others")
    places: list[list[Array]] = [[], [], [], []]
    for view in each:
        sid, sdd, gantry, px, py, out, in_plane, sx, sy = (view.get(n, 0.0) for n in FIELDS)
        turn = _rotation(*np.deg2rad([gantry, out, in_plane]))
        source = np.array([0, 0, -1.0] if parallel[0] else [sx, sy, sid])
        depth = -sid if parallel[0] else sid - sdd
        frame = (source, np.array([px, py, depth]), np.eye(3)[0], np.eye(3)[1])
        for found, vector in zip(places, frame, strict=True):
            found.append(vector @ turn @ TO_RTK)  # both are rotations
    sizes = checked_lengths("from_rtk.pixel_size", pixel_size, 2)
    shape = checked_shape("from_rtk.detector_shape", detector_shape, "rows, columns")
    source, middle, u, v = map(np.array, places)
    rows, columns = shape
    return beam_of(Views(source, middle, u, v, (sizes[0], sizes[1]), (rows, columns), parallel[0]))


def _numbers(turn: Array, source: Array | None, middle: Array) -> tuple[float, ...]:
    """The numbers of FIELDS of one view."""
    gantry = np.arctan2(turn[2, 0], turn[2, 2])
    out = np.arcsin(np.clip(-turn[2, 1], -1, 1))
    in_plane = np.arctan2(turn[0, 1], turn[1, 1])
    px, py, depth = turn @ middle
    sx, sy, sid = (0.0, 0.0, max(-depth, 0.0)) if source is None else turn @ source
    sdd = 0.0 if source is None else sid - depth
    angles = np.mod(np.rad2deg([gantry, out, in_plane]), 360)
    return tuple(map(float, (sid, sdd, angles[0], px, py, angles[1], angles[2], sx, sy)))


def _matrix(turn: Array, values: tuple[float, ...]) -> Array:
    """(3, 4) from (x, y, z, 1) to coordinates on the detector, times the depth."""
    sid, sdd, _, px, py, _, _, sx, sy = values
    if sdd == 0:
        flat = np.array([[1.0, 0, 0, -px], [0, 1, 0, -py], [0, 0, 0, 1]])
    else:
        shift = np.array([[1.0, 0, sx - px], [0, 1, sy - py], [0, 0, 1]])
        lens = np.array([[-sdd, 0, 0, sdd * sx], [0, -sdd, 0, sdd * sy], [0, 0, 1, -sid]])
        flat = shift @ lens
    rigid = np.eye(4)
    rigid[:3, :3] = turn
    return np.asarray(flat @ rigid)


def _rotation(gantry: float, out: float, in_plane: float) -> Array:
    (cg, co, ci), (sg, so, si) = (f([gantry, out, in_plane]) for f in (np.cos, np.sin))
    y = np.array([[cg, 0, -sg], [0, 1, 0], [sg, 0, cg]])
    x = np.array([[1, 0, 0], [0, co, so], [0, -so, co]])
    return np.asarray(np.array([[ci, si, 0], [-si, ci, 0], [0, 0, 1]]) @ x @ y)


def _root(xml: Any) -> ElementTree.Element:
    try:
        text = xml.read_text("utf-8") if isinstance(xml, Path) else str(xml)
        if isinstance(xml, str) and "<" not in xml:
            text = Path(xml).read_text("utf-8")
        root = ElementTree.fromstring(text)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise ArgumentError(f"from_rtk.xml: expected a file of RTK, got {error}") from None
    if root.tag != ROOT:
        raise ArgumentError(f"from_rtk.xml: expected {ROOT}, got {brief(root.tag)}")
    return root


def _values(element: ElementTree.Element) -> dict[str, float]:
    """The numbers directly below an element; the matrix follows from them."""
    found = {}
    for child in element:
        if child.tag in ("Projection", "Matrix"):
            continue
        if child.tag not in (*FIELDS, "RadiusCylindricalDetector"):
            raise ArgumentError(f"from_rtk.xml: expected {', '.join(FIELDS)}, got {child.tag}")
        try:
            found[child.tag] = float(child.text or "")
        except ValueError:
            raise ArgumentError(
                f"from_rtk.xml: expected a number for {child.tag}, got {brief(child.text)}"
            ) from None
    return found
