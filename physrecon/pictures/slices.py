"""A slice as a quantitative picture: axes in length, a scale bar, a bar of grey values.

Volumes have y pointing up, as on paper; images have row 0 on top, as on a screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import OutputError, WriteError
from physrecon.io.atomic_file import replacing


def new_figure(width: float, height: float, pixels: int) -> Any:
    """A figure of `width` by `height` inches that resolves `pixels` voxels along its height."""
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
    for color, thick in (("black", 5), ("white", 3)):  # visible on any background
        axes.plot(
            [left, left + length], [bottom, bottom], color=color, lw=thick, solid_capstyle="butt"
        )
    axes.text(
        left, bottom + up, f"{length:g} {unit}",
        color="white", fontsize=8, va="bottom", bbox=box,
    )  # fmt: skip
    return shown


def grey_window(image: NDArray[Any]) -> tuple[float, float]:
    """Range of the grey values of 99.8 % of the finite pixels within the inscribed ellipse.

    Outside it a parallel beam has not measured every ray, and values are unreliable."""
    y, x = ((np.arange(n) - (n - 1) / 2) / (n / 2) for n in image.shape)
    seen = image[(y[:, None] ** 2 + x**2 <= 1) & np.isfinite(image)]
    low, high = np.percentile(seen, (0.1, 99.9)) if seen.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + (abs(low) or 1))


def round_length(most: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that does not exceed `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most)


def shown(figure: Any, path: str | Path | None = None) -> Any:
    """The figure, which now shows itself in a notebook without pyplot; written to `path` if given.

    Raises as `save`."""
    figure._repr_png_ = lambda: as_png(figure)
    if path is not None:
        save(figure, Path(path))
    return figure


def as_png(figure: Any) -> bytes:
    """The bytes of a figure as PNG, drawn once.

    "tight" keeps tick labels beside a colour bar that outgrow the layout; a quick compression is
    half of the time of the best, and a tenth larger."""
    from io import BytesIO

    picture = BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight", pil_kwargs={"compress_level": 1})
    return picture.getvalue()


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG.  Raises as `write_picture`."""
    write_picture(as_png(figure), path)


def write_picture(picture: bytes, path: Path) -> None:
    """Write a picture.  Raises OutputError for a bad path, WriteError for a failed write."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(picture)
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as problem:
        raise OutputError(
            f"{path}: expected a folder to write to, got {problem.strerror}; choose another"
        ) from None
    except OSError as problem:
        raise WriteError(f"{path}: expected room to write, got {problem.strerror}") from None
