"""The demo of tomography: a Shepp–Logan phantom from raw counts, by two methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.datasets import read_simulation, simulate_scan, simulated_truth
from physrecon.demos.demo import Demo, Images
from physrecon.io import open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pictures.slices import draw_slice, new_figure, save
from physrecon.pipeline.messages import Messages

SHAPE, VIEWS, COUNTS = (16, 256, 256), 180, 3000.0
SCAN = "scan.h5"
JOBS: dict[str, dict[str, Any]] = {
    "fbp": {"method": "fbp"},
    "sirt": {"method": "sirt", "nonnegative": True, "stop": {"iterations": 200}},
}


def _simulate(folder: Path, messages: Messages) -> None:
    scan = folder / SCAN
    made = simulate_scan(scan, SHAPE, VIEWS, counts=COUNTS, overwrite=True)
    messages.result(
        f"{scan}: {VIEWS} views of a Shepp–Logan phantom {SHAPE}\n"
        f"  {COUNTS:g} photons a pixel, axis at {made.center:.2f}"
    )


def _read(path: Path) -> NDArray[Any]:
    with open_volume(path) as volume:
        return volume[:]


def _draw(picture: Path, folder: Path, images: Images, scores: dict[str, float]) -> None:
    """The middle slice of truth, both volumes and their errors."""
    simulation = read_simulation(folder / SCAN)
    truth = images["truth"]
    results = {name: images[name] for name in scores}
    pitch, unit = simulation.grid.pitch[1:], simulation.length_unit
    k = len(truth) // 2
    window = (-0.1 * float(truth[k].max()), 0.6 * float(truth[k].max()))
    figure = new_figure(11, 7, 2 * truth.shape[1])
    grid = figure.subplots(2, 3)
    panels = [("truth", truth)] + [
        (f"{name}, PSNR {scores[name]:.1f} dB", volume) for name, volume in results.items()
    ]
    for axes, (title, volume) in zip(grid[0], panels, strict=True):
        shown = draw_slice(axes, volume[k], pitch, unit, window)
        axes.set_title(title)
    figure.colorbar(shown, ax=grid[0], label=f"attenuation [1/{unit}]", extend="both")
    limit = max(np.percentile(np.abs(v[k] - truth[k]), 99) for v in results.values())
    grid[1, 0].set_axis_off()
    for axes, (name, volume) in zip(grid[1, 1:], results.items(), strict=True):
        shown = draw_slice(axes, volume[k] - truth[k], pitch, unit, (-limit, limit), "RdBu_r")
        axes.set_title(f"{name} − truth")
    for axes in (*grid[0], *grid[1, 1:]):
        axes.set(xlabel=f"x [{unit}]", ylabel=f"y [{unit}]")
    figure.colorbar(shown, ax=grid[1], label=f"error [1/{unit}]", extend="both")
    save(figure, picture)


DEMO = Demo(
    files=(SCAN,),
    jobs=JOBS,
    job=ScanJob,
    suffix=".h5",
    common=lambda folder: {"input": folder / SCAN},
    simulate=_simulate,
    load=lambda folder: {"truth": simulated_truth(folder / SCAN)},
    read=_read,
    draw=_draw,
)
