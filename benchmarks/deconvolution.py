"""Richardson–Lucy in 3-D beside scikit-image and RedLionfish, in the same run and in turns.

    python benchmarks/deconvolution.py                      64×512×512, PSF 31³, 20 iterations
    python benchmarks/deconvolution.py --shape 32,256,256 --iterations 5 --rounds 5

Counts of a simulated specimen, float32, zero beyond the frame (boundary "zero").  Two PSFs: a
Gaussian, which is separable, and the Born–Wolf PSF of a widefield objective, which is not; the
programs get the arrays only.  Every call begins from the data, so that transforms of the PSF and
its separation are included.  The row of transforms alone times the four of an iteration:
scipy.fft.rfftn and irfftn, twice each, of the padded array that our program uses.

The last table has the iterations that accelerated Richardson–Lucy needs to reach the likelihood of
50 plain ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from timing import Table, cores, in_turns

import physrecon as pr

PSF_SHAPE = (31, 31, 31)
BACKGROUND = 2.0


def gaussian_psf() -> np.ndarray:
    return pr.psf.gaussian(PSF_SHAPE, (4, 2.5, 2.5), 1.0)


def widefield_psf() -> np.ndarray:
    return pr.psf.born_wolf(
        PSF_SHAPE, wavelength=0.52, na=1.2, voxel_size=(0.15, 0.07, 0.07), index=1.33
    )


def specimen(shape: tuple[int, ...]) -> np.ndarray:
    """Grey slabs with bright points in them."""
    rng = np.random.default_rng(3)
    x = np.full(shape, 2, np.float32)
    nz, ny, nx = shape
    x[nz // 5 : -nz // 5, ny // 4 : -ny // 4, nx // 4 : -nx // 3] += 50
    points = [rng.integers(0, n, 400) for n in shape]
    x[tuple(points)] += 2000
    return x


def ours(y: np.ndarray, psf: np.ndarray, iterations: int, accelerate: bool = False) -> Any:
    A = pr.Blur(psf, y.shape)
    problem = pr.Problem(pr.PoissonLikelihood(A, y, BACKGROUND))
    solver = pr.RichardsonLucy(accelerate=accelerate)
    return pr.solve(problem, solver, stop=pr.Stop(iterations=iterations))


def skimage(y: np.ndarray, psf: np.ndarray, iterations: int) -> Any:
    import scipy.fft
    from skimage.restoration import richardson_lucy

    with scipy.fft.set_workers(cores()):
        return richardson_lucy(y, psf.astype(np.float32), num_iter=iterations, clip=False)


def redlionfish(y: np.ndarray, psf: np.ndarray, iterations: int) -> Any:
    import RedLionfishDeconv

    return RedLionfishDeconv.doRLDeconvolutionFromNpArrays(
        y, psf.astype(np.float32), niter=iterations, method="cpu", resAsUint8=False
    )


def transforms(y: np.ndarray, psf: np.ndarray, iterations: int) -> None:
    """Two forward and two inverse transforms per iteration."""
    import scipy.fft

    lengths = pr.Blur(psf, y.shape, method="fft").padded_shape
    circle = np.zeros(lengths, np.float32)
    for _ in range(iterations):
        for _ in range(2):
            spectrum = scipy.fft.rfftn(circle, workers=cores())
            scipy.fft.irfftn(spectrum, lengths, workers=cores(), overwrite_x=True)


def peers() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {"scikit-image": skimage}
    try:
        import RedLionfishDeconv  # noqa: F401

        found["RedLionfish"] = redlionfish
    except ImportError:
        print("RedLionfish is not installed: pip install '.[bench]'")
    return found


def race(shape: tuple[int, ...], iterations: int, rounds: int) -> None:
    y = np.random.default_rng(0).poisson(specimen(shape)).astype(np.float32)
    programs = {"physrecon": ours, **peers()}
    table = Table(("PSF", "program", "seconds", "ratio"))
    cases = {
        "separable (Gaussian)": (gaussian_psf(), programs),
        "general (widefield)": (widefield_psf(), {**programs, "its transforms": transforms}),
    }
    for name, (psf, competing) in cases.items():
        calls = {p: partial(call, y, psf, iterations) for p, call in competing.items()}
        times = in_turns(calls, rounds)
        medians = {p: float(np.median(t)) for p, t in times.items()}
        for program, seconds in medians.items():
            table.row(name, program, f"{seconds:.2f}", f"{seconds / medians['physrecon']:.2f}")


def acceleration(shape: tuple[int, ...]) -> None:
    """Iterations to reach the likelihood of 50 plain ones."""
    psf = widefield_psf()
    x = specimen(shape)
    y = np.random.default_rng(1).poisson(pr.Blur(psf, shape) @ x + BACKGROUND).astype(np.float32)
    goal = ours(y, psf, 50).history[-1].value
    reached = next(
        (r.iteration for r in ours(y, psf, 50, accelerate=True).history if r.value <= goal), None
    )
    print(f"accelerated: the likelihood of 50 plain iterations after {reached}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="64,512,512")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    shape = tuple(int(n) for n in options.shape.split(","))
    print(f"{cores()} cores; {shape} float32, PSF {PSF_SHAPE}, {options.iterations} iterations")
    race(shape, options.iterations, options.rounds)
    acceleration(tuple(min(n, 128) for n in shape))


if __name__ == "__main__":
    main()
