"""The slab files of a volume: its file states them, and they are looked for when it is opened.

A virtual dataset reads as NaN where a file is missing, in every program: HDF5 cannot be told to
refuse.  It reads any file of the right name and shape, too, so slabs are recognised by the mark of
their job."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from physrecon.errors import DataError
from physrecon.io.hdf5_kind import SLAB_MARK
from physrecon.io.hdf5_safety import SafeHDF5, text

# Attributes of the dataset: the job that made the slabs, and a sentence for whoever finds it.
JOB, STORED_IN = "slabs_job", "stored_in"


def slab_mark(job: str, slab: int) -> str:
    """The mark that a slab of a job has in its file."""
    return f"{job} {slab}"


def state_slabs(data: h5py.Dataset, names: list[str], job: str) -> None:
    """Record in a volume the relative names of its slab files and the job that made them."""
    folder = names[0].rpartition("/")[0]
    sentence = (
        f"{len(names)} files in {folder}; move or copy that folder along with this file: "
        "values whose file is missing read as NaN"
    )
    # of fixed length, as HDF5 checks it: a damaged text of variable length can stop it for ever
    data.attrs[JOB], data.attrs[STORED_IN] = np.bytes_(job), np.bytes_(sentence.encode())


def whole_volume(h5: SafeHDF5, place: str) -> h5py.Dataset | None:
    """The dataset at `place`, with all slabs that belong to it; None if there is none.

    Raises DataError if a slab is missing or is one of another volume."""
    found = h5.find(place)
    if not isinstance(found, h5py.Dataset) or not found.is_virtual or JOB not in found.attrs:
        return h5.dataset(place)
    names = [source.file_name.replace("%%", "%") for source in found.virtual_sources()]
    folder = Path(found.file.filename).resolve().parent
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{h5.path}: expected {len(names)} slab files beside it, got "
            f"{len(names) - len(missing)}: {missing[0]} is missing; copy the folder "
            f"{Path(missing[0]).parent} along with the file, or run the job again with --overwrite."
        )
    data = h5.dataset(place)
    job = text(found.attrs[JOB])
    for slab, name in enumerate(names):
        with SafeHDF5(folder / name, parent=h5) as file:
            if text(file.file.attrs.get(SLAB_MARK, "")) != slab_mark(job, slab):
                raise DataError(
                    f"{h5.path}: expected slab {slab} of this volume in {name}, got a file of "
                    f"another; copy the folder {Path(name).parent} that belongs to it."
                )
    return data


def configuration(h5: SafeHDF5) -> dict[str, str]:
    """The texts in a result of ours, by name; {} in other files."""
    group = h5.find("/entry/reconstruction/configuration")
    if not isinstance(group, h5py.Group):
        return {}
    members = {name: h5.child(group, name) for name in group}
    strings = {
        name: h5.sound(node, name)
        for name, node in members.items()
        if isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype) and node.size == 1
    }
    return {name: str(node.asstr()[()]) for name, node in strings.items()}
