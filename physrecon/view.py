"""A slice as a picture that can be measured: axes in length, a scale bar, grey values in a bar.

Volumes have y pointing up, as on paper; images have row 0 on top, as on a screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError, OutputError, WriteError
from physrecon.store.publish import replacing

if TYPE_CHECKING:
    from physrecon.store import Image, Volume

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

    Returns its path.  window: grey values shown as black and white; by default what 99.8 % of the
    voxels span.  Of an image with times or channels the first frame is shown.
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
    """What a slice is taken from, data[(*frame, z, y, x)], and what to write beside it."""

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
    from h5py import is_hdf5

    from physrecon.store import Volume, open_image, open_volume

    try:
        source: Volume | Image = open_volume(path)
    except DataError as no_volume:
        try:
            source = open_image(path)
        except DataError as no_image:
            raise (no_volume if is_hdf5(path) else no_image) from None
    with source:
        yield _of_volume(source) if isinstance(source, Volume) else _of_image(source)


def _of_volume(v: Volume) -> _Viewed:
    of_image = "description" in v.configuration  # as deconvolve writes it
    quantity = "grey value" if of_image else f"attenuation [1/{v.length_unit or 'pixel'}]"
    return _Viewed(v, (), v.shape, v.voxel_size, v.length_unit, quantity, of_image)


def _of_image(image: Image) -> _Viewed:
    """The first frame of an image, of one plane or more."""
    first, unit = image.frames[0], image.length_unit
    if len(image.frame_shape) == 3:
        return _Viewed(image, first, image.frame_shape, image.voxel_size, unit, "grey value", True)
    plane, pitch = image.read(first)[None], (1.0, *image.voxel_size)
    return _Viewed(plane, (), plane.shape, pitch, unit, "grey value", True)


def _refuse_scan(path: str | Path) -> None:
    """Raise DataError for a raw scan: its counts are no attenuation and its views no slices."""
    from physrecon.store import open_scan

    try:
        open_scan(path, angle_unit="deg").close()
    except DataError:  # no scan; whether it is a volume will be seen
        return
    raise DataError(
        f"{path}: expected a volume, got a raw scan; make the volume with `physrecon recon` first"
    )


def _check_picture(path: Path, volume: Path, overwrite: bool) -> None:
    """Raise where a PNG cannot go by this name, or would take the place of the volume."""
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


def new_figure(width: float, height: float, pixels: int) -> Any:
    """A figure of so many inches, fine enough to show `pixels` voxels across its height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=min(max(110, pixels / (0.8 * height)), 600))
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_slice(
    axes: Any,
    image: NDArray[Any],
    pitch: Sequence[float],
    unit: str,
    window: tuple[float, float] | None = None,
    cmap: str = "gray",
    row_0_on_top: bool = False,
) -> Any:
    """Show an image with rows and columns `pitch` apart and a scale bar; returns the mappable."""
    low, high = window or grey_window(image)
    height, width = image.shape[0] * pitch[0] / 2, image.shape[1] * pitch[1] / 2
    shown = axes.imshow(
        image,
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(-width, width, *((height, -height) if row_0_on_top else (-height, height))),
        origin="upper" if row_0_on_top else "lower",
        aspect="equal" if 0.1 < height / width < 10 else "auto",  # a few slices would be a line
    )
    length = round_length(width / 2)
    box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "boxstyle": "square,pad=0.2"}
    left, bottom, up = -0.94 * width, -0.92 * height, 0.05 * height
    if row_0_on_top:
        bottom, up = -bottom, -up
    for color, thick in (("black", 5), ("white", 3)):  # seen on any background
        axes.plot(
            [left, left + length], [bottom, bottom], color=color, lw=thick, solid_capstyle="butt"
        )
    axes.text(
        left, bottom + up, f"{length:g} {unit}",
        color="white", fontsize=8, va="bottom", bbox=box,
    )  # fmt: skip
    return shown


def grey_window(image: NDArray[Any]) -> tuple[float, float]:
    """Grey values that 99.8 % of the finite pixels within the inscribed ellipse span.

    Outside it a parallel beam has not seen every ray, and values run wild."""
    y, x = ((np.arange(n) - (n - 1) / 2) / (n / 2) for n in image.shape)
    seen = image[(y[:, None] ** 2 + x**2 <= 1) & np.isfinite(image)]
    low, high = np.percentile(seen, (0.1, 99.9)) if seen.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def round_length(most: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is no longer than `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG.  Raises OutputError where nothing can be created."""
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            figure.draw_without_rendering()  # the layout settles in the second pass
            # wide tick labels beside a colour bar can outgrow the layout
            figure.savefig(file, format="png", bbox_inches="tight")
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as problem:
        raise OutputError(
            f"{path}: expected a folder to write to, got {problem.strerror}; choose another"
        ) from None
    except OSError as problem:
        raise WriteError(f"{path}: expected room to write, got {problem.strerror}") from None
