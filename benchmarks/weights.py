"""The weight that `choose_weight` finds, beside the best weight of a search that knows the truth.

    python benchmarks/weights.py                    # about ten minutes on two cores
    python benchmarks/weights.py --seed 1           # other noise, other objects
    python benchmarks/weights.py --only tomography --rule gcv

Forty simulated problems, total variation, x >= 0: two objects, white noise and noise that
neighbours share (blurred by one pixel; of a detector along its rows), and models that are sound or
not: the axis half a pixel off, gains wrong by 2 %, the PSF 5, 10 or 20 % too wide.  "bars": hollow
bars with known truth, where PHYSRECON_TEST_DATA or ../shared/data has them.

Prints PSNR in dB at the best weight, by a parabola through solutions of a grid of factors of two,
the loss of the weight that is found, its ratio to the best, and the products with A in units of
one solution."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from deconvolution_data import DATA, read
from scipy.ndimage import gaussian_filter
from timing import Table

import physrecon as pr
from physrecon.catalog import WEIGHT_RULES
from physrecon.errors import ArgumentError
from physrecon.solvers.choose_solver import choose_solver

SIZE, MARGIN = 64, 16
GRID = range(6, -7, -1)  # log2 of the ratios to the weight that is found
EACH = 0.4  # solutions at a weight of the grid, from that of the next larger one
ENOUGH, MOST = 0.5, 2.0  # dB


class Case(NamedTuple):
    f: Any
    truth: np.ndarray
    frame: Any = ...
    axes: tuple[int, ...] | None = None
    iterations: int = 200


def psnr(x: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(truth.max() ** 2 / np.mean((x.astype(np.float64) - truth) ** 2)))


def noise(shape: tuple[int, ...], shared: bool, axes: tuple[int, ...], seed: int) -> np.ndarray:
    """Of variance 1; shared by neighbours along the axes."""
    white = np.random.default_rng(seed).standard_normal(shape)
    sigma = [float(shared and axis in axes) for axis in range(len(shape))]
    spread = gaussian_filter(white, sigma, mode="wrap")
    return spread / spread.std()


def tomography(model: str, shared: bool, scene: int, seed: int) -> Case:
    views, level = {"few views": (24, 0.015), "strong noise": (72, 0.05)}.get(model, (72, 0.015))
    angles = np.arange(views) * 180 / views
    scan = pr.ParallelBeam(angles, (1, SIZE), angle_unit="deg")
    true = scan.with_center((SIZE - 1) / 2 + 0.5) if model == "axis 0.5 off" else scan
    grid = scan.default_grid()
    ellipses = pr.datasets.random_ellipses(20, 1 + seed)
    phantom = pr.datasets.random_ellipses(9, seed) if seed else pr.datasets.shepp_logan_phantom(2)
    phantom = (phantom, ellipses)[scene]
    bodies = phantom.fitted(grid)
    y = bodies.projections(true).astype(np.float64)
    peak, rng = y.max(), np.random.default_rng(7 + scene + 100 * seed)
    if model == "gain 2 %":  # of a column, the same in all views; the peak is 3 mean free paths
        y -= peak / 3 * np.log1p(0.02 * rng.standard_normal(SIZE))
    y += level * peak * noise(y.shape, shared, (2,), scene + 100 * seed)
    f = pr.LeastSquares(pr.Projector(scan, grid), y.astype(np.float32))
    return Case(f, bodies.volume(grid), axes=(1, 2))


def deconvolution(model: str, shared: bool, scene: int, seed: int) -> Case:
    n, radius = SIZE + 2 * MARGIN, 4.0
    if scene:
        x = 10 + 60 * pr.datasets.specimen((9, n, n), seed=3 + seed).max(0)
    else:
        x = (
            60
            * pr.datasets.random_ellipses(30, 2 + seed).volume(
                pr.Grid((1, n, n), voxel_size=2 / n)
            )[0]
        )
    blur = pr.Blur(pr.psf.defocus((15, 15), radius), x.shape, "zero")
    inside = (slice(MARGIN, -MARGIN),) * 2
    y = blur.forward(x.astype(np.float64))[inside]
    if model == "gain 2 %":
        y *= 1 + 0.02 * np.random.default_rng(8 + scene + 100 * seed).standard_normal(y.shape)
    y += noise(y.shape, shared, (0, 1), 10 + scene + 100 * seed)
    wide = 1 + float(model.removeprefix("PSF +").removesuffix(" %")) / 100 if "PSF" in model else 1
    A = pr.Blur(pr.psf.defocus((15, 15), radius * wide), y.shape, "unknown")
    return Case(pr.LeastSquares(A, y.astype(np.float32)), x[inside], A.frame)


def bars(likelihood: str) -> Case:
    y, kernel, truth = (read(f"epfl_bars/bars-25pct-{n}.tif") for n in ("data", "kernel", "actual"))
    A = pr.Blur(pr.psf.centered(kernel), y.shape, "unknown")
    factor = y.sum() / truth.sum()  # data and truth have different units
    kinds = {"least squares": pr.LeastSquares, "poisson": pr.PoissonLikelihood}
    return Case(kinds[likelihood](A, y), factor * truth, A.frame, iterations=60)


MODELS = {
    tomography: ("sound", "strong noise", "few views", "axis 0.5 off", "gain 2 %"),
    deconvolution: ("sound", "PSF +5 %", "PSF +10 %", "PSF +20 %", "gain 2 %"),
}


def cases(seed: int) -> dict[str, Callable[[], Case]]:
    found: dict[str, Callable[[], Case]] = {}
    for kind, models in MODELS.items():
        for model in models:
            for shared in (False, True):
                for scene in (0, 1):
                    name = f"{kind.__name__}, {model}, {'shared' if shared else 'white'}, {scene}"
                    found[name] = lambda k=kind, m=model, s=shared, i=scene: k(m, s, i, seed)
    if (DATA / "epfl_bars").is_dir():
        found |= {f"bars, {word}": lambda w=word: bars(w) for word in ("least squares", "poisson")}
    return found


class Products:
    """The number of products with A and its transpose."""

    def __init__(self, A: Any) -> None:
        self.count = 0
        for name in ("_forward", "_adjoint"):
            setattr(A, name, self._counted(getattr(A, name)))

    def _counted(self, product: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            self.count += 1
            product(*args)

        return call


def measured(case: Case, rule: str) -> tuple[Any, int, float, float, float]:
    """(choice, log2 of the best weight in units of its, PSNR of the best weight and of its result,
    cost in solutions)."""
    f, truth, frame, axes, iterations = case
    stop, each = pr.Stop(iterations=iterations), int(EACH * iterations)
    prior, constraint = pr.TotalVariation(1.0, axes=axes), pr.NonNegative()
    products, solver = Products(f.A), choose_solver(pr.Problem(f, prior, constraint))
    choice = pr.choose_weight(pr.Problem(f, prior, constraint), rule, solver, stop)
    found = psnr(choice.result.x[frame], truth)
    cost, products.count = products.count, 0
    scores, x, one = {}, None, 0
    for k in GRID:
        weighted = pr.Problem(f, prior.with_weight(choice.weight * 2.0**k), constraint)
        x = pr.solve(weighted, solver, x, pr.Stop(iterations=each)).x
        one = one or products.count * iterations // each
        scores[k] = psnr(x[frame], truth)
    best = max(scores, key=lambda k: scores[k])
    near = [scores.get(k, scores[best]) for k in (best - 1, best, best + 1)]
    highest = scores[best] + 0.125 * (near[2] - near[0]) ** 2 / max(
        2 * near[1] - near[0] - near[2], 1e-9
    )
    return choice, best, max(highest, found), found, cost / one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="problems whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rule", default="held-out", choices=WEIGHT_RULES)
    chosen = parser.parse_args()
    table = Table(
        (f"{chosen.rule}: problem", "weight", "best PSNR", "loss dB", "to best", "cost", "seconds")
    )
    table.widths[0] = 42
    losses: dict[str, float] = {}
    for name, make in cases(chosen.seed).items():
        if chosen.only not in name:
            continue
        began = time.perf_counter()
        try:
            choice, best, highest, found, cost = measured(make(), chosen.rule)
        except ArgumentError as refused:
            losses[name] = math.inf
            print(f"{name}: refused, {refused}")
            continue
        losses[name] = max(highest - found, 0.0)
        end = "?" if best in (GRID[0], GRID[-1]) else ""
        took = f"{time.perf_counter() - began:.0f}"
        numbers = (f"{choice.weight:.3g}", f"{highest:.2f}", f"{losses[name]:.2f}")
        table.row(name, *numbers, f"2^{-best}{end}", f"{cost:.1f}", took)
    good = sum(loss <= ENOUGH for loss in losses.values())
    bad = sum(loss > MOST for loss in losses.values())
    print(f"within {ENOUGH} dB: {good} of {len(losses)}; more than {MOST} dB: {bad}")
    worst = sorted(losses, key=lambda name: -losses[name])[:5]
    print("worst: " + "; ".join(f"{name}: {losses[name]:.2f} dB" for name in worst))


if __name__ == "__main__":
    main()
