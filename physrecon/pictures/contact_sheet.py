"""Slices side by side on one grey scale, with a text beneath each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.pictures.slices import draw_slice, grey_window, save

INCHES = 2.6  # of a picture
MOST_PIXELS = 6000  # of the sheet, along its longer side


def draw_sheet(
    path: Path,
    slices: Sequence[NDArray[Any]],
    texts: Sequence[str],
    pitch: Sequence[float],
    unit: str,
    title: str,
    columns: int | None = None,
) -> tuple[float, float]:
    """Draw slices (y, x) as a PNG file, and return the grey values shown as black and white.

    columns: of the sheet; by default about as many as rows.  The window is the median of those of
    the slices, so that one bad slice does not hide the others."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or math.ceil(math.sqrt(len(slices)))
    rows = math.ceil(len(slices) / columns)
    largest = max(max(image.shape) for image in slices)
    longer = max(rows, columns)
    dpi = min(max(100.0, largest / (0.85 * INCHES)), MOST_PIXELS / (longer * INCHES), 400.0)
    figure = Figure((columns * INCHES + 0.8, rows * (INCHES + 0.2) + 0.3), dpi=dpi)
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    low, high = map(float, np.median([grey_window(image) for image in slices], axis=0))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, image, text in zip(axes, slices, texts, strict=False):
        shown: Any = draw_slice(axis, image, pitch, unit, (low, high))
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(text, fontsize=9)
    for axis in axes[len(slices) :]:
        axis.set_axis_off()
    figure.suptitle(title, fontsize=9)
    bar = figure.colorbar(shown, ax=list(axes), fraction=0.03, pad=0.01, extend="both")
    bar.ax.tick_params(labelsize=8)
    save(figure, path)
    return low, high
