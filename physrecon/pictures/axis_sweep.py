"""The search of the rotation axis as a picture: scores of columns, and the slices at the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physrecon.pictures.slices import grey_window, new_figure, save


def draw_sweep(
    path: Path,
    curve: tuple[NDArray[Any], NDArray[Any], str],
    methods: dict[str, float],
    found: tuple[float, float],
    best: NDArray[Any],
    slices: NDArray[Any],
) -> None:
    """Draw the score against the column, and below it the slices (n, y, x) at the best columns.

    curve: columns, scores, and the name of the score.  methods: column by each.  found: the column
    of the axis and its ±."""
    columns, scores, metric = curve
    count = max(len(slices), 1)
    figure = new_figure(3.2 * count, 7, 2 * slices.shape[1])
    grid = figure.add_gridspec(2, count, height_ratios=(2, 3))
    axes = figure.add_subplot(grid[0, :])
    axes.plot(columns, scores, "o-", markersize=3, color="black")
    column, uncertainty = found
    axes.axvspan(column - uncertainty, column + uncertainty, color="black", alpha=0.2, lw=0)
    axes.axvline(column, color="black", lw=1, label=f"found {column:.2f} ± {uncertainty:.2g}")
    low, high = axes.get_xlim()
    for k, (name, at) in enumerate(methods.items()):
        if low <= at <= high:
            axes.axvline(at, color=f"C{k}", ls=":", label=f"{name} {at:.2f}")
    axes.set(xlabel="column of the axis", ylabel="score: lower is better", title=metric)
    axes.legend(fontsize=8)
    window = grey_window(slices[count // 2])
    for k, (at, image) in enumerate(zip(best, slices, strict=True)):
        axes = figure.add_subplot(grid[1, k])
        axes.imshow(image, cmap="gray", vmin=window[0], vmax=window[1], origin="lower")
        axes.set_title(f"column {at:.2f}", fontsize=10)
        axes.set_axis_off()
    save(figure, path)
