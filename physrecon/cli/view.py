"""Draw a slice to measure in: axes in length, a scale bar, a colour bar of grey values.

Volumes have y pointing up, as on paper; images have row 0 on top, as on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physrecon.errors import ArgumentError, DataError, OutputError
from physrecon.pictures.slices import draw_slice, new_figure, save

if TYPE_CHECKING:
    from physrecon.io import Image, Volume
AXES = "zyx"


def view(
    volume: str | Path,
    output: str | Path | None = None,
    axis: str = "z",
    index: int | None = None,
    window: tuple[float, float] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write slice `index` (default the middle one) across `axis` of a volume or image as PNG.

    Returns its path.  window: grey values shown as black and white; by default the range of
    99.8 % of the voxels.  Of an image with times or channels the first frame is shown.
    Raises ArgumentError for a slice that does not exist, DataError for a scan, OutputError for a
    PNG that exists."""
    _refuse_scan(volume)
    with _opened(volume) as v:
        across = AXES.index(axis)
        index = v.shape[across] // 2 if index is None else index
        if index >= v.shape[across]:
            raise ArgumentError(
                f"--slice: expected 0 … {v.shape[across] - 1} along {axis}, got {index}"
            )
        path = Path(output or Path(volume).with_suffix(f".{axis}{index}.png"))
        _check_picture(path, Path(volume), overwrite)
        image = np.asarray(v.data[(*v.frame, *(slice(None),) * across, index)])
        pitch = [p for i, p in enumerate(v.pitch) if i != across]
    unit = v.unit or "pixel"
    names = [name for name in AXES if name != axis]
    figure = new_figure(6.4, 5.4, max(image.shape))
    axes = figure.add_subplot()
    shown = draw_slice(axes, image, pitch, unit, window, row_0_on_top=v.row_0_on_top)
    axes.set(xlabel=f"{names[1]} [{unit}]", ylabel=f"{names[0]} [{unit}]")
    low, high = shown.get_clim()
    axes.set_title(
        f"{Path(volume).name}   {axis} = {index}   window {low:.4g} … {high:.4g}", fontsize=9
    )
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03, extend="both")
    bar.set_label(v.quantity)
    save(figure, path)
    return path


@dataclass(frozen=True)
class _Viewed:
    """The source of a slice, data[(*frame, z, y, x)], and its labels."""

    data: Any
    frame: tuple[int, ...]
    shape: tuple[int, ...]
    pitch: tuple[float, ...]
    unit: str | None
    quantity: str
    row_0_on_top: bool


@contextmanager
def _opened(path: str | Path) -> Iterator[_Viewed]:
    """A volume, or the first frame of an image."""
    from physrecon.io import Volume, open_image, open_volume
    from physrecon.io.content import HDF5, content_of

    source: Volume | Image
    if content_of(Path(path)).kind == HDF5:
        try:
            source = open_volume(path)
        except DataError as no_volume:
            try:
                source = open_image(path)
            except DataError:
                raise no_volume from None
    else:
        source = open_image(path)
    with source:
        yield _of_volume(source) if isinstance(source, Volume) else _of_image(source)


def _of_volume(v: Volume) -> _Viewed:
    of_image = "description" in v.configuration  # as deconvolve writes it
    quantity = "grey value" if of_image else f"attenuation [1/{v.length_unit or 'pixel'}]"
    return _Viewed(v, (), v.shape, v.voxel_size, v.length_unit, quantity, of_image)


def _of_image(image: Image) -> _Viewed:
    """The first frame of an image, 2-D or 3-D."""
    first, unit = image.frames[0], image.length_unit
    if len(image.frame_shape) == 3:
        return _Viewed(image, first, image.frame_shape, image.voxel_size, unit, "grey value", True)
    plane, pitch = image.read(first)[None], (1.0, *image.voxel_size)
    return _Viewed(plane, (), plane.shape, pitch, unit, "grey value", True)


def _refuse_scan(path: str | Path) -> None:
    """Raise DataError for a raw scan: its counts are no attenuation and its views no slices."""
    from physrecon.io import open_scan
    from physrecon.io.output.piece_folder import unfinished_reported

    try:
        with unfinished_reported(path):
            open_scan(path, angle_unit="deg").close()
    except DataError:  # no scan; `_opened` checks whether it is a volume
        return
    raise DataError(
        f"{path}: expected a volume, got a raw scan; make the volume with `physrecon recon` first"
    )


def _check_picture(path: Path, volume: Path, overwrite: bool) -> None:
    """Raise ArgumentError or OutputError unless a PNG may be written to `path`."""
    if path.suffix.lower() != ".png":
        raise ArgumentError(
            f"{path}: expected a name that ends in .png, got {path.suffix or 'none'}; "
            f"choose {path.with_suffix('.png').name}"
        )
    if path.exists() and path.samefile(volume):
        raise OutputError(
            f"{path}: expected another file than the input, got the same; choose a new name"
        )
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: expected a new file, got one that exists; add --overwrite")
