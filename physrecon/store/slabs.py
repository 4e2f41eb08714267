"""The folder of the slabs of a volume: where it lies, whose it is, what is in it.

A volume OUT of several slabs has them in OUT.slabs.  While a finished OUT is being overwritten, the
new slabs gather in OUT.slabs.new and the old volume stays as it is; they change places at the end.
`job.json` in a folder tells the job whose slabs it holds and where they were cut."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from physrecon.store.publish import publish, remove_temporary

JOB = "job.json"
SLAB_NAME = re.compile(r"\d{5,}\.h5")


def slab_folder(path: str | Path) -> Path:
    """Where the slabs of the finished volume OUT lie: OUT.slabs."""
    return Path(f"{path}.slabs")


def work_folder(path: str | Path) -> Path:
    """Where a run writes the slabs of OUT: OUT.slabs.new while there is an old OUT to be kept, or
    where a run was killed as they changed places."""
    new = Path(f"{path}.slabs.new")
    return new if os.path.lexists(path) or (new / JOB).is_file() else slab_folder(path)


def slab_name(slab: int) -> str:
    return f"{slab:05d}.h5"


def slab_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if SLAB_NAME.fullmatch(path.name)]


def partial_slabs(path: str | Path) -> list[slice] | None:
    """The slabs that an unfinished run chose for OUT, so that the next can choose the same."""
    edges = _read(work_folder(path)).get("slabs")
    return [slice(a, b) for a, b in edges] if edges else None


def slabs_done(path: str | Path) -> int:
    """How many slabs an unfinished run has left for OUT, whatever its job was."""
    work, final = work_folder(path), slab_folder(path)
    both = {work} if os.path.lexists(path) else {work, final}
    return len({file.name for folder in both for file in slab_files(folder)})


def owner(folder: Path) -> str | None:
    """The job whose slabs a folder holds."""
    return _read(folder).get("job")


def claim(folder: Path, job: str, slabs: Sequence[slice]) -> None:
    """Mark a folder, made where it is missing, as a job's.  Raises OSError, WriteError."""
    folder.mkdir(exist_ok=True)
    if owner(folder) != job:
        content = {"job": job, "slabs": edges(slabs)}
        publish(io.BytesIO(json.dumps(content).encode()), folder / JOB)


def discard(folder: Path) -> None:
    """Remove the slabs in a folder, and the folder when nothing of a stranger's is in it."""
    for path in slab_files(folder):
        path.unlink(missing_ok=True)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove what killed runs left, and a slab folder without slabs or strangers' files."""
    remove_temporary(folder)
    if not slab_files(folder):
        (folder / JOB).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def edges(slabs: Sequence[slice]) -> list[tuple[int, int]]:
    return [(s.start, s.stop) for s in slabs]


def _read(folder: Path) -> dict:
    try:
        job = json.loads((folder / JOB).read_text())
    except (OSError, ValueError):
        return {}
    return job if isinstance(job, dict) else {}
