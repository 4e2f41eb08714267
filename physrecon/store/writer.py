"""Writing a volume so that a kill at any moment loses at most the slab in work.

One slab becomes one plain file OUT.  Several become `OUT.slabs/00000.h5 …`, and OUT, written last,
is a virtual dataset over them whose missing parts would read as NaN, never as air.  Every file is
built in memory, written to a temporary name, synced and renamed.

HDF5 itself never writes to the disk: when a disk ran full under it, HDF5 2.0 crashed the process
(default driver) or kept the dead file's space (core driver with a backing store).  A Python buffer
as its file costs one copy of the slab and reports a full disk as an ordinary error."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon.errors import (
    ArgumentError,
    ConfigError,
    DataError,
    OutputError,
    PhysreconError,
    WriteError,
)
from physrecon.geometry import Grid
from physrecon.store.identify import SLAB_MARK, VOLUME
from physrecon.store.trust import Tree, text

CHUNK = 512  # columns and rows of a chunk: 1 MiB of float32, the size of HDF5's chunk cache
PIECE = 1 << 26  # bytes written at a time
JOB = "job.json"
SLAB_NAME = re.compile(r"\d{5,}\.h5")


class VolumeWriter:
    """Writes a volume (z, y, x) slab by slab and resumes where a killed run stopped.

    path: OUT.  slabs: the z ranges, in order and without gaps.  configuration: the resolved job and
    the fingerprint of its input, text by name, stored in the file; together with the shape it tells
    this job from another, so it must not hold what changes from run to run (a date, say).
    voxel_size: one length or (z, y, x) in `length_unit`, None for pixels.

    Raises OutputError where OUT exists and `overwrite` is not given, belongs to another unfinished
    job, or cannot be written; WriteError when the disk is full or fails.  An error in the data or the job
    (DataError, ArgumentError, ConfigError) leaves nothing behind; anything else leaves the finished
    slabs for the next run."""

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
        self._claimed = False
        self._stale = False  # slabs on disk belong to the volume being overwritten
        self._check_target(overwrite)

    def __enter__(self) -> VolumeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, (DataError, ArgumentError, ConfigError)) and not self._stale:
            self._discard_slabs()
        if error is not None:
            self._remove_temporary()

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
        """Write one slab; when this returns, it survives a kill.

        array (slab rows, ny, nx).  Holds one copy of the slab.  Raises ArgumentError, WriteError."""
        rows = self.slabs[slab]
        values = np.asarray(array, self.dtype)
        expected = (rows.stop - rows.start, *self.shape[1:])
        if values.shape != expected:
            raise ArgumentError(
                f"VolumeWriter.write: expected slab {slab} of shape {expected}, got {values.shape}."
            )
        self._claim()
        if len(self.slabs) == 1:
            image = self._volume_image(lambda group: _store(group, values))
            publish(image, self.path)
        else:
            publish(self._slab_image(slab, values), self._slab_path(slab))
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
            publish(self._volume_image(self._link_slabs), self.path)
        self._remove_temporary()

    def _check_slabs(self) -> None:
        edges = [0, *(s.stop for s in self.slabs)]
        starts = [s.start for s in self.slabs]
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

    def _check_target(self, overwrite: bool) -> None:
        """Raise OutputError unless OUT may be written, and decide what earlier slabs are worth."""
        if self.path.is_dir() or (self.folder.exists() and not self.folder.is_dir()):
            raise OutputError(
                f"{self.path}: expected a name for a file, got an existing folder; "
                "choose another name."
            )
        exists = os.path.lexists(self.path)
        if exists and not overwrite:
            raise OutputError(
                f"{self.path}: expected a new file, got one that exists; "
                "choose another name or pass --overwrite."
            )
        earlier = self._slab_files()
        ours = _read_job(self.folder).get("job") == self._job
        if earlier and not ours and not overwrite:
            raise OutputError(
                f"{self.path}: expected no output or a part of this job's, got slabs of another "
                f"job or input in {self.folder.name}; choose another name or pass --overwrite."
            )
        self._stale = bool(earlier) and (exists or not ours)
        _check_writable(self.path.parent)
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
        """Before the first byte: clear away what is overwritten, and mark the slabs as this job's."""
        if self._claimed:
            return
        self._claimed = True
        try:
            if self._stale or (len(self.slabs) > 1 and os.path.lexists(self.path)):
                self.path.unlink(missing_ok=True)
                self._discard_slabs()
                self._stale = False
            if len(self.slabs) > 1:
                self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _write_error(self.path, error) from error
        if len(self.slabs) > 1 and _read_job(self.folder).get("job") != self._job:
            job = {"job": self._job, "slabs": _edges(self.slabs)}
            publish(io.BytesIO(json.dumps(job).encode()), self.folder / JOB)

    def _slab_path(self, slab: int) -> Path:
        return self.folder / f"{slab:05d}.h5"

    def _slab_files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if SLAB_NAME.fullmatch(path.name)]

    def _discard_slabs(self) -> None:
        """Remove our slabs, and their folder unless someone else's files lie in it."""
        for path in [*self._slab_files(), self.folder / JOB]:
            path.unlink(missing_ok=True)
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        """Remove what killed runs left, and the slab folder if nothing is in it."""
        for name, folder in ((self.path.name, self.path.parent), ("*", self.folder)):
            pattern = f".{name}.*.part" if name == "*" else f".{_literal(name)}.*.part"
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _readable(self, slab: int) -> bool:
        rows = self.slabs[slab]
        try:
            with Tree(self._slab_path(slab)) as tree:
                data = tree.dataset("/data")
                mark = text(tree.file.attrs.get(SLAB_MARK, ""))
                expected = (rows.stop - rows.start, *self.shape[1:])
                if data is None or mark != f"{self._job} {slab}" or data.shape != expected:
                    return False
                for row in range(data.shape[0]):  # reading checks the checksums
                    data[row]
                return data.dtype == self.dtype
        except (OSError, PhysreconError):
            return False

    def _slab_image(self, slab: int, values: NDArray) -> io.BytesIO:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.attrs[SLAB_MARK] = f"{self._job} {slab}"
            _store(file, values)
        return buffer

    def _link_slabs(self, group: h5py.Group) -> h5py.Dataset:
        layout = h5py.VirtualLayout(self.shape, self.dtype)
        for slab, rows in enumerate(self.slabs):
            name = f"{self.folder.name}/{self._slab_path(slab).name}"
            shape = (rows.stop - rows.start, *self.shape[1:])
            layout[rows] = h5py.VirtualSource(name, "data", shape, self.dtype)
        return group.create_virtual_dataset("data", layout, fillvalue=np.nan)

    def _volume_image(self, store: Callable[[h5py.Group], h5py.Dataset]) -> io.BytesIO:
        """The file OUT in memory: NXdata that viewers open on, and the short names of others."""
        buffer = io.BytesIO()
        unit = self.length_unit or "pixel"
        with h5py.File(buffer, "w") as file:
            file.attrs["default"] = "entry"
            file.attrs["creator"] = "physrecon"
            entry = _group(file, "entry", "NXentry", "reconstruction")
            reconstruction = _group(entry, "reconstruction", "NXprocess", "results")
            reconstruction["program"] = "physrecon"
            configuration = _group(reconstruction, "configuration", "NXcollection")
            for name, value in self.configuration.items():
                configuration[name] = value
            results = _group(reconstruction, "results", "NXdata")
            results.attrs["signal"] = "data"
            results.attrs["axes"] = ["z", "y", "x"]
            data = store(results)
            data.attrs["interpretation"] = "image"
            data.attrs["units"] = f"1/{unit}"
            data.attrs["voxel_size"] = self.grid.pitch
            data.attrs["length_unit"] = self.length_unit or ""
            for axis, name in enumerate("zyx"):
                results[name] = self.grid.axis(axis)
                results[name].attrs["units"] = unit
            file["/exchange/data"] = h5py.SoftLink(VOLUME)
            file["/data"] = h5py.SoftLink(VOLUME)
        return buffer


def slab_folder(path: str | Path) -> Path:
    """Where the slabs of the volume OUT lie: OUT.slabs."""
    return Path(f"{path}.slabs")


def partial_slabs(path: str | Path) -> list[slice] | None:
    """The slabs that an unfinished run chose for OUT, so that the next can choose the same."""
    if os.path.lexists(path):
        return None
    edges = _read_job(slab_folder(path)).get("slabs")
    return [slice(a, b) for a, b in edges] if edges else None


def publish(buffer: io.BytesIO, path: Path) -> None:
    """Make a file appear whole or not at all: temporary name, sync, rename, sync the folder.

    Raises WriteError and leaves no temporary file."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with temporary.open("xb", buffering=0) as file:
            content = buffer.getbuffer()
            for start in range(0, len(content), PIECE):
                _write_all(file, content[start : start + PIECE])
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_all(file: io.FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[file.write(piece) :]


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder say EINVAL."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _write_error(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path}: expected to write it, got {error.strerror or error}; "
        "make room or mend the disk and run again: finished slabs are kept."
    )


def _check_writable(folder: Path) -> None:
    probe = folder / f".physrecon.{uuid.uuid4().hex[:8]}.part"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder}: expected a folder that can be written, got {error.strerror}; "
            "create it, change its permissions or choose another."
        ) from error


def _read_job(folder: Path) -> dict:
    try:
        return json.loads((folder / JOB).read_text())
    except (OSError, ValueError):
        return {}


def _edges(slabs: Sequence[slice]) -> list[tuple[int, int]]:
    return [(s.start, s.stop) for s in slabs]


def _literal(name: str) -> str:
    """The name with the wildcards of glob taken literally."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _group(parent: h5py.Group, name: str, nx_class: str, default: str | None = None) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    if default:
        group.attrs["default"] = default
    return group


def _store(group: h5py.Group, values: NDArray) -> h5py.Dataset:
    """The array as a dataset `data`, uncompressed and with checksums."""
    chunks = (1, *(min(n, CHUNK) for n in values.shape[1:]))
    return group.create_dataset("data", data=values, chunks=chunks, fletcher32=True)
