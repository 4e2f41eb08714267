"""The gain by likelihoods and priors when photons or views are few.

    python benchmarks/low_dose.py                    # about ten minutes
    python benchmarks/low_dose.py --only counts

"views": Shepp-Logan 256², 30 views, 10⁴ photons: total variation with the weight chosen from the
data, beside the best weight of an exhaustive search that uses the truth, and FBP with its best
filter.  "counts": ellipsoids, 30 photons: TransmissionLikelihood of raw counts beside least squares
on −log, plain and weighted, each stopped at its best iteration, and each with total variation at
its best weight.

Prints PSNR in dB (peak: the largest value of the phantom)."""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import minimize_scalar
from timing import Table, seconds

import physrecon as pr
from physrecon.catalog import FILTERS
from physrecon.likelihoods.noise import TransmissionNoise

DEPTH = 3.0  # optical depth of the densest ray


def scanned(phantom, size: int, views: int, photons: float, slices: int = 1, seed: int = 0):
    """Scan, truth (slices, size, size) and counts behind exact line integrals."""
    scan = pr.ParallelBeam(np.arange(views) * 180 / views, (slices, size), angle_unit="deg")
    grid = scan.default_grid()
    bodies = phantom.fitted(grid)
    exact = bodies.projections(scan)
    scale = DEPTH / exact.max()
    truth = (scale * bodies.volume(grid)).astype(np.float32)
    counts = TransmissionNoise(photons).sample((scale * exact).astype(np.float32), seed)
    return scan, truth, counts


def psnr(x, truth) -> float:
    return float(10 * np.log10(truth.max() ** 2 / np.mean((x - truth) ** 2)))


def minus_log(counts, photons):
    return -np.log(np.maximum(counts, 0.5) / np.float32(photons)).astype(np.float32)


def views(seed: int) -> None:
    size, photons = 256, 1e4
    phantom = pr.datasets.shepp_logan_phantom(2)
    scan, truth, counts = scanned(phantom, size, 30, photons, seed=seed)
    y = minus_log(counts, photons)
    best_filter = max(FILTERS, key=lambda name: psnr(pr.fbp(y, scan, filter=name), truth))
    fbp = psnr(pr.fbp(y, scan, filter=best_filter), truth)
    f = pr.LeastSquares(pr.Projector(scan), y, np.exp(-y))
    problem = pr.Problem(f, pr.TotalVariation(1.0, axes=(1, 2)), pr.NonNegative())
    found = []
    took = seconds(lambda: found.append(pr.choose_weight(problem, "gcv")))
    choice = found[0]
    auto = psnr(choice.result.x, truth)
    table = Table((f"30 views, seed {seed}", "weight", "PSNR", "seconds"))
    table.row(f"FBP, {best_filter}", "", f"{fbp:.2f}", "")
    table.row("TV, weight from the data", f"{choice.weight:.3g}", f"{auto:.2f}", f"{took:.0f}")
    searched, x = {}, None
    for weight in choice.weight * np.geomspace(8, 1 / 8, 13):
        one = pr.Problem(f, pr.TotalVariation(float(weight), axes=(1, 2)), pr.NonNegative())
        x = pr.solve(one, pr.FISTA(), x, stop=pr.Stop(iterations=200)).x
        searched[float(weight)] = psnr(x, truth)
    best = max(searched, key=lambda w: searched[w])
    table.row("TV, best weight of 13", f"{best:.3g}", f"{searched[best]:.2f}", "")
    print(
        f"from the data: {searched[best] - auto:.2f} dB below the best, {auto - fbp:.2f} above FBP"
    )


def counts(seed: int) -> None:
    size, photons = 128, 30.0
    phantom = pr.datasets.random_ellipsoids()
    scan, truth, measured = scanned(phantom, size, 180, photons, slices=4, seed=seed)
    A, y = pr.Projector(scan), minus_log(measured, photons)
    likelihoods = {
        "-log, least squares": pr.LeastSquares(A, y),
        "-log, weighted": pr.LeastSquares(A, y, np.exp(-y)),
        "raw counts": pr.TransmissionLikelihood(A, measured, photons),
    }
    table = Table((f"30 photons, seed {seed}", "best stop", "TV", "weight"))
    for name, f in likelihoods.items():
        free = pr.Problem(f, constraint=pr.NonNegative())
        states = zip(pr.iterate(free, pr.FISTA()), range(80), strict=False)
        stopped = max(psnr(state.x, truth) for state, _ in states)
        weight, best = best_weight(f, truth)
        table.row(name, f"{stopped:.2f}", f"{best:.2f}", f"{weight:.3g}")


def best_weight(f, truth) -> tuple[float, float]:
    """The weight of total variation with the highest PSNR, and that PSNR."""
    mean = float(f.values(np.zeros_like(truth)).sum()) / f.y.size
    x = None

    def score(logarithm: float) -> float:
        nonlocal x
        prior = pr.TotalVariation(float(np.exp(logarithm)), axes=(1, 2))
        problem = pr.Problem(f, prior, pr.NonNegative())
        x = pr.solve(problem, pr.FISTA(), x, stop=pr.Stop(iterations=150, rtol=3e-4)).x
        return -psnr(x, truth)

    bounds = np.log([2 * mean, 60 * mean])
    found = minimize_scalar(score, bounds=bounds, method="bounded", options={"xatol": 0.05})
    return float(np.exp(found.x)), -float(found.fun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["views", "counts"])
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    for seed in range(chosen.seeds):
        for study in (views, counts):
            if chosen.only in (None, study.__name__):
                study(seed)
                print()


if __name__ == "__main__":
    main()
