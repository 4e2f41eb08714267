"""One slice of a scan under several values of one or two settings; the rows are read once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physrecon.catalog import LIKELIHOODS, find
from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.io import Scan
from physrecon.io.units import printed
from physrecon.jobs.scan_job import SUPPLIED, ScanJob
from physrecon.pipeline.kept_work import NothingKept
from physrecon.pipeline.messages import Messages, NoMessages
from physrecon.pipeline.problem import with_iterations
from physrecon.pipeline.run import open_task
from physrecon.pipeline.scan.mask import field_of_view, mask_outside
from physrecon.pipeline.scan.measure import SlabData
from physrecon.pipeline.scan.problem import reconstruct
from physrecon.pipeline.scan.task import ScanTask
from physrecon.pipeline.work import PieceWork
from physrecon.preprocess.small_rows import middle_row

# Fields of a job that change its corrected data
CORRECTIONS = ("rings", "floor", "air", "saturation", "zingers")
READING = {*SUPPLIED, "slices", "angle_unit", "input"}  # fields that say how the scan is read
OF_WEIGHT = ("method", "likelihood")  # settings for which another weight is the best


class Try(NamedTuple):
    """A slice (y, x), the values that were tried, why the solver stopped, and the seconds."""

    chosen: Mapping[str, Any]
    slice: NDArray[Any]
    reason: str
    seconds: float

    def figures(self) -> dict[str, float]:
        """Figures that tell slices apart: a wrong axis or weight changes them first.

        edges: mean absolute difference of neighbours.  negative: sum of the values below zero, of
        the sum of all absolute values."""
        x = self.slice.astype(np.float64)
        size = np.abs(x).sum()
        steps = [np.abs(np.diff(x, axis=axis)).mean() for axis in (0, 1)]
        return {
            "min": float(x.min()),
            "max": float(x.max()),
            "mean": float(x.mean()),
            "std": float(x.std()),
            "edges": float(sum(steps)),
            "negative": float(-np.minimum(x, 0).sum() / size) if size else 0.0,
        }


class Tries(NamedTuple):
    """The slices of all tries; row: of the detector; pitch: of voxels (y, x), in `unit`."""

    row: int
    pitch: tuple[float, float]
    unit: str
    tries: list[Try]


def try_settings(
    choices: Sequence[dict[str, Any]],
    make_job: Callable[[dict[str, Any]], ScanJob],
    messages: Messages,
) -> Tries:
    """Reconstruct the middle one of the chosen rows once for each choice of settings.

    make_job(chosen): the job with these settings, and with those that were found for the first of
    them: the axis, the width and the weight are found once unless they are what is tried."""
    if fixed := sorted(READING & choices[0].keys()):
        raise ArgumentError(
            f"vary: expected settings of the reconstruction, got {', '.join(fixed)}, which says "
            "how the scan is read, once for all; give it as an option"
        )
    first = make_job(choices[0])
    with open_task(first, messages) as task:
        assert isinstance(task, ScanTask)
        messages.introduce(task.summary(), task.notes, task.warnings())
        row, scan = _one_slice(task, messages)
        said = NoMessages() if "center" in choices[0] else messages
        base = ScanTask(_one_row(task.job, row), scan)
        if first.center == "auto":
            base.axis = task.axis  # of the whole scan
        base = base.resolved(said, NothingKept(said))
        found: dict[str, Any] = {"center": base.job.center, "width": base.width}
        others = any(key.startswith("prior.") or key in OF_WEIGHT for key in choices[0])
        if first.prior is not None and first.prior.factor is not None and not others:
            found["prior.weight"] = base.job.prior.weight
        tries = list(_tried(choices, make_job, found, scan, row, messages))
        pitch = base.grid.pitch[1:]
        return Tries(row, (pitch[0], pitch[1]), printed(scan.length_unit), tries)


def _one_slice(task: ScanTask, messages: Messages) -> tuple[int, Scan]:
    """The row of the slice that is tried, and the scan, whose rows are read once.

    Of a cone it is that in the plane of the source, a fan.  Raises ArgumentError for beams without
    such a plane."""
    scan = _read_once(task.scan)
    if task.geometry.separable:
        return (task.rows.start + task.rows.stop) // 2, scan
    if not isinstance(task.geometry, ConeBeam):
        raise ArgumentError(
            f"try: expected a beam with slices of their own, parallel, fan or cone, got a "
            f"{scan.beam_kind} one; compare whole volumes, of larger pixels: recon --bin 4"
        )
    row = middle_row(task.geometry)
    messages.note(f"try: row {row}, in the plane of the source, as a fan beam")
    scan.setup = replace(scan.setup, kind="fan")
    return row, scan


def _tried(
    choices: Sequence[dict[str, Any]],
    make_job: Callable[[dict[str, Any]], ScanJob],
    found: dict[str, Any],
    scan: Scan,
    row: int,
    messages: Messages,
) -> Iterator[Try]:
    measured: dict[Any, SlabData] = {}
    kept = NothingKept(NoMessages())
    with messages.progress("try", len(choices), "slices", every=False) as progress:
        for chosen in choices:
            began = time.perf_counter()
            job = _one_row(make_job(found | chosen), row)
            one = ScanTask(job, scan).resolved(NoMessages(), kept)
            slab = one.slab(slice(0, 1))
            key = (find(LIKELIHOODS, job.likelihood).raw_counts, *_corrections(job))
            if key not in measured:
                measured[key], _ = one.measure(slab)
            with PieceWork(progress.within(1), kept, job.device) as work:
                volume, reason = reconstruct(one.job, measured[key], slab, 1, work)
            if one.job.mask == "circle":
                mask_outside(volume, one.grid, field_of_view(slab.scan))
            yield Try(chosen, volume[0], reason, time.perf_counter() - began)
            progress.advance(1)


def _corrections(job: ScanJob) -> tuple[Any, ...]:
    return tuple(getattr(job, name) for name in CORRECTIONS)


def _one_row(job: ScanJob, row: int) -> ScanJob:
    return with_iterations(job.model_copy(update={"slices": f"{row}:{row + 1}"}))  # type: ignore[no-any-return]


def _read_once(scan: Scan) -> Scan:
    """The scan, whose blocks of rows are kept once they were read."""
    kept = copy(scan)
    for name in ("projections", "flats", "darks"):
        setattr(kept, name, _Kept(getattr(scan, name)))
    return kept


class _Kept:
    """Frames whose parts are read once; a part is a copy, which the corrections overwrite."""

    def __init__(self, frames: Any) -> None:
        self._frames, self._parts = frames, dict[str, NDArray[Any]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frames, name)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        key = repr(index)
        if key not in self._parts:
            self._parts[key] = self._frames[index]
        return np.array(self._parts[key])
