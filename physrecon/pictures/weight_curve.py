"""The curve of a chosen weight as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from physrecon.io.atomic_file import replacing


def draw(
    path: str | Path,
    weights: ArrayLike,
    panels: Sequence[tuple[str, ArrayLike, str]],
    chosen: float,
    title: str,
    noise: float | None = None,
) -> None:
    """Draw curves over the weight, one panel each, replacing an existing file.

    path: its suffix is the format, PNG without one.  panels: (label, one value for each weight,
    "log" or "linear"), left out if no value is finite.  chosen: the weight to mark.  noise: a level
    to mark in the first panel."""
    from matplotlib.figure import Figure

    panels = [panel for panel in panels if np.isfinite(panel[1]).any()]
    figure = Figure(figsize=(6, 2.1 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (label, values, scale) in zip(axes, panels, strict=True):
        axis.plot(weights, values, "o-", markersize=4)
        axis.axvline(chosen, color="tab:red", linewidth=1)
        axis.set(xscale="log", yscale=scale, ylabel=label)
    if noise is not None:
        axes[0].axhline(noise, color="grey", linestyle="--", linewidth=1)
        axes[0].annotate("noise", (np.min(weights), noise), color="grey", va="bottom")
    axes[-1].set_xlabel("weight")
    axes[0].set_title(title)
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, dpi=110, format=Path(path).suffix[1:] or "png")
