"""Writing a volume so that a kill at any moment loses at most the slab in work.

One slab becomes one plain file OUT.  Several become `OUT.slabs/00000.h5 …`, and OUT, written last,
is a virtual dataset over them whose missing parts would read as NaN, never as air."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from physrecon.errors import (
    ArgumentError,
    ConfigError,
    DataError,
    OutputError,
    PhysreconError,
)
from physrecon.geometry import Grid
from physrecon.store.identify import SLAB_MARK
from physrecon.store.layout import slab_image, store_array, store_links, volume_image
from physrecon.store.publish import check_writable, publish, remove_temporary, write_error
from physrecon.store.trust import Tree, text

JOB = "job.json"
SLAB_NAME = re.compile(r"\d{5,}\.h5")


class VolumeWriter:
    """Writes a volume (z, y, x) slab by slab and resumes where a killed run stopped.

    path: OUT.  slabs: the z ranges, in order and without gaps.  configuration: the resolved job and
    the fingerprint of its input, text by name, stored in the file; together with the shape it tells
    this job from another, so it must not hold what changes from run to run (a date, say).
    voxel_size: one length or (z, y, x) in `length_unit`, None for pixels.

    Raises OutputError where OUT exists and `overwrite` is not given, belongs to another unfinished
    job, or cannot be written; WriteError when the disk is full or fails.  An error in the data or
    the job (DataError, ArgumentError, ConfigError) leaves nothing behind; anything else leaves the
    finished slabs for the next run."""

    def __init__(
        self,
        path: str | Path,
        shape: Sequence[int],
        dtype: DTypeLike,
        slabs: Sequence[slice],
        voxel_size: float | Sequence[float] = 1.0,
        length_unit: str | None = None,
        configuration: dict[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.folder = slab_folder(path)
        self.grid = Grid(tuple(shape), voxel_size)  # type: ignore[arg-type]
        self.shape = self.grid.shape
        self.dtype = np.dtype(dtype)
        self.slabs = list(slabs)
        self.length_unit = length_unit
        self.configuration = dict(configuration or {})
        self._check_slabs()
        self._job = self._identity()
        self._finished: set[int] = set()
        self._overwrite = overwrite
        self._claimed = False  # the slab folder is marked as this job's
        self._complete = False
        self._stale = False  # slabs on disk belong to the volume being overwritten
        self._check_target()

    def __enter__(self) -> VolumeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        theirs = self._stale or self._complete
        if isinstance(error, (DataError, ArgumentError, ConfigError)) and not theirs:
            self._discard_slabs()
        if error is not None:
            self._tidy()

    def done(self, slab: int) -> bool:
        """Whether the slab of this very job is on disk and every byte of it can be read back."""
        if slab in self._finished:
            return True
        if len(self.slabs) == 1 or self._stale or not self._slab_path(slab).is_file():
            return False
        if self._readable(slab):
            self._finished.add(slab)
        return slab in self._finished

    def write(self, slab: int, array: ArrayLike) -> None:
        """Write one slab (slab rows, ny, nx); when this returns, it survives a kill.

        Holds one copy of the slab.  Raises ArgumentError, WriteError."""
        rows = self.slabs[slab]
        values = np.asarray(array, self.dtype)
        expected = (rows.stop - rows.start, *self.shape[1:])
        if values.shape != expected:
            raise ArgumentError(
                f"VolumeWriter.write: expected slab {slab} of shape {expected}, got {values.shape}."
            )
        if len(self.slabs) == 1:
            self._publish_volume(lambda group: store_array(group, values))
            if self._stale:
                self._discard_slabs()
        else:
            self._claim()
            publish(slab_image(values, self._mark(slab)), self._slab_path(slab))
        self._finished.add(slab)

    def finish(self) -> None:
        """Put the finished slabs together as OUT.  Raises PhysreconError where one is missing."""
        missing = [i for i in range(len(self.slabs)) if not self.done(i)]
        if missing:
            raise PhysreconError(
                f"{self.path}: expected all {len(self.slabs)} slabs, got none for {missing[:8]}; "
                "write them before finish()."
            )
        if len(self.slabs) > 1:
            names = [
                f"{self.folder.name}/{self._slab_path(i).name}" for i in range(len(self.slabs))
            ]
            self._publish_volume(
                lambda group: store_links(group, self.grid, self.dtype, self.slabs, names)
            )
        self._complete = True
        self._tidy()

    def _publish_volume(self, store: Callable[[h5py.Group], h5py.Dataset]) -> None:
        image = volume_image(store, self.grid, self.length_unit, self.configuration)
        publish(image, self.path)

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
        job = {
            "shape": self.shape,
            "dtype": self.dtype.str,
            "slabs": _edges(self.slabs),
            "voxel_size": self.grid.pitch,
            "length_unit": self.length_unit,
            "configuration": self.configuration,
        }
        return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()

    def _check_target(self) -> None:
        """Raise OutputError unless OUT may be written, and decide what earlier slabs are worth."""
        for path, usable in ((self.path, self.path.is_file()), (self.folder, self.folder.is_dir())):
            if path.exists() and not usable:
                raise OutputError(
                    f"{self.path}: expected a name for a new file, got {path.name}, which is a "
                    "folder or a device or in the way; choose another name."
                )
        exists = os.path.lexists(self.path)
        if exists and not self._overwrite:
            raise OutputError(
                f"{self.path}: expected a new file, got one that exists; "
                "choose another name or pass --overwrite."
            )
        earlier = self._slab_files()
        ours = _read_job(self.folder).get("job") == self._job
        if earlier and not ours and not self._overwrite:
            raise OutputError(
                f"{self.path}: expected no output or a part of this job's, got slabs of another "
                f"job or input in {self.folder.name}; choose another name or pass --overwrite."
            )
        self._stale = bool(earlier) and (exists or not ours)
        check_writable(self.path.parent)
        if not exists and not self._stale:
            self._check_space(sum(file.stat().st_size for file in earlier))

    def _check_space(self, present: int) -> None:
        needed = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize - present
        free = shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise OutputError(
                f"{self.path}: expected {needed / 1e9:.3g} GB of free space, "
                f"got {free / 1e9:.3g} GB; free some or choose another folder."
            )

    def _claim(self) -> None:
        """Before the first slab: clear away what is overwritten, mark the folder as this job's."""
        if self._claimed:
            return
        self._claimed = True
        try:
            if self._overwrite:
                self.path.unlink(missing_ok=True)
            if self._stale:
                self._discard_slabs()
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        if _read_job(self.folder).get("job") != self._job:
            job = {"job": self._job, "slabs": _edges(self.slabs)}
            publish(io.BytesIO(json.dumps(job).encode()), self.folder / JOB)

    def _mark(self, slab: int) -> str:
        return f"{self._job} {slab}"

    def _slab_path(self, slab: int) -> Path:
        return self.folder / f"{slab:05d}.h5"

    def _slab_files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if SLAB_NAME.fullmatch(path.name)]

    def _discard_slabs(self) -> None:
        for path in self._slab_files():
            path.unlink(missing_ok=True)
        self._tidy()
        self._stale = False

    def _tidy(self) -> None:
        """Remove what killed runs left, and a slab folder without slabs or strangers' files."""
        remove_temporary(self.path.parent, self.path.name)
        remove_temporary(self.folder)
        if not self._slab_files():
            (self.folder / JOB).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _readable(self, slab: int) -> bool:
        rows = self.slabs[slab]
        try:
            with Tree(self._slab_path(slab)) as tree:
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


def slab_folder(path: str | Path) -> Path:
    """Where the slabs of the volume OUT lie: OUT.slabs."""
    return Path(f"{path}.slabs")


def partial_slabs(path: str | Path) -> list[slice] | None:
    """The slabs that an unfinished run chose for OUT, so that the next can choose the same."""
    if os.path.lexists(path):
        return None
    edges = _read_job(slab_folder(path)).get("slabs")
    return [slice(a, b) for a, b in edges] if edges else None


def _read_job(folder: Path) -> dict:
    try:
        return json.loads((folder / JOB).read_text())
    except (OSError, ValueError):
        return {}


def _edges(slabs: Sequence[slice]) -> list[tuple[int, int]]:
    return [(s.start, s.stop) for s in slabs]
