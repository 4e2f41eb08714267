"""A result as a picture: its middle plane, and its value and change over the iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.pictures.slices import grey_window, new_figure, shown


def draw_convergence(
    image: NDArray[Any] | None, columns: NDArray[Any], title: str, path: str | Path | None = None
) -> Any:
    """The figure, written to `path` if given.

    image: of two axes or more, or None.  columns: iteration, value, change: one row each, NaN where
    unknown; empty without iterations."""
    curves = [
        (label, columns[i])
        for i, label in ((1, "f(x)"), (2, "relative change of x"))
        if columns.size and (np.isfinite(columns[i]) & (columns[i] > 0)).any()
    ]
    count = len(curves) + (image is not None)
    figure = new_figure(4.2 * max(count, 1), 3.6, 0)
    figure.suptitle(title, fontsize=8)
    panels = list(figure.subplots(1, count, squeeze=False)[0]) if count else []
    if image is not None:
        planes = image.reshape(-1, *image.shape[-2:])
        plane = planes[len(planes) // 2]
        low, high = grey_window(plane)
        panel = panels.pop(0)
        drawn = panel.imshow(plane, cmap="gray", vmin=low, vmax=high)
        panel.set_title("x, middle plane" if len(planes) > 1 else "x", fontsize=8)
        panel.set_axis_off()
        figure.colorbar(drawn, ax=panel)
    for panel, (label, values) in zip(panels, curves, strict=True):
        seen = np.isfinite(values) & (values > 0)
        panel.semilogy(columns[0][seen], values[seen], ".-", linewidth=1)
        panel.set_xlabel("iteration")
        panel.set_title(label, fontsize=8)
    return shown(figure, path)
