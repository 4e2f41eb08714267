"""Reconstruct a scan: read rows, correct them, reconstruct them, slab by slab.

Slices do not depend on the slab they are in: the volume is the same, bit for bit, however the work
is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import ClassVar, Self

import numpy as np

from physrecon.analytic.helix import Helix, covered_in_words
from physrecon.catalog import DIRECT, LIKELIHOODS, SOLVERS, find
from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import (
    NO_FLATS,
    Scan,
    VolumeWriter,
    open_scan,
    partial_slabs,
    slabs_done,
)
from physrecon.io.output.piece_folder import slab_folder, work_folder
from physrecon.io.output.stored_type import check_stored, stored_type
from physrecon.io.output.volume_file import VolumeFile, format_of, volume_bytes
from physrecon.io.units import printed
from physrecon.jobs.scan_job import ScanJob
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.kept_work import KeptWork, digest
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.model_check import facts_of
from physrecon.pipeline.pieces import largest, split_rows
from physrecon.pipeline.preflight import Outputs
from physrecon.pipeline.problem import with_choices, with_iterations, words_of_choices
from physrecon.pipeline.provenance import provenance
from physrecon.pipeline.scan.checks import scan_warnings
from physrecon.pipeline.scan.cone_footprint import whole_in_words
from physrecon.pipeline.scan.coverage import Coverage, coverage_warnings, look, width
from physrecon.pipeline.scan.direct import rows_needed
from physrecon.pipeline.scan.footprint import (
    arrays_held,
    chosen_rows,
    chosen_slices,
    peak_bytes,
    rows_that_fit,
    state_bytes,
)
from physrecon.pipeline.scan.mask import field_of_view, mask_outside
from physrecon.pipeline.scan.measure import SlabData, measure
from physrecon.pipeline.scan.model_check import CheckedRow, check_row, checked_row
from physrecon.pipeline.scan.problem import Slab, reconstruct, slab_problem
from physrecon.pipeline.scan.resolve import (
    CONJUGATE,
    MIDDLE,
    axis_of,
    sample,
    with_center,
    with_settings,
)
from physrecon.pipeline.scan.rotation import turned, with_rotation
from physrecon.pipeline.scan.stated import as_stated, weighting
from physrecon.pipeline.task import Footprint, Outcome, Piece, Words
from physrecon.pipeline.work import PieceWork
from physrecon.preprocess.defects import Repairs
from physrecon.preprocess.rotation_axis import Center
from physrecon.preprocess.small_rows import as_fan, middle_row
from physrecon.problem import Problem

# Endings of files that we do not write.
OTHER_FORMATS = (
    *("png", "jpg", "jpeg", "raw", "npy", "npz", "nc", "zarr", "nii", "nrrd"),
    *("vtk", "toml", "txt", "csv"),
)


class ScanTask:
    """rows: of the detector, both ends given.  geometry: of these rows.  slices: of all slices that
    they see, those to reconstruct.  whole_grid, grid: of all slices, and of these."""

    words: ClassVar[Words] = Words("recon", "slices", "slab", "volume.h5")

    def __init__(self, job: ScanJob, scan: Scan) -> None:
        self.scan = turned(scan, job)
        job, notes = as_stated(job, self.scan)
        self.job = with_iterations(job)
        self.notes = (*scan.notes, *notes)
        self.methods = tuple(SOLVERS)
        whole = self.scan.geometry
        self.rows = chosen_rows(job, scan.shape[1]) if whole.separable else slice(0, whole.shape[1])
        self.geometry = whole.part(self.rows)
        self._fingerprint: list[str] = []  # of the input, once it is read
        self.found: dict[str, str] = {}

    @cached_property
    def coverage(self) -> Coverage | None:
        """What the detector sees of the object; a few views are read."""
        return look(self.job, self.scan)

    @cached_property
    def axis(self) -> Center:
        """The axis of a job that gives none."""
        return (self.coverage and self.coverage.axis) or axis_of(self.job, self.scan)

    @cached_property
    def width(self) -> int:
        """Voxels of a slice along y and x."""
        job = self.job
        return width(job, self.scan, None if job.width != "auto" else self.coverage)

    @cached_property
    def whole_grid(self) -> Grid:
        return self.geometry.default_grid(self.width)

    @cached_property
    def slices(self) -> slice:
        count = self.whole_grid.shape[0]
        if self.geometry.separable:
            return slice(0, count)
        return chosen_slices(self.job, self.scan, count)

    @cached_property
    def grid(self) -> Grid:
        return self.whole_grid.part(self.slices)

    def slab(self, part: slice) -> Slab:
        """Some of the slices to reconstruct, with the rows that they need."""
        geometry, first = self.geometry, self.slices.start
        if self.job.center != "auto":
            geometry = geometry.with_center(float(self.job.center))
        place = slice(first + part.start, first + part.stop)
        rows = slice(0, self.geometry.shape[1])
        if geometry.separable or self.job.method in DIRECT:
            rows = rows_needed(geometry, self.whole_grid, place)
        return Slab(geometry, self.whole_grid, place, rows)

    def measure(self, slab: Slab) -> tuple[SlabData, Repairs]:
        """The data of the rows of a slab."""
        first = self.rows.start
        rows = slice(first + slab.rows.start, first + slab.rows.stop)
        return measure(self.job, self.scan, rows)

    @classmethod
    @contextmanager
    def open(cls, job: ScanJob) -> Iterator[Self]:
        air = job.air is not None
        with open_scan(job.input, job.angle_unit, **job.supplied) as scan:
            if not air:
                scan.require_flats()
            is_counts = not (scan.line_integrals or scan.transmission)
            if air and not len(scan.flats) and is_counts:
                said = f"air: columns {job.air} normalise each view; no flats even out the pixels"
                scan.notes = [said if note == NO_FLATS else note for note in scan.notes]
            yield cls(job, scan)

    def summary(self) -> list[str]:
        return [self.scan.summary()]

    def warnings(self) -> list[str]:
        return [
            *scan_warnings(self.job, self.scan),
            *coverage_warnings(self.job, self.scan, self.coverage),
        ]

    def footprint(self, budget: int) -> Footprint:
        job, count = self.job, self.grid.shape[0]
        size = rows_that_fit(job, self.scan, self.grid, budget)
        slabs = split_rows(count, size)
        cut = partial_slabs(job.output)
        if cut and cut[-1].stop == count and not job.slab_rows:
            # Finished slabs stay usable, although more or less memory may be free now.
            slabs = cut if largest(cut) <= size or job.memory is None else slabs
        unit = printed(self.scan.length_unit)
        number = f"in {len(slabs)} slabs of {largest(slabs)}" if slabs[1:] else "in one slab"
        return Footprint(
            tuple(Piece(i, part, part.stop - part.start) for i, part in enumerate(slabs)),
            self.grid.shape,
            volume_bytes(job.output, self._format, self.grid.shape, len(slabs), job.out_dtype),
            f"{self.grid.shape} {job.out_dtype}, 1/{unit}",
            self._outputs(len(slabs)),
            peak_bytes(job, self.scan, self.grid, largest(slabs)),
            unit=f"1/{unit}",
            beside=job.beside,
            state=state_bytes(job, self.scan, self.grid, largest(slabs)),
            found=slabs_done(job.output) if cut else 0,
            usable=cut == slabs,
            lines=(
                f"center: {self._center_in_words()}",
                self._cut_line(number),
                *self._width_line(),
            ),
        )

    def _center_in_words(self) -> str:
        if self.job.center != "auto":
            return str(self.job.center)
        stated = self.scan.center
        kind = self.scan.beam_kind
        if kind == "parallel" or (stated is None and kind in CONJUGATE):
            return "found by the run"
        if stated is None:
            return f"{(self.scan.shape[2] - 1) / 2:g} ({MIDDLE})"
        return f"{stated:g} (as the file states)"

    def _cut_line(self, number: str) -> str:
        if self.geometry.separable:
            return f"rows: {self.rows.start}:{self.rows.stop}, {number}"
        if self.job.method not in DIRECT:
            return whole_in_words(self.scan, self.grid, arrays_held(self.job))
        some = f"{self.slices.start}:{self.slices.stop} of {self.whole_grid.shape[0]}"
        line = f"slices: {some}, {number}, from the rows that each needs"
        if isinstance(self.geometry, HelicalCone):
            line += f"; {covered_in_words(Helix.of(self.geometry, self.whole_grid))}"
        return line

    def _width_line(self) -> list[str]:
        columns = self.scan.shape[2]
        how = "chosen" if self.job.width == "auto" else "given"
        same = self.width == columns
        return [] if same else [f"width: {self.width} voxels ({how}), {columns} columns"]

    @property
    def _format(self) -> str:
        return format_of(self.job.output, self.job.format)

    def _outputs(self, slabs: int) -> Outputs:
        """Raises ArgumentError if OUT is named like a file that is not written."""
        output = self.job.output
        if output.suffix.lower().removeprefix(".") in OTHER_FORMATS and not output.is_dir():
            raise ArgumentError(
                f"{output}: expected a name that ends in .h5, .tif or .mrc, got {output.suffix}; "
                f"choose {output.with_suffix('.h5').name}"
            )
        check_stored(output, self._format, np.dtype(self.job.out_dtype))
        folders = {slab_folder(output), work_folder(output)} if slabs > 1 else set()
        files = [output, *self.job.beside]
        inputs = {self.job.input, *self.scan.files}
        return Outputs(files, sorted(folders), inputs, self._format == "slices")

    def trial(self) -> Problem | None:
        """Two views of one row; the search of axis and weight, which may take long, is not
        needed."""
        if self.job.method in DIRECT:
            return None
        some = self.geometry.part(slice(0, 1))[:2]
        y = np.ones(some.shape, np.float32)
        likelihood = find(LIKELIHOODS, self.job.likelihood)
        job = self.job.model_copy(update=dict.fromkeys(likelihood.settings, 1.0))
        data = SlabData(y, y if likelihood.raw_counts else None, blank=y, dark=y)
        return slab_problem(job, Projector(some), data)

    def survey(self) -> list[str]:
        """Check that light came through the rows; a search of the axis does so anyway."""
        if self.job.center != "auto":
            sample(self.job, self.scan, self.rows)
        return []

    def identity(self) -> str:
        return digest(provenance(self.job, self.inputs()))

    def inputs(self) -> dict[str, str]:
        """Digests of the data, by name."""
        if not self._fingerprint:
            self._fingerprint[:] = [self.scan.fingerprint()]
        return {"input_fingerprint": self._fingerprint[0]}

    def _with(self, job: ScanJob) -> Self:
        task = type(self)(job, self.scan)
        task.notes = self.notes
        task._fingerprint, task.found = self._fingerprint, self.found
        return task

    def resolved(self, messages: Messages, kept: KeptWork) -> Self:
        axis = self.axis if self.job.center == "auto" else None
        job = with_center(self.job, self.scan, messages, axis, self.found)
        job = with_rotation(job, self.scan, messages, self.found)
        job = job.model_copy(update={"width": self.width})
        geometry = self._with(job).geometry.with_center(float(job.center))
        if job.method in DIRECT and not isinstance(geometry, ParallelBeam):
            messages.note(weighting(geometry, geometry.default_grid(self.width)))
        reason = checked_row(geometry, self.whole_grid)
        if isinstance(reason, str):
            messages.note(f"check of the model: left out, as {reason}")
        if job.mask == "circle":
            radius = field_of_view(geometry)
            unit = printed(self.scan.length_unit)
            messages.note(
                f"mask: 0 beyond {radius:.4g} {unit} from the axis, not seen by all views"
            )
        job = with_settings(job, self.scan, self._middle_rows(), messages)
        found = self._with(job)
        job = with_choices(job, found._middle_problem, messages, kept, found.identity)
        self.found.update(words_of_choices(self.job, job))
        return self._with(job)

    def _middle_rows(self) -> slice:
        """The middle one of the chosen rows, or all of them if the prior couples them.

        Of a cone it is that in the plane of the source; other beams have none."""
        coupled = self.job.prior is not None and not self.job.prior.slicewise
        flat = self.geometry.separable or isinstance(self.geometry, ConeBeam)
        if coupled or not flat:
            return self.rows
        if not self.geometry.separable:
            row = middle_row(self.geometry)
            return slice(row, row + 1)
        middle = (self.rows.start + self.rows.stop) // 2
        return slice(middle, middle + 1)

    def _middle_problem(self) -> tuple[Problem, str]:
        rows = self._middle_rows()
        data, _ = measure(self.job, self.scan, rows)
        geometry = self.scan.geometry.part(rows).with_center(float(self.job.center))
        if isinstance(geometry, ConeBeam) and rows.stop == rows.start + 1:
            geometry = as_fan(geometry)
        A = Projector(geometry, geometry.default_grid(self.width))
        where = (
            f"rows {rows.start}:{rows.stop}" if rows.stop > rows.start + 1 else f"row {rows.start}"
        )
        return slab_problem(self.job, A, data.to(self.job.device)), where

    def make(self, footprint: Footprint, piece: Piece, work: PieceWork) -> Outcome:
        job, part, slab = self.job, piece.place, self.slab(piece.place)
        data, repairs = self.measure(slab)
        one = self._checked_row(slab)
        if one and slab.scan.separable:
            first = slab.rows.start
            rows = data.part(slice(one.rows.start - first, one.rows.stop - first))
        elif one:
            rows, _ = measure(job, self.scan, one.rows)
        volume, reason = reconstruct(job, data, slab, self.grid.shape[0], work)
        facts = {}
        if one:
            work.progress(None, "checking the model")
            at = one.place - part.start
            # a cone's is between slices, or beside those to reconstruct
            x = volume[at : at + 1] if slab.scan.separable else None
            checked = check_row(rows, x, one, self._mended)
            facts = facts_of(job, checked, one.words(self.rows.start))
        if job.mask == "circle":
            mask_outside(volume, self.grid.part(part), field_of_view(slab.scan))
        repairs = replace(repairs, no_darks=False)  # the notes state it
        return Outcome(volume, reason, repairs, facts=facts)

    def _checked_row(self, slab: Slab) -> CheckedRow | None:
        """The row that is checked with this slab, if it is."""
        found = checked_row(slab.scan, self.whole_grid)
        if isinstance(found, str):
            return None
        place = min(max(found.place, self.slices.start), self.slices.stop - 1)
        return found if slab.part.start <= place < slab.part.stop else None

    @property
    def _mended(self) -> list[str]:
        """The corrections by options that have a cause to mend."""
        job = self.job
        return ["air"] * (job.air is not None) + ["rings"] * (job.rings != "none")

    @contextmanager
    def open_sink(self, footprint: Footprint) -> Iterator[VolumeWriter]:
        job, format = self.job, self._format
        stored = stored_type(job.out_dtype, job.out_range)
        plain = format == "hdf5" and stored.plain
        writer = VolumeWriter if plain else partial(VolumeFile, format=format, stored=stored)
        with writer(
            job.output,
            self.grid,
            np.float32,
            [piece.place for piece in footprint.pieces],
            self.scan.length_unit,
            provenance(job, self.inputs()),
            job.overwrite,
        ) as sink:
            yield sink
