"""Convergence as a picture: value and change over the iterations, of a result or of pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.pictures.slices import grey_window, new_figure, save, shown


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


NAMED = 8  # pieces with a colour and a name each; more are grey, and the last one is black


def draw_history(pieces: Mapping[str, NDArray[Any]], title: str, path: Path) -> None:
    """Draw the convergence of every piece of a job as PNG.

    pieces: iteration, value, change: one row each, NaN where unknown, by name.  A value that is not
    known of any iteration has no panel."""
    labels = {1: "f(x)", 2: "relative change of x"}
    rows = [i for i in labels if any(np.isfinite(one[i]).any() for one in pieces.values())]
    figure = new_figure(5.2 * max(len(rows), 1), 3.8, 0)
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(1, len(rows), squeeze=False)[0] if rows else []
    many, last = len(pieces) > NAMED, [*pieces][-1]
    for panel, i in zip(panels, rows, strict=True):
        for k, (name, one) in enumerate(pieces.items()):
            seen = np.isfinite(one[i]) & (one[i] > 0)
            color = ("black" if name == last else "#bbbbbb") if many else f"C{k}"
            named = name if not many or name == last else None
            panel.plot(one[0][seen], one[i][seen], ".-", color=color, lw=1, ms=3, label=named)
        panel.set(xlabel="iteration", yscale="log", title=labels[i])
        panel.locator_params(axis="x", integer=True)
        panel.grid(alpha=0.3)
    if rows and len(pieces) > 1:
        panels[-1].legend(fontsize=8)
    save(figure, path)
