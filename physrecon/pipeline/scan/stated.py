"""What a scan states and a job leaves open: the kind of the data, the direct method of the beam.

`fbp` and `fdk` are both the filtered backprojection: of parallel beams, also about a tilted axis,
and of fan, cone and helical beams.  Either word means the one that the beam takes.  A beam that has
none is reconstructed iteratively, unless the job names a direct method."""

from __future__ import annotations

import numpy as np

from physrecon.analytic.fbp import is_upright, no_fbp
from physrecon.analytic.helix import Helix, covered_in_words
from physrecon.analytic.view_weights import FULL_TURN, missing_wedge, ray_weights
from physrecon.catalog import DIRECT
from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io import Scan
from physrecon.io.scans.setup import TurningGeometry
from physrecon.jobs.scan_job import ScanJob

ITERATIVE = "cgls"  # of a beam without a direct method
TILTS = ("roll", "pitch", "yaw", "source_offset", "shifts")


def as_stated(job: ScanJob, scan: Scan) -> tuple[ScanJob, list[str]]:
    """The job with what the scan states, and notes on the choice of its method.

    Raises ArgumentError for settings that do not fit the scan."""
    if scan.line_integrals and not job.line_integrals:
        job = _with(job, line_integrals=True)
    if job.method not in DIRECT:
        return job, []
    kind = scan.beam_kind
    asked = "method" in job.model_fields_set
    word, trouble = direct_method(scan)
    if trouble and asked:
        raise ArgumentError(
            f"method: expected an iterative one, got {job.method}; {trouble}; choose --method "
            f"{ITERATIVE}, or a --prior"
        )
    if trouble:
        return _with(job, method=ITERATIVE), [f"method: {ITERATIVE}, as {trouble}"]
    if word == job.method and kind != "tilted":
        return job, []
    told = f"method: {word}, the filtered backprojection of a {kind} beam"
    found = job.model_copy(update={"method": word})
    return found, [told] * (asked or word == "fdk" or kind == "tilted")


def direct_method(scan: Scan) -> tuple[str, str]:
    """(the word of the filtered backprojection of a beam, why it cannot be used or "")."""
    geometry = scan.geometry
    word = "fbp" if isinstance(geometry, ParallelBeam | TiltedBeam) else "fdk"
    return word, no_direct_method(geometry, scan.beam_kind)


def or_direct(scan: Scan, words: str) -> str:
    """What a message adds where a direct method would do: {} is its word; "" without one."""
    word, trouble = direct_method(scan)
    return "" if trouble else words.format(word)


def no_direct_method(geometry: TurningGeometry, kind: str) -> str:
    """Why a beam has no filtered backprojection; "" if it has."""
    if isinstance(geometry, ParallelBeam):
        return ""
    if isinstance(geometry, TiltedBeam):
        return _needs("fbp", no_fbp(geometry))
    if not isinstance(geometry, FanBeam | ConeBeam | HelicalCone):
        return f"a {kind} beam has no direct method"
    if odd := [name for name in TILTS if np.any(getattr(geometry, name, 0.0))]:
        return f"fdk takes upright detectors without shifts, and {', '.join(odd)} is stated"
    if isinstance(geometry, HelicalCone):
        return _needs("fdk", Helix.of(geometry, geometry.default_grid()).trouble())
    covered, needed = _covered(geometry), np.pi + 2 * _fan(geometry)
    if covered < needed:
        return (
            f"views cover {np.degrees(covered):.4g}°, and fdk needs a half turn and the angle of "
            f"the fan, {np.degrees(needed):.4g}°"
        )
    return ""


def _needs(method: str, trouble: tuple[str, str] | None) -> str:
    return "" if trouble is None else f"{method} needs {trouble[0]}, not {trouble[1]}"


def weighting(geometry: TurningGeometry, grid: Grid) -> str:
    """How the direct method of a beam weights the rays of the slices of a grid, in words."""
    if isinstance(geometry, HelicalCone):
        return f"weights: helix, {covered_in_words(Helix.of(geometry, grid))}"
    if isinstance(geometry, TiltedBeam):
        return _tilted_weighting(geometry)
    assert isinstance(geometry, FanBeam | ConeBeam)
    if missing_wedge(geometry.radians, FULL_TURN)[0]:
        return (
            f"weights: short scan of {np.degrees(_covered(geometry)):.4g}° (Parker), every ray "
            "counts once"
        )
    if ray_weights(geometry) is None:
        return "weights: full turn, every ray counts half in either of its views"
    return (
        f"weights: full turn with the axis off the middle (column {geometry.center:g}), rays that "
        "are seen once count whole"
    )


def _tilted_weighting(geometry: TiltedBeam) -> str:
    tilt, roll = (float(np.degrees(geometry._radians(a))) for a in (geometry.tilt, geometry.roll))
    rolled = f"; rows are filtered as if not rolled by {roll:.3g}°" if roll else ""
    if is_upright(geometry):
        return f"weights: views as of an upright axis, tilted by {tilt:.3g}°{rolled}"
    return (
        f"weights: full turn about an axis tilted by {tilt:.4g}°; frequencies nearer to the axis "
        f"than that are in no view (missing cone), so faces across the axis are blurred{rolled}"
    )


def _covered(geometry: FanBeam | ConeBeam) -> float:
    """Radians that the views cover, from the first to the one beyond the last."""
    if len(geometry) < 2:
        return 0.0
    if not missing_wedge(geometry.radians, FULL_TURN)[0]:
        return FULL_TURN
    angles = np.sort(np.mod(geometry.radians, FULL_TURN))
    span = FULL_TURN - float(np.diff(angles, append=angles[0] + FULL_TURN).max())
    return span * len(angles) / (len(angles) - 1)


def _fan(geometry: FanBeam | ConeBeam) -> float:
    """The largest angle between a ray and the central one, in the plane of the source."""
    center = float(geometry.center or 0)
    reach = max(center, geometry.shape[2] - 1 - center)
    return float(np.arctan2(reach * geometry.column_pitch, geometry.source_detector))


def _with(job: ScanJob, **changes: object) -> ScanJob:
    """The job with these fields, and all that follows from them."""
    return ScanJob.build({**job.model_dump(exclude_unset=True), **changes}, "recon", flags=True)
