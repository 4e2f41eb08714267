"""HDF5 files that are not scans: recognise their kind, and advise their owner."""

from __future__ import annotations

import re

import h5py

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import SafeHDF5, text

VOLUME = "/entry/reconstruction/results/data"
SLAB_MARK = "physrecon_slab"
BLISS_SCAN = re.compile(r"\d+\.\d+")  # as in 1.1, the first part of the first scan
ADVICE = {
    "NXstxm": (
        "a scanning measurement: one transmitted intensity per beam position, no camera frames: "
        "divide data by monitor/data, take −log, subtract its level where the beam passes beside "
        "the sample (there a line integral is 0), write the result to /exchange/data (axes "
        "theta:y:x) with theta in /exchange/theta, and pass --line-integrals"
    ),
    "NXfluo": "a fluorescence map: one spectrum per beam position, not transmission",
    "NXxrd": "a diffraction scan: one diffraction pattern per beam position, not transmission",
    "NXtomoproc": "a finished reconstruction: look at it with `physrecon view`",
}


class NotAScan(DataError):
    """The file is sound and of a known kind, but holds no scan."""


class ArraysAlone(NotAScan):
    """The file holds arrays that no known layout explains."""


def is_volume(h5: SafeHDF5) -> bool:
    """Whether the file holds a volume in physrecon's own layout."""
    return isinstance(h5.find(VOLUME), h5py.Dataset)


def _is_result(path: str, node: object) -> bool:
    """Whether a member of a file is a volume as nabu and we store it."""
    return path.endswith("/reconstruction/results/data") and getattr(node, "ndim", 0) == 3


def is_matlab(data: h5py.Dataset) -> bool:
    """Whether MATLAB wrote an array (v7.3), whose axes are then in reverse."""
    return "MATLAB_class" in data.attrs


def is_bliss(h5: SafeHDF5) -> bool:
    """Whether the file is one of BLISS, the acquisition program of the ESRF."""
    creator = text(h5.file.attrs.get("creator", h5.file.attrs.get("publisher", "")))
    return creator.lower() == "bliss" or any(BLISS_SCAN.fullmatch(str(name)) for name in h5.file)


def not_a_scan(h5: SafeHDF5) -> DataError:
    """The error for a file without projections: its contents, and the remedy.

    NotAScan if the kind of file is known."""
    if h5.find("/exchange") is None:
        known = _known_kind(h5)
        if known:
            return NotAScan(f"{h5.path.name}: {known}")
        arrays = _arrays(h5)
        if arrays:
            return ArraysAlone(f"{h5.path.name}: {arrays}")
    return DataError(
        f"{h5.path.name}: expected projections in /exchange/data (Data Exchange) or detector "
        "data with an image_key (NXtomo, NeXus), got neither; name the array of the projections as "
        f"{h5.path.name}::/PATH and give --angles."
    )


def _known_kind(h5: SafeHDF5) -> str | None:
    """One sentence on a file of another known kind; None if the kind is unknown."""
    if SLAB_MARK in h5.file.attrs:
        return (
            "expected a scan, got one slab of an unfinished or virtual volume; "
            "open the volume file beside the folder, or run the job again to finish it."
        )
    volume = next((p for p, n in h5.walk() if _is_result(p, n)), None)
    if volume:
        return (
            f"expected projections, got a reconstructed volume in {volume}; "
            f"look at it with `physrecon view {h5.path.name}::{volume}`."
        )
    if is_bliss(h5):
        return (
            "expected projections, got a raw file of BLISS; convert it with nxtomomill "
            f"(`nxtomomill h52nx {h5.path.name} {h5.path.stem}.nx`) and give the NXtomo file."
        )
    definitions = _definitions(h5)
    if definitions:
        advice = [f"{d}: {ADVICE[d]}" for d in definitions if d in ADVICE]
        what = f"NeXus {', '.join(definitions)} without NXtomo or an image_key"
        do = "; ".join(advice) or "only NXtomo and image-keyed files can be reconstructed"
        return f"expected projections, got {what}; {do}."
    return None


def _arrays(h5: SafeHDF5) -> str | None:
    """One sentence on a file of arrays without a known layout; None if it has none."""
    images, lists = _datasets(h5)
    if images:
        return (
            f"expected projections with angles, got an image stack {images[0]} without angles, "
            "flats or an image_key: this is usually one detector's part of a scan; "
            "give the NeXus or master file that links to it, or name the array as "
            f"{h5.path.name}::{images[0].split()[0]} and give --angles."
        )
    if lists:
        return (
            f"expected projections, got lists of values only ({lists[0]}): positions or monitors "
            "that belong to a scan; give the NeXus or master file that links to them."
        )
    return None


def _definitions(h5: SafeHDF5) -> list[str]:
    """The NeXus application definitions that the file names, each once."""
    nodes = ((p, n) for p, n in h5.walk() if p.endswith("/definition"))
    return sorted({h5.string(n, p) for p, n in nodes} - {""})


def _datasets(h5: SafeHDF5) -> tuple[list[str], list[str]]:
    """Image stacks and lists of numbers, largest first, as "path (shape, dtype)"."""
    images: list[tuple[int, str]] = []
    lists: list[tuple[int, str]] = []
    for path, node in h5.walk():
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf" and (node.size or 0) > 1:
            line = (node.size, f"{path} {node.shape} {node.dtype}")
            (images if node.ndim >= 3 else lists).append(line)
    return [line for _, line in sorted(images)[::-1]], [line for _, line in sorted(lists)[::-1]]
