"""Draw slices to measure in: axes in length, a scale bar, a colour bar of grey values.

Volumes have y pointing up, as on paper; images have row 0 on top, as on a screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from physrecon.errors import ArgumentError, DataError, OutputError
from physrecon.io.atomic_file import check_new_file
from physrecon.io.content import FOLDER, HDF5, MRC, content_of, file_and_group
from physrecon.io.viewed import AXES, Viewed, cut, middle, open_viewed
from physrecon.pictures.panels import Panel, panels_png
from physrecon.pictures.slices import write_picture

ALL = "all"
LONGEST_NAME = 44  # characters above a panel


def view(
    volume: str | Path,
    output: str | Path | None = None,
    axis: str = "z",
    index: int | None = None,
    window: tuple[float, float] | None = None,
    compare: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write slice `index` (default the middle one) across `axis` of a volume or image as PNG.

    Returns its path.  axis "all": the middle slices across all axes.  window: grey values shown as
    black and white; by default the range of 99.8 % of the voxels.  compare: another volume of the
    same shape, drawn beside it on the same scale, and the difference.  Of an image with times or
    channels the first frame is shown.  Raises ArgumentError for a slice that does not exist and for
    volumes of unlike shape, DataError for a scan, OutputError for a PNG that exists."""
    if index is not None and axis == ALL:
        raise ArgumentError("--slice: expected one axis for it, got all; choose --axis z, y or x")
    with open_result(volume) as v:
        across = AXES if axis == ALL else axis
        at = {name: _index(v, name, index) for name in across}
        name = ALL if axis == ALL else f"{axis}{at[axis]}"
        path = Path(output) if output else beside(volume, f".{name}.png")
        check_picture(path, Path(volume), overwrite)
        named, other = _told_apart(volume, compare)
        panels = [_panel(v, name, place, named) for name, place in at.items()]
    if compare is not None:
        panels = _compared(panels, v, Path(compare), other, at)
    unit = v.unit or "pixel"
    write_picture(panels_png(panels, unit, v.quantity, window, v.row_0_on_top), path)
    return path


def _index(v: Viewed, axis: str, index: int | None) -> int:
    size = v.shape[AXES.index(axis)]
    if index is not None and index >= size:
        raise ArgumentError(f"--slice: expected 0 … {size - 1} along {axis}, got {index}")
    return middle(v, axis) if index is None else index


def _panel(v: Viewed, axis: str, index: int, name: str) -> Panel:
    return Panel(*cut(v, axis, index), f"{name}\n{axis} = {index}")


def _told_apart(volume: str | Path, other: str | Path | None) -> tuple[str, str]:
    """The names of two files, with the folders that tell files of one name apart."""
    names = [Path(os.path.abspath(path)).parts for path in (volume, other or "")]
    last = 1
    while names[0][-last:] == names[1][-last:] and last < max(map(len, names)):
        last += 1
    first, second = (_shortened("/".join(parts[-last:])) for parts in names)
    return first, second


def _shortened(name: str) -> str:
    """A name that fits above a panel."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]} … {name[-half + 2 :]}"


def _compared(
    panels: list[Panel], v: Viewed, other: Path, name: str, at: dict[str, int]
) -> list[Panel]:
    """Each panel, that of another volume, and their difference."""
    with open_result(other) as w:
        if w.shape != v.shape:
            raise ArgumentError(
                f"--compare: expected a volume of {v.shape}, got {w.shape} in {other}; compare "
                "results of one grid"
            )
        found = []
        for panel, (axis, index) in zip(panels, at.items(), strict=True):
            second = _panel(w, axis, index, name)
            values = second.image.astype(np.float64) - panel.image
            title = f"{name}\n− {panel.title}"  # a line for each of the two names
            found += [panel, second, panel._replace(image=values, title=title, difference=True)]
    return found


def beside(path: str | Path, ending: str) -> Path:
    """The path of a file, or of a folder such as ".", with another ending."""
    name = Path(path) if Path(path).name not in ("", "..") else Path(os.path.abspath(path))
    return name.with_suffix(ending)


@contextmanager
def open_result(path: str | Path) -> Iterator[Viewed]:
    """A volume or an image to look at.

    Raises DataError for another file and for a raw scan, MissingInputError."""
    from physrecon.io.output.piece_folder import unfinished_reported

    with unfinished_reported(path):
        kind = content_of(file_and_group(path)[0], "a result (a volume or an image)").kind
    with ExitStack() as opened:
        try:
            viewed = opened.enter_context(open_viewed(path))
        except DataError:
            refuse_scan(path)
            raise
        if kind in (HDF5, FOLDER, MRC) and not viewed.configuration:
            refuse_scan(path)
        yield viewed


def refuse_scan(path: str | Path) -> None:
    """Raise DataError for a raw scan: its counts are no attenuation and its views no slices."""
    from physrecon.io import open_scan

    try:
        open_scan(path, angle_unit="deg").close()
    except DataError:
        return
    raise DataError(
        f"{path}: expected a volume, got a raw scan; make the volume with `physrecon recon` first"
    )


def check_picture(path: Path, volume: Path, overwrite: bool, ending: str = ".png") -> None:
    """Raise ArgumentError or OutputError unless a file with this ending may be written.

    The rule for every picture and page: nothing is replaced without --overwrite."""
    if path.suffix.lower() != ending:
        raise ArgumentError(
            f"{path}: expected a name that ends in {ending}, got {path.suffix or 'none'}; "
            f"choose {path.with_suffix(ending).name}"
        )
    if path.exists() and path.samefile(volume):
        raise OutputError(
            f"{path}: expected another file than the input, got the same; choose a new name"
        )
    check_new_file(path, overwrite)
    if not path.parent.is_dir():
        raise OutputError(
            f"{path}: expected a folder to write to, got no folder {path.parent}; create it or "
            "choose another"
        )
