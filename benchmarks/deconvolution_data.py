"""Deconvolution of measured images: figures and pictures.

    python benchmarks/deconvolution_data.py --output pictures             # some minutes
    python benchmarks/deconvolution_data.py --output pictures --only bars

"bars": hollow bars with simulated blur and known truth; the kernel's centre is between voxels.
"grid": a line grid in a confocal microscope, with the PSF distilled from beads; tests whether the
close pair of lines separates.  "hand": a lensless camera whose PSF fills the frame, at a quarter of
the resolution and at full resolution; shows the effect of light from beyond the frame.

Prints PSNR in dB after the best common factor (data and truth have different units), the ratio of
valley to peaks, and ‖A x − y‖ / ‖y‖.  The data are in PHYSRECON_TEST_DATA or beside the project."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import tifffile
from matplotlib import pyplot as plt
from timing import Table, seconds

import physrecon as pr

DATA = Path(os.environ.get("PHYSRECON_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
RECENT = 10  # iterations over which the residual must fall by more than chance


def read(name: str) -> np.ndarray:
    return tifffile.imread(DATA / name).astype(np.float32)


def show(folder: Path, name: str, panels: list[tuple[str, np.ndarray, float]], columns: int):
    """Draw images, each from 0 to its largest value given."""
    rows = -(-len(panels) // columns)
    height = 4 * panels[0][1].shape[0] / panels[0][1].shape[1] + 0.5
    figure, grid = plt.subplots(rows, columns, figsize=(4 * columns, height * rows), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, image, most) in zip(grid.flat, panels, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=most)
        axes.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=110)
    print(f"{folder / name}.png\n")


# Bars -----------------------------------------------------------------------------------------


def psnr(x: np.ndarray, truth: np.ndarray) -> float:
    x = x.astype(np.float64)
    factor = (x * truth).sum() / (x * x).sum()
    return float(10 * np.log10(truth.max() ** 2 / np.mean((factor * x - truth) ** 2)))


def bars(folder: Path) -> None:
    y, kernel, truth = (read(f"epfl_bars/bars-25pct-{n}.tif") for n in ("data", "kernel", "actual"))
    before = psnr(y, truth)
    panels = {"blurred": y}
    for name, psf in (
        ("centre of mass", pr.psf.centered(kernel)),
        ("n // 2", kernel / kernel.sum()),
    ):
        table = Table((f"bars, kernel's centre: {name}", "PSNR", "gain", "iteration", "weight"))
        table.row("blurred", f"{before:.2f}", "", "", "")
        for label, x in (
            ("Wiener", pr.wiener(y, psf)),
            ("Wiener, negative values cut", np.maximum(pr.wiener(y, psf), 0)),
            ("Tikhonov, weight by GCV, cut", np.maximum(pr.tikhonov_filter(y, psf), 0)),
        ):
            table.row(label, f"{psnr(x, truth):.2f}", f"{psnr(x, truth) - before:.2f}", "", "")
        panels[f"Wiener, {name}"] = pr.wiener(y, psf)
        A = pr.Blur(psf, y.shape, "unknown")
        f = pr.PoissonLikelihood(A, y)
        runs = {
            "RL": (pr.RichardsonLucy(accelerate=False), [None], 400),
            "RL accelerated": (pr.RichardsonLucy(), [None], 200),
            "RL-TV": (pr.RichardsonLucy(), [pr.TotalVariation(w) for w in (1e-6, 1e-5, 1e-4)], 150),
            "RL-TV along the bars": (
                pr.RichardsonLucy(),
                [pr.HuberTV(w, float(y.max()), axes=(2,)) for w in (1e-3, 1e-2, 3e-2)],
                150,
            ),
        }
        for label, (solver, priors, count) in runs.items():
            tried = [_followed(f, A, solver, p, truth, count) for p in priors]
            best = max(range(len(tried)), key=lambda i: max(tried[i][0]))
            (scores, _), prior = tried[best], priors[best]
            at = int(np.argmax(scores))
            gain, weight = f"{scores[at] - before:.2f}", f"{prior.weight:g}" if prior else ""
            table.row(label, f"{scores[at]:.2f}", gain, str(at + 1), weight)
            if label == "RL accelerated":
                _stopped(table, f, scores, before)
        panels[f"RL, {name}"] = _solution(f, A, 90)
    expected = float(f.expected_norms()[0])
    print(f"expected of Poisson noise alone {expected:.0f}: the kernel at a quarter of the")
    print("resolution explains the data no better than to a residual some times that\n")
    middle = truth.shape[2] // 2
    shown = [("truth", truth[:, :, middle], 0.8 * truth.max())]
    for name, x in panels.items():
        factor = (x * truth).sum() / (x * x).sum()
        most = truth.max() * (0.8 if name != "blurred" else 0.1)
        shown.append((f"{name}: {psnr(x, truth):.1f} dB", factor * x[:, :, middle], most))
    show(folder, "bars", shown, 3)


def _followed(f, A, solver, prior, truth, count) -> tuple[list[float], list[float]]:
    """PSNR and residual of every iteration."""
    scores, norms = [], []
    for state, _ in zip(pr.iterate(pr.Problem(f, prior), solver), range(count), strict=False):
        scores.append(psnr(state.x[A.frame], truth))
        norms.append(float(f.residual_norms(state.value)[0]))
    return scores, norms


def _solution(f, A, count):
    return pr.solve(pr.Problem(f), pr.RichardsonLucy(), stop=pr.Stop(iterations=count)).x[A.frame]


def _stopped(table: Table, f, scores: list[float], before: float) -> None:
    """The same run, stopped by rules that do not use the truth."""
    norms: list[float] = []

    def no_better_than_chance(state) -> bool:
        """Whether √(2f) has fallen by less than its standard deviation, estimated from the
        residual as √(2f) / √(2m)."""
        norms.append(float(f.residual_norms(state.value)[0]))
        past = norms[-1 - RECENT] if len(norms) > RECENT else np.inf
        return past - norms[-1] < norms[-1] / np.sqrt(2 * f.y.size)

    for label, stop, rule in (
        ("  stop: discrepancy, at most 100", pr.Stop(100, discrepancy="auto"), None),
        ("  stop: no better than by chance", pr.Stop(1000), no_better_than_chance),
    ):
        result = pr.solve(pr.Problem(f), pr.RichardsonLucy(), stop=stop, callback=rule)
        last = result.iterations
        behind = max(scores) - scores[min(last, len(scores)) - 1]
        table.row(label, f"{max(scores) - behind:.2f}", f"{-behind:.2f}", str(last), "")


# Grid -----------------------------------------------------------------------------------------


def profile(stack: np.ndarray) -> np.ndarray:
    """Profile along x: the mean over the planes in focus and over y, without the edges."""
    return stack[8:13, 10:-10].mean(axis=(0, 1))


def valley(line: np.ndarray) -> float:
    """The minimum between the two close lines, divided by the mean of their peaks."""
    left, right = 58 + int(np.argmax(line[58:75])), 76 + int(np.argmax(line[76:95]))
    return float(line[left:right].min() / (line[left] + line[right]) * 2)


def grid(folder: Path) -> None:
    y = read("confocal_beads_grid/DeconvolutionSampleVerticalGrid1AU-crop.tif")
    psf = np.maximum(read("confocal_beads_grid/psf_distilled_normalised.tif"), 0)
    A = pr.Blur(psf, y.shape, "unknown", normalize=True, oversize=True)
    f = pr.PoissonLikelihood(A, y, background=1.0)
    table = Table(("line grid", "valley/peak", "iterations"))
    table.row("measured", f"{valley(profile(y)):.2f}", "")
    table.row("measured, background off", f"{valley(profile(y - 1)):.2f}", "")
    panels = [("measured", y[10], 6.0)]
    wiener = pr.wiener(y - 1, psf, normalize=True, oversize=True)
    table.row("Wiener", f"{valley(profile(wiener)):.2f}", "")
    panels.append(("Wiener", wiener[10], float(wiener[10].max())))
    for prior, label in ((None, "RL"), (pr.TotalVariation(3e-3), "RL-TV")):
        for count in (20, 50):
            stop = pr.Stop(iterations=count)
            x = pr.solve(pr.Problem(f, prior), pr.RichardsonLucy(), stop=stop).x[A.frame]
            table.row(f"{label}, accelerated", f"{valley(profile(x)):.2f}", str(count))
            panels.append((f"{label}, {count} iterations", x[10], float(x[10].max())))
    show(folder, "grid", panels, 3)


# Hand -----------------------------------------------------------------------------------------


def binned(image: np.ndarray, n: int) -> np.ndarray:
    rows, columns = (length // n for length in image.shape)
    return image.reshape(rows, n, columns, n).mean(axis=(1, 3))


def hand(folder: Path) -> None:
    psf, y = (read(f"diffusercam/{name}_sample.tif") for name in ("psf", "rawdata_hand"))
    level = float(psf[5:15, 5:15].mean())  # a corner without light
    psf = pr.psf.without_background(psf, level)
    print(f"background of the PSF {level:.1f}")
    for n in (4, 1):
        small, data = binned(psf, n).astype(np.float32), binned(y - np.float32(level), n)
        table = Table((f"hand, {data.shape[0]} × {data.shape[1]}", "residual", "seconds"))
        panels = [("measured", data, float(data.max()))]
        for boundary in ("periodic", "unknown"):
            A = pr.Blur(small, data.shape, boundary, normalize=True, oversize=True)
            prior = pr.TotalVariation(2e-4 * float(data.max()))
            likelihoods = (pr.LeastSquares(A, data), pr.PoissonLikelihood(A, data))
            runs = (
                ("FISTA", pr.FISTA(), None, likelihoods[0]),
                ("FISTA-TV", pr.FISTA(), prior, likelihoods[0]),
                ("RL accelerated", pr.RichardsonLucy(), None, likelihoods[1]),
            )
            for label, solver, prior, f in runs if n > 1 else runs[-1:]:
                problem = pr.Problem(f, prior, pr.NonNegative())
                found = []
                stop = pr.Stop(iterations=100)
                took = seconds(lambda: found.append(pr.solve(problem, solver, stop=stop)))  # noqa: B023
                x = found[0].x
                left = float(np.linalg.norm(A @ x - data) / np.linalg.norm(data))
                table.row(f"{label}, {boundary}", f"{left:.4f}", f"{took:.0f}")
                most = float(np.percentile(x[A.frame], 99.8))
                panels.append((f"{label}, {boundary}: {left:.4f}", x[A.frame], most))
        show(folder, f"hand_{n}", panels, min(len(panels), 4))


def main() -> None:
    studies = {study.__name__: study for study in (bars, grid, hand)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=studies)
    parser.add_argument("--output", type=Path, default=Path("pictures"))
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    for name, study in studies.items():
        if chosen.only in (None, name):
            study(chosen.output)


if __name__ == "__main__":
    main()
