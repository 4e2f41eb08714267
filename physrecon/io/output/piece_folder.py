"""The folder of a volume's slabs: its path, its owner, its content.

The slabs of a volume OUT are in OUT.slabs.  While a finished OUT is being overwritten, the new
slabs are collected in OUT.slabs.new; they replace the old ones at the end.  `job.json` in a folder
is its mark: the job that owns the slabs, and their ranges.  A folder without this mark is never
emptied, whatever its name, nor is a symbolic link.  The mark also holds facts that a piece has
brought to light, for the file that is written last."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from physrecon.errors import MissingInputError, OutputError
from physrecon.io.atomic_file import publish, remove_temporary

JOB = "job.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
TEMPORARY_JOB = re.compile(rf"\.{re.escape(JOB)}\.[0-9a-f]{{8}}\.part")


class Mark(NamedTuple):
    """The content of `job.json`: the digest of the job, its slabs, and facts, texts by name."""

    job: str
    slabs: list[slice]
    facts: dict[str, str]


def slab_folder(path: str | Path) -> Path:
    """The folder of the slabs of the finished volume OUT: OUT.slabs."""
    return Path(f"{path}.slabs")


def work_folder(path: str | Path) -> Path:
    """The folder that a run writes its slabs to.

    It is OUT.slabs.new while an old OUT is to be kept, or after a kill during the replacement;
    otherwise it is OUT.slabs."""
    new = Path(f"{path}.slabs.new")
    return new if os.path.lexists(path) or owner(new) else slab_folder(path)


def frame_folder(path: str | Path) -> Path:
    """The folder of the finished frames of an unfinished image OUT: OUT.frames."""
    return Path(f"{path}.frames")


def part_folders(path: str | Path) -> list[Path]:
    """All folders whose parts may be removed when OUT is written."""
    return [slab_folder(path), Path(f"{path}.slabs.new"), frame_folder(path)]


def slab_name(slab: int) -> str:
    return f"{slab:05d}.h5"


def slab_files(folder: Path) -> list[Path]:
    """The slabs in a folder of ours: the files whose names follow from its mark."""
    mark = _read(folder)
    files = (folder / slab_name(i) for i in range(len(mark.slabs) if mark else 0))
    return [file for file in files if file.is_file()]


def partial_slabs(path: str | Path) -> list[slice] | None:
    """The slabs that an unfinished run chose for OUT, so that the next run can reuse them."""
    mark = _read(work_folder(path))
    return mark.slabs if mark else None


def slabs_done(path: str | Path) -> int:
    """The number of slabs that an unfinished run of any job has left for OUT."""
    work, final = work_folder(path), slab_folder(path)
    both = {work} if os.path.lexists(path) else {work, final}
    return len({file.name for folder in both for file in slab_files(folder)})


@contextlib.contextmanager
def unfinished_reported(path: str | Path) -> Iterator[None]:
    """Raise a MissingInputError that counts the slabs if `path` is an unfinished volume."""
    try:
        yield
    except MissingInputError as error:
        slabs = None
        with contextlib.suppress(OSError):  # a name too long for a folder of slabs
            slabs = None if os.path.exists(path) else partial_slabs(path)
        if not slabs:
            raise
        raise MissingInputError(
            f"{path}: expected a finished volume, got {slabs_done(path)} of its {len(slabs)} slabs "
            f"in {work_folder(path).name}; run the same job again to finish it."
        ) from error


def owner(folder: Path) -> str | None:
    """The job that owns the slabs of a folder; None if the folder is not ours."""
    mark = _read(folder)
    return mark.job if mark else None


def refusal(folder: Path) -> str | None:
    """The error for a folder that is neither ours nor free to become ours, else None."""
    if owner(folder) or _is_free(folder) or not os.path.lexists(folder):
        return None
    if folder.is_symlink():
        found = "a symbolic link"
    else:
        found = f"files without our {JOB}" if folder.is_dir() else "a file"
    return (
        f"{folder}: expected a folder that an earlier run made, or none, got {found}; "
        "move it away or choose another name for the output."
    )


def require_own(folder: Path) -> None:
    """Raise OutputError unless a folder is ours or free to become ours."""
    if problem := refusal(folder):
        raise OutputError(problem)


def claim(folder: Path, job: str, slabs: Sequence[slice]) -> None:
    """Make a folder if it is missing, and mark it as a job's.

    Raises OutputError if it is not ours; OSError, WriteError."""
    require_own(folder)
    folder.mkdir(exist_ok=True)
    if owner(folder) != job:
        _write(folder, Mark(job, list(slabs), {}))


def remember(folder: Path, facts: Mapping[str, str]) -> None:
    """Add facts to the mark of a folder of ours.  Raises OSError, WriteError."""
    mark = _read(folder)
    if mark and facts:
        _write(folder, mark._replace(facts={**mark.facts, **facts}))


def remembered(folder: Path) -> dict[str, str]:
    """The facts in the mark of a folder; none if it is not ours."""
    mark = _read(folder)
    return mark.facts if mark else {}


def clear(folder: Path) -> None:
    """Remove the slabs in a folder of ours, but not its mark."""
    for path in slab_files(folder):
        path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove the slabs in a folder of ours, and the folder if it contains no other files."""
    clear(folder)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove temporary files in a folder of ours, and the folder if nothing else is left."""
    if not (owner(folder) or _is_free(folder)):
        return
    remove_temporary(folder)
    if not slab_files(folder):
        (folder / JOB).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def edges(slabs: Sequence[slice]) -> list[tuple[int, int]]:
    return [(s.start, s.stop) for s in slabs]


def _write(folder: Path, mark: Mark) -> None:
    content: dict[str, object] = {"job": mark.job, "slabs": edges(mark.slabs)}
    content |= {"facts": mark.facts} if mark.facts else {}
    publish(io.BytesIO(json.dumps(content).encode()), folder / JOB)


def _read(folder: Path) -> Mark | None:
    """The mark of a folder, None unless the folder is ours."""
    mark = folder / JOB
    if folder.is_symlink() or mark.is_symlink() or not mark.is_file():
        return None
    try:
        content = json.loads(mark.read_bytes())
        job, slabs = content["job"], [slice(int(a), int(b)) for a, b in content["slabs"]]
        facts = {str(name): str(text) for name, text in content.get("facts", {}).items()}
        return Mark(job, slabs, facts) if slabs and DIGEST.fullmatch(job) else None
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ):
        return None


def _is_free(folder: Path) -> bool:
    """Whether a folder is empty, except for unfinished marks of killed runs."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return not folder.is_symlink() and all(map(TEMPORARY_JOB.fullmatch, names))
