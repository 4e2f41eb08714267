"""The curve of a chosen weight as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physrecon.io.atomic_file import replacing

if TYPE_CHECKING:
    from physrecon.solvers.choose_weight import WeightChoice


def draw(choice: WeightChoice, path: str | Path) -> None:
    """Residual, degrees of freedom and score over the weight, as PNG, replacing what is there."""
    from matplotlib.figure import Figure

    weights = np.array([p.weight for p in choice.curve])
    panels = [
        ("√(2 f)", [p.residual for p in choice.curve], "log"),
        ("R(x)", [p.prior for p in choice.curve], "log"),
        ("df / m", [p.freedom for p in choice.curve], "linear"),
        (f"score of {choice.rule}", [p.score for p in choice.curve], "linear"),
    ]
    panels = [panel for panel in panels if np.isfinite(panel[1]).any()]
    figure = Figure(figsize=(6, 2.1 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (label, values, scale) in zip(axes, panels, strict=True):
        axis.plot(weights, values, "o-", markersize=4)
        axis.axvline(choice.weight, color="tab:red", linewidth=1)
        axis.set(xscale="log", yscale=scale, ylabel=label)
    if choice.rule in ("risk", "discrepancy"):
        axes[0].axhline(choice.expected, color="grey", linestyle="--", linewidth=1)
        axes[0].annotate("noise", (weights[0], choice.expected), color="grey", va="bottom")
    axes[-1].set_xlabel("weight")
    axes[0].set_title(f"weight {choice.weight:.3g}, chosen by {choice.rule}")
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, dpi=110, format=Path(path).suffix[1:] or "png")
