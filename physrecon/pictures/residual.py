"""The residual of a row or of an image as a picture, with its means along both axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.pictures.slices import new_figure, save

RANGE = 4.0  # standard deviations from black to white


def draw_residual(
    path: Path, residual: NDArray[Any], title: str, steps: tuple[int, int] = (1, 1)
) -> None:
    """Draw a residual in standard deviations, replacing an existing file.

    residual: (views, 1, columns) of a row, or an image; of a stack the middle plane is shown.
    steps: from one of its lines and columns to the next, in those of the data.  Beside it are the
    root mean squares of every line, which noise alone makes 1, or less where x has learned it."""
    scan = residual.ndim == 3 and residual.shape[1] == 1
    plane = residual[:, 0] if scan else residual.reshape(-1, *residual.shape[-2:])
    plane = plane if scan else plane[len(plane) // 2]
    figure = new_figure(7.5, 6.0, plane.shape[0])
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(5, 1))
    image, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below = figure.add_subplot(grid[1, 0], sharex=image)
    high, wide = (n * step for n, step in zip(plane.shape, steps, strict=True))
    shown = image.imshow(
        plane, cmap="RdBu_r", vmin=-RANGE, vmax=RANGE, aspect="auto", interpolation="nearest",
        extent=(-0.5, wide - 0.5, high - 0.5, -0.5),
    )  # fmt: skip
    image.set_title(title, fontsize=9)
    image.set_ylabel("view" if scan else "row")
    below.set_xlabel("column")
    size = [np.sqrt(np.nanmean(plane**2, axis)) for axis in (0, 1)]
    below.plot(np.arange(len(size[0])) * steps[1], size[0], linewidth=0.8)
    right.plot(size[1], np.arange(len(size[1])) * steps[0], linewidth=0.8)
    right.set_ylim(image.get_ylim())
    for axis, line in ((below, below.axhline), (right, right.axvline)):
        line(1.0, color="grey", linestyle="--", linewidth=0.8)
        axis.tick_params(labelsize=7)
    below.set_ylabel("rms", fontsize=8)
    figure.colorbar(shown, ax=right, fraction=0.3)
    save(figure, path)
