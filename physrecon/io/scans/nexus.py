"""NeXus: NXtomo, and raw beamline files that carry an image key.

`image_key` beside a detector dataset gives the kind of each frame: 0 projection, 1 flat, 2 dark,
3 invalid (NeXus application definition NXtomo).  `image_key_control` marks with −1 the views that
were taken once more to align the sample.  Rotation angles are stored for all frames, NaN where no
projection is, or for the projections only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io import units
from physrecon.io.hdf5_safety import BadLink, SafeHDF5, object_id, text, where_in_file
from physrecon.io.nxdata import axis_names
from physrecon.io.scans import nexus_beam, nexus_detector
from physrecon.io.scans.diverging import Pixel, diverging
from physrecon.io.scans.frames import Frames, Unsqueezed
from physrecon.io.scans.nexus_entries import Detector, detectors
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

PROJECTION, FLAT, DARK, ALIGNMENT = 0, 1, 2, -1
ANGLE_NAME = re.compile(r"rotation_angle|theta|omega|rot_angle")


def read(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan of a NeXus file; None if it has neither NXtomo nor an image key."""
    found = detectors(h5, group)
    if found is None:
        return None
    detector, others = found
    detector_stack(detector.data, f"{h5.path.name}: {detector.group}")
    keys = _Keys.of(detector)
    angles, unit, reason = _Angles(detector, keys).read()
    mount = nexus_detector.mount(detector)
    beam = nexus_beam.measured(detector, keys.projections, keys.flats, keys.darks)
    of_sample, of_detector, pixel_unused = _pixel_sizes(detector)
    rays = diverging(
        detector.h5.path.name, detector.data.shape[-1], *nexus_detector.distances(detector),
        of_detector, of_sample,
    )  # fmt: skip
    flat = keys.flats

    def frames(index: NDArray[np.intp]) -> Frames:
        stack = detector.data if detector.data.ndim == 3 else Unsqueezed(detector.data, 1)
        where = where_in_file(detector.data)
        return Frames(
            stack, index, where=where, mirrored=(mount.rows_reversed, mount.columns_reversed)
        )

    return ScanReading(
        kind="NXtomo" if detector.of_nxtomo else "NeXus (image_key)",
        projections=frames(keys.projections),
        flats=frames(flat),
        darks=frames(keys.darks),
        angles=angles,
        angle_unit=unit,
        pixel_size=rays.pixel_size,
        setup=rays.setup,
        flat_positions=np.searchsorted(keys.projections, flat) / keys.projections.size,
        beam=beam.counts,
        notes=(
            *(*others, *keys.notes, *mount.notes, *rays.notes),
            *(*beam.notes, *_link_notes(detector.nodes)),
        ),
        unused=(
            *pixel_unused,
            *mount.unused,
            *rays.unused,
            *nexus_detector.unused(detector, keys.projections, mount.columns_reversed),
            *beam.unused,
        ),
        no_angles=reason,
        no_pixel_size=rays.no_pixel_size,
    )


@dataclass(frozen=True)
class _Keys:
    """Numbers of the frames by kind.  with_alignment: projections and views for alignment."""

    projections: NDArray[np.intp]
    flats: NDArray[np.intp]
    darks: NDArray[np.intp]
    with_alignment: NDArray[np.intp]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, detector: Detector) -> _Keys:
        """Raises DataError if no frame is a projection."""
        key = detector.key
        control = detector.values(f"{detector.group}/image_key_control")
        notes = []
        aligned = np.zeros(key.shape, bool)
        if control is not None and control.size != key.size:
            notes.append(f"frames: image_key_control has {control.size} values for {key.size}")
        if control is not None and control.size == key.size:
            aligned = control == ALIGNMENT
            differ = np.count_nonzero((control != key) & ~aligned)
            if differ:
                notes.append(f"frames: image_key is taken for {differ} that differ in its control")
        aligned |= key == ALIGNMENT
        projections = np.flatnonzero((key == PROJECTION) & ~aligned)
        if not projections.size:
            raise DataError(
                f"{detector.h5.path.name}: {detector.key_path}: expected some frames of key 0 "
                "(projections), got none."
            )
        flats, darks = (np.flatnonzero((key == kind) & ~aligned) for kind in (FLAT, DARK))
        invalid = len(key) - projections.size - flats.size - darks.size - aligned.sum()
        if aligned.any():
            notes.append(f"frames: {aligned.sum()} views for alignment are left out")
        if invalid:
            notes.append(f"frames: {invalid} marked invalid are left out")
        views = np.flatnonzero((key == PROJECTION) | aligned)
        return cls(projections, flats, darks, views, tuple(notes))


@dataclass(frozen=True)
class _Angles:
    """The rotation angles of the projections.

    They are looked for where NXtomo puts them, then on the first axis of an NXdata group, then
    beside the detector data, then anywhere by name."""

    detector: Detector
    keys: _Keys

    def read(self) -> tuple[NDArray[np.float64] | None, str, str]:
        """(angles, their stated unit, "") or (None, "", the error for none)."""
        where = self.detector.h5.path.name
        try:
            path = self._path()
            node = self.detector.h5.sound(self.detector.nodes[path], path)
            stored = angle_values(node, f"{where}: {path}", *self.counts)
        except DataError as error:
            return None, "", str(error)
        return self._of_projections(stored), units.stated(node), ""

    @cached_property
    def counts(self) -> tuple[int, int, int]:
        """How many angles there may be: one per projection, frame, or view of any kind."""
        keys = self.keys
        return keys.projections.size, self.detector.frames, keys.with_alignment.size

    def _of_projections(self, stored: NDArray[np.float64]) -> NDArray[np.float64]:
        if stored.size == self.detector.frames:
            return stored[self.keys.projections]
        if stored.size == self.keys.projections.size:
            return stored
        return stored[np.isin(self.keys.with_alignment, self.keys.projections)]

    def _path(self) -> str:
        nodes, entry = self.detector.nodes, self.detector.entry
        official = [f"{entry}/sample/rotation_angle", f"{entry}/data/rotation_angle"]
        path = next((p for p in official if isinstance(nodes.get(p), h5py.Dataset)), None)
        return path or self._first_axis() or self._named()

    def _first_axis(self) -> str | None:
        """The first axis of an NXdata group that shows the detector's data."""
        for path, node in self.detector.shown:
            names = axis_names_of(node, path, self.detector.nodes)
            axis = f"{path.rpartition('/')[0]}/{names[0]}" if names else ""
            found = self.detector.nodes.get(axis)
            if isinstance(found, h5py.Dataset) and found.shape in ((n,) for n in self.counts):
                return axis
        return None

    def _named(self) -> str:
        """Path of the one dataset that looks like the rotation angle of every frame or view."""
        nodes = self.detector.nodes
        candidates = {
            path: node
            for path, node in nodes.items()
            if ANGLE_NAME.search(path.lower())
            and isinstance(node, h5py.Dataset)
            and node.dtype.kind in "iuf"
            and node.shape in ((n,) for n in self.counts)
        }
        beside = {path.rpartition("/")[0] for path, _ in self.detector.shown}
        near = {p: n for p, n in candidates.items() if p.rpartition("/")[0] in beside}
        own = {p: n for p, n in candidates.items() if p.startswith(f"{self.detector.entry}/")}
        chosen = near or own or candidates
        if len({object_id(node) for node in chosen.values()}) == 1:
            return next(iter(chosen))
        if chosen:
            got = f"{len(chosen)}: {', '.join(sorted(chosen)[:4])}"
        else:
            broken = [
                p for p, n in nodes.items() if ANGLE_NAME.search(p) and isinstance(n, BadLink)
            ]
            got = f"a broken link at {broken[0]}" if broken else "none"
        raise DataError(
            f"{self.detector.h5.path.name}: expected one list of rotation angles for "
            f"{self.detector.frames} frames or {self.counts[0]} projections, got {got}; "
            "store it as sample/rotation_angle with its units."
        )


def axis_names_of(data: h5py.Dataset, path: str, nodes: dict[str, Any]) -> list[str]:
    """The axis names that the NXdata group at the path, or the array itself, states for an array.

    The group may show the array through a link."""
    group, _, name = path.rpartition("/")
    attrs = nodes[group].attrs if group in nodes else {}
    names = [text(one) for one in np.ravel(attrs.get("axes", ()))]
    if text(attrs.get("signal", "")) == name and len(names) == data.ndim:
        return names
    return axis_names(data)


def _pixel_sizes(detector: Detector) -> tuple[Pixel | None, Pixel | None, tuple[str, ...]]:
    """(pixel size at the sample, that of the detector, what has no known unit)."""
    found, unknown = [], []
    for group in (f"{detector.entry}/sample", detector.group):
        paths = [f"{group}/{axis}_pixel_size" for axis in ("y", "x")]
        nodes = [detector.h5.dataset(path) for path in paths]
        row, column = (units.length(node) for node in nodes)
        found.append(units.pixel_size(row, column))
        if found[-1] is None:
            unknown += [
                units.unknown_length(n, p)
                for n, p in zip(nodes, paths, strict=True)
                if n is not None
            ]
    return found[0], found[1], () if any(found) else tuple(unknown[:1])


def _link_notes(nodes: dict[str, Any]) -> list[str]:
    broken = [node for node in nodes.values() if isinstance(node, DataError)]
    outside = sum(getattr(node, "outside", False) for node in broken)
    notes = []
    if len(broken) > outside:
        notes.append(f"links: {len(broken) - outside} lead to data that are not here (not needed)")
    if outside:
        notes.append(f"links: {outside} lead out of the scan's folder and were not followed")
    return notes
