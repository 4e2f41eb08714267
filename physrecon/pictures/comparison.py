"""Images side by side, with a profile through them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physrecon.pictures.slices import grey_window, new_figure, shown


def draw_comparison(
    planes: Mapping[str, NDArray[Any]], captions: Mapping[str, str], path: str | Path | None = None
) -> Any:
    """Draw images in one grey scale, and the row through their middle; the last one is the measure.

    planes: name → 2-D image of one shape.  captions: name → a line beneath it."""
    figure = new_figure(3.4 * (len(planes) + 1), 3.4, 0)
    *panels, profile = figure.subplots(1, len(planes) + 1)
    low, high = grey_window([*planes.values()][-1])
    for panel, (name, plane) in zip(panels, planes.items(), strict=True):
        drawn = panel.imshow(plane, cmap="gray", vmin=low, vmax=high)
        panel.set_title(f"{name}\n{captions.get(name, '')}", fontsize=8)
        panel.set_axis_off()
        profile.plot(plane[len(plane) // 2], label=name, linewidth=1)
    figure.colorbar(drawn, ax=panels)
    profile.set_title("middle row", fontsize=8)
    profile.legend(fontsize=7)
    return shown(figure, path)
