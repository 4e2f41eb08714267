"""The whole way on a known object: simulate a scan, reconstruct it twice, compare with the truth.

Peak signal-to-noise ratio [dB]:  PSNR = 20 log₁₀(max truth / rms(volume − truth))."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.datasets import simulate_scan, simulated_truth
from physrecon.demos.table import make_folder, print_table, psnr, timed
from physrecon.io import open_volume
from physrecon.jobs.scan_job import Job
from physrecon.pictures.slices import draw_slice, new_figure, save
from physrecon.pipeline.messages import Report
from physrecon.pipeline.preflight import require_machine
from physrecon.pipeline.scan.task import run

SHAPE, VIEWS, COUNTS = (16, 256, 256), 180, 3000.0
ITERATIVE: dict[str, Any] = {"method": "sirt", "nonnegative": True, "stop": {"iterations": 200}}


def demo(folder: Path, report: Report, overwrite: bool = False, **execution: Any) -> None:
    """Write scan.h5, fbp.h5, the iterative volume and demo.png into a folder, and print a table.

    execution: fields of the jobs such as device and threads.
    Raises OutputError where one of the files exists and `overwrite` is not given."""
    scan, picture = folder / "scan.h5", folder / "demo.png"
    volumes = {method: folder / f"{method}.h5" for method in ("fbp", ITERATIVE["method"])}
    make_folder(folder, [scan, picture, *volumes.values()], overwrite)
    common = {"input": scan, "overwrite": overwrite, **execution}
    jobs = {
        method: Job.build({**common, "output": volumes[method], **settings}, "demo")
        for method, settings in (("fbp", {}), (ITERATIVE["method"], ITERATIVE))
    }
    require_machine(jobs["fbp"])  # before anything is written
    times = {"simulate": timed(lambda: _simulate(scan, report))}
    for method, job in jobs.items():
        times[method] = timed(partial(run, job, report))
    truth = simulated_truth(scan)
    results = {method: _read(path) for method, path in volumes.items()}
    times["picture"] = timed(lambda: _draw(picture, scan, truth, results))
    print_table(report, times, {m: psnr(volume, truth) for m, volume in results.items()})
    report.result(
        f"files: {', '.join(p.name for p in (scan, *volumes.values(), picture))} in {folder}"
    )


def _simulate(scan: Path, report: Report) -> None:
    made = simulate_scan(scan, SHAPE, VIEWS, counts=COUNTS, overwrite=True)
    report.result(
        f"{scan}: {VIEWS} views of a Shepp–Logan phantom {SHAPE}, {COUNTS:g} photons a pixel, "
        f"axis at {made.center:.2f}"
    )


def _read(path: Path) -> NDArray[Any]:
    with open_volume(path) as volume:
        return volume[:]


def _draw(path: Path, scan: Path, truth: NDArray[Any], results: dict[str, NDArray[Any]]) -> None:
    """Truth, both volumes and their errors, of the middle slice."""
    from physrecon.datasets import read_simulation

    simulation = read_simulation(scan)
    pitch, unit = simulation.grid.pitch[1:], simulation.length_unit
    k = len(truth) // 2
    window = (-0.1 * float(truth[k].max()), 0.6 * float(truth[k].max()))
    figure = new_figure(11, 7, 2 * truth.shape[1])
    grid = figure.subplots(2, 3)
    panels = [("truth", truth)] + [
        (f"{name}, PSNR {psnr(volume, truth):.1f} dB", volume) for name, volume in results.items()
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
    save(figure, path)
