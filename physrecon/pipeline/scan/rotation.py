"""The sense of rotation of a fan or cone beam, where its file does not state it.

Of parallel rays the data are as good in either sense, of a mirrored object.  Rays of a fan are not:
in the wrong sense a ray and the ray that meets it from the other side disagree, and no object >= 0
explains the data as well.  The row nearest to the plane of the source, made small, is fitted in
both senses."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.io import Scan
from physrecon.io.scans.setup import SENSES
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.settings import GeometrySettings
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.scan.measure import Array, corrected
from physrecon.preprocess.small_rows import SmallRow, as_fan, middle_row

COLUMNS, VIEWS = 112, 64  # at most; more are averaged, or left out
# Few iterations tell the senses of a full turn apart; of a quarter they take more.
ITERATIONS, MORE_ITERATIONS = 60, 240
GUESSED = "not told by the data"
CLEAR, TELLS = 0.2, 0.02  # of the smaller residual, by which the other one is larger


def turned(scan: Scan, job: ScanJob) -> Scan:
    """The scan in the sense that the job names."""
    sense = job.geometry.rotation if job.geometry else "auto"
    if sense == "auto" or scan.setup.rotation == sense:
        return scan
    other = copy(scan)
    other.setup = replace(scan.setup, rotation=sense)
    return other


def with_rotation(job: ScanJob, scan: Scan, messages: Messages, facts: dict[str, str]) -> ScanJob:
    """The job with a sense of rotation, if it asks for it and the scan does not state it.

    facts: takes how it was found."""
    geometry = scan.geometry.with_center(float(job.center))
    if not isinstance(geometry, FanBeam | ConeBeam) or scan.setup.rotation is not None:
        return job
    row = middle_row(geometry)
    stacks = [s[:, row : row + 1] for s in (scan.projections, scan.flats, scan.darks)]
    y, _ = corrected(job, scan, stacks, row)
    fan = as_fan(geometry)
    residuals = residuals_of(y, fan, ITERATIONS)
    if max(residuals.values()) < (1 + CLEAR) * min(residuals.values()):
        residuals = residuals_of(y, fan, MORE_ITERATIONS)
    best = min(residuals, key=residuals.__getitem__)
    least, other = sorted(residuals.values())
    figures = " and ".join(f"{sense} {r:.4g}" for sense, r in residuals.items())
    if other - least < TELLS * least:
        best = SENSES[0]
        messages.warn(
            f"rotation: the data cannot tell the sense, as both leave the same residual "
            f"({figures}); {best} is taken, and the volume may be mirrored: give --rotation"
        )
        facts["found_rotation"] = f"{best} ({GUESSED}: {figures})"
    else:
        messages.result(
            f"rotation: {best}, by the residuals of both senses ({figures}); a detector that is "
            "mirrored looks like the other sense"
        )
        facts["found_rotation"] = f"{best} (residuals {figures})"
    table = job.geometry or GeometrySettings()
    return job.model_copy(update={"geometry": table.model_copy(update={"rotation": best})})


def residuals_of(y: Array, fan: FanBeam, iterations: int) -> dict[str, float]:
    """sense → ‖Ax − y‖ / ‖y‖ of the best slice x >= 0 of one row (views, 1, columns)."""
    row = SmallRow.of(y[:, 0], fan, COLUMNS).every(-(-len(y) // VIEWS))
    center, radians = row.bin_of(float(fan.center or 0)), row.scan.radians
    return {
        sense: row.residual(sign * radians, center, iterations)
        for sense, sign in zip(SENSES, (1, -1), strict=True)
    }
