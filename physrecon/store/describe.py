"""`physrecon info`: what a file is, or what is wrong with it and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from physrecon.errors import MissingInputError
from physrecon.store.identify import NotAScan, is_volume
from physrecon.store.scan import Scan, open_scan
from physrecon.store.slabs import partial_slabs, slab_folder, slabs_done
from physrecon.store.trust import Tree, damage_reported
from physrecon.store.volume import Volume, open_volume


def describe(
    path: str | Path, angle_unit: str | None = None, allow_root: str | Path | None = None
) -> list[str]:
    """Lines that say what a file is: a scan, a volume, or a known part or relative of them.

    angle_unit, allow_root: as for `open_scan`.  Raises DataError where the file is damaged, is no
    HDF5, or lacks what a scan needs; MissingInputError where there is none or it cannot be read."""
    try:
        with Tree(path, allow_root) as tree, damage_reported(tree.path):
            volume = is_volume(tree)
        if volume:
            with open_volume(path) as opened:
                return _volume_lines(opened)
        with open_scan(path, angle_unit, allow_root=allow_root) as scan:
            return _scan_lines(scan)
    except NotAScan as error:
        first, *more = str(error).split("; ")
        return [first, *(f"  {line}" for line in more)]
    except MissingInputError as error:
        slabs = None if Path(path).exists() else partial_slabs(path)
        if not slabs:
            raise
        raise MissingInputError(
            f"{path}: expected a finished volume, got {slabs_done(path)} of its {len(slabs)} slabs "
            f"in {slab_folder(path).name}; run the same job again to finish it."
        ) from error


def _scan_lines(scan: Scan) -> list[str]:
    lines = [scan.summary()]
    size = scan.projections.nbytes / 1e6
    lines.append(f"data: {scan.dtype}, {size:.4g} MB of projections")
    ordered = "rising" if (np.diff(scan.angles) > 0).all() else "not in order"
    lines.append(
        f"angles: {scan.angles.min():.6g} to {scan.angles.max():.6g} {scan.angle_unit}, {ordered}"
    )
    if scan.pixel_size:
        row, column = scan.pixel_size
        lines.append(f"pixel size: {row:.6g} × {column:.6g} {scan.length_unit} (row × column)")
    else:
        lines.append("pixel size: not stated, lengths are in pixels")
    axis = "not stated" if scan.center is None else f"column {scan.center:.6g}"
    lines.append(f"rotation axis: {axis}")
    if scan.flat_positions is not None and len(scan.flats):
        before, after = (scan.flat_positions == 0).sum(), (scan.flat_positions == 1).sum()
        between = len(scan.flats) - before - after
        lines.append(f"flats: {before} before, {between} during, {after} after the projections")
    return [*lines, *(f"note: {note}" for note in scan.notes)]


def _volume_lines(volume: Volume) -> list[str]:
    size = " × ".join(f"{pitch:.6g}" for pitch in volume.voxel_size)
    lines = [
        f"{volume.path.name}: reconstructed volume {volume.shape} {volume.dtype}, "
        f"{volume.nbytes / 1e6:.4g} MB",
        f"voxel size: {size} {volume.length_unit or 'pixel'} (z × y × x)",
    ]
    if volume.sources:
        lines.append(f"stored in {volume.sources} slab files, all present")
    method = volume.configuration.get("method")
    if method:
        lines.append(f"method: {method}")
    return [*lines, f"open with `physrecon view {volume.path.name}`"]
