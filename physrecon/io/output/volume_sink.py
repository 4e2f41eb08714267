"""Write a volume so that a kill at any moment loses at most the current slab.

A single slab is written as the plain file OUT.  Several slabs are written as `OUT.slabs/00000.h5
…`; OUT, written last, is a virtual dataset over them.  Its missing parts read as NaN, never as air.
An old OUT stays complete until all of the new one is on the disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon.errors import (
    ArgumentError,
    ConfigError,
    DataError,
    OutputError,
    PhysreconError,
    ReadError,
)
from physrecon.geometry.grid import Grid
from physrecon.io import atomic_file
from physrecon.io.hdf5_kind import SLAB_MARK
from physrecon.io.hdf5_safety import SafeHDF5, text
from physrecon.io.lock import Lock
from physrecon.io.opened import undone_by
from physrecon.io.output.piece_folder import (
    claim,
    clear,
    discard,
    edges,
    owner,
    remember,
    remembered,
    require_own,
    slab_files,
    slab_folder,
    slab_name,
    tidy,
    work_folder,
)
from physrecon.io.volumes.layout import (
    slab_image,
    store_array,
    store_links,
    stored_bytes,
    volume_image,
)
from physrecon.io.volumes.slabs import slab_mark


class VolumeWriter:
    """Writes a volume (z, y, x) slab by slab; a context manager that locks OUT.

    It resumes where a killed run stopped.
    path: OUT.  grid: the voxels, in `length_unit` (None: pixels).  slabs: the z ranges, in order
    and without gaps.  configuration: the resolved job and the fingerprint of its input, text by
    name, stored in the file.  With the grid it identifies the job, so it must not contain anything
    that changes from run to run, such as a date.

    Raises OutputError if OUT exists and `overwrite` is not given, belongs to another unfinished
    job, is being written by another run, or cannot be written; WriteError if the disk is full or
    fails.  An error in the data or the job (DataError, ArgumentError, ConfigError) removes the
    slabs; any other error leaves the finished slabs for the next run."""

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        dtype: DTypeLike,
        slabs: Sequence[slice],
        length_unit: str | None = None,
        configuration: dict[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.folder = slab_folder(path)
        self.grid, self.shape = grid, grid.shape
        self.dtype = np.dtype(dtype)
        self.slabs = list(slabs)
        self.length_unit = length_unit
        self.configuration = dict(configuration or {})
        self.facts: dict[str, str] = {}
        self._check_slabs()
        self._job = self._identity()
        self._finished: set[int] = set()
        self._overwrite = overwrite
        self._claimed = False  # the slab folder is marked as this job's
        self._complete = False
        self._stale = False  # slabs in the work folder are of another job, to be overwritten
        self._lock = Lock(self.path)
        with undone_by(self._lock.release):
            self._keeps_old = os.path.lexists(self.path)
            self._work = work_folder(self.path)
            self._check_target()
            if len(self.slabs) > 1 and owner(self._work) == self._job:
                self.facts = remembered(self._work)

    def __enter__(self) -> VolumeWriter:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        theirs = self._stale or self._complete
        try:
            if _is_wrong(error) and not theirs:
                discard(self._work)
            if error is not None:
                self._tidy()
        finally:
            self._lock.release()

    def done(self, slab: int) -> bool:
        """Whether the slab of this very job is on disk and every byte of it can be read back."""
        if slab in self._finished:
            return True
        if len(self.slabs) == 1 or self._stale:
            return False
        if any(self._readable(slab, folder / slab_name(slab)) for folder in self._places()):
            self._finished.add(slab)
        return slab in self._finished

    def write(self, slab: int, array: ArrayLike, facts: Mapping[str, str] | None = None) -> None:
        """Write one slab (slab rows, ny, nx); when this returns, it survives a kill.

        facts: texts by name that it brings to light, stored in OUT with the configuration.
        Holds one copy of the slab.  Raises ArgumentError, WriteError."""
        rows = self.slabs[slab]
        values = np.asarray(array, self.dtype)
        expected = (rows.stop - rows.start, *self.shape[1:])
        if values.shape != expected:
            raise ArgumentError(
                f"VolumeWriter.write: expected slab {slab} of shape {expected}, got {values.shape}."
            )
        self.facts |= facts or {}
        if len(self.slabs) == 1:
            self._store(values)
            for folder in (self._work, self.folder):
                discard(folder)  # of the replaced volume
        else:
            self._claim()
            with atomic_file.write_errors(self.path):
                remember(self._work, facts or {})
            atomic_file.publish(slab_image(values, self._mark(slab)), self._work / slab_name(slab))
        self._finished.add(slab)

    def finish(self) -> None:
        """Combine the finished slabs into OUT.  Raises PhysreconError if one is missing."""
        missing = [i for i in range(len(self.slabs)) if not self.done(i)]
        if missing:
            raise PhysreconError(
                f"{self.path}: expected all {len(self.slabs)} slabs, got none for {missing[:8]}; "
                "write them before finish()."
            )
        if len(self.slabs) > 1:
            self.facts = remembered(self._work) or remembered(self.folder)
            self._combine()
        self._complete = True
        self._tidy()

    def finish_if_complete(self) -> bool:
        """Call `finish` if all slabs are finished; return whether they were."""
        complete = all(self.done(i) for i in range(len(self.slabs)))
        if complete:
            self.finish()
        return complete

    def _store(self, values: NDArray[Any]) -> None:
        """Write OUT from its only slab."""
        self._publish_volume(lambda group: store_array(group, values))

    def _combine(self) -> None:
        """Write OUT from its slabs on the disk."""
        self._take_place()
        names = [f"{self.folder.name}/{slab_name(i)}" for i in range(len(self.slabs))]
        self._publish_volume(
            lambda group: store_links(group, self.grid, self.dtype, self.slabs, names, self._job)
        )

    def _take_place(self) -> None:
        """Replace the old slabs by the new ones; it can be killed and called again at any point."""
        if self._work == self.folder:
            return
        with atomic_file.write_errors(self.path):
            require_own(self.folder)
            self.path.unlink(missing_ok=True)  # never an old volume over new slabs
            if owner(self.folder) != self._job:
                clear(self.folder)
            claim(self.folder, self._job, self.slabs)
            remember(self.folder, self.facts)
            for file in slab_files(self._work):
                file.replace(self.folder / file.name)

    def _publish_volume(self, store: Callable[[h5py.Group], h5py.Dataset]) -> None:
        texts = {**self.configuration, **self.facts}
        image = volume_image(store, self.grid, self.length_unit, texts)
        atomic_file.publish(image, self.path)

    def _check_slabs(self) -> None:
        edges = [0, *(s.stop for s in self.slabs)]
        starts = [s.start for s in self.slabs]
        if self.dtype.kind != "f":
            raise ArgumentError(f"VolumeWriter: expected a float dtype, got {self.dtype}.")
        if 0 in self.shape or starts != edges[:-1] or edges[-1] != self.shape[0]:
            raise ArgumentError(
                f"VolumeWriter: expected slabs that cover 0..{self.shape[0]} in order, "
                f"got {self.slabs}."
            )

    def _identity(self) -> str:
        """Digest of all that must agree before slabs of an earlier run may be used."""
        z, *across = self.grid.center
        job = {
            "shape": self.shape,
            "dtype": self.dtype.str,
            "slabs": edges(self.slabs),
            "voxel_size": self.grid.pitch,
            "length_unit": self.length_unit,
            "middle": self.grid.center if any(across) else z,  # z alone: as in earlier slabs
            "configuration": self.configuration,
        }
        return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()

    def _check_target(self) -> None:
        """Raise OutputError unless OUT may be written; find whether earlier slabs are stale."""
        for folder in (self._work, self.folder) if len(self.slabs) > 1 else ():
            require_own(folder)
        self._check_new()
        earlier = slab_files(self._work)
        self._stale = bool(earlier) and owner(self._work) != self._job
        if self._stale and not self._overwrite:
            raise OutputError(
                f"{self.path}: expected no output or a part of this job's, got slabs of another "
                f"job or input in {self._work.name}; choose another name or pass --overwrite."
            )
        atomic_file.check_writable(self.path.parent)
        self._check_space()

    def _check_new(self) -> None:
        """Raise OutputError if OUT exists and is not to be overwritten."""
        atomic_file.check_new_file(self.path, self._overwrite)

    def _bytes(self) -> int:
        """Bytes on the disk while OUT is written, slabs included."""
        return stored_bytes(self.shape, self.dtype, len(self.slabs))

    def _places(self) -> set[Path]:
        """Folders that may hold slabs of this job: both, after a kill during their replacement."""
        return {self._work} if self._keeps_old else {self._work, self.folder}

    def _check_space(self) -> None:
        present = sum(f.stat().st_size for folder in self._places() for f in slab_files(folder))
        needed = self._bytes() - present
        kept = "; the old volume is kept until the new one is complete" * self._keeps_old
        atomic_file.check_space(self.path, needed, kept)

    def _claim(self) -> None:
        """Before the first slab: remove another job's slabs and mark the folder as this job's."""
        if self._claimed:
            return
        self._claimed = True
        with atomic_file.write_errors(self.path):
            if self._stale:
                clear(self._work)
                self._stale = False
            claim(self._work, self._job, self.slabs)

    def _mark(self, slab: int) -> str:
        return slab_mark(self._job, slab)

    def _tidy(self) -> None:
        atomic_file.remove_temporary(self.path.parent, self.path.name)
        for folder in (self._work, self.folder):
            tidy(folder)

    def _readable(self, slab: int, path: Path) -> bool:
        rows = self.slabs[slab]
        if not path.is_file():
            return False
        try:
            with SafeHDF5(path) as tree:
                data = tree.dataset("/data")
                mark = text(tree.file.attrs.get(SLAB_MARK, ""))
                expected = (rows.stop - rows.start, *self.shape[1:])
                if data is None or mark != self._mark(slab) or data.shape != expected:
                    return False
                for row in range(data.shape[0]):  # reading checks the checksums
                    data[row]
                return data.dtype == self.dtype
        except (OSError, PhysreconError):
            return False


def _is_wrong(error: BaseException | None) -> bool:
    """Whether the data or the job are at fault, so that finished slabs are useless."""
    at_fault = isinstance(error, (DataError, ArgumentError, ConfigError))
    return at_fault and not isinstance(error, ReadError)
