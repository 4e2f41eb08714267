"""Draws img/weight_*.png of docs/reference/methods.md: `python docs/draw_weights.py [NAME …]`.

Measured data under total variation with a quarter of the weight that `held-out` finds, with that
weight, and with four times it.  The data are in PHYSRECON_TEST_DATA or beside the project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import physrecon as pr

DATA = Path(os.environ.get("PHYSRECON_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
FACTORS = (0.25, 1.0, 4.0)
STOP = pr.Stop(iterations=100)


def tooth() -> tuple[Any, Any, tuple[int, ...]]:
    """A row of a tooth, two columns added, and the middle of its slice."""
    with h5py.File(next((DATA / "aps_tooth").glob("*.h5"))) as file:
        raw = file["exchange/data"][:, :1]
        white, dark = (file[f"exchange/data_{n}"][:, :1].mean(0) for n in ("white", "dark"))
        angles = file["exchange/theta"][:]
    y = -np.log(np.clip((raw - dark) / (white - dark), 1e-3, None))
    y = y.reshape(*y.shape[:2], -1, 2).mean(-1).astype(np.float32)
    scan = pr.ParallelBeam(angles, y.shape[1:], center=(295.8 - 0.5) / 2, angle_unit="deg")
    f = pr.LeastSquares(pr.Projector(scan, scan.default_grid()), y)
    return f, np.s_[0, 60:240, 60:240], (1, 2)


def worm() -> tuple[Any, Any, tuple[int, ...]]:
    """A part of a widefield image of C. elegans."""
    y = tifffile.imread(DATA / "sdeconv/celegans.tif").astype(np.float32)[80:208, 80:208]
    A = pr.Blur(pr.psf.gaussian((13, 13), sigma=1.5), y.shape, "unknown")
    return pr.LeastSquares(A, y), A.frame, (0, 1)


def lines() -> tuple[Any, Any, tuple[int, ...]]:
    """A part of a line grid in a confocal microscope, and its middle plane."""
    folder = DATA / "confocal_beads_grid"
    name = "DeconvolutionSampleVerticalGrid1AU-crop.tif"
    y = tifffile.imread(folder / name).astype(np.float32)[:, 43:107, 43:107]
    kernel = tifffile.imread(folder / "psf_distilled_normalised.tif").astype(np.float32)
    kernel = kernel[12:33, 12:33, 12:33]
    A = pr.Blur(kernel / kernel.sum(), y.shape, "unknown")
    return pr.LeastSquares(A, y), (A.frame[0].start + y.shape[0] // 2, *A.frame[1:]), (0, 1, 2)


def main(folder: Path, chosen: list[str]) -> None:
    for make in (tooth, worm, lines):
        if chosen and make.__name__ not in chosen:
            continue
        f, shown, axes = make()
        prior, constraint = pr.TotalVariation(1.0, axes=axes), pr.NonNegative()
        choice = pr.choose_weight(pr.Problem(f, prior, constraint), stop=STOP)
        print(f"{make.__name__}: weight {choice.weight:.3g}, {choice.low:.2g} to {choice.high:.2g}")
        found = {}
        for factor in FACTORS:
            problem = pr.Problem(f, prior.with_weight(factor * choice.weight), constraint)
            found[factor] = pr.solve(problem, choice.solver, choice.start, STOP).x[shown]
        top = float(np.percentile(found[1.0], 99.8))
        figure = Figure((9, 3.2))
        FigureCanvasAgg(figure)
        for axis, factor in zip(figure.subplots(1, len(FACTORS)), FACTORS, strict=True):
            axis.imshow(found[factor], cmap="gray", vmin=0, vmax=top)
            axis.set_title(f"{make.__name__}, weight {factor * choice.weight:.2g}", fontsize=9)
            axis.set_axis_off()
        figure.subplots_adjust(0.01, 0.01, 0.99, 0.92, 0.03)
        figure.savefig(folder / f"weight_{make.__name__}.png", dpi=70)


if __name__ == "__main__":
    main(Path(__file__).parent / "img", sys.argv[1:])
