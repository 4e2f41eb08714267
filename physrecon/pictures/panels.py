"""Slices side by side, each with axes in length, a scale bar and a bar of grey values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from physrecon.pictures.slices import draw_slice, grey_window, new_figure

WIDTH, HEIGHT = 6.4, 5.4  # inches of a panel


class Panel(NamedTuple):
    """A slice (rows, columns) whose voxels are `pitch` apart; names: of its axes.

    difference: it is drawn around zero, on a scale of its own."""

    image: NDArray[Any]
    pitch: Sequence[float]
    names: tuple[str, str]
    title: str
    difference: bool = False


def panels_figure(
    panels: Sequence[Panel],
    unit: str,
    quantity: str,
    window: tuple[float, float] | None = None,
    row_0_on_top: bool = False,
) -> Any:
    """A figure of the panels from left to right.

    window: grey values shown as black and white; by default the range of 99.8 % of the voxels of
    the first panel."""
    small = 1.0 if len(panels) == 1 else 0.75
    pixels = max(max(panel.image.shape) for panel in panels)
    figure = new_figure(WIDTH * small * len(panels), HEIGHT * small, pixels)
    window = window or grey_window(panels[0].image)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        limits, cmap = window, "gray"
        if panel.difference:
            most = max(map(abs, grey_window(panel.image)))
            limits, cmap = (-most, most), "RdBu_r"
        shown = draw_slice(axes, panel.image, panel.pitch, unit, limits, cmap, row_0_on_top)
        axes.set(xlabel=f"{panel.names[1]} [{unit}]", ylabel=f"{panel.names[0]} [{unit}]")
        low, high = shown.get_clim()
        axes.set_title(f"{panel.title}   window {low:.4g} … {high:.4g}", fontsize=9)
        bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03, extend="both")
        bar.set_label(f"difference of {quantity}" if panel.difference else quantity)
    return figure
