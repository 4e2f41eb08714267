"""The distribution of the values of a volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.pictures.slices import new_figure

BINS = 256


def histogram_figure(values: NDArray[np.float64], quantity: str) -> Any:
    """A figure of how many of the finite values lie where, linear and logarithmic.

    The range is that of 99.8 % of them; the rest is counted in the outermost bins."""
    low, high = np.percentile(values, (0.1, 99.9))
    high = high if high > low else low + 1
    counts, edges = np.histogram(np.clip(values, low, high), BINS, (float(low), float(high)))
    figure = new_figure(8.0, 2.6, 1)
    axes = figure.add_subplot()
    axes.stairs(counts, edges, fill=True, color="#4477aa")
    axes.set(xlabel=quantity, ylabel="voxels", xlim=(low, high))
    logarithmic = axes.twinx()
    logarithmic.stairs(counts, edges, color="#999999", linewidth=0.8)
    logarithmic.set_yscale("log")
    logarithmic.set_ylabel("voxels, logarithmic", color="#777777")
    return figure
