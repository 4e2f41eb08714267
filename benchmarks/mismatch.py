"""How often the check of the model tells a planted mismatch, and how often it cries wolf.

100 runs have one mismatch each, 100 have none.  A mismatch counts if it raises χ² by 10 % at least
against the same run without it, once x has learned all it can; a weaker one is made stronger.
Noise is Poisson or
white, and in half of the runs neighbours share it, which nobody says.

    python benchmarks/mismatch.py --seed 1000"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

import physrecon as pr
from physrecon.datasets import Simulation
from physrecon.jobs.image_job import ImageJob
from physrecon.model_check.check import ModelCheck
from physrecon.pipeline.image.model_check import FrameCheck
from physrecon.pipeline.image.psf import JobPSF
from physrecon.pipeline.scan.measure import SlabData
from physrecon.pipeline.scan.model_check import check_row

SCANS = {"axis": 14, "hardening": 14, "truncation": 12, "drift": 14, "columns": 12}
IMAGES = {"psf-wide": 12, "psf-narrow": 8, "srgb": 8, "lines": 6}
SOUND = {"scan": 60, "image": 40}
RAISED = 1.1  # χ², at least
STRONGER = 1.5  # factor on a mismatch that raises it less
MOST = 12.0  # sizes; a run that no mismatch worsens is left out
COLUMNS, VIEWS, PIXELS = 112, 120, 192
PHOTOS = ("camera", "coins", "text", "page", "brick", "grass", "gravel", "moon", "cell")


@dataclass
class Run:
    """A run: the check, χ² of the same run without the mismatch, how the run was made."""

    check: ModelCheck | None
    plain: float
    words: str


def scan_run(seed: int, kind: str | None, size: float) -> Run:
    """A scan of a phantom; size: of the mismatch, 1 to begin with."""
    rng = np.random.default_rng([seed, 1])
    phantom = ("ellipsoids", "shepp-logan", "foam")[seed % 3]
    counts, depth = 10 ** rng.uniform(3.3, 4.7), rng.uniform(1.5, 4)
    center = (COLUMNS - 1) / 2 + rng.uniform(-3, 3)
    shared = 0.7 * (seed % 2)
    method = ("fbp", "sirt", "cgls")[seed // 3 % 3]
    sim = Simulation(
        (1, COLUMNS, COLUMNS), VIEWS, phantom, center=center, seed=seed, depth=depth,
        pixel_size=None,
    )  # fmt: skip
    p = np.asarray(sim.object.projections(sim.scan, supersample=2), np.float64)
    given, kept, sign = center, slice(None), rng.choice([-1, 1])
    if kind == "hardening":
        soft = 0.15 * size
        p = -np.log(0.5 * np.exp(-p * (1 - soft)) + 0.5 * np.exp(-p * (1 + soft)))
    light = counts * np.exp(-p)
    if kind == "drift":
        t, walk = np.arange(VIEWS) / VIEWS, np.cumsum(rng.standard_normal(VIEWS))
        wave = [np.sin(2 * np.pi * t * rng.uniform(1, 6)), walk / walk.std() - walk.mean()][
            seed % 2
        ]
        light *= np.exp(0.01 * size * (wave - wave.mean()))[:, None, None]
    y = -np.log(np.maximum(rng.poisson(light), 1) / counts)
    if shared:
        y = gaussian_filter1d(y, shared, axis=2)
    if kind == "axis":
        given += sign * 0.5 * size
    if kind == "columns":
        at = rng.choice(np.arange(COLUMNS // 5, 4 * COLUMNS // 5), rng.integers(1, 4), False)
        y[:, :, at] += 0.05 * size * depth * rng.choice([-1, 1], len(at))
    if kind == "truncation":
        cut = min(round(COLUMNS * 0.15 * size**0.5), COLUMNS // 3)
        kept, given = slice(cut, COLUMNS - cut), given - cut
    y = np.ascontiguousarray(y[:, :, kept], np.float32)
    scan = pr.ParallelBeam(
        sim.scan.radians, (1, y.shape[2]), angle_unit="rad", pixel_size=1.0, center=given
    )
    A = pr.Projector(scan)
    if method == "fbp":
        x = pr.fbp(y, scan, A.grid, padding="edge")
    else:
        solver, count = {"sirt": (pr.SIRT(), 50), "cgls": (pr.ConjugateGradient(), 12)}[method]
        x = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, None, pr.Stop(iterations=count)).x
    checked = check_row(SlabData(y), x, scan, A.grid)
    words = f"{phantom} {method} counts {counts:.0f}, shared {shared}, size {size:.2g}"
    return Run(checked and checked[0], 0.0, words)


def photo(seed: int, n: int) -> Any:
    """A photograph of scikit-image, halved where it is large enough."""
    import skimage.data

    rng = np.random.default_rng([seed, 2])
    image = np.asarray(getattr(skimage.data, PHOTOS[seed % len(PHOTOS)])(), np.float64)
    if min(image.shape) >= 2 * n:
        high, wide = (k // 2 * 2 for k in image.shape)
        image = image[:high, :wide].reshape(high // 2, 2, wide // 2, 2).mean((1, 3))
    image = np.pad(image, [(0, max(n - k, 0)) for k in image.shape], mode="reflect")
    a, b = (rng.integers(0, k - n + 1) for k in image.shape)
    part = image[a : a + n, b : b + n]
    return part - part.min() + 0.02 * np.ptp(part)


def image_run(seed: int, kind: str | None, size: float) -> Run:
    """A blurred photograph; size: of the mismatch, 1 to begin with."""
    rng = np.random.default_rng([seed, 3])
    # a narrower Gaussian explains everything that a wide one has made: no χ² tells it
    disc = kind == "psf-narrow" or seed % 2 == 1
    model = (
        (lambda s: pr.psf.defocus((41, 41), radius=s))
        if disc
        else (lambda s: pr.psf.gaussian((41, 41), sigma=s))
    )
    width, counts = rng.uniform(*((2.5, 6) if disc else (1.5, 3))), 10 ** rng.uniform(2, 4)
    shared, poisson = 0.7 * (seed // 2 % 2), seed % 3 > 0
    x = photo(seed, PIXELS + 40)
    if kind == "srgb":
        x = (x / x.max()) ** 2.2
    y = pr.Blur(model(width), (PIXELS, PIXELS), "unknown") @ np.ascontiguousarray(x)
    y *= counts / y.mean()
    noise = rng.poisson(y) - y if poisson else np.sqrt(counts) * rng.standard_normal(y.shape)
    y = np.maximum(y + noise, 0)
    if kind == "srgb":
        y = counts * (y / counts) ** (1 / 2.2)
    if shared:
        y = gaussian_filter(y, shared)
    if kind == "lines":
        at = rng.choice(PIXELS, 3, False)
        y[:, at] *= 1 + 0.2 * size * rng.choice([-1, 1], 3)
    factor = {"psf-wide": 1 + 0.2 * size, "psf-narrow": 1 / (1 + 0.2 * size)}.get(kind or "", 1.0)
    y = y.astype(np.float32)
    h = model(width * factor)
    A = pr.Blur(h, y.shape, "unknown")
    f = pr.LeastSquares(A, y)
    prior = pr.TotalVariation(0.3 * float(pr.noise_level(y)[0]))
    problem = pr.Problem(f, prior, pr.NonNegative())
    found = pr.solve(problem, pr.FISTA(), None, pr.Stop(iterations=50)).x[A.frame]
    job = ImageJob(input="a.tif", output="b.tif", psf="c.tif", method="fista", prior="tv")
    checked = FrameCheck(job, JobPSF(h, A.center), y, 0.0).check(found)
    words = (
        f"{PHOTOS[seed % len(PHOTOS)]} {'disc' if disc else 'gaussian'} {width:.2f}, counts "
        f"{counts:.0f} {'Poisson' if poisson else 'white'}, shared {shared}, size {size:.2g}"
    )
    return Run(checked and checked[0], 0.0, words)


def raised(run: Run, kind: str) -> float:
    """χ² once x has learned all it can; of an image, where the PSF decides that, of the result."""
    return run.check.chi2 if kind in IMAGES else run.check.unexplained


def planted(make: Any, seed: int, kind: str) -> Run | None:
    """A run with a mismatch that raises χ² by 10 % at least; None if none does."""
    plain, size = make(seed, None, 1.0), 1.0
    while plain.check and size < MOST:
        run = make(seed, kind, size)
        if run.check and raised(run, kind) >= RAISED * raised(plain, kind):
            run.plain = raised(plain, kind)
            return run
        size *= STRONGER
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first run of each kind")
    parser.add_argument("--part", type=float, default=1.0, help="of the 200 runs")
    parser.add_argument("--only", default="", help="kinds, a comma between")
    given = parser.parse_args()
    only = set(filter(None, given.only.split(",")))
    totals = [0, 0, 0, 0, 0]  # planted, told, right cause first, sound, false alarms
    for make, kinds in ((scan_run, SCANS), (image_run, IMAGES)):
        for kind, count in kinds.items():
            if only and kind not in only:
                continue
            told = right = 0
            some, start = max(1, round(given.part * count)), time.perf_counter()
            runs = ((n, planted(make, n, kind)) for n in itertools.count(given.seed))
            worse = ((n, run) for n, run in runs if run is not None)
            for seed, run in itertools.islice(worse, some):
                causes = [name for name, _ in run.check.causes]
                told += not run.check.fits
                right += causes[:1] == [kind]
                print(
                    f"  {kind} {seed}: {run.words}; "
                    f"χ² {run.plain:.3g} → {raised(run, kind):.3g}, "
                    + ("fits" if run.check.fits else f"{causes}"),
                    flush=True,
                )
            seconds = time.perf_counter() - start
            print(f"{kind:11s} {some:3d} planted, {told} told, {right} right  {seconds:.0f} s")
            totals = [a + b for a, b in zip(totals, (some, told, right, 0, 0), strict=True)]
    for make, name in ((scan_run, "scan"), (image_run, "image")):
        if only and name not in only:
            continue
        some, alarms = max(1, round(given.part * SOUND[name])), 0
        for seed in range(given.seed, given.seed + some):
            run = make(seed, None, 1.0)
            if run.check and not run.check.fits:
                alarms += 1
                print(f"  sound {seed}: {run.words}: {run.check.causes}", flush=True)
        print(f"sound {name:5s} {some:3d}, {alarms} false alarms", flush=True)
        totals = [a + b for a, b in zip(totals, (0, 0, 0, some, alarms), strict=True)]
    print("all: {} planted, {} told, {} right first; {} sound, {} false alarms".format(*totals))


if __name__ == "__main__":
    main()
